//! The options of `tapboard sim`.

use std::ops::Range;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::seed::seed;
use crate::output::is_standard;
use crate::sim::{Shard, SimOptions};

/// Options of `tapboard sim`.
#[derive(Clone, Debug, Args)]
pub struct SimArgs {
    /// Run the worlds of these seeds; the last is not among them.
    #[arg(long, value_name = "A..B", default_value = "0..1000", value_parser = seeds)]
    seeds: Range<u64>,
    /// Run the world of this seed alone.
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = seed(u64::MAX - 1))]
    seed: Option<u64>,
    /// Run the world of this plan, which --write-plan wrote. With - of standard input.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Write the plan of the one world to this file before it runs: all that its seed decides, as text that
    /// can be edited. A seed means another world after the next change to how worlds are drawn; a plan does
    /// not. Of one world, so with --seed. With - to standard output, and all else to standard error.
    #[arg(long, value_name = "FILE")]
    write_plan: Option<PathBuf>,
    /// How many worlds to run at a time; as many as there are cores unless given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024))]
    threads: Option<u64>,
    /// Print one JSON object at the end instead of text.
    #[arg(long)]
    json: bool,
    /// Whether cables and power fail.
    #[arg(long, value_enum, default_value_t = OnOff::On)]
    faults: OnOff,
    /// Have most boards ask for their addresses, by DHCP and SLAAC, of servers that vanish, lie and change until all
    /// is well.
    #[arg(long)]
    servers: bool,
    /// Write every frame on the boards' cables to this pcapng file, with what the cable did to it; of one
    /// world, so with --seed or --plan. With - to standard output, and all else to standard error.
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// Draw every frame on the boards' cables as it is sent; of one world, so with --seed or --plan.
    #[arg(long)]
    ladder: bool,
    /// Run one of N parts of the seeds, counted from 0 to N-1, and print a record of it on standard output: a line of
    /// JSON for each range of seeds that has been run, and for each world that failed. All else goes to standard error.
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Keep the record in this file. If it is there, only what it does not have is run: so a command that was killed
    /// is run again as it is.
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// Add up the records of shards, print what failed, and say what is missing. With - of standard input.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    merge: Vec<PathBuf>,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OnOff {
    /// They do.
    On,
    /// They do not.
    Off,
}

impl SimArgs {
    /// Looks at what is without effect.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.resume.as_deref().is_some_and(is_standard) {
            return Err("--resume keeps a record in a file; name one, or have it printed by --shard I/N alone".into());
        }
        let frames = [("--pcap", self.pcap.is_some()), ("--ladder", self.ladder)];
        let one = self.seed.is_some() || self.plan.is_some();
        if let Some((option, _)) = frames.iter().find(|(_, given)| *given && !one) {
            return Err(format!(
                "{option} shows the frames of one world; name it with --seed N or --plan FILE, in place of \
                 --seeds"
            ));
        }
        if self.write_plan.is_some() && self.seed.is_none() {
            return Err(
                "--write-plan writes one world's; name it with --seed N, in place of --seeds"
                    .into(),
            );
        }
        let standard = |path: &Option<PathBuf>| path.as_deref().is_some_and(is_standard);
        let outputs = [
            ("--json", self.json),
            ("--write-plan -", standard(&self.write_plan)),
            ("--pcap -", standard(&self.pcap)),
        ];
        match outputs.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect::<Vec<_>>()
            [..]
        {
            [one, other, ..] => Err(format!(
                "{one} and {other} both are for standard output; name a file in place of the -"
            )),
            _ => Ok(()),
        }
    }

    /// What they come to.
    #[must_use]
    pub fn options(&self) -> SimOptions {
        SimOptions {
            seeds: self.seed.map_or_else(|| self.seeds.clone(), |seed| seed..seed + 1),
            plan: self.plan.clone(),
            write_plan: self.write_plan.clone(),
            threads: self.threads,
            json: self.json,
            faults: self.faults == OnOff::On,
            servers: self.servers,
            pcap: self.pcap.clone(),
            ladder: self.ladder,
            shard: self.shard,
            resume: self.resume.clone(),
            merge: self.merge.clone(),
        }
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
    use super::*;
    use crate::cli::{Cli, Subcommand};

    #[test]
    fn seeds_are_a_range_or_one() {
        let read = |words: &str| Cli::read(words.split(' ').map(Into::into));
        let sim = |words: &str| match read(words).unwrap().command {
            Some(Subcommand::Sim(sim)) => sim.options().seeds,
            other => panic!("{other:?}"),
        };
        assert_eq!(sim("tapboard sim --seeds 7..9"), 7..9);
        assert_eq!(sim("tapboard sim --seed 7 --ladder --pcap x --write-plan y"), 7..8);
        assert_eq!(sim(&format!("tapboard sim --seed {}", u64::MAX - 1)), u64::MAX - 1..u64::MAX);
        let last = format!("--seed {}", u64::MAX);
        for bad in ["", "7", "7..7", "9..7", "..7", "-1..7", "a..b"] {
            assert!(seeds(bad).unwrap_err().contains("e.g. 0..1000"), "{bad}");
        }
        for (bad, remedy) in [
            ("--ladder", "--seed N"),
            ("--pcap x", "--seed N"),
            ("--seeds 0..5 --pcap x", "--seed N or --plan FILE, in place of --seeds"),
            ("--seed 7 --pcap - --json", "name a file"),
            ("--seed 7 --write-plan - --json", "name a file"),
            ("--seed 7 --write-plan - --pcap -", "name a file"),
            ("--write-plan x", "--seed N"),
            ("--plan x --write-plan y", "leave one of them out"),
            ("--plan x --faults off", "leave one of them out"),
            ("--plan x --servers", "leave one of them out"),
            ("--plan x --seed 7", "leave one of them out"),
            (last.as_str(), "a number from 0 to 18446744073709551614"),
        ] {
            let error = read(&format!("tapboard sim {bad}")).unwrap_err().to_string();
            assert!(error.contains(remedy), "{bad}: {error}");
        }
    }
}
