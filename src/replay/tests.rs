//! Captures of the firmware's own stack, replayed to it, and to a firmware with a fault.

use std::path::Path;

use embedded_nal::TcpClientStack;
use smoltcp::phy::{Device, RxToken, TxToken};
use smoltcp::time::{Duration, Instant};
use tapboard_firmware::service::{Service, ServiceConfig, chargen::Chargen, echo::Echo};
use tapboard_firmware::{BoardSockets, Firmware, McuStorage, NetConfig};

use super::packet::{ACK, Packet, RST, SYN};
use super::recording::{Body, Frame};
use super::*;
use crate::board::VirtualBoard;
use crate::capture::{self, LinkType, Record};
use crate::link::{Link, Setting, Side};
use crate::nic::wire::{End, InFlight, Wire};
use crate::scratch::Scratch;
use crate::testbed::{Testbed, TestbedMemory, at};

/// A capture of an echo over a cable with these faults: so many parts of so many bytes.
fn echo(path: &Path, faults: &[(&str, &str)], (parts, len): (usize, usize), seed: u64) {
    let mut cable = Link::new(seed);
    for (name, value) in faults {
        cable.set(None, Setting::parse(name, value).unwrap());
    }
    let (mut echo, mut memory) = (Echo::new(), TestbedMemory::default());
    let mut net = Testbed::new(&mut memory, cable, |now, board| echo.poll(now, board, &mut ()));
    net.capture(path).unwrap();
    let mut socket = net.host.socket().unwrap();
    net.until(|host| host.connect(&mut socket, at(7))).unwrap();
    let data: Vec<u8> = (0..len).map(|at| (at * 7 / 5) as u8).collect();
    let mut buffer = [0; 2048];
    for _ in 0..parts {
        net.send_all(&mut socket, &data).unwrap();
        let mut back = 0;
        while back < len {
            back += net.until(|host| host.receive(&mut socket, &mut buffer)).unwrap();
        }
        net.pass(Duration::from_millis(700));
    }
    net.host.close(socket).unwrap();
    net.pass_secs(20);
}

fn read(path: &Path) -> Replay {
    Replay::read(capture::read(path).unwrap(), &ReplayOptions::default()).unwrap()
}

const BAD: [(&str, &str); 4] =
    [("loss", "10%"), ("delay", "20ms"), ("duplicate", "5%"), ("reorder", "5%")];

#[test]
fn our_own_captures_say_the_same_however_bad_the_cable() {
    let scratch = Scratch::new();
    let path = scratch.path("run.pcapng");
    let (mut resent, mut lost, mut exact) = (0, 0, 0);
    for seed in 0..30 {
        let faults = match seed {
            0 => &[],
            1..15 => &BAD[..2],
            _ => &BAD[..],
        };
        echo(path.as_ref(), faults, (4, 900), seed);
        let replay = read(path.as_ref());
        let report = replay.run();
        assert!(!report.differs(false), "seed {seed}\n{report}");
        assert!(report.conversations.iter().all(|one| one.skipped.is_none()), "{report}");
        let conversation = &replay.conversations.iter().find(|one| one.steps() > 1).unwrap();
        resent += conversation.script.lost.len();
        if seed < 15 {
            exact += usize::from(is_on_time(&replay));
        }
        if seed < 8 {
            bulk(path.as_ref(), &[("loss", "3%"), ("delay", "10ms")], seed);
            let replay = read(path.as_ref());
            assert!(!replay.run().differs(false), "seed {seed}\n{}", replay.run());
            let said = replay.conversations.iter().flat_map(|one| &one.script.said);
            lost += said.filter(|said| said.lost).count();
        }
    }
    assert!(exact >= 11, "{exact} of 15 are on time");
    assert!(resent > 0 && lost > 0, "nothing of the board's was lost");
}

/// Whether each frame of the board comes when it came in a capture in virtual time, and is the same.
fn is_on_time(replay: &Replay) -> bool {
    let mut stage = Stage::new(
        &replay.conversations,
        replay.end_us,
        |port| port,
        |conversation| replay.route(conversation),
        None,
    );
    assert_eq!(replay.firmware().power_on(&replay.net, &mut stage), BootEnd::Over);
    stage.actors.iter().all(|actor| {
        let then = &actor.conversation.script.said;
        let same = |(then, now): (&said::Said, &said::Said)| {
            let late_us = now.at_us - stage::BEGIN_US - then.at_us;
            late_us.abs() <= 1000 && now.what == then.what
        };
        actor.said.len() >= then.len() && then.iter().zip(&actor.said).all(same)
    })
}

/// A capture of the board's bulk over such a cable, which its peer resets after 100,000 bytes.
fn bulk(path: &Path, faults: &[(&str, &str)], seed: u64) {
    bulk_of(&mut TestbedMemory::default(), path, faults, seed);
}

/// Likewise, of a board with such buffers.
fn bulk_of<'a, const BOARD: usize, const HOST: usize>(
    memory: &'a mut TestbedMemory<'a, BOARD, HOST>,
    path: &Path,
    faults: &[(&str, &str)],
    seed: u64,
) {
    let mut cable = Link::new(seed);
    for (name, value) in faults {
        cable.set(None, Setting::parse(name, value).unwrap());
    }
    let mut chargen = Chargen::new();
    let mut net = Testbed::new(memory, cable, |now, board| chargen.poll(now, board, &mut ()));
    net.capture(path).unwrap();
    let mut socket = net.host.socket().unwrap();
    net.until(|host| host.connect(&mut socket, at(19))).unwrap();
    let (mut had, mut buffer) = (0, [0; 2048]);
    while had < 100_000 {
        had += net.until(|host| host.receive(&mut socket, &mut buffer)).unwrap();
    }
    net.host.abort(socket);
    net.pass_secs(1);
}

#[test]
fn a_board_that_says_less_at_a_time_is_acknowledged_in_between() {
    let scratch = Scratch::new();
    let path = scratch.path("run.pcapng");
    bulk_of(&mut TestbedMemory::large(), path.as_ref(), &[("delay", "10ms")], 1);
    let options = ReplayOptions { profile: Some(Profile::Mcu), ..ReplayOptions::default() };
    let replay = Replay::read(capture::read(path.as_ref()).unwrap(), &options).unwrap();
    assert_eq!(read(path.as_ref()).profile(), Profile::Large);
    let report = replay.run();
    let kinds: Vec<_> = report.differences().map(|one| one.kind).collect();
    let missing = [Kind::Unsaid, Kind::Length, Kind::Stream, Kind::Resent];
    assert!(!kinds.iter().any(|kind| missing.contains(kind)), "{kinds:?}\n{report}");
}

#[test]
fn a_conversation_begins_after_the_one_before() {
    let scratch = Scratch::new();
    let path = scratch.path("run.pcapng");
    let (mut echo, mut memory) = (Echo::new(), TestbedMemory::default());
    let mut net =
        Testbed::new(&mut memory, Link::new(1), |now, board| echo.poll(now, board, &mut ()));
    net.capture(path.as_ref()).unwrap();
    let mut buffer = [0; 16];
    for _ in 0..2 {
        let mut socket = net.host.socket().unwrap();
        net.until(|host| host.connect(&mut socket, at(7))).unwrap();
        net.send_all(&mut socket, b"hello").unwrap();
        net.until(|host| host.receive(&mut socket, &mut buffer)).unwrap();
        net.host.close(socket).unwrap();
        net.pass(Duration::from_millis(200));
    }
    // The first answer of a slow board is lost until it is said for the fourth time.
    let (mut lost, mut order) = (0, Vec::new());
    let mut slow = Faulty(|packet: &mut Packet| {
        let Some(tcp) = packet.tcp() else { return true };
        if packet.payload.len() > tcp.header && lost < 3 {
            lost += 1;
            return false;
        }
        order.push((tcp.destination, tcp.flags));
        true
    });
    let report = read(path.as_ref()).run_on(&mut slow);
    assert!(report.differs(false), "{report}");
    let ports: Vec<_> = order.iter().map(|(port, _)| *port).collect();
    let first = ports[0];
    let changes = ports.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(lost == 3 && changes == 1 && ports.last() != Some(&first), "{order:?}");
}

#[test]
fn the_same_replay_is_the_same_frames() {
    let scratch = Scratch::new();
    let path = scratch.path("run.pcapng");
    echo(path.as_ref(), &BAD, (3, 700), 3);
    let frames = |name: &str, seed| {
        let out = scratch.path(name);
        let options = ReplayOptions { seed, ..ReplayOptions::default() };
        let replay = Replay::read(capture::read(path.as_ref()).unwrap(), &options).unwrap();
        replay.run_captured(out.as_ref()).unwrap();
        std::fs::read(out).unwrap()
    };
    assert_eq!(frames("a.pcapng", 1), frames("b.pcapng", 1));
    assert_ne!(frames("a.pcapng", 1), frames("c.pcapng", 2), "the seed decides nothing");
}

/// A board whose packets a fault changes, or loses.
struct Faulty<F>(F);

type Fault = fn(&mut Packet) -> bool;

struct Changed<'a, F> {
    firmware: Firmware<'a, VirtualBoard>,
    wire: Wire,
    fault: &'a mut F,
}

impl<F: FnMut(&mut Packet) -> bool> Subject for Changed<'_, F> {
    fn poll(&mut self, now: Instant, nic: &mut End<'_>) -> Option<Instant> {
        while let Some((rx, _)) = nic.receive(now) {
            let frame = rx.consume(<[u8]>::to_vec);
            self.wire.in_flight(Side::Board).push_back(InFlight { at: now, frame });
        }
        let next = self.firmware.poll(now, &mut self.wire.end(Side::Board));
        for InFlight { frame, .. } in self.wire.in_flight(Side::Peer).drain(..) {
            let record = Record {
                at: None,
                direction: None,
                link: LinkType::ETHERNET,
                original_len: frame.len(),
                frame: frame.clone(),
                notes: String::new(),
                ours: false,
            };
            let frame = match Frame::of(1, 0, &record) {
                Ok(Frame {
                    body: Body::Ip(mut packet), from: Some(from), to: Some(to), ..
                }) => (self.fault)(&mut packet).then(|| packet.frame(from, to, false)),
                _ => Some(frame),
            };
            if let Some(frame) = frame {
                let token = nic.transmit(now).expect("room");
                token.consume(frame.len(), |buffer| buffer.copy_from_slice(&frame));
            }
        }
        next
    }
}

impl<F: FnMut(&mut Packet) -> bool> PowerOn for Faulty<F> {
    fn power_on(&mut self, net: &NetConfig, stage: &mut Stage<'_>) -> BootEnd {
        let (mut storage, mut sockets) = (Box::<McuStorage>::default(), BoardSockets::new());
        let services = ServiceConfig { name: "faulty".try_into().unwrap(), telemetry: None };
        let (now, board) = (stage.now(), VirtualBoard::new(7));
        let firmware =
            Firmware::new(net, services, board, &mut stage.nic(), now, &mut *storage, &mut sockets);
        let (firmware, wire) = (firmware.unwrap(), Wire::default());
        stage.play(&mut Changed { firmware, wire, fault: &mut self.0 })
    }
}

/// What differs first, and all kinds that do.
fn found(replay: &Replay, fault: Fault) -> (Option<Kind>, Vec<Kind>, Report) {
    let report = replay.run_on(&mut Faulty(fault));
    let kinds: Vec<_> =
        report.differences().map(|one| one.kind).filter(|kind| kind.matters()).collect();
    (kinds.first().copied(), kinds, report)
}

/// Data that is long is acknowledged a byte short.
fn acknowledges_short(packet: &mut Packet) -> bool {
    if let Some(tcp) = packet.tcp().filter(|tcp| !tcp.has(SYN) && tcp.has(ACK) && !tcp.has(RST))
        && packet.payload.len() - tcp.header > 600
    {
        packet.set_u32(8, tcp.ack.wrapping_sub(1));
    }
    true
}

#[test]
fn faults_of_a_firmware_are_found_in_an_old_capture() {
    let scratch = Scratch::new();
    let path = scratch.path("run.pcapng");
    echo(path.as_ref(), &[("delay", "5ms")], (4, 900), 1);
    let replay = read(path.as_ref());
    let (first, ..) = found(&replay, |_| true);
    assert_eq!(first, None, "a firmware without a fault");
    let faults: [(&str, Kind, Fault); 9] = [
        ("an acknowledgement that goes too far", Kind::Acknowledgement, |packet| {
            if let Some(tcp) = packet.tcp().filter(|tcp| tcp.flags & (SYN | RST | ACK) == ACK) {
                packet.set_u32(8, tcp.ack.wrapping_add(1));
            }
            true
        }),
        ("another byte", Kind::Stream, |packet| {
            if let Some(tcp) = packet.tcp()
                && let Some(byte) = packet.payload.get_mut(tcp.header + 300)
            {
                *byte ^= 1;
            }
            true
        }),
        ("another segment size", Kind::Options, |packet| {
            if packet.tcp().is_some_and(|tcp| tcp.has(SYN)) {
                packet.set_u16(22, 536);
            }
            true
        }),
        ("silence", Kind::Opening, |packet| packet.tcp().is_none()),
        ("a refusal", Kind::Opening, |packet| {
            if packet.tcp().is_some_and(|tcp| tcp.has(SYN)) {
                packet.payload[13] = RST | ACK;
            }
            true
        }),
        ("no data", Kind::Unsaid, |packet| {
            packet.tcp().is_none_or(|tcp| packet.payload.len() - tcp.header < 600)
        }),
        ("no FIN", Kind::Ending, |packet| packet.tcp().is_none_or(|tcp| !tcp.has(packet::FIN))),
        ("an ECN flag", Kind::Flags, |packet| {
            if packet.tcp().is_some_and(|tcp| !tcp.has(SYN)) {
                packet.payload[13] |= packet::ECE;
            }
            true
        }),
        ("a narrow window", Kind::Window, |packet| {
            if packet.tcp().is_some_and(|tcp| !tcp.has(RST)) {
                packet.set_u16(14, 100);
            }
            true
        }),
    ];
    for (name, kind, fault) in faults {
        let (_, kinds, report) = found(&replay, fault);
        assert!(kinds.contains(&kind), "{name}: {kinds:?}\n{report}");
    }
}

#[test]
fn a_fault_is_minimized_to_the_frames_that_show_it() {
    let scratch = Scratch::new();
    let (path, small) = (scratch.path("run.pcapng"), scratch.path("small.pcapng"));
    echo(path.as_ref(), &BAD, (12, 900), 5);
    let replay = read(path.as_ref());
    assert!(!replay.run().differs(false));
    let left = replay
        .minimize_on(false, |_| Box::new(Faulty(acknowledges_short)))
        .expect("there is a difference");
    left.replay.write(small.as_ref()).unwrap();
    let (few, all) = left.frames;
    assert!(all > 50 && few <= 6, "{few} of {all} frames");
    // What befell the frames is written with them.
    let befell = |replay: &Replay| -> Vec<(bool, i64)> {
        let events = replay.conversations.iter().flat_map(|one| &one.events);
        events.map(|event| (event.frame.lost, event.frame.arrives_us - event.frame.at_us)).collect()
    };
    assert_eq!(befell(&read(small.as_ref())), befell(&left.replay));
    replay.write(small.as_ref()).unwrap();
    assert!(!read(small.as_ref()).run().differs(false), "written whole");
    left.replay.write(small.as_ref()).unwrap();
    // What is left shows the same fault again, and none to a firmware that has none.
    let again = read(small.as_ref());
    let (first, kinds, report) = found(&again, acknowledges_short);
    assert!(kinds.contains(&left.kind), "{first:?} {kinds:?}\n{report}");
    assert!(!again.run().differs(false), "{}", again.run());
    assert!(matches!(again.minimize(false), Err(ReplayError::Same)));
}

#[test]
fn who_the_board_is_is_found_out_or_asked_for() {
    let scratch = Scratch::new();
    let path = scratch.path("run.pcapng");
    echo(path.as_ref(), &[], (1, 10), 1);
    let with = |board: &str| {
        let options = ReplayOptions { board: board.parse().ok(), ..ReplayOptions::default() };
        Replay::read(capture::read(path.as_ref()).unwrap(), &options)
    };
    assert_eq!(read(path.as_ref()).net.ipv4_address().to_string(), "192.0.2.1");
    let error = with("10.0.0.1").unwrap_err().to_string();
    assert!(error.contains("there are 192.0.2.1 and 192.0.2.2: name the board"), "{error}");
    // The host as the board: it is a client, and nobody is there who asks it.
    let other = with("192.0.2.2").unwrap().run();
    assert!(other.differs(false), "{other}");
}

/// Whatever a capture says, a replay ends and says something.
#[test]
fn captures_that_are_damaged_do_no_harm() {
    let scratch = Scratch::new();
    let path = scratch.path("run.pcapng");
    echo(path.as_ref(), &BAD, (2, 300), 4);
    let good = std::fs::read(&path).unwrap();
    let mut rng = tapboard_firmware::rng::Rng::new(1);
    let (mut replayed, mut differed) = (0, 0);
    for round in 0..150 {
        let mut bytes = good.clone();
        for _ in 0..=round % 8 {
            let at = rng.below(bytes.len() as u32) as usize;
            bytes[at] = rng.next_u64() as u8;
        }
        let Ok(reader) = Reader::new(&bytes[..]) else { continue };
        let Ok(replay) = Replay::read(reader, &ReplayOptions::default()) else { continue };
        replayed += 1;
        let report = replay.run();
        assert!(!report.text(true).is_empty() && !report.json(true).is_empty());
        if report.differs(false) {
            differed += 1;
            if differed < 3 {
                let left = replay.minimize(false).expect("it differs");
                left.replay.write(path.as_ref()).unwrap();
            }
        }
    }
    assert!(replayed > 30 && differed > 3, "{replayed} replayed, {differed} differed");
}

#[test]
fn what_is_left_out_leaves_a_true_capture() {
    let scratch = Scratch::new();
    let path = scratch.path("run.pcapng");
    echo(path.as_ref(), &[("delay", "5ms")], (4, 900), 1);
    let replay = read(path.as_ref());
    let whole = replay.conversations.iter().find(|one| one.steps() > 1).unwrap();
    let pauses = whole.pauses();
    assert!(pauses.len() >= 4, "{pauses:?}");
    let shorter = [
        whole.without_exchange(pauses[1]..pauses[2]),
        whole.without_bytes(2..500),
        whole.without_bytes(901..902),
        whole.cut_after(3),
    ];
    for (index, shorter) in shorter.into_iter().enumerate() {
        let shorter = shorter.expect("it can be left out");
        assert!(shorter.script.stream.len() < whole.script.stream.len() || index == 3);
        let report = replay.with(vec![shorter]).unwrap().run();
        assert!(!report.differs(false), "{index}\n{report}");
    }
}
