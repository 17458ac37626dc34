//! `tapboard tap` against the kernel: the board as a host of its own, and what becomes of it when its
//! interface, its rights or its user go. Each test in a namespace of its own.

#![cfg(target_os = "linux")]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use common::netns::{self, sh};
use common::process::{PATIENCE, Process, Wakeups, connect, echo, pattern, readable, tapboard};
use common::user::{Collector, Shell, line, lines_of, run};

const CLIENTS: &[(&str, &str)] = &[("ping", "iputils-ping"), ("nc", "netcat-openbsd")];

fn board(port: u16) -> SocketAddr {
    ([192, 0, 2, 1], port).into()
}

fn quiet(options: &[&str]) -> Process {
    Process::up(&[&["tap", "--no-telemetry"], options].concat())
}

fn exists(name: &str) -> bool {
    netns::succeeds("ip", &["link", "show", name])
}

/// A connection with the board that has carried a byte each way.
fn opened() -> TcpStream {
    let mut client = connect(board(7));
    client.write_all(b"x").unwrap();
    client.read_exact(&mut [0]).unwrap();
    client
}

#[test]
fn the_board_is_a_host_like_any_other() {
    netns::run("the_board_is_a_host_like_any_other", CLIENTS, || {
        let mut tap = Process::up(&["tap"]);
        run("ping -c 3 -i 0.2 -W 20 192.0.2.1");
        run("ping -6 -c 3 -i 0.2 -W 20 2001:db8::1");
        assert_eq!(run("printf hello | nc -N 192.0.2.1 7"), "hello");
        assert_eq!(run("printf hello | nc -6 -N 2001:db8::1 7"), "hello");
        assert_eq!(run("echo hi | nc -u -W 1 192.0.2.1 7"), "hi\n");
        assert_eq!(run("echo hi | nc -6 -u -W 1 2001:db8::1 7"), "hi\n");
        let table = run("printf 'netstat\\n' | nc -N 192.0.2.1 23");
        assert!(table.contains("192.0.2.2:"), "the session is missing: {table}");
        let telemetry = Collector::at(([192, 0, 2, 2], 9000).into());
        line(&mut telemetry.accept());

        tap.signal("TERM");
        assert_eq!(tap.exit(), Some(0));
        assert!(!exists("tap0"));
        assert!(tap.output().contains("tap0: 0 frames lost; removed\n"), "{}", tap.output());
        assert_eq!(tap.errors(), "");
    });
}

#[test]
fn closed_ports_are_refused_at_once() {
    netns::run("closed_ports_are_refused_at_once", &[], || {
        let _tap = quiet(&[]);
        for address in [board(81), "[2001:db8::1]:81".parse().unwrap()] {
            let error = TcpStream::connect_timeout(&address, PATIENCE).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "TCP {address}");
            let any: SocketAddr =
                if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }.parse().unwrap();
            let socket = UdpSocket::bind(any).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket.connect(address).unwrap();
            socket.send(b"anybody?").unwrap();
            let error = socket.recv(&mut [0; 16]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "UDP {address}");
        }
    });
}

#[test]
fn ten_megabytes_come_back_intact_in_both_profiles() {
    netns::run("ten_megabytes_come_back_intact_in_both_profiles", &[], || {
        let data = pattern(1, 10_000_000);
        for profile in ["large", "mcu"] {
            let mut tap = quiet(&["--profile", profile]);
            let back = echo(&connect(board(7)), &data).unwrap();
            assert!(back == data, "{profile}: {} bytes came back, changed", back.len());
            tap.signal("INT");
            assert_eq!(tap.exit(), Some(0));
        }
    });
}

#[test]
fn thirty_two_clients_at_once_need_no_second_syn() {
    netns::run("thirty_two_clients_at_once_need_no_second_syn", &[], || {
        let _tap = quiet(&["--profile", "mcu"]);
        let all = Barrier::new(32);
        thread::scope(|scope| {
            for client in 0..32 {
                let all = &all;
                scope.spawn(move || {
                    let data = pattern(client, 100_000);
                    all.wait();
                    assert!(echo(&connect(board(7)), &data).unwrap() == data, "client {client}");
                });
            }
        });
        let mut shell = Shell::new(connect(board(23)));
        assert!(shell.counter("syn_unanswered") > 0, "the slots were never all taken");
        assert_eq!(shell.counter("syn_dropped"), 0, "a request was forgotten");
    });
}

#[test]
fn thirty_two_nc_at_once_are_all_served() {
    netns::run("thirty_two_nc_at_once_are_all_served", CLIENTS, || {
        let _tap = quiet(&["--profile", "mcu"]);
        run("d=$(mktemp -d) && trap 'rm -r \"$d\"' EXIT && cd \"$d\" || exit
             for i in $(seq 32); do
                 head -c 20000 /dev/urandom > \"$i\"
                 (nc -N 192.0.2.1 7 < \"$i\" > \"$i.back\"; echo $? > \"$i.status\") &
             done
             wait
             for i in $(seq 32); do
                 [ \"$(cat \"$i.status\")\" = 0 ] && cmp \"$i\" \"$i.back\" || exit 1
             done");
    });
}

#[test]
fn an_existing_tap_and_its_addresses_stay() {
    netns::run("an_existing_tap_and_its_addresses_stay", CLIENTS, || {
        sh("ip tuntap add tap0 mode tap && ip addr add 192.0.2.77/24 dev tap0");
        sh("ip link set tap0 up");
        let addresses = "ip -o addr show dev tap0 scope global";
        let before = sh(addresses);
        let mut tap = quiet(&[]);
        assert_eq!(run("printf hello | nc -N 192.0.2.1 7"), "hello");
        assert!(tap.output().contains("its addresses stay as they are"), "{}", tap.output());
        // A second board cannot have it.
        let mut second = Process::spawn(tapboard(&["tap"]), None);
        assert_eq!(second.exit(), Some(1));
        assert!(second.errors().contains("cannot open tap0: another process has it"));
        tap.signal("TERM");
        assert_eq!(tap.exit(), Some(0));
        assert!(tap.output().contains("left as it was\n"), "{}", tap.output());
        assert_eq!(sh(addresses), before);
    });
}

#[test]
fn missing_rights_and_bad_names_are_explained() {
    let tools = [("setpriv", "util-linux")];
    netns::run("missing_rights_and_bad_names_are_explained", &tools, || {
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set=-net_admin", env!("CARGO_BIN_EXE_tapboard"), "tap"]);
        let mut process = Process::spawn(command, None);
        assert_eq!(process.exit(), Some(1));
        let errors = process.errors();
        assert!(errors.starts_with("tapboard: cannot create tap0: permission denied;"), "{errors}");
        for remedy in ["`sudo ip tuntap add tap0 mode tap user $(id -un)", "`tapboard user`"] {
            assert!(errors.contains(remedy), "{errors}");
        }
        for (name, rule) in [
            ("", "it is empty"),
            ("a name", "something other than"),
            ("-x", "commands would not take it"),
            ("sixteen-bytes-xx", "longer than 15 bytes"),
        ] {
            let option = format!("--name={name}");
            let mut process = Process::spawn(tapboard(&["tap", &option]), None);
            assert_eq!(process.exit(), Some(1), "{name:?}");
            assert!(process.errors().contains(rule), "{name:?}: {}", process.errors());
            assert_eq!(process.output(), "", "{name:?}");
        }
        let mut process = Process::spawn(tapboard(&["tap", "--name", "lo"]), None);
        assert_eq!(process.exit(), Some(1));
        assert!(process.errors().contains("that interface is not a TAP"), "{}", process.errors());
    });
}

#[test]
fn another_network_has_its_host_side_next_to_the_board() {
    netns::run("another_network_has_its_host_side_next_to_the_board", CLIENTS, || {
        let tap = Process::up(&["tap", "--name", "board7", "--ip", "198.51.100.1/24"]);
        assert!(sh("ip -o addr show dev board7").contains("inet 198.51.100.2/24 "));
        assert_eq!(run("printf hello | nc -N 198.51.100.1 7"), "hello");
        let telemetry = Collector::at(([198, 51, 100, 2], 9000).into());
        line(&mut telemetry.accept());
        assert!(tap.output().contains("nc -l 198.51.100.2 9000"), "{}", tap.output());
    });
}

#[test]
fn telemetry_for_another_host_is_no_hint_to_listen_here() {
    netns::run("telemetry_for_another_host_is_no_hint_to_listen_here", &[], || {
        for (to, here) in [
            ("192.0.2.77:9000", false),
            ("192.0.2.2:9001", true),
            ("[2001:db8::77]:9000", false),
            ("[2001:db8::2]:9000", true),
        ] {
            let tap = Process::up(&["tap", "--telemetry", to]);
            let banner = tap.output();
            assert_eq!(banner.contains("nc -l"), here, "{to}: {banner}");
            assert!(banner.contains("; profile large: 64 KiB buffers.\n"), "{banner}");
        }
    });
}

#[test]
fn a_transfer_outlives_a_link_that_goes_down() {
    netns::run("a_transfer_outlives_a_link_that_goes_down", &[], || {
        let tap = quiet(&[]);
        let mut client = connect(board(7));
        // The kernel takes no more than that, or all could be over before the link is down.
        socket2::SockRef::from(&client).set_recv_buffer_size(128 * 1024).unwrap();
        let data = pattern(2, 3_000_000);
        let mut sender = client.try_clone().unwrap();
        let all = data.clone();
        let sending = thread::spawn(move || {
            sender.write_all(&all)?;
            sender.shutdown(std::net::Shutdown::Write)
        });
        let mut back = vec![0; 200_000];
        client.read_exact(&mut back).unwrap();
        sh("ip link set tap0 down");
        tap.complains("tap0 is down; bring it up with `sudo ip link set tap0 up`");
        // What had arrived before may still be read; then nothing comes for seconds.
        tap.settles();
        let mut rest = vec![0; 64 * 1024];
        while readable(&client, Duration::ZERO) {
            let count = client.read(&mut rest).unwrap();
            assert!(count > 0, "the connection ended with the link");
            back.extend_from_slice(&rest[..count]);
        }
        let spent = tap.wakeups(|| assert!(!readable(&client, Duration::from_secs(2))));
        // For a keep-alive, a retry that the lost link postponed, a stray multicast of the kernel's.
        assert!(spent.count <= 4 * spent.seconds, "while the link was down: {spent:?}");
        sh("ip link set tap0 up");
        client.read_to_end(&mut back).unwrap();
        sending.join().unwrap().unwrap();
        assert!(back == data, "{} bytes came back, changed", back.len());
        tap.complains("tap0 is up again");
    });
}

#[test]
fn a_deleted_interface_ends_the_board_with_an_error() {
    netns::run("a_deleted_interface_ends_the_board_with_an_error", &[], || {
        for down in [false, true] {
            let mut tap = quiet(&[]);
            let _client = opened();
            if down {
                sh("ip link set tap0 down");
            }
            sh("ip link del tap0");
            assert_eq!(tap.exit(), Some(1));
            let text =
                "tapboard: tap0 was deleted while the board was using it; start tapboard again\n";
            assert!(tap.errors().ends_with(text), "{}", tap.errors());
        }
    });
}

#[test]
fn an_end_in_the_middle_of_a_transfer() {
    netns::run("an_end_in_the_middle_of_a_transfer", &[], || {
        let mut tap = quiet(&[]);
        // One client never reads, and the board can send it no more; another reads all the time.
        let mut sleeper = connect(board(19));
        sleeper.read_exact(&mut [0; 74]).unwrap();
        Shell::new(connect(board(23))).until_full(19, &tap);
        let mut reader = connect(board(19));
        reader.read_exact(&mut vec![0; 100_000]).unwrap();
        let reading = thread::spawn(move || reader.read_to_end(&mut Vec::new()));
        tap.signal("TERM");
        assert_eq!(tap.exit(), Some(0));
        assert!(!exists("tap0"));
        // All that was due, then a FIN.
        assert!(reading.join().unwrap().is_ok());
        let end = sleeper.read_to_end(&mut Vec::new());
        assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

/// How often it wakes up in [`QUIET`] with one connection open, when the kernel sends nothing of its own.
fn idle_wakeups(tap: &Process) -> Wakeups {
    let client = opened();
    // Nor does the kernel ask whether the board is still there.
    sh("ip neigh change 192.0.2.1 dev tap0 nud permanent");
    // The client's kernel acknowledges the last byte when it is ready; then nothing is left to do.
    tap.settles();
    tap.wakeups(|| assert!(!readable(&client, QUIET)))
}

/// Shorter than the time to a keep-alive, which is 20 s.
const QUIET: Duration = Duration::from_secs(5);

fn without_multicast_from_the_kernel() {
    sh("echo 1 | tee /proc/sys/net/ipv6/conf/*/disable_ipv6");
}

#[test]
fn an_idle_connection_costs_nothing() {
    netns::run("an_idle_connection_costs_nothing", &[], || {
        without_multicast_from_the_kernel();
        // The last one's frames are under way for a while, and then none is.
        for options in [&[][..], &["--offload", "off"], &["--delay", "150us", "--rate", "1gbit"]] {
            let tap = quiet(options);
            let spent = idle_wakeups(&tap);
            assert_eq!(spent.count, 0, "{spent:?} with {options:?}");
        }
    });
}

#[test]
fn telemetry_costs_at_most_four_wakeups_a_second() {
    netns::run("telemetry_costs_at_most_four_wakeups_a_second", &[], || {
        without_multicast_from_the_kernel();
        let mut tap = Process::up(&["tap"]);
        let collector = Collector::at(([192, 0, 2, 2], 9000).into());
        let mut telemetry = collector.accept();
        line(&mut telemetry);
        let lines = lines_of(telemetry);
        let spent = idle_wakeups(&tap);
        assert!(spent.count <= 4 * spent.seconds, "{spent:?}");
        // Telemetry runs.
        (0..4).for_each(|_| drop(lines.recv_timeout(PATIENCE).unwrap()));
        tap.signal("TERM");
        assert_eq!(tap.exit(), Some(0));
    });
}

/// Frames that the board cannot take are skipped a few at a time; those behind them must not wait for
/// another to arrive.
#[test]
fn a_burst_of_frames_too_long_delays_nothing_behind_it() {
    netns::run("a_burst_of_frames_too_long_delays_nothing_behind_it", &[], || {
        without_multicast_from_the_kernel();
        sh("ip tuntap add tap0 mode tap && ip link set tap0 mtu 9000 up");
        sh("ip addr add 192.0.2.2/24 dev tap0");
        let tap = quiet(&[]);
        let socket = UdpSocket::bind("192.0.2.2:0").unwrap();
        socket.connect(board(7)).unwrap();
        socket.send(b"who is there?").unwrap();
        assert!(readable(&socket, PATIENCE));
        assert_eq!(socket.recv(&mut [0; 64]).unwrap(), 13);
        // Nor does the kernel ask whether the board is still there.
        sh("ip neigh change 192.0.2.1 dev tap0 nud permanent");
        // All of it is there when the board next looks.
        tap.signal("STOP");
        for _ in 0..100 {
            socket.send(&[0; 2000]).unwrap();
        }
        socket.send(b"behind").unwrap();
        tap.signal("CONT");
        assert!(readable(&socket, PATIENCE), "the datagram behind the burst is not answered");
        assert_eq!(socket.recv(&mut [0; 64]).unwrap(), 6);
    });
}
