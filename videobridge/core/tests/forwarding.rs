//! What receivers get of scripted senders: continuity over every switch, loss, order and wrap.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod scene;

use protocol::bridge_channel::Message;
use scene::{Received, Scene, VIDEO_FEEDBACK, VP8, VP8_RTX, check_playable};
use videobridge_core::rtcp::{RtcpBuffer, RtcpMessage, RtcpMessages, SenderInfo};
use videobridge_core::rtp::RtpPacket;

fn two() -> Scene {
    let mut scene = Scene::new();
    scene.join("aaaa", true, 3);
    scene.join("bbbb", true, 3);
    scene
}

#[test]
fn nothing_before_it_is_wanted_then_from_a_keyframe_on() {
    let mut scene = two();
    scene.run(&[0], 10);
    assert!(scene.clients[1].rtp.is_empty());
    scene.watch(1, &[(0, 180)], -1);
    let before = scene.clients[0].keyframe_requests;
    assert!(before > 0, "a keyframe is asked for at once");
    scene.run(&[0], 30);
    let ssrc = scene.mapping(1, 0).ssrc.0;
    let received = scene.received(1, ssrc);
    assert_eq!(check_playable(&received, 0), [0]);
    assert!(received.len() >= 29);
    assert!(received.iter().all(|packet| packet.payload_type == VP8));
    assert!(scene.clients[1].rtp.is_empty(), "nothing on other streams");
}

#[test]
fn switches_up_and_down_between_all_encodings_without_a_gap() {
    let mut scene = two();
    for client in 0..2 {
        scene.clients[client].feedback = true;
    }
    scene.watch(1, &[(0, 180)], -1);
    scene.run(&[0], 40);
    for height in [720, 180, 360, 180, 720, 360, 0, 360, 0, 720] {
        scene.watch(1, &[(0, height)], -1);
        scene.run(&[0], 40);
    }
    let ssrc = scene.mapping(1, 0).ssrc.0;
    let received = scene.received(1, ssrc);
    let encodings = check_playable(&received, 0);
    // The keyframes of one request come lowest first, and each that is nearer the target is taken.
    assert_eq!(encodings, [0, 1, 2, 0, 1, 0, 1, 2, 0, 1, 0, 1, 0, 1, 2]);
    assert!(received.len() > 400, "{}", received.len());
}

#[test]
fn every_frame_of_the_chosen_encoding_arrives() {
    let mut scene = two();
    scene.watch(1, &[(0, 720)], -1);
    scene.run(&[0], 100);
    let ssrc = scene.mapping(1, 0).ssrc.0;
    let received = scene.received(1, ssrc);
    check_playable(&received, 0);
    let top: Vec<_> = received.iter().filter(|packet| packet.encoding == 2).collect();
    let frames: std::collections::BTreeSet<_> = top.iter().map(|packet| packet.frame).collect();
    assert_eq!(top.len(), frames.len() * 3);
    assert!(frames.len() > 80, "{}", frames.len());
    assert!(top.windows(2).all(|pair| pair[1].frame - pair[0].frame <= 1));
}

#[test]
fn loss_on_the_way_in_is_asked_for_and_filled_in_place() {
    let mut scene = two();
    scene.watch(1, &[(0, 720)], -1);
    scene.run(&[0], 20);
    let ssrc = scene.mapping(1, 0).ssrc.0;
    scene.clients[0].nacked.clear();
    let mut lost = Vec::new();
    for tick in 0..60 {
        for encoding in 0..3 {
            for (part, packet) in scene.frame(0, encoding).into_iter().enumerate() {
                if tick % 7 == 3 && encoding == 2 && part == tick % 3 {
                    lost.push(RtpPacket::parse(&packet).unwrap().sequence);
                } else {
                    scene.rtp(0, &packet);
                }
            }
        }
        // The sender answers a tick later.
        for number in std::mem::take(&mut scene.clients[0].nacked) {
            assert!(lost.contains(&number), "asked for {number} without need");
            let packet = scene.clients[0].camera[2].retransmission(number);
            scene.rtp(0, &packet);
        }
        scene.pass(33_333);
    }
    assert!(lost.len() > 5);
    let received = scene.received(1, ssrc);
    let encodings = check_playable(&received, 0);
    assert_eq!(encodings.last(), Some(&2));
}

#[test]
fn reorder_and_duplicates_are_harmless() {
    let mut scene = two();
    scene.watch(1, &[(0, 720)], -1);
    scene.run(&[0], 10);
    for _ in 0..50 {
        let mut packets: Vec<Vec<u8>> = (0..3).flat_map(|encoding| scene.frame(0, encoding)).collect();
        packets.swap(3, 5);
        packets.swap(1, 2);
        packets.push(packets[4].clone());
        for packet in packets {
            scene.rtp(0, &packet);
        }
        scene.pass(33_333);
    }
    let ssrc = scene.mapping(1, 0).ssrc.0;
    let received = scene.received(1, ssrc);
    check_playable(&received, 0);
    assert!(received.len() > 140, "{}", received.len());
}

#[test]
fn a_receivers_loss_is_answered_by_rtx_with_the_same_numbers() {
    let mut scene = two();
    scene.watch(1, &[(0, 720)], -1);
    scene.run(&[0], 40);
    let mapping = scene.mapping(1, 0);
    let received = scene.received(1, mapping.ssrc.0);
    let lost: Vec<&Received> = received.iter().rev().take(9).step_by(3).collect();
    let mut numbers: Vec<u16> = lost.iter().map(|packet| packet.sequence).collect();
    numbers.reverse();
    scene.pass(200_000);
    scene.clients[1].rtp.clear();
    let mut buffer = RtcpBuffer::default();
    buffer.nack(1, mapping.ssrc.0, &numbers);
    scene.rtcp(1, buffer.bytes());
    let answers: Vec<_> = scene.clients[1]
        .rtp
        .iter()
        .filter(|packet| i64::from(RtpPacket::parse(packet).unwrap().ssrc) == mapping.rtx)
        .map(|packet| {
            assert_eq!(RtpPacket::parse(packet).unwrap().payload_type, VP8_RTX);
            Received { payload_type: VP8, ..Received::read_rtx(packet) }
        })
        .collect();
    let mut expected: Vec<Received> = lost.into_iter().cloned().collect();
    expected.reverse();
    assert_eq!(answers, expected);
    // Asked for again at once, they are under way already.
    scene.clients[1].rtp.clear();
    scene.rtcp(1, buffer.bytes());
    assert!(scene.clients[1].rtp.is_empty());
}

#[test]
fn temporal_layers_are_dropped_without_holes() {
    let mut scene = Scene::new();
    scene.join("aaaa", true, 3);
    scene.transport_cc = false;
    scene.join("bbbb", true, 3);
    scene.watch(1, &[(0, 180)], -1);
    scene.run(&[0], 60);
    let tids = |received: &[Received]| received.iter().map(|packet| packet.tid).max();
    let ssrc = scene.mapping(1, 0).ssrc.0;
    let mut received = scene.received(1, ssrc);
    assert_eq!(tids(&received), Some(2));
    let full = scene.clients[0].camera[0].payload_len as u64 * 8 * 30;
    for (limit_bps, tid) in [(full * 2 / 3, 1), (full / 3, 0), (full * 2, 2), (full / 3, 0)] {
        scene.rtcp(1, &remb(limit_bps));
        scene.watch(1, &[(0, 180)], -1);
        scene.run(&[0], 60);
        let now = scene.received(1, ssrc);
        assert_eq!(tids(&now[3..]), Some(tid), "at {limit_bps}");
        received.extend(now);
    }
    assert_eq!(check_playable(&received, 0), [0]);
}

/// A receiver's estimated maximum bitrate.
fn remb(bps: u64) -> Vec<u8> {
    let mut remb = vec![0x8f, 206, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0];
    remb.extend(*b"REMB");
    let exponent = 10;
    let mantissa = (bps >> exponent) as u32;
    remb.extend([1, (exponent << 2) | (mantissa >> 16) as u8, (mantissa >> 8) as u8, mantissa as u8]);
    remb.extend([0; 4]);
    remb[3] = 5;
    remb
}

#[test]
fn the_senders_clock_is_passed_on_with_the_receivers_timestamps() {
    let mut scene = two();
    scene.watch(1, &[(0, 180)], -1);
    scene.run(&[0], 20);
    let ssrc = scene.mapping(1, 0).ssrc.0;
    let received = scene.received(1, ssrc);
    let last = received.last().unwrap().clone();
    let camera = &scene.clients[0].camera[0];
    let sent_timestamp = camera.timestamp.wrapping_sub(3_000);
    let (camera_ssrc, other_ssrc) = (camera.ssrc, scene.clients[0].camera[1].ssrc);
    scene.clients[1].rtcp.clear();
    let info = SenderInfo {
        ntp: 0xdead_beef_1234_5678,
        rtp_timestamp: sent_timestamp.wrapping_add(90),
        packets: 9_999,
        octets: 99_999,
    };
    let mut buffer = RtcpBuffer::default();
    buffer.sender_report(camera_ssrc, &info);
    // An encoding that is not forwarded has no clock at the receiver, a stranger's stream neither.
    buffer.sender_report(other_ssrc, &info);
    buffer.sender_report(0x7777, &info);
    scene.rtcp(0, buffer.bytes());
    let reports: Vec<_> = scene.clients[1]
        .rtcp
        .iter()
        .flat_map(|compound| RtcpMessages::new(compound))
        .filter_map(|message| match message {
            RtcpMessage::SenderReport { ssrc, info, .. } => Some((ssrc, info)),
            _ => None,
        })
        .collect();
    let [(report_ssrc, report)] = reports[..] else {
        panic!("{reports:?}");
    };
    assert_eq!(report_ssrc, ssrc);
    assert_eq!(report.ntp, info.ntp);
    assert_eq!(report.rtp_timestamp, last.timestamp.wrapping_add(90));
    assert_eq!(report.packets as usize, received.len());
}

#[test]
fn feedback_goes_to_senders() {
    let mut scene = two();
    scene.run(&[0], 60);
    let sender = &scene.clients[0];
    let sent: usize = sender.camera.iter().map(|encoding| encoding.history.len()).sum();
    assert!(sender.acknowledged >= sent - 10, "{} of {sent}", sender.acknowledged);
    let mut reported = std::collections::BTreeSet::new();
    for compound in &sender.rtcp {
        assert_eq!(compound[4..8], VIDEO_FEEDBACK.to_be_bytes(), "from the signalled SSRC");
        for message in RtcpMessages::new(compound) {
            if let RtcpMessage::ReceiverReport { blocks, .. } = message {
                reported.extend(blocks.map(|block| block.ssrc));
            }
        }
    }
    assert_eq!(reported, sender.camera.iter().map(|encoding| encoding.ssrc).collect());
}

#[test]
fn without_source_maps_the_senders_ssrc_is_kept() {
    let mut scene = Scene::new();
    scene.join("aaaa", true, 3);
    scene.join("bbbb", false, 3);
    scene.watch(1, &[(0, 180)], -1);
    scene.run(&[0], 20);
    scene.watch(1, &[(0, 720)], -1);
    scene.run(&[0], 40);
    scene.speak(0, 40);
    let primary = scene.clients[0].camera[0].ssrc;
    let received = scene.received(1, primary);
    assert_eq!(check_playable(&received, 0), [0, 1, 2]);
    let audio = RtpPacket::parse(&scene.clients[1].rtp[0]).unwrap();
    assert_eq!(audio.ssrc, scene.clients[0].audio_ssrc);
    assert_eq!(scene.clients[1].rtp.len(), 1);
    assert!(
        !scene.clients[1]
            .messages
            .iter()
            .any(|message| matches!(message, Message::VideoSourcesMap(_) | Message::AudioSourcesMap(_)))
    );
}

#[test]
fn one_stream_continues_over_another_source() {
    // Fifty-one cameras for fifty streams: one is given to another source.
    let mut scene = Scene::new();
    let watcher = scene.join("watcher", true, 0);
    let cameras: Vec<usize> = (0..51).map(|at| scene.join(&format!("cam{at}"), true, 1)).collect();
    let first: Vec<_> = cameras[..50].iter().map(|&camera| (camera, 180)).collect();
    scene.watch(watcher, &first, -1);
    scene.run(&cameras, 10);
    let mut used: std::collections::BTreeSet<u32> = std::collections::BTreeSet::new();
    for &(camera, _) in &first {
        used.insert(scene.mapping(watcher, camera).ssrc.0);
    }
    assert_eq!(used.len(), 50);
    let others: Vec<_> = cameras[1..].iter().map(|&camera| (camera, 180)).collect();
    scene.watch(watcher, &others, -1);
    scene.run(&cameras, 30);
    let reused = scene.mapping(watcher, cameras[50]).ssrc.0;
    assert_eq!(reused, scene.mapping(watcher, cameras[0]).ssrc.0);
    let received = scene.received(watcher, reused);
    check_playable(&received, 0);
    assert!(received.len() > 30);
}

#[test]
fn a_camera_that_restarts_its_numbers_goes_on_at_the_receiver() {
    let mut scene = two();
    scene.watch(1, &[(0, 180)], -1);
    scene.run(&[0], 20);
    let camera = &mut scene.clients[0].camera[0];
    camera.picture = 5_000;
    camera.tl0 = 77;
    camera.wants_keyframe = true;
    scene.run(&[0], 20);
    let ssrc = scene.mapping(1, 0).ssrc.0;
    let received = scene.received(1, ssrc);
    check_playable(&received, 0);
    assert!(received.len() >= 38, "{}", received.len());
}

#[test]
fn keyframe_requests_are_passed_on_and_bounded() {
    let mut scene = two();
    scene.watch(1, &[(0, 180)], -1);
    scene.run(&[0], 30);
    scene.pass(11_000_000);
    let ssrc = scene.mapping(1, 0).ssrc.0;
    scene.clients[0].keyframe_requests = 0;
    for _ in 0..100 {
        let mut buffer = RtcpBuffer::default();
        buffer.pli(1, ssrc);
        buffer.fir(1, ssrc, 0);
        // Somebody else's streams are nobody's business.
        buffer.pli(1, scene.clients[0].camera[0].ssrc);
        scene.rtcp(1, buffer.bytes());
        scene.pass(20_000);
    }
    assert_eq!(scene.clients[0].keyframe_requests, 3);
}

#[test]
fn a_keyframe_that_comes_after_what_follows_it_is_not_used() {
    let mut scene = two();
    scene.watch(1, &[(0, 720)], -1);
    scene.clients[0].camera[0].on = false;
    scene.clients[0].camera[1].on = false;
    // The first packet of the keyframe is late; what follows was refused and is gone.
    let mut keyframe = scene.frame(0, 2);
    let late = keyframe.remove(0);
    for packet in keyframe.into_iter().chain(scene.frame(0, 2)) {
        scene.rtp(0, &packet);
    }
    scene.rtp(0, &late);
    assert!(scene.clients[1].rtp.is_empty());
    scene.pass(400_000);
    scene.run(&[0], 20);
    let ssrc = scene.mapping(1, 0).ssrc.0;
    let received = scene.received(1, ssrc);
    check_playable(&received, 0);
    assert!(received.iter().all(|packet| packet.frame > 1));
}

/// Unwrapped numbers of packets in the order in which they were sent.
fn numbers(sequences: impl IntoIterator<Item = u16>) -> Vec<i64> {
    let mut all: Vec<i64> = Vec::new();
    for sequence in sequences {
        let last = all.last().copied().unwrap_or_else(|| i64::from(sequence));
        all.push(last + i64::from(sequence.wrapping_sub(last as u16) as i16));
    }
    all
}

#[test]
fn numbers_continue_when_somebody_comes_back_with_the_same_ssrcs() {
    // Without source maps the SSRCs are those of the sender, and SRTP knows what was sent on them.
    let mut scene = Scene::new();
    let watcher = scene.join("watcher", false, 0);
    let mut sent = Vec::new();
    let mut camera = scene.join("camera", true, 3);
    let (audio_ssrc, cameras) = (scene.clients[camera].audio_ssrc, scene.clients[camera].camera.clone());
    for round in 0..5u16 {
        scene.clients[camera].audio_ssrc = audio_ssrc;
        scene.clients[camera].camera = cameras.clone();
        scene.clients[camera].audio_sequence = round.wrapping_mul(13_000);
        scene.signal(camera);
        scene.watch(watcher, &[(camera, 180)], -1);
        for _ in 0..20 {
            scene.speak(camera, 40);
            scene.camera_tick(camera);
            scene.pass(33_333);
        }
        sent.append(&mut scene.clients[watcher].rtp);
        scene.leave(camera);
        camera = scene.join("camera", true, 0);
    }
    for (ssrc, at_least) in [(audio_ssrc, 100), (cameras[0].ssrc, 95)] {
        let sequences: Vec<u16> = sent
            .iter()
            .map(|packet| RtpPacket::parse(packet).unwrap())
            .filter(|packet| packet.ssrc == ssrc)
            .map(|packet| packet.sequence)
            .collect();
        assert!(sequences.len() >= at_least, "{} on {ssrc}", sequences.len());
        assert!(numbers(sequences).windows(2).all(|pair| (1..10).contains(&(pair[1] - pair[0]))));
    }
}

#[test]
fn a_sender_that_counts_anew_goes_on_at_the_receiver() {
    let mut scene = two();
    for start in [1_000u16, 50_000, 47_000, 10_000, 9_990] {
        scene.clients[0].audio_sequence = start;
        for _ in 0..10 {
            scene.speak(0, 40);
            scene.pass(20_000);
        }
    }
    let sequences = scene.clients[1].rtp.iter().map(|packet| RtpPacket::parse(packet).unwrap().sequence);
    let numbers = numbers(sequences);
    // A step back of a few is taken for old packets until it passes what was there.
    assert!(numbers.len() >= 35, "{}", numbers.len());
    assert!(numbers.windows(2).all(|pair| (1..20).contains(&(pair[1] - pair[0]))), "{numbers:?}");
}
