//! What the board says of its own numbers: the sequence number of a segment without text, and how long its segments are
//! (RFC 9293 3.7.1, 3.8.6.1, 3.10.7.4).

mod common;

use common::frames::{Segment, fix_checksums};
use common::solo::{Client, Solo, SoloMemory, assert_challenged, connected_from, connecting};
use common::tcp;
use smoltcp::time::Duration;
use smoltcp::wire::{TcpControl, TcpSeqNumber};
use tapboard_firmware::TcpSocket;

const SECOND: Duration = Duration::from_secs(1);
const PEERS: [&str; 2] = ["192.0.2.2:1000", "[2001:db8::2]:1000"];

/// A connection whose peer has no room, and to which a byte of a probe has been sent.
fn probed(solo: &mut Solo<'_>, own: &str) -> (Client, TcpSocket, TcpSocket) {
    let (mut client, mut socket, listener) = connected_from(solo, own);
    client.window = 0;
    solo.send(client.ack());
    assert_eq!(tcp::send(&mut solo.board, &mut socket, &[b'x'; 100]), Ok(100));
    solo.turn();
    for _ in 0..100 {
        solo.pass(SECOND / 10);
        let said = solo.said();
        if said.iter().any(|said| said.seq == client.ack && said.payload.len() == 1) {
            return (client, socket, listener);
        }
    }
    panic!("no probe\n{}", solo.netstat());
}

/// The peer may have taken the byte of a probe, whatever it has said of that so far: before it, nothing is acceptable.
#[test]
fn what_has_no_text_has_the_number_behind_all_that_was_sent() {
    for own in PEERS {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (mut client, socket, listener) = probed(&mut solo, own);
        // An acknowledgement, an immediate one of a hole, a challenge, and a reset.
        solo.send(client.data(b"x"));
        solo.pass(SECOND / 10);
        assert_eq!(solo.said_one().seq, client.ack + 1);
        let late = client.segment(TcpControl::Psh, b"later");
        solo.send(Segment { seq: client.seq + 10, ..late }.frame());
        assert_eq!(solo.said_one().seq, client.ack + 1);
        solo.send(client.syn());
        let mut ahead = client.clone();
        ahead.ack += 1;
        assert_challenged(&mut solo, &ahead);
        solo.board.abort(socket);
        solo.turn();
        let rst = solo.said_one();
        assert!(rst.is_rst());
        assert_eq!(rst.seq, client.ack + 1);
        tcp::close(&mut solo.board, listener);
        solo.turn();
        solo.assert_clean();
    }
}

/// smoltcp goes back to the first byte to send again; what it says meanwhile is as new as before.
#[test]
fn what_is_said_while_something_is_sent_again_is_not_old() {
    for own in PEERS {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (mut client, mut socket, listener) = connected_from(&mut solo, own);
        assert_eq!(tcp::send(&mut solo.board, &mut socket, &[b'x'; 2000]), Ok(2000));
        solo.turn();
        for round in 0..40 {
            solo.pass(SECOND / 4);
            solo.said();
            if round % 8 == 0 {
                // It is not read, and the window closes.
                solo.send(client.data(&[b'y'; 200]));
            } else {
                solo.send(client.segment(TcpControl::Psh, b"z").frame());
                client.seq += 1;
            }
            solo.pass(SECOND / 20);
            for said in solo.said().into_iter().filter(|said| said.payload.is_empty()) {
                assert_eq!(said.seq, client.ack + 2000, "{said:?}");
            }
        }
        solo.end(socket, listener);
    }
}

/// RFC 9293 3.7.1, MUST-15, MUST-16.
#[test]
fn segments_are_as_long_as_both_ends_allow_and_536_or_1220_bytes_if_the_peer_says_nothing() {
    for (own, default, most) in [(PEERS[0], 536, 1460), (PEERS[1], 1220, 1440)] {
        let options: [(&[u8], usize); 5] = [
            (&[], default),
            (&[2, 4, 0, 0], default),
            (&[2, 4, 0, 100], 100),
            (&[2, 4, 0xff, 0xff], most),
            // Behind something else, which stays.
            (&[3, 3, 7, 1, 2, 4, 0x40, 0], most),
        ];
        for (options, size) in options {
            let mut memory = SoloMemory::new();
            let mut solo = Solo::new(&mut memory, 1);
            let mut listener = tcp::listener(&mut solo.board, 7);
            let mut client = Client::new(own, 7);
            solo.send(client.syn_with(options));
            let syn_ack = solo.said_one();
            assert_eq!(syn_ack.scale.is_some(), options.len() == 8);
            client.took(&syn_ack);
            solo.send(client.ack());
            let mut socket = tcp::accept(&mut solo.board, &mut listener).expect("established");
            assert_eq!(tcp::send(&mut solo.board, &mut socket, &[b'x'; 2000]), Ok(2000));
            solo.turn();
            let longest = solo.said().iter().map(|said| said.payload.len()).max();
            assert_eq!(longest, Some(size), "{own} {options:?}");
            solo.end(socket, listener);
        }
    }
}

/// Nor if it is the peer that says nothing in its SYN-ACK.
#[test]
fn so_are_those_of_a_connection_of_the_boards_own() {
    for (own, default) in [(PEERS[0], 536), (PEERS[1], 1220)] {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (mut socket, syn) = connecting(&mut solo, own);
        let mut client = Client::new(own, syn.from.port);
        client.seq = TcpSeqNumber(77);
        client.ack = syn.seq + 1;
        let mut frame = client.syn_with(&[]);
        let tcp_at = frame.len() - 20;
        frame[tcp_at + 8..tcp_at + 12].copy_from_slice(&client.ack.0.to_be_bytes());
        frame[tcp_at + 13] |= 0x10;
        fix_checksums(&mut frame);
        solo.send(frame);
        client.seq += 1;
        assert_eq!(tcp::send(&mut solo.board, &mut socket, &[b'x'; 2000]), Ok(2000));
        solo.turn();
        let longest = solo.said().iter().map(|said| said.payload.len()).max();
        assert_eq!(longest, Some(default));
        solo.board.abort(socket);
        solo.turn();
        solo.assert_clean();
    }
}
