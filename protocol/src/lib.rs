//! The wire types that Conclave's parts meet on: no I/O.

pub mod admin;
pub mod bridge_channel;
pub mod colibri2;
pub mod conference_request;
pub mod ids;
pub mod jingle;
pub mod mute;
pub mod ns;
pub mod presence;
pub mod room_metadata;
mod wire_enum;
mod xml_bool;
