//! What the client behind an endpoint can do.

use xso::{AsXml, FromXml};

use crate::ns;
use crate::wire_enum::wire_enum;

wire_enum! {
    /// A capability of an endpoint.
    CapabilityName {
        /// Sources are identified by name. Every client has it; a bridge refuses endpoints without.
        SourceNames => "source-names",
        /// The bridge may send any source on SSRCs of its own choice.
        SsrcRewriting => "ssrc-rewriting",
        /// The client can reach private addresses of the bridge (recorders and gateways beside it).
        PrivateAddressConnectivity => "private-address-connectivity",
        /// The client tells streams apart by RTP mid.
        RtpMidDemux => "rtp-mid-demux",
    }
}

/// `<capability/>`.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq, Eq)]
#[xml(namespace = ns::COLIBRI2, name = "capability")]
pub struct Capability {
    /// Which one.
    #[xml(attribute)]
    pub name: CapabilityName,
}

impl From<CapabilityName> for Capability {
    fn from(name: CapabilityName) -> Self {
        Self { name }
    }
}
