//! An endpoint while it is in the conference: what it sends and what it gets.

use std::collections::{BTreeMap, BTreeSet};

use protocol::ids::{EndpointId, SourceName};

use super::source::{Source, SourceId, StreamRole};
use crate::allocate::{BandwidthEstimate, ReceiverConstraints};
use crate::egress::EndpointIndex;
use crate::endpoint::{Arrivals, MediaAgreement, Rate, VideoType};
use crate::forward::{AudioOutput, KeyframeRequests, RECEIVER_REQUESTS_MAX, SELECTION_REQUESTS_MAX, VideoOutput};

/// Bridge-channel messages taken in a burst, and per second after it.
pub(super) const MESSAGES_BURST: u32 = 200;
const MESSAGES_PER_SECOND: u32 = 50;
/// Bytes of bridge-channel messages taken in a burst, and per second after it.
pub(super) const MESSAGE_BYTES_BURST: u32 = 1024 * 1024;
const MESSAGE_BYTES_PER_SECOND: u32 = 128 * 1024;
/// Retransmissions answered per second and receiver.
const RETRANSMISSIONS_PER_SECOND: u32 = 1_000;

/// What the control side says about a new endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointConfig {
    /// Its id, unique in the conference.
    pub id: EndpointId,
    /// Whether it understands source maps (capability `ssrc-rewriting`).
    pub rewrites_ssrcs: bool,
    /// Only watches: nothing it sends is forwarded.
    pub visitor: bool,
}

/// An outgoing video stream and the source bound to it.
#[derive(Debug)]
pub(super) struct VideoSlot {
    pub(super) source: Option<SourceId>,
    pub(super) owner: EndpointIndex,
    /// Name of the source bound now or last.
    pub(super) name: SourceName,
    pub(super) output: VideoOutput,
    /// Keyframes the receiver asked for.
    pub(super) asked: KeyframeRequests<RECEIVER_REQUESTS_MAX>,
    /// Keyframes that changes of layer needed.
    pub(super) needed: KeyframeRequests<SELECTION_REQUESTS_MAX>,
    /// Count of allocations at which it was last wanted.
    pub(super) wanted_at: u64,
}

/// An outgoing audio stream and the source bound to it.
#[derive(Debug)]
pub(super) struct AudioSlot {
    pub(super) source: Option<SourceId>,
    pub(super) owner: EndpointIndex,
    pub(super) name: SourceName,
    pub(super) output: AudioOutput,
}

/// What audio a receiver wants.
#[derive(Debug, Clone, Default)]
pub(super) struct AudioSubscription {
    pub(super) all: bool,
    pub(super) include: BTreeSet<SourceName>,
    pub(super) exclude: BTreeSet<SourceName>,
}

impl AudioSubscription {
    pub(super) fn wants(&self, source: &Source) -> bool {
        !self.exclude.contains(&source.name) && (self.include.contains(&source.name) || self.all && !source.synthetic)
    }
}

/// Tokens that refill with time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    tokens: u32,
    burst: u32,
    per_second: u32,
    filled_at_us: u64,
}

impl Bucket {
    const fn new(burst: u32, per_second: u32) -> Self {
        Self { tokens: burst, burst, per_second, filled_at_us: 0 }
    }

    /// Takes `count` tokens if there are as many.
    pub(super) fn take(&mut self, count: u32, now_us: u64) -> bool {
        let elapsed_us = now_us.saturating_sub(self.filled_at_us);
        let refill = elapsed_us.saturating_mul(u64::from(self.per_second)) / 1_000_000;
        if refill > 0 {
            self.tokens = u32::try_from(u64::from(self.tokens) + refill).map_or(self.burst, |t| t.min(self.burst));
            self.filled_at_us = now_us;
        }
        if self.tokens < count {
            return false;
        }
        self.tokens -= count;
        true
    }
}

/// Whether media of an endpoint arrives, as the others were told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Connectivity {
    /// Nothing came yet, nobody was told.
    Unknown,
    Active,
    Inactive,
}

/// Counts for statistics.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) packets_received: u64,
    pub(super) bytes_received: u64,
    pub(super) packets_sent: u64,
    pub(super) bytes_sent: u64,
    pub(super) packets_dropped: u64,
    pub(super) retransmissions_sent: u64,
    pub(super) keyframes_received: u64,
    pub(super) messages_refused: u64,
}

#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) id: EndpointId,
    pub(super) rewrites_ssrcs: bool,
    pub(super) visitor: bool,
    pub(super) agreement: MediaAgreement,
    pub(super) mute_audio: bool,
    pub(super) mute_video: bool,

    pub(super) sources: Vec<Source>,
    /// SSRCs of `sources`, sorted.
    pub(super) ssrcs: Vec<(u32, StreamRole)>,
    pub(super) arrivals: Arrivals,
    pub(super) receive_rate: Rate,
    /// Types told before the source was signalled.
    pub(super) early_video_types: BTreeMap<SourceName, VideoType>,

    pub(super) connected: bool,
    pub(super) channel_open: bool,
    /// Whether maps could be told at any time; a channel that breaks for a while stops no media.
    pub(super) maps_told: bool,
    pub(super) constraints: ReceiverConstraints,
    pub(super) audio_subscription: AudioSubscription,
    pub(super) video: Vec<VideoSlot>,
    pub(super) audio: Vec<AudioSlot>,
    pub(super) send_rate: Rate,
    pub(super) audio_send_rate: Rate,
    pub(super) estimate: BandwidthEstimate,
    pub(super) remb_bps: Option<u64>,
    pub(super) rtt_us: Option<u64>,
    /// Estimate at the last allocation.
    pub(super) allocated_for_bps: u64,
    pub(super) allocated_at_us: u64,
    /// Sums over the last allocation.
    pub(super) target_bps: u64,
    pub(super) ideal_bps: u64,
    pub(super) needs_allocation: bool,
    pub(super) forwarded: Option<Vec<SourceName>>,
    pub(super) suspended: usize,

    pub(super) messages: Bucket,
    pub(super) message_bytes: Bucket,
    pub(super) retransmissions: Bucket,
    pub(super) added_at_us: u64,
    pub(super) active_at_us: Option<u64>,
    pub(super) connectivity: Connectivity,
    pub(super) reported_at_us: u64,
    pub(super) stats_sent_at_us: u64,
    pub(super) counts: Counts,
}

impl Endpoint {
    pub(super) fn new(config: EndpointConfig, now_us: u64) -> Self {
        Self {
            id: config.id,
            rewrites_ssrcs: config.rewrites_ssrcs,
            visitor: config.visitor,
            agreement: MediaAgreement::default(),
            mute_audio: false,
            mute_video: false,
            sources: Vec::new(),
            ssrcs: Vec::new(),
            arrivals: Arrivals::default(),
            receive_rate: Rate::default(),
            early_video_types: BTreeMap::new(),
            connected: false,
            channel_open: false,
            maps_told: false,
            constraints: ReceiverConstraints::default(),
            audio_subscription: AudioSubscription { all: true, ..AudioSubscription::default() },
            video: Vec::new(),
            audio: Vec::new(),
            send_rate: Rate::default(),
            audio_send_rate: Rate::default(),
            estimate: BandwidthEstimate::default(),
            remb_bps: None,
            rtt_us: None,
            allocated_for_bps: 0,
            allocated_at_us: now_us,
            target_bps: 0,
            ideal_bps: 0,
            needs_allocation: true,
            forwarded: None,
            suspended: 0,
            messages: Bucket::new(MESSAGES_BURST, MESSAGES_PER_SECOND),
            message_bytes: Bucket::new(MESSAGE_BYTES_BURST, MESSAGE_BYTES_PER_SECOND),
            retransmissions: Bucket::new(RETRANSMISSIONS_PER_SECOND, RETRANSMISSIONS_PER_SECOND),
            added_at_us: now_us,
            active_at_us: None,
            connectivity: Connectivity::Unknown,
            reported_at_us: now_us,
            stats_sent_at_us: now_us,
            counts: Counts::default(),
        }
    }

    pub(super) fn role(&self, ssrc: u32) -> Option<StreamRole> {
        let at = self.ssrcs.binary_search_by_key(&ssrc, |&(ssrc, _)| ssrc).ok()?;
        Some(self.ssrcs[at].1)
    }

    pub(super) fn source(&self, id: SourceId) -> Option<&Source> {
        self.sources.iter().find(|source| source.id == id)
    }

    /// Whether media may be sent to it: with source maps only once they could be told.
    pub(super) const fn takes_media(&self) -> bool {
        self.connected && (self.maps_told || !self.rewrites_ssrcs)
    }

    pub(super) fn index_ssrcs(&mut self) {
        self.ssrcs.clear();
        for (at, source) in self.sources.iter().enumerate() {
            for (encoding, (primary, rtx)) in source.ssrcs().enumerate() {
                let role = |retransmission| StreamRole { source: at, encoding, retransmission };
                self.ssrcs.push((primary, role(false)));
                self.ssrcs.extend(rtx.map(|rtx| (rtx, role(true))));
            }
        }
        self.ssrcs.sort_unstable_by_key(|&(ssrc, _)| ssrc);
    }

    pub(super) fn note_activity(&mut self, now_us: u64) {
        self.active_at_us = Some(now_us);
    }
}
