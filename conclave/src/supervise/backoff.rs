//! How long to wait before a process that ended is started again.

use std::time::Duration;

/// The first restart is immediate: a meeting is waiting for it.
const FIRST: Duration = Duration::ZERO;
const SECOND: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);
/// A process that ran this long was well; its next end counts as the first.
const WELL_AFTER: Duration = Duration::from_secs(30);

/// The delay before the next start, growing while a process keeps ending early.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    /// The process ended after `ran`: how long to wait.
    pub(crate) fn ended(&mut self, ran: Duration) -> Duration {
        if ran >= WELL_AFTER {
            self.next = FIRST;
        }
        let delay = self.next;
        self.next = if delay.is_zero() { SECOND } else { (delay * 2).min(LONGEST) };
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_its_bound_and_starts_over_after_a_good_run() {
        let mut backoff = Backoff::default();
        let delays: Vec<u128> = (0..10).map(|_| backoff.ended(Duration::from_secs(1)).as_millis()).collect();
        assert_eq!(delays, [0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(backoff.ended(WELL_AFTER), Duration::ZERO);
    }
}
