//! One client of a conference, in requests and in answers.

use xso::{AsXml, FromXml};

use super::capability::{Capability, CapabilityName};
use super::media::{Media, Sources};
use super::transport::Transport;
use crate::ids::EndpointId;
use crate::ns;
use crate::xml_bool::DefaultFalse;

/// `<endpoint xmlns='jitsi:colibri2'/>`.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq)]
#[xml(namespace = ns::COLIBRI2, name = "endpoint")]
pub struct Endpoint {
    /// Which endpoint.
    #[xml(attribute)]
    pub id: EndpointId,

    /// Make it.
    #[xml(attribute(default, codec = DefaultFalse))]
    pub create: bool,

    /// End it.
    #[xml(attribute(default, codec = DefaultFalse))]
    pub expire: bool,

    /// Name for statistics.
    #[xml(attribute(name = "stats-id", default))]
    pub stats_id: Option<String>,

    /// Role in the room; `visitor` matters to the bridge.
    #[xml(attribute(name = "muc-role", default))]
    pub muc_role: Option<String>,

    /// Speakers are to be told apart in what is exported of this endpoint.
    #[xml(attribute(default, codec = DefaultFalse))]
    pub diarize: bool,

    /// Codecs and header extensions; adds to what is known.
    #[xml(child(n = ..))]
    pub media: Vec<Media>,

    /// Transport.
    #[xml(child(default))]
    pub transport: Option<Transport>,

    /// Sources; replaces what is known when present.
    #[xml(child(default))]
    pub sources: Option<Sources>,

    /// Media the bridge drops.
    #[xml(child(default))]
    pub force_mute: Option<ForceMute>,

    /// lastN until the client asks for one itself.
    #[xml(child(default))]
    pub initial_last_n: Option<InitialLastN>,

    /// What the client can do.
    #[xml(child(n = ..))]
    pub capabilities: Vec<Capability>,
}

impl Endpoint {
    /// Nothing but the id.
    pub fn new(id: EndpointId) -> Self {
        Self {
            id,
            create: false,
            expire: false,
            stats_id: None,
            muc_role: None,
            diarize: false,
            media: Vec::new(),
            transport: None,
            sources: None,
            force_mute: None,
            initial_last_n: None,
            capabilities: Vec::new(),
        }
    }

    /// Whether the capability is among those given.
    pub fn has_capability(&self, name: &CapabilityName) -> bool {
        self.capabilities.iter().any(|capability| capability.name == *name)
    }
}

/// `<force-mute/>`: what the bridge drops of what the endpoint sends.
#[derive(FromXml, AsXml, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[xml(namespace = ns::COLIBRI2, name = "force-mute")]
pub struct ForceMute {
    /// Drop audio.
    #[xml(attribute(default, codec = DefaultFalse))]
    pub audio: bool,

    /// Drop video.
    #[xml(attribute(default, codec = DefaultFalse))]
    pub video: bool,
}

/// `<initial-last-n/>`.
#[derive(FromXml, AsXml, Debug, Clone, Copy, PartialEq, Eq)]
#[xml(namespace = ns::COLIBRI2, name = "initial-last-n")]
pub struct InitialLastN {
    /// Number of video sources; -1 is all.
    #[xml(attribute)]
    pub value: i32,
}
