//! Walks a compound packet.

use super::feedback::{FirEntries, NackNumbers, remb_bitrate_bps};
use super::report::{ReportBlocks, SenderInfo};
use super::transport_cc::TransportFeedback;

pub(super) const SENDER_REPORT: u8 = 200;
pub(super) const RECEIVER_REPORT: u8 = 201;
pub(super) const SOURCE_DESCRIPTION: u8 = 202;
pub(super) const BYE: u8 = 203;
pub(super) const TRANSPORT_FEEDBACK: u8 = 205;
pub(super) const PAYLOAD_FEEDBACK: u8 = 206;

/// One packet of a compound.
#[derive(Debug, Clone)]
pub enum RtcpMessage<'a> {
    /// RFC 3550 §6.4.1.
    SenderReport {
        /// Who sends.
        ssrc: u32,
        /// Clock and counts.
        info: SenderInfo,
        /// What it receives.
        blocks: ReportBlocks<'a>,
    },
    /// RFC 3550 §6.4.2.
    ReceiverReport {
        /// Who reports.
        ssrc: u32,
        /// What it receives.
        blocks: ReportBlocks<'a>,
    },
    /// RFC 3550 §6.5; consumed, never forwarded.
    SourceDescription,
    /// RFC 3550 §6.6: these sources stopped.
    Bye(Vec32<'a>),
    /// Generic NACK, RFC 4585 §6.2.1.
    Nack {
        /// The stream that misses packets.
        media_ssrc: u32,
        /// The missing numbers.
        numbers: NackNumbers<'a>,
    },
    /// Picture loss indication, RFC 4585 §6.3.1.
    Pli {
        /// The stream that needs a keyframe.
        media_ssrc: u32,
    },
    /// Full intra request, RFC 5104 §4.3.1.
    Fir(FirEntries<'a>),
    /// Receiver estimated maximum bitrate.
    Remb {
        /// Bits per second.
        bitrate_bps: u64,
    },
    /// Transport-wide congestion control feedback.
    TransportFeedback(TransportFeedback<'a>),
    /// Anything else that is well formed.
    Other,
}

/// A list of SSRCs in network order.
#[derive(Debug, Clone, Copy)]
pub struct Vec32<'a>(&'a [u8]);

impl Iterator for Vec32<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let (head, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*head))
    }
}

/// Iterator over the packets of a compound; stops at the first malformed one.
#[derive(Debug, Clone)]
pub struct RtcpMessages<'a> {
    rest: &'a [u8],
}

impl<'a> RtcpMessages<'a> {
    /// Starts at the first packet of `compound`.
    #[must_use]
    pub const fn new(compound: &'a [u8]) -> Self {
        Self { rest: compound }
    }
}

impl<'a> Iterator for RtcpMessages<'a> {
    type Item = RtcpMessage<'a>;

    fn next(&mut self) -> Option<RtcpMessage<'a>> {
        let (head, _) = self.rest.split_first_chunk::<4>()?;
        let [first, kind, high, low] = *head;
        let len = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
        if first >> 6 != 2 || self.rest.len() < len {
            self.rest = &[];
            return None;
        }
        let mut body = &self.rest[4..len];
        self.rest = &self.rest[len..];
        if first & 0x20 != 0 {
            let padding = usize::from(*body.last()?);
            if padding == 0 || padding > body.len() {
                self.rest = &[];
                return None;
            }
            body = &body[..body.len() - padding];
        }
        Some(read(kind, first & 0x1f, body).unwrap_or(RtcpMessage::Other))
    }
}

fn read(kind: u8, count: u8, body: &[u8]) -> Option<RtcpMessage<'_>> {
    let word = |index: usize| -> Option<u32> {
        let bytes = body.get(4 * index..4 * index + 4)?;
        Some(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    };
    Some(match (kind, count) {
        (SENDER_REPORT, _) => RtcpMessage::SenderReport {
            ssrc: word(0)?,
            info: SenderInfo {
                ntp: (u64::from(word(1)?) << 32) | u64::from(word(2)?),
                rtp_timestamp: word(3)?,
                packets: word(4)?,
                octets: word(5)?,
            },
            blocks: ReportBlocks::new(&body[24..], count),
        },
        (RECEIVER_REPORT, _) => {
            RtcpMessage::ReceiverReport { ssrc: word(0)?, blocks: ReportBlocks::new(&body[4..], count) }
        }
        (SOURCE_DESCRIPTION, _) => RtcpMessage::SourceDescription,
        (BYE, _) => RtcpMessage::Bye(Vec32(body.get(..4 * usize::from(count))?)),
        (TRANSPORT_FEEDBACK, 1) => RtcpMessage::Nack { media_ssrc: word(1)?, numbers: NackNumbers::new(&body[8..]) },
        (TRANSPORT_FEEDBACK, 15) => RtcpMessage::TransportFeedback(TransportFeedback::parse(body)?),
        (PAYLOAD_FEEDBACK, 1) => RtcpMessage::Pli { media_ssrc: word(1)? },
        (PAYLOAD_FEEDBACK, 4) => RtcpMessage::Fir(FirEntries::new(body.get(8..)?)),
        (PAYLOAD_FEEDBACK, 15) => RtcpMessage::Remb { bitrate_bps: remb_bitrate_bps(body.get(8..)?)? },
        _ => RtcpMessage::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn compound_of_receiver_report_description_and_bye() {
        let bytes = [
            0x80, 201, 0, 1, 0, 0, 0, 1, // RR without blocks
            0x81, 202, 0, 2, 0, 0, 0, 1, 1, 1, b'a', 0, // SDES
            0x82, 203, 0, 2, 0, 0, 0, 7, 0, 0, 0, 8, // BYE
            0x41, 200, // not RTCP
        ];
        let messages: Vec<_> = RtcpMessages::new(&bytes).collect();
        assert_eq!(messages.len(), 3);
        assert!(matches!(messages[0], RtcpMessage::ReceiverReport { ssrc: 1, .. }));
        assert!(matches!(messages[1], RtcpMessage::SourceDescription));
        let RtcpMessage::Bye(ssrcs) = &messages[2] else {
            panic!("{:?}", messages[2]);
        };
        assert_eq!(ssrcs.collect::<Vec<_>>(), [7, 8]);
    }

    #[test]
    fn truncated_content_is_other() {
        let bytes = [0x80, 200, 0, 1, 0, 0, 0, 1];
        let messages: Vec<_> = RtcpMessages::new(&bytes).collect();
        assert!(matches!(messages[..], [RtcpMessage::Other]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), kind in 200u8..208, count in 0u8..32) {
            let mut compound = vec![0x80 | count, kind, 0, 0];
            let words = u16::try_from(bytes.len() / 4).unwrap();
            compound[2..4].copy_from_slice(&words.to_be_bytes());
            compound.extend_from_slice(&bytes);
            for message in RtcpMessages::new(&compound) {
                match message {
                    RtcpMessage::SenderReport { blocks, .. } | RtcpMessage::ReceiverReport { blocks, .. } => {
                        prop_assert!(blocks.count() <= 31);
                    }
                    RtcpMessage::Nack { numbers, .. } => prop_assert!(numbers.count() <= 17 * bytes.len()),
                    RtcpMessage::Fir(entries) => prop_assert!(entries.count() <= bytes.len()),
                    RtcpMessage::TransportFeedback(feedback) => {
                        prop_assert!(feedback.statuses().count() <= 65535);
                    }
                    _ => {}
                }
            }
        }
    }
}
