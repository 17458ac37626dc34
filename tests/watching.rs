//! A running board watched: every frame of its cable in a capture and drawn, over a gateway and on a TAP with whatever
//! the NIC does for the board; and its metrics.

#![cfg(target_os = "linux")]

mod common;
#[path = "watching/metrics.rs"]
mod metrics;

use std::io::Read;
use std::net::UdpSocket;

use common::netns;
use common::nics::{NICS, board, on_tap};
use common::ports::{free_port, local};
use common::process::{PATIENCE, Process, connect, echo, pattern, readable, tapboard};
use common::scratch::Scratch;
use common::user::{Collector, Forwards, User, line};
use smoltcp::wire::{IpProtocol, Ipv4Packet, TcpPacket, UdpPacket};
use tapboard::capture::read;

#[test]
fn a_capture_of_a_tap_holds_ordinary_frames() {
    netns::run("a_capture_of_a_tap_holds_ordinary_frames", &[], || {
        for nic in NICS {
            let scratch = Scratch::new();
            let file = scratch.path("tap.pcapng");
            let data = pattern(7, 300_000);
            let mut tap = on_tap(nic, &["--pcap", &file]);
            assert!(echo(&connect(board(7)), &data).unwrap() == data);
            let udp = UdpSocket::bind("192.0.2.2:0").unwrap();
            udp.send_to(b"datagram", board(7)).unwrap();
            assert!(readable(&udp, PATIENCE));
            tap.command("quit", " frames in");
            let records: Vec<_> = read(file.as_ref()).unwrap().map(Result::unwrap).collect();
            assert!(records.len() > 400, "{}", records.len());
            for record in &records {
                assert!(record.frame.len() <= 1514, "{nic:?}: {} bytes", record.frame.len());
                assert!(right(&record.frame), "{nic:?}: {:02x?}", record.frame);
            }
        }
    });
}

/// Whether the checksum of TCP or UDP is right in a frame over IPv4 that has one.
fn right(frame: &[u8]) -> bool {
    let Ok(ip) = Ipv4Packet::new_checked(frame.get(14..).unwrap_or_default()) else { return true };
    let (from, to) = (ip.src_addr().into(), ip.dst_addr().into());
    match ip.next_header() {
        IpProtocol::Tcp => TcpPacket::new_unchecked(ip.payload()).verify_checksum(&from, &to),
        IpProtocol::Udp => {
            let udp = UdpPacket::new_unchecked(ip.payload());
            udp.checksum() != 0 && udp.verify_checksum(&from, &to)
        }
        _ => true,
    }
}

#[test]
fn a_capture_tells_what_became_of_each_frame() {
    let scratch = Scratch::new();
    let file = scratch.path("capture.pcapng");
    {
        let options = ["--pcap", &file, "--loss=10%", "--delay=1ms", "--seed=4"];
        let user = User::quiet(&options);
        let data = pattern(2, 60_000);
        assert!(echo(&connect(user.echo), &data).unwrap() == data);
        // The run is killed here, and keeps its capture.
    }
    let records: Vec<_> = read(file.as_ref()).unwrap().map(Result::unwrap).collect();
    let said = |part: &str| records.iter().filter(|record| record.notes.contains(part)).count();
    assert!(records.len() > 80, "{}", records.len());
    assert!(said("delayed 1 ms") > 50 && said("dropped by loss 10%") > 2);
    assert_eq!(said("delayed") + said("dropped"), records.len(), "nothing passed untouched");
}

#[test]
fn frames_are_drawn_and_captured_from_one_command_to_the_other() {
    let (scratch, forwards) = (Scratch::new(), Forwards::free());
    let file = scratch.path("console.pcapng");
    let mut process =
        Process::with_console(&forwards.arguments(&["--no-telemetry", "--ladder"], &[]));
    let say = |data: &[u8]| assert_eq!(echo(&connect(forwards.echo), data).unwrap(), data);
    process.command("capture stop", "there is no capture");
    say(b"before");
    process.command(&format!("capture start {file}"), "every frame goes to");
    say(b"meanwhile");
    process.command("capture stop", "the capture is closed");
    say(b"afterwards");
    // The FIN may come with the data, or after it.
    process.prints("ACK seq=1 ack=1 10 bytes");
    let records: Vec<_> = read(file.as_ref()).unwrap().map(Result::unwrap).collect();
    let holds = |data: &[u8]| {
        let frames = records.iter().map(|record| &record.frame);
        frames.filter(|frame| frame.windows(data.len()).any(|part| part == data)).count()
    };
    assert!(holds(b"meanwhile") >= 2, "there and back");
    assert_eq!((holds(b"before"), holds(b"afterwards")), (0, 0));
}

/// Lines of a ladder with that port in them, and with `what`.
fn rungs(out: &str, port: u16, what: &str) -> usize {
    let of = |line: &&str| line.split([' ', '|']).any(|word| word == port.to_string());
    out.lines().filter(of).filter(|line| line.contains(what)).count()
}

#[test]
fn the_ladder_and_the_log_are_quiet_while_nobody_listens_for_telemetry() {
    let scratch = Scratch::new();
    let file = scratch.path("refused.pcapng");
    let (port, closed) = (free_port(), free_port());
    let (to, port_text) = (format!("192.0.2.2:{port}"), port.to_string());
    let forward = format!("-p{closed}:777");
    let mut options = vec!["--telemetry", &to, "--allow", &port_text, &forward];
    options.extend(["--ladder", "--pcap", &file]);
    let user = User::start(&options, tapboard);
    let mut shell = user.shell();
    assert!(shell.until(|shell| shell.counter("failed_connects") >= 3));
    // What else is refused is drawn, each time.
    for _ in 0..2 {
        let read = connect(local(closed)).read(&mut [0]);
        assert!(!matches!(read, Ok(1..)), "nobody is there");
    }
    let collector = Collector::on(port);
    line(&mut collector.accept());
    shell.leave("exit");
    // All that was before is printed.
    user.process.prints("FIN ACK");
    let out = user.process.output();
    assert_eq!(out.matches(&format!("nobody listens at {to}: ")).count(), 1, "{out}");
    assert_eq!((rungs(&out, 777, "SYN seq"), rungs(&out, 777, "RST")), (2, 2), "{out}");
    // The first attempt, and the one that came to something.
    assert_eq!((rungs(&out, port, " RST"), rungs(&out, port, " SYN seq")), (1, 2), "{out}");
    assert_eq!(rungs(&out, port, "SYN ACK"), 1, "{out}");
    assert_eq!(user.process.errors(), "");
    let attempts = read(file.as_ref()).unwrap().map(Result::unwrap).filter(|record| {
        let tcp = record.frame.get(34..).and_then(|tcp| TcpPacket::new_checked(tcp).ok());
        tcp.is_some_and(|tcp| tcp.dst_port() == port && tcp.syn())
    });
    assert!(attempts.count() > 3, "the capture leaves nothing out");
}
