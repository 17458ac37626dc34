//! `tapboard ladder` on every link that carries IP, and on what is between a link and IP: a SYN of each is drawn, and
//! what was taken off is named.
#![cfg(target_os = "linux")]

mod common;

use common::drawn::{draw, lines};
use common::packets::{SYN, ethernet, ip, pcap, tcp, tcp_bytes, udp};

const ETHERNET: u32 = 1;
const IPV4: u16 = 0x0800;
const SYN_RUNG: &str = "|4000 - SYN seq=0 win=8192 -> 80|";

/// The frames' lines, of hosts that are both there from the first one on.
#[track_caller]
fn rungs(file: &[u8]) -> Vec<String> {
    let mut lines = lines(file);
    assert_eq!(lines.remove(0), "seconds 10.0.0.1 10.0.0.2");
    lines
}

fn syn() -> Vec<u8> {
    tcp(true, 0, 0, SYN, 0)
}

/// An Ethernet frame with it.
fn framed() -> Vec<u8> {
    ethernet(IPV4, &syn())
}

/// A frame of 802.11 with these control bytes and a header of that length.
fn wifi(control: [u8; 2], len: usize) -> Vec<u8> {
    let mut header = [&control[..], &[0, 0], &[2; 6], &[4; 6], &[6; 6], &[0, 0]].concat();
    header.resize(len, 0);
    [&header[..], &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &syn()].concat()
}

#[test]
fn a_syn_is_drawn_from_every_link_that_carries_ip() {
    let with = |header: &[u8]| [header, &syn()].concat();
    let cooked = |header: &[u8]| with(header);
    let sll = [0, 0, 0, 1, 0, 6, 6, 0, 0, 0, 0, 1, 0, 0, 8, 0];
    let sll2 = [8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 6, 0, 0, 0, 0, 1, 0, 0];
    // A field of six bytes, with padding, before the packet's.
    let logged = |family: u8, bytes: fn(u16) -> [u8; 2]| {
        let field = |kind: u16, value: &[u8]| {
            [&bytes(4 + value.len() as u16)[..], &bytes(kind), value].concat()
        };
        let mut frame = [&[family, 0, 0, 0][..], &field(10, b"x\0"), &[0, 0]].concat();
        frame.extend(field(9, &syn()));
        frame
    };
    // Radiotap of 9 bytes: flags that say the header is padded.
    let radiotap = |frame: Vec<u8>| [&[0, 0, 9, 0, 2, 0, 0, 0, 0x20][..], &frame].concat();
    for (link, frame) in [
        (0, with(&[2, 0, 0, 0])),
        (0, with(&[0, 0, 0, 2])),
        (108, with(&[0, 0, 0, 2])),
        (9, with(&[0xff, 3, 0, 0x21])),
        (9, with(&[0x21])),
        (50, with(&[0xff, 3, 0, 0x21])),
        (50, with(&[0x0f, 0, 8, 0])),
        (104, with(&[0x0f, 0, 8, 0])),
        (51, with(&[0x11, 0, 0, 1, 0, 42, 0, 0x21])),
        (12, syn()),
        (14, syn()),
        (101, syn()),
        (228, syn()),
        (100, with(&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0])),
        (105, wifi([8, 1], 24)),
        (105, wifi([8, 2], 24)),
        (105, wifi([8, 3], 30)),
        (105, wifi([0x88, 2], 26)),
        (127, radiotap(wifi([0x88, 2], 28))),
        (113, cooked(&sll)),
        (276, cooked(&sll2)),
        (204, with(&[1, 0xff, 3, 0, 0x21])),
        (8, with(&[0; 16])),
        (10, with(&[&[0x50][..], &[2; 6], &[4; 6], &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0]].concat())),
        (106, syn()),
        (106, with(&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0])),
        (107, with(&[0x18, 0x41, 3, 0xcc])),
        (107, with(&[0x18, 0x40, 0x20, 0x01, 3, 0, 0xcc])),
        (107, with(&[0x18, 0x41, 3, 0, 0x80, 0, 0, 0, 8, 0])),
        (107, with(&[0x18, 0x41, 8, 0])),
        (239, logged(2, u16::to_le_bytes)),
        (239, logged(2, u16::to_be_bytes)),
    ] {
        let rungs = rungs(&pcap(link, &[frame]));
        assert!(rungs[0].starts_with(SYN_RUNG) && rungs.len() == 1, "{link}: {rungs:?}");
    }
    let v6 = ip("fd00::1", "fd00::2", 6, &tcp_bytes((4000, 80), (7, 0), SYN, &[], 0), 16);
    assert_eq!(lines(&pcap(229, &[v6]))[1], SYN_RUNG);
}

#[test]
fn encapsulations_are_taken_off_and_named() {
    let syn = syn();
    let vlan = [&[0, 5, 8, 0], &syn[..]].concat();
    let gre = |inner: &[u8]| ip("192.0.2.1", "192.0.2.2", 47, &[&[0, 0, 8, 0], inner].concat(), 0);
    // GRE has no checksum where `ip` puts one: its flags are put back.
    let mut tunnel = gre(&syn);
    tunnel[20..22].copy_from_slice(&[0, 0]);
    let mut nested = ip("192.0.2.1", "192.0.2.2", 4, &syn, 10);
    nested[30..32].copy_from_slice(&syn[10..12]);
    let vxlan = [&[8, 0, 0, 0, 0, 0, 7, 0][..], &ethernet(IPV4, &syn)].concat();
    let llc = [&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &syn[..]].concat();
    for (ethertype, payload, name) in [
        (0x8100, vlan.clone(), "vlan 5"),
        (0x88a8, [&[0, 9, 0x81, 0], &vlan[..]].concat(), "vlan 9, vlan 5"),
        (0x8864, [&[0x11, 0, 0, 1, 0, 42, 0, 0x21], &syn[..]].concat(), "PPPoE session 1"),
        (0x8847, [&[0, 1, 0, 64, 0, 1, 0x11, 64], &syn[..]].concat(), "MPLS 16 17"),
        (llc.len() as u16, llc, ""),
        (IPV4, tunnel, "GRE 192.0.2.1 > 192.0.2.2"),
        (IPV4, nested, "IP in IP 192.0.2.1 > 192.0.2.2"),
        (
            IPV4,
            udp("192.0.2.1", "192.0.2.2", (50_000, 4789), &vxlan),
            "VXLAN 7 192.0.2.1 > 192.0.2.2",
        ),
    ] {
        let rungs = rungs(&pcap(ETHERNET, &[ethernet(ethertype, &payload)]));
        assert_eq!(rungs, [format!("{SYN_RUNG} {name}").trim_end()], "{ethertype:#x}");
    }
}

#[test]
fn a_syn_is_drawn_behind_what_a_capturing_system_puts_before_a_frame() {
    let behind = |header: &[u8], frame: &[u8]| [header, frame].concat();
    let long = |len: usize, start: &[u8]| {
        let mut header = start.to_vec();
        header.resize(len, 0);
        header
    };
    let llc = [&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0][..], &syn()].concat();
    let (framed, syn, data) = (framed(), syn(), wifi([8, 1], 24));
    // PKTAP in either byte order: length, a record's type, the link.
    let pktap =
        |bytes: fn(u32) -> [u8; 4], link| long(108, &[bytes(108), bytes(1), bytes(link)].concat());
    // Ethernet's addresses, a switch's tag, and the rest.
    let tagged = |tag: &[u8]| [&framed[..12], tag, &framed[12..]].concat();
    let erf = |kind: u8, len: usize| long(len, &[0, 0, 0, 0, 0, 0, 0, 0, kind]);
    // An aggregate: its first part has addresses and a length.
    let aggregate = {
        let header = [&[0x88, 1, 0, 0][..], &[2; 6], &[4; 6], &[6; 6], &[0, 0, 0x80, 0]].concat();
        let len = (llc.len() as u16).to_be_bytes();
        [&header[..], &[2; 6], &[4; 6], &len, &llc].concat()
    };
    let route = [0x10, 0x40, 2, 0, 0, 0, 0, 2, 0x86, 0, 0, 0, 0, 1, 6, 0x30, 0, 1, 0, 2];
    for (link, frame) in [
        (6, behind(&[&[0x10, 0x40][..], &[2; 6], &[4; 6]].concat(), &llc)),
        (6, behind(&route, &llc)),
        (7, behind(&[1, 2, 0xd4, 0, 0, 1], &syn)),
        (7, behind(&[1, 2, 0xf0], &syn)),
        (129, behind(&[1, 2, 0, 0, 0xd4, 0xff, 0xff, 0xff, 0xff, 0, 0, 1], &syn)),
        (109, behind(&[2, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0], &syn)),
        (117, behind(&long(64, &[61, 2]), &syn)),
        (119, behind(&long(144, &[0, 0, 0, 0x44, 0, 0, 0, 144]), &data)),
        (119, behind(&long(144, &[0x44, 0, 0, 0, 144, 0, 0, 0]), &data)),
        (119, behind(&long(64, &[0x80, 0x21, 0x10, 1, 0, 0, 0, 64]), &data)),
        (163, behind(&long(64, &[0x80, 0x21, 0x10, 1, 0, 0, 0, 64]), &data)),
        (122, behind(&[&[0, 0][..], &[2; 6], &[0, 0], &[4; 6]].concat(), &llc)),
        (123, behind(&[0x82, 0, 0, 32], &llc)),
        (123, behind(&[1, 0, 0, 32, 0, 1], &framed)),
        (100, behind(&[0xfe, 0xfe, 3, 0xcc], &syn)),
        (100, behind(&[0xaa, 0xaa, 3, 0, 0x80, 0xc2, 0, 7, 0, 0], &framed)),
        (107, behind(&[0x18, 0x41, 3, 0, 0x80, 0, 0x80, 0xc2, 0, 7], &framed)),
        (143, behind(&[1, 2, 0, 0, 0, 0, 0, 0], &framed)),
        (105, aggregate),
        (149, behind(&pktap(u32::to_le_bytes, 1), &framed)),
        (258, behind(&pktap(u32::to_be_bytes, 12), &syn)),
        (258, behind(&pktap(u32::to_le_bytes, 0), &behind(&[2, 0, 0, 0], &syn))),
        (166, behind(&[1, 3, 0, 0x21], &syn)),
        (178, behind(b"MGC\x80\0\x04abcd", &framed)),
        (179, behind(b"MGC\x01\x00\x21", &syn)),
        (181, behind(b"MGC\x01\x0f\0\x08\0", &syn)),
        (192, behind(&[0, 0, 8, 0, 105, 0, 0, 0], &data)),
        (192, behind(&[0, 0, 12, 0, 1, 0, 0, 0, 2, 0, 0, 0], &framed)),
        (197, behind(&erf(2, 18), &framed)),
        (197, behind(&erf(0x96, 24), &syn)),
        (205, behind(&[0, 0x0f, 0, 8, 0], &syn)),
        (206, behind(&[0, 0x18, 0x41, 3, 0xcc], &syn)),
        (219, behind(&[0, 1, 1, 64], &syn)),
        (226, behind(&long(24, &[1, 2]), &syn)),
        (242, behind(&[&[0; 40][..], &[8, 0, 0, 0]].concat(), &syn)),
        (240, behind(&[0; 4], &framed)),
        (241, behind(&[0; 12], &framed)),
        (252, behind(&[0, 12, 0, 4, b'i', b'p', 0, 0, 0, 0, 0, 0], &syn)),
        (274, behind(&[0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55, 0xd5], &framed)),
        (281, tagged(&[0, 0, 0, 1])),
        (282, behind(&[0, 0, 0, 1], &framed)),
        (284, tagged(&[0x40, 0, 0, 0])),
        (285, tagged(&[0xda, 0xda, 0, 0, 0x40, 0, 0, 0])),
    ] {
        let rungs = rungs(&pcap(link, &[frame]));
        assert!(rungs[0].starts_with(SYN_RUNG) && rungs.len() == 1, "{link}: {rungs:?}");
    }
}

#[test]
fn what_stands_between_ethernet_and_ip_is_taken_off_and_named() {
    let (syn, framed) = (syn(), framed());
    let tag = |tag: &[u8]| [tag, &[8, 0], &syn].concat();
    let before = |header: &[u8]| [header, &framed].concat();
    let datagram = |to, header: &[u8], inner: &[u8]| {
        udp("192.0.2.1", "192.0.2.2", (50_000, to), &[header, inner].concat())
    };
    // GRE has no checksum where `ip` puts one.
    let gre = |flags: u16, header: &[u8], inner: &[u8]| {
        let mut packet = ip("192.0.2.1", "192.0.2.2", 47, &[&[0, 0], header, inner].concat(), 0);
        packet[20..22].copy_from_slice(&flags.to_be_bytes());
        packet
    };
    let mut decrypted = wifi([8, 0x41], 32);
    decrypted[27] = 0x20;
    let mut ether_ip = ip("192.0.2.1", "192.0.2.2", 97, &before(&[0x30, 0]), 0);
    ether_ip[20..22].copy_from_slice(&[0x30, 0]);
    let nsh = |next, rest: &[u8]| [&[0x0f, 0xc2, 2, next, 0, 0, 7, 255][..], rest].concat();
    for (ethertype, payload, name) in [
        (0x8926, tag(&[0; 4]), "VN-tag"),
        (0x893f, tag(&[0; 6]), "E-tag"),
        (0x8909, tag(&[1, 1, 0, 1, 0, 5]), "Cisco metadata"),
        (0x892f, tag(&[0, 0x50, 0, 1]), "HSR"),
        (0xf1c1, tag(&[0, 0, 0, 1]), "R-tag"),
        (0x88e5, tag(&[0, 0, 0, 0, 0, 1]), "MACsec"),
        (0x88e5, tag(&[0x20, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]), "MACsec"),
        (0x894f, nsh(1, &syn), "NSH path 7"),
        (0x894f, nsh(3, &framed), "NSH path 7"),
        (0x4305, before(&[0x40, 15, 50, 1, 6, 0, 0, 0, 0, 1]), "B.A.T.M.A.N."),
        (0x88e7, before(&[0, 0, 0, 7]), "PBB 7"),
        (0x22f3, before(&[0, 0x41, 0, 1, 0, 2, 0, 0, 0, 0]), "TRILL"),
        (0x8903, before(&[0, 0x41]), "FabricPath"),
        (0x8870, [&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &syn[..]].concat(), ""),
        (0x2452, wifi([8, 0x41], 28), ""),
        (0x2452, decrypted, ""),
        (IPV4, ether_ip, "EtherIP 192.0.2.1 > 192.0.2.2"),
        (IPV4, gre(0, &[0x88, 0xbe], &framed), "ERSPAN 192.0.2.1 > 192.0.2.2"),
        (
            IPV4,
            gre(0x1000, &[0x88, 0xbe, 0, 0, 0, 1, 0x10, 5, 0, 1, 0, 0, 0, 1], &framed),
            "ERSPAN 192.0.2.1 > 192.0.2.2",
        ),
        (
            IPV4,
            gre(0, &[&[0x22, 0xeb][..], &[0; 11], &[1], &[0; 8]].concat(), &framed),
            "ERSPAN 192.0.2.1 > 192.0.2.2",
        ),
        (IPV4, gre(0, &[0x88, 0x3e, 0, 0, 0, 0], &syn), "GRE 192.0.2.1 > 192.0.2.2"),
        (
            IPV4,
            gre(0x4000, &[8, 0, 0, 0, 0, 0, 8, 0, 0, 4, 1, 2, 3, 4, 0, 0, 0, 0], &syn),
            "GRE 192.0.2.1 > 192.0.2.2",
        ),
        (IPV4, gre(0, &[0x82, 0], &wifi([8, 2], 24)), "GRE 192.0.2.1 > 192.0.2.2"),
        (
            IPV4,
            datagram(4789, &[0x88, 0, 0, 5, 0, 0, 7, 0], &framed),
            "VXLAN 7 192.0.2.1 > 192.0.2.2",
        ),
        (IPV4, datagram(4790, &[0x0c, 0, 0, 1, 0, 0, 7, 0], &syn), "VXLAN 7 192.0.2.1 > 192.0.2.2"),
        (
            IPV4,
            datagram(6081, &[1, 0, 0x65, 0x58, 0, 0, 7, 0, 1, 2, 3, 0], &framed),
            "Geneve 7 192.0.2.1 > 192.0.2.2",
        ),
        (
            IPV4,
            datagram(2152, &[0x34, 255, 0, 48, 0, 0, 0, 7, 0, 0, 0, 0x85, 1, 0, 1, 0], &syn),
            "GTP 0x7 192.0.2.1 > 192.0.2.2",
        ),
        (
            IPV4,
            datagram(1701, &[0x48, 2, 0, 0, 0, 3, 0, 4, 0, 0, 0, 0, 0xff, 3, 0, 0x21], &syn),
            "L2TP 3/4 192.0.2.1 > 192.0.2.2",
        ),
        (IPV4, datagram(4341, &[0x80, 0, 0, 0, 0, 0, 0, 0], &syn), "LISP 192.0.2.1 > 192.0.2.2"),
        (IPV4, datagram(4754, &[0, 0, 8, 0], &syn), "GRE 192.0.2.1 > 192.0.2.2"),
        (IPV4, datagram(6635, &[0, 1, 1, 64], &syn), "MPLS in UDP 192.0.2.1 > 192.0.2.2, MPLS 16"),
        (IPV4, datagram(37008, &[1, 0, 0, 1, 10, 1, 9, 1], &framed), "TZSP 192.0.2.1 > 192.0.2.2"),
    ] {
        let rungs = rungs(&pcap(ETHERNET, &[ethernet(ethertype, &payload)]));
        assert_eq!(rungs, [format!("{SYN_RUNG} {name}").trim_end()], "{ethertype:#x} {name}");
    }
    let isl = [
        &[1, 0, 0x0c, 0, 0, 0, 6, 0, 0, 0, 0, 1, 0, 70, 0xaa, 0xaa, 3, 0, 0, 0x0c, 0, 10][..],
        &[0; 4],
        &framed,
    ];
    assert_eq!(rungs(&pcap(ETHERNET, &[isl.concat()])), [format!("{SYN_RUNG} ISL vlan 5")]);
    // Over IPv6, Teredo and AYIYA.
    let v6 = ip("fd00::1", "fd00::2", 6, &tcp_bytes((4000, 80), (7, 0), SYN, &[], 0), 16);
    for (port, header, name) in [
        (3544, &[0, 0, 1, 2, 3, 4, 5, 6][..], "Teredo"),
        (3544, &[0, 1, 1, 1, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0], "Teredo"),
        (5072, &[0x21, 0x11, 1, 41, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8], "AYIYA"),
    ] {
        let drawn = lines(&pcap(ETHERNET, &[ethernet(IPV4, &datagram(port, header, &v6))]));
        assert_eq!(drawn[1], format!("{SYN_RUNG} {name} 192.0.2.1 > 192.0.2.2"));
    }
}

#[test]
fn links_within_links_have_an_end() {
    // Each says that another of its kind is in it.
    let nested = [0, 0, 8, 0, 192, 0, 0, 0].repeat(4000);
    let drawn = draw(&pcap(192, &[nested]));
    assert_eq!(drawn.code, Some(0), "{}", drawn.errors);
    assert!(drawn.text.contains('?'), "{}", drawn.text);
}

#[test]
fn links_without_ip_say_what_their_frames_are() {
    let beacon = [0x00, 0x80, 1, 0x34, 0x12, 0x78, 0x56];
    let data = [0x41, 0x88, 1, 0x34, 0x12, 0, 0, 0x78, 0x56];
    let long = [0x41, 0xcc, 1, 0x34, 0x12, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0];
    let netlink = [&[0, 4, 3, 0x38][..], &[0; 10], &[0, 12], &[0; 16]].concat();
    for (link, frame, says) in [
        (227, vec![0, 0, 1, 0x23, 8, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8], "CAN 0x123 8 bytes"),
        (227, vec![0xc0, 0, 1, 0x23, 0, 0, 0, 0], "CAN 0x00000123 request 0 bytes"),
        (227, vec![0x20, 0, 0, 4, 8, 0, 0, 0], "CAN error 8 bytes"),
        (195, beacon.to_vec(), "802.15.4 beacon from 0x5678"),
        (230, data.to_vec(), "802.15.4 data 0x5678 > 0x0000"),
        (230, long.to_vec(), "802.15.4 data 0000000000000002 > 0000000000000001"),
        (283, [&[0, 0, 4, 0][..], &data].concat(), "802.15.4 data 0x5678 > 0x0000"),
        (253, netlink.clone(), "netlink netfilter"),
        (113, netlink, "netlink netfilter"),
        (182, b"MGC\0abcd".to_vec(), "Juniper FRF.16 (182)"),
    ] {
        let drawn = draw(&pcap(link, &[frame]));
        assert_eq!((drawn.code, &*drawn.errors), (Some(0), ""), "{link}");
        assert!(drawn.text.contains(says), "{link}: {}", drawn.text);
    }
    // A private number that is nobody's whom we know.
    assert_eq!(draw(&pcap(149, &[vec![1; 60]])).code, Some(1));
}
