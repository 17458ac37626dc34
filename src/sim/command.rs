//! `tapboard sim`: many worlds on all cores, and what did not hold in them.
//!
//! Each thread takes the next seed, runs its world and reports it; the main thread counts, shows how far
//! it is, and prints failures as they come, the first [`IN_FULL`] with everything known. A failure names
//! the command that replays it. The result does not depend on the number of threads.

use std::io::Write;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use serde_json::{Value, json};

use super::arena::Arena;
use super::options::SimOptions;
use super::plan::WorldPlan;
use super::replay::replay;
use super::run::{Failure, WorldReport, run};
use crate::clock::RealClock;
use crate::output::{self, counted, wrapped};
use crate::progress::Progress;

/// Failures that are shown with the socket tables.
const IN_FULL: usize = 10;
/// Failures that are kept for `--json`.
const KEPT: usize = 1000;

/// What all worlds came to.
#[derive(Debug, Default)]
struct Sum {
    worlds: u64,
    failed: u64,
    virtual_us: u64,
    frames: u64,
    polls: u64,
    failures: Vec<Failure>,
}

impl Sum {
    /// Counts a world, and returns what failed in it unless that is too much to keep.
    fn add(&mut self, report: WorldReport) -> Option<&Failure> {
        self.worlds += 1;
        self.virtual_us += report.elapsed.total_micros();
        self.frames += report.frames;
        self.polls += report.polls;
        let failure = report.failure?;
        self.failed += 1;
        if self.failures.len() < KEPT {
            self.failures.push(failure);
            return self.failures.last();
        }
        None
    }
}

/// Runs the worlds that the options name. An error says how many of them failed.
pub fn command(options: &SimOptions) -> Result<(), String> {
    if options.takes_stdout() {
        output::leave_stdout();
    }
    if options.servers && log::max_level() == log::LevelFilter::Warn {
        // That somebody has an address is no news there.
        log::set_max_level(log::LevelFilter::Error);
    }
    let seeds = if options.plan.is_some() { 0..1 } else { options.seeds.clone() };
    let threads = options.threads().min(seeds.end - seeds.start);
    let clock = RealClock::new();
    let bar = Progress::of_worlds(seeds.end - seeds.start, options.json);
    let done = |sum: &mut Sum, report| {
        let in_full = sum.failures.len() < IN_FULL;
        if let Some(failure) = sum.add(report)
            && !options.json
        {
            bar.suspend(|| show(failure, options, in_full));
        }
        bar.inc(1);
    };
    let mut sum = Sum::default();
    if options.plan.is_some()
        || options.write_plan.is_some()
        || options.pcap.is_some()
        || options.ladder
    {
        done(&mut sum, replay(options)?);
    } else {
        all(seeds, threads, |seed| options.draw(seed), |report| done(&mut sum, report));
    }
    bar.finish_and_clear();
    let seconds = clock.now().total_micros() as f64 / 1e6;
    if options.json {
        let json = format!("{:#}\n", summary_json(&sum, options, threads, seconds));
        let _ = output::stream().write_all(json.as_bytes());
    } else {
        print(&summary(&sum, threads, seconds));
    }
    match sum.failed {
        0 => Ok(()),
        failed => Err(format!("{failed} of {} failed", counted(sum.worlds, "world"))),
    }
}

/// Runs every world once, and `done` with each one's report, in the order in which they end.
fn all(
    seeds: Range<u64>,
    threads: u64,
    draw: impl Fn(u64) -> WorldPlan + Sync,
    mut done: impl FnMut(WorldReport),
) {
    let draw = &draw;
    let next = AtomicU64::new(seeds.start);
    std::thread::scope(|scope| {
        let (sender, reports) = mpsc::sync_channel(1024);
        for _ in 0..threads {
            let (sender, next, end) = (sender.clone(), &next, seeds.end);
            scope.spawn(move || {
                let mut arena = Arena::new();
                let mut world = |seed| run(&draw(seed), &mut arena, None);
                // Not past the end, which may be the last number there is.
                let take = |seed: u64| (seed < end).then(|| seed + 1);
                while let Ok(seed) = next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                    && sender.send(world(seed)).is_ok()
                {}
            });
        }
        drop(sender);
        for report in reports {
            done(report);
        }
    });
}

/// The commit that this was built from, for whoever has to find the code again.
const COMMIT: &str = env!("TAPBOARD_COMMIT");

/// Prints, if anybody reads it: one that has gone is no reason to panic.
fn print(text: &str) {
    let text = output::columns().map_or_else(|| text.into(), |columns| wrapped(text, columns));
    let _ = output::stream().write_all(text.as_bytes());
}

/// The words that name the world of a failure again, and a name for its files.
fn world_words(seed: Option<u64>, options: &SimOptions) -> (String, String) {
    if let Some(path) = &options.plan {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        return (format!("--plan {}", path.display()), name.into_owned());
    }
    let seed = seed.unwrap_or_default();
    let faults = if options.faults { "" } else { " --faults off" };
    let servers = if options.servers { " --servers" } else { "" };
    (format!("--seed {seed}{faults}{servers}"), format!("world-{seed}"))
}

/// The command that shows what happened in it.
fn replay_command(seed: Option<u64>, options: &SimOptions) -> String {
    let (words, name) = world_words(seed, options);
    format!("tapboard sim {words} --pcap {name}.pcapng --ladder")
}

/// The command that keeps its plan for good, unless that has been done.
fn freeze_command(seed: Option<u64>, options: &SimOptions) -> Option<String> {
    let (words, name) = world_words(seed, options);
    options.plan.is_none().then(|| format!("tapboard sim {words} --write-plan {name}.json"))
}

fn show(failure: &Failure, options: &SimOptions, netstat: bool) {
    let Failure { seed, at, oracle, text, .. } = failure;
    let more =
        if netstat { format!("{}commit {}\n", failure.netstat, COMMIT) } else { String::new() };
    let world = match (&options.plan, seed) {
        (Some(path), _) => format!("plan {}", path.display()),
        (None, seed) => format!("seed {}", seed.unwrap_or_default()),
    };
    let replay = replay_command(*seed, options);
    let freeze = freeze_command(*seed, options);
    let freeze = freeze.map_or_else(String::new, |command| format!("freeze: {command}\n"));
    print(&format!("{world} at {at}: {oracle}: {text}\n{more}replay: {replay}\n{freeze}"));
}

fn summary(sum: &Sum, threads: u64, seconds: f64) -> String {
    let Sum { worlds, failed, frames, .. } = sum;
    let hours = sum.virtual_us as f64 / 3.6e9;
    let rate = *frames as f64 / seconds / threads as f64;
    format!(
        "{}, {failed} failed: {hours:.1} virtual hours and {} in {seconds:.1} s on {}, \
         {rate:.0} frames a second and thread\n",
        counted(*worlds, "world"),
        counted(*frames, "frame"),
        counted(threads, "thread"),
    )
}

fn summary_json(sum: &Sum, options: &SimOptions, threads: u64, seconds: f64) -> Value {
    let failures = sum.failures.iter().map(|failure| {
        json!({
            "seed": failure.seed,
            "at_us": failure.at.total_micros(),
            "oracle": failure.oracle,
            "text": failure.text,
            "netstat": failure.netstat,
            "commit": COMMIT,
            "replay": replay_command(failure.seed, options),
            "freeze": freeze_command(failure.seed, options),
        })
    });
    json!({
        "worlds": sum.worlds,
        "failed": sum.failed,
        "virtual_hours": sum.virtual_us as f64 / 3.6e9,
        "frames": sum.frames,
        "polls": sum.polls,
        "seconds": seconds,
        "threads": threads,
        "failures": failures.collect::<Vec<_>>(),
    })
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
                |_| {
                    worlds += 1;
                    assert!(worlds <= 3);
                },
            );
            assert_eq!(worlds, 3);
        }
    }
}
