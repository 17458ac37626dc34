//! What worlds cost in real time: `cargo bench --bench sim`.
//!
//! Prints the best of ten runs: a simulated hour of one idle board, without and with telemetry, and
//! frames a second of one core in a busy world, and in drawn ones.
//!
//! What is drawn from a seed changes from one commit to the next, so two commits are compared on frozen plans:
//! `-- freeze DIR A..B` writes those of the seeds, and `-- run DIR` runs what is there, on either. Each world counts with the
//! best of its runs, which other work on the machine makes no worse if there are enough of them.

use std::ops::Range;
use std::path::Path;
use std::{env, fs};

use smoltcp::time::Duration;
use tapboard::clock::RealClock;
use tapboard::sim::{Arena, WorldPlan, run};

/// Drawn worlds that are run unless some are named.
const DRAWN: Range<u64> = 0..100;
/// Runs of each world.
const RUNS: usize = 10;

/// Milliseconds of the best run of each plan, added up, and frames of one run of each.
fn best(plans: &[WorldPlan]) -> (f64, u64) {
    let mut arena = Arena::new();
    let (mut best, mut frames) = (vec![f64::INFINITY; plans.len()], 0);
    for _ in 0..RUNS {
        frames = 0;
        for (plan, best) in plans.iter().zip(&mut best) {
            let clock = RealClock::new();
            let report = run(plan, &mut arena, None);
            *best = best.min(clock.now().total_micros() as f64 / 1000.0);
            assert_eq!(report.failure, None);
            frames += report.frames;
        }
    }
    (best.iter().sum(), frames)
}

fn tell(name: &str, (millis, frames): (f64, u64)) {
    let rate = frames as f64 / millis * 1000.0;
    println!("{name}: {frames} frames in {millis:.0} ms, {rate:.0} a second");
}

/// The seeds `A..B`.
fn seeds(text: &str) -> Range<u64> {
    let (first, end) = text.split_once("..").expect("seeds are A..B");
    let number = |text: &str| text.parse().expect("a seed is a number");
    number(first)..number(end)
}

fn drawn(seeds: Range<u64>) -> Vec<WorldPlan> {
    seeds.map(|seed| WorldPlan::draw(seed, true)).collect()
}

fn freeze(directory: &Path, seeds: Range<u64>) {
    fs::create_dir_all(directory).expect("the directory can be made");
    for (seed, plan) in seeds.clone().zip(drawn(seeds)) {
        let path = directory.join(format!("{seed:06}.json"));
        fs::write(path, plan.to_text()).expect("the plan can be written");
    }
}

fn frozen(directory: &Path) -> Vec<WorldPlan> {
    let files = fs::read_dir(directory).expect("the directory can be read");
    let mut paths: Vec<_> = files.map(|file| file.expect("it can be listed").path()).collect();
    paths.sort();
    let read = |path| fs::read_to_string(path).expect("a plan can be read");
    paths.iter().map(|path| WorldPlan::from_text(&read(path)).expect("it is a plan")).collect()
}

fn main() {
    // Cargo says `--bench` as well.
    let words: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["freeze", directory, range] => freeze(directory.as_ref(), seeds(range)),
        ["run", directory] => tell("frozen worlds", best(&frozen(directory.as_ref()))),
        [] => {
            let hour = Duration::from_secs(3600);
            for (name, telemetry) in [("without", false), ("with", true)] {
                let (millis, frames) = best(&[WorldPlan::idle(telemetry, hour)]);
                println!("an idle hour {name} telemetry: {millis:.1} ms, {frames} frames");
            }
            tell("a busy world", best(&[WorldPlan::busy(4_000_000)]));
            tell("drawn worlds", best(&drawn(DRAWN)));
        }
        _ => panic!("-- freeze DIR A..B, -- run DIR, or nothing"),
    }
}
