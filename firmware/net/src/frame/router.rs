//! What routers and hosts say to each other: a router's advertisement and a host's solicitation (RFC 4861 4.1, 4.2), with the
//! options that a host has a use for (RFC 4861 4.6, RFC 8106 5.1).

use smoltcp::wire::{
    EthernetAddress, EthernetProtocol, Icmpv6Packet, IpAddress, IpProtocol, Ipv6Address,
    Ipv6Packet, Ipv6Repr,
};

use super::{ETHERNET_HEADER, Link, Packet, put_link};

const SOLICITATION: u8 = 133;
pub(super) const ADVERTISEMENT: u8 = 134;
/// Kinds of options: the sender's MAC address, a prefix, an MTU, servers for names.
const SOURCE_LINK: u8 = 1;
const PREFIX: u8 = 3;
const MTU: u8 = 5;
const SERVERS: u8 = 25;
/// A prefix's flags: its addresses are on this link, and a host may make itself one of them.
const ON_LINK: u8 = 1 << 7;
const AUTONOMOUS: u8 = 1 << 6;

/// RFC 4291 2.7.1.
const ALL_ROUTERS: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// A router's advertisement that was found good.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Advertisement<'f> {
    /// The router's link-local address.
    pub(crate) source: Ipv6Address,
    /// How many seconds it is a default router. 0: it is none.
    pub(crate) lifetime: u16,
    /// Whether it is to be preferred to others (RFC 4191 2.1): usually 1, or 2, or 0 if others are to it.
    pub(crate) preference: u8,
    options: &'f [u8],
}

/// An option of an advertisement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advice<'f> {
    Prefix(Prefix),
    Mtu(u32),
    /// Servers for names, 16 bytes each, and for how many seconds they are good.
    Servers(&'f [u8], u32),
}

/// A prefix of 64 bits in which a host may make itself an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prefix {
    pub(crate) bits: [u8; 8],
    pub(crate) on_link: bool,
    /// Seconds; all ones: for ever.
    pub(crate) valid: u32,
    /// At most as many.
    pub(crate) preferred: u32,
}

impl<'f> Advertisement<'f> {
    /// Reads a router's advertisement. `None`: it is none, or not a good one (RFC 4861 6.1.2).
    #[inline(never)]
    pub(super) fn parse(packet: &Packet<'f>) -> Option<Self> {
        // From here to there directly: the highest hop limit, and no extension header.
        let [_, _, _, _, _, _, 58, 255, ..] = *packet.bytes else { return None };
        let (IpAddress::Ipv6(source), IpAddress::Ipv6(destination)) =
            (packet.source, packet.destination)
        else {
            return None;
        };
        let [ADVERTISEMENT, 0, _, _, _, flags, high, low, _, _, _, _, _, _, _, _, options @ ..] =
            packet.payload
        else {
            return None;
        };
        let icmp = Icmpv6Packet::new_unchecked(packet.payload);
        if !source.is_unicast_link_local() || !icmp.verify_checksum(&source, &destination) {
            return None;
        }
        let mut rest = options;
        while !rest.is_empty() {
            rest = split(rest)?.1;
        }
        let preference = match flags >> 3 & 3 {
            1 => 2,
            3 => 0,
            _ => 1,
        };
        let lifetime = u16::from_be_bytes([*high, *low]);
        Some(Self { source, lifetime, preference, options })
    }

    /// The options that a host has a use for.
    pub(crate) fn advice(&self) -> impl Iterator<Item = Advice<'f>> + use<'f> {
        let mut rest = self.options;
        core::iter::from_fn(move || {
            loop {
                let (option, behind) = split(rest)?;
                rest = behind;
                if let Some(advice) = Advice::read(option) {
                    return Some(advice);
                }
            }
        })
    }
}

impl<'f> Advice<'f> {
    /// Reads an option. `None`: there is no use for it.
    fn read(option: &'f [u8]) -> Option<Self> {
        // Each is at least as long.
        let [kind, _, a, b, word @ ..] = *option.first_chunk::<8>()?;
        let word = u32::from_be_bytes(word);
        match kind {
            PREFIX => Prefix::read(option, a, b, word).map(Self::Prefix),
            MTU => Some(Self::Mtu(word)),
            SERVERS => Some(Self::Servers(&option[8..], word)),
            _ => None,
        }
    }
}

impl Prefix {
    /// RFC 4862 5.5.3 a to d. No host has an address in one of groups or of loopback.
    fn read(option: &[u8], len: u8, flags: u8, valid: u32) -> Option<Self> {
        let preferred = u32::from_be_bytes(*option.get(8..)?.first_chunk()?);
        let bits = *option.get(16..32)?.first_chunk::<8>()?;
        let ours = !matches!(bits, [0xff, ..] | [0xfe, 0x80..=0xbf, ..] | [0, 0, 0, 0, 0, 0, 0, 0]);
        let good = len == 64 && flags & AUTONOMOUS != 0 && preferred <= valid && ours;
        good.then_some(Self { bits, on_link: flags & ON_LINK != 0, valid, preferred })
    }
}

/// The first option, and what is behind it. `None`: there is none, or it is broken.
fn split(options: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = usize::from(*options.get(1)?) * 8;
    options.split_at_checked(len).filter(|_| len > 0)
}

/// A question for the routers on the link, from the address `own` at `mac` (RFC 4861 4.1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Solicitation {
    pub(crate) mac: EthernetAddress,
    pub(crate) own: Ipv6Address,
}

impl Solicitation {
    /// Bytes of its frame.
    pub(crate) const LEN: usize = ETHERNET_HEADER + 40 + 16;

    /// Writes its frame of [`Solicitation::LEN`] bytes.
    #[inline(never)]
    pub(crate) fn emit(&self, frame: &mut [u8]) {
        let destination = EthernetAddress([0x33, 0x33, 0, 0, 0, 2]);
        put_link(frame, Link { source: self.mac, destination }, EthernetProtocol::Ipv6);
        let ip = Ipv6Repr {
            src_addr: self.own,
            dst_addr: ALL_ROUTERS,
            next_header: IpProtocol::Icmpv6,
            payload_len: 16,
            hop_limit: 255,
        };
        let mut packet = Ipv6Packet::new_unchecked(&mut frame[ETHERNET_HEADER..]);
        ip.emit(&mut packet);
        let icmp = packet.payload_mut();
        icmp.fill(0);
        (icmp[0], icmp[8], icmp[9]) = (SOLICITATION, SOURCE_LINK, 1);
        icmp[10..].copy_from_slice(&self.mac.0);
        Icmpv6Packet::new_unchecked(icmp).fill_checksum(&self.own, &ALL_ROUTERS);
    }
}
