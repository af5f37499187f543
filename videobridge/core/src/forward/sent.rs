//! Which packet of a source went out under which number: what a retransmission needs.

use super::cache::CacheIndex;

/// Packets remembered per outgoing stream.
const SENT_MAX: usize = 512;
/// A packet is not sent again within this time even if the round trip seems shorter, in µs.
const RESEND_INTERVAL_MIN_US: u64 = 10_000;

/// Numbers a receiver saw on a packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SentPacket {
    /// Sequence number at the receiver.
    pub sequence: u16,
    /// RTP timestamp at the receiver.
    pub timestamp: u32,
    /// Picture id at the receiver.
    pub picture_id: u16,
    /// TL0PICIDX at the receiver.
    pub tl0_picture_index: u8,
    /// Dependency descriptor frame number at the receiver.
    pub frame_number: u16,
    /// Encoding of the source.
    pub encoding: u8,
    /// Counts bindings of the stream to sources: an entry of an earlier one points into another cache.
    pub binding: u16,
    /// Where the packet is kept.
    pub cached: CacheIndex,
    /// When it was sent last, µs.
    pub sent_at_us: u64,
}

/// Ring of sent packets, indexed by sequence number. Allocates with the first packet.
#[derive(Debug, Default)]
pub struct SentPackets {
    ring: Vec<SentPacket>,
}

impl SentPackets {
    /// Remembers a packet.
    pub fn push(&mut self, packet: SentPacket) {
        if self.ring.is_empty() {
            self.ring = vec![SentPacket::default(); SENT_MAX];
        }
        let slot = usize::from(packet.sequence) % SENT_MAX;
        self.ring[slot] = packet;
    }

    /// The packet that was sent under a number.
    #[must_use]
    pub fn get(&self, sequence: u16) -> Option<SentPacket> {
        let packet = self.ring.get(usize::from(sequence) % SENT_MAX)?;
        (packet.sequence == sequence && packet.sent_at_us != 0).then_some(*packet)
    }

    /// The packet to send again for a NACK of `sequence`, marked as sent now.
    ///
    /// `None` when it is unknown or was sent less than most of a round trip ago: the receiver can't know yet.
    pub fn resend(&mut self, sequence: u16, binding: u16, now_us: u64, rtt_us: u64) -> Option<SentPacket> {
        let packet = self.ring.get_mut(usize::from(sequence) % SENT_MAX)?;
        if packet.sequence != sequence || packet.binding != binding || packet.sent_at_us == 0 {
            return None;
        }
        let interval_us = (rtt_us * 9 / 10).min(rtt_us.saturating_sub(5_000)).max(RESEND_INTERVAL_MIN_US);
        if now_us < packet.sent_at_us + interval_us {
            return None;
        }
        packet.sent_at_us = now_us;
        Some(*packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u16, sent_at_us: u64) -> SentPacket {
        SentPacket { sequence, sent_at_us, binding: 1, ..SentPacket::default() }
    }

    #[test]
    fn resends_once_per_round_trip() {
        let mut sent = SentPackets::default();
        assert_eq!(sent.resend(5, 1, 0, 0), None);
        sent.push(packet(5, 1_000_000));
        assert_eq!(sent.resend(5, 1, 1_050_000, 100_000), None);
        assert!(sent.resend(5, 1, 1_090_000, 100_000).is_some());
        assert_eq!(sent.resend(5, 1, 1_100_000, 100_000), None);
        assert_eq!(sent.resend(5, 2, 9_000_000, 100_000), None);
        assert_eq!(sent.resend(6, 1, 9_000_000, 100_000), None);
        // A claimed round trip of nothing does not open a flood.
        assert!(sent.resend(5, 1, 2_000_000, 0).is_some());
        assert_eq!(sent.resend(5, 1, 2_009_999, 0), None);
    }

    #[test]
    fn forgets_after_a_lap() {
        let mut sent = SentPackets::default();
        sent.push(packet(5, 1));
        sent.push(packet(5 + SENT_MAX as u16, 1));
        assert_eq!(sent.resend(5, 1, 9_000_000, 1), None);
    }
}
