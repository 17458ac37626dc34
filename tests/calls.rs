//! The calls themselves: ephemeral ports, ports in use, and an error for each misuse.

mod common;

use std::collections::BTreeSet;

use common::solo::{Client, ONE_PORT, SLOTS, Solo, SoloMemory};
use common::{failed, tcp};
use embedded_nal::{TcpFullStack, UdpClientStack, nb};
use smoltcp::time::Duration;
use tapboard_firmware::config::{EPHEMERAL_FIRST, LISTENERS};
use tapboard_firmware::{Error, NetStack, TcpSocket};

/// The local port of a fresh connect that goes nowhere.
fn connecting(board: &mut NetStack<'_>) -> (TcpSocket, u16) {
    let mut socket = tcp::socket(board);
    let result = tcp::connect(board, &mut socket, "192.0.2.2:9000");
    assert_eq!(result, Err(nb::Error::WouldBlock));
    let (local, _) = board.endpoints(&socket).unwrap();
    (socket, local.port())
}

#[test]
fn ephemeral_ports_are_of_their_range_and_differ_from_boot_to_boot() {
    let mut first = BTreeSet::new();
    for seed in 0..20 {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, seed);
        let mut ports = Vec::new();
        for _ in 0..100 {
            let (socket, port) = connecting(&mut solo.board);
            assert!(port >= EPHEMERAL_FIRST, "{port}");
            tcp::close(&mut solo.board, socket);
            ports.push(port);
        }
        let distinct: BTreeSet<_> = ports.iter().collect();
        assert!(distinct.len() > 90, "{distinct:?}");
        assert!(ports.windows(2).any(|pair| pair[1] < pair[0]), "counted up");
        first.insert(ports[0]);
        solo.assert_clean();
    }
    assert!(first.len() > 17, "{first:?}");
}

#[test]
fn initial_sequence_numbers_differ_from_boot_to_boot_and_connection_to_connection() {
    let mut seen = BTreeSet::new();
    for seed in 0..10 {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, seed);
        let listener = tcp::listener(&mut solo.board, 7);
        for port in 1000..1005 {
            solo.send(Client::new(&format!("192.0.2.2:{port}"), 7).syn());
            seen.insert(solo.said_one().seq.0);
        }
        tcp::close(&mut solo.board, listener);
        solo.turn();
        solo.assert_clean();
    }
    assert_eq!(seen.len(), 50);
}

/// 16,384 ports cannot all be tried here; a board whose every draw repeats would be found out by the
/// connections it holds at once.
#[test]
fn an_ephemeral_port_in_use_is_not_given_out_again() {
    for seed in 0..200 {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, seed);
        let (socket, port) = connecting(&mut solo.board);
        tcp::close(&mut solo.board, socket);
        // The same seed draws the same port, which a listener or a UDP socket now has.
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, seed);
        if seed % 2 == 0 {
            let listener = tcp::listener(&mut solo.board, port);
            let (socket, other) = connecting(&mut solo.board);
            assert_ne!(other, port);
            tcp::close(&mut solo.board, socket);
            tcp::close(&mut solo.board, listener);
        } else {
            let mut datagrams = UdpClientStack::socket(&mut solo.board).unwrap();
            embedded_nal::UdpFullStack::bind(&mut solo.board, &mut datagrams, port).unwrap();
            let (socket, other) = connecting(&mut solo.board);
            assert_ne!(other, port);
            tcp::close(&mut solo.board, socket);
            UdpClientStack::close(&mut solo.board, datagrams).unwrap();
        }
        solo.assert_clean();
    }
}

#[test]
fn each_misuse_is_an_error_and_takes_nothing() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let board = &mut solo.board;
    let mut fresh = tcp::socket(board);
    assert_eq!(board.listen(&mut fresh), Err(Error::InvalidState));
    assert_eq!(failed(board.accept(&mut fresh)), Error::InvalidState);
    assert_eq!(failed(tcp::send(board, &mut fresh, b"x")), Error::InvalidState);
    assert_eq!(failed(tcp::receive(board, &mut fresh, &mut [0; 1])), Error::InvalidState);
    assert_eq!(board.shutdown(&fresh), Err(Error::InvalidState));
    assert_eq!(board.endpoints(&fresh), Err(Error::InvalidState));
    assert_eq!(failed(board.peek(&fresh, &mut [0; 1])), Error::InvalidState);
    assert_eq!((board.send_room(&fresh), board.unacknowledged(&fresh)), (0, 0));
    assert_eq!(board.bind(&mut fresh, 0), Err(Error::Unaddressable));
    for nowhere in [
        "192.0.2.2:0",
        "0.0.0.0:7",
        "224.0.0.1:7",
        "255.255.255.255:7",
        "192.0.2.255:7",
        "203.0.113.1:7",
        "[::]:7",
        "[ff02::1]:7",
        "[2001:db8:1::1]:7",
    ] {
        assert_eq!(
            failed(tcp::connect(board, &mut fresh, nowhere)),
            Error::Unaddressable,
            "{nowhere}"
        );
    }
    assert_eq!(board.free_slots(), SLOTS);
    board.bind(&mut fresh, 7).expect("still as new");
    assert_eq!(board.bind(&mut fresh, 8), Err(Error::InvalidState));
    assert_eq!(failed(board.accept(&mut fresh)), Error::InvalidState, "bound, not listening");
    assert_eq!(failed(tcp::connect(board, &mut fresh, "192.0.2.2:7")), Error::InvalidState);
    board.listen(&mut fresh).unwrap();
    assert_eq!(failed(tcp::connect(board, &mut fresh, "192.0.2.2:7")), Error::InvalidState);
    assert_eq!(failed(tcp::send(board, &mut fresh, b"x")), Error::InvalidState);
    let mut second = tcp::socket(board);
    assert_eq!(board.bind(&mut second, 7), Err(Error::AddressInUse));
    tcp::close(board, fresh);
    board.bind(&mut second, 7).expect("free again");
    tcp::close(board, second);
    let (mut socket, _) = connecting(board);
    assert_eq!(failed(tcp::send(board, &mut socket, b"x")), Error::InvalidState, "SYN-SENT");
    assert_eq!(failed(tcp::receive(board, &mut socket, &mut [0; 1])), Error::InvalidState);
    assert_eq!(board.shutdown(&socket), Err(Error::InvalidState));
    assert_eq!(board.bind(&mut socket, 9), Err(Error::InvalidState));
    assert_eq!(board.listen(&mut socket), Err(Error::InvalidState));
    tcp::close(board, socket);
    solo.turn();
    solo.assert_clean();
}

#[test]
fn a_port_with_connections_but_no_listener_can_be_bound_again() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::listener(&mut solo.board, 7);
    let mut client = Client::new("192.0.2.2:1000", 7);
    client.open(&mut solo);
    let mut old = tcp::accept(&mut solo.board, &mut listener).unwrap();
    tcp::close(&mut solo.board, listener);
    let mut listener = tcp::listener(&mut solo.board, 7);
    assert!(tcp::accept(&mut solo.board, &mut listener).is_none(), "not the new one's");
    solo.send(client.data(b"the old one lives on"));
    assert_eq!(tcp::receive(&mut solo.board, &mut old, &mut [0; 99]), Ok(20));
    let mut other = Client::new("192.0.2.2:1001", 7);
    other.open(&mut solo);
    let new = tcp::accept(&mut solo.board, &mut listener).expect("the new one's");
    for socket in [old, new] {
        solo.board.abort(socket);
    }
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}

#[test]
fn slots_and_listeners_run_out_with_an_error_and_come_back() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let board = &mut solo.board;
    let mut connects: Vec<_> = (0..SLOTS).map(|_| connecting(board).0).collect();
    let mut further = tcp::socket(board);
    assert_eq!(failed(tcp::connect(board, &mut further, "192.0.2.2:9000")), Error::NoBufferSpace);
    tcp::close(board, connects.pop().unwrap());
    let result = tcp::connect(board, &mut further, "192.0.2.2:9000");
    assert_eq!(result, Err(nb::Error::WouldBlock));
    for socket in connects.into_iter().chain([further]) {
        tcp::close(board, socket);
    }
    // Each port and the client side must find a slot, and a listener has a place.
    let ports = ONE_PORT.min(LISTENERS as u16);
    let listeners: Vec<_> = (1..=ports).map(|port| tcp::listener(board, port)).collect();
    let mut further = tcp::socket(board);
    assert_eq!(board.bind(&mut further, 1000), Err(Error::NoBufferSpace));
    for listener in listeners {
        tcp::close(board, listener);
    }
    board.bind(&mut further, 1000).unwrap();
    tcp::close(board, further);
    solo.turn();
    solo.assert_clean();
}

#[test]
fn a_handle_outlived_by_nothing_says_so() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::listener(&mut solo.board, 7);
    let (mut stream, _) = connecting(&mut solo.board);
    // Ten minutes nobody uses the handles, then somebody does.
    solo.turn();
    for _ in 0..2 {
        solo.pass(Duration::from_secs(601));
    }
    assert_eq!(failed(solo.board.accept(&mut listener)), Error::ConnectionAborted);
    assert_eq!(
        failed(tcp::receive(&mut solo.board, &mut stream, &mut [0; 1])),
        Error::ConnectionAborted
    );
    // A connect is told once, and can begin anew.
    assert_eq!(
        failed(tcp::connect(&mut solo.board, &mut stream, "192.0.2.2:9000")),
        Error::ConnectionAborted
    );
    let result = tcp::connect(&mut solo.board, &mut stream, "192.0.2.2:9000");
    assert_eq!(result, Err(nb::Error::WouldBlock));
    tcp::close(&mut solo.board, stream);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.assert_clean();
}

/// The gateway's way: the SYN-ACK waits for the owner's word, and a close before it is a refusal.
#[test]
fn a_deferred_connection_is_admitted_or_refused() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::socket(&mut solo.board);
    solo.board.bind(&mut listener, 7).unwrap();
    solo.board.listen_deferred(&listener).unwrap();
    for refuse in [false, true] {
        let mut client = Client::new(&format!("192.0.2.2:{}", 1000 + u16::from(refuse)), 7);
        solo.turn();
        solo.said();
        solo.send(client.syn());
        assert_eq!(solo.said(), []);
        let (socket, remote) = common::ready(solo.board.accept_deferred(&listener)).unwrap();
        assert_eq!(remote.to_string(), client.own.to_string());
        let polls = solo.polls;
        solo.pass(Duration::from_secs(1));
        assert_eq!(solo.said(), []);
        // smoltcp cannot tell how long; 10 ms is how often it is asked.
        assert!(solo.polls - polls <= 101, "{} polls while it waits", solo.polls - polls);
        if refuse {
            tcp::close(&mut solo.board, socket);
            solo.turn();
            let rst = solo.said_one();
            assert!(rst.is_rst() && rst.ack == Some(client.seq + 1));
        } else {
            solo.board.admit(&socket).unwrap();
            solo.turn();
            let syn_ack = solo.said_one();
            client.took(&syn_ack);
            solo.send(client.ack());
            assert_eq!(solo.board.state_name(&socket), "ESTABLISHED");
            solo.board.abort(socket);
        }
    }
    tcp::close(&mut solo.board, listener);
    solo.turn();
    assert_eq!(solo.board.free_slots(), SLOTS);
    solo.assert_clean();
}

/// smoltcp's socket would listen again, and the next stranger's SYN be taken for the connection that was given away.
#[test]
fn a_deferred_connection_that_its_peer_takes_back_is_over_and_nobody_elses() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut listener = tcp::socket(&mut solo.board);
    solo.board.bind(&mut listener, 7).unwrap();
    solo.board.listen_deferred(&listener).unwrap();
    let mut client = Client::new("192.0.2.2:1000", 7);
    solo.send(client.syn());
    let (taken_back, _) = common::ready(solo.board.accept_deferred(&listener)).unwrap();
    client.seq += 1;
    // Both are there before the application has its turn.
    let stranger = Client::new("192.0.2.3:1000", 7);
    solo.put(client.rst());
    solo.send(stranger.syn());
    assert_eq!(solo.board.state_name(&taken_back), "CLOSED");
    assert_eq!(solo.board.admit(&taken_back), Err(Error::ConnectionReset));
    let (socket, remote) = common::ready(solo.board.accept_deferred(&listener)).unwrap();
    assert_eq!(remote.to_string(), stranger.own.to_string());
    for socket in [taken_back, socket, listener] {
        tcp::close(&mut solo.board, socket);
    }
    solo.turn();
    solo.assert_clean();
}

/// Two ends that open at once are in SYN-RECEIVED for a while (RFC 9293 3.5). Closed there, smoltcp would never send
/// the FIN, and take the acknowledgement of its SYN for that of one.
#[test]
fn there_is_nothing_to_shut_down_before_the_handshake_is_complete() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let mut socket = tcp::socket(&mut solo.board);
    let waits = tcp::connect(&mut solo.board, &mut socket, "192.0.2.2:1000");
    assert_eq!(waits, Err(nb::Error::WouldBlock));
    solo.turn();
    let syn = solo.said_one();
    let mut peer = Client::new("192.0.2.2:1000", syn.from.port);
    solo.send(peer.syn());
    assert_eq!(solo.board.state_name(&socket), "SYN-RECEIVED");
    assert_eq!(solo.board.shutdown(&socket), Err(Error::InvalidState));
    (peer.seq, peer.ack) = (peer.seq + 1, syn.seq + 1);
    solo.send(peer.ack());
    assert_eq!(solo.board.state_name(&socket), "ESTABLISHED");
    solo.said();
    assert_eq!(solo.board.shutdown(&socket), Ok(()));
    solo.turn();
    assert!(solo.said_one().is_fin());
    solo.board.abort(socket);
    solo.turn();
    solo.assert_clean();
}
