//! TCP segments that fit a conversation, and ones that are wrong in a few of their fields.

use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, IpAddress, IpEndpoint, IpProtocol, Ipv4Packet, Ipv6Packet,
    TcpPacket,
};

use super::address::{port, special};
use super::input::Input;
use super::packet::{packet, text};
use super::peers::Flow;

pub(crate) const FIN: u16 = 1;
pub(crate) const SYN: u16 = 2;
pub(crate) const RST: u16 = 4;
pub(crate) const PSH: u16 = 8;
pub(crate) const ACK: u16 = 16;

/// How far a number may be from where it should be, modulo 2^32: a little, a segment, a buffer of either profile, a
/// scaled window, half of all numbers.
const OFF: [u32; 32] = [
    1,
    2,
    3,
    10,
    535,
    536,
    1024,
    1459,
    1460,
    1461,
    2047,
    2048,
    2049,
    4096,
    65_494,
    65_495,
    65_496,
    65_535,
    65_536,
    1 << 24,
    (1 << 30) - 1,
    1 << 30,
    (1 << 31) - 2049,
    (1 << 31) - 2,
    (1 << 31) - 1,
    1 << 31,
    (1 << 31) + 1,
    (1 << 31) + 2048,
    u32::MAX - 2047,
    u32::MAX - 1459,
    u32::MAX - 1,
    u32::MAX,
];
const WINDOWS: [u16; 12] = [0, 1, 2, 47, 48, 535, 536, 1460, 2048, 8192, 65_534, 65_535];

/// A TCP segment, right or wrong.
#[derive(Clone, Debug)]
pub(crate) struct Tcp {
    from: IpEndpoint,
    to: IpEndpoint,
    seq: u32,
    pub(crate) ack: u32,
    flags: u16,
    pub(crate) window: u16,
    pub(crate) options: Vec<u8>,
    payload: Vec<u8>,
    /// The length of the header in words that it claims, if not the true one.
    data_offset: Option<u8>,
}

impl Tcp {
    /// What a good peer says next.
    pub(crate) fn of(flow: &Flow, flags: u16, payload: &[u8]) -> Self {
        Self {
            from: flow.peer,
            to: flow.board,
            seq: flow.seq,
            ack: if flags & ACK == 0 { 0 } else { flow.ack },
            flags,
            window: 8192,
            options: Vec::new(),
            payload: payload.to_vec(),
            data_offset: None,
        }
    }

    /// The sequence numbers that it takes.
    pub(crate) fn len(&self) -> u32 {
        let flags = u32::from(self.flags & SYN != 0) + u32::from(self.flags & FIN != 0);
        self.payload.len() as u32 + flags
    }

    /// Makes it wrong in one to three ways.
    pub(crate) fn spoil(&mut self, flow: &Flow, input: &mut Input<'_>) {
        for _ in 0..=input.below(3) {
            match input.below(10) {
                0 | 1 => self.seq = number(self.seq, flow, input),
                2 | 3 => self.ack = number(self.ack, flow, input),
                4 => self.flags = input.word() & 0xfff,
                5 => self.window = input.pick(&WINDOWS),
                6 => self.options = options(flow, input),
                7 => self.payload = text(input),
                8 => self.spoil_ends(input),
                _ if input.one_in(4) => self.data_offset = Some(input.byte() & 15),
                _ => {}
            }
        }
    }

    fn spoil_ends(&mut self, input: &mut Input<'_>) {
        match input.below(4) {
            0 => self.from.port = port(input),
            1 => self.to.port = port(input),
            2 => self.from.addr = special(self.to.addr, input),
            _ => self.from = self.to,
        }
    }

    /// The whole frame. Its checksums are right.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let mut segment = Vec::with_capacity(60 + self.payload.len());
        segment.extend(self.from.port.to_be_bytes());
        segment.extend(self.to.port.to_be_bytes());
        segment.extend(self.seq.to_be_bytes());
        segment.extend(self.ack.to_be_bytes());
        let words = (20 + self.options.len()).div_ceil(4);
        let data_offset = self.data_offset.map_or(words as u16, u16::from);
        segment.extend((data_offset << 12 | self.flags & 0xfff).to_be_bytes());
        segment.extend(self.window.to_be_bytes());
        // Checksum and urgent pointer.
        segment.extend([0; 4]);
        segment.extend(&self.options);
        segment.resize(words * 4, 0);
        segment.extend(&self.payload);
        packet(self.from.addr, self.to.addr, IpProtocol::Tcp, &segment)
    }
}

/// A number near `right`, or near the board's first unacknowledged one, or any.
fn number(right: u32, flow: &Flow, input: &mut Input<'_>) -> u32 {
    match input.below(6) {
        0 => input.long(),
        1 => u32::from_be(input.long()),
        2 => flow.una,
        3 => flow.una.wrapping_add(u32::from(input.byte())),
        // At the edge of the board's window.
        4 => right.wrapping_add(u32::from(flow.window)).wrapping_sub(input.below(4) as u32),
        _ => right.wrapping_add(input.pick(&OFF)),
    }
}

/// Options of a TCP header, at most 40 bytes, right or wrong.
fn options(flow: &Flow, input: &mut Input<'_>) -> Vec<u8> {
    let mut options = Vec::new();
    for _ in 0..=input.below(3) {
        match input.below(12) {
            0 => options.extend([4, 2]),
            1 => {
                let size: u16 = input.pick(&[0, 1, 11, 12, 47, 48, 536, 1460, 9000, 65_535]);
                options.extend([2, 4]);
                options.extend(size.to_be_bytes());
            }
            2 => options.extend([3, 3, input.pick(&[0, 1, 7, 14, 15, 31, 64, 255])]),
            3 => {
                options.extend([8, 10]);
                options.extend(input.long().to_be_bytes());
                options.extend(input.long().to_be_bytes());
            }
            4..=6 => {
                let blocks = 1 + input.below(4);
                options.extend([5, 2 + 8 * blocks as u8]);
                for _ in 0..blocks {
                    let left = number(flow.una, flow, input);
                    let right = number(left, flow, input);
                    options.extend(left.to_be_bytes());
                    options.extend(right.to_be_bytes());
                }
            }
            7 => options.push(1),
            8 => options.push(0),
            // A kind and a length that need not be true.
            9 => options.extend([input.byte(), input.byte() & 15]),
            _ => {
                let len = input.below(41);
                options.extend(input.take(len));
            }
        }
    }
    options.truncate(40);
    options
}

/// Source and destination of the TCP segment in a frame, if there is one.
pub(crate) fn ends(frame: &[u8]) -> Option<(IpEndpoint, IpEndpoint)> {
    let frame = EthernetFrame::new_checked(frame).ok()?;
    let (from, to, protocol, payload): (IpAddress, IpAddress, _, _) = match frame.ethertype() {
        EthernetProtocol::Ipv4 => {
            let ip = Ipv4Packet::new_checked(frame.payload()).ok()?;
            (ip.src_addr().into(), ip.dst_addr().into(), ip.next_header(), ip.payload())
        }
        EthernetProtocol::Ipv6 => {
            let ip = Ipv6Packet::new_checked(frame.payload()).ok()?;
            (ip.src_addr().into(), ip.dst_addr().into(), ip.next_header(), ip.payload())
        }
        _ => return None,
    };
    let tcp = TcpPacket::new_checked(payload).ok().filter(|_| protocol == IpProtocol::Tcp)?;
    Some((IpEndpoint::new(from, tcp.src_port()), IpEndpoint::new(to, tcp.dst_port())))
}
