//! Speaker statistics (`speakerstats.D`): how long each participant was the dominant speaker.

use std::collections::BTreeMap;

use jid::FullJid;
use minidom::Element;
use serde_json::{Map, Value, json};

use crate::component::{Now, Outbound, SenderContext};
use crate::muc::occupant::Occupant;
use crate::muc::room::{Room, RoomContext};
use crate::ns;
use crate::service::json_message;
use crate::stanza_error::{Condition, StanzaError};

/// Label of the service's address.
pub const LABEL: &str = "speakerstats";
/// Most participants remembered in one room, those who left included.
pub const SPEAKERS_MAX: usize = 2_000;
/// Most face expressions remembered of one participant.
pub const FACE_LANDMARKS_MAX: usize = 100;

/// Who spoke how long.
#[derive(Debug, Default)]
pub struct SpeakerStats {
    speakers: BTreeMap<FullJid, Speaker>,
    dominant: Option<FullJid>,
}

#[derive(Debug, Default)]
struct Speaker {
    nick: String,
    display_name: Option<String>,
    total_ms: u64,
    /// When it became dominant and since has not been silent, on the monotonic clock.
    since_ms: Option<u64>,
    face_landmarks: Vec<Value>,
}

impl Speaker {
    fn stop(&mut self, now: Now) {
        if let Some(since_ms) = self.since_ms.take() {
            self.total_ms += now.monotonic_ms.saturating_sub(since_ms);
        }
    }

    fn total_ms(&self, now: Now) -> u64 {
        self.total_ms + self.since_ms.map_or(0, |since_ms| now.monotonic_ms.saturating_sub(since_ms))
    }
}

impl SpeakerStats {
    /// Starts counting for a newcomer, and tells it what is known.
    pub(crate) fn greet(&self, room: &Room, to: &Occupant, rcx: &mut RoomContext<'_, '_>) {
        if !room.has_meeting_features() || to.is_admin {
            return;
        }
        let users: Map<String, Value> = self
            .speakers
            .values()
            .filter(|speaker| speaker.total_ms(rcx.cx.now) > 0 || !speaker.face_landmarks.is_empty())
            .map(|speaker| {
                let mut user = json!({
                    "totalDominantSpeakerTime": speaker.total_ms(rcx.cx.now),
                    "faceLandmarks": speaker.face_landmarks,
                });
                if let Some(name) = &speaker.display_name {
                    user["displayName"] = json!(name);
                }
                (speaker.nick.clone(), user)
            })
            .collect();
        if users.is_empty() {
            return;
        }
        let service = rcx.settings.service(LABEL);
        let json = json!({ "type": "speakerstats", "users": users });
        rcx.cx.out.push(Outbound::shared(to.session.clone(), &json_message::from_service(&service, None, &json)));
    }

    /// Somebody left: it speaks no more, but is remembered.
    pub(crate) fn left(&mut self, session: &FullJid, now: Now) {
        if let Some(speaker) = self.speakers.get_mut(session) {
            speaker.stop(now);
        }
        if self.dominant.as_ref() == Some(session) {
            self.dominant = None;
        }
    }

    fn speaker(&mut self, occupant: &Occupant) -> Result<&mut Speaker, StanzaError> {
        if self.speakers.len() >= SPEAKERS_MAX && !self.speakers.contains_key(&occupant.session) {
            return Err(Condition::ResourceConstraint.into());
        }
        let speaker = self.speakers.entry(occupant.session.clone()).or_default();
        occupant.nick().clone_into(&mut speaker.nick);
        speaker.display_name = occupant.display_name().map(str::to_owned);
        Ok(speaker)
    }
}

impl Room {
    /// Handles `<speakerstats/>` (the sender is now the dominant speaker) and `<faceLandmarks/>` of an occupant.
    pub(crate) fn handle_speaker_stats(
        &mut self,
        sender: &SenderContext,
        message: &Element,
        rcx: &mut RoomContext<'_, '_>,
    ) -> Result<(), StanzaError> {
        let now = rcx.cx.now;
        let occupant = self.occupant(&sender.jid).ok_or(Condition::Forbidden)?.clone();
        if let Some(command) = message.get_child("speakerstats", ns::JITMEET) {
            let is_silent = command.attr("silence") == Some("true");
            if let Some(previous) = self.speaker_stats.dominant.take()
                && let Some(speaker) = self.speaker_stats.speakers.get_mut(&previous)
            {
                speaker.stop(now);
            }
            let speaker = self.speaker_stats.speaker(&occupant)?;
            speaker.since_ms = (!is_silent).then_some(now.monotonic_ms);
            self.speaker_stats.dominant = Some(occupant.session);
            return Ok(());
        }
        if let Some(face) = message.get_child("faceLandmarks", ns::JITMEET) {
            let number = |name| face.attr(name).and_then(|text| text.parse::<u64>().ok());
            let entry = json!({
                "duration": number("duration").ok_or(Condition::BadRequest)?,
                "faceExpression": face.attr("faceExpression")
                    .filter(|expression| expression.len() <= 32)
                    .ok_or(Condition::BadRequest)?,
                "timestamp": number("timestamp").ok_or(Condition::BadRequest)?,
            });
            let speaker = self.speaker_stats.speaker(&occupant)?;
            if speaker.face_landmarks.len() >= FACE_LANDMARKS_MAX {
                speaker.face_landmarks.remove(0);
            }
            speaker.face_landmarks.push(entry);
            return Ok(());
        }
        Err(Condition::BadRequest.into())
    }
}
