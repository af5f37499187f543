//! Randomness of the operating system.

use focus_core::random::Randomness;
use rand::RngExt as _;
use rand::rngs::StdRng;

/// A generator seeded by the operating system.
pub(crate) struct OperatingSystem(StdRng);

impl Default for OperatingSystem {
    fn default() -> Self {
        Self(rand::make_rng())
    }
}

impl Randomness for OperatingSystem {
    fn next_u64(&mut self) -> u64 {
        self.0.random()
    }
}
