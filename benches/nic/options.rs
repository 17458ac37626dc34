//! What the benchmark is told: what to measure, and for how long.

use std::time::Duration;

use clap::{Parser, ValueEnum};
use tapboard_host::bench::plan::Test;
use tapboard_host::units::parse_seconds;

/// How fast the virtual NIC is, beside what else there is.
#[derive(Clone, Debug, Parser)]
#[command(name = "cargo bench --bench nic --")]
pub(crate) struct Options {
    /// What to measure.
    #[arg(value_enum, default_value_t = Scenario::Speed)]
    pub(crate) scenario: Scenario,

    /// Rounds, in each of which every peer has its turn; figures are medians. For `lossy`, seeds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,

    /// Time of one measurement, of `speed`.
    #[arg(long, value_name = "SECONDS", default_value = "0.5", value_parser = parse_seconds)]
    seconds: Duration,

    /// Only peers in whose names one of these is found, separated by commas: `plain`, `veth`, `2 KiB`.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    peers: Vec<String>,

    /// Only these tests of `speed`, separated by commas.
    #[arg(long, value_enum, value_name = "TEST", value_delimiter = ',')]
    tests: Vec<Test>,

    /// Only rows of `lossy` or `frames` in whose names all of these are found: `50 ms`, `10%`, `echo`, `64 KiB`.
    #[arg(long, value_name = "NAME")]
    rows: Vec<String>,

    /// One round of short measurements: to see that it works, not how fast.
    #[arg(long)]
    pub(crate) quick: bool,

    /// Prints one JSON object in place of tables.
    #[arg(long)]
    pub(crate) json: bool,

    /// What cargo adds.
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
}

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// Bulk, round trips and connections on a good link, as fast as they go.
    Speed,
    /// How long it takes through links that lose, reorder and delay.
    Lossy,
    /// How often the page is served, to `wrk` and `ab`.
    Http,
    /// Instructions that a frame of each kind costs the board, as `valgrind` counts them.
    Frames,
}

impl Options {
    /// Whether the peer of that name is to be measured.
    pub(crate) fn peer(&self, name: &str) -> bool {
        self.peers.is_empty() || self.peers.iter().any(|part| name.contains(part.as_str()))
    }

    /// Whether the row of that name is to be measured.
    pub(crate) fn row(&self, name: &str) -> bool {
        self.rows.iter().all(|part| name.contains(part.as_str()))
    }

    /// The tests of `speed`.
    pub(crate) fn tests(&self) -> Vec<Test> {
        let wanted = |test: &Test| self.tests.is_empty() || self.tests.contains(test);
        Test::ALL.into_iter().filter(wanted).collect()
    }

    /// Rounds, or seeds.
    pub(crate) fn rounds(&self) -> u32 {
        if self.quick { 1 } else { self.rounds }
    }

    /// Time of one measurement.
    pub(crate) fn time(&self) -> Duration {
        if self.quick { Duration::from_millis(100) } else { self.seconds }
    }
}
