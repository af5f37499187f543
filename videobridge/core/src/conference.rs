//! One conference: its endpoints, what they send, and who gets it.
//!
//! Every method takes the time and gives what is to be sent to an [`Egress`]. The shell calls
//! [`handle_timeout`](Conference::handle_timeout) at [`next_deadline`](Conference::next_deadline).

mod allocation;
mod channel;
mod feedback;
mod media;
mod member;
mod random;
mod source;
mod stats;
mod timeout;

use std::time::{Duration, Instant};

use protocol::bridge_channel::Message;
use protocol::ids::EndpointId;

use crate::egress::{Egress, EndpointIndex};
use crate::endpoint::{MediaDescription, MediaKind, SOURCES_MAX, SourceDescription, SourceError};
use crate::rtcp::RtcpBuffer;
use crate::rtp::HeaderBuffer;
use crate::speech::SpeechActivity;

pub use channel::{ChannelError, ChannelKind};
pub use member::EndpointConfig;
pub use stats::{ConferenceStats, EndpointStatsView};

use member::Endpoint;
use random::Random;
use source::{Listener, NO_SLOT, Source, SourceId};

/// Most endpoints in one conference.
pub const ENDPOINTS_MAX: usize = 1_000;
/// Outgoing video streams of a receiver with source maps.
pub const VIDEO_SLOTS_MAX: usize = 50;
/// Outgoing audio streams of a receiver with source maps.
pub const AUDIO_SLOTS_MAX: usize = 50;

/// Outgoing streams of a receiver without source maps above which unused ones are forgotten.
const RELEASED_SLOTS_MAX: usize = 500;

/// What the control side decides about a conference.
#[derive(Debug, Clone)]
pub struct ConferenceConfig {
    /// SSRC of our reports about audio, as signalled.
    pub audio_feedback_ssrc: u32,
    /// SSRC of our reports about video, as signalled.
    pub video_feedback_ssrc: u32,
    /// Seed of the SSRCs and first numbers of outgoing streams.
    pub seed: u64,
    /// Forward audio of only this many loudest endpoints (and the dominant speaker); `None` forwards all.
    pub loudest: Option<usize>,
    /// Version told in `ServerHello`, if any.
    pub version: Option<String>,
    /// Most video sources forwarded to any receiver, set by load shedding.
    pub last_n: Option<usize>,
}

impl ConferenceConfig {
    /// Usual behaviour with these feedback SSRCs.
    #[must_use]
    pub const fn new(audio_feedback_ssrc: u32, video_feedback_ssrc: u32, seed: u64) -> Self {
        Self { audio_feedback_ssrc, video_feedback_ssrc, seed, loudest: None, version: None, last_n: None }
    }
}

/// Why an endpoint was not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddEndpointError {
    /// There are [`ENDPOINTS_MAX`].
    #[error("the conference has {ENDPOINTS_MAX} endpoints and takes no more")]
    Full,
    /// An endpoint with this id exists.
    #[error("an endpoint with this id is in the conference already")]
    Exists,
}

/// One conference.
#[derive(Debug)]
pub struct Conference {
    config: ConferenceConfig,
    started: Instant,
    endpoints: Vec<Option<Box<Endpoint>>>,
    speech: SpeechActivity,
    random: Random,
    next_source: u64,
    allocations: u64,
    header: HeaderBuffer,
    rtcp: RtcpBuffer,
    next_tick_us: Option<u64>,
    busy_until_us: u64,
    /// An allocation is wanted before the next tick.
    wakes_at_us: Option<u64>,
    /// When layers that have just appeared have shown what they cost.
    recheck_at_us: Option<u64>,
    preemptive_keyframe: Option<(u64, EndpointIndex)>,
    stats: stats::Totals,
}

impl Conference {
    /// An empty conference.
    #[must_use]
    pub fn new(config: ConferenceConfig, now: Instant) -> Self {
        let random = Random(config.seed);
        Self {
            config,
            started: now,
            endpoints: Vec::new(),
            speech: SpeechActivity::default(),
            random,
            next_source: 0,
            allocations: 0,
            header: HeaderBuffer::default(),
            rtcp: RtcpBuffer::default(),
            next_tick_us: None,
            busy_until_us: 0,
            wakes_at_us: None,
            recheck_at_us: None,
            preemptive_keyframe: None,
            stats: stats::Totals::default(),
        }
    }

    /// Adds an endpoint. The index stays valid until [`remove_endpoint`](Self::remove_endpoint).
    ///
    /// # Errors
    /// [`AddEndpointError`] when the conference is full or the id is taken.
    pub fn add_endpoint(&mut self, now: Instant, config: EndpointConfig) -> Result<EndpointIndex, AddEndpointError> {
        if self.find(&config.id).is_some() {
            return Err(AddEndpointError::Exists);
        }
        if self.endpoint_count() >= ENDPOINTS_MAX {
            return Err(AddEndpointError::Full);
        }
        let now_us = self.micros(now);
        let at = self.endpoints.iter().position(Option::is_none).unwrap_or_else(|| {
            self.endpoints.push(None);
            self.endpoints.len() - 1
        });
        let index = EndpointIndex(u32::try_from(at).expect("bounded"));
        let visitor = config.visitor;
        self.endpoints[at] = Some(Box::new(Endpoint::new(config, now_us)));
        if !visitor {
            self.speech.endpoint_added(index);
        }
        self.schedule_tick(now_us);
        Ok(index)
    }

    /// Removes an endpoint and everything that came from it or went to it.
    pub fn remove_endpoint(&mut self, now: Instant, endpoint: EndpointIndex, out: &mut dyn Egress) {
        let Some(removed) = self.endpoints.get_mut(endpoint.get()).and_then(Option::take) else {
            return;
        };
        self.stats.retire(&removed);
        for other in self.endpoints.iter_mut().flatten() {
            other.release_slots(endpoint, &[]);
            if other.rewrites_ssrcs {
                // The slots of who left are not used again: a client may still tie them to that person.
                other.video.retain(|slot| slot.owner != endpoint);
                other.audio.retain(|slot| slot.owner != endpoint);
            }
            for source in &mut other.sources {
                source.wants.remove(&endpoint);
            }
        }
        let speakers_changed = self.speech.endpoint_removed(endpoint);
        self.rebuild_listeners();
        if speakers_changed {
            self.announce_speakers(None, out);
        }
        self.reallocate_all(now, out);
        if self.endpoint_count() == 0 {
            self.next_tick_us = None;
        }
    }

    /// The index of an endpoint.
    #[must_use]
    pub fn find(&self, id: &EndpointId) -> Option<EndpointIndex> {
        let at =
            self.endpoints.iter().position(|endpoint| endpoint.as_ref().is_some_and(|endpoint| endpoint.id == *id))?;
        u32::try_from(at).ok().map(EndpointIndex)
    }

    /// How many endpoints there are.
    #[must_use]
    pub fn endpoint_count(&self) -> usize {
        self.endpoints.iter().flatten().count()
    }

    /// Adds what was agreed about one kind of media.
    pub fn set_media(&mut self, endpoint: EndpointIndex, description: &MediaDescription) {
        if let Some(endpoint) = self.get_mut(endpoint) {
            endpoint.agreement.add(description);
            endpoint.needs_allocation = true;
        }
        self.rebuild_listeners();
    }

    /// Replaces the sources of an endpoint. A source that is signalled as before keeps all its state.
    ///
    /// # Errors
    /// [`SourceError`]; nothing was changed then.
    pub fn set_sources(
        &mut self,
        now: Instant,
        endpoint: EndpointIndex,
        descriptions: &[SourceDescription],
        out: &mut dyn Egress,
    ) -> Result<(), SourceError> {
        if descriptions.len() > SOURCES_MAX {
            return Err(SourceError::TooMany);
        }
        let mut resolved = Vec::with_capacity(descriptions.len());
        let mut seen: Vec<u32> = Vec::new();
        for (at, description) in descriptions.iter().enumerate() {
            let encodings = source::encodings(description)?;
            let ssrcs = || encodings.iter().flat_map(|&(primary, rtx)| [Some(primary), rtx]).flatten();
            let named_before = descriptions[..at].iter().any(|other| other.name == description.name);
            for ssrc in ssrcs() {
                if named_before || seen.contains(&ssrc) {
                    return Err(SourceError::Duplicate(description.name.clone()));
                }
                seen.push(ssrc);
                if self.is_owned_by_other(endpoint, ssrc) {
                    return Err(SourceError::OwnedByOther(description.name.clone()));
                }
            }
            resolved.push((description, encodings));
        }
        let mut next_source = self.next_source;
        let Some(member) = self.get_mut(endpoint) else {
            return Err(SourceError::UnknownEndpoint);
        };
        let mut old = std::mem::take(&mut member.sources);
        let mut changed = old.len() != resolved.len();
        for (description, encodings) in resolved {
            let kept = old.iter().position(|source| {
                source.name == description.name
                    && source.kind == description.kind
                    && source.ssrcs().eq(encodings.iter().copied())
            });
            let mut source = if let Some(at) = kept {
                old.swap_remove(at)
            } else {
                changed = true;
                let mut source = Source::new(SourceId(next_source), description, &encodings);
                next_source += 1;
                if let Some(before) = old.iter().find(|source| source.name == description.name) {
                    source.video_type = before.video_type;
                }
                source
            };
            if let Some(video_type) = member.early_video_types.remove(&source.name).or(description.video_type) {
                changed |= source.video_type != video_type && kept.is_none();
                if kept.is_none() {
                    source.video_type = video_type;
                }
            }
            source.synthetic = description.synthetic;
            member.sources.push(source);
        }
        member.index_ssrcs();
        let live: Vec<SourceId> = member.sources.iter().map(|source| source.id).collect();
        self.next_source = next_source;
        if !changed {
            // The focus repeats the whole set often.
            return Ok(());
        }
        for other in self.endpoints.iter_mut().flatten() {
            other.release_slots(endpoint, &live);
        }
        self.rebuild_listeners();
        self.reallocate_all(now, out);
        Ok(())
    }

    /// Drops all audio or video of an endpoint at the entrance.
    pub fn set_force_mute(&mut self, endpoint: EndpointIndex, audio: bool, video: bool) {
        if let Some(endpoint) = self.get_mut(endpoint) {
            endpoint.mute_audio = audio;
            endpoint.mute_video = video;
        }
    }

    /// Sets lastN of an endpoint that has not asked for anything itself; negative is no limit.
    pub fn set_initial_last_n(&mut self, now: Instant, endpoint: EndpointIndex, last_n: i32, out: &mut dyn Egress) {
        if let Some(member) = self.get_mut(endpoint) {
            member.constraints.set_initial_last_n(last_n);
        }
        self.reallocate(now, endpoint, out);
    }

    /// Sets the bridge-wide bound of lastN; `None` takes it away.
    pub fn set_last_n_limit(&mut self, now: Instant, last_n: Option<usize>, out: &mut dyn Egress) {
        if self.config.last_n != last_n {
            self.config.last_n = last_n;
            self.reallocate_all(now, out);
        }
    }

    /// Media can be sent to the endpoint: keys are agreed.
    pub fn endpoint_connected(&mut self, now: Instant, endpoint: EndpointIndex, out: &mut dyn Egress) {
        let now_us = self.micros(now);
        if let Some(member) = self.get_mut(endpoint) {
            member.connected = true;
            member.note_activity(now_us);
        }
        self.rebuild_listeners();
        self.reallocate(now, endpoint, out);
    }

    /// The endpoint showed that it is there (ICE consent).
    pub fn keep_alive(&mut self, now: Instant, endpoint: EndpointIndex) {
        let now_us = self.micros(now);
        if let Some(member) = self.get_mut(endpoint) {
            member.note_activity(now_us);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called; `None` while there is nothing to wait for.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let at_us = match (self.next_tick_us, self.wakes_at_us) {
            (Some(a), Some(b)) => a.min(b),
            (a, b) => a.or(b)?,
        };
        Some(self.started + Duration::from_micros(at_us))
    }

    fn micros(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.started).as_micros())
            .unwrap_or(u64::MAX / 4)
            // Time zero means "never" in places.
            .saturating_add(1)
    }

    fn get(&self, endpoint: EndpointIndex) -> Option<&Endpoint> {
        self.endpoints.get(endpoint.get())?.as_deref()
    }

    fn get_mut(&mut self, endpoint: EndpointIndex) -> Option<&mut Endpoint> {
        self.endpoints.get_mut(endpoint.get())?.as_deref_mut()
    }

    fn indices(&self) -> Vec<EndpointIndex> {
        (0u32..)
            .zip(&self.endpoints)
            .filter(|(_, endpoint)| endpoint.is_some())
            .map(|(at, _)| EndpointIndex(at))
            .collect()
    }

    fn is_owned_by_other(&self, endpoint: EndpointIndex, ssrc: u32) -> bool {
        self.endpoints
            .iter()
            .enumerate()
            .any(|(at, other)| at != endpoint.get() && other.as_ref().is_some_and(|other| other.role(ssrc).is_some()))
            || ssrc == self.config.audio_feedback_ssrc
            || ssrc == self.config.video_feedback_ssrc
    }

    /// An SSRC for an outgoing stream of `endpoint` that nothing it sees uses.
    fn fresh_ssrc(random: &mut Random, config: &ConferenceConfig, endpoint: &Endpoint) -> u32 {
        loop {
            let ssrc = (random.next() >> 32) as u32;
            let taken = ssrc == 0
                || ssrc == config.audio_feedback_ssrc
                || ssrc == config.video_feedback_ssrc
                || endpoint.role(ssrc).is_some()
                || endpoint.video.iter().any(|slot| slot.output.ssrc == ssrc || slot.output.rtx_ssrc == Some(ssrc))
                || endpoint.audio.iter().any(|slot| slot.output.ssrc == ssrc);
            if !taken {
                return ssrc;
            }
        }
    }

    /// Writes down at each source who gets it, so that the packet path only reads.
    fn rebuild_listeners(&mut self) {
        for at in 0..self.endpoints.len() {
            let Some(mut owner) = self.endpoints[at].take() else {
                continue;
            };
            for source in &mut owner.sources {
                source.listeners.clear();
                if owner.visitor {
                    continue;
                }
                for (other, receiver) in self.endpoints.iter().enumerate() {
                    let Some(receiver) = receiver.as_deref().filter(|receiver| receiver.takes_media()) else {
                        continue;
                    };
                    let slot = match source.kind {
                        MediaKind::Video => {
                            match receiver.video.iter().position(|slot| slot.source == Some(source.id)) {
                                Some(slot) => slot,
                                None => continue,
                            }
                        }
                        MediaKind::Audio => {
                            if !receiver.agreement.has(MediaKind::Audio) || !receiver.audio_subscription.wants(source) {
                                continue;
                            }
                            receiver.audio.iter().position(|slot| slot.source == Some(source.id)).unwrap_or(NO_SLOT)
                        }
                    };
                    source.listeners.push(Listener { receiver: EndpointIndex(other as u32), slot });
                }
            }
            self.endpoints[at] = Some(owner);
        }
    }

    fn send_message(endpoint: &Endpoint, to: EndpointIndex, message: impl Into<Message>, out: &mut dyn Egress) {
        if endpoint.channel_open {
            out.channel(to, message.into().to_json());
        }
    }
}

impl Endpoint {
    /// Frees the slots of sources of `owner` that are no longer among `live`.
    ///
    /// Without source maps a slot stays for its SSRC, which the same sender may signal again.
    fn release_slots(&mut self, owner: EndpointIndex, live: &[SourceId]) {
        let gone = |source: Option<SourceId>| source.is_some_and(|id| !live.contains(&id));
        for slot in self.video.iter_mut().filter(|slot| slot.owner == owner && gone(slot.source)) {
            slot.source = None;
            slot.output.rebind();
        }
        for slot in self.audio.iter_mut().filter(|slot| slot.owner == owner && gone(slot.source)) {
            slot.source = None;
            slot.output.rebind();
        }
        if !self.rewrites_ssrcs {
            while self.video.len() > RELEASED_SLOTS_MAX && remove_released(&mut self.video, |slot| slot.source) {}
            while self.audio.len() > RELEASED_SLOTS_MAX && remove_released(&mut self.audio, |slot| slot.source) {}
        }
    }
}

/// Removes the first slot without source; `false` when there is none.
fn remove_released<T>(slots: &mut Vec<T>, source: impl Fn(&T) -> Option<SourceId>) -> bool {
    let at = slots.iter().position(|slot| source(slot).is_none());
    at.map(|at| slots.remove(at)).is_some()
}
