//! A limit on how often something may be asked for.

use std::collections::VecDeque;

use crate::config::RateLimits;

/// When the accepted requests were; never more than the limit allows in a period.
#[derive(Debug, Clone, Default)]
pub struct RateLimit {
    accepted_ms: VecDeque<u64>,
}

impl RateLimit {
    /// Whether one more is allowed now; if so it counts.
    pub fn accept(&mut self, limits: &RateLimits, now_ms: u64) -> bool {
        while self.accepted_ms.front().is_some_and(|&at| at + limits.period_ms <= now_ms) {
            self.accepted_ms.pop_front();
        }
        let too_soon = self.accepted_ms.back().is_some_and(|&at| now_ms < at + limits.interval_min_ms);
        if too_soon || self.accepted_ms.len() >= limits.requests_max {
            return false;
        }
        self.accepted_ms.push_back(now_ms);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spacing_and_number() {
        let limits = RateLimits::default();
        let mut limit = RateLimit::default();
        assert!(limit.accept(&limits, 0));
        assert!(!limit.accept(&limits, 4_999));
        for at in [5_000, 10_000, 15_000, 20_000] {
            assert!(limit.accept(&limits, at));
        }
        assert!(!limit.accept(&limits, 30_000), "the sixth within a minute");
        assert!(limit.accept(&limits, 60_000), "the first is forgotten");
    }
}
