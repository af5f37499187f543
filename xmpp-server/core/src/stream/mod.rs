//! One peer's XML stream: from bytes to verified stanzas (RFC 6120, RFC 7395), who the peer is,
//! and what survives the loss of its connection (XEP-0198).

pub mod framing;
pub mod guesses;
pub mod limits;
pub mod negotiation;
pub mod registration;
pub mod resumption;
pub mod sasl;
mod stream_error;

pub use stream_error::{StreamCondition, StreamError};
