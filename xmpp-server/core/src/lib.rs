//! What the XMPP server decides: streams, routing, rooms, services. No I/O, no clock.
//!
//! Time and randomness come in as arguments; what should happen comes out as values appended to a
//! buffer of the caller's.

pub mod component;
pub mod stanza;
pub mod xml;
