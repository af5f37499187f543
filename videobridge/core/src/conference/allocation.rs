//! Decides what each receiver gets of each video source, and tells everybody concerned.

use std::time::Instant;

use protocol::bridge_channel::{ForwardedSources, SenderSourceConstraints, VideoSourceMapping, VideoSourcesMap};
use protocol::ids::{SourceName, Ssrc};

use super::member::{Endpoint, VideoSlot};
use super::source::SourceId;
use super::{Conference, VIDEO_SLOTS_MAX};
use crate::allocate::{Ranked, Wanted, allocate, limit_to_last_n, prioritize};
use crate::egress::{Egress, EndpointIndex};
use crate::endpoint::{MediaKind, VideoType};
use crate::forward::{KeyframeRequests, VideoOutput};
use crate::rtp::ExtensionKind;

/// A source as an allocation refers to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    owner: EndpointIndex,
    at: usize,
}

impl Conference {
    /// Allocates anew for everybody.
    pub(super) fn reallocate_all(&mut self, now: Instant, out: &mut dyn Egress) {
        for receiver in self.indices() {
            self.reallocate(now, receiver, out);
        }
        self.tell_senders(out);
    }

    /// Allocates anew for one receiver and tells the senders.
    pub(super) fn reallocate(&mut self, now: Instant, receiver: EndpointIndex, out: &mut dyn Egress) {
        let now_us = self.micros(now);
        self.allocate_for(now_us, receiver, out);
        self.tell_senders(out);
    }

    /// Allocates anew for one receiver.
    pub(super) fn allocate_for(&mut self, now_us: u64, to: EndpointIndex, out: &mut dyn Egress) {
        let Some(mut receiver) = self.endpoints.get_mut(to.get()).and_then(Option::take) else {
            return;
        };
        receiver.needs_allocation = false;
        receiver.allocated_at_us = now_us;
        receiver.allocated_for_bps = receiver.estimate.bps();
        self.allocations += 1;

        let places = self.video_places(to);
        let sources: Vec<(Place, &SourceName, bool)> = places
            .iter()
            .filter_map(|&place| {
                let source = &self.get(place.owner)?.sources[place.at];
                Some((place, &source.name, source.is_enabled()))
            })
            .collect();
        let mut ranked = prioritize(&sources, &receiver.constraints);
        drop(sources);
        let asked: Vec<bool> = ranked.iter().map(|ranked| ranked.height != 0 && ranked.enabled).collect();
        limit_to_last_n(&mut ranked, self.last_n(&receiver));
        if !receiver.agreement.has(MediaKind::Video) {
            ranked.iter_mut().for_each(|ranked| ranked.height = 0);
        }

        let layers: Vec<_> = ranked
            .iter()
            .map(|ranked| {
                let source = self.get(ranked.source.owner).map(|owner| &owner.sources[ranked.source.at]);
                source.map_or_else(Vec::new, |source| source.layers(now_us))
            })
            .collect();
        let wanted: Vec<_> = ranked
            .iter()
            .zip(&layers)
            .map(|(ranked, layers)| Wanted {
                layers,
                height: ranked.height,
                on_stage: ranked.on_stage,
                video_type: self.video_type(ranked.source),
            })
            .collect();
        let allocated = allocate(&wanted, receiver.video_bandwidth_bps(now_us));
        receiver.target_bps = allocated.iter().map(|allocated| allocated.target_bps).sum();
        receiver.ideal_bps = allocated.iter().map(|allocated| allocated.ideal_bps).sum();
        receiver.suspended = ranked
            .iter()
            .zip(&allocated)
            .filter(|(ranked, allocated)| ranked.height != 0 && allocated.target.is_none())
            .count();

        let changed = self.assign_slots(&mut receiver, &ranked, &asked);
        if !changed.is_empty() && receiver.rewrites_ssrcs {
            let map = self.video_map(&receiver, &changed);
            Self::send_message(&receiver, to, map, out);
        }
        let mut keyframes = Vec::new();
        let mut forwarded = Vec::new();
        for slot in &mut receiver.video {
            let at = ranked.iter().position(|ranked| {
                self.get(ranked.source.owner)
                    .is_some_and(|owner| Some(owner.sources[ranked.source.at].id) == slot.source)
            });
            let target = at.and_then(|at| allocated[at].target);
            slot.output.set_target(target);
            if target.is_some() && slot.output.needs_keyframe(now_us) && slot.needed.may_ask(now_us, receiver.rtt_us) {
                slot.needed.asked(now_us);
                keyframes.extend(slot.source.map(|source| (slot.owner, source)));
            }
        }
        for (ranked, allocated) in ranked.iter().zip(&allocated) {
            if allocated.target.is_some()
                && let Some(owner) = self.get(ranked.source.owner)
            {
                forwarded.push(owner.sources[ranked.source.at].name.clone());
            }
        }
        if receiver.channel_open && receiver.forwarded.as_ref() != Some(&forwarded) {
            let same_set = receiver.forwarded.as_ref().is_some_and(|before| {
                before.len() == forwarded.len() && forwarded.iter().all(|name| before.contains(name))
            });
            if !same_set {
                let message = ForwardedSources { forwarded_sources: forwarded.clone() };
                Self::send_message(&receiver, to, message, out);
            }
            receiver.forwarded = Some(forwarded);
        }
        for ranked in &ranked {
            let owner = self.endpoints.get_mut(ranked.source.owner.get()).and_then(Option::as_deref_mut);
            if let Some(owner) = owner {
                owner.sources[ranked.source.at].wants.insert(to, ranked.height);
            }
        }
        self.endpoints[to.get()] = Some(receiver);
        if !changed.is_empty() {
            self.rebuild_listeners();
        }
        for (owner, source) in keyframes {
            self.ask_owner(now_us, owner, source, out);
        }
    }

    /// Tells senders how much of their sources anybody wants, where that changed.
    pub(super) fn tell_senders(&mut self, out: &mut dyn Egress) {
        for (at, endpoint) in self.endpoints.iter_mut().enumerate() {
            let Some(endpoint) = endpoint.as_deref_mut().filter(|endpoint| endpoint.channel_open) else {
                continue;
            };
            let mut messages = Vec::new();
            for source in endpoint.sources.iter_mut().filter(|source| source.kind == MediaKind::Video) {
                let height = source.wanted_height();
                if source.told_height != Some(height) {
                    source.told_height = Some(height);
                    messages.push(SenderSourceConstraints { source_name: source.name.clone(), max_height: height });
                }
            }
            for message in messages {
                Self::send_message(endpoint, EndpointIndex(at as u32), message, out);
            }
        }
    }

    /// The map of all bound video slots of an endpoint, for a channel that has just opened.
    pub(super) fn full_video_map(&self, receiver: &Endpoint) -> VideoSourcesMap {
        let all: Vec<usize> = (0..receiver.video.len()).collect();
        self.video_map(receiver, &all)
    }

    fn video_map(&self, receiver: &Endpoint, slots: &[usize]) -> VideoSourcesMap {
        let mapped_sources = slots
            .iter()
            .filter_map(|&at| {
                let slot = &receiver.video[at];
                let owner = self.get(slot.owner)?;
                let source = owner.source(slot.source?)?;
                Some(VideoSourceMapping {
                    source: source.name.clone(),
                    owner: owner.id.clone(),
                    ssrc: Ssrc(slot.output.ssrc),
                    rtx: slot.output.rtx_ssrc.map_or(-1, i64::from),
                    video_type: source.video_type.into(),
                    mid: None,
                })
            })
            .collect();
        VideoSourcesMap { mapped_sources }
    }

    /// Video sources of all others, in the order of their speech.
    fn video_places(&self, receiver: EndpointIndex) -> Vec<Place> {
        let mut places = Vec::new();
        for &owner in self.speech.order() {
            if owner == receiver {
                continue;
            }
            let Some(endpoint) = self.get(owner) else {
                continue;
            };
            for (at, source) in endpoint.sources.iter().enumerate() {
                if source.kind == MediaKind::Video {
                    places.push(Place { owner, at });
                }
            }
        }
        places
    }

    fn video_type(&self, place: Place) -> VideoType {
        self.get(place.owner).map_or(VideoType::None, |owner| owner.sources[place.at].video_type)
    }

    fn last_n(&self, receiver: &Endpoint) -> Option<usize> {
        let slots = receiver.rewrites_ssrcs.then_some(VIDEO_SLOTS_MAX);
        [receiver.constraints.last_n, self.config.last_n, slots].into_iter().flatten().min()
    }

    /// Gives the wanted sources outgoing streams; returns the slots whose source changed.
    fn assign_slots(&mut self, receiver: &mut Endpoint, ranked: &[Ranked<Place>], asked: &[bool]) -> Vec<usize> {
        let mut changed = Vec::new();
        let now = self.allocations;
        // Beyond lastN mappings are made ready while there is room, so that a change of speaker is fast.
        let first = ranked.iter().filter(|ranked| ranked.height != 0);
        let ready = ranked
            .iter()
            .zip(asked)
            .filter(|(ranked, asked)| ranked.height == 0 && **asked && receiver.rewrites_ssrcs)
            .map(|(ranked, _)| ranked);
        let mut unbound = Vec::new();
        let places: Vec<Place> = first.chain(ready).map(|ranked| ranked.source).take(VIDEO_SLOTS_MAX).collect();
        for place in places {
            let Some((id, name, ssrc, rtx)) = self.slot_source(place) else {
                continue;
            };
            match receiver.video.iter_mut().find(|slot| slot.source == Some(id)) {
                Some(slot) => slot.wanted_at = now,
                None => unbound.push((place, id, name, ssrc, rtx)),
            }
        }
        for (place, id, name, ssrc, rtx) in unbound {
            let at = if receiver.rewrites_ssrcs {
                let free = receiver
                    .video
                    .iter()
                    .position(|slot| slot.source.is_none() && slot.owner == place.owner && slot.name == name)
                    .or_else(|| receiver.video.iter().position(|slot| slot.source.is_none()));
                match free {
                    Some(at) => at,
                    None if receiver.video.len() < VIDEO_SLOTS_MAX => {
                        let primary = Self::fresh_ssrc(&mut self.random, &self.config, receiver);
                        let mut retransmission = primary;
                        while retransmission == primary {
                            retransmission = Self::fresh_ssrc(&mut self.random, &self.config, receiver);
                        }
                        receiver.video.push(VideoSlot::new(
                            place.owner,
                            VideoOutput::new(primary, Some(retransmission), self.random.next()),
                            name.clone(),
                        ));
                        receiver.video.len() - 1
                    }
                    None => {
                        let eldest = receiver
                            .video
                            .iter()
                            .enumerate()
                            .filter(|(_, slot)| slot.wanted_at != now)
                            .min_by_key(|(_, slot)| slot.wanted_at);
                        match eldest {
                            Some((at, _)) => at,
                            None => break,
                        }
                    }
                }
            } else if let Some(at) = receiver.video.iter().position(|slot| slot.output.ssrc == ssrc) {
                // Numbers continue on an SSRC that was sent before, or SRTP would refuse them as sent already.
                receiver.video[at].output.rtx_ssrc = rtx;
                at
            } else {
                let output = VideoOutput::new(ssrc, rtx, self.random.next());
                receiver.video.push(VideoSlot::new(place.owner, output, name.clone()));
                receiver.video.len() - 1
            };
            let slot = &mut receiver.video[at];
            slot.source = Some(id);
            slot.owner = place.owner;
            slot.name = name;
            slot.wanted_at = now;
            slot.asked = KeyframeRequests::default();
            slot.needed = KeyframeRequests::default();
            slot.output.rebind();
            changed.push(at);
        }
        changed
    }

    fn slot_source(&self, place: Place) -> Option<(SourceId, SourceName, u32, Option<u32>)> {
        let source = &self.get(place.owner)?.sources[place.at];
        let (ssrc, rtx) = source.ssrcs().next()?;
        Some((source.id, source.name.clone(), ssrc, rtx))
    }
}

impl VideoSlot {
    fn new(owner: EndpointIndex, output: VideoOutput, name: SourceName) -> Self {
        Self {
            source: None,
            owner,
            name,
            output,
            asked: KeyframeRequests::default(),
            needed: KeyframeRequests::default(),
            wanted_at: 0,
        }
    }
}

impl Endpoint {
    /// What video may use; `None` is without limit.
    ///
    /// Audio is never held back: what it uses is taken off first.
    pub(super) fn video_bandwidth_bps(&self, now_us: u64) -> Option<u64> {
        let estimate = if self.agreement.video_extensions.id(ExtensionKind::TransportCc).is_some() {
            Some(self.estimate.bps())
        } else {
            self.remb_bps
        };
        estimate.map(|bps| bps.saturating_sub(self.audio_send_rate.bps(now_us)))
    }
}
