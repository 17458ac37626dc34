//! What `tapboard sim` is to run, and where the result goes.

use std::ops::Range;
use std::path::PathBuf;

use super::part::Shard;
use super::plan::WorldPlan;
use crate::output::is_standard;

/// Which worlds to run, and how to show them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are the options of a command")]
pub struct SimOptions {
    /// The seeds; the end is not among them. At least one.
    pub seeds: Range<u64>,
    /// The one world of this plan in place of the seeds' ones; of standard input, if it is `-`.
    pub plan: Option<PathBuf>,
    /// Write the plan of the one world to this file, or to standard output (`-`).
    pub write_plan: Option<PathBuf>,
    /// How many worlds to run at a time; as many as there are cores unless given.
    pub threads: Option<u64>,
    /// Print one JSON object at the end instead of text.
    pub json: bool,
    /// Whether cables and power fail.
    pub faults: bool,
    /// Whether most boards have their addresses from servers.
    pub servers: bool,
    /// Write every frame on the cables of the one world to this pcapng file, or to standard output (`-`).
    pub pcap: Option<PathBuf>,
    /// Draw every frame on the cables of the one world.
    pub ladder: bool,
    /// Run this part of the seeds alone, and print a record of it.
    pub shard: Option<Shard>,
    /// Run what this record does not have yet, and write it there; all seeds, if no shard is given.
    pub resume: Option<PathBuf>,
    /// Add these records up in place of running anything.
    pub merge: Vec<PathBuf>,
}

impl SimOptions {
    /// Whether frames go to standard output.
    pub(super) fn captures_to_stdout(&self) -> bool {
        self.pcap.as_deref().is_some_and(is_standard)
    }

    /// Whether frames or the plan go to standard output, which is then no place for anything else.
    pub(super) fn takes_stdout(&self) -> bool {
        self.captures_to_stdout() || self.write_plan.as_deref().is_some_and(is_standard)
    }

    /// The plan of a seed.
    pub(super) fn draw(&self, seed: u64) -> WorldPlan {
        let draw = if self.servers { WorldPlan::draw_with_servers } else { WorldPlan::draw };
        draw(seed, self.faults)
    }

    /// How many worlds to run at a time.
    #[must_use]
    pub fn threads(&self) -> u64 {
        let cores = || std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        self.threads.unwrap_or_else(cores)
    }
}
