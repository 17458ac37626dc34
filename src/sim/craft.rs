//! Frames made by hand, for who has no stack: ARP, TCP and UDP over IPv4, `ICMPv6`, with right checksums.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol,
    Icmpv6Packet, IpProtocol, Ipv4Address, Ipv4Packet, Ipv4Repr, Ipv6Address, Ipv6Packet, Ipv6Repr,
    TcpControl, TcpPacket, TcpRepr, TcpSeqNumber, UdpPacket, UdpRepr,
};

/// What a datagram says that must not be answered.
pub(super) const UNANSWERABLE: [u8; 20] = [0xbc; 20];

/// A host's end of a conversation.
pub(super) type FrameAddress = (EthernetAddress, Ipv4Address, u16);

/// A TCP segment.
pub(super) struct Segment<'p> {
    pub(super) source: FrameAddress,
    pub(super) destination: FrameAddress,
    pub(super) control: TcpControl,
    pub(super) seq: TcpSeqNumber,
    pub(super) ack: Option<TcpSeqNumber>,
    pub(super) payload: &'p [u8],
}

impl Segment<'_> {
    /// Makes `buffer` a frame with it.
    pub(super) fn write(&self, buffer: &mut Vec<u8>) {
        let repr = TcpRepr {
            src_port: self.source.2,
            dst_port: self.destination.2,
            control: self.control,
            seq_number: self.seq,
            ack_number: self.ack,
            window_len: 8192,
            window_scale: None,
            max_seg_size: (self.control == TcpControl::Syn).then_some(1460),
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: self.payload,
        };
        let len = repr.buffer_len();
        let (source, destination) = (self.source, self.destination);
        let tcp = ipv4(buffer, source, destination, IpProtocol::Tcp, len);
        repr.emit(
            &mut TcpPacket::new_unchecked(tcp),
            &source.1.into(),
            &destination.1.into(),
            &ChecksumCapabilities::default(),
        );
    }
}

/// Makes `buffer` a frame with a UDP datagram.
pub(super) fn datagram(
    buffer: &mut Vec<u8>,
    source: FrameAddress,
    destination: FrameAddress,
    payload: &[u8],
) {
    let repr = UdpRepr { src_port: source.2, dst_port: destination.2 };
    let len = repr.header_len() + payload.len();
    let udp = ipv4(buffer, source, destination, IpProtocol::Udp, len);
    repr.emit(
        &mut UdpPacket::new_unchecked(udp),
        &source.1.into(),
        &destination.1.into(),
        payload.len(),
        |buffer| buffer.copy_from_slice(payload),
        &ChecksumCapabilities::default(),
    );
}

/// Makes `buffer` the answer to who asked for an address.
pub(super) fn arp_reply(
    buffer: &mut Vec<u8>,
    own: (EthernetAddress, Ipv4Address),
    to: (EthernetAddress, Ipv4Address),
) {
    let repr = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Reply,
        source_hardware_addr: own.0,
        source_protocol_addr: own.1,
        target_hardware_addr: to.0,
        target_protocol_addr: to.1,
    };
    let arp = ethernet(buffer, own.0, to.0, EthernetProtocol::Arp, repr.buffer_len());
    repr.emit(&mut ArpPacket::new_unchecked(arp));
}

/// Makes `buffer` a frame with an `ICMPv6` message, whose checksum is made right: from whom, to whom.
pub(super) fn icmpv6(
    buffer: &mut Vec<u8>,
    (mac, source, to, destination): (EthernetAddress, Ipv6Address, EthernetAddress, Ipv6Address),
    hop_limit: u8,
    message: &mut [u8],
) {
    Icmpv6Packet::new_unchecked(&mut *message).fill_checksum(&source, &destination);
    let ip = Ipv6Repr {
        src_addr: source,
        dst_addr: destination,
        next_header: IpProtocol::Icmpv6,
        payload_len: message.len(),
        hop_limit,
    };
    let len = ip.buffer_len() + message.len();
    let packet = ethernet(buffer, mac, to, EthernetProtocol::Ipv6, len);
    let mut packet = Ipv6Packet::new_unchecked(packet);
    ip.emit(&mut packet);
    packet.payload_mut().copy_from_slice(message);
}

fn ethernet(
    buffer: &mut Vec<u8>,
    source: EthernetAddress,
    destination: EthernetAddress,
    ethertype: EthernetProtocol,
    len: usize,
) -> &mut [u8] {
    buffer.clear();
    buffer.resize(14 + len, 0);
    let mut frame = EthernetFrame::new_unchecked(&mut buffer[..]);
    frame.set_src_addr(source);
    frame.set_dst_addr(destination);
    frame.set_ethertype(ethertype);
    &mut buffer[14..]
}

fn ipv4(
    buffer: &mut Vec<u8>,
    source: FrameAddress,
    destination: FrameAddress,
    protocol: IpProtocol,
    len: usize,
) -> &mut [u8] {
    let ip = Ipv4Repr {
        src_addr: source.1,
        dst_addr: destination.1,
        next_header: protocol,
        payload_len: len,
        hop_limit: 64,
    };
    let packet =
        ethernet(buffer, source.0, destination.0, EthernetProtocol::Ipv4, ip.buffer_len() + len);
    ip.emit(&mut Ipv4Packet::new_unchecked(&mut *packet), &ChecksumCapabilities::default());
    &mut packet[ip.buffer_len()..]
}

/// Gives random bytes an IPv4 header and, if there is room, a TCP or UDP header with right lengths and
/// checksums, so that they get further than the first look at them.
pub(super) fn dress(frame: &mut [u8], source: Ipv4Address, destination: Ipv4Address) {
    let tcp = frame[14 + 20] & 1 == 0;
    let protocol = if tcp { IpProtocol::Tcp } else { IpProtocol::Udp };
    let len = frame.len() - 14 - 20;
    frame[12..14].copy_from_slice(&[0x08, 0x00]);
    let ip = Ipv4Repr {
        src_addr: source,
        dst_addr: destination,
        next_header: protocol,
        payload_len: len,
        hop_limit: 64,
    };
    ip.emit(&mut Ipv4Packet::new_unchecked(&mut frame[14..34]), &ChecksumCapabilities::default());
    let (source, destination) = (source.into(), destination.into());
    let payload = &mut frame[34..];
    // Below the ports that mean something to an adversary.
    payload[0] &= 0x7f;
    if tcp {
        payload[12] = 0x50;
        TcpPacket::new_unchecked(payload).fill_checksum(&source, &destination);
    } else {
        let mut udp = UdpPacket::new_unchecked(payload);
        udp.set_len(len as u16);
        udp.fill_checksum(&source, &destination);
    }
}

/// What an adversary understands of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ParsedFrame {
    WhoHas {
        asked: Ipv4Address,
        by: (EthernetAddress, Ipv4Address),
    },
    Segment {
        to: Ipv4Address,
        port: u16,
        board_port: u16,
        control: TcpControl,
        seq: TcpSeqNumber,
        ack: Option<TcpSeqNumber>,
        len: usize,
    },
    /// A UDP datagram, and whether it says what nobody may answer.
    Datagram {
        source: Ipv4Address,
        unanswerable: bool,
    },
}

/// Reads a frame, which may hold anything.
pub(super) fn read(frame: &[u8]) -> Option<ParsedFrame> {
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    match ethernet.ethertype() {
        EthernetProtocol::Arp => {
            let arp = ArpPacket::new_checked(ethernet.payload()).ok()?;
            match ArpRepr::parse(&arp).ok()? {
                ArpRepr::EthernetIpv4 {
                    operation: ArpOperation::Request,
                    source_hardware_addr,
                    source_protocol_addr,
                    target_protocol_addr,
                    ..
                } => Some(ParsedFrame::WhoHas {
                    asked: target_protocol_addr,
                    by: (source_hardware_addr, source_protocol_addr),
                }),
                _ => None,
            }
        }
        EthernetProtocol::Ipv4 => {
            let ip = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
            let (source, to) = (ip.src_addr(), ip.dst_addr());
            match ip.next_header() {
                IpProtocol::Tcp => {
                    let tcp = TcpPacket::new_checked(ip.payload()).ok()?;
                    let checks = ChecksumCapabilities::default();
                    let tcp = TcpRepr::parse(&tcp, &source.into(), &to.into(), &checks).ok()?;
                    Some(ParsedFrame::Segment {
                        to,
                        port: tcp.dst_port,
                        board_port: tcp.src_port,
                        control: tcp.control,
                        seq: tcp.seq_number,
                        ack: tcp.ack_number,
                        len: tcp.payload.len(),
                    })
                }
                IpProtocol::Udp => {
                    let udp = UdpPacket::new_checked(ip.payload()).ok()?;
                    let unanswerable = udp.payload() == UNANSWERABLE;
                    Some(ParsedFrame::Datagram { source, unanswerable })
                }
                _ => None,
            }
        }
        _ => None,
    }
}
