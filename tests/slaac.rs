//! The board's IPv6 addresses by themselves: radvd and dnsmasq on a TAP or a bridge, and the tools that look at what is said.
//! What takes longer than a test may is in virtual time: `firmware/net/tests/slaac`.

#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use common::netns::{self, sh};
use common::process::{PATIENCE, Process, connect, finished, tapboard};
use common::scratch::Scratch;
use common::user::{Shell, run};

const TOOLS: &[(&str, &str)] = &[
    ("radvd", "radvd"),
    ("rdisc6", "ndisc6"),
    ("ndisc6", "ndisc6"),
    ("ndptool", "libndp-tools"),
    ("stdbuf", "coreutils"),
    ("dnsmasq", "dnsmasq-base"),
    ("ping", "iputils-ping"),
    ("nc", "netcat-openbsd"),
];

/// What a router says of a prefix: for an hour, of which half.
const PREFIX: &str =
    "prefix 2001:db8:7::/64 { AdvValidLifetime 3600; AdvPreferredLifetime 1800; };";
/// The board's addresses.
const OWN: &str = "2001:db8:7::5eff:fe00:1";
const NEAR: &str = "fe80::5eff:fe00:1";
/// What the board's first line of it says.
const KNOWN: &str = "board: address 2001:db8:7::5eff:fe00:1/64, by router fe80:";

/// A router on an interface, and the file that it can be told more by.
struct Router {
    process: Process,
    files: Scratch,
    interface: String,
}

impl Router {
    fn new(interface: &str, says: &str) -> Self {
        sh("sysctl -qw net.ipv6.conf.all.forwarding=1");
        let files = Scratch::new();
        write(&files, interface, says);
        let mut command = Command::new("radvd");
        command
            .args(["--nodaemon", "--debug=1", "--logmethod=stderr"])
            .arg(format!("--config={}", files.path("radvd.conf")))
            .arg(format!("--pidfile={}", files.path("radvd.pid")));
        Self { process: Process::spawn(command, None), files, interface: interface.into() }
    }

    /// It says something else from now on.
    fn says(&self, says: &str) {
        write(&self.files, &self.interface, says);
        self.process.signal("HUP");
    }
}

fn write(files: &Scratch, interface: &str, says: &str) {
    let times =
        "AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; AdvDefaultLifetime 60;";
    let text = format!("interface {interface} {{ {times} {says} }};\n");
    let path = files.path("radvd.conf");
    fs::write(&path, text).expect("it is ours");
    // Who may be written to by others is not believed.
    sh(&format!("chmod 0644 {path}"));
}

fn board(options: &[&str]) -> Process {
    Process::with_console(&[&["tap", "--ip6", "auto", "--no-telemetry"], options].concat())
}

fn at(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address.parse().expect("an address"), port)
}

/// Whether a connection that was open carries a byte each way.
fn carries(client: &mut TcpStream) -> bool {
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(b"x").and_then(|()| client.read_exact(&mut [0])).is_ok()
}

/// Until the machine's own addresses may be used.
const SETTLED: &str = "while ip -6 addr show | grep -q tentative; do sleep 0.05; done";

#[test]
fn radvd_gives_the_board_its_prefix_and_tools_find_it() {
    netns::run("radvd_gives_the_board_its_prefix_and_tools_find_it", TOOLS, || {
        sh(
            "ip tuntap add tap0 mode tap && ip addr add 192.0.2.2/24 dev tap0 && ip link set tap0 up",
        );
        sh("ip addr add 2001:db8:7::2/64 dev tap0 nodad");
        // Who is a router hears what is for all of them.
        sh("sysctl -qw net.ipv6.conf.all.forwarding=1");
        let mut listen = Command::new("stdbuf");
        listen.args(["--output=L", "ndptool", "monitor", "-t", "rs", "-i", "tap0"]);
        let monitor = Process::spawn(listen, None);
        let board = board(&[]);
        monitor.prints(&format!("NDP payload len 16, from addr: {NEAR}"));
        drop(monitor);
        let more = "AdvLinkMTU 1400; RDNSS 2001:db8:7::53 { AdvRDNSSLifetime 600; };";
        let _router = Router::new("tap0", &format!("{PREFIX} {more}"));
        board.prints(KNOWN);
        sh(SETTLED);
        run(&format!("ping -6 -c 3 -i 0.2 -W 20 {OWN}"));
        assert_eq!(run(&format!("printf hello | nc -N {OWN} 7")), "hello");
        for address in [OWN, NEAR] {
            let found = run(&format!("ndisc6 -q {address} tap0"));
            assert_eq!(found.trim(), "02:00:5E:00:00:01");
        }
        let said = run("rdisc6 -1 -r 5 -w 4000 tap0");
        for line in ["2001:db8:7::/64", "3600 (", "1800 (", "2001:db8:7::53", "1400 bytes"] {
            assert!(said.contains(line), "{line:?} is missing: {said}");
        }
        let ip = Shell::new(connect(at(OWN, 23))).ask("ip");
        for line in [
            &format!("address  {OWN}/64 slaac\r\n"),
            &format!("address  {NEAR}/64 link-local\r\n"),
            " s preferred, ",
            "gateway  fe80::",
            "dns      2001:db8:7::53\r\n",
        ] {
            assert!(ip.contains(line), "{line:?} is missing: {ip}");
        }
    });
}

#[test]
fn a_network_that_changes_its_prefix_keeps_its_connections_and_a_router_that_goes_says_so() {
    let name =
        "a_network_that_changes_its_prefix_keeps_its_connections_and_a_router_that_goes_says_so";
    netns::run(name, TOOLS, || {
        sh(
            "ip tuntap add tap0 mode tap && ip addr add 192.0.2.2/24 dev tap0 && ip link set tap0 up",
        );
        sh(
            "ip addr add 2001:db8:7::2/64 dev tap0 nodad && ip addr add 2001:db8:8::2/64 dev tap0 nodad",
        );
        let mut board = board(&[]);
        let mut router = Router::new("tap0", PREFIX);
        board.prints(KNOWN);
        let mut client = connect(at(OWN, 7));
        assert!(carries(&mut client));
        // The cable is out for a while.
        board.command("unplug", "the cable is out");
        board.command("plug", "the cable is in");
        assert!(carries(&mut client));
        router.says(
            "prefix 2001:db8:7::/64 { AdvValidLifetime 3600; AdvPreferredLifetime 0; }; \
             prefix 2001:db8:8::/64 { };",
        );
        let other = "2001:db8:8::5eff:fe00:1";
        board.prints(&format!("board: address {other}/64, by router fe80:"));
        assert!(carries(&mut client));
        assert_eq!(run(&format!("printf hello | nc -N {other} 7")), "hello");
        let ip = Shell::new(connect(at(other, 23))).ask("ip");
        assert!(ip.contains("lifetime 0 s preferred, "), "{ip}");
        // Its last word is that it is no router any more.
        router.process.signal("TERM");
        router.process.exit();
        let gone = || !Shell::new(connect(at(other, 23))).ask("ip").contains("gateway  fe80::");
        assert!((0..2000).any(|_| gone()), "the router is still there");
        assert!(carries(&mut client));
    });
}

#[test]
fn an_address_that_the_machine_has_is_not_the_boards() {
    netns::run("an_address_that_the_machine_has_is_not_the_boards", TOOLS, || {
        sh(
            "ip tuntap add tap0 mode tap && ip addr add 192.0.2.2/24 dev tap0 && ip link set tap0 up",
        );
        sh(&format!("ip addr add {OWN}/64 dev tap0 nodad"));
        let board = board(&[]);
        let _router = Router::new("tap0", PREFIX);
        board.complains("address conflict: ");
        board.complains("it is not used");
        sh(SETTLED);
        let ip = Shell::new(connect(at("192.0.2.1", 23))).ask("ip");
        assert!(ip.contains("not used "), "{ip}");
        assert!(!board.output().contains("board: address"), "{}", board.output());
    });
}

#[test]
fn two_boards_and_a_machine_on_a_bridge_get_all_they_need_from_dnsmasq() {
    let name = "two_boards_and_a_machine_on_a_bridge_get_all_they_need_from_dnsmasq";
    netns::run(name, TOOLS, || {
        sh("ip link add br0 type bridge && ip addr add 192.0.2.2/24 dev br0 && \
            ip addr add 2001:db8:7::2/64 dev br0 nodad && ip link set br0 up");
        for tap in ["board1", "board3"] {
            sh(&format!("ip tuntap add {tap} mode tap && ip link set {tap} master br0 up"));
        }
        let leases = Scratch::new();
        let mut command = Command::new("dnsmasq");
        command
            .args(["--no-daemon", "--conf-file=/dev/null", "--port=0", "--bind-interfaces"])
            .args(["--except-interface=lo", "--pid-file=", "--log-facility=-", "--no-ping"])
            .args(["--interface=br0", "--enable-ra", "--dhcp-authoritative"])
            .args(["--dhcp-range=192.0.2.50,192.0.2.99,2m"])
            .args(["--dhcp-range=2001:db8:7::,ra-only,64,600"])
            .args(["--ra-param=br0,high,4,600"])
            .arg(format!("--dhcp-leasefile={}", leases.path("leases")));
        let server = Process::spawn(command, None);
        server.complains("DHCP, sockets bound exclusively");
        let options = |tap, id| {
            ["tap", "--no-telemetry", "--ip", "dhcp", "--ip6", "auto", "--name", tap, "--id", id]
        };
        let boards = [("board1", "1"), ("board3", "3")]
            .map(|(tap, id)| Process::spawn(tapboard(&options(tap, id)), None));
        for (board, id) in boards.iter().zip(["1", "3"]) {
            let own = format!("2001:db8:7::5eff:fe00:{id}");
            board.prints(&format!("board: address {own}/64, by router fe80:"));
            board.prints("leased by 192.0.2.2\n");
            assert_eq!(run(&format!("printf hello | nc -N {own} 7")), "hello");
            run(&format!("ping -6 -c 1 -W 20 fe80::5eff:fe00:{id}%br0"));
        }
    });
}

#[test]
fn what_routers_say_cannot_be_given_too() {
    for (arguments, remedy) in
        [(&["tap", "--ip6", "atuo"][..], "or auto"), (&["tap", "--ip6", "auto/64"], "or auto")]
    {
        let output = finished(arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains(remedy), "{arguments:?}: {errors}");
    }
}
