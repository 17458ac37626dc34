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
    solo.pass(TRIP / 4);
    assert_eq!(flight.resent(&mut solo), []);
    flight.end(&mut solo);
}

/// RFC 2883 4: the peer, who sends something twice, learns that it need not have.
#[test]
fn what_has_come_in_twice_is_told_to_a_peer_who_knows_blocks_and_to_no_other() {
    for own in ["192.0.2.2:1000", "[2001:db8::2]:1000"] {
        for knows in [true, false] {
            let mut memory = SoloMemory::new();
            let mut solo = Solo::new(&mut memory, 1);
            let mut listener = tcp::listener(&mut solo.board, 7);
            let mut client = Client::new(own, 7);
            let options: [u8; 8] = [2, 4, 5, 180, if knows { 4 } else { 1 }, 2, 1, 1];
            solo.send(client.syn_with(if knows { &options } else { &options[..4] }));
            client.took(&solo.said_one());
            solo.send(client.ack());
            let socket = tcp::accept(&mut solo.board, &mut listener).expect("established");
            let number = |ahead: usize| (client.seq + ahead).0.cast_unsigned();
            let text = client.segment(TcpControl::Psh, &[b'a'; 100]);
            solo.send(text.frame());
            solo.pass(TRIP);
            solo.said();

            // All of it, and a part; the numbers and the window are as in any acknowledgement.
            for (begin, end) in [(0, 100), (40, 60)] {
                let again = Segment {
                    seq: client.seq + begin,
                    payload: vec![b'a'; end - begin],
                    ..text.clone()
                };
                solo.send(again.frame());
                let said = solo.said_one();
                let block = knows.then_some((number(begin), number(end)));
                assert_eq!(said.sacked, [block, None, None], "{own}");
                assert_eq!((said.seq, said.ack), (client.ack, Some(client.seq + 100)));
                assert!(said.payload.is_empty());
            }
            // Before what is there behind a hole.
            solo.send(Segment { seq: client.seq + 150, ..text.clone() }.frame());
            let behind = knows.then_some((number(150), number(250)));
            assert_eq!(solo.said_one().sacked, [behind, None, None], "{own}");
            solo.send(text.frame());
            let said = solo.said_one();
            let twice = knows.then_some((number(0), number(100)));
            assert_eq!(said.sacked, [twice, behind, None], "{own}");
            // What is new is no duplicate.
            solo.send(
                Segment { seq: client.seq + 100, payload: vec![b'a'; 50], ..text.clone() }.frame(),
            );
            solo.pass(TRIP);
            let said = solo.said();
            assert!(said.iter().all(|said| said.sacked == [None; 3]), "{said:?}");
            client.seq += 250;
            solo.end(socket, listener);
        }
    }
}

/// RFC 2018 4: an acknowledgement may be lost, so each block is told with three of them, the newest first.
#[test]
fn what_is_behind_holes_is_told_again_with_what_comes_after_it() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::listener(&mut solo.board, 7);
    let mut client = Client::new("192.0.2.2:1000", 7);
    solo.send(client.syn_with(&[2, 4, 5, 180, 4, 2, 1, 1]));
    client.took(&solo.said_one());
    solo.send(client.ack());
    let socket = tcp::accept(&mut solo.board, &mut listener).expect("established");
    solo.said();
    let block = |begin: usize| {
        let number = |ahead: usize| (client.seq + ahead).0.cast_unsigned();
        Some((number(begin), number(begin + 100)))
    };
    let text = client.segment(TcpControl::Psh, &[b'a'; 100]);
    let tell = |solo: &mut Solo<'_>, begin: usize| {
        solo.send(Segment { seq: client.seq + begin, ..text.clone() }.frame());
        let said = solo.said_one();
        (said.ack.expect("it acknowledges") - client.seq, said.sacked)
    };
    assert_eq!(tell(&mut solo, 200), (0, [block(200), None, None]));
    assert_eq!(tell(&mut solo, 400), (0, [block(400), block(200), None]));
    assert_eq!(tell(&mut solo, 600), (0, [block(600), block(400), block(200)]));
    assert_eq!(tell(&mut solo, 800), (0, [block(800), block(600), block(400)]));
    // One that grows is one; one that is no more behind a hole is none.
    let grown = block(800).map(|(begin, end)| (begin, end + 100));
    assert_eq!(tell(&mut solo, 900), (0, [grown, block(600), None]));
    let merged = block(600).map(|(begin, _)| (begin, grown.expect("it is one").1));
    assert_eq!(tell(&mut solo, 700), (0, [merged, None, None]));
    assert_eq!(tell(&mut solo, 0), (100, [block(200), merged, None]));
    assert_eq!(tell(&mut solo, 100), (300, [block(400), merged, None]));
    assert_eq!(tell(&mut solo, 300), (500, [merged, None, None]));
    assert_eq!(tell(&mut solo, 500), (1000, [None; 3]));
    client.seq += 1000;
    solo.end(socket, listener);
}
