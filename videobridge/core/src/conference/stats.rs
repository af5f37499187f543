//! Figures about a conference.

use protocol::ids::EndpointId;

use super::Conference;
use super::member::{Counts, Endpoint};
use crate::endpoint::{MediaKind, VideoType};

/// Sums that outlive endpoints, and what the packet path leaves for the next tick.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    retired: Counts,
    pub(super) dominant_speaker_changes: u64,
    /// The dominant speaker changed since the last tick.
    pub(super) speakers_to_announce: bool,
    /// Layers appeared or went since the last tick.
    pub(super) reallocate: bool,
}

impl Totals {
    pub(super) fn retire(&mut self, endpoint: &Endpoint) {
        self.retired.add(&endpoint.counts);
    }
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.packets_received += other.packets_received;
        self.bytes_received += other.bytes_received;
        self.packets_sent += other.packets_sent;
        self.bytes_sent += other.bytes_sent;
        self.packets_dropped += other.packets_dropped;
        self.retransmissions_sent += other.retransmissions_sent;
        self.keyframes_received += other.keyframes_received;
        self.messages_refused += other.messages_refused;
    }
}

/// Figures about one conference.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConferenceStats {
    /// Packets received, ever.
    pub packets_received: u64,
    /// Bytes received, ever.
    pub bytes_received: u64,
    /// Packets sent, ever.
    pub packets_sent: u64,
    /// Payload bytes sent, ever.
    pub bytes_sent: u64,
    /// Packets refused, ever.
    pub packets_dropped: u64,
    /// Retransmissions sent, ever.
    pub retransmissions_sent: u64,
    /// Keyframes received, ever.
    pub keyframes_received: u64,
    /// Bridge-channel messages refused, ever.
    pub messages_refused: u64,
    /// Changes of the dominant speaker, ever.
    pub dominant_speaker_changes: u64,
    /// Endpoints now.
    pub endpoints: Vec<EndpointStatsView>,
}

/// Figures about one endpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointStatsView {
    /// Its id.
    pub id: EndpointId,
    /// Whether it only watches.
    pub visitor: bool,
    /// Bits per second received from it.
    pub receive_bps: u64,
    /// Bits per second sent to it.
    pub send_bps: u64,
    /// Estimate of what its connection carries.
    pub estimate_bps: u64,
    /// Round trip, if measured, µs.
    pub rtt_us: Option<u64>,
    /// Share of packets it lost lately.
    pub outgoing_loss: f64,
    /// `(expected, received)` packets from it.
    pub incoming: (u64, u64),
    /// Whether audio arrives.
    pub sends_audio: bool,
    /// Whether video arrives.
    pub sends_video: bool,
    /// Sources wanted but suspended for lack of bandwidth.
    pub suspended_sources: usize,
    /// Microseconds since it was last heard of; `None` if never.
    pub idle_us: Option<u64>,
}

impl Conference {
    /// Figures at this moment.
    #[must_use]
    pub fn stats(&self, now: std::time::Instant) -> ConferenceStats {
        let now_us = self.micros(now);
        let mut counts = self.stats.retired;
        let mut endpoints = Vec::new();
        for endpoint in self.endpoints.iter().flatten() {
            counts.add(&endpoint.counts);
            let streams = |kind| {
                endpoint.sources.iter().filter(move |source| source.kind == kind).flat_map(|source| &source.encodings)
            };
            let incoming = streams(MediaKind::Audio)
                .chain(streams(MediaKind::Video))
                .map(|encoding| encoding.stream.totals())
                .fold((0, 0), |(e, r), (expected, received)| (e + expected, r + received));
            endpoints.push(EndpointStatsView {
                id: endpoint.id.clone(),
                visitor: endpoint.visitor,
                receive_bps: endpoint.receive_rate.bps(now_us),
                send_bps: endpoint.send_rate.bps(now_us),
                estimate_bps: endpoint.estimate.bps(),
                rtt_us: endpoint.rtt_us,
                outgoing_loss: endpoint.estimate.loss_fraction(),
                incoming,
                sends_audio: streams(MediaKind::Audio).any(|encoding| encoding.is_active(VideoType::Camera, now_us)),
                sends_video: streams(MediaKind::Video).any(|encoding| encoding.is_active(VideoType::Camera, now_us)),
                suspended_sources: endpoint.suspended,
                idle_us: endpoint.active_at_us.map(|at| now_us.saturating_sub(at)),
            });
        }
        ConferenceStats {
            packets_received: counts.packets_received,
            bytes_received: counts.bytes_received,
            packets_sent: counts.packets_sent,
            bytes_sent: counts.bytes_sent,
            packets_dropped: counts.packets_dropped,
            retransmissions_sent: counts.retransmissions_sent,
            keyframes_received: counts.keyframes_received,
            messages_refused: counts.messages_refused,
            dominant_speaker_changes: self.stats.dominant_speaker_changes,
            endpoints,
        }
    }
}
