//! What an RTP content can carry: codecs, feedback, header extensions (XEP-0167, XEP-0293, XEP-0294).

use minidom::Element;
use xso::{AsXml, FromXml};

use super::source::{Source, SsrcGroup};
use crate::ns;
use crate::wire_enum::wire_enum;

wire_enum! {
    /// The kind of media of a content or a source.
    MediaType {
        /// Microphone and the like.
        Audio => "audio",
        /// Camera and screen.
        Video => "video",
        /// Data channels.
        Application => "application",
    }
}

/// `<description xmlns='urn:xmpp:jingle:apps:rtp:1'/>`.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq)]
#[xml(namespace = ns::JINGLE_RTP, name = "description")]
pub struct RtpDescription {
    /// Media of this content. Jitsi's own senders always give it; the content's name stands in.
    #[xml(attribute(default))]
    pub media: Option<MediaType>,

    /// Longest packet accepted, in milliseconds.
    #[xml(attribute(default))]
    pub maxptime: Option<String>,

    /// Codecs in order of preference.
    #[xml(child(n = ..))]
    pub payload_types: Vec<PayloadType>,

    /// RTP header extensions.
    #[xml(child(n = ..))]
    pub header_extensions: Vec<RtpHeaderExtension>,

    /// Whether one-byte and two-byte extension headers may be mixed (RFC 8285).
    #[xml(flag(namespace = ns::JINGLE_RTP_HDREXT, name = "extmap-allow-mixed"))]
    pub extmap_allow_mixed: bool,

    /// Whether RTCP shares the port of RTP (RFC 5761).
    #[xml(flag(name = "rtcp-mux"))]
    pub rtcp_mux: bool,

    /// Sources (XEP-0339 with Jitsi's attributes).
    #[xml(child(n = ..))]
    pub sources: Vec<Source>,

    /// Groups of sources.
    #[xml(child(n = ..))]
    pub ssrc_groups: Vec<SsrcGroup>,

    /// Everything else, as received.
    #[xml(element(n = ..))]
    pub other: Vec<Element>,
}

impl RtpDescription {
    /// An empty description of `media`.
    pub fn new(media: MediaType) -> Self {
        Self {
            media: Some(media),
            maxptime: None,
            payload_types: Vec::new(),
            header_extensions: Vec::new(),
            extmap_allow_mixed: false,
            rtcp_mux: false,
            sources: Vec::new(),
            ssrc_groups: Vec::new(),
            other: Vec::new(),
        }
    }
}

/// One codec with its number.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq)]
#[xml(namespace = ns::JINGLE_RTP, name = "payload-type")]
pub struct PayloadType {
    /// RTP payload type number.
    #[xml(attribute)]
    pub id: u8,

    /// Codec name; compared without case.
    #[xml(attribute(default))]
    pub name: Option<String>,

    /// Clock rate in Hz.
    #[xml(attribute(default))]
    pub clockrate: Option<u32>,

    /// Channels; absent means one.
    #[xml(attribute(default))]
    pub channels: Option<u8>,

    /// Longest packet, in milliseconds.
    #[xml(attribute(default))]
    pub maxptime: Option<String>,

    /// Packet length, in milliseconds.
    #[xml(attribute(default))]
    pub ptime: Option<String>,

    /// Format parameters.
    #[xml(child(n = ..))]
    pub parameters: Vec<Parameter>,

    /// RTCP feedback the sender understands.
    #[xml(child(n = ..))]
    pub feedback: Vec<RtcpFeedback>,

    /// Everything else, as received.
    #[xml(element(n = ..))]
    pub other: Vec<Element>,
}

impl PayloadType {
    /// A codec without parameters and feedback.
    pub fn new(id: u8, name: &str, clockrate: u32) -> Self {
        Self {
            id,
            name: Some(name.to_owned()),
            clockrate: Some(clockrate),
            channels: None,
            maxptime: None,
            ptime: None,
            parameters: Vec::new(),
            feedback: Vec::new(),
            other: Vec::new(),
        }
    }

    /// The value of a format parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|p| p.name.as_deref() == Some(name)).map(|p| p.value.as_str())
    }

    /// Adds a format parameter.
    #[must_use]
    pub fn with_parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.push(Parameter { name: Some(name.to_owned()), value: value.to_owned() });
        self
    }

    /// Adds feedback, for example `("nack", Some("pli"))`.
    #[must_use]
    pub fn with_feedback(mut self, kind: &str, subtype: Option<&str>) -> Self {
        self.feedback.push(RtcpFeedback { kind: kind.to_owned(), subtype: subtype.map(str::to_owned) });
        self
    }
}

/// `<parameter name='…' value='…'/>` of a codec.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq, Eq)]
#[xml(namespace = ns::JINGLE_RTP, name = "parameter")]
pub struct Parameter {
    /// Name. RED's `111/111` comes without one.
    #[xml(attribute(default))]
    pub name: Option<String>,

    /// Value.
    #[xml(attribute(default))]
    pub value: String,
}

/// `<rtcp-fb/>` (XEP-0293).
#[derive(FromXml, AsXml, Debug, Clone, PartialEq, Eq)]
#[xml(namespace = ns::JINGLE_RTCP_FB, name = "rtcp-fb")]
pub struct RtcpFeedback {
    /// For example `nack`, `ccm`, `transport-cc`.
    #[xml(attribute = "type")]
    pub kind: String,

    /// For example `pli`, `fir`.
    #[xml(attribute(default))]
    pub subtype: Option<String>,
}

/// `<rtp-hdrext/>` (XEP-0294).
#[derive(FromXml, AsXml, Debug, Clone, PartialEq, Eq)]
#[xml(namespace = ns::JINGLE_RTP_HDREXT, name = "rtp-hdrext")]
pub struct RtpHeaderExtension {
    /// Extension number on the wire.
    #[xml(attribute)]
    pub id: u16,

    /// What the extension carries.
    #[xml(attribute)]
    pub uri: String,

    /// Direction; absent means both.
    #[xml(attribute(default))]
    pub senders: Option<String>,
}

impl RtpHeaderExtension {
    /// Both directions.
    pub fn new(id: u16, uri: &str) -> Self {
        Self { id, uri: uri.to_owned(), senders: None }
    }
}
