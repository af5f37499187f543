//! Session negotiation (XEP-0166 and the extensions Jitsi uses).

pub mod content;
pub mod json_sources;
pub mod reason;
pub mod rtp;
pub mod session;
pub mod source;
pub mod transport;
