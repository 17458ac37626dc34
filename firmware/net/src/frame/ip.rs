//! What a frame carries, and the internet headers: IPv4 (RFC 791) and IPv6 (RFC 8200).

#[cfg(feature = "ipv6")]
use smoltcp::wire::Ipv6Packet;
use smoltcp::wire::{IpAddress, IpProtocol, Ipv4Packet};

use crate::frame::discovery::Received;
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
    /// ARP or neighbour discovery that is neither of those, or not a good one.
    OtherDiscovery,
    /// A fragment: without reassembly, smoltcp would take any later IPv4 fragment's payload for a header,
    /// and it knows no IPv6 fragment header.
    Fragment,
    /// An IP packet.
    Packet(Packet<'f>),
    /// Anything else; smoltcp validates it.
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
    /// Where in the frame the payload begins.
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

    /// A router's advertisement, whether well-formed or not.
    #[cfg(feature = "slaac")]
    pub(super) fn is_advertisement(&self) -> bool {
        self.protocol == IpProtocol::Icmpv6 && self.payload.first() == Some(&router::ADVERTISEMENT)
    }

    /// Neighbour discovery, whether well-formed or not.
    #[cfg(feature = "ipv6")]
    pub(super) fn is_discovery(&self) -> bool {
        self.protocol == IpProtocol::Icmpv6
            // RFC 4861 4: what routers and neighbours say, and redirects.
            && matches!(self.payload, [133..=137, ..])
    }
}

/// Reads the IPv4 packet that begins at `header` of its frame.
#[cfg_attr(feature = "ipv6", inline(never))]
pub(super) fn parse_ipv4(bytes: &[u8], header: usize) -> Content<'_> {
    #[cfg(test)]
    super::once::parsed(super::once::Layer::Network);
    let Ok(ip) = Ipv4Packet::new_checked(bytes) else { return Content::Other };
    if ip.more_frags() || ip.frag_offset() != 0 {
        return Content::Fragment;
    }
    Content::Packet(Packet {
        source: ip.src_addr().into(),
        destination: ip.dst_addr().into(),
        protocol: ip.next_header(),
        bytes,
        offset: header + usize::from(ip.header_len()),
        payload: ip.payload(),
        named_at: 9,
    })
}

/// Reads the IPv6 packet that begins at `header` of its frame. It must be without extension headers
/// ([`crate::frame::extension`]).
#[cfg(feature = "ipv6")]
#[inline(never)]
pub(super) fn parse_ipv6(bytes: &[u8], header: usize) -> Content<'_> {
    #[cfg(test)]
    super::once::parsed(super::once::Layer::Network);
    let Ok(ip) = Ipv6Packet::new_checked(bytes) else { return Content::Other };
    let protocol = ip.next_header();
    if protocol == IpProtocol::Ipv6Frag {
        return Content::Fragment;
    }
    Content::Packet(Packet {
        source: ip.src_addr().into(),
        destination: ip.dst_addr().into(),
        protocol,
        bytes,
        offset: header + ip.header_len(),
        payload: ip.payload(),
        named_at: 6,
    })
}
