//! Packets of a capture, taken out of their frames, and made into frames again with other numbers.

use std::net::{IpAddr, Ipv4Addr};

use smoltcp::wire::{
    EthernetAddress, Icmpv4Packet, Icmpv6Packet, Ipv4Packet, TcpPacket, UdpPacket,
};

/// Bytes of Ethernet's header.
pub(super) const ETHERNET_HEADER: usize = 14;

pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const ICMP: u8 = 1;
pub(super) const ICMPV6: u8 = 58;

pub(super) const FIN: u8 = 0x01;
pub(super) const SYN: u8 = 0x02;
pub(super) const RST: u8 = 0x04;
pub(super) const PSH: u8 = 0x08;
pub(super) const ACK: u8 = 0x10;
pub(super) const URG: u8 = 0x20;
pub(super) const ECE: u8 = 0x40;
pub(super) const CWR: u8 = 0x80;

/// An IP packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    /// IPv4's header with its options, or IPv6's 40 bytes; lengths and checksums are filled in when it is sent.
    pub(super) header: Vec<u8>,
    pub(super) from: IpAddr,
    pub(super) to: IpAddr,
    pub(super) protocol: u8,
    pub(super) payload: Vec<u8>,
}

/// The fields of a TCP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tcp {
    pub(super) source: u16,
    pub(super) destination: u16,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: u8,
    pub(super) window: u16,
    /// Bytes of the header.
    pub(super) header: usize,
}

impl Tcp {
    /// `None` if the header is not all there.
    pub(super) fn read(segment: &[u8]) -> Option<Self> {
        let header = usize::from(segment.get(12)? >> 4) * 4;
        if header < 20 || segment.len() < header {
            return None;
        }
        Some(Self {
            source: u16_at(segment, 0)?,
            destination: u16_at(segment, 2)?,
            seq: u32_at(segment, 4)?,
            ack: u32_at(segment, 8)?,
            flags: segment[13],
            window: u16_at(segment, 14)?,
            header,
        })
    }

    pub(super) const fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }

    /// Whether it opens a connection.
    pub(super) const fn opens(&self) -> bool {
        self.flags & (SYN | ACK | RST) == SYN
    }
}

/// An option of a TCP header: its kind, and where in the segment its value is.
pub(super) fn options(segment: &[u8], header: usize) -> Vec<(u8, std::ops::Range<usize>)> {
    let (mut found, mut at) = (Vec::new(), 20);
    while at < header {
        match segment[at] {
            0 => break,
            1 => at += 1,
            kind => {
                let len = segment.get(at + 1).map_or(0, |&len| usize::from(len));
                if len < 2 || at + len > header {
                    break;
                }
                found.push((kind, at + 2..at + len));
                at += len;
            }
        }
    }
    found
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

impl Packet {
    /// The payload's TCP header.
    pub(super) fn tcp(&self) -> Option<Tcp> {
        if self.protocol == TCP { Tcp::read(&self.payload) } else { None }
    }

    /// The ports of TCP or UDP, the identifier of a ping in either place.
    pub(super) fn ports(&self) -> Option<(u16, u16)> {
        match self.protocol {
            TCP | UDP => Some((u16_at(&self.payload, 0)?, u16_at(&self.payload, 2)?)),
            _ if self.is_ping() => {
                let identifier = u16_at(&self.payload, 4)?;
                Some((identifier, identifier))
            }
            _ => None,
        }
    }

    /// Whether it is an echo request or reply of ICMP.
    pub(super) fn is_ping(&self) -> bool {
        match self.payload.first() {
            Some(kind) if self.protocol == ICMP => matches!(kind, 0 | 8),
            Some(kind) if self.protocol == ICMPV6 => matches!(kind, 128 | 129),
            _ => false,
        }
    }

    /// Whether it is an error of ICMP.
    pub(super) fn is_icmp_error(&self) -> bool {
        match self.payload.first() {
            Some(kind) if self.protocol == ICMP => matches!(kind, 3 | 4 | 11 | 12),
            Some(kind) if self.protocol == ICMPV6 => matches!(kind, 1..=4),
            _ => false,
        }
    }

    /// The packet that an ICMP error is about: its addresses, protocol, and where in the payload its own payload begins.
    pub(super) fn quoted(&self) -> Option<Quoted> {
        if !self.is_icmp_error() {
            return None;
        }
        let quote = self.payload.get(8..)?;
        let (header, from, to, protocol) = match quote.first()? >> 4 {
            4 => {
                let address = |at: usize| u32_at(quote, at).map(|bits| Ipv4Addr::from(bits).into());
                let header = usize::from(quote[0] & 0xf) * 4;
                (header, address(12)?, address(16)?, *quote.get(9)?)
            }
            6 => {
                let address = |at: usize| {
                    let octets: [u8; 16] = quote.get(at..at + 16)?.try_into().ok()?;
                    Some(IpAddr::from(octets))
                };
                (40, address(8)?, address(24)?, *quote.get(6)?)
            }
            _ => return None,
        };
        let at = 8 + header;
        let ports = (u16_at(&self.payload, at)?, u16_at(&self.payload, at + 2)?);
        Some(Quoted { from, to, protocol, at, ports })
    }

    /// The frame that carries it. Its lengths and checksums are made right, or with `damaged` the last one wrong.
    pub(super) fn frame(
        &self,
        from: EthernetAddress,
        to: EthernetAddress,
        damaged: bool,
    ) -> Vec<u8> {
        let ethertype: [u8; 2] = if self.from.is_ipv4() { [0x08, 0x00] } else { [0x86, 0xdd] };
        let mut packet = [&self.header[..], &self.payload].concat();
        let (header, payload) = packet.split_at_mut(self.header.len());
        self.sum(payload, damaged);
        match (self.from, self.to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let total = (header.len() + payload.len()) as u16;
                header[2..4].copy_from_slice(&total.to_be_bytes());
                header[12..16].copy_from_slice(&from.octets());
                header[16..20].copy_from_slice(&to.octets());
                Ipv4Packet::new_unchecked(&mut packet[..]).fill_checksum();
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                header[4..6].copy_from_slice(&(payload.len() as u16).to_be_bytes());
                // Extension headers are left out.
                header[6] = self.protocol;
                header[8..24].copy_from_slice(&from.octets());
                header[24..40].copy_from_slice(&to.octets());
            }
            _ => {}
        }
        [&to.0[..], &from.0, &ethertype, &packet].concat()
    }

    fn sum(&self, payload: &mut [u8], damaged: bool) {
        let at = match self.protocol {
            TCP => 16,
            UDP => 6,
            _ => 2,
        };
        if payload.len() < at + 2 {
            return;
        }
        // Over IPv4, a datagram may go without.
        let none = self.protocol == UDP && payload[6..8] == [0, 0] && self.from.is_ipv4();
        match (self.protocol, self.from, self.to) {
            _ if none => return,
            (TCP, from, to) => {
                TcpPacket::new_unchecked(&mut *payload).fill_checksum(&from.into(), &to.into());
            }
            (UDP, from, to) if payload.len() >= 8 => {
                let len = payload.len() as u16;
                let mut datagram = UdpPacket::new_unchecked(&mut *payload);
                datagram.set_len(len);
                datagram.fill_checksum(&from.into(), &to.into());
            }
            (ICMP, ..) => Icmpv4Packet::new_unchecked(&mut *payload).fill_checksum(),
            (ICMPV6, IpAddr::V6(from), IpAddr::V6(to)) => {
                Icmpv6Packet::new_unchecked(&mut *payload).fill_checksum(&from, &to);
            }
            _ => return,
        }
        if damaged {
            payload[at] ^= 0x55;
        }
    }

    /// In other words of the same length where they are for or from another port or number.
    pub(super) fn set_u16(&mut self, at: usize, value: u16) {
        if let Some(bytes) = self.payload.get_mut(at..at + 2) {
            bytes.copy_from_slice(&value.to_be_bytes());
        }
    }

    pub(super) fn set_u32(&mut self, at: usize, value: u32) {
        if let Some(bytes) = self.payload.get_mut(at..at + 4) {
            bytes.copy_from_slice(&value.to_be_bytes());
        }
    }
}

/// What an ICMP error is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quoted {
    pub(super) from: IpAddr,
    pub(super) to: IpAddr,
    pub(super) protocol: u8,
    /// Where in the message's payload the packet's own begins.
    pub(super) at: usize,
    pub(super) ports: (u16, u16),
}
