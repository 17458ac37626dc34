//! Adds up the records of shards: whether each seed was run, and once, and what failed.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::record::{FailureResult, Identity, Line, RangeResult, Result as Recorded, read};
use crate::output::{counted, is_standard};
use crate::sim::part::Shard;
use crate::sim::totals::Totals;

/// Ranges that are named when some are missing.
const NAMED: usize = 20;

/// All records together.
#[derive(Debug, Default)]
pub(in crate::sim) struct Merged {
    /// What all lines agree on, and where the first one is.
    identity: Option<(Identity, String)>,
    /// A shard of theirs, if all are of as many.
    shard: Option<Shard>,
    mixed: bool,
    ranges: Vec<RangeResult>,
    pub(in crate::sim) totals: Totals,
    /// By seed: a shard that was killed may have found one twice.
    pub(in crate::sim) failures: BTreeMap<u64, FailureResult>,
    /// Ranges that were run more than once, with the same result.
    pub(in crate::sim) doubled: Vec<Range<u64>>,
    /// Ranges of seeds that no record has.
    pub(in crate::sim) missing: Vec<Range<u64>>,
    /// Records whose last line is torn.
    pub(in crate::sim) torn: Vec<PathBuf>,
}

impl Merged {
    /// Reads records and adds them up. `-` is standard input.
    pub(in crate::sim) fn read(paths: &[PathBuf]) -> Result<Self, String> {
        let mut merged = Self::default();
        for path in paths {
            if is_standard(path) {
                merged.record(path, std::io::stdin())?;
                continue;
            }
            let file = File::open(path).map_err(|error| {
                format!(
                    "cannot read {}: {error}; name files that `tapboard sim --shard` wrote",
                    path.display()
                )
            })?;
            merged.record(path, file)?;
        }
        merged.add_up()?;
        Ok(merged)
    }

    fn record(&mut self, path: &Path, mut from: impl std::io::Read) -> Result<(), String> {
        let mut bytes = 0;
        let counting = Counting { from: &mut from, bytes: &mut bytes };
        let (whole, _) = read(path, counting, |number, line| {
            self.line(&format!("{}, line {number}", path.display()), line)
        })?;
        if bytes > whole {
            self.torn.push(path.to_owned());
        }
        Ok(())
    }

    fn line(&mut self, place: &str, line: Line) -> Result<(), String> {
        let Line { identity, shard, result } = line;
        match &self.identity {
            None => self.identity = Some((identity, place.into())),
            Some((known, first)) => {
                if let Some(difference) = known.difference(&identity) {
                    return Err(format!(
                        "{first} and {place} are not of one run: {difference}; merge them apart, or run all shards \
                         with one build and the same options"
                    ));
                }
            }
        }
        self.mixed |= self.shard.is_some_and(|known| known.of != shard.of);
        self.shard = Some(shard);
        match result {
            Recorded::Range(range) => {
                let (first, end) = self.identity.as_ref().map_or((0, 0), |(known, _)| known.seeds);
                let within = first <= range.first && range.first < range.end && range.end <= end;
                if !within || range.totals.worlds != range.end - range.first {
                    return Err(format!(
                        "{place}: {} cannot have been run of the seeds from {} to {}; take the line away, and run \
                         its shard again with --resume",
                        counted(range.totals.worlds, "world"),
                        range.first,
                        range.end
                    ));
                }
                self.ranges.push(range);
            }
            Recorded::Failure(failure) => {
                let seed = failure.seed;
                if self.failures.insert(seed, failure.clone()).is_some_and(|known| known != failure)
                {
                    return Err(differ(&(seed..seed + 1)));
                }
            }
        }
        Ok(())
    }

    /// Puts the ranges in order, and finds what is not there and what is there twice.
    fn add_up(&mut self) -> Result<(), String> {
        let Some((Identity { seeds: (first, end), .. }, _)) = self.identity else {
            return Err(
                "there is no line in any of the files; name some that `tapboard sim --shard` wrote"
                    .into(),
            );
        };
        self.ranges.sort_by_key(|range| (range.first, range.end));
        let mut at = first;
        let mut last: Option<RangeResult> = None;
        for &range in &self.ranges {
            if let Some(last) = last
                && last.seeds() == range.seeds()
            {
                if last.totals != range.totals {
                    return Err(differ(&range.seeds()));
                }
                if self.doubled.last() != Some(&range.seeds()) {
                    self.doubled.push(range.seeds());
                }
                continue;
            }
            if range.first < at {
                return Err(format!(
                    "the seeds {}..{} were run twice, in ranges that cannot be told apart; leave out one of the \
                     files, or run the shards of one number of shards",
                    range.first,
                    at.min(range.end)
                ));
            }
            if range.first > at {
                self.missing.push(at..range.first);
            }
            at = range.end;
            self.totals += range.totals;
            last = Some(range);
        }
        if at < end {
            self.missing.push(at..end);
        }
        let ranges = &self.ranges;
        let covered = |seed: u64| {
            let next = ranges.partition_point(|range| range.end <= seed);
            ranges.get(next).is_some_and(|range| range.first <= seed)
        };
        let told = self.failures.keys().filter(|&&seed| covered(seed)).count() as u64;
        if told != self.totals.failed {
            return Err(format!(
                "{} failed, but there are lines of {told}; some were taken away, so run those shards again",
                counted(self.totals.failed, "world")
            ));
        }
        Ok(())
    }

    /// What is missing and how to have it run, a line for each range.
    pub(in crate::sim) fn remedies(&self) -> String {
        use std::fmt::Write;

        let Some((identity, _)) = &self.identity else {
            return String::new();
        };
        let (first, end) = identity.seeds;
        let faults = if identity.options.faults { "" } else { " --faults off" };
        let servers = if identity.options.servers { " --servers" } else { "" };
        let mut text = String::new();
        let mut last = None;
        for missing in self.missing.iter().take(NAMED) {
            let _ = write!(text, "missing: seeds {}..{}", missing.start, missing.end);
            let shards = self.shard.filter(|_| !self.mixed).map(|shard| {
                (
                    shard.with(missing.start, &(first..end)),
                    shard.with(missing.end - 1, &(first..end)),
                )
            });
            let _ = match shards {
                Some(shards) if Some(shards) == last => writeln!(text, ", likewise"),
                Some((one, other)) if one == other => writeln!(
                    text,
                    "; run again: tapboard sim --seeds {first}..{end}{faults}{servers} --shard {one} --resume FILE, \
                     with its file"
                ),
                Some((one, other)) => {
                    writeln!(text, "; run shards {one} to {other} of --seeds {first}..{end} again")
                }
                None => writeln!(text, " of {first}..{end}"),
            };
            last = shards;
        }
        if self.missing.len() > NAMED {
            let _ = writeln!(text, "missing: and {} ranges more", self.missing.len() - NAMED);
        }
        text
    }
}

fn differ(seeds: &Range<u64>) -> String {
    format!(
        "the seeds {}..{} were run twice, and their worlds differ: one of the builds was of changed code, or a \
         computer is broken; run them once more",
        seeds.start, seeds.end
    )
}

/// Counts what is read.
struct Counting<'a, R> {
    from: R,
    bytes: &'a mut u64,
}

impl<R: std::io::Read> std::io::Read for Counting<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.from.read(buffer)?;
        *self.bytes += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::shard::record::WorldOptions;

    fn line(shard: &str, result: Recorded) -> Line {
        let identity = Identity {
            tapboard: "0.1.0".into(),
            commit: "abc".into(),
            options: WorldOptions { faults: true, servers: false },
            seeds: (0, 40),
        };
        Line { identity, shard: shard.parse().expect("a shard"), result }
    }

    fn range(first: u64, end: u64, failed: u64) -> Line {
        let totals =
            Totals { worlds: end - first, failed, frames: 100, digest: first, ..Totals::default() };
        line("1/4", Recorded::Range(RangeResult { first, end, totals }))
    }

    fn failure(seed: u64, text: &str) -> Line {
        line(
            "1/4",
            Recorded::Failure(FailureResult {
                seed,
                at_us: 7,
                oracle: "stream".into(),
                text: text.into(),
                replay: format!("tapboard sim --seed {seed}"),
                freeze: None,
            }),
        )
    }

    /// The files of these lines, merged.
    fn merged(files: &[&[Line]]) -> Result<Merged, String> {
        let mut merged = Merged::default();
        for (index, lines) in files.iter().enumerate() {
            let mut text = Vec::new();
            for line in *lines {
                serde_json::to_writer(&mut text, line).expect("text and numbers");
                text.push(b'\n');
            }
            merged.record(Path::new(&format!("file-{index}")), text.as_slice())?;
        }
        merged.add_up().map(|()| merged)
    }

    #[test]
    fn ranges_add_up_in_any_order_and_a_failure_counts_once() {
        let all = merged(&[
            // Killed behind its failure, and run again.
            &[range(20, 40, 0), failure(3, "x"), failure(3, "x")],
            &[range(0, 10, 1), range(10, 20, 0)],
        ])
        .expect("they fit");
        assert_eq!((all.totals.worlds, all.totals.failed, all.totals.frames), (40, 1, 300));
        assert_eq!(all.totals.digest, 30);
        assert_eq!(all.failures.keys().copied().collect::<Vec<_>>(), [3]);
        assert_eq!((all.missing, all.doubled), (vec![], vec![]));
    }

    #[test]
    fn what_is_missing_is_named_with_the_shard_that_has_it() {
        let part = merged(&[&[range(0, 12, 0), range(15, 30, 0)]]).expect("they fit");
        assert_eq!(part.missing, [12..15, 30..40]);
        let text = part.remedies();
        assert!(text.contains("seeds 12..15; run again: tapboard sim --seeds 0..40 --shard 1/4 "));
        assert!(text.contains("seeds 30..40; run again: tapboard sim --seeds 0..40 --shard 3/4 "));
        let wide = merged(&[&[range(0, 8, 0)]]).expect("they fit").remedies();
        assert!(wide.contains("run shards 0/4 to 3/4 of --seeds 0..40 again"), "{wide}");
    }

    #[test]
    fn what_was_run_twice_counts_once_if_it_is_the_same() {
        let whole = [range(0, 20, 0), range(20, 40, 0)];
        let twice = merged(&[&whole, &whole[..1]]).expect("they are the same");
        assert_eq!(twice.totals.worlds, 40);
        assert_eq!(twice.doubled, [Range { start: 0, end: 20 }]);
        let mut other = range(0, 20, 0);
        if let Recorded::Range(range) = &mut other.result {
            range.totals.digest ^= 1;
        }
        for (files, said) in [
            (vec![&whole[..], &[other]], "their worlds differ"),
            (vec![&[range(0, 20, 0), range(10, 40, 0)][..]], "seeds 10..20 were run twice"),
            (vec![&[range(0, 40, 1), failure(3, "x")], &[failure(3, "y")]], "their worlds differ"),
        ] {
            let error = merged(&files).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn what_is_not_of_one_run_is_refused_with_a_remedy() {
        type Change = fn(&mut Identity);
        let changes: [(Change, &str); 4] = [
            (|other| other.tapboard = "0.2.0".into(), "the version of one is 0.1.0"),
            (|other| other.commit = "def".into(), "the commit of one is abc, of the other def"),
            (|other| other.options.servers = true, "of the other --faults on --servers"),
            (|other| other.seeds = (0, 50), "of the other --seeds 0..50"),
        ];
        for (change, said) in changes {
            let mut other = range(20, 40, 0);
            change(&mut other.identity);
            let error = merged(&[&[range(0, 20, 0)], &[other]]).unwrap_err();
            assert!(error.starts_with("file-0, line 1 and file-1, line 1 are not of one run"));
            assert!(error.contains(said) && error.contains("run all shards with one build"));
        }
        let lost = merged(&[&[range(0, 40, 2), failure(3, "x")]]).unwrap_err();
        assert!(lost.contains("2 worlds failed, but there are lines of 1"), "{lost}");
        let beyond = merged(&[&[range(30, 41, 0)]]).unwrap_err();
        assert!(beyond.contains("file-0, line 1: 11 worlds cannot have been run"), "{beyond}");
        assert!(merged(&[]).unwrap_err().contains("name some that"));
    }

    #[test]
    fn a_torn_line_is_none_and_a_broken_one_is_refused() {
        let mut merged = Merged::default();
        let whole = serde_json::to_string(&range(0, 20, 0)).expect("text and numbers");
        let torn = format!("{whole}\n{}", &whole[..50]);
        merged.record(Path::new("a"), torn.as_bytes()).expect("whole lines");
        assert_eq!((merged.ranges.len(), merged.torn.len()), (1, 1));
        let broken = format!("{whole}\nnonsense\n");
        let error = merged.record(Path::new("b"), broken.as_bytes()).unwrap_err();
        assert!(error.starts_with("b, line 2: ") && error.contains("name files that"), "{error}");
    }
}
