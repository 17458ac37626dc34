//! What `tapboard sim` says of the worlds that it ran: text or JSON, and the commands that run a failed one again.

use std::io::Write;

use serde_json::{Value, json};

use super::options::SimOptions;
use super::run::Failure;
use super::totals::Totals;
use crate::output::{self, counted, wrapped};

/// What all worlds came to.
#[derive(Debug, Default)]
pub(super) struct Sum {
    pub(super) totals: Totals,
    pub(super) failures: Vec<Failure>,
}

/// The commit that this was built from, for whoever has to find the code again.
pub(super) const COMMIT: &str = env!("TAPBOARD_COMMIT");

/// Prints, if anybody reads it: one that has gone is no reason to panic.
pub(super) fn print(text: &str) {
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
pub(super) fn replay_command(seed: Option<u64>, options: &SimOptions) -> String {
    let (words, name) = world_words(seed, options);
    format!("tapboard sim {words} --pcap {name}.pcapng --ladder")
}

/// The command that keeps its plan for good, unless that has been done.
pub(super) fn freeze_command(seed: Option<u64>, options: &SimOptions) -> Option<String> {
    let (words, name) = world_words(seed, options);
    options.plan.is_none().then(|| format!("tapboard sim {words} --write-plan {name}.json"))
}

pub(super) fn show(failure: &Failure, options: &SimOptions, netstat: bool) {
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

/// What came of so many worlds.
pub(super) fn findings(totals: &Totals) -> String {
    format!(
        "{}, {} failed: {:.1} virtual hours and {}",
        counted(totals.worlds, "world"),
        totals.failed,
        totals.virtual_us as f64 / 3.6e9,
        counted(totals.frames, "frame"),
    )
}

pub(super) fn summary(totals: &Totals, threads: u64, seconds: f64) -> String {
    let rate = totals.frames as f64 / seconds / threads as f64;
    format!(
        "{} in {seconds:.1} s on {}, {rate:.0} frames a second and thread\n",
        findings(totals),
        counted(threads, "thread"),
    )
}

pub(super) fn totals_json(totals: &Totals) -> Value {
    json!({
        "worlds": totals.worlds,
        "failed": totals.failed,
        "virtual_hours": totals.virtual_us as f64 / 3.6e9,
        "frames": totals.frames,
        "polls": totals.polls,
        "digest": format!("{:016x}", totals.digest),
    })
}

pub(super) fn summary_json(sum: &Sum, options: &SimOptions, threads: u64, seconds: f64) -> Value {
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
    let mut json = totals_json(&sum.totals);
    json["seconds"] = json!(seconds);
    json["threads"] = json!(threads);
    json["failures"] = failures.collect();
    json
}
