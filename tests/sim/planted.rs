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

/// What a poll leaves undone, and whom nobody can reach: found in worlds of all kinds, those with servers too.
#[test]
fn what_is_planted_among_what_is_not_about_losses_is_found() {
    let mut arena = Arena::new();
    for (fault, oracle) in
        [(Fault::RoomUnused, "content"), (Fault::QuestionUnanswered, "completion")]
    {
        for draw in [WorldPlan::draw, WorldPlan::draw_with_servers] {
            let found = |arena: &mut _, seed| {
                run(&draw(seed, true), arena, None)
                    .failure
                    .filter(|failure| failure.oracle == oracle)
            };
            plant(Some(fault));
            let seed = (0..SEEDS).find(|seed| found(&mut arena, *seed).is_some());
            plant(None);
            let seed = seed.unwrap_or_else(|| panic!("{fault:?} is not found"));
            println!("{fault:?}: {oracle}, seed {seed}");
            assert_eq!(run(&draw(seed, true), &mut arena, None).failure, None);
        }
    }
}
