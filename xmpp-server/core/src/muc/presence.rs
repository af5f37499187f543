//! What a room says about its occupants: presence, its variants and who sees which.

use jid::FullJid;
use minidom::Element;

use crate::component::{Outbound, SenderContext};
use crate::muc::affiliation::{Affiliation, Role};
use crate::muc::occupant::{Occupant, OccupantId, PresencePayload};
use crate::muc::policy::{moderation, permissions};
use crate::muc::room::{Room, RoomContext, RoomEvent};
use crate::ns;
use crate::stanza::{NS_CLIENT, SharedStanza};
use crate::stanza_error::{Condition, StanzaError};
use crate::xml::{self, ElementExt};

/// Most bytes of one occupant's presence: it is kept, and sent to every newcomer.
pub const PRESENCE_BYTES_MAX: usize = 64 * 1024;

/// Who caused a change.
#[derive(Debug, Clone)]
pub(super) struct Actor {
    pub(super) session: FullJid,
    pub(super) nick: Option<String>,
}

/// One announcement about one occupant.
#[derive(Debug, Default)]
pub(super) struct Notice<'a> {
    /// The occupant is leaving; `children` of the stanza are these, not the stored presence.
    pub(super) unavailable: bool,
    /// Children said on leaving, serialised.
    pub(super) farewell: &'a str,
    /// `id` of the farewell: Smack waits for it when it leaves.
    pub(super) id: Option<&'a str>,
    /// `xml:lang` of the farewell.
    pub(super) lang: Option<&'a str>,
    /// Status codes everybody sees.
    pub(super) statuses: &'a [&'static str],
    /// Status codes only the occupant sees, besides 110.
    pub(super) own_statuses: &'a [&'static str],
    /// Who caused it.
    pub(super) actor: Option<&'a Actor>,
    /// Why.
    pub(super) reason: Option<&'a str>,
    /// The new nickname (status 303).
    pub(super) new_nick: Option<&'a str>,
    /// `<destroy/>`, serialised within muc#user.
    pub(super) destroy: &'a str,
    /// Children added for the occupant itself only.
    pub(super) own_children: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    /// Another occupant who sees real addresses.
    Full,
    /// Another occupant who does not.
    Anonymous,
    /// The occupant itself.
    Own,
}

/// The variants of one announcement, each serialised once and only when somebody gets it.
#[derive(Default)]
struct Variants {
    full: Option<SharedStanza>,
    anonymous: Option<SharedStanza>,
}

impl Room {
    /// Whether an occupant sees real addresses.
    pub(super) fn sees_addresses(&self, viewer: &Occupant) -> bool {
        self.config.whois_anyone || viewer.role == Role::Moderator
    }

    /// Tells everybody but the occupant itself.
    pub(super) fn tell_others(
        &self,
        about: &Occupant,
        affiliation: Affiliation,
        notice: &Notice<'_>,
        rcx: &mut RoomContext<'_, '_>,
    ) {
        let mut variants = Variants::default();
        for viewer in self.occupants.values() {
            if viewer.session == about.session || moderation::hides_presence(self, viewer, about) {
                continue;
            }
            let (view, slot) = if self.sees_addresses(viewer) {
                (View::Full, &mut variants.full)
            } else {
                (View::Anonymous, &mut variants.anonymous)
            };
            let stanza = slot.get_or_insert_with(|| render(about, affiliation, notice, view));
            rcx.cx.out.push(Outbound::shared(viewer.session.clone(), stanza));
        }
    }

    /// Tells the occupant itself.
    pub(super) fn tell_self(
        &self,
        about: &Occupant,
        affiliation: Affiliation,
        notice: &Notice<'_>,
        rcx: &mut RoomContext<'_, '_>,
    ) {
        let stanza = render(about, affiliation, notice, View::Own);
        rcx.cx.out.push(Outbound::shared(about.session.clone(), &stanza));
    }

    /// Tells one occupant about another.
    pub(super) fn tell_one(&self, viewer: &Occupant, about: &Occupant, rcx: &mut RoomContext<'_, '_>) {
        if moderation::hides_presence(self, viewer, about) {
            return;
        }
        let view = if self.sees_addresses(viewer) { View::Full } else { View::Anonymous };
        let affiliation = self.affiliation(&about.account, rcx);
        let stanza = render(about, affiliation, &Notice::default(), view);
        rcx.cx.out.push(Outbound::shared(viewer.session.clone(), &stanza));
    }

    /// A new full presence of an occupant. With a join element the sender lost its view of the room and gets all of
    /// it again.
    pub(super) fn update_presence(
        &mut self,
        id: OccupantId,
        sender: &SenderContext,
        presence: &Element,
        rcx: &mut RoomContext<'_, '_>,
    ) {
        let payload = match self.read_payload(sender, presence) {
            Ok(payload) => payload,
            Err(error) => return self.refuse(sender, presence, error, rcx),
        };
        self.metadata_from_presence(sender, presence, rcx);
        let Some(occupant) = self.occupants.get_mut(&id) else {
            return;
        };
        if occupant.presence.display_name != payload.display_name {
            rcx.events.push(RoomEvent::Changed);
        }
        occupant.presence = payload;
        let occupant = &self.occupants[&id];
        let affiliation = self.affiliation(&occupant.account, rcx);
        let notice = Notice::default();
        if presence.has_child("x", ns::MUC) {
            for other in self.occupants.values() {
                if other.session != occupant.session {
                    self.tell_one(occupant, other, rcx);
                }
            }
            self.tell_others(occupant, affiliation, &notice, rcx);
            self.tell_self(occupant, affiliation, &notice, rcx);
            self.send_subject(&occupant.session, rcx);
        } else {
            self.tell_others(occupant, affiliation, &notice, rcx);
            self.tell_self(occupant, affiliation, &notice, rcx);
        }
    }

    pub(super) fn read_payload(
        &self,
        sender: &SenderContext,
        presence: &Element,
    ) -> Result<PresencePayload, StanzaError> {
        let payload = PresencePayload::read(presence, sender.is_admin, sender.params.region.as_deref());
        if payload.children.len() > PRESENCE_BYTES_MAX {
            return Err(StanzaError::new(Condition::PolicyViolation).text("This presence is too large to be kept."));
        }
        Ok(payload)
    }

    /// An occupant leaves, by its own word (`presence`) or because its session ended.
    pub(super) fn leave(&mut self, id: OccupantId, presence: Option<&Element>, rcx: &mut RoomContext<'_, '_>) {
        let payload = presence.map(|presence| PresencePayload::read(presence, false, None)).unwrap_or_default();
        let farewell = if payload.children.len() > PRESENCE_BYTES_MAX { "" } else { &payload.children };
        let notice = Notice {
            unavailable: true,
            farewell,
            id: payload.id.as_deref(),
            lang: payload.lang.as_deref(),
            ..Notice::default()
        };
        self.remove(id, &notice, rcx);
    }

    /// An occupant could not be reached: it is removed with status 333 (XEP-0045 §9.3.2 calls it an error kick).
    pub(super) fn remove_unreachable(&mut self, id: OccupantId, error: &Element, rcx: &mut RoomContext<'_, '_>) {
        let condition = error
            .get_child("error", NS_CLIENT)
            .and_then(|error| {
                error.children().find(|child| child.ns() == crate::stanza::NS_STANZA_ERRORS && child.name() != "text")
            })
            .map_or_else(|| "undefined condition".to_owned(), |child| child.name().replace('-', " "));
        let mut farewell = String::new();
        xml::write(
            &Element::bare("status", NS_CLIENT).with_text(format!("Kicked: {condition}")),
            NS_CLIENT,
            &mut farewell,
        );
        let notice = Notice { unavailable: true, farewell: &farewell, statuses: &["333"], ..Notice::default() };
        self.remove(id, &notice, rcx);
    }

    /// Takes an occupant out and tells everybody.
    pub(super) fn remove(&mut self, id: OccupantId, notice: &Notice<'_>, rcx: &mut RoomContext<'_, '_>) {
        let Some(mut occupant) = self.occupants.remove(&id) else {
            return;
        };
        self.by_session.remove(&occupant.session);
        self.by_nick.remove(occupant.nick());
        let affiliation = self.affiliation(&occupant.account, rcx);
        occupant.role = Role::None;
        self.tell_others(&occupant, affiliation, notice, rcx);
        self.tell_self(&occupant, affiliation, notice, rcx);
        self.speaker_stats.left(&occupant.session, rcx.cx.now);
        rcx.events.push(RoomEvent::Left { session: occupant.session });
    }

    /// Gives an occupant a role and tells everybody, if it differs or if `always`.
    pub(super) fn set_role(
        &mut self,
        id: OccupantId,
        role: Role,
        actor: Option<&Actor>,
        reason: Option<&str>,
        rcx: &mut RoomContext<'_, '_>,
    ) {
        let Some(occupant) = self.occupants.get_mut(&id) else {
            return;
        };
        let became_moderator = role == Role::Moderator && occupant.role != Role::Moderator;
        occupant.role = role;
        let occupant = &self.occupants[&id];
        let affiliation = self.affiliation(&occupant.account, rcx);
        let own_children = if became_moderator { permissions::children(self, occupant) } else { String::new() };
        let notice = Notice { actor, reason, own_children: &own_children, ..Notice::default() };
        self.tell_others(occupant, affiliation, &notice, rcx);
        self.tell_self(occupant, affiliation, &notice, rcx);
        rcx.events.push(RoomEvent::Changed);
        if became_moderator {
            self.av_moderation.became_moderator(self, occupant, rcx);
        }
    }

    /// Answers a presence probe about an occupant (XEP-0045 §17.3).
    pub(super) fn probe(
        &self,
        sender: &SenderContext,
        nick: Option<&str>,
        presence: &Element,
        rcx: &mut RoomContext<'_, '_>,
    ) {
        let Some(viewer) = self.occupant(&sender.jid) else {
            return self.refuse(sender, presence, Condition::NotAcceptable.into(), rcx);
        };
        let Some(about) = nick.and_then(|nick| self.occupant_by_nick(nick)) else {
            return self.refuse(sender, presence, Condition::ItemNotFound.into(), rcx);
        };
        if about.session == viewer.session {
            let affiliation = self.affiliation(&about.account, rcx);
            self.tell_self(about, affiliation, &Notice::default(), rcx);
        } else {
            self.tell_one(viewer, about, rcx);
        }
    }
}

/// One variant of an announcement.
fn render(about: &Occupant, affiliation: Affiliation, notice: &Notice<'_>, view: View) -> SharedStanza {
    let mut head = String::with_capacity(160);
    head.push_str("<presence");
    xml::write_namespace(NS_CLIENT, &mut head);
    xml::write_attribute("from", about.address.as_str(), &mut head);
    let (id, lang) = if notice.unavailable {
        xml::write_attribute("type", "unavailable", &mut head);
        (notice.id, notice.lang)
    } else {
        (about.presence.id.as_deref(), about.presence.lang.as_deref())
    };
    if let Some(id) = id {
        xml::write_attribute("id", id, &mut head);
    }
    if let Some(lang) = lang {
        xml::write_attribute("xml:lang", lang, &mut head);
    }
    let children = if notice.unavailable { notice.farewell } else { &about.presence.children };
    let mut tail = String::with_capacity(children.len() + 400);
    tail.push('>');
    tail.push_str(children);
    tail.push_str("<occupant-id");
    xml::write_namespace(ns::OCCUPANT_ID, &mut tail);
    xml::write_attribute("id", &about.occupant_id, &mut tail);
    tail.push_str("/>");
    if view == View::Own {
        tail.push_str(notice.own_children);
    }
    // COMPAT(lib-jitsi-meet): it removes the first `<x/>` it finds and takes the rest as payload, so ours is last.
    tail.push_str("<x");
    xml::write_namespace(ns::MUC_USER, &mut tail);
    tail.push('>');
    let own = if view == View::Own { notice.own_statuses } else { &[] };
    for code in notice.statuses.iter().chain(own) {
        write_status(code, &mut tail);
    }
    tail.push_str(notice.destroy);
    tail.push_str("<item");
    xml::write_attribute("affiliation", affiliation.as_str(), &mut tail);
    xml::write_attribute("role", about.role.as_str(), &mut tail);
    if view != View::Anonymous {
        xml::write_attribute("jid", about.session.as_str(), &mut tail);
    }
    if let Some(nick) = notice.new_nick {
        xml::write_attribute("nick", nick, &mut tail);
    }
    if notice.actor.is_none() && notice.reason.is_none() {
        tail.push_str("/>");
    } else {
        tail.push('>');
        if let Some(actor) = notice.actor {
            tail.push_str("<actor");
            if view == View::Full {
                xml::write_attribute("jid", actor.session.as_str(), &mut tail);
            }
            if let Some(nick) = &actor.nick {
                xml::write_attribute("nick", nick, &mut tail);
            }
            tail.push_str("/>");
        }
        if let Some(reason) = notice.reason {
            tail.push_str("<reason>");
            xml::escape_text(reason, &mut tail);
            tail.push_str("</reason>");
        }
        tail.push_str("</item>");
    }
    if view == View::Own {
        write_status("110", &mut tail);
    }
    tail.push_str("</x></presence>");
    SharedStanza::from_text(&head, tail)
}

fn write_status(code: &str, out: &mut String) {
    out.push_str("<status");
    xml::write_attribute("code", code, out);
    out.push_str("/>");
}
