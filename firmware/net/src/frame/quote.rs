//! ICMP errors about TCP segments of ours (RFC 792, RFC 4443 3), and the packet that each of them quotes.

use smoltcp::phy::ChecksumCapabilities;
#[cfg(feature = "ipv6")]
use smoltcp::wire::Icmpv6Packet;
use smoltcp::wire::{
    Icmpv4Packet, IpAddress, IpEndpoint, IpProtocol, Ipv4Address, Ipv4Packet, TcpSeqNumber,
};

use crate::frame::{FourTuple, Packet};

/// Sizes of packets that links take, for a router that does not name its own (RFC 1191 7.1).
const PLATEAUS: [u16; 9] = [32_000, 17_914, 8166, 4352, 2002, 1492, 1006, 508, PATH_MTU_MIN];

/// What is said to be the smallest packet of a path is taken for this at least: nobody has a link with less, and every
/// segment of less costs more in headers than it carries.
pub(crate) const PATH_MTU_MIN: u16 = 296;

/// The smallest that IPv6 knows (RFC 8200 5); who says less is not believed (RFC 8201 4).
#[cfg(feature = "ipv6")]
const IPV6_MTU_MIN: u32 = 1280;

/// What an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Nobody is there who would take it: RFC 9293 3.9.2.2, hard errors.
    Hard,
    /// It may pass: soft errors.
    Soft,
    /// A packet on this path has this many bytes at most, with its IP header.
    TooBig(u16),
}

/// An ICMP error about a segment that we are said to have sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QuotedSegment {
    pub(crate) ends: FourTuple,
    pub(crate) seq: TcpSeqNumber,
    pub(crate) cause: Cause,
}

impl QuotedSegment {
    /// Reads an ICMP error. `None`: it is none, is not sound, or not about TCP.
    #[inline(never)]
    pub(crate) fn parse(packet: &Packet<'_>, checksums: &ChecksumCapabilities) -> Option<Self> {
        let (&[kind, code, _, _], rest) = packet.payload.split_first_chunk::<4>()?;
        let (&word, quote) = rest.split_first_chunk::<4>()?;
        match (packet.protocol, packet.source, packet.destination) {
            (IpProtocol::Icmp, IpAddress::Ipv4(_), IpAddress::Ipv4(_)) => {
                let quoted = Quote::ipv4(quote)?;
                let cause = match (kind, code) {
                    (3, 2 | 3) => Cause::Hard,
                    (3, 4) => too_big_ipv4(u16::from_be_bytes([word[2], word[3]]), quote)?,
                    (3 | 11 | 12, _) => Cause::Soft,
                    _ => return None,
                };
                let icmp = Icmpv4Packet::new_unchecked(packet.payload);
                let sound = !checksums.icmpv4.rx() || icmp.verify_checksum();
                sound.then(|| Self::new(&quoted, cause)).flatten()
            }
            #[cfg(feature = "ipv6")]
            (IpProtocol::Icmpv6, IpAddress::Ipv6(source), IpAddress::Ipv6(destination)) => {
                let cause = match (kind, code) {
                    (1, 1 | 4) => Cause::Hard,
                    (2, _) => too_big_ipv6(u32::from_be_bytes(word))?,
                    (1 | 3 | 4, _) => Cause::Soft,
                    _ => return None,
                };
                let icmp = Icmpv6Packet::new_unchecked(packet.payload);
                let sound = !checksums.icmpv6.rx() || icmp.verify_checksum(&source, &destination);
                let quoted = Quote::ipv6(quote)?;
                sound.then(|| Self::new(&quoted, cause)).flatten()
            }
            _ => None,
        }
    }

    fn new(quote: &Quote<'_>, cause: Cause) -> Option<Self> {
        let (ends, seq) = quote.segment()?;
        Some(Self { ends, seq, cause })
    }
}

/// A packet that we are said to have sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quote<'f> {
    pub(crate) local: IpAddress,
    pub(crate) remote: IpAddress,
    pub(crate) protocol: IpProtocol,
    /// What is behind its header, as far as it is quoted.
    pub(crate) payload: &'f [u8],
}

impl<'f> Quote<'f> {
    /// Of a fragment, only the first quotes what is behind the header.
    pub(super) fn ipv4(quote: &'f [u8]) -> Option<Self> {
        let header = quote.first_chunk::<20>()?;
        let ip = Ipv4Packet::new_unchecked(&header[..]);
        let [local, remote]: [Ipv4Address; 2] = [ip.src_addr(), ip.dst_addr()];
        (ip.version() == 4 && ip.frag_offset() == 0).then_some(Self {
            local: local.into(),
            remote: remote.into(),
            protocol: ip.next_header(),
            payload: quote.get(usize::from(ip.header_len()).max(20)..)?,
        })
    }

    /// Ours have no extension headers.
    #[cfg(feature = "ipv6")]
    pub(super) fn ipv6(quote: &'f [u8]) -> Option<Self> {
        let (header, payload) = quote.split_first_chunk::<40>()?;
        let ip = smoltcp::wire::Ipv6Packet::new_unchecked(&header[..]);
        (ip.version() == 6).then_some(Self {
            local: ip.src_addr().into(),
            remote: ip.dst_addr().into(),
            protocol: ip.next_header(),
            payload,
        })
    }

    /// Of a TCP segment, the connection and the sequence number: they are in the first eight bytes, all that an error must
    /// quote (RFC 792).
    pub(crate) fn segment(&self) -> Option<(FourTuple, TcpSeqNumber)> {
        let &[ours, our, theirs, their, seq @ ..] = self.payload.first_chunk::<8>()?;
        let ends = FourTuple {
            local: IpEndpoint::new(self.local, u16::from_be_bytes([ours, our])),
            remote: IpEndpoint::new(self.remote, u16::from_be_bytes([theirs, their])),
        };
        let seq = TcpSeqNumber(i32::from_be_bytes(seq));
        (self.protocol == IpProtocol::Tcp).then_some((ends, seq))
    }
}

/// Fragmentation Needed: a router that says nothing of a size has one of the usual ones below that of the packet
/// (RFC 1191 5); one that names a size that the packet had contradicts itself.
fn too_big_ipv4(named: u16, quote: &[u8]) -> Option<Cause> {
    let total = Ipv4Packet::new_unchecked(quote).total_len();
    let mtu = match named {
        0 => PLATEAUS.into_iter().find(|&plateau| plateau < total)?,
        _ => named,
    };
    (mtu < total).then_some(Cause::TooBig(mtu.max(PATH_MTU_MIN)))
}

#[cfg(feature = "ipv6")]
fn too_big_ipv6(named: u32) -> Option<Cause> {
    (named >= IPV6_MTU_MIN).then(|| Cause::TooBig(named.min(u32::from(u16::MAX)) as u16))
}
