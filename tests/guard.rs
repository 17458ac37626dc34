//! What a segment that is not ordinary does to a connection: RFC 9293 3.10.7.4 and RFC 5961, each rule with the segment
//! that breaks without it.

mod common;

use common::frames::Segment;
use common::solo::{Client, ONE_PORT, Solo, SoloMemory};
use common::tcp;
use embedded_nal::nb;
use smoltcp::time::Duration;
use smoltcp::wire::{TcpControl, TcpSeqNumber};
use tapboard_firmware::TcpSocket;
use tapboard_firmware::netstat::Introspect;

const SECOND: Duration = Duration::from_secs(1);
const PEERS: [&str; 2] = ["192.0.2.2:1000", "[2001:db8::2]:1000"];

/// An accepted connection of a peer at `own`, and its listener.
fn connected(solo: &mut Solo<'_>, own: &str) -> (Client, TcpSocket, TcpSocket) {
    let mut listener = tcp::listener(&mut solo.board, 7);
    let mut client = Client::new(own, 7);
    client.open(solo);
    let socket = tcp::accept(&mut solo.board, &mut listener).expect("established");
    solo.said();
    (client, socket, listener)
}

/// Whether the board said where `client`'s connection stands, and nothing else.
#[track_caller]
fn assert_challenged(solo: &mut Solo<'_>, client: &Client) {
    let said = solo.said_one();
    assert_eq!(said.control, TcpControl::None, "{said:?}");
    assert_eq!((said.seq, said.ack), (client.ack, Some(client.seq)), "{said:?}");
    assert!(said.payload.is_empty(), "{said:?}");
}

/// A reset whose number is `ahead` of the next.
fn reset(client: &Client, ahead: usize) -> Segment {
    Segment { seq: client.seq + ahead, ..client.segment(TcpControl::Rst, &[]) }
}

#[test]
fn a_reset_counts_only_with_the_very_next_number() {
    for own in PEERS {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (client, socket, listener) = connected(&mut solo, own);
        // The window is 2048 bytes.
        for ahead in [1, 2047] {
            solo.send(reset(&client, ahead).frame());
            assert_challenged(&mut solo, &client);
            solo.send(reset(&client, ahead).frame());
            assert_eq!(solo.said(), [], "a second one at once");
            solo.pass(SECOND);
        }
        for ahead in [2048, 1 << 20, usize::MAX, usize::MAX - 2000] {
            let seq = TcpSeqNumber(client.seq.0.wrapping_add(ahead as i32));
            solo.send(Segment { seq, ..reset(&client, 0) }.frame());
            assert_eq!(solo.said(), [], "{ahead}");
        }
        assert!(solo.netstat().contains("ESTABLISHED"), "{}", solo.netstat());
        let counters = solo.board.counters();
        assert_eq!((counters.challenged, counters.unacceptable_dropped), (2, 2 + 4));
        solo.send(reset(&client, 0).frame());
        assert_eq!(solo.said(), []);
        assert_eq!(solo.board.counters().resets_in, 1);
        solo.end(socket, listener);
    }
}

#[test]
fn a_reset_counts_only_with_the_very_next_number_whatever_the_state() {
    for state in ["SYN-RECEIVED", "CLOSE-WAIT", "FIN-WAIT-1", "CLOSING", "LAST-ACK", "TIME-WAIT"] {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (mut client, listener);
        if state == "SYN-RECEIVED" {
            listener = tcp::listener(&mut solo.board, 7);
            client = Client::new(PEERS[0], 7);
            solo.send(client.syn());
            let syn_ack = solo.said_one();
            client.took(&syn_ack);
        } else {
            let (the_client, socket, the_listener) = connected(&mut solo, PEERS[0]);
            (client, listener) = (the_client, the_listener);
            let first = matches!(state, "CLOSE-WAIT" | "LAST-ACK");
            if first {
                solo.send(client.fin());
            }
            if state == "CLOSE-WAIT" {
                // Data that the peer has no room for holds the FIN back.
                client.window = 0;
                solo.send(client.ack());
                let mut socket = socket;
                assert_eq!(tcp::send(&mut solo.board, &mut socket, &[b'x'; 2000]), Ok(2000));
                tcp::close(&mut solo.board, socket);
            } else {
                tcp::close(&mut solo.board, socket);
                solo.turn();
            }
            if state == "TIME-WAIT" {
                client.ack += 1;
            }
            if matches!(state, "CLOSING" | "TIME-WAIT") {
                solo.send(client.fin());
            }
            if matches!(state, "FIN-WAIT-1" | "CLOSING" | "LAST-ACK") {
                // What the board has sent last, its FIN.
                client.ack += 1;
            }
        }
        solo.pass(SECOND / 2);
        solo.said();
        assert!(solo.netstat().contains(state), "{state}\n{}", solo.netstat());
        solo.send(reset(&client, 1).frame());
        assert_challenged(&mut solo, &client);
        solo.send(reset(&client, 3000).frame());
        assert_eq!(solo.said(), []);
        assert!(solo.netstat().contains(state), "{state}\n{}", solo.netstat());
        solo.send(reset(&client, 0).frame());
        assert_eq!(solo.said(), []);
        tcp::close(&mut solo.board, listener);
        solo.turn();
        solo.assert_clean();
    }
}

/// A reset that says that nobody listens acknowledges our SYN; only that counts (RFC 9293 3.10.7.3).
#[test]
fn a_reset_in_syn_sent_counts_only_if_it_acknowledges_the_syn() {
    for own in PEERS {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let mut socket = tcp::socket(&mut solo.board);
        let connecting = tcp::connect(&mut solo.board, &mut socket, own);
        assert_eq!(connecting, Err(nb::Error::WouldBlock));
        solo.turn();
        let syn = solo.said_one();
        let answer = Segment {
            from: syn.to,
            to: syn.from,
            control: TcpControl::Rst,
            seq: TcpSeqNumber(0),
            ack: None,
            window: 0,
            scale: None,
            sacked: [None; 3],
            payload: Vec::new(),
        };
        for ack in [None, Some(syn.seq), Some(syn.seq + 2)] {
            solo.send(Segment { ack, ..answer.clone() }.frame());
            assert!(solo.netstat().contains("SYN-SENT"), "{ack:?}\n{}", solo.netstat());
        }
        solo.send(Segment { ack: Some(syn.seq + 1), ..answer }.frame());
        assert!(!solo.netstat().contains("SYN-SENT"), "{}", solo.netstat());
        assert_eq!(solo.said(), []);
        solo.board.abort(socket);
        solo.turn();
        solo.assert_clean();
    }
}

/// A client that has lost its memory asks again from the port it had.
#[test]
fn a_client_that_has_rebooted_gets_a_new_connection() {
    for own in PEERS {
        for isn in [50_000_000, 1000, -5000] {
            let mut memory = SoloMemory::new();
            let mut solo = Solo::new(&mut memory, 1);
            let (old, socket, mut listener) = connected(&mut solo, own);
            let mut new = Client::new(own, 7);
            new.seq = TcpSeqNumber(old.seq.0 + isn);
            solo.send(new.syn());
            assert_challenged(&mut solo, &old);
            // To the client that is an acknowledgement of what it never sent (RFC 9293 3.10.7.3).
            solo.send(reset(&old, 0).frame());
            solo.pass(SECOND);
            let new = new.opened(&mut solo);
            let again = tcp::accept(&mut solo.board, &mut listener).expect("established");
            assert_eq!(solo.board.endpoints(&again).unwrap().1.port(), new.own.port);
            solo.board.abort(socket);
            solo.end(again, listener);
        }
    }
}

/// In no state that has seen a SYN does another do anything, whatever its number; nor does a flood of them make a flood of
/// answers, nor one connection's keep another's from being given.
#[test]
fn a_syn_is_challenged_once_a_second_for_each_connection() {
    for own in PEERS {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (one, socket, mut listener) = connected(&mut solo, own);
        let mut other = Client::new(own, 7);
        other.own.port += 1;
        let other = other.opened(&mut solo);
        let second = tcp::accept(&mut solo.board, &mut listener).expect("established");
        solo.said();
        for (client, control, ahead) in [
            (&one, TcpControl::Syn, 0),
            (&other, TcpControl::Syn, 1 << 30),
            (&one, TcpControl::Syn, -1),
            (&other, TcpControl::Syn, -100_000),
        ] {
            for with_ack in [None, Some(client.ack)] {
                let seq = TcpSeqNumber(client.seq.0.wrapping_add(ahead));
                let syn = client.segment(control, &[]);
                solo.send(Segment { seq, ack: with_ack, ..syn }.frame());
                if with_ack.is_none() {
                    assert_challenged(&mut solo, client);
                } else {
                    assert_eq!(solo.said(), [], "{ahead}");
                }
            }
            if client.own == other.own {
                solo.pass(SECOND);
            }
        }
        assert_eq!(solo.board.counters().challenged, 4);
        solo.board.abort(second);
        solo.end(socket, listener);
    }
}

#[test]
fn another_syn_in_syn_received_is_challenged_and_the_same_one_is_not() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let listener = tcp::listener(&mut solo.board, 7);
    let mut client = Client::new(PEERS[0], 7);
    solo.send(client.syn());
    let syn_ack = solo.said_one();
    solo.send(client.syn());
    assert_eq!(solo.said(), []);
    let mut again = client.clone();
    again.seq += 12_345_678;
    solo.send(again.syn());
    client.took(&syn_ack);
    assert_challenged(&mut solo, &client);
    solo.send(reset(&client, 0).frame());
    let again = again.opened(&mut solo);
    solo.send(reset(&again, 0).frame());
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}

/// RFC 9293 3.6.1, MAY-2.
#[test]
fn only_a_syn_of_the_future_reopens_time_wait() {
    for own in PEERS {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (mut client, socket, mut listener) = connected(&mut solo, own);
        tcp::close(&mut solo.board, socket);
        solo.turn();
        client.ack += 1;
        solo.send(client.fin());
        solo.said();
        assert!(solo.netstat().contains("TIME-WAIT"), "{}", solo.netstat());
        let mut old = client.clone();
        old.seq = old.seq - 1000;
        solo.send(old.syn());
        assert_challenged(&mut solo, &client);
        assert!(solo.netstat().contains("TIME-WAIT"), "{}", solo.netstat());
        client.seq += 1;
        client.open(&mut solo);
        let again = tcp::accept(&mut solo.board, &mut listener).expect("reopened");
        solo.end(again, listener);
    }
}

/// RFC 9293 3.5, figure 7: each end's SYN is answered by a SYN-ACK, and either of those is enough.
#[test]
fn a_simultaneous_open_is_over_with_the_syn_ack() {
    for own in PEERS {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let mut socket = tcp::socket(&mut solo.board);
        let connecting = tcp::connect(&mut solo.board, &mut socket, own);
        assert_eq!(connecting, Err(nb::Error::WouldBlock));
        solo.turn();
        let syn = solo.said_one();
        let mut client = Client::new(own, syn.from.port);
        client.scale = Some(7);
        solo.send(client.syn());
        let syn_ack = solo.said_one();
        assert_eq!(syn_ack.seq, syn.seq);
        client.ack = syn.seq + 1;
        let syn = client.segment(TcpControl::Syn, &[]);
        solo.send(Segment { ack: Some(client.ack), ..syn }.frame());
        assert!(solo.netstat().contains("ESTABLISHED"), "{}", solo.netstat());
        client.seq += 1;
        assert_eq!(tcp::send(&mut solo.board, &mut socket, &[b'x'; 2048]), Ok(2048));
        solo.turn();
        let sent: usize = solo.said().iter().map(|segment| segment.payload.len()).sum();
        assert_eq!(sent, 2048);
        solo.board.abort(socket);
        solo.turn();
        solo.assert_clean();
    }
}

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
        let (mut client, mut socket, listener) = connected(&mut solo, own);
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
    let (mut client, mut socket, listener) = connected(&mut solo, PEERS[0]);
    client.window = 0;
    solo.send(client.ack());
    assert_eq!(tcp::send(&mut solo.board, &mut socket, b"ab"), Ok(2));
    solo.turn();
    solo.pass(SECOND);
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

/// RFC 5961 5.2: SND.UNA - MAX.SND.WND =< SEG.ACK =< SND.NXT.
#[test]
fn an_old_acknowledgement_is_acceptable_as_far_back_as_a_window() {
    for own in PEERS {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (mut client, mut socket, listener) = connected(&mut solo, own);
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
        let ancient = TcpSeqNumber(client.ack.0.wrapping_sub(8192 + 1));
        let text = Segment { ack: Some(ancient), ..client.segment(TcpControl::Psh, b"ancient") };
        solo.send(text.frame());
        assert_challenged(&mut solo, &client);
        let read = tcp::receive(&mut solo.board, &mut socket, &mut buffer);
        assert_eq!(read, Err(nb::Error::WouldBlock));
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
        let (mut client, mut socket, listener) = connected(&mut solo, own);
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
        client.window = 500;
        solo.send(client.ack());
        assert_eq!(data_sent(&mut solo, &client), [(0, 500)]);
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

/// RFC 9293 3.10.7.4, SHLD-31: what comes too early is held until its turn.
#[test]
fn a_fin_that_overtakes_data_counts_once_the_data_is_in() {
    for own in PEERS {
        for with_text in [false, true] {
            let mut memory = SoloMemory::new();
            let mut solo = Solo::new(&mut memory, 1);
            let (mut client, mut socket, listener) = connected(&mut solo, own);
            let hello = client.data(b"hello");
            let world = if with_text { &b" world"[..] } else { b"" };
            let end = client.segment(TcpControl::Fin, world);
            client.seq += world.len() + 1;
            solo.send(end.frame());
            // One that is broken, or beyond the window, does not count.
            let mut broken =
                Segment { seq: client.seq + 7, ..client.segment(TcpControl::Fin, b"") }.frame();
            *broken.last_mut().unwrap() ^= 1;
            solo.send(broken);
            solo.send(Segment { seq: end.seq + 2048, ..end.clone() }.frame());
            solo.said();
            solo.send(hello);
            solo.pass(SECOND / 2);
            assert_challenged_last(&mut solo, &client);
            let mut heard = Vec::new();
            assert!(tcp::read(&mut solo.board, &mut socket, &mut heard));
            assert_eq!(heard, [b"hello", world].concat());
            assert!(solo.netstat().contains("CLOSE-WAIT"), "{}", solo.netstat());
            solo.end(socket, listener);
        }
    }
}

/// The last that the board said: where `client`'s connection stands.
#[track_caller]
fn assert_challenged_last(solo: &mut Solo<'_>, client: &Client) {
    let said = solo.said();
    let last = said.last().expect("an ACK");
    assert_eq!((last.seq, last.ack), (client.ack, Some(client.seq)), "{said:?}");
}

#[test]
fn a_fin_with_text_behind_it_is_forgotten_and_does_not_cut_it_off() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (mut client, mut socket, listener) = connected(&mut solo, PEERS[0]);
    solo.send(Segment { seq: client.seq + 5, ..client.segment(TcpControl::Fin, b"") }.frame());
    let [hello, space, world] = [&b"hello"[..], b" ", b"world"].map(|text| client.data(text));
    solo.send(world);
    solo.send(hello);
    solo.send(space);
    let mut heard = Vec::new();
    assert!(!tcp::read(&mut solo.board, &mut socket, &mut heard));
    assert_eq!(heard, b"hello world");
    let fin = client.fin();
    solo.send(fin);
    assert!(tcp::read(&mut solo.board, &mut socket, &mut heard));
    solo.end(socket, listener);
}

/// RFC 9293 3.10.7.4, CLOSE-WAIT and later: "Ignore the segment text", but not its acknowledgement.
#[test]
fn text_behind_the_fin_is_not_taken() {
    for own in PEERS {
        for early in [&b""[..], b"BBBB"] {
            let mut memory = SoloMemory::new();
            let mut solo = Solo::new(&mut memory, 1);
            let (mut client, mut socket, listener) = connected(&mut solo, own);
            assert_eq!(tcp::send(&mut solo.board, &mut socket, b"answer"), Ok(6));
            solo.turn();
            let data = client.data(b"abc");
            solo.send(data);
            if !early.is_empty() {
                let early = client.segment(TcpControl::Psh, early);
                solo.send(Segment { seq: client.seq + 2, ..early }.frame());
            }
            let fin = client.fin();
            solo.send(fin.clone());
            client.ack += 6;
            solo.pass(SECOND / 2);
            solo.said();
            solo.send(client.segment(TcpControl::Psh, b"XYZ").frame());
            assert_eq!(queues(&solo), (3, 0));
            // The FIN again is no text behind it.
            solo.send(fin);
            assert_challenged_last(&mut solo, &client);
            let mut heard = Vec::new();
            assert!(tcp::read(&mut solo.board, &mut socket, &mut heard));
            assert_eq!(heard, b"abc");
            solo.end(socket, listener);
        }
    }
}

/// What somebody does who holds a connection and makes no use of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Squatter {
    Idles,
    Drips,
    Vanishes,
    NeverReads,
}

/// Under pressure, and only then, the one that has made no progress for longest goes after 15 s.
#[test]
fn a_newcomer_is_in_within_15_s_whatever_the_others_do() {
    let kinds = [Squatter::Idles, Squatter::Drips, Squatter::Vanishes, Squatter::NeverReads];
    for (kind, arrival) in kinds.into_iter().flat_map(|kind| [(kind, 5), (kind, 44)]) {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let mut listener = tcp::listener(&mut solo.board, 7);
        let (mut clients, mut sockets) = (Vec::new(), Vec::new());
        for port in 0..ONE_PORT {
            let mut client = Client::new(&format!("192.0.2.2:{}", 1000 + port), 7);
            client.window = if kind == Squatter::NeverReads { 0 } else { 8192 };
            client.open(&mut solo);
            let mut socket = tcp::accept(&mut solo.board, &mut listener).expect("established");
            assert_eq!(tcp::send(&mut solo.board, &mut socket, b"hello"), Ok(5));
            solo.turn();
            if kind != Squatter::NeverReads {
                client.ack += 5;
                solo.send(client.ack());
            }
            clients.push(client);
            sockets.push(socket);
        }
        let mut newcomer = Client::new("192.0.2.3:1000", 7);
        for second in 0..=arrival + 15 {
            for (client, socket) in clients.iter_mut().zip(&mut sockets) {
                match kind {
                    Squatter::Vanishes => {}
                    Squatter::Idles | Squatter::NeverReads => solo.send(client.ack()),
                    Squatter::Drips => {
                        let byte = client.data(b"x");
                        solo.send(byte);
                        let _ = tcp::receive(&mut solo.board, socket, &mut [0; 8]);
                    }
                }
            }
            if second < arrival {
                assert_eq!(solo.board.counters().evicted, 0, "{kind:?}: nobody waits");
                solo.said();
            }
            // As often as a host does (RFC 6298).
            if [0, 1, 3, 7].contains(&(second - arrival)) {
                solo.send(newcomer.syn());
            }
            let said = solo.said();
            if let Some(syn_ack) = said.iter().find(|it| it.is_syn_ack() && it.to == newcomer.own) {
                newcomer.took(syn_ack);
                solo.send(newcomer.ack());
                break;
            }
            solo.pass(SECOND);
        }
        let socket = tcp::accept(&mut solo.board, &mut listener);
        assert!(socket.is_some(), "{kind:?}\n{}", solo.netstat());
        assert_eq!(solo.board.counters().evicted, 1);
        for socket in sockets.into_iter().chain(socket) {
            solo.board.abort(socket);
        }
        tcp::close(&mut solo.board, listener);
        solo.turn();
        solo.assert_clean();
    }
}
