//! The bridge channel: what is told to whom, and when.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod scene;

use protocol::bridge_channel::Message;
use scene::{Scene, check_playable};
use videobridge_core::conference::{ChannelError, ChannelKind, EndpointConfig};
use videobridge_core::endpoint::{MediaKind, SourceError, VideoType};

/// Messages of real clients and a real bridge, one a line.
const RECORDED: &str = include_str!("../../../protocol/fixtures/bridge-channel.jsonl");

fn texts(scene: &mut Scene, client: usize) -> Vec<String> {
    std::mem::take(&mut scene.clients[client].messages).iter().map(Message::to_json).collect()
}

fn of_class(scene: &Scene, client: usize, class: &str) -> Vec<String> {
    scene.clients[client].messages.iter().filter(|message| message.class() == class).map(Message::to_json).collect()
}

#[test]
fn recorded_messages_of_clients_are_taken() {
    let mut taken = 0;
    for line in RECORDED.lines() {
        let mut scene = Scene::new();
        scene.join("aaaa", true, 3);
        scene.join("bbbb", true, 3);
        let index = scene.clients[0].index;
        let now = scene.now();
        let class = Message::parse(line).unwrap().class().to_owned();
        let result = scene.conference.handle_channel_message(now, index, line, &mut scene.out);
        let from_client = [
            "ClientHello",
            "ReceiverVideoConstraints",
            "SourceVideoTypeMessage",
            "EndpointMessage",
            "EndpointStats",
            "LastNChangedEvent",
        ];
        if from_client.contains(&class.as_str()) {
            assert!(result.is_ok(), "{result:?}: {line}");
            taken += 1;
        } else {
            assert!(matches!(result, Err(ChannelError::Class(_))), "{line}");
        }
    }
    assert!(taken > 5, "{taken}");
}

#[test]
fn greeting() {
    let mut scene = Scene::new();
    scene.join("aaaa", true, 1);
    assert_eq!(
        texts(&mut scene, 0),
        [
            r#"{"colibriClass":"ServerHello"}"#,
            r#"{"colibriClass":"ForwardedSources","forwardedSources":[]}"#,
            r#"{"colibriClass":"SenderSourceConstraints","sourceName":"aaaa-v0","maxHeight":0}"#,
        ]
    );
    scene.say(0, r#"{"colibriClass":"ClientHello"}"#);
    assert_eq!(texts(&mut scene, 0), [r#"{"colibriClass":"ServerHello"}"#]);
    // A data channel is greeted by the client.
    let index = scene.clients[0].index;
    let now = scene.now();
    scene.conference.channel_closed(index);
    scene.conference.channel_opened(now, index, ChannelKind::DataChannel, &mut scene.out);
    scene.deliver();
    assert!(of_class(&scene, 0, "ServerHello").is_empty());
    assert_eq!(of_class(&scene, 0, "ForwardedSources").len(), 1);
}

#[test]
fn senders_are_told_the_most_that_anybody_wants() {
    let mut scene = Scene::new();
    for id in ["aaaa", "bbbb", "cccc"] {
        scene.join(id, true, 3);
    }
    let told = |scene: &mut Scene| {
        let told = of_class(scene, 0, "SenderSourceConstraints");
        scene.clients[0].messages.clear();
        told.iter()
            .map(|text| text.rsplit(':').next().unwrap().trim_end_matches('}').parse().unwrap())
            .collect::<Vec<i32>>()
    };
    assert_eq!(told(&mut scene), [0]);
    scene.watch(1, &[(0, 180)], -1);
    assert_eq!(told(&mut scene), [180]);
    scene.watch(2, &[(0, 720)], -1);
    assert_eq!(told(&mut scene), [720]);
    scene.watch(1, &[(0, 360)], -1);
    assert!(told(&mut scene).is_empty());
    scene.watch(2, &[(0, 720)], 0);
    assert_eq!(told(&mut scene), [360]);
    scene.watch(2, &[(0, -1)], -1);
    assert_eq!(told(&mut scene), [-1]);
    scene.leave(2);
    assert_eq!(told(&mut scene), [360]);
    scene.leave(1);
    assert_eq!(told(&mut scene), [0]);
}

#[test]
fn maps_and_forwarded_sources_follow_last_n() {
    let mut scene = Scene::new();
    for id in ["aaaa", "bbbb", "cccc"] {
        scene.join(id, true, 1);
    }
    scene.clients[0].messages.clear();
    scene.watch(0, &[(1, 180), (2, 180)], -1);
    scene.run(&[1, 2], 3);
    let maps = of_class(&scene, 0, "VideoSourcesMap");
    assert_eq!(maps.len(), 1, "{maps:?}");
    assert!(maps[0].contains("bbbb-v0") && maps[0].contains("cccc-v0"));
    assert!(maps[0].contains(r#""videoType":"CAMERA""#));
    scene.clients[0].messages.clear();
    scene.watch(0, &[(1, 180), (2, 180)], 1);
    // The mapping of the one that is out stays; nothing is told twice.
    assert!(of_class(&scene, 0, "VideoSourcesMap").is_empty());
    assert_eq!(
        of_class(&scene, 0, "ForwardedSources"),
        [r#"{"colibriClass":"ForwardedSources","forwardedSources":["bbbb-v0"]}"#]
    );
    scene.clients[0].messages.clear();
    scene.watch(0, &[(2, 180), (1, 180)], 1);
    assert_eq!(
        of_class(&scene, 0, "ForwardedSources"),
        [r#"{"colibriClass":"ForwardedSources","forwardedSources":["cccc-v0"]}"#]
    );
    let ssrcs = (scene.mapping_of_all(0, 1), scene.mapping_of_all(0, 2));
    assert_eq!(ssrcs.0, None, "told once, in the message cleared above");
    // The map is told again in full when the channel opens anew.
    let index = scene.clients[0].index;
    let now = scene.now();
    scene.conference.channel_closed(index);
    scene.conference.channel_opened(now, index, ChannelKind::WebSocket, &mut scene.out);
    scene.deliver();
    let maps = of_class(&scene, 0, "VideoSourcesMap");
    assert_eq!(maps.len(), 1);
    assert!(maps[0].contains("bbbb-v0") && maps[0].contains("cccc-v0"));
}

#[test]
fn repeating_the_same_sources_changes_nothing() {
    let mut scene = Scene::new();
    scene.join("aaaa", true, 3);
    scene.join("bbbb", true, 3);
    scene.watch(1, &[(0, 720)], -1);
    scene.run(&[0], 20);
    let requests = scene.clients[0].keyframe_requests;
    scene.clients[1].messages.clear();
    for _ in 0..5 {
        scene.signal(0);
        scene.run(&[0], 10);
    }
    assert!(scene.clients[1].messages.is_empty());
    assert_eq!(scene.clients[0].keyframe_requests, requests);
    // Other SSRCs under the same name: told under the same stream, continuing.
    let ssrc = {
        let mut scene_ssrc = 0;
        std::mem::swap(&mut scene_ssrc, &mut scene.clients[0].camera[0].ssrc);
        scene.clients[0].camera[0].ssrc = scene_ssrc + 500;
        scene_ssrc
    };
    assert!(ssrc > 0);
    scene.signal(0);
    scene.clients[0].camera.iter_mut().for_each(|camera| camera.wants_keyframe = true);
    scene.run(&[0], 30);
    let out = scene.mapping(1, 0).ssrc.0;
    assert_eq!(of_class(&scene, 1, "VideoSourcesMap").len(), 1);
    let received = scene.received(1, out);
    check_playable(&received, 0);
}

#[test]
fn endpoint_messages_are_relayed_untouched() {
    let mut scene = Scene::new();
    for id in ["aaaa", "bbbb", "cccc"] {
        scene.join(id, true, 0);
    }
    for client in 0..3 {
        scene.clients[client].messages.clear();
    }
    scene.say(
        0,
        r#"{"colibriClass":"EndpointMessage","to":"","from":"cccc","msgPayload":{"x":[1,2.5,null]},"extra":true}"#,
    );
    let expected =
        r#"{"colibriClass":"EndpointMessage","from":"aaaa","to":"","extra":true,"msgPayload":{"x":[1,2.5,null]}}"#;
    assert!(texts(&mut scene, 0).is_empty());
    for client in [1, 2] {
        let got = texts(&mut scene, client);
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(got.len(), 1);
        assert_eq!(value(&got[0]), value(expected));
    }
    scene.say(0, r#"{"colibriClass":"EndpointMessage","to":"cccc","msgPayload":{}}"#);
    assert!(texts(&mut scene, 1).is_empty());
    assert_eq!(texts(&mut scene, 2).len(), 1);
    scene.say(1, r#"{"colibriClass":"EndpointStats","bitrate":{"download":1},"jvbRTT":3}"#);
    assert_eq!(
        texts(&mut scene, 0),
        [r#"{"colibriClass":"EndpointStats","from":"bbbb","bitrate":{"download":1},"jvbRTT":3}"#]
    );
}

#[test]
fn speakers_are_announced() {
    let mut scene = Scene::new();
    for id in ["aaaa", "bbbb", "cccc"] {
        scene.join(id, true, 1);
    }
    for speaker in [1, 0] {
        for step in 0..150 {
            for client in 0..3 {
                // What never changes counts as noise.
                scene.speak(client, if client == speaker && step % 8 != 7 { 30 } else { 126 });
            }
            scene.pass(20_000);
        }
    }
    let events = of_class(&scene, 2, "DominantSpeakerEndpointChangeEvent");
    let last = events.last().unwrap();
    assert_eq!(
        last,
        r#"{"colibriClass":"DominantSpeakerEndpointChangeEvent","dominantSpeakerEndpoint":"aaaa","previousSpeakers":["bbbb"],"silence":false}"#
    );
    // Who comes later is told too.
    let late = scene.join("dddd", true, 1);
    assert_eq!(&of_class(&scene, late, "DominantSpeakerEndpointChangeEvent"), std::slice::from_ref(last));
    scene.clients[2].messages.clear();
    scene.leave(0);
    assert_eq!(
        of_class(&scene, 2, "DominantSpeakerEndpointChangeEvent"),
        [
            r#"{"colibriClass":"DominantSpeakerEndpointChangeEvent","dominantSpeakerEndpoint":"bbbb","previousSpeakers":[],"silence":false}"#
        ]
    );
}

#[test]
fn connectivity_is_announced_as_text() {
    let mut scene = Scene::new();
    scene.join("aaaa", true, 1);
    scene.join("bbbb", true, 1);
    let say = |scene: &mut Scene| {
        let index = scene.clients[1].index;
        let now = scene.now();
        scene.conference.keep_alive(now, index);
    };
    for _ in 0..20 {
        say(&mut scene);
        scene.speak(0, 40);
        scene.pass(1_000_000);
    }
    assert!(of_class(&scene, 1, "EndpointConnectivityStatusChangeEvent").is_empty());
    for _ in 0..10 {
        scene.speak(0, 40);
        scene.pass(1_000_000);
    }
    let expected = |active: &str| {
        format!(r#"{{"colibriClass":"EndpointConnectivityStatusChangeEvent","endpoint":"bbbb","active":"{active}"}}"#)
    };
    assert_eq!(of_class(&scene, 0, "EndpointConnectivityStatusChangeEvent"), [expected("false")]);
    say(&mut scene);
    scene.pass(1_000_000);
    assert_eq!(of_class(&scene, 0, "EndpointConnectivityStatusChangeEvent"), [expected("false"), expected("true")]);
}

#[test]
fn connection_stats_once_there_is_an_estimate() {
    let mut scene = Scene::new();
    scene.join("aaaa", true, 3);
    scene.join("bbbb", true, 3);
    scene.watch(1, &[(0, 720)], -1);
    scene.run(&[0], 330);
    assert!(of_class(&scene, 1, "ConnectionStats").is_empty());
    scene.clients[1].feedback = true;
    scene.run(&[0], 200);
    let stats = of_class(&scene, 1, "ConnectionStats");
    assert_eq!(stats.len(), 1, "{stats:?}");
}

#[test]
fn a_source_that_is_switched_off_is_not_forwarded() {
    let mut scene = Scene::new();
    scene.join("aaaa", true, 3);
    scene.join("bbbb", true, 3);
    scene.watch(1, &[(0, 180)], -1);
    scene.run(&[0], 10);
    scene.clients[1].messages.clear();
    scene.say(0, r#"{"colibriClass":"SourceVideoTypeMessage","sourceName":"aaaa-v0","videoType":"none"}"#);
    assert_eq!(
        of_class(&scene, 1, "ForwardedSources"),
        [r#"{"colibriClass":"ForwardedSources","forwardedSources":[]}"#]
    );
    scene.clients[1].rtp.clear();
    scene.run(&[0], 10);
    assert!(scene.clients[1].rtp.is_empty());
    scene.say(0, r#"{"colibriClass":"VideoTypeMessage","videoType":"desktop"}"#);
    scene.run(&[0], 10);
    assert!(!scene.clients[1].rtp.is_empty());
}

#[test]
fn a_type_told_before_the_source_is_kept_for_it() {
    let mut scene = Scene::new();
    scene.join("aaaa", true, 1);
    scene.join("bbbb", true, 1);
    scene.say(0, r#"{"colibriClass":"SourceVideoTypeMessage","sourceName":"aaaa-v1","videoType":"desktop"}"#);
    let mut sources = scene.sources(0);
    let mut second = sources[1].clone();
    second.name = "aaaa-v1".parse().unwrap();
    second.ssrcs = vec![77_777];
    second.groups.clear();
    second.video_type = Some(VideoType::Camera);
    sources.push(second);
    let (index, now) = (scene.clients[0].index, scene.now());
    scene.conference.set_sources(now, index, &sources, &mut scene.out).unwrap();
    scene.deliver();
    scene.say(1, r#"{"colibriClass":"ReceiverVideoConstraints","defaultConstraints":{"maxHeight":720},"lastN":-1}"#);
    let maps = of_class(&scene, 1, "VideoSourcesMap").concat();
    assert!(maps.contains(r#""videoType":"DESKTOP""#), "{maps}");
}

#[test]
fn too_many_messages_cost_only_the_messages() {
    let mut scene = Scene::new();
    scene.join("aaaa", true, 0);
    scene.join("bbbb", true, 0);
    scene.clients[1].messages.clear();
    let (index, now) = (scene.clients[0].index, scene.now());
    let text = r#"{"colibriClass":"EndpointMessage","to":"","msgPayload":{}}"#;
    let refused = (0..1_000)
        .filter(|_| {
            matches!(
                scene.conference.handle_channel_message(now, index, text, &mut scene.out),
                Err(ChannelError::TooMany)
            )
        })
        .count();
    scene.deliver();
    assert_eq!(scene.clients[1].messages.len() + refused, 1_000);
    assert!(refused >= 800, "{refused}");
    scene.pass(5_000_000);
    scene.say(0, text);
    // Large ones are counted by their bytes.
    let (index, now) = (scene.clients[0].index, scene.now());
    let large = format!(r#"{{"colibriClass":"EndpointMessage","to":"","msgPayload":"{}"}}"#, "x".repeat(200_000));
    let taken =
        (0..20).filter(|_| scene.conference.handle_channel_message(now, index, &large, &mut scene.out).is_ok()).count();
    assert!((1..=5).contains(&taken), "{taken}");
}

#[test]
fn malformed_messages_are_refused() {
    let mut scene = Scene::new();
    scene.join("aaaa", true, 0);
    let (index, now) = (scene.clients[0].index, scene.now());
    for text in [
        "",
        "[]",
        "{}",
        r#"{"colibriClass":5}"#,
        r#"{"colibriClass":"ServerHello"}"#,
        r#"{"colibriClass":"Nonsense"}"#,
        r#"{"colibriClass":"EndpointMessage","to":"nobody","msgPayload":{}}"#,
        r#"{"colibriClass":"ReceiverVideoConstraints","lastN":"many"}"#,
        r#"{"colibriClass":"SourceVideoTypeMessage","sourceName":"aaaa-v0","videoType":"smell"}"#,
    ] {
        let result = scene.conference.handle_channel_message(now, index, text, &mut scene.out);
        assert!(result.is_err(), "{text}");
    }
    assert!(scene.out.0.is_empty());
    assert_eq!(scene.conference.stats(now).messages_refused, 9);
}

#[test]
fn visitors_watch_only() {
    let mut scene = Scene::new();
    scene.join("aaaa", true, 1);
    let now = scene.now();
    let visitor = scene
        .conference
        .add_endpoint(now, EndpointConfig { id: "vvvv".parse().unwrap(), rewrites_ssrcs: true, visitor: true })
        .unwrap();
    for text in [
        r#"{"colibriClass":"EndpointMessage","to":"","msgPayload":{}}"#,
        r#"{"colibriClass":"EndpointStats","bitrate":{}}"#,
    ] {
        let result = scene.conference.handle_channel_message(now, visitor, text, &mut scene.out);
        assert!(matches!(result, Err(ChannelError::Visitor)), "{result:?}");
    }
}

#[test]
fn sources_of_others_cannot_be_taken() {
    let mut scene = Scene::new();
    scene.join("aaaa", true, 3);
    scene.join("bbbb", true, 3);
    let (index, now) = (scene.clients[1].index, scene.now());
    let mut sources = scene.sources(1);
    sources[0].ssrcs = vec![scene.clients[0].camera[1].rtx];
    let refused = scene.conference.set_sources(now, index, &sources, &mut scene.out);
    assert_eq!(refused, Err(SourceError::OwnedByOther("bbbb-a0".parse().unwrap())));
    let mut sources = scene.sources(1);
    sources[0].ssrcs = vec![scene.clients[1].camera[0].ssrc];
    let refused = scene.conference.set_sources(now, index, &sources, &mut scene.out);
    assert_eq!(refused, Err(SourceError::Duplicate("bbbb-v0".parse().unwrap())));
    let template = scene.sources(1).remove(0);
    let many: Vec<_> = (0..33)
        .map(|at| {
            let mut source = template.clone();
            source.kind = MediaKind::Audio;
            source.name = format!("bbbb-a{at}").parse().unwrap();
            source.ssrcs = vec![50_000 + at];
            source
        })
        .collect();
    let refused = scene.conference.set_sources(now, index, &many, &mut scene.out);
    assert_eq!(refused, Err(SourceError::TooMany));
    let taken = scene.conference.set_sources(now, index, &many[..32], &mut scene.out);
    assert_eq!(taken, Ok(()));
}
