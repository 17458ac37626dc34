//! Listeners, accept queues and handshakes, segment by segment.

mod common;

use std::cell::Cell;
use std::rc::Rc;

use common::frames::{Segment, endpoint};
use common::pair::{Memory, Pair};
use common::solo::{Client, SLOTS, Solo, SoloMemory};
use common::{failed, ready, tcp};
use embedded_nal::nb;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{TcpControl, TcpSeqNumber};
use tapboard::world::Outcome;
use tapboard_firmware::config::{KEEP_ALIVE, SYN_HELD};
use tapboard_firmware::{Error, TcpSocket};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_listener_carries_no_data_and_each_accept_is_a_new_socket_in_the_order_of_arrival() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::listener(&mut solo.board, 7);
    assert!(tcp::accept(&mut solo.board, &mut listener).is_none());
    let mut clients =
        ["192.0.2.2:1003", "192.0.2.3:1001", "192.0.2.4:1002"].map(|own| Client::new(own, 7));
    for client in &mut clients {
        client.open(&mut solo);
        solo.send(client.data(client.own.to_string().as_bytes()));
    }
    // The listener itself neither sends nor receives, whatever is in the queue.
    assert_eq!(failed(tcp::send(&mut solo.board, &mut listener, b"x")), Error::InvalidState);
    assert_eq!(
        failed(tcp::receive(&mut solo.board, &mut listener, &mut [0; 8])),
        Error::InvalidState
    );
    assert_eq!(solo.board.state_name(&listener), "LISTEN");
    let mut accepted = Vec::new();
    for client in &clients {
        let (mut socket, remote) =
            ready(embedded_nal::TcpFullStack::accept(&mut solo.board, &mut listener))
                .expect("a connection waits");
        assert_eq!(remote.to_string(), client.own.to_string());
        let mut heard = Vec::new();
        assert!(!tcp::read(&mut solo.board, &mut socket, &mut heard));
        assert_eq!(heard, client.own.to_string().as_bytes());
        accepted.push(socket);
    }
    assert!(tcp::accept(&mut solo.board, &mut listener).is_none());
    // What one of them does is nothing to the others or to the listener.
    solo.board.abort(accepted.remove(0));
    solo.turn();
    assert_eq!(solo.board.state_name(&accepted[0]), "ESTABLISHED");
    assert_eq!(solo.board.state_name(&listener), "LISTEN");
    for socket in accepted {
        solo.board.abort(socket);
    }
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}

#[test]
fn accept_never_yields_a_connection_in_syn_received() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::listener(&mut solo.board, 7);
    let mut client = Client::new("192.0.2.2:1000", 7);
    solo.send(client.syn());
    let syn_ack = solo.said_one();
    client.took(&syn_ack);
    assert!(tcp::accept(&mut solo.board, &mut listener).is_none());
    solo.pass(Duration::from_millis(500));
    assert!(tcp::accept(&mut solo.board, &mut listener).is_none());
    solo.send(client.ack());
    let socket = tcp::accept(&mut solo.board, &mut listener).expect("established now");
    assert_eq!(solo.board.state_name(&socket), "ESTABLISHED");
    solo.board.abort(socket);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}

#[test]
fn accept_yields_a_connection_whose_peer_has_sent_everything_and_its_fin() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::listener(&mut solo.board, 7);
    let mut client = Client::new("192.0.2.2:1000", 7);
    client.open(&mut solo);
    solo.send(client.data(b"all I have to say"));
    solo.send(client.fin());
    let mut socket = tcp::accept(&mut solo.board, &mut listener).expect("CLOSE-WAIT counts");
    assert_eq!(solo.board.state_name(&socket), "CLOSE-WAIT");
    let mut heard = Vec::new();
    assert!(tcp::read(&mut solo.board, &mut socket, &mut heard), "no FIN");
    assert_eq!(heard, b"all I have to say");
    assert_eq!(tcp::receive(&mut solo.board, &mut socket, &mut [0; 1]), Ok(0));
    // The other direction is still open.
    assert_eq!(tcp::send(&mut solo.board, &mut socket, b"bye"), Ok(3));
    tcp::close(&mut solo.board, socket);
    solo.said();
    solo.turn();
    let last = solo.said_one();
    assert_eq!((last.payload.as_slice(), last.control), (&b"bye"[..], TcpControl::Fin));
    client.ack = last.seq + 4;
    solo.send(client.ack());
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}

/// A connection that dies in the queue is gone; one that died with its data read is gone too.
#[test]
fn accept_never_yields_a_connection_that_is_over() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::listener(&mut solo.board, 7);
    let mut reset = Client::new("192.0.2.2:1000", 7);
    reset.open(&mut solo);
    solo.send(reset.rst());
    let mut vanished = Client::new("192.0.2.2:1001", 7);
    vanished.open(&mut solo);
    let mut finished = Client::new("192.0.2.2:1002", 7);
    finished.open(&mut solo);
    solo.send(finished.fin());
    assert_eq!(solo.board.free_slots(), SLOTS - 2);
    solo.pass_with(Duration::from_secs(130), &mut |board, _| {
        // The listener is in use, though its owner has no room for what it would accept.
        assert_eq!(board.state_name(&listener), "LISTEN");
        None
    });
    assert_eq!(solo.board.free_slots(), SLOTS, "{}", solo.netstat());
    assert!(tcp::accept(&mut solo.board, &mut listener).is_none());
    assert_eq!(solo.board.counters().timeouts, 2);
    tcp::close(&mut solo.board, listener);
    solo.assert_clean();
}

#[test]
fn a_port_that_nobody_registered_is_refused() {
    let mut memory = Memory::new();
    let mut pair = Pair::new(&mut memory, Duration::from_millis(1), 1);
    let resets = Rc::new(Cell::new(0));
    let counter = Rc::clone(&resets);
    pair.tap = Box::new(move |_, _, frame| {
        let rst = Segment::parse(frame).is_some_and(|segment| segment.is_rst());
        counter.set(counter.get() + u32::from(rst));
        Some(Duration::ZERO)
    });
    let mut client = tcp::socket(&mut pair.peer);
    let mut result = Ok(());
    pair.run(SECOND, |_, _, peer| {
        result = tcp::connect(peer, &mut client, "192.0.2.1:8");
        result != Err(nb::Error::WouldBlock)
    });
    assert_eq!(failed(result), Error::ConnectionRefused);
    assert_eq!(resets.get(), 1);
    // A port that is bound but does not listen yet is nobody's either.
    let mut bound = tcp::socket(&mut pair.board);
    embedded_nal::TcpFullStack::bind(&mut pair.board, &mut bound, 8).unwrap();
    let mut result = Ok(());
    pair.run(SECOND, |_, _, peer| {
        result = tcp::connect(peer, &mut client, "192.0.2.1:8");
        result != Err(nb::Error::WouldBlock)
    });
    assert_eq!(failed(result), Error::ConnectionRefused);
    tcp::close(&mut pair.board, bound);
    tcp::close(&mut pair.peer, client);
    pair.settle(SECOND);
    pair.assert_clean();
}

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

#[test]
fn a_lost_syn_ack_is_sent_again_with_the_same_number_and_makes_one_connection() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::listener(&mut solo.board, 7);
    let mut client = Client::new("192.0.2.2:1000", 7);
    solo.send(client.syn());
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
        client.open(&mut solo);
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

/// A client that forgot the connection, say after a reboot, gets no answer to its SYN; it resets the old
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
        solo.pass(Duration::from_millis(7999));
        assert_eq!(solo.board.free_slots(), SLOTS - 1);
        let times: Vec<_> = solo.heard.iter().map(|(at, _)| at.total_millis()).collect();
        assert_eq!(times, [0, 1000, 3000, 7000]);
        assert!(solo.said().iter().all(Segment::is_syn_ack));
        solo.pass(Duration::from_secs(60));
        assert_eq!(solo.said(), []);
        assert_eq!(solo.board.free_slots(), SLOTS);
        assert_eq!(solo.board.counters().handshakes_expired, 1);
        tcp::close(&mut solo.board, listener);
        solo.assert_clean();
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
fn a_flood_of_syns_gives_way_to_a_client_from_2_s_on() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::listener(&mut solo.board, 7);
    for host in 0..200 {
        solo.send(Client::new(&format!("192.0.2.{}:{}", 10 + host % 100, 1000 + host), 7).syn());
    }
    assert_eq!(solo.board.free_slots(), 1, "the client side's reserve");
    assert_eq!(solo.board.counters().syn_unanswered, 200 - 7);
    let mut client = Client::new("192.0.2.2:1000", 7);
    // SYNs at 0, 1 and 3 s, as TCP sends them.
    for wait in [1000, 2000] {
        solo.said();
        solo.send(client.syn());
        assert!(solo.said().is_empty());
        solo.pass(Duration::from_millis(wait));
    }
    client.open(&mut solo);
    assert_eq!(solo.board.counters().evicted, 1);
    let socket = tcp::accept(&mut solo.board, &mut listener).expect("in");
    solo.pass(Duration::from_secs(10));
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
    let flood = |solo: &mut Solo<'_>| {
        for port in 0..50 {
            solo.send(Client::new(&format!("192.0.2.77:{}", 1000 + port), 7).syn());
        }
        solo.said();
    };
    flood(&mut solo);
    let mut client = Client::new("192.0.2.2:1000", 9);
    client.open(&mut solo);
    let accepted = tcp::accept(&mut solo.board, &mut quiet).expect("port 9 is not flooded");
    flood(&mut solo);
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
    assert_eq!(accepted.len(), 6, "port 9 and the client side keep one each");
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

#[test]
fn what_waits_to_be_accepted_is_reset_when_its_listener_closes() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let listener = tcp::listener(&mut solo.board, 7);
    let mut queued = Client::new("192.0.2.2:1000", 7);
    queued.open(&mut solo);
    let mut shaking = Client::new("192.0.2.2:1001", 7);
    solo.send(shaking.syn());
    let syn_ack = solo.said_one();
    shaking.took(&syn_ack);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    let said = solo.said();
    assert_eq!(said.len(), 2);
    for client in [queued, shaking] {
        let rst = said.iter().find(|segment| segment.to == client.own).unwrap();
        assert!(rst.is_rst());
        assert_eq!(rst.seq, client.ack, "a RST the peer takes (RFC 5961 3.2)");
    }
    solo.assert_clean();
}

#[test]
fn thirty_two_clients_at_once_against_eight_slots_are_all_served() {
    const BYTES: usize = 10_000;
    let mut memory = Memory::new();
    let mut pair = Pair::new(&mut memory, Duration::from_millis(1), 3);
    let mut listener = tcp::listener(&mut pair.board, 7);
    let data: Vec<u8> = (0..BYTES).map(|index| (index * 7 / 3) as u8).collect();
    struct Talk {
        socket: Option<TcpSocket>,
        sent: usize,
        heard: Vec<u8>,
    }
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
            // A SYN that got no answer is repeated at 1, 3 and 7 s; after 15 s the client starts anew.
            match tcp::connect(peer, socket, "192.0.2.1:7") {
                Ok(()) => {}
                Err(nb::Error::WouldBlock | nb::Error::Other(Error::TimedOut)) => continue,
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
    assert!(pair.board.counters().syn_dropped > 0, "the pool was never full");
    assert!(pair.clock.now() < Instant::from_secs(60), "took until {}", pair.clock.now());
    tcp::close(&mut pair.board, listener);
    pair.settle(Duration::from_secs(20));
    pair.assert_clean();
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
