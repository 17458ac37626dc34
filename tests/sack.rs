//! What the peer says that it has behind a hole: selective acknowledgements (RFC 2018), and what is resent for them.

mod common;

use common::frames::Segment;
use common::solo::{Client, Solo, SoloMemory};
use common::tcp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{TcpControl, TcpSeqNumber};
use tapboard_firmware::TcpSocket;

const TRIP: Duration = Duration::from_millis(100);

/// A connection whose handshake took a round trip of 100 ms, and `count` segments of 100 bytes on it, at
/// the time 0 of the result.
fn far(solo: &mut Solo<'_>, count: usize) -> Flight {
    let mut listener = tcp::listener(&mut solo.board, 7);
    let mut client = Client::new("192.0.2.2:1000", 7);
    solo.send(client.syn());
    client.took(&solo.said_one());
    solo.pass(TRIP);
    solo.send(client.ack());
    let mut socket = tcp::accept(&mut solo.board, &mut listener).expect("established");
    for _ in 0..count {
        assert_eq!(tcp::send(&mut solo.board, &mut socket, &[7; 100]), Ok(100));
        solo.turn();
    }
    assert_eq!(solo.said().len(), count);
    Flight { first: client.ack, start: solo.clock.now(), client, handles: [socket, listener] }
}

struct Flight {
    client: Client,
    /// Sequence number of the first byte.
    first: TcpSeqNumber,
    start: Instant,
    handles: [TcpSocket; 2],
}

impl Flight {
    /// The client acknowledges `ack` bytes, and that it has `later` ones.
    fn acknowledge(&mut self, solo: &mut Solo<'_>, ack: usize, later: Option<(u32, u32)>) {
        self.client.ack = self.first + ack;
        let mut segment = self.client.segment(TcpControl::None, b"");
        let first = self.first.0.cast_unsigned();
        segment.sacked[0] =
            later.map(|(left, right)| (first.wrapping_add(left), first.wrapping_add(right)));
        solo.send(segment.frame());
    }

    /// What was resent since the last call: when, and which byte of the stream came first.
    fn resent(&self, solo: &mut Solo<'_>) -> Vec<(u64, usize)> {
        let heard = solo.heard.drain(..).filter(|(_, segment)| !segment.payload.is_empty());
        let place = |(at, segment): (Instant, Segment)| {
            ((at - self.start).total_millis(), segment.seq - self.first)
        };
        heard.map(place).collect()
    }

    fn end(self, solo: &mut Solo<'_>) {
        let [socket, listener] = self.handles;
        solo.board.abort(socket);
        tcp::close(&mut solo.board, listener);
        solo.turn();
        solo.assert_clean();
    }
}

#[test]
fn what_three_later_segments_have_overtaken_is_resent_at_once() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut flight = far(&mut solo, 5);
    solo.pass(TRIP);
    flight.acknowledge(&mut solo, 0, Some((100, 300)));
    assert_eq!(flight.resent(&mut solo), []);
    flight.acknowledge(&mut solo, 0, Some((100, 400)));
    assert_eq!(flight.resent(&mut solo), [(100, 0)]);
    // Whatever more is said of what was sent before it says nothing of the retransmission.
    flight.acknowledge(&mut solo, 0, Some((100, 500)));
    solo.pass(TRIP);
    assert_eq!(flight.resent(&mut solo), []);
    flight.acknowledge(&mut solo, 500, None);
    solo.pass(TRIP * 10);
    assert_eq!(flight.resent(&mut solo), []);
    flight.end(&mut solo);
}

#[test]
fn what_one_later_segment_has_overtaken_has_a_quarter_of_a_round_trip_left() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut flight = far(&mut solo, 3);
    solo.pass(TRIP);
    // The first is only late.
    flight.acknowledge(&mut solo, 0, Some((100, 200)));
    solo.pass(TRIP / 5);
    flight.acknowledge(&mut solo, 200, None);
    solo.pass(TRIP / 5);
    assert_eq!(flight.resent(&mut solo), []);
    assert_eq!(solo.board.counters().retransmitted, 0);
    flight.end(&mut solo);

    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut flight = far(&mut solo, 2);
    solo.pass(TRIP);
    flight.acknowledge(&mut solo, 0, Some((100, 200)));
    solo.pass(TRIP);
    assert_eq!(flight.resent(&mut solo), [(124, 0)]);
    flight.end(&mut solo);
}

#[test]
fn all_holes_of_a_window_are_filled_at_once() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut flight = far(&mut solo, 20);
    solo.pass(TRIP);
    // smoltcp joins what it sends again: the first, and the one between two others, are parts of two segments.
    flight.acknowledge(&mut solo, 0, Some((100, 1400)));
    flight.acknowledge(&mut solo, 0, Some((1600, 1900)));
    assert_eq!(flight.resent(&mut solo), [(100, 0), (100, 1460)]);
    flight.acknowledge(&mut solo, 2000, None);
    solo.pass(TRIP * 10);
    assert_eq!(flight.resent(&mut solo), []);
    flight.end(&mut solo);
}

/// A peer that tells of no blocks: three duplicates, and each partial acknowledgement shows the next hole (RFC 6582).
#[test]
fn without_sack_a_hole_is_filled_a_round_trip() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut flight = far(&mut solo, 0);
    assert_eq!(tcp::send(&mut solo.board, &mut flight.handles[0], &[7; 2048]), Ok(2048));
    solo.turn();
    assert_eq!(flight.resent(&mut solo), [(0, 0), (0, 1460)]);
    solo.pass(TRIP);
    for count in 1..=3 {
        flight.acknowledge(&mut solo, 0, None);
        let expected: &[_] = if count == 3 { &[(100, 0)] } else { &[] };
        assert_eq!(flight.resent(&mut solo), expected, "{count}");
    }
    solo.pass(TRIP);
    flight.acknowledge(&mut solo, 1460, None);
    assert_eq!(flight.resent(&mut solo), [(200, 1460)]);
    flight.end(&mut solo);
}

#[test]
fn a_retransmission_that_is_lost_shows_by_what_was_sent_after_it() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut flight = far(&mut solo, 4);
    solo.pass(TRIP);
    flight.acknowledge(&mut solo, 0, Some((100, 400)));
    assert_eq!(tcp::send(&mut solo.board, &mut flight.handles[0], &[7; 100]), Ok(100));
    solo.turn();
    assert_eq!(flight.resent(&mut solo), [(100, 0), (100, 400)]);
    solo.pass(TRIP);
    flight.acknowledge(&mut solo, 0, Some((100, 500)));
    solo.pass(TRIP / 2);
    assert_eq!(flight.resent(&mut solo), [(200, 0)]);
    flight.end(&mut solo);
}

#[test]
fn blocks_of_what_was_never_sent_are_not_believed() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut flight = far(&mut solo, 2);
    solo.pass(TRIP);
    for block in [(200, 900), (100, 201), (0, u32::MAX / 2), (900, 100), (u32::MAX / 2, 0)] {
        // Or smoltcp would count duplicates.
        flight.client.window -= 1;
        flight.acknowledge(&mut solo, 0, Some(block));
    }
    solo.pass(TRIP / 2);
    assert_eq!(flight.resent(&mut solo), []);
    flight.end(&mut solo);
}
