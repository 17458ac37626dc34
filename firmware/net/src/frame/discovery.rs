//! What neighbours ask and answer: ARP (RFC 826) and neighbour discovery (RFC 4861), in the words of both.
//!
//! A [`Message`] is a question for an address or the answer to one, as a whole Ethernet frame. One made by a
//! neighbour's name is what smoltcp is told of it.

#[cfg(feature = "ipv6")]
use smoltcp::phy::{ChecksumCapabilities, Medium};
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, IpAddress,
    Ipv4Address,
};
#[cfg(feature = "ipv6")]
use smoltcp::wire::{
    HardwareAddress, Icmpv6Packet, Icmpv6Repr, IpProtocol, Ipv6Address, Ipv6Packet, Ipv6Repr,
    NdiscNeighborFlags, NdiscRepr,
};

#[cfg(feature = "ipv6")]
use super::Packet;

/// The longest: 14 bytes of Ethernet, 40 of IPv6, 24 of `ICMPv6` and 8 for an option with a MAC address.
pub(crate) const MESSAGE_SIZE: usize = 14 + 40 + 24 + 8;

/// A question or an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Who has it?
    Question,
    /// It is at this MAC address.
    Answer,
}

/// A question or an answer that was received, and found good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) kind: Kind,
    /// Whose MAC address it tells: who asks, or whom the answer is about. Unspecified in a probe (RFC 5227 1.1,
    /// RFC 4862 5.4.2).
    pub(crate) owner: IpAddress,
    pub(crate) mac: EthernetAddress,
    /// Whom a question is for.
    pub(crate) target: IpAddress,
    /// An answer that does not replace what is known: without the Override flag (RFC 4861 7.2.5).
    pub(crate) weak: bool,
}

/// A question or an answer to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) kind: Kind,
    /// Who sends it.
    pub(crate) mac: EthernetAddress,
    /// Who asks, or whom the answer is about. Unspecified in a probe.
    pub(crate) owner: IpAddress,
    /// Whom a question is for, or who gets the answer.
    pub(crate) target: IpAddress,
    /// Where an answer goes. A question goes to all.
    pub(crate) to: EthernetAddress,
}

impl Received {
    /// Reads an ARP packet. `None`: it is neither a question nor an answer, or not a good one.
    #[inline(never)]
    pub(super) fn parse_arp(packet: &[u8]) -> Option<Self> {
        let ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr: mac,
            source_protocol_addr: owner,
            target_protocol_addr: target,
            ..
        } = ArpRepr::parse(&ArpPacket::new_checked(packet).ok()?).ok()?
        else {
            return None;
        };
        let kind = match operation {
            ArpOperation::Request => Kind::Question,
            ArpOperation::Reply => Kind::Answer,
            ArpOperation::Unknown(_) => return None,
        };
        let named = !owner.is_broadcast() && !owner.is_multicast() && !owner.is_loopback();
        (mac.is_unicast() && named).then_some(Self {
            kind,
            owner: owner.into(),
            mac,
            target: target.into(),
            weak: false,
        })
    }

    /// Reads the neighbour discovery message in an IPv6 packet from `sender`. RFC 4861 7.1.1, 7.1.2: what is not from the link,
    /// not whole, or contradicts itself, is none.
    #[cfg(feature = "ipv6")]
    #[inline(never)]
    pub(super) fn parse_ndisc(packet: &Packet<'_>, sender: EthernetAddress) -> Option<Self> {
        // Behind options it is none.
        let ip = Ipv6Packet::new_unchecked(packet.bytes);
        if ip.next_header() != IpProtocol::Icmpv6 || ip.hop_limit() != 255 {
            return None;
        }
        let (source, destination) = (ip.src_addr(), ip.dst_addr());
        let icmp = Icmpv6Packet::new_checked(packet.payload).ok()?;
        if icmp.msg_code() != 0 {
            return None;
        }
        let repr =
            Icmpv6Repr::parse(&source, &destination, &icmp, &ChecksumCapabilities::default());
        let Icmpv6Repr::Ndisc(repr) = repr.ok()? else { return None };
        let (kind, owner, target, option, weak) = match repr {
            NdiscRepr::NeighborSolicit { target_addr, lladdr } => {
                let probe = source.is_unspecified();
                if probe && (lladdr.is_some() || destination != solicited_node(target_addr)) {
                    return None;
                }
                (Kind::Question, source, target_addr, lladdr, false)
            }
            NdiscRepr::NeighborAdvert { flags, target_addr, lladdr } => {
                if destination.is_multicast() && flags.contains(NdiscNeighborFlags::SOLICITED) {
                    return None;
                }
                let weak = !flags.contains(NdiscNeighborFlags::OVERRIDE);
                (Kind::Answer, target_addr, target_addr, lladdr, weak)
            }
            _ => return None,
        };
        // Without the option, a message to us alone still has a sender (RFC 4861 4.3, 4.4).
        let mac = match option {
            Some(raw) => match raw.parse(Medium::Ethernet) {
                Ok(HardwareAddress::Ethernet(mac)) => mac,
                _ => return None,
            },
            None => sender,
        };
        (mac.is_unicast() && !owner.is_multicast() && !target.is_multicast()).then_some(Self {
            kind,
            owner: owner.into(),
            mac,
            target: target.into(),
            weak,
        })
    }
}

impl Message {
    /// Bytes of its frame.
    pub(crate) fn len(&self) -> usize {
        match self.target {
            IpAddress::Ipv4(_) => 14 + 28,
            // Without the option: nobody may learn from a probe (RFC 4861 4.3).
            #[cfg(feature = "ipv6")]
            IpAddress::Ipv6(_) if self.owner.is_unspecified() => MESSAGE_SIZE - 8,
            // smoltcp's own features may be wider than ours when a workspace unifies them.
            #[allow(unreachable_patterns)]
            _ => MESSAGE_SIZE,
        }
    }

    /// Writes its frame of [`Message::len`] bytes.
    #[inline(never)]
    pub(crate) fn emit(&self, buffer: &mut [u8]) {
        let mut ethernet = EthernetFrame::new_unchecked(buffer);
        ethernet.set_src_addr(self.mac);
        match (self.owner, self.target) {
            (IpAddress::Ipv4(owner), IpAddress::Ipv4(target)) => {
                self.emit_arp(&mut ethernet, owner, target);
            }
            #[cfg(feature = "ipv6")]
            (IpAddress::Ipv6(owner), IpAddress::Ipv6(target)) => {
                self.emit_ndisc(&mut ethernet, owner, target);
            }
            #[allow(unreachable_patterns)]
            _ => {}
        }
    }

    fn emit_arp(
        &self,
        ethernet: &mut EthernetFrame<&mut [u8]>,
        owner: Ipv4Address,
        target: Ipv4Address,
    ) {
        let (operation, to, target_mac) = match self.kind {
            Kind::Question => {
                (ArpOperation::Request, EthernetAddress::BROADCAST, EthernetAddress([0; 6]))
            }
            Kind::Answer => (ArpOperation::Reply, self.to, self.to),
        };
        ethernet.set_dst_addr(to);
        ethernet.set_ethertype(EthernetProtocol::Arp);
        let repr = ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr: self.mac,
            source_protocol_addr: owner,
            target_hardware_addr: target_mac,
            target_protocol_addr: target,
        };
        repr.emit(&mut ArpPacket::new_unchecked(ethernet.payload_mut()));
    }

    #[cfg(feature = "ipv6")]
    fn emit_ndisc(
        &self,
        ethernet: &mut EthernetFrame<&mut [u8]>,
        owner: Ipv6Address,
        target: Ipv6Address,
    ) {
        let own = Some(self.mac.into());
        let (repr, destination) = match self.kind {
            Kind::Question => (
                NdiscRepr::NeighborSolicit {
                    target_addr: target,
                    lladdr: own.filter(|_| !owner.is_unspecified()),
                },
                solicited_node(target),
            ),
            // RFC 4861 7.2.4: who probes has no address yet.
            Kind::Answer if target.is_unspecified() => (
                NdiscRepr::NeighborAdvert {
                    flags: NdiscNeighborFlags::OVERRIDE,
                    target_addr: owner,
                    lladdr: own,
                },
                ALL_NODES,
            ),
            Kind::Answer => (
                NdiscRepr::NeighborAdvert {
                    flags: NdiscNeighborFlags::OVERRIDE | NdiscNeighborFlags::SOLICITED,
                    target_addr: owner,
                    lladdr: own,
                },
                target,
            ),
        };
        let octets = destination.octets();
        ethernet.set_dst_addr(if destination.is_multicast() {
            EthernetAddress([0x33, 0x33, octets[12], octets[13], octets[14], octets[15]])
        } else {
            self.to
        });
        ethernet.set_ethertype(EthernetProtocol::Ipv6);
        let repr = Icmpv6Repr::Ndisc(repr);
        let ip = Ipv6Repr {
            src_addr: owner,
            dst_addr: destination,
            next_header: IpProtocol::Icmpv6,
            payload_len: repr.buffer_len(),
            hop_limit: 255,
        };
        let mut packet = Ipv6Packet::new_unchecked(ethernet.payload_mut());
        ip.emit(&mut packet);
        let mut icmp = Icmpv6Packet::new_unchecked(packet.payload_mut());
        repr.emit(&owner, &destination, &mut icmp, &ChecksumCapabilities::default());
    }
}

/// RFC 4291 2.7.1.
#[cfg(feature = "ipv6")]
const ALL_NODES: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// The group that everybody with the last 24 bits of this address is in (RFC 4291 2.7.1).
#[cfg(feature = "ipv6")]
const fn solicited_node(address: Ipv6Address) -> Ipv6Address {
    let [.., a, b, c] = address.octets();
    let low = (b as u16) << 8 | c as u16;
    Ipv6Address::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | a as u16, low)
}
