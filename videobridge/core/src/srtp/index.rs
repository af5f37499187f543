//! The 48-bit packet index from a 16-bit sequence number, and the replay window
//! (RFC 3711 §3.3.1, §3.3.2).

/// Packets older than the newest by this many or more are refused.
const WINDOW: u64 = 128;

/// What is known of one stream's indices.
#[derive(Debug, Clone, Copy)]
pub(super) struct Indices {
    newest: u64,
    /// Bit `n`: the packet `n` before the newest was seen.
    seen: u128,
}

impl Indices {
    /// A stream whose first packet had `sequence`; the roll-over counter begins at zero.
    pub(super) fn first(index: u64) -> Self {
        Self { newest: index, seen: 1 }
    }

    /// The index nearest to the newest that ends in `sequence`.
    pub(super) fn guess(&self, sequence: u16) -> u64 {
        let roc = self.newest >> 16;
        let near = u16::try_from(self.newest & 0xffff).expect("masked to 16 bits");
        let roc = if near < 0x8000 && sequence.wrapping_sub(near) >= 0x8000 && sequence > near {
            // Behind the newest, before the roll-over. Before the first roll-over there is nothing.
            roc.saturating_sub(1)
        } else if near >= 0x8000 && near.wrapping_sub(sequence) > 0x8000 && sequence < near {
            roc + 1
        } else {
            roc
        };
        ((roc << 16) | u64::from(sequence)) & 0xffff_ffff_ffff
    }

    /// Whether the packet was seen already or is too old to know.
    pub(super) fn is_replay(&self, index: u64) -> bool {
        match self.newest.checked_sub(index) {
            None => false,
            Some(age) => age >= WINDOW || self.seen & (1 << age) != 0,
        }
    }

    /// Notes an authenticated packet.
    pub(super) fn note(&mut self, index: u64) {
        if index > self.newest {
            let ahead = index - self.newest;
            self.seen = if ahead >= WINDOW { 0 } else { self.seen << ahead };
            self.seen |= 1;
            self.newest = index;
        } else if self.newest - index < WINDOW {
            self.seen |= 1 << (self.newest - index);
        }
    }
}

/// What is known of the indices of many streams, sorted by SSRC: found without hashing or allocation.
#[derive(Debug, Default)]
pub(super) struct Streams(Vec<(u32, Indices)>);

impl Streams {
    pub(super) fn get(&self, ssrc: u32) -> Option<&Indices> {
        self.position(ssrc).ok().map(|at| &self.0[at].1)
    }

    /// Notes a packet; `false` when the stream is new and there are `max` already.
    pub(super) fn note(&mut self, ssrc: u32, index: u64, max: usize) -> bool {
        match self.position(ssrc) {
            Ok(at) => self.0[at].1.note(index),
            Err(_) if self.0.len() >= max => return false,
            Err(at) => self.0.insert(at, (ssrc, Indices::first(index))),
        }
        true
    }

    pub(super) fn has_room_for(&self, ssrc: u32, max: usize) -> bool {
        self.0.len() < max || self.position(ssrc).is_ok()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn position(&self, ssrc: u32) -> Result<usize, usize> {
        self.0.binary_search_by_key(&ssrc, |(known, _)| *known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_rolls_over_and_back() {
        let mut indices = Indices::first(0xfffe);
        for (sequence, index) in [(0xffff, 0xffff), (0, 0x1_0000), (1, 0x1_0001), (0xfffd, 0xfffd), (5, 0x1_0005)] {
            assert_eq!(indices.guess(sequence), index, "{sequence:x}");
            indices.note(index);
        }
        assert_eq!(Indices::first(3).guess(0xffff), 0xffff, "nothing lies before the first roll-over");
    }

    #[test]
    fn a_packet_is_taken_once_and_not_when_too_old() {
        let mut indices = Indices::first(1000);
        assert!(indices.is_replay(1000));
        assert!(!indices.is_replay(1001) && !indices.is_replay(999));
        indices.note(999);
        assert!(indices.is_replay(999));
        indices.note(1000 + 500);
        assert!(indices.is_replay(1000), "fell out of the window");
        assert!(!indices.is_replay(1500 - 127));
        assert!(indices.is_replay(1500 - 128));
    }
}
