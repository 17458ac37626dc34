//! Hosts on the board's link, by number, and what they send and get of ARP, neighbour discovery and ping.

use std::collections::BTreeMap;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::time::Instant;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol,
    Icmpv4Packet, Icmpv4Repr, Icmpv6Packet, Icmpv6Repr, IpAddress, IpProtocol, Ipv4Address,
};
use tapboard_firmware::BOARD_NET;

use super::frames::{asked_for, ip_frame};
use super::solo::Solo;

/// The MAC address of the host with this number.
pub(crate) fn mac(number: u8) -> EthernetAddress {
    EthernetAddress([2, 0, 0, 0, 1, number])
}

pub(crate) fn board(version6: bool) -> IpAddress {
    if version6 {
        BOARD_NET.ipv6().expect("the board has one").address().into()
    } else {
        BOARD_NET.ipv4_address().into()
    }
}

pub(crate) fn host(number: u8, version6: bool) -> IpAddress {
    let text = if version6 { format!("2001:db8::{number:x}") } else { format!("192.0.2.{number}") };
    text.parse().expect("an address")
}

/// `frame` as sent by this MAC address.
pub(crate) fn sent_by(sender: EthernetAddress, mut frame: Vec<u8>) -> Vec<u8> {
    EthernetFrame::new_unchecked(&mut frame).set_src_addr(sender);
    frame
}

pub(crate) fn ping(from: IpAddress, to: IpAddress) -> Vec<u8> {
    let data = b"anybody there";
    let v6 = Icmpv6Repr::EchoRequest { ident: 1, seq_no: 2, data };
    let v4 = Icmpv4Repr::EchoRequest { ident: 1, seq_no: 2, data };
    let checksums = ChecksumCapabilities::default();
    match (from, to) {
        (IpAddress::Ipv6(source), IpAddress::Ipv6(destination)) => {
            ip_frame(from, to, IpProtocol::Icmpv6, v6.buffer_len(), |buffer| {
                let mut packet = Icmpv6Packet::new_unchecked(buffer);
                v6.emit(&source, &destination, &mut packet, &checksums);
            })
        }
        _ => ip_frame(from, to, IpProtocol::Icmp, v4.buffer_len(), |buffer| {
            v4.emit(&mut Icmpv4Packet::new_unchecked(buffer), &checksums);
        }),
    }
}

pub(crate) fn arp(
    operation: ArpOperation,
    sender: EthernetAddress,
    source: Ipv4Address,
    target: Ipv4Address,
) -> Vec<u8> {
    let repr = ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr: sender,
        source_protocol_addr: source,
        target_hardware_addr: EthernetAddress([0; 6]),
        target_protocol_addr: target,
    };
    let mut buffer = vec![0; EthernetFrame::<&[u8]>::buffer_len(repr.buffer_len())];
    let mut frame = EthernetFrame::new_unchecked(&mut buffer);
    frame.set_src_addr(sender);
    frame.set_dst_addr(EthernetAddress::BROADCAST);
    frame.set_ethertype(EthernetProtocol::Arp);
    repr.emit(&mut ArpPacket::new_unchecked(frame.payload_mut()));
    buffer
}

/// The MAC address that each frame since the last call went to, of those that are no questions.
pub(crate) fn answered(solo: &mut Solo<'_>) -> Vec<EthernetAddress> {
    let others: Vec<_> = solo.others.drain(..).map(|(_, frame)| frame).collect();
    let answers = others.iter().filter(|frame| asked_for(frame).is_none());
    answers.map(|frame| EthernetFrame::new_unchecked(frame).dst_addr()).collect()
}

/// When the board asked for each neighbour since the last call.
pub(crate) fn questions(solo: &mut Solo<'_>) -> BTreeMap<String, Vec<Instant>> {
    let mut asked = BTreeMap::<_, Vec<_>>::new();
    for (at, frame) in solo.others.drain(..) {
        if let Some(address) = asked_for(&frame) {
            asked.entry(address.to_string()).or_default().push(at);
        }
    }
    asked
}

pub(crate) fn reachable(address: IpAddress) -> bool {
    !["192.0.2.200", "192.0.2.201", "192.0.2.202", "2001:db8::c8", "2001:db8::c9", "2001:db8::ca"]
        .contains(&address.to_string().as_str())
}
