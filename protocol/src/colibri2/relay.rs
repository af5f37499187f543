//! A link to another bridge.

use xso::{AsXml, FromXml};

use super::endpoint::Endpoint;
use super::media::Media;
use super::transport::Transport;
use crate::ids::RelayId;
use crate::ns;
use crate::xml_bool::DefaultFalse;

/// `<relay xmlns='jitsi:colibri2'/>`.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq)]
#[xml(namespace = ns::COLIBRI2, name = "relay")]
pub struct Relay {
    /// Relay id of the other bridge.
    #[xml(attribute)]
    pub id: RelayId,

    /// Mesh this link belongs to.
    #[xml(attribute(name = "mesh-id", default))]
    pub mesh_id: Option<String>,

    /// Make it.
    #[xml(attribute(default, codec = DefaultFalse))]
    pub create: bool,

    /// End it.
    #[xml(attribute(default, codec = DefaultFalse))]
    pub expire: bool,

    /// Codecs and header extensions used on the link.
    #[xml(child(n = ..))]
    pub media: Vec<Media>,

    /// Transport.
    #[xml(child(default))]
    pub transport: Option<Transport>,

    /// Endpoints reached over the link.
    #[xml(child(default))]
    pub endpoints: Option<RelayEndpoints>,
}

/// `<endpoints/>` of a relay.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq, Default)]
#[xml(namespace = ns::COLIBRI2, name = "endpoints")]
pub struct RelayEndpoints {
    /// The endpoints.
    #[xml(child(n = ..))]
    pub endpoints: Vec<Endpoint>,
}
