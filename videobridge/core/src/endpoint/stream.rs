//! State of one received stream: numbers, loss, jitter, clock.

use super::loss::{Arrival, MissingPackets, SequenceWindow};
use crate::rtcp::{ReportBlock, SenderInfo};

/// One received stream (primary, not retransmission).
#[derive(Debug, Default)]
pub struct ReceivedStream {
    window: SequenceWindow,
    /// Packets to ask for again (video).
    pub missing: MissingPackets,
    first: Option<u64>,
    received: u64,
    reported_expected: u64,
    reported_received: u64,
    reported_highest: u64,
    transit: i64,
    /// In 1/16 of a timestamp unit, as RFC 3550 A.8 keeps it.
    jitter: u64,
    sender_report: Option<(u32, u64)>,
    /// When the last packet came, µs.
    pub arrived_at_us: Option<u64>,
}

impl ReceivedStream {
    /// Notes an arrival.
    pub fn arrived(
        &mut self,
        sequence: u16,
        timestamp: u32,
        clock_rate: u32,
        retransmitted: bool,
        now_us: u64,
    ) -> Arrival {
        let arrival = self.window.arrived(sequence);
        if let Arrival::New(number) = arrival {
            self.first.get_or_insert(number);
            self.received += 1;
            self.arrived_at_us = Some(now_us);
            if !retransmitted {
                self.note_jitter(timestamp, clock_rate, now_us);
            }
        }
        arrival
    }

    /// Notes a sender report.
    pub const fn sender_report(&mut self, info: &SenderInfo, now_us: u64) {
        self.sender_report = Some((info.compact_ntp(), now_us));
    }

    /// A report block, if anything came since the last one.
    pub fn report(&mut self, ssrc: u32, now_us: u64) -> Option<ReportBlock> {
        let highest = self.window.highest()?;
        if self.received == self.reported_received && highest == self.reported_highest {
            return None;
        }
        let expected = (highest + 1).saturating_sub(self.first?);
        let expected_now = expected.saturating_sub(self.reported_expected);
        let received_now = self.received - self.reported_received;
        let lost_now = expected_now.saturating_sub(received_now);
        let fraction = (lost_now * 256).checked_div(expected_now).unwrap_or(0);
        self.reported_expected = expected;
        self.reported_received = self.received;
        self.reported_highest = highest;
        let lost = i64::try_from(expected).unwrap_or(i64::MAX) - i64::try_from(self.received).unwrap_or(i64::MAX);
        let (last_sender_report, delay_since_last) = self.sender_report.map_or((0, 0), |(ntp, at_us)| {
            let delay = now_us.saturating_sub(at_us).saturating_mul(65_536) / 1_000_000;
            (ntp, u32::try_from(delay).unwrap_or(u32::MAX))
        });
        Some(ReportBlock {
            ssrc,
            fraction_lost: fraction.min(255) as u8,
            cumulative_lost: i32::try_from(lost.clamp(-0x0080_0000, 0x007f_ffff)).unwrap_or(0),
            // Cycles count from zero; the unwrapped number starts one cycle above.
            highest_sequence: (highest - 65_536) as u32,
            jitter: (self.jitter >> 4) as u32,
            last_sender_report,
            delay_since_last,
        })
    }

    /// `(packets expected, packets received)` since the start.
    #[must_use]
    pub fn totals(&self) -> (u64, u64) {
        let expected = match (self.window.highest(), self.first) {
            (Some(highest), Some(first)) => (highest + 1).saturating_sub(first),
            _ => 0,
        };
        (expected, self.received)
    }

    fn note_jitter(&mut self, timestamp: u32, clock_rate: u32, now_us: u64) {
        let arrival = (u128::from(now_us) * u128::from(clock_rate) / 1_000_000) as u32;
        let transit = i64::from(arrival.wrapping_sub(timestamp) as i32);
        if self.received > 1 {
            // Differences are taken on the circle of the timestamp.
            let difference = i64::from((transit as i32).wrapping_sub(self.transit as i32)).unsigned_abs();
            // A jump of more than ten seconds is a new clock, not jitter.
            if difference < 10 * u64::from(clock_rate) {
                self.jitter = self.jitter + difference - ((self.jitter + 8) >> 4);
            }
        }
        self.transit = transit;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_of_loss_and_clock() {
        let mut stream = ReceivedStream::default();
        assert_eq!(stream.report(5, 0), None);
        for number in [65_533u16, 65_534, 0, 1, 1] {
            stream.arrived(number, u32::from(number), 90_000, false, 0);
        }
        stream.sender_report(
            &SenderInfo { ntp: 0x0001_0203_0405_0607, rtp_timestamp: 0, packets: 0, octets: 0 },
            1_000_000,
        );
        let block = stream.report(5, 1_500_000).unwrap();
        assert_eq!(block.ssrc, 5);
        assert_eq!(block.fraction_lost, (256 / 5) as u8);
        assert_eq!(block.cumulative_lost, 1);
        assert_eq!(block.highest_sequence, 65_536 + 1);
        assert_eq!(block.last_sender_report, 0x0203_0405);
        assert_eq!(block.delay_since_last, 32_768);
        assert_eq!(stream.report(5, 1_600_000), None);
        // The missing one comes late: the loss is taken back.
        stream.arrived(65_535, 0, 90_000, true, 0);
        assert_eq!(stream.report(5, 1_700_000).unwrap().cumulative_lost, 0);
        assert_eq!(stream.totals(), (5, 5));
    }

    #[test]
    fn jitter_of_an_even_stream_is_nothing() {
        let mut stream = ReceivedStream::default();
        for number in 0..100u16 {
            // The timestamp wraps on the way.
            let timestamp = (u32::MAX - 20_000).wrapping_add(u32::from(number) * 960);
            stream.arrived(number, timestamp, 48_000, false, u64::from(number) * 20_000);
        }
        assert_eq!(stream.report(1, 0).unwrap().jitter, 0);
        for number in 100..200u16 {
            let timestamp = (u32::MAX - 20_000).wrapping_add(u32::from(number) * 960);
            stream.arrived(
                number,
                timestamp,
                48_000,
                false,
                u64::from(number) * 20_000 + u64::from(number % 2) * 5_000,
            );
        }
        let jitter = stream.report(1, 0).unwrap().jitter;
        assert!((200..=240).contains(&jitter), "{jitter}");
    }
}
