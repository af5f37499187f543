//! The whole bridge as a process: told over HTTP, two clients meet on it over real sockets.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};
use videobridge_core::transport::{
    Certificate, Config, Credentials, Fingerprint, Received, Remote, RemoteCandidate, RemoteCandidateKind, Setup,
    Transport,
};

const DEADLINE: Duration = Duration::from_secs(30);
const OPUS: u8 = 111;
const VP8: u8 = 100;

struct Bridge {
    process: Child,
    data: TempDir,
    meeting: String,
}

impl Bridge {
    fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        // Nobody listens for XMPP there: the bridge works without, for whoever asks over HTTP.
        let process = Command::new(env!("CARGO_BIN_EXE_conclave-videobridge"))
            .arg("--data")
            .arg(data.path())
            .args(["--set", "videobridge.media_port=0", "--set", "videobridge.xmpp_port=1", "--supervised"])
            .args(["--set", "videobridge.advertise=[\"127.0.0.1\"]"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let bridge = Self { process, data, meeting: "beccf2ed-5441-4bfe-96d6-f0f3a6796378".to_owned() };
        let deadline = Instant::now() + DEADLINE;
        while UnixStream::connect(bridge.socket()).is_err() {
            assert!(Instant::now() < deadline, "the bridge did not open its HTTP socket");
            std::thread::sleep(Duration::from_millis(10));
        }
        bridge
    }

    fn socket(&self) -> PathBuf {
        self.data.path().join("run/videobridge.sock")
    }

    fn get(&self, path: &str) -> Value {
        let (status, body) = http(&self.socket(), "GET", path, "");
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap_or(Value::String(body))
    }

    fn modify(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = http(&self.socket(), method, path, &body.to_string());
        assert_eq!(status, 200, "{answer}");
        serde_json::from_str(&answer).unwrap()
    }

    /// Makes the conference with its first endpoint, or adds an endpoint.
    fn join(&self, endpoint: Value, first: bool) -> Value {
        let answer = if first {
            let request = json!({"meeting-id": self.meeting, "name": "room@conference.localhost", "create": true,
                "endpoints": [endpoint]});
            self.modify("POST", "/colibri/v2/conferences", request)
        } else {
            self.update(endpoint)
        };
        answer["endpoints"][0].clone()
    }

    fn update(&self, endpoint: Value) -> Value {
        self.modify("PATCH", &format!("/colibri/v2/conferences/{}", self.meeting), json!({"endpoints": [endpoint]}))
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn http(socket: &Path, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(socket).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap().parse().unwrap();
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    (status, rest.split_once("\r\n\r\n").unwrap().1.to_owned())
}

/// A client: one socket, one transport, one bridge channel.
struct Client {
    id: String,
    socket: UdpSocket,
    local: SocketAddr,
    transport: Transport,
    channel: WebSocket<UnixStream>,
    /// Messages of the bridge, oldest first.
    said: Vec<Value>,
    /// RTP packets, opened.
    packets: Vec<Vec<u8>>,
    /// Last sequence number by SSRC.
    sequences: BTreeMap<u32, u16>,
}

impl Client {
    fn join(bridge: &Bridge, id: &str, rewrites: bool, first: bool) -> Self {
        let certificate = Certificate::generate().unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let local = socket.local_addr().unwrap();
        let ours = Credentials { ufrag: id.repeat(8), pwd: id.repeat(24) };
        let config = Config {
            credentials: Credentials { ufrag: ours.ufrag.clone(), pwd: ours.pwd.clone() },
            controlling: false,
            local_addresses: &[local],
            certificate: &certificate,
            data_channel: false,
        };
        let now = Instant::now();
        let mut transport = Transport::new(&config, now).unwrap();
        let mut capabilities = vec!["source-names"];
        if rewrites {
            capabilities.push("ssrc-rewriting");
        }
        let answer = bridge.join(
            json!({
                "id": id, "create": true, "capabilities": capabilities,
                "medias": [
                    {"type": "audio", "payload-types": [{"id": OPUS, "name": "opus", "clockrate": 48000, "channels": 2}]},
                    {"type": "video", "payload-types": [{"id": VP8, "name": "VP8", "clockrate": 90000,
                        "rtcp-fbs": [{"type": "nack", "subtype": "pli"}, {"type": "transport-cc"}]}]},
                ],
                "transport": {"ice-controlling": true},
            }),
            first,
        );
        let theirs = &answer["transport"]["transport"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let candidate = &theirs["candidates"][0];
        let address = format!("{}:{}", text(&candidate["ip"]), text(&candidate["port"])).parse().unwrap();
        let remote = Remote {
            credentials: Some(Credentials { ufrag: text(&theirs["ufrag"]), pwd: text(&theirs["pwd"]) }),
            candidates: vec![RemoteCandidate { address, priority: 1, kind: RemoteCandidateKind::Host }],
            fingerprints: vec![
                Fingerprint::parse("sha-256", &text(&theirs["fingerprints"][0]["fingerprint"])).unwrap(),
            ],
            setup: Some(Setup::Passive),
        };
        transport.set_remote(&remote, now);
        bridge.update(json!({
            "id": id,
            "transport": {"transport": {"ufrag": ours.ufrag, "pwd": ours.pwd, "fingerprints":
                [{"hash": "sha-256", "setup": "active", "fingerprint": certificate.fingerprint().to_text()}]}},
            "sources": [
                {"type": "audio", "id": format!("{id}-a0"), "sources": [{"ssrc": audio_ssrc(id), "name": format!("{id}-a0")}]},
                {"type": "video", "id": format!("{id}-v0"), "sources": [{"ssrc": video_ssrc(id), "name": format!("{id}-v0")}]},
            ],
        }));
        let channel = dial(bridge, &text(&theirs["web-sockets"][0])).unwrap();
        channel.get_ref().set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let said = Vec::new();
        Self {
            id: id.to_owned(),
            socket,
            local,
            transport,
            channel,
            said,
            packets: Vec::new(),
            sequences: BTreeMap::new(),
        }
    }

    /// Serves sockets and timers for a moment.
    fn step(&mut self) {
        let mut datagram = [0; 2048];
        if let Ok((len, from)) = self.socket.recv_from(&mut datagram) {
            let received = self.transport.handle_datagram(Instant::now(), self.local, from, &mut datagram[..len]);
            if let Received::Rtp(len) = received {
                self.packets.push(datagram[..len].to_vec());
            }
        }
        if self.transport.next_deadline().is_some_and(|deadline| deadline <= Instant::now()) {
            self.transport.handle_timeout(Instant::now());
        }
        while let Some(transmit) = self.transport.poll_transmit() {
            self.socket.send_to(&transmit.bytes, transmit.to).unwrap();
        }
        while self.transport.poll_event().is_some() {}
        match self.channel.read() {
            Ok(Message::Text(text)) => self.said.push(serde_json::from_str(&text).unwrap()),
            Ok(_) => {}
            Err(tungstenite::Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("{}: {error}", self.id),
        }
    }

    fn say(&mut self, message: &Value) {
        self.channel.send(Message::text(message.to_string())).unwrap();
    }

    /// Sends one packet with `payload`.
    fn send(&mut self, payload_type: u8, ssrc: u32, payload: &[u8]) {
        let sequence = self.sequences.entry(ssrc).or_default();
        *sequence += 1;
        let mut packet = vec![0x80, 0x80 | payload_type];
        packet.extend(sequence.to_be_bytes());
        packet.extend((u32::from(*sequence) * 960).to_be_bytes());
        packet.extend(ssrc.to_be_bytes());
        packet.extend(payload);
        let (_, to) = self.transport.path().unwrap();
        let protect = self.transport.protect().unwrap();
        packet.resize(packet.len() + protect.profile().rtp_overhead(), 0);
        protect.rtp(&mut packet, 12).unwrap();
        self.socket.send_to(&packet, to).unwrap();
    }

    fn heard(&self, payload: &[u8]) -> Option<u32> {
        let packet = self.packets.iter().find(|packet| packet.ends_with(payload))?;
        Some(u32::from_be_bytes(packet[8..12].try_into().unwrap()))
    }

    fn was_told(&self, class: &str) -> Option<&Value> {
        self.said.iter().rev().find(|message| message["colibriClass"] == class)
    }
}

fn audio_ssrc(id: &str) -> u32 {
    1_000 + u32::from(id.as_bytes()[0])
}

fn video_ssrc(id: &str) -> u32 {
    2_000 + u32::from(id.as_bytes()[0])
}

/// A VP8 keyframe in one packet (RFC 7741), told apart by `mark`.
fn keyframe(mark: u8) -> Vec<u8> {
    let mut payload = vec![0x90, 0xe0, 0x80, mark, mark, 0x00];
    payload.extend([0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00]);
    payload.extend([mark; 100]);
    payload
}

fn dial(bridge: &Bridge, url: &str) -> Result<WebSocket<UnixStream>, tungstenite::Error> {
    let stream = UnixStream::connect(bridge.socket()).unwrap();
    // What the entry of the server does with TLS is not done here.
    let url = url.replacen("wss://", "ws://", 1);
    match tungstenite::client(url, stream) {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::HandshakeError::Failure(error)) => Err(error),
        Err(tungstenite::HandshakeError::Interrupted(_)) => panic!("the socket blocks"),
    }
}

/// Serves both until `done`; `busy` is repeated now and then meanwhile.
fn until(
    what: &str,
    a: &mut Client,
    b: &mut Client,
    mut busy: impl FnMut(&mut Client, &mut Client),
    done: impl Fn(&Client, &Client) -> bool,
) {
    let deadline = Instant::now() + DEADLINE;
    while !done(a, b) {
        assert!(Instant::now() < deadline, "{what} did not happen; a was told {:?}; b was told {:?}", a.said, b.said);
        busy(a, b);
        a.step();
        b.step();
    }
}

#[test]
fn two_clients_hear_and_see_one_another() {
    let bridge = Bridge::start();
    let mut a = Client::join(&bridge, "a", false, true);
    let mut b = Client::join(&bridge, "b", true, false);
    until("media", &mut a, &mut b, |_, _| {}, |a, b| a.transport.is_up() && b.transport.is_up());
    until(
        "a greeting",
        &mut a,
        &mut b,
        |_, _| {},
        |a, b| a.was_told("ServerHello").is_some() && b.was_told("ServerHello").is_some(),
    );

    // Audio: under its own SSRC to who wants it so, under the told one to who understands maps.
    let speak = |a: &mut Client, b: &mut Client| {
        a.send(OPUS, audio_ssrc("a"), b"voice of a");
        b.send(OPUS, audio_ssrc("b"), b"voice of b");
    };
    until("audio", &mut a, &mut b, speak, |a, b| {
        a.heard(b"voice of b").is_some() && b.heard(b"voice of a").is_some() && b.was_told("AudioSourcesMap").is_some()
    });
    assert_eq!(a.heard(b"voice of b"), Some(audio_ssrc("b")));
    let mapped = b.was_told("AudioSourcesMap").unwrap()["mappedSources"][0].clone();
    assert_eq!((&mapped["source"], &mapped["owner"]), (&json!("a-a0"), &json!("a")));
    assert_eq!(b.heard(b"voice of a").map(u64::from), mapped["ssrc"].as_u64());

    // Video: nothing before it is asked for; then the sender is told, and it comes from a keyframe on.
    let show = |a: &mut Client, _: &mut Client| a.send(VP8, video_ssrc("a"), &keyframe(1));
    for _ in 0..20 {
        show(&mut a, &mut b);
        a.step();
        b.step();
    }
    assert_eq!(b.heard(&[1; 100]), None);
    b.say(&json!({"colibriClass": "ReceiverVideoConstraints", "lastN": -1,
        "defaultConstraints": {"maxHeight": 720}, "onStageSources": ["a-v0"]}));
    until("video", &mut a, &mut b, show, |a, b| {
        b.heard(&[1; 100]).is_some()
            && b.was_told("VideoSourcesMap").is_some()
            && b.was_told("ForwardedSources").is_some_and(|told| told["forwardedSources"] == json!(["a-v0"]))
            && a.was_told("SenderSourceConstraints").is_some_and(|told| told["maxHeight"] == 720)
    });
    let mapped = b.was_told("VideoSourcesMap").unwrap()["mappedSources"][0].clone();
    assert_eq!((&mapped["source"], &mapped["videoType"]), (&json!("a-v0"), &json!("CAMERA")));
    assert_eq!(b.heard(&[1; 100]).map(u64::from), mapped["ssrc"].as_u64());

    // Messages between them.
    a.say(&json!({"colibriClass": "EndpointMessage", "to": "b", "msgPayload": {"type": "hello"}, "from": "liar"}));
    until("a message", &mut a, &mut b, |_, _| {}, |_, b| b.was_told("EndpointMessage").is_some());
    let message = b.was_told("EndpointMessage").unwrap();
    assert_eq!((&message["from"], &message["msgPayload"]["type"]), (&json!("a"), &json!("hello")));

    let stats = bridge.get("/colibri/stats");
    assert_eq!(
        (&stats["conferences"], &stats["endpoints"], &stats["total_ice_succeeded"]),
        (&json!(1), &json!(2), &json!(2))
    );
    assert!(stats["total_packets_sent"].as_u64().unwrap() > 0, "{stats}");

    // Forced mute: after a moment nothing more of one comes through, while the other goes on.
    bridge.update(json!({"id": "a", "force-mute": {"audio": true, "video": true}}));
    let deadline = Instant::now() + DEADLINE;
    for round in 0.. {
        assert!(Instant::now() < deadline, "a is not muted");
        let (of_a, of_b) = (format!("a, round {round}"), format!("b, round {round}"));
        let speak = |a: &mut Client, b: &mut Client| {
            a.send(OPUS, audio_ssrc("a"), of_a.as_bytes());
            b.send(OPUS, audio_ssrc("b"), of_b.as_bytes());
        };
        until("the other's audio", &mut a, &mut b, speak, |a, _| {
            a.packets.iter().filter(|packet| packet.ends_with(of_b.as_bytes())).count() >= 5
        });
        if b.heard(of_a.as_bytes()).is_none() {
            break;
        }
    }

    // The end: the channel closes with the code that says so.
    bridge.update(json!({"id": "b", "expire": true}));
    let deadline = Instant::now() + DEADLINE;
    let code = loop {
        assert!(Instant::now() < deadline, "the channel stays open");
        match b.channel.read() {
            Ok(Message::Close(Some(frame))) => break frame.code,
            Ok(_) => {}
            Err(tungstenite::Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(code, CloseCode::Away);
}

#[test]
fn an_address_in_use_is_not_taken_by_who_claims_it() {
    let bridge = Bridge::start();
    let mut a = Client::join(&bridge, "a", false, true);
    let mut b = Client::join(&bridge, "b", false, false);
    until("media", &mut a, &mut b, |_, _| {}, |a, b| a.transport.is_up() && b.transport.is_up());

    // The thief's own valid checks arrive from the address of a, which is silent meanwhile.
    let mut thief = Client::join(&bridge, "c", false, false);
    let deadline = Instant::now() + DEADLINE;
    let mut datagram = [0; 2048];
    let mut answered = 0;
    while answered < 3 {
        assert!(Instant::now() < deadline, "the bridge answers no check of the thief");
        if thief.transport.next_deadline().is_some_and(|deadline| deadline <= Instant::now()) {
            thief.transport.handle_timeout(Instant::now());
        }
        while let Some(transmit) = thief.transport.poll_transmit() {
            a.socket.send_to(&transmit.bytes, transmit.to).unwrap();
        }
        if let Ok((len, from)) = a.socket.recv_from(&mut datagram) {
            answered += u32::from(datagram.starts_with(&[0x01, 0x01]));
            thief.transport.handle_datagram(Instant::now(), a.local, from, &mut datagram[..len]);
        }
    }
    while b.heard(b"still here").is_none() {
        assert!(Instant::now() < deadline, "a lost its address");
        a.send(OPUS, audio_ssrc("a"), b"still here");
        b.step();
    }
}

#[test]
fn bridge_channels_open_for_their_endpoint_only() {
    let bridge = Bridge::start();
    let answer = bridge.join(
        json!({"id": "a", "create": true, "capabilities": ["source-names"], "transport": {"ice-controlling": true}}),
        true,
    );
    let url = answer["transport"]["transport"]["web-sockets"][0].as_str().unwrap().to_owned();
    let status = |url: &str| match dial(&bridge, url) {
        Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
        Ok(_) => 101,
        Err(error) => panic!("{error}"),
    };
    assert_eq!(status(&format!("{url}x")), 403);
    assert_eq!(status(url.split_once('?').unwrap().0), 403);
    assert_eq!(status(&url.replacen("/a?", "/b?", 1)), 403);
    assert_eq!(status(&url.replacen("/colibri-ws/jvb", "/colibri-ws/xvb", 1)), 404);

    // A second socket takes the place of the first.
    let mut first = dial(&bridge, &url).unwrap();
    assert!(matches!(first.read().unwrap(), Message::Text(text) if text.contains("ServerHello")));
    let mut second = dial(&bridge, &url).unwrap();
    assert!(matches!(second.read().unwrap(), Message::Text(text) if text.contains("ServerHello")));
    let code = loop {
        if let Message::Close(Some(frame)) = first.read().unwrap() {
            break frame.code;
        }
    };
    assert_eq!(code, CloseCode::Normal);
}

#[test]
fn http_tells_what_is_wrong() {
    let bridge = Bridge::start();
    assert_eq!(http(&bridge.socket(), "GET", "/about/health", ""), (200, String::new()));
    assert_eq!(bridge.get("/about/version")["name"], "JVB");
    assert_eq!(bridge.get("/debug")["conferences"], json!({}));
    let post = |body: &str| http(&bridge.socket(), "POST", "/colibri/v2/conferences", body);
    assert_eq!(post("{").0, 400);
    assert!(post("{}").1.contains("meeting-id"));
    let unknown = post(r#"{"meeting-id": "m", "endpoints": [{"id": "a", "sources": []}]}"#);
    assert_eq!(unknown.0, 400);
    assert!(unknown.1.contains("item-not-found"), "{}", unknown.1);
    assert_eq!(http(&bridge.socket(), "PATCH", "/colibri/v2/conferences/m", "{}").0, 404);
    assert_eq!(post(&" ".repeat(256 * 1024 + 1)).0, 413);
    assert_eq!(http(&bridge.socket(), "POST", "/colibri/drain/enable", "").0, 200);
    assert_eq!(bridge.get("/colibri/drain"), json!({"drain": true}));
    assert_eq!(bridge.get("/colibri/stats")["drain"], json!(true));
    assert!(http(&bridge.socket(), "GET", "/metrics", "").1.contains("jitsi_jvb_conferences 0"));
}

#[test]
fn it_ends_when_its_supervisor_does() {
    let mut bridge = Bridge::start();
    drop(bridge.process.stdin.take());
    let deadline = Instant::now() + DEADLINE;
    let status = loop {
        if let Some(status) = bridge.process.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < deadline, "it goes on without its supervisor");
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(status.success());
    assert!(!bridge.socket().exists());
}
