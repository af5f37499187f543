//! Sender information and report blocks.

/// The clock mapping and counts of a sender report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderInfo {
    /// NTP time, 32.32 fixed point seconds.
    pub ntp: u64,
    /// RTP timestamp of the same moment.
    pub rtp_timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Payload bytes sent.
    pub octets: u32,
}

impl SenderInfo {
    /// The middle 32 bits of the NTP time, as echoed in report blocks.
    #[must_use]
    pub const fn compact_ntp(&self) -> u32 {
        (self.ntp >> 16) as u32
    }
}

/// What a receiver says about one stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The stream.
    pub ssrc: u32,
    /// Loss since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Loss since the start (24 bits on the wire, signed).
    pub cumulative_lost: i32,
    /// Highest number received, with its count of cycles.
    pub highest_sequence: u32,
    /// Interarrival jitter in timestamp units.
    pub jitter: u32,
    /// Compact NTP time of the last sender report, 0 if none.
    pub last_sender_report: u32,
    /// Delay since it, in 1/65536 s.
    pub delay_since_last: u32,
}

impl ReportBlock {
    pub(super) const LEN: usize = 24;

    pub(super) fn write(&self, bytes: &mut [u8]) {
        bytes[..4].copy_from_slice(&self.ssrc.to_be_bytes());
        let lost = self.cumulative_lost.clamp(-0x0080_0000, 0x007f_ffff);
        bytes[4..8].copy_from_slice(&lost.to_be_bytes());
        bytes[4] = self.fraction_lost;
        bytes[8..12].copy_from_slice(&self.highest_sequence.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.jitter.to_be_bytes());
        bytes[16..20].copy_from_slice(&self.last_sender_report.to_be_bytes());
        bytes[20..24].copy_from_slice(&self.delay_since_last.to_be_bytes());
    }
}

/// Iterator over report blocks.
#[derive(Debug, Clone)]
pub struct ReportBlocks<'a> {
    rest: &'a [u8],
    left: u8,
}

impl<'a> ReportBlocks<'a> {
    pub(super) const fn new(rest: &'a [u8], left: u8) -> Self {
        Self { rest, left }
    }
}

impl Iterator for ReportBlocks<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        if self.left == 0 {
            return None;
        }
        let (block, rest) = self.rest.split_first_chunk::<{ ReportBlock::LEN }>()?;
        self.rest = rest;
        self.left -= 1;
        let word = |at: usize| u32::from_be_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
        Some(ReportBlock {
            ssrc: word(0),
            fraction_lost: block[4],
            // Sign-extends 24 bits.
            cumulative_lost: ((word(4) << 8) as i32) >> 8,
            highest_sequence: word(8),
            jitter: word(12),
            last_sender_report: word(16),
            delay_since_last: word(20),
        })
    }
}
