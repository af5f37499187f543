//! One participant's leg.

mod arrivals;
mod description;
mod loss;
mod rate;
mod stream;

pub use arrivals::Arrivals;
pub use description::{
    Feedback, GroupSemantics, MediaAgreement, MediaDescription, MediaKind, PayloadType, PayloadTypeDescription,
    SOURCES_MAX, SSRCS_PER_SOURCE_MAX, SourceDescription, SourceError, SsrcGroup, VideoType,
};
pub use loss::{Arrival, MissingPackets, SequenceWindow};
pub use rate::Rate;
pub use stream::ReceivedStream;
