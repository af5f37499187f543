//! Sixteen-bit numbers that wrap, and the unwrapped numbers everything inside works with.

/// Whether `a` comes after `b` on the 16-bit circle.
#[must_use]
pub const fn is_newer(a: u16, b: u16) -> bool {
    a != b && a.wrapping_sub(b) < 0x8000
}

/// Extends wrapping numbers of `BITS` bits to 64 bits, taking each as the nearest to the highest seen.
///
/// Numbers start one full cycle above zero, so that packets from before the first one stay representable.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwrapper<const BITS: u32> {
    highest: Option<u64>,
}

impl<const BITS: u32> Unwrapper<BITS> {
    const CYCLE: u64 = 1 << BITS;

    /// The unwrapped form of `value`, without remembering it.
    #[must_use]
    pub fn peek(&self, value: u32) -> u64 {
        let value = u64::from(value) & (Self::CYCLE - 1);
        let Some(highest) = self.highest else {
            return Self::CYCLE + value;
        };
        let ahead = value.wrapping_sub(highest) & (Self::CYCLE - 1);
        if ahead < Self::CYCLE / 2 { highest + ahead } else { (highest + ahead).saturating_sub(Self::CYCLE) }
    }

    /// The unwrapped form of `value`, remembering it when it is the highest.
    pub fn unwrap(&mut self, value: u32) -> u64 {
        let extended = self.peek(value);
        if self.highest.is_none_or(|highest| extended > highest) {
            self.highest = Some(extended);
        }
        extended
    }

    /// The first unwrapped form of `value` above everything seen: for a counter that was started anew.
    pub fn restart(&mut self, value: u32) -> u64 {
        let value = u64::from(value) & (Self::CYCLE - 1);
        let highest = self.highest.unwrap_or(0);
        let mut extended = (highest & !(Self::CYCLE - 1)) + value;
        if extended <= highest {
            extended += Self::CYCLE;
        }
        self.highest = Some(extended);
        extended
    }

    /// Highest unwrapped number seen.
    #[must_use]
    pub const fn highest(&self) -> Option<u64> {
        self.highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_on_the_circle() {
        assert!(is_newer(1, 0));
        assert!(is_newer(0, 65535));
        assert!(!is_newer(65535, 0));
        assert!(!is_newer(5, 5));
        assert!(is_newer(0x8000, 1));
        assert!(!is_newer(0x8001, 1));
    }

    #[test]
    fn unwraps_over_the_edge_and_back() {
        let mut sequence = Unwrapper::<16>::default();
        assert_eq!(sequence.unwrap(65534), 65536 + 65534);
        assert_eq!(sequence.unwrap(1), 2 * 65536 + 1);
        assert_eq!(sequence.unwrap(65535), 65536 + 65535);
        assert_eq!(sequence.highest(), Some(2 * 65536 + 1));
    }

    #[test]
    fn restart_is_above_everything() {
        let mut sequence = Unwrapper::<16>::default();
        let before = sequence.unwrap(40_000);
        let after = sequence.restart(5);
        assert!(after > before);
        assert_eq!(after & 0xffff, 5);
        let same = sequence.restart(5);
        assert_eq!(same, after + 65536);
    }

    #[test]
    fn fifteen_bits() {
        let mut picture = Unwrapper::<15>::default();
        let before = picture.unwrap(0x7fff);
        assert_eq!(picture.unwrap(0), before + 1);
    }
}
