//! Neighbours: whom the board learns of from what comes in, and whom it asks for.

mod common;

use common::frames::{BOARD_MAC, Datagram, Segment, endpoint, neighbor_answer};
use common::hosts::{answered, arp, board, host, mac, ping, questions, reachable, sent_by};
use common::solo::{Client, Solo, SoloMemory, connected};
use common::tcp;
use embedded_nal::{UdpClientStack, UdpFullStack, nb};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    ArpOperation, EthernetAddress, EthernetFrame, IpAddress, Ipv4Address, TcpControl, TcpSeqNumber,
};
use tapboard_firmware::config::NEIGHBORS;
use tapboard_firmware::{BOARD_NET, PEER_NET};

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
        assert_eq!(solo.board.counters().early_dropped, 4);
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

/// A packet tells where to answer it; but it takes nobody's place who has answered for himself.
#[test]
fn a_packet_from_elsewhere_does_not_move_a_confirmed_neighbour_but_its_own_announcement_does() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (client, socket, listener) = connected(&mut solo);
    let IpAddress::Ipv4(peer) = client.own.addr else { unreachable!() };
    let goes_to = |solo: &mut Solo<'_>, sender: EthernetAddress| {
        solo.answers = |_| false;
        solo.others.clear();
        solo.put(sent_by(sender, ping(peer.into(), board(false))));
        solo.turn();
        answered(solo)
    };
    let true_mac = PEER_NET.mac();
    assert_eq!(goes_to(&mut solo, true_mac), [true_mac]);
    assert_eq!(goes_to(&mut solo, mac(66)), [true_mac]);
    // RFC 826: what is known is updated, whoever was asked for.
    for (operation, new) in [(ArpOperation::Request, mac(1)), (ArpOperation::Reply, mac(2))] {
        solo.put(arp(operation, new, peer, peer));
        assert_eq!(goes_to(&mut solo, new), [new]);
    }
    // Nobody is learned of who speaks to others.
    solo.put(arp(ArpOperation::Reply, mac(99), Ipv4Address::new(192, 0, 2, 99), peer));
    assert_eq!(goes_to(&mut solo, mac(2)), [mac(2)]);
    // After half a minute of silence, whoever speaks next is believed.
    solo.pass(SECOND * 31);
    assert_eq!(goes_to(&mut solo, true_mac), [true_mac]);
    solo.said();
    solo.end(socket, listener);
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

/// What the stack does not take for a message about neighbours, smoltcp must not take for one either.
#[test]
fn discovery_in_disguise_teaches_nobody_anything() {
    let (peer, own) = (host(2, true), board(true));
    let good = sent_by(mac(66), neighbor_answer(peer));
    let good = [&BOARD_MAC.0, &good[6..]].concat();
    // Behind a hop-by-hop options header, which smoltcp reads past (RFC 8200 4.3); its checksum is as before.
    let mut hidden = good.clone();
    hidden[14 + 5] += 8;
    hidden[14 + 6] = 0;
    hidden.splice(54..54, [58, 0, 1, 4, 0, 0, 0, 0]);
    // From another link; to all and yet in answer to somebody (RFC 4861 7.1.2).
    let mut far = good.clone();
    far[14 + 7] = 254;
    let mut arp =
        arp(ArpOperation::Reply, mac(66), Ipv4Address::new(192, 0, 2, 2), Ipv4Address::BROADCAST);
    // Of a network of another kind.
    arp[15] = 6;
    for frame in [hidden, far, arp] {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let mut listener = tcp::listener(&mut solo.board, 7);
        Client::new("[2001:db8::2]:1000", 7).opened(&mut solo);
        let socket = tcp::accept(&mut solo.board, &mut listener).expect("established");
        solo.answers = |_| false;
        solo.others.clear();
        solo.put(frame);
        solo.turn();
        assert_eq!(solo.board.counters().discovery_dropped, 1);
        solo.put(sent_by(PEER_NET.mac(), ping(peer, own)));
        solo.turn();
        assert_eq!(answered(&mut solo), [PEER_NET.mac()]);
        solo.end(socket, listener);
    }
}

/// A packet from beyond the gateway tells where to answer it, but any host on the link can have sent it.
#[test]
fn nobody_takes_the_gateway_s_place_with_a_packet_from_elsewhere() {
    let own = BOARD_NET.ipv4_address();
    let router = Ipv4Address::new(192, 0, 2, 254);
    let config = BOARD_NET.with_ipv4_gateway(router);
    let [far, false_one] = ["198.51.100.7", "203.0.113.5"].map(|text| text.parse().unwrap());
    let mut memory = SoloMemory::new();
    let mut solo = Solo::with(&config, &mut memory, 1);
    solo.answers = |_| false;
    solo.turn();
    solo.others.clear();
    // As long as nothing better is known, it is answered.
    solo.put(sent_by(mac(66), ping(false_one, own.into())));
    solo.turn();
    assert_eq!(answered(&mut solo), [mac(66)]);
    // But before anything is sent out of its own accord for longer than a moment, the gateway is asked for.
    let mut socket = tcp::socket(&mut solo.board);
    let result = tcp::connect(&mut solo.board, &mut socket, "198.51.100.7:80");
    assert_eq!(result, Err(nb::Error::WouldBlock));
    solo.turn();
    assert_eq!(questions(&mut solo).keys().collect::<Vec<_>>(), ["192.0.2.254"]);
    solo.put(arp(ArpOperation::Reply, mac(254), router, own));
    solo.turn();
    let is_at = |solo: &mut Solo<'_>, sender: u8, from| {
        solo.put(sent_by(mac(sender), ping(from, own.into())));
        solo.turn();
        let [at] = answered(solo)[..] else { panic!("one answer") };
        at
    };
    assert_eq!(is_at(&mut solo, 254, far), mac(254));
    // Now it is known, whoever else speaks, and whatever he completes.
    for _ in 0..3 {
        assert_eq!(is_at(&mut solo, 66, false_one), mac(254));
        solo.pass(SECOND * 31);
        assert_eq!(is_at(&mut solo, 66, false_one), mac(254));
        assert_eq!(is_at(&mut solo, 254, far), mac(254));
    }
    solo.board.abort(socket);
    solo.pass(SECOND * 2);
    solo.assert_clean();
}

/// Of a question whose two sender addresses differ, as with a bit that flipped on the way, nothing is learned that
/// replaces what is known; and what is known is asked for when it is old, not when something else happens.
#[test]
fn a_question_with_two_senders_moves_nobody() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (client, mut socket, listener) = connected(&mut solo);
    let IpAddress::Ipv4(peer) = client.own.addr else { unreachable!() };
    let own = BOARD_NET.ipv4_address();
    solo.answers = |_| false;
    solo.others.clear();
    solo.put(sent_by(PEER_NET.mac(), arp(ArpOperation::Request, mac(66), peer, own)));
    solo.turn();
    assert_eq!(answered(&mut solo), [mac(66)]);
    solo.put(sent_by(PEER_NET.mac(), ping(peer.into(), own.into())));
    solo.turn();
    assert_eq!(answered(&mut solo), [PEER_NET.mac()]);
    let start = solo.clock.now();
    assert_eq!(tcp::send(&mut solo.board, &mut socket, b"live"), Ok(4));
    solo.turn();
    solo.pass(SECOND * 31);
    let asked = questions(&mut solo).remove(&peer.to_string()).expect("asked for");
    assert_eq!(asked[0] - start, SECOND * 30);
    solo.board.abort(socket);
    tcp::close(&mut solo.board, listener);
    solo.pass(SECOND * 2);
    solo.assert_clean();
}

/// RFC 4861 7.3.1: whoever acknowledges data is where it was sent to, however that became known.
#[test]
fn a_live_peer_that_has_moved_is_confirmed_by_what_it_acknowledges() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (mut client, mut socket, listener) = connected(&mut solo);
    let own = BOARD_NET.ipv4_address();
    let IpAddress::Ipv4(peer) = client.own.addr else { unreachable!() };
    for sender in [mac(1), PEER_NET.mac()] {
        solo.put(arp(ArpOperation::Request, sender, peer, peer));
    }
    assert_eq!(tcp::send(&mut solo.board, &mut socket, b"live"), Ok(4));
    solo.turn();
    solo.said();
    client.ack += 4;
    solo.put(client.ack());
    solo.turn();
    solo.others.clear();
    // A packet from elsewhere moves it no more.
    solo.put(sent_by(mac(66), ping(peer.into(), own.into())));
    solo.turn();
    assert_eq!(answered(&mut solo), [PEER_NET.mac()]);
    solo.end(socket, listener);
}

/// What a switch floods is neither answered nor learned from.
#[test]
fn frames_for_another_mac_address_are_nobody_s_business() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    solo.answers = |_| false;
    solo.turn();
    solo.others.clear();
    let source = Ipv4Address::new(192, 0, 2, 50);
    let question = arp(ArpOperation::Request, mac(66), source, BOARD_NET.ipv4_address());
    for frame in [question, ping(source.into(), host(77, false)), ping(source.into(), board(false))]
    {
        let mut frame = sent_by(mac(66), frame);
        EthernetFrame::new_unchecked(&mut frame).set_dst_addr(mac(77));
        solo.put(frame);
        solo.turn();
    }
    assert_eq!(solo.board.counters().not_ours_dropped, 3);
    assert_eq!(answered(&mut solo), []);
    let mut socket = tcp::socket(&mut solo.board);
    let result = tcp::connect(&mut solo.board, &mut socket, "192.0.2.50:9");
    assert_eq!(result, Err(nb::Error::WouldBlock));
    solo.turn();
    assert_eq!((solo.said().len(), solo.asked), (0, 1));
    solo.board.abort(socket);
    solo.pass(SECOND * 2);
    solo.assert_clean();
}
