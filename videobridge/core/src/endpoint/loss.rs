//! What is missing from one received stream, and when to ask for it again.

use crate::rtp::Unwrapper;

/// Gap from which on the missing packets are given up (a restart or a dead link, not loss).
const GAP_MAX: u64 = 100;
/// Most numbers waited for at a time.
const MISSING_MAX: usize = 256;
/// Time between requests for the same packet, µs.
const INTERVAL_US: u64 = 150_000;
/// Requests for the same packet.
const REQUESTS_MAX: u8 = 10;

#[derive(Debug, Clone, Copy)]
struct Missing {
    sequence: u64,
    asked_at_us: u64,
    asked: u8,
}

/// Missing packets of one stream. Allocates with the first loss.
#[derive(Debug, Default)]
pub struct MissingPackets {
    missing: Vec<Missing>,
    highest: Option<u64>,
}

impl MissingPackets {
    /// Notes an arrival; true when packets before it are newly missing.
    pub fn arrived(&mut self, sequence: u64) -> bool {
        let Some(highest) = self.highest else {
            self.highest = Some(sequence);
            return false;
        };
        if sequence <= highest {
            self.missing.retain(|missing| missing.sequence != sequence);
            return false;
        }
        self.highest = Some(sequence);
        let gap = sequence - highest - 1;
        if gap == 0 {
            return false;
        }
        if gap >= GAP_MAX {
            self.missing.clear();
            return false;
        }
        if self.missing.capacity() == 0 {
            self.missing.reserve_exact(MISSING_MAX);
        }
        let excess = (self.missing.len() + gap as usize).saturating_sub(MISSING_MAX);
        self.missing.drain(..excess);
        self.missing.extend((highest + 1..sequence).map(|sequence| Missing { sequence, asked_at_us: 0, asked: 0 }));
        true
    }

    /// Fills `numbers` with those to ask for now and returns how many.
    pub fn ask(&mut self, now_us: u64, numbers: &mut [u16]) -> usize {
        let mut count = 0;
        for missing in &mut self.missing {
            if count == numbers.len() {
                break;
            }
            if missing.asked > 0 && now_us < missing.asked_at_us + INTERVAL_US {
                continue;
            }
            missing.asked += 1;
            missing.asked_at_us = now_us;
            numbers[count] = missing.sequence as u16;
            count += 1;
        }
        // A packet that was asked for often enough gets one more interval to come, without being asked for.
        self.missing.retain(|missing| missing.asked < REQUESTS_MAX);
        count
    }

    /// Whether anything is waited for.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.missing.is_empty()
    }
}

/// Numbers of one received stream unwrapped, duplicates and restarts noticed (RFC 3550 A.1).
#[derive(Debug, Default)]
pub struct SequenceWindow {
    unwrapper: Unwrapper<16>,
    seen: [u64; WINDOW / 64],
    restart: Option<u16>,
}

/// Numbers below the highest for which duplicates are told apart; older ones are too late for any use.
const WINDOW: usize = 1024;

/// What a packet's number means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// To be used under this unwrapped number.
    New(u64),
    /// Seen before.
    Duplicate,
    /// Older than the window.
    TooOld,
}

impl SequenceWindow {
    /// Notes the arrival of `number`.
    pub fn arrived(&mut self, number: u16) -> Arrival {
        let Some(highest) = self.unwrapper.highest() else {
            let sequence = self.unwrapper.unwrap(u32::from(number));
            self.mark(sequence);
            return Arrival::New(sequence);
        };
        let sequence = self.unwrapper.peek(u32::from(number));
        if sequence > highest {
            self.unwrapper.unwrap(u32::from(number));
            if sequence - highest >= WINDOW as u64 {
                self.seen = [0; WINDOW / 64];
            } else {
                for skipped in highest + 1..sequence {
                    self.clear(skipped);
                }
            }
            self.mark(sequence);
            self.restart = None;
            return Arrival::New(sequence);
        }
        if highest - sequence >= WINDOW as u64 {
            // Two in a row out of the window: the sender began anew.
            if self.restart == Some(number) {
                self.restart = None;
                self.seen = [0; WINDOW / 64];
                let sequence = self.unwrapper.restart(u32::from(number));
                self.mark(sequence);
                return Arrival::New(sequence);
            }
            self.restart = Some(number.wrapping_add(1));
            return Arrival::TooOld;
        }
        if self.is_marked(sequence) {
            return Arrival::Duplicate;
        }
        self.mark(sequence);
        Arrival::New(sequence)
    }

    /// Highest unwrapped number so far.
    #[must_use]
    pub const fn highest(&self) -> Option<u64> {
        self.unwrapper.highest()
    }

    const fn place(sequence: u64) -> (usize, u64) {
        let bit = (sequence % WINDOW as u64) as usize;
        (bit / 64, 1 << (bit % 64))
    }

    const fn mark(&mut self, sequence: u64) {
        let (word, bit) = Self::place(sequence);
        self.seen[word] |= bit;
    }

    const fn clear(&mut self, sequence: u64) {
        let (word, bit) = Self::place(sequence);
        self.seen[word] &= !bit;
    }

    const fn is_marked(&self, sequence: u64) -> bool {
        let (word, bit) = Self::place(sequence);
        self.seen[word] & bit != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(missing: &mut MissingPackets, now_us: u64) -> Vec<u16> {
        let mut numbers = [0; 300];
        let count = missing.ask(now_us, &mut numbers);
        numbers[..count].to_vec()
    }

    #[test]
    fn asks_at_once_then_each_interval_ten_times() {
        let mut missing = MissingPackets::default();
        assert!(!missing.arrived(65_535));
        assert!(missing.arrived(65_538));
        assert_eq!(ask(&mut missing, 0), [0, 1]);
        assert!(ask(&mut missing, 100_000).is_empty());
        missing.arrived(65_536);
        let mut times = 1;
        for tick in 1..100 {
            let asked = ask(&mut missing, tick * 50_000);
            assert!(asked.is_empty() || asked == [1]);
            times += asked.len();
        }
        assert_eq!(times, usize::from(REQUESTS_MAX));
        assert!(missing.is_empty());
    }

    #[test]
    fn a_large_gap_is_given_up() {
        let mut missing = MissingPackets::default();
        missing.arrived(1_000);
        missing.arrived(1_002);
        assert!(!missing.arrived(1_002 + GAP_MAX + 1));
        assert!(missing.is_empty());
        assert!(missing.arrived(1_002 + GAP_MAX + 3));
    }

    #[test]
    fn memory_is_bounded() {
        let mut missing = MissingPackets::default();
        let mut sequence = 0;
        for _ in 0..100 {
            missing.arrived(sequence);
            sequence += 50;
        }
        assert_eq!(missing.missing.len(), MISSING_MAX);
        assert_eq!(ask(&mut missing, 1).len(), MISSING_MAX);
    }

    #[test]
    fn duplicates_and_restart() {
        let mut window = SequenceWindow::default();
        assert_eq!(window.arrived(65_535), Arrival::New(2 * 65_536 - 1));
        assert_eq!(window.arrived(1), Arrival::New(2 * 65_536 + 1));
        assert_eq!(window.arrived(0), Arrival::New(2 * 65_536));
        assert_eq!(window.arrived(0), Arrival::Duplicate);
        assert_eq!(window.arrived(65_535), Arrival::Duplicate);
        assert_eq!(window.arrived(60_000), Arrival::TooOld);
        assert_eq!(window.arrived(3), Arrival::New(2 * 65_536 + 3));
        assert_eq!(window.arrived(60_000), Arrival::TooOld);
        assert_eq!(window.arrived(60_001), Arrival::New(2 * 65_536 + 60_001));
        assert_eq!(window.arrived(60_002), Arrival::New(2 * 65_536 + 60_002));
    }
}
