//! The request: make, change or end a conference on a bridge.

use xso::{AsXml, FromXml};

use super::connect::Connects;
use super::endpoint::Endpoint;
use super::relay::Relay;
use crate::ids::MeetingId;
use crate::ns;
use crate::xml_bool::DefaultFalse;

/// `<conference-modify xmlns='jitsi:colibri2'/>`.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq)]
#[xml(namespace = ns::COLIBRI2, name = "conference-modify")]
pub struct ConferenceModify {
    /// Which meeting.
    #[xml(attribute(name = "meeting-id"))]
    pub meeting_id: MeetingId,

    /// Address of its room.
    #[xml(attribute(default))]
    pub name: Option<String>,

    /// Make the conference.
    #[xml(attribute(default, codec = DefaultFalse))]
    pub create: bool,

    /// End the conference.
    #[xml(attribute(default, codec = DefaultFalse))]
    pub expire: bool,

    /// Whether the conference may be shown to the statistics collector; absent means yes.
    #[xml(attribute(name = "rtcstats-enabled", default))]
    pub rtcstats_enabled: Option<bool>,

    /// Endpoints to make, change or end.
    #[xml(child(n = ..))]
    pub endpoints: Vec<Endpoint>,

    /// Links to other bridges to make, change or end.
    #[xml(child(n = ..))]
    pub relays: Vec<Relay>,

    /// Exports; replaces what is known when present.
    #[xml(child(default))]
    pub connects: Option<Connects>,
}

impl ConferenceModify {
    /// A change without content.
    pub fn new(meeting_id: MeetingId) -> Self {
        Self {
            meeting_id,
            name: None,
            create: false,
            expire: false,
            rtcstats_enabled: None,
            endpoints: Vec::new(),
            relays: Vec::new(),
            connects: None,
        }
    }
}
