//! Session negotiation (XEP-0166 and the extensions Jitsi uses).

pub mod source;
pub mod transport;
