//! One outgoing video stream: which layer of its source is forwarded, and under which numbers.

use super::cache::CacheIndex;
use super::continuity::ContinuityMap;
use super::reports::SentReports;
use super::sent::{SentPacket, SentPackets};
use crate::codec::{Codec, VideoPayload};

/// Keyframes of simulcast encodings this close together answer the same request, µs.
const KEYFRAME_GROUP_US: u64 = 300_000;
/// Least distance of RTP timestamps over a switch: one frame at 30/s of a 90 kHz clock.
const SWITCH_TIMESTAMP_MIN: u32 = 3_000;
/// Frames whose decision is remembered for their later packets.
const FRAMES: usize = 32;
/// Temporal layers that exist in any codec the bridge reads.
const TEMPORAL_LAYERS: usize = 8;
/// Most encodings (simulcast streams) of one source.
pub const ENCODINGS_MAX: usize = 4;
/// A picture id that jumps further ahead at a keyframe is a new count, not lost pictures.
const PICTURE_JUMP_MAX: u64 = 64;

/// A layer of a source: the encoding (simulcast stream) and the highest temporal layer in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Layer {
    /// Index of the encoding, 0 the lowest.
    pub encoding: u8,
    /// Highest temporal layer forwarded.
    pub temporal: u8,
}

/// What the selection needs to know about a packet of the source.
#[derive(Debug, Clone, Copy)]
pub struct SourcePacket {
    /// Encoding it belongs to.
    pub encoding: u8,
    /// Its codec.
    pub codec: Codec,
    /// Unwrapped sequence number without packets that are never forwarded.
    pub sequence: u64,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Marker bit.
    pub marker: bool,
    /// Unwrapped picture id, 0 where there is none.
    pub picture: u64,
    /// What the payload says.
    pub payload: VideoPayload,
}

/// Numbers to put on a forwarded packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    /// Sequence number.
    pub sequence: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Picture id; its low bits where the packet has a shorter one.
    pub picture_id: u16,
    /// TL0PICIDX.
    pub tl0_picture_index: u8,
    /// Dependency descriptor frame number.
    pub frame_number: u16,
}

/// What to do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Send it with these numbers.
    Forward(Forward),
    /// Do not send it.
    Drop,
}

#[derive(Debug, Clone, Copy, Default)]
struct Frame {
    timestamp: u32,
    accepted: bool,
    known: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct TemporalState {
    /// Sequence number at which the newest frame of this layer was first seen.
    sequence: u64,
    accepted: bool,
}

/// The encoding being forwarded and how its numbers become the receiver's.
#[derive(Debug)]
struct Current {
    encoding: u8,
    codec: Codec,
    sequences: ContinuityMap,
    pictures: ContinuityMap,
    timestamp_delta: u32,
    tl0_delta: u8,
    frame_number_delta: u16,
    frames: [Frame; FRAMES],
    next_frame: usize,
    newest_timestamp: Option<u32>,
    by_temporal: [TemporalState; TEMPORAL_LAYERS],
}

/// The newest numbers sent, from which every switch continues.
#[derive(Debug, Clone, Copy)]
struct Newest {
    sequence: u64,
    timestamp: u32,
    picture: u64,
    tl0_picture_index: u8,
    frame_number: u16,
    marker: bool,
    /// `None` until something was sent.
    sent_at_us: Option<u64>,
}

/// One outgoing video stream of one receiver.
#[derive(Debug)]
pub struct VideoOutput {
    /// SSRC at the receiver.
    pub ssrc: u32,
    /// SSRC of retransmissions at the receiver.
    pub rtx_ssrc: Option<u32>,
    /// Packets sent, retransmissions not counted.
    pub packets: u32,
    /// Payload bytes sent, retransmissions not counted.
    pub octets: u32,
    /// Sent packets, for retransmission.
    pub sent: SentPackets,
    /// Sent sender reports, for the round trip.
    pub reports: SentReports,
    target: Option<Layer>,
    current: Option<Box<Current>>,
    newest: Newest,
    keyframe_group_at_us: Option<u64>,
    /// Newest sequence number that was offered, by encoding.
    offered: [u64; ENCODINGS_MAX],
    rtx_sequence: u16,
    binding: u16,
}

impl VideoOutput {
    /// A stream that begins with numbers drawn from `random`.
    #[must_use]
    pub fn new(ssrc: u32, rtx_ssrc: Option<u32>, random: u64) -> Self {
        Self {
            ssrc,
            rtx_ssrc,
            packets: 0,
            octets: 0,
            sent: SentPackets::default(),
            target: None,
            current: None,
            newest: Newest {
                // In the lower half, so that the first packets do not wrap (RFC 3711 §3.3.1 guesses the count then).
                sequence: (random & 0x7fff) | 0x1_0000,
                timestamp: (random >> 16) as u32,
                picture: (random >> 48) & 0x7fff,
                tl0_picture_index: (random >> 40) as u8,
                frame_number: (random >> 24) as u16,
                marker: true,
                sent_at_us: None,
            },
            keyframe_group_at_us: None,
            offered: [0; ENCODINGS_MAX],
            rtx_sequence: 1,
            binding: 1,
            reports: SentReports::default(),
        }
    }

    /// Forgets the source; the numbers continue with the next one.
    pub fn rebind(&mut self) {
        self.current = None;
        self.target = None;
        self.keyframe_group_at_us = None;
        self.offered = [0; ENCODINGS_MAX];
        self.sent = SentPackets::default();
        self.binding = self.binding.wrapping_add(1);
    }

    /// Which binding to a source the stream is in.
    #[must_use]
    pub const fn binding(&self) -> u16 {
        self.binding
    }

    /// Sets the layer to forward; `None` suspends at once.
    pub fn set_target(&mut self, target: Option<Layer>) {
        self.target = target;
        if target.is_none() {
            self.current = None;
            self.keyframe_group_at_us = None;
        }
    }

    /// The layer that should be forwarded.
    #[must_use]
    pub const fn target(&self) -> Option<Layer> {
        self.target
    }

    /// The encoding being forwarded.
    #[must_use]
    pub fn current_encoding(&self) -> Option<u8> {
        self.current.as_ref().map(|current| current.encoding)
    }

    /// Whether only a keyframe can bring the stream to its target, and none is under way.
    #[must_use]
    pub fn needs_keyframe(&self, now_us: u64) -> bool {
        let Some(target) = self.target else {
            return false;
        };
        self.current_encoding() != Some(target.encoding)
            && self.keyframe_group_at_us.is_none_or(|at| now_us >= at + KEYFRAME_GROUP_US)
    }

    /// Decides on a packet of the bound source.
    pub fn offer(&mut self, packet: &SourcePacket, now_us: u64) -> Decision {
        let Some(target) = self.target else {
            return Decision::Drop;
        };
        let Some(offered) = self.offered.get_mut(usize::from(packet.encoding)) else {
            return Decision::Drop;
        };
        // A keyframe that comes after later packets of its stream were refused is of no use: they are gone.
        let in_order = packet.sequence > *offered;
        *offered = packet.sequence.max(*offered);
        if in_order && packet.payload.starts_keyframe && self.switches_to(packet, target, now_us) {
            self.switch(packet, now_us);
        }
        let newest = self.newest;
        let Some(current) = self.current.as_deref_mut() else {
            return Decision::Drop;
        };
        if packet.encoding != current.encoding || packet.codec != current.codec {
            return Decision::Drop;
        }
        let temporal_max = match packet.encoding.cmp(&target.encoding) {
            // Going down: only what keeps the picture alive until the keyframe comes.
            std::cmp::Ordering::Greater => 0,
            std::cmp::Ordering::Equal => target.temporal,
            std::cmp::Ordering::Less => u8::MAX,
        };
        if !current.accepts(packet, temporal_max) {
            current.sequences.leave_out(packet.sequence);
            return Decision::Drop;
        }
        if packet.payload.starts_keyframe {
            current.follow_new_count(packet, &newest);
        }
        let (Some(sequence), Some(picture)) =
            (current.sequences.take(packet.sequence), current.pictures.take(packet.picture))
        else {
            return Decision::Drop;
        };
        let forward = Forward {
            sequence: sequence as u16,
            timestamp: packet.timestamp.wrapping_add(current.timestamp_delta),
            picture_id: picture as u16 & 0x7fff,
            tl0_picture_index: packet
                .payload
                .tl0_picture_index
                .map_or(0, |tl0| tl0.value.wrapping_add(current.tl0_delta)),
            frame_number: packet
                .payload
                .frame_number
                .map_or(0, |number| number.wrapping_add(current.frame_number_delta)),
        };
        self.remember(packet, sequence, picture, &forward, now_us);
        Decision::Forward(forward)
    }

    /// Remembers that the packet of the last [`offer`](Self::offer) was sent from `cached`.
    pub fn record(&mut self, forward: &Forward, encoding: u8, cached: CacheIndex, octets: usize, now_us: u64) {
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(octets as u32);
        self.sent.push(SentPacket {
            sequence: forward.sequence,
            timestamp: forward.timestamp,
            picture_id: forward.picture_id,
            tl0_picture_index: forward.tl0_picture_index,
            frame_number: forward.frame_number,
            encoding,
            binding: self.binding,
            cached,
            sent_at_us: now_us.max(1),
        });
    }

    /// The newest packet that was sent in this binding, to probe with.
    #[must_use]
    pub fn newest_sent(&self) -> Option<SentPacket> {
        self.newest.sent_at_us?;
        self.sent.get(self.newest.sequence as u16)
    }

    /// The next sequence number on the RTX stream.
    pub const fn next_rtx_sequence(&mut self) -> u16 {
        let sequence = self.rtx_sequence;
        self.rtx_sequence = sequence.wrapping_add(1);
        sequence
    }

    /// The receiver's timestamp for one of the sender, of the encoding being forwarded.
    #[must_use]
    pub fn map_timestamp(&self, encoding: u8, timestamp: u32) -> Option<u32> {
        let current = self.current.as_ref().filter(|current| current.encoding == encoding)?;
        Some(timestamp.wrapping_add(current.timestamp_delta))
    }

    fn switches_to(&mut self, packet: &SourcePacket, target: Layer, now_us: u64) -> bool {
        let in_group = self.keyframe_group_at_us.is_some_and(|at| now_us < at + KEYFRAME_GROUP_US);
        let switches = match self.current.as_deref() {
            None => packet.encoding <= target.encoding,
            Some(current) if current.encoding == packet.encoding => {
                // Late keyframes of the running encoding are ordinary packets of it.
                current.codec != packet.codec && packet.sequence > current.sequences.highest()
            }
            Some(current) if current.encoding < target.encoding => {
                packet.encoding > current.encoding && packet.encoding <= target.encoding
            }
            Some(current) if current.encoding > target.encoding => {
                packet.encoding >= target.encoding && packet.encoding < current.encoding
                    || packet.encoding < target.encoding && !in_group
            }
            Some(_) => false,
        };
        let running = self.current_encoding() == Some(packet.encoding);
        if (switches || running) && !in_group {
            self.keyframe_group_at_us = Some(now_us);
        }
        switches
    }

    /// Continues with the encoding that this keyframe begins.
    fn switch(&mut self, packet: &SourcePacket, now_us: u64) {
        let newest = &self.newest;
        let (next_sequence, timestamp) = match newest.sent_at_us {
            None => (newest.sequence, newest.timestamp),
            Some(sent_at_us) => {
                let elapsed = (now_us.saturating_sub(sent_at_us)).saturating_mul(90) / 1_000;
                // A hole tells the receiver that the end of the last frame will not come.
                let hole = u64::from(!newest.marker);
                (newest.sequence + 1 + hole, newest.timestamp.wrapping_add((elapsed as u32).max(SWITCH_TIMESTAMP_MIN)))
            }
        };
        let mut current = Current {
            encoding: packet.encoding,
            codec: packet.codec,
            sequences: ContinuityMap::new(packet.sequence, next_sequence),
            pictures: ContinuityMap::new(packet.picture, newest.picture + 1),
            timestamp_delta: timestamp.wrapping_sub(packet.timestamp),
            tl0_delta: 0,
            frame_number_delta: 0,
            frames: [Frame::default(); FRAMES],
            next_frame: 0,
            newest_timestamp: None,
            by_temporal: [TemporalState::default(); TEMPORAL_LAYERS],
        };
        current.continue_indices(packet, newest);
        self.current = Some(Box::new(current));
    }

    fn remember(&mut self, packet: &SourcePacket, sequence: u64, picture: u64, forward: &Forward, now_us: u64) {
        let newest = &mut self.newest;
        if newest.sent_at_us.is_some() && sequence <= newest.sequence {
            return;
        }
        newest.sequence = sequence;
        newest.timestamp = forward.timestamp;
        newest.marker = packet.marker;
        newest.sent_at_us = Some(now_us);
        if packet.payload.picture_id.is_some() {
            newest.picture = newest.picture.max(picture);
        }
        if packet.payload.tl0_picture_index.is_some() {
            newest.tl0_picture_index = forward.tl0_picture_index;
        }
        if packet.payload.frame_number.is_some() {
            newest.frame_number = forward.frame_number;
        }
    }
}

impl Current {
    fn continue_indices(&mut self, packet: &SourcePacket, newest: &Newest) {
        if let Some(tl0) = packet.payload.tl0_picture_index {
            self.tl0_delta = newest.tl0_picture_index.wrapping_add(1).wrapping_sub(tl0.value);
        }
        if let Some(number) = packet.payload.frame_number {
            self.frame_number_delta = newest.frame_number.wrapping_add(1).wrapping_sub(number);
        }
    }

    /// At a keyframe of the running encoding: an encoder that was started anew counts its pictures anew.
    fn follow_new_count(&mut self, packet: &SourcePacket, newest: &Newest) {
        if packet.sequence <= self.sequences.highest() || packet.payload.picture_id.is_none() {
            return;
        }
        let highest = self.pictures.highest();
        if packet.picture <= highest || packet.picture > highest + PICTURE_JUMP_MAX {
            self.pictures = ContinuityMap::new(packet.picture, newest.picture + 1);
            self.continue_indices(packet, newest);
        }
    }

    /// Whether the frame of `packet` is forwarded: decided at its first packet, the same for all of them.
    fn accepts(&mut self, packet: &SourcePacket, temporal_max: u8) -> bool {
        if let Some(frame) = self.frames.iter().find(|frame| frame.known && frame.timestamp == packet.timestamp) {
            return frame.accepted;
        }
        let temporal = packet.payload.temporal_id;
        let late = self.newest_timestamp.is_some_and(|newest| packet.timestamp.wrapping_sub(newest) >= 0x8000_0000);
        let within = temporal <= temporal_max;
        let decodable = temporal == 0 || packet.payload.layer_sync || self.previous_accepted(temporal);
        let accepted = within && (late || decodable);
        self.frames[self.next_frame] = Frame { timestamp: packet.timestamp, accepted, known: true };
        self.next_frame = (self.next_frame + 1) % FRAMES;
        if !late {
            self.newest_timestamp = Some(packet.timestamp);
            self.by_temporal[usize::from(temporal) % TEMPORAL_LAYERS] =
                TemporalState { sequence: packet.sequence, accepted };
            if !accepted && packet.payload.picture_id.is_some() {
                self.pictures.leave_out(packet.picture);
            }
        }
        accepted
    }

    /// Whether the last frame in this temporal layer or below was forwarded; a frame may be predicted from it.
    fn previous_accepted(&self, temporal: u8) -> bool {
        self.by_temporal[..=usize::from(temporal) % TEMPORAL_LAYERS]
            .iter()
            .max_by_key(|state| state.sequence)
            .is_some_and(|state| state.accepted)
    }
}
