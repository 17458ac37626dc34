//! UDP datagrams without a socket (RFC 768): one in a packet that came, and one of the stack's own, with all of its headers.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{IpEndpoint, IpProtocol, IpRepr, UdpPacket, UdpRepr};

use super::{ETHERNET_HEADER, Link, Packet, ethertype, put_link};

impl<'p> Packet<'p> {
    /// The datagram in it, if it is whole: its header, its length, and the checksums that are not the device's to verify.
    #[inline(never)]
    pub(crate) fn datagram(&self, checksums: &ChecksumCapabilities) -> Option<UdpPacket<&'p [u8]>> {
        let datagram = UdpPacket::new_checked(self.payload).ok()?;
        UdpRepr::parse(&datagram, &self.source, &self.destination, checksums).ok()?;
        self.is_sound(checksums.ipv4.rx()).then_some(datagram)
    }
}

/// A datagram to be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Datagram<'p> {
    /// Where the medium has MAC addresses.
    pub(crate) link: Option<Link>,
    pub(crate) from: IpEndpoint,
    pub(crate) to: IpEndpoint,
    pub(crate) hop_limit: u8,
    pub(crate) payload: &'p [u8],
}

impl Datagram<'_> {
    fn ip(&self) -> IpRepr {
        let (from, to) = (self.from.addr, self.to.addr);
        IpRepr::new(from, to, IpProtocol::Udp, 8 + self.payload.len(), self.hop_limit)
    }

    const fn begin(&self) -> usize {
        if self.link.is_some() { ETHERNET_HEADER } else { 0 }
    }

    /// Bytes of its frame.
    pub(crate) fn len(&self) -> usize {
        self.begin() + self.ip().buffer_len()
    }

    /// Writes its frame of [`Datagram::len`] bytes.
    #[inline(never)]
    pub(crate) fn emit(&self, frame: &mut [u8], checksums: &ChecksumCapabilities) {
        let &Self { link, from, to, payload, .. } = self;
        let (ip, begin) = (self.ip(), self.begin());
        if let Some(link) = link {
            put_link(frame, link, ethertype(&to.addr));
        }
        let frame = &mut frame[begin..];
        ip.emit(&mut *frame, checksums);
        UdpRepr { src_port: from.port, dst_port: to.port }.emit(
            &mut UdpPacket::new_unchecked(&mut frame[ip.header_len()..]),
            &from.addr,
            &to.addr,
            payload.len(),
            |room| room.copy_from_slice(payload),
            checksums,
        );
    }
}
