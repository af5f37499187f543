//! Entering a room: the policies in the order in which they apply, then what everybody is told.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use minidom::Element;

use crate::component::SenderContext;
use crate::muc::affiliation::{Affiliation, Role};
use crate::muc::history::HistoryRequest;
use crate::muc::occupant::{Occupant, OccupantId, PresencePayload};
use crate::muc::policy::{ban, focus_gate, lobby, max_occupants, members_only, nickname, password, permissions};
use crate::muc::presence::{Actor, Notice};
use crate::muc::room::{AFFILIATIONS_MAX, Room, RoomContext, RoomEvent, role_for};
use crate::muc::settings::FOCUS_NICK;
use crate::ns;
use crate::stanza_error::{Condition, ErrorType, StanzaError};

enum Verdict {
    Admit { affiliation: Affiliation },
    Wait,
    Refuse(StanzaError),
}

impl From<StanzaError> for Verdict {
    fn from(error: StanzaError) -> Self {
        Self::Refuse(error)
    }
}

impl Room {
    pub(super) fn join(
        &mut self,
        sender: &SenderContext,
        nick: &str,
        presence: &Element,
        rcx: &mut RoomContext<'_, '_>,
    ) {
        let payload = match self.read_payload(sender, presence) {
            Ok(payload) => payload,
            Err(error) => return self.refuse(sender, presence, error, rcx),
        };
        match self.decide(sender, nick, presence, &payload, rcx) {
            Verdict::Admit { affiliation } => {
                self.enter(sender, nick, presence, payload, affiliation, rcx);
            }
            Verdict::Wait => match self.gate.wait(sender, presence, rcx.cx.now.monotonic_ms) {
                Ok(at_ms) => rcx.events.push(RoomEvent::Deadline { at_ms, session: sender.jid.clone() }),
                Err(error) => self.refuse(sender, presence, error, rcx),
            },
            Verdict::Refuse(error) => {
                let mut answer = error.answer(presence, sender.jid.as_str());
                lobby::extend_answer(self, &error, &mut answer);
                rcx.cx.out.push(crate::component::Outbound::element(sender.jid.clone(), answer));
            }
        }
    }

    /// The policies, in order.
    fn decide(
        &mut self,
        sender: &SenderContext,
        nick: &str,
        presence: &Element,
        payload: &PresencePayload,
        rcx: &RoomContext<'_, '_>,
    ) -> Verdict {
        let account = sender.jid.to_bare();
        let given = presence.get_child("x", ns::MUC).and_then(|x| x.get_child("password", ns::MUC)).map(Element::text);
        let knows_password = password::is_correct(self, given.as_deref());
        let affiliation = self.affiliation(&account, rcx);
        let result = nickname::check(self, sender, nick, rcx.settings)
            .and_then(|()| self.check_nick_is_free(nick))
            .and_then(|()| max_occupants::check(self, sender, rcx.settings));
        if let Err(error) = result {
            return error.into();
        }
        if focus_gate::is_closed(self, sender) {
            return Verdict::Wait;
        }
        let result = lobby::check(self, affiliation, payload.display_name.as_deref(), knows_password, rcx);
        if let Err(error) = result {
            return error.into();
        }
        // Knowing the password of a meeting with a lobby makes a member (and a member it stays).
        let affiliation = if self.lobby.is_some() && affiliation == Affiliation::None {
            if self.affiliations.len() >= AFFILIATIONS_MAX {
                return Verdict::Refuse(Condition::ResourceConstraint.into());
            }
            self.affiliations.insert(account.clone(), (Affiliation::Member, None));
            Affiliation::Member
        } else {
            affiliation
        };
        let approved = self.approved.contains(&account);
        let result = members_only::check(self, affiliation, rcx)
            .and_then(|()| ban::check(affiliation))
            .and_then(|()| password::check(self, sender, given.as_deref(), approved));
        match result {
            Ok(()) => Verdict::Admit { affiliation },
            Err(error) => error.into(),
        }
    }

    fn check_nick_is_free(&self, nick: &str) -> Result<(), StanzaError> {
        if self.by_nick.contains_key(nick) {
            return Err(StanzaError::new(Condition::Conflict).by(self.jid.to_string()));
        }
        Ok(())
    }

    fn enter(
        &mut self,
        sender: &SenderContext,
        nick: &str,
        presence: &Element,
        payload: PresencePayload,
        affiliation: Affiliation,
        rcx: &mut RoomContext<'_, '_>,
    ) {
        let Some(address) = self.address_of(nick) else {
            return self.refuse(sender, presence, Condition::JidMalformed.into(), rcx);
        };
        let account = sender.jid.to_bare();
        let occupant = Occupant {
            session: sender.jid.clone(),
            occupant_id: occupant_id(&rcx.settings.occupant_id_key, self, &account),
            account,
            address,
            role: role_for(affiliation, self.config.moderated),
            is_admin: sender.is_admin,
            presence: payload,
        };
        let id = OccupantId(self.next_occupant);
        self.next_occupant += 1;
        let created = std::mem::take(&mut self.fresh);

        // The room as it is, to the newcomer.
        for other in self.occupants.values() {
            self.tell_one(&occupant, other, rcx);
        }
        self.by_nick.insert(nick.to_owned(), id);
        self.by_session.insert(sender.jid.clone(), id);
        self.occupants.insert(id, occupant);
        if self.created_timestamp_ms.is_none() && self.occupants.len() >= 2 {
            self.created_timestamp_ms = Some(rcx.cx.now.unix_ms);
        }

        // The newcomer, to the room.
        let occupant = &self.occupants[&id];
        self.tell_others(occupant, affiliation, &Notice::default(), rcx);

        // The newcomer, to itself: last of the presences. What the client must know before it counts as inside goes
        // ahead of it.
        if !occupant.is_admin {
            self.metadata.greet(self, occupant, rcx);
        }
        let mut own_statuses = Vec::with_capacity(2);
        if created {
            own_statuses.push("201");
        }
        if self.config.whois_anyone {
            own_statuses.push("100");
        }
        let own_children =
            if occupant.role == Role::Moderator { permissions::children(self, occupant) } else { String::new() };
        let notice = Notice { own_statuses: &own_statuses, own_children: &own_children, ..Notice::default() };
        self.tell_self(occupant, affiliation, &notice, rcx);
        if occupant.is_admin {
            // COMPAT(jicofo): it looks the conference up by the room of this message and knows it only once inside.
            self.metadata.greet(self, occupant, rcx);
        }

        // What the meeting's services know.
        self.speaker_stats.greet(self, occupant, rcx);
        self.av_moderation.greet(self, occupant, rcx);
        self.polls.greet(self, occupant, rcx);

        // What was said; the subject ends it, even when empty.
        self.history.replay(self, occupant, HistoryRequest::read(presence), rcx);
        self.send_subject(&sender.jid, rcx);

        self.metadata_from_presence(sender, presence, rcx);
        rcx.events.push(RoomEvent::Joined { session: sender.jid.clone() });

        if nick == FOCUS_NICK && sender.is_admin {
            self.open_gate(rcx);
        }
    }

    /// The focus is here: everybody who waited enters, in order.
    fn open_gate(&mut self, rcx: &mut RoomContext<'_, '_>) {
        for waiting in self.take_waiting() {
            let nick = waiting
                .presence
                .attr("to")
                .and_then(|to| jid::Jid::new(to).ok())
                .and_then(|to| to.resource().map(|nick| nick.as_str().to_owned()));
            if let Some(nick) = nick {
                self.join(&waiting.sender, &nick, &waiting.presence, rcx);
            }
        }
    }

    /// An occupant asks for another nickname. Jitsi refuses that: the nickname is the endpoint id of its media.
    pub(super) fn change_nick(
        &mut self,
        id: OccupantId,
        sender: &SenderContext,
        nick: &str,
        presence: &Element,
        rcx: &mut RoomContext<'_, '_>,
    ) {
        if !rcx.settings.nickname_changes {
            return self.refuse(
                sender,
                presence,
                StanzaError::new(Condition::NotAllowed).of_type(ErrorType::Cancel).text("Nick changes are not allowed"),
                rcx,
            );
        }
        let checked = nickname::check(self, sender, nick, rcx.settings).and_then(|()| self.check_nick_is_free(nick));
        let payload = checked.and_then(|()| self.read_payload(sender, presence));
        let (payload, address) = match (payload, self.address_of(nick)) {
            (Ok(payload), Some(address)) => (payload, address),
            (Ok(_), None) => {
                return self.refuse(sender, presence, Condition::JidMalformed.into(), rcx);
            }
            (Err(error), _) => return self.refuse(sender, presence, error, rcx),
        };
        let Some(mut occupant) = self.occupants.remove(&id) else {
            return;
        };
        self.by_nick.remove(occupant.nick());
        let affiliation = self.affiliation(&occupant.account, rcx);
        let notice = Notice { unavailable: true, statuses: &["303"], new_nick: Some(nick), ..Notice::default() };
        self.tell_others(&occupant, affiliation, &notice, rcx);
        self.tell_self(&occupant, affiliation, &notice, rcx);
        occupant.address = address;
        occupant.presence = payload;
        self.by_nick.insert(nick.to_owned(), id);
        self.occupants.insert(id, occupant);
        let occupant = &self.occupants[&id];
        self.tell_others(occupant, affiliation, &Notice::default(), rcx);
        self.tell_self(occupant, affiliation, &Notice::default(), rcx);
    }

    pub(super) fn actor(&self, sender: &SenderContext) -> Actor {
        Actor {
            session: sender.jid.clone(),
            nick: self.occupant(&sender.jid).map(|occupant| occupant.nick().to_owned()),
        }
    }
}

/// The same for every visit of an account to a room, and says nothing about it elsewhere (XEP-0421).
fn occupant_id(key: &[u8; 32], room: &Room, account: &jid::BareJid) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mut context = hmac::Context::with_key(&key);
    context.update(room.jid().as_str().as_bytes());
    context.update(&[0]);
    context.update(account.as_str().as_bytes());
    BASE64.encode(context.sign().as_ref())
}
