//! More requests than slots: silence, reserves, eviction, recycling.

mod common;
#[path = "crowd/flood.rs"]
mod flood;

use common::frames::Segment;
use common::pair::{Memory, Pair};
use common::solo::{Client, ONE_PORT, SLOTS, Solo, SoloMemory};
use common::{ready, tcp};
use embedded_nal::nb;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::TcpControl;
use tapboard::world::Outcome;
use tapboard_firmware::TcpSocket;
use tapboard_firmware::config::{SYN_HELD, USER_TIMEOUT};

#[test]
fn a_full_pool_is_silence_and_the_client_gets_in_when_a_slot_is_free() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::listener(&mut solo.board, 7);
    let mut accepted = Vec::new();
    // One slot is the client side's reserve.
    for port in 0..SLOTS as u16 - 1 {
        Client::new(&format!("192.0.2.2:{}", 1000 + port), 7).open(&mut solo);
        accepted.push(tcp::accept(&mut solo.board, &mut listener).unwrap());
    }
    solo.said();
    let mut late = Client::new("192.0.2.2:2000", 7);
    for unanswered in 1..=3 {
        solo.send(late.syn());
        assert_eq!(solo.said(), [], "neither SYN-ACK nor RST");
        assert_eq!(solo.board.counters().syn_unanswered, unanswered);
        solo.pass(Duration::from_secs(1));
    }
    // Somebody who asked once, and so long ago that it may have given up.
    let forgotten = Client::new("192.0.2.2:3000", 7);
    solo.send(forgotten.syn());
    solo.pass(SYN_HELD - Duration::from_millis(1));
    solo.send(late.syn());
    solo.pass(Duration::from_secs(1));
    for _ in 0..2 {
        solo.board.abort(accepted.pop().unwrap());
    }
    solo.turn();
    // Without another SYN: the request was remembered.
    let said = solo.said();
    let (syn_acks, resets): (Vec<_>, Vec<_>) = said.iter().partition(|said| said.is_syn_ack());
    assert_eq!((syn_acks.len(), resets.len()), (1, 2), "{said:#?}");
    assert!(resets.iter().all(|reset| reset.is_rst()));
    late.took(syn_acks[0]);
    solo.send(late.ack());
    accepted.push(tcp::accept(&mut solo.board, &mut listener).expect("in at last"));
    for socket in accepted {
        solo.board.abort(socket);
    }
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}

/// Requests of so many hosts, none of whom says any more.
fn flood(solo: &mut Solo<'_>, count: u16, version6: bool) {
    for number in 0..count {
        let (host, port) = (10 + number % 100, 1000 + number);
        let from = if version6 {
            format!("[2001:db8::{host}]:{port}")
        } else {
            format!("192.0.2.{host}:{port}")
        };
        solo.put(Client::new(&from, 7).syn());
    }
    solo.turn();
    solo.heard.clear();
}

/// As many as are remembered: while they may be somebody, those who come later are not told of a connection that there is
/// no slot for.
#[test]
fn handshakes_that_nobody_ends_give_way_to_a_client_from_2_s_on() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::listener(&mut solo.board, 7);
    flood(&mut solo, 30, false);
    assert_eq!(solo.board.free_slots(), 1, "the client side's reserve");
    assert_eq!(solo.board.counters().syn_unanswered, u64::from(30 - ONE_PORT));
    let mut client = Client::new("192.0.2.2:1000", 7);
    // SYNs at 0 and 1 s, as TCP sends them; before that at 3 s there is a slot.
    for wait in [1000, 999] {
        solo.said();
        solo.send(client.syn());
        assert!(solo.said().is_empty());
        solo.pass(Duration::from_millis(wait));
    }
    let own = |said: Vec<Segment>| said.into_iter().find(|said| said.to == client.own);
    assert_eq!(own(solo.said()), None);
    solo.pass(Duration::from_millis(1));
    client.took(&own(solo.said()).expect("a SYN-ACK at 2 s"));
    solo.send(client.ack());
    assert_eq!(solo.board.counters().evicted, 1);
    let socket = tcp::accept(&mut solo.board, &mut listener).expect("in");
    solo.pass(USER_TIMEOUT - Duration::from_secs(1));
    assert_eq!(solo.board.free_slots(), SLOTS - 1);
    solo.board.abort(socket);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}

#[test]
fn a_flood_on_one_port_starves_neither_another_port_nor_the_client_side() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let flooded = tcp::listener(&mut solo.board, 7);
    let mut quiet = tcp::listener(&mut solo.board, 9);
    flood(&mut solo, 50, false);
    let mut client = Client::new("192.0.2.2:1000", 9);
    client.open(&mut solo);
    let accepted = tcp::accept(&mut solo.board, &mut quiet).expect("port 9 is not flooded");
    flood(&mut solo, 50, false);
    let mut outgoing = tcp::socket(&mut solo.board);
    let result = tcp::connect(&mut solo.board, &mut outgoing, "192.0.2.2:9000");
    assert_eq!(result, Err(nb::Error::WouldBlock));
    solo.turn();
    assert_eq!(solo.said_one().control, TcpControl::Syn);
    tcp::close(&mut solo.board, outgoing);
    solo.board.abort(accepted);
    tcp::close(&mut solo.board, flooded);
    tcp::close(&mut solo.board, quiet);
    solo.turn();
    solo.assert_clean();
}

/// A slot in TIME-WAIT is there for whoever needs it, so it cannot be the reserve of the port it served.
#[test]
fn a_port_whose_only_slot_is_in_time_wait_still_has_its_reserve() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut busy = tcp::listener(&mut solo.board, 7);
    let mut quiet = tcp::listener(&mut solo.board, 9);
    let mut first = Client::new("192.0.2.2:1000", 9);
    first.open(&mut solo);
    let socket = tcp::accept(&mut solo.board, &mut quiet).unwrap();
    tcp::close(&mut solo.board, socket);
    solo.turn();
    first.ack += 1;
    solo.send(first.fin());
    let mut accepted = Vec::new();
    for port in 0..20 {
        let mut client = Client::new(&format!("192.0.2.2:{}", 2000 + port), 7);
        solo.said();
        solo.send(client.syn());
        if let [syn_ack] = &solo.said()[..] {
            client.took(syn_ack);
            solo.send(client.ack());
            accepted.push(tcp::accept(&mut solo.board, &mut busy).unwrap());
        }
    }
    assert_eq!(accepted.len(), SLOTS - 2, "port 9 and the client side keep one each");
    Client::new("192.0.2.2:1001", 9).open(&mut solo);
    accepted.push(tcp::accept(&mut solo.board, &mut quiet).expect("its reserve"));
    for socket in accepted {
        solo.board.abort(socket);
    }
    tcp::close(&mut solo.board, busy);
    tcp::close(&mut solo.board, quiet);
    solo.pass(Duration::from_secs(11));
    solo.assert_clean();
}

#[test]
fn slots_in_time_wait_are_recycled_under_pressure_and_end_after_10_s_without() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::listener(&mut solo.board, 7);
    // Each connection leaves a slot in TIME-WAIT; 100 of them in no time need only the pool.
    for port in 0..100 {
        let mut client = Client::new(&format!("192.0.2.2:{}", 1000 + port), 7);
        client.open(&mut solo);
        let socket = tcp::accept(&mut solo.board, &mut listener).expect("no slot");
        tcp::close(&mut solo.board, socket);
        solo.turn();
        client.ack += 1;
        solo.send(client.fin());
    }
    assert!(solo.board.free_slots() <= 1);
    assert_eq!(solo.board.counters().syn_dropped, 0);
    solo.pass(Duration::from_millis(9990));
    assert!(solo.board.free_slots() <= 1);
    solo.pass(Duration::from_millis(20));
    tcp::close(&mut solo.board, listener);
    solo.assert_clean();
}

/// One client's part of it.
struct Talk {
    socket: Option<TcpSocket>,
    sent: usize,
    heard: Vec<u8>,
}

#[test]
fn thirty_two_clients_at_once_against_eight_slots_are_all_served() {
    const BYTES: usize = 10_000;
    let mut memory = Memory::new();
    let mut pair = Pair::new(&mut memory, Duration::from_millis(1), 3);
    let mut listener = tcp::listener(&mut pair.board, 7);
    let data: Vec<u8> = (0..BYTES).map(|index| (index * 7 / 3) as u8).collect();
    let mut clients: Vec<Talk> = (0..32)
        .map(|_| Talk { socket: Some(tcp::socket(&mut pair.peer)), sent: 0, heard: Vec::new() })
        .collect();
    let mut served: Vec<(TcpSocket, Vec<u8>)> = Vec::new();
    let outcome = pair.run(Duration::from_secs(300), |_, board, peer| {
        while let Some(socket) = tcp::accept(board, &mut listener) {
            served.push((socket, Vec::new()));
        }
        let mut index = 0;
        while index < served.len() {
            let (socket, carry) = &mut served[index];
            let mut over = false;
            loop {
                if carry.is_empty() {
                    over = tcp::read(board, socket, carry);
                }
                match tcp::send(board, socket, carry) {
                    Ok(0) | Err(nb::Error::WouldBlock) => break,
                    Ok(count) => drop(carry.drain(..count)),
                    Err(error) => panic!("{error:?}"),
                }
            }
            if over && carry.is_empty() {
                tcp::close(board, served.remove(index).0);
            } else {
                index += 1;
            }
        }
        for client in &mut clients {
            let Some(socket) = &mut client.socket else {
                continue;
            };
            match tcp::connect(peer, socket, "192.0.2.1:7") {
                Ok(()) => {}
                Err(nb::Error::WouldBlock) => continue,
                Err(error) => panic!("{error:?}"),
            }
            if client.sent < BYTES {
                client.sent += ready(tcp::send(peer, socket, &data[client.sent..])).unwrap_or(0);
                if client.sent == BYTES {
                    peer.shutdown(socket).unwrap();
                }
            }
            if tcp::read(peer, socket, &mut client.heard) {
                tcp::close(peer, client.socket.take().unwrap());
            }
        }
        clients.iter().all(|client| client.socket.is_none())
    });
    assert_eq!(outcome, Outcome::Done, "{}", pair.netstat());
    assert!(clients.iter().all(|client| client.heard == data));
    assert_eq!(pair.peer.counters().resets_in, 0);
    assert_eq!(pair.board.counters().passive_opens, 32);
    let counters = pair.board.counters();
    assert_eq!((counters.syn_unanswered > 0, counters.syn_dropped), (true, 0), "{counters:?}");
    // Nobody had to ask again, which is done after a second.
    assert!(pair.clock.now() < Instant::from_secs(1), "took until {}", pair.clock.now());
    tcp::close(&mut pair.board, listener);
    pair.settle(Duration::from_secs(20));
    pair.assert_clean();
}
