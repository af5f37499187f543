//! The wire types that Conclave's parts meet on: no I/O.

pub mod ids;
pub mod jingle;
pub mod ns;
mod wire_enum;
