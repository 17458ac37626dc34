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
use crate::output::counted;

/// Directions whose initial sequence number is remembered.
pub const DIRECTIONS: usize = 256;

/// A frame's summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PacketSummary {
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
            write!(f, " {}", counted(self.len, "byte"))?;
        }
        Ok(())
    }
}

impl fmt::Display for PacketSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // RFC 5227 1.1: an announcement, and a probe.
            Self::WhoHas { sender, target } if sender == target => {
                write!(f, "ARP {target} is mine")
            }
            Self::WhoHas { sender, target } if sender.is_unspecified() => {
                write!(f, "ARP is {target} free?")
            }
            Self::WhoHas { target, .. } => write!(f, "ARP who has {target}?"),
            Self::IsAt { sender, .. } => write!(f, "ARP {sender} is here"),
            Self::Tcp(segment) => segment.fmt(f),
            Self::Udp { len, .. } => write!(f, "UDP {}", counted(*len, "byte")),
            // Duplicate address detection (RFC 4862 5.4.2).
            Self::Icmp { source, message: Icmp::WhoHas(target), .. } if source.is_unspecified() => {
                write!(f, "ND is {target} free?")
            }
            Self::Icmp { message, .. } => message.fmt(f),
            Self::Fragment { .. } => f.write_str("IP fragment"),
            Self::Ip { protocol, .. } => write!(f, "IP protocol {protocol}"),
            Self::Other => f.write_str("?"),
        }
    }
}

/// Sender and receiver.
type FourTuple = (SocketAddr, SocketAddr);

/// Reads frames in the order in which they were sent.
#[derive(Debug, Default)]
pub struct Decoder {
    initial: VecDeque<(FourTuple, TcpSeqNumber)>,
}

impl Decoder {
    /// The summary of `frame`, which may hold anything.
    pub fn read(&mut self, frame: &[u8]) -> PacketSummary {
        let Ok(ethernet) = EthernetFrame::new_checked(frame) else {
            return PacketSummary::Other;
        };
        match ethernet.ethertype() {
            EthernetProtocol::Arp => read_arp(ethernet.payload()),
            EthernetProtocol::Ipv4 => match Ipv4Packet::new_checked(ethernet.payload()) {
                Ok(ip) if !ip.verify_checksum() => PacketSummary::Other,
                Ok(ip) if ip.more_frags() || ip.frag_offset() > 0 => PacketSummary::Fragment {
                    source: ip.src_addr().into(),
                    destination: ip.dst_addr().into(),
                },
                Ok(ip) => self.read_ip(
                    ip.src_addr().into(),
                    ip.dst_addr().into(),
                    ip.next_header(),
                    ip.payload(),
                ),
                Err(_) => PacketSummary::Other,
            },
            EthernetProtocol::Ipv6 => match Ipv6Packet::new_checked(ethernet.payload()) {
                Ok(ip) => self.read_ip(
                    ip.src_addr().into(),
                    ip.dst_addr().into(),
                    ip.next_header(),
                    ip.payload(),
                ),
                Err(_) => PacketSummary::Other,
            },
            EthernetProtocol::Unknown(_) => PacketSummary::Other,
        }
    }

    fn read_ip(
        &mut self,
        from: IpAddr,
        to: IpAddr,
        protocol: IpProtocol,
        payload: &[u8],
    ) -> PacketSummary {
        match protocol {
            IpProtocol::Tcp => {
                self.read_tcp(from, to, payload).map_or(PacketSummary::Other, PacketSummary::Tcp)
            }
            IpProtocol::Udp => {
                UdpPacket::new_checked(payload).map_or(PacketSummary::Other, |udp| {
                    let source = SocketAddr::new(from, udp.src_port());
                    let destination = SocketAddr::new(to, udp.dst_port());
                    PacketSummary::Udp { source, destination, len: udp.payload().len() }
                })
            }
            IpProtocol::Icmp | IpProtocol::Icmpv6 => PacketSummary::Icmp {
                source: from,
                destination: to,
                message: Icmp::read(from, to, payload),
            },
            other => PacketSummary::Ip { source: from, destination: to, protocol: other.into() },
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
    fn learn(&mut self, there: FourTuple, back: FourTuple, tcp: &TcpPacket<&[u8]>) {
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

    fn initial(&self, tuple: FourTuple) -> Option<TcpSeqNumber> {
        self.initial.iter().find(|(known, _)| *known == tuple).map(|(_, number)| *number)
    }

    fn remember(&mut self, tuple: FourTuple, number: TcpSeqNumber) {
        self.initial.retain(|(known, _)| *known != tuple);
        if self.initial.len() >= DIRECTIONS {
            self.initial.pop_front();
        }
        self.initial.push_back((tuple, number));
    }
}

fn read_arp(payload: &[u8]) -> PacketSummary {
    let Ok(arp) = ArpPacket::new_checked(payload) else {
        return PacketSummary::Other;
    };
    let address = |octets: &[u8]| <[u8; 4]>::try_from(octets).ok().map(IpAddr::from);
    let sender = address(arp.source_protocol_addr());
    let target = address(arp.target_protocol_addr());
    match (arp.operation(), sender, target) {
        (ArpOperation::Request, Some(sender), Some(target)) => {
            PacketSummary::WhoHas { sender, target }
        }
        (ArpOperation::Reply, Some(sender), Some(target)) => PacketSummary::IsAt { sender, target },
        _ => PacketSummary::Other,
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
    fn a_wrong_checksum_is_seen_and_teaches_nothing_and_one_left_to_the_nic_is_no_wrong_one() {
        let mut decoder = Decoder::default();
        let mut broken = summed(tcp(77, 77, ACK));
        broken[22] ^= 1;
        let broken = segment(&mut decoder, &broken);
        assert!(!broken.sound && broken.initial == 0);
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
        assert_eq!(text(&ipv4(1, &[8, 0, 1, 2, 0, 1, 0, 9])), "ICMP, broken");
        assert_eq!(text(&ipv4(89, b"ospf")), "IP protocol 89");
        let mut fragment = ipv4(6, &summed(tcp(1, 1, ACK)));
        fragment[20] = 0x20;
        Ipv4Packet::new_unchecked(&mut fragment[14..34]).fill_checksum();
        assert_eq!(text(&fragment), "IP fragment");
        let mut broken = ipv4(6, &summed(tcp(1, 1, ACK)));
        broken[30] ^= 1;
        assert_eq!(text(&broken), "?");
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
}
