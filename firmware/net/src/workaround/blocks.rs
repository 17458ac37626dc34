//! What has come in behind a hole is told more than once (RFC 2018 4), and what has come in twice at all (DSACK, RFC 2883).
//!
//! smoltcp 0.14 (socket/tcp.rs:1475, `ack_reply`) tells the block of the newest segment alone, once: with that
//! acknowledgement the sender would lose it. So those before it follow it here, and what came in twice goes first. Cost: a
//! copy of the acknowledgement on the call stack while there is a hole.

use smoltcp::phy::{ChecksumCapabilities, Medium};
#[cfg(feature = "ipv6")]
use smoltcp::wire::Ipv6Packet;
use smoltcp::wire::{IpVersion, Ipv4Packet, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber};

use super::replay::Draft;
use crate::frame::{ETHERNET_HEADER, Frame};
use crate::limits::FRAME_SIZE;
use crate::seq::distance;

/// The longest frame that is taken for an acknowledgement.
pub(crate) const ACKNOWLEDGEMENT: usize = ETHERNET_HEADER + 40 + 60;

/// From a number to behind another.
pub(crate) type Block = (u32, u32);

/// What an acknowledgement tells.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Report {
    /// What came in twice.
    pub(crate) duplicate: Option<Block>,
    /// Behind holes, as told before; the newest first.
    pub(crate) earlier: [Option<Block>; 2],
}

impl Report {
    /// Whether it has more to tell than smoltcp.
    pub(crate) fn is_due(&self) -> bool {
        self.duplicate.is_some() || self.earlier[0].is_some()
    }

    /// All blocks of an acknowledgement of `ack` with the `newest`, which is remembered.
    fn blocks(&mut self, ack: TcpSeqNumber, newest: Option<Block>) -> [Option<Block>; 3] {
        let number = |number: u32| TcpSeqNumber(number.cast_signed());
        let before = |one: u32, other: u32| distance(number(other), number(one)) > 0;
        // A block that has grown, or is not behind a hole any more, is no other.
        let other = |&(left, right): &Block| {
            let apart =
                newest.is_some_and(|(begin, end)| before(right, begin) || before(end, left));
            apart && distance(number(right), ack) > 0
        };
        let [first, second] = self.earlier;
        let mut rest = [first, second].into_iter().flatten().filter(other);
        self.earlier = [newest, rest.next()];
        let last = rest.next();
        let [first, second] = self.earlier;
        let mut all = [self.duplicate, first, second, last].into_iter().flatten();
        [all.next(), all.next(), all.next()]
    }
}

impl Draft {
    /// Puts all that is to be told into an acknowledgement; all else stays as it is. `checksum`: that of TCP is ours to
    /// compute.
    #[inline(never)]
    pub(crate) fn report(&mut self, report: &mut Report, medium: Medium, checksum: bool) {
        let ip = Self::BEGIN + if medium == Medium::Ethernet { ETHERNET_HEADER } else { 0 };
        let frame = Frame::parse(self.written(), medium);
        let Some(segment) = frame.and_then(|frame| frame.segment()) else { return };
        let (source, destination) = (segment.source.addr, segment.destination.addr);
        let Some(repr) = segment.repr() else { return };
        let Some(ack) = repr.ack_number else { return };
        if repr.control != TcpControl::None || !repr.payload.is_empty() {
            return;
        }
        let sack_ranges = report.blocks(ack, repr.sack_ranges[0]);
        let repr = TcpRepr { sack_ranges, payload: &[], ..repr };
        let begin = Self::BEGIN + segment.offset;
        let end = (begin + repr.buffer_len()).min(FRAME_SIZE);
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
