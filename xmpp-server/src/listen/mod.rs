//! Sockets: from bytes to frames and back. Nothing here knows what a stanza means.

pub(crate) mod challenges;
pub(crate) mod config_js;
pub(crate) mod http;
pub(crate) mod places;
pub(crate) mod proxy;
pub(crate) mod server_side_includes;
pub(crate) mod socket;
pub(crate) mod tcp;
pub(crate) mod trust;
pub(crate) mod website;
pub(crate) mod websocket;
