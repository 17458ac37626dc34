//! The record of a shard: lines of JSON, each of which says by itself what it is about.
//!
//! A line has the version and the commit of the program, the options that decide what a seed's world is, the whole range
//! of seeds and the shard; then either a range of seeds that have been run, with its sums, or one world that failed. Each
//! is written in one piece once it is known, so that a process that is killed leaves whole lines, and at most a torn one
//! at the end, which is taken for none. A failed world's line comes before its range's.

use std::fs::{File, TryLockError};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::output;
use crate::sim::options::SimOptions;
use crate::sim::part::Shard;
use crate::sim::report::{COMMIT, freeze_command, replay_command};
use crate::sim::run::Failure;
use crate::sim::totals::Totals;

/// Which worlds these are: what differs here has other worlds, or other seeds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    /// The program's version.
    pub(super) tapboard: String,
    /// The commit that it was built from.
    pub(super) commit: String,
    pub(super) options: WorldOptions,
    /// The first seed of all shards together, and the one after the last.
    pub(super) seeds: (u64, u64),
}

/// What decides, beside the seed, what a world is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WorldOptions {
    pub(super) faults: bool,
    pub(super) servers: bool,
}

impl Identity {
    /// Of what this program runs with these options.
    pub(super) fn of(options: &SimOptions) -> Self {
        Self {
            tapboard: env!("CARGO_PKG_VERSION").into(),
            commit: COMMIT.into(),
            options: WorldOptions { faults: options.faults, servers: options.servers },
            seeds: (options.seeds.start, options.seeds.end),
        }
    }

    /// What they differ in, with what each has.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        let words = |options: WorldOptions| {
            let faults = if options.faults { "--faults on" } else { "--faults off" };
            format!("{faults}{}", if options.servers { " --servers" } else { "" })
        };
        let seeds = |(first, end): (u64, u64)| format!("--seeds {first}..{end}");
        let fields = [
            ("version", self.tapboard.clone(), other.tapboard.clone()),
            ("commit", self.commit.clone(), other.commit.clone()),
            ("options", words(self.options), words(other.options)),
            ("seeds", seeds(self.seeds), seeds(other.seeds)),
        ];
        let (name, one, other) = fields.into_iter().find(|(_, one, other)| one != other)?;
        Some(format!("the {name} of one is {one}, of the other {other}"))
    }
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line {
    #[serde(flatten)]
    pub(super) identity: Identity,
    #[serde(with = "text")]
    pub(super) shard: Shard,
    #[serde(flatten)]
    pub(super) result: Result,
}

/// What a line tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Result {
    /// All these seeds have been run.
    Range(RangeResult),
    /// This world failed.
    Failure(FailureResult),
}

/// A range of seeds, and what their worlds came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RangeResult {
    pub(super) first: u64,
    /// Not among them.
    pub(super) end: u64,
    #[serde(flatten)]
    pub(super) totals: Totals,
}

impl RangeResult {
    pub(super) const fn seeds(&self) -> Range<u64> {
        self.first..self.end
    }
}

/// A world that failed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::sim) struct FailureResult {
    pub(in crate::sim) seed: u64,
    /// When, in virtual time since the world began.
    pub(in crate::sim) at_us: i64,
    pub(in crate::sim) oracle: String,
    pub(in crate::sim) text: String,
    /// The command that shows what happened.
    pub(in crate::sim) replay: String,
    /// The command that keeps the world's plan.
    pub(in crate::sim) freeze: Option<String>,
}

impl FailureResult {
    pub(super) fn new(failure: &Failure, options: &SimOptions) -> Self {
        Self {
            seed: failure.seed.unwrap_or_default(),
            at_us: failure.at.total_micros(),
            oracle: failure.oracle.into(),
            text: failure.text.clone(),
            replay: replay_command(failure.seed, options),
            freeze: freeze_command(failure.seed, options),
        }
    }
}

/// A shard as it is written at the command line.
mod text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::Shard;

    pub(super) fn serialize<S: Serializer>(shard: &Shard, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(shard)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Shard, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// Reads the lines of a record, and calls `each` with every one and its number. Returns how many bytes whole lines take,
/// and what is behind them, which is torn.
pub(super) fn read(
    name: &Path,
    from: impl std::io::Read,
    mut each: impl FnMut(usize, Line) -> std::result::Result<(), String>,
) -> std::result::Result<(u64, Vec<u8>), String> {
    let mut reader = BufReader::new(from);
    let (mut bytes, mut text) = (0, Vec::new());
    for number in 1.. {
        text.clear();
        let count = reader
            .read_until(b'\n', &mut text)
            .map_err(|error| format!("cannot read {}: {error}", name.display()))?;
        if text.pop_if(|last| *last == b'\n').is_none() {
            break;
        }
        bytes += count as u64;
        let line = serde_json::from_slice(&text).map_err(|error| {
            format!(
                "{}, line {number}: {error}; name files that `tapboard sim --shard` wrote",
                name.display()
            )
        })?;
        each(number, line)?;
    }
    Ok((bytes, text))
}

/// What each line of this shard begins with.
fn beginning(identity: &Identity, shard: Shard) -> Vec<u8> {
    #[derive(Serialize)]
    struct Beginning<'a> {
        #[serde(flatten)]
        identity: &'a Identity,
        #[serde(with = "text")]
        shard: Shard,
    }
    let mut text = serde_json::to_vec(&Beginning { identity, shard }).expect("text and numbers");
    text.pop_if(|last| *last == b'}');
    text
}

/// Where lines go.
pub(super) struct Record {
    out: Box<dyn Write>,
    identity: Identity,
    shard: Shard,
    /// Why a line could not be written, once.
    pub(super) error: Option<String>,
}

impl Record {
    /// Of a shard, on standard output.
    pub(super) fn on_stdout(options: &SimOptions, shard: Shard) -> Self {
        output::leave_stdout();
        Self::to(Box::new(std::io::stdout()), options, shard)
    }

    pub(super) fn to(out: Box<dyn Write>, options: &SimOptions, shard: Shard) -> Self {
        Self { out, identity: Identity::of(options), shard, error: None }
    }

    /// The record in a file that may be there already, and what it has, in order. A torn line at its end is taken away;
    /// what cannot be one is another's, and left alone. Nobody else writes to it as long as this process lives.
    pub(super) fn resume(
        path: &Path,
        options: &SimOptions,
        shard: Shard,
    ) -> std::result::Result<(Self, Vec<RangeResult>), String> {
        let name = path.display();
        let failed = |error: std::io::Error| {
            format!("cannot write the record {name}: {error}; name a file that can be written")
        };
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed)?;
        // A file system without locks is no reason to stop.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(format!(
                "another process writes to the record {name}; wait for its end, or name another file"
            ));
        }
        let identity = Identity::of(options);
        let mut done = Vec::new();
        let (whole, torn) = read(path, &mut file, |number, line| {
            let other = line.identity.difference(&identity).or_else(|| {
                let (one, other) = (line.shard, shard);
                (one != other).then(|| format!("the shard of one is {one}, of the other {other}"))
            });
            if let Some(difference) = other {
                return Err(format!(
                    "{name}, line {number}: the record is not of what is to be run: {difference}; name another file, \
                     or take this one away"
                ));
            }
            if let Result::Range(range) = line.result {
                done.push(range);
            }
            Ok(())
        })?;
        let beginning = beginning(&identity, shard);
        if !(torn.starts_with(&beginning) || beginning.starts_with(&torn)) {
            return Err(format!(
                "{name} ends in what is no line of this record; name another file, or take this one away"
            ));
        }
        file.set_len(whole).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        done.sort_by_key(|range| (range.first, range.end));
        done.dedup();
        Ok((Self::to(Box::new(file), options, shard), done))
    }

    /// Writes a line, in one piece. After one that could not be written none is.
    pub(super) fn write(&mut self, result: Result) {
        if self.error.is_some() {
            return;
        }
        let line = Line { identity: self.identity.clone(), shard: self.shard, result };
        let mut text = serde_json::to_vec(&line).expect("text and numbers");
        text.push(b'\n');
        if let Err(error) = self.out.write_all(&text).and_then(|()| self.out.flush()) {
            self.error = Some(format!(
                "cannot write the record: {error}; what it has is good, so run the same command with \
                 --resume FILE again"
            ));
        }
    }
}
