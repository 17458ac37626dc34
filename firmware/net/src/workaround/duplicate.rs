//! What has come in twice is told (DSACK, RFC 2883), so that its sender learns that it need not have sent it again.
//!
//! smoltcp 0.14 (socket/tcp.rs:1475, `ack_reply`) answers with the blocks that it has, and one at most. The block goes before
//! that into the acknowledgement that smoltcp has written. Cost: a copy of that on the call stack, for what came twice.

use smoltcp::phy::{ChecksumCapabilities, Medium};
#[cfg(feature = "ipv6")]
use smoltcp::wire::Ipv6Packet;
use smoltcp::wire::{IpVersion, Ipv4Packet, TcpControl, TcpPacket, TcpRepr};

use super::replay::Draft;
use crate::frame::{ETHERNET_HEADER, Frame};
use crate::limits::FRAME_SIZE;

/// The longest frame that is taken for an acknowledgement.
pub(crate) const ACKNOWLEDGEMENT: usize = ETHERNET_HEADER + 40 + 60;

impl Draft {
    /// Puts the block of what came in twice into an acknowledgement; all else stays as it is. `checksum`: that of TCP is ours
    /// to compute.
    #[inline(never)]
    pub(crate) fn put_duplicate(&mut self, block: (u32, u32), medium: Medium, checksum: bool) {
        let ip = Self::BEGIN + if medium == Medium::Ethernet { ETHERNET_HEADER } else { 0 };
        let frame = Frame::parse(self.written(), medium);
        let Some(segment) = frame.and_then(|frame| frame.segment()) else { return };
        let (source, destination) = (segment.source.addr, segment.destination.addr);
        let Some(repr) = segment.repr() else { return };
        let [first, second, _] = repr.sack_ranges;
        let bare = repr.control == TcpControl::None && repr.payload.is_empty();
        let repr = TcpRepr { sack_ranges: [Some(block), first, second], payload: &[], ..repr };
        let begin = Self::BEGIN + segment.offset;
        let end = begin + repr.buffer_len();
        if !bare || end > FRAME_SIZE {
            return;
        }
        let mut tcp = TcpPacket::new_unchecked(&mut self.buffer[begin..end]);
        repr.emit(&mut tcp, &source, &destination, &ChecksumCapabilities::ignored());
        if checksum {
            tcp.fill_checksum(&source, &destination);
        }
        self.set_end(end);
        let len = (end - ip) as u16;
        if source.version() == IpVersion::Ipv4 {
            let mut packet = Ipv4Packet::new_unchecked(&mut self.buffer[ip..end]);
            packet.set_total_len(len);
            packet.fill_checksum();
        } else {
            #[cfg(feature = "ipv6")]
            Ipv6Packet::new_unchecked(&mut self.buffer[ip..end]).set_payload_len(len - 40);
        }
    }
}
