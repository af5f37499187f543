//! Recorded stanzas of Jicofo, jitsi-meet and JVB go through our types and come out with nothing lost.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use minidom::{Element, Node};
use protocol::conference_request::ConferenceIq;
use protocol::jingle::json_sources::JsonSources;
use protocol::jingle::reason::ReasonCondition;
use protocol::jingle::rtp::MediaType;
use protocol::jingle::session::{Action, Jingle, JsonMessage};
use protocol::mute::{MuteAudio, MuteDesktop, MuteVideo};
use protocol::ns;
use protocol::presence::bridge_stats::BridgeStats;
use protocol::presence::focus::{ConferenceProperties, Etherpad, Versions};
use protocol::presence::participant;
use protocol::presence::source_info::SourceInfo;
use protocol::room_metadata::RoomMessage;

fn fixture(name: &str) -> Element {
    let path = format!("{}/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap().trim().parse().unwrap()
}

fn jingle(name: &str) -> (Element, Jingle) {
    let iq = fixture(name);
    let element = iq.get_child("jingle", ns::JINGLE).unwrap().clone();
    let parsed = Jingle::try_from(element.clone()).unwrap_or_else(|e| panic!("{name}: {e}"));
    (element, parsed)
}

/// One line per element and text with attributes sorted, children sorted within their parent: equal exactly when the
/// elements say the same, whatever the order.
fn canonical(element: &Element) -> String {
    let mut attributes: Vec<String> =
        element.attrs().into_iter().map(|((ns, name), value)| format!("{{{ns}}}{name}={value:?}")).collect();
    attributes.sort();
    let mut children: Vec<String> = element
        .nodes()
        .filter_map(|node| match node {
            Node::Element(child) => Some(canonical(child)),
            Node::Text(text) => (!text.trim().is_empty()).then(|| format!("{text:?}")),
        })
        .collect();
    children.sort();
    format!("{{{}}}{}[{}]({})", element.ns(), element.name(), attributes.join(" "), children.join(","))
}

const JINGLE: [&str; 11] = [
    "jingle-session-initiate-ssrc-rewriting.xml",
    "jingle-session-initiate-xml-sources.xml",
    "jingle-session-accept.xml",
    "jingle-source-add-xml.xml",
    "jingle-client-source-add.xml",
    "jingle-focus-session-terminate.xml",
    "jingle-p2p-session-initiate.xml",
    "jingle-p2p-session-accept.xml",
    "jingle-p2p-transport-info.xml",
    "jingle-p2p-content-modify.xml",
    "jingle-client-restart-request.xml",
];

#[test]
fn nothing_is_lost_in_a_round_trip() {
    for name in JINGLE {
        let (element, parsed) = jingle(name);
        let again = Element::from(parsed);
        assert_eq!(canonical(&again), canonical(&element), "{name}");
    }
}

#[test]
fn offer_of_jicofo() {
    let (_, offer) = jingle(JINGLE[0]);
    assert_eq!(offer.action, Action::SessionInitiate);
    let names: Vec<&str> = offer.contents.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["audio", "video"]);
    let video = offer.contents[1].description.as_ref().unwrap();
    let codecs: Vec<u8> = video.payload_types.iter().map(|p| p.id).collect();
    assert_eq!(codecs, [41, 100, 107, 101, 42, 96, 97, 99]);
    assert_eq!(video.payload_types[4].parameter("apt"), Some("41"));
    assert!(video.rtcp_mux && video.extmap_allow_mixed);
    assert!(offer.contents[0].transport().unwrap().has_child("web-socket", ns::COLIBRI));
    assert!(offer.bridge_session.unwrap().id.is_some());
    let sources: JsonSources = serde_json::from_str(&offer.json_message.unwrap().json).unwrap();
    assert_eq!(sources.sources.keys().collect::<Vec<_>>(), ["jvb"]);
}

#[test]
fn offer_with_xml_sources_names_owners() {
    let (_, offer) = jingle(JINGLE[1]);
    assert!(offer.json_message.is_none());
    let video = offer.contents[1].description.as_ref().unwrap();
    assert!(video.sources.iter().any(|s| s.name.as_ref().is_some_and(|n| n.as_str() == "jvb-v0")));
    assert!(video.sources.len() > 1);
}

#[test]
fn answer_of_a_browser() {
    let (_, answer) = jingle(JINGLE[2]);
    assert_eq!(answer.action, Action::SessionAccept);
    let video = &answer.contents[1];
    assert_eq!(video.media_type(), MediaType::Video);
    let description = video.description.as_ref().unwrap();
    assert_eq!(description.sources.len(), 6);
    assert_eq!(description.ssrc_groups.len(), 4);
    assert!(video.transport().unwrap().attr("ufrag").is_some());
}

#[test]
fn ends_and_restarts() {
    let (_, end) = jingle(JINGLE[5]);
    assert_eq!(end.action, Action::SessionTerminate);
    assert_eq!(end.reason.unwrap().condition(), Some(ReasonCondition::Expired));
    let (_, restart) = jingle(JINGLE[10]);
    assert_eq!(restart.bridge_session.unwrap().restart, Some(true));
    let reason = restart.reason.unwrap();
    assert_eq!(reason.condition(), Some(ReasonCondition::ConnectivityError));
    assert_eq!(reason.text().as_deref(), Some("ICE FAILED"));
}

#[test]
fn bad_jingle_is_refused() {
    for bad in [
        "<jingle xmlns='urn:xmpp:jingle:1' sid='a'/>",
        "<jingle xmlns='urn:xmpp:jingle:1' action='session-accept'/>",
        "<jingle xmlns='urn:xmpp:jingle:1' action='source-add' sid='a'><content/></jingle>",
        "<jingle xmlns='urn:xmpp:jingle:1' action='source-add' sid='a'><content name='audio'>\
         <description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'>\
         <source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='4294967296'/></description></content></jingle>",
        "<jingle xmlns='urn:xmpp:jingle:1' action='source-add' sid='a'><content name='audio'>\
         <description xmlns='urn:xmpp:jingle:apps:rtp:1'><payload-type id='x'/></description></content></jingle>",
    ] {
        assert!(Jingle::try_from(bad.parse::<Element>().unwrap()).is_err(), "{bad}");
    }
}

#[test]
fn presence_of_participant_focus_and_bridge() {
    let p = fixture("presence-participant.xml");
    assert!(SourceInfo::from_presence(&p).is_some());
    assert!(participant::stats_id(&p).is_some());
    assert_eq!(participant::codec_list(&p), ["av1", "vp9", "vp8", "h264"]);
    assert_eq!(participant::features(&p), ["https://jitsi.org/meet/e2ee"]);

    let p = fixture("presence-focus.xml");
    let child = |name: &str, ns: &str| p.get_child(name, ns).unwrap().clone();
    let properties = ConferenceProperties::try_from(child("conference-properties", ns::FOCUS)).unwrap();
    assert_eq!(properties.get("bridge-count"), Some("1"));
    assert_eq!(Versions::try_from(child("versions", ns::JITMEET)).unwrap().components[0].name, "focus");
    assert!(!Etherpad::try_from(child("etherpad", ns::JITMEET_ETHERPAD)).unwrap().document.is_empty());

    let p = fixture("presence-bridge.xml");
    let stats = BridgeStats::try_from(p.get_child("stats", ns::COLIBRI).unwrap().clone()).unwrap();
    assert!(stats.number("stress_level").is_some());
    assert_eq!(stats.flag("healthy"), Some(true));
    assert!(stats.get("version").is_some());
}

#[test]
fn conference_request_and_answer() {
    let request = fixture("conference-request.xml").get_child("conference", ns::FOCUS).unwrap().clone();
    let iq = ConferenceIq::try_from(request.clone()).unwrap();
    assert_eq!(canonical(&Element::from(iq)), canonical(&request));
    let answer = fixture("conference-request-answer.xml").get_child("conference", ns::FOCUS).unwrap().clone();
    let iq = ConferenceIq::try_from(answer).unwrap();
    assert_eq!(iq.ready, Some(true));
    assert_eq!(iq.property("authentication"), Some("false"));
}

#[test]
fn mutes_and_room_messages() {
    let request = fixture("mute-request.xml").children().next().unwrap().clone();
    let mute = match request.ns().as_str() {
        ns::JITMEET_AUDIO => MuteAudio::try_from(request).unwrap().mute,
        ns::JITMEET_VIDEO => MuteVideo::try_from(request).unwrap().mute,
        _ => MuteDesktop::try_from(request).unwrap().mute,
    };
    assert_eq!(mute, Some(true));
    let notice = fixture("mute-notice.xml").children().next().unwrap().clone();
    assert!(MuteAudio::try_from(notice.clone()).is_ok() || MuteVideo::try_from(notice).is_ok());

    for (name, metadata) in [("message-room-metadata.xml", true), ("message-av-moderation.xml", false)] {
        let element = fixture(name).get_child("json-message", ns::JITMEET).unwrap().clone();
        let message = JsonMessage::try_from(element).unwrap();
        assert_eq!(message.room.is_some(), metadata);
        let parsed: RoomMessage = serde_json::from_str(&message.json).unwrap();
        assert_eq!(matches!(parsed, RoomMessage::RoomMetadata { .. }), metadata);
    }
}
