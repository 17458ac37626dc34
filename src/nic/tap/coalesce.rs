//! Consecutive segments of one connection, gathered into one superframe.
//!
//! The firmware writes each frame into the [`Coalescer`]'s buffer, right behind the one before it: so
//! that its headers cover the end of that one's payload, which is saved meanwhile, and its own payload
//! is in its final place. If it continues the run, the saved bytes go back, and nothing but headers was
//! copied. If not, the run is written and the frame moved to the front.
//!
//! **Contract.** What the kernel makes of the superframe (or would, for it keeps it whole as long as it
//! can) is what the firmware sent: a frame joins only if its addresses, ports, options, window,
//! acknowledgement number and flags are those of the run, its sequence number is next, and its
//! checksums are right; a frame whose checksums are wrong goes out alone, as it is, for the host to
//! drop. A segment with PSH or FIN, or shorter than the first, ends its run and is written with it at
//! once. Anything else that is no plain segment with data goes out at once as well, after the run:
//! frames never overtake each other. What remains is written by [`Coalescer::flush`].
//!
//! If the firmware leaves the checksums of TCP and UDP out, those of a run are left to the kernel, and those
//! of any other frame, which is short as a rule, are computed here.
//!
//! **Cost.** One buffer of 64 KiB, no allocation; one checksum pass a segment.

use std::num::NonZeroU16;

use super::virtio::{HEADER_LEN, Header, Partial, Segments};
use crate::nic::Offloads;
use crate::nic::header_layout::{
    ACK, ECE, FIN, FRAME_LEN_MAX, HEADERS_LEN_MAX, HeaderLayout, PSH, SUPERFRAME_LEN_MAX,
    TCP_CHECKSUM,
};
use crate::nic::mac;

/// Segments with data, gathered so far at the front of the buffer.
#[derive(Clone, Copy, Debug)]
struct Run {
    layout: HeaderLayout,
    /// Payload bytes of its first segment, hence of all but the last.
    size: usize,
    /// Bytes of the superframe so far.
    len: usize,
    segments: u16,
    /// Sequence number of the segment that continues it.
    sequence: u32,
    /// What the firmware did not do for its segments.
    board: Offloads,
}

/// What goes out in one write.
#[derive(Debug)]
pub(super) struct Batch<'b> {
    /// The virtio-net header and the frame.
    pub(super) bytes: &'b [u8],
    /// Frames in it, each as the firmware made it or would have.
    pub(super) frames: u16,
    /// Their bytes.
    pub(super) frame_bytes: usize,
}

/// The gatherer of segments; see the module's documentation.
pub(super) struct Coalescer {
    /// A virtio-net header, then a superframe or the beginning of one.
    buffer: Box<[u8]>,
    run: Option<Run>,
    /// What the kernel does; it segments, or nothing is gathered.
    kernel: Offloads,
    /// What the firmware leaves to others: frames may come without checksums of TCP and UDP.
    board: Offloads,
    /// Bytes of a superframe at most.
    limit: usize,
}

impl Coalescer {
    /// An empty one. For a kernel that does not segment it gathers nothing: every frame goes out alone.
    pub(super) fn new(kernel: Offloads) -> Self {
        // Behind the longest run, one frame can be found not to join it.
        let len = HEADER_LEN + SUPERFRAME_LEN_MAX + FRAME_LEN_MAX;
        let buffer = vec![0; len].into_boxed_slice();
        Self { buffer, run: None, kernel, board: Offloads::NONE, limit: SUPERFRAME_LEN_MAX }
    }

    /// What the firmware leaves to others from now on.
    pub(super) fn set_offloads(&mut self, board: Offloads) {
        self.board = board;
    }

    /// Sets the longest superframe, bytes; from the next frame on. One that is longer by then is not cut.
    pub(super) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Lets `fill` make a frame of `len` bytes, all 0 before, and writes what is not to wait.
    pub(super) fn frame<R>(
        &mut self,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> R,
        mut write: impl FnMut(&Batch<'_>),
    ) -> R {
        assert!(len <= FRAME_LEN_MAX, "a frame of {len} bytes does not fit this NIC");
        let Some(run) = self.run.filter(|run| run.has_room(len, self.limit)) else {
            self.flush(&mut write);
            let frame = &mut self.buffer[HEADER_LEN..][..len];
            frame.fill(0);
            let result = fill(frame);
            self.begin(len, write);
            return result;
        };
        let headers_len = run.layout.payload;
        let mut covered = [0; HEADERS_LEN_MAX];
        let covered = &mut covered[..headers_len];
        let (before, rest) = self.buffer[HEADER_LEN..].split_at_mut(run.len - headers_len);
        let frame = &mut rest[..len];
        covered.copy_from_slice(&frame[..headers_len]);
        frame.fill(0);
        let result = fill(frame);
        if let Some(last) = run.joined_by(&before[..headers_len], frame) {
            let flags = run.layout.flags(frame);
            frame[..headers_len].copy_from_slice(covered);
            run.layout.set_flags(before, flags);
            let run = Run {
                len: run.len + len - headers_len,
                segments: run.segments + 1,
                sequence: run.sequence.wrapping_add((len - headers_len) as u32),
                ..run
            };
            self.run = Some(run);
            if last {
                self.flush(write);
            }
        } else {
            // Back in the run's place comes what is its own; the frame moves to the front.
            frame[..headers_len].swap_with_slice(covered);
            self.flush(&mut write);
            let frames = &mut self.buffer[HEADER_LEN..];
            frames.copy_within(run.len..run.len - headers_len + len, headers_len);
            frames[..headers_len].copy_from_slice(covered);
            self.begin(len, write);
        }
        result
    }

    /// Lets `fill` make a superframe of `len` bytes, all of them, and writes it, to be split into segments of
    /// `size` bytes. Its checksum of TCP is left to the kernel.
    pub(super) fn superframe<R>(
        &mut self,
        len: usize,
        size: NonZeroU16,
        fill: impl FnOnce(&mut [u8]) -> R,
        mut write: impl FnMut(&Batch<'_>),
    ) -> R {
        assert!(len <= SUPERFRAME_LEN_MAX, "a superframe of {len} bytes is beyond IP");
        self.flush(&mut write);
        let frame = &mut self.buffer[HEADER_LEN..][..len];
        let result = fill(frame);
        let (mut header, mut frames, mut frame_bytes) = (Header::default(), 1, len);
        if let Some(layout) = HeaderLayout::of(frame) {
            header = left_to_kernel(layout, frame, Some(size));
            frames = (len - layout.payload).div_ceil(size.get().into()).max(1);
            frame_bytes += (frames - 1) * layout.payload;
        }
        self.buffer[..HEADER_LEN].copy_from_slice(&header.bytes());
        let bytes = &self.buffer[..HEADER_LEN + len];
        write(&Batch { bytes, frames: frames as u16, frame_bytes });
        result
    }

    /// Writes the run that is under way.
    pub(super) fn flush(&mut self, mut write: impl FnMut(&Batch<'_>)) {
        let Some(run) = self.run.take() else { return };
        let frame = &mut self.buffer[HEADER_LEN..][..run.len];
        let header = if run.segments > 1 || run.board.checksum {
            run.close(frame)
        } else {
            Header::default()
        };
        self.buffer[..HEADER_LEN].copy_from_slice(&header.bytes());
        let headers = usize::from(run.segments - 1) * run.layout.payload;
        write(&Batch {
            bytes: &self.buffer[..HEADER_LEN + run.len],
            frames: run.segments,
            frame_bytes: run.len + headers,
        });
    }

    /// Begins a run with the frame of `len` bytes at the front, or writes it.
    fn begin(&mut self, len: usize, mut write: impl FnMut(&Batch<'_>)) {
        let frame = &mut self.buffer[HEADER_LEN..][..len];
        self.run = if self.kernel.segmentation { Run::of(frame, self.board) } else { None };
        if self.run.is_none() {
            if self.board.checksum {
                mac::fill(frame);
            }
            self.buffer[..HEADER_LEN].copy_from_slice(&Header::default().bytes());
            let bytes = &self.buffer[..HEADER_LEN + len];
            write(&Batch { bytes, frames: 1, frame_bytes: len });
        }
    }
}

impl Run {
    /// A run that begins with `frame`: a segment with data that others may follow. The payload has to be
    /// as long as the headers, for the next headers will cover the end of it.
    fn of(frame: &[u8], board: Offloads) -> Option<Self> {
        let layout = HeaderLayout::of(frame)?;
        let size = frame.len() - layout.payload;
        let plain = layout.flags(frame) & !ECE == ACK;
        (plain && size >= layout.payload && layout.sound(frame, board)).then(|| Self {
            layout,
            size,
            len: frame.len(),
            segments: 1,
            sequence: layout.sequence(frame).wrapping_add(size as u32),
            board,
        })
    }

    /// Whether a frame of `len` bytes could join, up to a superframe of `limit` bytes.
    fn has_room(&self, len: usize, limit: usize) -> bool {
        (self.layout.payload + 1..=self.layout.payload + self.size).contains(&len)
            && self.len + len - self.layout.payload <= self.layout.frame_len_max().min(limit)
    }

    /// Whether `frame` continues the run, whose first headers are `first`; and if so, whether it is the
    /// last.
    fn joined_by(&self, first: &[u8], frame: &[u8]) -> Option<bool> {
        let layout = self.layout;
        if HeaderLayout::of(frame) != Some(layout)
            || !layout.alike(first, frame)
            || layout.sequence(frame) != self.sequence
            || !self.counts_on(first, frame)
            || !layout.sound(frame, self.board)
        {
            return None;
        }
        let short = frame.len() < layout.payload + self.size;
        Some(short || layout.flags(frame) & (FIN | PSH) != 0)
    }

    /// IPv4's identification counts on, as it will when the kernel splits the superframe. Where it has no
    /// meaning, it may also stay as it is.
    fn counts_on(&self, first: &[u8], frame: &[u8]) -> bool {
        let layout = self.layout;
        let (Some(first_id), Some(id)) =
            (layout.identification(first), layout.identification(frame))
        else {
            return true;
        };
        let fixed = id == first_id && layout.atomic(first);
        fixed || id == first_id.wrapping_add(self.segments)
    }

    /// Makes one frame of all that was gathered, and the header that tells how to split it, if that is to be
    /// done, and where the checksum goes.
    fn close(&self, frame: &mut [u8]) -> Header {
        let layout = self.layout;
        let several = self.segments > 1;
        layout.set_len(frame);
        layout.fill_ipv4_checksum(frame);
        left_to_kernel(layout, frame, NonZeroU16::new(self.size as u16).filter(|_| several))
    }
}

/// Leaves the checksum of TCP to the kernel, and the splitting into segments of `size` bytes, if that is to be
/// done.
fn left_to_kernel(layout: HeaderLayout, frame: &mut [u8], size: Option<NonZeroU16>) -> Header {
    layout.leave_tcp_checksum(frame);
    Header {
        checksum: Some(Partial { start: layout.tcp as u16, offset: TCP_CHECKSUM as u16 }),
        segments: size.map(|size| Segments {
            ipv6: layout.ipv6,
            size,
            headers: layout.payload as u16,
        }),
    }
}

#[cfg(test)]
mod tests;
