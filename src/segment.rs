//! What a frame says, in one line: for the walk, the log, and whoever looks at a wire.
//!
//! Sequence and acknowledgement numbers are shown relative to the initial ones, as far as the
//! [`Decoder`] has seen the SYNs. It remembers one number for each direction of a connection, for at
//! most [`DIRECTIONS`] of them; the oldest are forgotten first.

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use smoltcp::wire::{
    ArpOperation, ArpPacket, EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet, Ipv6Packet,
    TcpPacket, TcpSeqNumber, UdpPacket,
};

/// Directions whose initial sequence number is remembered.
pub const DIRECTIONS: usize = 256;

/// A frame's gist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gist {
    /// An ARP request: who has this address?
    WhoHas(IpAddr),
    /// An ARP reply for this address.
    IsAt(IpAddr),
    /// A TCP segment.
    Tcp(Segment),
    /// A UDP datagram with its payload length.
    Udp {
        /// Sender.
        source: SocketAddr,
        /// Receiver.
        destination: SocketAddr,
        /// Payload bytes.
        len: usize,
    },
    /// Any other IP packet, by protocol number.
    Ip {
        /// Sender.
        source: IpAddr,
        /// Receiver.
        destination: IpAddr,
        /// IANA protocol number.
        protocol: u8,
    },
    /// Anything else, or too broken to tell.
    Other,
}

/// A TCP segment's header, as far as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "they are the header's flags")]
pub struct Segment {
    /// Sender.
    pub source: SocketAddr,
    /// Receiver.
    pub destination: SocketAddr,
    /// SYN is set.
    pub syn: bool,
    /// ACK is set.
    pub ack: bool,
    /// FIN is set.
    pub fin: bool,
    /// RST is set.
    pub rst: bool,
    /// PSH is set.
    pub psh: bool,
    /// Sequence number, relative if the SYN was seen.
    pub seq: u32,
    /// Acknowledgement number, relative if the peer's SYN was seen.
    pub ack_number: u32,
    /// Payload bytes.
    pub len: usize,
    /// The window field, unscaled.
    pub window: u16,
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = [
            (self.syn, "SYN"),
            (self.fin, "FIN"),
            (self.rst, "RST"),
            (self.psh, "PSH"),
            (self.ack, "ACK"),
        ];
        let names: Vec<_> = flags.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
        write!(f, "{} seq={}", names.join(" "), self.seq)?;
        if self.ack {
            write!(f, " ack={}", self.ack_number)?;
        }
        if self.len > 0 {
            write!(f, " {} bytes", self.len)?;
        }
        Ok(())
    }
}

impl fmt::Display for Gist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WhoHas(address) => write!(f, "ARP who has {address}?"),
            Self::IsAt(address) => write!(f, "ARP {address} is here"),
            Self::Tcp(segment) => segment.fmt(f),
            Self::Udp { len, .. } => write!(f, "UDP {len} bytes"),
            Self::Ip { protocol, .. } => write!(f, "IP protocol {protocol}"),
            Self::Other => f.write_str("?"),
        }
    }
}

/// Reads frames in the order in which they were sent.
#[derive(Debug, Default)]
pub struct Decoder {
    initial: VecDeque<((SocketAddr, SocketAddr), TcpSeqNumber)>,
}

impl Decoder {
    /// The gist of `frame`, which may hold anything.
    pub fn read(&mut self, frame: &[u8]) -> Gist {
        let Ok(ethernet) = EthernetFrame::new_checked(frame) else {
            return Gist::Other;
        };
        match ethernet.ethertype() {
            EthernetProtocol::Arp => read_arp(ethernet.payload()),
            EthernetProtocol::Ipv4 => match Ipv4Packet::new_checked(ethernet.payload()) {
                Ok(ip) => self.read_ip(
                    ip.src_addr().into(),
                    ip.dst_addr().into(),
                    ip.next_header(),
                    ip.payload(),
                ),
                Err(_) => Gist::Other,
            },
            EthernetProtocol::Ipv6 => match Ipv6Packet::new_checked(ethernet.payload()) {
                Ok(ip) => self.read_ip(
                    ip.src_addr().into(),
                    ip.dst_addr().into(),
                    ip.next_header(),
                    ip.payload(),
                ),
                Err(_) => Gist::Other,
            },
            EthernetProtocol::Unknown(_) => Gist::Other,
        }
    }

    fn read_ip(&mut self, from: IpAddr, to: IpAddr, protocol: IpProtocol, payload: &[u8]) -> Gist {
        match protocol {
            IpProtocol::Tcp => TcpPacket::new_checked(payload)
                .map_or(Gist::Other, |tcp| Gist::Tcp(self.read_tcp(from, to, &tcp))),
            IpProtocol::Udp => UdpPacket::new_checked(payload).map_or(Gist::Other, |udp| {
                let source = SocketAddr::new(from, udp.src_port());
                let destination = SocketAddr::new(to, udp.dst_port());
                Gist::Udp { source, destination, len: udp.payload().len() }
            }),
            other => Gist::Ip { source: from, destination: to, protocol: other.into() },
        }
    }

    fn read_tcp(&mut self, from: IpAddr, to: IpAddr, tcp: &TcpPacket<&[u8]>) -> Segment {
        let source = SocketAddr::new(from, tcp.src_port());
        let destination = SocketAddr::new(to, tcp.dst_port());
        if tcp.syn() {
            self.remember((source, destination), tcp.seq_number());
        }
        // The difference of two sequence numbers, as 32 bits that wrap.
        let relative = |number: TcpSeqNumber, initial: Option<TcpSeqNumber>| {
            number.0.wrapping_sub(initial.map_or(0, |initial| initial.0)).cast_unsigned()
        };
        Segment {
            source,
            destination,
            syn: tcp.syn(),
            ack: tcp.ack(),
            fin: tcp.fin(),
            rst: tcp.rst(),
            psh: tcp.psh(),
            seq: relative(tcp.seq_number(), self.initial((source, destination))),
            ack_number: relative(tcp.ack_number(), self.initial((destination, source))),
            len: tcp.payload().len(),
            window: tcp.window_len(),
        }
    }

    fn initial(&self, direction: (SocketAddr, SocketAddr)) -> Option<TcpSeqNumber> {
        self.initial.iter().find(|(known, _)| *known == direction).map(|(_, number)| *number)
    }

    fn remember(&mut self, direction: (SocketAddr, SocketAddr), number: TcpSeqNumber) {
        self.initial.retain(|(known, _)| *known != direction);
        if self.initial.len() >= DIRECTIONS {
            self.initial.pop_front();
        }
        self.initial.push_back((direction, number));
    }
}

fn read_arp(payload: &[u8]) -> Gist {
    let Ok(arp) = ArpPacket::new_checked(payload) else {
        return Gist::Other;
    };
    let address = |octets: &[u8]| <[u8; 4]>::try_from(octets).ok().map(IpAddr::from);
    let gist = match arp.operation() {
        ArpOperation::Request => address(arp.target_protocol_addr()).map(Gist::WhoHas),
        ArpOperation::Reply => address(arp.source_protocol_addr()).map(Gist::IsAt),
        ArpOperation::Unknown(_) => None,
    };
    gist.unwrap_or(Gist::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
