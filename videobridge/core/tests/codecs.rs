//! AV1, VP9 and H264 are forwarded whole, from a keyframe on, with numbers that continue.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod scene;

use scene::{AV1, Scene, extension_ids};
use videobridge_core::codec::{Codec, VideoPayload};
use videobridge_core::endpoint::{Feedback, MediaDescription, MediaKind, PayloadTypeDescription};
use videobridge_core::rtp::{ExtensionValues, RtpPacket};

const VP9: u8 = 101;
const H264: u8 = 107;

/// A sender of one stream.
struct Stream {
    ssrc: u32,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    frame: u16,
}

impl Stream {
    fn packet(&mut self, descriptor: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x90, self.payload_type | 0x80];
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.timestamp.to_be_bytes());
        bytes.extend(self.ssrc.to_be_bytes());
        let mut block = vec![];
        if !descriptor.is_empty() {
            block.extend([11, descriptor.len() as u8]);
            block.extend(descriptor);
        }
        block.resize(block.len().next_multiple_of(4), 0);
        bytes.extend([0x10, 0x00]);
        bytes.extend(((block.len() / 4) as u16).to_be_bytes());
        bytes.extend(block);
        bytes.extend(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(3_000);
        self.frame = self.frame.wrapping_add(1);
        bytes
    }

    fn av1(&mut self, keyframe: bool) -> Vec<u8> {
        // A keyframe carries its template structure: longer than the one-byte form holds.
        let mut descriptor = vec![0xc0];
        descriptor.extend(self.frame.to_be_bytes());
        if keyframe {
            descriptor.extend([0x80; 30]);
        }
        self.packet(&descriptor, &[if keyframe { 0x18 } else { 0x10 }, 1, 2, 3])
    }

    fn vp9(&mut self, keyframe: bool) -> Vec<u8> {
        let first = 0xa8 | if keyframe { 0 } else { 0x40 };
        let [high, low] = (self.frame | 0x8000).to_be_bytes();
        self.packet(&[], &[first, high, low, 0x00, self.frame as u8, 1, 2, 3])
    }

    fn h264(&mut self, keyframe: bool) -> Vec<u8> {
        self.packet(&[], &[if keyframe { 0x67 } else { 0x41 }, 1, 2, 3])
    }
}

fn scene() -> (Scene, Stream) {
    let mut scene = Scene::new();
    for id in ["aaaa", "bbbb"] {
        let client = scene.join(id, true, 3);
        let payload_type = |id, name: &str| PayloadTypeDescription {
            id,
            name: name.into(),
            clock_rate: 90_000,
            associated: None,
            feedback: Feedback { pli: true, nack: true, ..Feedback::default() },
        };
        let more = MediaDescription {
            kind: MediaKind::Video,
            payload_types: vec![payload_type(VP9, "VP9"), payload_type(H264, "H264")],
            extensions: Vec::new(),
            allow_mixed: true,
        };
        scene.conference.set_media(scene.clients[client].index, &more);
    }
    let ssrc = scene.clients[0].camera[0].ssrc;
    scene.watch(1, &[(0, 180)], -1);
    (scene, Stream { ssrc, payload_type: AV1, sequence: 65_534, timestamp: 5, frame: 65_533 })
}

/// `(sequence, payload type, what the payload says)` of what came, with a copy of the descriptor.
fn came(scene: &mut Scene) -> Vec<(u16, u8, VideoPayload, Vec<u8>)> {
    let ssrc = scene.mapping(1, 0).ssrc.0;
    std::mem::take(&mut scene.clients[1].rtp)
        .iter()
        .filter_map(|bytes| {
            let packet = RtpPacket::parse(bytes).unwrap();
            if packet.ssrc != ssrc {
                return None;
            }
            let values = ExtensionValues::read(&packet, &extension_ids());
            let codec = match packet.payload_type {
                AV1 => Codec::Av1,
                VP9 => Codec::Vp9,
                H264 => Codec::H264,
                _ => Codec::Vp8,
            };
            let payload = VideoPayload::read(codec, packet.payload(), &values).unwrap();
            let descriptor = values.dependency_descriptor.unwrap_or(&[]).to_vec();
            Some((packet.sequence, packet.payload_type, payload, descriptor))
        })
        .collect()
}

fn send(scene: &mut Scene, packets: impl IntoIterator<Item = Vec<u8>>) {
    for packet in packets {
        scene.rtp(0, &packet);
        scene.pass(33_333);
    }
}

#[track_caller]
fn check_sequence(came: &[(u16, u8, VideoPayload, Vec<u8>)], count: usize) {
    assert_eq!(came.len(), count);
    assert!(came.windows(2).all(|pair| pair[1].0 == pair[0].0.wrapping_add(1)));
}

#[test]
fn av1_with_its_descriptor() {
    let (mut scene, mut stream) = scene();
    // Before the keyframe nothing is of use.
    let early: Vec<_> = (0..3).map(|_| stream.av1(false)).collect();
    send(&mut scene, early);
    assert!(came(&mut scene).is_empty());
    assert!(scene.clients[0].keyframe_requests > 0);
    let packets: Vec<_> = (0..20).map(|at| stream.av1(at == 0)).collect();
    send(&mut scene, packets);
    let came = came(&mut scene);
    check_sequence(&came, 20);
    assert_eq!(came[0].3.len(), 33, "the structure is passed on");
    assert!(
        came.windows(2)
            .all(|pair| { pair[1].2.frame_number.unwrap() == pair[0].2.frame_number.unwrap().wrapping_add(1) })
    );
}

#[test]
fn vp9_with_its_ids() {
    let (mut scene, mut stream) = scene();
    stream.payload_type = VP9;
    stream.frame = 0x7ffa;
    let packets: Vec<_> = (0..20)
        .map(|at| {
            stream.frame &= 0x7fff;
            stream.vp9(at == 0)
        })
        .collect();
    send(&mut scene, packets);
    let came = came(&mut scene);
    check_sequence(&came, 20);
    let ids: Vec<u16> = came.iter().map(|(_, _, payload, _)| payload.picture_id.unwrap().value).collect();
    assert!(ids.windows(2).all(|pair| pair[1] == (pair[0] + 1) & 0x7fff), "{ids:?}");
}

#[test]
fn h264_from_its_parameter_sets() {
    let (mut scene, mut stream) = scene();
    stream.payload_type = H264;
    let packets: Vec<_> = (0..20).map(|at| stream.h264(at == 5)).collect();
    send(&mut scene, packets);
    check_sequence(&came(&mut scene), 15);
}

#[test]
fn a_change_of_codec_continues_the_stream() {
    let (mut scene, mut stream) = scene();
    let first: Vec<_> = (0..10).map(|at| stream.av1(at == 0)).collect();
    send(&mut scene, first);
    stream.payload_type = VP9;
    stream.frame = 100;
    let second: Vec<_> = (0..10).map(|at| stream.vp9(at == 0)).collect();
    send(&mut scene, second);
    stream.payload_type = AV1;
    stream.frame = 7;
    let third: Vec<_> = (0..10).map(|at| stream.av1(at == 0)).collect();
    send(&mut scene, third);
    let came = came(&mut scene);
    check_sequence(&came, 30);
    let types: Vec<u8> = came.iter().map(|packet| packet.1).collect();
    assert_eq!(types, [[AV1; 10], [VP9; 10], [AV1; 10]].concat());
    let numbers: Vec<u16> = came.iter().filter_map(|packet| packet.2.frame_number).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "{numbers:?}");
}

#[test]
fn a_receiver_without_the_codec_gets_nothing() {
    let mut scene = Scene::new();
    scene.join("aaaa", true, 1);
    scene.join("bbbb", true, 1);
    let description = MediaDescription {
        kind: MediaKind::Video,
        payload_types: vec![PayloadTypeDescription {
            id: VP9,
            name: "VP9".into(),
            clock_rate: 90_000,
            associated: None,
            feedback: Feedback::default(),
        }],
        extensions: Vec::new(),
        allow_mixed: true,
    };
    scene.conference.set_media(scene.clients[0].index, &description);
    scene.watch(1, &[(0, 180)], -1);
    let ssrc = scene.clients[0].camera[0].ssrc;
    let mut stream = Stream { ssrc, payload_type: VP9, sequence: 1, timestamp: 1, frame: 1 };
    let packets: Vec<_> = (0..5).map(|at| stream.vp9(at == 0)).collect();
    send(&mut scene, packets);
    assert!(scene.clients[1].rtp.is_empty());
}
