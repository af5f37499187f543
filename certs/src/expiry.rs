//! When a certificate ends, and when to say so.

use std::time::{Duration, SystemTime};

use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

use crate::{CertError, inspect};

const DAY_S: i64 = 86_400;
/// A warning is due when less than this is left; renewal by ACME or Certbot happens earlier.
const WARN_BEFORE_S: i64 = 21 * DAY_S;
/// Certificates that live for days only: a warning is due in the last part of their life.
const WARN_PART: i64 = 4;
/// How often the log is told of the same certificate.
const REMIND_EVERY: Duration = Duration::from_secs(86_400);

/// From when to when a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validity {
    /// First valid moment, in seconds since 1970.
    pub not_before_unix_s: i64,
    /// Last valid moment, in seconds since 1970.
    pub not_after_unix_s: i64,
}

impl Validity {
    /// What `certificate` says.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, CertError> {
        let certificate = inspect::parse(certificate)?;
        let validity = certificate.validity();
        Ok(Self {
            not_before_unix_s: validity.not_before.timestamp(),
            not_after_unix_s: validity.not_after.timestamp(),
        })
    }

    /// Seconds left at `now`, negative when past.
    pub fn left_s(&self, now: SystemTime) -> i64 {
        self.not_after_unix_s.saturating_sub(inspect::unix_seconds(now))
    }

    /// Seconds from the first valid moment to the last.
    pub fn whole_s(&self) -> i64 {
        self.not_after_unix_s.saturating_sub(self.not_before_unix_s).max(0)
    }

    /// The sentence for a certificate that has ended or soon will; `None` while there is time.
    pub fn warning(&self, now: SystemTime) -> Option<String> {
        let left = self.left_s(now);
        if left > WARN_BEFORE_S.min(self.whole_s() / WARN_PART) {
            return None;
        }
        let advice = "renew it (conclave cert import PATH), or let it renew itself ([certs.acme] in conclave.toml)";
        Some(match left {
            ..=0 => format!("the certificate ended {} ago; {advice}", in_words(left)),
            _ => format!("the certificate ends in {}; {advice}", in_words(left)),
        })
    }
}

/// A length of time in its largest fitting unit, without its sign.
fn in_words(seconds: i64) -> String {
    let seconds = seconds.unsigned_abs();
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// Says a warning once a day, and at once when another certificate is in use.
#[derive(Debug, Default)]
pub struct Reminder {
    said: Option<(Validity, SystemTime)>,
}

impl Reminder {
    /// The sentence to log at `now`, if one is due.
    pub fn due(&mut self, validity: Validity, now: SystemTime) -> Option<String> {
        let warning = validity.warning(now)?;
        let said_lately = self.said.is_some_and(|(said_of, at)| {
            said_of == validity && now.duration_since(at).is_ok_and(|since| since < REMIND_EVERY)
        });
        if said_lately {
            return None;
        }
        self.said = Some((validity, now));
        Some(warning)
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn at(day: f64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs_f64(day * 86_400.0)
    }

    fn valid_for_days(days: i64) -> Validity {
        Validity { not_before_unix_s: 0, not_after_unix_s: days * DAY_S }
    }

    #[test]
    fn a_warning_comes_in_time_and_names_what_is_left() {
        let year = valid_for_days(365);
        assert_eq!(year.warning(at(300.0)), None);
        assert!(year.warning(at(345.0)).expect("due").starts_with("the certificate ends in 20 days; renew it"));
        assert!(year.warning(at(364.5)).expect("due").contains("in 12 hours"));
        assert!(year.warning(at(400.0)).expect("due").starts_with("the certificate ended 35 days ago"));
        let week = valid_for_days(6);
        assert_eq!(week.warning(at(4.4)), None, "still to be renewed by itself");
        assert!(week.warning(at(4.6)).is_some());
    }

    #[test]
    fn the_log_is_told_once_a_day_and_of_each_certificate() {
        let mut reminder = Reminder::default();
        let (first, second) = (valid_for_days(365), valid_for_days(364));
        assert_eq!(reminder.due(first, at(100.0)), None);
        assert!(reminder.due(first, at(350.0)).is_some());
        assert_eq!(reminder.due(first, at(350.9)), None);
        assert!(reminder.due(first, at(351.0)).is_some());
        assert!(reminder.due(second, at(351.1)).is_some());
        assert!(reminder.due(second, at(340.0)).is_none(), "there is time again");
        assert!(reminder.due(second, at(345.0)).is_some(), "a clock set back does not silence it");
    }
}
