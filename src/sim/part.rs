//! A part of a range of seeds, for one machine of many.
//!
//! `--shard I/N` is the I-th of N parts of the range, counted from 0 as array indices of batch systems are. Parts follow
//! each other, none is longer than another by more than one seed, and together they are the range.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// A part of a range of seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which part, counted from 0.
    index: u64,
    /// How many parts there are.
    pub(super) of: u64,
}

impl Shard {
    /// The only part there is.
    pub(super) const WHOLE: Self = Self { index: 0, of: 1 };

    /// Its seeds.
    pub(super) fn part(self, seeds: &Range<u64>) -> Range<u64> {
        let border = |index: u64| {
            let width = u128::from(seeds.end - seeds.start);
            seeds.start + (width * u128::from(index) / u128::from(self.of)) as u64
        };
        border(self.index)..border(self.index + 1)
    }

    /// The part of as many that a seed is in.
    pub(super) fn with(self, seed: u64, seeds: &Range<u64>) -> Self {
        let (at, width) = (u128::from(seed - seeds.start), u128::from(seeds.end - seeds.start));
        // The last part that begins at the seed or before.
        let index = ((at + 1) * u128::from(self.of)).div_ceil(width) - 1;
        Self { index: index as u64, of: self.of }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('/').and_then(|(index, of)| {
            Some(Self { index: index.parse().ok()?, of: of.parse().ok()? })
        });
        let Some(shard) = parsed.filter(|shard| shard.of > 0) else {
            return Err(format!("{text:?} is not I/N, two numbers, e.g. 0/10"));
        };
        if shard.index >= shard.of {
            return Err(format!(
                "there is no shard {shard}: they are counted from 0, so from 0/{of} to {}/{of}",
                shard.of - 1,
                of = shard.of
            ));
        }
        Ok(shard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_the_range_and_each_seed_is_in_one() {
        for seeds in [0..10, 7..8, 3..103, 5..6_000_000_007, u64::MAX - 50..u64::MAX] {
            for of in [1, 2, 3, 7, 10, 64] {
                let mut at = seeds.start;
                for index in 0..of {
                    let shard = Shard { index, of };
                    let part = shard.part(&seeds);
                    assert_eq!(part.start, at, "{shard} of {seeds:?}");
                    at = part.end;
                    let width = (seeds.end - seeds.start).div_ceil(of);
                    assert!(part.end - part.start <= width, "{shard} of {seeds:?}: {part:?}");
                    let ends = [part.start, part.end - u64::from(!part.is_empty())];
                    for seed in ends.into_iter().filter(|_| !part.is_empty()) {
                        assert_eq!(shard.with(seed, &seeds), shard, "seed {seed} of {seeds:?}");
                    }
                }
                assert_eq!(at, seeds.end);
            }
        }
    }

    #[test]
    fn a_shard_is_counted_from_0() {
        assert_eq!("2/10".parse(), Ok(Shard { index: 2, of: 10 }));
        assert_eq!("0/1".parse(), Ok(Shard::WHOLE));
        for (bad, remedy) in [
            ("10/10", "from 0/10 to 9/10"),
            ("1", "e.g. 0/10"),
            ("0/0", "e.g. 0/10"),
            ("-1/3", "e.g. 0/10"),
            ("a/b", "e.g. 0/10"),
        ] {
            let error = bad.parse::<Shard>().unwrap_err();
            assert!(error.contains(remedy), "{bad}: {error}");
        }
    }
}
