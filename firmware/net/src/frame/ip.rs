//! What a frame carries, and the internet headers: IPv4 (RFC 791) and IPv6 (RFC 8200).

#[cfg(feature = "ipv6")]
use smoltcp::wire::Ipv6Packet;
use smoltcp::wire::{IpAddress, IpProtocol, Ipv4Packet};

use super::Segment;
use crate::frame::discovery::Received;
#[cfg(all(feature = "redirects", feature = "ipv6"))]
use crate::frame::redirect::{self, Redirect};
#[cfg(feature = "slaac")]
use crate::frame::router::{self, Advertisement};

/// What a frame carries.
#[derive(Debug)]
pub(crate) enum Content<'f> {
    /// A question for a MAC address, or the answer to one.
    Discovery(Received),
    /// What a router says of the link.
    #[cfg(feature = "slaac")]
    Advertisement(Advertisement<'f>),
    /// A router knows a nearer one.
    #[cfg(all(feature = "redirects", feature = "ipv6"))]
    Redirect(Redirect<'f>),
    /// ARP or neighbour discovery that is neither of those, or not a good one.
    OtherDiscovery,
    /// A fragment: without reassembly, smoltcp would take any later IPv4 fragment's payload for a header,
    /// and it knows no IPv6 fragment header.
    Fragment,
    /// An IP packet.
    Packet(Packet<'f>),
    /// Anything else, which is of no use.
    Other,
}

/// An IP packet's way, and what is in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet<'f> {
    pub(crate) source: IpAddress,
    pub(crate) destination: IpAddress,
    pub(crate) protocol: IpProtocol,
    /// The packet from its IP header on.
    pub(crate) bytes: &'f [u8],
    /// Where in it the payload begins.
    pub(crate) offset: usize,
    /// Of the length that the IP header says, behind options.
    pub(crate) payload: &'f [u8],
    /// Where in the packet the field is that names the protocol.
    pub(crate) named_at: u16,
}

impl<'f> Packet<'f> {
    /// The packet without what the link has behind it.
    pub(crate) fn without_padding(&self) -> &'f [u8] {
        let len = match self.source {
            IpAddress::Ipv4(_) => Ipv4Packet::new_unchecked(self.bytes).total_len().into(),
            #[cfg(feature = "ipv6")]
            IpAddress::Ipv6(_) => Ipv6Packet::new_unchecked(self.bytes).total_len(),
            #[allow(unreachable_patterns, reason = "smoltcp's own features may be wider than ours")]
            _ => 0,
        };
        &self.bytes[..len.min(self.bytes.len())]
    }

    /// Whether the header's checksum is right, or `verify` says that this is the device's to find out. IPv6 has none.
    pub(crate) fn is_sound(&self, verify: bool) -> bool {
        let has_checksum = matches!(self.source, IpAddress::Ipv4(_));
        !(verify && has_checksum) || Ipv4Packet::new_unchecked(self.bytes).verify_checksum()
    }

    /// The ports that a datagram is from and to. `None`: it is none.
    #[cfg(any(feature = "udp", feature = "smoltcp-sockets", feature = "dhcp"))]
    pub(crate) fn ports(&self) -> Option<(u16, u16)> {
        if self.protocol != IpProtocol::Udp {
            return None;
        }
        let datagram = smoltcp::wire::UdpPacket::new_checked(self.payload).ok();
        datagram.map(|udp| (udp.src_port(), udp.dst_port()))
    }

    /// A router's advertisement, whether well-formed or not.
    #[cfg(feature = "slaac")]
    pub(super) fn is_advertisement(&self) -> bool {
        self.protocol == IpProtocol::Icmpv6 && self.payload.first() == Some(&router::ADVERTISEMENT)
    }

    /// A redirect of neighbour discovery, whether well-formed or not.
    #[cfg(all(feature = "redirects", feature = "ipv6"))]
    pub(super) fn is_redirect(&self) -> bool {
        self.protocol == IpProtocol::Icmpv6 && self.payload.first() == Some(&redirect::ICMPV6)
    }

    /// Neighbour discovery, whether well-formed or not.
    #[cfg(feature = "ipv6")]
    pub(super) fn is_discovery(&self) -> bool {
        self.protocol == IpProtocol::Icmpv6
            // RFC 4861 4: what routers and neighbours say, and redirects.
            && matches!(self.payload, [133..=137, ..])
    }
}

impl<'f> Content<'f> {
    /// Reads a packet by itself.
    pub(crate) fn parse(packet: &'f [u8]) -> Self {
        #[cfg(test)]
        super::once::parsed(super::once::Layer::Frame);
        Self::read(packet)
    }

    pub(super) fn read(packet: &'f [u8]) -> Self {
        match packet.first().map_or(0, |first| first >> 4) {
            4 => parse_ipv4(packet),
            #[cfg(feature = "ipv6")]
            6 => parse_ipv6(packet),
            _ => Self::Other,
        }
    }

    /// The TCP segment in it, if there is one.
    pub(crate) fn segment(&self) -> Option<Segment<'f>> {
        match self {
            Self::Packet(packet) => Segment::parse(packet),
            _ => None,
        }
    }

    /// Where a packet of smoltcp's goes.
    #[cfg(feature = "smoltcp-sockets")]
    pub(crate) fn destination(packet: &[u8]) -> Option<IpAddress> {
        match packet.first()? >> 4 {
            4 => Some(IpAddress::Ipv4((*packet.get(16..)?.first_chunk::<4>()?).into())),
            #[cfg(feature = "ipv6")]
            6 => Some(IpAddress::Ipv6((*packet.get(24..)?.first_chunk::<16>()?).into())),
            _ => None,
        }
    }
}

/// Reads an IPv4 packet.
#[cfg_attr(all(target_os = "none", feature = "ipv6"), inline(never))]
pub(super) fn parse_ipv4(bytes: &[u8]) -> Content<'_> {
    #[cfg(test)]
    super::once::parsed(super::once::Layer::Network);
    // smoltcp goes by the version alone, whatever the link says.
    let Some(ip) = Ipv4Packet::new_checked(bytes).ok().filter(|ip| ip.version() == 4) else {
        return Content::Other;
    };
    if ip.more_frags() || ip.frag_offset() != 0 {
        return Content::Fragment;
    }
    Content::Packet(Packet {
        source: ip.src_addr().into(),
        destination: ip.dst_addr().into(),
        protocol: ip.next_header(),
        bytes,
        offset: ip.header_len().into(),
        payload: ip.payload(),
        named_at: 9,
    })
}

/// Reads an IPv6 packet. It must be without extension headers ([`crate::frame::extension`]).
#[cfg(feature = "ipv6")]
#[inline(never)]
pub(super) fn parse_ipv6(bytes: &[u8]) -> Content<'_> {
    #[cfg(test)]
    super::once::parsed(super::once::Layer::Network);
    let Some(ip) = Ipv6Packet::new_checked(bytes).ok().filter(|ip| ip.version() == 6) else {
        return Content::Other;
    };
    let protocol = ip.next_header();
    if protocol == IpProtocol::Ipv6Frag {
        return Content::Fragment;
    }
    Content::Packet(Packet {
        source: ip.src_addr().into(),
        destination: ip.dst_addr().into(),
        protocol,
        bytes,
        offset: ip.header_len(),
        payload: ip.payload(),
        named_at: 6,
    })
}
