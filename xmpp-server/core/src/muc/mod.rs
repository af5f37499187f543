//! Rooms (XEP-0045) with what Jitsi's meetings need of them.

mod admin;
pub mod affiliation;
pub mod config;
mod config_form;
mod destroy;
pub mod history;
mod info;
mod invite;
mod iq;
mod join;
mod message;
pub mod occupant;
pub mod policy;
mod presence;
pub mod room;
pub mod rooms;
pub mod settings;
pub mod subject;

pub use admin::{ITEMS_MAX, REASON_BYTES_MAX};
pub use config_form::TEXT_BYTES_MAX;
pub use invite::INVITES_MAX;
pub use presence::PRESENCE_BYTES_MAX;
