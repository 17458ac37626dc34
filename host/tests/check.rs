//! `check` against boards that are bad in one way each, and exactly that check fails.
#![cfg(unix)] // Signals are those of Unix.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tapboard_host::check::plan::CheckPlan;
use tapboard_host::check::report::Outcome;
use tapboard_host::check::table::CHECKS;
use tapboard_host::check::{CheckEvent, check};

mod common;
use common::board::{Board, TIMES, UNREGISTERED, chargen, ignore, say, shell};
use common::{Finished, echo};

/// The connections to port 7, in the order of the checks. The first is the tool's look for a board.
const ECHO: usize = 1;
const HALF_CLOSE: usize = 2;
const IN_TURN: usize = 7;
const IDLE: usize = 40;

/// The checks that are not made where no port is forwarded to the one that is to be refused.
const HIDDEN: [&str; 3] = ["refused", "udp-refused", "reset"];

/// What a check that waits in vain may take: long enough for what comes before that on a busy machine.
const IN_VAIN_S: u64 = 5;

/// The checks of this outcome: name, and what was seen.
fn those(summary: &Value, outcome: &str) -> Vec<(String, String)> {
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
fn judged(finished: &Finished, failed: &[&str], skipped: &[&str]) -> String {
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
fn fails(board: Board, name: &str) -> String {
    judged(&board.check(&[]), &[name], &HIDDEN)
}

/// Checks a board with a reset; that alone must fail.
#[track_caller]
fn fails_reset(board: Board) -> String {
    judged(&board.check(&["--reset"]), &["reset"], &["refused", "udp-refused"])
}

/// Makes this check alone, which must fail because it waits in vain. The others had no time for a good board on a
/// busy machine.
#[track_caller]
fn fails_in_time(board: Board, name: &str) -> String {
    fails_last(board, &[name], &[])
}

/// Likewise, makes these checks, of which the last fails.
#[track_caller]
fn fails_last(board: Board, made: &[&str], options: &[&str]) -> String {
    let names = CHECKS.iter().map(|check| check.name);
    let others: Vec<&str> = names.filter(|name| !made.contains(name)).collect();
    let (skipped, in_vain) = (others.join(","), IN_VAIN_S.to_string());
    let alone = ["--skip", &skipped, "--timeout", &in_vain];
    judged(&board.check(&[&alone, options].concat()), &made[made.len() - 1..], &others)
}

/// What comes of one check if the board's ports are its own, and not forwarded ones.
fn direct(board: Board, name: &str) -> Outcome {
    let plan = CheckPlan {
        address: [127, 0, 0, 1].into(),
        port_offset: board.offset,
        forwarded: false,
        skip: CHECKS.iter().map(|check| check.name).filter(|other| *other != name).collect(),
        bytes: 1,
        idle: Duration::from_millis(1),
        reset: false,
        listen: None,
        timeout: Duration::from_secs(IN_VAIN_S),
    };
    board.start();
    let mut outcome = None;
    check(&plan, |event| match event {
        CheckEvent::Finding(finding) if finding.check.name == name => {
            outcome = Some(finding.outcome)
        }
        _ => {}
    });
    outcome.expect("each check comes to an outcome")
}

#[track_caller]
fn failed(outcome: &Outcome, part: &str) {
    assert!(matches!(outcome, Outcome::Fail(seen) if seen.contains(part)), "{outcome:?}");
}

// ---- Good ones -----------------------------------------------------------------------------------

#[test]
fn a_good_board_passes_and_what_was_not_checked_says_why() {
    let finished = Board::good().check(&["--skip", "echo,telemetry"]);
    judged(&finished, &[], &["echo", "refused", "udp-refused", "telemetry", "reset"]);
    let skipped = those(&finished.last("summary"), "skip");
    for ((name, why), part) in skipped.iter().zip([
        "left out by --skip",
        "not forwarded, so the board was not asked; forward it to 81",
        "ICMP does not come through a forwarded port",
        "left out by --skip",
        "only with --reset",
    ]) {
        assert!(why.contains(part), "{name}: {why}");
    }
}

#[test]
fn a_board_that_comes_back_from_a_reset_passes_with_telemetry_and_without() {
    let hidden = ["refused", "udp-refused"];
    judged(&Board::good().check(&["--reset"]), &[], &hidden);
    let finished = Board::good().check(&["--reset", "--skip", "telemetry"]);
    judged(&finished, &[], &[hidden[0], hidden[1], "telemetry"]);
}

#[test]
fn a_board_without_any_check_is_not_called_good() {
    let all: Vec<&str> = CHECKS.iter().map(|check| check.name).collect();
    let finished = Board::good().check(&["--skip", &all.join(",")]);
    assert_eq!(finished.last("summary")["passed"], false);
    assert_eq!(finished.code, Some(1));
}

// ---- TCP -----------------------------------------------------------------------------------------

/// Alters the byte at `offset`.
fn alter(at: u64) -> impl FnMut(u64, &mut [u8]) {
    move |offset, data| {
        if let Some(index) = at.checked_sub(offset)
            && let Some(byte) = data.get_mut(index as usize)
        {
            *byte ^= 1;
        }
    }
}

#[test]
fn one_corrupted_byte_fails_the_echo() {
    let board = Board::good().tcp(7, |number, stream| {
        echo(stream, alter(if number == ECHO { 511 } else { u64::MAX }));
    });
    assert!(fails(board, "echo").contains("wrong byte at offset 511"));
}

#[test]
fn one_corrupted_byte_late_in_the_echo_fails_the_large_echo() {
    let board = Board::good().tcp(7, |_, stream| echo(stream, alter(700_000)));
    assert!(fails(board, "large-echo").contains("wrong byte at offset 700000"));
}

#[test]
fn an_echo_that_ends_early_fails_the_large_echo() {
    let board = Board::good().tcp(7, |_, mut stream| {
        let mut all = vec![0; 500_000];
        let mut done = 0;
        while let Ok(length @ 1..) = stream.read(&mut all[done..]) {
            if stream.write_all(&all[done..done + length]).is_err() {
                return;
            }
            done += length;
        }
        // Else what is unread becomes a reset.
        let _ = stream.shutdown(Shutdown::Write);
        while matches!(stream.read(&mut all), Ok(1..)) {}
    });
    let seen = fails(board, "large-echo");
    assert!(seen.contains("closed (FIN) after 500000 of 1000000 bytes"), "{seen}");
}

#[test]
fn a_discard_that_answers_fails() {
    let board = Board::good().tcp(9, |_, stream| echo(stream, |_, _| {}));
    assert!(fails(board, "discard").contains("not due"));
}

#[test]
fn a_discard_that_closes_first_fails() {
    let board = Board::good().tcp(9, |_, mut stream| {
        let read = stream.read_exact(&mut [0; 4096]);
        read.expect("it is sent something to discard");
    });
    assert!(fails(board, "discard").contains("before our FIN, it closed (FIN)"));
}

#[test]
fn a_discard_that_never_closes_fails_in_time() {
    let board = Board::good().tcp(9, |_, stream| ignore(stream));
    let seen = fails_in_time(board, "discard");
    assert!(seen.contains("waiting for its FIN: time ran out"), "{seen}");
}

#[test]
fn a_wrong_chargen_pattern_fails() {
    let board = Board::good().tcp(19, |_, stream| chargen(stream, |line| line[71] = b'!'));
    assert!(fails(board, "chargen").contains("wrong byte at offset 71"));
}

#[test]
fn a_service_that_accepts_and_never_answers_fails_in_time() {
    let board = Board::good().tcp(19, |_, stream| ignore(stream));
    let seen = fails_in_time(board, "chargen");
    assert!(seen.contains("time ran out (see --timeout) after 0 of 8000 bytes"), "{seen}");
}

#[test]
fn a_shell_with_a_wrong_answer_fails() {
    let board = Board::good().tcp(23, |_, stream| shell(stream, "led is off", || {}));
    let seen = fails(board, "shell");
    assert!(seen.contains("`led on` is not answered with `led is on`"), "{seen}");
}

#[test]
fn a_shell_without_a_prompt_fails() {
    let board = Board::good().tcp(23, |_, mut stream| {
        let _ = stream.write_all(b"login: ");
        ignore(stream);
    });
    let seen = fails_in_time(board, "shell");
    assert!(seen.contains("no prompt after the greeting: time ran out"), "{seen}");
}

#[test]
fn a_board_without_half_close_fails_where_a_fin_matters() {
    // It forgets what is unanswered when a FIN comes.
    let board = Board::good().tcp(7, |number, mut stream| {
        if number == HALF_CLOSE {
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        } else {
            echo(stream, |_, _| {});
        }
    });
    let seen = fails(board, "half-close");
    assert!(seen.contains("after our FIN: it closed (FIN)"), "{seen}");
}

#[test]
fn a_board_that_serves_one_connection_at_a_time_fails() {
    let turn = Mutex::new(());
    let board = Board::good().tcp(7, move |_, stream| {
        let _turn = turn.lock();
        echo(stream, |_, _| {});
    });
    // All four are open; which of them has the turn is not said.
    let seen = fails_in_time(board, "at-once");
    assert!(seen.contains("echo: time ran out"), "{seen}");
}

#[test]
fn a_connection_closed_in_turn_fails() {
    let board = Board::good().tcp(7, |number, stream| {
        if number != IN_TURN + 20 {
            echo(stream, |_, _| {});
        }
    });
    assert!(fails(board, "in-turn").contains("connection 21 of 32: "));
}

#[test]
fn an_idle_connection_that_is_closed_fails() {
    let board = Board::good().tcp(7, |number, mut stream| {
        if number == IDLE {
            let mut data = [0; 512];
            let read = stream.read_exact(&mut data);
            read.and_then(|()| stream.write_all(&data)).expect("its first bytes are served");
        } else {
            echo(stream, |_, _| {});
        }
    });
    // Idle until the end comes.
    let seen = judged(&board.check(&["--idle", "60"]), &["idle"], &HIDDEN);
    assert!(seen.contains("while idle, it closed (FIN)"), "{seen}");
}

// ---- Refusals ------------------------------------------------------------------------------------

/// Aborts a connection: a forward's way to hand on a refusal.
fn abort(stream: &TcpStream) {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).expect("SO_LINGER");
}

#[test]
fn behind_a_forward_a_reset_is_a_refusal_and_an_end_says_nothing() {
    let board = Board::good().tcp(UNREGISTERED, |_, stream| abort(stream));
    judged(&board.check(&[]), &[], &["udp-refused", "reset"]);
    // As QEMU's network does.
    let board = Board::good().tcp(UNREGISTERED, |_, _| {});
    let finished = board.check(&[]);
    judged(&finished, &[], &["refused", "udp-refused", "reset"]);
    let (_, why) = those(&finished.last("summary"), "skip").swap_remove(0);
    assert!(why.contains("closed it, which it may do"), "{why}");
}

#[test]
fn behind_a_forward_a_connection_that_stays_or_carries_data_was_not_refused() {
    let skipped = ["udp-refused", "reset"];
    let board = Board::good().tcp(UNREGISTERED, |_, stream| ignore(stream));
    let seen = fails_in_time(board, "refused");
    assert!(seen.contains("neither reset nor closed within 5 s"), "{seen}");
    let board = Board::good().tcp(UNREGISTERED, |_, stream| chargen(stream, |_| {}));
    let seen = judged(&board.check(&[]), &["refused"], &skipped);
    assert!(seen.contains("data came"), "{seen}");
}

#[test]
fn a_port_of_its_own_that_should_be_refused_and_listens_fails() {
    let board = Board::good().tcp(UNREGISTERED, |_, stream| ignore(stream));
    failed(&direct(board, "refused"), "accepted the connection");
    assert!(matches!(direct(Board::good(), "refused"), Outcome::Pass(_)));
}

#[test]
fn a_udp_port_of_its_own_that_should_be_refused_and_is_not_fails() {
    let outcome = direct(Board::good().udp(UNREGISTERED, |_| true), "udp-refused");
    failed(&outcome, "it answered with 1 byte");
    let outcome = direct(Board::good().udp(UNREGISTERED, |_| false), "udp-refused");
    failed(&outcome, "it was silent for 5 s");
    assert!(matches!(direct(Board::good(), "udp-refused"), Outcome::Pass(_)));
}

// ---- UDP -----------------------------------------------------------------------------------------

#[test]
fn a_datagram_that_comes_back_altered_cut_or_not_at_all_fails() {
    let altered = Board::good().udp(7, |data| {
        data[0] ^= u8::from(data.len() == 64);
        true
    });
    assert!(fails(altered, "udp-echo").contains("64 bytes came back changed"));
    let cut = Board::good().udp(7, |data| {
        data.truncate(1471);
        true
    });
    assert!(fails(cut, "udp-echo").contains("1472 bytes came back as 1471"));
    let lost = Board::good().udp(7, |data| data.len() < 1472);
    let seen = fails_in_time(lost, "udp-echo");
    assert!(seen.contains("no answer to 1472 bytes"), "{seen}");
}

#[test]
fn a_discarded_datagram_that_is_answered_or_refused_fails() {
    let board = Board::good().udp(9, |_| true);
    assert!(fails(board, "udp-discard").contains("bytes came back"));
    let board = Board::good().without_udp(9);
    assert!(fails(board, "udp-discard").contains("port unreachable"));
}

// ---- Telemetry and reset -------------------------------------------------------------------------

fn report(seq: u64) -> String {
    format!("{{\"seq\":{seq},\"uptime_ms\":{seq}000}}\n")
}

#[test]
fn telemetry_with_a_gap_or_of_no_json_or_cut_off_fails() {
    let board = Board::good().reports(|_, stream| say(stream, &[report(1), report(3)]));
    assert!(fails(board, "telemetry").contains("lost 1 report: seq 2 was due, 3 came"));
    let board = Board::good().reports(|_, stream| say(stream, &["temperature 21\n".to_owned()]));
    assert!(fails(board, "telemetry").contains("not a report: it is not JSON"));
    let board = Board::good().reports(|_, mut stream| {
        stream.write_all(report(1).as_bytes()).expect("the tool listens");
    });
    assert!(fails(board, "telemetry").contains("closed (FIN) after 1 report"));
}

/// Only Linux has all of 127.0.0.0/8 as addresses.
#[cfg(target_os = "linux")]
#[test]
fn telemetry_of_a_stranger_is_not_the_boards() {
    let board = Board::good();
    let said = Arc::new(Mutex::new(Vec::new()));
    let seen_by_stranger = Arc::clone(&said);
    let board = board.reports_from([127, 0, 0, 2], move |number, mut stream| {
        let mut answer = Vec::new();
        // The end comes unasked.
        let _ = stream.read_to_end(&mut answer);
        seen_by_stranger.lock().expect("no panic while it is held").extend(answer);
        if number > 0 {
            ignore(stream);
        }
    });
    let seen = fails_in_time(board, "telemetry");
    assert!(seen.contains("127.0.0.1 did not connect to 127.0.0.1:"), "{seen}");
    assert!(seen.contains(", but 127.0.0.2 did"), "{seen}");
    assert!(said.lock().expect("no panic while it is held").is_empty(), "it was sent something");
}

#[test]
fn a_port_for_telemetry_that_is_taken_fails_with_the_remedy() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let board = Board::good();
    let arguments = board.start();
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    *arguments.last_mut().expect("where to listen") = &address;
    arguments.extend(TIMES.as_flattened());
    let seen = judged(&common::run(&arguments), &["telemetry"], &HIDDEN);
    assert!(seen.contains("cannot listen on") && seen.contains("with --listen"), "{seen}");
}

#[test]
fn a_board_that_does_not_reset_fails() {
    // The shell's session ends, and that is all.
    let board = Board::good().tcp(23, |_, stream| shell(stream, "led is on", || {}));
    let seen = fails_last(board, &["reset"], &["--reset"]);
    assert!(seen.contains("it serves a connection of before it: it did not reset"), "{seen}");
}

#[test]
fn a_board_that_cuts_its_connections_and_runs_on_fails() {
    let board = Board::good();
    let life = Arc::clone(&board.life);
    let board = board.tcp(23, move |_, stream| shell(stream, "led is on", || life.cut()));
    let seen = fails_reset(board);
    assert!(seen.contains("its uptime went on"), "{seen}");
}

#[test]
fn a_board_that_does_not_report_after_a_reset_fails() {
    // The first connection is that of the check of telemetry, the second of before the reset.
    let board = Board::good().reports(|number, stream| match number {
        0 | 1 => say(stream, &[report(1), report(2)]),
        _ => ignore(stream),
    });
    let seen = fails_last(board, &["telemetry", "reset"], &["--reset"]);
    assert!(seen.contains("telemetry after it: time ran out"), "{seen}");
}
