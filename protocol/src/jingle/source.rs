//! Sources and their groups (XEP-0339 with Jitsi's attributes).

use xso::{AsXml, FromXml};

use crate::ids::{SourceName, Ssrc};
use crate::ns;
use crate::wire_enum::wire_enum;

wire_enum! {
    /// What a video source shows.
    VideoType {
        /// A camera.
        Camera => "camera" | "CAMERA",
        /// A screen, sent for sharpness.
        Desktop => "desktop" | "DESKTOP",
        /// A screen, sent for smoothness.
        DesktopHighFps => "desktop_high_fps" | "DESKTOP_HIGH_FPS",
        /// Nothing: the source is off.
        None => "none" | "NONE",
        /// Nothing: older clients' word for off.
        Disabled => "disabled" | "DISABLED",
    }
}

wire_enum! {
    /// What the members of a group are to one another. Open: RFC 5888 lets anybody add a value.
    Semantics {
        /// Simulcast encodings of one picture, lowest first.
        Sim => "SIM",
        /// A stream followed by its retransmissions, RFC 5888 §8 and RFC 4588.
        Fid => "FID",
        /// A stream followed by its repair stream, RFC 5956 §4.3.
        FecFr => "FEC-FR",
    }
}

/// `<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0'/>`: one SSRC.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq)]
#[xml(namespace = ns::JINGLE_SSMA, name = "source")]
pub struct Source {
    /// The SSRC. Absent when the source is announced by name only.
    #[xml(attribute(default))]
    pub ssrc: Option<Ssrc>,

    /// Restriction identifier, RFC 8851; used instead of an SSRC.
    #[xml(attribute(default))]
    pub rid: Option<String>,

    /// Name of the source the SSRC belongs to.
    #[xml(attribute(default))]
    pub name: Option<SourceName>,

    /// What the source shows.
    #[xml(attribute(name = "videoType", default))]
    pub video_type: Option<VideoType>,

    /// Whom the source belongs to.
    #[xml(child(default))]
    pub info: Option<SsrcInfo>,

    /// SDP attributes of the SSRC, RFC 5576.
    #[xml(child(n = ..))]
    pub parameters: Vec<SourceParameter>,
}

impl Source {
    /// A source with nothing but an SSRC.
    pub fn new(ssrc: Ssrc) -> Self {
        Self { ssrc: Some(ssrc), rid: None, name: None, video_type: None, info: None, parameters: Vec::new() }
    }

    /// A source with SSRC and name.
    pub fn named(ssrc: Ssrc, name: SourceName) -> Self {
        Self { name: Some(name), ..Self::new(ssrc) }
    }

    /// Adds the media stream and track ids (`stream track`), RFC 8830, in the namespace the focus uses.
    #[must_use]
    pub fn with_msid(mut self, msid: impl Into<String>) -> Self {
        self.parameters.push(SourceParameter::Rtp { name: "msid".to_owned(), value: Some(msid.into()) });
        self
    }

    /// Adds the owner.
    #[must_use]
    pub fn with_owner(mut self, owner: impl Into<String>) -> Self {
        self.info = Some(SsrcInfo { owner: owner.into() });
        self
    }

    /// Value of the parameter called `name`, if it is there and has one.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|p| p.name() == name).and_then(SourceParameter::value)
    }

    /// Media stream and track ids (`stream track`), RFC 8830.
    pub fn msid(&self) -> Option<&str> {
        self.parameter("msid")
    }
}

/// `<parameter/>` of a source.
///
/// COMPAT(jicofo): XEP-0339 puts it into the namespace of the source, as clients do; the focus writes
/// `xmlns='urn:xmpp:jingle:apps:rtp:1'`. Receivers take both.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq, Eq)]
#[xml()]
pub enum SourceParameter {
    /// As XEP-0339 says.
    #[xml(namespace = ns::JINGLE_SSMA, name = "parameter")]
    Ssma {
        /// Attribute name, for example `msid` or `cname`.
        #[xml(attribute)]
        name: String,
        /// Attribute value.
        #[xml(attribute(default))]
        value: Option<String>,
    },
    /// As the focus writes it.
    #[xml(namespace = ns::JINGLE_RTP, name = "parameter")]
    Rtp {
        /// Attribute name, for example `msid` or `cname`.
        #[xml(attribute)]
        name: String,
        /// Attribute value.
        #[xml(attribute(default))]
        value: Option<String>,
    },
}

impl SourceParameter {
    /// Attribute name.
    pub fn name(&self) -> &str {
        match self {
            Self::Ssma { name, .. } | Self::Rtp { name, .. } => name,
        }
    }

    /// Attribute value.
    pub fn value(&self) -> Option<&str> {
        match self {
            Self::Ssma { value, .. } | Self::Rtp { value, .. } => value.as_deref(),
        }
    }
}

/// `<ssrc-info xmlns='http://jitsi.org/jitmeet'/>`: whom a source belongs to.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq, Eq)]
#[xml(namespace = ns::JITMEET, name = "ssrc-info")]
pub struct SsrcInfo {
    /// Endpoint id or full room address of the owner; `jvb` for the bridge itself.
    #[xml(attribute)]
    pub owner: String,
}

/// `<ssrc-group/>`: SSRCs that belong together, in a meaningful order.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq)]
#[xml(namespace = ns::JINGLE_SSMA, name = "ssrc-group")]
pub struct SsrcGroup {
    /// What the members are to one another.
    #[xml(attribute)]
    pub semantics: Semantics,

    /// The members; only their SSRCs count.
    #[xml(child(n = ..))]
    pub sources: Vec<Source>,
}

impl SsrcGroup {
    /// A group of the given SSRCs.
    pub fn new(semantics: Semantics, ssrcs: impl IntoIterator<Item = Ssrc>) -> Self {
        Self { semantics, sources: ssrcs.into_iter().map(Source::new).collect() }
    }

    /// The SSRCs in order.
    pub fn ssrcs(&self) -> impl Iterator<Item = Ssrc> + '_ {
        self.sources.iter().filter_map(|source| source.ssrc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_of_the_focus() {
        let source: Source = xso::from_bytes(
            b"<source name='jvb-v0' ssrc='2464416817' xmlns='urn:xmpp:jingle:apps:rtp:ssma:0'>\
              <ssrc-info owner='jvb' xmlns='http://jitsi.org/jitmeet'/>\
              <parameter name='msid' xmlns='urn:xmpp:jingle:apps:rtp:1' value='mixedmslabel mixedlabelvideo0'/></source>",
        )
        .unwrap();
        assert_eq!(
            source,
            Source::named(Ssrc(2_464_416_817), SourceName::new("jvb-v0").unwrap())
                .with_owner("jvb")
                .with_msid("mixedmslabel mixedlabelvideo0")
        );
        let again: Source = xso::from_bytes(&xso::to_vec(&source).unwrap()).unwrap();
        assert_eq!(again, source);
    }

    #[test]
    fn a_source_of_a_client() {
        let source: Source = xso::from_bytes(
            b"<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='77' videoType='desktop' name='79f0273d-v1'>\
              <parameter name='msid' value='79f0273d-video-1 ab'/><bandwidth xmlns='urn:foreign'/></source>",
        )
        .unwrap();
        assert_eq!(source.msid(), Some("79f0273d-video-1 ab"));
        assert_eq!(source.video_type, Some(VideoType::Desktop));
        assert_eq!(source.info, None);
    }

    #[test]
    fn groups_keep_order_and_unknown_semantics() {
        let group: SsrcGroup = xso::from_bytes(
            b"<ssrc-group xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' semantics='SIM'>\
              <source ssrc='3'/><source ssrc='1'/><source ssrc='2'/></ssrc-group>",
        )
        .unwrap();
        assert_eq!(group, SsrcGroup::new(Semantics::Sim, [Ssrc(3), Ssrc(1), Ssrc(2)]));
        assert_eq!(group.ssrcs().collect::<Vec<_>>(), [Ssrc(3), Ssrc(1), Ssrc(2)]);
        let group: SsrcGroup =
            xso::from_bytes(b"<ssrc-group xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' semantics='LS'/>").unwrap();
        assert_eq!(group.semantics, Semantics::Other("LS".to_owned()));
    }
}
