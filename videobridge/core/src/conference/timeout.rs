//! What happens by the clock.

use std::time::Instant;

use protocol::bridge_channel::{ConnectionStats, EndpointConnectivityStatusChangeEvent, Message};

use super::Conference;
use super::member::{Connectivity, Endpoint};
use crate::egress::{Egress, EndpointIndex};
use crate::endpoint::{MediaKind, VideoType};

/// Tick while media flows, µs.
const TICK_BUSY_US: u64 = 25_000;
/// Tick otherwise, µs.
const TICK_IDLE_US: u64 = 500_000;
/// Receiver reports, µs.
const REPORT_US: u64 = 500_000;
/// Allocation without a reason, µs.
const ALLOCATION_US: u64 = 5_000_000;
/// Time after a change of layers until their rates are known, µs.
const RECHECK_US: u64 = 1_000_000;
/// Change of the estimate that is worth an allocation, in percent.
const ESTIMATE_CHANGE_PERCENT: u64 = 15;
/// `ConnectionStats`, µs.
const CONNECTION_STATS_US: u64 = 10_000_000;
/// Silence after which an endpoint counts as gone, once it was there and before, µs.
const INACTIVE_US: u64 = 8_000_000;
const INACTIVE_FIRST_US: u64 = 15_000_000;
/// Retransmissions sent to probe in one tick.
const PROBE_PACKETS_MAX: usize = 8;
/// Added to the round trips before the new speaker is asked for a keyframe, µs.
const PREEMPTIVE_MARGIN_US: u64 = 10_000;

impl Conference {
    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut dyn Egress) {
        let now_us = self.micros(now);
        let woken = self.wakes_at_us.is_some_and(|at| now_us >= at);
        let ticks = self.next_tick_us.is_some_and(|at| now_us >= at);
        if !woken && !ticks {
            return;
        }
        self.wakes_at_us = None;
        if self.speech.decide(now_us) {
            self.stats.speakers_to_announce = true;
        }
        if std::mem::take(&mut self.stats.speakers_to_announce) {
            self.speakers_changed(now_us, out);
        }
        self.ask_preemptively(now_us, out);
        if ticks {
            self.tick(now_us, out);
        }
        self.allocate_where_needed(now_us, out);
        if ticks {
            self.next_tick_us = None;
            self.schedule_tick(now_us);
        }
    }

    /// Makes sure that a tick comes, soon while media flows.
    pub(super) fn schedule_tick(&mut self, now_us: u64) {
        if self.endpoints.iter().all(Option::is_none) {
            return;
        }
        let interval_us = if now_us < self.busy_until_us { TICK_BUSY_US } else { TICK_IDLE_US };
        let at_us = now_us + interval_us;
        self.next_tick_us = Some(self.next_tick_us.map_or(at_us, |before| before.min(at_us)));
    }

    fn tick(&mut self, now_us: u64, out: &mut dyn Egress) {
        for at in 0..self.endpoints.len() {
            let index = EndpointIndex(at as u32);
            let Some(endpoint) = self.endpoints[at].as_deref_mut() else {
                continue;
            };
            let full = now_us >= endpoint.reported_at_us + REPORT_US;
            if full {
                endpoint.reported_at_us = now_us;
            }
            endpoint.estimate.tick(now_us);
            if endpoint.channel_open
                && endpoint.estimate.has_feedback()
                && now_us >= endpoint.stats_sent_at_us + CONNECTION_STATS_US
            {
                endpoint.stats_sent_at_us = now_us;
                let message = ConnectionStats { estimated_downlink_bandwidth: endpoint.estimate.bps() };
                Self::send_message(endpoint, index, message, out);
            }
            let mut stopped = false;
            for source in endpoint.sources.iter_mut().filter(|source| source.kind == MediaKind::Video) {
                let video_type = source.video_type;
                for encoding in &mut source.encodings {
                    if encoding.active && !encoding.is_active(video_type, now_us) {
                        encoding.active = false;
                        stopped = true;
                    }
                    encoding.release_unused(now_us);
                }
            }
            self.stats.reallocate |= stopped;
            self.report_reception(now_us, index, full, out);
            self.follow_connectivity(now_us, index, out);
            self.probe(now_us, index, out);
        }
    }

    fn allocate_where_needed(&mut self, now_us: u64, out: &mut dyn Egress) {
        let mut all = std::mem::take(&mut self.stats.reallocate);
        if all {
            self.recheck_at_us = Some(now_us + RECHECK_US);
        } else if self.recheck_at_us.take_if(|at_us| now_us >= *at_us).is_some() {
            all = true;
        }
        let mut any = false;
        for index in self.indices() {
            let Some(endpoint) = self.get(index) else {
                continue;
            };
            let estimate = endpoint.estimate.bps();
            let before = endpoint.allocated_for_bps;
            let moved = estimate.abs_diff(before) * 100 > before * ESTIMATE_CHANGE_PERCENT;
            let due = now_us >= endpoint.allocated_at_us + ALLOCATION_US && now_us < self.busy_until_us;
            if all || endpoint.needs_allocation || moved || due {
                self.allocate_for(now_us, index, out);
                any = true;
            }
        }
        if any {
            self.tell_senders(out);
        }
    }

    fn speakers_changed(&mut self, now_us: u64, out: &mut dyn Egress) {
        self.stats.dominant_speaker_changes += 1;
        self.announce_speakers(None, out);
        // The order of speakers is the order of sources.
        self.stats.reallocate = true;
        let Some(speaker) = self.speech.dominant() else {
            return;
        };
        let stage_in_use = self.endpoints.iter().flatten().any(|endpoint| {
            endpoint.constraints.on_stage.iter().any(|name| {
                self.endpoints
                    .iter()
                    .flatten()
                    .flat_map(|other| &other.sources)
                    .any(|source| source.name == *name && source.video_type == VideoType::Camera)
            })
        });
        if self.endpoint_count() > 2 && stage_in_use {
            let longest = self.endpoints.iter().flatten().filter_map(|endpoint| endpoint.rtt_us).max();
            let own = self.get(speaker).and_then(|endpoint| endpoint.rtt_us);
            let wait_us = longest.unwrap_or(0).saturating_sub(own.unwrap_or(0)) + PREEMPTIVE_MARGIN_US;
            self.preemptive_keyframe = Some((now_us + wait_us, speaker));
            self.wakes_at_us = Some(now_us + wait_us);
        }
    }

    /// Asks the new speaker for the keyframe that everybody will want who puts it on stage.
    fn ask_preemptively(&mut self, now_us: u64, out: &mut dyn Egress) {
        let Some((_, speaker)) = self.preemptive_keyframe.take_if(|(at_us, _)| now_us >= *at_us) else {
            if let Some((at_us, _)) = self.preemptive_keyframe {
                self.wakes_at_us = Some(self.wakes_at_us.map_or(at_us, |before| before.min(at_us)));
            }
            return;
        };
        let source = self.get(speaker).and_then(|endpoint| {
            endpoint
                .sources
                .iter()
                .find(|source| source.kind == MediaKind::Video && source.video_type == VideoType::Camera)
                .map(|source| source.id)
        });
        if let Some(source) = source {
            self.ask_owner(now_us, speaker, source, out);
        }
    }

    fn follow_connectivity(&mut self, now_us: u64, index: EndpointIndex, out: &mut dyn Egress) {
        let Some(endpoint) = self.get_mut(index) else {
            return;
        };
        let state = endpoint.connectivity_at(now_us);
        let before = std::mem::replace(&mut endpoint.connectivity, state);
        // That somebody is there from the start needs no telling.
        let told = match (before, state) {
            (Connectivity::Inactive, Connectivity::Active) => true,
            (Connectivity::Unknown | Connectivity::Active, Connectivity::Inactive) => false,
            _ => return,
        };
        let event = EndpointConnectivityStatusChangeEvent { endpoint: endpoint.id.clone(), active: told };
        self.broadcast(None, &Message::from(event).to_json(), out);
    }

    /// Sends packets again to learn whether more would pass, while more is wanted than the estimate allows.
    fn probe(&mut self, now_us: u64, to: EndpointIndex, out: &mut dyn Egress) {
        let Some(mut receiver) = self.endpoints.get_mut(to.get()).and_then(Option::take) else {
            return;
        };
        if let Some(mut left) = receiver.probe_bytes(now_us) {
            let slot = receiver
                .video
                .iter()
                .position(|slot| slot.output.target().is_some() && slot.output.newest_sent().is_some());
            if let Some(slot) = slot {
                for _ in 0..PROBE_PACKETS_MAX {
                    let sent = self.resend(now_us, &mut receiver, to, slot, None, out);
                    if sent == 0 || sent >= left {
                        break;
                    }
                    left -= sent;
                }
            }
        }
        self.endpoints[to.get()] = Some(receiver);
    }
}

impl Endpoint {
    fn connectivity_at(&self, now_us: u64) -> Connectivity {
        match self.active_at_us {
            None if now_us < self.added_at_us + INACTIVE_FIRST_US => Connectivity::Unknown,
            Some(at) if now_us < at + INACTIVE_US => Connectivity::Active,
            _ => Connectivity::Inactive,
        }
    }

    /// Bytes to probe with in this tick, if more is wanted than is given.
    fn probe_bytes(&self, now_us: u64) -> Option<usize> {
        let estimate = self.video_bandwidth_bps(now_us)?;
        if !self.estimate.has_feedback() || self.ideal_bps <= self.target_bps || self.ideal_bps <= estimate {
            return None;
        }
        let spare_bps = estimate.min(self.ideal_bps).saturating_sub(self.estimate.sent_bps(now_us));
        let bytes = usize::try_from(spare_bps * TICK_BUSY_US / 8_000_000).ok()?;
        (bytes > 0).then_some(bytes)
    }
}
