//! Randomness, given from outside so that a scenario can be replayed.

/// A source of unpredictable numbers.
pub trait Randomness: Send {
    /// The next 64 bits.
    fn next_u64(&mut self) -> u64;
}

/// A Jingle session id: unpredictable, short, of letters and digits only.
pub fn session_id(random: &mut dyn Randomness) -> String {
    format!("{:016x}", random.next_u64())
}

/// A random UUID (RFC 9562, version 4).
pub fn uuid(random: &mut dyn Randomness) -> String {
    let high = (random.next_u64() & 0xffff_ffff_ffff_0fff) | 0x4000;
    let low = (random.next_u64() & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000;
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

/// Counts upwards: for tests and replays.
#[derive(Debug, Clone, Default)]
pub struct Counting(pub u64);

impl Randomness for Counting {
    fn next_u64(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_of_version_4() {
        struct Ones;
        impl Randomness for Ones {
            fn next_u64(&mut self) -> u64 {
                u64::MAX
            }
        }
        assert_eq!(uuid(&mut Ones), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(uuid(&mut Counting(0)), "00000000-0000-4001-8000-000000000002");
    }
}
