//! Room metadata and A/V moderation: JSON that room services send in `<json-message/>`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Messages of room services that the focus acts on, told apart by `type`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum RoomMessage {
    /// A full snapshot of a room's metadata. The room is named by the carrying element's attribute.
    #[serde(rename = "room_metadata")]
    RoomMetadata {
        /// The snapshot.
        #[serde(default)]
        metadata: Metadata,
    },
    /// A change of A/V moderation. The room is named in the JSON.
    #[serde(rename = "av_moderation")]
    AvModeration(AvModeration),
}

/// Room metadata. What is missing in a snapshot is unset, except where noted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Policy for those who join from now on; a snapshot without it keeps the old one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_muted: Option<StartMutedPolicy>,
    /// Whether a lobby is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lobby_enabled: Option<bool>,
    /// User ids of moderators; only services and the focus see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moderators: Option<Vec<String>>,
    /// User ids of preferred participants; only services and the focus see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub participants: Option<Vec<String>>,
    /// Recording and transcription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<Recording>,
    /// Keys this version does not act on, kept for relaying.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// Whether newcomers start muted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartMutedPolicy {
    /// Microphone.
    #[serde(default)]
    pub audio: bool,
    /// Camera.
    #[serde(default)]
    pub video: bool,
}

/// Recording part of the metadata.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recording {
    /// Whether the meeting is transcribed.
    #[serde(default)]
    pub is_transcribing_enabled: bool,
    /// The rest, kept for relaying.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// A change of A/V moderation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AvModeration {
    /// Address of the room.
    #[serde(default)]
    pub room: String,
    /// New state, where it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Which medium: `audio`, `video`, `desktop` in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Room address of who changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Who may unmute: medium → room addresses; replaces the list of each medium in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whitelists: Option<BTreeMap<String, Vec<String>>>,
    /// Whether somebody left the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_metadata() {
        for text in [
            r#"{"type":"room_metadata","metadata":{"moderators":[]}}"#,
            r#"{"type":"room_metadata","metadata":{"lobbyEnabled":true,"moderators":[]}}"#,
            r#"{"type":"room_metadata","metadata":{}}"#,
        ] {
            let RoomMessage::RoomMetadata { .. } = serde_json::from_str(text).unwrap() else {
                panic!("{text}");
            };
        }
        let RoomMessage::RoomMetadata { metadata } = serde_json::from_str(
            r#"{"type":"room_metadata","metadata":{"startMuted":{"audio":true},"services":[],"whiteboard":{"id":7}}}"#,
        )
        .unwrap() else {
            panic!("not metadata");
        };
        assert_eq!(metadata.start_muted, Some(StartMutedPolicy { audio: true, video: false }));
        let again = serde_json::to_value(&metadata).unwrap();
        assert_eq!(again["whiteboard"]["id"], 7, "unknown keys survive");
    }

    #[test]
    fn recorded_moderation() {
        let text = r#"{"type":"av_moderation","enabled":true,"mediaType":"video","room":"r@conference.meet.localhost","actor":"r@conference.meet.localhost\/a2844af7"}"#;
        let RoomMessage::AvModeration(change) = serde_json::from_str(text).unwrap() else {
            panic!("not moderation");
        };
        assert_eq!(change.actor.as_deref(), Some("r@conference.meet.localhost/a2844af7"));
        assert_eq!(change.enabled, Some(true));
        assert!(serde_json::from_str::<RoomMessage>(r#"{"type":"speakerstats","users":{}}"#).is_err());
    }
}
