//! The board's address from a server: dnsmasq on a TAP or a bridge, and the gateway of `tapboard user`. What takes longer
//! than a test may is in virtual time: `firmware/net/tests/dhcp`.

#![cfg(target_os = "linux")]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use common::netns::{self, sh};
use common::process::{PATIENCE, Process, connect, tapboard};
use common::scratch::Scratch;
use common::user::{Shell, User, run};

const TOOLS: &[(&str, &str)] = &[
    ("dnsmasq", "dnsmasq-base"),
    ("arping", "iputils-arping"),
    ("ping", "iputils-ping"),
    ("nc", "netcat-openbsd"),
];

/// A server on an interface, with leases of two minutes, which is its shortest, and further options.
fn dnsmasq(interface: &str, leases: &Scratch, options: &[&str]) -> Process {
    let mut command = Command::new("dnsmasq");
    command
        // Who is root in its own namespace alone may not become somebody else, as it would otherwise.
        .args(["--no-daemon", "--conf-file=/dev/null"])
        .args(["--port=0", "--bind-interfaces", "--except-interface=lo", "--pid-file="])
        .args(["--log-facility=-", "--log-dhcp", "--no-ping", "--dhcp-authoritative"])
        .arg(format!("--interface={interface}"))
        .arg(format!("--dhcp-leasefile={}", leases.path("leases")))
        .args(["--dhcp-option=option:dns-server,192.0.2.3,192.0.2.2"])
        .args(options);
    let server = Process::spawn(command, None);
    server.complains("DHCP, sockets bound exclusively");
    server
}

const RANGE: &str = "--dhcp-range=192.0.2.50,192.0.2.99,2m";
/// It is to be renewed after so many seconds.
const RENEWAL: &str = "--dhcp-option-force=option:T1,6";

fn board(options: &[&str]) -> Process {
    Process::with_console(&[&["tap", "--ip", "dhcp", "--no-telemetry"], options].concat())
}

/// The address of the line that begins with `board: address`, the `number`th of these.
fn leased(board: &Process, number: usize) -> String {
    let line = |text: &str| text.match_indices("board: address ").nth(number).map(|(at, _)| at);
    board.prints_until(|text| line(text).is_some_and(|at| text[at..].contains('\n')));
    let text = board.output();
    let words = text[line(&text).expect("printed")..].split_whitespace().nth(2);
    words.and_then(|cidr| cidr.split('/').next()).expect("an address").into()
}

fn at(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address.parse().expect("an address"), port)
}

/// Whether a connection that was open carries a byte each way.
fn carries(client: &mut TcpStream) -> bool {
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(b"x").and_then(|()| client.read_exact(&mut [0])).is_ok()
}

#[test]
fn dnsmasq_gives_an_address_and_knows_the_board_by_name() {
    netns::run("dnsmasq_gives_an_address_and_knows_the_board_by_name", TOOLS, || {
        let board = board(&["--board-name", "Green house"]);
        let leases = Scratch::new();
        let server = dnsmasq("tap0", &leases, &[RANGE, "--dhcp-option=3,192.0.2.9,192.0.2.8"]);
        let address = leased(&board, 0);
        assert!(board.output().contains("leased by 192.0.2.2\n"), "{}", board.output());
        let list = std::fs::read_to_string(leases.path("leases")).unwrap();
        assert!(list.contains(&format!("02:00:5e:00:00:01 {address} green-house ")), "{list}");
        run(&format!("ping -c 3 -i 0.2 -W 20 {address}"));
        assert_eq!(run(&format!("printf hello | nc -N {address} 7")), "hello");
        // RFC 5227: who looks whether the address is free is told that it is not.
        assert!(!netns::succeeds("arping", &["-D", "-c", "2", "-I", "tap0", &address]));
        let ip = Shell::new(connect(at(&address, 23))).ask("ip");
        for line in [
            &format!("address  {address}/24 dhcp\r\n"),
            "gateway  192.0.2.9\r\n",
            "dns      192.0.2.3\r\n",
            "dns      192.0.2.2\r\n",
            " s left, of 192.0.2.2\r\n",
        ] {
            assert!(ip.contains(line), "{line:?} is missing: {ip}");
        }
        drop(server);
    });
}

#[test]
fn a_connection_does_not_notice_a_renewal_nor_a_cable_that_was_out() {
    netns::run("a_connection_does_not_notice_a_renewal_nor_a_cable_that_was_out", TOOLS, || {
        let mut board = board(&[]);
        let leases = Scratch::new();
        let server = dnsmasq("tap0", &leases, &[RANGE, RENEWAL]);
        let address = leased(&board, 0);
        let mut client = connect(at(&address, 7));
        let acks = || server.errors().matches("DHCPACK(tap0)").count();
        let before = acks();
        server.complains_until(|log| log.matches("DHCPACK(tap0)").count() >= before + 2);
        assert!(carries(&mut client));
        assert_eq!(server.errors().matches("DHCPDISCOVER(tap0)").count(), 1);
        // INIT-REBOOT: the address is asked for without a server's name.
        board.command("unplug", "the cable is out");
        let before = acks();
        board.command("plug", "the cable is in");
        server.complains_until(|log| log.matches("DHCPACK(tap0)").count() > before);
        assert!(carries(&mut client));
        assert_eq!(server.errors().matches("DHCPDISCOVER(tap0)").count(), 1);
        assert_eq!(board.output().matches("board: address").count(), 1);
    });
}

#[test]
fn a_server_that_changes_its_mind_is_obeyed() {
    netns::run("a_server_that_changes_its_mind_is_obeyed", TOOLS, || {
        let board = board(&[]);
        let leases = Scratch::new();
        let server = dnsmasq("tap0", &leases, &[RANGE, RENEWAL]);
        let address = leased(&board, 0);
        let mut client = connect(at(&address, 7));
        assert!(carries(&mut client));
        drop(server);
        // Without its memory, and with another address for the board.
        let leases = Scratch::new();
        let fixed = "--dhcp-host=02:00:5e:00:00:01,192.0.2.77";
        let server = dnsmasq("tap0", &leases, &[RANGE, fixed]);
        server.complains("DHCPNAK(tap0)");
        assert_eq!(leased(&board, 1), "192.0.2.77");
        assert!(board.output().contains("board: no address any more\n"), "{}", board.output());
        run("ping -c 1 -W 20 192.0.2.77");
        // The old address is nobody's now.
        client.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        client.write_all(b"x").unwrap();
        let error = client.read_exact(&mut [0]).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::HostUnreachable));
    });
}

#[test]
fn an_address_that_another_board_has_is_declined() {
    netns::run("an_address_that_another_board_has_is_declined", TOOLS, || {
        sh("ip link add br0 type bridge && ip addr add 192.0.2.2/24 dev br0 && ip link set br0 up");
        for tap in ["board1", "board3"] {
            sh(&format!("ip tuntap add {tap} mode tap && ip link set {tap} master br0 up"));
        }
        let tap = |options: &[&str]| {
            let common = ["tap", "--no-telemetry", "--name"];
            Process::spawn(tapboard(&[&common[..], options].concat()), None)
        };
        let other = tap(&["board3", "--id", "3", "--ip", "192.0.2.50/24"]);
        assert!(other.is_up());
        let leases = Scratch::new();
        let fixed = "--dhcp-host=02:00:5e:00:00:01,192.0.2.50";
        let server = dnsmasq("br0", &leases, &[RANGE, fixed]);
        let board = tap(&["board1", "--ip", "dhcp"]);
        server.complains("DHCPDECLINE(br0) 192.0.2.50");
        let address = leased(&board, 0);
        assert_ne!(address, "192.0.2.50");
        run(&format!("ping -c 1 -W 20 {address}"));
    });
}

#[test]
fn without_a_server_the_board_has_an_address_of_its_own_choice() {
    netns::run("without_a_server_the_board_has_an_address_of_its_own_choice", TOOLS, || {
        let board = board(&[]);
        let address = leased(&board, 0);
        assert!(address.starts_with("169.254."), "{address}");
        sh("ip addr add 169.254.255.1/16 dev tap0");
        run(&format!("ping -c 1 -W 20 {address}"));
        assert!(!netns::succeeds("arping", &["-D", "-c", "2", "-I", "tap0", &address]));
    });
}

#[test]
fn the_gateway_of_user_mode_leases_the_boards_address() {
    let user = User::quiet(&["--ip", "dhcp", "--id", "7"]);
    assert_eq!(leased(&user.process, 0), "192.0.2.7");
    let mut client = connect(user.echo);
    assert!(carries(&mut client));
    let ip = user.shell().ask("ip");
    assert!(ip.contains("address  192.0.2.7/24 dhcp\r\n"), "{ip}");
    assert!(ip.contains("gateway  192.0.2.2\r\n"), "{ip}");
}

#[test]
fn what_the_server_says_cannot_be_given_too() {
    for (arguments, remedy) in [
        (&["tap", "--ip", "dhcp", "--gateway", "192.0.2.254"][..], "leave it out"),
        (&["user", "--ip", "192.0.2.7/24"], "follows from --id N"),
        (&["tap", "--ip", "dhpc"], "nor dhcp"),
    ] {
        let output = common::process::finished(arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains(remedy), "{arguments:?}: {errors}");
    }
}
