//! What an IP packet must be like before anybody looks at what it carries (RFC 1122 3.2, RFC 8200). What is not goes no
//! further, and is counted.

use smoltcp::wire::{IpAddress, IpCidr, IpProtocol, Ipv4Address, Ipv4Packet};

use super::NetStack;
#[cfg(all(feature = "ipv6", not(feature = "multicast")))]
use super::mld::group_of;
use crate::frame::Packet;
#[cfg(all(feature = "ipv6", not(feature = "multicast")))]
use crate::frame::discovery::ALL_NODES;

/// Kinds of IPv4 options (RFC 791 3.1).
const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const LOOSE_SOURCE_ROUTE: u8 = 131;
const STRICT_SOURCE_ROUTE: u8 = 137;

/// Length of an IPv4 header without options.
const IPV4_HEADER: usize = 20;

impl NetStack<'_> {
    /// Whether a packet may be looked at. If not, it is counted.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn is_clean(&mut self, packet: &Packet<'_>) -> bool {
        let counter = if self.is_martian(packet) || is_source_routed(packet) {
            &mut self.counters.martians_dropped
        } else if packet.protocol == IpProtocol::Udp && self.lacks_checksum(packet) {
            &mut self.counters.malformed_dropped
        } else {
            return true;
        };
        *counter = counter.wrapping_add(1);
        false
    }

    /// A packet from somebody that cannot be (RFC 1122 3.2.1.3), or to whom no packet comes by a wire.
    fn is_martian(&self, packet: &Packet<'_>) -> bool {
        let Packet { source, destination, .. } = packet;
        // On a loopback, we may be 127.0.0.1.
        if is_loopback(destination) && !self.is_own(destination) {
            return true;
        }
        // Who has no address yet speaks to all, not to us.
        if source.is_unspecified() {
            return self.is_own(destination);
        }
        (is_nobody(source) || self.is_broadcast(source)) && !self.is_own(source)
    }

    /// The address of all hosts of one of our networks, in today's form or that of old (RFC 1122 3.2.1.3 d).
    pub(super) fn is_broadcast(&self, address: &IpAddress) -> bool {
        #[allow(irrefutable_let_patterns, reason = "without IPv6 there is no other kind")]
        let IpAddress::Ipv4(address) = address else { return false };
        self.interface.ip_addrs().iter().any(|cidr| {
            #[allow(irrefutable_let_patterns, reason = "as above")]
            let IpCidr::Ipv4(cidr) = cidr else { return false };
            let (hosts, own) = (!cidr.netmask().to_bits(), cidr.address().to_bits());
            let host = address.to_bits() & hosts;
            (own ^ address.to_bits()) & !hosts == 0 && hosts > 1 && (host == 0 || host == hosts)
        })
    }

    /// Whether an address that a packet has for its destination is one of many hosts, of which we are one. smoltcp knows that
    /// of IPv4. Of IPv6 it takes whatever ends in the same two bytes as an address of ours for a group that we are in
    /// (iface/interface/ipv6.rs, `has_solicited_node`), even if it is somebody else's address.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn is_for_many(&self, destination: &IpAddress) -> bool {
        match destination {
            // What went to all on the link is to say so itself (RFC 1122 3.3.6).
            IpAddress::Ipv4(_) => !self.is_own(destination),
            // All of the link, and the groups in which our addresses are looked for (RFC 4291 2.7.1).
            #[cfg(all(feature = "ipv6", not(feature = "multicast")))]
            IpAddress::Ipv6(group) => {
                let mut own = self.interface.ip_addrs().iter();
                *group == ALL_NODES || own.any(|own| group_of(own) == Some(*group))
            }
            #[cfg(all(feature = "ipv6", feature = "multicast"))]
            IpAddress::Ipv6(group) => {
                group.is_multicast() && self.interface.has_multicast_group(*group)
            }
            #[allow(unreachable_patterns, reason = "smoltcp's own features may be wider than ours")]
            _ => false,
        }
    }

    /// UDP over IPv6 without a checksum (RFC 8200 8.1), where checksums are ours to verify.
    fn lacks_checksum(&self, packet: &Packet<'_>) -> bool {
        !matches!(packet.source, IpAddress::Ipv4(_))
            && self.capabilities.checksum.udp.rx()
            && packet.payload.get(6..8) == Some(&[0, 0])
    }
}

fn is_loopback(address: &IpAddress) -> bool {
    match address {
        IpAddress::Ipv4(address) => address.is_loopback(),
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(address) => address.is_loopback(),
        #[allow(unreachable_patterns, reason = "smoltcp's own features may be wider than ours")]
        _ => false,
    }
}

/// An address that is no single host's.
fn is_nobody(address: &IpAddress) -> bool {
    match address {
        // This network, loopback, multicast, and what is reserved, with the broadcast address.
        IpAddress::Ipv4(address) => matches!(Ipv4Address::octets(address)[0], 0 | 127 | 224..),
        #[cfg(feature = "ipv6")]
        // Loopback, and the two forms of an address of IPv4, which has frames of its own (RFC 4291 2.5.3, 2.5.5).
        IpAddress::Ipv6(address) => address.is_multicast() || address.to_bits() >> 48 == 0,
        #[allow(unreachable_patterns, reason = "smoltcp's own features may be wider than ours")]
        _ => false,
    }
}

/// An IPv4 packet that says by which way it came or is to go: RFC 1122 3.2.1.8 (c) wants an answer the same way, which
/// nobody needs but who wants to get past a filter (RFC 7126 4.3). Or one whose options are broken.
fn is_source_routed(packet: &Packet<'_>) -> bool {
    if !matches!(packet.source, IpAddress::Ipv4(_)) {
        return false;
    }
    let len = usize::from(Ipv4Packet::new_unchecked(packet.bytes).header_len());
    let mut options = packet.bytes.get(IPV4_HEADER..len).unwrap_or_default();
    while let [kind, rest @ ..] = options {
        options = match *kind {
            END => return false,
            NO_OPERATION => rest,
            LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE => return true,
            _ => match rest.first().filter(|&&len| len >= 2) {
                Some(&len) if options.len() >= usize::from(len) => &options[usize::from(len)..],
                _ => return true,
            },
        };
    }
    false
}
