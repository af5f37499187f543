//! What a participant is offered: codecs with their numbers, feedback and header extensions.
//!
//! Numbers and order are those Jicofo uses, so that clients which know them by heart are right.

use minidom::Element;
use protocol::jingle::content::{Content, ContentGroup};
use protocol::jingle::rtp::{MediaType, PayloadType, RtpDescription, RtpHeaderExtension};
use protocol::jingle::session::{Action, BridgeSession, Jingle, JsonMessage, StartMuted};
use protocol::ns;

use crate::config::Codecs;
use crate::features::Features;
use crate::sources::encoding;
use crate::sources::signaling::SourcesByOwner;
use crate::sources::source_set::Media;
use crate::stanza::element;

/// Port that SCTP announces in SDP; nothing listens there, the association runs inside DTLS.
const SCTP_PORT: &str = "5000";

/// The contents that go into an offer and, as media, to the bridge.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// The audio description, if the participant can do audio.
    pub audio: Option<RtpDescription>,
    /// The video description, if the participant can do video.
    pub video: Option<RtpDescription>,
    /// Whether a data channel is offered.
    pub data: bool,
}

/// Everything beside the media that goes into session-initiate.
#[derive(Debug, Clone)]
pub struct Invitation<'a> {
    /// Session id.
    pub sid: &'a str,
    /// Address of the focus.
    pub initiator: &'a jid::Jid,
    /// The bridge's transport, as received.
    pub transport: &'a Element,
    /// Which allocation this is.
    pub bridge_session: BridgeSession,
    /// Sources to tell.
    pub sources: &'a SourcesByOwner,
    /// Whether the participant reads JSON.
    pub json: bool,
    /// Whether it starts muted.
    pub start_muted: Option<StartMuted>,
}

impl Offer {
    /// What somebody with these features is offered.
    pub fn new(features: &Features, codecs: &Codecs, sctp: bool) -> Self {
        Self {
            audio: features.audio.then(|| audio(features, codecs)),
            video: features.video.then(|| video(features, codecs)),
            data: sctp && features.sctp,
        }
    }

    /// `<media/>` elements of colibri2 for the same media.
    pub fn media(&self) -> Vec<Element> {
        [(Media::Audio, &self.audio), (Media::Video, &self.video)]
            .into_iter()
            .filter_map(|(media, description)| {
                let description = description.as_ref()?;
                let mut children: Vec<Element> = description.payload_types.iter().cloned().map(Element::from).collect();
                children.extend(description.header_extensions.iter().cloned().map(Element::from));
                if description.extmap_allow_mixed {
                    children.push(Element::bare("extmap-allow-mixed", ns::JINGLE_RTP_HDREXT));
                }
                Some(element("media", ns::COLIBRI2, &[("type", media.as_str())], children))
            })
            .collect()
    }

    /// The session-initiate request.
    pub fn to_jingle(&self, invitation: &Invitation<'_>) -> Jingle {
        let mut jingle = Jingle::new(Action::SessionInitiate, invitation.sid);
        jingle.initiator = Some(invitation.initiator.clone());
        for (media, description) in [(Media::Audio, &self.audio), (Media::Video, &self.video)] {
            let Some(mut description) = description.clone() else { continue };
            if !invitation.json {
                encoding::add_to_description(&mut description, media, invitation.sources);
            }
            let mut content = Content::new(media.as_str());
            content.description = Some(description);
            content.other.push(invitation.transport.clone());
            jingle.contents.push(content);
        }
        if self.data {
            let mut content = Content::new("data");
            let mut description = RtpDescription::new(MediaType::Application);
            description.rtcp_mux = true;
            content.description = Some(description);
            let mut transport = invitation.transport.clone();
            transport.append_child(element(
                "sctpmap",
                ns::JINGLE_DTLS_SCTP,
                &[("number", SCTP_PORT), ("protocol", "webrtc-datachannel"), ("streams", "1024")],
                [],
            ));
            content.other.push(transport);
            jingle.contents.push(content);
        }
        jingle.group = Some(ContentGroup::bundle(jingle.contents.iter().map(|c| c.name.as_str())));
        jingle.start_muted = invitation.start_muted;
        jingle.bridge_session = Some(invitation.bridge_session.clone());
        if invitation.json {
            jingle.json_message = Some(JsonMessage { room: None, json: encoding::to_json(invitation.sources) });
        }
        jingle
    }
}

fn audio(features: &Features, codecs: &Codecs) -> RtpDescription {
    let transport_cc = codecs.transport_cc && features.transport_cc;
    let mut description = RtpDescription::new(MediaType::Audio);
    description.maxptime = Some("60".to_owned());
    if codecs.opus_red && features.opus_red {
        let mut red = PayloadType::new(112, "red", 48_000);
        red.channels = Some(2);
        red.parameters.push(protocol::jingle::rtp::Parameter { name: None, value: "111/111".to_owned() });
        description.payload_types.push(red);
    }
    let mut opus = PayloadType::new(111, "opus", 48_000).with_parameter("minptime", "10");
    opus.channels = Some(2);
    // Redundancy and in-band FEC protect against the same loss; the choice is the service's, not the participant's.
    if !codecs.opus_red {
        opus = opus.with_parameter("useinbandfec", "1");
    }
    if transport_cc {
        opus = opus.with_feedback("transport-cc", None);
    }
    description.payload_types.push(opus);
    description.payload_types.push(PayloadType::new(126, "telephone-event", 8_000));

    description.header_extensions.push(RtpHeaderExtension::new(1, ns::EXT_AUDIO_LEVEL));
    if codecs.mid {
        description.header_extensions.push(RtpHeaderExtension::new(10, ns::EXT_MID));
    }
    if transport_cc {
        description.header_extensions.push(RtpHeaderExtension::new(5, ns::EXT_TRANSPORT_CC));
    }
    description.extmap_allow_mixed = true;
    description.rtcp_mux = true;
    description
}

fn video(features: &Features, codecs: &Codecs) -> RtpDescription {
    let transport_cc = codecs.transport_cc && features.transport_cc;
    let with_feedback = |mut payload: PayloadType| {
        payload =
            payload.with_feedback("ccm", Some("fir")).with_feedback("nack", None).with_feedback("nack", Some("pli"));
        if transport_cc {
            payload = payload.with_feedback("transport-cc", None);
        } else if features.remb {
            payload = payload.with_feedback("goog-remb", None);
        }
        payload
    };
    let mut description = RtpDescription::new(MediaType::Video);
    let payloads = &mut description.payload_types;
    if codecs.av1 {
        payloads.push(with_feedback(PayloadType::new(41, "AV1", 90_000)));
    }
    if codecs.vp8 {
        payloads.push(with_feedback(PayloadType::new(100, "VP8", 90_000)));
    }
    if codecs.h264 {
        // COMPAT(jicofo): one parameter whose value holds the others; clients write it into SDP as it is.
        let h264 = PayloadType::new(107, "H264", 90_000)
            .with_parameter("profile-level-id", "42e01f;level-asymmetry-allowed=1;packetization-mode=1;");
        payloads.push(with_feedback(h264));
    }
    if codecs.vp9 {
        payloads.push(with_feedback(PayloadType::new(101, "VP9", 90_000)));
    }
    if features.rtx {
        let rtx = |id, apt| PayloadType::new(id, "rtx", 90_000).with_parameter("apt", apt);
        for (enabled, id, apt) in [(codecs.av1, 42, "41"), (codecs.vp8, 96, "100"), (codecs.vp9, 97, "101")] {
            if enabled {
                payloads.push(
                    rtx(id, apt)
                        .with_feedback("ccm", Some("fir"))
                        .with_feedback("nack", None)
                        .with_feedback("nack", Some("pli")),
                );
            }
        }
        if codecs.h264 {
            payloads.push(rtx(99, "107"));
        }
    }
    let extensions = &mut description.header_extensions;
    if codecs.av1 {
        extensions.push(RtpHeaderExtension::new(11, ns::EXT_DEPENDENCY_DESCRIPTOR));
    }
    if codecs.mid {
        extensions.push(RtpHeaderExtension::new(10, ns::EXT_MID));
    }
    extensions.push(RtpHeaderExtension::new(3, ns::EXT_ABS_SEND_TIME));
    if transport_cc {
        extensions.push(RtpHeaderExtension::new(5, ns::EXT_TRANSPORT_CC));
    }
    description.extmap_allow_mixed = true;
    description.rtcp_mux = true;
    description
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::source_set::SourceSet;

    fn recorded() -> Jingle {
        let iq: Element = include_str!("../../../protocol/fixtures/jingle-session-initiate-ssrc-rewriting.xml")
            .trim()
            .parse()
            .unwrap();
        Jingle::try_from(iq.get_child("jingle", ns::JINGLE).unwrap().clone()).unwrap()
    }

    fn browser() -> Features {
        let query: Element = include_str!("../fixtures/disco-client.xml").trim().parse().unwrap();
        Features::from_query(&query)
    }

    #[test]
    fn equals_the_recorded_offer() {
        let recorded = recorded();
        let offer = Offer::new(&browser(), &Codecs::default(), false);
        let transport = recorded.contents[0].transport().unwrap().clone();
        let json: protocol::jingle::json_sources::JsonSources =
            serde_json::from_str(&recorded.json_message.as_ref().unwrap().json).unwrap();
        let bridge = &json.sources["jvb"];
        let mut set = SourceSet::default();
        for (media, source) in [(Media::Video, &bridge.video[0]), (Media::Audio, &bridge.audio[0])] {
            set.sources.insert(
                protocol::ids::Ssrc(source.ssrc),
                crate::sources::source_set::SourceFacts {
                    media,
                    name: source.name.as_deref().map(|n| protocol::ids::SourceName::new(n).unwrap()),
                    msid: source.msid.clone(),
                    video_type: None,
                },
            );
        }
        let made = offer.to_jingle(&Invitation {
            sid: &recorded.sid,
            initiator: recorded.initiator.as_ref().unwrap(),
            transport: &transport,
            bridge_session: recorded.bridge_session.clone().unwrap(),
            sources: &SourcesByOwner::from([("jvb".to_owned(), set)]),
            json: true,
            start_muted: None,
        });
        for (made, recorded) in made.contents.iter().zip(&recorded.contents) {
            assert_eq!(made, recorded);
        }
        assert_eq!(made.contents.len(), recorded.contents.len());
        assert_eq!(made.group, recorded.group);
        assert_eq!(made.bridge_session, recorded.bridge_session);
        assert_eq!(made.json_message, recorded.json_message);
        assert_eq!(made.initiator, recorded.initiator);
    }

    #[test]
    fn follows_what_the_participant_can_do() {
        let mut features = browser();
        features.rtx = false;
        features.opus_red = true;
        features.transport_cc = false;
        features.remb = true;
        let codecs = Codecs { opus_red: true, av1: false, mid: false, ..Codecs::default() };
        let offer = Offer::new(&features, &codecs, true);
        let audio = offer.audio.as_ref().unwrap();
        assert_eq!(audio.payload_types.iter().map(|p| p.id).collect::<Vec<_>>(), [112, 111, 126]);
        assert_eq!(audio.payload_types[1].parameter("useinbandfec"), None);
        let video = offer.video.as_ref().unwrap();
        assert_eq!(video.payload_types.iter().map(|p| p.id).collect::<Vec<_>>(), [100, 107, 101]);
        assert!(video.payload_types[0].feedback.iter().any(|f| f.kind == "goog-remb"));
        assert_eq!(video.header_extensions.iter().map(|e| e.id).collect::<Vec<_>>(), [3]);
        assert!(offer.data && !Offer::new(&features, &codecs, false).data);
        features.video = false;
        assert_eq!(Offer::new(&features, &codecs, true).media().len(), 1);
    }
}
