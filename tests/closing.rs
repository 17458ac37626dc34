//! How connections close: orphans, half-closes, resets, TIME-WAIT.

mod common;

use common::frames::{Segment, endpoint};
use common::pair::{Memory, Pair};
use common::solo::{Client, SLOTS, Solo, SoloMemory, connected};
use common::{failed, tcp};
use embedded_nal::nb;
use smoltcp::time::Duration;
use smoltcp::wire::TcpControl;
use tapboard_firmware::Error;

const SECOND: Duration = Duration::from_secs(1);

/// The board's last word has to be a RST, at about `seconds` of virtual time, and it was the first.
#[track_caller]
fn assert_reset_at(solo: &mut Solo<'_>, seconds: i64) {
    let resets: Vec<_> = solo
        .heard
        .iter()
        .filter(|(_, segment)| segment.is_rst())
        .map(|(at, _)| at.total_millis())
        .collect();
    assert_eq!(resets.len(), 1, "{}", solo.netstat());
    assert!(solo.heard.last().unwrap().1.is_rst());
    let expected = seconds * 1000;
    assert!((expected..expected + 100).contains(&resets[0]), "{resets:?}");
    solo.said();
}

#[test]
fn an_orphan_in_fin_wait_2_is_reset_after_a_minute() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (mut client, socket, listener) = connected(&mut solo);
    tcp::close(&mut solo.board, socket);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    assert!(solo.said_one().is_fin());
    client.ack += 1;
    solo.send(client.ack());
    assert!(solo.netstat().contains("FIN-WAIT-2"), "{}", solo.netstat());
    // However often it answers.
    for _ in 0..599 {
        solo.pass(SECOND / 10);
        solo.said();
        solo.send(client.ack());
    }
    assert_eq!(solo.board.free_slots(), SLOTS - 1);
    solo.pass(SECOND);
    assert_reset_at(&mut solo, 60);
    assert_eq!(solo.board.counters().orphans_expired, 1);
    solo.assert_clean();
}

#[test]
fn an_orphan_whose_peer_is_gone_is_reset_after_100_s() {
    for state in ["FIN-WAIT-1", "CLOSING", "LAST-ACK"] {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (mut client, socket, listener) = connected(&mut solo);
        if state == "LAST-ACK" {
            solo.send(client.fin());
        }
        tcp::close(&mut solo.board, socket);
        tcp::close(&mut solo.board, listener);
        solo.turn();
        if state == "CLOSING" {
            solo.send(client.fin());
        }
        assert!(solo.netstat().contains(state), "{}", solo.netstat());
        solo.pass(Duration::from_millis(99_900));
        assert_eq!(solo.board.free_slots(), SLOTS - 1, "{state}");
        // The FIN is asked for as any data: once a doubled wait, and more often towards the end.
        let fins = solo.said().iter().filter(|segment| segment.is_fin()).count();
        assert!((12..=14).contains(&fins), "{state}: {fins}");
        solo.pass(SECOND);
        assert_reset_at(&mut solo, 100);
        assert_eq!(solo.board.counters().orphans_expired, 1, "{state}");
        solo.assert_clean();
    }
}

/// The peer opens its window by one segment every 5 s: nothing like 20 s without progress.
#[test]
fn an_orphan_whose_slow_reader_still_reads_is_not_cut() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::listener(&mut solo.board, 7);
    let mut client = Client::new("192.0.2.2:1000", 7);
    client.window = 200;
    client.open(&mut solo);
    let mut socket = tcp::accept(&mut solo.board, &mut listener).unwrap();
    assert_eq!(tcp::send(&mut solo.board, &mut socket, &[7; 2000]), Ok(2000));
    tcp::close(&mut solo.board, socket);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    let (mut received, mut finished) = (0, false);
    for _ in 0..12 {
        for segment in solo.said() {
            assert!(!segment.is_rst(), "cut after {received} bytes");
            if segment.seq == client.ack && !finished {
                client.ack += segment.payload.len();
                received += segment.payload.len();
                if segment.is_fin() {
                    client.ack += 1;
                    finished = true;
                }
            }
        }
        // Full until the reader has read.
        client.window = 0;
        solo.send(client.ack());
        solo.pass(Duration::from_secs(5));
        solo.said();
        client.window = 200;
        solo.send(client.ack());
    }
    assert_eq!((received, finished), (2000, true));
    solo.send(client.fin());
    solo.pass(Duration::from_secs(11));
    assert_eq!(solo.board.counters().orphans_expired, 0);
    solo.assert_clean();
}

/// One that reads nothing for five minutes, but answers each probe, lives (RFC 9293 3.8.6.1, MUST-37), and has every byte
/// once it reads.
#[test]
fn an_orphan_whose_peer_keeps_its_window_shut_and_answers_lives() {
    for state in ["FIN-WAIT-1", "CLOSE-WAIT"] {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (mut client, mut socket, listener) = connected(&mut solo);
        client.window = 0;
        solo.send(client.ack());
        if state == "CLOSE-WAIT" {
            solo.send(client.fin());
        }
        assert_eq!(tcp::send(&mut solo.board, &mut socket, &[7; 1000]), Ok(1000));
        tcp::close(&mut solo.board, socket);
        tcp::close(&mut solo.board, listener);
        solo.turn();
        let mut probes = 0;
        for _ in 0..3000 {
            solo.pass(SECOND / 10);
            if !solo.said().is_empty() {
                probes += 1;
                solo.send(client.ack());
                assert_eq!(solo.said(), []);
            }
        }
        // 0.2, 0.6, 1.4, 3, 6.2, 12.6, 25.4, 51 and 102 s, then each minute.
        assert!((11..=13).contains(&probes), "{state}: {probes}");
        assert!(solo.netstat().contains(state), "{}", solo.netstat());
        client.window = 8192;
        solo.send(client.ack());
        let said = solo.said();
        assert_eq!(said.len(), 1, "{said:#?}");
        assert_eq!((said[0].payload.len(), said[0].is_fin()), (1000, true));
        client.ack += 1001;
        solo.send(client.ack());
        if state == "FIN-WAIT-1" {
            solo.send(client.fin());
            solo.pass(SECOND * 11);
        }
        assert_eq!(solo.board.counters().orphans_expired, 0);
        solo.assert_clean();
    }
}

#[test]
fn data_for_an_orphan_is_answered_with_a_reset() {
    for fin in [false, true] {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (mut client, socket, listener) = connected(&mut solo);
        tcp::close(&mut solo.board, socket);
        tcp::close(&mut solo.board, listener);
        solo.turn();
        assert!(solo.said_one().is_fin());
        client.ack += 1;
        solo.send(client.ack());
        let control = if fin { TcpControl::Fin } else { TcpControl::Psh };
        solo.send(client.segment(control, b"you never read this").frame());
        assert_eq!(solo.board.free_slots(), SLOTS, "{}", solo.netstat());
        assert!(solo.said_one().is_rst(), "the peer must not think it was read");
        solo.assert_clean();
    }
}

#[test]
fn a_time_wait_whose_last_ack_cannot_leave_ends_all_the_same() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (mut client, socket, listener) = connected(&mut solo);
    tcp::close(&mut solo.board, socket);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    client.ack += 1;
    solo.send(client.ack());
    solo.answers = |_| false;
    solo.board.link_up();
    solo.send(client.fin());
    assert!(solo.netstat().contains("TIME-WAIT"), "{}", solo.netstat());
    solo.pass(Duration::from_secs(60));
    solo.assert_clean();
}

#[test]
fn a_close_in_syn_sent_says_nothing_and_frees_the_slot_at_once() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut socket = tcp::socket(&mut solo.board);
    let result = tcp::connect(&mut solo.board, &mut socket, "192.0.2.2:9000");
    assert_eq!(result, Err(nb::Error::WouldBlock));
    solo.put(common::frames::neighbor_answer(endpoint("192.0.2.2:1").addr));
    solo.turn();
    let syn = solo.said_one();
    tcp::close(&mut solo.board, socket);
    assert_eq!(solo.board.free_slots(), SLOTS);
    solo.turn();
    solo.pass(Duration::from_secs(20));
    assert_eq!(solo.said(), []);
    // A late SYN-ACK finds nobody.
    let mut server = Client::new("192.0.2.2:9000", syn.from.port);
    server.ack = syn.seq + 1;
    let mut late = server.segment(TcpControl::Syn, &[]);
    late.ack = Some(server.ack);
    solo.send(late.frame());
    assert!(solo.said_one().is_rst());
    solo.assert_clean();
}

#[test]
fn an_abort_sends_its_reset_before_the_slot_is_used_again() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::listener(&mut solo.board, 7);
    let mut clients = Vec::new();
    let mut sockets = Vec::new();
    for port in 1000..999 + SLOTS {
        let mut client = Client::new(&format!("192.0.2.2:{port}"), 7);
        client.open(&mut solo);
        clients.push(client);
        sockets.push(tcp::accept(&mut solo.board, &mut listener).unwrap());
    }
    solo.said();
    // The application aborts one and the next SYN comes in before the board is polled.
    solo.board.abort(sockets.remove(0));
    let late = Client::new("192.0.2.3:1000", 7);
    solo.send(late.syn());
    let said = solo.said();
    let [rst, syn_ack] = &said[..] else { panic!("{said:#?}") };
    assert!(rst.is_rst() && rst.to == clients[0].own && rst.seq == clients[0].ack);
    assert!(syn_ack.is_syn_ack() && syn_ack.to == late.own);
    for socket in sockets {
        solo.board.abort(socket);
    }
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}

#[test]
fn a_close_with_unread_data_is_a_reset() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (mut client, mut socket, listener) = connected(&mut solo);
    solo.send(client.data(b"read"));
    assert_eq!(tcp::receive(&mut solo.board, &mut socket, &mut [0; 4]), Ok(4));
    solo.send(client.data(b"unread"));
    solo.said();
    let mut handles = vec![socket, listener];
    solo.turn_with(&mut |board, _| {
        for handle in handles.drain(..) {
            tcp::close(board, handle);
        }
        None
    });
    let said = solo.said();
    assert!(said.last().is_some_and(Segment::is_rst), "{said:?}");
    assert!(!said.iter().any(Segment::is_fin));
    solo.assert_clean();
}

#[test]
fn after_a_shutdown_the_peers_data_still_comes_in() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (mut client, mut socket, listener) = connected(&mut solo);
    assert_eq!(tcp::send(&mut solo.board, &mut socket, b"last words"), Ok(10));
    solo.board.shutdown(&socket).unwrap();
    assert_eq!(failed(tcp::send(&mut solo.board, &mut socket, b"no")), Error::PipeClosed);
    solo.turn();
    let fin = solo.said_one();
    assert_eq!((fin.payload.as_slice(), fin.control), (&b"last words"[..], TcpControl::Fin));
    client.ack += 11;
    let mut heard = Vec::new();
    for round in 0..30u8 {
        solo.send(client.data(&[round; 1000]));
        assert!(!tcp::read(&mut solo.board, &mut socket, &mut heard));
        // Far longer than an orphan would live: this one has an owner.
        solo.pass(Duration::from_secs(5));
    }
    assert_eq!(heard.len(), 30_000);
    solo.send(client.fin());
    assert!(tcp::read(&mut solo.board, &mut socket, &mut heard));
    solo.pass(Duration::from_secs(15));
    // Over, in order, and still the end of the stream to its owner.
    assert_eq!(tcp::receive(&mut solo.board, &mut socket, &mut [0; 1]), Ok(0));
    tcp::close(&mut solo.board, socket);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    assert!(!solo.said().iter().any(Segment::is_rst));
    solo.assert_clean();
}

/// RFC 1337: a RST in TIME-WAIT changes nothing for the owner, who has seen the end in order.
#[test]
fn a_reset_after_both_fins_is_no_error() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (mut client, mut socket, listener) = connected(&mut solo);
    solo.board.shutdown(&socket).unwrap();
    solo.turn();
    client.ack += 1;
    solo.send(client.fin());
    assert_eq!(solo.board.state_name(&socket), "TIME-WAIT");
    solo.send(client.rst());
    assert_eq!(tcp::receive(&mut solo.board, &mut socket, &mut [0; 1]), Ok(0));
    tcp::close(&mut solo.board, socket);
    tcp::close(&mut solo.board, listener);
    solo.pass(Duration::from_secs(11));
    solo.assert_clean();
}

#[test]
fn after_the_peers_half_close_all_due_data_goes_out_and_then_the_fin() {
    let mut memory = Memory::new();
    let mut pair = Pair::new(&mut memory, Duration::from_millis(2), 1);
    let mut listener = tcp::listener(&mut pair.board, 7);
    let mut client = tcp::socket(&mut pair.peer);
    let data: Vec<u8> = (0..50_000u32).map(|index| (index / 3) as u8).collect();
    let (mut served, mut sent, mut asked, mut over) = (None, 0, false, false);
    let mut heard = Vec::new();
    pair.run(Duration::from_secs(30), |_, board, peer| {
        if common::ready(tcp::connect(peer, &mut client, "192.0.2.1:7")).is_some() && !asked {
            assert_eq!(tcp::send(peer, &mut client, b"all of it"), Ok(9));
            peer.shutdown(&client).unwrap();
            asked = true;
        }
        served = served.take().or_else(|| tcp::accept(board, &mut listener));
        if let Some(socket) = &mut served {
            let mut request = Vec::new();
            // It does not answer before it has seen the FIN.
            if tcp::read(board, socket, &mut request) && sent < data.len() {
                sent += common::ready(tcp::send(board, socket, &data[sent..])).unwrap_or(0);
            }
            if sent == data.len() {
                tcp::close(board, served.take().unwrap());
            }
        }
        over = asked && tcp::read(peer, &mut client, &mut heard);
        over
    });
    assert!(over && heard == data, "{} bytes\n{}", heard.len(), pair.netstat());
    tcp::close(&mut pair.peer, client);
    tcp::close(&mut pair.board, listener);
    pair.settle(Duration::from_secs(11));
    assert_eq!(pair.board.counters().resets_in + pair.peer.counters().resets_in, 0);
    pair.assert_clean();
}

/// A device that refused for a while: the RST goes out with the first frame it takes.
#[test]
fn a_reset_goes_out_although_the_poll_came_late() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (client, socket, listener) = connected(&mut solo);
    tcp::close(&mut solo.board, listener);
    solo.board.abort(socket);
    solo.clock.advance(Duration::from_secs(5));
    solo.turn();
    let rst = solo.said_one();
    assert!(rst.is_rst() && rst.seq == client.ack);
    solo.assert_clean();
}

/// smoltcp's fast retransmit heeds no window, and a receiver that cuts such a segment to what it has room
/// for must not take the FIN behind what it cut off.
#[test]
fn a_fin_beyond_the_window_comes_with_the_data_before_it() {
    const SENT: usize = 2600;
    let data: Vec<u8> = (0..SENT).map(|at| (at % 251) as u8).collect();
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (mut client, mut socket, listener) = connected(&mut solo);
    for part in [&data[..1400], &data[1400..1952]] {
        let frame = client.data(part);
        solo.send(frame);
    }
    solo.pass(SECOND);
    let window = solo.said().last().expect("an acknowledgement").window;
    assert_eq!(usize::from(window), 2048 - 1952);
    // All the rest and the FIN, of which 96 bytes have room.
    let mut last = client.segment(TcpControl::Fin, &data[1952..]);
    solo.send(last.frame());
    assert!(solo.netstat().contains("ESTABLISHED"), "{}", solo.netstat());
    let mut heard = Vec::new();
    assert!(!tcp::read(&mut solo.board, &mut socket, &mut heard), "no FIN yet");
    assert_eq!(heard, &data[..2048]);
    solo.pass(SECOND);
    solo.said();
    // Again, now that there is room; what a wrong checksum covers does not count.
    let mut wrong = last.frame();
    *wrong.last_mut().unwrap() ^= 1;
    solo.send(wrong);
    assert!(!tcp::read(&mut solo.board, &mut socket, &mut heard), "no FIN yet");
    last.seq = client.seq + 96;
    last.payload.drain(..96);
    solo.send(last.frame());
    assert!(tcp::read(&mut solo.board, &mut socket, &mut heard), "the FIN");
    assert_eq!(heard, data);
    solo.pass(SECOND);
    assert_eq!(solo.said().last().unwrap().ack, Some(client.seq + (SENT - 1952) + 1));
    solo.board.abort(socket);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.said();
    solo.assert_clean();
}
