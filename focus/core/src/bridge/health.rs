//! Whether a bridge works: asked every few seconds, remembered for a while.

/// Health of one bridge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Health {
    /// Out until then, if it failed.
    failed_until_ms: Option<u64>,
    /// When to ask next; `None` while an answer is awaited.
    check_at_ms: Option<u64>,
    /// Whether the last question went unanswered and is being repeated.
    retrying: bool,
}

/// What an answer to a health check means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It works, or nothing can be said.
    Unchanged,
    /// It says that it does not work: conferences move away.
    Broken,
    /// It does not answer: no new conferences, but those it has stay.
    Silent,
}

/// An answer to a health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A result.
    Healthy,
    /// `internal-server-error` or `service-unavailable`.
    Unhealthy,
    /// Another error: an older bridge, or one that is just leaving.
    OtherError,
    /// None in time.
    Timeout,
}

impl Health {
    /// Plans the first question.
    pub fn first_check(&mut self, now_ms: u64) {
        self.check_at_ms = Some(now_ms);
    }

    /// When to ask next.
    pub fn check_at_ms(&self) -> Option<u64> {
        self.check_at_ms
    }

    /// The question was sent.
    pub fn asked(&mut self) {
        self.check_at_ms = None;
    }

    /// The answer came, or did not.
    pub fn answered(&mut self, answer: Answer, interval_ms: u64, failure_reset_ms: u64, now_ms: u64) -> Verdict {
        self.check_at_ms = Some(now_ms + interval_ms);
        let retried = std::mem::take(&mut self.retrying);
        match answer {
            Answer::Healthy | Answer::OtherError => Verdict::Unchanged,
            Answer::Unhealthy => {
                self.fail(failure_reset_ms, now_ms);
                Verdict::Broken
            }
            Answer::Timeout if retried => {
                self.fail(failure_reset_ms, now_ms);
                Verdict::Silent
            }
            Answer::Timeout => {
                self.retrying = true;
                self.check_at_ms = Some(now_ms + interval_ms / 2);
                Verdict::Unchanged
            }
        }
    }

    /// It failed in some other way.
    pub fn fail(&mut self, failure_reset_ms: u64, now_ms: u64) {
        self.failed_until_ms = Some(now_ms + failure_reset_ms);
    }

    /// Whether it may be used.
    pub fn is_operational(&self, now_ms: u64) -> bool {
        self.failed_until_ms.is_none_or(|until| now_ms >= until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_silence_is_forgiven_two_are_not() {
        let mut health = Health::default();
        assert_eq!(health.answered(Answer::Timeout, 10_000, 60_000, 0), Verdict::Unchanged);
        assert_eq!(health.check_at_ms(), Some(5_000));
        assert_eq!(health.answered(Answer::Timeout, 10_000, 60_000, 20_000), Verdict::Silent);
        assert!(!health.is_operational(79_999));
        assert_eq!(health.answered(Answer::Healthy, 10_000, 60_000, 79_999), Verdict::Unchanged);
        assert!(!health.is_operational(79_999), "a failure lasts at least its time");
        assert!(health.is_operational(80_000));
        assert_eq!(health.answered(Answer::Unhealthy, 10_000, 60_000, 90_000), Verdict::Broken);
        assert!(!health.is_operational(90_000));
    }
}
