//! Whatever the network and the allocation do, the numbers of an outgoing stream stay sound.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use videobridge_core::codec::{Codec, PictureId, Tl0PictureIndex, VideoPayload};
use videobridge_core::forward::{Decision, Forward, Layer, SourcePacket, VideoOutput};

const PATTERN: [(u8, bool); 4] = [(0, false), (2, true), (1, true), (2, false)];

/// One encoding, with unwrapped numbers as the receiving side makes them.
struct Encoding {
    at: u8,
    sequence: u64,
    timestamp: u32,
    picture: u64,
    tl0: u8,
    step: usize,
}

impl Encoding {
    fn new(at: u8) -> Self {
        Self {
            at,
            sequence: 65_536 + 60_000 * u64::from(at),
            timestamp: u32::MAX - 50_000 * u32::from(at),
            picture: 32_768 + 30_000 * u64::from(at),
            tl0: 200 + at,
            step: 0,
        }
    }

    fn frame(&mut self, keyframe: bool) -> Vec<SourcePacket> {
        if keyframe {
            self.step = 0;
        }
        let (temporal_id, layer_sync) = PATTERN[self.step % 4];
        self.step += 1;
        if temporal_id == 0 {
            self.tl0 = self.tl0.wrapping_add(1);
        }
        let parts = u64::from(self.at) + 1;
        let packets = (0..parts)
            .map(|part| SourcePacket {
                encoding: self.at,
                codec: Codec::Vp8,
                sequence: self.sequence + part,
                timestamp: self.timestamp,
                marker: part + 1 == parts,
                picture: self.picture,
                payload: VideoPayload {
                    starts_frame: part == 0,
                    starts_keyframe: keyframe && part == 0,
                    temporal_id,
                    layer_sync,
                    picture_id: Some(PictureId { value: (self.picture & 0x7fff) as u16, long: true, offset: 2 }),
                    tl0_picture_index: Some(Tl0PictureIndex { value: self.tl0, offset: 4 }),
                    frame_number: None,
                    dimensions: None,
                },
            })
            .collect();
        self.sequence += parts;
        self.picture += 1;
        self.timestamp = self.timestamp.wrapping_add(3_000);
        packets
    }
}

#[derive(Debug, Clone)]
struct Step {
    target: Option<Option<(u8, u8)>>,
    keyframe: bool,
    /// For each packet of the step: lose it, or delay it by so many steps.
    fates: Vec<u8>,
}

fn steps(losses: bool) -> impl Strategy<Value = Vec<Step>> {
    let target = proptest::option::weighted(0.08, proptest::option::weighted(0.85, (0u8..3, 0u8..3)));
    let fate = if losses {
        prop_oneof![12 => Just(0u8), 1 => Just(1u8), 1 => Just(2u8), 1 => Just(3u8), 1 => Just(255u8)].boxed()
    } else {
        Just(0u8).boxed()
    };
    let step = (target, prop::bool::weighted(0.1), proptest::collection::vec(fate, 6))
        .prop_map(|(target, keyframe, fates)| Step { target, keyframe, fates });
    proptest::collection::vec(step, 1..200)
}

/// `(what came in, what went out)` in the order of arrival.
fn play(steps: &[Step], random: u64) -> Vec<(SourcePacket, Forward)> {
    let mut output = VideoOutput::new(1, Some(2), random);
    output.set_target(Some(Layer { encoding: 0, temporal: 2 }));
    let mut encodings = [Encoding::new(0), Encoding::new(1), Encoding::new(2)];
    let mut delayed: BTreeMap<usize, Vec<SourcePacket>> = BTreeMap::new();
    let mut forwarded = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let now_us = 1_000_000 + at as u64 * 33_333;
        if let Some(target) = step.target {
            output.set_target(target.map(|(encoding, temporal)| Layer { encoding, temporal }));
        }
        let wanted = output.needs_keyframe(now_us);
        let packets: Vec<_> =
            encodings.iter_mut().flat_map(|encoding| encoding.frame(step.keyframe || wanted)).collect();
        let mut now = delayed.remove(&at).unwrap_or_default();
        for (packet, &fate) in packets.into_iter().zip(&step.fates) {
            match fate {
                0 => now.push(packet),
                255 => {}
                steps => delayed.entry(at + usize::from(steps)).or_default().push(packet),
            }
        }
        for packet in now {
            if let Decision::Forward(forward) = output.offer(&packet, now_us) {
                forwarded.push((packet, forward));
            }
        }
    }
    forwarded
}

/// Output sequence numbers unwrapped around the first.
fn unwrap(forwarded: &[(SourcePacket, Forward)]) -> Vec<i64> {
    let mut highest = 0i64;
    let Some((_, first)) = forwarded.first() else {
        return Vec::new();
    };
    forwarded
        .iter()
        .map(|(_, forward)| {
            let distance = forward.sequence.wrapping_sub(first.sequence).wrapping_sub(highest as u16) as i16;
            let number = highest + i64::from(distance);
            highest = highest.max(number);
            number
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn sound_under_loss_delay_and_switching(steps in steps(true), random: u64) {
        let forwarded = play(&steps, random);
        let numbers = unwrap(&forwarded);
        let mut used: BTreeMap<i64, &(SourcePacket, Forward)> = BTreeMap::new();
        let mut frames: BTreeMap<u32, (u8, u64, u16, u8)> = BTreeMap::new();
        for (number, pair) in numbers.iter().zip(&forwarded) {
            prop_assert!(used.insert(*number, pair).is_none(), "number used twice");
            let (packet, forward) = pair;
            // One output frame is one input frame, with one picture id and index.
            let frame = (packet.encoding, packet.picture, forward.picture_id, forward.tl0_picture_index);
            prop_assert_eq!(*frames.entry(forward.timestamp).or_insert(frame), frame);
        }
        // In the order of output numbers: a change of encoding is at a keyframe, and inside one the order of the
        // input is kept.
        let ordered: Vec<_> = used.values().collect();
        for pair in ordered.windows(2) {
            let ((before, _), (after, _)) = (pair[0], pair[1]);
            if before.encoding != after.encoding {
                prop_assert!(after.payload.starts_keyframe);
            } else {
                prop_assert!(after.sequence > before.sequence);
            }
        }
        // Picture ids of different frames differ.
        let pictures: BTreeSet<u16> = frames.values().map(|frame| frame.2).collect();
        prop_assert_eq!(pictures.len(), frames.len());
    }

    #[test]
    fn gapless_without_loss(steps in steps(false), random: u64) {
        let forwarded = play(&steps, random);
        let numbers = unwrap(&forwarded);
        for (at, number) in numbers.iter().enumerate() {
            prop_assert_eq!(*number, at as i64);
        }
        for pair in forwarded.windows(2) {
            let ((before, a), (after, b)) = (pair[0], pair[1]);
            if a.timestamp == b.timestamp {
                prop_assert_eq!((a.picture_id, a.tl0_picture_index), (b.picture_id, b.tl0_picture_index));
                prop_assert_eq!(before.picture, after.picture);
                continue;
            }
            prop_assert!(before.marker && after.payload.starts_frame, "frames are whole");
            prop_assert_eq!(b.picture_id, (a.picture_id + 1) & 0x7fff);
            let base = u8::from(after.payload.temporal_id == 0);
            prop_assert_eq!(b.tl0_picture_index, a.tl0_picture_index.wrapping_add(base));
            prop_assert!(b.timestamp.wrapping_sub(a.timestamp) >= 3_000);
            prop_assert!(b.timestamp.wrapping_sub(a.timestamp) < 0x4000_0000);
        }
    }
}
