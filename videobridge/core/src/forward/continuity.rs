//! Gapless output numbers although some of the input is left out.

/// Ranges of left-out numbers remembered for packets that come late.
const RANGES: usize = 32;

#[derive(Debug, Clone, Copy, Default)]
struct Range {
    /// First input number of the range.
    start: u64,
    /// Input minus output.
    offset: i64,
}

/// Maps ascending input numbers to output numbers without the left-out ones.
///
/// A number that was not seen keeps its place in the output, as it may still come; one that is known to be
/// left out does not. Left-out numbers are noticed only when they are the newest.
#[derive(Debug, Clone)]
pub struct ContinuityMap {
    ranges: [Range; RANGES],
    len: usize,
    highest: u64,
}

impl ContinuityMap {
    /// A map in which `first_in` becomes `first_out`; what is before `first_in` has no place.
    #[must_use]
    pub fn new(first_in: u64, first_out: u64) -> Self {
        let mut ranges = [Range::default(); RANGES];
        ranges[0] = Range { start: first_in, offset: first_in.wrapping_sub(first_out) as i64 };
        Self { ranges, len: 1, highest: first_in.saturating_sub(1) }
    }

    /// The output number of `number`; `None` if it was left out or is too old to tell.
    #[must_use]
    pub fn map(&self, number: u64) -> Option<u64> {
        let at = self.ranges[..self.len].iter().rposition(|range| range.start <= number)?;
        let offset = self.ranges[at].offset;
        if let Some(next) = self.ranges[..self.len].get(at + 1) {
            let left_out = next.offset.wrapping_sub(offset) as u64;
            if number >= next.start - left_out {
                return None;
            }
        }
        Some(number.wrapping_sub(offset as u64))
    }

    /// [`map`](Self::map), remembering that `number` was used.
    pub fn take(&mut self, number: u64) -> Option<u64> {
        let out = self.map(number)?;
        self.highest = self.highest.max(number);
        Some(out)
    }

    /// Leaves `number` out. Without effect when a newer one was used or left out already.
    pub fn leave_out(&mut self, number: u64) {
        if number <= self.highest {
            return;
        }
        self.highest = number;
        let last = &mut self.ranges[self.len - 1];
        if number < last.start {
            return;
        }
        if last.start == number {
            last.start += 1;
            last.offset += 1;
            return;
        }
        let next = Range { start: number + 1, offset: last.offset + 1 };
        if self.len == RANGES {
            self.ranges.copy_within(1.., 0);
            self.len -= 1;
        }
        self.ranges[self.len] = next;
        self.len += 1;
    }

    /// Continues the output at `number`, whatever was between: the input began to count anew.
    pub fn restart(&mut self, number: u64) {
        let last = self.ranges[self.len - 1];
        let next = (self.highest + 1).wrapping_sub(last.offset as u64);
        *self = Self::new(number, next);
    }

    /// Newest input number used or left out.
    #[must_use]
    pub const fn highest(&self) -> u64 {
        self.highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn left_out_numbers_close_the_gap() {
        let mut map = ContinuityMap::new(100, 1);
        assert_eq!(map.take(100), Some(1));
        map.leave_out(101);
        map.leave_out(102);
        assert_eq!(map.take(103), Some(2));
        // 104 has not been seen: it keeps its place.
        assert_eq!(map.take(105), Some(4));
        assert_eq!(map.take(104), Some(3));
        assert_eq!(map.map(101), None);
        assert_eq!(map.map(102), None);
        assert_eq!(map.map(99), None);
    }

    #[test]
    fn a_late_one_left_out_leaves_its_hole() {
        let mut map = ContinuityMap::new(10, 10);
        map.take(10);
        map.take(12);
        map.leave_out(11);
        assert_eq!(map.take(13), Some(13));
    }

    #[test]
    fn a_restart_continues_the_output() {
        let mut map = ContinuityMap::new(100, 1);
        map.take(100);
        map.leave_out(101);
        map.restart(90_000);
        assert_eq!(map.take(90_000), Some(2));
        assert_eq!(map.map(102), None);
        map.restart(200_000);
        assert_eq!(map.take(200_001), Some(4));
    }

    #[test]
    fn forgets_what_is_older_than_its_ranges() {
        let mut map = ContinuityMap::new(0, 0);
        for number in 0..200 {
            if number % 2 == 0 {
                map.take(number);
            } else {
                map.leave_out(number);
            }
        }
        assert_eq!(map.map(10), None);
        assert_eq!(map.map(198), Some(99));
        assert_eq!(map.map(190), Some(95));
    }

    proptest! {
        #[test]
        fn output_is_injective_and_ordered(
            start in 0u64..1_000_000,
            out in 0u64..70_000,
            steps in proptest::collection::vec((0u8..4, 0u64..6), 1..400),
        ) {
            let mut map = ContinuityMap::new(start, out);
            let mut outputs: BTreeMap<u64, u64> = BTreeMap::new();
            let mut next = start;
            let mut pending = Vec::new();
            for (action, late) in steps {
                match action {
                    0 => { map.leave_out(next); next += 1; }
                    1 => { pending.push(next); next += 1; }
                    2 if !pending.is_empty() => {
                        let number = pending.remove(late as usize % pending.len());
                        if let Some(mapped) = map.take(number) { outputs.insert(number, mapped); }
                    }
                    _ => {
                        let mapped = map.take(next).expect("the newest always has a place");
                        outputs.insert(next, mapped);
                        next += 1;
                    }
                }
            }
            let mut previous = None;
            for (&number, &mapped) in &outputs {
                if let Some((before, before_mapped)) = previous {
                    prop_assert!(mapped > before_mapped);
                    prop_assert!(mapped - before_mapped <= number - before);
                }
                previous = Some((number, mapped));
            }
        }
    }
}
