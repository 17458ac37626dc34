//! Resets and SYNs that a connection does not expect: RFC 9293 3.10.7.4 and RFC 5961, each rule with the segment that
//! breaks without it.

mod common;
#[path = "guard/predicted.rs"]
mod predicted;

use common::frames::{Segment, fix_checksums};
use common::solo::{Client, Solo, SoloMemory, assert_challenged, connected_from, connecting};
use common::tcp;
use embedded_nal::nb;
use smoltcp::time::Duration;
use smoltcp::wire::{TcpControl, TcpSeqNumber};
use tapboard_firmware::Error;

const SECOND: Duration = Duration::from_secs(1);
const PEERS: [&str; 2] = ["192.0.2.2:1000", "[2001:db8::2]:1000"];

/// A reset whose number is `ahead` of the next.
fn reset(client: &Client, ahead: usize) -> Segment {
    Segment { seq: client.seq + ahead, ..client.segment(TcpControl::Rst, &[]) }
}

#[test]
fn a_reset_counts_only_with_the_very_next_number() {
    for own in PEERS {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (client, socket, listener) = connected_from(&mut solo, own);
        // The window is 2048 bytes.
        for ahead in [1, 2047] {
            solo.send(reset(&client, ahead).frame());
            assert_challenged(&mut solo, &client);
            solo.send(reset(&client, ahead).frame());
            assert_eq!(solo.said(), [], "a second one at once");
            solo.pass(SECOND);
        }
        for ahead in [2048, 1 << 20, -1, -2001] {
            let seq = TcpSeqNumber(client.seq.0.wrapping_add(ahead));
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

/// A reset is one whatever else it says of itself (RFC 9293 3.10.7.4, second), and no end of what the peer had to say.
#[test]
fn a_reset_with_a_syn_or_a_fin_is_a_reset() {
    const FLAGS: usize = 13;
    for own in PEERS {
        for more in [0b01, 0b10, 0b11, 0b1001] {
            let mut memory = SoloMemory::new();
            let mut solo = Solo::new(&mut memory, 1);
            let (client, mut socket, listener) = connected_from(&mut solo, own);
            let reset = |ahead| {
                let mut frame = reset(&client, ahead).frame();
                let header = if own == PEERS[0] { 34 } else { 54 };
                frame[header + FLAGS] |= more;
                fix_checksums(&mut frame);
                frame
            };
            solo.send(reset(1));
            assert_challenged(&mut solo, &client);
            solo.send(reset(3000));
            assert_eq!(solo.said(), []);
            assert!(solo.netstat().contains("ESTABLISHED"), "{}", solo.netstat());
            solo.send(reset(0));
            assert_eq!(solo.said(), []);
            assert_eq!(solo.board.counters().resets_in, 1);
            let read = tcp::receive(&mut solo.board, &mut socket, &mut [0; 9]);
            assert_eq!(read, Err(nb::Error::Other(Error::ConnectionReset)));
            solo.end(socket, listener);
        }
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
            let (the_client, socket, the_listener) = connected_from(&mut solo, PEERS[0]);
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
        let (socket, syn) = connecting(&mut solo, own);
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

/// What acknowledges something else than our SYN is of a connection that is no more: it is reset, so that its owner can make
/// room for ours (RFC 9293 3.5.1, 3.10.7.3); what acknowledges the SYN and is none itself says nothing.
#[test]
fn in_syn_sent_what_acknowledges_something_else_is_reset() {
    for own in PEERS {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (socket, syn) = connecting(&mut solo, own);
        let client = Client::new(own, syn.from.port);
        for control in [TcpControl::None, TcpControl::Psh, TcpControl::Fin, TcpControl::Syn] {
            for (ahead, len) in [(0, 0), (2, 0), (2, 5), (-1, 5), (1, 0), (1, 5)] {
                if control == TcpControl::Syn && ahead == 1 {
                    continue; // The answer.
                }
                let ack = TcpSeqNumber(syn.seq.0.wrapping_add(ahead));
                let segment = client.segment(control, &[b'x'; 5][..len]);
                solo.send(Segment { ack: Some(ack), ..segment }.frame());
                let said: Vec<_> =
                    solo.said().iter().map(|said| (said.control, said.seq, said.ack)).collect();
                let answer = if ahead == 1 { vec![] } else { vec![(TcpControl::Rst, ack, None)] };
                assert_eq!(said, answer, "{control:?}, SND.NXT {:+}", ahead - 1);
                assert!(solo.netstat().contains("SYN-SENT"), "{control:?}\n{}", solo.netstat());
                solo.pass(SECOND / 100);
            }
        }
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
            let (old, socket, mut listener) = connected_from(&mut solo, own);
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
        let (one, socket, mut listener) = connected_from(&mut solo, own);
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
        let (mut client, socket, mut listener) = connected_from(&mut solo, own);
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
        let (mut socket, syn) = connecting(&mut solo, own);
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
