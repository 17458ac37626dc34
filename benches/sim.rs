//! What worlds cost in real time: `cargo bench --bench sim`.
//!
//! Prints the best of ten runs: a simulated hour of one idle board, without and with telemetry, and
//! frames a second of one core in a busy world.

use smoltcp::time::Duration;
use tapboard::clock::RealClock;
use tapboard::sim::{Arena, WorldPlan, run};

fn best(plan: &WorldPlan) -> (f64, u64) {
    let mut arena = Arena::new();
    let runs = (0..10).map(|_| {
        let clock = RealClock::new();
        let report = run(plan, &mut arena, None);
        assert_eq!(report.failure, None);
        (clock.now().total_micros() as f64 / 1000.0, report.frames)
    });
    runs.min_by(|one, other| one.0.total_cmp(&other.0)).expect("ten runs")
}

fn main() {
    let hour = Duration::from_secs(3600);
    for (name, telemetry) in [("without", false), ("with", true)] {
        let (millis, frames) = best(&WorldPlan::idle(telemetry, hour));
        println!("an idle hour {name} telemetry: {millis:.1} ms, {frames} frames");
    }
    let (millis, frames) = best(&WorldPlan::busy(4_000_000));
    let rate = frames as f64 / millis * 1000.0;
    println!("a busy world: {frames} frames in {millis:.0} ms, {rate:.0} a second");
}
