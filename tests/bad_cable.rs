//! The bad cable of a running board: faults, pulls and power-cycles. On the wire in memory, and on a TAP with whatever
//! the NIC does for the board.

#![cfg(target_os = "linux")]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::netns;
use common::nics::{NICS, board, on_tap};
use common::process::{PATIENCE, connect, echo, pattern};
use common::user::User;
use rustix::net::sockopt;
use tapboard::clock::RealClock;

const FAULTS: [&str; 8] = [
    "--loss=3%",
    "--burst=1%/50%",
    "--corrupt=2%",
    "--duplicate=3%",
    "--reorder=5%",
    "--delay=2ms",
    "--jitter=1ms",
    "--seed=5",
];

#[test]
fn every_kind_of_fault_at_once_changes_no_byte() {
    for profile in ["--profile=mcu", "--profile=large"] {
        for checksums in [&[][..], &["--checksum-offload"]] {
            let user = User::quiet(&[&FAULTS[..], &[profile], checksums].concat());
            let data = pattern(1, 100_000);
            assert!(echo(&connect(user.echo), &data).unwrap() == data, "{profile} {checksums:?}");
        }
    }
}

#[test]
fn every_kind_of_fault_at_once_changes_no_byte_on_a_tap() {
    netns::run("every_kind_of_fault_at_once_changes_no_byte_on_a_tap", &[], || {
        for nic in NICS {
            for (profile, len) in [("--profile=mcu", 30_000), ("--profile=large", 100_000)] {
                let _tap = on_tap(nic, &[&FAULTS[..], &[profile]].concat());
                let data = pattern(1, len);
                assert!(echo(&connect(board(7)), &data).unwrap() == data, "{nic:?} {profile}");
            }
        }
    });
}

/// The shortest of 200 round trips of a byte, in microseconds: what a loaded machine adds, it does not add to each.
fn best_round_trip(echo: SocketAddr) -> u64 {
    let (mut client, clock) = (connect(echo), RealClock::new());
    client.set_nodelay(true).unwrap();
    let trips = (0..200).map(|_| {
        let sent = clock.now();
        client.write_all(b"x").unwrap();
        client.read_exact(&mut [0]).unwrap();
        (clock.now() - sent).total_micros()
    });
    trips.min().unwrap()
}

/// What the cable is set to, and how long the shortest of many round trips then may take, in microseconds. Were the
/// driver to sleep whole milliseconds, it would be one or two of them. The delay of a frame counts from the turn in which
/// it was read, which began a little earlier.
const SHORT: [(&str, std::ops::Range<u64>); 2] =
    [("--delay=100us", 150..1000), ("--rate=100mbit", 10..400)];

#[test]
fn microseconds_on_the_cable_cost_microseconds() {
    for (option, range) in SHORT {
        let best = best_round_trip(User::quiet(&[option]).echo);
        assert!(range.contains(&best), "{option}: {best} us");
    }
}

#[test]
fn microseconds_on_the_cable_cost_microseconds_on_a_tap() {
    netns::run("microseconds_on_the_cable_cost_microseconds_on_a_tap", &[], || {
        for (option, range) in SHORT {
            let _tap = on_tap(&[], &[option]);
            let best = best_round_trip(board(7));
            assert!(range.contains(&best), "{option}: {best} us");
        }
    });
}

/// On a bare cable the NIC may do more for the board than on one that is bad; so it changes that in the
/// midst of traffic. A transfer may take a second, if its SYN or its last segment is lost, and longer on a busy machine;
/// so the cable goes on changing until there were some.
#[test]
fn transfers_outlive_faults_that_come_and_go() {
    netns::run("transfers_outlive_faults_that_come_and_go", &[], || {
        let steps = "corrupt 3%\nsleep 20ms\ncorrupt off\nsleep 20ms\n".repeat(20);
        let data = pattern(6, 200_000);
        for nic in NICS {
            let mut tap = on_tap(nic, &["--seed=6"]);
            let transferred = AtomicUsize::new(0);
            std::thread::scope(|scope| {
                let changing = scope.spawn(|| {
                    for count in 0.. {
                        // What it does not know, it says so once it has done what came before.
                        let last = format!("changed-{count}");
                        tap.command(&format!("{steps}{last}"), &last);
                        if transferred.load(Ordering::Relaxed) > 1 {
                            break;
                        }
                    }
                });
                while !changing.is_finished() {
                    assert!(echo(&connect(board(7)), &data).unwrap() == data, "{nic:?}");
                    transferred.fetch_add(1, Ordering::Relaxed);
                }
                changing.join().unwrap();
            });
        }
    });
}

#[test]
fn a_cable_pulled_in_the_middle_of_a_transfer_and_put_back_loses_nothing() {
    netns::run(
        "a_cable_pulled_in_the_middle_of_a_transfer_and_put_back_loses_nothing",
        &[],
        || {
            for nic in NICS {
                // So slow that the cable is pulled long before the end, however slow the test.
                let mut tap = on_tap(nic, &["--rate=1mbit"]);
                let client = connect(board(7));
                let data = pattern(3, 5_000_000);
                let mut carrier = Vec::new();
                std::thread::scope(|scope| {
                    let transfer = scope.spawn(|| echo(&client, &data).unwrap());
                    // Some of it is through, and most is not.
                    client.peek(&mut [0]).unwrap();
                    tap.command("unplug", "the cable is out");
                    carrier.push(netns::sh("ip link show tap0").contains("NO-CARRIER"));
                    assert!(!transfer.is_finished());
                    tap.command("sleep 3s\nheal\nplug", "the cable is in");
                    assert!(transfer.join().unwrap() == data, "not a byte more or less");
                });
                carrier.push(netns::sh("ip link show tap0").contains("NO-CARRIER"));
                assert_eq!(carrier, [true, false], "the host sees the cable too");
            }
        },
    );
}

#[test]
fn a_host_whose_mac_address_changed_while_the_cable_was_out_is_found_again() {
    netns::run(
        "a_host_whose_mac_address_changed_while_the_cable_was_out_is_found_again",
        &[],
        || {
            for nic in NICS {
                let mut tap = on_tap(nic, &[]);
                let mut client = connect(board(7));
                client.write_all(b"before").unwrap();
                client.read_exact(&mut [0; 6]).unwrap();
                tap.command("unplug", "the cable is out");
                netns::sh("ip link set tap0 address 02:00:00:00:00:99");
                tap.command("plug", "the cable is in");
                client.write_all(b"behind").unwrap();
                // The board asks who has the host's address, and does not wait until its answer grows old.
                client.set_read_timeout(Some(PATIENCE)).unwrap();
                let mut back = [0; 6];
                client.read_exact(&mut back).unwrap();
                assert_eq!(&back, b"behind");
            }
        },
    );
}

#[test]
fn a_power_cycle_is_an_error_to_a_client_with_bytes_in_flight_and_to_an_idle_one() {
    netns::run(
        "a_power_cycle_is_an_error_to_a_client_with_bytes_in_flight_and_to_an_idle_one",
        &[],
        || {
            for nic in NICS {
                // So slow that it is reset long before the end, however slow the test.
                let mut tap = on_tap(nic, &["--rate=1mbit"]);
                let mut idle = connect(board(7));
                sockopt::set_socket_keepalive(&idle, true).unwrap();
                sockopt::set_tcp_keepidle(&idle, Duration::from_secs(1)).unwrap();
                sockopt::set_tcp_keepintvl(&idle, Duration::from_secs(1)).unwrap();
                idle.write_all(b"x").unwrap();
                idle.read_exact(&mut [0]).unwrap();
                let busy = connect(board(7));
                let data = pattern(4, 20_000_000);
                std::thread::scope(|scope| {
                    let transfer = scope.spawn(|| echo(&busy, &data));
                    // Some of it is through, and some under way.
                    busy.peek(&mut [0]).unwrap();
                    tap.command("reset", "board: reset");
                    let error = transfer.join().unwrap().unwrap_err();
                    assert!(was_reset(&error), "{error}");
                });
                // A probe of its own finds it out.
                let error = idle.read(&mut [0]).unwrap_err();
                assert!(was_reset(&error), "{error}");
                // And the board is there again, as itself.
                let again = connect(board(7));
                assert_eq!(echo(&again, b"hello").unwrap(), b"hello");
            }
        },
    );
}

fn was_reset(error: &std::io::Error) -> bool {
    // A write after the reset was told to a read.
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}
