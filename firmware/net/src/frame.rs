//! The one parser of headers: each frame, in or out, is looked at once, and what it says is used everywhere. TCP's options
//! and group messages are read where they matter.
//!
//! [`Frame::parse`] reads the headers of link, network and transport, and refers to the payload in place. It judges
//! nothing but whether a header is whole: checksums are verified where it matters ([`Segment::is_sound`]), addresses by
//! the stack. Cost: some hundred instructions a frame, no copy.

mod content;
#[cfg(any(feature = "dhcp", feature = "_datagram"))]
pub(crate) mod datagram;
pub(crate) mod discovery;
#[cfg(feature = "ipv6")]
pub(crate) mod extension;
mod ip;
#[cfg(all(feature = "ipv6", not(feature = "multicast")))]
pub(crate) mod membership;
pub(crate) mod quote;
#[cfg(feature = "redirects")]
pub(crate) mod redirect;
#[cfg(feature = "slaac")]
pub(crate) mod router;

use core::ops::Range;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    IpAddress, IpEndpoint, IpProtocol, TCP_HEADER_LEN, TcpPacket, TcpRepr, TcpSeqNumber,
};

use crate::ethernet::EthernetAddress;
pub(crate) use content::Content;
use discovery::Received;
pub(crate) use ip::Packet;

/// What a device carries. smoltcp has only IP packets to do with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    /// Ethernet frames.
    Ethernet,
    /// IP packets.
    Ip,
}

/// A frame's headers.
#[derive(Debug)]
pub(crate) struct Frame<'f> {
    /// Who sent it, and to whom; `None` on a link without MAC addresses.
    pub(crate) link: Option<Link>,
    pub(crate) content: Content<'f>,
}

/// The MAC addresses of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) source: EthernetAddress,
    pub(crate) destination: EthernetAddress,
}

/// Length of an Ethernet header.
pub(crate) const ETHERNET_HEADER: usize = 14;

/// What a frame carries (IEEE 802.3 3.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EtherType(u16);

impl EtherType {
    pub(crate) const IPV4: Self = Self(0x0800);
    pub(crate) const ARP: Self = Self(0x0806);
    pub(crate) const IPV6: Self = Self(0x86dd);
}

/// Writes the Ethernet header of a frame. Never inlined: it is in many places.
#[inline(never)]
pub(crate) fn put_link(frame: &mut [u8], link: Link, EtherType(ethertype): EtherType) {
    if let Some(header) = frame.first_chunk_mut::<ETHERNET_HEADER>() {
        header[..6].copy_from_slice(&link.destination.0);
        header[6..12].copy_from_slice(&link.source.0);
        header[12..].copy_from_slice(&ethertype.to_be_bytes());
    }
}

/// What a frame with a packet of this address carries.
pub(crate) const fn ethertype(address: &IpAddress) -> EtherType {
    if matches!(address, IpAddress::Ipv4(_)) { EtherType::IPV4 } else { EtherType::IPV6 }
}

/// What a frame with this packet carries.
pub(crate) fn ethertype_of(packet: &[u8]) -> EtherType {
    if packet.first().is_some_and(|first| first >> 4 == 4) {
        EtherType::IPV4
    } else {
        EtherType::IPV6
    }
}

/// Where a group is on Ethernet (RFC 1112 6.4, RFC 2464 7).
pub(crate) fn group_mac(address: &IpAddress) -> Option<EthernetAddress> {
    match address {
        IpAddress::Ipv4(address) if address.is_multicast() => {
            let [_, b, c, d] = address.octets();
            Some(EthernetAddress([0x01, 0x00, 0x5e, b & 0x7f, c, d]))
        }
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(address) if address.is_multicast() => {
            let [.., a, b, c, d] = address.octets();
            Some(EthernetAddress([0x33, 0x33, a, b, c, d]))
        }
        _ => None,
    }
}

/// The two ends of a connection, of which one is here.
#[derive(Clone, Copy, Debug, Eq)]
pub(crate) struct FourTuple {
    pub(crate) local: IpEndpoint,
    pub(crate) remote: IpEndpoint,
}

impl PartialEq for FourTuple {
    // Never inlined: it is long, with IPv6, and in many places.
    #[inline(never)]
    fn eq(&self, other: &Self) -> bool {
        self.remote == other.remote && self.local == other.local
    }
}

/// Whether these are the same; as the comparison of [`FourTuple`].
#[cfg_attr(feature = "ipv6", inline(never))]
pub(crate) fn same(one: &IpAddress, other: &IpAddress) -> bool {
    one == other
}

/// The header of a TCP segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment<'f> {
    /// Where in the packet it begins.
    pub(crate) offset: usize,
    pub(crate) source: IpEndpoint,
    pub(crate) destination: IpEndpoint,
    pub(crate) seq: TcpSeqNumber,
    /// `None` without the ACK flag.
    pub(crate) ack: Option<TcpSeqNumber>,
    pub(crate) syn: bool,
    pub(crate) fin: bool,
    pub(crate) rst: bool,
    pub(crate) window: u16,
    /// Bytes of payload.
    pub(crate) len: usize,
    /// The segment with its payload, of the length that the IP header says.
    bytes: &'f [u8],
}

impl<'f> Frame<'f> {
    /// Reads a frame as a device of this medium carries it. `None`: it is too short for a header.
    pub(crate) fn parse(frame: &'f [u8], medium: Medium) -> Option<Self> {
        #[cfg(test)]
        once::parsed(once::Layer::Frame);
        if medium == Medium::Ethernet {
            return Self::parse_ethernet(frame);
        }
        frame.first()?;
        Some(Self { link: None, content: Content::read(frame) })
    }

    fn parse_ethernet(frame: &'f [u8]) -> Option<Self> {
        let (header, payload) = frame.split_first_chunk::<ETHERNET_HEADER>()?;
        let (&destination, rest) = header.split_first_chunk::<6>()?;
        let (&source, &[high, low]) = rest.split_first_chunk::<6>()? else { return None };
        let link =
            Link { source: EthernetAddress(source), destination: EthernetAddress(destination) };
        let content = match EtherType(u16::from_be_bytes([high, low])) {
            EtherType::ARP => {
                Received::parse_arp(payload).map_or(Content::OtherDiscovery, Content::Discovery)
            }
            EtherType::IPV4 => content::parse_ipv4(payload),
            #[cfg(feature = "ipv6")]
            EtherType::IPV6 => match content::parse_ipv6(payload) {
                #[cfg(feature = "slaac")]
                Content::Packet(packet) if packet.is_advertisement() => {
                    router::Advertisement::parse(&packet)
                        .map_or(Content::OtherDiscovery, Content::Advertisement)
                }
                #[cfg(feature = "redirects")]
                Content::Packet(packet) if packet.is_redirect() => {
                    redirect::Redirect::parse_ipv6(&packet)
                        .map_or(Content::OtherDiscovery, Content::Redirect)
                }
                Content::Packet(packet) if packet.is_discovery() => {
                    Received::parse_ndisc(&packet, link.source)
                        .map_or(Content::OtherDiscovery, Content::Discovery)
                }
                content => content,
            },
            _ => Content::Other,
        };
        Some(Self { link: Some(link), content })
    }

    /// The TCP segment in it, if there is one.
    #[cfg(test)]
    pub(crate) fn segment(&self) -> Option<Segment<'f>> {
        self.content.segment()
    }
}

impl<'f> Segment<'f> {
    /// Reads the TCP header of a packet. `None`: it is no TCP, or broken.
    pub(crate) fn parse(packet: &Packet<'f>) -> Option<Self> {
        if packet.protocol != IpProtocol::Tcp {
            return None;
        }
        #[cfg(test)]
        once::parsed(once::Layer::Transport);
        let tcp = TcpPacket::new_checked(packet.payload).ok()?;
        Some(Self {
            offset: packet.offset,
            source: IpEndpoint::new(packet.source, tcp.src_port()),
            destination: IpEndpoint::new(packet.destination, tcp.dst_port()),
            seq: tcp.seq_number(),
            ack: tcp.ack().then(|| tcp.ack_number()),
            syn: tcp.syn(),
            fin: tcp.fin(),
            rst: tcp.rst(),
            window: tcp.window_len(),
            len: tcp.payload().len(),
            bytes: packet.payload,
        })
    }

    /// Sequence numbers that it takes, but for a SYN (SEG.LEN, RFC 9293 3.3.1).
    pub(crate) fn sequence_len(&self) -> usize {
        self.len + usize::from(self.fin)
    }

    /// A connection request: SYN without ACK.
    pub(crate) const fn is_request(&self) -> bool {
        self.syn && self.ack.is_none()
    }

    /// The connection that it came in for.
    pub(crate) const fn received_on(&self) -> FourTuple {
        FourTuple { local: self.destination, remote: self.source }
    }

    /// The connection that sent it.
    pub(crate) const fn sent_on(&self) -> FourTuple {
        FourTuple { local: self.source, remote: self.destination }
    }

    /// Its bytes' place in the packet.
    pub(crate) const fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.bytes.len()
    }

    /// Whether its checksum is right, or `verify` says that this is the device's to find out.
    #[inline(never)]
    pub(crate) fn is_sound(&self, verify: bool) -> bool {
        !verify || self.packet().verify_checksum(&self.source.addr, &self.destination.addr)
    }

    /// The header with its options, as smoltcp reads it; `None` if that finds it broken. The checksum is not looked at.
    pub(crate) fn repr(&self) -> Option<TcpRepr<'f>> {
        let (source, destination) = (&self.source.addr, &self.destination.addr);
        TcpRepr::parse(&self.packet(), source, destination, &ChecksumCapabilities::ignored()).ok()
    }

    /// How far the windows that follow a SYN are to be shifted (RFC 7323 2.3), at most 14; 0 without.
    pub(crate) fn window_scale(&self) -> u8 {
        self.repr().and_then(|repr| repr.window_scale).unwrap_or(0)
    }

    /// The blocks of its SACK option. A broken option is no good to smoltcp either.
    pub(crate) fn sack_ranges(&self) -> [Option<(u32, u32)>; 3] {
        // Most segments have no options.
        if usize::from(self.packet().header_len()) == TCP_HEADER_LEN {
            return [None; 3];
        }
        self.repr().map_or([None; 3], |repr| repr.sack_ranges)
    }

    /// The whole of it, for what is read but once.
    pub(crate) fn packet(&self) -> TcpPacket<&'f [u8]> {
        TcpPacket::new_unchecked(self.bytes)
    }
}

#[cfg(test)]
mod once;
#[cfg(test)]
mod tests;
