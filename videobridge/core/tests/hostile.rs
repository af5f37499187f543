//! Whatever endpoints send, in any order, the conference stands and stays bounded.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod scene;

use proptest::prelude::*;
use scene::{OPUS, Scene, VP8, VP8_RTX};
use videobridge_core::endpoint::MediaKind;

#[derive(Debug, Clone)]
enum Act {
    Rtp { payload_type: u8, ssrc: u8, sequence: u16, timestamp: u32, extension: Vec<u8>, payload: Vec<u8>, flags: u8 },
    Rtcp { kind: u8, count: u8, ssrc: u8, body: Vec<u8> },
    RawRtp(Vec<u8>),
    RawRtcp(Vec<u8>),
    Message(u8, i32),
    Sources(u8),
    Mute(bool, bool),
    Channel(bool),
    Leave,
    Pass(u32),
}

fn act() -> impl Strategy<Value = (usize, Act)> {
    let bytes = |len| proptest::collection::vec(any::<u8>(), 0..len);
    let act = prop_oneof![
        12 => (prop_oneof![Just(OPUS), Just(VP8), Just(VP8_RTX), Just(41u8), any::<u8>()], 0u8..12, any::<u16>(), any::<u32>(), bytes(24), bytes(60), any::<u8>())
            .prop_map(|(payload_type, ssrc, sequence, timestamp, extension, payload, flags)| Act::Rtp { payload_type, ssrc, sequence, timestamp, extension, payload, flags }),
        6 => (200u8..208, 0u8..32, 0u8..12, bytes(80)).prop_map(|(kind, count, ssrc, body)| Act::Rtcp { kind, count, ssrc, body }),
        1 => bytes(40).prop_map(Act::RawRtp),
        1 => bytes(40).prop_map(Act::RawRtcp),
        3 => (0u8..8, -2i32..2000).prop_map(|(which, number)| Act::Message(which, number)),
        1 => (0u8..6).prop_map(Act::Sources),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(audio, video)| Act::Mute(audio, video)),
        1 => any::<bool>().prop_map(Act::Channel),
        1 => Just(Act::Leave),
        4 => (0u32..3_000_000).prop_map(Act::Pass),
    ];
    (0usize..3, act)
}

/// SSRCs that mean something in the scene, and some that do not.
fn ssrc(scene: &Scene, of: usize, which: u8) -> u32 {
    let client = &scene.clients[of];
    match which {
        0 => client.audio_ssrc,
        1..=3 => client.camera[usize::from(which) - 1].ssrc,
        4..=6 => client.camera[usize::from(which) - 4].rtx,
        7 => scene.clients[(of + 1) % 3].camera[0].ssrc,
        8 => scene.mapping_of_all(of, (of + 1) % 3).unwrap_or(1),
        9 => scene.mapping_of_all(of, (of + 2) % 3).unwrap_or(2),
        other => u32::from(other),
    }
}

fn perform(scene: &mut Scene, of: usize, act: Act, gone: &mut [bool; 3]) {
    let index = scene.clients[of].index;
    let now = scene.now();
    match act {
        Act::Rtp { payload_type, ssrc: which, sequence, timestamp, extension, payload, flags } => {
            let mut bytes = vec![0x80 | (flags & 0x2f), payload_type];
            if flags & 0x40 != 0 {
                bytes[0] |= 0x10;
            }
            bytes.extend(sequence.to_be_bytes());
            bytes.extend(timestamp.to_be_bytes());
            bytes.extend(ssrc(scene, of, which).to_be_bytes());
            if flags & 0x40 != 0 {
                bytes.extend(if flags & 0x80 != 0 { [0xbe, 0xde] } else { [0x10, 0x00] });
                bytes.extend(((extension.len() / 4) as u16).to_be_bytes());
                bytes.extend(&extension[..extension.len() / 4 * 4]);
            }
            bytes.extend(payload);
            scene.conference.handle_rtp(now, index, &bytes, &mut scene.out);
        }
        Act::Rtcp { kind, count, ssrc: which, mut body } => {
            body.resize(body.len().next_multiple_of(4), 0);
            if body.len() >= 8 {
                body[4..8].copy_from_slice(&ssrc(scene, of, which).to_be_bytes());
            }
            let mut compound = vec![0x80 | count, kind];
            compound.extend(((body.len() / 4) as u16).to_be_bytes());
            compound.extend(body);
            scene.conference.handle_rtcp(now, index, &compound, &mut scene.out);
        }
        Act::RawRtp(bytes) => scene.conference.handle_rtp(now, index, &bytes, &mut scene.out),
        Act::RawRtcp(bytes) => scene.conference.handle_rtcp(now, index, &bytes, &mut scene.out),
        Act::Message(which, number) => {
            let other = scene.clients[(of + 1) % 3].id.clone();
            let text = match which {
                0 => format!(
                    r#"{{"colibriClass":"ReceiverVideoConstraints","lastN":{number},"defaultConstraints":{{"maxHeight":{number}}}}}"#
                ),
                1 => format!(
                    r#"{{"colibriClass":"ReceiverVideoConstraints","onStageSources":["{other}-v0"],"constraints":{{"{other}-v0":{{"maxHeight":{number}}}}}}}"#
                ),
                2 => format!(r#"{{"colibriClass":"LastNChangedEvent","lastN":{number}}}"#),
                3 => format!(r#"{{"colibriClass":"EndpointMessage","to":"{other}","msgPayload":{number}}}"#),
                4 => r#"{"colibriClass":"VideoTypeMessage","videoType":"none"}"#.to_owned(),
                5 => r#"{"colibriClass":"VideoTypeMessage","videoType":"desktop"}"#.to_owned(),
                6 => format!(r#"{{"colibriClass":"ReceiverAudioSubscription","all":false,"include":["{other}-a0"]}}"#),
                _ => r#"{"colibriClass":"EndpointStats"}"#.to_owned(),
            };
            // A refusal costs only the message.
            drop(scene.conference.handle_channel_message(now, index, &text, &mut scene.out));
        }
        Act::Sources(which) => {
            let mut sources = scene.sources(of);
            match which {
                0 => sources.clear(),
                1 => sources.truncate(1),
                2 => sources[1].groups.clear(),
                3 => sources[0].kind = MediaKind::Video,
                4 => sources[0].ssrcs = vec![scene.clients[(of + 1) % 3].audio_ssrc],
                _ => {}
            }
            drop(scene.conference.set_sources(now, index, &sources, &mut scene.out));
        }
        Act::Mute(audio, video) => scene.conference.set_force_mute(index, audio, video),
        Act::Channel(true) => scene.conference.channel_opened(
            now,
            index,
            videobridge_core::conference::ChannelKind::WebSocket,
            &mut scene.out,
        ),
        Act::Channel(false) => scene.conference.channel_closed(index),
        Act::Leave => {
            scene.conference.remove_endpoint(now, index, &mut scene.out);
            gone[of] = true;
        }
        Act::Pass(us) => scene.pass(u64::from(us)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn stands(acts in proptest::collection::vec(act(), 1..250)) {
        let mut scene = Scene::new();
        for id in ["aaaa", "bbbb", "cccc"] {
            scene.join(id, true, 3);
        }
        for (receiver, other) in [(0, 1), (1, 2), (2, 0)] {
            scene.watch(receiver, &[(other, 720)], -1);
        }
        scene.run(&[0, 1, 2], 3);
        let mut gone = [false; 3];
        for (of, act) in acts {
            perform(&mut scene, of, act, &mut gone);
            for sent in &scene.out.0 {
                let to = match sent {
                    scene::Sent::Rtp(to, packet) => {
                        prop_assert!(packet.len() <= 1_700);
                        *to
                    }
                    scene::Sent::Rtcp(to, compound) => {
                        prop_assert!(compound.len() <= 1_200 && compound.len().is_multiple_of(4));
                        *to
                    }
                    scene::Sent::Channel(to, _) => *to,
                };
                let there = scene.clients.iter().position(|client| client.index == to).unwrap();
                prop_assert!(!gone[there], "sent to one who left");
            }
            scene.deliver();
        }
        let now = scene.now();
        let stats = scene.conference.stats(now);
        prop_assert!(stats.endpoints.len() <= 3);
    }
}
