//! Audio: everybody hears everybody, silence and mute leave no hole.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod scene;

use protocol::bridge_channel::{AudioSourceMapping, Message};
use scene::{AUDIO_FEEDBACK, OPUS, Scene, VIDEO_FEEDBACK, audio_packet, extension_ids};
use videobridge_core::conference::ConferenceConfig;
use videobridge_core::rtp::{ExtensionValues, RtpPacket};

fn three() -> Scene {
    let mut scene = Scene::new();
    for id in ["aaaa", "bbbb", "cccc"] {
        scene.join(id, true, 0);
    }
    scene
}

/// `(sequence, timestamp)` of what came on an SSRC.
fn heard(scene: &Scene, client: usize, ssrc: u32) -> Vec<(u16, u32)> {
    scene.clients[client]
        .rtp
        .iter()
        .map(|bytes| RtpPacket::parse(bytes).unwrap())
        .filter(|packet| packet.ssrc == ssrc)
        .map(|packet| {
            assert_eq!(packet.payload_type, OPUS);
            assert_eq!(packet.payload(), &[0x78; 80]);
            assert!(ExtensionValues::read(&packet, &extension_ids()).audio_level.is_some());
            (packet.sequence, packet.timestamp)
        })
        .collect()
}

fn maps(scene: &Scene, client: usize) -> Vec<AudioSourceMapping> {
    scene.clients[client]
        .messages
        .iter()
        .filter_map(|message| match message {
            Message::AudioSourcesMap(map) => Some(map.mapped_sources.clone()),
            _ => None,
        })
        .flatten()
        .collect()
}

#[test]
fn mapped_before_the_first_packet_and_continuous_over_the_wrap() {
    let mut scene = three();
    for _ in 0..20 {
        scene.speak(0, 40);
        scene.pass(20_000);
    }
    for client in [1, 2] {
        let [mapping] = &maps(&scene, client)[..] else {
            panic!("{:?}", maps(&scene, client));
        };
        assert_eq!((mapping.source.as_str(), mapping.owner.as_str()), ("aaaa-a0", "aaaa"));
        let heard = heard(&scene, client, mapping.ssrc.0);
        assert_eq!(heard.len(), 20);
        for pair in heard.windows(2) {
            assert_eq!(pair[1].0, pair[0].0.wrapping_add(1));
            assert_eq!(pair[1].1, pair[0].1.wrapping_add(960));
        }
    }
    assert!(scene.clients[0].rtp.is_empty(), "nobody hears themselves");
    assert_ne!(maps(&scene, 1)[0].ssrc, maps(&scene, 2)[0].ssrc);
}

#[test]
fn silence_is_left_out_without_a_hole() {
    let mut scene = three();
    let levels = [40, 40, 127, 127, 127, 127, 127, 127, 127, 30, 30, 127, 30];
    for level in levels {
        scene.speak(0, level);
        scene.pass(20_000);
    }
    let heard = heard(&scene, 1, maps(&scene, 1)[0].ssrc.0);
    assert_eq!(heard.len(), 2 + 3 + 2 + 1 + 1);
    for pair in heard.windows(2) {
        assert_eq!(pair[1].0, pair[0].0.wrapping_add(1));
    }
    // Time went on all the same.
    assert_eq!(heard[5].1, heard[4].1.wrapping_add(5 * 960));
}

#[test]
fn force_mute_drops_and_unmute_continues() {
    let mut scene = three();
    let speak = |scene: &mut Scene| {
        for _ in 0..5 {
            scene.speak(0, 40);
            scene.pass(20_000);
        }
    };
    let index = scene.clients[0].index;
    speak(&mut scene);
    scene.conference.set_force_mute(index, true, false);
    speak(&mut scene);
    scene.conference.set_force_mute(index, false, false);
    speak(&mut scene);
    let heard = heard(&scene, 1, maps(&scene, 1)[0].ssrc.0);
    assert_eq!(heard.len(), 10);
    assert!(heard.windows(2).all(|pair| pair[1].0 == pair[0].0.wrapping_add(1)));
}

#[test]
fn subscriptions() {
    let mut scene = three();
    scene.say(1, r#"{"colibriClass":"ReceiverAudioSubscription","all":true,"include":[],"exclude":["aaaa-a0"]}"#);
    scene.speak(0, 40);
    scene.speak(2, 40);
    assert_eq!(scene.clients[1].rtp.len(), 1);
    assert_eq!(maps(&scene, 1)[0].source.as_str(), "cccc-a0");
    scene.say(1, r#"{"colibriClass":"ReceiverAudioSubscription","mode":"Include","list":["aaaa-a0"]}"#);
    scene.clients[1].rtp.clear();
    scene.speak(0, 40);
    scene.speak(2, 40);
    assert_eq!(scene.clients[1].rtp.len(), 1);
    assert_eq!(maps(&scene, 1)[1].source.as_str(), "aaaa-a0");
}

#[test]
fn forged_and_unknown_streams_are_dropped() {
    let mut scene = three();
    let victim = scene.clients[0].audio_ssrc;
    for ssrc in [victim, 0x1234_5678, AUDIO_FEEDBACK] {
        scene.rtp(1, &audio_packet(ssrc, 1, 1, 40, 1));
    }
    let own = scene.clients[1].audio_ssrc;
    // Another payload type than agreed, and bytes that are no packet.
    let mut packet = audio_packet(own, 1, 1, 40, 2);
    packet[1] = 77;
    scene.rtp(1, &packet);
    scene.rtp(1, &[0x80, 111, 0]);
    assert!(scene.clients[0].rtp.is_empty() && scene.clients[2].rtp.is_empty());
    assert_eq!(scene.conference.stats(scene.now()).packets_dropped, 5);
    scene.speak(0, 40);
    assert_eq!(scene.clients[2].rtp.len(), 1);
}

#[test]
fn who_left_is_unmapped_and_who_comes_back_gets_a_new_stream() {
    let mut scene = three();
    scene.speak(0, 40);
    let before = maps(&scene, 1)[0].ssrc;
    scene.leave(0);
    let again = scene.join("aaaa", true, 0);
    // The same SSRC as before, signalled by the new one.
    scene.clients[again].audio_ssrc = scene.clients[0].audio_ssrc;
    scene.signal(again);
    scene.speak(again, 40);
    let after = maps(&scene, 1);
    assert_eq!(after.len(), 2);
    assert_ne!(after[1].ssrc, before);
}

#[test]
fn only_the_loudest_when_asked_for() {
    let mut config = ConferenceConfig::new(AUDIO_FEEDBACK, VIDEO_FEEDBACK, 1);
    config.loudest = Some(1);
    let mut scene = Scene::with(config);
    for id in ["aaaa", "bbbb", "cccc", "dddd"] {
        scene.join(id, true, 0);
    }
    for _ in 0..50 {
        for (client, level) in [(0, 30), (1, 45), (2, 60)] {
            scene.speak(client, level);
        }
        scene.pass(20_000);
    }
    let owners: std::collections::BTreeSet<_> =
        maps(&scene, 3).iter().map(|mapping| mapping.owner.as_str().to_owned()).collect();
    assert!(owners.contains("aaaa") && !owners.contains("cccc"), "{owners:?}");
}

#[test]
fn streams_are_bounded_and_one_in_use_is_never_taken() {
    let mut scene = Scene::new();
    let listener = scene.join("listener", true, 0);
    let speakers: Vec<_> = (0..51).map(|at| scene.join(&format!("s{at}"), true, 0)).collect();
    for _ in 0..3 {
        for &speaker in &speakers {
            scene.speak(speaker, 40);
        }
        scene.pass(20_000);
    }
    assert_eq!(maps(&scene, listener).len(), 50);
    // One falls silent; its stream goes to the fifty-first.
    for _ in 0..150 {
        for &speaker in &speakers[1..] {
            scene.speak(speaker, 40);
        }
        scene.pass(20_000);
    }
    let mapped = maps(&scene, listener);
    assert_eq!(mapped.len(), 51);
    assert_eq!(mapped[50].ssrc, mapped[0].ssrc);
    let numbers = heard(&scene, listener, mapped[0].ssrc.0);
    assert!(numbers.windows(2).all(|pair| pair[1].0 == pair[0].0.wrapping_add(1)));
    assert!(numbers.len() > 10);
}
