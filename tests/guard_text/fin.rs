//! FINs that come before their turn, or with text that is in, and text behind them.

use smoltcp::wire::TcpControl;

use super::common::frames::Segment;
use super::common::solo::{Client, Solo, SoloMemory, connected_from};
use super::common::tcp;
use super::{PEERS, SECOND, queues};

/// RFC 9293 3.10.7.4, SHLD-31: what comes too early is held until its turn.
#[test]
fn a_fin_that_overtakes_data_counts_once_the_data_is_in() {
    for own in PEERS {
        for with_text in [false, true] {
            let mut memory = SoloMemory::new();
            let mut solo = Solo::new(&mut memory, 1);
            let (mut client, mut socket, listener) = connected_from(&mut solo, own);
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
    let (mut client, mut socket, listener) = connected_from(&mut solo, PEERS[0]);
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
            let (mut client, mut socket, listener) = connected_from(&mut solo, own);
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
            // What is not even in the window acknowledges nothing.
            assert_eq!(tcp::send(&mut solo.board, &mut socket, b"more"), Ok(4));
            solo.turn();
            solo.said();
            for ahead in [3000, 1 << 30] {
                let far = client.segment(TcpControl::Psh, b"XYZ");
                let (seq, ack) = (far.seq + ahead, Some(client.ack + 4));
                solo.send(Segment { seq, ack, ..far }.frame());
                assert_eq!(queues(&solo), (3, 4), "{ahead}");
            }
            client.ack += 4;
            solo.send(client.ack());
            solo.pass(SECOND);
            solo.said();
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

/// Its text is in, and what it acknowledges is news; but not what it ends with.
#[test]
fn a_fin_behind_text_that_is_in_counts_whatever_it_acknowledges() {
    for own in PEERS {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (mut client, mut socket, listener) = connected_from(&mut solo, own);
        let mut again = client.segment(TcpControl::Fin, b"text");
        solo.send(client.data(b"text"));
        assert_eq!(tcp::send(&mut solo.board, &mut socket, b"answer"), Ok(6));
        solo.turn();
        solo.said();
        again.ack = Some(client.ack + 6);
        solo.send(again.frame());
        assert_eq!(solo.said().last().expect("an answer").ack, Some(client.seq + 1));
        assert_eq!(queues(&solo), (4, 0));
        let mut heard = Vec::new();
        assert!(tcp::read(&mut solo.board, &mut socket, &mut heard), "its end");
        assert_eq!(heard, b"text");
        solo.end(socket, listener);
    }
}
