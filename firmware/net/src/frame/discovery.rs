//! What neighbours ask and answer: ARP (RFC 826) and neighbour discovery (RFC 4861), in the words of both.
//!
//! A [`Message`] is a question for an address or the answer to one, as a whole Ethernet frame.

#[cfg(feature = "ipv6")]
use smoltcp::wire::{Icmpv6Packet, IpProtocol, Ipv6Address, Ipv6Packet, Ipv6Repr};
use smoltcp::wire::{IpAddress, Ipv4Address};

#[cfg(feature = "ipv6")]
use super::ETHERNET_HEADER;
#[cfg(feature = "ipv6")]
use super::Packet;
#[cfg(feature = "ipv6")]
use super::group_mac;
use super::{EtherType, Link, put_link};
use crate::ethernet::EthernetAddress;
#[cfg(feature = "slaac")]
use ndisc::ROUTER_SOLICITATION;
#[cfg(feature = "ipv6")]
use ndisc::{ADVERTISEMENT, ICMPV6, OVERRIDE, SOLICITATION, SOLICITED, SOURCE_LINK, TARGET_LINK};

/// The longest: 14 bytes of Ethernet, 40 of IPv6, 24 of `ICMPv6` and 8 for an option with a MAC address.
pub(crate) const MESSAGE_SIZE: usize = 14 + 40 + 24 + 8;

/// Of an ARP packet: Ethernet and IPv4, and how long the addresses of both are (RFC 826).
const ARP: [u8; 6] = [0, 1, 8, 0, 6, 4];

/// A question or an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Who has it?
    Question,
    /// It is at this MAC address.
    Answer,
    /// Which routers are there? The target is all of them (RFC 4861 4.1).
    #[cfg(feature = "slaac")]
    Solicitation,
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
        let (kind, rest) = packet.strip_prefix(&ARP)?.split_first_chunk::<2>()?;
        let kind = match kind {
            [0, 1] => Kind::Question,
            [0, 2] => Kind::Answer,
            _ => return None,
        };
        let (&mac, rest) = rest.split_first_chunk::<6>()?;
        let (&owner, rest) = rest.split_first_chunk::<4>()?;
        let &target = rest.get(6..)?.first_chunk::<4>()?;
        let (mac, owner, target) =
            (EthernetAddress(mac), Ipv4Address::from(owner), Ipv4Address::from(target));
        // No host: loopback, multicast, and what is reserved, with the broadcast address.
        let named = !matches!(owner.octets()[0], 127 | 224..);
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
        // From here to there directly: the highest hop limit, and no extension header.
        let [_, _, _, _, _, _, ICMPV6, 255, ..] = *packet.bytes else { return None };
        let [kind, 0, _, _, flags, _, _, _, body @ ..] = packet.payload else { return None };
        let (&target, mut options) = body.split_first_chunk::<16>()?;
        let (IpAddress::Ipv6(source), IpAddress::Ipv6(destination)) =
            (&packet.source, &packet.destination)
        else {
            return None;
        };
        let icmp = Icmpv6Packet::new_unchecked(packet.payload);
        if !icmp.verify_checksum(source, destination) {
            return None;
        }
        let target = Ipv6Address::from(target);
        let (kind, owner, name) = match *kind {
            SOLICITATION => (Kind::Question, *source, SOURCE_LINK),
            ADVERTISEMENT => (Kind::Answer, target, TARGET_LINK),
            _ => return None,
        };
        // Without the option, a message to us alone still has a sender (RFC 4861 4.3, 4.4).
        let (mut mac, mut told) = (sender, false);
        while !options.is_empty() {
            let (option, rest) = options.split_at_checked(usize::from(*options.get(1)?) * 8)?;
            let [first, _, address @ ..] = *option.first_chunk::<8>()?;
            if first == name {
                (mac, told) = (EthernetAddress(address), true);
            }
            options = rest;
        }
        let contradicts = if kind == Kind::Answer {
            destination.is_multicast() && flags & SOLICITED != 0
        } else if *destination == solicited_node(target) {
            source.is_unspecified() && told
        } else {
            // The group of another address is not where this one is looked for.
            source.is_unspecified() || destination.is_multicast() && *destination != ALL_NODES
        };
        if contradicts {
            return None;
        }
        let weak = kind == Kind::Answer && flags & OVERRIDE == 0;
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
    #[cfg_attr(feature = "ipv6", inline(never))]
    pub(crate) fn len(&self) -> usize {
        match self.target {
            IpAddress::Ipv4(_) => 14 + 28,
            // Without the option: nobody may learn from a probe (RFC 4861 4.3).
            #[cfg(feature = "ipv6")]
            IpAddress::Ipv6(_) if self.owner.is_unspecified() => MESSAGE_SIZE - 8,
            // It is about nobody.
            #[cfg(feature = "slaac")]
            IpAddress::Ipv6(_) if self.kind == Kind::Solicitation => MESSAGE_SIZE - 16,
            // smoltcp's own features may be wider than ours when a workspace unifies them.
            #[allow(unreachable_patterns)]
            _ => MESSAGE_SIZE,
        }
    }

    /// Writes its frame of [`Message::len`] bytes.
    #[inline(never)]
    pub(crate) fn emit(&self, buffer: &mut [u8]) {
        // Of a length that the compiler knows.
        let mut frame = [0; MESSAGE_SIZE];
        match (&self.owner, &self.target) {
            (IpAddress::Ipv4(owner), IpAddress::Ipv4(target)) => {
                self.emit_arp(&mut frame, *owner, *target);
            }
            #[cfg(feature = "ipv6")]
            (IpAddress::Ipv6(owner), IpAddress::Ipv6(target)) => {
                self.emit_ndisc(&mut frame, owner, target, buffer.len());
            }
            #[allow(unreachable_patterns)]
            _ => {}
        }
        if let Some(frame) = frame.get(..buffer.len()) {
            buffer.copy_from_slice(frame);
        }
    }

    fn emit_arp(&self, frame: &mut [u8; MESSAGE_SIZE], owner: Ipv4Address, target: Ipv4Address) {
        let (operation, to, target_mac) = if self.kind == Kind::Answer {
            (2, self.to, self.to)
        } else {
            (1, EthernetAddress::BROADCAST, EthernetAddress([0; 6]))
        };
        put_link(frame, Link { source: self.mac, destination: to }, EtherType::ARP);
        frame[14..20].copy_from_slice(&ARP);
        frame[21] = operation;
        frame[22..28].copy_from_slice(&self.mac.0);
        frame[28..32].copy_from_slice(&owner.octets());
        frame[32..38].copy_from_slice(&target_mac.0);
        frame[38..42].copy_from_slice(&target.octets());
    }

    #[cfg(feature = "ipv6")]
    fn emit_ndisc(
        &self,
        frame: &mut [u8; MESSAGE_SIZE],
        owner: &Ipv6Address,
        target: &Ipv6Address,
        len: usize,
    ) {
        let (name, option, about, flags, destination) = match self.kind {
            Kind::Question => (SOLICITATION, SOURCE_LINK, target, 0, &solicited_node(*target)),
            // RFC 4861 7.2.4: who probes has no address yet.
            Kind::Answer if target.is_unspecified() => {
                (ADVERTISEMENT, TARGET_LINK, owner, OVERRIDE, &ALL_NODES)
            }
            Kind::Answer => (ADVERTISEMENT, TARGET_LINK, owner, OVERRIDE | SOLICITED, target),
            #[cfg(feature = "slaac")]
            Kind::Solicitation => (ROUTER_SOLICITATION, SOURCE_LINK, target, 0, target),
        };
        let to = group_mac(&(*destination).into()).unwrap_or(self.to);
        put_link(frame, Link { source: self.mac, destination: to }, EtherType::IPV6);
        let ip = Ipv6Repr {
            src_addr: *owner,
            dst_addr: *destination,
            next_header: IpProtocol::Icmpv6,
            payload_len: len - 14 - 40,
            hop_limit: 255,
        };
        ip.emit(&mut Ipv6Packet::new_unchecked(&mut frame[ETHERNET_HEADER..]));
        let icmp = &mut frame[14 + 40..];
        (icmp[0], icmp[4]) = (name, flags);
        let mut begin = 8;
        if name >= SOLICITATION {
            begin = 24;
            icmp[8..24].copy_from_slice(&about.octets());
        }
        if let Some([kind, len, address @ ..]) = icmp.get_mut(begin..len - 14 - 40) {
            (*kind, *len) = (option, 1);
            address.copy_from_slice(&self.mac.0);
        }
        let mut icmp = Icmpv6Packet::new_unchecked(&mut icmp[..len - 14 - 40]);
        icmp.fill_checksum(owner, destination);
    }
}

/// The numbers of neighbour discovery: the protocol (RFC 4443), its messages (RFC 4861 4.3, 4.4), the names of the options
/// with the sender's MAC address in a question and with the owner's in an answer (4.6.1), and an answer's flags (4.4).
#[cfg(feature = "ipv6")]
mod ndisc {
    pub(super) const ICMPV6: u8 = 58;
    #[cfg(feature = "slaac")]
    pub(super) const ROUTER_SOLICITATION: u8 = 133;
    pub(super) const SOLICITATION: u8 = 135;
    pub(super) const ADVERTISEMENT: u8 = 136;
    pub(super) const SOURCE_LINK: u8 = 1;
    pub(super) const TARGET_LINK: u8 = 2;
    pub(super) const SOLICITED: u8 = 1 << 6;
    pub(super) const OVERRIDE: u8 = 1 << 5;
}

/// RFC 4291 2.7.1.
#[cfg(feature = "slaac")]
pub(crate) const ALL_ROUTERS: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
#[cfg(feature = "ipv6")]
pub(crate) const ALL_NODES: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// The group that everybody with the last 24 bits of this address is in (RFC 4291 2.7.1).
#[cfg(feature = "ipv6")]
#[inline(never)]
pub(crate) const fn solicited_node(address: Ipv6Address) -> Ipv6Address {
    let [.., a, b, c] = address.octets();
    let low = (b as u16) << 8 | c as u16;
    Ipv6Address::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | a as u16, low)
}
