//! `tapboard-host serve` as it is without options: it hears the board on a TAP and the one behind the gateway,
//! whichever address of this machine they know. Each test in a namespace of its own, for the port is the one that a
//! user has.

#![cfg(target_os = "linux")]

mod common;

use common::netns::{self, sh};
use common::process::Process;
use tapboard_host::output::Verdict;
use tapboard_host::serve::{ServeOptions, run};

/// Serves until two reports have come; the namespace's limit ends what does not.
fn hears(test: &str, board: &[&str]) {
    netns::run(test, &[], || {
        sh("ip link set lo up");
        let _board = Process::up(board);
        let options = ServeOptions {
            listen: None,
            max_boards: 64,
            silence: std::time::Duration::from_secs(10),
            count: Some(2),
            lines: true,
            json: true,
        };
        assert_eq!(run(&options), Ok(Verdict::Passed));
    });
}

#[test]
fn a_board_on_a_tap_is_heard() {
    hears("a_board_on_a_tap_is_heard", &["tap"]);
}

#[test]
fn a_board_on_a_tap_is_heard_over_ipv6() {
    let test = "a_board_on_a_tap_is_heard_over_ipv6";
    hears(test, &["tap", "--telemetry", "[2001:db8::2]:9000"]);
}

#[test]
fn a_board_behind_the_gateway_is_heard() {
    hears("a_board_behind_the_gateway_is_heard", &["user"]);
}
