//! Writes RTCP into a buffer that is reused; nothing is allocated.

use super::packet::{PAYLOAD_FEEDBACK, RECEIVER_REPORT, SENDER_REPORT, TRANSPORT_FEEDBACK};
use super::report::{ReportBlock, SenderInfo};

/// Longest compound the bridge writes; fits any path the media fits.
pub const RTCP_LEN_MAX: usize = 1200;

/// Most report blocks in one report: the count has five bits.
const BLOCKS_MAX: usize = 31;

/// Most numbers covered by one feedback packet, so that it fits [`RTCP_LEN_MAX`] whatever the deltas are.
const FEEDBACK_STATUSES_MAX: usize = 450;

/// Most lost numbers told before the first arrival.
const FEEDBACK_LEADING_LOST_MAX: u64 = 200;

/// A compound packet under construction.
#[derive(Debug, Clone)]
pub struct RtcpBuffer {
    bytes: [u8; RTCP_LEN_MAX],
    len: usize,
}

impl Default for RtcpBuffer {
    fn default() -> Self {
        Self { bytes: [0; RTCP_LEN_MAX], len: 0 }
    }
}

impl RtcpBuffer {
    /// What was written since the last [`clear`](Self::clear).
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Starts a new compound.
    pub const fn clear(&mut self) {
        self.len = 0;
    }

    /// Whether nothing was written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn begin(&mut self, count: u8, kind: u8, len: usize) -> Option<&mut [u8]> {
        debug_assert!(len.is_multiple_of(4));
        let at = self.len;
        let end = at.checked_add(len).filter(|&end| end <= RTCP_LEN_MAX)?;
        self.len = end;
        let bytes = &mut self.bytes[at..end];
        bytes.fill(0);
        bytes[0] = 0x80 | count;
        bytes[1] = kind;
        bytes[2..4].copy_from_slice(&((len / 4 - 1) as u16).to_be_bytes());
        Some(bytes)
    }

    /// A sender report without report blocks.
    pub fn sender_report(&mut self, ssrc: u32, info: &SenderInfo) {
        let Some(bytes) = self.begin(0, SENDER_REPORT, 28) else {
            return;
        };
        bytes[4..8].copy_from_slice(&ssrc.to_be_bytes());
        bytes[8..16].copy_from_slice(&info.ntp.to_be_bytes());
        bytes[16..20].copy_from_slice(&info.rtp_timestamp.to_be_bytes());
        bytes[20..24].copy_from_slice(&info.packets.to_be_bytes());
        bytes[24..28].copy_from_slice(&info.octets.to_be_bytes());
    }

    /// A receiver report with up to 31 blocks; returns how many of `blocks` it took.
    pub fn receiver_report(&mut self, ssrc: u32, blocks: &[ReportBlock]) -> usize {
        let taken = blocks.len().min(BLOCKS_MAX);
        let Some(bytes) = self.begin(taken as u8, RECEIVER_REPORT, 8 + ReportBlock::LEN * taken) else {
            return 0;
        };
        bytes[4..8].copy_from_slice(&ssrc.to_be_bytes());
        for (block, bytes) in blocks.iter().zip(bytes[8..].chunks_mut(ReportBlock::LEN)) {
            block.write(bytes);
        }
        taken
    }

    /// A generic NACK of `numbers`, which must ascend on the circle; returns how many fitted.
    pub fn nack(&mut self, sender_ssrc: u32, media_ssrc: u32, numbers: &[u16]) -> usize {
        const ENTRIES_MAX: usize = 64;
        let mut entries = [(0u16, 0u16); ENTRIES_MAX];
        let mut count = 0;
        let mut taken = 0;
        for &number in numbers {
            if count > 0 {
                let (base, mask) = &mut entries[count - 1];
                let distance = number.wrapping_sub(*base);
                if (1..=16).contains(&distance) {
                    *mask |= 1 << (distance - 1);
                    taken += 1;
                    continue;
                }
            }
            if count == ENTRIES_MAX {
                break;
            }
            entries[count] = (number, 0);
            count += 1;
            taken += 1;
        }
        let Some(bytes) = self.begin(1, TRANSPORT_FEEDBACK, 12 + 4 * count) else {
            return 0;
        };
        bytes[4..8].copy_from_slice(&sender_ssrc.to_be_bytes());
        bytes[8..12].copy_from_slice(&media_ssrc.to_be_bytes());
        for (&(base, mask), bytes) in entries[..count].iter().zip(bytes[12..].chunks_mut(4)) {
            bytes[..2].copy_from_slice(&base.to_be_bytes());
            bytes[2..].copy_from_slice(&mask.to_be_bytes());
        }
        taken
    }

    /// A picture loss indication.
    pub fn pli(&mut self, sender_ssrc: u32, media_ssrc: u32) {
        let Some(bytes) = self.begin(1, PAYLOAD_FEEDBACK, 12) else {
            return;
        };
        bytes[4..8].copy_from_slice(&sender_ssrc.to_be_bytes());
        bytes[8..12].copy_from_slice(&media_ssrc.to_be_bytes());
    }

    /// A full intra request; the packet's own media SSRC is zero (RFC 5104 §4.3.1.2).
    pub fn fir(&mut self, sender_ssrc: u32, media_ssrc: u32, number: u8) {
        let Some(bytes) = self.begin(4, PAYLOAD_FEEDBACK, 20) else {
            return;
        };
        bytes[4..8].copy_from_slice(&sender_ssrc.to_be_bytes());
        bytes[12..16].copy_from_slice(&media_ssrc.to_be_bytes());
        bytes[16] = number;
    }

    /// Feedback on the arrivals from the front of `arrivals`, which ascend in unwrapped number.
    ///
    /// Returns how many were taken: fewer than given when the rest needs another packet (a gap or delta too large).
    pub fn transport_feedback(&mut self, head: &FeedbackArrivals<'_>) -> usize {
        let Some(&(first, first_us)) = head.arrivals.first() else {
            return 0;
        };
        // Losses before the first arrival are told too, unless there are so many that little room would be left.
        let base = match first.checked_sub(head.first_number) {
            Some(lost) if lost <= FEEDBACK_LEADING_LOST_MAX => head.first_number,
            _ => first,
        };
        // Floor division keeps the first delta non-negative.
        let reference = first_us.div_euclid(64_000);
        let mut symbols = [0u8; FEEDBACK_STATUSES_MAX];
        let mut deltas = [0u8; 2 * FEEDBACK_STATUSES_MAX];
        let mut deltas_len = 0;
        let mut count = 0;
        let mut taken = 0;
        // Ticks since the reference, so that rounding does not add up.
        let mut ticks = 0;
        for &(number, arrival_us) in head.arrivals {
            let Ok(index) = usize::try_from(number - base) else {
                break;
            };
            if index >= FEEDBACK_STATUSES_MAX {
                break;
            }
            let now = (arrival_us - reference * 64_000).div_euclid(250);
            let Ok(delta) = i16::try_from(now - ticks) else {
                break;
            };
            ticks = now;
            if let Ok(small) = u8::try_from(delta) {
                symbols[index] = 1;
                deltas[deltas_len] = small;
                deltas_len += 1;
            } else {
                symbols[index] = 2;
                deltas[deltas_len..deltas_len + 2].copy_from_slice(&delta.to_be_bytes());
                deltas_len += 2;
            }
            count = index + 1;
            taken += 1;
        }
        let mut chunks = [0u16; FEEDBACK_STATUSES_MAX / 7 + 2];
        let mut chunks_len = 0;
        let mut at = 0;
        while at < count {
            let symbol = symbols[at];
            let run = symbols[at..count].iter().take_while(|&&other| other == symbol).count();
            if run >= 7 {
                chunks[chunks_len] = (u16::from(symbol) << 13) | run as u16;
                at += run;
            } else {
                let mut chunk = 0xc000;
                for (place, &symbol) in symbols[at..count.min(at + 7)].iter().enumerate() {
                    chunk |= u16::from(symbol) << (12 - 2 * place);
                }
                chunks[chunks_len] = chunk;
                at += 7;
            }
            chunks_len += 1;
        }
        let content = 20 + 2 * chunks_len + deltas_len;
        let len = content.next_multiple_of(4);
        let Some(bytes) = self.begin(15, TRANSPORT_FEEDBACK, len) else {
            return 0;
        };
        bytes[4..8].copy_from_slice(&head.sender_ssrc.to_be_bytes());
        bytes[8..12].copy_from_slice(&head.media_ssrc.to_be_bytes());
        bytes[12..14].copy_from_slice(&(base as u16).to_be_bytes());
        bytes[14..16].copy_from_slice(&(count as u16).to_be_bytes());
        bytes[16..20].copy_from_slice(&((reference as u32) << 8).to_be_bytes());
        bytes[19] = head.feedback_number;
        for (chunk, bytes) in chunks[..chunks_len].iter().zip(bytes[20..].chunks_mut(2)) {
            bytes.copy_from_slice(&chunk.to_be_bytes());
        }
        bytes[20 + 2 * chunks_len..content].copy_from_slice(&deltas[..deltas_len]);
        if len > content {
            bytes[0] |= 0x20;
            bytes[len - 1] = (len - content) as u8;
        }
        taken
    }
}

/// What a transport-wide feedback packet is written from.
#[derive(Debug, Clone, Copy)]
pub struct FeedbackArrivals<'a> {
    /// Our feedback SSRC.
    pub sender_ssrc: u32,
    /// The stream whose packet caused the feedback.
    pub media_ssrc: u32,
    /// Number of this feedback packet.
    pub feedback_number: u8,
    /// Unwrapped number after the last one reported: those from here to the first arrival are lost.
    pub first_number: u64,
    /// `(unwrapped number, arrival in µs)`, ascending by number.
    pub arrivals: &'a [(u64, i64)],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{RtcpMessage, RtcpMessages};
    use proptest::prelude::*;

    #[test]
    fn reports_round_trip() {
        let info = SenderInfo { ntp: 0x0102_0304_0506_0708, rtp_timestamp: 9, packets: 10, octets: 11 };
        let block = ReportBlock {
            ssrc: 1,
            fraction_lost: 200,
            cumulative_lost: -5,
            highest_sequence: 0x0001_0002,
            jitter: 3,
            last_sender_report: 0x0304_0506,
            delay_since_last: 65_536,
        };
        let mut buffer = RtcpBuffer::default();
        buffer.sender_report(42, &info);
        assert_eq!(buffer.receiver_report(43, &[block; 40]), 31);
        let messages: Vec<_> = RtcpMessages::new(buffer.bytes()).collect();
        let [RtcpMessage::SenderReport { ssrc: 42, info: read, .. }, RtcpMessage::ReceiverReport { ssrc: 43, blocks }] =
            &messages[..]
        else {
            panic!("{messages:?}");
        };
        assert_eq!(*read, info);
        assert_eq!(read.compact_ntp(), 0x0304_0506);
        let blocks: Vec<_> = blocks.clone().collect();
        assert_eq!(blocks, [block; 31]);
    }

    #[test]
    fn feedback_round_trip() {
        let mut buffer = RtcpBuffer::default();
        buffer.pli(1, 2);
        buffer.fir(1, 3, 7);
        let numbers = [65_530, 65_535, 0, 9, 40, 57];
        assert_eq!(buffer.nack(1, 4, &numbers), 6);
        let messages: Vec<_> = RtcpMessages::new(buffer.bytes()).collect();
        assert!(matches!(messages[0], RtcpMessage::Pli { media_ssrc: 2 }));
        let RtcpMessage::Fir(entries) = &messages[1] else {
            panic!("{messages:?}");
        };
        assert_eq!(entries.clone().collect::<Vec<_>>(), [(3, 7)]);
        let RtcpMessage::Nack { media_ssrc: 4, numbers: read } = &messages[2] else {
            panic!("{messages:?}");
        };
        assert_eq!(read.clone().collect::<Vec<_>>(), numbers);
    }

    #[test]
    fn a_full_buffer_takes_nothing_more() {
        let mut buffer = RtcpBuffer::default();
        for _ in 0..200 {
            buffer.pli(1, 2);
        }
        assert_eq!(buffer.bytes().len(), RTCP_LEN_MAX);
        assert_eq!(RtcpMessages::new(buffer.bytes()).count(), RTCP_LEN_MAX / 12);
    }

    fn feedback_of(arrivals: &[(u64, i64)]) -> Vec<(u16, Option<i64>)> {
        let mut rest = arrivals;
        let mut all = Vec::new();
        let mut number = 0;
        while !rest.is_empty() {
            let mut buffer = RtcpBuffer::default();
            let taken = buffer.transport_feedback(&FeedbackArrivals {
                sender_ssrc: 1,
                media_ssrc: 2,
                feedback_number: number,
                first_number: rest[0].0,
                arrivals: rest,
            });
            assert!(taken > 0);
            let messages: Vec<_> = RtcpMessages::new(buffer.bytes()).collect();
            let [RtcpMessage::TransportFeedback(feedback)] = &messages[..] else {
                panic!("{messages:?}");
            };
            assert_eq!(feedback.media_ssrc, 2);
            assert_eq!(feedback.feedback_number, number);
            assert_eq!(feedback.statuses().count(), usize::from(feedback.status_count));
            all.extend(feedback.statuses());
            rest = &rest[taken..];
            number = number.wrapping_add(1);
        }
        all
    }

    #[test]
    fn transport_feedback_splits_at_a_long_silence() {
        let statuses = feedback_of(&[(65_535, 1_000), (65_536, 9_001_000)]);
        assert_eq!(statuses, [(65_535, Some(1_000)), (0, Some(9_001_000))]);
    }

    #[test]
    fn losses_before_the_first_arrival_are_told() {
        for (first_number, lost) in [(95, 5), (0, 100), (100, 0), (101, 0)] {
            let mut buffer = RtcpBuffer::default();
            let head = FeedbackArrivals {
                sender_ssrc: 1,
                media_ssrc: 2,
                feedback_number: 0,
                first_number,
                arrivals: &[(100, 5_000)],
            };
            assert_eq!(buffer.transport_feedback(&head), 1);
            let Some(RtcpMessage::TransportFeedback(feedback)) = RtcpMessages::new(buffer.bytes()).next() else {
                panic!("{:?}", buffer.bytes());
            };
            let statuses: Vec<_> = feedback.statuses().collect();
            assert_eq!(statuses.len(), lost + 1);
            assert_eq!(statuses[lost], (100, Some(5_000)));
        }
    }

    proptest! {
        #[test]
        fn transport_feedback_round_trip(
            base in 0u64..100_000,
            start_us in 0i64..10_000_000_000,
            steps in proptest::collection::vec((1u64..40, -3_000i64..200_000), 1..600),
        ) {
            let mut arrivals = Vec::new();
            let (mut number, mut time) = (base, start_us + 2_000_000);
            for (gap, delta) in steps {
                number += gap;
                time += delta;
                arrivals.push((number, time));
            }
            let read: Vec<_> = feedback_of(&arrivals)
                .into_iter()
                .filter_map(|(number, arrival)| arrival.map(|arrival| (number, arrival)))
                .collect();
            prop_assert_eq!(read.len(), arrivals.len());
            for ((number, time), (read_number, read_time)) in arrivals.iter().zip(read) {
                prop_assert_eq!(*number as u16, read_number);
                // The reference wraps after 24 bits of 64 ms.
                let wrap = (1i64 << 24) * 64_000;
                prop_assert!((time - read_time).rem_euclid(wrap) < 250, "{} {}", time, read_time);
            }
        }
    }
}
