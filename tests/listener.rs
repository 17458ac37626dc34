//! Listeners and their accept queues.

mod common;

use std::cell::Cell;
use std::rc::Rc;

use common::frames::Segment;
use common::pair::{Memory, Pair};
use common::solo::{Client, SLOTS, Solo, SoloMemory};
use common::{failed, ready, tcp};
use embedded_nal::nb;
use smoltcp::time::Duration;
use smoltcp::wire::TcpControl;
use tapboard_firmware::Error;

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
