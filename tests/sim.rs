//! Worlds, drawn from seeds.

use tapboard::sim::{Arena, Plan, run};

#[test]
fn a_slice() {
    let mut arena = Arena::new();
    let (from, to) = std::env::var("SEEDS").ok().map_or((0, 200), |text| {
        let (from, to) = text.split_once("..").unwrap();
        (from.parse::<u64>().unwrap(), to.parse::<u64>().unwrap())
    });
    let mut failed = 0;
    let mut frames = 0;
    for seed in from..to {
        let report = run(&Plan::draw(seed, true), &mut arena, None);
        frames += report.frames;
        if let Some(failure) = report.failure {
            failed += 1;
            println!(
                "seed {} at {} {}: {}\n{}",
                failure.seed, failure.at, failure.oracle, failure.text, failure.netstat
            );
        }
    }
    println!("{failed} failed, {frames} frames");
    assert_eq!(failed, 0);
}
