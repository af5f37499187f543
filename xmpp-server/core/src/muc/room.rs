//! A room: who is in it, who may do what, and what it says to whom.
//!
//! A room is a value. Every input goes through [`Room::handle`] or one of the few other entries, and what should be
//! delivered is appended to the caller's buffer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jid::{BareJid, FullJid, Jid};
use minidom::Element;

use crate::component::{Context, Outbound, SenderContext};
use crate::muc::affiliation::{Affiliation, Role};
use crate::muc::config::RoomConfig;
use crate::muc::history::History;
use crate::muc::occupant::{Occupant, OccupantId};
use crate::muc::policy::focus_gate::Gate;
use crate::muc::settings::{HEALTH_CHECK_PREFIX, Settings};
use crate::muc::subject::Subject;
use crate::ns;
use crate::service::av_moderation::AvModeration;
use crate::service::polls::Polls;
use crate::service::room_metadata::RoomMetadata;
use crate::service::speaker_stats::SpeakerStats;
use crate::stanza::{NS_CLIENT, SharedStanza};
use crate::stanza_error::{Condition, StanzaError};
use crate::xml::ElementExt;

/// Most accounts with a stored affiliation in one room.
pub const AFFILIATIONS_MAX: usize = 10_000;

/// What a room is for; decides which policies apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomKind {
    /// A meeting.
    Conference,
    /// Where bridges and the focus find each other.
    Brewery,
    /// Waiting room of a meeting.
    Lobby,
    /// Side room of a meeting.
    Breakout,
}

/// What a room tells the one that owns it; things that concern other rooms too.
#[derive(Debug, Clone, PartialEq)]
pub enum RoomEvent {
    /// Somebody came in.
    Joined {
        /// Who.
        session: FullJid,
    },
    /// Somebody is gone.
    Left {
        /// Who.
        session: FullJid,
    },
    /// The role or display name of somebody changed.
    Changed,
    /// An owner switched membership on or off.
    MembersOnly {
        /// Who did.
        actor: String,
        /// The new value.
        enabled: bool,
    },
    /// The configuration changed; to be announced with these status codes once everything that belongs to the change
    /// has happened.
    Configured {
        /// Status codes for those inside.
        codes: Vec<&'static str>,
    },
    /// A moderator let somebody of the lobby in.
    Invited {
        /// Nickname of the moderator.
        actor: String,
        /// Account that was made a member.
        account: BareJid,
    },
    /// A moderator removed somebody.
    Kicked {
        /// Nickname of the moderator, in this room.
        actor: String,
        /// Account of the moderator.
        actor_account: BareJid,
        /// Nickname of the removed one.
        nick: String,
        /// What it called itself.
        display_name: Option<String>,
    },
    /// A join waits at the gate; the owner should call [`Room::handle_timeout`] when its time is over.
    Deadline {
        /// On the monotonic clock.
        at_ms: u64,
        /// Who waits.
        session: FullJid,
    },
    /// The room was destroyed; nobody is in it any more.
    Destroyed,
}

/// Surroundings of a room while it handles one input.
pub struct RoomContext<'a, 'b> {
    /// Time, randomness and the buffer for stanzas.
    pub cx: &'a mut Context<'b>,
    /// The server's addresses and limits.
    pub settings: &'a Settings,
    /// The meeting a lobby or breakout room belongs to: its affiliations count here.
    pub main: Option<&'a Room>,
    /// What concerns others.
    pub events: &'a mut Vec<RoomEvent>,
}

/// A room of any kind.
#[derive(Debug)]
pub struct Room {
    pub(super) kind: RoomKind,
    /// `room@service`
    pub(super) jid: BareJid,
    pub(crate) config: RoomConfig,
    pub(crate) subject: Subject,
    pub(super) history: History,
    pub(super) occupants: BTreeMap<OccupantId, Occupant>,
    pub(super) by_nick: BTreeMap<String, OccupantId>,
    pub(super) by_session: BTreeMap<FullJid, OccupantId>,
    pub(super) next_occupant: u64,
    pub(super) affiliations: BTreeMap<BareJid, (Affiliation, Option<String>)>,
    pub(super) gate: Gate,
    /// Nobody entered yet: the first occupant is told that it created the room.
    pub(super) fresh: bool,
    /// `muc#roominfo_meetingId`
    pub(super) meeting_id: String,
    /// When the second occupant came.
    pub(super) created_timestamp_ms: Option<u64>,
    /// Where those who may not enter are sent.
    pub(crate) lobby: Option<BareJid>,
    /// Main room of a breakout room, and the sessions that were in one of a meeting's rooms.
    pub(crate) breakout_main: Option<BareJid>,
    pub(crate) metadata: RoomMetadata,
    pub(crate) av_moderation: AvModeration,
    pub(crate) speaker_stats: SpeakerStats,
    pub(crate) polls: Polls,
    /// Accounts approved in the lobby: they need no password.
    pub(crate) approved: BTreeSet<BareJid>,
}

impl Room {
    /// An empty room.
    pub fn new(kind: RoomKind, jid: BareJid, meeting_id: String) -> Self {
        Self {
            kind,
            jid,
            config: RoomConfig::default(),
            subject: Subject::default(),
            history: History::default(),
            occupants: BTreeMap::new(),
            by_nick: BTreeMap::new(),
            by_session: BTreeMap::new(),
            next_occupant: 0,
            affiliations: BTreeMap::new(),
            gate: Gate::default(),
            fresh: true,
            meeting_id,
            created_timestamp_ms: None,
            lobby: None,
            breakout_main: None,
            metadata: RoomMetadata::default(),
            av_moderation: AvModeration::default(),
            speaker_stats: SpeakerStats::default(),
            polls: Polls::default(),
            approved: BTreeSet::new(),
        }
    }

    /// The waiting room of a meeting. It stays while it is empty.
    pub(crate) fn new_lobby(jid: BareJid) -> Self {
        let mut room = Self::new(RoomKind::Lobby, jid, String::new());
        room.config.persistent = true;
        room.fresh = false;
        room
    }

    /// `room@service`
    pub fn jid(&self) -> &BareJid {
        &self.jid
    }

    /// What the room is for.
    pub fn kind(&self) -> RoomKind {
        self.kind
    }

    /// The configuration.
    pub fn config(&self) -> &RoomConfig {
        &self.config
    }

    /// Everybody inside, in order of arrival.
    pub fn occupants(&self) -> impl Iterator<Item = &Occupant> {
        self.occupants.values()
    }

    /// How many are inside.
    pub fn len(&self) -> usize {
        self.occupants.len()
    }

    /// Whether nobody is inside.
    pub fn is_empty(&self) -> bool {
        self.occupants.is_empty()
    }

    /// Whether the room may be forgotten: nobody is in it or waits for it, and it is not kept.
    pub fn is_disposable(&self) -> bool {
        self.occupants.is_empty() && self.gate.is_empty() && !self.config.persistent
    }

    /// The occupant behind a session.
    pub fn occupant(&self, session: &FullJid) -> Option<&Occupant> {
        self.occupants.get(self.by_session.get(session)?)
    }

    pub(super) fn entry(&self, session: &FullJid) -> Option<(OccupantId, &Occupant)> {
        let id = *self.by_session.get(session)?;
        Some((id, self.occupants.get(&id)?))
    }

    /// The occupant of a nickname; compared exactly.
    pub fn occupant_by_nick(&self, nick: &str) -> Option<&Occupant> {
        self.occupants.get(self.by_nick.get(nick)?)
    }

    /// Whether a session waits at the gate.
    pub fn is_waiting(&self, session: &FullJid) -> bool {
        self.gate.holds(session)
    }

    /// Room of the focus's own health checks.
    pub fn is_health_check(&self) -> bool {
        self.jid.node().is_some_and(|node| node.as_str().starts_with(HEALTH_CHECK_PREFIX))
    }

    /// A meeting or one of its side rooms, and no health check: where the meeting's features work.
    pub fn has_meeting_features(&self) -> bool {
        matches!(self.kind, RoomKind::Conference | RoomKind::Breakout) && !self.is_health_check()
    }

    /// `room@service/nick`.
    pub(super) fn address_of(&self, nick: &str) -> Option<Jid> {
        self.jid.with_resource_str(nick).ok().map(Jid::from)
    }

    /// Standing of an account. Administrators own every room; lobby and breakout rooms ask the main room, at the time
    /// of the question.
    pub fn affiliation(&self, account: &BareJid, rcx: &RoomContext<'_, '_>) -> Affiliation {
        self.affiliation_in(account, rcx.settings, rcx.main)
    }

    /// [`Room::affiliation`] outside of a handler.
    pub fn affiliation_in(&self, account: &BareJid, settings: &Settings, main: Option<&Self>) -> Affiliation {
        if settings.is_admin(account) {
            return Affiliation::Owner;
        }
        if let (RoomKind::Lobby | RoomKind::Breakout, Some(main)) = (self.kind, main) {
            return main.affiliation_in(account, settings, None);
        }
        self.stored_affiliation(account)
    }

    pub(super) fn stored_affiliation(&self, account: &BareJid) -> Affiliation {
        self.affiliations.get(account).map_or(Affiliation::None, |(affiliation, _)| *affiliation)
    }

    /// Handles a stanza to the room or to one of its occupants.
    pub fn handle(
        &mut self,
        sender: &SenderContext,
        nick: Option<&str>,
        stanza: &Element,
        rcx: &mut RoomContext<'_, '_>,
    ) {
        match stanza.name() {
            "presence" => self.handle_presence(sender, nick, stanza, rcx),
            "message" => self.handle_message(sender, nick, stanza, rcx),
            "iq" => self.handle_iq(sender, nick, stanza, rcx),
            _ => {}
        }
    }

    fn handle_presence(
        &mut self,
        sender: &SenderContext,
        nick: Option<&str>,
        presence: &Element,
        rcx: &mut RoomContext<'_, '_>,
    ) {
        let known = self.by_session.get(&sender.jid).copied();
        match presence.attr("type") {
            None => match (known, nick) {
                (_, None) => self.refuse(sender, presence, Condition::JidMalformed.into(), rcx),
                (Some(id), Some(nick)) if self.occupants[&id].nick() == nick => {
                    self.update_presence(id, sender, presence, rcx);
                }
                (Some(id), Some(nick)) => self.change_nick(id, sender, nick, presence, rcx),
                (None, Some(_)) if !presence.has_child("x", ns::MUC) => self.refuse(
                    sender,
                    presence,
                    StanzaError::new(Condition::ItemNotFound)
                        .by(self.jid.to_string())
                        .text("You are not in this room; join it first."),
                    rcx,
                ),
                (None, Some(nick)) => self.join(sender, nick, presence, rcx),
            },
            Some("unavailable") => {
                self.forget_waiting(&sender.jid, rcx);
                if let Some(id) = known {
                    self.leave(id, Some(presence), rcx);
                }
            }
            Some("error") => {
                if let Some(id) = known {
                    self.remove_unreachable(id, presence, rcx);
                }
            }
            Some("probe") => self.probe(sender, nick, presence, rcx),
            Some(_) => self.refuse(sender, presence, Condition::BadRequest.into(), rcx),
        }
    }

    /// A session is gone for good.
    pub fn session_gone(&mut self, session: &FullJid, rcx: &mut RoomContext<'_, '_>) {
        self.forget_waiting(session, rcx);
        if let Some(id) = self.by_session.get(session).copied() {
            self.leave(id, None, rcx);
        }
    }

    /// Refuses a stanza; errors are never answered (RFC 6120 §8.3.1), nor are results.
    pub(super) fn refuse(
        &self,
        sender: &SenderContext,
        stanza: &Element,
        error: StanzaError,
        rcx: &mut RoomContext<'_, '_>,
    ) {
        refuse(sender, stanza, &error, rcx.cx);
    }

    /// Sends one shared stanza to everybody inside.
    pub(crate) fn broadcast(&self, stanza: &SharedStanza, cx: &mut Context<'_>) {
        for occupant in self.occupants.values() {
            cx.out.push(Outbound::shared(occupant.session.clone(), stanza));
        }
    }

    /// Tells everybody inside that the configuration changed (XEP-0045 §10.2.1).
    pub(crate) fn announce_status(&self, codes: &[&'static str], rcx: &mut RoomContext<'_, '_>) {
        let mut x = Element::bare("x", ns::MUC_USER);
        for code in codes {
            x.append_child(Element::bare("status", ns::MUC_USER).with("code", *code));
        }
        let message =
            Element::bare("message", NS_CLIENT).with("type", "groupchat").with("from", self.jid.as_str()).child(x);
        self.broadcast(&SharedStanza::new(&message), rcx.cx);
    }

    /// The next moment at which something waits for the clock.
    pub fn next_deadline(&self) -> Option<u64> {
        self.gate.next_deadline()
    }

    /// Sends away those who waited too long at the gate.
    pub fn handle_timeout(&mut self, rcx: &mut RoomContext<'_, '_>) {
        for waiting in self.gate.take_expired(rcx.cx.now.monotonic_ms) {
            self.refuse(&waiting.sender, &waiting.presence, super::policy::creation::refusal(), rcx);
            rcx.events.push(RoomEvent::Left { session: waiting.sender.jid });
        }
    }

    fn forget_waiting(&mut self, session: &FullJid, rcx: &mut RoomContext<'_, '_>) {
        if self.gate.holds(session) {
            self.gate.forget(session);
            rcx.events.push(RoomEvent::Left { session: session.clone() });
        }
    }

    /// Takes those who wait at the gate, in the order in which they came.
    pub(super) fn take_waiting(&mut self) -> VecDeque<super::policy::focus_gate::WaitingJoin> {
        self.gate.take_all()
    }
}

/// Answers a stanza with an error, unless it is itself an answer.
pub fn refuse(sender: &SenderContext, stanza: &Element, error: &StanzaError, cx: &mut Context<'_>) {
    let is_answer = match stanza.attr("type") {
        Some("error") => true,
        Some("result") => stanza.name() == "iq",
        _ => false,
    };
    if !is_answer {
        cx.out.push(Outbound::element(sender.jid.clone(), error.answer(stanza, sender.jid.as_str())));
    }
}

/// Highest role that an affiliation change may leave an occupant with; see [`Affiliation::initial_role`].
pub(super) fn role_for(affiliation: Affiliation, moderated: bool) -> Role {
    affiliation.initial_role(moderated)
}
