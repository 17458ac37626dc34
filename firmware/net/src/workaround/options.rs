//! TCP options that are broken are ignored (RFC 9293 3.1), and the segment is taken.
//!
//! smoltcp 0.14 (wire/tcp.rs:945, `Repr::parse`) drops a segment with an option whose length is not that of its kind, or leads
//! nowhere. So it is shown a copy in which such an option is room and nothing else. Cost: a look at each option; for a
//! broken one, a copy of the frame on the call stack.

use smoltcp::wire::{TCP_HEADER_LEN, TcpOption, TcpPacket};

use crate::frame::Segment;
use crate::limits::FRAME_SIZE;

/// Kinds of options that only take room (RFC 9293 3.2).
const END: u8 = 0;
const NO_OPERATION: u8 = 1;

/// Where in the header the flags are, and two of them (RFC 9293 3.1).
const FLAGS: usize = 13;
const SYN_AND_FIN: u8 = 0b11;

/// Whether smoltcp could not read all options.
pub(crate) fn are_broken(segment: &Segment<'_>) -> bool {
    first_broken(segment.packet().options()).is_some()
}

/// Whether smoltcp could not read a reset, which ends a connection whatever else it is (RFC 9293 3.10.7.4): it drops one
/// that has a SYN or a FIN (wire/tcp.rs:921).
pub(crate) const fn is_more_than_reset(segment: &Segment<'_>) -> bool {
    segment.rst && (segment.syn || segment.fin)
}

/// Where the first option is that smoltcp cannot read.
fn first_broken(options: &[u8]) -> Option<usize> {
    let mut rest = options;
    while !rest.is_empty() {
        match TcpOption::parse(rest) {
            Ok((_, TcpOption::EndOfList)) => break,
            Ok((next, _)) => rest = next,
            Err(_) => return Some(options.len() - rest.len()),
        }
    }
    None
}

/// Copies the frame of a segment, whose checksum is right, to `buffer` without what is broken; `None` if it is no ordinary
/// frame.
pub(crate) fn without_broken<'b>(
    segment: &Segment<'_>,
    frame: &[u8],
    buffer: &'b mut [u8; FRAME_SIZE],
) -> Option<&'b [u8]> {
    let copy = buffer.get_mut(..frame.len())?;
    copy.copy_from_slice(frame);
    let end = segment.offset + segment.packet().into_inner().len();
    let tcp = copy.get_mut(segment.offset..end)?;
    let options = tcp.get_mut(TCP_HEADER_LEN..usize::from(segment.packet().header_len()))?;
    // Each turn takes two bytes of them at least.
    while let Some(begin) = first_broken(options) {
        let broken = &mut options[begin..];
        match broken.get(1).map(|&len| usize::from(len)) {
            Some(len) if (2..=broken.len()).contains(&len) => broken[..len].fill(NO_OPERATION),
            _ => broken.fill(END),
        }
    }
    if segment.rst {
        tcp[FLAGS] &= !SYN_AND_FIN;
    }
    TcpPacket::new_unchecked(tcp).fill_checksum(&segment.source.addr, &segment.destination.addr);
    Some(copy)
}
