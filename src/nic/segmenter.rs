//! A superframe, handed out as the frames that a MAC would have received.
//!
//! The kernel gives many segments of one connection as a single frame, with one set of headers. A
//! [`Segmenter`] makes the frames from it in place: each frame's headers are written right in front of its
//! payload, over the payload before it, which is out already. So nothing but headers is copied, and
//! the frames go one at a time. They are the kernel's own (`tcp_gso_segment`): the sequence number
//! and IPv4's identification count on, FIN and PSH are the last frame's, CWR the first one's, and all
//! checksums are right; TCP's only if somebody looks at it.

use std::num::NonZeroU16;
use std::ops::Range;

use super::Offloads;
use super::header_layout::{CWR, FIN, HEADERS_LEN_MAX, HeaderLayout, PSH};

/// A superframe whose frames are not all out.
#[derive(Debug)]
pub(super) struct Segmenter {
    layout: HeaderLayout,
    /// Headers of the next frame, but for lengths and checksums.
    headers: [u8; HEADERS_LEN_MAX],
    /// Payload bytes of each frame but the last.
    size: usize,
    /// Where the next frame begins.
    next: usize,
    /// Where the superframe ends.
    end: usize,
}

impl Segmenter {
    /// How `frame` is to be split into segments of `size` bytes; `None` if it is no segment with data.
    pub(super) fn new(frame: &[u8], size: NonZeroU16) -> Option<Self> {
        let layout = HeaderLayout::of(frame)?;
        let end = frame.len();
        if layout.payload == end {
            return None;
        }
        let mut headers = [0; HEADERS_LEN_MAX];
        headers[..layout.payload].copy_from_slice(&frame[..layout.payload]);
        Some(Self { layout, headers, size: size.get().into(), next: 0, end })
    }

    /// IPv6, not IPv4.
    pub(super) fn ipv6(&self) -> bool {
        self.layout.ipv6
    }

    /// Bytes of its longest frame.
    pub(super) fn frame_len_max(&self) -> usize {
        (self.layout.payload + self.size).min(self.end)
    }

    /// Whether all frames are out.
    pub(super) fn is_empty(&self) -> bool {
        self.next + self.layout.payload >= self.end
    }

    /// Frames that are not out yet.
    pub(super) fn frames_left(&self) -> usize {
        self.end.saturating_sub(self.next + self.layout.payload).div_ceil(self.size)
    }

    /// Makes the next frame in `superframe`, which nobody else may have changed, and says where it is. It is
    /// one segment, or all but the last for a board that leaves reception, and the checksums, to its NIC; the last
    /// one comes by itself, with the FIN if there is one, so that many segments are also many to who acknowledges
    /// every second one. Its TCP checksum is computed unless the board leaves that out.
    pub(super) fn next(&mut self, superframe: &mut [u8], board: Offloads) -> Option<Range<usize>> {
        if self.is_empty() {
            return None;
        }
        let layout = self.layout;
        let merged = board.checksum && board.receive;
        // A division, which not each frame has to pay for.
        let segments = if merged { (self.frames_left() - 1).max(1) } else { 1 };
        let step = segments * self.size;
        let range = self.next..self.end.min(self.next + layout.payload + step);
        let frame = &mut superframe[range.clone()];
        let headers = &mut self.headers[..layout.payload];
        frame[..layout.payload].copy_from_slice(headers);
        if range.end < self.end {
            layout.set_flags(frame, layout.flags(frame) & !(FIN | PSH));
        }
        layout.set_len(frame);
        layout.fill_ipv4_checksum(frame);
        if !board.checksum {
            layout.fill_tcp_checksum(frame);
        }
        layout.set_flags(headers, layout.flags(headers) & !CWR);
        layout.set_sequence(headers, layout.sequence(headers).wrapping_add(step as u32));
        if let Some(identification) = layout.identification(headers) {
            layout.set_identification(headers, identification.wrapping_add(segments as u16));
        }
        self.next += step;
        Some(range)
    }
}
