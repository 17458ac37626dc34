//! Frames that are no TCP segments: datagrams, ICMP, neighbours' questions and answers, and any bytes at all.

use smoltcp::wire::{EthernetAddress, IpAddress, IpProtocol};

use super::address::{board, host, pair, port, special};
use super::frames::{BOARD_MAC, PEER_MAC, fix_checksums, ip_frame, neighbor_answer};
use super::input::Input;

const LENGTHS: [usize; 16] =
    [0, 1, 2, 3, 31, 32, 72, 100, 256, 535, 536, 1023, 1024, 1400, 1459, 1460];

/// Lines that the shell understands, the beginnings of what telnet clients say, and what is neither.
const LINES: [&[u8]; 12] = [
    b"help\n",
    b"netstat\r\n",
    b"stats\n",
    b"led toggle\n",
    b"temp\n",
    b"uptime\n",
    b"exit\n",
    b"reset\n",
    b"\xff\xfa\x18",
    b"\xff\xfd\x01\xff\xfb\x03\xff\xf6",
    b"hepl\x7f\x08\x15",
    b"\xff\xff\xc3\x28\r\r\n",
];

/// What a peer has to say.
pub(crate) fn text(input: &mut Input<'_>) -> Vec<u8> {
    match input.below(4) {
        0 => input.pick(&LINES).repeat(1 + input.below(4)),
        1 => {
            let len = input.below(64);
            input.take(len).to_vec()
        }
        _ => vec![input.byte(); input.pick(&LENGTHS)],
    }
}

/// An IP packet in a frame for the board. Its checksums are right as far as its headers make sense.
pub(crate) fn packet(
    from: IpAddress,
    to: IpAddress,
    protocol: IpProtocol,
    payload: &[u8],
) -> Vec<u8> {
    let mut frame = ip_frame(from, to, protocol, payload.len(), |buffer| {
        buffer.copy_from_slice(payload);
    });
    fix_checksums(&mut frame);
    frame
}

/// A UDP datagram.
pub(crate) fn udp(input: &mut Input<'_>) -> Vec<u8> {
    let (from, to) = pair(input);
    // Among the sources are ports that answer by themselves, and none.
    let source: u16 = input.pick(&[1000, 1001, 50_000, 7, 0]);
    let destination = port(input);
    let payload = if input.one_in(4) { vec![input.byte(); 1472] } else { text(input) };
    let len = if input.one_in(8) { input.word() } else { 8 + payload.len() as u16 };
    let mut datagram = Vec::with_capacity(8 + payload.len());
    for field in [source, destination, len, 0] {
        datagram.extend(field.to_be_bytes());
    }
    datagram.extend(payload);
    packet(from, to, IpProtocol::Udp, &datagram)
}

/// An ICMP message of any type, for neighbour discovery among them.
pub(crate) fn icmp(input: &mut Input<'_>) -> Vec<u8> {
    let (from, to) = pair(input);
    let (protocol, types): (_, [u8; 12]) = match from {
        IpAddress::Ipv4(_) => (IpProtocol::Icmp, [8, 8, 0, 3, 3, 4, 5, 9, 10, 11, 12, 13]),
        IpAddress::Ipv6(_) => {
            (IpProtocol::Icmpv6, [128, 129, 1, 2, 3, 4, 130, 133, 134, 135, 135, 136])
        }
    };
    let mut message = vec![input.pick(&types), 0, 0, 0];
    if input.one_in(4) {
        message[1] = input.byte();
    }
    message.extend(input.long().to_be_bytes());
    if input.one_in(2) {
        message.resize(8 + input.pick(&LENGTHS), input.byte());
    } else {
        // What an error quotes, or a target, and options behind it.
        match board(from) {
            IpAddress::Ipv6(own) if input.one_in(2) => message.extend(own.octets()),
            _ => message.extend(input.take(16)),
        }
        let len = input.below(64);
        message.extend(input.take(len));
    }
    let mut frame = packet(from, to, protocol, &message);
    if protocol == IpProtocol::Icmpv6 && !input.one_in(4) {
        // The hop limit that neighbour discovery demands (RFC 4861 7.1).
        frame[14 + 7] = 255;
    }
    frame
}

/// ARP, or a neighbour's answer.
pub(crate) fn neighbor(input: &mut Input<'_>) -> Vec<u8> {
    let host = host(input);
    let sender = if input.one_in(4) { special(host, input) } else { host };
    let asked = if input.one_in(4) { special(host, input) } else { board(host) };
    let (IpAddress::Ipv4(sender), IpAddress::Ipv4(asked)) = (sender, asked) else {
        return neighbor_answer(sender);
    };
    let macs = [PEER_MAC, BOARD_MAC, EthernetAddress::BROADCAST, EthernetAddress([1; 6])];
    let to = input.pick(&[BOARD_MAC, EthernetAddress::BROADCAST]);
    // Ethernet, then hardware and protocol with their lengths.
    let mut frame = [&to.0[..], &PEER_MAC.0, &[8, 6, 0, 1, 8, 0, 6, 4, 0]].concat();
    frame.push(input.pick(&[1, 1, 2, 2, 3, 0]));
    frame.extend(if input.one_in(4) { input.pick(&macs) } else { PEER_MAC }.0);
    frame.extend(sender.octets());
    frame.extend(input.pick(&macs).0);
    frame.extend(asked.octets());
    if input.one_in(8) {
        frame.truncate(14 + input.below(29));
    }
    frame
}

/// Any bytes behind an Ethernet header.
pub(crate) fn rubbish(input: &mut Input<'_>) -> Vec<u8> {
    let ethertype: u16 = input.pick(&[0x0800, 0x86dd, 0x0806, 0x8100]);
    let mut frame = [&BOARD_MAC.0[..], &PEER_MAC.0, &ethertype.to_be_bytes()].concat();
    let len = input.below(128);
    frame.extend(input.take(len));
    if input.one_in(2) {
        fix_checksums(&mut frame);
    }
    frame
}
