//! Which boards of a fleet: `7`, `1-300`, `1-10,21`, `30%`, `all`.
//!
//! A share is always the same boards, drawn from the fleet's seed: `power on 30%` brings back those that
//! `power off 30%` cut, and they are among those of `40%`.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Characters of a user's word that an error repeats.
const QUOTED_MAX: usize = 40;

/// Some of a fleet's boards.
#[derive(Clone, Debug, PartialEq)]
pub enum BoardSet {
    /// Every board.
    All,
    /// That share of them, above 0 and at most 1, rounded up to whole boards.
    Share(f64),
    /// Those of these numbers.
    Numbers(Vec<RangeInclusive<u32>>),
}

impl Eq for BoardSet {}

impl FromStr for BoardSet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        let short: String = text.chars().take(QUOTED_MAX).collect();
        let error = || format!("{short:?} names no boards, as 7, 1-300, 1-10,21, 30% or all do");
        if let Some(percent) = text.strip_suffix('%') {
            let percent =
                percent.parse().ok().filter(|percent| *percent > 0.0 && *percent <= 100.0);
            return percent.map(|percent: f64| Self::Share(percent / 100.0)).ok_or_else(error);
        }
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            if digits { text.parse::<u32>().ok() } else { None }
        };
        let range = |text: &str| {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(first..=last)
        };
        text.split(',').map(range).collect::<Option<_>>().map(Self::Numbers).ok_or_else(error)
    }
}

/// As it is written.
impl fmt::Display for BoardSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Share(share) => write!(f, "{}%", share * 100.0),
            Self::Numbers(ranges) => {
                for (index, range) in ranges.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(f, "{comma}{}", range.start())?;
                    if range.end() > range.start() {
                        write!(f, "-{}", range.end())?;
                    }
                }
                Ok(())
            }
        }
    }
}

impl BoardSet {
    /// The boards of a fleet whose numbers begin with `first`, counted from 0, in order. `drawn` is all of them in the
    /// order in which a share takes them. A number that no board has is an error.
    pub(crate) fn of(&self, first: u32, drawn: &[usize]) -> Result<Vec<usize>, String> {
        let last = first + (drawn.len().max(1) - 1) as u32;
        let mut boards = match self {
            Self::All => (0..drawn.len()).collect(),
            Self::Share(share) => {
                let count = (drawn.len() as f64 * share).ceil() as usize;
                drawn[..count.min(drawn.len())].to_vec()
            }
            Self::Numbers(ranges) => {
                let outside = |range: &&RangeInclusive<u32>| {
                    *range.start() < first || *range.end() > last || drawn.is_empty()
                };
                if let Some(range) = ranges.iter().find(outside) {
                    let number = if *range.start() < first { range.start() } else { range.end() };
                    return Err(format!("there is no board {number}; there are {first} to {last}"));
                }
                let numbers = ranges.iter().cloned().flatten();
                numbers.map(|number| (number - first) as usize).collect::<Vec<_>>()
            }
        };
        boards.sort_unstable();
        boards.dedup();
        Ok(boards)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> BoardSet {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn boards_are_numbers_ranges_shares_or_all() {
        let drawn = [3, 0, 4, 1, 2];
        for (text, boards) in [
            ("7", vec![0]),
            ("8-10", vec![1, 2, 3]),
            ("11,7-8,8", vec![0, 1, 4]),
            ("20%", vec![3]),
            ("21%", vec![0, 3]),
            ("60%", vec![0, 3, 4]),
            ("100%", vec![0, 1, 2, 3, 4]),
            ("all", vec![0, 1, 2, 3, 4]),
        ] {
            assert_eq!(set(text).of(7, &drawn), Ok(boards), "{text}");
            assert_eq!(set(&set(text).to_string()), set(text));
        }
    }

    #[test]
    fn what_names_no_boards_is_refused() {
        for bad in
            ["", "x", "-1", "1-", "9-7", "1,,2", "0%", "101%", "%", "+1", "in", "1.5", "NaN%"]
        {
            let error = bad.parse::<BoardSet>().unwrap_err();
            assert!(error.contains("1-300"), "{bad}: {error}");
        }
        let drawn = [0, 1, 2];
        assert_eq!(set("2-4").of(1, &drawn).unwrap_err(), "there is no board 4; there are 1 to 3");
        assert_eq!(set("0").of(1, &drawn).unwrap_err(), "there is no board 0; there are 1 to 3");
        assert!(set("1-4294967295").of(1, &drawn).is_err(), "without counting them all");
    }
}
