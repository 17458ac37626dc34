//! Neighbours: what tells of a MAC address, and how far it is believed.

mod common;

use common::frames::{BOARD_MAC, fix_checksums, neighbor_answer};
use common::hosts::{answered, arp, board, host, mac, ping, questions, sent_by};
use common::solo::{Client, Solo, SoloMemory, connected, connected_from};
use common::tcp;
use embedded_nal::nb;
use smoltcp::time::Duration;
use smoltcp::wire::{ArpOperation, EthernetAddress, EthernetFrame, IpAddress, Ipv4Address};
use tapboard_firmware::{BOARD_NET, PEER_NET};

const SECOND: Duration = Duration::from_secs(1);

/// Where the board answers a ping of the peer's that comes from `sender`.
fn goes_to(solo: &mut Solo<'_>, sender: EthernetAddress) -> Vec<EthernetAddress> {
    solo.answers = |_| false;
    solo.others.clear();
    solo.put(sent_by(sender, ping(host(2, false), board(false))));
    solo.turn();
    answered(solo)
}

/// A packet tells where to answer it; but it takes nobody's place who has answered for himself.
#[test]
fn a_packet_from_elsewhere_does_not_move_a_confirmed_neighbour() {
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (client, socket, listener) = connected(&mut solo);
    let IpAddress::Ipv4(peer) = client.own.addr else { unreachable!() };
    let true_mac = PEER_NET.mac();
    assert_eq!(goes_to(&mut solo, true_mac), [true_mac]);
    assert_eq!(goes_to(&mut solo, mac(66)), [true_mac]);
    // Nobody is learned of who speaks to others.
    solo.put(arp(ArpOperation::Reply, mac(99), Ipv4Address::new(192, 0, 2, 99), peer));
    assert_eq!(goes_to(&mut solo, mac(66)), [true_mac]);
    // After half a minute of silence, whoever speaks next is believed.
    solo.pass(SECOND * 31);
    assert_eq!(goes_to(&mut solo, mac(2)), [mac(2)]);
    solo.said();
    solo.end(socket, listener);
}

/// Anybody can announce another's address: who is known is asked, and stays if he is there.
#[test]
fn an_announcement_moves_a_confirmed_neighbour_only_if_he_does_not_answer() {
    for operation in [ArpOperation::Request, ArpOperation::Reply] {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (client, socket, listener) = connected(&mut solo);
        let IpAddress::Ipv4(peer) = client.own.addr else { unreachable!() };
        let true_mac = PEER_NET.mac();
        let forged = |solo: &mut Solo<'_>| {
            solo.put(arp(operation, mac(1), peer, peer));
            solo.turn();
        };
        for _ in 0..5 {
            solo.pass(SECOND);
            solo.asked = 0;
            solo.answers = |_| true;
            forged(&mut solo);
            assert_eq!(solo.asked, 1, "at once");
            assert_eq!(goes_to(&mut solo, mac(1)), [true_mac]);
            solo.pass(SECOND * 2);
            assert_eq!(solo.asked, 1, "it has answered");
        }
        // A failover: the announcement, no answer, and an answer of the other.
        solo.answers = |_| false;
        solo.asked = 0;
        forged(&mut solo);
        solo.pass(SECOND / 2);
        forged(&mut solo);
        assert_eq!(goes_to(&mut solo, mac(1)), [true_mac], "too early");
        solo.pass(SECOND);
        assert_eq!(solo.asked, 2);
        forged(&mut solo);
        assert_eq!(goes_to(&mut solo, mac(1)), [mac(1)]);
        solo.said();
        solo.end(socket, listener);
    }
}

/// Whoever says it how often: a neighbour is asked once a second (RFC 1122 2.3.2.1), and all hear that.
#[test]
fn announcements_in_another_s_name_do_not_make_the_board_ask_more_often() {
    for operation in [ArpOperation::Request, ArpOperation::Reply] {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        let (client, socket, listener) = connected(&mut solo);
        let IpAddress::Ipv4(peer) = client.own.addr else { unreachable!() };
        solo.pass(SECOND);
        solo.asked = 0;
        for _ in 0..500 {
            solo.put(arp(operation, mac(1), peer, peer));
            solo.turn();
            solo.pass(Duration::from_millis(10));
        }
        assert!((4..=6).contains(&solo.asked), "{} questions in 5 s", solo.asked);
        assert_eq!(goes_to(&mut solo, mac(1)), [PEER_NET.mac()], "it has answered");
        solo.said();
        solo.end(socket, listener);
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

/// RFC 4861 7.3.3: who is only known from a packet is answered, and asked a moment later; and again when it speaks again, until
/// it answers.
#[test]
fn who_is_only_known_from_a_packet_is_asked_a_moment_later() {
    for version6 in [false, true] {
        let mut memory = SoloMemory::new();
        let mut solo = Solo::new(&mut memory, 1);
        solo.answers = |_| false;
        solo.pass(SECOND);
        let him = host(88, version6);
        let pinged = |solo: &mut Solo<'_>, sender: u8| {
            solo.others.clear();
            solo.put(sent_by(mac(sender), ping(him, board(version6))));
            solo.turn();
            answered(solo)
        };
        let start = solo.clock.now();
        for _ in 0..9 {
            assert_eq!(pinged(&mut solo, 88), [mac(88)]);
            solo.pass(Duration::from_millis(100));
        }
        solo.asked = 0;
        solo.pass(SECOND * 5);
        assert_eq!(questions(&mut solo).remove(&him.to_string()), Some(vec![start + SECOND]));
        assert_eq!(pinged(&mut solo, 66), [mac(66)], "nobody has said anything else");
        assert_eq!(solo.asked, 2);
        solo.put(neighbor_answer(him));
        solo.turn();
        for _ in 0..5 {
            assert_eq!(pinged(&mut solo, 66), [PEER_NET.mac()], "it has answered");
            solo.pass(SECOND);
        }
        assert_eq!(solo.asked, 2);
    }
}

/// RFC 4861 7.2.2: who spoke to our link-local address is asked from there; and a half-open connection's peer is asked too.
#[test]
fn a_question_comes_from_the_address_that_was_spoken_to() {
    let link_local: IpAddress = "fe80::5eff:fe00:1".parse().unwrap();
    for own in [link_local, board(true)] {
        let mut client = Client::new("[2001:db8::58]:1000", 7);
        client.board.addr = own;
        for frame in [ping(host(88, true), own), client.syn()] {
            let mut memory = SoloMemory::new();
            let mut solo = Solo::new(&mut memory, 1);
            let listener = tcp::listener(&mut solo.board, 7);
            solo.answers = |_| false;
            solo.pass(SECOND);
            solo.others.clear();
            solo.put(sent_by(mac(88), frame));
            solo.turn();
            solo.pass(SECOND);
            let (_, question) = solo.others.pop().expect("asked");
            let IpAddress::Ipv6(own) = own else { unreachable!() };
            assert_eq!((&question[22..38], question[54]), (&own.octets()[..], 135));
            tcp::close(&mut solo.board, listener);
        }
    }
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

/// A neighbour advertisement that `address` is at `at`, with these flags.
fn advertisement(address: IpAddress, at: EthernetAddress, flags: u8) -> Vec<u8> {
    let mut frame = neighbor_answer(address);
    frame[58] = flags;
    let option = frame.len() - 6;
    frame[option..].copy_from_slice(&at.0);
    fix_checksums(&mut frame);
    sent_by(at, frame)
}

/// RFC 4861 7.2.5.
#[test]
fn an_advertisement_without_override_is_not_even_doubted_and_an_unasked_one_makes_no_entry() {
    const OVERRIDE: u8 = 0x20;
    let mut memory = SoloMemory::new();
    let mut solo = Solo::new(&mut memory, 1);
    let (_, socket, listener) = connected_from(&mut solo, "[2001:db8::2]:1000");
    let peer = host(2, true);
    solo.pass(SECOND);
    for (flags, asked) in [(0, 0), (OVERRIDE, 1)] {
        solo.asked = 0;
        solo.put(advertisement(peer, mac(6), flags));
        solo.turn();
        assert_eq!(solo.asked, asked, "{flags:#x}");
    }
    for flags in [0, OVERRIDE] {
        solo.put(advertisement(host(9, true), mac(9), flags));
        solo.turn();
    }
    solo.asked = 0;
    let datagrams = solo.board.udp_bind(4000).unwrap();
    let somebody = "[2001:db8::9]:9".parse().unwrap();
    solo.board.udp_send_to(&datagrams, somebody, b"hello").unwrap();
    solo.turn();
    assert_eq!(solo.asked, 1, "nothing was known of it");
    solo.board.udp_close(datagrams);
    solo.end(socket, listener);
}
