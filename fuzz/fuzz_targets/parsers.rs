//! Each parser of what the network says, by itself: a program's bytes are a frame, a DHCP server's message, an answer of DNS, a
//! message of multicast DNS, an advertisement's options, a time server's answer, each with what its parser insists on in
//! place. Nothing may panic, or take for ever.
#![no_main]

use libfuzzer_sys::fuzz_target;
use smoltcp::wire::{EthernetAddress, Icmpv6Packet, IpCidr, Ipv4Address, Ipv6Address};
use tapboard_net::mdns::Service;
use tapboard_net::parsers;

const MAC: EthernetAddress = EthernetAddress([2, 0, 0x5e, 0, 0, 1]);
const SERVICES: &[Service] =
    &[Service { kind: "_echo._tcp", port: 7 }, Service { kind: "_telnet._tcp", port: 23 }];
const ROUTER: Ipv6Address = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 9);
const ALL_NODES: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const OWN: [IpCidr; 3] = [
    IpCidr::new(smoltcp::wire::IpAddress::Ipv4(Ipv4Address::new(192, 0, 2, 1)), 24),
    IpCidr::new(smoltcp::wire::IpAddress::Ipv6(Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 1)), 64),
    IpCidr::new(
        smoltcp::wire::IpAddress::Ipv6(Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
        64,
    ),
];

/// From a server to `MAC`, with these options.
fn dhcp_message(options: &[u8]) -> Vec<u8> {
    let mut message = vec![2, 1, 6, 0, 0, 0, 0, 1];
    message.resize(16, 0);
    message.extend([192, 0, 2, options.first().copied().unwrap_or(0)]);
    message.resize(28, 0);
    message.extend(MAC.0);
    message.resize(236, 0);
    message.extend([99, 130, 83, 99, 53, 1, 5, 1, 4, 255, 255, 255, 0]);
    message.extend(options);
    message
}

/// The answer to question 7 for `name`, whose records these are.
fn dns_answer(name: &[u8], kind: u8, records: &[u8]) -> Vec<u8> {
    let mut message = vec![0, 7, 0x81, 0x80, 0, 1, 0, 4, 0, 0, 0, 0];
    message.extend(name);
    message.extend([0, kind, 0, 1]);
    message.extend(records);
    message
}

/// The frame of a router's advertisement with these options.
fn advertisement(options: &[u8]) -> Vec<u8> {
    let mut icmp = vec![134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
    icmp.extend(options);
    Icmpv6Packet::new_unchecked(&mut icmp).fill_checksum(&ROUTER, &ALL_NODES);
    let [high, low] = (icmp.len() as u16).to_be_bytes();
    let mut frame = vec![0x33, 0x33, 0, 0, 0, 1, 2, 0, 0x5e, 0, 0, 9, 0x86, 0xdd];
    frame.extend([0x60, 0, 0, 0, high, low, 58, 255]);
    frame.extend(ROUTER.octets());
    frame.extend(ALL_NODES.octets());
    frame.extend(icmp);
    frame
}

fuzz_target!(|bytes: &[u8]| {
    parsers::frame(bytes);
    // As what a frame is most often said to be.
    for kind in [[0x08, 0x00, 0x45], [0x86, 0xdd, 0x60], [0x08, 0x06, 0x00]] {
        let mut frame = vec![2, 0, 0x5e, 0, 0, 1, 2, 0, 0x5e, 0, 0, 2];
        frame.extend(kind);
        frame.extend(bytes);
        parsers::frame(&frame);
    }
    parsers::frame(&advertisement(bytes));

    parsers::dhcp(bytes, MAC);
    parsers::dhcp(&dhcp_message(bytes), MAC);

    let name = b"\x04host\x07example\0";
    parsers::dns(bytes, 7, name);
    parsers::dns(&dns_answer(name, 1, bytes), 7, name);
    parsers::dns(&dns_answer(name, 28, bytes), 7, name);

    parsers::mdns(bytes, b"board", SERVICES, &OWN);
    // Two questions, one of which is for the host, and records.
    let mut message = vec![0, 0, 0, 0, 0, 2, 0, 3, 0, 3, 0, 0];
    message.extend(b"\x05board\x05local\0\0\xff\0\x01");
    message.extend(bytes);
    parsers::mdns(&message, b"board", SERVICES, &OWN);

    parsers::sntp(bytes, 0x5eed);
    if let Some((first, rest)) = bytes.split_first_chunk::<24>() {
        let mut answer = first.to_vec();
        answer.extend(0x5eed_u64.to_be_bytes());
        answer.extend(rest);
        parsers::sntp(&answer, 0x5eed);
    }
});
