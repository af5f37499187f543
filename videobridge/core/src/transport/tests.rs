//! Two transports, in memory and on a clock moved by hand.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::*;
use crate::srtp::{Profile, SrtpError};

const BRIDGE: &str = "10.0.0.1:10000";
const PEER: &str = "10.0.0.2:50000";
const STEP: Duration = Duration::from_millis(10);

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn credentials(name: &str) -> Credentials {
    Credentials { ufrag: name.repeat(8), pwd: name.repeat(24) }
}

struct Side {
    transport: Transport,
    address: SocketAddr,
    events: Vec<Event>,
    received: Vec<Received>,
}

impl Side {
    fn new(name: &str, at: &str, controlling: bool, certificate: &Certificate, now: Instant) -> Self {
        let address = address(at);
        let config = Config {
            credentials: credentials(name),
            controlling,
            local_addresses: &[address],
            certificate,
            data_channel: true,
        };
        let transport = Transport::new(&config, now).expect("a transport");
        Self { transport, address, events: Vec::new(), received: Vec::new() }
    }

    fn has(&self, event: &Event) -> bool {
        self.events.contains(event)
    }
}

struct Pair {
    bridge: Side,
    peer: Side,
    certificates: [Certificate; 2],
    now: Instant,
    /// No datagram arrives while set.
    cut: bool,
}

impl Pair {
    fn new(bridge_controls: bool) -> Self {
        let now = Instant::now();
        let certificates = [0, 1].map(|_| Certificate::generate().expect("randomness"));
        let bridge = Side::new("a", BRIDGE, bridge_controls, &certificates[0], now);
        let peer = Side::new("b", PEER, !bridge_controls, &certificates[1], now);
        Self { bridge, peer, certificates, now, cut: false }
    }

    /// Signals everything to both sides; the bridge gets no candidate of the peer's.
    fn signal(&mut self, peer_setup: Setup) {
        let bridge_setup = if peer_setup == Setup::Active { Setup::Passive } else { Setup::Active };
        self.signal_to_peer(bridge_setup);
        let fingerprint = self.certificates[1].fingerprint().clone();
        self.signal_to_bridge(fingerprint, peer_setup);
    }

    fn signal_to_peer(&mut self, bridge_setup: Setup) {
        let candidate =
            RemoteCandidate { address: self.bridge.address, priority: 2_130_706_431, kind: RemoteCandidateKind::Host };
        let remote = Remote {
            credentials: Some(credentials("a")),
            candidates: vec![candidate],
            fingerprints: vec![self.certificates[0].fingerprint().clone()],
            setup: Some(bridge_setup),
        };
        self.peer.transport.set_remote(&remote, self.now);
    }

    fn signal_to_bridge(&mut self, fingerprint: Fingerprint, setup: Setup) {
        let remote = Remote {
            credentials: Some(credentials("b")),
            candidates: Vec::new(),
            fingerprints: vec![fingerprint],
            setup: Some(setup),
        };
        self.bridge.transport.set_remote(&remote, self.now);
    }

    fn step(&mut self) {
        self.now += STEP;
        for side in [&mut self.bridge, &mut self.peer] {
            if side.transport.next_deadline().is_some_and(|deadline| deadline <= self.now) {
                side.transport.handle_timeout(self.now);
            }
        }
        for _ in 0..20 {
            let mut quiet = true;
            let (bridge, peer) = (&mut self.bridge, &mut self.peer);
            quiet &= carry(bridge, peer, self.now, self.cut);
            quiet &= carry(peer, bridge, self.now, self.cut);
            if quiet {
                break;
            }
        }
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        for _ in 0..6_000 {
            if done(self) {
                return;
            }
            self.step();
        }
        panic!("{what} did not happen; bridge: {:?}; peer: {:?}", self.bridge.events, self.peer.events);
    }

    fn until_up(&mut self) {
        self.until("media on both sides", |pair| pair.bridge.transport.is_up() && pair.peer.transport.is_up());
    }
}

/// Carries what `from` sends; `true` when there was nothing.
fn carry(from: &mut Side, to: &mut Side, now: Instant, cut: bool) -> bool {
    let mut quiet = true;
    while let Some(mut transmit) = from.transport.poll_transmit() {
        quiet = false;
        if !cut && transmit.to == to.address {
            to.received.push(to.transport.handle_datagram(now, to.address, transmit.from, &mut transmit.bytes));
        }
    }
    for side in [from, to] {
        while let Some(event) = side.transport.poll_event() {
            side.events.push(event);
        }
    }
    quiet
}

#[test]
fn media_keys_agree_in_every_combination_of_roles() {
    for bridge_controls in [true, false] {
        for setup in [Setup::Active, Setup::Passive] {
            let mut pair = Pair::new(bridge_controls);
            pair.signal(setup);
            pair.until_up();
            assert_eq!(pair.bridge.transport.path(), Some((address(BRIDGE), address(PEER))));
            let protect = pair.bridge.transport.protect().expect("keys");
            assert_ne!(protect.profile(), Profile::Aes128CmSha1_80, "the dear one is not chosen when GCM can be had");
            let mut packet = vec![0x80, 111, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9];
            packet.extend([5; 30]);
            let plain = packet.clone();
            packet.resize(plain.len() + protect.profile().rtp_overhead(), 0);
            protect.rtp(&mut packet, 12).expect("protected");
            let received = pair.peer.transport.handle_datagram(pair.now, address(PEER), address(BRIDGE), &mut packet);
            assert_eq!(received, Received::Rtp(plain.len()));
            assert_eq!(packet[..plain.len()], plain);
        }
    }
}

#[test]
fn connecting_takes_no_waiting() {
    let mut pair = Pair::new(true);
    pair.signal(Setup::Active);
    let begun = pair.now;
    pair.until_up();
    assert!(pair.now - begun <= Duration::from_millis(300), "{:?}", pair.now - begun);
}

#[test]
fn a_handshake_that_overtakes_the_signalling_waits_for_the_fingerprint() {
    let mut pair = Pair::new(true);
    pair.signal_to_peer(Setup::Passive);
    let remote = Remote { credentials: Some(credentials("b")), ..Remote::default() };
    pair.bridge.transport.set_remote(&remote, pair.now);
    pair.until("a path", |pair| pair.peer.has(&Event::IceConnected));
    for _ in 0..50 {
        pair.step();
    }
    assert!(!pair.bridge.transport.is_up(), "nobody has vouched for this certificate yet");
    let fingerprint = pair.certificates[1].fingerprint().clone();
    pair.signal_to_bridge(fingerprint, Setup::Active);
    pair.until_up();
}

#[test]
fn a_wrong_fingerprint_fails_the_transport() {
    for setup in [Setup::Active, Setup::Passive] {
        let mut pair = Pair::new(true);
        pair.signal_to_peer(if setup == Setup::Active { Setup::Passive } else { Setup::Active });
        let wrong = Fingerprint::of(HashFunction::Sha256, b"somebody else's certificate");
        pair.signal_to_bridge(wrong, setup);
        pair.until("failure", |pair| pair.bridge.has(&Event::Failed(Failure::WrongFingerprint)));
        assert!(!pair.bridge.transport.is_up() && pair.bridge.transport.protect().is_none());
    }
}

#[test]
fn nothing_is_believed_from_an_address_that_passed_no_check() {
    let mut pair = Pair::new(true);
    pair.signal(Setup::Active);
    let stranger = address("10.0.0.66:666");
    for bytes in [vec![22, 254, 253, 0, 0], vec![0x80; 60], vec![0x80, 200, 0, 1, 0, 0, 0, 1]] {
        for _ in 0..1_000 {
            let received =
                pair.bridge.transport.handle_datagram(pair.now, address(BRIDGE), stranger, &mut bytes.clone());
            assert_eq!(received, Received::Consumed);
        }
    }
    assert!(pair.bridge.transport.poll_transmit().is_none_or(|transmit| transmit.to != stranger));
    pair.until_up();
    let forged = pair.bridge.transport.handle_datagram(pair.now, address(BRIDGE), address(PEER), &mut [0x80; 60]);
    assert_eq!(forged, Received::Refused(SrtpError::Forged));
    assert!(pair.bridge.transport.is_up());
}

#[test]
fn a_lost_peer_is_noticed_and_a_short_silence_survived() {
    let mut pair = Pair::new(true);
    pair.signal(Setup::Active);
    pair.until_up();
    pair.cut = true;
    pair.until("interruption", |pair| pair.bridge.has(&Event::IceDisconnected));
    pair.cut = false;
    pair.bridge.events.clear();
    pair.until("recovery", |pair| pair.bridge.has(&Event::IceConnected));
    pair.cut = true;
    pair.until("end of consent", |pair| pair.bridge.has(&Event::Failed(Failure::Ice)));
    assert!(pair.bridge.transport.next_deadline().is_none(), "a failed transport costs no time");
}

#[test]
fn ice_restarts_while_media_goes_on() {
    let mut pair = Pair::new(true);
    pair.signal(Setup::Active);
    pair.until_up();
    let (now, certificate) = (pair.now, pair.certificates[1].clone());
    pair.bridge.transport.restart_ice(&credentials("c"), true, &[address(BRIDGE)], now).expect("restarted");
    assert!(pair.bridge.transport.is_up(), "the old path serves until the new one works");
    pair.peer.transport.restart_ice(&credentials("d"), false, &[address(PEER)], now).expect("restarted");
    pair.bridge.events.clear();
    let candidate =
        RemoteCandidate { address: address(BRIDGE), priority: 2_130_706_431, kind: RemoteCandidateKind::Host };
    let to_peer = Remote { credentials: Some(credentials("c")), candidates: vec![candidate], ..Remote::default() };
    pair.peer.transport.set_remote(&to_peer, now);
    let to_bridge = Remote {
        credentials: Some(credentials("d")),
        fingerprints: vec![certificate.fingerprint().clone()],
        setup: Some(Setup::Active),
        ..Remote::default()
    };
    pair.bridge.transport.set_remote(&to_bridge, now);
    pair.until("the new path", |pair| pair.bridge.has(&Event::IceConnected));
    assert!(pair.bridge.transport.is_up());
}

#[test]
fn more_candidates_than_anybody_has_are_ignored() {
    let mut pair = Pair::new(true);
    let many: Vec<RemoteCandidate> = (1..2_000_u16)
        .map(|port| RemoteCandidate {
            address: SocketAddr::new([10, 0, 0, 9].into(), port),
            priority: u32::from(port),
            kind: RemoteCandidateKind::Host,
        })
        .collect();
    let remote = Remote { credentials: Some(credentials("b")), candidates: many, ..Remote::default() };
    pair.bridge.transport.set_remote(&remote, pair.now);
    let mut sent = 0;
    while pair.bridge.transport.poll_transmit().is_some() {
        sent += 1;
    }
    assert!(sent <= REMOTE_CANDIDATES_MAX, "{sent}");
}

#[test]
fn a_channel_nobody_opened_takes_no_message() {
    let mut pair = Pair::new(true);
    pair.signal(Setup::Active);
    pair.until_up();
    let now = pair.now;
    assert!(!pair.bridge.transport.is_channel_open());
    assert!(!pair.bridge.transport.send_channel_message(now, "{}"));
}

#[test]
fn a_peer_that_comes_late_still_has_all_the_time_of_a_handshake() {
    let mut pair = Pair::new(true);
    pair.now += Duration::from_secs(100);
    pair.signal(Setup::Active);
    pair.until_up();
}

/// A request from `from` as our peer would make it, with another password perhaps.
fn request(attributes: &[(u16, &[u8])], password: &str) -> Vec<u8> {
    let mut message = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    message.extend([7; 12]);
    for (kind, value) in attributes {
        message.extend(kind.to_be_bytes());
        message.extend(u16::try_from(value.len()).expect("short").to_be_bytes());
        message.extend(*value);
        message.resize(message.len().next_multiple_of(4), 0);
    }
    let len = u16::try_from(message.len() - 20 + 24).expect("short");
    message[2..4].copy_from_slice(&len.to_be_bytes());
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
    let digest = aws_lc_rs::hmac::sign(&key, &message);
    message.extend([0, 8, 0, 20]);
    message.extend(digest.as_ref());
    message
}

#[test]
fn a_request_without_our_password_changes_nothing() {
    let mut pair = Pair::new(true);
    let remote = Remote { credentials: Some(credentials("b")), ..Remote::default() };
    pair.bridge.transport.set_remote(&remote, pair.now);
    let username = format!("{}:{}", credentials("a").ufrag, credentials("b").ufrag);
    // Says that it controls, with the strongest tie-breaker: a role conflict we would lose.
    let controlling: &[(u16, &[u8])] = &[(6, username.as_bytes()), (0x802a, &[0xff; 8])];
    let mut forged = request(controlling, "not our password");
    let stranger = address("10.0.0.66:666");
    pair.bridge.transport.handle_datagram(pair.now, address(BRIDGE), stranger, &mut forged);
    assert!(!pair.bridge.transport.is_validated(stranger));
    assert_eq!(pair.bridge.transport.poll_transmit(), None, "a stranger gets no answer");
    // The roles are still what they were: the peer, controlled, is nominated to.
    pair.signal(Setup::Active);
    pair.until_up();
    let mut honest = request(&[(6, username.as_bytes()), (0x8029, &[1; 8])], &credentials("a").pwd);
    pair.bridge.transport.handle_datagram(pair.now, address(BRIDGE), stranger, &mut honest);
    assert!(pair.bridge.transport.is_validated(stranger), "the password is what counts");
}

#[test]
fn the_addresses_a_peer_may_come_from_are_bounded() {
    let mut pair = Pair::new(true);
    let remote = Remote { credentials: Some(credentials("b")), ..Remote::default() };
    pair.bridge.transport.set_remote(&remote, pair.now);
    let username = format!("{}:{}", credentials("a").ufrag, credentials("b").ufrag);
    let mut answered = 0;
    for port in 1..1_000 {
        let mut honest = request(&[(6, username.as_bytes()), (0x8029, &[1; 8])], &credentials("a").pwd);
        let from = SocketAddr::new([10, 0, 0, 3].into(), port);
        pair.bridge.transport.handle_datagram(pair.now, address(BRIDGE), from, &mut honest);
        answered += usize::from(pair.bridge.transport.is_validated(from));
    }
    assert_eq!(answered, REMOTE_CANDIDATES_MAX + REFLEXIVE_CANDIDATES_MAX);
}

#[test]
fn a_connected_endpoint_wakes_seldom() {
    let mut pair = Pair::new(true);
    pair.signal(Setup::Active);
    pair.until_up();
    for _ in 0..200 {
        pair.step();
    }
    let begin = pair.now;
    let mut turns = 0;
    while pair.now - begin < Duration::from_secs(10) {
        if pair.bridge.transport.next_deadline().is_some_and(|deadline| deadline <= pair.now + STEP) {
            turns += 1;
        }
        pair.step();
    }
    assert!(turns <= 25, "{turns} turns in ten seconds");
    assert!(pair.bridge.transport.is_up());
}
