//! A conference on a scripted clock, with synthetic senders and receivers that check what they get.
#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test file uses another part")]
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod playable;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use protocol::bridge_channel::{Message, VideoSourceMapping};
use protocol::ids::{EndpointId, SourceName};
use videobridge_core::conference::{ChannelKind, Conference, ConferenceConfig, EndpointConfig};
use videobridge_core::egress::{Egress, EndpointIndex};
use videobridge_core::endpoint::{
    Feedback, GroupSemantics, MediaDescription, MediaKind, PayloadTypeDescription, SourceDescription, SsrcGroup,
};
use videobridge_core::rtcp::{FeedbackArrivals, RtcpBuffer, RtcpMessage, RtcpMessages};
use videobridge_core::rtp::{ExtensionIds, ExtensionKind, ExtensionValues, RtpPacket};

pub use playable::{Received, check_playable};

pub const OPUS: u8 = 111;
pub const VP8: u8 = 100;
pub const VP8_RTX: u8 = 96;
pub const AV1: u8 = 41;
pub const AUDIO_FEEDBACK: u32 = 0xaaaa_0001;
pub const VIDEO_FEEDBACK: u32 = 0xaaaa_0002;

pub fn audio_media() -> MediaDescription {
    MediaDescription {
        kind: MediaKind::Audio,
        payload_types: vec![PayloadTypeDescription {
            id: OPUS,
            name: "opus".into(),
            clock_rate: 48_000,
            associated: None,
            feedback: Feedback { transport_cc: true, ..Feedback::default() },
        }],
        extensions: vec![
            (1, "urn:ietf:params:rtp-hdrext:ssrc-audio-level".into()),
            (5, "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01".into()),
        ],
        allow_mixed: true,
    }
}

pub fn video_media() -> MediaDescription {
    let feedback = Feedback { nack: true, pli: true, fir: true, transport_cc: true, remb: false };
    let payload_type = |id, name: &str, associated| PayloadTypeDescription {
        id,
        name: name.into(),
        clock_rate: 90_000,
        associated,
        feedback,
    };
    MediaDescription {
        kind: MediaKind::Video,
        payload_types: vec![
            payload_type(AV1, "AV1", None),
            payload_type(42, "rtx", Some(AV1)),
            payload_type(VP8, "VP8", None),
            payload_type(VP8_RTX, "rtx", Some(VP8)),
        ],
        extensions: vec![
            (3, "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time".into()),
            (5, "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01".into()),
            (11, "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension".into()),
        ],
        allow_mixed: true,
    }
}

pub fn extension_ids() -> ExtensionIds {
    let mut ids = ExtensionIds::default();
    ids.set(1, ExtensionKind::AudioLevel);
    ids.set(3, ExtensionKind::AbsSendTime);
    ids.set(5, ExtensionKind::TransportCc);
    ids.set(11, ExtensionKind::DependencyDescriptor);
    ids
}

/// What left the bridge.
#[derive(Debug, Clone)]
pub enum Sent {
    Rtp(EndpointIndex, Vec<u8>),
    Rtcp(EndpointIndex, Vec<u8>),
    Channel(EndpointIndex, String),
}

#[derive(Debug, Default)]
pub struct Recorder(pub Vec<Sent>);

impl Egress for Recorder {
    fn rtp(&mut self, to: EndpointIndex, header: &[u8], payload: &[u8]) {
        self.0.push(Sent::Rtp(to, [header, payload].concat()));
    }

    fn rtcp(&mut self, to: EndpointIndex, compound: &[u8]) {
        self.0.push(Sent::Rtcp(to, compound.to_vec()));
    }

    fn channel(&mut self, to: EndpointIndex, message: String) {
        self.0.push(Sent::Channel(to, message));
    }
}

/// One simulcast encoding of a synthetic camera.
#[derive(Debug, Clone)]
pub struct CameraEncoding {
    pub ssrc: u32,
    pub rtx: u32,
    pub sequence: u16,
    pub timestamp: u32,
    pub picture: u16,
    pub tl0: u8,
    pub frame: u32,
    pub packets_per_frame: usize,
    pub payload_len: usize,
    pub height: u16,
    pub on: bool,
    pub wants_keyframe: bool,
    pub rtx_sequence: u16,
    pub step: usize,
    /// Packets sent, to be sent again.
    pub history: BTreeMap<u16, Vec<u8>>,
}

/// A client: what it sends, and what it got.
#[derive(Debug)]
pub struct Client {
    pub id: EndpointId,
    pub index: EndpointIndex,
    pub audio_ssrc: u32,
    pub audio_sequence: u16,
    pub audio_timestamp: u32,
    pub audio_level: u8,
    pub camera: Vec<CameraEncoding>,
    pub transport_sequence: u16,
    pub messages: Vec<Message>,
    pub rtp: Vec<Vec<u8>>,
    pub rtcp: Vec<Vec<u8>>,
    /// Answer transport-wide numbers with feedback after this time.
    pub feedback: bool,
    arrivals: Vec<(u64, i64)>,
    highest_transport: Option<u64>,
    reported: Option<u64>,
    pub keyframe_requests: usize,
    pub nacked: Vec<u16>,
    /// Numbers of which the bridge said it received them.
    pub acknowledged: usize,
}

pub struct Scene {
    pub conference: Conference,
    pub start: Instant,
    pub now_us: u64,
    pub clients: Vec<Client>,
    pub out: Recorder,
    /// Whether the next clients agree on transport-wide numbers.
    pub transport_cc: bool,
}

impl Scene {
    pub fn new() -> Self {
        Self::with(ConferenceConfig::new(AUDIO_FEEDBACK, VIDEO_FEEDBACK, 42))
    }

    pub fn with(config: ConferenceConfig) -> Self {
        let start = Instant::now();
        Self {
            conference: Conference::new(config, start),
            start,
            now_us: 0,
            clients: Vec::new(),
            out: Recorder::default(),
            transport_cc: true,
        }
    }

    pub fn now(&self) -> Instant {
        self.start + Duration::from_micros(self.now_us)
    }

    /// Joins a client with microphone and a camera of `encodings` encodings; returns its number.
    pub fn join(&mut self, id: &str, rewrites: bool, encodings: usize) -> usize {
        let number = self.clients.len();
        let at = number as u32;
        let id = EndpointId::new(id).unwrap();
        let index = self
            .conference
            .add_endpoint(self.now(), EndpointConfig { id: id.clone(), rewrites_ssrcs: rewrites, visitor: false })
            .unwrap();
        for mut media in [audio_media(), video_media()] {
            media.extensions.retain(|(id, _)| *id != 5 || self.transport_cc);
            self.conference.set_media(index, &media);
        }
        let camera = (0..encodings as u32)
            .map(|e| CameraEncoding {
                ssrc: 1_000 * (at + 1) + 10 * e + 1,
                rtx: 1_000 * (at + 1) + 10 * e + 2,
                sequence: 65_500u16.wrapping_add((at * 7_000 + e * 20_000) as u16),
                timestamp: (u32::MAX - 100_000).wrapping_add(e * 77_777),
                picture: 0x7ff0u16.wrapping_add((e * 999) as u16) & 0x7fff,
                tl0: 250u8.wrapping_add(e as u8 * 50),
                frame: 0,
                packets_per_frame: 1 + e as usize,
                payload_len: 300 + 350 * e as usize,
                height: 180 << e,
                on: true,
                wants_keyframe: true,
                rtx_sequence: 1,
                step: 0,
                history: BTreeMap::new(),
            })
            .collect();
        self.clients.push(Client {
            id,
            index,
            audio_ssrc: 1_000 * (at + 1),
            audio_sequence: 65_530,
            audio_timestamp: u32::MAX - 2_000,
            audio_level: 40,
            camera,
            transport_sequence: 65_000,
            messages: Vec::new(),
            rtp: Vec::new(),
            rtcp: Vec::new(),
            feedback: false,
            arrivals: Vec::new(),
            highest_transport: None,
            reported: None,
            keyframe_requests: 0,
            nacked: Vec::new(),
            acknowledged: 0,
        });
        self.signal(number);
        self.conference.endpoint_connected(self.now(), index, &mut self.out);
        self.conference.channel_opened(self.now(), index, ChannelKind::WebSocket, &mut self.out);
        self.deliver();
        number
    }

    pub fn sources(&self, client: usize) -> Vec<SourceDescription> {
        let client = &self.clients[client];
        let mut sources = vec![SourceDescription {
            kind: MediaKind::Audio,
            name: SourceName::audio(&client.id, 0).unwrap(),
            video_type: None,
            ssrcs: vec![client.audio_ssrc],
            groups: Vec::new(),
            synthetic: false,
        }];
        if !client.camera.is_empty() {
            let mut groups: Vec<_> = client
                .camera
                .iter()
                .map(|encoding| SsrcGroup { semantics: GroupSemantics::Fid, ssrcs: vec![encoding.ssrc, encoding.rtx] })
                .collect();
            if client.camera.len() > 1 {
                groups.push(SsrcGroup {
                    semantics: GroupSemantics::Sim,
                    ssrcs: client.camera.iter().map(|encoding| encoding.ssrc).collect(),
                });
            }
            sources.push(SourceDescription {
                kind: MediaKind::Video,
                name: SourceName::video(&client.id, 0).unwrap(),
                video_type: None,
                ssrcs: client.camera.iter().flat_map(|e| [e.ssrc, e.rtx]).collect(),
                groups,
                synthetic: false,
            });
        }
        sources
    }

    pub fn signal(&mut self, client: usize) {
        let sources = self.sources(client);
        let index = self.clients[client].index;
        self.conference.set_sources(self.now(), index, &sources, &mut self.out).unwrap();
        self.deliver();
    }

    pub fn leave(&mut self, client: usize) {
        let index = self.clients[client].index;
        self.conference.remove_endpoint(self.now(), index, &mut self.out);
        self.deliver();
    }

    pub fn say(&mut self, client: usize, json: &str) {
        let index = self.clients[client].index;
        self.conference.handle_channel_message(self.now(), index, json, &mut self.out).unwrap();
        self.deliver();
    }

    /// Wants `client`'s picture of `of` with this height on stage.
    pub fn watch(&mut self, client: usize, of: &[(usize, i32)], last_n: i32) {
        let constraints: Vec<_> = of
            .iter()
            .map(|&(other, height)| format!(r#""{}-v0":{{"maxHeight":{height}}}"#, self.clients[other].id))
            .collect();
        let stage: Vec<_> =
            of.iter().take(1).map(|&(other, _)| format!(r#""{}-v0""#, self.clients[other].id)).collect();
        let json = format!(
            r#"{{"colibriClass":"ReceiverVideoConstraints","constraints":{{{}}},"defaultConstraints":{{"maxHeight":0}},"lastN":{last_n},"onStageSources":[{}],"selectedSources":[]}}"#,
            constraints.join(","),
            stage.join(",")
        );
        self.say(client, &json);
    }

    /// Sends one packet into the bridge.
    pub fn rtp(&mut self, client: usize, packet: &[u8]) {
        let index = self.clients[client].index;
        self.conference.handle_rtp(self.now(), index, packet, &mut self.out);
        self.deliver();
    }

    pub fn rtcp(&mut self, client: usize, compound: &[u8]) {
        let index = self.clients[client].index;
        self.conference.handle_rtcp(self.now(), index, compound, &mut self.out);
        self.deliver();
    }

    /// Hands what left the bridge to the clients, which obey keyframe requests.
    pub fn deliver(&mut self) {
        for sent in std::mem::take(&mut self.out.0) {
            let now_us = self.now_us;
            let to = match &sent {
                Sent::Rtp(to, _) | Sent::Rtcp(to, _) | Sent::Channel(to, _) => *to,
            };
            let Some(client) = self.clients.iter_mut().rev().find(|client| client.index == to) else {
                panic!("sent to nobody: {sent:?}");
            };
            match sent {
                Sent::Rtp(_, packet) => {
                    client.note_transport(&packet, now_us);
                    client.rtp.push(packet);
                }
                Sent::Rtcp(_, compound) => {
                    for message in RtcpMessages::new(&compound) {
                        match message {
                            RtcpMessage::Pli { media_ssrc } => {
                                let upper = client.camera.iter().skip(1).any(|upper| upper.ssrc == media_ssrc);
                                assert!(!upper, "always of the lowest encoding");
                                client.keyframe_requests += 1;
                                client.camera.iter_mut().for_each(|encoding| encoding.wants_keyframe = true);
                            }
                            RtcpMessage::Nack { numbers, .. } => client.nacked.extend(numbers),
                            RtcpMessage::TransportFeedback(feedback) => {
                                client.acknowledged +=
                                    feedback.statuses().filter(|(_, arrival)| arrival.is_some()).count();
                            }
                            _ => {}
                        }
                    }
                    client.rtcp.push(compound);
                }
                Sent::Channel(_, text) => client.messages.push(Message::parse(&text).unwrap()),
            }
        }
    }

    /// Lets time pass, with all timers.
    pub fn pass(&mut self, us: u64) {
        let until = self.now_us + us;
        while let Some(deadline) = self.conference.next_deadline() {
            let at = deadline.saturating_duration_since(self.start).as_micros() as u64;
            if at > until {
                break;
            }
            self.now_us = self.now_us.max(at);
            self.conference.handle_timeout(self.now(), &mut self.out);
            self.deliver();
        }
        self.now_us = until;
        for client in 0..self.clients.len() {
            self.acknowledge(client);
        }
    }

    fn acknowledge(&mut self, client: usize) {
        let member = &mut self.clients[client];
        if !member.feedback || member.arrivals.is_empty() {
            return;
        }
        let arrivals = std::mem::take(&mut member.arrivals);
        let first_number = member.reported.map_or(arrivals[0].0, |reported| reported + 1);
        member.reported = arrivals.last().map(|&(number, _)| number);
        let mut buffer = RtcpBuffer::default();
        buffer.transport_feedback(&FeedbackArrivals {
            sender_ssrc: 1,
            media_ssrc: 2,
            feedback_number: 0,
            first_number,
            arrivals: &arrivals,
        });
        let compound = buffer.bytes().to_vec();
        self.rtcp(client, &compound);
    }

    /// The packets of one frame of one encoding, without sending them.
    pub fn frame(&mut self, client: usize, encoding: usize) -> Vec<Vec<u8>> {
        let client = &mut self.clients[client];
        let transport = &mut client.transport_sequence;
        client.camera[encoding].frame(encoding as u8, transport)
    }

    /// Sends a frame of every encoding that is on, then lets 33 ms pass.
    pub fn camera_tick(&mut self, client: usize) {
        for encoding in 0..self.clients[client].camera.len() {
            if self.clients[client].camera[encoding].on {
                for packet in self.frame(client, encoding) {
                    self.rtp(client, &packet);
                }
            }
        }
    }

    /// Runs the cameras of these clients for some frames.
    pub fn run(&mut self, cameras: &[usize], frames: usize) {
        for _ in 0..frames {
            for &client in cameras {
                self.camera_tick(client);
            }
            self.pass(33_333);
        }
    }

    /// One packet of 20 ms of speech.
    pub fn speak(&mut self, client: usize, level: u8) {
        let member = &mut self.clients[client];
        let packet = audio_packet(
            member.audio_ssrc,
            member.audio_sequence,
            member.audio_timestamp,
            level,
            member.transport_sequence,
        );
        member.audio_sequence = member.audio_sequence.wrapping_add(1);
        member.audio_timestamp = member.audio_timestamp.wrapping_add(960);
        member.transport_sequence = member.transport_sequence.wrapping_add(1);
        self.rtp(client, &packet);
    }

    /// The outgoing stream on which `client` gets the camera of `of`.
    pub fn mapping(&self, client: usize, of: usize) -> VideoSourceMapping {
        let name = SourceName::video(&self.clients[of].id, 0).unwrap();
        self.clients[client]
            .messages
            .iter()
            .rev()
            .find_map(|message| match message {
                Message::VideoSourcesMap(map) => map.mapped_sources.iter().find(|mapped| mapped.source == name),
                _ => None,
            })
            .unwrap_or_else(|| panic!("no mapping of {name}"))
            .clone()
    }

    /// The SSRC told for the camera of `of`, if any message at hand tells it.
    pub fn mapping_of_all(&self, client: usize, of: usize) -> Option<u32> {
        let name = SourceName::video(&self.clients[of].id, 0).unwrap();
        self.clients[client].messages.iter().rev().find_map(|message| match message {
            Message::VideoSourcesMap(map) => {
                map.mapped_sources.iter().find(|mapped| mapped.source == name).map(|mapped| mapped.ssrc.0)
            }
            _ => None,
        })
    }

    /// Takes what a client got on one SSRC.
    pub fn received(&mut self, client: usize, ssrc: u32) -> Vec<Received> {
        let member = &mut self.clients[client];
        let (mine, others) = std::mem::take(&mut member.rtp)
            .into_iter()
            .partition(|packet| RtpPacket::parse(packet).unwrap().ssrc == ssrc);
        member.rtp = others;
        mine.iter().map(|packet: &Vec<u8>| Received::read(packet)).collect()
    }
}

impl Client {
    fn note_transport(&mut self, packet: &[u8], now_us: u64) {
        let packet = RtpPacket::parse(packet).unwrap();
        let Some(number) = ExtensionValues::read(&packet, &extension_ids()).transport_cc else {
            assert!(!self.feedback, "every packet is numbered");
            return;
        };
        let extended = match self.highest_transport {
            None => 65_536 + u64::from(number),
            Some(highest) => highest + u64::from(number.wrapping_sub(highest as u16)),
        };
        self.highest_transport = Some(extended);
        self.arrivals.push((extended, now_us as i64 + 20_000));
    }
}

impl CameraEncoding {
    /// Temporal pattern of real encoders: 0 2 1 2, where the first of each upper layer depends on the base only.
    fn frame(&mut self, encoding: u8, transport: &mut u16) -> Vec<Vec<u8>> {
        const PATTERN: [(u8, bool); 4] = [(0, false), (2, true), (1, true), (2, false)];
        let keyframe = std::mem::take(&mut self.wants_keyframe);
        if keyframe {
            self.step = 0;
        }
        let (tid, sync) = PATTERN[self.step % PATTERN.len()];
        self.step += 1;
        if tid == 0 {
            self.tl0 = self.tl0.wrapping_add(1);
        }
        let packets = (0..self.packets_per_frame)
            .map(|part| {
                let last = part + 1 == self.packets_per_frame;
                let mut bytes = vec![0x90, VP8 | if last { 0x80 } else { 0 }];
                bytes.extend(self.sequence.to_be_bytes());
                bytes.extend(self.timestamp.to_be_bytes());
                bytes.extend(self.ssrc.to_be_bytes());
                bytes.extend([0xbe, 0xde, 0, 1, 0x51]);
                bytes.extend(transport.to_be_bytes());
                bytes.push(0);
                *transport = transport.wrapping_add(1);
                bytes.push(if part == 0 { 0x90 } else { 0x80 });
                bytes.push(0xe0);
                bytes.extend((self.picture | 0x8000).to_be_bytes());
                bytes.push(self.tl0);
                bytes.push((tid << 6) | if sync { 0x20 } else { 0 });
                let head = bytes.len();
                if part == 0 {
                    bytes.push(u8::from(!keyframe));
                    bytes.extend([0, 0]);
                    if keyframe {
                        bytes.extend([0x9d, 0x01, 0x2a]);
                        bytes.extend((self.height * 16 / 9).to_le_bytes());
                        bytes.extend(self.height.to_le_bytes());
                    }
                } else {
                    bytes.extend([0xff; 3]);
                }
                bytes.resize(head + 10, 0);
                bytes.push(encoding);
                bytes.extend(self.frame.to_be_bytes());
                bytes.push(part as u8);
                bytes.resize(bytes.len() + self.payload_len, 0xcc);
                self.history.insert(self.sequence, bytes.clone());
                self.sequence = self.sequence.wrapping_add(1);
                bytes
            })
            .collect();
        self.frame += 1;
        self.picture = (self.picture + 1) & 0x7fff;
        self.timestamp = self.timestamp.wrapping_add(3_000);
        packets
    }

    /// A packet sent before, as a retransmission.
    pub fn retransmission(&mut self, sequence: u16) -> Vec<u8> {
        let original = RtpPacket::parse(&self.history[&sequence]).unwrap();
        let mut bytes = vec![0x80, VP8_RTX | if original.marker { 0x80 } else { 0 }];
        bytes.extend(self.rtx_sequence.to_be_bytes());
        bytes.extend(original.timestamp.to_be_bytes());
        bytes.extend(self.rtx.to_be_bytes());
        bytes.extend(sequence.to_be_bytes());
        bytes.extend(original.payload());
        self.rtx_sequence = self.rtx_sequence.wrapping_add(1);
        bytes
    }
}

pub fn audio_packet(ssrc: u32, sequence: u16, timestamp: u32, level: u8, transport: u16) -> Vec<u8> {
    let mut bytes = vec![0x90, OPUS];
    bytes.extend(sequence.to_be_bytes());
    bytes.extend(timestamp.to_be_bytes());
    bytes.extend(ssrc.to_be_bytes());
    bytes.extend([0xbe, 0xde, 0, 2, 0x10, level, 0x51]);
    bytes.extend(transport.to_be_bytes());
    bytes.extend([0, 0, 0]);
    bytes.extend([0x78; 80]);
    bytes
}
