//! Side rooms of a meeting (`breakout.D`). Each is a conference of its own for the focus; who may do what in it is
//! decided in the main room.

use std::collections::BTreeMap;

use jid::{BareJid, FullJid};
use minidom::Element;
use serde_json::{Map, Value, json};

use crate::component::{Context, Outbound, SenderContext};
use crate::muc::affiliation::Role;
use crate::muc::policy::creation;
use crate::muc::room::Room;
use crate::muc::rooms::{RoomKey, Rooms, Service};
use crate::muc::subject::{SUBJECT_BYTES_MAX, Subject};
use crate::service::json_message;
use crate::stanza_error::{Condition, StanzaError};

/// Label of the service's address.
pub const LABEL: &str = "breakout";
/// Most side rooms of one meeting.
pub const BREAKOUT_ROOMS_MAX: usize = 100;
/// How long changes are collected before everybody is told.
pub const UPDATE_DELAY_MS: u64 = 300;
/// How long a meeting with side rooms may be without anybody before it ends.
pub const EMPTY_MS_MAX: u64 = 5_000;

/// Side rooms of one meeting.
#[derive(Debug, Default)]
pub struct BreakoutRooms {
    /// Name of each, by node.
    names: BTreeMap<String, String>,
    /// How many were ever made; clients number new ones with it.
    counter: u32,
    update_at_ms: Option<u64>,
    empty_at_ms: Option<u64>,
}

/// The meeting that registered a side room.
pub(crate) fn main_of<'a>(breakouts: &'a BTreeMap<String, BreakoutRooms>, node: &str) -> Option<&'a str> {
    breakouts.iter().find(|(_, rooms)| rooms.names.contains_key(node)).map(|(main, _)| main.as_str())
}

fn side(node: &str) -> RoomKey {
    (Service::Breakout, node.to_owned())
}

impl Rooms {
    /// A side room is about to be opened: only registered ones may be.
    pub(crate) fn prepare_breakout(&self, node: &str, room: &mut Room, cx: &Context<'_>) -> Result<(), StanzaError> {
        let main = main_of(&self.breakouts, node).ok_or_else(creation::refusal)?;
        room.breakout_main = self.address(&(Service::Conference, main.to_owned()));
        let name = &self.breakouts[main].names[node];
        room.subject = Subject::by_server(name, room.jid().as_str(), cx.now.unix_ms);
        Ok(())
    }

    /// Handles `<breakout_rooms/>` of a moderator.
    pub(crate) fn handle_breakout(
        &mut self,
        sender: &SenderContext,
        message: &Element,
        cx: &mut Context<'_>,
    ) -> Result<(), StanzaError> {
        if message.attr("type") == Some("error") {
            return Ok(());
        }
        let command = message.children().find(|child| child.name() == "breakout_rooms").ok_or(Condition::BadRequest)?;
        let main = self.meeting_of(sender).ok_or(Condition::ItemNotFound)?;
        if !self.is_moderator_anywhere(&main, &sender.jid) {
            return Err(Condition::Forbidden.into());
        }
        let subject = command.attr("subject").unwrap_or_default();
        if subject.len() > SUBJECT_BYTES_MAX {
            return Err(StanzaError::new(Condition::PolicyViolation).text("This name is too long."));
        }
        let room = command
            .attr("breakoutRoomJid")
            .and_then(|jid| BareJid::new(jid).ok())
            .and_then(|jid| jid.node().map(|node| node.as_str().to_owned()));
        match command.attr("type").and_then(|kind| kind.rsplit('/').next()) {
            Some("add") => self.add_breakout(&main, subject, cx)?,
            Some("remove") => {
                let node = self.registered(&main, room)?;
                self.remove_breakout(&main, &node, cx);
            }
            Some("rename") => {
                let node = self.registered(&main, room)?;
                if let Some(rooms) = self.breakouts.get_mut(&main.1) {
                    rooms.names.insert(node.clone(), subject.to_owned());
                }
                self.with_room(&side(&node), cx, |room, rcx| {
                    room.set_subject_by_server(subject, rcx);
                });
            }
            Some("move-to-room") => self.move_participant(&main, command, cx)?,
            _ => return Err(Condition::BadRequest.into()),
        }
        self.breakout_changed(&main, cx);
        Ok(())
    }

    fn is_moderator_anywhere(&self, main: &RoomKey, session: &FullJid) -> bool {
        self.rooms_of(main).into_iter().any(|key| {
            self.rooms
                .get(&key)
                .and_then(|room| room.occupant(session))
                .is_some_and(|occupant| occupant.role == Role::Moderator)
        })
    }

    fn registered(&self, main: &RoomKey, node: Option<String>) -> Result<String, StanzaError> {
        let rooms = self.breakouts.get(&main.1);
        node.filter(|node| rooms.is_some_and(|rooms| rooms.names.contains_key(node)))
            .ok_or_else(|| Condition::ItemNotFound.into())
    }

    /// The main room and its side rooms.
    fn rooms_of(&self, main: &RoomKey) -> Vec<RoomKey> {
        let sides = self.breakouts.get(&main.1).into_iter().flat_map(|rooms| rooms.names.keys().map(|node| side(node)));
        std::iter::once(main.clone()).chain(sides).collect()
    }

    fn add_breakout(&mut self, main: &RoomKey, subject: &str, cx: &mut Context<'_>) -> Result<(), StanzaError> {
        let rooms = self.breakouts.entry(main.1.clone()).or_default();
        if rooms.names.len() >= BREAKOUT_ROOMS_MAX {
            return Err(StanzaError::new(Condition::ResourceConstraint)
                .text("This meeting has as many breakout rooms as it can have."));
        }
        rooms.counter += 1;
        let name = if subject.is_empty() { format!("Breakout room #{}", rooms.counter) } else { subject.to_owned() };
        rooms.names.insert(crate::random::uuid(cx.random), name);
        self.set_persistent(main, true);
        Ok(())
    }

    fn set_persistent(&mut self, main: &RoomKey, persistent: bool) {
        if let Some(room) = self.rooms.get_mut(main) {
            room.config.persistent = persistent;
        }
    }

    fn remove_breakout(&mut self, main: &RoomKey, node: &str, cx: &mut Context<'_>) {
        let alternate = self.address(main);
        // While its affiliations are asked for on the way out, it is still registered.
        self.with_room(&side(node), cx, |room, rcx| {
            room.destroy(alternate.as_ref(), Some("Breakout room removed."), rcx);
        });
        if let Some(rooms) = self.breakouts.get_mut(&main.1) {
            rooms.names.remove(node);
            let is_last = rooms.names.is_empty();
            self.set_persistent(main, !is_last);
        }
    }

    fn move_participant(&mut self, main: &RoomKey, command: &Element, cx: &mut Context<'_>) -> Result<(), StanzaError> {
        let participant =
            command.attr("participantJid").and_then(|jid| FullJid::new(jid).ok()).ok_or(Condition::JidMalformed)?;
        let target = command.attr("roomJid").and_then(|jid| BareJid::new(jid).ok()).ok_or(Condition::JidMalformed)?;
        let keys = self.rooms_of(main);
        if !keys.iter().any(|key| self.address(key).as_ref() == Some(&target)) {
            return Err(Condition::ItemNotFound.into());
        }
        let is_inside =
            keys.iter().any(|key| self.rooms.get(key).is_some_and(|room| room.occupant(&participant).is_some()));
        if !is_inside {
            return Err(Condition::ItemNotFound.into());
        }
        let json = json!({
            "type": "breakout_rooms", "event": "features/breakout-rooms/move-to-room",
            "roomJid": target.as_str(),
        });
        let service = self.settings.service(LABEL);
        cx.out.push(Outbound::shared(participant, &json_message::from_service(&service, None, &json)));
        Ok(())
    }

    /// Something changed in a meeting: if it has side rooms, everybody is told soon.
    pub(crate) fn breakout_changed(&mut self, key: &RoomKey, cx: &Context<'_>) {
        if self.breakouts.is_empty() {
            return;
        }
        let main = match key.0 {
            Service::Conference => Some(key.1.clone()),
            Service::Breakout => main_of(&self.breakouts, &key.1).map(str::to_owned),
            Service::Brewery | Service::Lobby => None,
        };
        let Some(main) = main.filter(|main| self.breakouts.contains_key(main)) else {
            return;
        };
        let main = (Service::Conference, main);
        let is_empty = self.people(&main) == 0;
        let now_ms = cx.now.monotonic_ms;
        let Some(rooms) = self.breakouts.get_mut(&main.1) else {
            return;
        };
        if rooms.update_at_ms.is_none() {
            rooms.update_at_ms = Some(now_ms + UPDATE_DELAY_MS);
            self.deadlines.insert((now_ms + UPDATE_DELAY_MS, main.clone()));
        }
        if !is_empty {
            rooms.empty_at_ms = None;
        } else if rooms.empty_at_ms.is_none() {
            rooms.empty_at_ms = Some(now_ms + EMPTY_MS_MAX);
            self.deadlines.insert((now_ms + EMPTY_MS_MAX, main));
        }
    }

    /// How many besides administrators are in a meeting and its side rooms.
    fn people(&self, main: &RoomKey) -> usize {
        self.rooms_of(main)
            .iter()
            .filter_map(|key| self.rooms.get(key))
            .map(|room| room.occupants().filter(|o| !o.is_admin).count())
            .sum()
    }

    /// The clock reached a deadline of a meeting.
    pub(crate) fn breakout_timeout(&mut self, main: &RoomKey, cx: &mut Context<'_>) {
        if main.0 != Service::Conference {
            return;
        }
        let now_ms = cx.now.monotonic_ms;
        let Some(rooms) = self.breakouts.get_mut(&main.1) else {
            return;
        };
        let update = rooms.update_at_ms.take_if(|at_ms| *at_ms <= now_ms).is_some();
        let empty = rooms.empty_at_ms.take_if(|at_ms| *at_ms <= now_ms).is_some();
        if update {
            self.send_breakout_update(main, cx);
        }
        if empty {
            self.with_room(main, cx, |room, rcx| {
                room.destroy(None, Some("All occupants left."), rcx);
            });
        }
    }

    /// The main room is gone: its side rooms go too.
    pub(crate) fn close_breakouts(&mut self, main: &str, cx: &mut Context<'_>) {
        let Some(rooms) = self.breakouts.get(main) else {
            return;
        };
        let nodes: Vec<String> = rooms.names.keys().cloned().collect();
        for node in nodes {
            self.with_room(&side(&node), cx, |room, rcx| {
                room.destroy(None, Some("Breakout room removed."), rcx);
            });
        }
        self.breakouts.remove(main);
    }

    fn send_breakout_update(&mut self, main: &RoomKey, cx: &mut Context<'_>) {
        let Some(rooms) = self.breakouts.get(&main.1) else {
            return;
        };
        let mut listed = Map::new();
        for key in self.rooms_of(main) {
            let Some(jid) = self.address(&key) else {
                continue;
            };
            let mut participants = Map::new();
            for occupant in
                self.rooms.get(&key).into_iter().flat_map(Room::occupants).filter(|occupant| !occupant.is_admin)
            {
                let mut participant = json!({
                    "jid": occupant.session.as_str(), "role": occupant.role.as_str(),
                });
                if let Some(name) = occupant.display_name() {
                    participant["displayName"] = json!(name);
                }
                participants.insert(occupant.address.to_string(), participant);
            }
            let mut entry = json!({
                "id": key.1, "jid": jid.as_str(), "participants": Value::Object(participants),
            });
            if key == *main {
                entry["isMainRoom"] = json!(true);
            } else {
                entry["name"] = json!(rooms.names.get(&key.1));
            }
            listed.insert(key.1, entry);
        }
        let json = json!({
            "type": "breakout_rooms", "event": "features/breakout-rooms/update",
            "roomCounter": rooms.counter, "rooms": listed,
        });
        let service = self.settings.service(LABEL);
        let message = json_message::from_service(&service, None, &json);
        for key in self.rooms_of(main) {
            for occupant in
                self.rooms.get(&key).into_iter().flat_map(Room::occupants).filter(|occupant| !occupant.is_admin)
            {
                cx.out.push(Outbound::shared(occupant.session.clone(), &message));
            }
        }
    }
}
