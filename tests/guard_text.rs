//! Acknowledgements, windows, text and FINs that are not ordinary: RFC 9293 3.10.7.4 and RFC 5961, each rule with the
//! segment that breaks without it.

mod common;
#[path = "guard_text/fin.rs"]
mod fin;

use common::frames::Segment;
use common::solo::{Client, Solo, SoloMemory, assert_challenged, connected_from};
use common::tcp;
use embedded_nal::nb;
use smoltcp::time::Duration;
use smoltcp::wire::{TcpControl, TcpSeqNumber};
use tapboard_firmware::netstat::Introspect;

const SECOND: Duration = Duration::from_secs(1);
const PEERS: [&str; 2] = ["192.0.2.2:1000", "[2001:db8::2]:1000"];

/// Bytes received and not read, and sent and not acknowledged, of the one connection.
fn queues(solo: &Solo<'_>) -> (usize, usize) {
    let mut rows = (0..).map_while(|index| solo.board.row(index));
    let row = rows.find(|row| row.remote.is_some()).expect("a connection");
    (row.receive_queue, row.send_queue)
}

/// The numbers of the segments the board sends with data, after its connection's first.
fn data_sent(solo: &mut Solo<'_>, client: &Client) -> Vec<(i32, usize)> {
    let said = solo.said().into_iter().filter(|segment| !segment.payload.is_empty());
    said.map(|segment| (segment.seq.0.wrapping_sub(client.ack.0), segment.payload.len())).collect()
}

/// RFC 9293 3.10.7.4: what acknowledges more than was sent is answered, and nothing is skipped.
#[test]
fn an_acknowledgement_of_what_was_not_sent_is_challenged() {
    for own in PEERS {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (mut client, mut socket, listener) = connected_from(&mut solo, own);
        client.window = 1000;
        solo.send(client.ack());
        assert_eq!(tcp::send(&mut solo.board, &mut socket, &[b'x'; 2000]), Ok(2000));
        solo.turn();
        assert_eq!(data_sent(&mut solo, &client), [(0, 1000)]);
        let mut liar = client.clone();
        liar.ack += 1001;
        solo.send(liar.segment(TcpControl::Psh, b"lie").frame());
        let said = solo.said_one();
        assert_eq!((said.seq, said.ack), (client.ack + 1000, Some(client.seq)));
        liar.ack += 10;
        solo.send(liar.ack());
        assert_eq!(solo.said(), []);
        assert_eq!(queues(&solo), (0, 2000));
        client.ack += 1000;
        solo.send(client.ack());
        assert_eq!(data_sent(&mut solo, &client), [(0, 1000)]);
        client.ack += 1000;
        solo.send(client.ack());
        solo.end(socket, listener);
    }
}

/// The FIN, the SYN, and the byte that asks whether a closed window is open have been sent too.
#[test]
fn an_acknowledgement_of_all_that_was_sent_is_taken() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (mut client, mut socket, listener) = connected_from(&mut solo, PEERS[0]);
    client.window = 0;
    solo.send(client.ack());
    assert_eq!(tcp::send(&mut solo.board, &mut socket, b"ab"), Ok(2));
    solo.turn();
    solo.pass(SECOND / 2);
    assert_eq!(data_sent(&mut solo, &client), [(0, 1)], "a probe");
    client.ack += 1;
    solo.send(client.ack());
    assert_eq!(queues(&solo), (0, 1));
    client.window = 1000;
    solo.send(client.ack());
    assert_eq!(data_sent(&mut solo, &client), [(0, 1)]);
    client.ack += 1;
    solo.send(client.ack());
    tcp::close(&mut solo.board, socket);
    solo.turn();
    assert!(solo.said_one().is_fin());
    client.ack += 1;
    solo.send(client.ack());
    assert!(solo.netstat().contains("FIN-WAIT-2"), "{}", solo.netstat());
    assert_eq!(solo.board.counters().challenged, 0);
    solo.send(client.rst());
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}

/// All that the window had room for may have been lost, and what is said after that is numbered with its end. RFC 9293
/// 3.10.7.4 makes an allowance for a closed window, and other stacks for any.
#[test]
fn an_acknowledgement_at_the_end_of_the_window_counts() {
    for own in PEERS {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (mut client, mut socket, listener) = connected_from(&mut solo, own);
        assert_eq!(tcp::send(&mut solo.board, &mut socket, &[b'x'; 2000]), Ok(2000));
        solo.turn();
        let sent = data_sent(&mut solo, &client);
        let (first, rest) = (sent[0].1, sent[1].1);
        let mut ahead = client.clone();
        ahead.seq += 2048;
        // What it has behind a hole is heard.
        let begin = client.ack.0.cast_unsigned();
        let mut hole = ahead.segment(TcpControl::None, b"");
        hole.sacked[0] = Some((begin + first as u32, begin + 2000));
        solo.send(hole.frame());
        solo.pass(Duration::from_millis(5));
        assert_eq!(data_sent(&mut solo, &client), [(0, first)]);
        // What it has, too, and neither is answered.
        ahead.ack += first;
        solo.send(ahead.ack());
        assert_eq!(solo.said(), []);
        assert_eq!(queues(&solo), (0, rest));
        let mut beyond = ahead.clone();
        (beyond.seq, beyond.ack) = (beyond.seq + 1, beyond.ack + rest);
        solo.send(beyond.ack());
        assert_eq!(queues(&solo), (0, rest), "nobody may know of what is there");
        solo.said();
        client.ack += 2000;
        solo.send(client.ack());
        solo.end(socket, listener);
    }
}

/// A peer that probes a closed window, or sends again what was not acknowledged to it, may be the last to say what it has:
/// two ends whose windows are closed would each wait for the other.
#[test]
fn an_acknowledgement_of_what_is_sent_again_or_probes_counts() {
    // Its length, and how far before the window it begins: a new byte is a probe too.
    let segments = [(0, 1), (1, 1), (500, 500), (1, 0)];
    for (own, (len, before)) in PEERS.into_iter().flat_map(|own| segments.map(|it| (own, it))) {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (mut client, mut socket, listener) = connected_from(&mut solo, own);
        // It is not read, and the window closes.
        for _ in 0..4 {
            solo.send(client.data(&[b'y'; 512]));
        }
        solo.pass(SECOND);
        solo.said();
        assert_eq!(tcp::send(&mut solo.board, &mut socket, &[b'x'; 1000]), Ok(1000));
        solo.turn();
        assert_eq!(data_sent(&mut solo, &client), [(0, 1000)]);
        let mut again = client.segment(TcpControl::None, &[b'y'; 500][..len]);
        again.seq.0 -= before;
        // Of no use: too old, of nothing new, broken.
        let old =
            Segment { seq: client.seq - 70_000, ack: Some(client.ack + 1000), ..again.clone() };
        solo.send(old.frame());
        solo.send(again.frame());
        again.ack = Some(client.ack + 1000);
        let mut broken = again.frame();
        *broken.last_mut().expect("a segment") ^= 1;
        solo.send(broken);
        assert_eq!(queues(&solo), (2048, 1000));
        solo.pass(SECOND * 2);
        solo.said();
        solo.send(again.frame());
        assert_eq!(queues(&solo), (2048, 0), "{own} {len} {before}");
        let answer = solo.said_one();
        assert_eq!((answer.ack, answer.window), (Some(client.seq), 0));
        client.ack += 1000;
        solo.end(socket, listener);
    }
}

/// RFC 5961 5.2: SND.UNA - MAX.SND.WND =< SEG.ACK =< SND.NXT.
#[test]
fn an_old_acknowledgement_is_acceptable_as_far_back_as_a_window() {
    for own in PEERS {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (mut client, mut socket, listener) = connected_from(&mut solo, own);
        client.window = 1000;
        let old = client.clone();
        for _ in 0..3 {
            assert_eq!(tcp::send(&mut solo.board, &mut socket, &[b'x'; 700]), Ok(700));
            solo.turn();
            client.ack += 700;
            solo.send(client.ack());
        }
        solo.said();
        // The window of the handshake was 8192 bytes: that is how old an ACK may be.
        let mut text = old.segment(TcpControl::Psh, b"overtaken");
        text.window = 3;
        solo.send(text.frame());
        let mut buffer = [0; 100];
        assert_eq!(tcp::receive(&mut solo.board, &mut socket, &mut buffer), Ok(9));
        assert_eq!(&buffer[..9], b"overtaken");
        assert_eq!(solo.board.counters().mended, 1);
        client.seq += 9;
        solo.pass(SECOND / 2);
        assert_challenged(&mut solo, &client);
        // Neither its ACK nor its window counted.
        assert_eq!(tcp::send(&mut solo.board, &mut socket, &[b'y'; 1000]), Ok(1000));
        solo.turn();
        assert_eq!(data_sent(&mut solo, &client), [(0, 1000)]);
        client.ack += 1000;
        solo.send(client.ack());
        let mut refuses = |solo: &mut Solo<'_>, client: &Client, socket: &mut _, before: i32| {
            let ancient = TcpSeqNumber(client.ack.0.wrapping_sub(before));
            let text = client.segment(TcpControl::Psh, b"ancient");
            solo.send(Segment { ack: Some(ancient), ..text }.frame());
            assert_challenged(solo, client);
            let read = tcp::receive(&mut solo.board, socket, &mut buffer);
            assert_eq!(read, Err(nb::Error::WouldBlock), "{before}");
        };
        // The handshake's SYN, which the client acknowledged with its own number, and what was never sent.
        refuses(&mut solo, &client, &mut socket, 3100 + 1);
        for _ in 0..6 {
            assert_eq!(tcp::send(&mut solo.board, &mut socket, &[b'z'; 1000]), Ok(1000));
            solo.turn();
            client.ack += 1000;
            solo.send(client.ack());
        }
        solo.pass(SECOND);
        solo.said();
        refuses(&mut solo, &client, &mut socket, 8192 + 1);
        // A sound checksum is not made for what had none.
        let mut broken = old.segment(TcpControl::Psh, b"broken");
        broken.seq = client.seq;
        let mut broken = broken.frame();
        *broken.last_mut().unwrap() ^= 1;
        solo.send(broken);
        let read = tcp::receive(&mut solo.board, &mut socket, &mut buffer);
        assert_eq!(read, Err(nb::Error::WouldBlock));
        solo.end(socket, listener);
    }
}

/// RFC 9293 3.10.7.4, SND.WL1 and SND.WL2.
#[test]
fn a_segment_that_was_overtaken_does_not_set_the_window() {
    for own in PEERS {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (mut client, mut socket, listener) = connected_from(&mut solo, own);
        client.window = 0;
        solo.send(client.ack());
        let older = client.data(b"a");
        let mut older = Segment::parse(&older).unwrap();
        older.window = 2000;
        // The newer one is broken the first time, and says nothing.
        let newer = Segment { window: 1000, ..client.segment(TcpControl::Psh, b"b") };
        let mut broken = newer.frame();
        *broken.last_mut().unwrap() ^= 1;
        solo.send(broken);
        assert_eq!(tcp::send(&mut solo.board, &mut socket, &[b'x'; 2000]), Ok(2000));
        solo.turn();
        assert_eq!(data_sent(&mut solo, &client), []);
        solo.send(newer.frame());
        assert_eq!(data_sent(&mut solo, &client), [(0, 1000)]);
        client.ack += 1000;
        // With what else it says it counts, though.
        solo.send(Segment { window: 0, ack: Some(client.ack), ..newer.clone() }.frame());
        older.ack = Some(client.ack);
        solo.send(older.frame());
        assert_eq!(data_sent(&mut solo, &client), []);
        assert_eq!(queues(&solo), (2, 1000));
        client.seq += 1;
        client.window = 600;
        solo.send(client.ack());
        assert_eq!(data_sent(&mut solo, &client), [(0, 600)]);
        solo.end(socket, listener);
    }
}

#[test]
fn the_window_is_set_where_sequence_numbers_wrap() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::listener(&mut solo.board, 7);
    let mut client = Client::new(PEERS[0], 7);
    client.seq = TcpSeqNumber(i32::MAX - 3000);
    client.open(&mut solo);
    let mut socket = tcp::accept(&mut solo.board, &mut listener).expect("established");
    for window in (1..10).map(|round| 1000 * round) {
        client.window = window;
        let data = client.data(&[b'x'; 1000]);
        solo.send(data);
        let read = tcp::receive(&mut solo.board, &mut socket, &mut [0; 1000]);
        assert_eq!(read, Ok(1000));
        client.window += 1;
        solo.send(client.ack());
    }
    assert_eq!(solo.board.counters().mended, 0);
    solo.end(socket, listener);
}

/// Who sends again what is in has not heard of that, though it says something else right behind it.
#[test]
fn what_is_sent_again_is_answered_whatever_comes_with_it() {
    for own in PEERS {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (mut client, mut socket, listener) = connected_from(&mut solo, own);
        let mut before = client.clone();
        solo.send(client.data(b"text"));
        assert_eq!(tcp::send(&mut solo.board, &mut socket, &[b'x'; 2000]), Ok(2000));
        solo.turn();
        before.ack += data_sent(&mut solo, &client)[0].1;
        solo.put(before.data(b"text"));
        // All else that the window had room for is lost.
        let mut end = client.clone();
        (end.seq, end.ack) = (end.seq + 2044, end.ack + 2000);
        solo.put(end.ack());
        solo.turn();
        assert_eq!(queues(&solo), (4, 0));
        assert_eq!(solo.said_one().ack, Some(client.seq));
        solo.end(socket, listener);
    }
}

/// RFC 5961 5: of numbers that are guessed, few are any good. Nobody has more outstanding than there was room for.
#[test]
fn an_acknowledgement_with_a_number_older_than_a_window_does_not_count() {
    for (older, counts) in [(2049, true), (2050, false), (60_000, false), (1 << 30, false)] {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (client, mut socket, listener) = connected_from(&mut solo, PEERS[0]);
        assert_eq!(tcp::send(&mut solo.board, &mut socket, &[b'x'; 1000]), Ok(1000));
        solo.turn();
        let mut guess = client.clone();
        guess.seq = TcpSeqNumber(client.seq.0.wrapping_sub(older));
        guess.ack += 1000;
        solo.send(guess.data(b"x"));
        assert_eq!(queues(&solo), (0, if counts { 0 } else { 1000 }), "{older}");
        solo.said();
        solo.end(socket, listener);
    }
}
