//! Contact lists and subscriptions between members (RFC 6121 §2, §3).
//!
//! The lists of members with a session are held here and written through to the store.

use std::collections::BTreeMap;

use jid::{BareJid, Jid};
use minidom::Element;

use crate::account_request::{AccountAnswer, AccountRequest};
use crate::component::{Outbound, SenderContext};
use crate::hosts::HostKind;
use crate::roster::{ITEMS_MAX, NS_ROSTER, RosterItem, RosterSet};
use crate::routing::result;
use crate::server::{Pending, Server, Turn};
use crate::session::SessionId;
use crate::stanza::{NS_CLIENT, SharedStanza};
use crate::stanza_error::{Condition, StanzaError};
use crate::xml::ElementExt;

/// Subscription requests that wait for the list of somebody who is not signed in.
pub(crate) const WAITING_SUBSCRIPTIONS_MAX: usize = 64;

/// The lists in memory.
#[derive(Debug, Default)]
pub(crate) struct Contacts {
    lists: BTreeMap<BareJid, BTreeMap<BareJid, RosterItem>>,
    /// Subscription stanzas for members without a session, until their list arrives.
    waiting: BTreeMap<BareJid, Vec<Element>>,
}

impl Contacts {
    pub(crate) fn is_loaded(&self, account: &BareJid) -> bool {
        self.lists.contains_key(account)
    }

    pub(crate) fn loaded(&mut self, account: &BareJid, items: Vec<RosterItem>) {
        self.lists
            .entry(account.clone())
            .or_insert_with(|| items.into_iter().map(|item| (item.contact.clone(), item)).collect());
    }

    pub(crate) fn forget(&mut self, account: &BareJid) {
        self.lists.remove(account);
    }

    fn items(&self, account: &BareJid) -> impl Iterator<Item = &RosterItem> {
        self.lists.get(account).into_iter().flat_map(BTreeMap::values)
    }

    /// Who sees the presence of `account`.
    pub(crate) fn seeing(&self, account: &BareJid) -> Vec<BareJid> {
        self.items(account).filter(|item| item.subscription.from).map(|item| item.contact.clone()).collect()
    }

    /// Whose presence `account` sees.
    pub(crate) fn seen_by(&self, account: &BareJid) -> Vec<BareJid> {
        self.items(account).filter(|item| item.subscription.to).map(|item| item.contact.clone()).collect()
    }

    /// Who asked to see the presence of `account` and has no answer.
    pub(crate) fn waiting_for(&self, account: &BareJid) -> Vec<BareJid> {
        self.items(account).filter(|item| item.pending_in).map(|item| item.contact.clone()).collect()
    }
}

impl Server {
    /// `jabber:iq:roster` to one's own account.
    pub(crate) fn roster_iq(
        &mut self,
        id: SessionId,
        context: &SenderContext,
        iq: &Element,
        query: &Element,
        turn: &mut Turn<'_>,
    ) -> Result<(), StanzaError> {
        let account = context.jid.to_bare();
        if iq.attr("type") == Some("get") {
            let mut list = Element::bare("query", NS_ROSTER);
            for item in self.contacts.items(&account).filter(|item| item.is_listed()) {
                list.append_child(item.to_element());
            }
            if let Some(session) = self.sessions.get_mut(id) {
                session.wants_roster = true;
            }
            let answer = result(iq, context).child(list);
            turn.queue.push_back(Outbound::element(context.jid.clone(), answer));
            return Ok(());
        }
        let set = RosterSet::parse(query)?;
        let Some(list) = self.contacts.lists.get(&account) else {
            return Err(StanzaError::new(Condition::NotAllowed).text("Guests and services have no contact list."));
        };
        match set {
            RosterSet::Update { contact, name, groups } => {
                if list.len() >= ITEMS_MAX && !list.contains_key(&contact) {
                    return Err(StanzaError::new(Condition::ResourceConstraint).text("The contact list is full."));
                }
                self.change_item(&account, &contact, turn, |item| {
                    item.name = name;
                    item.groups = groups;
                });
            }
            RosterSet::Remove { contact } => {
                let Some(item) = list.get(&contact).cloned() else {
                    return Err(Condition::ItemNotFound.into());
                };
                // Both directions end (RFC 6121 §2.5.2).
                if item.subscription.to || item.subscription.ask {
                    self.outbound_subscription(&account, &contact, "unsubscribe", turn);
                }
                if item.subscription.from {
                    self.outbound_subscription(&account, &contact, "unsubscribed", turn);
                }
                self.remove_item(&account, &contact, turn);
            }
        }
        turn.queue.push_back(Outbound::element(context.jid.clone(), result(iq, context)));
        Ok(())
    }

    fn change_item(
        &mut self,
        account: &BareJid,
        contact: &BareJid,
        turn: &mut Turn<'_>,
        change: impl FnOnce(&mut RosterItem),
    ) {
        let Some(list) = self.contacts.lists.get_mut(account) else {
            return;
        };
        let before = list.get(contact).cloned();
        let mut item = before.clone().unwrap_or_else(|| RosterItem::new(contact.clone()));
        change(&mut item);
        if before.as_ref() == Some(&item) {
            return;
        }
        list.insert(contact.clone(), item.clone());
        let listed = item.is_listed();
        let changed_for_clients = before.as_ref().map(RosterItem::to_element) != Some(item.to_element());
        let request = AccountRequest::SetRosterItem { account: account.clone(), item: item.clone() };
        self.ask(request, Pending::RosterWrite, turn);
        if listed && changed_for_clients {
            self.push_item(account, item.to_element(), turn);
        }
    }

    fn remove_item(&mut self, account: &BareJid, contact: &BareJid, turn: &mut Turn<'_>) {
        if let Some(list) = self.contacts.lists.get_mut(account) {
            list.remove(contact);
        }
        let request = AccountRequest::RemoveRosterItem { account: account.clone(), contact: contact.clone() };
        self.ask(request, Pending::RosterWrite, turn);
        let item = Element::bare("item", NS_ROSTER).with("jid", contact.as_str()).with("subscription", "remove");
        self.push_item(account, item, turn);
    }

    /// Tells every resource that asked for the list what changed (RFC 6121 §2.1.6).
    fn push_item(&mut self, account: &BareJid, item: Element, turn: &mut Turn<'_>) {
        let push = Element::bare("iq", NS_CLIENT)
            .with("type", "set")
            .with("id", crate::random::token(turn.random))
            .child(Element::bare("query", NS_ROSTER).child(item));
        let shared = SharedStanza::new(&push);
        for id in self.sessions.by_account(account.as_str()).to_vec() {
            if let Some(session) = self.sessions.get(id).filter(|session| session.wants_roster) {
                turn.queue.push_back(Outbound::shared(session.context.jid.clone(), &shared));
            }
        }
    }

    /// A subscription stanza of a session, to the account `to`.
    pub(crate) fn subscription(&mut self, stanza: &Element, to: &BareJid, turn: &mut Turn<'_>) {
        let sender =
            stanza.attr("from").and_then(|from| self.sessions.by_address(from)).and_then(|id| self.sessions.get(id));
        let Some((context, host)) = sender.map(|session| (session.context.clone(), session.host)) else {
            return;
        };
        let account = context.jid.to_bare();
        let between_members = host == HostKind::Main
            && context.is_authenticated
            && self.settings.hosts.kind(to.domain().as_str()) == Some(HostKind::Main)
            && account != *to;
        if !between_members {
            return;
        }
        if let Some(kind) = stanza.attr("type").map(str::to_owned) {
            self.outbound_subscription(&account, to, &kind, turn);
        }
    }

    /// The sender's side (RFC 6121 §3.1.2, §3.1.5, §3.2.2, §3.3.2), then the contact's.
    fn outbound_subscription(&mut self, account: &BareJid, contact: &BareJid, kind: &str, turn: &mut Turn<'_>) {
        let mut forward = true;
        let mut show = false;
        self.change_item(account, contact, turn, |item| match kind {
            "subscribe" => item.subscription.ask = !item.subscription.to,
            "unsubscribe" => {
                item.subscription.to = false;
                item.subscription.ask = false;
            }
            "subscribed" => {
                // Approval counts only where somebody asked.
                forward = item.pending_in;
                show = item.pending_in;
                item.subscription.from |= item.pending_in;
                item.pending_in = false;
            }
            _ => {
                forward = item.pending_in || item.subscription.from;
                item.subscription.from = false;
                item.pending_in = false;
            }
        });
        if !forward {
            return;
        }
        let stanza = Element::bare("presence", NS_CLIENT)
            .with("type", kind)
            .with("from", account.as_str())
            .with("to", contact.as_str());
        if kind == "unsubscribed" {
            self.show_to(account, contact, false, turn);
        }
        self.inbound_subscription(contact, stanza, turn);
        if show {
            self.show_to(account, contact, true, turn);
        }
    }

    /// The contact's side (RFC 6121 §3.1.3, §3.1.6, §3.2.3, §3.3.3).
    fn inbound_subscription(&mut self, account: &BareJid, stanza: Element, turn: &mut Turn<'_>) {
        if !self.contacts.is_loaded(account) {
            let waiting = self.contacts.waiting.entry(account.clone()).or_default();
            if waiting.len() < WAITING_SUBSCRIPTIONS_MAX {
                waiting.push(stanza);
            }
            if waiting.len() == 1 {
                let request = AccountRequest::LoadRoster { account: account.clone() };
                self.ask(request, Pending::RosterForSubscription(account.clone()), turn);
            }
            return;
        }
        let from = stanza.attr("from").and_then(|from| Jid::new(from).ok()).map(Jid::into_bare);
        let (Some(contact), Some(kind)) = (from, stanza.attr("type").map(str::to_owned)) else {
            return;
        };
        let list_is_full = self
            .contacts
            .lists
            .get(account)
            .is_some_and(|list| list.len() >= ITEMS_MAX && !list.contains_key(&contact));
        if list_is_full {
            return;
        }
        let mut deliver = true;
        let mut approved_already = false;
        let mut hide = false;
        self.change_item(account, &contact, turn, |item| match kind.as_str() {
            "subscribe" if item.subscription.from => approved_already = true,
            "subscribe" => item.pending_in = true,
            "subscribed" => {
                deliver = item.subscription.ask;
                item.subscription.to |= item.subscription.ask;
                item.subscription.ask = false;
            }
            "unsubscribe" => {
                deliver = item.subscription.from || item.pending_in;
                hide = item.subscription.from;
                item.subscription.from = false;
                item.pending_in = false;
            }
            _ => {
                deliver = item.subscription.to || item.subscription.ask;
                item.subscription.to = false;
                item.subscription.ask = false;
            }
        });
        if approved_already {
            let answer = Element::bare("presence", NS_CLIENT)
                .with("type", "subscribed")
                .with("from", account.as_str())
                .with("to", contact.as_str());
            return self.inbound_subscription(&contact, answer, turn);
        }
        if deliver {
            let shared = SharedStanza::new(&stanza);
            for id in self.available(account.as_str()) {
                if let Some(session) = self.sessions.get(id) {
                    turn.queue.push_back(Outbound::shared(session.context.jid.clone(), &shared));
                }
            }
        }
        if hide {
            self.show_to(account, &contact, false, turn);
        }
    }

    /// The list of somebody without a session arrived: what waited for it is done now.
    pub(crate) fn roster_arrived(&mut self, account: BareJid, answer: AccountAnswer, turn: &mut Turn<'_>) {
        let waiting = self.contacts.waiting.remove(&account).unwrap_or_default();
        // For an account that does not exist nothing happens, as for one that never answers.
        if let AccountAnswer::Roster(Some(items)) = answer {
            self.contacts.loaded(&account, items);
            for stanza in waiting {
                self.inbound_subscription(&account, stanza, turn);
            }
            self.forget_contacts_if_unused(&account);
        }
    }

    /// Shows or hides the presence of an account to one contact.
    fn show_to(&mut self, account: &BareJid, contact: &BareJid, show: bool, turn: &mut Turn<'_>) {
        for id in self.available(account.as_str()) {
            let Some(session) = self.sessions.get(id) else {
                continue;
            };
            let stanza = if show {
                session.presence.clone()
            } else {
                Some(
                    Element::bare("presence", NS_CLIENT)
                        .with("type", "unavailable")
                        .with("from", session.context.jid.as_str()),
                )
            };
            if let Some(stanza) = stanza {
                turn.queue.push_back(Outbound::element(contact.clone(), stanza));
            }
        }
    }
}
