//! What a receiver got, and whether a decoder could play it.

use std::collections::{BTreeMap, BTreeSet};

use videobridge_core::codec::{Codec, VideoPayload};
use videobridge_core::rtp::{ExtensionValues, RtpPacket};

use super::VP8;

/// A video packet as a receiver saw it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Received {
    pub sequence: u16,
    pub timestamp: u32,
    pub marker: bool,
    pub payload_type: u8,
    pub picture: u16,
    pub tl0: u8,
    pub tid: u8,
    pub starts: bool,
    pub keyframe: bool,
    pub encoding: u8,
    pub frame: u32,
    pub part: u8,
}

impl Received {
    pub(super) fn read(bytes: &[u8]) -> Self {
        let packet = RtpPacket::parse(bytes).unwrap();
        Self::of(packet.sequence, &packet, packet.payload())
    }

    /// Reads a retransmission as what it carries.
    pub fn read_rtx(bytes: &[u8]) -> Self {
        let packet = RtpPacket::parse(bytes).unwrap();
        let inner = packet.unwrap_rtx(0, VP8).unwrap();
        Self::of(inner.sequence, &packet, inner.payload())
    }

    fn of(sequence: u16, packet: &RtpPacket<'_>, payload: &[u8]) -> Self {
        let read = VideoPayload::read(Codec::Vp8, payload, &ExtensionValues::default()).unwrap();
        let tag = &payload[16..];
        Self {
            sequence,
            timestamp: packet.timestamp,
            marker: packet.marker,
            payload_type: packet.payload_type,
            picture: read.picture_id.unwrap().value,
            tl0: read.tl0_picture_index.unwrap().value,
            tid: read.temporal_id,
            starts: read.starts_frame,
            keyframe: read.starts_keyframe,
            encoding: tag[0],
            frame: u32::from_be_bytes([tag[1], tag[2], tag[3], tag[4]]),
            part: tag[5],
        }
    }
}

/// Checks that packets (in any order) form what a decoder can play without a gap; returns the encodings in order.
///
/// `holes` is how many sequence numbers may be missing.
#[track_caller]
pub fn check_playable(packets: &[Received], holes: usize) -> Vec<u8> {
    assert!(!packets.is_empty(), "nothing came");
    let first = packets[0].sequence;
    let mut by_number: BTreeMap<i32, &Received> = BTreeMap::new();
    let mut highest = 0i32;
    for packet in packets {
        let distance = i32::from(packet.sequence.wrapping_sub(first).wrapping_sub(highest as u16) as i16) + highest;
        highest = highest.max(distance);
        assert!(by_number.insert(distance, packet).is_none(), "number used twice: {packet:?}");
    }
    let missing = (highest + 1) as usize - by_number.len();
    assert!(missing <= holes, "{missing} numbers missing, {holes} allowed");

    let ordered: Vec<&Received> = by_number.values().copied().collect();
    assert!(ordered[0].keyframe, "begins with {:?}", ordered[0]);
    let mut encodings = Vec::new();
    let mut frames: Vec<&Received> = Vec::new();
    for packet in &ordered {
        match frames.last() {
            Some(frame) if frame.timestamp == packet.timestamp => {
                assert_eq!((frame.picture, frame.tl0, frame.tid), (packet.picture, packet.tl0, packet.tid));
                assert_eq!((frame.encoding, frame.frame), (packet.encoding, packet.frame));
            }
            _ => frames.push(packet),
        }
    }
    let mut sent: BTreeSet<(u8, u32)> = BTreeSet::new();
    for (at, frame) in frames.iter().enumerate() {
        if encodings.last() != Some(&frame.encoding) {
            encodings.push(frame.encoding);
        }
        if let Some(before) = at.checked_sub(1).map(|at| frames[at]) {
            let advance = frame.timestamp.wrapping_sub(before.timestamp);
            assert!((1..900_000).contains(&advance), "{before:?} {frame:?}");
            if holes == 0 {
                assert_eq!(frame.picture, (before.picture + 1) & 0x7fff, "{before:?} {frame:?}");
                let base = before.tl0.wrapping_add(u8::from(frame.tid == 0));
                assert_eq!(frame.tl0, base, "{before:?} {frame:?}");
                if before.encoding != frame.encoding {
                    assert!(frame.keyframe, "switch without keyframe: {before:?} {frame:?}");
                }
            }
        }
        // A base frame is predicted from the last base frame: four frames before, unless a keyframe came between.
        if holes == 0 && !frame.keyframe && frame.tid == 0 {
            let reference = (1..=4).find(|back| sent.contains(&(frame.encoding, frame.frame.wrapping_sub(*back))));
            assert!(reference.is_some(), "not decodable: {frame:?}");
        }
        sent.insert((frame.encoding, frame.frame));
    }
    encodings
}
