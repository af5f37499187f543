//! A/V moderation (`avmoderation.D`): moderators decide who may unmute.

use std::collections::BTreeMap;

use minidom::Element;
use serde_json::{Map, Value, json};

use crate::component::{Outbound, SenderContext};
use crate::muc::affiliation::Role;
use crate::muc::occupant::Occupant;
use crate::muc::room::{Room, RoomContext};
use crate::service::json_message;
use crate::stanza_error::{Condition, StanzaError};

/// Label of the service's address.
pub const LABEL: &str = "avmoderation";
/// Most people on one list.
pub const ALLOWED_MAX: usize = 1_000;

/// What can be moderated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MediaType {
    /// Microphones.
    Audio,
    /// Cameras.
    Video,
    /// Screens.
    Desktop,
}

impl MediaType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Desktop => "desktop",
        }
    }

    fn parse(value: &str) -> Option<Self> {
        [Self::Audio, Self::Video, Self::Desktop].into_iter().find(|media| media.as_str() == value)
    }
}

/// Which media are moderated, by whom, and who may use them.
#[derive(Debug, Default)]
pub struct AvModeration {
    moderated: BTreeMap<MediaType, Moderated>,
}

#[derive(Debug)]
struct Moderated {
    /// `room/nick` of who switched it on.
    actor: String,
    /// `room/nick` of those who may unmute.
    allowed: Vec<String>,
    /// The start-muted policy before, to be put back.
    start_muted_before: Option<Value>,
}

impl AvModeration {
    /// Lists of everybody allowed. An empty one is left out.
    fn whitelists(&self) -> Value {
        let lists: Map<String, Value> = self
            .moderated
            .iter()
            .filter(|(_, moderated)| !moderated.allowed.is_empty())
            .map(|(media, moderated)| (media.as_str().to_owned(), json!(moderated.allowed)))
            .collect();
        Value::Object(lists)
    }

    fn send(to: &Occupant, json: &Value, rcx: &mut RoomContext<'_, '_>) {
        let service = rcx.settings.service(LABEL);
        rcx.cx.out.push(Outbound::shared(to.session.clone(), &json_message::from_service(&service, None, json)));
    }

    fn enabled_json(room: &Room, media: MediaType, actor: &str, enabled: bool) -> Value {
        json!({
            "type": "av_moderation", "enabled": enabled, "room": room.jid().as_str(),
            "actor": actor, "mediaType": media.as_str(),
        })
    }

    fn whitelists_json(&self, room: &Room, media: Option<MediaType>, removed: bool) -> Value {
        let mut json = json!({
            "type": "av_moderation", "room": room.jid().as_str(), "whitelists": self.whitelists(),
        });
        if let Some(media) = media {
            json["mediaType"] = json!(media.as_str());
        }
        if removed {
            json["removed"] = json!(true);
        }
        json
    }

    /// Tells a newcomer what is moderated. The focus saw every change as it happened.
    pub(crate) fn greet(&self, room: &Room, to: &Occupant, rcx: &mut RoomContext<'_, '_>) {
        if !room.has_meeting_features() {
            return;
        }
        for (media, moderated) in &self.moderated {
            Self::send(to, &Self::enabled_json(room, *media, &moderated.actor, true), rcx);
        }
        if to.role == Role::Moderator && !self.moderated.is_empty() {
            Self::send(to, &self.whitelists_json(room, None, false), rcx);
        }
    }

    /// Tells a new moderator who is allowed.
    pub(crate) fn became_moderator(&self, room: &Room, to: &Occupant, rcx: &mut RoomContext<'_, '_>) {
        if room.has_meeting_features() && !self.moderated.is_empty() {
            Self::send(to, &self.whitelists_json(room, None, false), rcx);
        }
    }
}

impl Room {
    /// Handles `<av_moderation/>` of an occupant.
    pub(crate) fn handle_av_moderation(
        &mut self,
        sender: &SenderContext,
        message: &Element,
        rcx: &mut RoomContext<'_, '_>,
    ) -> Result<(), StanzaError> {
        let command = message.children().find(|child| child.name() == "av_moderation").ok_or(Condition::BadRequest)?;
        let occupant = self.occupant(&sender.jid).ok_or(Condition::Forbidden)?;
        if occupant.role != Role::Moderator {
            return Err(Condition::Forbidden.into());
        }
        let actor = occupant.address.to_string();
        let media = command.attr("mediaType").and_then(MediaType::parse).ok_or(Condition::BadRequest)?;
        if let Some(enable) = command.attr("enable") {
            self.moderate(media, enable == "true", &actor, rcx);
            return Ok(());
        }
        let (who, allow) = match (command.attr("jidToWhitelist"), command.attr("jidToBlacklist")) {
            (Some(who), _) => (who, true),
            (None, Some(who)) => (who, false),
            (None, None) => return Err(Condition::BadRequest.into()),
        };
        let target =
            self.occupants().find(|occupant| occupant.address.as_str() == who).ok_or(Condition::ItemNotFound)?.clone();
        self.allow(media, &target, allow, &actor, rcx)
    }

    fn moderate(&mut self, media: MediaType, enable: bool, actor: &str, rcx: &mut RoomContext<'_, '_>) {
        if enable == self.av_moderation.moderated.contains_key(&media) {
            return;
        }
        if enable {
            let allowed = self
                .occupants()
                .filter(|occupant| occupant.role == Role::Moderator && !occupant.is_admin)
                .map(|occupant| occupant.address.to_string())
                .take(ALLOWED_MAX)
                .collect();
            let start_muted_before =
                self.metadata.get("startMuted").and_then(|policy| policy.get(media.as_str())).cloned();
            self.metadata.set_in("startMuted", media.as_str(), json!(true));
            self.av_moderation
                .moderated
                .insert(media, Moderated { actor: actor.to_owned(), allowed, start_muted_before });
        } else if let Some(moderated) = self.av_moderation.moderated.remove(&media) {
            match moderated.start_muted_before {
                Some(before) => self.metadata.set_in("startMuted", media.as_str(), before),
                None => self.metadata.remove_in("startMuted", media.as_str()),
            }
        }
        let service = rcx.settings.service(LABEL);
        let json = AvModeration::enabled_json(self, media, actor, enable);
        self.broadcast(&json_message::from_service(&service, None, &json), rcx.cx);
        if enable {
            self.send_whitelists(media, false, rcx);
        }
    }

    fn send_whitelists(&self, media: MediaType, removed: bool, rcx: &mut RoomContext<'_, '_>) {
        let json = self.av_moderation.whitelists_json(self, Some(media), removed);
        for moderator in self.occupants().filter(|o| o.role == Role::Moderator) {
            AvModeration::send(moderator, &json, rcx);
        }
    }

    fn allow(
        &mut self,
        media: MediaType,
        target: &Occupant,
        allow: bool,
        actor: &str,
        rcx: &mut RoomContext<'_, '_>,
    ) -> Result<(), StanzaError> {
        let who = target.address.to_string();
        let room = self.jid().to_string();
        let Some(moderated) = self.av_moderation.moderated.get_mut(&media) else {
            // Nothing is moderated: a moderator only asks somebody to unmute.
            if allow {
                let json = json!({
                    "type": "av_moderation", "room": room, "approved": true,
                    "mediaType": media.as_str(), "from": actor,
                });
                AvModeration::send(target, &json, rcx);
            }
            return Ok(());
        };
        if allow == moderated.allowed.contains(&who) {
            return Ok(());
        }
        let mut json = json!({ "type": "av_moderation", "room": room, "mediaType": media.as_str() });
        if allow {
            if moderated.allowed.len() >= ALLOWED_MAX {
                return Err(Condition::ResourceConstraint.into());
            }
            moderated.allowed.push(who);
            json["approved"] = json!(true);
        } else {
            moderated.allowed.retain(|allowed| *allowed != who);
            json["removed"] = json!(true);
        }
        self.send_whitelists(media, !allow, rcx);
        AvModeration::send(target, &json, rcx);
        Ok(())
    }
}
