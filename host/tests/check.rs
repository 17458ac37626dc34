//! `check` against boards that are bad in one way each, and exactly that check fails: the services over TCP.
#![cfg(unix)] // Signals are those of Unix.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::Mutex;

use tapboard_host::check::table::CHECKS;

mod common;
use common::board::{Board, chargen, ignore, shell};
use common::echo;
use common::judge::{HIDDEN, fails, fails_in_time, fails_last, judged, those};

/// The connections to port 7, in the order of the checks. The first is the tool's look for a board.
const ECHO: usize = 1;
const HALF_CLOSE: usize = 2;
const IN_TURN: usize = 7;
const IDLE: usize = 40;

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
fn a_shell_that_asks_for_a_token_says_which_option_gives_it() {
    let board = || Board::good().tcp(23, |_, stream| shell(stream, "login first: login T", || {}));
    let seen = fails_in_time(board(), "shell");
    assert!(seen.contains("`led on` asks for the board's token: see --token"), "{seen}");
    let seen = fails_last(board(), &["shell"], &["--token", "open-sesame"]);
    assert!(seen.contains("`login` with the token of --token is answered with `"), "{seen}");
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
