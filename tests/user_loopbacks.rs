//! `tapboard user` on both loopback addresses, and on the one that there is. Each test in a namespace of its own,
//! for what it is about is a setting of the machine's network.

#![cfg(target_os = "linux")]

mod common;

use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

use common::netns::{self, sh};
use common::ports::{local, local6};
use common::process::{PATIENCE, Process, connect, echo, finished, pattern};
use common::user::run;

const CLIENTS: &[(&str, &str)] = &[("nc", "netcat-openbsd")];

/// Runs `body` in a namespace whose loopback is up, with `::1` if the machine has IPv6 at all.
fn with_loopback(test: &str, body: impl FnOnce()) {
    netns::run(test, CLIENTS, || {
        sh("ip link set lo up");
        if UdpSocket::bind(local6(0)).is_ok() {
            body();
        } else {
            netns::skip(
                test,
                "there is no IPv6; run `sudo sysctl net.ipv6.conf.all.disable_ipv6=0`",
            );
        }
    });
}

#[test]
fn both_loopback_addresses_lead_to_the_board() {
    with_loopback("both_loopback_addresses_lead_to_the_board", || {
        let user = Process::up(&["user", "--no-telemetry", "-p", "8007:7"]);
        assert!(user.output().contains("reached through 127.0.0.1 and ::1."), "{}", user.output());
        assert_eq!(run("printf hello | nc -6 -N ::1 8007"), "hello");
        assert_eq!(run("echo hi | nc -6 -u -W 1 ::1 8007"), "hi\n");
        assert!(run("printf 'netstat\\n' | nc -6 -N ::1 7023").contains("192.0.2.1:23 "));
        let data = pattern(1, 1_000_000);
        for address in [local(8007), local6(8007)] {
            assert!(echo(&connect(address), &data).unwrap() == data, "{address}");
            let socket = UdpSocket::bind(SocketAddr::new(address.ip(), 0)).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket.send_to(b"here", address).unwrap();
            let mut back = [0; 16];
            assert_eq!(socket.recv_from(&mut back).unwrap(), (4, address));
            assert_eq!(&back[..4], b"here");
        }
    });
}

#[test]
fn without_ipv6_the_board_is_reached_through_ipv4() {
    with_loopback("without_ipv6_the_board_is_reached_through_ipv4", || {
        sh("echo 1 | tee /proc/sys/net/ipv6/conf/*/disable_ipv6");
        let user = Process::up(&["user", "--no-telemetry"]);
        assert!(user.output().contains("reached through 127.0.0.1.\n"), "{}", user.output());
        assert_eq!(echo(&connect(local(7007)), b"hello").unwrap(), b"hello");
        assert!(TcpStream::connect(local6(7007)).is_err());
        assert_eq!(user.errors(), "");
    });
}

#[test]
fn a_port_that_is_taken_on_one_address_is_named_with_the_remedy() {
    with_loopback("a_port_that_is_taken_on_one_address_is_named_with_the_remedy", || {
        let refused = |address: SocketAddr| {
            let output = finished(&["user"]);
            let errors = String::from_utf8_lossy(&output.stderr);
            let taken = format!("tapboard: cannot listen on {address}: Address already in use");
            assert!(
                errors.starts_with(&taken) && errors.ends_with("with: -p 8007:7\n"),
                "{errors}"
            );
            assert_eq!(output.status.code(), Some(1));
        };
        for address in [local(7007), local6(7007)] {
            let tcp = TcpListener::bind(address).unwrap();
            refused(address);
            drop(tcp);
            let _udp = UdpSocket::bind(address).unwrap();
            refused(address);
        }
        // The remedy is enough.
        let _taken = TcpListener::bind(local6(7007)).unwrap();
        Process::up(&["user", "--no-telemetry", "-p", "8007:7"]);
    });
}
