//! Initial sequence numbers (RFC 6528): nobody can tell one from another, and those of the same two ends grow.

mod common;
#[path = "../firmware/net/src/tcp/isn/randomness.rs"]
mod randomness;

use std::collections::VecDeque;

use common::frames::{Segment, neighbor_answer};
use common::predict;
use common::solo::{Client, SLOTS, Solo, SoloMemory};
use common::tcp;
use randomness::check_random;
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::socket::tcp as plain;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpCidr, TcpControl};
use tapboard::nic::wire::{InFlight, Side, Wire};
use tapboard_firmware::BOARD_NET;
use tapboard_firmware::TcpSocket;

/// Connections that are only asked for: SYN, SYN-ACK, RST. Returns the sequence number of each SYN-ACK, without
/// the timer of RFC 6528.
struct Asker<'a> {
    solo: Solo<'a>,
    _listener: TcpSocket,
}

impl<'a> Asker<'a> {
    fn new(memory: &'a mut SoloMemory<'a>, seed: u64) -> Self {
        let mut solo = Solo::new(memory, seed);
        let listener = tcp::listener(&mut solo.board, 7);
        solo.turn();
        Self { solo, _listener: listener }
    }

    fn ask(&mut self, from: &str) -> u32 {
        let mut client = Client::new(from, 7);
        self.solo.said();
        self.solo.send(client.syn());
        let syn_ack = self.solo.said_one();
        client.took(&syn_ack);
        self.solo.send(client.rst());
        syn_ack.seq.0.cast_unsigned()
    }

    fn timer(&self) -> u32 {
        (self.solo.clock.now().total_micros() / 4) as u32
    }
}

/// The million is beside the function itself; these have come through everything.
#[test]
fn numbers_on_the_wire_look_random_across_four_tuples() {
    let mut memory = SoloMemory::new();
    let mut asker = Asker::new(&mut memory, 1);
    let mut numbers = Vec::new();
    for host in 2..10 {
        for port in 1..=8_000 {
            let isn = asker.ask(&format!("192.0.2.{host}:{port}"));
            numbers.push(isn.wrapping_sub(asker.timer()));
        }
        asker.solo.pass(Duration::from_millis(137));
    }
    check_random(&numbers).unwrap();
}

/// The sequence numbers of plain smoltcp's answers to as many clients.
fn plain_numbers(count: u16) -> Vec<u32> {
    let mut wire = Wire::default();
    let mut config = Config::new(BOARD_NET.mac().into());
    config.random_seed = 0x0123_4567_89ab_cdef;
    let mut interface = Interface::new(config, &mut wire.end(Side::Board), Instant::ZERO);
    interface.update_ip_addrs(|addresses| {
        addresses.push(IpCidr::Ipv4(BOARD_NET.ipv4().unwrap())).unwrap();
    });
    let mut sockets = SocketSet::new(Vec::new());
    let mut numbers = Vec::new();
    for port in 1..=count {
        let buffer = || plain::SocketBuffer::new(vec![0; 64]);
        let mut socket = plain::Socket::new(buffer(), buffer());
        socket.listen(7).unwrap();
        sockets.add(socket);
        let client = Client::new(&format!("192.0.2.2:{port}"), 7);
        for frame in [neighbor_answer(client.own.addr), client.syn()] {
            wire.in_flight(Side::Board).push_back(InFlight { at: Instant::ZERO, frame });
        }
        interface.poll(Instant::ZERO, &mut wire.end(Side::Board), &mut sockets);
        let frames: VecDeque<_> = std::mem::take(wire.in_flight(Side::Peer));
        let mut syn_acks = frames.iter().filter_map(|sent| Segment::parse(&sent.frame));
        numbers.push(syn_acks.next().expect("a SYN-ACK").seq.0.cast_unsigned());
    }
    numbers
}

#[test]
fn three_numbers_of_plain_smoltcp_tell_all_later_ones() {
    let numbers = plain_numbers(8);
    let mut state = predict::solve([numbers[0], numbers[1], numbers[2]]).expect("a state");
    for &number in &numbers[3..] {
        assert_eq!(state.step(), number);
    }
}

#[test]
fn no_three_numbers_of_the_board_tell_another() {
    let mut memory = SoloMemory::new();
    let mut asker = Asker::new(&mut memory, 2);
    let mut numbers = Vec::new();
    for port in 1..=12 {
        numbers.push(asker.ask(&format!("192.0.2.2:{port}")));
    }
    // Without the timer, which everybody knows, too.
    let timer = asker.timer();
    let untimed: Vec<u32> = numbers.iter().map(|number| number.wrapping_sub(timer)).collect();
    for numbers in [numbers, untimed] {
        for seen in numbers.windows(4) {
            let foretold =
                predict::solve([seen[0], seen[1], seen[2]]).map(|mut state| state.step());
            assert_ne!(foretold, Some(seen[3]));
        }
    }
}

#[test]
fn clients_of_the_board_get_numbers_that_tell_nothing_either() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 3);
    let mut numbers = Vec::new();
    let mut sockets = Vec::new();
    for _ in 0..4 {
        let connecting = solo.board.tcp_connect("192.0.2.2:9".parse().unwrap()).unwrap();
        solo.said();
        solo.turn();
        solo.turn();
        let syn = solo.said().pop().expect("a SYN");
        assert_eq!((syn.control, syn.ack), (TcpControl::Syn, None));
        numbers.push(syn.seq.0.cast_unsigned());
        sockets.push(connecting);
    }
    let foretold =
        predict::solve([numbers[0], numbers[1], numbers[2]]).map(|mut state| state.step());
    assert_ne!(foretold, Some(numbers[3]));
    for socket in sockets {
        solo.board.abort(socket);
    }
    solo.turn();
    solo.assert_clean();
}

#[test]
fn two_boots_differ() {
    let number = |seed| {
        let mut memory = SoloMemory::new();
        Asker::new(&mut memory, seed).ask("192.0.2.2:1000")
    };
    let mut numbers: Vec<u32> = [0, 1, 2, 3, u64::MAX, 1 << 63].map(number).to_vec();
    assert_eq!(number(1), numbers[1], "the same entropy");
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 6);
}

#[test]
fn the_same_ends_get_numbers_that_follow_the_timer() {
    let mut memory = SoloMemory::new();
    let mut asker = Asker::new(&mut memory, 4);
    let first = asker.ask("192.0.2.2:1000");
    asker.solo.pass(Duration::from_millis(400));
    let second = asker.ask("192.0.2.2:1000");
    assert_eq!(second.wrapping_sub(first), 100_000);
}

/// However much was sent in however little time: beyond what the timer allows, too.
#[test]
fn after_time_wait_the_next_number_is_behind_the_last() {
    for bytes in [1, 100_000_usize] {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 5);
        let mut listener = tcp::listener(&mut solo.board, 7);
        let mut client = Client::new("192.0.2.2:1000", 7);
        client.open(&mut solo);
        let mut socket = tcp::accept(&mut solo.board, &mut listener).unwrap();
        let mut sent = 0;
        while sent < bytes {
            let chunk = vec![1; (bytes - sent).min(1000)];
            sent += tcp::send(&mut solo.board, &mut socket, &chunk).unwrap();
            solo.turn();
            for segment in solo.said() {
                client.ack += segment.payload.len();
            }
            solo.send(client.ack());
        }
        tcp::close(&mut solo.board, socket);
        solo.turn();
        assert!(solo.said_one().is_fin());
        client.ack += 1;
        solo.send(client.ack());
        solo.send(client.fin());
        assert!(solo.board.idle() && solo.board.free_slots() < SLOTS, "TIME-WAIT");
        let last = client.ack;
        solo.said();
        client.seq += 1000;
        solo.send(client.syn());
        let syn_ack = solo.said().pop().expect("a SYN-ACK");
        assert!(syn_ack.is_syn_ack(), "{syn_ack:?}");
        assert!(syn_ack.seq > last, "{} after {last}", syn_ack.seq);
        solo.send(client.rst());
        tcp::close(&mut solo.board, listener);
    }
}
