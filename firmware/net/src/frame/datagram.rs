//! UDP datagrams without a socket (RFC 768): one in a packet that came, and one of the stack's own.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{IpRepr, UdpPacket, UdpRepr};

use super::{ETHERNET_HEADER, Link, Packet, ethertype, put_link};

/// Length of a datagram's header.
pub(crate) const HEADER: usize = 8;

impl<'p> Packet<'p> {
    /// What is in a datagram, if it is whole: its header, its length, and the checksums that are not the device's to verify.
    #[inline(never)]
    pub(crate) fn datagram(&self, checksums: &ChecksumCapabilities) -> Option<&'p [u8]> {
        let datagram = UdpPacket::new_checked(self.payload).ok()?;
        UdpRepr::parse(&datagram, &self.source, &self.destination, checksums).ok()?;
        self.is_sound(checksums.ipv4.rx()).then_some(datagram.payload())
    }
}

/// Bytes of a frame with this packet.
pub(crate) fn frame_len(link: Option<Link>, ip: &IpRepr) -> usize {
    if link.is_some() { ETHERNET_HEADER + ip.buffer_len() } else { ip.buffer_len() }
}

/// Writes a packet's header, and before it the link's, where there is one. Returns the room behind them.
pub(crate) fn put_headers<'f>(
    frame: &'f mut [u8],
    link: Option<Link>,
    ip: &IpRepr,
    checksums: &ChecksumCapabilities,
) -> Option<&'f mut [u8]> {
    let mut begin = 0;
    if let Some(link) = link {
        put_link(frame, link, ethertype(&ip.src_addr()));
        begin = ETHERNET_HEADER;
    }
    let packet = frame.get_mut(begin..)?;
    ip.emit(&mut *packet, checksums);
    packet.get_mut(ip.header_len()..)
}

/// Writes a datagram between these ports into `room` of just its length, behind the header of its packet.
pub(crate) fn put_datagram(
    room: &mut [u8],
    ip: &IpRepr,
    [from, to]: [u16; 2],
    payload: &[u8],
    checksum: bool,
) {
    let len = room.len() as u16;
    let Some((header, data)) = room.split_first_chunk_mut::<HEADER>() else { return };
    header[..2].copy_from_slice(&from.to_be_bytes());
    header[2..4].copy_from_slice(&to.to_be_bytes());
    header[4..6].copy_from_slice(&len.to_be_bytes());
    header[6..].fill(0);
    data.copy_from_slice(payload);
    if checksum {
        UdpPacket::new_unchecked(room).fill_checksum(&ip.src_addr(), &ip.dst_addr());
    }
}
