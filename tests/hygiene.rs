//! Packets that no host should send: what becomes of them (RFC 1122 3.2, RFC 8200).

mod common;

use common::echo::{
    BOARD, BOARD6, Echo, PEER, PEER6, all_kinds, datagram, ping, solicitation, with_options,
};
use common::frames::{endpoint, fix_checksums};
use common::hosts::{arp, mac};
use common::solo::{Client, SoloMemory};
use smoltcp::time::Duration;
use smoltcp::wire::{ArpOperation, TcpControl};

#[test]
fn nobody_is_answered_who_cannot_be() {
    let sources = [
        "0.0.0.0:5000",
        "0.1.2.3:5000",
        "127.0.0.1:5000",
        "224.0.0.1:5000",
        "239.1.2.3:5000",
        "240.0.0.1:5000",
        "255.255.255.255:5000",
        "192.0.2.255:5000",
        "192.0.2.0:5000",
        "[::]:5000",
        "[::1]:5000",
        "[ff02::1]:5000",
        "[::ffff:192.0.2.2]:5000",
        "[::192.0.2.2]:5000",
    ];
    let mut memory = SoloMemory::new();
    let mut echo = Echo::new(&mut memory);
    let mut dropped = 0;
    for from in sources {
        let to = if endpoint(from).addr.version() == endpoint(BOARD).addr.version() {
            BOARD
        } else {
            BOARD6
        };
        for frame in all_kinds(from, to) {
            echo.refuses(from, frame);
            dropped += 1;
            assert_eq!(echo.solo.board.counters().martians_dropped, dropped, "{from}");
        }
        // To everybody, either.
        let to = if to == BOARD { "192.0.2.255:7" } else { "[ff02::1]:7" };
        echo.refuses(from, ping(from, to));
        dropped = echo.solo.board.counters().martians_dropped;
    }
    for (from, to) in [(PEER, BOARD), (PEER6, BOARD6), ("192.0.2.254:5000", BOARD)] {
        echo.takes(from, to, &<[u8]>::to_vec);
    }
}

/// An answer to a group's MAC address would go to everybody (RFC 1122 3.3.6).
#[test]
fn a_group_sends_nothing() {
    let mut memory = SoloMemory::new();
    let mut echo = Echo::new(&mut memory);
    let groups = [[0xff; 6], [0x01, 0x00, 0x5e, 0, 0, 9], [0x33, 0x33, 0, 0, 0, 9]];
    for (from, to) in [("192.0.2.77:5000", BOARD), ("[2001:db8::77]:5000", BOARD6)] {
        for group in groups {
            for mut frame in all_kinds(from, to) {
                frame[6..12].copy_from_slice(&group);
                let dropped = echo.solo.board.counters().malformed_dropped;
                echo.refuses(from, frame);
                assert_eq!(echo.solo.board.counters().malformed_dropped, dropped + 1);
            }
        }
    }
}

/// Nor is whoever asks for a MAC address in such a name.
#[test]
fn nobody_is_told_where_we_are_who_cannot_be() {
    let mut memory = SoloMemory::new();
    let mut echo = Echo::new(&mut memory);
    let board = [192, 0, 2, 1].into();
    for from in [[127, 0, 0, 1], [224, 0, 0, 1], [240, 0, 0, 1], [255; 4]] {
        echo.refuses("ARP", arp(ArpOperation::Request, mac(66), from.into(), board));
    }
    assert_eq!(echo.solo.board.counters().discovery_dropped, 4);
}

#[test]
fn nobody_on_a_wire_speaks_to_a_loopback_address() {
    let mut memory = SoloMemory::new();
    let mut echo = Echo::new(&mut memory);
    for (from, to) in [(PEER, "127.0.0.1:7"), (PEER6, "[::1]:7")] {
        for frame in all_kinds(from, to) {
            echo.refuses(to, frame);
        }
    }
    assert_eq!(echo.solo.board.counters().martians_dropped, 6);
}

/// A frame that the link has for this MAC address.
fn by(mut frame: Vec<u8>, mac: [u8; 6]) -> Vec<u8> {
    frame[..6].copy_from_slice(&mac);
    frame
}

/// smoltcp 0.14 takes the last two bytes of an address of its own for a group (iface/interface/ipv6.rs, `has_solicited_node`).
#[test]
fn nobody_is_answered_for_an_address_that_ends_like_ours() {
    let mut memory = SoloMemory::new();
    let mut echo = Echo::new(&mut memory);
    let board = ping(PEER6, BOARD6)[..6].try_into().unwrap();
    let others = [
        ("[2001:db8::55:1]:7", board),
        ("[2001:db8:5::1]:7", board),
        ("[fe80::1]:7", board),
        ("[ff02::5:1]:7", [0x33, 0x33, 0, 5, 0, 1]),
        ("[ff05::1]:7", [0x33, 0x33, 0, 0, 0, 1]),
        ("[ff02::1:ff05:1]:7", [0x33, 0x33, 0xff, 5, 0, 1]),
        ("[ff02::1:ff00:2]:7", [0x33, 0x33, 0xff, 0, 0, 2]),
    ];
    for (dropped, (to, mac)) in (1..).zip(others) {
        echo.refuses(to, by(ping(PEER6, to), mac));
        assert_eq!(echo.solo.board.counters().not_ours_dropped, dropped, "{to}");
    }
    let ours = [
        ("[ff02::1]:7", [0x33, 0x33, 0, 0, 0, 1]),
        ("[ff02::1:ff00:1]:7", [0x33, 0x33, 0xff, 0, 0, 1]),
    ];
    for (to, mac) in ours {
        echo.send(by(ping(PEER6, to), mac));
        assert_eq!(echo.answers(), 1, "{to}");
    }
}

/// RFC 4861 7.2.2: an address is looked for in its own group, or at itself; and who asks everybody is answered.
#[test]
fn a_neighbour_that_asks_in_another_group_is_not_answered() {
    let mut memory = SoloMemory::new();
    let mut echo = Echo::new(&mut memory);
    for (dropped, (to, mac)) in (1..).zip([
        ("[ff02::1:ff00:2]:7", [0x33, 0x33, 0xff, 0, 0, 2]),
        ("[ff02::1:ff05:1]:7", [0x33, 0x33, 0xff, 5, 0, 1]),
        ("[ff02::2]:7", [0x33, 0x33, 0, 0, 0, 2]),
        ("[ff05::1:3]:7", [0x33, 0x33, 0, 1, 0, 3]),
    ]) {
        echo.refuses(to, by(solicitation(to), mac));
        assert_eq!(echo.solo.board.counters().discovery_dropped, dropped, "{to}");
    }
    let board = ping(PEER6, BOARD6)[..6].try_into().unwrap();
    for (to, mac) in [
        ("[ff02::1:ff00:1]:7", [0x33, 0x33, 0xff, 0, 0, 1]),
        ("[ff02::1]:7", [0x33, 0x33, 0, 0, 0, 1]),
        (BOARD6, board),
    ] {
        echo.send(by(solicitation(to), mac));
        assert_eq!(echo.answers(), 1, "{to}");
    }
}

/// RFC 1122 3.3.6.
#[test]
fn what_went_to_all_on_the_link_is_to_be_for_all() {
    let mut memory = SoloMemory::new();
    let mut echo = Echo::new(&mut memory);
    for (from, to) in [(PEER, BOARD), (PEER6, BOARD6)] {
        for mac in [[0xff; 6], [0x01, 0x00, 0x5e, 0, 0, 1], [0x33, 0x33, 0, 0, 0, 1]] {
            echo.refuses(to, by(ping(from, to), mac));
        }
    }
    assert_eq!(echo.solo.board.counters().not_ours_dropped, 6);
    echo.send(by(ping(PEER, "192.0.2.255:7"), [0xff; 6]));
    assert_eq!(echo.answers(), 1);
}

#[test]
fn source_routed_packets_and_broken_options_go_no_further() {
    let mut memory = SoloMemory::new();
    let mut echo = Echo::new(&mut memory);
    let refused: [&[u8]; 7] = [
        // Complete, not complete, strict, and behind other options.
        &[131, 7, 8, 192, 0, 2, 70, 0],
        &[131, 7, 4, 192, 0, 2, 70, 0],
        &[137, 7, 8, 192, 0, 2, 70, 0],
        &[1, 7, 3, 4, 131, 3, 4, 0],
        // Lengths that lead nowhere.
        &[7, 0, 0, 0],
        &[7, 1, 0, 0],
        &[7, 9, 4, 0],
    ];
    let mut dropped = 0;
    for options in refused {
        for frame in all_kinds(PEER, BOARD) {
            echo.refuses("options", with_options(&frame, options));
            dropped += 1;
        }
    }
    assert_eq!(echo.solo.board.counters().martians_dropped, dropped);
    // Others are nothing to us: no operation, a recorded route, a timestamp, a router alert; and what is behind the end.
    let taken: [&[u8]; 5] = [
        &[1, 1, 1, 1],
        &[7, 7, 4, 0, 0, 0, 0, 0],
        &[68, 8, 5, 0, 0, 0, 0, 0],
        &[148, 4, 0, 0],
        &[0, 131, 3, 4],
    ];
    for options in taken {
        echo.takes(PEER, BOARD, &|frame| with_options(frame, options));
    }
}

#[test]
fn datagrams_have_a_checksum_over_ipv6_and_a_length_that_fits() {
    let mut memory = SoloMemory::new();
    let mut echo = Echo::new(&mut memory);
    for (from, to, header) in [(PEER, BOARD, 34), (PEER6, BOARD6, 54)] {
        let sound = datagram(from, to).frame();
        let with_length = |length: u16| {
            let mut frame = sound.clone();
            frame[header + 4..header + 6].copy_from_slice(&length.to_be_bytes());
            frame
        };
        for length in [0, 4, 7, 14, 100, u16::MAX] {
            let mut frame = with_length(length);
            echo.refuses("length", frame.clone());
            // Nor if nobody verifies it, over IPv4.
            frame[header + 6..header + 8].fill(0);
            echo.refuses("length, no checksum", frame);
        }
        let mut frame = sound.clone();
        frame[header + 6..header + 8].fill(0);
        echo.send(frame);
        assert_eq!(echo.answers(), usize::from(header == 34), "{to}: no checksum");
        let mut frame = sound.clone();
        frame[header + 6] ^= 1;
        echo.refuses("wrong checksum", frame);
        // Shorter than the packet: the rest is padding.
        let mut frame = with_length(8 + 3);
        frame[header + 6..header + 8].fill(0);
        fix_checksums(&mut frame);
        echo.solo.datagrams.clear();
        echo.send(frame);
        assert_eq!(echo.solo.datagrams[0].payload, b"hel");
        echo.answers();
    }
    assert!(echo.solo.board.counters().malformed_dropped > 0);
}

#[test]
fn a_datagram_is_answered_from_the_address_asked() {
    let mut memory = SoloMemory::new();
    let mut echo = Echo::new(&mut memory);
    let own = "[fe80::5eff:fe00:1]:7";
    assert!(
        echo.solo
            .board
            .interface()
            .ip_addrs()
            .iter()
            .any(|cidr| cidr.address() == endpoint(own).addr)
    );
    for from in [PEER6, "[fe80::2]:5000"] {
        for to in [own, BOARD6, own] {
            echo.answers();
            echo.send(datagram(from, to).frame());
            let answer = &echo.solo.datagrams[0];
            assert_eq!((answer.from, answer.to), (endpoint(to), endpoint(from)));
        }
    }
    // What is sent to somebody else goes out from the address that is next to them.
    echo.answers();
    echo.send(datagram(PEER6, own).frame());
    echo.answers();
    echo.solo.board.udp_send_to(&echo.udp, "[2001:db8::2]:9".parse().unwrap(), b"x").unwrap();
    echo.solo.turn();
    assert_eq!(echo.solo.datagrams[0].from, endpoint(BOARD6));
}

/// A frame with these TCP options in place of its own.
fn with_tcp_options(frame: &[u8], options: &[u8]) -> Vec<u8> {
    let (begin, ip) = if frame[12..14] == [8, 0] { (34, 16) } else { (54, 18) };
    let before = usize::from(frame[begin + 12] >> 4) * 4;
    let tcp = [&frame[begin..begin + 20], options, &frame[begin + before..]].concat();
    let mut frame = [&frame[..begin], &tcp].concat();
    frame[begin + 12] = (5 + options.len() as u8 / 4) << 4;
    let len = (tcp.len() + if ip == 16 { 20 } else { 0 }) as u16;
    frame[ip..ip + 2].copy_from_slice(&len.to_be_bytes());
    fix_checksums(&mut frame);
    frame
}

#[test]
fn tcp_options_that_are_broken_are_ignored() {
    let options: [&[u8]; 9] = [
        // Lengths of 0 and 1, and past the end.
        &[2, 0, 5, 180],
        &[254, 1, 0, 0],
        &[3, 9, 7, 0],
        &[1, 1, 1, 2],
        // Not that of their kind: MSS, window scale, SACK permitted, SACK, with a good one behind each.
        &[2, 3, 5, 1, 2, 4, 2, 24],
        &[3, 4, 5, 1, 2, 4, 2, 24],
        &[4, 3, 0, 1, 2, 4, 2, 24],
        &[5, 4, 0, 0, 2, 4, 2, 24],
        // Many.
        &[4, 3, 0, 4, 3, 0, 3, 2, 2, 2, 5, 2, 2, 4, 2, 24, 2, 200, 0, 0],
    ];
    let mut memory = SoloMemory::new();
    let mut echo = Echo::new(&mut memory);
    for (from, to) in [(PEER, BOARD), (PEER6, BOARD6)] {
        for options in options {
            let mut client = Client::new(from, 7);
            client.board = endpoint(to);
            echo.solo.said();
            echo.send(with_tcp_options(&client.syn(), options));
            let syn_ack = echo.solo.said_one();
            client.took(&syn_ack);
            echo.send(client.ack());
            // In a segment with data, too.
            let data = client.data(b"hello");
            echo.send(with_tcp_options(&data, options));
            echo.solo.pass(Duration::from_millis(300));
            assert_eq!(echo.solo.said_one().ack, Some(client.seq), "{options:?}");
            // Not if its checksum is wrong.
            let again = client.segment(TcpControl::Psh, b"again").frame();
            let mut wrong = with_tcp_options(&again, options);
            *wrong.last_mut().unwrap() ^= 1;
            let dropped = echo.solo.board.counters().malformed_dropped;
            echo.refuses("checksum", wrong);
            assert_eq!(echo.solo.board.counters().malformed_dropped, dropped + 1);
            echo.send(client.rst());
        }
    }
}
