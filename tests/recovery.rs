//! What the stack does about loss beside smoltcp: a retransmission before its timer would.

mod common;

use common::frames::neighbor_answer;
use common::pair::{Memory, Pair};
use common::solo::{Client, Solo, SoloMemory, connected};
use common::{ready, tcp};
use embedded_nal::nb;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::TcpControl;
use tapboard::link::{Link, Setting};
use tapboard::world::Outcome;
use tapboard_firmware::config::USER_TIMEOUT;
use tapboard_firmware::{Error, NetStack};

/// Milliseconds at which the board sent payload, and where in the stream it began.
fn sent(solo: &mut Solo<'_>, since: Instant) -> Vec<(i64, usize)> {
    let mut first = None;
    let heard: Vec<_> = solo.heard.drain(..).collect();
    heard
        .into_iter()
        .filter(|(_, segment)| !segment.payload.is_empty())
        .map(|(at, segment)| {
            let first = *first.get_or_insert(segment.seq);
            ((at.total_millis() - since.total_millis()), segment.seq - first)
        })
        .collect()
}

#[test]
fn a_silent_peer_is_asked_again_with_waits_that_double() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (client, mut socket, listener) = connected(&mut solo);
    let start = solo.clock.now();
    assert_eq!(tcp::send(&mut solo.board, &mut socket, b"anyone?"), Ok(7));
    solo.turn();
    solo.pass(Duration::from_secs(8));
    let times: Vec<_> = sent(&mut solo, start).into_iter().map(|(at, _)| at).collect();
    // One exponential backoff (RFC 6298 5.5), from 200 ms beyond a round trip of nothing.
    assert_eq!(times, [0, 200, 600, 1400, 3000, 6200]);
    assert_eq!(solo.board.counters().recoveries, 5);
    assert_eq!(solo.board.counters().retransmitted, 5);
    // A late acknowledgement still counts, and the next data starts over.
    let mut client = client;
    client.ack += 7;
    solo.send(client.ack());
    solo.pass(Duration::from_secs(10));
    assert_eq!(sent(&mut solo, start), [], "nothing is outstanding");
    let start = solo.clock.now();
    assert_eq!(tcp::send(&mut solo.board, &mut socket, b"again"), Ok(5));
    solo.turn();
    solo.pass(Duration::from_millis(300));
    let times: Vec<_> = sent(&mut solo, start).into_iter().map(|(at, _)| at).collect();
    assert_eq!(times, [0, 200]);
    solo.board.abort(socket);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}

/// A peer sends again what is in, and acknowledges more with it. Where it is on the link is not known when it is to be told so.
#[test]
fn what_comes_again_is_acknowledged_once_its_sender_is_known_again() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (mut client, mut socket, listener) = connected(&mut solo);
    let first = client.clone();
    solo.send(client.data(b"text"));
    assert_eq!(ready(tcp::receive(&mut solo.board, &mut socket, &mut [0; 8])), Some(4));
    assert_eq!(tcp::send(&mut solo.board, &mut socket, b"echo"), Ok(4));
    solo.turn();
    client.ack += 4;
    solo.said();
    // No room for the acknowledgement before the cable is out.
    solo.room = 0;
    solo.put(Client { ack: client.ack, ..first }.data(b"text"));
    solo.turn();
    assert_eq!(solo.said(), []);
    solo.answers = |_| false;
    solo.room = usize::MAX;
    solo.board.link_up();
    solo.turn();
    solo.pass(Duration::from_secs(2));
    assert_eq!(solo.said(), []);
    solo.put(neighbor_answer(client.own.addr));
    solo.turn();
    let said = solo.said_one();
    assert_eq!((said.seq, said.ack, said.payload.len()), (client.ack, Some(client.seq), 0));
    solo.answers = |_| true;
    solo.end(socket, listener);
}

/// smoltcp forgets that a segment is outstanding, if the neighbour has to be asked for first when its timer expires.
#[test]
fn a_neighbour_that_is_away_for_all_the_tries_gets_the_data_when_it_is_back() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (mut client, mut socket, listener) = connected(&mut solo);
    assert_eq!(tcp::send(&mut solo.board, &mut socket, b"anyone?"), Ok(7));
    solo.turn();
    solo.pass(Duration::from_millis(100));
    solo.answers = |_| false;
    solo.board.link_up();
    solo.turn();
    solo.pass(Duration::from_secs(15));
    assert!(solo.board.counters().recoveries >= 5);
    solo.said();
    // The neighbour is back, and alive in all but what it has not got.
    solo.answers = |_| true;
    for _ in 0..4 {
        solo.send(client.segment(TcpControl::None, b"").frame());
        solo.pass(Duration::from_secs(10));
    }
    let heard = solo.said();
    let mut data = heard.iter().filter(|segment| !segment.payload.is_empty()).peekable();
    assert!(data.peek().is_some(), "{}", solo.netstat());
    assert!(data.all(|segment| segment.payload == b"anyone?"), "{heard:?}");
    client.ack += 7;
    solo.send(client.ack());
    assert_eq!(solo.board.unacknowledged(&socket), 0);
    solo.board.abort(socket);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.said();
    solo.assert_clean();
}

#[test]
fn what_is_resent_is_the_first_that_is_missing_whatever_came_in_meanwhile() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (mut client, mut socket, listener) = connected(&mut solo);
    // Data has gone both ways, read and unread, so that every number is its own.
    solo.send(client.data(b"read"));
    assert_eq!(tcp::receive(&mut solo.board, &mut socket, &mut [0; 4]), Ok(4));
    solo.send(client.data(b"unread"));
    solo.said();
    let start = solo.clock.now();
    assert_eq!(tcp::send(&mut solo.board, &mut socket, &[1; 2000]), Ok(2000));
    solo.turn();
    let first: Vec<_> = sent(&mut solo, start).into_iter().map(|(_, at)| at).collect();
    assert_eq!(first, [0, 1460]);
    // The first segment arrived, the second did not.
    client.ack += 1460;
    solo.send(client.ack());
    let acknowledged = client.ack;
    solo.pass(Duration::from_millis(260));
    let heard = solo.said();
    let resent: Vec<_> = heard.iter().filter(|segment| !segment.payload.is_empty()).collect();
    assert_eq!(resent.len(), 1, "{heard:#?}");
    assert_eq!((resent[0].seq, resent[0].payload.len()), (acknowledged, 540));
    assert!(heard.iter().all(|segment| segment.ack == Some(client.seq)), "nothing else is said");
    // And after the peer's FIN, which takes a number of its own.
    solo.send(client.fin());
    solo.said();
    solo.pass(Duration::from_millis(600));
    let heard = solo.said();
    assert!(heard.iter().any(|segment| segment.payload.len() == 540), "{heard:#?}");
    solo.board.abort(socket);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}

#[test]
fn a_closed_window_is_no_loss() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (mut client, mut socket, listener) = connected(&mut solo);
    client.window = 0;
    solo.send(client.ack());
    assert_eq!(tcp::send(&mut solo.board, &mut socket, b"wait"), Ok(4));
    solo.turn();
    solo.pass(Duration::from_secs(10));
    assert_eq!(solo.board.counters().recoveries, 0);
    solo.board.abort(socket);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}

/// Neither later, for what smoltcp is shown looks to it as if the peer were there, nor sooner, for smoltcp's
/// own probes do not.
#[test]
fn a_peer_that_is_gone_is_given_up_in_time_whatever_was_tried() {
    for window in [0, 8192] {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (mut client, mut socket, listener) = connected(&mut solo);
        client.window = window;
        solo.send(client.ack());
        assert_eq!(tcp::send(&mut solo.board, &mut socket, b"anyone?"), Ok(7));
        solo.turn();
        solo.pass(USER_TIMEOUT - Duration::from_secs(1));
        assert_eq!(solo.board.state_name(&socket), "ESTABLISHED", "window {window}");
        solo.pass(Duration::from_secs(2));
        let error = tcp::receive(&mut solo.board, &mut socket, &mut [0; 8]);
        assert_eq!(error, Err(nb::Error::Other(Error::TimedOut)), "window {window}");
        solo.board.abort(socket);
        tcp::close(&mut solo.board, listener);
        solo.turn();
        solo.assert_clean();
    }
}

/// As a process is that a signal stops, or a chip that a debugger holds: for minutes, and for longer than times in
/// four bytes reach. What the peer said meanwhile is read first; it acknowledges nothing.
#[test]
fn a_board_that_nobody_polled_for_minutes_goes_on() {
    for (minutes, says) in [(4, false), (40, false), (40, true), (600, true)] {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (mut client, mut socket, listener) = connected(&mut solo);
        assert_eq!(tcp::send(&mut solo.board, &mut socket, b"anyone?"), Ok(7));
        solo.turn();
        solo.clock.advance_to(solo.clock.now() + Duration::from_secs(60) * minutes);
        if says {
            solo.put(client.data(b"me"));
        }
        let mut owner = |board: &mut NetStack<'_>, _| {
            let _ = (board.state_name(&socket), board.state_name(&listener));
            None
        };
        solo.turn_with(&mut owner);
        if says {
            solo.pass_with(USER_TIMEOUT, &mut owner);
            assert_eq!(tcp::receive(&mut solo.board, &mut socket, &mut [0; 8]), Ok(2));
        }
        let error = tcp::receive(&mut solo.board, &mut socket, &mut [0; 8]);
        assert_eq!(error, Err(nb::Error::Other(Error::TimedOut)), "{minutes} minutes, {says}");
        tcp::close(&mut solo.board, socket);
        tcp::close(&mut solo.board, listener);
        solo.turn();
        solo.assert_clean();
    }
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_is_not_believed() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (mut client, mut socket, listener) = connected(&mut solo);
    assert_eq!(tcp::send(&mut solo.board, &mut socket, b"data"), Ok(4));
    solo.turn();
    let mut liar = client.clone();
    liar.ack += 1_000_000;
    solo.send(liar.ack());
    solo.said();
    solo.pass(Duration::from_millis(300));
    let heard = solo.said();
    assert!(heard.iter().any(|segment| segment.payload == b"data"), "{heard:#?}");
    client.ack += 4;
    solo.send(client.ack());
    solo.board.abort(socket);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}

/// Both ends resend by turns here; without help, one such run in three ended in a timeout, and the rest
/// took several times as long.
#[test]
fn a_megabyte_gets_through_a_link_that_loses_a_tenth_each_way() {
    for seed in 1..=5 {
        let mut memory = Memory::new();
        let mut pair = Pair::new(&mut memory, Duration::ZERO, seed);
        let mut link = Link::new(seed);
        link.set(None, Setting::parse("loss", "10%").unwrap());
        pair.tap = Box::new(move |now, to, frame| {
            let notes = link.offer(to, now, frame);
            let arrived = link.take(to, now).is_some();
            assert_eq!(arrived, !notes.dropped());
            arrived.then_some(Duration::from_millis(25))
        });
        let mut listener = tcp::listener(&mut pair.board, 7);
        let mut client = tcp::socket(&mut pair.peer);
        let (mut served, mut connected, mut sent, mut heard) = (None, false, 0, 0);
        let outcome = pair.run(Duration::from_secs(300), |_, board, peer| {
            if served.is_none() {
                served = tcp::accept(board, &mut listener);
            }
            connected |= ready(tcp::connect(peer, &mut client, "192.0.2.1:7")).is_some();
            while connected && sent < 1_000_000 {
                let rest = [0x5a; 1000];
                match ready(tcp::send(peer, &mut client, &rest[..rest.len().min(1_000_000 - sent)]))
                {
                    Some(count) => sent += count,
                    None => break,
                }
            }
            let Some(socket) = &mut served else { return false };
            while let Some(count) = ready(tcp::receive(board, socket, &mut [0; 700])) {
                heard += count;
            }
            heard == 1_000_000
        });
        assert_eq!(outcome, Outcome::Done, "seed {seed}: {heard}\n{}", pair.netstat());
        pair.board.abort(served.unwrap());
        pair.peer.abort(client);
        tcp::close(&mut pair.board, listener);
    }
}
