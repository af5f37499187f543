//! Letting go of what nobody uses any more.

use std::time::{Duration, Instant};

/// Silence after which an endpoint is ended.
pub(super) const INACTIVE_AFTER: Duration = Duration::from_secs(60);

/// Time an endpoint has to appear at all.
pub(super) const NEVER_SEEN_AFTER: Duration = Duration::from_secs(120);

/// Age from which a conference without endpoints is ended.
pub(super) const EMPTY_AFTER: Duration = Duration::from_secs(20);

/// What the media side knows of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EndpointActivity {
    /// When anything authentic came from it last, ICE consent included.
    pub last_activity: Option<Instant>,
    /// ICE has given up.
    pub ice_failed: bool,
}

impl EndpointActivity {
    /// Whether an endpoint made at `created` is to be ended.
    pub(super) fn is_over(&self, created: Instant, now: Instant) -> bool {
        if self.ice_failed {
            return true;
        }
        match self.last_activity {
            Some(last) => now.saturating_duration_since(last) > INACTIVE_AFTER,
            None => now.saturating_duration_since(created) > NEVER_SEEN_AFTER,
        }
    }
}
