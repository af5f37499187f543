//! Room metadata (`metadata.D`): a JSON object per room, given to everybody and changed by moderators.

use minidom::Element;
use serde_json::{Map, Value, json};

use crate::component::{Outbound, SenderContext};
use crate::muc::affiliation::Role;
use crate::muc::occupant::Occupant;
use crate::muc::room::{Room, RoomContext};
use crate::ns;
use crate::service::json_message;
use crate::stanza_error::{Condition, StanzaError};

/// Label of the service's address.
pub const LABEL: &str = "metadata";
/// Most bytes of one room's metadata, as JSON.
pub const METADATA_BYTES_MAX: usize = 32 * 1024;

/// What a room knows under which key.
#[derive(Debug, Default)]
pub struct RoomMetadata {
    values: Map<String, Value>,
}

impl RoomMetadata {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// Sets a value without telling anybody; whether it differs from the old one.
    pub(crate) fn set(&mut self, key: &str, value: Value) -> bool {
        if self.values.get(key) == Some(&value) {
            return false;
        }
        self.values.insert(key.to_owned(), value);
        true
    }

    /// Sets a value inside of an object, without telling anybody.
    pub(crate) fn set_in(&mut self, key: &str, inner: &str, value: Value) {
        let object = self.values.entry(key).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(object) = object {
            object.insert(inner.to_owned(), value);
        }
    }

    /// Takes a value out of an object, without telling anybody.
    pub(crate) fn remove_in(&mut self, key: &str, inner: &str) {
        if let Some(Value::Object(object)) = self.values.get_mut(key) {
            object.remove(inner);
            if object.is_empty() {
                self.values.remove(key);
            }
        }
    }

    fn message(&self, room: &Room, for_focus: bool, service: &str) -> crate::stanza::SharedStanza {
        let mut metadata = self.values.clone();
        if for_focus {
            // COMPAT(jicofo): it reads the users that tokens name as moderators here.
            metadata.insert("moderators".to_owned(), json!([]));
        }
        json_message::from_service(
            service,
            Some(room.jid().as_str()),
            &json!({ "type": "room_metadata", "metadata": metadata }),
        )
    }

    /// Tells a newcomer.
    pub(crate) fn greet(&self, room: &Room, to: &Occupant, rcx: &mut RoomContext<'_, '_>) {
        if !room.has_meeting_features() {
            return;
        }
        let service = rcx.settings.service(LABEL);
        rcx.cx.out.push(Outbound::shared(to.session.clone(), &self.message(room, to.is_admin, &service)));
    }

    /// Tells everybody.
    pub(crate) fn broadcast(&self, room: &Room, rcx: &mut RoomContext<'_, '_>) {
        if !room.has_meeting_features() {
            return;
        }
        let service = rcx.settings.service(LABEL);
        let public = self.message(room, false, &service);
        for occupant in room.occupants() {
            let outbound = if occupant.is_admin {
                Outbound::shared(occupant.session.clone(), &self.message(room, true, &service))
            } else {
                Outbound::shared(occupant.session.clone(), &public)
            };
            rcx.cx.out.push(outbound);
        }
    }

    fn len_bytes(&self) -> usize {
        Value::Object(self.values.clone()).to_string().len()
    }
}

impl Room {
    /// Handles `<room_metadata/>` of an occupant.
    pub(crate) fn handle_metadata(
        &mut self,
        sender: &SenderContext,
        message: &Element,
        rcx: &mut RoomContext<'_, '_>,
    ) -> Result<(), StanzaError> {
        let payload = message.get_child("room_metadata", ns::JITMEET).ok_or(Condition::BadRequest)?;
        let occupant = self.occupant(&sender.jid).ok_or(Condition::Forbidden)?;
        if occupant.role != Role::Moderator {
            return Err(Condition::Forbidden.into());
        }
        let json: Value = serde_json::from_str(&payload.text()).map_err(|_| Condition::BadRequest)?;
        let key = json.get("key").and_then(Value::as_str).filter(|key| !key.is_empty()).ok_or(Condition::BadRequest)?;
        // The lobby is switched by the room's configuration, never by word alone.
        if key == "lobbyEnabled" {
            return Err(Condition::NotAllowed.into());
        }
        let value = json.get("data").cloned().unwrap_or(Value::Null);
        let old = self.metadata.values.clone();
        if self.metadata.set(key, value) {
            if self.metadata.len_bytes() > METADATA_BYTES_MAX {
                self.metadata.values = old;
                return Err(StanzaError::new(Condition::PolicyViolation)
                    .text("This meeting's metadata would become too large."));
            }
            self.metadata.broadcast(self, rcx);
        }
        Ok(())
    }

    /// COMPAT(lib-jitsi-meet): older clients announce the start-muted policy in a moderator's presence.
    pub(crate) fn metadata_from_presence(
        &mut self,
        sender: &SenderContext,
        presence: &Element,
        rcx: &mut RoomContext<'_, '_>,
    ) {
        if !self.has_meeting_features() || sender.is_admin {
            return;
        }
        let is_moderator = self.occupant(&sender.jid).is_some_and(|occupant| occupant.role == Role::Moderator);
        let Some(policy) = presence.get_child("startmuted", ns::START_MUTED).filter(|_| is_moderator) else {
            return;
        };
        let is_on = |name| policy.attr(name) == Some("true");
        let value = json!({ "audio": is_on("audio"), "video": is_on("video") });
        if self.metadata.set("startMuted", value) {
            self.metadata.broadcast(self, rcx);
        }
    }
}
