//! Every frame's way in: looked at once, before smoltcp sees it, then passed on or dropped.
//!
//! smoltcp gives a segment to the first socket in its set that would take it, a listener before a live
//! connection. So the stack keeps no socket in LISTEN; instead [`classify`] tells it of each SYN, and it
//! puts one into LISTEN for exactly that frame. [`OneFrame`] is the device through which the frame then
//! goes on, in place, with the transmit token for the answer: no copy, no queue, a few dozen
//! instructions a frame.

use smoltcp::phy::{Device, DeviceCapabilities, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, IpAddress, IpCidr, IpEndpoint, IpProtocol,
    Ipv4Packet, TcpPacket, TcpSeqNumber,
};
#[cfg(feature = "ipv6")]
use smoltcp::wire::{Icmpv6Message, Ipv6ExtHeader, Ipv6Packet};

use crate::fin::Fin;
use crate::neighbors::Received;
use crate::recovery::Heard;

/// What to do with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Nothing this stack needs to know; smoltcp validates it.
    Pass,
    /// A TCP segment with neither SYN nor RST, or with both ACK and SYN.
    Segment { local: IpEndpoint, remote: IpEndpoint, heard: Heard },
    /// A connection request (SYN without ACK).
    Syn { local: IpEndpoint, remote: IpEndpoint, heard: Heard },
    /// A reset.
    Rst { local: IpEndpoint, remote: IpEndpoint, seq: TcpSeqNumber },
    /// A question for a MAC address, or the answer to one; smoltcp is told what it needs.
    Discovery(Received),
    /// ARP or neighbour discovery that is neither of those, or not a good one. smoltcp could learn from it what the stack
    /// does not know of.
    OtherDiscovery,
    /// A fragment: without reassembly, smoltcp would take any later IPv4 fragment's payload for a header,
    /// and it knows no IPv6 fragment header.
    Fragment,
    /// TCP or UDP to a broadcast or multicast destination, or anything to somebody else.
    NotOurs,
}

/// An IP packet's way and what is in it.
pub(crate) struct Packet<'f> {
    source: IpAddress,
    destination: IpAddress,
    protocol: IpProtocol,
    /// Of the length that the IP header says, behind options.
    pub(crate) payload: &'f [u8],
}

/// The IP packet in a frame that is not a fragment; what to do with any other frame.
pub(crate) fn packet<'f>(ethernet: &EthernetFrame<&'f [u8]>) -> Result<Packet<'f>, Class> {
    match ethernet.ethertype() {
        EthernetProtocol::Ipv4 => {
            let ip = Ipv4Packet::new_checked(ethernet.payload()).map_err(|_| Class::Pass)?;
            if ip.more_frags() || ip.frag_offset() != 0 {
                return Err(Class::Fragment);
            }
            Ok(Packet {
                source: ip.src_addr().into(),
                destination: ip.dst_addr().into(),
                protocol: ip.next_header(),
                payload: ip.payload(),
            })
        }
        #[cfg(feature = "ipv6")]
        EthernetProtocol::Ipv6 => {
            let ip = Ipv6Packet::new_checked(ethernet.payload()).map_err(|_| Class::Pass)?;
            let (protocol, payload) =
                past_options(ip.next_header(), ip.payload()).ok_or(Class::Pass)?;
            if protocol == IpProtocol::Ipv6Frag {
                return Err(Class::Fragment);
            }
            let (source, destination) = (ip.src_addr().into(), ip.dst_addr().into());
            Ok(Packet { source, destination, protocol, payload })
        }
        _ => Err(Class::Pass),
    }
}

/// Classifies a frame, which may hold anything, and names the source of a packet that may be answered. `own` are the
/// interface's addresses. `verify`: TCP's checksums are ours to verify, not the device's.
pub(crate) fn classify(
    ethernet: &EthernetFrame<&[u8]>,
    mac: EthernetAddress,
    own: &[IpCidr],
    verify: bool,
) -> (Class, Option<IpAddress>) {
    if ethernet.dst_addr().is_unicast() && ethernet.dst_addr() != mac {
        return (Class::NotOurs, None);
    }
    if let Some(received) = Received::parse(ethernet) {
        return (Class::Discovery(received), None);
    }
    if ethernet.ethertype() == EthernetProtocol::Arp {
        return (Class::OtherDiscovery, None);
    }
    let packet = match packet(ethernet) {
        Ok(packet) => packet,
        Err(class) => return (class, None),
    };
    #[cfg(feature = "ipv6")]
    if packet.protocol == IpProtocol::Icmpv6
        && packet.payload.first().is_some_and(|&kind| Icmpv6Message::from(kind).is_ndisc())
    {
        return (Class::OtherDiscovery, None);
    }
    let ours =
        ethernet.dst_addr() == mac && own.iter().any(|cidr| cidr.address() == packet.destination);
    // An echo request to everybody is answered too.
    let answered = ours || matches!(packet.protocol, IpProtocol::Icmp | IpProtocol::Icmpv6);
    let source = answered.then_some(packet.source);
    if !matches!(packet.protocol, IpProtocol::Tcp | IpProtocol::Udp) {
        return (Class::Pass, source);
    }
    if !ours {
        return (Class::NotOurs, None);
    }
    if packet.protocol != IpProtocol::Tcp {
        return (Class::Pass, source);
    }
    let at = packet.payload.as_ptr().addr() - ethernet.as_ref().as_ptr().addr();
    (classify_tcp(at, &packet, verify), source)
}

/// What a frame of our own carries of a TCP stream.
pub(crate) struct Outgoing {
    /// The local port and the remote one.
    pub(crate) ports: (u16, u16),
    pub(crate) seq: TcpSeqNumber,
    /// Bytes of data, and one for a FIN.
    pub(crate) len: usize,
    /// A connection request: SYN without ACK.
    pub(crate) request: bool,
}

/// What `frame` carries of a TCP stream, if it is a segment.
pub(crate) fn outgoing(frame: &[u8]) -> Option<Outgoing> {
    let packet = packet(&EthernetFrame::new_checked(frame).ok()?).ok()?;
    if packet.protocol != IpProtocol::Tcp {
        return None;
    }
    let tcp = TcpPacket::new_checked(packet.payload).ok()?;
    let len = tcp.payload().len() + usize::from(tcp.fin());
    Some(Outgoing {
        ports: (tcp.src_port(), tcp.dst_port()),
        seq: tcp.seq_number(),
        len,
        request: tcp.syn() && !tcp.ack(),
    })
}

/// Protocol and payload behind a hop-by-hop options header, the only extension header that smoltcp reads
/// past (RFC 8200 4.3). `None`: it is broken.
#[cfg(feature = "ipv6")]
fn past_options(protocol: IpProtocol, payload: &[u8]) -> Option<(IpProtocol, &[u8])> {
    if protocol != IpProtocol::HopByHop {
        return Some((protocol, payload));
    }
    let options = Ipv6ExtHeader::new_checked(payload).ok()?;
    // In units of 8 bytes, the first not counted.
    let len = (usize::from(options.header_len()) + 1) * 8;
    Some((options.next_header(), payload.get(len..)?))
}

/// Classifies the TCP segment that begins at offset `at` of its frame.
fn classify_tcp(at: usize, packet: &Packet<'_>, verify: bool) -> Class {
    let Packet { source, destination, payload, .. } = *packet;
    let Ok(tcp) = TcpPacket::new_checked(payload) else {
        return Class::Pass;
    };
    let local = IpEndpoint::new(destination, tcp.dst_port());
    let remote = IpEndpoint::new(source, tcp.src_port());
    let len = tcp.payload().len();
    // Broken ones are no good to smoltcp either.
    let options = tcp.options_summary().unwrap_or_default();
    // The checksum is looked at only where it matters here; smoltcp does it in any case that is ours.
    let sound = || !verify || tcp.verify_checksum(&source, &destination);
    let heard = Heard {
        ports: (local.port, remote.port),
        seq: tcp.seq_number(),
        ack: tcp.ack().then(|| tcp.ack_number()),
        window: tcp.window_len(),
        scale: options.window_scale.map_or(0, |scale| scale.min(14)),
        bare: len == 0 && sound(),
        fin: (len > 0 && tcp.fin() && sound()).then_some(Fin { at, len }),
        sacked: if options.sack_ranges[0].is_some() && sound() {
            options.sack_ranges
        } else {
            [None; 3]
        },
    };
    if tcp.rst() {
        Class::Rst { local, remote, seq: heard.seq }
    } else if tcp.syn() && !tcp.ack() {
        Class::Syn { local, remote, heard }
    } else {
        Class::Segment { local, remote, heard }
    }
}

/// A device that holds one received frame and, until it is used, one transmit token.
#[derive(Debug)]
pub(crate) struct OneFrame<'f, T> {
    pub(crate) frame: Option<&'f [u8]>,
    pub(crate) transmit: Option<T>,
    pub(crate) capabilities: &'f DeviceCapabilities,
}

/// The received frame, in place.
#[derive(Debug)]
pub(crate) struct FrameToken<'f>(&'f [u8]);

impl RxToken for FrameToken<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

impl<T: TxToken> Device for OneFrame<'_, T> {
    type RxToken<'a>
        = FrameToken<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = T
    where
        Self: 'a;

    fn receive(&mut self, _now: Instant) -> Option<(FrameToken<'_>, T)> {
        Some((FrameToken(self.frame.take()?), self.transmit.take()?))
    }

    fn transmit(&mut self, _now: Instant) -> Option<T> {
        self.transmit.take()
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.capabilities.clone()
    }
}

#[cfg(test)]
mod tests {
    use smoltcp::wire::{Ipv4Address, TcpControl};

    use super::*;
    use crate::crafted::{Crafted, bare};

    /// A device that verifies checksums itself may leave anything in their place.
    #[test]
    fn a_checksum_is_looked_at_only_where_that_is_left_to_us() {
        let mac = EthernetAddress([2, 0, 0, 0, 0, 1]);
        let remote = IpEndpoint::new(Ipv4Address::new(192, 0, 2, 2).into(), 50_000);
        let local = IpEndpoint::new(Ipv4Address::new(192, 0, 2, 1).into(), 7);
        let ack = bare(TcpControl::None, (50_000, 7), TcpSeqNumber(1), Some(TcpSeqNumber(2)), 100);
        let ack = Crafted::new(&ack, (remote, local), (mac, mac));
        let mut wrong = ack.bytes().to_vec();
        // The first byte of the checksum: Ethernet, IPv4, 16 bytes of TCP.
        wrong[14 + 20 + 16] ^= 1;
        let own = [IpCidr::new(local.addr, 24)];
        let heard = |frame: &[u8], verify| {
            let ethernet = EthernetFrame::new_checked(frame).unwrap();
            match classify(&ethernet, mac, &own, verify) {
                (Class::Segment { heard, .. }, Some(source)) if source == remote.addr => heard.bare,
                other => panic!("{other:?}"),
            }
        };
        assert!(heard(ack.bytes(), true) && heard(ack.bytes(), false));
        assert!(!heard(&wrong, true) && heard(&wrong, false));
    }
}
