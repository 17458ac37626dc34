//! Packets and captures byte by byte, as others write them.

use std::net::IpAddr;

/// The Internet checksum (RFC 1071).
fn checksum(parts: &[&[u8]]) -> [u8; 2] {
    let words = |part: &[u8]| -> u32 {
        let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        part.chunks(2).map(word).sum()
    };
    let mut sum: u32 = parts.iter().map(|part| words(part)).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

fn octets(address: &str) -> Vec<u8> {
    match address.parse().expect("an address") {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// An IPv4 or IPv6 packet with what `transport` is, whose checksum at that place is filled in.
pub(crate) fn ip(from: &str, to: &str, protocol: u8, transport: &[u8], at: usize) -> Vec<u8> {
    let mut transport = transport.to_vec();
    let (from, to) = (octets(from), octets(to));
    let len = (transport.len() as u16).to_be_bytes();
    let sum = checksum(&[&from, &to, &[0, protocol], &len, &transport]);
    transport[at..at + 2].copy_from_slice(&sum);
    if from.len() == 16 {
        return [&[0x60, 0, 0, 0, len[0], len[1], protocol, 64], &from[..], &to, &transport]
            .concat();
    }
    let total = (20 + transport.len() as u16).to_be_bytes();
    let start = [0x45, 0, total[0], total[1], 0, 1, 0, 0, 64, protocol];
    let sum = checksum(&[&start, &from, &to]);
    [&start[..], &sum, &from, &to, &transport].concat()
}

/// A segment's header, options and that many bytes; `flags` are the header's bits.
pub(crate) fn tcp_bytes(
    (from, to): (u16, u16),
    (seq, ack): (u32, u32),
    flags: u8,
    options: &[u8],
    len: usize,
) -> Vec<u8> {
    let mut bytes = [from.to_be_bytes(), to.to_be_bytes()].concat();
    bytes.extend(seq.to_be_bytes());
    bytes.extend(ack.to_be_bytes());
    bytes.extend([(5 + options.len() as u8 / 4) << 4, flags, 0x20, 0, 0, 0, 0, 0]);
    bytes.extend(options);
    bytes.resize(bytes.len() + len, b'x');
    bytes
}

pub(crate) const SYN: u8 = 2;
pub(crate) const SYN_ACK: u8 = 0x12;
pub(crate) const ACK: u8 = 0x10;
pub(crate) const PSH_ACK: u8 = 0x18;

/// A segment of the connection between 10.0.0.1:4000 and 10.0.0.2:80, whose numbers begin at 1000 and 5000.
pub(crate) fn tcp(client: bool, seq: u32, ack: u32, flags: u8, len: usize) -> Vec<u8> {
    let numbers =
        |mine: u32, theirs: u32| (mine + seq, if flags & ACK == 0 { 0 } else { theirs + ack });
    let (from, to, ports, numbers) = if client {
        ("10.0.0.1", "10.0.0.2", (4000, 80), numbers(1000, 5000))
    } else {
        ("10.0.0.2", "10.0.0.1", (80, 4000), numbers(5000, 1000))
    };
    ip(from, to, 6, &tcp_bytes(ports, numbers, flags, &[], len), 16)
}

/// A datagram.
pub(crate) fn udp(from: &str, to: &str, (source, destination): (u16, u16), data: &[u8]) -> Vec<u8> {
    let len = (8 + data.len() as u16).to_be_bytes();
    let ports = [source.to_be_bytes(), destination.to_be_bytes()].concat();
    ip(from, to, 17, &[&ports[..], &len, &[0, 0], data].concat(), 6)
}

/// An Ethernet frame. Its addresses end in the last bytes of the packet's, if it is IPv4.
pub(crate) fn ethernet(ethertype: u16, packet: &[u8]) -> Vec<u8> {
    let last = |at: usize| if packet.first() == Some(&0x45) { packet[at] } else { at as u8 };
    let address = |last| [6, 0, 0, 0, 0, last];
    [&address(last(19))[..], &address(last(15)), &ethertype.to_be_bytes(), packet].concat()
}

/// A pcap file of that link type, frames a millisecond apart.
pub(crate) fn pcap(link: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file: Vec<u8> = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 0x0004_0000, link]
        .iter()
        .flat_map(|word: &u32| word.to_le_bytes())
        .collect();
    for (index, frame) in frames.iter().enumerate() {
        let len = frame.len() as u32;
        for word in [1_700_000_000, index as u32 * 1000, len, len] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}

/// A pcapng block.
pub(crate) fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let body_len = body.len().next_multiple_of(4);
    let len = (12 + body_len as u32).to_le_bytes();
    let mut block = [&kind.to_le_bytes()[..], &len, body].concat();
    block.resize(8 + body_len, 0);
    block.extend(len);
    block
}

/// Those numbers, little-endian.
pub(crate) fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A section by nobody in particular, with interfaces of these link types.
pub(crate) fn section(links: &[u32]) -> Vec<u8> {
    let mut file = block(0x0a0d_0d0a, &words(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]));
    for &link in links {
        file.extend(block(1, &words(&[link, 0])));
    }
    file
}

/// An enhanced packet block of that interface at that microsecond, with options.
pub(crate) fn packet(interface: u32, at: u64, frame: &[u8], options: &[u8]) -> Vec<u8> {
    let len = frame.len() as u32;
    let mut body = words(&[interface, (at >> 32) as u32, at as u32, len, len]);
    body.extend(frame);
    body.resize(body.len().next_multiple_of(4), 0);
    body.extend(options);
    block(6, &body)
}
