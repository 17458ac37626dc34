//! `tapboard sim`: many worlds on all cores, and what did not hold in them.
//!
//! Each thread takes the next seed, runs its world and reports it; the main thread counts, shows how far
//! it is, and prints failures as they come, the first [`IN_FULL`] with everything known. A failure names
//! the command that replays it. The result does not depend on the number of threads.

use std::cell::OnceCell;
use std::io::Write;
use std::sync::{Mutex, mpsc};

use serde_json::json;
use smoltcp::time::Instant;

use super::arena::Arena;
use super::options::SimOptions;
use super::part::Shard;
use super::plan::WorldPlan;
use super::replay::replay;
use super::report::{Sum, findings, print, show, summary, summary_json, totals_json};
use super::run::{WorldReport, run};
use super::shard::merge::Merged;
use super::shard::record::FailureResult;
use super::shard::run_shard;
use super::totals::Totals;
use crate::clock::RealClock;
use crate::output::{self, counted};
use crate::progress::Progress;

/// Failures that are shown with the socket tables.
const IN_FULL: usize = 10;
/// Failures that are kept for `--json`.
const KEPT: usize = 1000;

/// Why the command did not end well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// So much failed, of so much.
    Failed(String),
    /// It is not known whether all is well, and why.
    Unknown(String),
}

impl CommandError {
    /// The status that a process ends with: 1 if worlds failed, 2 if it is not known.
    #[must_use]
    pub const fn status(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Unknown(_) => 2,
        }
    }

    /// That so many worlds failed; that none did is no error.
    fn of(totals: &Totals) -> Result<(), Self> {
        if totals.failed == 0 {
            return Ok(());
        }
        let worlds = counted(totals.worlds, "world");
        Err(Self::Failed(format!("{} of {worlds} failed", totals.failed)))
    }
}

impl std::fmt::Display for CommandError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Failed(text) | Self::Unknown(text)) = self;
        f.write_str(text)
    }
}

impl From<String> for CommandError {
    fn from(text: String) -> Self {
        Self::Unknown(text)
    }
}

/// Runs the worlds that the options name, or adds up what others ran. An error says how many of them failed, or why that
/// is not known.
pub fn command(options: &SimOptions) -> Result<(), CommandError> {
    if options.takes_stdout() {
        output::leave_stdout();
    }
    if options.servers && log::max_level() == log::LevelFilter::Warn {
        // That somebody has an address is no news there.
        log::set_max_level(log::LevelFilter::Error);
    }
    if !options.merge.is_empty() {
        return merge(options);
    }
    if options.shard.is_some() || options.resume.is_some() {
        return shard(options);
    }
    let seeds = if options.plan.is_some() { 0..1 } else { options.seeds.clone() };
    let threads = options.threads().min(seeds.end - seeds.start);
    let clock = RealClock::new();
    let bar = Progress::of_worlds(seeds.end - seeds.start, options.json);
    let mut sum = Sum::default();
    let mut done = |seed: Option<u64>, report: WorldReport| {
        sum.totals.add(seed, &report);
        // More than that is too much to keep.
        if let Some(failure) = report.failure
            && sum.failures.len() < KEPT
        {
            if !options.json {
                bar.suspend(|| show(&failure, options, sum.failures.len() < IN_FULL));
            }
            sum.failures.push(failure);
        }
        bar.inc(1);
    };
    if options.plan.is_some()
        || options.write_plan.is_some()
        || options.pcap.is_some()
        || options.ladder
    {
        let seed = options.plan.is_none().then_some(options.seeds.start);
        done(seed, replay(options)?);
    } else {
        all(
            seeds,
            threads,
            |seed| options.draw(seed),
            |seed, report| {
                done(Some(seed), report);
                true
            },
        );
    }
    bar.finish_and_clear();
    let seconds = clock.now().total_micros() as f64 / 1e6;
    if options.json {
        sum.failures.sort_by_key(|failure| failure.seed);
        let json = format!("{:#}\n", summary_json(&sum, options, threads, seconds));
        let _ = output::stream().write_all(json.as_bytes());
    } else {
        print(&summary(&sum.totals, threads, seconds));
    }
    CommandError::of(&sum.totals)
}

/// Runs what is left of a shard.
fn shard(options: &SimOptions) -> Result<(), CommandError> {
    let clock = RealClock::new();
    // How many worlds are left, the record says.
    let progress = OnceCell::new();
    let bar = || progress.get_or_init(|| Progress::of_worlds(0, true));
    let mut shown = 0;
    let totals = run_shard(
        options,
        |worlds| {
            let _ = progress.set(Progress::of_worlds(worlds, options.resume.is_none()));
        },
        |blocks, done| {
            let seeds = blocks.into_iter().flatten();
            all(
                seeds,
                options.threads(),
                |seed| options.draw(seed),
                |seed, report| {
                    bar().inc(1);
                    done(seed, report)
                },
            );
        },
        |failure| {
            shown += 1;
            if shown <= KEPT {
                bar().suspend(|| show(failure, options, shown <= IN_FULL));
            }
        },
    )?;
    bar().finish_and_clear();
    let seconds = clock.now().total_micros() as f64 / 1e6;
    print(&format!(
        "shard {}: {} in {seconds:.1} s\n",
        options.shard.unwrap_or(Shard::WHOLE),
        findings(&totals)
    ));
    CommandError::of(&totals)
}

/// Adds up what others ran.
fn merge(options: &SimOptions) -> Result<(), CommandError> {
    let merged = Merged::read(&options.merge)?;
    let Merged { totals, failures, missing, doubled, torn, .. } = &merged;
    if options.json {
        let mut json = totals_json(totals);
        json["failures"] = json!(failures.values().take(KEPT).collect::<Vec<_>>());
        json["missing"] =
            json!(missing.iter().map(|part| [part.start, part.end]).collect::<Vec<_>>());
        json["doubled"] =
            json!(doubled.iter().map(|part| [part.start, part.end]).collect::<Vec<_>>());
        let _ = output::stream().write_all(format!("{json:#}\n").as_bytes());
    } else {
        for FailureResult { seed, at_us, oracle, text, replay, freeze } in
            failures.values().take(KEPT)
        {
            let at = Instant::from_micros(*at_us);
            let freeze =
                freeze.as_ref().map_or_else(String::new, |line| format!("freeze: {line}\n"));
            print(&format!("seed {seed} at {at}: {oracle}: {text}\nreplay: {replay}\n{freeze}"));
        }
        if failures.len() > KEPT {
            print(&format!("and {} failures more\n", failures.len() - KEPT));
        }
        for path in torn {
            print(&format!(
                "torn: the last line of {}, which counts for nothing\n",
                path.display()
            ));
        }
        for part in doubled {
            print(&format!("twice: seeds {}..{}, with the same result\n", part.start, part.end));
        }
        print(&merged.remedies());
        print(&format!("{}\n", findings(totals)));
    }
    CommandError::of(totals)?;
    if let Some(failure) = failures.values().next() {
        return Err(CommandError::Failed(format!("the world of seed {} failed", failure.seed)));
    }
    match missing.iter().map(|part| part.end - part.start).sum() {
        0 => Ok(()),
        seeds => Err(CommandError::Unknown(format!(
            "{} missing",
            if seeds == 1 { "1 seed is".into() } else { format!("{seeds} seeds are") }
        ))),
    }
}

/// Runs the world of every seed once, and calls `done` with each one's report, in the order in which they end, until all
/// have or it returns `false`.
fn all(
    seeds: impl IntoIterator<Item = u64, IntoIter: Send>,
    threads: u64,
    draw: impl Fn(u64) -> WorldPlan + Sync,
    mut done: impl FnMut(u64, WorldReport) -> bool,
) {
    let draw = &draw;
    let seeds = Mutex::new(seeds.into_iter());
    let next = || seeds.lock().ok().and_then(|mut seeds| seeds.next());
    std::thread::scope(|scope| {
        let (sender, reports) = mpsc::sync_channel(1024);
        for _ in 0..threads {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                let mut arena = Arena::new();
                while let Some(seed) = next()
                    && sender.send((seed, run(&draw(seed), &mut arena, None))).is_ok()
                {
                }
            });
        }
        drop(sender);
        for (seed, report) in reports {
            if !done(seed, report) {
                break;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_is_run_once_by_however_many_threads_up_to_the_last() {
        for (seeds, threads) in [(0..3, 2), (u64::MAX - 3..u64::MAX, 5)] {
            let mut worlds = 0;
            // More than there are would be worlds without end.
            all(
                seeds,
                threads,
                |seed| WorldPlan::draw(seed, false),
                |_, _| {
                    worlds += 1;
                    assert!(worlds <= 3);
                    true
                },
            );
            assert_eq!(worlds, 3);
        }
    }
}
