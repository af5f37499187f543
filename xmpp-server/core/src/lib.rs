//! What the XMPP server decides: streams, routing, rooms, services. No I/O, no clock.
//!
//! Time and randomness come in as arguments; what should happen comes out as values appended to a
//! buffer of the caller's.

pub mod component;
pub mod datetime;
pub mod muc;
pub mod ns;
pub mod random;
pub mod service;
pub mod stanza;
pub mod stanza_error;
pub mod xml;
