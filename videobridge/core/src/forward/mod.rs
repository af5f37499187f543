//! From a source to a receiver: what is forwarded, under which numbers, and sent again when lost.

mod audio;
mod cache;
mod continuity;
mod keyframe;
mod reports;
mod sent;
mod video;

pub use audio::AudioOutput;
pub use cache::{CacheIndex, CachedFields, CachedPacket, PAYLOAD_LEN_MAX, PacketCache};
pub use continuity::ContinuityMap;
pub use keyframe::{KeyframeRequests, RECEIVER_REQUESTS_MAX, SELECTION_REQUESTS_MAX, SourceRequests};
pub use reports::SentReports;
pub use sent::{SentPacket, SentPackets};
pub use video::{Decision, ENCODINGS_MAX, Forward, Layer, SourcePacket, VideoOutput};
