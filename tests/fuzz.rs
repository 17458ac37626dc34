//! Garbage of every length, real frames with bits changed, and whatever meets a socket in any of its states.
//!
//! Nothing that arrives may panic or hold a slot. The seeds are fixed: a failure replays exactly.

#![allow(clippy::duplicate_mod, reason = "the driver, a library, has a copy of `frames`")]

mod common;
#[allow(dead_code, unreachable_pub, reason = "a library, of which this test is one user")]
#[path = "../fuzz/src/lib.rs"]
mod driver;

use common::frames::{
    BOARD_MAC, Datagram, PEER_MAC, Segment, endpoint, fix_checksums, ip_frame, neighbor_answer,
};
use common::solo::{Client, Solo, SoloMemory};
use common::tcp;
use std::net::SocketAddr;
use std::panic::catch_unwind;

use driver::firmware::Hardware;
use driver::states::{STATES, States};
use embedded_nal::{UdpClientStack, UdpFullStack, nb};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    Icmpv4Packet, Icmpv4Repr, Icmpv6Packet, Icmpv6Repr, IpAddress, IpProtocol, Ipv6Address,
    TcpControl,
};
use tapboard::nic::wire::{InFlight, QUEUE, Side, Wire};
use tapboard_firmware::config::{EPHEMERAL_FIRST, FRAME_SIZE};
use tapboard_firmware::rng::Rng;
use tapboard_firmware::service::ServiceConfig;
use tapboard_firmware::{BOARD_NET, BoardSockets, Error, Firmware, McuStorage, TcpSocket};

/// An echo of what it gets, on TCP and UDP; it gives nothing back that is not asked for.
struct Echo {
    listener: TcpSocket,
    datagrams: tapboard_firmware::UdpSocket,
    streams: Vec<TcpSocket>,
    outgoing: Option<TcpSocket>,
}

impl Echo {
    fn new(solo: &mut Solo<'_>) -> Self {
        let listener = tcp::listener(&mut solo.board, 7);
        let mut datagrams = UdpClientStack::socket(&mut solo.board).unwrap();
        solo.board.bind(&mut datagrams, 7).unwrap();
        Self { listener, datagrams, streams: Vec::new(), outgoing: None }
    }

    /// Gives up what connects at the moment and connects anew.
    fn connect(&mut self, solo: &mut Solo<'_>) {
        if let Some(socket) = self.outgoing.take() {
            tcp::close(&mut solo.board, socket);
        }
        let mut socket = tcp::socket(&mut solo.board);
        match tcp::connect(&mut solo.board, &mut socket, "192.0.2.2:9000") {
            Err(nb::Error::WouldBlock) => self.outgoing = Some(socket),
            Err(nb::Error::Other(Error::NoBufferSpace)) => {}
            result => panic!("{result:?}"),
        }
    }

    fn turn(&mut self, solo: &mut Solo<'_>) {
        let board = &mut solo.board;
        self.streams.extend(tcp::accept(board, &mut self.listener));
        if let Some(mut socket) = self.outgoing.take() {
            match tcp::connect(board, &mut socket, "192.0.2.2:9000") {
                Ok(()) => {
                    let _ = tcp::send(board, &mut socket, b"hello");
                    self.streams.push(socket);
                }
                Err(nb::Error::WouldBlock) => self.outgoing = Some(socket),
                Err(nb::Error::Other(_)) => tcp::close(board, socket),
            }
        }
        for mut stream in std::mem::take(&mut self.streams) {
            let mut buffer = [0; 600];
            match tcp::receive(board, &mut stream, &mut buffer) {
                Ok(0) | Err(nb::Error::Other(_)) => tcp::close(board, stream),
                Ok(count) => {
                    let _ = tcp::send(board, &mut stream, &buffer[..count]);
                    self.streams.push(stream);
                }
                Err(nb::Error::WouldBlock) => self.streams.push(stream),
            }
        }
        let mut buffer = [0; 1500];
        while let Ok((count, from)) = board.receive(&mut self.datagrams, &mut buffer) {
            match board.send_to(&mut self.datagrams, from, &buffer[..count]) {
                Ok(()) | Err(nb::Error::WouldBlock | nb::Error::Other(Error::Unaddressable)) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        solo.turn();
    }

    fn end(self, solo: &mut Solo<'_>) {
        for stream in self.streams.into_iter().chain(self.outgoing) {
            solo.board.abort(stream);
        }
        tcp::close(&mut solo.board, self.listener);
        solo.board.close(self.datagrams).unwrap();
        solo.turn();
        // The longest any slot may live on without its owner.
        solo.pass(Duration::from_secs(200));
        solo.assert_clean();
    }
}

#[test]
fn garbage_of_every_length_never_panics_and_holds_nothing() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut echo = Echo::new(&mut solo);
    let mut rng = Rng::new(7);
    for len in 0..=FRAME_SIZE {
        for kind in 0..8 {
            let mut frame: Vec<u8> = (0..len).map(|_| rng.next_u64() as u8).collect();
            // Garbage, then garbage that gets further and further in.
            let head = match kind {
                0 => vec![],
                1 => header(0x0806, &[]),
                2 => header(0x0800, &[0x45, 0]),
                3 => header(0x86dd, &[0x60]),
                4 => header(
                    0x0800,
                    &[0x4f, 0, (len.saturating_sub(14) >> 8) as u8, len.saturating_sub(14) as u8],
                ),
                5 => header(
                    0x0800,
                    &[&[
                        0x45,
                        0,
                        (len.saturating_sub(14) >> 8) as u8,
                        len.saturating_sub(14) as u8,
                        0,
                        0,
                        0x40,
                        0,
                        64,
                        [1, 6, 17][rng.below(3) as usize],
                        0,
                        0,
                        192,
                        0,
                        2,
                        2,
                        192,
                        0,
                        2,
                        1,
                    ][..]]
                    .concat(),
                ),
                6 => header(0x0806, &[0, 1, 8, 0, 6, 4, 0, 1]),
                _ => header(
                    0x86dd,
                    &[
                        &[
                            0x60,
                            0,
                            0,
                            0,
                            (len.saturating_sub(54) >> 8) as u8,
                            len.saturating_sub(54) as u8,
                            [58, 6, 17, 0, 44, 43][rng.below(6) as usize],
                            255,
                        ],
                        &octets("2001:db8::2")[..],
                        &octets("2001:db8::1")[..],
                    ]
                    .concat(),
                ),
            };
            let shared = head.len().min(len);
            frame[..shared].copy_from_slice(&head[..shared]);
            if kind >= 4 {
                fix_checksums(&mut frame);
            }
            solo.put(frame);
        }
        echo.turn(&mut solo);
        assert!(solo.deadline().is_none_or(|deadline| deadline > solo.clock.now()));
    }
    echo.end(&mut solo);
}

fn header(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&BOARD_MAC.0[..], &PEER_MAC.0[..], &ethertype.to_be_bytes()[..], payload].concat()
}

fn octets(address: &str) -> [u8; 16] {
    address.parse::<Ipv6Address>().unwrap().octets()
}

/// A frame as a well-behaved neighbour sends it, most often in the middle of a connection.
fn seed(client: &Client, choice: u32) -> Vec<u8> {
    match choice {
        0 => client.syn(),
        1 => client.rst(),
        2 => client.ack(),
        3 => client.segment(TcpControl::Fin, b"last").frame(),
        4 => neighbor_answer(client.own.addr),
        5 => echo_request(client),
        6 => {
            let (from, to) = (client.own, client.board);
            let payload = vec![1; 100];
            Datagram { from, to, payload }.frame()
        }
        7 => client.segment(TcpControl::None, &[3; 1000]).frame(),
        8 => {
            let mut syn_ack = client.segment(TcpControl::Syn, &[]);
            syn_ack.ack = Some(client.ack);
            syn_ack.frame()
        }
        _ => client.segment(TcpControl::Psh, b"data").frame(),
    }
}

fn echo_request(client: &Client) -> Vec<u8> {
    let (ident, seq_no, data) = (1, 2, &[5; 40][..]);
    let checksums = ChecksumCapabilities::default();
    match (client.own.addr, client.board.addr) {
        (IpAddress::Ipv6(from), IpAddress::Ipv6(to)) => {
            let repr = Icmpv6Repr::EchoRequest { ident, seq_no, data };
            let len = repr.buffer_len();
            ip_frame(from.into(), to.into(), IpProtocol::Icmpv6, len, |payload| {
                let mut packet = Icmpv6Packet::new_unchecked(payload);
                repr.emit(&from, &to, &mut packet, &checksums);
            })
        }
        (from, to) => {
            let repr = Icmpv4Repr::EchoRequest { ident, seq_no, data };
            ip_frame(from, to, IpProtocol::Icmp, repr.buffer_len(), |payload| {
                repr.emit(&mut Icmpv4Packet::new_unchecked(payload), &checksums);
            })
        }
    }
}

/// Changes a frame in a few places, headers far more often than payload; four times of five its checksums
/// are right afterwards.
fn mutate(frame: &mut Vec<u8>, rng: &mut Rng) {
    for _ in 0..rng.below(4) + u32::from(rng.below(8) > 0) {
        let reach = if rng.below(8) == 0 { frame.len() } else { frame.len().min(80) };
        let place = rng.below(reach as u32) as usize;
        frame[place] = match rng.below(3) {
            0 => frame[place] ^ (1 << rng.below(8)),
            1 => [0, 1, 0x7f, 0x80, 0xff][rng.below(5) as usize],
            _ => rng.next_u64() as u8,
        };
    }
    if rng.below(20) == 0 {
        frame.truncate(rng.below(frame.len() as u32 + 1) as usize);
    }
    if rng.below(5) > 0 {
        fix_checksums(frame);
    }
}

/// 200,000 frames, to connections that the board accepts and to ones that it makes. The client follows the
/// board's sequence numbers, so that what is left whole of a segment falls into the window.
#[test]
fn real_frames_with_bits_changed_never_panic_and_hold_nothing() {
    const FRAMES: u32 = 200_000;
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut echo = Echo::new(&mut solo);
    let mut rng = Rng::new(42);
    let mut client = Client::new("192.0.2.2:1000", 7);
    for number in 0..FRAMES {
        if number % 50 == 0 {
            let (host, port) = (2 + rng.below(5), 1024 + rng.below(40));
            client = Client::new(
                &match rng.below(2) {
                    0 => format!("192.0.2.{host}:{port}"),
                    _ => format!("[2001:db8::{host}]:{port}"),
                },
                7,
            );
            client.seq.0 = rng.next_u64() as i32;
            let mut syn = client.syn();
            if rng.below(4) == 0 {
                mutate(&mut syn, &mut rng);
            }
            solo.send(syn);
        } else if number % 50 == 25 {
            // Answers to the SYN that is heard now go to it.
            echo.connect(&mut solo);
        } else {
            let mut frame = seed(&client, rng.below(16));
            mutate(&mut frame, &mut rng);
            solo.put(frame);
        }
        echo.turn(&mut solo);
        for segment in solo.said() {
            if segment.to == endpoint("192.0.2.2:9000") && segment.ack.is_none() {
                client = Client::new("192.0.2.2:9000", segment.from.port);
                client.seq.0 = rng.next_u64() as i32;
                client.ack = segment.seq + 1;
            } else if segment.to == client.own && !segment.is_rst() {
                client.seq = segment.ack.unwrap_or(client.seq);
                client.ack =
                    segment.seq + segment.payload.len() + usize::from(segment.control.len() > 0);
                if segment.is_syn_ack() {
                    solo.put(client.ack());
                }
            }
        }
        solo.datagrams.clear();
        if number % 10 == 0 {
            solo.pass(Duration::from_millis(u64::from(rng.below(3000))));
        }
    }
    let counters = solo.board.counters();
    assert!(counters.passive_opens > 500, "{}", solo.netstat());
    assert!(counters.active_opens > 500, "{}", solo.netstat());
    echo.end(&mut solo);
}

/// Programs drawn from a seed, as many as `cargo test` has time for. `.ci/fuzz` runs the same driver for as long as
/// one likes, guided by coverage.
fn programs(seed: u64, run: fn(&[u8]) -> States) -> States {
    const PROGRAMS: u32 = 150;
    let (mut rng, mut states) = (Rng::new(seed), States::new());
    for number in 0..PROGRAMS {
        let program: Vec<u8> = (0..rng.below(2000)).map(|_| rng.next_u64() as u8).collect();
        let seen = catch_unwind(|| run(&program));
        states
            .add(&seen.unwrap_or_else(|_| panic!("program {number} of seed {seed}: {program:?}")));
    }
    states
}

/// Servers that answer a board which asks for its address, in any way.
#[test]
fn whatever_servers_say_an_address_is_used_only_while_it_is_the_boards() {
    let mut rng = Rng::new(3);
    let mut leased = 0;
    for number in 0..150 {
        let program: Vec<u8> = (0..rng.below(1000)).map(|_| rng.next_u64() as u8).collect();
        let had = catch_unwind(|| driver::dhcp::run(&program));
        leased += u32::from(had.unwrap_or_else(|_| panic!("program {number}: {program:?}")));
    }
    assert!(leased > 20, "{leased} had a lease");
}

/// Servers and neighbours that answer, ask, and say of themselves what they like.
#[test]
fn whatever_is_said_of_names_and_times_nothing_panics_or_goes_on_for_ever() {
    let mut rng = Rng::new(4);
    let mut found = 0;
    for number in 0..150 {
        let program: Vec<u8> = (0..rng.below(1000)).map(|_| rng.next_u64() as u8).collect();
        let any = catch_unwind(|| driver::names::run(&program));
        found += u32::from(any.unwrap_or_else(|_| panic!("program {number}: {program:?}")));
    }
    assert!(found > 10, "{found} found a name");
}

/// Clients that ask for the page, and for what there is not.
#[test]
fn whatever_clients_ask_of_the_page_they_get_answers_and_are_not_held() {
    let mut rng = Rng::new(5);
    let mut answers = 0;
    for number in 0..500 {
        let program: Vec<u8> = (0..200).map(|_| rng.below(256) as u8).collect();
        let got = catch_unwind(|| driver::http::run(&program));
        answers += got.unwrap_or_else(|_| panic!("program {number}: {program:?}"));
    }
    assert!(answers > 500, "{answers} answers");
}

/// The services and telemetry, then the calls of an application in any order. Every state, of connections that the
/// board accepts and that it makes, is met by segments that fit and by ones that do not.
#[test]
fn whatever_arrives_in_every_state_and_whatever_is_called_nothing_panics_or_is_held() {
    let mut states = programs(1, driver::firmware::run);
    states.add(&programs(2, driver::sockets::run));
    for state in STATES {
        // What the board accepts does not begin there.
        let begins = state.starts_with("SYN-SENT");
        assert!(begins || states.count(state, false) > 0, "{state}\n{states}");
        assert!(states.count(state, true) > 0, "{state}\n{states}");
    }
    println!("{states}");
}

/// A board whose telemetry connects to 192.0.2.2:9000 is sent a SYN from there to each ephemeral port, one of which is its
/// own, before its own SYN could leave. smoltcp panics at that one (`last_scaled_window`, socket/tcp.rs 782).
#[test]
fn a_syn_to_every_port_before_telemetrys_own_has_left_does_no_harm() {
    let mut storage = Box::<McuStorage>::default();
    let mut sockets = BoardSockets::new();
    let (mut wire, now) = (Wire::default(), Instant::ZERO);
    let services = ServiceConfig {
        name: heapless::String::new(),
        telemetry: Some(SocketAddr::from(([192, 0, 2, 2], 9000)).into()),
    };
    let nic = &mut wire.end(Side::Board);
    let hardware = Hardware::new(1);
    let mut board =
        Firmware::new(&BOARD_NET, services, hardware, nic, now, &mut *storage, &mut sockets)
            .expect("it has entropy");
    // The NIC has no room.
    let waits = InFlight { at: now, frame: Vec::new() };
    wire.in_flight(Side::Peer).extend(std::iter::repeat_n(waits, QUEUE));
    board.poll(now, &mut wire.end(Side::Board));
    for port in EPHEMERAL_FIRST..=u16::MAX {
        let frame = Client::new("192.0.2.2:9000", port).syn();
        wire.in_flight(Side::Board).push_back(InFlight { at: now, frame });
        board.poll(now, &mut wire.end(Side::Board));
    }
    assert_eq!(board.stack().counters().unacceptable_dropped, 1);
    wire.in_flight(Side::Peer).clear();
    board.poll(now, &mut wire.end(Side::Board));
    let mut sent = wire.in_flight(Side::Peer).iter();
    let syn = sent.find_map(|sent| Segment::parse(&sent.frame)).expect("it goes on");
    assert_eq!((syn.to, syn.control), (endpoint("192.0.2.2:9000"), TcpControl::Syn));
}
