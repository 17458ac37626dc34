//! Segments for tests, made with smoltcp's own packets, so that nothing under test makes what it is
//! compared with.

use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, Ipv4Address,
    Ipv4Packet, Ipv6Address, Ipv6Packet, TcpPacket, TcpSeqNumber,
};

use super::ACK;
use crate::nic::header_layout::PSH;

/// What a frame is made of.
#[derive(Clone, Debug)]
pub(in crate::nic) struct Made {
    pub(in crate::nic) ipv6: bool,
    pub(in crate::nic) ports: (u16, u16),
    /// Bytes of IPv4's and of TCP's options, multiples of 4.
    pub(in crate::nic) options: (usize, usize),
    pub(in crate::nic) identification: u16,
    pub(in crate::nic) sequence: u32,
    pub(in crate::nic) acknowledgement: u32,
    pub(in crate::nic) window: u16,
    pub(in crate::nic) flags: u8,
    pub(in crate::nic) payload: Vec<u8>,
}

impl Made {
    /// A segment whose payload of that length is like no other's.
    pub(in crate::nic) fn new(ipv6: bool, payload_len: usize) -> Self {
        Self {
            ipv6,
            ports: (7, 40_000),
            options: (0, 0),
            identification: 0xfffe,
            // Both wrap soon.
            sequence: 0_u32.wrapping_sub(1000),
            acknowledgement: 77,
            window: 4096,
            flags: ACK | PSH,
            payload: (0..payload_len).map(|at| (at * 7 + at / 251) as u8).collect(),
        }
    }

    /// The segments of at most `size` bytes that make this one up.
    pub(in crate::nic) fn segments(&self, size: usize) -> Vec<Self> {
        let count = self.payload.len().div_ceil(size);
        let parts = self.payload.chunks(size).enumerate();
        parts
            .map(|(index, part)| {
                let mut flags = self.flags;
                if index > 0 {
                    flags &= !super::CWR;
                }
                if index + 1 < count {
                    flags &= !(super::FIN | PSH);
                }
                Self {
                    identification: self.identification.wrapping_add(index as u16),
                    sequence: self.sequence.wrapping_add((index * size) as u32),
                    flags,
                    payload: part.to_vec(),
                    ..self.clone()
                }
            })
            .collect()
    }

    /// The frame. Its payload may be longer than any MTU.
    pub(in crate::nic) fn frame(&self) -> Vec<u8> {
        let (ip_options, tcp_options) = self.options;
        let ip_len = if self.ipv6 { 40 } else { 20 + ip_options };
        let tcp_len = 20 + tcp_options + self.payload.len();
        let mut bytes = vec![0; 14 + ip_len + tcp_len];
        let mut ethernet = EthernetFrame::new_unchecked(&mut bytes[..]);
        ethernet.set_src_addr(EthernetAddress([2, 0, 0, 0, 0, 1]));
        ethernet.set_dst_addr(EthernetAddress([2, 0, 0, 0, 0, 2]));
        let packet = ethernet.payload_mut();
        let (from, to): (IpAddress, IpAddress) = if self.ipv6 {
            let from = Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
            let to = Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
            let mut ip = Ipv6Packet::new_unchecked(packet);
            ip.set_version(6);
            ip.set_payload_len(tcp_len as u16);
            ip.set_next_header(IpProtocol::Tcp);
            ip.set_hop_limit(64);
            ip.set_src_addr(from);
            ip.set_dst_addr(to);
            (from.into(), to.into())
        } else {
            let (from, to) = (Ipv4Address::new(192, 0, 2, 1), Ipv4Address::new(192, 0, 2, 2));
            packet[20..ip_len].fill(1);
            let mut ip = Ipv4Packet::new_unchecked(packet);
            ip.set_version(4);
            ip.set_header_len(ip_len as u8);
            ip.set_total_len((ip_len + tcp_len) as u16);
            ip.set_ident(self.identification);
            ip.set_dont_frag(true);
            ip.set_hop_limit(64);
            ip.set_next_header(IpProtocol::Tcp);
            ip.set_src_addr(from);
            ip.set_dst_addr(to);
            ip.fill_checksum();
            (from.into(), to.into())
        };
        let segment = &mut ethernet.payload_mut()[ip_len..];
        segment[20..20 + tcp_options].fill(1);
        segment[20 + tcp_options..].copy_from_slice(&self.payload);
        let mut tcp = TcpPacket::new_unchecked(segment);
        tcp.set_src_port(self.ports.0);
        tcp.set_dst_port(self.ports.1);
        tcp.set_seq_number(TcpSeqNumber(self.sequence.cast_signed()));
        tcp.set_ack_number(TcpSeqNumber(self.acknowledgement.cast_signed()));
        tcp.set_header_len((20 + tcp_options) as u8);
        tcp.set_window_len(self.window);
        tcp.into_inner()[13] = self.flags;
        let segment = &mut ethernet.payload_mut()[ip_len..];
        TcpPacket::new_unchecked(segment).fill_checksum(&from, &to);
        let protocol = if self.ipv6 { EthernetProtocol::Ipv6 } else { EthernetProtocol::Ipv4 };
        ethernet.set_ethertype(protocol);
        bytes
    }
}
