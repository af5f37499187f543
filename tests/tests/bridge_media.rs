//! The videobridge against independent WebRTC peers over real sockets.

#![allow(clippy::large_futures, reason = "futures of the WebRTC library are, and a test makes few")]

#[path = "bridge_media/peer.rs"]
mod peer;

use std::net::UdpSocket;
use std::time::Duration;

use peer::{Kind, Peer, audio_ssrc, until, video_ssrc};
use serde_json::{Value, json};
use tests::bridge::Bridge;
use webrtc::peer_connection::SrtpProtectionProfile as Profile;

const MEETING: &str = "0f1ef9ac-3b8b-4d3a-9d3e-000000000001";

fn kind(id: &'static str, profile: Profile) -> Kind {
    Kind { id, profile, dtls_server: false, lies: false }
}

/// The first talks and shows its camera for as many frames of 33 ms, the second looks and listens.
async fn exchange(one: &Peer, other: &Peer, frames: std::ops::Range<u16>) {
    let mut tick = tokio::time::interval(Duration::from_millis(33));
    for n in frames {
        tick.tick().await;
        one.speak(n).await;
        other.speak(n).await;
        one.show(n).await;
    }
}

fn wanted(source: &str, height: u32) -> Value {
    json!({"colibriClass": "SenderSourceConstraints", "sourceName": source, "maxHeight": height})
}

/// Media of `one` that `other` got is what was sent: complete, in order, unchanged.
fn verify(one: &Peer, other: &Peer) {
    let audio = other.heard_of(audio_ssrc(one.id));
    assert!(audio.len() >= 20, "{} packets of audio", audio.len());
    let video = other.heard_of(video_ssrc(one.id, 0));
    assert!(video.len() >= 10, "{} packets of video", video.len());
    for packets in [&audio, &video] {
        for pair in packets.windows(2) {
            let step = pair[1].header.sequence_number.wrapping_sub(pair[0].header.sequence_number);
            assert_eq!(step, 1, "a gap after {}", pair[0].header.sequence_number);
        }
    }
    assert!(audio.iter().all(|packet| packet.payload[..] == [0x78; 80]));
    let first = &video[0].payload;
    assert_eq!((first[6] & 1, &first[9..12]), (0, &[0x9d, 0x01, 0x2a][..]), "video begins with a keyframe");
}

async fn meet(profile: Profile, dtls_server: bool) {
    let bridge = Bridge::start().await;
    let mut one = Peer::join(&bridge, MEETING, true, Kind { dtls_server, ..kind("aaaa", profile) }, &["bbbb"]).await;
    let mut other = Peer::join(&bridge, MEETING, false, kind("bbbb", profile), &["aaaa"]).await;
    one.until_connected().await;
    other.until_connected().await;
    other.say(&json!({"colibriClass": "ClientHello"})).await;
    other.hear("ServerHello").await;
    // Nobody gets video before asking for it.
    exchange(&one, &other, 0..10).await;
    assert!(other.heard_of(video_ssrc("aaaa", 0)).is_empty());
    other
        .say(
            &json!({"colibriClass": "ReceiverVideoConstraints", "lastN": -1, "defaultConstraints": {"maxHeight": 180}}),
        )
        .await;
    // Unlike a browser, the crate begins an SCTP association only as DTLS client.
    if !dtls_server {
        // On opening the channel it is told that nobody wants anything, and later what the other wants.
        while one.hear("SenderSourceConstraints").await != wanted("aaaa-v0", 180) {}
    }
    exchange(&one, &other, 10..70).await;
    other.hear("DominantSpeakerEndpointChangeEvent").await;
    until("packets arrive", || other.heard_of(audio_ssrc("aaaa")).len() >= 60).await;
    verify(&one, &other);
    assert!(one.heard_of(audio_ssrc("bbbb")).len() >= 50, "both directions");
    one.leave().await;
    other.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_peers_meet_with_aes_128_gcm() {
    meet(Profile::Srtp_Aead_Aes_128_Gcm, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_peers_meet_with_aes_256_gcm_one_as_dtls_server() {
    meet(Profile::Srtp_Aead_Aes_256_Gcm, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_peers_meet_with_counter_mode() {
    meet(Profile::Srtp_Aes128_Cm_Hmac_Sha1_80, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_with_another_certificate_than_signalled_fails_alone() {
    let profile = Profile::Srtp_Aead_Aes_128_Gcm;
    let bridge = Bridge::start().await;
    let one = Peer::join(&bridge, MEETING, true, kind("aaaa", profile), &["bbbb"]).await;
    let other = Peer::join(&bridge, MEETING, false, kind("bbbb", profile), &["aaaa"]).await;
    let liar = Peer::join(&bridge, MEETING, false, Kind { lies: true, ..kind("cccc", profile) }, &["aaaa"]).await;
    one.until_connected().await;
    other.until_connected().await;
    let mut failed = 0;
    for n in 0.. {
        failed = bridge.statistics().await["dtls_failed_endpoints"].as_u64().unwrap_or_default();
        if failed > 0 || n > 500 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(failed, 1);
    exchange(&one, &other, 0..40).await;
    until("the others go on", || other.heard_of(audio_ssrc("aaaa")).len() >= 30).await;
    assert!(liar.received.lock().expect("packets").is_empty(), "nothing is sent to who cannot be named");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datagrams_of_strangers_change_nothing() {
    let profile = Profile::Srtp_Aead_Aes_128_Gcm;
    let bridge = Bridge::start().await;
    let one = Peer::join(&bridge, MEETING, true, kind("aaaa", profile), &["bbbb"]).await;
    let other = Peer::join(&bridge, MEETING, false, kind("bbbb", profile), &["aaaa"]).await;
    one.until_connected().await;
    other.until_connected().await;
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for n in 0..5_000_u32 {
        let mut bytes = [0; 100];
        for byte in &mut bytes {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            *byte = random as u8;
        }
        bytes[0] = n as u8;
        let _ = stranger.send_to(&bytes[..1 + n as usize % 99], ("127.0.0.1", one.bridge_port));
    }
    exchange(&one, &other, 0..40).await;
    until("media goes on", || other.heard_of(audio_ssrc("aaaa")).len() >= 30).await;
    let statistics = bridge.statistics().await;
    assert_eq!((statistics["participants"].as_u64(), statistics["conferences"].as_u64()), (Some(2), Some(1)));
    stranger.set_nonblocking(true).expect("a socket");
    assert!(stranger.recv(&mut [0; 100]).is_err(), "a stranger gets no answer");
}
