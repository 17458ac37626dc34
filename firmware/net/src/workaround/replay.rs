//! smoltcp sends any segment again, and no other.
//!
//! smoltcp 0.14 sends again either all from SND.UNA on, when its timer expires (socket/tcp.rs:2481), or the first segment
//! alone, after three duplicates (2503). Its timer has a floor of a second (154), its fast retransmit heeds no window. So
//! both are kept from acting: duplicates are not shown to it (`Tcb::absorbs`), and before its timer can expire, it is made
//! to, at a time of our own: its socket is polled through an interface made for that alone, whose clock is ahead of its
//! timer. All that it emits then comes by here, and what is to be sent again leaves; the rest is swallowed. Its timer
//! then stands in that future. Nothing else of a socket remembers that time: its timeout is off, and a round trip that it
//! might take from it only moves a timer which never acts.
//!
//! Cost: a frame and an interface on the call stack, and smoltcp's work for all that is outstanding.

use core::ops::Range;

use smoltcp::iface::Interface;
use smoltcp::phy::{ChecksumCapabilities, DeviceCapabilities};
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, IpVersion, Ipv4Packet, TcpPacket, TcpSeqNumber};

use crate::frame::{Content, ETHERNET_HEADER as HEADER, Segment};
use crate::ip_interface;
use crate::limits::FRAME_SIZE;
use crate::seq::{distance, later};

/// The interface, with the address `own` and this time. Its device can do as little as any: ordinary packets without
/// checksums, which are put into what leaves, and none longer than the path takes (RFC 1191, RFC 8201): to a socket that is
/// open, smoltcp has no call for that.
#[inline(never)]
pub(crate) fn interface(
    own: IpAddress,
    capabilities: &DeviceCapabilities,
    path_mtu: Option<usize>,
    at: Instant,
) -> Interface {
    let mut plain = DeviceCapabilities::default();
    plain.medium = capabilities.medium;
    let mtu = capabilities.ip_mtu().min(FRAME_SIZE - HEADER);
    plain.max_transmission_unit = path_mtu.unwrap_or(mtu).min(mtu);
    plain.checksum = ChecksumCapabilities::ignored();
    ip_interface::host(own, &plain, at, 0)
}

/// What smoltcp emits through that interface, and what is put into it.
#[derive(Debug)]
pub(crate) struct Replay {
    /// The checksums of IPv4 and TCP are ours to compute.
    pub(crate) checksums: (bool, bool),
    /// Behind all that was emitted.
    pub(crate) end: TcpSeqNumber,
}

/// A packet that is written before it is known whether it leaves, behind room for an Ethernet header.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) buffer: [u8; FRAME_SIZE],
    len: usize,
}

impl Draft {
    /// Where it begins.
    pub(super) const BEGIN: usize = HEADER;

    /// It ends there.
    pub(super) const fn set_end(&mut self, end: usize) {
        self.len = end;
    }

    /// Nothing is written yet. All zeros, which take no place in flash.
    #[cfg(feature = "smoltcp-sockets")]
    pub(crate) const EMPTY: Self = Self { buffer: [0; FRAME_SIZE], len: 0 };

    #[cfg(feature = "smoltcp-sockets")]
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes what is written elsewhere.
    #[cfg(feature = "smoltcp-sockets")]
    pub(crate) fn copy(&mut self, other: &mut Self) {
        self.buffer[..other.len].copy_from_slice(&other.buffer[..other.len]);
        self.len = other.len;
    }

    /// It, with so many bytes of the room before it.
    pub(crate) fn frame(&mut self, header: usize) -> &mut [u8] {
        &mut self.buffer[Self::BEGIN - header..self.len]
    }

    /// One of `len` bytes, as `write` writes it.
    pub(crate) fn new<R>(len: usize, write: impl FnOnce(&mut [u8]) -> R) -> (Self, R) {
        let len = (HEADER + len).min(FRAME_SIZE);
        let mut packet = Self { buffer: [0; FRAME_SIZE], len };
        let result = write(&mut packet.buffer[HEADER..len]);
        (packet, result)
    }

    /// It, as it was written.
    pub(crate) fn written(&mut self) -> &mut [u8] {
        self.buffer.get_mut(HEADER..self.len).unwrap_or_default()
    }

    /// The segment in it.
    pub(crate) fn segment(&self) -> Option<Segment<'_>> {
        Content::parse(&self.buffer[HEADER..self.len]).segment()
    }
}

impl Replay {
    /// Notes where a segment that was emitted ends, whether it leaves or not.
    pub(crate) fn note(&mut self, segment: &Segment<'_>) {
        let end = later(segment.seq, segment.sequence_len());
        if distance(end, self.end) > 0 {
            self.end = end;
        }
    }

    /// Completes a packet with this segment, of `source` and `destination`.
    #[inline(never)]
    pub(crate) fn complete(
        &self,
        packet: &mut Draft,
        segment: Range<usize>,
        source: &IpAddress,
        destination: &IpAddress,
    ) {
        let frame = &mut packet.buffer[..packet.len];
        let (ipv4, tcp) = self.checksums;
        if tcp {
            let mut tcp = TcpPacket::new_unchecked(&mut frame[HEADER..][segment]);
            tcp.fill_checksum(source, destination);
        }
        if ipv4 && source.version() == IpVersion::Ipv4 {
            Ipv4Packet::new_unchecked(&mut frame[HEADER..]).fill_checksum();
        }
    }
}
