//! What a frame says, in one line: for the walk, the ladder, and whoever looks at a wire.
//!
//! Sequence and acknowledgement numbers are shown relative to the initial ones. A [`Decoder`] that has
//! not seen a direction's SYN takes the first number it sees for the one after. It remembers one
//! number for each direction of a connection, for at most [`DIRECTIONS`] of them; the oldest are
//! forgotten first. From a segment whose checksum is wrong it learns nothing.

mod icmp;

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use smoltcp::wire::{
    ArpOperation, ArpPacket, EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet, Ipv6Packet,
    TcpPacket, TcpSeqNumber, UdpPacket,
};

pub use self::icmp::Icmp;

/// Directions whose initial sequence number is remembered.
pub const DIRECTIONS: usize = 256;

/// A frame's gist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gist {
    /// An ARP request.
    WhoHas {
        /// Who asks.
        sender: IpAddr,
        /// Whose MAC address is wanted.
        target: IpAddr,
    },
    /// An ARP reply.
    IsAt {
        /// Whose MAC address it gives.
        sender: IpAddr,
        /// Who had asked.
        target: IpAddr,
    },
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
    /// An ICMP or `ICMPv6` message.
    Icmp {
        /// Sender.
        source: IpAddr,
        /// Receiver.
        destination: IpAddr,
        /// What it says.
        message: Icmp,
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
    /// A part of an IP packet.
    Fragment {
        /// Sender.
        source: IpAddr,
        /// Receiver.
        destination: IpAddr,
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
    /// Sequence number, relative to `initial`.
    pub seq: u32,
    /// Acknowledgement number, relative to the peer's initial sequence number.
    pub ack_number: u32,
    /// The sender's initial sequence number; 0 if nothing is known of it.
    pub initial: u32,
    /// Payload bytes.
    pub len: usize,
    /// The window field, unscaled.
    pub window: u16,
    /// By how many bits the sender's later windows are to be shifted, from a SYN's option.
    pub window_scale: Option<u8>,
    /// The checksum is right, or was left to a NIC by the one who captured.
    pub sound: bool,
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
            Self::WhoHas { target, .. } => write!(f, "ARP who has {target}?"),
            Self::IsAt { sender, .. } => write!(f, "ARP {sender} is here"),
            Self::Tcp(segment) => segment.fmt(f),
            Self::Udp { len, .. } => write!(f, "UDP {len} bytes"),
            Self::Icmp { message, .. } => message.fmt(f),
            Self::Fragment { .. } => f.write_str("IP fragment"),
            Self::Ip { protocol, .. } => write!(f, "IP protocol {protocol}"),
            Self::Other => f.write_str("?"),
        }
    }
}

/// Sender and receiver.
type Direction = (SocketAddr, SocketAddr);

/// Reads frames in the order in which they were sent.
#[derive(Debug, Default)]
pub struct Decoder {
    initial: VecDeque<(Direction, TcpSeqNumber)>,
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
                Ok(ip) if !ip.verify_checksum() => Gist::Other,
                Ok(ip) if ip.more_frags() || ip.frag_offset() > 0 => Gist::Fragment {
                    source: ip.src_addr().into(),
                    destination: ip.dst_addr().into(),
                },
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
            IpProtocol::Tcp => self.read_tcp(from, to, payload).map_or(Gist::Other, Gist::Tcp),
            IpProtocol::Udp => UdpPacket::new_checked(payload).map_or(Gist::Other, |udp| {
                let source = SocketAddr::new(from, udp.src_port());
                let destination = SocketAddr::new(to, udp.dst_port());
                Gist::Udp { source, destination, len: udp.payload().len() }
            }),
            IpProtocol::Icmp | IpProtocol::Icmpv6 => {
                Gist::Icmp { source: from, destination: to, message: Icmp::read(from, to, payload) }
            }
            other => Gist::Ip { source: from, destination: to, protocol: other.into() },
        }
    }

    fn read_tcp(&mut self, from: IpAddr, to: IpAddr, payload: &[u8]) -> Option<Segment> {
        let tcp = TcpPacket::new_checked(payload).ok()?;
        let source = SocketAddr::new(from, tcp.src_port());
        let destination = SocketAddr::new(to, tcp.dst_port());
        let (there, back) = ((source, destination), (destination, source));
        let sound = tcp.verify_checksum(&from.into(), &to.into())
            || tcp.checksum() == pseudo_header_sum(from, to, payload.len());
        if sound {
            self.learn(there, back, &tcp);
        }
        // The difference of two sequence numbers, as 32 bits that wrap.
        let relative = |number: TcpSeqNumber, initial: Option<TcpSeqNumber>| {
            number.0.wrapping_sub(initial.map_or(0, |initial| initial.0)).cast_unsigned()
        };
        let initial = self.initial(there);
        let scale = || tcp.options_summary().ok().and_then(|options| options.window_scale);
        Some(Segment {
            source,
            destination,
            syn: tcp.syn(),
            ack: tcp.ack(),
            fin: tcp.fin(),
            rst: tcp.rst(),
            psh: tcp.psh(),
            seq: relative(tcp.seq_number(), initial),
            ack_number: relative(tcp.ack_number(), self.initial(back)),
            initial: relative(initial.unwrap_or_default(), None),
            len: tcp.payload().len(),
            window: tcp.window_len(),
            window_scale: if tcp.syn() { scale() } else { None },
            sound,
        })
    }

    /// Takes the initial sequence numbers of both directions from a segment, as far as it tells. A RST
    /// may answer to a connection that never was, with numbers of its own.
    fn learn(&mut self, there: Direction, back: Direction, tcp: &TcpPacket<&[u8]>) {
        if tcp.syn() {
            self.remember(there, tcp.seq_number());
        } else if tcp.rst() {
            return;
        } else if self.initial(there).is_none() {
            self.remember(there, tcp.seq_number() - 1);
        }
        if tcp.ack() && self.initial(back).is_none() {
            self.remember(back, tcp.ack_number() - 1);
        }
    }

    fn initial(&self, direction: Direction) -> Option<TcpSeqNumber> {
        self.initial.iter().find(|(known, _)| *known == direction).map(|(_, number)| *number)
    }

    fn remember(&mut self, direction: Direction, number: TcpSeqNumber) {
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
    let sender = address(arp.source_protocol_addr());
    let target = address(arp.target_protocol_addr());
    match (arp.operation(), sender, target) {
        (ArpOperation::Request, Some(sender), Some(target)) => Gist::WhoHas { sender, target },
        (ArpOperation::Reply, Some(sender), Some(target)) => Gist::IsAt { sender, target },
        _ => Gist::Other,
    }
}

/// The checksum field of a TCP segment whose sender leaves the rest of the sum to its NIC.
fn pseudo_header_sum(from: IpAddr, to: IpAddr, len: usize) -> u16 {
    let words = |address: IpAddr| -> u32 {
        match address {
            IpAddr::V4(v4) => v4.octets().chunks(2).map(word).sum(),
            IpAddr::V6(v6) => v6.octets().chunks(2).map(word).sum(),
        }
    };
    let mut sum = words(from) + words(to) + u32::from(u8::from(IpProtocol::Tcp)) + len as u32;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

fn word(octets: &[u8]) -> u32 {
    u32::from(octets[0]) << 8 | u32::from(octets[1])
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
