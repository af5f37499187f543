//! Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1), reading.

/// Reference time is counted in units of 64 ms.
const REFERENCE_UNIT_US: i64 = 64_000;
/// Receive deltas are counted in units of 250 µs.
const DELTA_UNIT_US: i64 = 250;

/// One feedback packet.
#[derive(Debug, Clone, Copy)]
pub struct TransportFeedback<'a> {
    /// Stream named by the feedback.
    pub media_ssrc: u32,
    /// First transport-wide number covered.
    pub base_sequence: u16,
    /// How many numbers are covered.
    pub status_count: u16,
    /// Time base in units of 64 ms, signed 24 bits.
    pub reference_time: i32,
    /// Number of this feedback packet.
    pub feedback_number: u8,
    chunks: &'a [u8],
}

impl<'a> TransportFeedback<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Option<Self> {
        let head = body.first_chunk::<16>()?;
        Some(Self {
            media_ssrc: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
            base_sequence: u16::from_be_bytes([head[8], head[9]]),
            status_count: u16::from_be_bytes([head[10], head[11]]),
            reference_time: i32::from_be_bytes([head[12], head[13], head[14], 0]) >> 8,
            feedback_number: head[15],
            chunks: &body[16..],
        })
    }

    /// `(number, arrival time in µs on the receiver's clock, None if it did not arrive)` in order of number.
    ///
    /// Ends early when the packet is shorter than it says.
    #[must_use]
    pub fn statuses(&self) -> PacketStatuses<'a> {
        // The deltas start after the chunks that cover `status_count` numbers.
        let mut covered = 0u32;
        let mut at = 0;
        while covered < u32::from(self.status_count) {
            let Some(&[high, low]) = self.chunks.get(at..).and_then(|rest| rest.first_chunk::<2>()) else {
                break;
            };
            covered += chunk_len(u16::from_be_bytes([high, low]));
            at += 2;
        }
        PacketStatuses {
            chunks: &self.chunks[..at],
            deltas: &self.chunks[at..],
            chunk: 0,
            index: 0,
            chunk_left: 0,
            next: self.base_sequence,
            left: self.status_count,
            time_us: i64::from(self.reference_time) * REFERENCE_UNIT_US,
        }
    }
}

const fn chunk_len(chunk: u16) -> u32 {
    match chunk >> 14 {
        0 | 1 => (chunk & 0x1fff) as u32,
        2 => 14,
        _ => 7,
    }
}

/// Iterator of [`TransportFeedback::statuses`].
#[derive(Debug, Clone)]
pub struct PacketStatuses<'a> {
    chunks: &'a [u8],
    deltas: &'a [u8],
    chunk: u16,
    index: u32,
    chunk_left: u32,
    next: u16,
    left: u16,
    time_us: i64,
}

impl Iterator for PacketStatuses<'_> {
    type Item = (u16, Option<i64>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        while self.chunk_left == 0 {
            let (&[high, low], rest) = self.chunks.split_first_chunk::<2>()?;
            self.chunks = rest;
            self.chunk = u16::from_be_bytes([high, low]);
            self.chunk_left = chunk_len(self.chunk);
            self.index = 0;
        }
        let symbol = match self.chunk >> 14 {
            0 | 1 => (self.chunk >> 13) & 3,
            2 => (self.chunk >> (13 - self.index)) & 1,
            _ => (self.chunk >> (12 - 2 * self.index)) & 3,
        };
        self.index += 1;
        self.chunk_left -= 1;
        self.left -= 1;
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        let arrival = match symbol {
            1 => {
                let (&delta, rest) = self.deltas.split_first()?;
                self.deltas = rest;
                self.time_us += i64::from(delta) * DELTA_UNIT_US;
                Some(self.time_us)
            }
            2 => {
                let (&delta, rest) = self.deltas.split_first_chunk::<2>()?;
                self.deltas = rest;
                self.time_us += i64::from(i16::from_be_bytes(delta)) * DELTA_UNIT_US;
                Some(self.time_us)
            }
            _ => None,
        };
        Some((number, arrival))
    }
}
