//! What has come in behind a hole is told more than once (RFC 2018 4), and what has come in twice at all (DSACK, RFC 2883).
//!
//! smoltcp 0.14 (socket/tcp.rs:1475, `ack_reply`) tells the block of the newest segment alone, once: with that
//! acknowledgement the sender would lose it. So those before it follow it here, and what came in twice goes first. Cost: a
//! copy of the acknowledgement on the call stack while there is a hole.

#[cfg(feature = "ipv6")]
use smoltcp::wire::Ipv6Packet;
use smoltcp::wire::{IpVersion, Ipv4Packet, TCP_HEADER_LEN, TcpPacket, TcpSeqNumber};

use super::replay::Draft;
use crate::seq::distance;

/// As many as are told.
const BLOCKS: u8 = 3;

/// The longest packet that is taken for an acknowledgement.
pub(crate) const ACKNOWLEDGEMENT: usize = 40 + 60;

/// From a number to behind another.
pub(crate) type Block = (u32, u32);

/// As many are remembered: none where windows of a few segments have no room for them.
const REMEMBERED: usize = if cfg!(feature = "wide-scoreboard") { 2 } else { 0 };

/// Blocks that were told before, the newest first.
pub(crate) type Earlier = [Option<Block>; REMEMBERED];

/// None of them.
pub(crate) const NONE_TOLD: Earlier = [None; REMEMBERED];

/// What an acknowledgement tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    /// What came in twice.
    pub(crate) duplicate: Option<Block>,
    /// Behind holes, as told before.
    pub(crate) earlier: Earlier,
}

impl Report {
    /// Whether it has more to tell than smoltcp.
    pub(crate) fn is_due(&self) -> bool {
        self.duplicate.is_some() || self.earlier.iter().any(Option::is_some)
    }

    /// Calls `tell` for each block of an acknowledgement of `ack`, of which the `newest` is remembered.
    fn tell(&mut self, ack: TcpSeqNumber, newest: Option<Block>, mut tell: impl FnMut(Block)) {
        let number = |number: u32| TcpSeqNumber(number.cast_signed());
        let ahead = |one: u32, other: u32| distance(number(one), number(other)) > 0;
        let (earlier, mut kept, mut left) = (self.earlier, 0, BLOCKS);
        self.earlier = NONE_TOLD;
        let all = [self.duplicate, newest].into_iter().chain(earlier);
        for (place, block) in all.enumerate() {
            let Some((begin, end)) = block else { continue };
            // One that has grown, or is not behind a hole any more, is no other.
            let known =
                newest.is_none_or(|newest| !ahead(begin, newest.1) && !ahead(newest.0, end));
            if place > 1 && (known || !ahead(end, ack.0.cast_unsigned())) {
                continue;
            }
            if place > 0
                && let Some(earlier) = self.earlier.get_mut(kept)
            {
                *earlier = block;
                kept += 1;
            }
            if left > 0 {
                tell((begin, end));
                left -= 1;
            }
        }
    }
}

impl Draft {
    /// Puts all that is to be told into an acknowledgement; all else stays as it is. `checksum`: that of TCP is ours to
    /// compute.
    #[inline(never)]
    pub(crate) fn report(&mut self, report: &mut Report, checksum: bool) {
        let ip = Self::BEGIN;
        let Some(segment) = self.segment() else { return };
        let (source, destination) = (segment.source.addr, segment.destination.addr);
        let Some(ack) = segment.ack else { return };
        if segment.len > 0 || segment.syn || segment.fin || segment.rst {
            return;
        }
        let newest = segment.sack_ranges()[0];
        let begin = Self::BEGIN + segment.offset;
        // smoltcp has no other options here than the blocks.
        let mut end = begin + TCP_HEADER_LEN + 4;
        report.tell(ack, newest, |(left, right)| {
            self.buffer[end..end + 4].copy_from_slice(&left.to_be_bytes());
            self.buffer[end + 4..end + 8].copy_from_slice(&right.to_be_bytes());
            end += 8;
        });
        let option = (end - begin - TCP_HEADER_LEN - 2) as u8;
        if option == 2 {
            return;
        }
        // In front of it, two options that say nothing (RFC 2018, appendix A of RFC 7323).
        self.buffer[begin + TCP_HEADER_LEN..][..4].copy_from_slice(&[1, 1, 5, option]);
        let mut tcp = TcpPacket::new_unchecked(&mut self.buffer[begin..end]);
        tcp.set_header_len((end - begin) as u8);
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
