//! What the worlds are for: a fault in what the firmware does about losses is found. `tests/fairness.rs` has one more, and
//! `tests/short_exchanges` another.

use tapboard::sim::{Arena, WorldPlan, run};
use tapboard_net::planted::{Fault, plant};

/// Seeds among which each is found; about one world in sixteen is a transfer.
const SEEDS: u64 = 1000;

#[test]
fn what_is_planted_among_what_is_done_about_losses_is_found() {
    let plans = (0..SEEDS).map(|seed| WorldPlan::draw(seed, true));
    let transfers: Vec<_> =
        plans.filter(|plan| plan.to_text().contains("\"bounded\": true")).collect();
    let mut arena = Arena::new();
    for fault in [Fault::NoTlp, Fault::RtoNotReset, Fault::SackIgnored] {
        plant(Some(fault));
        let failure = transfers.iter().find_map(|plan| run(plan, &mut arena, None).failure);
        plant(None);
        let failure = failure.unwrap_or_else(|| panic!("{fault:?} is not found"));
        assert_eq!(failure.oracle, "goodput", "{fault:?}: {}", failure.text);
        assert_eq!(
            run(&WorldPlan::draw(failure.seed.expect("a seed"), true), &mut arena, None).failure,
            None
        );
    }
}
