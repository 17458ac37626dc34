//! Redirects: the first hop to a destination says that there is a nearer one (RFC 792, RFC 4861 4.5).

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{Icmpv4Packet, IpAddress, Ipv4Address};
#[cfg(feature = "ipv6")]
use smoltcp::wire::{Icmpv6Packet, IpProtocol, Ipv6Address};

use super::Packet;
use super::quote::Quote;
use crate::ethernet::EthernetAddress;

const ICMPV4: u8 = 5;
#[cfg(feature = "ipv6")]
const ICMPV6: u8 = 137;
/// Kinds of options: the MAC address of the nearer hop, and the packet that is the occasion.
#[cfg(feature = "ipv6")]
const TARGET_LINK: u8 = 2;
#[cfg(feature = "ipv6")]
const REDIRECTED: u8 = 4;

/// A redirect that was found good, which says nothing of whether it is to be believed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Redirect<'f> {
    /// Who says so.
    pub(crate) source: IpAddress,
    /// To whom.
    pub(crate) to: IpAddress,
    /// For packets to this address alone: a redirect for a network is one for the host (RFC 1122 3.2.2.2).
    pub(crate) destination: IpAddress,
    /// To whom they are to be handed. It is the destination itself if that is on the link (RFC 4861 4.5).
    pub(crate) hop: IpAddress,
    /// Where that is, if it is told.
    pub(crate) mac: Option<EthernetAddress>,
    /// What we are said to have sent to the destination.
    pub(crate) quote: Option<Quote<'f>>,
}

#[cfg(feature = "ipv6")]
impl Packet<'_> {
    /// A redirect of neighbour discovery, whether well-formed or not.
    pub(super) fn is_redirect(&self) -> bool {
        self.protocol == IpProtocol::Icmpv6 && self.payload.first() == Some(&ICMPV6)
    }
}

impl<'f> Redirect<'f> {
    /// Reads an ICMP packet. `None`: it is no redirect (RFC 792), or not sound.
    #[inline(never)]
    pub(crate) fn parse_ipv4(
        packet: &Packet<'f>,
        checksums: &ChecksumCapabilities,
    ) -> Option<Self> {
        let [ICMPV4, 0..=3, _, _, a, b, c, d, quote @ ..] = packet.payload else { return None };
        let quote = Quote::ipv4(quote)?;
        let icmp = Icmpv4Packet::new_unchecked(packet.payload);
        let sound = packet.is_sound(checksums.ipv4.rx())
            && (!checksums.icmpv4.rx() || icmp.verify_checksum());
        sound.then_some(Self {
            source: packet.source,
            to: packet.destination,
            destination: quote.remote,
            hop: Ipv4Address::new(*a, *b, *c, *d).into(),
            mac: None,
            quote: Some(quote),
        })
    }

    /// Reads a redirect of neighbour discovery. `None`: it is none, or not valid (RFC 4861 8.1).
    #[cfg(feature = "ipv6")]
    #[inline(never)]
    pub(super) fn parse_ipv6(packet: &Packet<'f>) -> Option<Self> {
        // From here to there directly: the highest hop limit, and no extension header.
        let [_, _, _, _, _, _, 58, 255, ..] = *packet.bytes else { return None };
        let (IpAddress::Ipv6(source), IpAddress::Ipv6(to)) = (packet.source, packet.destination)
        else {
            return None;
        };
        let [ICMPV6, 0, _, _, _, _, _, _, body @ ..] = packet.payload else { return None };
        let (&hop, body) = body.split_first_chunk::<16>()?;
        let (&destination, mut options) = body.split_first_chunk::<16>()?;
        let [hop, destination] = [hop, destination].map(Ipv6Address::from);
        let icmp = Icmpv6Packet::new_unchecked(packet.payload);
        if !source.is_unicast_link_local() || !icmp.verify_checksum(&source, &to) {
            return None;
        }
        let (mut mac, mut quote) = (None, None);
        while !options.is_empty() {
            let (option, rest) = options.split_at_checked(usize::from(*options.get(1)?) * 8)?;
            let (&[kind, _, address @ ..], packet) = option.split_first_chunk::<8>()?;
            match kind {
                TARGET_LINK => mac = Some(EthernetAddress(address)),
                REDIRECTED => quote = Quote::ipv6(packet),
                _ => {}
            }
            options = rest;
        }
        let near = hop.is_unicast_link_local() || hop == destination;
        (near && !destination.is_multicast()).then_some(Self {
            source: source.into(),
            to: to.into(),
            destination: destination.into(),
            hop: hop.into(),
            mac,
            quote,
        })
    }
}
