//! Transport of an endpoint or relay.

use xso::{AsXml, FromXml};

use crate::jingle::transport::IceUdpTransport;
use crate::ns;
use crate::wire_enum::wire_enum;
use crate::xml_bool::DefaultFalse;

/// `<transport xmlns='jitsi:colibri2'/>`.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq, Eq, Default)]
#[xml(namespace = ns::COLIBRI2, name = "transport")]
pub struct Transport {
    /// The bridge takes the controlling role, RFC 8445 §6.1.1.
    #[xml(attribute(name = "ice-controlling", default, codec = DefaultFalse))]
    pub ice_controlling: bool,

    /// A port of its own instead of the shared one; only for relays.
    #[xml(attribute(name = "use-unique-port", default, codec = DefaultFalse))]
    pub use_unique_port: bool,

    /// New ICE credentials are wanted.
    #[xml(attribute(name = "ice-restart", default, codec = DefaultFalse))]
    pub ice_restart: bool,

    /// ICE and DTLS parameters of the sender.
    #[xml(child(default))]
    pub ice_udp: Option<IceUdpTransport>,

    /// Data channels.
    #[xml(child(default))]
    pub sctp: Option<Sctp>,
}

wire_enum! {
    /// Which side opens the SCTP association.
    SctpRole {
        /// The bridge opens.
        Client => "client",
        /// The bridge waits.
        Server => "server",
    }
}

/// `<sctp/>`.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq, Eq, Default)]
#[xml(namespace = ns::COLIBRI2, name = "sctp")]
pub struct Sctp {
    /// SCTP port inside DTLS. A bridge's answer must have it: the focus gives the client up otherwise.
    #[xml(attribute(default))]
    pub port: Option<u16>,

    /// Role of the bridge.
    #[xml(attribute(default))]
    pub role: Option<SctpRole>,
}
