//! What the internet headers say: those of IPv4 (RFC 791) and of IPv6 (RFC 8200).

#[cfg(feature = "ipv6")]
use smoltcp::wire::Ipv6Packet;
use smoltcp::wire::{IpAddress, IpProtocol, Ipv4Packet};

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

    /// Whether it is ICMP, that of its own version: the other's is a protocol like any that nobody knows.
    pub(crate) fn is_icmp(&self) -> bool {
        let own = match self.source {
            IpAddress::Ipv4(_) => IpProtocol::Icmp,
            #[cfg(feature = "ipv6")]
            IpAddress::Ipv6(_) => IpProtocol::Icmpv6,
            #[allow(unreachable_patterns, reason = "smoltcp's own features may be wider than ours")]
            _ => return false,
        };
        self.protocol == own
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

    /// Neighbour discovery, whether well-formed or not.
    #[cfg(feature = "ipv6")]
    pub(super) fn is_discovery(&self) -> bool {
        self.protocol == IpProtocol::Icmpv6
            // RFC 4861 4: what routers and neighbours say, and redirects.
            && matches!(self.payload, [133..=137, ..])
    }
}
