//! Codecs, header extensions and sources.

use xso::{AsXml, FromXml};

use crate::ids::SourceName;
use crate::jingle::rtp::{MediaType, PayloadType, RtpHeaderExtension};
use crate::jingle::source::{Source, SsrcGroup};
use crate::ns;
use crate::xml_bool::DefaultFalse;

/// `<media/>`: what was offered to the client for one kind of media.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq)]
#[xml(namespace = ns::COLIBRI2, name = "media")]
pub struct Media {
    /// `audio` or `video`.
    #[xml(attribute(name = "type"))]
    pub media_type: MediaType,

    /// Codecs.
    #[xml(child(n = ..))]
    pub payload_types: Vec<PayloadType>,

    /// Header extensions.
    #[xml(child(n = ..))]
    pub header_extensions: Vec<RtpHeaderExtension>,

    /// One-byte and two-byte extension headers may be mixed, RFC 8285 §4.1.2.
    #[xml(child(default))]
    pub extmap_allow_mixed: Option<ExtmapAllowMixed>,
}

impl Media {
    /// Without codecs.
    pub fn new(media_type: MediaType) -> Self {
        Self { media_type, payload_types: Vec::new(), header_extensions: Vec::new(), extmap_allow_mixed: None }
    }
}

/// `<extmap-allow-mixed/>`, XEP-0294.
#[derive(FromXml, AsXml, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[xml(namespace = ns::JINGLE_RTP_HDREXT, name = "extmap-allow-mixed")]
pub struct ExtmapAllowMixed;

/// `<sources/>`: the complete set of sources of its parent; an empty one removes all.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq, Default)]
#[xml(namespace = ns::COLIBRI2, name = "sources")]
pub struct Sources {
    /// The sources.
    #[xml(child(n = ..))]
    pub media_sources: Vec<MediaSource>,
}

/// `<media-source/>`: one microphone, camera or screen with all its SSRCs.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq)]
#[xml(namespace = ns::COLIBRI2, name = "media-source")]
pub struct MediaSource {
    /// `audio` or `video`.
    #[xml(attribute(name = "type"))]
    pub media_type: MediaType,

    /// Name of the source.
    #[xml(attribute)]
    pub id: SourceName,

    /// Made by a service (translated audio), not by the client.
    #[xml(attribute(default, codec = DefaultFalse))]
    pub synthetic: bool,

    /// SSRCs.
    #[xml(child(n = ..))]
    pub sources: Vec<Source>,

    /// What the SSRCs are to one another.
    #[xml(child(n = ..))]
    pub ssrc_groups: Vec<SsrcGroup>,
}

impl MediaSource {
    /// Without SSRCs.
    pub fn new(media_type: MediaType, id: SourceName) -> Self {
        Self { media_type, id, synthetic: false, sources: Vec::new(), ssrc_groups: Vec::new() }
    }
}
