//! Messages on the bridge channel.

use std::time::Instant;

use protocol::bridge_channel::{
    AudioSourceMapping, AudioSourcesMap, DominantSpeakerEndpointChangeEvent, EndpointMessage, EndpointStats, Message,
    ParseError, ReceiverAudioSubscription, ServerHello,
};
use protocol::ids::{EndpointId, SourceName, Ssrc};

use super::Conference;
use super::member::AudioSubscription;
use crate::allocate::ConstraintsError;
use crate::egress::{Egress, EndpointIndex};
use crate::endpoint::{MediaKind, SOURCES_MAX, VideoType};

/// Conferences up to this size pass everybody's statistics to everybody.
const STATS_TO_ALL_MAX: usize = 20;
/// Most sources named in an audio subscription.
const AUDIO_SUBSCRIPTION_MAX: usize = 1_000;

/// How the bridge channel is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelKind {
    /// SCTP data channel: the client greets first.
    DataChannel,
    /// WebSocket: the bridge greets first.
    WebSocket,
}

/// Why a message was not taken. The channel stays open.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// Not a message.
    #[error(transparent)]
    Malformed(#[from] ParseError),
    /// More messages or bytes than one endpoint may send.
    #[error("too many messages")]
    TooMany,
    /// Names too many sources.
    #[error(transparent)]
    Constraints(#[from] ConstraintsError),
    /// Names more than [`AUDIO_SUBSCRIPTION_MAX`] audio sources.
    #[error("the audio subscription names more than {AUDIO_SUBSCRIPTION_MAX} sources")]
    Subscription,
    /// Not allowed to visitors.
    #[error("visitors may not send this message")]
    Visitor,
    /// The class is unknown or never sent by clients.
    #[error("message class {0} is not taken from clients")]
    Class(String),
    /// Names an endpoint or source that is not there.
    #[error("the message names an unknown endpoint or source")]
    Unknown,
}

impl Conference {
    /// The bridge channel of an endpoint opened: it gets everything it must know.
    pub fn channel_opened(&mut self, now: Instant, endpoint: EndpointIndex, kind: ChannelKind, out: &mut dyn Egress) {
        let version = self.config.version.clone();
        let Some(member) = self.get_mut(endpoint) else {
            return;
        };
        member.channel_open = true;
        member.maps_told = true;
        member.forwarded = None;
        for source in &mut member.sources {
            source.told_height = None;
        }
        if kind == ChannelKind::WebSocket {
            Self::send_message(member, endpoint, ServerHello { version }, out);
        }
        if let Some(member) = self.get(endpoint)
            && member.rewrites_ssrcs
        {
            let video = self.full_video_map(member);
            if !video.mapped_sources.is_empty() {
                Self::send_message(member, endpoint, video, out);
            }
            let audio = self.full_audio_map(endpoint);
            if !audio.mapped_sources.is_empty() {
                Self::send_message(member, endpoint, audio, out);
            }
        }
        self.announce_speakers(Some(endpoint), out);
        self.rebuild_listeners();
        self.reallocate(now, endpoint, out);
    }

    /// The bridge channel of an endpoint closed.
    pub fn channel_closed(&mut self, endpoint: EndpointIndex) {
        if let Some(member) = self.get_mut(endpoint) {
            member.channel_open = false;
        }
    }

    /// Takes a message from an endpoint.
    ///
    /// # Errors
    /// [`ChannelError`] when it was not taken; only this message is lost.
    pub fn handle_channel_message(
        &mut self,
        now: Instant,
        from: EndpointIndex,
        text: &str,
        out: &mut dyn Egress,
    ) -> Result<(), ChannelError> {
        let now_us = self.micros(now);
        let Some(member) = self.get_mut(from) else {
            return Err(ChannelError::Unknown);
        };
        member.note_activity(now_us);
        let size = u32::try_from(text.len()).unwrap_or(u32::MAX);
        if !member.messages.take(1, now_us) || !member.message_bytes.take(size, now_us) {
            member.counts.messages_refused += 1;
            return Err(ChannelError::TooMany);
        }
        let result = Message::parse(text)
            .map_err(ChannelError::from)
            .and_then(|message| self.channel_message(now, from, message, out));
        if result.is_err()
            && let Some(member) = self.get_mut(from)
        {
            member.counts.messages_refused += 1;
        }
        result
    }

    fn channel_message(
        &mut self,
        now: Instant,
        from: EndpointIndex,
        message: Message,
        out: &mut dyn Egress,
    ) -> Result<(), ChannelError> {
        let Some(member) = self.endpoints.get_mut(from.get()).and_then(Option::as_deref_mut) else {
            return Err(ChannelError::Unknown);
        };
        match message {
            Message::ClientHello(_) => {
                let version = self.config.version.clone();
                Self::send_message(member, from, ServerHello { version }, out);
            }
            Message::ReceiverVideoConstraints(constraints) => {
                // COMPAT(jitsi-meet): every client sends assumedBandwidthBps −1 first; without a configured limit it
                // means nothing.
                member.constraints.apply(constraints)?;
                self.reallocate(now, from, out);
            }
            Message::LastNChangedEvent(event) => {
                member.constraints.set_last_n(event.last_n);
                self.reallocate(now, from, out);
            }
            Message::SourceVideoTypeMessage(message) => {
                let video_type = VideoType::from_wire(&message.video_type).ok_or(ChannelError::Unknown)?;
                self.set_video_type(now, from, message.source_name, video_type, out)?;
            }
            Message::VideoTypeMessage(message) => {
                let video_type = VideoType::from_wire(&message.video_type).ok_or(ChannelError::Unknown)?;
                let name = SourceName::video(&member.id, 0).map_err(|_| ChannelError::Unknown)?;
                self.set_video_type(now, from, name, video_type, out)?;
            }
            Message::EndpointMessage(message) => self.relay_message(from, message, out)?,
            Message::EndpointStats(stats) => self.relay_stats(from, stats, out)?,
            Message::ReceiverAudioSubscription(subscription) => {
                member.audio_subscription = audio_subscription(subscription)?;
                self.rebuild_listeners();
            }
            other => return Err(ChannelError::Class(other.class().chars().take(64).collect())),
        }
        Ok(())
    }

    fn set_video_type(
        &mut self,
        now: Instant,
        from: EndpointIndex,
        name: SourceName,
        video_type: VideoType,
        out: &mut dyn Egress,
    ) -> Result<(), ChannelError> {
        let Some(member) = self.get_mut(from) else {
            return Err(ChannelError::Unknown);
        };
        if let Some(source) = member.sources.iter_mut().find(|source| source.name == name) {
            if source.kind == MediaKind::Video && source.video_type != video_type {
                source.video_type = video_type;
                self.reallocate_all(now, out);
            }
            return Ok(());
        }
        // It may come before the source itself is signalled.
        if member.early_video_types.len() >= SOURCES_MAX && !member.early_video_types.contains_key(&name) {
            return Err(ChannelError::Unknown);
        }
        member.early_video_types.insert(name, video_type);
        Ok(())
    }

    fn relay_message(
        &self,
        from: EndpointIndex,
        mut message: EndpointMessage,
        out: &mut dyn Egress,
    ) -> Result<(), ChannelError> {
        let sender = self.get(from).ok_or(ChannelError::Unknown)?;
        if sender.visitor {
            return Err(ChannelError::Visitor);
        }
        message.from = Some(sender.id.as_str().to_owned());
        let to = message.to.clone().unwrap_or_default();
        if to.is_empty() {
            let text = Message::from(message).to_json();
            self.broadcast(Some(from), &text, out);
            return Ok(());
        }
        let index = EndpointId::new(&to).ok().and_then(|id| self.find(&id)).ok_or(ChannelError::Unknown)?;
        let receiver = self.get(index).ok_or(ChannelError::Unknown)?;
        Self::send_message(receiver, index, message, out);
        Ok(())
    }

    fn relay_stats(
        &self,
        from: EndpointIndex,
        mut stats: EndpointStats,
        out: &mut dyn Egress,
    ) -> Result<(), ChannelError> {
        let sender = self.get(from).ok_or(ChannelError::Unknown)?;
        if sender.visitor {
            return Err(ChannelError::Visitor);
        }
        stats.from = Some(sender.id.as_str().to_owned());
        let text = Message::from(stats).to_json();
        let to_all = self.endpoint_count() <= STATS_TO_ALL_MAX || self.speech.recent().contains(&from);
        for (at, receiver) in self.endpoints.iter().enumerate() {
            let Some(receiver) = receiver.as_deref().filter(|receiver| receiver.channel_open) else {
                continue;
            };
            let index = EndpointIndex(at as u32);
            let interested = || {
                sender.sources.iter().any(|source| {
                    receiver.constraints.on_stage.contains(&source.name)
                        || receiver.constraints.selected.contains(&source.name)
                        || source.wants.get(&index).is_some_and(|&height| height != 0)
                })
            };
            if index != from && (to_all || interested()) {
                out.channel(index, text.clone());
            }
        }
        Ok(())
    }

    /// Sends a text to everybody with an open channel.
    pub(super) fn broadcast(&self, except: Option<EndpointIndex>, text: &str, out: &mut dyn Egress) {
        for (at, receiver) in self.endpoints.iter().enumerate() {
            let index = EndpointIndex(at as u32);
            if Some(index) != except && receiver.as_deref().is_some_and(|receiver| receiver.channel_open) {
                out.channel(index, text.to_owned());
            }
        }
    }

    /// Tells one endpoint, or everybody, who speaks.
    pub(super) fn announce_speakers(&self, to: Option<EndpointIndex>, out: &mut dyn Egress) {
        let mut ids = self.speech.recent().iter().filter_map(|&index| Some(self.get(index)?.id.clone()));
        let Some(dominant_speaker_endpoint) = ids.next() else {
            return;
        };
        let event = DominantSpeakerEndpointChangeEvent {
            dominant_speaker_endpoint,
            previous_speakers: ids.collect(),
            silence: false,
        };
        match to {
            Some(to) => {
                if let Some(receiver) = self.get(to) {
                    Self::send_message(receiver, to, event, out);
                }
            }
            None => self.broadcast(None, &Message::from(event).to_json(), out),
        }
    }

    fn full_audio_map(&self, receiver: EndpointIndex) -> AudioSourcesMap {
        let slots = self.get(receiver).map_or(&[][..], |receiver| &receiver.audio);
        let mapped_sources = slots
            .iter()
            .filter_map(|slot| {
                let owner = self.get(slot.owner)?;
                let source = owner.source(slot.source?)?;
                Some(AudioSourceMapping {
                    source: source.name.clone(),
                    owner: owner.id.clone(),
                    ssrc: Ssrc(slot.output.ssrc),
                    mid: None,
                })
            })
            .collect();
        AudioSourcesMap { mapped_sources }
    }
}

fn audio_subscription(message: ReceiverAudioSubscription) -> Result<AudioSubscription, ChannelError> {
    if message.include.len() > AUDIO_SUBSCRIPTION_MAX || message.exclude.len() > AUDIO_SUBSCRIPTION_MAX {
        return Err(ChannelError::Subscription);
    }
    Ok(AudioSubscription {
        all: message.all,
        include: message.include.into_iter().collect(),
        exclude: message.exclude.into_iter().collect(),
    })
}
