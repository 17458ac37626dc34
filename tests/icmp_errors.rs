//! ICMP errors of the board's own: to whom, how many, and what they quote (RFC 1122 3.2.2, RFC 4443 2.4 and 3).

mod common;

use common::echo::{BOARD, BOARD6, Echo, PEER, PEER6, datagram, ping, with_options};
use common::frames::{BOARD_MAC, PEER_MAC, endpoint, fix_checksums, ip_frame};
use common::solo::SoloMemory;
use smoltcp::time::Duration;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, Icmpv4Packet, Icmpv6Packet, IpAddress, IpProtocol, Ipv4Packet,
    Ipv6Packet,
};

/// An ICMP message: who sent it to whom, type, code, the word behind the checksum, and what it quotes.
type Message = (IpAddress, IpAddress, u8, u8, u32, Vec<u8>);

/// The ICMP message in a frame to the peer; its checksums are right.
fn message(frame: &[u8]) -> Option<Message> {
    let ethernet = EthernetFrame::new_checked(frame).unwrap();
    assert_eq!((ethernet.src_addr(), ethernet.dst_addr()), (BOARD_MAC, PEER_MAC));
    let (from, to, icmp): (IpAddress, IpAddress, _) = if frame[12..14] == [8, 0] {
        let ip = Ipv4Packet::new_checked(&frame[14..]).unwrap();
        assert!(ip.verify_checksum());
        (ip.next_header() == IpProtocol::Icmp).then_some(())?;
        assert!(Icmpv4Packet::new_checked(ip.payload()).unwrap().verify_checksum());
        (ip.src_addr().into(), ip.dst_addr().into(), ip.payload().to_vec())
    } else {
        let ip = Ipv6Packet::new_checked(&frame[14..]).unwrap();
        (ip.next_header() == IpProtocol::Icmpv6).then_some(())?;
        let icmp = Icmpv6Packet::new_checked(ip.payload()).unwrap();
        assert!(icmp.verify_checksum(&ip.src_addr(), &ip.dst_addr()));
        (ip.src_addr().into(), ip.dst_addr().into(), ip.payload().to_vec())
    };
    let word = u32::from_be_bytes(icmp[4..8].try_into().unwrap());
    Some((from, to, icmp[0], icmp[1], word, icmp[8..].to_vec()))
}

/// A packet of a protocol that nobody knows.
fn unknown(from: &str, to: &str) -> Vec<u8> {
    numbered(from, to, IpProtocol::Unknown(253))
}

fn numbered(from: &str, to: &str, protocol: IpProtocol) -> Vec<u8> {
    let (from, to) = (endpoint(from).addr, endpoint(to).addr);
    ip_frame(from, to, protocol, 16, |payload| payload.fill(b'x'))
}

/// Sends a frame, and takes what is said of it.
fn told(echo: &mut Echo<'_>, frame: Vec<u8>) -> Vec<Message> {
    echo.answers();
    // Nobody has asked for anybody's MAC address before.
    echo.send_raw(frame);
    echo.solo.others.drain(..).filter_map(|(_, frame)| message(&frame)).collect()
}

/// Sends a frame, and takes the one error for it, which quotes it.
#[track_caller]
fn error(echo: &mut Echo<'_>, frame: &[u8]) -> (u8, u8, u32) {
    let mut told = told(echo, frame.to_vec());
    assert_eq!(told.len(), 1, "{}", echo.solo.netstat());
    let (from, to, kind, code, word, quote) = told.remove(0);
    let sent = if frame[12..14] == [8, 0] {
        let ip = Ipv4Packet::new_unchecked(&frame[14..]);
        (ip.dst_addr().into(), ip.src_addr().into(), 576 - 28)
    } else {
        let ip = Ipv6Packet::new_unchecked(&frame[14..]);
        (ip.dst_addr().into(), ip.src_addr().into(), 1280 - 48)
    };
    assert_eq!((from, to), (sent.0, sent.1));
    assert_eq!(quote, frame[14..frame.len().min(14 + sent.2)]);
    (kind, code, word)
}

#[test]
fn a_closed_port_and_an_unknown_protocol_are_told_with_what_was_sent() {
    let mut memory = SoloMemory::new();
    let mut echo = Echo::new(&mut memory);
    let closed = |from, to: &str| datagram(from, &to.replace(":7", ":81")).frame();
    assert_eq!(error(&mut echo, &closed(PEER, BOARD)), (3, 3, 0));
    assert_eq!(error(&mut echo, &closed(PEER6, BOARD6)), (1, 4, 0));
    assert_eq!(error(&mut echo, &unknown(PEER, BOARD)), (3, 2, 0));
    // The field that names the protocol is the seventh byte.
    assert_eq!(error(&mut echo, &unknown(PEER6, BOARD6)), (4, 1, 6));
    // Identification, time to live and options, too.
    let mut frame = with_options(&closed(PEER, BOARD), &[1, 1, 1, 1]);
    let mut ip = Ipv4Packet::new_unchecked(&mut frame[14..]);
    ip.set_ident(0x4321);
    ip.set_hop_limit(33);
    ip.fill_checksum();
    assert_eq!(error(&mut echo, &frame), (3, 3, 0));
    // What is long is quoted in part; what the link has behind a packet is not.
    for (from, to) in [(PEER, BOARD), (PEER6, BOARD6)] {
        let mut long = datagram(from, &to.replace(":7", ":81"));
        long.payload = (0..1400).map(|index| index as u8).collect();
        error(&mut echo, &long.frame());
        let frame = closed(from, to);
        let padded = [&frame[..], &[0xaa; 30]].concat();
        let quote = told(&mut echo, padded).remove(0).5;
        assert_eq!(quote, frame[14..]);
    }
    // A wrong checksum is no reason to say anything.
    let mut frame = closed(PEER, BOARD);
    frame[40] ^= 1;
    assert_eq!(told(&mut echo, frame), []);
}

/// ICMP of the other version is no more than a protocol that is not known.
#[test]
fn a_protocol_is_known_to_one_version_of_ip_alone() {
    use IpProtocol::{Icmp, Icmpv6, Igmp};
    let mut memory = SoloMemory::new();
    let mut echo = Echo::new(&mut memory);
    for protocol in [Icmpv6, Igmp] {
        let frame = numbered(PEER, BOARD, protocol);
        assert_eq!(error(&mut echo, &frame), (3, 2, 0), "{protocol}");
    }
    for protocol in [Icmp, Igmp] {
        let frame = numbered(PEER6, BOARD6, protocol);
        assert_eq!(error(&mut echo, &frame), (4, 1, 6), "{protocol}");
    }
    for (from, to, protocol) in [(PEER, BOARD, Icmpv6), (PEER6, BOARD6, Icmp)] {
        let mut frame = numbered(from, to, protocol);
        EthernetFrame::new_unchecked(&mut frame).set_dst_addr(EthernetAddress::BROADCAST);
        assert_eq!(told(&mut echo, frame), []);
        // Of these no more than of others.
        let flood = (0..100).map(|_| told(&mut echo, numbered(from, to, protocol)).len());
        assert!(flood.sum::<usize>() <= 10);
    }
}

#[test]
fn nothing_is_said_of_what_more_than_one_host_gets() {
    let mut memory = SoloMemory::new();
    let mut echo = Echo::new(&mut memory);
    let mut unsent = 0;
    for (from, to) in [(PEER, BOARD), (PEER6, BOARD6)] {
        for mac in [[0xff; 6], [0x33, 0x33, 0, 0, 0, 1], [1, 0, 0x5e, 0, 0, 1]] {
            for mut frame in [unknown(from, to), datagram(from, &to.replace(":7", ":81")).frame()] {
                EthernetFrame::new_unchecked(&mut frame).set_dst_addr(EthernetAddress(mac));
                assert_eq!(told(&mut echo, frame), []);
            }
            unsent += 1;
        }
    }
    // UDP for everybody is not for this board's sockets in the first place.
    assert_eq!(echo.solo.board.counters().errors_unsent, unsent);
    for to in ["192.0.2.255:81", "224.0.0.1:81", "255.255.255.255:81"] {
        assert_eq!(told(&mut echo, unknown(PEER, to)), []);
        assert_eq!(told(&mut echo, datagram(PEER, to).frame()), []);
    }
    assert_eq!(told(&mut echo, unknown(PEER6, "[ff02::1]:81")), []);
    // Nor of an error, nor of one that is broken.
    for kind in [3, 4, 5, 11, 12] {
        let mut frame = ping(PEER, BOARD);
        frame[34] = kind;
        fix_checksums(&mut frame);
        assert_eq!(told(&mut echo, frame), []);
    }
    for kind in [1, 2, 3, 4, 100, 127] {
        let mut frame = ping(PEER6, BOARD6);
        frame[54] = kind;
        fix_checksums(&mut frame);
        assert_eq!(told(&mut echo, frame), []);
    }
}

#[test]
fn ten_at_once_and_ten_a_second() {
    let mut memory = SoloMemory::new();
    let mut echo = Echo::new(&mut memory);
    let flood = |echo: &mut Echo<'_>, count: u16| {
        let mut told_of = 0;
        for port in 0..count {
            let (from, to) = if port % 2 == 0 {
                (format!("192.0.2.2:{}", 1000 + port), "192.0.2.1:81")
            } else {
                (format!("[2001:db8::2]:{}", 1000 + port), "[2001:db8::1]:81")
            };
            told_of += told(echo, datagram(&from, to).frame()).len();
        }
        told_of
    };
    assert_eq!(flood(&mut echo, 500), 10);
    assert_eq!(echo.solo.board.counters().errors_unsent, 490);
    echo.solo.pass(Duration::from_millis(1050));
    assert_eq!(flood(&mut echo, 50), 10);
    echo.solo.pass(Duration::from_millis(300));
    assert_eq!(flood(&mut echo, 50), 3);
    // Echo replies are no errors.
    for _ in 0..100 {
        echo.send(ping(PEER, BOARD));
        assert_eq!(echo.answers(), 1);
    }
}

#[test]
fn a_packet_that_carries_nothing_is_left_alone() {
    let mut memory = SoloMemory::new();
    let mut echo = Echo::new(&mut memory);
    let (from, to) = (endpoint(PEER6).addr, endpoint(BOARD6).addr);
    for len in [0, 8] {
        let frame = ip_frame(from, to, IpProtocol::Ipv6NoNxt, len, |payload| payload.fill(1));
        assert_eq!(told(&mut echo, frame), []);
    }
}
