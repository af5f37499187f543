use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::Validity;

/// First wait after a failure; an authority such as Let's Encrypt allows five failures an hour.
const RETRY_FIRST: Duration = Duration::from_secs(5 * 60);
/// Longest wait after a failure.
const RETRY_MAX: Duration = Duration::from_secs(12 * 3600);
/// A certificate is renewed when this part of its life is left…
const RENEW_PART: f64 = 1.0 / 3.0;
/// …or up to this part earlier, so that not all servers ask at once.
const JITTER_PART: f64 = 1.0 / 30.0;

/// When the next order is due. Time and chance are arguments.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    failures: u32,
    not_before: Option<SystemTime>,
    /// From 0 to 1: how early the present certificate is renewed, and how long a failure is waited out.
    chance: f64,
}

impl Plan {
    /// A fresh plan; `chance` is from 0 to 1.
    pub fn new(chance: f64) -> Self {
        Self { chance, ..Self::default() }
    }

    /// When to order, given the validity of the certificate in use if an order brought it.
    pub fn due_at(&self, in_use: Option<Validity>) -> SystemTime {
        let due = in_use.map_or(UNIX_EPOCH, |validity| {
            let life_s = validity.whole_s() as f64;
            let before_end_s = life_s * (RENEW_PART + JITTER_PART * self.chance);
            let at_s = validity.not_after_unix_s as f64 - before_end_s;
            UNIX_EPOCH + Duration::from_secs_f64(at_s.max(0.0))
        });
        self.not_before.map_or(due, |not_before| due.max(not_before))
    }

    /// An order failed at `now`: the next waits, twice as long as the one before.
    pub fn failed(&mut self, now: SystemTime, chance: f64) {
        let wait = RETRY_FIRST.saturating_mul(1 << self.failures.min(16)).min(RETRY_MAX);
        self.failures = self.failures.saturating_add(1);
        self.chance = chance;
        self.not_before = Some(now + wait.mul_f64(1.0 + chance / 4.0));
    }

    /// An order brought a certificate.
    pub fn succeeded(&mut self, chance: f64) {
        *self = Self::new(chance);
    }

    /// How many orders failed since the last good one.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_S: i64 = 86_400;

    fn day(day: f64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs_f64(day * DAY_S as f64)
    }

    #[test]
    fn the_first_is_ordered_at_once_and_the_next_at_a_third_left() {
        assert_eq!(Plan::default().due_at(None), UNIX_EPOCH);
        let validity = Validity { not_before_unix_s: 100 * DAY_S, not_after_unix_s: 190 * DAY_S };
        assert_eq!(Plan::new(0.0).due_at(Some(validity)), day(160.0));
        assert_eq!(Plan::new(1.0).due_at(Some(validity)), day(157.0), "the earliest by chance");
        let short = Validity { not_before_unix_s: 0, not_after_unix_s: 30 };
        assert_eq!(Plan::new(0.0).due_at(Some(short)), UNIX_EPOCH + Duration::from_secs(20));
    }

    #[test]
    fn failures_are_waited_out_longer_and_longer_until_one_succeeds() {
        let mut plan = Plan::new(0.0);
        let mut waits = Vec::new();
        for _ in 0..10 {
            plan.failed(day(1.0), 0.0);
            waits.push(plan.due_at(None).duration_since(day(1.0)).expect("later").as_secs() / 60);
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 720, 720]);
        plan.failed(day(1.0), 1.0);
        assert_eq!(plan.due_at(None), day(1.0) + Duration::from_secs(15 * 3600), "a quarter more by chance");
        plan.succeeded(0.0);
        assert_eq!((plan.due_at(None), plan.failures()), (UNIX_EPOCH, 0));
    }

    #[test]
    fn a_failed_renewal_is_tried_again_long_before_the_end() {
        let validity = Validity { not_before_unix_s: 0, not_after_unix_s: 90 * DAY_S };
        let mut plan = Plan::new(0.0);
        let mut now = plan.due_at(Some(validity));
        let mut tries = 0;
        while now < day(90.0) {
            tries += 1;
            plan.failed(now, 0.5);
            now = plan.due_at(Some(validity));
        }
        assert!(tries > 50, "{tries}");
    }
}
