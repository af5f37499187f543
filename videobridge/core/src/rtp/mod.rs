//! RTP (RFC 3550) and its header extensions (RFC 8285), read in place and written per receiver.

mod extension;
mod header;
mod sequence;
mod writer;

pub use extension::{ExtensionElements, ExtensionIds, ExtensionKind, ExtensionValues};
pub use header::{RtpError, RtpPacket, is_rtcp};
pub use sequence::{Unwrapper, is_newer};
pub use writer::{HEADER_LEN_MAX, HeaderBuffer, OutgoingExtensions, RtpFields};
