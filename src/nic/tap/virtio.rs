//! The header that precedes each frame of a TAP opened with `IFF_VNET_HDR`: which work on the frame is
//! left to its receiver.
//!
//! `struct virtio_net_hdr` (Virtio 1.2, 5.1.6) in the machine's byte order, which is the TAP's unless it
//! is told otherwise.

use std::num::NonZeroU16;

use crate::nic::header_layout::{fold, set_u16, sum};

/// Bytes of the header.
pub(super) const HEADER_LEN: usize = 10;

/// The receiver has to compute the checksum, from `checksum_start` to the end.
const NEEDS_CHECKSUM: u8 = 1;
const TCP_OVER_IPV4: u8 = 1;
const TCP_OVER_IPV6: u8 = 4;
/// Together with one of the two: only the first segment keeps CWR (RFC 3168 6.1.2).
const ECN: u8 = 0x80;

/// What the header says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// Where a checksum has to be put that covers everything from `start`, and which holds the sum of
    /// its pseudo-header so far.
    pub(super) checksum: Option<Partial>,
    /// TCP's segments are to be made of the frame.
    pub(super) segments: Option<Segments>,
}

/// A checksum left to be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Partial {
    /// Where what it covers begins.
    pub(super) start: u16,
    /// Where it goes, from there.
    pub(super) offset: u16,
}

/// How a frame is to be split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segments {
    /// IPv6, not IPv4.
    pub(super) ipv6: bool,
    /// Payload bytes of all but the last segment.
    pub(super) size: NonZeroU16,
    /// Bytes of all the headers. The kernel's own is a hint, and not looked at.
    pub(super) headers: u16,
}

/// A header that asks for something we did not offer to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unsupported;

impl Header {
    /// Reads a header.
    pub(super) fn parse(bytes: &[u8; HEADER_LEN]) -> Result<Self, Unsupported> {
        let word = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
        let partial = Partial { start: word(6), offset: word(8) };
        let checksum = (bytes[0] & NEEDS_CHECKSUM != 0).then_some(partial);
        let (headers, size) = (word(2), word(4));
        let segments = match bytes[1] & !ECN {
            0 => None,
            kind @ (TCP_OVER_IPV4 | TCP_OVER_IPV6) => {
                let size = NonZeroU16::new(size).ok_or(Unsupported)?;
                Some(Segments { ipv6: kind == TCP_OVER_IPV6, size, headers })
            }
            _ => return Err(Unsupported),
        };
        Ok(Self { checksum, segments })
    }

    /// Writes it.
    pub(super) fn bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let mut set = |at: usize, word: u16| bytes[at..at + 2].copy_from_slice(&word.to_ne_bytes());
        if let Some(Segments { size, headers, .. }) = self.segments {
            set(2, headers);
            set(4, size.get());
        }
        if let Some(Partial { start, offset }) = self.checksum {
            set(6, start);
            set(8, offset);
        }
        bytes[0] = if self.checksum.is_some() { NEEDS_CHECKSUM } else { 0 };
        bytes[1] = match self.segments {
            None => 0,
            Some(Segments { ipv6: false, .. }) => TCP_OVER_IPV4,
            Some(Segments { ipv6: true, .. }) => TCP_OVER_IPV6,
        };
        bytes
    }
}

impl Partial {
    /// Computes the checksum in `frame`. `None`: it would lie outside.
    pub(super) fn fill(self, frame: &mut [u8]) -> Option<()> {
        let start = usize::from(self.start);
        let at = start + usize::from(self.offset);
        frame.get(at..at + 2)?;
        // What it covers begins before it, so this is within the frame as well.
        let checksum = !fold(sum(&frame[start..]));
        // 0 would say that there is none (RFC 768); to others both are the same.
        set_u16(frame, at, if checksum == 0 { 0xffff } else { checksum });
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_they_are_written() {
        let size = NonZeroU16::new(1448).expect("not 0");
        let segments = |ipv6| Some(Segments { ipv6, size, headers: 66 });
        let checksum = Some(Partial { start: 34, offset: 16 });
        for header in [
            Header::default(),
            Header { checksum, segments: None },
            Header { checksum, segments: segments(false) },
            Header { checksum, segments: segments(true) },
        ] {
            assert_eq!(Header::parse(&header.bytes()), Ok(header));
        }
    }

    #[test]
    fn the_layout_is_the_kernels() {
        let size = NonZeroU16::new(0x0506).expect("not 0");
        let header = Header {
            checksum: Some(Partial { start: 0x0102, offset: 0x0304 }),
            segments: Some(Segments { ipv6: true, size, headers: 0x0708 }),
        };
        let mut expected = vec![1, 4];
        for word in [0x0708_u16, 0x0506, 0x0102, 0x0304] {
            expected.extend(word.to_ne_bytes());
        }
        assert_eq!(header.bytes().as_slice(), expected);
    }

    #[test]
    fn what_was_not_offered_is_refused() {
        let mut bytes = [0, 0, 0, 0, 8, 8, 0, 0, 0, 0];
        for kind in 0..=u8::MAX {
            bytes[1] = kind;
            let known = matches!(kind & 0x7f, 0 | 1 | 4);
            assert_eq!(Header::parse(&bytes).is_ok(), known, "kind {kind}");
        }
        bytes = [1, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(Header::parse(&bytes), Err(Unsupported), "segments of no size");
    }

    #[test]
    fn a_partial_checksum_is_filled_in_or_found_outside() {
        // Words 0x0001 + 0xf203 + 0xf4f5 + 0xf6f7 make 0xddf2 (RFC 1071 3).
        let mut frame = [9, 9, 0, 0, 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Partial { start: 2, offset: 0 }.fill(&mut frame), Some(()));
        assert_eq!(frame[..4], [9, 9, 0x22, 0x0d]);
        for (start, offset) in [(12, 0), (11, 0), (0, 11), (10, 2), (u16::MAX, u16::MAX)] {
            assert_eq!(Partial { start, offset }.fill(&mut frame), None, "{start} {offset}");
        }
        let mut frame = [0xff, 0xff, 0, 0];
        Partial { start: 0, offset: 2 }.fill(&mut frame).unwrap();
        assert_eq!(frame, [0xff, 0xff, 0xff, 0xff], "0 means that there is none");
    }
}
