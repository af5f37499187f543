//! A client that shares no packet code with the bridge: the `webrtc` crate, signalled with colibri2 as a focus and
//! jitsi-meet would do it together.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::interceptor_registry::register_default_interceptors;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_OPUS, MIME_TYPE_VP8, MediaEngine};
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::transport::RTCDtlsRole;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RTCRtpHeaderExtensionCapability, RtpCodecKind,
};
use serde_json::{Value, json};
use tests::bridge::Bridge;
use tokio::sync::{mpsc, watch};
use webrtc::data_channel::{DataChannel, DataChannelEvent};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState, RTCPeerConnectionState,
    Registry, SrtpProtectionProfile,
};
use webrtc::runtime::default_runtime;

pub(crate) const OPUS: u8 = 111;
pub(crate) const VP8: u8 = 100;
const AUDIO_LEVEL: u8 = 1;
const AUDIO_LEVEL_URI: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
const TRANSPORT_CC_URI: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
/// Encodings of a camera.
pub(crate) const LAYERS: u32 = 3;

/// Packets that came, by SSRC.
type Received = Arc<Mutex<BTreeMap<u32, Vec<rtc::rtp::Packet>>>>;

/// What differs between peers.
pub(crate) struct Kind {
    pub(crate) id: &'static str,
    pub(crate) profile: SrtpProtectionProfile,
    /// It waits for the bridge's ClientHello.
    pub(crate) dtls_server: bool,
    /// It signals somebody else's certificate.
    pub(crate) lies: bool,
}

pub(crate) struct Peer {
    pub(crate) id: &'static str,
    connection: Arc<dyn PeerConnection>,
    audio: Arc<TrackLocalStaticRTP>,
    video: Vec<Arc<TrackLocalStaticRTP>>,
    channel: Arc<dyn DataChannel>,
    opened: watch::Receiver<bool>,
    pub(crate) received: Received,
    said: mpsc::UnboundedReceiver<Value>,
    state: Arc<Mutex<RTCPeerConnectionState>>,
    pub(crate) bridge_port: u16,
}

/// The SSRC of a peer's microphone; those of its camera's encodings follow.
pub(crate) fn audio_ssrc(id: &str) -> u32 {
    id.bytes().fold(1, |ssrc, byte| ssrc * 16 + u32::from(byte)) * 100
}

pub(crate) fn video_ssrc(id: &str, layer: u32) -> u32 {
    audio_ssrc(id) + 1 + layer
}

impl Peer {
    /// Joins: the bridge makes an endpoint, the peer answers its offer, the bridge hears of that.
    pub(crate) async fn join(bridge: &Bridge, meeting: &str, create: bool, kind: Kind, others: &[&str]) -> Self {
        let id = kind.id;
        let request = json!({"endpoints": [{
            "id": id, "create": true, "capabilities": ["source-names"],
            "medias": [
                {"type": "audio",
                 "payload-types": [{"id": OPUS, "name": "opus", "clockrate": 48000, "channels": 2,
                    "rtcp-fbs": [{"type": "transport-cc"}]}],
                 "rtp-hdrexts": [{"id": AUDIO_LEVEL, "uri": AUDIO_LEVEL_URI}, {"id": 5, "uri": TRANSPORT_CC_URI}]},
                {"type": "video",
                 "payload-types": [{"id": VP8, "name": "VP8", "clockrate": 90000,
                    "rtcp-fbs": [{"type": "nack"}, {"type": "nack", "subtype": "pli"}, {"type": "transport-cc"}]}],
                 "rtp-hdrexts": [{"id": 5, "uri": TRANSPORT_CC_URI}]},
            ],
            "transport": {"ice-controlling": true, "sctp": {}},
            "sources": [],
        }]});
        let answer = bridge.modify(meeting, create, request).await;
        let transport = answer["endpoints"][0]["transport"]["transport"].clone();
        let port = transport["candidates"][0]["port"].as_str().and_then(|port| port.parse().ok()).expect("a port");

        let received = Received::default();
        let state = Arc::new(Mutex::new(RTCPeerConnectionState::New));
        let (gathered, mut when_gathered) = mpsc::unbounded_channel();
        let events = Events { gathered, received: Arc::clone(&received), state: Arc::clone(&state) };
        let connection = connection(&kind, events).await;
        let audio = track(id, "audio", audio_ssrc(id), RtpCodecKind::Audio);
        connection.add_track(Arc::clone(&audio) as Arc<dyn TrackLocal>).await.expect("added");
        let mut video = Vec::new();
        for layer in 0..LAYERS {
            let track = track(id, &format!("video{layer}"), video_ssrc(id, layer), RtpCodecKind::Video);
            connection.add_track(Arc::clone(&track) as Arc<dyn TrackLocal>).await.expect("added");
            video.push(track);
        }
        let offer = RTCSessionDescription::offer(offer(&transport, others)).expect("an offer");
        connection.set_remote_description(offer).await.expect("the offer is taken");
        let channel = connection.create_data_channel("JVB data channel", None).await.expect("a channel");
        let (say, said) = mpsc::unbounded_channel();
        let (open, opened) = watch::channel(false);
        let listening = Arc::clone(&channel);
        tokio::spawn(async move {
            while let Some(event) = listening.poll().await {
                match event {
                    DataChannelEvent::OnOpen => drop(open.send(true)),
                    DataChannelEvent::OnMessage(message) => {
                        drop(say.send(serde_json::from_slice(&message.data).expect("the bridge says JSON")));
                    }
                    _ => {}
                }
            }
        });
        let answer = connection.create_answer(None).await.expect("an answer");
        connection.set_local_description(answer).await.expect("the answer is ours");
        when_gathered.recv().await.expect("gathered");
        let local = connection.local_description().await.expect("a description").sdp;
        bridge.modify(meeting, false, accept(&kind, &local)).await;
        Self { id, connection, audio, video, channel, opened, received, said, state, bridge_port: port }
    }

    pub(crate) fn is_connected(&self) -> bool {
        *self.state.lock().expect("state") == RTCPeerConnectionState::Connected
    }

    pub(crate) async fn until_connected(&self) {
        until("the peer is connected", || self.is_connected()).await;
    }

    /// The next message of the bridge of that class.
    pub(crate) async fn hear(&mut self, class: &str) -> Value {
        let wanted = async {
            loop {
                let message = self.said.recv().await.expect("the channel lives");
                if message["colibriClass"] == class {
                    return message;
                }
            }
        };
        let heard = tokio::time::timeout(Duration::from_secs(20), wanted).await;
        heard.unwrap_or_else(|_| panic!("{} never heard {class}", self.id))
    }

    /// Says something on the bridge channel once it is open.
    pub(crate) async fn say(&self, message: &Value) {
        let mut opened = self.opened.clone();
        let open = tokio::time::timeout(Duration::from_secs(20), opened.wait_for(|open| *open)).await;
        assert!(open.is_ok(), "the bridge channel of {} did not open", self.id);
        self.channel.send_text(&message.to_string()).await.expect("sent");
    }

    /// Sends the nth packet of a voice, 20 ms each.
    pub(crate) async fn speak(&self, n: u16) {
        let mut packet = packet(OPUS, audio_ssrc(self.id), n, u32::from(n) * 960, false, vec![0x78; 80]);
        packet.header.set_extension(AUDIO_LEVEL, vec![0x80 | 20].into()).expect("an extension");
        self.audio.write_rtp(packet).await.expect("written");
    }

    /// Sends the nth frame of every encoding, 33 ms each; every tenth is a keyframe.
    pub(crate) async fn show(&self, n: u16) {
        for (layer, track) in (0..).zip(&self.video) {
            let payload = vp8_frame(n, n.is_multiple_of(10), 180 << layer);
            let packet = packet(VP8, video_ssrc(self.id, layer), n, u32::from(n) * 3000, true, payload);
            track.write_rtp(packet).await.expect("written");
        }
    }

    pub(crate) fn heard_of(&self, ssrc: u32) -> Vec<rtc::rtp::Packet> {
        self.received.lock().expect("packets").get(&ssrc).cloned().unwrap_or_default()
    }

    pub(crate) async fn leave(self) {
        let _ = self.connection.close().await;
    }
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

struct Events {
    gathered: mpsc::UnboundedSender<()>,
    received: Received,
    state: Arc<Mutex<RTCPeerConnectionState>>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Events {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            let _ = self.gathered.send(());
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        *self.state.lock().expect("state") = state;
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let received = Arc::clone(&self.received);
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                if let TrackRemoteEvent::OnRtpPacket(packet) = event {
                    received.lock().expect("packets").entry(packet.header.ssrc).or_default().push(packet);
                }
            }
        });
    }
}

async fn connection(kind: &Kind, events: Events) -> Arc<dyn PeerConnection> {
    let mut media = MediaEngine::default();
    for (codec, payload_type, kind) in [
        (codec(RtpCodecKind::Audio), OPUS, RtpCodecKind::Audio),
        (codec(RtpCodecKind::Video), VP8, RtpCodecKind::Video),
    ] {
        let parameters = RTCRtpCodecParameters { rtp_codec: codec, payload_type };
        media.register_codec(parameters, kind).expect("a codec");
    }
    let extension = |uri: &str| RTCRtpHeaderExtensionCapability { uri: uri.to_owned() };
    media.register_header_extension(extension(AUDIO_LEVEL_URI), RtpCodecKind::Audio, None).expect("an extension");
    let registry = register_default_interceptors(Registry::new(), &mut media).expect("interceptors");
    let role = if kind.dtls_server { RTCDtlsRole::Server } else { RTCDtlsRole::Client };
    let settings = SettingEngineBuilder::new()
        .with_srtp_protection_profiles(vec![kind.profile])
        .with_include_loopback_candidate(true)
        .with_answering_dtls_role(role)
        .build();
    let connection = PeerConnectionBuilder::new()
        .with_media_engine(media)
        .with_setting_engine(settings)
        .with_interceptor_registry(registry)
        .with_handler(Arc::new(events))
        .with_runtime(default_runtime().expect("a runtime"))
        .with_udp_addrs(vec!["127.0.0.1:0".to_owned()])
        .build()
        .await
        .expect("a connection");
    Arc::new(connection)
}

fn codec(kind: RtpCodecKind) -> RTCRtpCodec {
    let (mime_type, clock_rate, channels) =
        if kind == RtpCodecKind::Audio { (MIME_TYPE_OPUS, 48_000, 2) } else { (MIME_TYPE_VP8, 90_000, 0) };
    RTCRtpCodec {
        mime_type: mime_type.to_owned(),
        clock_rate,
        channels,
        sdp_fmtp_line: String::new(),
        rtcp_feedback: Vec::new(),
    }
}

fn track(id: &str, name: &str, ssrc: u32, kind: RtpCodecKind) -> Arc<TrackLocalStaticRTP> {
    let encoding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(ssrc), ..Default::default() },
        codec: codec(kind),
        ..Default::default()
    };
    let (id, label) = (format!("{id}-{name}"), format!("{id}-{name}-track"));
    Arc::new(TrackLocalStaticRTP::new(MediaStreamTrack::new(id, label.clone(), label, kind, vec![encoding])))
}

/// What jitsi-meet makes of the focus's session-initiate: one audio line, a video line for each encoding of ours (the
/// crate knows no simulcast by SSRC), the others' sources, and the data channel.
fn offer(transport: &Value, others: &[&str]) -> String {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let mut common = format!(
        "c=IN IP4 0.0.0.0\r\na=ice-ufrag:{}\r\na=ice-pwd:{}\r\n",
        text(&transport["ufrag"]),
        text(&transport["pwd"])
    );
    let fingerprint = &transport["fingerprints"][0];
    let _ = write!(
        common,
        "a=fingerprint:{} {}\r\na=setup:actpass\r\n",
        text(&fingerprint["hash"]),
        text(&fingerprint["fingerprint"])
    );
    for candidate in transport["candidates"].as_array().expect("candidates") {
        let field = |name: &str| text(&candidate[name]);
        let _ = write!(
            common,
            "a=candidate:{} {} {} {} {} {} typ {}\r\n",
            field("foundation"),
            field("component"),
            field("protocol"),
            field("priority"),
            field("ip"),
            field("port"),
            field("type")
        );
    }
    let lines = usize::try_from(LAYERS).expect("few") + 2;
    let mids: Vec<String> = (0..lines).map(|mid| mid.to_string()).collect();
    let mut offer = format!("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n", mids.join(" "));
    let sources = |offer: &mut String, ssrcs: &[u32]| {
        for ssrc in ssrcs {
            let _ = write!(offer, "a=ssrc:{ssrc} cname:{ssrc}\r\na=ssrc:{ssrc} msid:stream{ssrc} track{ssrc}\r\n");
        }
    };
    let _ = write!(
        offer,
        "m=audio 9 UDP/TLS/RTP/SAVPF {OPUS}\r\n{common}a=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:{OPUS} opus/48000/2\r\na=rtcp-fb:{OPUS} transport-cc\r\na=extmap:{AUDIO_LEVEL} {AUDIO_LEVEL_URI}\r\na=extmap:5 {TRANSPORT_CC_URI}\r\n"
    );
    sources(&mut offer, &others.iter().map(|id| audio_ssrc(id)).collect::<Vec<_>>());
    for layer in 0..LAYERS {
        let _ = write!(
            offer,
            "m=video 9 UDP/TLS/RTP/SAVPF {VP8}\r\n{common}a=mid:{}\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:{VP8} VP8/90000\r\na=rtcp-fb:{VP8} nack pli\r\na=rtcp-fb:{VP8} transport-cc\r\na=extmap:5 {TRANSPORT_CC_URI}\r\n",
            layer + 1
        );
        if layer == 0 {
            sources(&mut offer, &others.iter().map(|id| video_ssrc(id, 0)).collect::<Vec<_>>());
        }
    }
    let _ = write!(
        offer,
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n{common}a=mid:{}\r\na=sctp-port:5000\r\n",
        LAYERS + 1
    );
    offer
}

/// What the focus makes of our session-accept.
fn accept(kind: &Kind, local: &str) -> Value {
    let line = |prefix: &str| {
        let found = local.lines().find_map(|line| line.strip_prefix(prefix));
        found.unwrap_or_else(|| panic!("no {prefix} in {local}")).trim().to_owned()
    };
    let (hash, mut fingerprint) =
        line("a=fingerprint:").split_once(' ').map(|(h, f)| (h.to_owned(), f.to_owned())).expect("two words");
    if kind.lies {
        let last = if fingerprint.ends_with("00") { "01" } else { "00" };
        fingerprint.replace_range(fingerprint.len() - 2.., last);
    }
    let setup = line("a=setup:");
    assert_eq!(setup, if kind.dtls_server { "passive" } else { "active" });
    let candidates: Vec<Value> = local
        .lines()
        .filter_map(|line| line.strip_prefix("a=candidate:"))
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .filter(|words| words[2].eq_ignore_ascii_case("udp"))
        .map(|words| {
            json!({"id": words[0], "foundation": words[0], "component": words[1], "protocol": "udp",
                "priority": words[3], "ip": words[4], "port": words[5], "type": words[7], "generation": "0"})
        })
        .collect();
    let id = kind.id;
    let ssrcs: Vec<u32> = (0..LAYERS).map(|layer| video_ssrc(id, layer)).collect();
    json!({"endpoints": [{
        "id": id,
        "transport": {"transport": {
            "ufrag": line("a=ice-ufrag:"), "pwd": line("a=ice-pwd:"), "rtcp-mux": true, "candidates": candidates,
            "fingerprints": [{"hash": hash, "fingerprint": fingerprint, "setup": setup}],
        }},
        "sources": [
            {"type": "audio", "id": format!("{id}-a0"), "sources": [{"ssrc": audio_ssrc(id), "name": format!("{id}-a0")}]},
            {"type": "video", "id": format!("{id}-v0"),
             "sources": ssrcs.iter().map(|ssrc| json!({"ssrc": ssrc, "name": format!("{id}-v0")})).collect::<Vec<_>>(),
             "ssrc-groups": [{"semantics": "SIM", "sources": ssrcs}]},
        ],
    }]})
}

fn packet(
    payload_type: u8,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    marker: bool,
    payload: Vec<u8>,
) -> rtc::rtp::Packet {
    rtc::rtp::Packet {
        header: rtc::rtp::header::Header {
            version: 2,
            marker,
            payload_type,
            sequence_number: sequence,
            timestamp,
            ssrc,
            ..Default::default()
        },
        payload: payload.into(),
    }
}

/// A frame in one packet: RFC 7741 descriptor with picture id, TL0PICIDX and temporal layer 0, then the beginning of
/// a VP8 frame of that height.
fn vp8_frame(n: u16, key: bool, height: u16) -> Vec<u8> {
    let [high, low] = (0x8000 | n).to_be_bytes();
    let mut payload = vec![0x90, 0xe0, high, low, low, 0x20];
    payload.extend([u8::from(!key), 0, 0]);
    if key {
        payload.extend([0x9d, 0x01, 0x2a]);
        payload.extend((height * 16 / 9).to_le_bytes());
        payload.extend(height.to_le_bytes());
    }
    payload.resize(usize::from(height) * 2, low);
    payload
}
