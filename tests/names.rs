//! Names on a TAP: dnsmasq tells the board those of others; dig and python-zeroconf find the board's; chronyd tells the time. What takes longer
//! than a test may is in virtual time: `firmware/net/tests/dns` and `mdns`.

#![cfg(target_os = "linux")]

mod common;

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, SocketAddrV6, TcpListener, UdpSocket};
use std::process::Command;
use std::time::UNIX_EPOCH;

use common::netns::{self, sh};
use common::process::{PATIENCE, Process, connect};
use common::scratch::Scratch;
use common::user::{Shell, run};

const DNSMASQ: &[(&str, &str)] = &[("dnsmasq", "dnsmasq-base")];
const MDNS: &[(&str, &str)] =
    &[("dig", "bind9-dnsutils"), ("/usr/bin/python3", "python3-zeroconf")];

/// A server for names at 192.0.2.2, which knows these and sends no question on.
fn dnsmasq(options: &[&str]) -> Process {
    let mut command = Command::new("dnsmasq");
    command
        .args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file="])
        .args(["--bind-interfaces", "--except-interface=lo", "--interface=tap0"])
        .args(["--log-facility=-", "--log-queries", "--local=/example/", "--no-ping"])
        .args(options);
    let server = Process::spawn(command, None);
    server.complains("started, version");
    server
}

fn board(options: &[&str]) -> Process {
    Process::with_console(&[&["tap"], options].concat())
}

/// The board's interface, before the board comes.
fn tap0() {
    sh("ip tuntap add tap0 mode tap && ip addr add 192.0.2.2/24 dev tap0 && ip link set tap0 up");
}

fn shell(address: &str) -> Shell {
    Shell::new(connect(SocketAddr::new(address.parse().expect("an address"), 23)))
}

#[test]
fn dnsmasq_tells_the_board_addresses_and_that_there_are_none() {
    netns::run("dnsmasq_tells_the_board_addresses_and_that_there_are_none", DNSMASQ, || {
        let board = board(&["--no-telemetry", "--dns", "192.0.2.2"]);
        let server = dnsmasq(&[
            "--host-record=desk.example,192.0.2.77",
            "--cname=alias.example,desk.example",
            "--host-record=six.example,2001:db8::77",
            "--txt-record=text.example,nothing",
        ]);
        let mut shell = shell("192.0.2.1");
        for (name, answer) in [
            ("desk.example", "address 192.0.2.77\r\n"),
            ("alias.example", "address 192.0.2.77\r\n"),
            ("six.example", "address 2001:db8::77\r\n"),
            ("none.example", "no such name\r\n"),
            ("text.example", "the name has no address\r\n"),
            // Refused: it has nobody to ask.
            ("elsewhere.invalid", "the DNS server cannot tell\r\n"),
            ("192.0.2.7", "not a host's name\r\n"),
        ] {
            let said = shell.ask(&format!("host {name}"));
            assert!(said.contains(answer), "{name}: {said}\n{}", server.errors());
        }
        assert!(shell.ask("ip").contains("dns      192.0.2.2\r\n"));
        drop(board);
    });
}

#[test]
fn telemetry_goes_to_a_name_once_a_leases_server_knows_it() {
    netns::run("telemetry_goes_to_a_name_once_a_leases_server_knows_it", DNSMASQ, || {
        let board = board(&["--ip", "dhcp", "--telemetry", "collector.example:9000"]);
        board.prints("board: telemetry to collector.example:9000: no DNS server is known\n");
        let leases = Scratch::new();
        let server = dnsmasq(&[
            "--dhcp-range=192.0.2.50,192.0.2.99,2m",
            "--dhcp-authoritative",
            &format!("--dhcp-leasefile={}", leases.path("leases")),
            "--host-record=collector.example,192.0.2.2",
        ]);
        let collector = TcpListener::bind("192.0.2.2:9000").unwrap();
        board.prints("board: telemetry to collector.example:9000: its address is known now\n");
        let (stream, _) = collector.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        assert!(line.starts_with("{\"board\":"), "{line}");
        server.complains("collector.example is 192.0.2.2");
    });
}

#[test]
fn a_name_that_nobody_knows_is_said_once_and_not_asked_for_all_the_time() {
    netns::run(
        "a_name_that_nobody_knows_is_said_once_and_not_asked_for_all_the_time",
        DNSMASQ,
        || {
            let target = "nobody.example:9000";
            tap0();
            let server = dnsmasq(&[]);
            let board = board(&["--dns", "192.0.2.2", "--telemetry", target]);
            board.prints(&format!("board: telemetry to {target}: no such name\n"));
            let mut shell = shell("192.0.2.1");
            assert!(shell.ask("host desk.example").contains("no such name"), "it goes on");
            let asked = server.errors().matches("query[A] nobody.example").count();
            assert!(asked <= 2, "{}", server.errors());
            assert_eq!(board.output().matches("no such name").count(), 1);
        },
    );
}

#[test]
fn dig_finds_the_board_by_its_name_over_both_families() {
    netns::run("dig_finds_the_board_by_its_name_over_both_families", MDNS, || {
        let board = board(&["--mdns", "--board-name", "Green house", "--no-telemetry"]);
        board.prints("board: found as green-house.local\n");
        let dig = |server: &str, words: &str| {
            run(&format!("dig +short +timeout=5 +tries=1 -p 5353 {server} {words}"))
        };
        for server in ["@192.0.2.1", "@2001:db8::1"] {
            assert_eq!(dig(server, "green-house.local A"), "192.0.2.1\n", "{server}");
        }
        // Today's dig hears nobody but whom it has asked, and a group never answers: this is what it would send.
        sh("ip route add 224.0.0.0/4 dev tap0");
        let tap0 = sh("ip -o link show tap0").split(':').next().unwrap().parse().unwrap();
        let group = SocketAddrV6::new("ff02::fb".parse().unwrap(), 5353, 0, tap0);
        one_shot("0.0.0.0:0", ([224, 0, 0, 251], 5353).into());
        one_shot("[::]:0", group.into());
        let mut ipv6: Vec<_> =
            dig("@192.0.2.1", "green-house.local AAAA").lines().map(String::from).collect();
        ipv6.sort();
        assert_eq!(ipv6, ["2001:db8::1", "fe80::5eff:fe00:1"]);
        let types = dig("@192.0.2.1", "_services._dns-sd._udp.local PTR");
        assert_eq!(types, "_echo._tcp.local.\n_telnet._tcp.local.\n");
        let instance = dig("@192.0.2.1", "_echo._tcp.local PTR");
        assert_eq!(instance, "green-house._echo._tcp.local.\n");
        let service = dig("@192.0.2.1", "green-house._telnet._tcp.local SRV");
        assert_eq!(service, "0 0 23 green-house.local.\n");
        assert!(shell("192.0.2.1").ask("ip").contains("name     green-house.local\r\n"));
    });
}

/// Asks a group for `green-house.local` from a port of one's own (RFC 6762 5.1).
fn one_shot(own: &str, group: SocketAddr) {
    let socket = UdpSocket::bind(own).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let query = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x0bgreen-house\x05local\0\0\x01\0\x01";
    socket.send_to(query, group).unwrap();
    let mut answer = [0; 512];
    let (len, from) = socket.recv_from(&mut answer).unwrap();
    assert_eq!((from.port(), from.is_ipv4(), &answer[..2]), (5353, group.is_ipv4(), &query[..2]));
    assert!(answer[..len].ends_with(&[0, 0, 0, 10, 0, 4, 192, 0, 2, 1]), "{:x?}", &answer[..len]);
}

/// Browses for a type of service until one is found, and says where; then until it is gone. With a name for an argument,
/// has that name itself.
const ZEROCONF: &str = r#"
import socket, sys, threading
from zeroconf import ServiceBrowser, ServiceInfo, ServiceListener, Zeroconf
zeroconf = Zeroconf(interfaces=["192.0.2.2"])
if len(sys.argv) > 1:
    name = sys.argv[1]
    zeroconf.register_service(ServiceInfo("_echo._tcp.local.", name + "._echo._tcp.local.", 7,
        addresses=[socket.inet_aton("192.0.2.2")], server=name + ".local."))
    print("registered", flush=True)
    threading.Event().wait(120)
    sys.exit()
gone = threading.Event()
class Listener(ServiceListener):
    def add_service(self, zeroconf, kind, name):
        info = zeroconf.get_service_info(kind, name, 5000)
        print("found", name, info.server, info.port, *info.parsed_addresses(), flush=True)
    def update_service(self, zeroconf, kind, name):
        pass
    def remove_service(self, zeroconf, kind, name):
        print("gone", name, flush=True)
        gone.set()
browser = ServiceBrowser(zeroconf, "_echo._tcp.local.", Listener())
gone.wait(60)
zeroconf.close()
"#;

fn zeroconf(arguments: &[&str]) -> Process {
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", ZEROCONF]).args(arguments);
    Process::spawn(command, None)
}

#[test]
fn zeroconf_finds_the_boards_service_and_learns_that_it_leaves() {
    netns::run("zeroconf_finds_the_boards_service_and_learns_that_it_leaves", MDNS, || {
        let mut board = board(&["--mdns", "--board-name", "greenhouse", "--no-telemetry"]);
        sh("ip route add 224.0.0.0/4 dev tap0");
        let browser = zeroconf(&[]);
        browser.prints("found greenhouse._echo._tcp.local. greenhouse.local. 7 192.0.2.1");
        board.signal("INT");
        assert!(board.end().success());
        browser.prints("gone greenhouse._echo._tcp.local.");
    });
}

#[test]
fn the_board_gives_way_to_zeroconf_and_finds_it() {
    netns::run("the_board_gives_way_to_zeroconf_and_finds_it", MDNS, || {
        // So that the interface is there, and the name known, before the board that is to have it comes.
        sh(
            "ip tuntap add tap0 mode tap && ip addr add 192.0.2.2/24 dev tap0 && ip link set tap0 up",
        );
        sh("ip route add 224.0.0.0/4 dev tap0");
        let other = zeroconf(&["greenhouse"]);
        other.prints("registered");
        let board = board(&["--mdns", "--board-name", "greenhouse", "--no-telemetry"]);
        board.prints("board: found as greenhouse-2.local\n");
        let mut shell = shell("192.0.2.1");
        let said = shell.ask("host greenhouse.local");
        assert!(said.contains("address 192.0.2.2\r\n"), "{said}");
    });
}

#[test]
fn chronyd_tells_telemetry_the_time() {
    let tools = &[DNSMASQ, &[("chronyd", "chrony")]].concat();
    netns::run("chronyd_tells_telemetry_the_time", tools, || {
        for dhcp in [false, true] {
            tap0();
            let scratch = Scratch::new();
            let configuration = format!(
                "local stratum 5\nallow 192.0.2.0/24\ncmdport 0\nbindcmdaddress /\npidfile {}\n",
                scratch.path("pid")
            );
            std::fs::write(scratch.path("chrony.conf"), configuration).unwrap();
            let mut command = Command::new("chronyd");
            // It leaves the clock alone, and changes no user.
            command.args(["-d", "-x", "-F", "0", "-u", "root", "-f", &scratch.path("chrony.conf")]);
            let _chronyd = Process::spawn(command, None);
            let collector = TcpListener::bind("192.0.2.2:9000").unwrap();
            let _leases = dhcp.then(|| {
                dnsmasq(&[
                    "--dhcp-range=192.0.2.50,192.0.2.99,2m",
                    "--dhcp-authoritative",
                    "--dhcp-option=option:ntp-server,192.0.2.2",
                    &format!("--dhcp-leasefile={}", scratch.path("leases")),
                ])
            });
            let options: &[&str] = if dhcp { &["--ip", "dhcp"] } else { &["--ntp", "192.0.2.2"] };
            let _board = board(options);
            let (stream, _) = collector.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let lines = BufReader::new(stream).lines().map(|line| line.unwrap());
            // At first it may say that it does not know.
            let time = lines
                .map(|line| {
                    serde_json::from_str::<serde_json::Value>(&line).expect(&line)["unix_ms"]
                        .clone()
                })
                .find_map(|time| if time.is_null() { None } else { time.as_u64() })
                .expect("the time");
            let now = UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
            assert!(now.abs_diff(time) < 60_000, "{now} {time}");
            sh("ip link del tap0 2>/dev/null || true");
        }
    });
}
