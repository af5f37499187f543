//! Changing roles and affiliations, and the lists of them (XEP-0045 §8, §9, muc#admin).

use jid::BareJid;
use minidom::Element;

use crate::component::SenderContext;
use crate::muc::affiliation::{Affiliation, Role};
use crate::muc::policy::moderation;
use crate::muc::presence::{Actor, Notice};
use crate::muc::room::{AFFILIATIONS_MAX, Room, RoomContext, RoomEvent, RoomKind, role_for};
use crate::ns;
use crate::stanza::{NS_CLIENT, SharedStanza};
use crate::stanza_error::{Condition, StanzaError};
use crate::xml::ElementExt;

/// Most items in one request.
pub const ITEMS_MAX: usize = 1_000;

/// Longest reason that is kept with a ban, in bytes; a longer one is told once and forgotten.
pub const REASON_BYTES_MAX: usize = 1024;

/// One item of a request, understood.
enum Change {
    Role { nick: String, role: Role },
    Affiliation { account: BareJid, affiliation: Affiliation },
}

impl Room {
    /// Applies the items of a request in order, up to the first that is refused.
    ///
    /// COMPAT(lib-jitsi-meet): making everybody present a member, before it switches a lobby on, is one request with
    /// many items.
    pub(super) fn handle_admin_set(
        &mut self,
        sender: &SenderContext,
        query: &Element,
        rcx: &mut RoomContext<'_, '_>,
    ) -> Result<Option<Element>, StanzaError> {
        let items: Vec<&Element> = query.children().filter(|child| child.is("item", ns::MUC_ADMIN)).collect();
        if items.is_empty() {
            return Err(Condition::BadRequest.into());
        }
        if items.len() > ITEMS_MAX {
            return Err(StanzaError::new(Condition::PolicyViolation).text("Too many items in one request."));
        }
        let mut changes = Vec::with_capacity(items.len());
        for item in items {
            let reason = item.get_child("reason", ns::MUC_ADMIN).map(Element::text);
            changes.push((self.read_item(item)?, reason));
        }
        for (change, reason) in changes {
            let reason = reason.as_deref().filter(|reason| !reason.is_empty());
            match change {
                Change::Role { nick, role } => {
                    self.change_role(sender, &nick, role, reason, rcx)?;
                }
                Change::Affiliation { account, affiliation } => {
                    self.change_affiliation(sender, &account, affiliation, reason, rcx)?
                }
            }
        }
        Ok(None)
    }

    fn read_item(&self, item: &Element) -> Result<Change, StanzaError> {
        let bad = || StanzaError::from(Condition::BadRequest);
        if let Some(affiliation) = item.attr("affiliation") {
            let affiliation = Affiliation::parse(affiliation).ok_or_else(bad)?;
            let account = match (item.attr("jid"), item.attr("nick")) {
                (Some(jid), _) => jid::Jid::new(jid).map_err(|_| StanzaError::from(Condition::JidMalformed))?.to_bare(),
                (None, Some(nick)) => self.occupant_by_nick(nick).ok_or(Condition::ItemNotFound)?.account.clone(),
                (None, None) => return Err(bad()),
            };
            return Ok(Change::Affiliation { account, affiliation });
        }
        let role = item.attr("role").and_then(Role::parse).ok_or_else(bad)?;
        let nick = match (item.attr("nick"), item.attr("jid")) {
            (Some(nick), _) => nick.to_owned(),
            (None, Some(jid)) => self
                .occupants
                .values()
                .find(|occupant| occupant.session.as_str() == jid)
                .ok_or(Condition::ItemNotFound)?
                .nick()
                .to_owned(),
            (None, None) => return Err(bad()),
        };
        Ok(Change::Role { nick, role })
    }

    fn change_role(
        &mut self,
        sender: &SenderContext,
        nick: &str,
        role: Role,
        reason: Option<&str>,
        rcx: &mut RoomContext<'_, '_>,
    ) -> Result<(), StanzaError> {
        let actor = self.occupant(&sender.jid).ok_or(Condition::NotAllowed)?;
        let id = *self.by_nick.get(nick).ok_or(Condition::ItemNotFound)?;
        let target = &self.occupants[&id];
        moderation::check_role(
            actor,
            self.affiliation(&actor.account, rcx),
            target,
            self.affiliation(&target.account, rcx),
            role,
        )?;
        let actor = self.actor(sender);
        if role == Role::None {
            self.kick(id, &actor, sender, reason, rcx);
        } else if target.role != role {
            self.set_role(id, role, Some(&actor), reason, rcx);
        }
        Ok(())
    }

    /// Removes an occupant; what it was in the room is forgotten, or an owner would come straight back as owner.
    fn kick(
        &mut self,
        id: crate::muc::occupant::OccupantId,
        actor: &Actor,
        sender: &SenderContext,
        reason: Option<&str>,
        rcx: &mut RoomContext<'_, '_>,
    ) {
        let target = &self.occupants[&id];
        let event = RoomEvent::Kicked {
            actor: actor.nick.clone().unwrap_or_default(),
            actor_account: sender.jid.to_bare(),
            nick: target.nick().to_owned(),
            display_name: target.display_name().map(str::to_owned),
        };
        let account = target.account.clone();
        if matches!(self.kind, RoomKind::Conference | RoomKind::Brewery) && !target.is_admin {
            self.affiliations.remove(&account);
            self.approved.remove(&account);
            self.announce_affiliation(&account, Affiliation::None, None, rcx);
        }
        let notice = Notice { unavailable: true, statuses: &["307"], actor: Some(actor), reason, ..Notice::default() };
        self.remove(id, &notice, rcx);
        rcx.events.push(event);
    }

    pub(super) fn change_affiliation(
        &mut self,
        sender: &SenderContext,
        account: &BareJid,
        new: Affiliation,
        reason: Option<&str>,
        rcx: &mut RoomContext<'_, '_>,
    ) -> Result<(), StanzaError> {
        if matches!(self.kind, RoomKind::Lobby | RoomKind::Breakout) {
            // There the main room decides.
            return Err(Condition::NotAllowed.into());
        }
        let actor_account = sender.jid.to_bare();
        let actor_affiliation = self.affiliation(&actor_account, rcx);
        let old = self.affiliation(account, rcx);
        let is_server_admin = rcx.settings.is_admin(account);
        if actor_account == *account && new <= old && old != Affiliation::Owner {
            // Anybody may step back.
        } else {
            moderation::check_affiliation(actor_affiliation, old, is_server_admin, new)?;
        }
        if is_server_admin || old == new {
            return Ok(());
        }
        if old == Affiliation::Owner && actor_account == *account && self.owners() <= 1 {
            return Err(Condition::Conflict.into());
        }
        if new == Affiliation::None {
            self.affiliations.remove(account);
        } else {
            if self.affiliations.len() >= AFFILIATIONS_MAX && !self.affiliations.contains_key(account) {
                return Err(Condition::ResourceConstraint.into());
            }
            let kept = reason
                .filter(|reason| new == Affiliation::Outcast && reason.len() <= REASON_BYTES_MAX)
                .map(str::to_owned);
            self.affiliations.insert(account.clone(), (new, kept));
        }
        let actor = self.actor(sender);
        let present: Vec<_> =
            self.occupants.iter().filter(|(_, occupant)| occupant.account == *account).map(|(id, _)| *id).collect();
        if present.is_empty() {
            self.announce_affiliation(account, new, reason, rcx);
        }
        for id in present {
            if new == Affiliation::Outcast {
                self.expel(id, "301", Some(&actor), reason, rcx);
            } else if new == Affiliation::None && self.config.members_only {
                self.expel(id, "321", Some(&actor), reason, rcx);
            } else {
                let role = role_for(new, self.config.moderated);
                self.set_role(id, role, Some(&actor), reason, rcx);
            }
        }
        Ok(())
    }

    fn owners(&self) -> usize {
        self.affiliations.values().filter(|(affiliation, _)| *affiliation == Affiliation::Owner).count()
    }

    /// Removes an occupant with a status code.
    pub(super) fn expel(
        &mut self,
        id: crate::muc::occupant::OccupantId,
        status: &'static str,
        actor: Option<&Actor>,
        reason: Option<&str>,
        rcx: &mut RoomContext<'_, '_>,
    ) {
        let statuses = [status];
        let notice = Notice { unavailable: true, statuses: &statuses, actor, reason, ..Notice::default() };
        self.remove(id, &notice, rcx);
    }

    /// Tells those who see real addresses what somebody outside is now (XEP-0045 §9.3).
    pub(super) fn announce_affiliation(
        &self,
        account: &BareJid,
        affiliation: Affiliation,
        reason: Option<&str>,
        rcx: &mut RoomContext<'_, '_>,
    ) {
        let mut item =
            Element::bare("item", ns::MUC_USER).with("affiliation", affiliation.as_str()).with("jid", account.as_str());
        if let Some(reason) = reason {
            item.append_child(Element::bare("reason", ns::MUC_USER).with_text(reason));
        }
        let message = Element::bare("message", NS_CLIENT)
            .with("from", self.jid.as_str())
            .child(Element::bare("x", ns::MUC_USER).child(item));
        let shared = SharedStanza::new(&message);
        for viewer in self.occupants.values() {
            if self.sees_addresses(viewer) && viewer.account != *account {
                rcx.cx.out.push(crate::component::Outbound::shared(viewer.session.clone(), &shared));
            }
        }
    }

    /// The occupants with a role, or the accounts with an affiliation.
    pub(super) fn list(
        &self,
        sender: &SenderContext,
        query: &Element,
        rcx: &RoomContext<'_, '_>,
    ) -> Result<Option<Element>, StanzaError> {
        let item = query.get_child("item", ns::MUC_ADMIN).ok_or(Condition::BadRequest)?;
        let asker = self.affiliation(&sender.jid.to_bare(), rcx);
        let mut answer = Element::bare("query", ns::MUC_ADMIN);
        if let Some(affiliation) = item.attr("affiliation") {
            let affiliation = Affiliation::parse(affiliation).ok_or(Condition::BadRequest)?;
            let allowed = asker >= Affiliation::Admin
                || (asker >= Affiliation::Member && self.config.members_only && self.config.whois_anyone);
            if !allowed {
                return Err(Condition::Forbidden.into());
            }
            for (account, (stored, reason)) in &self.affiliations {
                if *stored == affiliation {
                    let mut item = Element::bare("item", ns::MUC_ADMIN)
                        .with("affiliation", affiliation.as_str())
                        .with("jid", account.as_str());
                    if let Some(reason) = reason {
                        item.append_child(Element::bare("reason", ns::MUC_ADMIN).with_text(reason.as_str()));
                    }
                    answer.append_child(item);
                }
            }
            return Ok(Some(answer));
        }
        let role = item.attr("role").and_then(Role::parse).ok_or(Condition::BadRequest)?;
        let is_moderator = self.occupant(&sender.jid).is_some_and(|occupant| occupant.role == Role::Moderator);
        if !is_moderator {
            return Err(Condition::Forbidden.into());
        }
        for occupant in self.occupants.values().filter(|occupant| occupant.role == role) {
            answer.append_child(
                Element::bare("item", ns::MUC_ADMIN)
                    .with("affiliation", self.affiliation(&occupant.account, rcx).as_str())
                    .with("role", role.as_str())
                    .with("nick", occupant.nick())
                    .with("jid", occupant.session.as_str()),
            );
        }
        Ok(Some(answer))
    }
}
