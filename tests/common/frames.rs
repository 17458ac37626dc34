//! Ethernet frames made by hand and read back: TCP segments and UDP datagrams with right checksums, ARP
//! and neighbour discovery.
//!
//! The sender's and receiver's MAC addresses are those of the two ends of the wire, whatever the IP
//! addresses are, so that one end can play many hosts.

use std::net::SocketAddr;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol,
    Icmpv4Packet, Icmpv6Packet, Icmpv6Repr, IpAddress, IpEndpoint, IpProtocol, IpRepr, Ipv4Packet,
    Ipv6Packet, Ipv6Repr, NdiscNeighborFlags, NdiscRepr, TcpControl, TcpPacket, TcpRepr,
    TcpSeqNumber, UdpPacket, UdpRepr,
};
use tapboard_firmware::{BOARD_NET, PEER_NET};

/// MAC address of the board.
pub(crate) const BOARD_MAC: EthernetAddress = BOARD_NET.mac();
/// MAC address of every host at the other end.
pub(crate) const PEER_MAC: EthernetAddress = PEER_NET.mac();

/// An endpoint from its text.
pub(crate) fn endpoint(text: &str) -> IpEndpoint {
    let address: SocketAddr = text.parse().expect("a literal address");
    address.into()
}

/// A TCP segment with its endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) from: IpEndpoint,
    pub(crate) to: IpEndpoint,
    pub(crate) control: TcpControl,
    pub(crate) seq: TcpSeqNumber,
    pub(crate) ack: Option<TcpSeqNumber>,
    pub(crate) window: u16,
    /// The window scale option, of a SYN.
    pub(crate) scale: Option<u8>,
    /// Blocks of its SACK option (RFC 2018), each from its first number to behind its last.
    pub(crate) sacked: [Option<(u32, u32)>; 3],
    pub(crate) payload: Vec<u8>,
}

impl Segment {
    pub(crate) fn is_syn_ack(&self) -> bool {
        self.control == TcpControl::Syn && self.ack.is_some()
    }

    pub(crate) fn is_rst(&self) -> bool {
        self.control == TcpControl::Rst
    }

    pub(crate) fn is_fin(&self) -> bool {
        self.control == TcpControl::Fin
    }

    /// The frame that carries it from the peer's end to the board's.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let repr = TcpRepr {
            src_port: self.from.port,
            dst_port: self.to.port,
            control: self.control,
            seq_number: self.seq,
            ack_number: self.ack,
            window_len: self.window,
            window_scale: self.scale,
            max_seg_size: (self.control == TcpControl::Syn).then_some(1460),
            sack_permitted: false,
            sack_ranges: self.sacked,
            timestamp: None,
            payload: &self.payload,
        };
        let (from, to) = (self.from.addr, self.to.addr);
        ip_frame(from, to, IpProtocol::Tcp, repr.buffer_len(), |buffer| {
            let mut packet = TcpPacket::new_unchecked(buffer);
            repr.emit(&mut packet, &from, &to, &ChecksumCapabilities::default());
        })
    }

    /// The segment in `frame`, if it holds one; a wrong checksum is a failure of the test.
    pub(crate) fn parse(frame: &[u8]) -> Option<Self> {
        let (from, to, protocol, payload) = ip_parts(frame)?;
        if protocol != IpProtocol::Tcp {
            return None;
        }
        let packet = TcpPacket::new_checked(payload).expect("a whole TCP header");
        let repr = TcpRepr::parse(&packet, &from, &to, &ChecksumCapabilities::default())
            .expect("a valid segment");
        Some(Self {
            from: IpEndpoint::new(from, repr.src_port),
            to: IpEndpoint::new(to, repr.dst_port),
            control: repr.control,
            seq: repr.seq_number,
            ack: repr.ack_number,
            window: repr.window_len,
            scale: repr.window_scale,
            sacked: repr.sack_ranges,
            payload: repr.payload.to_vec(),
        })
    }
}

/// A UDP datagram with its endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Datagram {
    pub(crate) from: IpEndpoint,
    pub(crate) to: IpEndpoint,
    pub(crate) payload: Vec<u8>,
}

impl Datagram {
    pub(crate) fn frame(&self) -> Vec<u8> {
        let repr = UdpRepr { src_port: self.from.port, dst_port: self.to.port };
        let (from, to) = (self.from.addr, self.to.addr);
        let len = repr.header_len() + self.payload.len();
        ip_frame(from, to, IpProtocol::Udp, len, |buffer| {
            repr.emit(
                &mut UdpPacket::new_unchecked(buffer),
                &from,
                &to,
                self.payload.len(),
                |payload| payload.copy_from_slice(&self.payload),
                &ChecksumCapabilities::default(),
            );
        })
    }

    pub(crate) fn parse(frame: &[u8]) -> Option<Self> {
        let (from, to, protocol, payload) = ip_parts(frame)?;
        if protocol != IpProtocol::Udp {
            return None;
        }
        let packet = UdpPacket::new_checked(payload).expect("a whole UDP header");
        let repr = UdpRepr::parse(&packet, &from, &to, &ChecksumCapabilities::default())
            .expect("a valid datagram");
        Some(Self {
            from: IpEndpoint::new(from, repr.src_port),
            to: IpEndpoint::new(to, repr.dst_port),
            payload: packet.payload().to_vec(),
        })
    }
}

/// An IP packet in a frame from the peer's end to the board's; `emit` writes its `len` bytes of payload.
pub(crate) fn ip_frame(
    from: IpAddress,
    to: IpAddress,
    protocol: IpProtocol,
    len: usize,
    emit: impl FnOnce(&mut [u8]),
) -> Vec<u8> {
    let ip = IpRepr::new(from, to, protocol, len, 64);
    let ethertype = match ip {
        IpRepr::Ipv4(_) => EthernetProtocol::Ipv4,
        IpRepr::Ipv6(_) => EthernetProtocol::Ipv6,
    };
    let mut buffer = ethernet(BOARD_MAC, ethertype, ip.buffer_len());
    ip.emit(&mut buffer[14..], &ChecksumCapabilities::default());
    emit(&mut buffer[14 + ip.header_len()..]);
    buffer
}

/// A frame from the peer's end, with room for `len` bytes behind its header.
pub(crate) fn ethernet(to: EthernetAddress, ethertype: EthernetProtocol, len: usize) -> Vec<u8> {
    let mut buffer = vec![0; EthernetFrame::<&[u8]>::buffer_len(len)];
    let mut frame = EthernetFrame::new_unchecked(&mut buffer);
    frame.set_src_addr(PEER_MAC);
    frame.set_dst_addr(to);
    frame.set_ethertype(ethertype);
    buffer
}

/// Source, destination, protocol and payload of the IP packet in a frame.
pub(crate) fn ip_parts(frame: &[u8]) -> Option<(IpAddress, IpAddress, IpProtocol, &[u8])> {
    let frame = EthernetFrame::new_checked(frame).ok()?;
    match frame.ethertype() {
        EthernetProtocol::Ipv4 => {
            let ip = Ipv4Packet::new_checked(frame.payload()).expect("a whole IPv4 packet");
            assert!(ip.verify_checksum());
            let (from, to) = (ip.src_addr().into(), ip.dst_addr().into());
            Some((from, to, ip.next_header(), ip.payload()))
        }
        EthernetProtocol::Ipv6 => {
            let ip = Ipv6Packet::new_checked(frame.payload()).expect("a whole IPv6 packet");
            let (from, to) = (ip.src_addr().into(), ip.dst_addr().into());
            Some((from, to, ip.next_header(), ip.payload()))
        }
        _ => None,
    }
}

/// Who sent the IP packet in a frame, if it holds a sound one.
pub(crate) fn sender(frame: &[u8]) -> Option<IpAddress> {
    let frame = EthernetFrame::new_checked(frame).ok()?;
    match frame.ethertype() {
        EthernetProtocol::Ipv4 => {
            Ipv4Packet::new_checked(frame.payload()).ok().map(|ip| ip.src_addr().into())
        }
        EthernetProtocol::Ipv6 => {
            Ipv6Packet::new_checked(frame.payload()).ok().map(|ip| ip.src_addr().into())
        }
        _ => None,
    }
}

/// Whose MAC address `frame` asks for, by ARP or by neighbour solicitation.
pub(crate) fn asked_for(frame: &[u8]) -> Option<IpAddress> {
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    if ethernet.ethertype() == EthernetProtocol::Arp {
        let packet = ArpPacket::new_checked(ethernet.payload()).ok()?;
        let ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_protocol_addr,
            target_protocol_addr,
            ..
        } = ArpRepr::parse(&packet).ok()?
        else {
            return None;
        };
        let announced = source_protocol_addr == target_protocol_addr;
        let probe = source_protocol_addr.is_unspecified();
        return (!announced && !probe).then_some(target_protocol_addr.into());
    }
    let (IpAddress::Ipv6(from), IpAddress::Ipv6(to), IpProtocol::Icmpv6, payload) =
        ip_parts(frame)?
    else {
        return None;
    };
    let packet = Icmpv6Packet::new_checked(payload).ok()?;
    match Icmpv6Repr::parse(&from, &to, &packet, &ChecksumCapabilities::default()).ok()? {
        Icmpv6Repr::Ndisc(NdiscRepr::NeighborSolicit { target_addr, .. }) => {
            (!from.is_unspecified()).then_some(target_addr.into())
        }
        _ => None,
    }
}

/// The answer to [`asked_for`] that gives `address` the peer's MAC address.
pub(crate) fn neighbor_answer(address: IpAddress) -> Vec<u8> {
    match address {
        IpAddress::Ipv4(address) => {
            let repr = ArpRepr::EthernetIpv4 {
                operation: ArpOperation::Reply,
                source_hardware_addr: PEER_MAC,
                source_protocol_addr: address,
                target_hardware_addr: BOARD_MAC,
                target_protocol_addr: BOARD_NET.ipv4_address(),
            };
            let mut buffer = ethernet(BOARD_MAC, EthernetProtocol::Arp, repr.buffer_len());
            repr.emit(&mut ArpPacket::new_unchecked(&mut buffer[14..]));
            buffer
        }
        IpAddress::Ipv6(address) => {
            let to = BOARD_NET.ipv6().expect("the board has one").address();
            let repr = Icmpv6Repr::Ndisc(NdiscRepr::NeighborAdvert {
                flags: NdiscNeighborFlags::SOLICITED | NdiscNeighborFlags::OVERRIDE,
                target_addr: address,
                lladdr: Some(PEER_MAC.into()),
            });
            let ip = Ipv6Repr {
                src_addr: address,
                dst_addr: to,
                next_header: IpProtocol::Icmpv6,
                payload_len: repr.buffer_len(),
                hop_limit: 255,
            };
            let mut buffer = ethernet(BOARD_MAC, EthernetProtocol::Ipv6, 40 + repr.buffer_len());
            ip.emit(&mut Ipv6Packet::new_unchecked(&mut buffer[14..54]));
            repr.emit(
                &address,
                &to,
                &mut Icmpv6Packet::new_unchecked(&mut buffer[54..]),
                &ChecksumCapabilities::default(),
            );
            buffer
        }
    }
}

/// Makes the checksums of a frame right as far as its headers make sense.
pub(crate) fn fix_checksums(frame: &mut [u8]) {
    let Ok(ethernet) = EthernetFrame::new_checked(&mut frame[..]) else {
        return;
    };
    let ethertype = ethernet.ethertype();
    let payload = &mut frame[14..];
    let (from, to, protocol, payload): (IpAddress, IpAddress, _, _) = match ethertype {
        EthernetProtocol::Ipv4 => {
            let Ok(mut ip) = Ipv4Packet::new_checked(&mut *payload) else {
                return;
            };
            ip.fill_checksum();
            let (from, to) = (ip.src_addr().into(), ip.dst_addr().into());
            let (start, end) = (usize::from(ip.header_len()), usize::from(ip.total_len()));
            (from, to, ip.next_header(), &mut payload[start..end])
        }
        EthernetProtocol::Ipv6 => {
            let Ok(ip) = Ipv6Packet::new_checked(&mut *payload) else {
                return;
            };
            let (from, to) = (ip.src_addr().into(), ip.dst_addr().into());
            let (protocol, end) = (ip.next_header(), ip.total_len());
            (from, to, protocol, &mut payload[40..end])
        }
        _ => return,
    };
    match (protocol, from, to) {
        (IpProtocol::Tcp, ..) => {
            if let Ok(mut packet) = TcpPacket::new_checked(payload) {
                packet.fill_checksum(&from, &to);
            }
        }
        (IpProtocol::Udp, ..) => {
            if let Ok(mut packet) = UdpPacket::new_checked(payload) {
                packet.fill_checksum(&from, &to);
            }
        }
        (IpProtocol::Icmp, ..) => {
            if let Ok(mut packet) = Icmpv4Packet::new_checked(payload) {
                packet.fill_checksum();
            }
        }
        (IpProtocol::Icmpv6, IpAddress::Ipv6(from), IpAddress::Ipv6(to)) => {
            if let Ok(mut packet) = Icmpv6Packet::new_checked(payload) {
                packet.fill_checksum(&from, &to);
            }
        }
        _ => {}
    }
}
