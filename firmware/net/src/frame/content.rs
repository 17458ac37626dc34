//! What a frame carries, as the headers of the network say: IPv4 (RFC 791) and IPv6 (RFC 8200).

#[cfg(feature = "smoltcp-sockets")]
use smoltcp::wire::IpAddress;
use smoltcp::wire::Ipv4Packet;
#[cfg(feature = "ipv6")]
use smoltcp::wire::{IpProtocol, Ipv6Packet};

use super::discovery::Received;
#[cfg(all(feature = "redirects", feature = "ipv6"))]
use super::redirect::Redirect;
#[cfg(feature = "slaac")]
use super::router::Advertisement;
use super::{Packet, Segment};

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
#[cfg_attr(feature = "ipv6", inline(never))]
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
