use smoltcp::wire::{Ipv4Packet, TcpPacket};

use super::*;

/// An Ethernet frame with an IPv4 packet of that protocol, all checksums right.
fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 14 + 20];
    frame[12..16].copy_from_slice(&[0x08, 0x00, 0x45, 0]);
    frame[16..18].copy_from_slice(&(20 + payload.len() as u16).to_be_bytes());
    frame[23] = protocol;
    frame[26..34].copy_from_slice(&[192, 0, 2, 2, 192, 0, 2, 1]);
    Ipv4Packet::new_unchecked(&mut frame[14..]).fill_checksum();
    frame.extend_from_slice(payload);
    frame
}

/// A segment from port 4000 to port 7 with the flags' bits and three bytes, its checksum still 0.
fn tcp(seq: u32, ack: u32, flags: u8) -> Vec<u8> {
    let mut bytes = [0x0f, 0xa0, 0, 7].to_vec();
    bytes.extend_from_slice(&seq.to_be_bytes());
    bytes.extend_from_slice(&ack.to_be_bytes());
    bytes.extend_from_slice(&[0x50, flags, 1, 0, 0, 0, 0, 0]);
    bytes.extend_from_slice(b"abc");
    bytes
}

fn summed(mut tcp: Vec<u8>) -> Vec<u8> {
    let [from, to] = [[192, 0, 2, 2], [192, 0, 2, 1]].map(|ip| IpAddr::from(ip).into());
    TcpPacket::new_unchecked(&mut tcp).fill_checksum(&from, &to);
    tcp
}

fn segment(decoder: &mut Decoder, tcp: &[u8]) -> Segment {
    match decoder.read(&ipv4(6, tcp)) {
        PacketSummary::Tcp(segment) => segment,
        other => panic!("{other:?}"),
    }
}

const ACK: u8 = 0x10;

#[test]
fn numbers_are_relative_without_a_syn_too_but_a_reset_teaches_nothing() {
    let mut decoder = Decoder::default();
    let rst = segment(&mut decoder, &summed(tcp(0, 900, 0x14)));
    assert_eq!((rst.seq, rst.ack_number, rst.initial), (0, 900, 0));
    let first = segment(&mut decoder, &summed(tcp(5000, 900, ACK)));
    assert_eq!((first.seq, first.ack_number, first.initial), (1, 1, 4999));
    let second = segment(&mut decoder, &summed(tcp(5003, 910, ACK)));
    assert_eq!((second.seq, second.ack_number), (4, 11));
}

#[test]
fn a_wrong_checksum_is_seen_and_teaches_until_one_knows_better_and_one_left_to_the_nic_is_no_wrong_one()
 {
    let mut decoder = Decoder::default();
    let mut broken = summed(tcp(77, 77, ACK));
    broken[22] ^= 1;
    let broken = segment(&mut decoder, &broken);
    assert!(!broken.sound && broken.initial == 76);
    // What Linux leaves in the field: addresses, protocol and length.
    let mut left = tcp(5000, 900, ACK);
    let sum: u32 = 0xc000 + 0x0202 + 0xc000 + 0x0201 + 6 + 23;
    left[16..18].copy_from_slice(&((sum & 0xffff) as u16 + (sum >> 16) as u16).to_be_bytes());
    let left = segment(&mut decoder, &left);
    assert!(left.sound && left.seq == 1);
}

#[test]
fn pings_errors_and_fragments_are_told_apart() {
    let icmp = |kind: u8, code: u8| {
        let mut message = vec![kind, code, 0, 0, 0, 1, 0, 9];
        smoltcp::wire::Icmpv4Packet::new_unchecked(&mut message).fill_checksum();
        message
    };
    let mut decoder = Decoder::default();
    let mut text = |frame: &[u8]| decoder.read(frame).to_string();
    assert_eq!(text(&ipv4(1, &icmp(8, 0))), "ICMP echo request seq=9");
    assert_eq!(text(&ipv4(1, &icmp(0, 0))), "ICMP echo reply seq=9");
    assert_eq!(text(&ipv4(1, &icmp(3, 3))), "ICMP destination port unreachable");
    assert_eq!(text(&ipv4(1, &[8, 0, 1, 2, 0, 1, 0, 9])), "ICMP echo request seq=9");
    assert_eq!(text(&ipv4(89, b"ospf")), "OSPF");
    let mut fragment = ipv4(6, &summed(tcp(1, 1, ACK)));
    fragment[20] = 0x20;
    Ipv4Packet::new_unchecked(&mut fragment[14..34]).fill_checksum();
    assert_eq!(text(&fragment), "IP fragment of TCP 0x0: 0+23");
    let mut broken = ipv4(6, &summed(tcp(1, 1, ACK)));
    broken[30] ^= 1;
    let broken = decoder.packet(LinkType::ETHERNET, &broken, broken.len()).unwrap();
    assert_eq!(broken.remarks, ["bad IP checksum"]);
    assert!(!broken.addressed && matches!(broken.summary, PacketSummary::Tcp(_)));
}

#[test]
fn nothing_that_a_frame_holds_makes_it_stumble() {
    let mut rng = tapboard_firmware::rng::Rng::new(7);
    let mut decoder = Decoder::default();
    let ethertypes = [[0x08, 0x00], [0x08, 0x06], [0x86, 0xdd]];
    for round in 0..20_000 {
        let len = rng.below(100) as usize;
        let mut frame: Vec<u8> = (0..len).map(|_| rng.below(256) as u8).collect();
        if len > 30 {
            frame[12..14].copy_from_slice(&ethertypes[round % 3]);
            frame[14] = [0x45, 0x00, 0x60][round % 3];
        }
        decoder.read(&frame);
    }
}

#[test]
fn nothing_that_a_link_carries_makes_it_stumble_and_no_frame_is_longer_than_it_was() {
    let mut rng = tapboard_firmware::rng::Rng::new(8);
    let mut decoder = Decoder::default();
    // What begins an encapsulation: `EtherType`s, LLC and SNAP, PPP's numbers, IP's first bytes and protocols.
    let starts: [&[u8]; 12] = [
        &[0x08, 0x00, 0x45, 0, 0, 0, 0, 0, 0, 0, 9],
        &[0x86, 0xdd, 0x60, 0, 0, 0, 0, 9],
        &[0x81, 0x00, 0, 5],
        &[0x88, 0x47, 0, 1, 0x01, 64],
        &[0x88, 0x64, 0x11, 0, 0, 1],
        &[0x88, 0xcc, 0x02, 0x07],
        &[0xaa, 0xaa, 3, 0, 0, 0],
        &[0x42, 0x42, 3],
        &[0xff, 3, 0, 0x21],
        &[0x45],
        &[0x60],
        &[0x88, 2],
    ];
    let is_read = |link: &LinkType| Decoder::default().packet(*link, &[], 0).is_some();
    let read: Vec<_> = (0..300).map(LinkType).filter(is_read).collect();
    assert!(read.len() > 60);
    let (mut named, mut drawn) = (0, 0);
    for round in 0..60_000_u32 {
        let link = read[round as usize % read.len()];
        let len = rng.below(160) as usize;
        let mut frame: Vec<u8> = (0..len).map(|_| rng.below(256) as u8).collect();
        for _ in 0..rng.below(5) {
            let start = starts[rng.below(12) as usize];
            let at = rng.below(60) as usize;
            if let Some(place) = frame.get_mut(at..at + start.len()) {
                place.copy_from_slice(start);
            }
        }
        for byte in frame.iter_mut().skip(20).step_by(7) {
            if rng.below(8) == 0 {
                *byte = [0, 4, 6, 17, 41, 43, 44, 47, 51, 58, 60, 137][rng.below(12) as usize];
            }
        }
        let whole = len + rng.below(2000) as usize;
        let packet = decoder.packet(link, &frame, whole).expect("these are read");
        drawn += u32::from(packet.summary != PacketSummary::Other);
        named += u32::from(!packet.layers.is_empty());
        if let PacketSummary::Tcp(segment) = packet.summary {
            assert!(segment.len <= whole);
        }
    }
    assert!(drawn > 10_000 && named > 1000, "{drawn} {named}");
}
