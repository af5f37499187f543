//! The waiting room of a meeting (`lobby.D`): made when the owners switch membership on, gone when they switch it off.

use jid::BareJid;
use serde_json::{Value, json};

use crate::muc::room::{Room, RoomContext};
use crate::service::json_message;

/// Label of the service's address.
pub const LABEL: &str = "lobby";

/// What happened to somebody in the lobby.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Granted,
    Denied,
}

impl Room {
    /// The lobby is there, or gone: everybody is told, and the metadata says so.
    pub(crate) fn set_lobby(&mut self, lobby: Option<BareJid>, actor: &str, rcx: &mut RoomContext<'_, '_>) {
        let enabled = lobby.is_some();
        self.lobby = lobby;
        if !enabled {
            self.approved.clear();
        }
        let metadata_changed = self.metadata.set("lobbyEnabled", json!(enabled));
        self.notify_lobby(actor, "LOBBY-ENABLED", json!(enabled), None, rcx);
        if metadata_changed {
            self.metadata.broadcast(self, rcx);
        }
    }

    /// A moderator decided about somebody in the lobby.
    pub(crate) fn announce_lobby_outcome(
        &self,
        actor: &str,
        outcome: Outcome,
        knocker_address: &str,
        display_name: Option<&str>,
        rcx: &mut RoomContext<'_, '_>,
    ) {
        let event = match outcome {
            Outcome::Granted => "LOBBY-ACCESS-GRANTED",
            Outcome::Denied => "LOBBY-ACCESS-DENIED",
        };
        self.notify_lobby(actor, event, json!(knocker_address), display_name, rcx);
    }

    fn notify_lobby(&self, actor: &str, event: &str, value: Value, name: Option<&str>, rcx: &mut RoomContext<'_, '_>) {
        let mut json = json!({ "type": "lobby-notify", "event": event, "value": value });
        if let Some(name) = name {
            json["name"] = json!(name);
        }
        let from = if actor.is_empty() { self.jid().to_string() } else { format!("{}/{actor}", self.jid()) };
        self.broadcast(&json_message::from_occupant(&from, &json), rcx.cx);
    }
}
