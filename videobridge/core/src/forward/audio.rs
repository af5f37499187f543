//! One outgoing audio stream: the numbers of its source, shifted so that they continue when the source changes.

use super::reports::SentReports;
use crate::rtp::is_newer;

/// Distance of timestamps over a change of source: 20 ms of a 48 kHz clock.
const SWITCH_TIMESTAMP: u32 = 960;

#[derive(Debug, Clone, Copy)]
struct Shift {
    first: u64,
    sequence: u16,
    timestamp: u32,
}

/// One outgoing audio stream of one receiver.
#[derive(Debug, Clone)]
pub struct AudioOutput {
    /// SSRC at the receiver.
    pub ssrc: u32,
    /// Packets sent.
    pub packets: u32,
    /// Payload bytes sent.
    pub octets: u32,
    /// When something was sent last, µs.
    pub sent_at_us: u64,
    /// Sent sender reports, for the round trip.
    pub reports: SentReports,
    shift: Option<Shift>,
    newest: Option<(u16, u32)>,
}

impl AudioOutput {
    /// A stream that takes over its first source's numbers and continues them over the others.
    #[must_use]
    pub fn new(ssrc: u32) -> Self {
        Self { ssrc, packets: 0, octets: 0, sent_at_us: 0, reports: SentReports::default(), shift: None, newest: None }
    }

    /// Forgets the source; the numbers continue with the next one.
    pub const fn rebind(&mut self) {
        self.shift = None;
    }

    /// The receiver's `(sequence number, timestamp)` of a packet with this unwrapped number, if it is forwarded.
    pub fn map(&mut self, sequence: u64, timestamp: u32, octets: usize, now_us: u64) -> Option<(u16, u32)> {
        let shift = *self.shift.get_or_insert_with(|| match self.newest {
            Some((last, last_timestamp)) => Shift {
                first: sequence,
                sequence: last.wrapping_add(1).wrapping_sub(sequence as u16),
                timestamp: last_timestamp.wrapping_add(SWITCH_TIMESTAMP).wrapping_sub(timestamp),
            },
            None => Shift { first: 0, sequence: 0, timestamp: 0 },
        });
        // Late packets from before the change would fall among the numbers of the old source.
        if sequence < shift.first {
            return None;
        }
        let mapped = ((sequence as u16).wrapping_add(shift.sequence), timestamp.wrapping_add(shift.timestamp));
        if self.newest.is_none_or(|(newest, _)| is_newer(mapped.0, newest)) {
            self.newest = Some(mapped);
        }
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(octets as u32);
        self.sent_at_us = now_us;
        Some(mapped)
    }

    /// The receiver's timestamp for one of the sender.
    #[must_use]
    pub fn map_timestamp(&self, timestamp: u32) -> Option<u32> {
        self.shift.map(|shift| timestamp.wrapping_add(shift.timestamp))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn continues_over_sources() {
        let mut output = AudioOutput::new(1);
        assert_eq!(output.map(65_536 + 10, 1_000, 5, 0), Some((10, 1_000)));
        assert_eq!(output.map(65_536 + 12, 2_920, 5, 0), Some((12, 2_920)));
        assert_eq!(output.map(65_536 + 11, 1_960, 5, 0), Some((11, 1_960)));
        output.rebind();
        assert_eq!(output.map_timestamp(7), None);
        assert_eq!(output.map(70_000, 7, 5, 0), Some((13, 3_880)));
        assert_eq!(output.map(69_999, 7, 5, 0), None);
        assert_eq!(output.map_timestamp(8), Some(3_881));
        assert_eq!((output.packets, output.octets), (4, 20));
    }
}
