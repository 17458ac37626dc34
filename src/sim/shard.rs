//! Seeds over many machines: a part of a range of seeds, and the record of what has been run of it.
//!
//! A part is run in blocks of seeds; each is a line of the [`record`] once all its worlds have ended. What a killed
//! process has not written a line for is run again by the next one that is given the same record.

pub(super) mod merge;
pub(super) mod record;
mod run;

use std::ops::Range;

pub(super) use self::run::run_shard;

/// Seeds of a block at most: half a minute of one core.
const BLOCK_MAX: u64 = 10_000;

/// How many seeds a block of a part of so many has: a hundredth of it.
fn block(seeds: u64) -> u64 {
    (seeds / 100).clamp(1, BLOCK_MAX)
}

/// What is left of `part` without `done`, which are in order, in blocks.
fn blocks_left(part: &Range<u64>, done: &[Range<u64>]) -> Vec<Range<u64>> {
    let block = block(part.end - part.start);
    let mut left = Vec::new();
    let mut cut = |from: u64, until: u64| {
        let mut at = from;
        while at < until {
            let end = at + block.min(until - at);
            left.push(at..end);
            at = end;
        }
    };
    let mut at = part.start;
    for done in done {
        cut(at, done.start.min(part.end));
        at = at.max(done.end);
    }
    cut(at, part.end);
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "a list of one range is meant")]
    fn what_is_done_is_not_left() {
        let lengths = |part: Range<u64>, done: &[Range<u64>]| {
            let left = blocks_left(&part, done);
            assert!(left.windows(2).all(|two| two[0].end <= two[1].start));
            left.iter().map(|block| block.end - block.start).collect::<Vec<_>>()
        };
        assert_eq!(lengths(0..3, &[]), [1, 1, 1]);
        assert_eq!(blocks_left(&(0..5), &[1..2, 3..4]), [0..1, 2..3, 4..5]);
        assert_eq!(blocks_left(&(0..5), &[0..5]), []);
        // Blocks of 3, and what a record of other blocks leaves.
        assert_eq!(lengths(0..300, &[0..295]), [3, 2]);
        assert_eq!(lengths(0..2_000_000, &[10_000..2_000_000]), [10_000]);
        // Done twice over, and beyond either end.
        assert_eq!(blocks_left(&(10..14), &[0..11, 5..12, 13..20]), [12..13]);
    }
}
