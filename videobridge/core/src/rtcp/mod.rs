//! RTCP (RFC 3550 §6, RFC 4585, RFC 5104, transport-wide congestion control): read in place, written into a
//! reused buffer.

mod feedback;
mod packet;
mod report;
mod transport_cc;
mod writer;

pub use feedback::{FirEntries, NackNumbers, remb_bitrate_bps};
pub use packet::{RtcpMessage, RtcpMessages};
pub use report::{ReportBlock, ReportBlocks, SenderInfo};
pub use transport_cc::{PacketStatuses, TransportFeedback};
pub use writer::{FeedbackArrivals, RTCP_LEN_MAX, RtcpBuffer};
