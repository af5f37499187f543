//! What a session asks of its own account: contact list, change of password, deletion.

use jid::{BareJid, Jid, NodePart};
use minidom::Element;

use crate::account::Password;
use crate::account_request::{AccountAnswer, AccountRequest, ChangeRefusal};
use crate::component::{Outbound, SenderContext};
use crate::hosts::HostKind;
use crate::ns;
use crate::roster::NS_ROSTER;
use crate::routing::result;
use crate::server::{Pending, Server, Turn, account_deleted, password_changed};
use crate::service::register::{self, NS_REGISTER, RegisterSet};
use crate::session::SessionId;
use crate::stanza_error::{Condition, StanzaError};
use crate::stream::negotiation::NS_SESSION;
use crate::xml::ElementExt;

/// A change that the store is making.
#[derive(Debug)]
pub(crate) struct PendingChange {
    session: SessionId,
    account: BareJid,
    request: Element,
    kind: ChangeKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChangeKind {
    Password,
    Deletion,
}

impl Server {
    /// An `iq` to one's own bare address, or without an address.
    pub(crate) fn own_iq(&mut self, id: SessionId, context: &SenderContext, iq: &Element, turn: &mut Turn<'_>) {
        if matches!(iq.attr("type"), Some("result" | "error")) {
            return;
        }
        let Some(payload) = iq.children().next() else {
            return;
        };
        let outcome = if payload.is("query", NS_ROSTER) {
            self.roster_iq(id, context, iq, payload, turn)
        } else if payload.is("query", NS_REGISTER) {
            self.register_iq(id, context, iq, payload, turn)
        } else if payload.is("session", NS_SESSION) || payload.is("ping", ns::PING) {
            turn.queue.push_back(Outbound::element(context.jid.clone(), result(iq, context)));
            Ok(())
        } else if payload.is("query", ns::DISCO_INFO) && iq.attr("type") == Some("get") {
            let answer = result(iq, context).child(account_disco_info());
            turn.queue.push_back(Outbound::element(context.jid.clone(), answer));
            Ok(())
        } else if payload.is("query", ns::DISCO_ITEMS) && iq.attr("type") == Some("get") {
            let answer = result(iq, context).child(Element::bare("query", ns::DISCO_ITEMS));
            turn.queue.push_back(Outbound::element(context.jid.clone(), answer));
            Ok(())
        } else {
            Err(Condition::ServiceUnavailable.into())
        };
        if let Err(error) = outcome {
            self.refuse(context, iq, &error, turn);
        }
    }

    /// An `iq` to a host. Returns whether it was about the sender's account and is dealt with.
    pub(crate) fn host_iq(
        &mut self,
        id: SessionId,
        context: &SenderContext,
        to: &Jid,
        iq: &Element,
        turn: &mut Turn<'_>,
    ) -> bool {
        let Some(payload) = iq.children().next() else {
            return false;
        };
        let own_host = to.domain() == context.jid.domain() && to.resource().is_none();
        let outcome = if own_host && payload.is("query", NS_REGISTER) {
            self.register_iq(id, context, iq, payload, turn)
        } else if own_host && payload.is("session", NS_SESSION) {
            turn.queue.push_back(Outbound::element(context.jid.clone(), result(iq, context)));
            Ok(())
        } else {
            return false;
        };
        if let Err(error) = outcome {
            self.refuse(context, iq, &error, turn);
        }
        true
    }

    /// XEP-0077 on an authenticated stream. The stream is encrypted: others never get this far.
    fn register_iq(
        &mut self,
        id: SessionId,
        context: &SenderContext,
        iq: &Element,
        query: &Element,
        turn: &mut Turn<'_>,
    ) -> Result<(), StanzaError> {
        let is_member =
            context.is_authenticated && self.settings.hosts.kind(context.jid.domain().as_str()) == Some(HostKind::Main);
        let account = context.jid.to_bare();
        let name = account.node().map(|node| node.as_str().to_owned()).unwrap_or_default();
        if !is_member {
            // Secrets of services are the administrator's business; guests have no account.
            return Err(StanzaError::new(Condition::NotAllowed).text("Only members have a password to change."));
        }
        if iq.attr("type") == Some("get") {
            let answer = result(iq, context).child(register::registered(&name));
            turn.queue.push_back(Outbound::element(context.jid.clone(), answer));
            return Ok(());
        }
        let now_ms = turn.now.monotonic_ms;
        let (request, kind) = match RegisterSet::parse(query)? {
            RegisterSet::Remove => (AccountRequest::Delete { account: account.clone() }, ChangeKind::Deletion),
            RegisterSet::Set { username, password, current } => {
                if NodePart::new(&username).ok().as_deref().map(jid::NodeRef::as_str) != Some(name.as_str()) {
                    return Err(StanzaError::new(Condition::BadRequest).text("You can only change your own password."));
                }
                if self.password_changes.is_exhausted(account.as_str(), now_ms) {
                    return Err(register::too_many_tries());
                }
                let new = register::check_password(&self.settings.policy, &name, &password)?;
                let current = current
                    .map(|current| Password::new(&current).map_err(|_| register::wrong_current_password(&name)))
                    .transpose()?;
                self.password_changes.failed(account.as_str().to_owned(), now_ms);
                (AccountRequest::ChangePassword { account: account.clone(), current, new }, ChangeKind::Password)
            }
        };
        let change = PendingChange { session: id, account, request: without_payload(iq), kind };
        self.ask(request, Pending::Change(change), turn);
        Ok(())
    }

    /// The store made the change, or refused.
    pub(crate) fn change_answered(&mut self, change: PendingChange, answer: AccountAnswer, turn: &mut Turn<'_>) {
        let context = self.sessions.get(change.session).map(|session| session.context.clone());
        let name = change.account.node().map(|node| node.as_str().to_owned()).unwrap_or_default();
        let outcome = match (change.kind, answer) {
            (ChangeKind::Password, AccountAnswer::PasswordChanged(Ok(())))
            | (ChangeKind::Deletion, AccountAnswer::Done) => Ok(()),
            (ChangeKind::Password, AccountAnswer::PasswordChanged(Err(ChangeRefusal::WrongCurrent))) => {
                Err(register::wrong_current_password(&name))
            }
            (_, AccountAnswer::PasswordChanged(Err(ChangeRefusal::NoAccount))) => Err(Condition::ItemNotFound.into()),
            _ => Err(register::store_failed()),
        };
        match outcome {
            Ok(()) => {
                // The answer goes out before anything is closed.
                if let Some(context) = &context {
                    let answer = result(&change.request, context);
                    turn.queue.push_back(Outbound::element(context.jid.clone(), answer));
                    self.deliver(turn);
                }
                match change.kind {
                    ChangeKind::Password => {
                        self.end_account(&change.account, Some(change.session), &password_changed(), turn)
                    }
                    ChangeKind::Deletion => {
                        self.end_account(&change.account, None, &account_deleted(), turn);
                        self.contacts.forget(&change.account);
                    }
                }
            }
            Err(error) => {
                if let Some(context) = &context {
                    self.refuse(context, &change.request, &error, turn);
                }
            }
        }
    }
}

/// The request as far as its answer needs it: without the passwords in it.
fn without_payload(iq: &Element) -> Element {
    let mut copy = Element::bare(iq.name(), iq.ns());
    *copy.attrs_mut() = iq.attrs().clone();
    copy
}

fn account_disco_info() -> Element {
    let mut query = Element::bare("query", ns::DISCO_INFO)
        .child(Element::bare("identity", ns::DISCO_INFO).with("category", "account").with("type", "registered"));
    for feature in [ns::DISCO_INFO, ns::DISCO_ITEMS, ns::PING, NS_ROSTER, NS_REGISTER] {
        query.append_child(Element::bare("feature", ns::DISCO_INFO).with("var", feature));
    }
    query
}
