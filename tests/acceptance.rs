//! `tapboard-host check`, the acceptance test for boards, on the simulated one: through a TAP and behind the
//! gateway. The emulated ones have theirs in `.ci/boot`, from the same table. Each test in a namespace of its
//! own, for the ports are those that a user has.

#![cfg(target_os = "linux")]

mod common;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use common::netns::{self, sh};
use common::process::Process;
use tapboard_host::check::plan::Plan;
use tapboard_host::check::report::Outcome;
use tapboard_host::check::{News, check};

const TAP: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const TAP_IPV6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
const USER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Checks the board at `address`: none of the 14 may fail, and exactly `skipped` are not done.
fn accept(address: IpAddr, port_offset: u16, skip: &[&'static str], skipped: &[&str]) {
    let plan = Plan {
        address,
        port_offset,
        skip: skip.to_vec(),
        bytes: 1_000_000,
        idle: Duration::from_millis(500),
        reset: true,
        listen: None,
        timeout: Duration::from_secs(20),
    };
    let mut findings = Vec::new();
    check(&plan, |news| {
        if let News::Finding(finding) = news {
            println!("{finding}");
            findings.push(finding);
        }
    });
    let bad = findings.iter().find(|finding| matches!(finding.outcome, Outcome::Fail(_)));
    assert!(bad.is_none(), "{}", bad.expect("there is one"));
    let left = findings.iter().filter(|finding| matches!(finding.outcome, Outcome::Skip(_)));
    assert_eq!(left.map(|finding| finding.check.name).collect::<Vec<_>>(), skipped);
    assert_eq!(findings.len(), 14);
}

#[test]
fn the_board_on_a_tap_is_a_good_one() {
    netns::run("the_board_on_a_tap_is_a_good_one", &[], || {
        for profile in ["mcu", "large"] {
            let _tap = Process::up(&["tap", "--profile", profile]);
            accept(TAP, 0, &[], &[]);
            // It reports to the host's IPv4 address.
            accept(TAP_IPV6, 0, &["telemetry"], &["telemetry"]);
        }
    });
}

#[test]
fn the_board_behind_the_gateway_is_a_good_one() {
    netns::run("the_board_behind_the_gateway_is_a_good_one", &[], || {
        sh("ip link set lo up");
        for profile in ["mcu", "large"] {
            let _user = Process::up(&["user", "--profile", profile, "-p", "7081:81"]);
            accept(USER, 7000, &[], &["udp-refused"]);
        }
    });
}
