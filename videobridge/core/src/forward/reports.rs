//! When sender reports went out, to recognise their echo in receiver reports.

/// Reports remembered per stream: receivers echo the last one they saw.
const REPORTS: usize = 4;

/// Times of the last sender reports of one stream.
#[derive(Debug, Clone, Copy, Default)]
pub struct SentReports {
    reports: [Option<(u32, u64)>; REPORTS],
    next: usize,
}

impl SentReports {
    /// Remembers a report by its compact NTP time.
    pub const fn sent(&mut self, compact_ntp: u32, now_us: u64) {
        self.reports[self.next] = Some((compact_ntp, now_us));
        self.next = (self.next + 1) % REPORTS;
    }

    /// Round trip told by the echo of a report `delay` (1/65536 s) after its reception, µs.
    #[must_use]
    pub fn round_trip_us(&self, compact_ntp: u32, delay: u32, now_us: u64) -> Option<u64> {
        let (_, sent_at_us) = self.reports.iter().flatten().find(|(ntp, _)| *ntp == compact_ntp)?;
        let delay_us = u64::from(delay) * 1_000_000 / 65_536;
        now_us.checked_sub(sent_at_us + delay_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_of_a_remembered_report() {
        let mut reports = SentReports::default();
        for ntp in 1..=5 {
            reports.sent(ntp, u64::from(ntp) * 1_000_000);
        }
        assert_eq!(reports.round_trip_us(1, 0, 9_000_000), None);
        assert_eq!(reports.round_trip_us(5, 65_536 / 2, 5_540_000), Some(40_000));
        // A delay longer than the time that passed is a lie.
        assert_eq!(reports.round_trip_us(5, 65_536, 5_540_000), None);
    }
}
