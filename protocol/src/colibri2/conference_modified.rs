//! The answer of a bridge.

use xso::{AsXml, FromXml};

use super::endpoint::Endpoint;
use super::media::Sources;
use super::relay::Relay;
use crate::ns;

/// `<conference-modified xmlns='jitsi:colibri2'/>`.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq, Default)]
#[xml(namespace = ns::COLIBRI2, name = "conference-modified")]
pub struct ConferenceModified {
    /// Endpoints of the request, in its order; with transport where one was made.
    #[xml(child(n = ..))]
    pub endpoints: Vec<Endpoint>,

    /// Relays of the request, in its order.
    #[xml(child(n = ..))]
    pub relays: Vec<Relay>,

    /// The bridge's own sources, from which its RTCP comes; given when something was made.
    #[xml(child(default))]
    pub sources: Option<Sources>,
}
