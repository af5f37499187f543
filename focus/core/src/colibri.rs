//! What the focus says to a bridge (colibri2) and what the answers mean.

use jid::BareJid;
use minidom::Element;
use protocol::ids::EndpointId;
use protocol::jingle::source::Source;
use protocol::ns;

use crate::offer::Offer;
use crate::sources::encoding;
use crate::sources::source_set::{Media, SourceFacts, SourceSet};
use crate::stanza::element;

/// Most feedback sources read from an answer.
const FEEDBACK_SOURCES_MAX: usize = 16;

/// A new endpoint on a bridge.
#[derive(Debug)]
pub struct NewEndpoint<'a> {
    /// Meeting id.
    pub meeting_id: &'a str,
    /// Room, in the first request of a conference on this bridge, with whether clients send statistics to rtcstats.
    pub first: Option<(&'a BareJid, bool)>,
    /// Endpoint id.
    pub endpoint: &'a EndpointId,
    /// Name for statistics.
    pub stats_id: Option<&'a str>,
    /// What it is offered.
    pub offer: &'a Offer,
    /// Its known sources.
    pub sources: &'a SourceSet,
    /// Whether the bridge rewrites SSRCs for it.
    pub ssrc_rewriting: bool,
    /// Whether it connects from the bridge's own network: recorders and gateways.
    pub private_addresses: bool,
    /// Media it may not send.
    pub force_mute: ForceMute,
}

/// Media that the bridge does not take from an endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ForceMute {
    /// Audio.
    pub audio: bool,
    /// Video.
    pub video: bool,
}

impl ForceMute {
    fn to_element(self) -> Element {
        let word = |muted| if muted { "true" } else { "false" };
        element("force-mute", ns::COLIBRI2, &[("audio", word(self.audio)), ("video", word(self.video))], [])
    }
}

fn conference_modify(meeting_id: &str, children: impl IntoIterator<Item = Element>) -> Element {
    element("conference-modify", ns::COLIBRI2, &[("meeting-id", meeting_id)], children)
}

impl NewEndpoint<'_> {
    /// The request.
    pub fn to_element(&self) -> Element {
        let colibri = |name: &str, attributes: &[(&str, &str)]| element(name, ns::COLIBRI2, attributes, []);
        let mut endpoint = element(
            "endpoint",
            ns::COLIBRI2,
            &[("id", self.endpoint.as_str()), ("create", "true"), ("stats-id", self.stats_id.unwrap_or_default())],
            self.offer.media(),
        );
        let mut transport = colibri("transport", &[("ice-controlling", "true")]);
        if self.offer.data {
            transport.append_child(colibri("sctp", &[]));
        }
        endpoint.append_child(transport);
        endpoint.append_child(encoding::to_media_sources(self.endpoint, self.sources));
        for (name, wanted) in [
            ("source-names", true),
            ("ssrc-rewriting", self.ssrc_rewriting),
            ("private-address-connectivity", self.private_addresses),
        ] {
            if wanted {
                endpoint.append_child(colibri("capability", &[("name", name)]));
            }
        }
        if self.force_mute != ForceMute::default() {
            endpoint.append_child(self.force_mute.to_element());
        }
        let mut modify = conference_modify(self.meeting_id, [endpoint]);
        if let Some((room, rtcstats)) = self.first {
            crate::stanza::set(&mut modify, "name", room.as_str());
            crate::stanza::set(&mut modify, "create", "true");
            crate::stanza::set(&mut modify, "rtcstats-enabled", if rtcstats { "true" } else { "false" });
        }
        modify
    }
}

/// A change of an endpoint. Sources are always the complete set: a bridge takes what is missing as removed.
pub fn update_endpoint(
    meeting_id: &str,
    endpoint: &EndpointId,
    stats_id: Option<&str>,
    transport: Option<&Element>,
    sources: Option<&SourceSet>,
    initial_last_n: Option<&Element>,
) -> Element {
    let mut child =
        element("endpoint", ns::COLIBRI2, &[("id", endpoint.as_str()), ("stats-id", stats_id.unwrap_or_default())], []);
    if let Some(transport) = transport {
        let mut transport = transport.clone();
        if !transport.has_child("rtcp-mux", ns::JINGLE_ICE_UDP) {
            transport.append_child(Element::bare("rtcp-mux", ns::JINGLE_ICE_UDP));
        }
        child.append_child(element("transport", ns::COLIBRI2, &[], [transport]));
    }
    if let Some(sources) = sources {
        child.append_child(encoding::to_media_sources(endpoint, sources));
    }
    if let Some(initial_last_n) = initial_last_n {
        child.append_child(initial_last_n.clone());
    }
    conference_modify(meeting_id, [child])
}

/// New mutes of endpoints.
pub fn force_mute<'a>(meeting_id: &str, endpoints: impl IntoIterator<Item = (&'a EndpointId, ForceMute)>) -> Element {
    let children = endpoints
        .into_iter()
        .map(|(endpoint, mute)| element("endpoint", ns::COLIBRI2, &[("id", endpoint.as_str())], [mute.to_element()]));
    conference_modify(meeting_id, children)
}

/// The end of an endpoint.
pub fn expire_endpoint(meeting_id: &str, endpoint: &EndpointId) -> Element {
    let child = element("endpoint", ns::COLIBRI2, &[("id", endpoint.as_str()), ("expire", "true")], []);
    conference_modify(meeting_id, [child])
}

/// The end of a conference on a bridge; to be used for its last endpoint too, since bridges end empty conferences by
/// themselves.
pub fn expire_conference(meeting_id: &str) -> Element {
    let mut modify = conference_modify(meeting_id, []);
    crate::stanza::set(&mut modify, "expire", "true");
    modify
}

/// What a bridge allocated.
#[derive(Debug, Clone, PartialEq)]
pub struct Allocated {
    /// ICE-UDP transport, as received: everything in it goes on to the participant.
    pub transport: Element,
    /// Whether it opened SCTP.
    pub sctp: bool,
    /// The sources with which the bridge itself sends feedback.
    pub feedback: SourceSet,
}

/// Reads `<conference-modified/>`. `None` when the endpoint's transport is missing.
pub fn allocated(payload: &Element, endpoint: &EndpointId) -> Option<Allocated> {
    let transport = payload
        .children()
        .find(|e| e.is("endpoint", ns::COLIBRI2) && e.attr("id") == Some(endpoint.as_str()))?
        .get_child("transport", ns::COLIBRI2)?;
    let mut feedback = SourceSet::default();
    let media_sources = payload.get_child("sources", ns::COLIBRI2).into_iter().flat_map(Element::children);
    for media_source in media_sources.filter(|e| e.is("media-source", ns::COLIBRI2)) {
        let media = if media_source.attr("type") == Some("audio") { Media::Audio } else { Media::Video };
        for source in media_source.children().filter(|e| e.is("source", ns::JINGLE_SSMA)) {
            let Ok(source) = Source::try_from(source.clone()) else { continue };
            let Some(ssrc) = source.ssrc else { continue };
            // COMPAT(lib-jitsi-meet): a source without a stream and track id would not be put into SDP.
            let msid = format!("mixedmslabel mixedlabel{}0", media.as_str());
            if feedback.sources.len() < FEEDBACK_SOURCES_MAX {
                feedback
                    .sources
                    .insert(ssrc, SourceFacts { media, name: source.name, msid: Some(msid), video_type: None });
            }
        }
    }
    Some(Allocated {
        transport: transport.get_child("transport", ns::JINGLE_ICE_UDP)?.clone(),
        sctp: transport.has_child("sctp", ns::COLIBRI2),
        feedback,
    })
}

/// Why a bridge did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ColibriFailure {
    /// No answer.
    #[error("the bridge does not answer")]
    Timeout,
    /// The request was wrong.
    #[error("the bridge calls the request malformed")]
    BadRequest,
    /// The bridge ended the conference.
    #[error("the bridge does not know the conference")]
    ConferenceNotFound,
    /// The room answered in place of the bridge.
    #[error("the bridge left")]
    BridgeGone,
    /// The conference is there from before a restart of the focus.
    #[error("the bridge has the conference already")]
    ConferenceAlreadyExists,
    /// Another conflict.
    #[error("the request conflicts with the bridge's state")]
    Conflict,
    /// It takes nothing new.
    #[error("the bridge is shutting down")]
    GracefulShutdown,
    /// It does not know an endpoint.
    #[error("the bridge does not know an endpoint")]
    UnknownEndpoint(Option<String>),
    /// It cannot do something that was asked for.
    #[error("the bridge lacks a feature")]
    FeatureNotImplemented,
    /// Anything else.
    #[error("the bridge failed")]
    Other,
}

impl ColibriFailure {
    /// Reads an `<error/>`.
    pub fn from_error(error: &Element) -> Self {
        let condition = error
            .children()
            .find(|e| e.has_ns(ns::STANZAS) && e.name() != "text")
            .map(Element::name)
            .unwrap_or_default();
        let details = error.get_child("error", ns::COLIBRI2);
        let reason = details.and_then(|e| e.attr("reason")).unwrap_or_default().to_ascii_lowercase();
        match (condition, reason.as_str()) {
            (_, "unknown_endpoint") => {
                // COMPAT(jitsi-videobridge): the endpoint stands beside the reason; others put it inside.
                let endpoint = error
                    .get_child("endpoint", ns::COLIBRI2)
                    .or_else(|| details.and_then(|e| e.get_child("endpoint", ns::COLIBRI2)))
                    .and_then(|e| e.attr("id"))
                    .map(str::to_owned);
                Self::UnknownEndpoint(endpoint)
            }
            ("bad-request", _) => Self::BadRequest,
            ("item-not-found", "conference_not_found") => Self::ConferenceNotFound,
            ("item-not-found", "") => Self::BridgeGone,
            ("conflict", "conference_already_exists") => Self::ConferenceAlreadyExists,
            ("conflict", _) => Self::Conflict,
            ("service-unavailable", "graceful_shutdown") => Self::GracefulShutdown,
            ("feature-not-implemented", _) => Self::FeatureNotImplemented,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Codecs;
    use crate::features::Features;
    use protocol::ids::Ssrc;

    fn payload(iq: &str) -> Element {
        let iq: Element = iq.trim().parse().unwrap();
        iq.children().next().unwrap().clone()
    }

    /// Attributes and children in any order; tracing, which is optional, left out.
    fn canonical(element: &Element) -> String {
        let mut attributes: Vec<String> =
            element.attrs().into_iter().map(|((_, name), value)| format!("{name}={value:?}")).collect();
        attributes.sort();
        let mut children: Vec<String> =
            element.children().filter(|e| e.name() != "traceparent").map(canonical).collect();
        children.sort();
        let text: String = element.texts().collect();
        format!("{{{}}}{}[{}]({}){text}", element.ns(), element.name(), attributes.join(" "), children.join(","))
    }

    #[test]
    fn creating_equals_the_recorded_request() {
        let recorded = payload(include_str!("../fixtures/colibri-create.xml"));
        let features = Features::from_query(&include_str!("../fixtures/disco-client.xml").trim().parse().unwrap());
        let room: BareJid = recorded.attr("name").unwrap().parse().unwrap();
        let request = NewEndpoint {
            meeting_id: recorded.attr("meeting-id").unwrap(),
            first: Some((&room, false)),
            endpoint: &EndpointId::new("058175c9").unwrap(),
            stats_id: Some("Adrienne-xgM"),
            offer: &Offer::new(&features, &Codecs::default(), false),
            sources: &SourceSet::default(),
            ssrc_rewriting: true,
            private_addresses: false,
            force_mute: ForceMute::default(),
        };
        assert_eq!(canonical(&request.to_element()), canonical(&recorded));
    }

    #[test]
    fn updating_equals_the_recorded_request() {
        let recorded = payload(include_str!("../fixtures/colibri-update.xml"));
        let accept: Element =
            include_str!("../../../protocol/fixtures/jingle-session-accept.xml").trim().parse().unwrap();
        let jingle = accept.get_child("jingle", ns::JINGLE).unwrap().clone();
        let jingle = protocol::jingle::session::Jingle::try_from(jingle).unwrap();
        let set = SourceSet::from_contents(&jingle.contents).unwrap();
        let request = update_endpoint(
            recorded.attr("meeting-id").unwrap(),
            &EndpointId::new("058175c9").unwrap(),
            Some("Adrienne-xgM"),
            jingle.contents[0].transport(),
            Some(&set),
            None,
        );
        assert_eq!(canonical(&request), canonical(&recorded));
    }

    #[test]
    fn recorded_allocation() {
        let recorded = payload(include_str!("../fixtures/colibri-created.xml"));
        let id = recorded.get_child("endpoint", ns::COLIBRI2).unwrap().attr("id").unwrap().to_owned();
        let allocated = allocated(&recorded, &EndpointId::new(&id).unwrap()).unwrap();
        assert!(!allocated.sctp);
        assert!(allocated.transport.has_child("web-socket", ns::COLIBRI));
        let facts = &allocated.feedback.sources[&Ssrc(2_306_149_258)];
        assert_eq!((facts.media, facts.msid.as_deref()), (Media::Video, Some("mixedmslabel mixedlabelvideo0")));
        assert_eq!(super::allocated(&recorded, &EndpointId::new("other").unwrap()), None);
    }

    #[test]
    fn feedback_sources_are_bounded() {
        let sources: String = (1..=FEEDBACK_SOURCES_MAX + 5)
            .map(|ssrc| format!("<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='{ssrc}'/>"))
            .collect();
        let modified: Element = format!(
            "<conference-modified xmlns='jitsi:colibri2'><endpoint id='a'><transport>\
             <transport xmlns='urn:xmpp:jingle:transports:ice-udp:1'/></transport></endpoint>\
             <sources><media-source type='audio'>{sources}</media-source></sources></conference-modified>"
        )
        .parse()
        .unwrap();
        let allocated = allocated(&modified, &EndpointId::new("a").unwrap()).unwrap();
        assert_eq!(allocated.feedback.sources.len(), FEEDBACK_SOURCES_MAX);
    }

    #[test]
    fn what_errors_mean() {
        for (condition, details, failure) in [
            ("bad-request", "", ColibriFailure::BadRequest),
            ("item-not-found", "", ColibriFailure::BridgeGone),
            (
                "item-not-found",
                "<error xmlns='jitsi:colibri2' reason='conference_not_found'/>",
                ColibriFailure::ConferenceNotFound,
            ),
            (
                "item-not-found",
                "<error xmlns='jitsi:colibri2' reason='unknown_endpoint'/><endpoint xmlns='jitsi:colibri2' id='ab'/>",
                ColibriFailure::UnknownEndpoint(Some("ab".into())),
            ),
            (
                "conflict",
                "<error xmlns='jitsi:colibri2' reason='conference_already_exists'/>",
                ColibriFailure::ConferenceAlreadyExists,
            ),
            ("conflict", "", ColibriFailure::Conflict),
            (
                "service-unavailable",
                "<error xmlns='jitsi:colibri2' reason='graceful_shutdown'/>",
                ColibriFailure::GracefulShutdown,
            ),
            ("service-unavailable", "", ColibriFailure::Other),
            ("feature-not-implemented", "", ColibriFailure::FeatureNotImplemented),
            ("internal-server-error", "", ColibriFailure::Other),
        ] {
            let error: Element = format!(
                "<error xmlns='jabber:client' type='cancel'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
                 <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>why</text>{details}</error>"
            )
            .parse()
            .unwrap();
            assert_eq!(ColibriFailure::from_error(&error), failure, "{condition} {details}");
        }
    }
}
