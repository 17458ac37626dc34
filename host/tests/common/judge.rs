//! Which checks a board failed, and that these are the right ones.

use std::time::Duration;

use serde_json::Value;
use tapboard_host::check::plan::CheckPlan;
use tapboard_host::check::report::Outcome;
use tapboard_host::check::table::CHECKS;
use tapboard_host::check::{CheckEvent, check};

use super::Finished;
use super::board::Board;

/// The checks that are not made where no port is forwarded to the one that is to be refused.
pub const HIDDEN: [&str; 3] = ["refused", "udp-refused", "reset"];

/// What a check that waits in vain may take: long enough for what comes before that on a busy machine.
pub const IN_VAIN_S: u64 = 5;

/// The checks of this outcome: name, and what was seen.
pub fn those(summary: &Value, outcome: &str) -> Vec<(String, String)> {
    let checks = summary["checks"].as_array().expect("a list");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    checks
        .iter()
        .filter(|check| check["outcome"] == outcome)
        .map(|check| (text(&check["name"]), text(&check["seen"])))
        .collect()
}

/// Exactly these checks must have failed, and these been skipped, all others passed. What was seen of the first
/// failure.
#[track_caller]
pub fn judged(finished: &Finished, failed: &[&str], skipped: &[&str]) -> String {
    let summary = finished.last("summary");
    assert_eq!(summary["checks"].as_array().map(Vec::len), Some(CHECKS.len()));
    for (outcome, names) in [("fail", failed), ("skip", skipped)] {
        let found = those(&summary, outcome);
        assert!(found.iter().map(|(name, _)| name).eq(names), "{outcome}: {found:?}");
    }
    assert_eq!(summary["passed"], failed.is_empty());
    assert_eq!(finished.code, Some(i32::from(!failed.is_empty())));
    those(&summary, "fail").into_iter().next().unwrap_or_default().1
}

/// Checks a board on which nothing is forwarded to the port that is to be refused; that check alone must fail.
#[track_caller]
pub fn fails(board: Board, name: &str) -> String {
    judged(&board.check(&[]), &[name], &HIDDEN)
}

/// Checks a board with a reset; that alone must fail.
#[track_caller]
pub fn fails_reset(board: Board) -> String {
    judged(&board.check(&["--reset"]), &["reset"], &["refused", "udp-refused"])
}

/// Makes this check alone, which must fail because it waits in vain. The others had no time for a good board on a
/// busy machine.
#[track_caller]
pub fn fails_in_time(board: Board, name: &str) -> String {
    fails_last(board, &[name], &[])
}

/// Likewise, makes these checks, of which the last fails.
#[track_caller]
pub fn fails_last(board: Board, made: &[&str], options: &[&str]) -> String {
    let names = CHECKS.iter().map(|check| check.name);
    let others: Vec<&str> = names.filter(|name| !made.contains(name)).collect();
    let (skipped, in_vain) = (others.join(","), IN_VAIN_S.to_string());
    let alone = ["--skip", &skipped, "--timeout", &in_vain];
    judged(&board.check(&[&alone, options].concat()), &made[made.len() - 1..], &others)
}

/// What comes of one check if the board's ports are its own, and not forwarded ones.
pub fn direct(board: Board, name: &str) -> Outcome {
    let plan = CheckPlan {
        address: [127, 0, 0, 1].into(),
        port_offset: board.offset,
        forwarded: false,
        skip: CHECKS.iter().map(|check| check.name).filter(|other| *other != name).collect(),
        bytes: 1,
        idle: Duration::from_millis(1),
        round_trip: None,
        reset: false,
        token: None,
        listen: None,
        timeout: Duration::from_secs(IN_VAIN_S),
    };
    board.start();
    let mut outcome = None;
    check(&plan, |event| match event {
        CheckEvent::Finding(finding) if finding.check.name == name => {
            outcome = Some(finding.outcome);
        }
        _ => {}
    });
    outcome.expect("each check comes to an outcome")
}

#[track_caller]
pub fn failed(outcome: &Outcome, part: &str) {
    assert!(matches!(outcome, Outcome::Fail(seen) if seen.contains(part)), "{outcome:?}");
}
