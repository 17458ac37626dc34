//! What a board is after its power was off: another one in everything an attacker would guess, the same
//! one to its neighbours.

mod common;

use std::collections::HashSet;
use std::net::SocketAddr;

use common::frames::{Segment, asked_for, endpoint, neighbor_answer};
use common::solo::Client;
use common::tcp;
use smoltcp::time::Instant;
use tapboard::nic::wire::{InFlight, Side, Wire};
use tapboard_firmware::config::TCP_SLOTS;
use tapboard_firmware::service::ServiceConfig;
use tapboard_firmware::{BOARD_NET, Board, BoardSockets, Firmware, McuStorage, NetStack};

/// Hardware that has one number for the firmware.
struct Entropy(Option<u64>);

impl Board for Entropy {
    fn set_led(&mut self, _: bool) {}

    fn led(&self) -> bool {
        false
    }

    fn temperature_mc(&mut self) -> i32 {
        0
    }

    fn entropy(&mut self) -> Option<u64> {
        self.0.take()
    }

    fn reset(&mut self) {}
}

/// The first segment of a board after power-on: the request for its telemetry connection.
fn first_request(entropy: u64) -> Segment {
    let mut storage = Box::<McuStorage>::default();
    let mut sockets = BoardSockets::new();
    let mut wire = Wire::default();
    let mut now = Instant::ZERO;
    let name = heapless::String::new();
    let telemetry = Some(SocketAddr::from(([192, 0, 2, 2], 9000)).into());
    let mut board = Firmware::new(
        &BOARD_NET,
        ServiceConfig { name, telemetry },
        Entropy(Some(entropy)),
        &mut wire.end(Side::Board),
        now,
        &mut *storage,
        &mut sockets,
    )
    .expect("it has entropy");
    // Its first SYN waits for an answer to ARP.
    for _ in 0..100 {
        let next = board.poll(now, &mut wire.end(Side::Board));
        let sent: Vec<_> = wire.in_flight(Side::Peer).drain(..).collect();
        for sent in sent {
            if let Some(segment) = Segment::parse(&sent.frame) {
                return segment;
            }
            if let Some(address) = asked_for(&sent.frame) {
                let frame = neighbor_answer(address);
                wire.in_flight(Side::Board).push_back(InFlight { at: now, frame });
            }
        }
        if wire.next_arrival(Side::Board).is_none() {
            now = next.expect("telemetry wants to connect");
        }
    }
    panic!("no connection request after 100 polls");
}

#[test]
fn a_thousand_boots_begin_with_a_thousand_sequence_numbers_and_ports() {
    // Entropy that differs in a few bits only is the worst that still is some.
    let first: HashSet<_> = (0..1000)
        .map(|entropy| {
            let request = first_request(entropy);
            assert_eq!(request.to.port, 9000);
            (request.seq.0, request.from.port)
        })
        .collect();
    assert_eq!(first.len(), 1000);
    let numbers: HashSet<_> = first.iter().map(|(number, _)| number).collect();
    let ports: HashSet<_> = first.iter().map(|(_, port)| port).collect();
    assert!(numbers.len() > 990, "sequence numbers alone differ: {}", numbers.len());
    // 1000 drawn from 16,384: 970 different ones are to be expected.
    assert!(ports.len() > 900, "so do ports: {}", ports.len());
}

#[test]
fn the_same_entropy_is_the_same_board() {
    let (one, other) = (first_request(7), first_request(7));
    assert_eq!((one.seq, one.from.port), (other.seq, other.from.port));
}

/// A static of a chip's is zeroed by a reset, but memory that is lent again need not be.
#[test]
fn requests_that_waited_for_a_slot_are_gone_with_the_power() {
    let mut storage = Box::<McuStorage>::default();
    let mut wire = Wire::default();
    let now = Instant::ZERO;
    let mut boot = |requests: u16| {
        let mut sockets = BoardSockets::new();
        let (net, mut end) = (BOARD_NET, wire.end(Side::Board));
        let mut board = NetStack::new(&net, &mut end, now, 1, &mut *storage, &mut sockets);
        let _listener = tcp::listener(&mut board, 7);
        for port in 1000..1000 + requests {
            let frame = Client::new(&format!("192.0.2.2:{port}"), 7).syn();
            wire.in_flight(Side::Board).push_back(InFlight { at: now, frame });
        }
        board.poll_with(now, &mut wire.end(Side::Board), |_, _| None);
        let mut said = wire.in_flight(Side::Peer).drain(..);
        let answers = said.any(|sent| {
            let asks = asked_for(&sent.frame) == Some(endpoint("192.0.2.2:1000").addr);
            asks || Segment::parse(&sent.frame).is_some()
        });
        (board.counters().syn_unanswered, board.counters().syn_dropped, answers)
    };
    // One slot is the client side's reserve.
    assert_eq!(boot(20), (20 - (TCP_SLOTS as u64 - 1), 0, true));
    assert_eq!(boot(0), (0, 0, false), "it knows of a request that was made to the other");
}
