//! The cable of a running board: faults, pulls and power-cycles by flags, pipe and script; captures of
//! them. On the wire in memory, and on a TAP with whatever the NIC does for the board.

#![cfg(target_os = "linux")]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::netns;
use common::nics::NICS;
use common::ports::{free_port, local};
use common::process::{PATIENCE, Process, connect, echo, finished, pattern, readable, tapboard};
use common::scratch::Scratch;
use common::user::{Collector, Forwards, User, line};
use rustix::net::sockopt;
use smoltcp::wire::{IpProtocol, Ipv4Packet, TcpPacket, UdpPacket};
use tapboard::capture::read;
use tapboard::clock::RealClock;

fn board(port: u16) -> SocketAddr {
    ([192, 0, 2, 1], port).into()
}

#[test]
fn commands_from_a_pipe_are_carried_out_to_the_last() {
    let mut command = tapboard(&Forwards::free().arguments(&["--no-telemetry"], &[]));
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all(b"sleep 100ms\nunplug\nlink\nbogus\nsleep 100ms\nplug\nnetstat\nstats\nquit\n")
        .unwrap();
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{out}");
    for part in [
        "\nthe cable is out\nclients still connect: to the gateway, where they wait until it is in\n",
        "\nthe cable is in; nothing wrong\n",
        "bogus",
        "LISTEN",
        "frames_in",
        "board: ",
    ] {
        assert!(out.contains(part), "no {part:?} in {out}");
    }
    // `link` has no hint.
    assert_eq!(out.matches("the cable is out\n").count(), 2, "{out}");
    assert_eq!(out.matches("clients still connect").count(), 1, "{out}");
}

#[test]
fn a_script_is_carried_out_at_its_times() {
    let scratch = Scratch::new();
    let script = scratch.file("good", "@100ms unplug\n@300ms plug # again\nquit\n");
    let options = ["--no-telemetry", "--script", &script];
    let output = finished(&Forwards::free().arguments(&options, &[]));
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let place = |text| out.find(text).unwrap_or_else(|| panic!("no {text:?} in {out}"));
    assert!(place("the cable is out") < place("the cable is in"), "{out}");
}

/// The seed in the form in which it is given again, each time that `out` has it.
fn seeds(out: &str) -> Vec<&str> {
    let all = out.lines().filter_map(|line| line.split_once("again with: "));
    all.map(|(_, seed)| seed).collect()
}

/// What a board on a cable with these options prints until the script is at its end, where it says `quit`.
fn scripted(script: &str, options: &[&str]) -> String {
    let scratch = Scratch::new();
    let script = scratch.file("seed", script);
    let forwards = [7, 9, 19, 23].map(|board| format!("-p{}:{board}", free_port()));
    let forwards = forwards.each_ref().map(String::as_str);
    let fixed = ["--no-telemetry", "--script", &script];
    let output = finished(&[&fixed[..], &forwards[..], options].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_seed_is_printed_once_when_chance_comes_in() {
    // No chance, no seed.
    let out = scripted("delay 1ms\nrate 1mbit\nmtu 1000\npartition on\nquit\n", &["--delay=2ms"]);
    assert_eq!(seeds(&out), [""; 0], "{out}");
    // At the console, and on the command line; not again for a second fault, nor after a reset.
    let later = "sleep 1ms\nloss 5%\ncorrupt in 1%\nheal\nreset\njitter 1ms\nquit\n";
    for options in [&[][..], &["--reorder=in:1%"], &["--seed=7"], &["--seed=7", "--burst=1%/9%"]] {
        let out = scripted(later, options);
        let [seed] = seeds(&out)[..] else { panic!("{options:?}: {out}") };
        let number: u64 = seed.strip_prefix("--seed ").and_then(|n| n.parse().ok()).expect(seed);
        assert!(number == 7 || !options.contains(&"--seed=7"), "{options:?}: {seed}");
        // In the form of the command line.
        let words: Vec<_> = seed.split(' ').collect();
        assert_eq!(seeds(&scripted(later, &words)), [seed]);
    }
    // Whoever missed it asks.
    let out = scripted("loss 5%\nlink\nquit\n", &[]);
    let [first, again] = seeds(&out)[..] else { panic!("{out}") };
    assert_eq!(first, again);
}

#[test]
fn a_bad_script_is_refused_before_the_board_starts() {
    let scratch = Scratch::new();
    let script = scratch.file("bad", "@1s unplug\nfly\n@0.5s plug\n");
    let output = finished(&["--script", &script]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains(":2: ") && error.contains(":3: "), "{error}");
}

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

/// The rates in bytes a second, to the board and from it, of the last `stats` that was printed.
fn rates(out: &str) -> [f64; 2] {
    let line = out.lines().rfind(|line| line.contains(" s since the ")).expect("rates");
    let words: Vec<_> = line.split_whitespace().collect();
    let rates = words.windows(2).filter_map(|pair| {
        let unit = pair[1].trim_end_matches(';').strip_suffix("B/s")?;
        let factor = match unit {
            "" => 1.0,
            "k" => 1e3,
            "M" => 1e6,
            _ => panic!("{line}"),
        };
        Some(pair[0].parse::<f64>().expect(line) * factor)
    });
    let rates: Vec<_> = rates.collect();
    rates.try_into().unwrap_or_else(|_| panic!("{line}"))
}

#[test]
fn stats_tell_how_much_passes_a_second_since_the_last_time() {
    let forwards = [7, 9, 19, 23].map(|board| (free_port(), board));
    let options = forwards.map(|(host, board)| format!("-p{host}:{board}"));
    let options = options.each_ref().map(String::as_str);
    let mut board = Process::with_console(&[&["--no-telemetry"], &options[..]].concat());
    let data = pattern(8, 300_000);
    assert!(echo(&connect(local(forwards[0].0)), &data).unwrap() == data);
    board.command("stats", "since the start: ");
    // A minute is long for a start and a transfer.
    let [to, from] = rates(&board.output());
    assert!(to > 5000.0 && from > 5000.0, "{to} {from}");
    // What is left of the connection counts for the first of the two, and for the second little can.
    board.command("sleep 500ms\nstats\nsleep 500ms\nstats\nlink", "the cable is in");
    assert_eq!(board.output().matches("since the last `stats`: ").count(), 2);
    let [to, from] = rates(&board.output());
    assert!(to < 1000.0 && from < 1000.0, "{to} {from}");
    // A board that boots starts anew.
    board.command("reset\nstats\nhelp", "Commands:");
    assert_eq!(board.output().matches("since the start: ").count(), 2, "{}", board.output());
}

/// `tapboard tap` on one of the [`NICS`], quiet, with further options.
fn on_tap(nic: &[&str], options: &[&str]) -> Process {
    Process::with_console(&[&["tap", "--no-telemetry"], nic, options].concat())
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
    let forward = format!("-p{closed}:80");
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
    assert_eq!((rungs(&out, 80, "SYN seq"), rungs(&out, 80, "RST")), (2, 2), "{out}");
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
