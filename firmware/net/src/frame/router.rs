//! A router's advertisement (RFC 4861 4.2), with the options that a host has a use for (RFC 4861 4.6, RFC 8106 5.1). The
//! question for it is a [`Message`](super::discovery::Message).

use smoltcp::wire::{Icmpv6Packet, IpAddress, IpProtocol, Ipv6Address};

use super::Packet;

const ADVERTISEMENT: u8 = 134;
/// Kinds of options: a prefix, an MTU, servers for names.
const PREFIX: u8 = 3;
const MTU: u8 = 5;
const SERVERS: u8 = 25;
/// A prefix's flags: its addresses are on this link, and a host may make itself one of them.
const ON_LINK: u8 = 1 << 7;
const AUTONOMOUS: u8 = 1 << 6;

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

impl Packet<'_> {
    /// A router's advertisement, whether well-formed or not.
    pub(super) fn is_advertisement(&self) -> bool {
        self.protocol == IpProtocol::Icmpv6 && self.payload.first() == Some(&ADVERTISEMENT)
    }
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
