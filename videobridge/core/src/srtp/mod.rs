//! SRTP and SRTCP (RFC 3711, RFC 7714): protecting and opening packets in place.
//!
//! Ours rather than a library's because it is the bridge's hottest path: keys are derived once,
//! nothing is allocated per packet, and the state of a stream is made only after a packet of it was
//! authenticated, so that nobody without the keys can make it grow.

mod cipher;
mod index;
mod kdf;
mod profile;
mod session;

pub use profile::{KeyingMaterial, MasterKey, Profile};
pub use session::{Protect, SrtpError, Unprotect};

#[cfg(test)]
mod tests;
