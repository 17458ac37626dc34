//! Handshakes that lose segments, meet live connections, or never complete.

mod common;

use std::cell::Cell;
use std::rc::Rc;

use common::frames::{Segment, endpoint};
use common::pair::{Memory, Pair};
use common::solo::{Client, SLOTS, Solo, SoloMemory};
use common::{failed, ready, tcp};
use smoltcp::time::Duration;
use smoltcp::wire::{TcpControl, TcpSeqNumber};
use tapboard::world::Outcome;
use tapboard_firmware::Error;
use tapboard_firmware::config::{KEEP_ALIVE, USER_TIMEOUT};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_lost_syn_ack_is_sent_again_with_the_same_number_and_makes_one_connection() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::listener(&mut solo.board, 7);
    let before = Client::new("192.0.2.3:999", 7).opened(&mut solo);
    let mut client = Client::new("192.0.2.2:1000", 7);
    solo.said();
    solo.send(client.syn());
    // Now there is a free slot before the connection's.
    solo.send(before.rst());
    let lost = solo.said_one();
    // The client repeats its SYN at the same time as the board its SYN-ACK.
    solo.pass(Duration::from_millis(999));
    solo.send(client.syn());
    solo.pass(Duration::from_millis(100));
    let again = solo.said_one();
    assert_eq!(again, lost);
    assert_eq!(solo.board.free_slots(), SLOTS - 1);
    client.took(&again);
    solo.send(client.ack());
    let socket = tcp::accept(&mut solo.board, &mut listener).expect("one connection");
    assert!(tcp::accept(&mut solo.board, &mut listener).is_none(), "a twin");
    solo.board.abort(socket);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}

#[test]
fn a_syn_ack_delayed_past_the_clients_retransmission_does_no_harm() {
    let mut memory = Memory::new();
    let mut pair = Pair::new(&mut memory, Duration::from_millis(1), 1);
    let mut listener = tcp::listener(&mut pair.board, 7);
    let seen = Rc::new(Cell::new([0; 3]));
    let counters = Rc::clone(&seen);
    pair.tap = Box::new(move |_, _, frame| {
        let mut delay = Duration::ZERO;
        let [mut syns, mut syn_acks, mut resets] = counters.get();
        if let Some(segment) = Segment::parse(frame) {
            resets += u32::from(segment.is_rst());
            if segment.is_syn_ack() {
                syn_acks += 1;
                if syn_acks == 1 {
                    delay = Duration::from_millis(1500);
                }
            } else {
                syns += u32::from(segment.control == TcpControl::Syn);
            }
        }
        counters.set([syns, syn_acks, resets]);
        Some(delay)
    });
    let mut client = tcp::socket(&mut pair.peer);
    let mut accepted = Vec::new();
    let mut heard = Vec::new();
    let mut sent = 0;
    let outcome = pair.run(Duration::from_secs(30), |_, board, peer| {
        accepted.extend(tcp::accept(board, &mut listener));
        if ready(tcp::connect(peer, &mut client, "192.0.2.1:7")).is_some() && sent == 0 {
            sent = ready(tcp::send(peer, &mut client, b"still here")).unwrap_or(0);
        }
        if let Some(socket) = accepted.first_mut() {
            tcp::read(board, socket, &mut heard);
        }
        heard.len() == 10
    });
    assert_eq!(outcome, Outcome::Done, "{}", pair.netstat());
    pair.settle(Duration::from_secs(5));
    accepted.extend(tcp::accept(&mut pair.board, &mut listener));
    let [syns, syn_acks, resets] = seen.get();
    assert_eq!((accepted.len(), resets), (1, 0), "{}", pair.netstat());
    assert!(syns >= 2 && syn_acks >= 2, "{syns} SYNs, {syn_acks} SYN-ACKs");
    assert_eq!(pair.peer.state_name(&client), "ESTABLISHED");
    pair.peer.abort(client);
    tcp::close(&mut pair.board, listener);
    pair.settle(SECOND);
    for socket in accepted {
        tcp::close(&mut pair.board, socket);
    }
    pair.settle(SECOND);
    pair.assert_clean();
}

#[test]
fn a_syn_on_a_live_connection_does_no_harm() {
    for text in ["192.0.2.2:1000", "[2001:db8::2]:1000"] {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let mut listener = tcp::listener(&mut solo.board, 7);
        let mut client = Client::new(text, 7);
        let first = client.syn();
        let before = Client::new("192.0.2.3:999", 7).opened(&mut solo);
        client.open(&mut solo);
        // smoltcp looks at the slots in turn: now there is a free one before the connection's.
        solo.send(before.rst());
        let mut socket = tcp::accept(&mut solo.board, &mut listener).unwrap();
        let mut heard = Vec::new();
        for isn in [None, Some(0), Some(client.seq.0 + 10), Some(i32::MIN)] {
            solo.said();
            let mut syn = client.segment(TcpControl::Syn, &[]);
            let frame = isn.map_or_else(
                || first.clone(),
                |isn| {
                    syn.seq = TcpSeqNumber(isn);
                    syn.frame()
                },
            );
            solo.send(frame);
            // RFC 5961 4.2: at most a challenge ACK, with the connection's own numbers.
            for answer in solo.said() {
                assert_eq!(answer.control, TcpControl::None);
                assert_eq!((answer.seq, answer.ack), (client.ack, Some(client.seq)));
            }
            solo.send(client.data(b"on and on"));
            tcp::read(&mut solo.board, &mut socket, &mut heard);
            solo.pass(Duration::from_secs(2));
        }
        assert_eq!(heard.len(), 4 * 9);
        assert!(tcp::accept(&mut solo.board, &mut listener).is_none(), "a twin");
        assert_eq!(solo.board.free_slots(), SLOTS - 1);
        solo.board.abort(socket);
        tcp::close(&mut solo.board, listener);
        solo.turn();
        solo.assert_clean();
    }
}

/// A client that forgot the connection, say after a reboot, and to which the challenge to its SYN is lost, resets the old
/// connection at the next keep-alive probe, and then it is let in.
#[test]
fn a_rebooted_client_on_the_same_port_gets_in_within_the_keep_alive_time() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::listener(&mut solo.board, 7);
    let mut client = Client::new("192.0.2.2:1000", 7);
    client.open(&mut solo);
    let mut old = tcp::accept(&mut solo.board, &mut listener).unwrap();
    let mut reborn = Client::new("192.0.2.2:1000", 7);
    reborn.seq = TcpSeqNumber(77_000_000);
    solo.send(reborn.syn());
    let challenge = solo.said_one();
    assert_eq!((challenge.control, challenge.ack), (TcpControl::None, Some(client.seq)));
    solo.pass(KEEP_ALIVE);
    let probe = solo.said_one();
    let mut rst = reborn.segment(TcpControl::Rst, &[]);
    rst.seq = probe.ack.unwrap();
    rst.ack = None;
    solo.send(rst.frame());
    assert_eq!(
        failed(tcp::receive(&mut solo.board, &mut old, &mut [0; 1])),
        Error::ConnectionReset
    );
    reborn.open(&mut solo);
    let new = tcp::accept(&mut solo.board, &mut listener).expect("a new connection");
    tcp::close(&mut solo.board, old);
    solo.board.abort(new);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}

#[test]
fn a_spoofed_reset_outside_the_window_is_ignored() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::listener(&mut solo.board, 7);
    let mut client = Client::new("192.0.2.2:1000", 7);
    client.open(&mut solo);
    let mut socket = tcp::accept(&mut solo.board, &mut listener).unwrap();
    for offset in [-1, i32::MIN, 2048, 1 << 20] {
        let mut spoofed = client.segment(TcpControl::Rst, &[]);
        spoofed.seq.0 = spoofed.seq.0.wrapping_add(offset);
        solo.send(spoofed.frame());
        solo.send(client.data(b"x"));
        assert_eq!(tcp::receive(&mut solo.board, &mut socket, &mut [0; 4]), Ok(1));
    }
    // One inside is not, so the test could have failed.
    solo.send(client.rst());
    assert_eq!(
        failed(tcp::receive(&mut solo.board, &mut socket, &mut [0; 4])),
        Error::ConnectionReset
    );
    assert_eq!(solo.board.counters().resets_in, 1);
    tcp::close(&mut solo.board, socket);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}

#[test]
fn a_handshake_that_never_completes_expires_in_silence() {
    for own in ["192.0.2.2:1000", "[2001:db8::2]:1000"] {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let listener = tcp::listener(&mut solo.board, 7);
        solo.send(Client::new(own, 7).syn());
        solo.pass(USER_TIMEOUT - Duration::from_millis(1));
        assert_eq!(solo.board.free_slots(), SLOTS - 1);
        let times: Vec<_> = solo.heard.iter().map(|(at, _)| at.total_millis()).collect();
        assert_eq!(times, [0, 1000, 3000, 7000, 15_000, 31_000, 63_000]);
        assert!(solo.said().iter().all(Segment::is_syn_ack));
        solo.pass(Duration::from_secs(60));
        assert_eq!(solo.said(), []);
        assert_eq!(solo.board.free_slots(), SLOTS);
        assert_eq!(solo.board.counters().handshakes_expired, 1);
        tcp::close(&mut solo.board, listener);
        solo.assert_clean();
    }
}

/// Its peer lives, and may be established by what answers it.
#[test]
fn a_handshake_whose_peer_asks_again_lasts_longer() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let listener = tcp::listener(&mut solo.board, 7);
    let client = Client::new("192.0.2.2:1000", 7);
    solo.send(client.syn());
    solo.pass(USER_TIMEOUT / 2);
    solo.send(client.syn());
    solo.pass(USER_TIMEOUT - Duration::from_millis(1));
    assert_eq!(solo.board.free_slots(), SLOTS - 1);
    solo.pass(Duration::from_millis(1));
    assert_eq!(solo.board.free_slots(), SLOTS);
    tcp::close(&mut solo.board, listener);
    solo.said();
    solo.assert_clean();
}

/// Its last ACK was lost, and all that the window had room for: what answers the next SYN-ACK is numbered with the window's
/// end.
#[test]
fn a_handshake_ends_with_an_acknowledgement_at_the_end_of_the_window() {
    for own in ["192.0.2.2:1000", "[2001:db8::2]:1000"] {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let mut listener = tcp::listener(&mut solo.board, 7);
        let mut client = Client::new(own, 7);
        solo.send(client.syn());
        client.took(&solo.said_one());
        let mut ahead = client.clone();
        ahead.seq += 2048;
        let beyond = Client { seq: ahead.seq + 1, ..ahead.clone() };
        let liar = Client { ack: ahead.ack + 1, ..ahead.clone() };
        for other in [beyond, liar] {
            solo.send(other.ack());
            solo.said();
            assert!(tcp::accept(&mut solo.board, &mut listener).is_none(), "{other:?}");
        }
        solo.send(ahead.ack());
        assert_eq!(solo.said(), []);
        let mut socket = tcp::accept(&mut solo.board, &mut listener).expect("established");
        solo.send(client.data(b"first"));
        assert_eq!(tcp::receive(&mut solo.board, &mut socket, &mut [0; 9]), Ok(5));
        solo.end(socket, listener);
    }
}

#[test]
fn a_reset_in_syn_received_frees_the_slot_at_once() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::listener(&mut solo.board, 7);
    let mut client = Client::new("192.0.2.2:1000", 7);
    solo.send(client.syn());
    let syn_ack = solo.said_one();
    client.took(&syn_ack);
    assert_eq!(solo.board.free_slots(), SLOTS - 1);
    solo.send(client.rst());
    assert_eq!(solo.board.free_slots(), SLOTS);
    assert!(tcp::accept(&mut solo.board, &mut listener).is_none());
    // And the socket that took it is not left in LISTEN for whoever comes next.
    tcp::close(&mut solo.board, listener);
    solo.send(Client::new("192.0.2.2:1001", 7).syn());
    assert!(solo.said_one().is_rst());
    solo.assert_clean();
}

#[test]
fn a_segment_for_no_connection_is_answered_with_a_reset_and_holds_nothing() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let listener = tcp::listener(&mut solo.board, 7);
    let stray = Client::new("192.0.2.2:1000", 7);
    for control in [TcpControl::None, TcpControl::Fin] {
        solo.send(stray.segment(control, b"?").frame());
        assert!(solo.said_one().is_rst());
    }
    let mut syn_ack = stray.segment(TcpControl::Syn, &[]);
    syn_ack.ack = Some(TcpSeqNumber(5));
    solo.send(syn_ack.frame());
    assert!(solo.said_one().is_rst());
    solo.send(stray.rst());
    assert_eq!(solo.said(), []);
    // The board's own address as the sender (a LAND frame) answers nobody and is forgotten.
    let mut land = stray.segment(TcpControl::Syn, &[]);
    land.from = endpoint("192.0.2.1:7");
    solo.answers = |address| address != endpoint("192.0.2.1:7").addr;
    solo.send(land.frame());
    solo.pass(Duration::from_secs(30));
    assert_eq!(solo.said(), []);
    tcp::close(&mut solo.board, listener);
    solo.assert_clean();
}

#[test]
fn a_new_syn_on_a_connection_in_time_wait_is_accepted() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::listener(&mut solo.board, 7);
    let mut client = Client::new("192.0.2.2:1000", 7);
    client.open(&mut solo);
    let socket = tcp::accept(&mut solo.board, &mut listener).unwrap();
    tcp::close(&mut solo.board, socket);
    solo.turn();
    client.ack += 1;
    solo.send(client.fin());
    assert!(solo.netstat().contains("TIME-WAIT"), "{}", solo.netstat());
    client.seq += 1000;
    client.open(&mut solo);
    let socket = tcp::accept(&mut solo.board, &mut listener).expect("reopened");
    assert_eq!(solo.board.free_slots(), SLOTS - 1);
    solo.board.abort(socket);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}
