//! Boards side by side: each with addresses and a name of its own, on one bridge, and what is said of a TAP
//! that leads nowhere; and fleets of them. Each test in a namespace of its own.

#![cfg(target_os = "linux")]

mod common;
#[path = "two_boards/fleet.rs"]
mod fleet;

use std::collections::BTreeSet;
use std::fmt::Write;

use common::netns::{self, sh};
use common::process::{Process, finished, tapboard};
use common::user::{Collector, User, line, run};

const CLIENTS: &[(&str, &str)] = &[("ping", "iputils-ping"), ("nc", "netcat-openbsd")];

/// The machine's side of the bridge: the host of the boards' network.
const BRIDGE: &str = "ip link add br0 type bridge && ip addr add 192.0.2.2/24 dev br0 && \
                      ip addr add 2001:db8::2/64 dev br0 nodad && ip link set br0 up";

fn make_bridge(taps: &[&str]) {
    sh(BRIDGE);
    for tap in taps {
        sh(&format!("ip tuntap add {tap} mode tap && ip link set {tap} master br0 up"));
    }
}

/// Every ping of many at once is answered, and an echo comes back, IPv4 and IPv6.
fn are_reached(numbers: &[u8]) {
    for number in numbers {
        let (ipv4, ipv6) = (format!("192.0.2.{number}"), format!("2001:db8::{number}"));
        assert_eq!(run(&format!("printf hello | nc -N {ipv4} 7")), "hello");
        assert_eq!(run(&format!("printf hello | nc -6 -N {ipv6} 7")), "hello");
    }
    let mut pings = String::new();
    for number in numbers {
        for (family, address) in
            [(4, format!("192.0.2.{number}")), (6, format!("2001:db8::{number}"))]
        {
            let ping = format!("ping -{family} -q -c 50 -i 0.02 -W 5 {address}");
            write!(pings, "{ping} > {number}.{family} & ").expect("a String takes it");
        }
    }
    let said = run(&format!(
        "d=$(mktemp -d) && trap 'rm -r \"$d\"' EXIT && cd \"$d\" || exit; {pings} wait; cat *"
    ));
    let whole = said.matches("50 packets transmitted, 50 received, 0% packet loss").count();
    assert_eq!(whole, 2 * numbers.len(), "{said}");
}

#[test]
fn two_boards_on_a_bridge_lose_nothing_and_are_told_apart() {
    netns::run("two_boards_on_a_bridge_lose_nothing_and_are_told_apart", CLIENTS, || {
        make_bridge(&["tap0", "tap1"]);
        let telemetry = Collector::at(([192, 0, 2, 2], 9000).into());
        let boards = [
            Process::up(&["tap"]),
            Process::up(&["tap", "--name", "tap1", "--id", "3", "--board-name", "tapboard-third"]),
        ];
        for board in &boards {
            assert_eq!(board.errors(), "", "a port of a bridge needs no address");
            assert!(board.output().contains("a port of br0"), "{}", board.output());
        }
        are_reached(&[1, 3]);
        let names: BTreeSet<String> = [telemetry.accept(), telemetry.accept()]
            .iter_mut()
            .map(|board| line(board).split('"').nth(3).expect("a name").to_string())
            .collect();
        let expected = ["tapboard-02005e000001", "tapboard-third"].map(String::from);
        assert_eq!(names, BTreeSet::from(expected));
        // Nobody else has their MAC addresses, and so their link-local addresses.
        let neighbours = sh("ip neigh show dev br0");
        for mac in ["02:00:5e:00:00:01", "02:00:5e:00:00:03"] {
            assert!(neighbours.contains(mac), "{neighbours}");
        }
        for link_local in ["fe80::5eff:fe00:1", "fe80::5eff:fe00:3"] {
            run(&format!("ping -6 -q -c 1 -W 5 {link_local}%br0"));
        }
    });
}

/// What numbers are for: without them, each notices the other, and says so.
#[test]
fn two_boards_of_one_number_notice_each_other() {
    netns::run("two_boards_of_one_number_notice_each_other", CLIENTS, || {
        make_bridge(&["tap0", "tap1"]);
        let first = Process::up(&["tap"]);
        // Past the time in which what it hears could be an echo of its own announcement.
        run("ping -q -c 5 -i 0.1 -W 5 192.0.2.1");
        let second = Process::up(&["tap", "--name", "tap1"]);
        for board in [&first, &second] {
            board.complains("address conflict: ");
            board.complains("give each board addresses of its own");
        }
    });
}

/// TAPs that the boards made may become ports of the bridge afterwards.
#[test]
fn boards_join_a_bridge_while_they_run() {
    netns::run("boards_join_a_bridge_while_they_run", CLIENTS, || {
        make_bridge(&[]);
        let boards: Vec<_> = [("tap0", "1"), ("tap1", "3")]
            .map(|(name, id)| Process::up(&["tap", "--no-telemetry", "--name", name, "--id", id]))
            .into();
        for (board, name) in boards.iter().zip(["tap0", "tap1"]) {
            let remedy = format!("`sudo ip link set {name} master br0`");
            board.complains(&format!("make it a port of that bridge: {remedy}"));
            assert!(board.output().contains("created without an address"), "{}", board.output());
            take_remedy(board);
        }
        are_reached(&[1, 3]);
    });
}

/// Runs what the only warning proposes.
fn take_remedy(board: &Process) {
    board.complains("`sudo ");
    let errors = board.errors();
    let remedies: Vec<_> = errors.split('`').collect();
    let [_, remedy, _] = remedies[..] else { panic!("a remedy: {errors}") };
    sh(&remedy.replace("sudo ", ""));
}

#[test]
fn a_second_tap_beside_a_first_is_told_what_makes_it_work() {
    netns::run("a_second_tap_beside_a_first_is_told_what_makes_it_work", CLIENTS, || {
        let first = Process::up(&["tap", "--no-telemetry"]);
        assert_eq!(first.errors(), "");
        let second = Process::up(&["tap", "--no-telemetry", "--name", "tap1", "--id", "3"]);
        second.complains(
            "tap0 leads to the board's network as well, with this host's 192.0.2.2/24 and",
        );
        second.complains("boards share a network over a bridge: `sudo ip link add br0 type bridge");
        take_remedy(&second);
        are_reached(&[1, 3]);
    });
}

/// The same by hand, with an address on each, as for a single board.
#[test]
fn two_taps_with_the_hosts_address_are_told_what_makes_them_work() {
    netns::run("two_taps_with_the_hosts_address_are_told_what_makes_them_work", CLIENTS, || {
        for tap in ["tap0", "tap1"] {
            sh(&format!("ip tuntap add {tap} mode tap && ip addr add 192.0.2.2/24 dev {tap}"));
            sh(&format!("ip link set {tap} up && ip addr add 2001:db8::2/64 dev {tap} nodad"));
        }
        let _first = Process::up(&["tap", "--no-telemetry"]);
        let second = Process::up(&["tap", "--no-telemetry", "--name", "tap1", "--id", "3"]);
        take_remedy(&second);
        are_reached(&[1, 3]);
    });
}

#[test]
fn a_tap_without_an_address_is_told_of_with_the_remedy() {
    netns::run("a_tap_without_an_address_is_told_of_with_the_remedy", CLIENTS, || {
        sh("ip tuntap add tap0 mode tap && ip addr add 198.51.100.2/24 dev tap0");
        for state in ["up", "down"] {
            sh(&format!("ip link set tap0 {state}"));
            let board = Process::up(&["tap", "--no-telemetry"]);
            board.complains("no address in the board's network");
            take_remedy(&board);
            assert_eq!(run("printf hello | nc -N 192.0.2.1 7"), "hello");
            sh("ip addr del 192.0.2.2/24 dev tap0");
        }
    });
}

#[test]
fn a_network_behind_another_interface_is_told_of() {
    netns::run("a_network_behind_another_interface_is_told_of", &[], || {
        sh(
            "ip link add eth9 type veth peer name eth8 && ip addr add 192.0.2.50/24 dev eth9 && ip link set eth9 up",
        );
        let board = Process::up(&["tap", "--no-telemetry"]);
        board
            .complains("eth9 leads to the board's network as well, with this host's 192.0.2.50/24");
        board.complains("choose another network with --ip");
        let other = Process::up(&[
            "tap",
            "--no-telemetry",
            "--name",
            "tap1",
            "--ip",
            "198.51.100.1/24",
            "--ip6",
            "2001:db8:1::1",
        ]);
        assert_eq!(other.errors(), "");
    });
}

#[test]
fn what_the_host_has_already_cannot_be_the_boards() {
    netns::run("what_the_host_has_already_cannot_be_the_boards", &[], || {
        make_bridge(&["tap0"]);
        sh("ip link set tap0 address 06:00:00:00:00:01");
        for (options, error) in [
            (&["--ip", "192.0.2.2/24"][..], "192.0.2.2 is an address of this machine"),
            (
                &["--ip6", "2001:db8::2"],
                "choose another with --ip6 ADDR/PREFIX, or all with --id N",
            ),
            (&["--mac", "06:00:00:00:00:01"], "is the host's own MAC address on tap0"),
        ] {
            let output = finished(&[&["tap"], options].concat());
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{errors}");
            assert!(errors.contains(error), "{errors}");
            assert!(output.stdout.is_empty(), "it said it was up");
        }
    });
}

#[test]
fn a_gateway_outside_the_network_is_told_of() {
    netns::run("a_gateway_outside_the_network_is_told_of", &[], || {
        let board = Process::up(&["tap", "--no-telemetry", "--gateway", "198.51.100.1"]);
        board.complains("--gateway 198.51.100.1 is outside the board's network, 192.0.2.0/24");
        drop(board);
        let board = Process::up(&["tap", "--no-telemetry", "--gateway", "192.0.2.254"]);
        assert_eq!(board.errors(), "");
    });
}

/// The number works through the gateway as well, and telemetry tells the boards apart.
#[test]
fn a_board_behind_forwarded_ports_can_be_another_too() {
    let port = common::ports::free_port();
    let collector = Collector::on(port);
    let (to, allowed) = (format!("192.0.2.2:{port}"), port.to_string());
    let options = ["--id", "7", "--telemetry", &to, "--allow", &allowed];
    let user = User::start(&options, tapboard);
    assert!(user.process.output().contains("192.0.2.7 on a virtual wire"));
    assert!(user.process.output().contains("It is tapboard-02005e000007"));
    let stream = common::process::connect(user.echo);
    assert_eq!(common::process::echo(&stream, b"hello").unwrap(), b"hello");
    assert!(line(&mut collector.accept()).starts_with("{\"board\":\"tapboard-02005e000007\""));
    assert!(user.shell().ask("netstat").contains("192.0.2.7:23 "));
    let mut process = user.process;
    process.signal("TERM");
    assert_eq!(process.exit(), Some(0));
}
