//! Muting: by moderators one by one, by A/V moderation for all, by the room's policy for newcomers.

use std::collections::{BTreeMap, BTreeSet};

use jid::{FullJid, Jid};
use minidom::Element;
use protocol::ids::EndpointId;
use protocol::mute::{MuteAudio, MuteDesktop, MuteVideo};
use protocol::ns;
use protocol::room_metadata::{AvModeration, Metadata, StartMutedPolicy};

use crate::colibri::ForceMute;
use crate::conference::{Conference, Participant};
use crate::context::{Awaited, Context};
use crate::member::{Robot, Role};
use crate::room::RoomState;
use crate::stanza::{Condition, Fault};

/// Most entries kept of one list of those who may unmute.
pub const WHITELIST_MAX: usize = 1_000;

/// What can be muted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Microphone.
    Audio,
    /// Camera.
    Video,
    /// Screen.
    Desktop,
}

/// What a participant may not send.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forced {
    audio: bool,
    video: bool,
    desktop: bool,
}

impl Forced {
    /// As the bridge is told: it tells audio from video only.
    pub fn for_bridge(self) -> ForceMute {
        ForceMute { audio: self.audio, video: self.video && self.desktop }
    }

    fn set(&mut self, kind: Kind, forced: bool) {
        match kind {
            Kind::Audio => self.audio = forced,
            Kind::Video => self.video = forced,
            Kind::Desktop => self.desktop = forced,
        }
    }
}

/// Rules of the room.
#[derive(Debug, Clone, Default)]
pub struct Moderation {
    enabled: BTreeSet<Kind>,
    whitelists: BTreeMap<Kind, BTreeSet<FullJid>>,
    /// Policy for newcomers.
    pub start_muted: StartMutedPolicy,
}

impl Moderation {
    /// Whether somebody may send something of this kind.
    pub fn may_send(&self, kind: Kind, role: Role, occupant: &FullJid) -> bool {
        !self.enabled.contains(&kind)
            || role.is_moderator()
            || self.whitelists.get(&kind).is_some_and(|list| list.contains(occupant))
    }

    /// What a newcomer may not send.
    pub fn forced_at_start(&self, role: Role, occupant: &FullJid) -> Forced {
        let forced = |kind| !self.may_send(kind, role, occupant);
        Forced { audio: forced(Kind::Audio), video: forced(Kind::Video), desktop: forced(Kind::Desktop) }
    }
}

/// A mute request as read from an IQ.
#[derive(Debug, Clone, PartialEq)]
pub struct MuteRequest {
    kind: Kind,
    target: Option<Jid>,
    mute: Option<bool>,
}

impl MuteRequest {
    /// Reads the payload of an IQ. `None` when it is something else.
    pub fn from_payload(payload: &Element) -> Option<Result<Self, Fault>> {
        let bad = |e: xso::error::FromElementError| Fault::new(Condition::BadRequest, e.to_string());
        if payload.name() != "mute" {
            return None;
        }
        let payload = payload.clone();
        Some(match payload.ns().as_str() {
            ns::JITMEET_AUDIO => MuteAudio::try_from(payload).map_err(bad).map(|m| Self {
                kind: Kind::Audio,
                target: m.jid,
                mute: m.mute,
            }),
            ns::JITMEET_VIDEO => MuteVideo::try_from(payload).map_err(bad).map(|m| Self {
                kind: Kind::Video,
                target: m.jid,
                mute: m.mute,
            }),
            ns::JITMEET_DESKTOP => MuteDesktop::try_from(payload).map_err(bad).map(|m| Self {
                kind: Kind::Desktop,
                target: m.jid,
                mute: m.mute,
            }),
            _ => return None,
        })
    }
}

fn mute_notice(kind: Kind, actor: &FullJid) -> Element {
    let (jid, actor, mute) = (None, Some(Jid::from(actor.clone())), Some(true));
    match kind {
        Kind::Audio => MuteAudio { jid, actor, mute }.into(),
        Kind::Video => MuteVideo { jid, actor, mute }.into(),
        Kind::Desktop => MuteDesktop { jid, actor, mute }.into(),
    }
}

impl Conference {
    /// A moderator mutes somebody, or somebody tells that it unmutes.
    ///
    /// # Errors
    /// What the one who asked is answered.
    pub fn mute_requested(
        &mut self,
        actor: &EndpointId,
        request: &MuteRequest,
        ctx: &mut Context<'_>,
    ) -> Result<(), Fault> {
        let (Some(target), Some(mute)) = (&request.target, request.mute) else {
            return Err(Fault::new(Condition::BadRequest, "a mute needs a jid and true or false"));
        };
        if target.to_bare() != self.room {
            return Err(Fault::new(Condition::ItemNotFound, "the room of the jid is not this one"));
        }
        let no_session = || Fault::new(Condition::InternalServerError, "there is no session with that participant");
        let has_session = |p: &&Participant| p.invite.is_allocated();
        let acting = self.participants.get(actor).filter(has_session).ok_or_else(no_session)?;
        let target = target.resource().and_then(|r| EndpointId::new(r.as_str()).ok()).ok_or_else(no_session)?;
        let muted = self.participants.get(&target).filter(has_session).ok_or_else(no_session)?;
        let kind = request.kind;
        let is_remote = *actor != target;
        let not_allowed = |why: &str| Fault::new(Condition::NotAllowed, why);
        if is_remote && !acting.member.role.is_moderator() {
            return Err(not_allowed("only moderators mute others"));
        }
        if is_remote && !mute {
            return Err(not_allowed("nobody unmutes another"));
        }
        let may_send = self.moderation.may_send(kind, muted.member.role, &muted.member.occupant);
        if !mute && !may_send {
            return Err(not_allowed("a moderator has to allow that first"));
        }
        if !can_be_muted(muted) {
            return Err(not_allowed("that participant cannot be muted"));
        }
        let actor = acting.member.occupant.clone();
        self.set_forced(std::slice::from_ref(&target), kind, mute && !may_send, ctx);
        if is_remote && let Some(muted) = self.participants.get(&target) {
            ctx.request("set", muted.member.occupant.clone(), mute_notice(kind, &actor), Awaited::Notice);
        }
        Ok(())
    }

    fn set_forced(&mut self, endpoints: &[EndpointId], kind: Kind, forced: bool, ctx: &mut Context<'_>) {
        let mut changed = Vec::new();
        for endpoint in endpoints {
            let Some(participant) = self.participants.get_mut(endpoint) else { continue };
            let before = participant.forced.for_bridge();
            participant.forced.set(kind, forced);
            let after = participant.forced.for_bridge();
            if before != after {
                changed.push((endpoint.clone(), after));
            }
        }
        self.update_mutes_on_bridge(&changed, ctx);
    }

    /// The moderation service changed something.
    pub fn moderation_changed(&mut self, change: &AvModeration, ctx: &mut Context<'_>) {
        if let Some(whitelists) = &change.whitelists {
            for (media, list) in whitelists {
                if let Some(kind) = kind_of(media) {
                    self.moderation.whitelists.insert(kind, whitelist(list));
                }
            }
        }
        let (Some(enabled), Some(kind)) = (change.enabled, change.media_type.as_deref().and_then(kind_of)) else {
            return;
        };
        let changes = if enabled {
            self.moderation.enabled.insert(kind)
        } else {
            self.moderation.whitelists.remove(&kind);
            self.moderation.enabled.remove(&kind)
        };
        if !changes {
            return;
        }
        let actor: Option<FullJid> = change.actor.as_deref().and_then(|jid| jid.parse().ok());
        let affected: Vec<EndpointId> = self
            .participants
            .values()
            .filter(|p| p.invite.is_allocated() && can_be_muted(p) && Some(&p.member.occupant) != actor.as_ref())
            .map(|p| p.member.endpoint.clone())
            .collect();
        if enabled {
            let (free, bound): (Vec<_>, Vec<_>) = affected.iter().cloned().partition(|endpoint| {
                self.participants
                    .get(endpoint)
                    .is_some_and(|p| self.moderation.may_send(kind, p.member.role, &p.member.occupant))
            });
            drop(free);
            self.set_forced(&bound, kind, true, ctx);
            let room = self.own_occupant(ctx);
            let actor = actor.unwrap_or(room);
            for endpoint in &affected {
                if let Some(participant) = self.participants.get(endpoint) {
                    let to = participant.member.occupant.clone();
                    ctx.request("set", to, mute_notice(kind, &actor), Awaited::Notice);
                }
            }
        } else {
            let all: Vec<EndpointId> = self.participants.keys().cloned().collect();
            self.set_forced(&all, kind, false, ctx);
        }
    }

    /// A snapshot of the room's metadata.
    pub fn metadata_changed(&mut self, metadata: &Metadata, ctx: &mut Context<'_>) {
        self.metadata_seen = true;
        if let Some(policy) = metadata.start_muted {
            self.moderation.start_muted = policy;
        }
        if matches!(self.state, RoomState::AwaitingMetadata { .. }) {
            self.joined(ctx);
        }
    }
}

fn can_be_muted(participant: &Participant) -> bool {
    let member = &participant.member;
    match member.robot {
        Some(Robot::Jibri | Robot::Transcriber) => false,
        Some(Robot::Jigasi) => member.features.is_some_and(|f| f.audio_mute),
        None => member.role != Role::Visitor,
    }
}

fn whitelist(list: &[String]) -> BTreeSet<FullJid> {
    list.iter().filter_map(|jid| jid.parse().ok()).take(WHITELIST_MAX).collect()
}

fn kind_of(media: &str) -> Option<Kind> {
    match media.to_ascii_lowercase().as_str() {
        "audio" => Some(Kind::Audio),
        "video" => Some(Kind::Video),
        "desktop" => Some(Kind::Desktop),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_bounded_and_skip_what_is_no_occupant() {
        let mut list: Vec<String> = (0..WHITELIST_MAX + 5).map(|n| format!("r@c.x/n{n}")).collect();
        assert_eq!(whitelist(&list).len(), WHITELIST_MAX);
        list.truncate(2);
        list.push("r@c.x".to_owned());
        assert_eq!(whitelist(&list).len(), 2);
    }
}
