//! Export of a conference's audio over a WebSocket of the bridge's own.

use xso::{AsXml, FromXml};

use crate::ns;
use crate::xml_bool::DefaultFalse;

/// `<connects/>`: the complete set of exports.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq, Eq, Default)]
#[xml(namespace = ns::COLIBRI2, name = "connects")]
pub struct Connects {
    /// The exports.
    #[xml(child(n = ..))]
    pub connects: Vec<Connect>,
}

/// `<connect/>`.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq, Eq)]
#[xml(namespace = ns::COLIBRI2, name = "connect")]
pub struct Connect {
    /// Where to, `ws:` or `wss:`.
    #[xml(attribute)]
    pub url: String,

    /// `mediajson`.
    #[xml(attribute(default))]
    pub protocol: Option<String>,

    /// `recorder`, `transcriber` or `translator`.
    #[xml(attribute(name = "type", default))]
    pub kind: Option<String>,

    /// Send audio.
    #[xml(attribute(default, codec = DefaultFalse))]
    pub audio: bool,

    /// Send video.
    #[xml(attribute(default, codec = DefaultFalse))]
    pub video: bool,

    /// Headers of the HTTP request.
    #[xml(child(n = ..))]
    pub http_headers: Vec<HttpHeader>,

    /// How the connection is kept.
    #[xml(child(default))]
    pub ping: Option<Ping>,

    /// What the bridge sends.
    #[xml(child(default))]
    pub exports: Option<ConnectExports>,

    /// What the bridge wants.
    #[xml(child(default))]
    pub requests: Option<ConnectRequests>,
}

/// `<http-header/>`.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq, Eq)]
#[xml(namespace = ns::COLIBRI2, name = "http-header")]
pub struct HttpHeader {
    /// Name.
    #[xml(attribute)]
    pub name: String,
    /// Value: may be a secret.
    #[xml(attribute)]
    pub value: String,
}

/// `<ping/>`.
#[derive(FromXml, AsXml, Debug, Clone, Copy, PartialEq, Eq)]
#[xml(namespace = ns::COLIBRI2, name = "ping")]
pub struct Ping {
    /// Time between pings, in milliseconds.
    #[xml(attribute(default))]
    pub interval: Option<u32>,
    /// Time an answer may take, in milliseconds.
    #[xml(attribute(default))]
    pub timeout: Option<u32>,
}

/// `<exports/>`.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq, Eq, Default)]
#[xml(namespace = ns::COLIBRI2, name = "exports")]
pub struct ConnectExports {
    /// What.
    #[xml(extract(n = .., name = "export", fields(attribute(name = "name", type_ = String))))]
    pub names: Vec<NamedMedia>,
}

/// `<requests/>`.
#[derive(FromXml, AsXml, Debug, Clone, PartialEq, Eq, Default)]
#[xml(namespace = ns::COLIBRI2, name = "requests")]
pub struct ConnectRequests {
    /// What.
    #[xml(extract(n = .., name = "request", fields(attribute(name = "name", type_ = String))))]
    pub names: Vec<NamedMedia>,
}

/// Name of something exported or requested.
pub type NamedMedia = String;
