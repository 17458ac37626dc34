use std::net::IpAddr;

use smoltcp::time::Instant;
use smoltcp::wire::EthernetAddress;
use tapboard_firmware::BOARD_NET;
use tapboard_firmware::rng::Rng;

use super::hosts::{self, Hosts};
use super::lanes::Lanes;
use super::time::seconds;
use super::*;
use crate::capture::Direction;
use crate::segment::{Icmp, Packet, PacketSummary, Segment};

// ---- Columns ---------------------------------------------------------------------------------------

const BROADCAST: EthernetAddress = EthernetAddress::BROADCAST;

fn mac(last: u8) -> EthernetAddress {
    EthernetAddress([0x06, 0, 0, 0, 0, last])
}

fn ethernet(from: EthernetAddress, to: EthernetAddress) -> Vec<u8> {
    [&to.0[..], &from.0, &[0x88, 0xb5]].concat()
}

/// The columns of an Ethernet frame with that in it.
fn ends(
    hosts: &mut Hosts,
    direction: Option<Direction>,
    frame: &[u8],
    summary: &PacketSummary,
) -> (usize, To) {
    let address = |at: usize| frame.get(at..at + 6).map(EthernetAddress::from_bytes);
    let packet = Packet {
        summary: summary.clone(),
        from: address(6),
        to: address(0),
        layers: Vec::new(),
        remarks: Vec::new(),
        addressed: !matches!(summary, PacketSummary::Tcp(Segment { sound: false, .. })),
    };
    hosts.ends(direction, &packet)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn packet(source: &str, destination: &str) -> PacketSummary {
    PacketSummary::Ip { source: ip(source), destination: ip(destination), protocol: 99 }
}

/// As a host of a network of 22 bits may have one; without MAC addresses, nothing else tells.
#[test]
fn an_address_that_ends_like_a_broadcast_may_be_a_hosts() {
    let mut hosts = Hosts::default();
    let mut ends = |from: &str, to: &str| ends(&mut hosts, None, &[], &packet(from, to));
    assert_eq!(ends("10.1.3.4", "10.1.0.255"), (0, To::Nobody), "nobody has heard of it");
    assert_eq!(ends("10.1.0.255", "10.1.3.4"), (1, To::Column(0)));
    assert_eq!(ends("10.1.2.255", "10.1.3.4"), (2, To::Column(0)));
    assert_eq!(ends("10.1.3.4", "10.1.0.255"), (0, To::Column(1)));
    assert_ne!(ends("10.1.3.4", "255.255.255.255").1, To::Column(1));
    assert_eq!(hosts.titles(), ["10.1.3.4", "10.1.0.255", "10.1.2.255"]);
}

#[test]
fn the_board_is_left_whoever_speaks_first() {
    for to in [BOARD_NET.mac(), BROADCAST] {
        let mut hosts = Hosts::default();
        let frame = ethernet(mac(2), to);
        let found =
            ends(&mut hosts, hosts::direction(&frame), &frame, &packet("192.0.2.2", "192.0.2.1"));
        assert_eq!(found, (1, To::Column(0)));
        assert_eq!(hosts.titles(), ["board 192.0.2.1", "192.0.2.2"]);
    }
    // Neither a direction nor a known address.
    let mut hosts = Hosts::default();
    let found = ends(&mut hosts, None, &ethernet(mac(2), mac(3)), &packet("10.0.0.2", "10.0.0.3"));
    assert_eq!(
        (found, hosts.titles()),
        ((0, To::Column(1)), vec!["10.0.0.2".into(), "10.0.0.3".into()])
    );
}

#[test]
fn a_hosts_addresses_share_a_column_and_hosts_behind_a_router_do_not() {
    let mut hosts = Hosts::default();
    let mut column = |last, source: &str| {
        let frame = ethernet(mac(last), BOARD_NET.mac());
        ends(&mut hosts, Some(Direction::ToBoard), &frame, &packet(source, "192.0.2.1")).0
    };
    assert_eq!(column(2, "fe80::2"), 1);
    assert_eq!(column(2, "2001:db8::2"), 1);
    assert_eq!(column(2, "192.0.2.2"), 1);
    assert_eq!(column(2, "198.51.100.1"), 2);
    assert_eq!(column(9, "198.51.100.1"), 2, "an address is one host");
    assert_eq!(column(3, "192.0.2.3"), 3);
    assert_eq!(column(4, "192.0.2.4"), 4);
    for last in 5..50 {
        assert_eq!(column(last, &format!("192.0.2.{last}")), HOSTS_MAX - 1);
    }
    let titles =
        ["board 192.0.2.1", "192.0.2.2", "198.51.100.1", "192.0.2.3", "192.0.2.4", "others"];
    assert_eq!(hosts.titles(), titles);
}

#[test]
fn behind_a_router_addresses_of_two_kinds_are_two_hosts() {
    let mut hosts = Hosts::default();
    let mut column = |source: &str| {
        let frame = ethernet(mac(2), BOARD_NET.mac());
        ends(&mut hosts, Some(Direction::ToBoard), &frame, &packet(source, "192.0.2.1")).0
    };
    assert_eq!(["198.51.100.1", "198.51.100.2"].map(&mut column), [1, 2]);
    assert_eq!(column("2001:db8:1::9"), 3);
    // Which no router passes on.
    assert_eq!(column("fe80::2"), 1);
}

#[test]
fn there_are_as_many_columns_as_are_asked_for() {
    let mut hosts = Hosts::default();
    hosts.of_lanes(Lanes::as_they_come(64));
    for last in 0..80 {
        let (from, to) = (format!("10.0.0.{last}"), format!("10.0.0.{}", last + 1));
        let found =
            ends(&mut hosts, None, &ethernet(mac(last), mac(last + 1)), &packet(&from, &to));
        assert_eq!(found.0, usize::from(last.min(63)));
        assert_eq!(found.1 == To::Same, last >= 63, "{last}");
    }
    assert_eq!(hosts.titles().len(), 64);
    assert_eq!(hosts.titles()[62..], ["10.0.0.62", "others"]);
}

#[test]
fn what_goes_to_all_goes_to_columns_that_wait_for_their_hosts() {
    let mut hosts = Hosts::default();
    let names = ["192.0.2.1", "192.0.2.2"].map(|name| vec![HostName::Ip(ip(name))]);
    hosts.of_lanes(Lanes::chosen_are(&names, false));
    let is_mine = PacketSummary::WhoHas { sender: ip("192.0.2.1"), target: ip("192.0.2.1") };
    let frame = ethernet(BOARD_NET.mac(), BROADCAST);
    let found = ends(&mut hosts, Some(Direction::ToPeer), &frame, &is_mine);
    assert_eq!(found, (0, To::Group));
    assert_eq!(hosts.titles(), ["board 192.0.2.1", "192.0.2.2"]);
}

#[test]
fn what_goes_to_all_goes_to_who_is_asked_for() {
    let mut hosts = Hosts::default();
    let frame = ethernet(BOARD_NET.mac(), BROADCAST);
    let ask = |target| PacketSummary::WhoHas { sender: ip("192.0.2.1"), target: ip(target) };
    assert_eq!(
        ends(&mut hosts, Some(Direction::ToPeer), &frame, &packet("0.0.0.0", "255.255.255.255")),
        (0, To::Nobody)
    );
    assert_eq!(
        ends(&mut hosts, Some(Direction::ToPeer), &frame, &ask("192.0.2.2")),
        (0, To::Column(1))
    );
    let reply = PacketSummary::IsAt { sender: ip("192.0.2.2"), target: ip("192.0.2.1") };
    let answer = ethernet(mac(2), BOARD_NET.mac());
    assert_eq!(ends(&mut hosts, Some(Direction::ToBoard), &answer, &reply), (1, To::Column(0)));
    // The only other host, until there are two; then all, unless the asked one is known.
    let solicit = PacketSummary::Icmp {
        source: ip("2001:db8::1"),
        destination: ip("ff02::1:ff00:2"),
        message: Icmp::WhoHas(ip("2001:db8::2")),
    };
    assert_eq!(ends(&mut hosts, Some(Direction::ToPeer), &frame, &solicit), (0, To::Column(1)));
    let third = ethernet(mac(3), BOARD_NET.mac());
    assert_eq!(
        ends(&mut hosts, Some(Direction::ToBoard), &third, &packet("192.0.2.3", "192.0.2.1")).0,
        2
    );
    assert_eq!(
        ends(&mut hosts, Some(Direction::ToPeer), &frame, &ask("192.0.2.9")),
        (0, To::Group)
    );
    assert_eq!(
        ends(&mut hosts, Some(Direction::ToPeer), &frame, &ask("192.0.2.2")),
        (0, To::Column(1))
    );
    assert_eq!(hosts.titles(), ["board 192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    // Who asks for its own address asks no other host.
    let detect = PacketSummary::Icmp {
        source: ip("::"),
        destination: ip("ff02::1:ff00:4"),
        message: Icmp::WhoHas(ip("fe80::4")),
    };
    assert_eq!(ends(&mut hosts, None, &ethernet(mac(4), BROADCAST), &detect), (3, To::Group));
    assert_eq!(hosts.titles().last().unwrap(), "fe80::4");
}

#[test]
fn the_way_is_told_by_the_boards_address() {
    let board = BOARD_NET.mac();
    for (from, to, direction, has) in [
        (board, mac(2), Some(Direction::ToPeer), true),
        (board, BROADCAST, Some(Direction::ToPeer), true),
        (mac(2), board, Some(Direction::ToBoard), true),
        (mac(2), BROADCAST, Some(Direction::ToBoard), false),
        (mac(2), mac(3), None, false),
    ] {
        let frame = ethernet(from, to);
        assert_eq!(
            (hosts::direction(&frame), hosts::has_board(&frame)),
            (direction, has),
            "{from} {to}"
        );
    }
}

#[test]
fn what_cannot_be_trusted_names_no_host() {
    let mut hosts = Hosts::default();
    let frame = ethernet(mac(2), BOARD_NET.mac());
    let broken = Segment {
        sound: false,
        ..Segment::with_flags(
            "192.0.2.2:4000".parse().unwrap(),
            "192.0.2.1:7".parse().unwrap(),
            "A",
        )
    };
    assert_eq!(
        ends(&mut hosts, Some(Direction::ToBoard), &frame, &PacketSummary::Tcp(broken)),
        (1, To::Column(0))
    );
    assert_eq!(hosts.titles(), ["board 02:00:5e:00:00:01", "06:00:00:00:00:02"]);
    for _ in 0..3 {
        assert_eq!(
            ends(&mut hosts, Some(Direction::ToBoard), b"short", &PacketSummary::Other),
            (1, To::Column(0))
        );
    }
    assert_eq!(hosts.titles().len(), 2);
}

#[test]
fn ends_of_one_address_have_a_column_each() {
    let mut hosts = Hosts::default();
    let loopback = |source: &str, destination: &str| PacketSummary::Udp {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        len: 2,
        says: None,
    };
    let there = loopback("127.0.0.1:4000", "127.0.0.1:80");
    assert_eq!(ends(&mut hosts, None, b"", &there), (0, To::Column(1)));
    let back = loopback("127.0.0.1:80", "127.0.0.1:4000");
    assert_eq!(ends(&mut hosts, None, b"", &back), (1, To::Column(0)));
    let other = loopback("127.0.0.1:80", "127.0.0.53:53");
    assert_eq!(ends(&mut hosts, None, b"", &other), (2, To::Column(3)));
    assert_eq!(hosts.titles(), ["127.0.0.1:4000", "127.0.0.1:80", "127.0.0.1", "127.0.0.53"]);
    // A ping has no ports.
    let ping = packet("127.0.0.1", "127.0.0.1");
    assert_eq!(ends(&mut hosts, None, b"", &ping), (2, To::Same));
}

#[test]
fn a_frame_without_any_address_is_nobodys_but_on_a_cable_with_a_board() {
    let mut hosts = Hosts::default();
    ends(&mut hosts, None, &ethernet(mac(2), mac(3)), &packet("10.0.0.2", "10.0.0.3"));
    let name = PacketSummary::Named("PPP LCP".into());
    assert_eq!(ends(&mut hosts, None, b"", &name), (2, To::Nobody));
    assert_eq!(hosts.titles(), ["10.0.0.2", "10.0.0.3", "?"]);
}

// ---- Text ------------------------------------------------------------------------------------------

#[test]
fn a_comment_can_neither_steer_the_terminal_nor_break_the_document() {
    let notes = "\x1b[2J<b>&\"'\u{9b}\u{0}\nend";
    let frame = ethernet(mac(2), BOARD_NET.mac());
    let line = Ladder::new(Style::default()).line(Instant::ZERO, Direction::ToBoard, &frame, notes);
    assert!(line.contains("\u{fffd}[2J<b>&\"'\u{fffd}\u{fffd} end"), "{line}");
    assert!(!line.contains(|c: char| c.is_control() && c != '\n'));
    let mut drawing = svg::Drawing::default();
    drawing.frame(Instant::ZERO, None, &frame, notes);
    assert!(drawing.finish().contains("\u{fffd}[2J&lt;b&gt;&amp;&quot;&apos;"));
}

#[test]
fn colour_changes_nothing_but_colours() {
    let frame = ethernet(mac(2), BOARD_NET.mac());
    let draw = |colour| {
        let mut ladder = Ladder::new(Style { width: 100, colour });
        ladder.line(Instant::ZERO, Direction::ToPeer, &frame, "dropped by loss 5%")
    };
    let coloured = draw(true);
    let mut plain = String::new();
    for (index, part) in coloured.split("\x1b[").enumerate() {
        plain.push_str(if index == 0 { part } else { part.split_once('m').unwrap().1 });
    }
    assert_eq!(plain, draw(false));
    assert!(coloured.contains("\x1b[31m") && !draw(false).contains('\x1b'));
}

#[test]
fn a_drawing_has_an_end() {
    let mut drawing = svg::Drawing::default();
    for _ in 0..svg::RUNGS_MAX + 7 {
        drawing.frame(Instant::ZERO, Direction::ToBoard, b"", "");
    }
    assert_eq!(drawing.left_out(), 7);
    assert_eq!(drawing.finish().matches("class=\"time\"").count(), svg::RUNGS_MAX);
}

#[test]
fn time_is_relative_to_the_first_frame_and_may_run_back() {
    let mut rungs = Rungs::default();
    let mut at = |micros| {
        let now = Instant::from_micros(1_700_000_000_000_000_i64 + micros);
        seconds(rungs.rung(now, None, b"", "").micros)
    };
    assert_eq!([at(0), at(61_000_001), at(-1_500_000)], ["0.000000", "61.000001", "-1.500000"]);
}

#[test]
fn whatever_frames_hold_every_line_is_drawn_at_every_width() {
    let mut rng = Rng::new(11);
    let mut ladder = Ladder::new(Style::default());
    let mut drawing = svg::Drawing::default();
    for round in 0..20_000_i64 {
        if round % 50 == 0 {
            let style = Style { width: rng.below(500) as usize, colour: rng.below(2) == 0 };
            ladder = Ladder::new(style);
        }
        let len = rng.below(90) as usize;
        let mut frame: Vec<u8> = (0..len).map(|_| rng.below(256) as u8).collect();
        if len > 54 {
            // As far as the ports of a plausible packet.
            frame[12..15].copy_from_slice(&[0x08, 0x00, 0x45]);
            frame[16..18].copy_from_slice(&(len as u16 - 14).to_be_bytes());
            frame[20] = 0;
            frame[21] = 0;
            frame[23] = [6, 17, 1, 47][rng.below(4) as usize];
            frame[46] = 0x50;
            smoltcp::wire::Ipv4Packet::new_unchecked(&mut frame[14..]).fill_checksum();
        }
        let direction =
            [None, Some(Direction::ToBoard), Some(Direction::ToPeer)][rng.below(3) as usize];
        let notes = ["", "dropped by loss 5%", "delayed 3 ms"][rng.below(3) as usize];
        let now = Instant::from_micros(round);
        assert!(!ladder.line(now, direction, &frame, notes).is_empty());
        drawing.frame(now, direction, &frame, notes);
    }
    assert!(drawing.finish().ends_with("</svg>\n"));
}
