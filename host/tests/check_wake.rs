//! `check` against boards that are woken late or do not sleep, and exactly that check fails.
#![cfg(unix)] // Signals are those of Unix.

use std::thread;
use std::time::Duration;

use tapboard_host::clock;

mod common;
use common::board::{Board, shell_of};
use common::echo;
use common::judge::{HIDDEN, fails, judged, those};

/// What a ping of the round trip is told by.
const PING: usize = 64;

/// Waits for this time, in which something else may come.
fn wait(time: Duration) {
    let end = clock::now() + time;
    while let Some(left) = end.checked_duration_since(clock::now()).filter(|left| !left.is_zero()) {
        thread::park_timeout(left);
    }
}

/// A good board but for how late it answers a ping.
fn late(by: impl Fn() -> Duration + Send + Sync + 'static) -> Board {
    Board::good().tcp(7, move |_, stream| {
        echo(stream, |_, data| {
            if data.len() == PING {
                wait(by());
            }
        });
    })
}

/// A good board but for what it says of its sleep.
fn sleeper(asleep_ms: impl Fn(u64) -> Option<u64> + Send + Sync + 'static) -> Board {
    let boot = clock::now();
    let board = Board::good();
    let life = std::sync::Arc::clone(&board.life);
    board.tcp(23, move |_, stream| {
        let asleep = || asleep_ms((clock::now() - boot).as_millis() as u64);
        shell_of(stream, "led is on", &asleep, || life.reset());
    })
}

#[test]
fn a_board_that_a_timer_wakes_fails_the_round_trip() {
    let boot = clock::now();
    for tick_us in [52_000, 335_000] {
        let board = late(move || {
            let up = (clock::now() - boot).as_micros() as u64;
            Duration::from_micros(tick_us - up % tick_us)
        });
        let seen = fails(board, "round-trip");
        assert!(seen.contains("which is too long"), "{seen}");
    }
}

#[test]
fn a_network_that_is_slow_for_all_of_them_is_not_the_boards_fault() {
    let slow = || late(|| Duration::from_millis(20));
    judged(&slow().check(&[]), &[], &HIDDEN);
    judged(&slow().check(&["--round-trip", "0.01"]), &["round-trip"], &HIDDEN);
    judged(&slow().check(&["--round-trip", "10"]), &[], &HIDDEN);
}

#[test]
fn a_board_that_sleeps_too_little_fails() {
    let seen = fails(sleeper(|time| Some(time / 2)), "asleep");
    assert!(seen.starts_with("asleep for 4") || seen.starts_with("asleep for 5"), "{seen}");
    let seen = fails(sleeper(|_| Some(0)), "asleep");
    assert!(seen.starts_with("asleep for 0 %"), "{seen}");
}

#[test]
fn a_counter_of_32_bits_may_begin_anew() {
    judged(&sleeper(|time| Some(((1 << 32) - 500 + time) % (1 << 32))).check(&[]), &[], &HIDDEN);
}

#[test]
fn a_board_that_does_not_count_its_sleep_is_told_so() {
    let finished = sleeper(|_| None).check(&[]);
    judged(&finished, &[], &["refused", "asleep", "udp-refused", "reset"]);
    let skipped = those(&finished.last("summary"), "skip");
    assert!(skipped[1].1.contains("have no `asleep_ms`"), "{skipped:?}");
}
