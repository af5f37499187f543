//! What each receiver gets of each video source, within what its connection carries.

mod constraints;
mod estimate;
mod prioritize;
mod share;
mod single_source;

pub use constraints::{CONSTRAINTS_MAX, ConstraintsError, ReceiverConstraints};
pub use estimate::{BandwidthEstimate, ESTIMATE_MAX_BPS, ESTIMATE_MIN_BPS, ESTIMATE_START_BPS};
pub use prioritize::{Ranked, limit_to_last_n, prioritize};
pub use share::{Allocated, Wanted, allocate};
pub use single_source::{HEIGHT_UNLIMITED, LayerRate};
