//! What the XMPP server decides: streams, routing, rooms, services. No I/O, no clock.
//!
//! Time and randomness come in as arguments; what should happen comes out as values appended to a
//! buffer of the caller's.

pub mod account;
pub mod account_request;
pub mod component;
mod contacts;
pub mod datetime;
pub mod hosts;
mod managed_stream;
pub mod muc;
pub mod ns;
mod own_account;
mod presence;
pub mod random;
pub mod roster;
mod routing;
pub mod server;
pub mod service;
pub mod session;
mod session_life;
pub mod stanza;
pub mod stanza_error;
pub mod stream;
pub mod xml;
