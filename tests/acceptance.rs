//! `tapboard-host check`, the acceptance test for boards, on the simulated one: through a TAP and behind the
//! gateway. The emulated ones have theirs in `.ci/boot`, from the same table. Each test in a namespace of its
//! own, for the ports are those that a user has.

#![cfg(target_os = "linux")]

mod common;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::time::Duration;

use common::netns::{self, sh};
use common::process::{PATIENCE, Process};
use common::scratch::Scratch;
use tapboard::capture::read;
use tapboard_firmware::BOARD_NET;
use tapboard_host::check::plan::CheckPlan;
use tapboard_host::check::report::{Finding, Outcome};
use tapboard_host::check::table::CHECKS;
use tapboard_host::check::{CheckEvent, check};
use tapboard_host::token::Token;

const TAP: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const TAP_IPV6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
const USER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Some of the boards here ask for it; the others need none.
const TOKEN: &str = "open-sesame";
const USER_IPV6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// Checks the board at `address`: none of the checks may fail, and exactly `skipped` are not done. Why they are not.
fn accept(address: IpAddr, port_offset: u16, skipped: &[&str]) -> Vec<String> {
    accept_within(PATIENCE, address, port_offset, skipped)
}

/// Likewise, with so much time for each.
fn accept_within(
    timeout: Duration,
    address: IpAddr,
    port_offset: u16,
    skipped: &[&str],
) -> Vec<String> {
    let plan = CheckPlan {
        address,
        port_offset,
        forwarded: port_offset != 0,
        skip: Vec::new(),
        bytes: 1_000_000,
        idle: Duration::from_millis(500),
        round_trip: None,
        reset: true,
        token: Some(Token::parse(TOKEN).expect("a token")),
        listen: None,
        timeout,
    };
    let mut findings = Vec::new();
    check(&plan, |event| {
        if let CheckEvent::Finding(finding) = event {
            println!("{finding}");
            findings.push(finding);
        }
    });
    let bad = findings.iter().find(|finding| matches!(finding.outcome, Outcome::Fail(_)));
    assert!(bad.is_none(), "{}", bad.expect("there is one"));
    let why = |finding: &Finding| match &finding.outcome {
        Outcome::Skip(why) => Some((finding.check.name, why.clone())),
        _ => None,
    };
    let (names, whys): (Vec<_>, Vec<_>) = findings.iter().filter_map(why).unzip();
    assert_eq!(names, skipped);
    assert_eq!(findings.len(), CHECKS.len());
    whys
}

#[test]
fn the_board_on_a_tap_is_a_good_one() {
    netns::run_within(120, "the_board_on_a_tap_is_a_good_one", &[], || {
        for profile in ["mcu", "large"] {
            let _tap = Process::up(&["tap", "--profile", profile, "--token", TOKEN]);
            // It reports over IPv4, whichever way it is asked.
            accept(TAP, 0, &[]);
            accept(TAP_IPV6, 0, &[]);
        }
    });
}

#[test]
fn a_board_that_is_asked_over_ipv4_may_report_over_ipv6() {
    netns::run("a_board_that_is_asked_over_ipv4_may_report_over_ipv6", &[], || {
        let _tap = Process::up(&["tap", "--telemetry", "[2001:db8::2]:9000"]);
        accept(TAP, 0, &[]);
    });
}

/// The board reports to an address that another program has: that is not seen, and none of its faults.
#[test]
fn telemetry_that_another_program_takes_is_skipped_with_the_reason() {
    let test = "telemetry_that_another_program_takes_is_skipped_with_the_reason";
    netns::run_within(120, test, &[], || {
        let _tap = Process::up(&["tap"]);
        let _other = TcpListener::bind("192.0.2.2:9000").expect("nobody listens");
        let whys = accept_within(Duration::from_secs(10), TAP_IPV6, 0, &["telemetry"]);
        let [why] = &whys[..] else { panic!("{whys:?}") };
        for part in ["did not connect to [2001:db8::2]:9000", "cannot listen on 0.0.0.0:9000"] {
            assert!(why.contains(part), "{why}");
        }
    });
}

#[test]
fn the_board_behind_the_gateway_is_a_good_one() {
    netns::run_within(120, "the_board_behind_the_gateway_is_a_good_one", &[], || {
        sh("ip link set lo up");
        for profile in ["mcu", "large"] {
            let _user = Process::up(&["user", "--profile", profile, "-p", "7081:81"]);
            accept(USER, 7000, &["udp-refused"]);
            accept(USER_IPV6, 7000, &["udp-refused"]);
        }
    });
}

/// All that leaves this machine would be in the capture, wherever it is for.
#[test]
fn nothing_is_sent_but_to_the_address_that_was_given() {
    netns::run("nothing_is_sent_but_to_the_address_that_was_given", &[], || {
        // The kernel would send something of its own.
        sh("echo 1 | tee /proc/sys/net/ipv6/conf/*/disable_ipv6");
        let scratch = Scratch::new();
        let file = scratch.path("check.pcapng");
        let mut tap = Process::up(&["tap", "--pcap", &file]);
        sh("ip route add default dev tap0");
        accept(TAP, 0, &[]);
        tap.signal("TERM");
        assert_eq!(tap.exit(), Some(0));

        let records: Vec<_> = read(file.as_ref()).unwrap().map(Result::unwrap).collect();
        let sent = records.iter().filter(|record| record.frame[6..12] != BOARD_NET.mac().0);
        let receivers: BTreeMap<&[u8], usize> = sent.fold(BTreeMap::new(), |mut all, record| {
            let frame = &record.frame;
            let to = match frame[12..14] {
                [0x08, 0x00] => &frame[30..34],
                // Whose hardware address is asked for.
                [0x08, 0x06] => &frame[38..42],
                _ => &frame[..],
            };
            *all.entry(to).or_default() += 1;
            all
        });
        assert_eq!(receivers.keys().collect::<Vec<_>>(), [&[192, 0, 2, 1]], "{receivers:?}");
        assert!(receivers.values().sum::<usize>() > 300, "{receivers:?}");
        let looped = sh("awk '$1 == \"lo:\" { print $11 }' /proc/net/dev");
        assert_eq!(looped, "0\n", "packets that stayed within this machine");
    });
}
