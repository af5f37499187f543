//! Bitrate over the last second.

const BUCKETS: usize = 10;
const BUCKET_US: u64 = 100_000;

/// Bytes in the last second, in buckets of 100 ms.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rate {
    buckets: [u32; BUCKETS],
    /// Number of the newest bucket since the start of time.
    newest: u64,
}

impl Rate {
    /// Counts `bytes` now.
    pub fn add(&mut self, bytes: usize, now_us: u64) {
        self.advance(now_us);
        let bucket = &mut self.buckets[(self.newest % BUCKETS as u64) as usize];
        *bucket = bucket.saturating_add(bytes as u32);
    }

    /// Bits in the last second.
    #[must_use]
    pub fn bps(&self, now_us: u64) -> u64 {
        let mut copy = *self;
        copy.advance(now_us);
        8 * copy.buckets.iter().map(|&bytes| u64::from(bytes)).sum::<u64>()
    }

    fn advance(&mut self, now_us: u64) {
        let bucket = now_us / BUCKET_US;
        if bucket <= self.newest {
            return;
        }
        let steps = (bucket - self.newest).min(BUCKETS as u64);
        for step in 0..steps {
            self.buckets[((bucket - step) % BUCKETS as u64) as usize] = 0;
        }
        self.newest = bucket;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_second_only() {
        let mut rate = Rate::default();
        for tick in 0..20 {
            rate.add(1_000, tick * 100_000);
        }
        assert_eq!(rate.bps(1_950_000), 80_000);
        assert_eq!(rate.bps(2_450_000), 40_000);
        assert_eq!(rate.bps(9_000_000), 0);
        // A clock that does not advance is no reason to forget.
        rate.add(1_000, 100_000);
        assert_eq!(rate.bps(1_950_000), 88_000);
    }
}
