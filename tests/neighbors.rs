//! Neighbours: whom the board learns of from what comes in, and whom it asks for.

mod common;

use common::frames::{Datagram, Segment, endpoint, neighbor_answer};
use common::hosts::{answered, arp, board, host, mac, ping, questions, reachable, sent_by};
use common::solo::{Client, Solo, SoloMemory, connected};
use common::tcp;
use embedded_nal::{UdpClientStack, UdpFullStack, nb};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{ArpOperation, IpAddress, Ipv4Address, TcpControl, TcpSeqNumber};
use tapboard_firmware::BOARD_NET;
use tapboard_firmware::config::NEIGHBORS;

const SECOND: Duration = Duration::from_secs(1);

/// Twenty hosts that never asked for the board, and do not answer its questions either, are answered at once, while
/// it asks in vain for three that it connects to.
#[test]
fn hosts_that_never_asked_are_answered_at_once_while_three_targets_are_absent() {
    for version6 in [false, true] {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        solo.answers = |_| false;
        let mut listener = tcp::listener(&mut solo.board, 7);
        let mut datagrams = UdpClientStack::socket(&mut solo.board).unwrap();
        solo.board.bind(&mut datagrams, 7).unwrap();
        let absent = [200, 201, 202].map(|number| host(number, version6));
        let mut sockets = absent.map(|target| {
            let mut socket = tcp::socket(&mut solo.board);
            let target = core::net::SocketAddr::new(target.into(), 9000).to_string();
            let result = tcp::connect(&mut solo.board, &mut socket, &target);
            assert_eq!(result, Err(nb::Error::WouldBlock));
            socket
        });
        solo.turn();
        for number in 10..30 {
            solo.pass(Duration::from_millis(137));
            let (own, sender) = (host(number, version6), mac(number));
            let peer = core::net::SocketAddr::new(own.into(), 1000);

            let mut frames = questions(&mut solo);
            frames.retain(|address, _| !absent.iter().any(|a| a.to_string() == *address));
            assert!(frames.is_empty(), "asked for {frames:?}");
            solo.put(sent_by(sender, ping(own, board(version6))));
            solo.turn();
            assert_eq!(answered(&mut solo), [sender], "ping of {own}");

            let datagram = Datagram {
                from: endpoint(&peer.to_string()),
                to: (board(version6), 7).into(),
                payload: b"hello".to_vec(),
            };
            solo.put(sent_by(sender, datagram.frame()));
            solo.turn();
            let mut buffer = [0; 8];
            let (len, from) =
                UdpClientStack::receive(&mut solo.board, &mut datagrams, &mut buffer).unwrap();
            solo.board.send_to(&mut datagrams, from, &buffer[..len]).unwrap();
            solo.turn();
            assert_eq!(solo.datagrams.drain(..).count(), 1, "datagram of {own}");

            let mut client = Client::new(&peer.to_string(), 7);
            solo.put(sent_by(sender, client.syn()));
            solo.turn();
            let syn_ack = solo.said_one();
            client.took(&syn_ack);
            solo.put(sent_by(sender, client.ack()));
            solo.turn();
            let socket = tcp::accept(&mut solo.board, &mut listener).expect("at once");
            solo.board.abort(socket);
            solo.turn();
            assert!(solo.said_one().is_rst());
        }
        for socket in sockets.each_mut() {
            let target = core::net::SocketAddr::new(absent[0].into(), 9000).to_string();
            assert_eq!(tcp::connect(&mut solo.board, socket, &target), Err(nb::Error::WouldBlock));
        }
        for socket in sockets {
            tcp::close(&mut solo.board, socket);
        }
        tcp::close(&mut solo.board, listener);
        UdpClientStack::close(&mut solo.board, datagrams).unwrap();
        solo.turn();
        solo.assert_clean();
    }
}

/// RFC 1122 2.3.2.1: once a second for each destination, and all of them.
#[test]
fn each_absent_target_is_asked_for_once_a_second_and_found_as_soon_as_it_answers() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    solo.answers = reachable;
    let mut sockets = Vec::new();
    for target in ["192.0.2.200:9", "192.0.2.201:9", "[2001:db8::c8]:9", "192.0.2.10:9"] {
        let mut socket = tcp::socket(&mut solo.board);
        let result = tcp::connect(&mut solo.board, &mut socket, target);
        assert_eq!(result, Err(nb::Error::WouldBlock));
        sockets.push(socket);
    }
    solo.turn();
    let syn = solo.said_one();
    assert_eq!((syn.control, syn.to), (TcpControl::Syn, endpoint("192.0.2.10:9")), "at once");
    solo.pass(SECOND * 6 - Duration::from_millis(1));
    let asked = questions(&mut solo);
    let each: Vec<_> = (0..6).map(Instant::from_secs).collect();
    assert_eq!(asked["192.0.2.200"], each);
    assert_eq!(asked["192.0.2.201"], each);
    assert_eq!(asked["2001:db8::c8"], each);
    assert_eq!(asked["192.0.2.10"], [Instant::ZERO]);
    assert_eq!(asked.len(), 4);

    solo.said();
    solo.put(neighbor_answer(host(200, false)));
    solo.turn();
    let syn = solo.said_one();
    assert_eq!((syn.control, syn.to), (TcpControl::Syn, endpoint("192.0.2.200:9")));
    for socket in sockets {
        tcp::close(&mut solo.board, socket);
    }
    solo.pass(SECOND * 3);
    assert!(questions(&mut solo).is_empty(), "nobody is wanted any more");
    solo.assert_clean();
}

/// Whatever comes from the peer of a connection whose own SYN waits for a neighbour, or for the device, is no part of
/// it: smoltcp 0.14 panics at a SYN then (`last_scaled_window`).
#[test]
fn a_segment_before_our_own_syn_has_left_is_dropped() {
    for (control, acknowledges) in [
        (TcpControl::Syn, false),
        (TcpControl::Syn, true),
        (TcpControl::None, true),
        (TcpControl::Psh, true),
        (TcpControl::Fin, true),
        (TcpControl::Rst, true),
        (TcpControl::Rst, false),
    ] {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        solo.turn();
        (solo.answers, solo.room) = (|_| false, 0);
        let mut socket = tcp::socket(&mut solo.board);
        let result = tcp::connect(&mut solo.board, &mut socket, "192.0.2.9:9000");
        assert_eq!(result, Err(nb::Error::WouldBlock));
        let (local, remote) = solo.board.endpoints(&socket).unwrap();
        // Any number may be the one that was drawn.
        for ack in [0, 1, u32::MAX / 3, u32::MAX] {
            let segment = Segment {
                from: endpoint(&remote.to_string()),
                to: endpoint(&local.to_string()),
                control,
                seq: TcpSeqNumber(1000),
                ack: acknowledges.then_some(TcpSeqNumber(ack.cast_signed())),
                window: 100,
                scale: None,
                sacked: [None; 3],
                payload: if control == TcpControl::Psh { b"x".to_vec() } else { Vec::new() },
            };
            solo.put(segment.frame());
            solo.turn();
        }
        assert_eq!(solo.board.counters().unacceptable_dropped, 4);
        assert_eq!(solo.board.state_name(&socket), "SYN-SENT");
        // Now it leaves, to the address that those told of; and two ends that open at once come together.
        solo.room = usize::MAX;
        solo.pass(SECOND * 2);
        let syn = solo.said().remove(0);
        assert_eq!((syn.control, syn.ack), (TcpControl::Syn, None));
        let peer = Segment {
            from: syn.to,
            to: syn.from,
            control: TcpControl::Syn,
            seq: TcpSeqNumber(5000),
            ack: Some(syn.seq + 1),
            window: 8192,
            scale: None,
            sacked: [None; 3],
            payload: Vec::new(),
        };
        solo.put(peer.frame());
        solo.turn();
        assert_eq!(solo.board.state_name(&socket), "ESTABLISHED");
        solo.board.abort(socket);
        solo.turn();
        solo.assert_clean();
    }
}

/// Nobody's questions, however many, put the peer of a live connection out.
#[test]
fn a_hundred_hosts_that_ask_do_not_disturb_a_live_connection() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (mut client, mut socket, listener) = connected(&mut solo);
    solo.answers = |_| false;
    let own = BOARD_NET.ipv4_address();
    for round in 0..5 {
        for number in 100..200 {
            let Ok(source) = host(number, false).to_string().parse() else { unreachable!() };
            solo.put(arp(ArpOperation::Request, mac(number), source, own));
            solo.turn();
            assert_eq!(answered(&mut solo).last(), Some(&mac(number)));
        }
        assert_eq!(tcp::send(&mut solo.board, &mut socket, b"live"), Ok(4));
        solo.turn();
        assert_eq!(solo.said_one().payload, b"live", "round {round}");
        client.ack += 4;
        solo.put(client.ack());
        solo.turn();
        assert_eq!(solo.asked, 0);
        solo.pass(SECOND);
    }
    solo.end(socket, listener);
}

/// What smoltcp does not promise: a cache with room for [`NEIGHBORS`], that loses none of them to another.
#[test]
fn smoltcp_remembers_as_many_neighbours_as_the_stack_tells_it_of() {
    for version6 in [false, true] {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        solo.answers = |_| false;
        solo.turn();
        solo.others.clear();
        for round in 0..3 {
            for number in 10..10 + u8::try_from(NEIGHBORS).unwrap() {
                solo.put(sent_by(mac(number), ping(host(number, version6), board(version6))));
                solo.turn();
                assert_eq!(answered(&mut solo), [mac(number)], "round {round}");
            }
            // Beyond what smoltcp remembers anything for.
            solo.pass(SECOND * (15 + round * 50));
        }
    }
}

/// A neighbour that goes quiet is still written to while it is asked for anew; then nothing is sent into the void.
#[test]
fn a_quiet_neighbour_is_asked_for_while_its_address_is_still_used() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (_, mut socket, listener) = connected(&mut solo);
    solo.answers = |_| false;
    solo.others.clear();
    solo.pass(SECOND * 30 + Duration::from_millis(500));
    solo.said();
    assert_eq!(solo.asked, 1);
    assert_eq!(tcp::send(&mut solo.board, &mut socket, b"hello"), Ok(5));
    solo.turn();
    assert_eq!(solo.said_one().payload, b"hello", "at once, whether or not it is still there");
    solo.pass(Duration::from_millis(2499));
    assert!(solo.said().iter().any(|segment| segment.payload == b"hello"), "sent again");
    solo.pass(Duration::from_millis(7500));
    assert_eq!(solo.said(), [], "three questions were not answered");
    let asked = questions(&mut solo);
    assert_eq!(asked["192.0.2.2"].len(), 11, "{asked:?}");
    solo.board.abort(socket);
    tcp::close(&mut solo.board, listener);
    solo.turn();
    solo.pass(SECOND * 2);
    solo.assert_clean();
}

/// Nothing comes of what is sent to a dead MAC address, and that is noticed though nothing but probes is to be sent.
#[test]
fn the_silent_peer_of_an_idle_connection_is_asked_for_and_found_where_it_is_now() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (client, socket, listener) = connected(&mut solo);
    let IpAddress::Ipv4(peer) = client.own.addr else { unreachable!() };
    solo.answers = |_| false;
    solo.others.clear();
    solo.pass(SECOND * 35);
    let asked = questions(&mut solo).remove(&peer.to_string()).expect("asked for");
    assert!(asked.len() >= 3, "{asked:?}");
    solo.said();
    solo.put(arp(ArpOperation::Reply, mac(66), peer, BOARD_NET.ipv4_address()));
    solo.turn();
    solo.pass(SECOND * 21);
    assert!(!solo.said().is_empty(), "a probe, to where it is now");
    assert_eq!(solo.board.state_name(&socket), "ESTABLISHED");
    solo.end(socket, listener);
}

/// Whoever else is absent, an idle connection is probed in time.
#[test]
fn absent_targets_do_not_delay_the_probes_of_an_idle_connection() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    solo.answers = reachable;
    let targets = ["192.0.2.200:9", "192.0.2.201:9", "192.0.2.202:9"];
    // In slots before that of the connection, and at different moments of a second.
    let mut sockets = targets.map(|target| {
        let mut socket = tcp::socket(&mut solo.board);
        assert_eq!(tcp::connect(&mut solo.board, &mut socket, target), Err(nb::Error::WouldBlock));
        solo.pass(Duration::from_millis(5100));
        socket
    });
    let (client, socket, listener) = connected(&mut solo);
    solo.board.link_up();
    solo.turn();
    solo.said();
    let (start, mut last) = (solo.clock.now(), solo.clock.now());
    while solo.clock.now() < start + SECOND * 100 {
        for (socket, target) in sockets.iter_mut().zip(targets) {
            let _ = tcp::connect(&mut solo.board, socket, target);
        }
        solo.turn();
        solo.pass(Duration::from_millis(100));
        let heard: Vec<_> = solo.heard.drain(..).collect();
        for (at, segment) in heard {
            assert_eq!(segment.to, client.own);
            assert!(at - last <= SECOND * 21, "{last} {at}");
            last = at;
            solo.put(client.ack());
            solo.turn();
        }
    }
    assert!(last >= start + SECOND * 79, "{last}");
    assert_eq!(solo.board.state_name(&socket), "ESTABLISHED");
    for socket in sockets.into_iter().chain([socket]) {
        solo.board.abort(socket);
    }
    tcp::close(&mut solo.board, listener);
    solo.pass(SECOND);
    solo.assert_clean();
}

/// RFC 1122 2.3.2.1, also while more hosts speak than the board can remember; and the answer is not lost among them.
#[test]
fn who_is_asked_for_is_not_forgotten_because_others_speak() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    solo.answers = |_| false;
    let mut socket = tcp::socket(&mut solo.board);
    let target = "192.0.2.200:9";
    assert_eq!(tcp::connect(&mut solo.board, &mut socket, target), Err(nb::Error::WouldBlock));
    solo.turn();
    for round in 0..990 {
        let number = 20 + (round % 170) as u8;
        solo.put(sent_by(mac(number), ping(host(number, false), board(false))));
        solo.turn();
        solo.pass(Duration::from_millis(2));
    }
    let asked = questions(&mut solo).remove("192.0.2.200").expect("asked for");
    let gaps = asked.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(asked.len() == 2 && gaps.min() >= Some(SECOND), "{asked:?}");
    for number in 20..40 {
        let source = Ipv4Address::new(192, 0, 2, number);
        let own = BOARD_NET.ipv4_address();
        solo.put(arp(ArpOperation::Request, mac(number), source, own));
    }
    solo.put(neighbor_answer(host(200, false)));
    solo.turn();
    assert_eq!(solo.said_one().control, TcpControl::Syn);
    solo.board.abort(socket);
    solo.pass(SECOND);
    solo.assert_clean();
}

/// Questions have room on a device that a transfer keeps full.
#[test]
fn a_transfer_that_fills_the_device_keeps_nobody_waiting_for_a_mac_address() {
    for room in [1, 2, 4] {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (mut client, mut socket, listener) = connected(&mut solo);
        client.window = u16::MAX;
        solo.put(client.ack());
        solo.turn();
        solo.said();
        let mut other = tcp::socket(&mut solo.board);
        let target = "192.0.2.9:9";
        assert_eq!(tcp::connect(&mut solo.board, &mut other, target), Err(nb::Error::WouldBlock));
        solo.room = room;
        let mut data = 0;
        solo.asked = 0;
        for _ in 0..20 {
            while tcp::send(&mut solo.board, &mut socket, &[0; 100]).is_ok() {}
            solo.turn();
            for segment in solo.said() {
                if segment.to == client.own {
                    data += segment.payload.len();
                    client.ack = segment.seq + segment.payload.len();
                    solo.put(client.ack());
                }
            }
        }
        assert!(solo.asked > 0 && data > 10_000, "room for {room}: {data} bytes");
        solo.room = usize::MAX;
        solo.board.abort(socket);
        solo.board.abort(other);
        tcp::close(&mut solo.board, listener);
        solo.turn();
        solo.assert_clean();
    }
}
