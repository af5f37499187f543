//! All rooms of the server and the services that work on them: finds the room, lets it handle the input, and carries
//! out what concerns several rooms.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jid::{BareJid, FullJid, Jid};
use minidom::Element;

use crate::component::{Component, Context, SenderContext};
use crate::muc::policy::creation;
use crate::muc::room::{Room, RoomContext, RoomEvent, RoomKind, refuse};
use crate::muc::settings::Settings;
use crate::ns;
use crate::service::lobby::Outcome;
use crate::service::{av_moderation, breakout, end_conference, host, lobby, polls, room_metadata, speaker_stats};
use crate::stanza_error::{Condition, StanzaError};
use crate::xml::ElementExt;

/// Most rooms one guest's session may be in or wait for.
pub const ROOMS_PER_SESSION_MAX: usize = 50;
/// Longest node of a room, in bytes.
pub const NODE_BYTES_MAX: usize = 512;

const CONFERENCE: &str = "conference";
const BREWERY: &str = "internal.auth";

/// A room's place: its service and its node.
pub(crate) type RoomKey = (Service, String);

/// Services whose addresses are rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Service {
    Conference,
    Brewery,
    Lobby,
    Breakout,
}

impl Service {
    fn kind(self) -> RoomKind {
        match self {
            Self::Conference => RoomKind::Conference,
            Self::Brewery => RoomKind::Brewery,
            Self::Lobby => RoomKind::Lobby,
            Self::Breakout => RoomKind::Breakout,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Conference => CONFERENCE,
            Self::Brewery => BREWERY,
            Self::Lobby => lobby::LABEL,
            Self::Breakout => breakout::LABEL,
        }
    }
}

/// What a domain stands for.
#[derive(Debug, Clone, Copy)]
enum Place {
    Rooms(Service),
    Metadata,
    AvModeration,
    SpeakerStats,
    EndConference,
    Polls,
}

/// Every room of the server.
#[derive(Debug)]
pub struct Rooms {
    pub(crate) settings: Settings,
    domains: BTreeMap<String, Place>,
    pub(crate) rooms: BTreeMap<RoomKey, Room>,
    /// Where each session is, or waits.
    sessions: BTreeMap<FullJid, BTreeSet<RoomKey>>,
    /// When something waits for the clock, and for which room.
    pub(crate) deadlines: BTreeSet<(u64, RoomKey)>,
    /// Side rooms of meetings, by the node of the main room.
    pub(crate) breakouts: BTreeMap<String, breakout::BreakoutRooms>,
}

impl Rooms {
    /// No rooms yet.
    pub fn new(settings: Settings) -> Self {
        let rooms = |service: Service| (settings.service(service.label()), Place::Rooms(service));
        let domains = BTreeMap::from([
            rooms(Service::Conference),
            rooms(Service::Brewery),
            rooms(Service::Lobby),
            rooms(Service::Breakout),
            (settings.service(room_metadata::LABEL), Place::Metadata),
            (settings.service(av_moderation::LABEL), Place::AvModeration),
            (settings.service(speaker_stats::LABEL), Place::SpeakerStats),
            (settings.service(end_conference::LABEL), Place::EndConference),
            (settings.service(polls::LABEL), Place::Polls),
        ]);
        Self {
            settings,
            domains,
            rooms: BTreeMap::new(),
            sessions: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            breakouts: BTreeMap::new(),
        }
    }

    /// A room by its address.
    pub fn room(&self, jid: &BareJid) -> Option<&Room> {
        let Some(Place::Rooms(service)) = self.domains.get(jid.domain().as_str()) else {
            return None;
        };
        self.rooms.get(&(*service, jid.node()?.as_str().to_owned()))
    }

    /// How many rooms there are.
    pub fn len(&self) -> usize {
        self.rooms.len()
    }

    /// Whether there are no rooms.
    pub fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }

    pub(crate) fn address(&self, key: &RoomKey) -> Option<BareJid> {
        BareJid::new(&format!("{}@{}", key.1, self.settings.service(key.0.label()))).ok()
    }

    /// The meeting whose affiliations count in a lobby or breakout room.
    fn main_key(&self, key: &RoomKey) -> Option<RoomKey> {
        match key.0 {
            Service::Lobby => Some((Service::Conference, key.1.clone())),
            Service::Breakout => {
                breakout::main_of(&self.breakouts, &key.1).map(|main| (Service::Conference, main.to_owned()))
            }
            Service::Conference | Service::Brewery => None,
        }
    }

    /// Lets a room do something, then carries out what it says.
    pub(crate) fn with_room<T>(
        &mut self,
        key: &RoomKey,
        cx: &mut Context<'_>,
        act: impl FnOnce(&mut Room, &mut RoomContext<'_, '_>) -> T,
    ) -> Option<T> {
        let mut events = Vec::new();
        let main = self.main_key(key);
        let result = if let Some(main) = main {
            // Taken out for the time being, so that the main room can be read beside it.
            let mut room = self.rooms.remove(key)?;
            let mut rcx =
                RoomContext { cx, settings: &self.settings, main: self.rooms.get(&main), events: &mut events };
            let result = act(&mut room, &mut rcx);
            self.rooms.insert(key.clone(), room);
            result
        } else {
            let room = self.rooms.get_mut(key)?;
            let mut rcx = RoomContext { cx, settings: &self.settings, main: None, events: &mut events };
            act(room, &mut rcx)
        };
        self.carry_out(key, events, cx);
        Some(result)
    }

    fn carry_out(&mut self, key: &RoomKey, events: Vec<RoomEvent>, cx: &mut Context<'_>) {
        for event in events {
            match event {
                RoomEvent::Joined { session } => {
                    self.sessions.entry(session).or_default().insert(key.clone());
                    self.breakout_changed(key, cx);
                }
                RoomEvent::Left { session } => {
                    self.forget_place(&session, key);
                    self.breakout_changed(key, cx);
                }
                RoomEvent::Changed => self.breakout_changed(key, cx),
                RoomEvent::MembersOnly { actor, enabled } => {
                    self.switch_lobby(key, &actor, enabled, cx);
                }
                RoomEvent::Configured { codes } => {
                    self.with_room(key, cx, |room, rcx| room.announce_status(&codes, rcx));
                }
                RoomEvent::Invited { actor, account } => {
                    self.admit_from_lobby(key, &actor, &account, cx);
                }
                RoomEvent::Kicked { actor_account, nick, display_name, .. } => {
                    if key.0 == Service::Lobby {
                        self.denied_in_lobby(key, &actor_account, &nick, display_name, cx);
                    }
                }
                RoomEvent::Deadline { at_ms, session } => {
                    self.sessions.entry(session).or_default().insert(key.clone());
                    self.deadlines.insert((at_ms, key.clone()));
                }
                RoomEvent::Destroyed => self.destroyed(key, cx),
            }
        }
        if self.rooms.get(key).is_some_and(Room::is_disposable) {
            self.rooms.remove(key);
            if key.0 == Service::Conference {
                self.close_lobby(&key.1, false, cx);
                self.breakouts.remove(&key.1);
            }
        }
    }

    fn forget_place(&mut self, session: &FullJid, key: &RoomKey) {
        if let Some(places) = self.sessions.get_mut(session) {
            places.remove(key);
            if places.is_empty() {
                self.sessions.remove(session);
            }
        }
    }

    fn destroyed(&mut self, key: &RoomKey, cx: &mut Context<'_>) {
        if key.0 == Service::Conference {
            self.close_lobby(&key.1, false, cx);
            self.close_breakouts(&key.1, cx);
        }
    }

    fn switch_lobby(&mut self, key: &RoomKey, actor: &str, enabled: bool, cx: &mut Context<'_>) {
        let lobby_key = (Service::Lobby, key.1.clone());
        let lobby = if enabled {
            let Some(jid) = self.address(&lobby_key) else {
                return;
            };
            let room = Room::new_lobby(jid.clone());
            self.rooms.entry(lobby_key).or_insert(room);
            Some(jid)
        } else {
            self.close_lobby(&key.1, true, cx);
            None
        };
        self.with_room(key, cx, |room, rcx| room.set_lobby(lobby, actor, rcx));
    }

    /// Ends the lobby of a meeting. With `admit` those who wait are sent into the meeting.
    fn close_lobby(&mut self, node: &str, admit: bool, cx: &mut Context<'_>) {
        let key = (Service::Lobby, node.to_owned());
        let main = self.address(&(Service::Conference, node.to_owned()));
        let alternate = main.filter(|_| admit);
        self.with_room(&key, cx, |room, rcx| {
            room.destroy(alternate.as_ref(), Some("Lobby room closed."), rcx);
        });
    }

    fn admit_from_lobby(&mut self, key: &RoomKey, actor: &str, account: &BareJid, cx: &mut Context<'_>) {
        let knocker = self
            .rooms
            .get(&(Service::Lobby, key.1.clone()))
            .and_then(|lobby| lobby.occupants().find(|occupant| occupant.account == *account))
            .map(|occupant| (occupant.address.to_string(), occupant.display_name().map(str::to_owned)));
        if let Some((address, name)) = knocker {
            self.with_room(key, cx, |room, rcx| {
                room.announce_lobby_outcome(actor, Outcome::Granted, &address, name.as_deref(), rcx);
            });
        }
    }

    fn denied_in_lobby(
        &mut self,
        key: &RoomKey,
        moderator: &BareJid,
        nick: &str,
        display_name: Option<String>,
        cx: &mut Context<'_>,
    ) {
        let main = (Service::Conference, key.1.clone());
        let Some(lobby) = self.address(key) else {
            return;
        };
        self.with_room(&main, cx, |room, rcx| {
            let actor = room
                .occupants()
                .find(|occupant| occupant.account == *moderator)
                .map(|occupant| occupant.nick().to_owned())
                .unwrap_or_default();
            room.announce_lobby_outcome(
                &actor,
                Outcome::Denied,
                &format!("{lobby}/{nick}"),
                display_name.as_deref(),
                rcx,
            );
        });
    }

    /// A stanza to an address of a room service.
    fn deliver_to_room(
        &mut self,
        service: Service,
        to: &Jid,
        sender: &SenderContext,
        stanza: &Element,
        cx: &mut Context<'_>,
    ) -> Result<(), StanzaError> {
        // Bridges and focus only.
        if service == Service::Brewery && sender.jid.domain().as_str() != self.settings.auth_host && !sender.is_admin {
            return Err(Condition::Forbidden.into());
        }
        let Some(node) = to.node() else {
            return self.deliver_to_service(service, sender, stanza, cx);
        };
        let key = (service, node.as_str().to_owned());
        let nick = to.resource().map(|nick| nick.as_str());
        let is_join = stanza.name() == "presence" && stanza.attr("type").is_none() && stanza.has_child("x", ns::MUC);
        if is_join {
            self.check_places(sender, &key)?;
            self.open(&key, sender, cx)?;
        }
        let found = self.with_room(&key, cx, |room, rcx| {
            room.handle(sender, nick, stanza, rcx);
        });
        if found.is_some() || (stanza.name() == "presence" && stanza.attr("type") == Some("unavailable")) {
            return Ok(());
        }
        Err(StanzaError::new(Condition::ItemNotFound).by(to.domain().as_str()))
    }

    fn check_places(&self, sender: &SenderContext, key: &RoomKey) -> Result<(), StanzaError> {
        let is_over = self
            .sessions
            .get(&sender.jid)
            .is_some_and(|places| places.len() >= ROOMS_PER_SESSION_MAX && !places.contains(key));
        if is_over && !sender.is_admin {
            return Err(StanzaError::new(Condition::ResourceConstraint).text("You are in too many rooms at once."));
        }
        Ok(())
    }

    /// Makes sure that a room to be joined exists.
    fn open(&mut self, key: &RoomKey, sender: &SenderContext, cx: &mut Context<'_>) -> Result<(), StanzaError> {
        if self.rooms.contains_key(key) {
            return Ok(());
        }
        if key.0 == Service::Lobby {
            // A lobby exists as long as its meeting wants it.
            return Err(StanzaError::new(Condition::ItemNotFound).by(self.settings.service(lobby::LABEL)));
        }
        if !creation::allows(sender) {
            return Err(creation::refusal());
        }
        if self.rooms.len() >= self.settings.rooms_max {
            return Err(
                StanzaError::new(Condition::ResourceConstraint).text("This server has no room for another meeting.")
            );
        }
        let jid = self.address(key).filter(|_| key.1.len() <= NODE_BYTES_MAX).ok_or(Condition::JidMalformed)?;
        let meeting_id = crate::random::uuid(cx.random);
        let mut room = Room::new(key.0.kind(), jid, meeting_id);
        if key.0 == Service::Breakout {
            self.prepare_breakout(&key.1, &mut room, cx)?;
        }
        self.rooms.insert(key.clone(), room);
        Ok(())
    }

    /// A stanza to a room service itself.
    fn deliver_to_service(
        &mut self,
        service: Service,
        sender: &SenderContext,
        stanza: &Element,
        cx: &mut Context<'_>,
    ) -> Result<(), StanzaError> {
        if stanza.name() == "message" && service == Service::Breakout {
            return self.handle_breakout(sender, stanza, cx);
        }
        if stanza.name() != "iq" {
            return Err(Condition::ServiceUnavailable.into());
        }
        if matches!(stanza.attr("type"), Some("result" | "error")) {
            return Ok(());
        }
        let payload = stanza.children().next().ok_or(Condition::BadRequest)?;
        let payload = match (payload.name(), payload.ns().as_str(), stanza.attr("type")) {
            ("ping", ns::PING, Some("get")) => None,
            ("query", ns::DISCO_INFO, Some("get")) => Some(self.service_info(service, sender, payload)?),
            ("query", ns::DISCO_ITEMS, Some("get")) => Some(self.public_rooms(service)),
            _ => return Err(Condition::ServiceUnavailable.into()),
        };
        host::answer(sender, stanza, payload, cx);
        Ok(())
    }

    fn service_info(&self, service: Service, sender: &SenderContext, query: &Element) -> Result<Element, StanzaError> {
        let mut answer = Element::bare("query", ns::DISCO_INFO);
        let mut features = Vec::new();
        match (service, query.attr("node")) {
            // What clients ask the components of a meeting for.
            (Service::Lobby, Some("lobbyrooms")) => {
                answer.put("node", "lobbyrooms");
                let has_lobby = self.meeting_of(sender).is_some_and(|key| self.rooms[&key].lobby.is_some());
                if has_lobby && self.settings.lobby_display_name_required {
                    features.push(ns::LOBBY_DISPLAYNAME_REQUIRED);
                }
            }
            (Service::Breakout, Some("breakout_rooms")) => {
                answer.put("node", "breakout_rooms");
                features.push(ns::BREAKOUT_RENAME);
            }
            (_, None | Some("")) => {
                answer.append_child(
                    Element::bare("identity", ns::DISCO_INFO)
                        .with("category", "conference")
                        .with("type", "text")
                        .with("name", "Rooms"),
                );
                // COMPAT(smack): with muc#stable_id here it would expect the id of its presence on leaving.
                features.extend([ns::MUC, ns::DISCO_INFO, ns::DISCO_ITEMS, ns::OCCUPANT_ID, ns::PING]);
            }
            (_, Some(_)) => return Err(Condition::ItemNotFound.into()),
        }
        for feature in features {
            answer.append_child(Element::bare("feature", ns::DISCO_INFO).with("var", feature));
        }
        Ok(answer)
    }

    fn public_rooms(&self, service: Service) -> Element {
        let mut answer = Element::bare("query", ns::DISCO_ITEMS);
        let first = (service, String::new());
        for (_, room) in self
            .rooms
            .range(first..)
            .take_while(|(key, _)| key.0 == service)
            .filter(|(_, room)| room.config().public)
            .take(PUBLIC_ROOMS_MAX)
        {
            let name = &room.config().name;
            answer.append_child(
                Element::bare("item", ns::DISCO_ITEMS)
                    .with("jid", room.jid().as_str())
                    .with_opt("name", Some(name.as_str()).filter(|name| !name.is_empty())),
            );
        }
        answer
    }

    /// The meeting that a connection is about: the one its URL named, else the one it is in.
    pub(crate) fn meeting_of(&self, sender: &SenderContext) -> Option<RoomKey> {
        if let Some(named) = &sender.params.room {
            let named = named.to_lowercase();
            let with_tenant = sender
                .params
                .tenant
                .as_ref()
                .filter(|tenant| **tenant != self.settings.host)
                .map(|tenant| format!("[{}]{named}", tenant.to_lowercase()));
            for node in with_tenant.into_iter().chain([named]) {
                let key = (Service::Conference, node);
                if self.rooms.contains_key(&key) {
                    return Some(key);
                }
            }
        }
        let mut meetings = self
            .sessions
            .get(&sender.jid)?
            .iter()
            .filter_map(|key| match key.0 {
                Service::Conference => Some(key.clone()),
                Service::Breakout => self.main_key(key),
                Service::Brewery | Service::Lobby => None,
            })
            .filter(|key| self.rooms.contains_key(key));
        let first = meetings.next()?;
        meetings.all(|other| other == first).then_some(first)
    }

    /// The room of a meeting that a session is in: the meeting itself or one of its side rooms. `named` is what the
    /// message names.
    fn room_of(&self, sender: &SenderContext, named: Option<&str>) -> Option<RoomKey> {
        let holds = |key: &RoomKey| self.rooms.get(key).is_some_and(|room| room.occupant(&sender.jid).is_some());
        if let Some(named) = named.and_then(|named| BareJid::new(named).ok()) {
            let Some(Place::Rooms(service)) = self.domains.get(named.domain().as_str()) else {
                return None;
            };
            let key = (*service, named.node()?.as_str().to_owned());
            return Some(key).filter(holds);
        }
        let main = self.meeting_of(sender)?;
        if holds(&main) {
            return Some(main);
        }
        self.sessions
            .get(&sender.jid)?
            .iter()
            .find(|key| key.0 == Service::Breakout && self.main_key(key).as_ref() == Some(&main))
            .cloned()
    }

    /// A message to one of the services of a meeting.
    fn deliver_to_meeting_service(
        &mut self,
        place: Place,
        sender: &SenderContext,
        stanza: &Element,
        cx: &mut Context<'_>,
    ) -> Result<(), StanzaError> {
        match stanza.name() {
            "message" => {}
            "iq" if stanza.has_child("query", ns::DISCO_INFO) => {
                host::answer_service_info(sender, stanza, &[], cx);
                return Ok(());
            }
            "iq" if stanza.has_child("ping", ns::PING) => {
                host::answer(sender, stanza, None, cx);
                return Ok(());
            }
            _ => return Err(Condition::ServiceUnavailable.into()),
        }
        if stanza.attr("type") == Some("error") {
            return Ok(());
        }
        let named = stanza.children().find_map(|child| child.attr("room"));
        let key = self.room_of(sender, named).ok_or(Condition::ItemNotFound)?;
        self.with_room(&key, cx, |room, rcx| {
            if !room.has_meeting_features() {
                return Err(Condition::ServiceUnavailable.into());
            }
            match place {
                Place::Metadata => room.handle_metadata(sender, stanza, rcx),
                Place::AvModeration => room.handle_av_moderation(sender, stanza, rcx),
                Place::SpeakerStats => room.handle_speaker_stats(sender, stanza, rcx),
                Place::EndConference => room.handle_end_conference(sender, stanza, rcx),
                Place::Polls => room.handle_polls(sender, stanza, rcx),
                Place::Rooms(_) => Err(Condition::BadRequest.into()),
            }
        })
        .unwrap_or_else(|| Err(Condition::ItemNotFound.into()))
    }
}

/// Most rooms listed in one answer.
pub const PUBLIC_ROOMS_MAX: usize = 200;

impl Component for Rooms {
    fn serves(&self, domain: &str) -> bool {
        self.domains.contains_key(domain)
    }

    fn handle(&mut self, sender: &SenderContext, stanza: Element, cx: &mut Context<'_>) {
        let Some(to) = stanza.attr("to").and_then(|to| Jid::new(to).ok()) else {
            return refuse(sender, &stanza, &Condition::JidMalformed.into(), cx);
        };
        let result = match self.domains.get(to.domain().as_str()).copied() {
            Some(Place::Rooms(service)) => self.deliver_to_room(service, &to, sender, &stanza, cx),
            Some(place) => self.deliver_to_meeting_service(place, sender, &stanza, cx),
            None => Err(Condition::ItemNotFound.into()),
        };
        if let Err(error) = result {
            refuse(sender, &stanza, &error, cx);
        }
    }

    fn session_gone(&mut self, session: &SenderContext, cx: &mut Context<'_>) {
        let places: VecDeque<RoomKey> =
            self.sessions.remove(&session.jid).map(|places| places.into_iter().collect()).unwrap_or_default();
        for key in places {
            self.with_room(&key, cx, |room, rcx| room.session_gone(&session.jid, rcx));
        }
    }

    fn next_deadline(&self) -> Option<u64> {
        self.deadlines.first().map(|(at_ms, _)| *at_ms)
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        while let Some((at_ms, key)) = self.deadlines.first().cloned() {
            if at_ms > cx.now.monotonic_ms {
                break;
            }
            self.deadlines.pop_first();
            self.with_room(&key, cx, |room, rcx| room.handle_timeout(rcx));
            if let Some(next_ms) = self.rooms.get(&key).and_then(Room::next_deadline) {
                self.deadlines.insert((next_ms, key.clone()));
            }
            self.breakout_timeout(&key, cx);
        }
    }
}
