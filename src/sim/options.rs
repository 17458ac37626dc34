//! The options of `tapboard sim`.

use std::ops::Range;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Options of `tapboard sim`.
#[derive(Clone, Debug, Args)]
pub struct Sim {
    /// Run the worlds of these seeds; the last is not among them.
    #[arg(long, value_name = "A..B", default_value = "0..1000", value_parser = seeds)]
    seeds: Range<u64>,
    /// Run the world of this seed alone.
    #[arg(long, value_name = "N", conflicts_with = "seeds", value_parser = clap::value_parser!(u64).range(..u64::MAX))]
    seed: Option<u64>,
    /// How many worlds to run at a time; as many as there are cores unless given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024))]
    threads: Option<u64>,
    /// Print one JSON object at the end instead of text.
    #[arg(long)]
    pub json: bool,
    /// Whether cables and power fail.
    #[arg(long, value_enum, default_value_t = Switch::On)]
    pub faults: Switch,
    /// Write every frame on the boards' cables to this pcapng file, with what the cable did to it.
    #[arg(long, value_name = "FILE", requires = "seed")]
    pub pcap: Option<PathBuf>,
    /// Draw every frame on the boards' cables as it is sent.
    #[arg(long, requires = "seed", conflicts_with = "json")]
    pub ladder: bool,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

impl Switch {
    /// Whether it is on.
    #[must_use]
    pub const fn on(self) -> bool {
        matches!(self, Self::On)
    }
}

impl Sim {
    /// The seeds to run.
    #[must_use]
    pub fn seeds(&self) -> Range<u64> {
        self.seed.map_or_else(|| self.seeds.clone(), |seed| seed..seed + 1)
    }

    /// How many worlds to run at a time.
    #[must_use]
    pub fn threads(&self) -> u64 {
        let cores = || std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        self.threads.unwrap_or_else(cores)
    }
}

/// A range of seeds with at least one in it.
fn seeds(text: &str) -> Result<Range<u64>, String> {
    let parsed = text.split_once("..").and_then(|(first, end)| {
        let (first, end) = (first.parse().ok()?, end.parse().ok()?);
        (first < end).then_some(first..end)
    });
    parsed.ok_or_else(|| format!("{text:?} is not A..B with A below B, e.g. 0..1000"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn seeds_are_a_range_or_one() {
        let sim = |words: &str| match Cli::parse_from(words.split(' ')).command {
            Some(Command::Sim(sim)) => sim.seeds(),
            other => panic!("{other:?}"),
        };
        assert_eq!(sim("tapboard sim --seeds 7..9"), 7..9);
        assert_eq!(sim("tapboard sim --seed 7 --ladder --pcap x"), 7..8);
        assert_eq!(sim(&format!("tapboard sim --seed {}", u64::MAX - 1)), u64::MAX - 1..u64::MAX);
        let last = format!("--seed {}", u64::MAX);
        for bad in ["", "7", "7..7", "9..7", "..7", "-1..7", "a..b"] {
            assert!(seeds(bad).unwrap_err().contains("e.g. 0..1000"), "{bad}");
        }
        for bad in
            ["--ladder", "--pcap x", "--seed 7 --seeds 1..2", "--seed 7 --ladder --json", &last]
        {
            let words = ["tapboard", "sim"].into_iter().chain(bad.split(' '));
            assert!(Cli::try_parse_from(words).is_err(), "{bad}");
        }
    }
}
