//! Arrival times of transport-wide numbered packets, and the feedback made of them.

use crate::rtcp::{FeedbackArrivals, RtcpBuffer};
use crate::rtp::Unwrapper;

/// Arrivals kept until the next feedback; more come only from a sender that ignores every estimate.
const ARRIVALS_MAX: usize = 1_024;
/// Feedback interval, µs.
const INTERVAL_US: u64 = 100_000;
/// Feedback interval when a frame has just ended, µs.
const INTERVAL_MARKER_US: u64 = 20_000;

/// Arrivals since the last feedback. Allocates with the first one.
#[derive(Debug, Default)]
pub struct Arrivals {
    unwrapper: Unwrapper<16>,
    pending: Vec<(u64, i64)>,
    /// Whether `pending` is out of order.
    unsorted: bool,
    /// Numbers up to here were reported; what comes late is not reported twice.
    reported: Option<u64>,
    media_ssrc: u32,
    feedback_number: u8,
    sent_at_us: u64,
}

impl Arrivals {
    /// Notes a packet; true when feedback is due.
    pub fn arrived(&mut self, number: u16, ssrc: u32, marker: bool, now_us: u64) -> bool {
        let number = self.unwrapper.unwrap(u32::from(number));
        self.media_ssrc = ssrc;
        if self.pending.capacity() == 0 {
            self.pending.reserve_exact(ARRIVALS_MAX);
            self.sent_at_us = now_us;
        }
        if self.pending.len() < ARRIVALS_MAX {
            if let Some(&(last, _)) = self.pending.last() {
                if last == number {
                    return false;
                }
                self.unsorted |= last > number;
            }
            self.pending.push((number, now_us as i64));
        }
        let interval_us = if marker { INTERVAL_MARKER_US } else { INTERVAL_US };
        now_us >= self.sent_at_us + interval_us || self.pending.len() == ARRIVALS_MAX
    }

    /// When feedback is due if nothing more comes, µs; `None` when there is nothing to report.
    #[must_use]
    pub fn due_at_us(&self) -> Option<u64> {
        (!self.pending.is_empty()).then_some(self.sent_at_us + INTERVAL_US)
    }

    /// Writes all pending arrivals as feedback packets, each given to `send`.
    pub fn report(&mut self, sender_ssrc: u32, now_us: u64, buffer: &mut RtcpBuffer, mut send: impl FnMut(&[u8])) {
        if self.unsorted {
            self.pending.sort_unstable();
            self.pending.dedup_by_key(|&mut (number, _)| number);
            self.unsorted = false;
        }
        // A number below what was reported would look like an enormous gap to the sender.
        let skip = self.reported.map_or(0, |reported| self.pending.partition_point(|&(number, _)| number <= reported));
        let mut rest = &self.pending[skip..];
        while !rest.is_empty() {
            buffer.clear();
            let taken = buffer.transport_feedback(&FeedbackArrivals {
                sender_ssrc,
                media_ssrc: self.media_ssrc,
                feedback_number: self.feedback_number,
                first_number: self.reported.map_or(rest[0].0, |reported| reported + 1),
                arrivals: rest,
            });
            if taken == 0 {
                break;
            }
            self.feedback_number = self.feedback_number.wrapping_add(1);
            send(buffer.bytes());
            self.reported = Some(rest[taken - 1].0);
            rest = &rest[taken..];
        }
        self.pending.clear();
        self.sent_at_us = now_us;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{RtcpMessage, RtcpMessages};

    fn report(arrivals: &mut Arrivals, now_us: u64) -> Vec<(u16, Option<i64>)> {
        let mut all = Vec::new();
        arrivals.report(7, now_us, &mut RtcpBuffer::default(), |bytes| {
            for message in RtcpMessages::new(bytes) {
                let RtcpMessage::TransportFeedback(feedback) = message else {
                    panic!("{message:?}");
                };
                assert_eq!(feedback.media_ssrc, 9);
                all.extend(feedback.statuses());
            }
        });
        all
    }

    #[test]
    fn interval_marker_and_order() {
        let mut arrivals = Arrivals::default();
        assert_eq!(arrivals.due_at_us(), None);
        assert!(!arrivals.arrived(65_535, 9, false, 1_000_000));
        assert!(!arrivals.arrived(1, 9, false, 1_010_000));
        assert!(!arrivals.arrived(1, 9, true, 1_010_500));
        assert!(arrivals.arrived(0, 9, true, 1_020_000));
        assert_eq!(arrivals.due_at_us(), Some(1_100_000));
        assert_eq!(
            report(&mut arrivals, 1_020_000),
            [(65_535, Some(1_000_000)), (0, Some(1_020_000)), (1, Some(1_010_000))]
        );
        assert!(!arrivals.arrived(0, 9, false, 1_021_000));
        assert!(arrivals.arrived(2, 9, false, 1_120_000));
        assert_eq!(report(&mut arrivals, 1_120_000), [(2, Some(1_120_000))]);
    }

    #[test]
    fn a_flood_is_reported_at_the_bound() {
        let mut arrivals = Arrivals::default();
        let due = (0..ARRIVALS_MAX as u16)
            .map(|number| arrivals.arrived(number, 9, false, 1_000_000 + u64::from(number)))
            .collect::<Vec<_>>();
        assert!(due[..ARRIVALS_MAX - 1].iter().all(|due| !due));
        assert!(due[ARRIVALS_MAX - 1]);
        assert_eq!(report(&mut arrivals, 1_000_000).len(), ARRIVALS_MAX);
    }
}
