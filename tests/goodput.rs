//! Goodput over loss and buffer size, as a snapshot: any change of the stack that makes it faster or
//! slower shows in a diff.
//!
//! The firmware's services serve a peer with large buffers over a link of 20 ms each way and no limit of
//! its rate, in virtual time. A cell is the mean of three runs of 20 s, each with a seed of its own: payload
//! bytes that arrived, in kB/s; without loss one run of 4 s says as much. When a change is meant, run `UPDATE_SNAPSHOTS=1 cargo test --test goodput`
//! and look at the diff of `tests/snapshots/goodput.txt`.

mod common;

use std::fmt::Write;

use common::tcp;
use common::traffic::Seeded;
use embedded_nal::nb;
use smoltcp::time::{Duration, Instant};
use tapboard::clock::VirtualClock;
use tapboard::link::{Chance, Link, Setting};
use tapboard::nic::wire::{End, InFlight, Side, Wire};
use tapboard::world::{Outcome, Step, drive};
use tapboard_firmware::config::{DATAGRAM_SIZE, SUPERFRAME_DATA, TCP_SLOTS, UDP_SLOTS};
use tapboard_firmware::netstat::Count;
use tapboard_firmware::service::ServiceConfig;
use tapboard_firmware::{
    BOARD_NET, Backlog, BoardSockets, Buffers, Firmware, NetStack, PEER_NET, TcpSocket,
};

const DELAY: Duration = Duration::from_millis(20);
/// 64 KiB but for 41 bytes, as profile `large` has.
const LARGE: usize = SUPERFRAME_DATA;
const SEEDS: [u64; 3] = [1, 2, 3];
const LOSSES: [u32; 4] = [0, 1, 5, 10];
const SERVICES: [(&str, u16); 3] = [("echo", 7), ("discard", 9), ("chargen", 19)];

/// The peer's side of one connection.
struct Client {
    socket: TcpSocket,
    remote: String,
    connected: bool,
    heard: u64,
    sent: u64,
}

impl Client {
    fn new(stack: &mut NetStack<'_>, port: u16) -> Self {
        let remote = format!("192.0.2.1:{port}");
        Self { socket: tcp::socket(stack), remote, connected: false, heard: 0, sent: 0 }
    }

    /// Sends as much as there is room for, unless it is only to listen, and reads what is there.
    fn turn(&mut self, stack: &mut NetStack<'_>, listens: bool) {
        if !self.connected {
            self.connected = match tcp::connect(stack, &mut self.socket, &self.remote) {
                Ok(()) => true,
                Err(nb::Error::WouldBlock) => return,
                Err(error) => panic!("{error:?}"),
            };
        }
        let mut buffer = [0x5a; 2048];
        let mut full = listens;
        while !full {
            match tcp::send(stack, &mut self.socket, &buffer) {
                Ok(count) => self.sent += count as u64,
                Err(nb::Error::WouldBlock) => full = true,
                Err(error) => panic!("{error:?}"),
            }
        }
        loop {
            match tcp::receive(stack, &mut self.socket, &mut buffer) {
                Ok(count) => self.heard += count as u64,
                Err(nb::Error::WouldBlock) => break,
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}

/// Lets one end have what has arrived for it, runs `poll` on it, and gives what it sends to the link.
fn turn(
    side: Side,
    (wire, link): (&mut Wire, &mut Link),
    now: Instant,
    poll: impl FnOnce(&mut End<'_>) -> Option<Instant>,
) -> Option<Instant> {
    while let Some(frame) = link.take(side, now) {
        wire.in_flight(side).push_back(InFlight { at: now, frame });
    }
    // What the other end has not read yet has passed the link already.
    let unread = wire.in_flight(side.other()).len();
    let next = poll(&mut wire.end(side));
    for sent in wire.in_flight(side.other()).split_off(unread) {
        link.offer(side.other(), now, &sent.frame);
        wire.recycle(sent.frame);
    }
    next
}

/// Buffers, on the heap, for a test thread's stack is small.
fn pairs<const SIZE: usize>(count: usize) -> Vec<[[u8; SIZE]; 2]> {
    vec![[[0; SIZE]; 2]; count]
}

/// What one connection did in that time.
struct Run {
    /// Payload that got through.
    bytes: u64,
    /// Segments that either end sent again.
    retransmitted: Count,
    /// Frames that either end sent.
    frames: Count,
}

fn run<const BUFFER: usize>(port: u16, faults: &[Setting], seed: u64, span: Duration) -> Run {
    let (mut board_tcp, mut peer_tcp) = (pairs::<BUFFER>(TCP_SLOTS), pairs::<LARGE>(TCP_SLOTS));
    let mut board_udp = pairs::<DATAGRAM_SIZE>(UDP_SLOTS);
    let mut board_sockets = BoardSockets::new();
    let mut peer_udp = board_udp.clone();
    let mut peer_sockets = BoardSockets::new();
    let (mut board_backlog, mut peer_backlog) = (Backlog::<32>::new(), Backlog::<32>::new());
    let (mut wire, mut link) = (Wire::default(), Link::new(seed));
    link.set(None, Setting::Delay(DELAY));
    for &fault in faults {
        link.set(None, fault);
    }
    let mut board = Firmware::new(
        &BOARD_NET,
        ServiceConfig { name: heapless::String::new(), telemetry: None },
        Seeded(seed),
        &mut wire.end(Side::Board),
        Instant::ZERO,
        Buffers { tcp: &mut board_tcp, udp: &mut board_udp, backlog: (&mut board_backlog).into() },
        &mut board_sockets,
    )
    .expect("entropy");
    let mut peer = NetStack::new(
        &PEER_NET,
        &mut wire.end(Side::Peer),
        Instant::ZERO,
        !seed,
        Buffers { tcp: &mut peer_tcp, udp: &mut peer_udp, backlog: (&mut peer_backlog).into() },
        &mut peer_sockets,
    );
    let mut client = Client::new(&mut peer, port);
    let mut clock = VirtualClock::new();
    let outcome = drive(&mut clock, Instant::ZERO + span, |now| {
        let path = (&mut wire, &mut link);
        let board = turn(Side::Board, path, now, |end| board.poll(now, end));
        let path = (&mut wire, &mut link);
        let next = turn(Side::Peer, path, now, |end| {
            peer.poll_with(now, end, |stack, _| {
                client.turn(stack, port == 19);
                None
            })
        });
        let arrivals = [Side::Board, Side::Peer].map(|side| link.next_arrival(side));
        Step::Next([board, next].into_iter().chain(arrivals).flatten().min())
    });
    assert_eq!(outcome, Outcome::Limit);
    let counters = [board.stack().counters(), peer.counters()];
    Run {
        retransmitted: counters.iter().map(|counters| counters.retransmitted).sum(),
        frames: counters.iter().map(|counters| counters.frames_out).sum(),
        bytes: match port {
            9 => client.sent - peer.unacknowledged(&client.socket) as u64,
            _ => client.heard,
        },
    }
}

fn cell<const BUFFER: usize>(port: u16, loss: u32) -> String {
    let (seeds, seconds) = if loss == 0 { (&SEEDS[..1], 4) } else { (&SEEDS[..], 20) };
    let span = Duration::from_secs(seconds);
    let loss = [Setting::Loss(Chance::from_millipercent(loss * 1000))];
    let sum: u64 = seeds.iter().map(|&seed| run::<BUFFER>(port, &loss, seed, span).bytes).sum();
    let tenths = sum / seeds.len() as u64 / (100 * seconds);
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[test]
fn goodput_over_loss_and_buffer_is_as_it_was() {
    let mut table = String::from("kB/s       loss     2 KiB     8 KiB    64 KiB\n");
    for (name, port) in SERVICES {
        for loss in LOSSES {
            let cells = [
                cell::<2048>(port, loss),
                cell::<{ 8 * 1024 }>(port, loss),
                cell::<LARGE>(port, loss),
            ];
            let [small, middle, large] = cells;
            let _ = writeln!(table, "{name:<9} {loss:>3} % {small:>9} {middle:>9} {large:>9}");
        }
    }
    common::snapshot::assert_is("goodput.txt", &table);
}

#[test]
fn nothing_is_sent_again_that_was_not_lost() {
    let span = Duration::from_secs(4);
    for (_, port) in SERVICES {
        for faults in [
            &[][..],
            // A round trip that varies between 40 and 120 ms, and one that grows with the queue.
            &[Setting::Delay(DELAY * 2), Setting::Jitter(DELAY)],
            &[Setting::Rate(Some(1_000_000))],
        ] {
            for run in [run::<2048>(port, faults, 1, span), run::<LARGE>(port, faults, 1, span)] {
                assert!(run.bytes > 50_000, "port {port}, {faults:?}: {}", run.bytes);
                assert_eq!(run.retransmitted, 0, "port {port}, {faults:?}");
            }
        }
    }
}

#[test]
fn little_is_sent_again_that_was_only_overtaken() {
    let faults = [Setting::Reorder(Chance::from_millipercent(5_000))];
    for (_, port) in SERVICES {
        for seed in SEEDS {
            let span = Duration::from_secs(10);
            let runs =
                [run::<2048>(port, &faults, seed, span), run::<LARGE>(port, &faults, seed, span)];
            for Run { retransmitted, frames, .. } in runs {
                assert!(retransmitted * 20 < frames, "port {port}: {retransmitted} of {frames}");
            }
        }
    }
}

#[test]
fn nearly_nothing_is_sent_again_where_round_trips_vary_widely() {
    let ms = Duration::from_millis;
    // The last: by more than they take.
    for (delay, jitter, of) in [(100, 100, 1000), (200, 200, 1000), (20, 200, 150)] {
        let faults = [Setting::Delay(ms(delay)), Setting::Jitter(ms(jitter))];
        let rate = |run: fn(u16, &[Setting], u64, Duration) -> Run, seeds: &[u64]| {
            let all =
                SERVICES.iter().flat_map(|&(_, port)| seeds.iter().map(move |&seed| (port, seed)));
            let runs = all.map(|(port, seed)| run(port, &faults, seed, Duration::from_secs(120)));
            let (mut again, mut frames) = (0, 0);
            for run in runs {
                (again, frames) = (again + run.retransmitted, frames + run.frames);
            }
            (again, frames)
        };
        for (again, frames) in [rate(run::<2048>, &SEEDS), rate(run::<LARGE>, &SEEDS[..1])] {
            assert!(again * of < frames, "{delay} +- {jitter} ms: {again} of {frames}");
        }
    }
}
