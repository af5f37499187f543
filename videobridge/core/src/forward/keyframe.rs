//! Bounds how often a sender is asked for a keyframe.

/// Least time between requests of one receiver for one source, µs.
const RECEIVER_INTERVAL_US: u64 = 200_000;
/// Requests that a receiver itself makes for one source within [`RECEIVER_WINDOW_US`].
pub const RECEIVER_REQUESTS_MAX: usize = 3;
/// Requests that changes of layer for a receiver cause within [`RECEIVER_WINDOW_US`]: more, as without a keyframe
/// nothing at all is seen.
pub const SELECTION_REQUESTS_MAX: usize = 10;
const RECEIVER_WINDOW_US: u64 = 10_000_000;
/// Least time between requests to the sender of one source, µs.
const SOURCE_INTERVAL_US: u64 = 200_000;

/// Requests on behalf of one receiver for one source, at most `N` in ten seconds.
#[derive(Debug, Clone)]
pub struct KeyframeRequests<const N: usize> {
    at_us: [Option<u64>; N],
    next: usize,
}

impl<const N: usize> Default for KeyframeRequests<N> {
    fn default() -> Self {
        Self { at_us: [None; N], next: 0 }
    }
}

impl<const N: usize> KeyframeRequests<N> {
    /// Whether the receiver may ask now. Does not count it; [`asked`](Self::asked) does.
    #[must_use]
    pub fn may_ask(&self, now_us: u64, rtt_us: Option<u64>) -> bool {
        let interval_us = rtt_us.map_or(RECEIVER_INTERVAL_US, |rtt| (rtt + 10_000).min(RECEIVER_INTERVAL_US));
        let latest = self.at_us[(self.next + N - 1) % N];
        let oldest = self.at_us[self.next];
        latest.is_none_or(|at| now_us >= at + interval_us) && oldest.is_none_or(|at| now_us >= at + RECEIVER_WINDOW_US)
    }

    /// Counts a request.
    pub const fn asked(&mut self, now_us: u64) {
        self.at_us[self.next] = Some(now_us);
        self.next = (self.next + 1) % N;
    }
}

/// Requests to the sender of one source.
#[derive(Debug, Clone, Default)]
pub struct SourceRequests {
    at_us: Option<u64>,
    fir_number: u8,
}

impl SourceRequests {
    /// Whether the sender may be asked now; counts it.
    pub fn ask(&mut self, now_us: u64) -> bool {
        if self.at_us.is_some_and(|at| now_us < at + SOURCE_INTERVAL_US) {
            return false;
        }
        self.at_us = Some(now_us);
        true
    }

    /// Command number of the next full intra request.
    pub const fn next_fir_number(&mut self) -> u8 {
        let number = self.fir_number;
        self.fir_number = number.wrapping_add(1);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_in_ten_seconds_each_apart() {
        let mut requests = KeyframeRequests::<RECEIVER_REQUESTS_MAX>::default();
        let mut times = Vec::new();
        for now_us in (0..12_000_000).step_by(50_000) {
            if requests.may_ask(now_us, None) {
                requests.asked(now_us);
                times.push(now_us / 1_000);
            }
        }
        assert_eq!(times, [0, 200, 400, 10_000, 10_200, 10_400]);
        requests = KeyframeRequests::<RECEIVER_REQUESTS_MAX>::default();
        requests.asked(0);
        assert!(requests.may_ask(50_000, Some(40_000)));
        assert!(!requests.may_ask(49_000, Some(40_000)));
    }

    #[test]
    fn one_per_source_in_200_ms() {
        let mut requests = SourceRequests::default();
        assert!(requests.ask(0));
        assert!(!requests.ask(199_999));
        assert!(requests.ask(200_000));
        assert_eq!((requests.next_fir_number(), requests.next_fir_number()), (0, 1));
    }
}
