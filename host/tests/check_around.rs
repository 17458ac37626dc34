//! `check` against boards that are bad in one way each, and exactly that check fails: refusals, UDP, telemetry, resets.
#![cfg(unix)] // Signals are those of Unix.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tapboard_host::check::report::Outcome;

mod common;
use common::board::{Board, TIMES, UNREGISTERED, chargen, ignore, say, shell};
use common::judge::{
    HIDDEN, direct, failed, fails, fails_in_time, fails_last, fails_reset, judged, those,
};

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

/// As a MAC that stops when it is full, and is not started again.
#[test]
fn a_board_that_a_burst_silences_fails() {
    static TAKEN: AtomicUsize = AtomicUsize::new(0);
    let board = Board::good()
        .udp(9, |_| {
            TAKEN.fetch_add(1, Ordering::SeqCst);
            false
        })
        .udp(7, |data| {
            // The ports are two threads': what was sent first is to be taken first.
            while data == b"is it still there?" && TAKEN.load(Ordering::SeqCst) < 10 {
                thread::yield_now();
            }
            TAKEN.load(Ordering::SeqCst) < 10
        });
    let seen = fails_in_time(board, "burst");
    assert!(seen.starts_with("no answer after 2"), "{seen}");
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
    use std::io::Read;
    use std::sync::Mutex;

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
