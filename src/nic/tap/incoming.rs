//! What one read of a TAP brought: a frame, or a superframe that is handed out frame by frame; with the checksums that the
//! kernel has left to us.
//!
//! No I/O: [`TapFile`](super::file::TapFile) reads into the [`Incoming`]'s buffer, says how much that was, and takes
//! frames from it until it is empty. Every frame is at most [`FRAME_LEN_MAX`] bytes long and has all its
//! checksums; what cannot become such frames is a [`Loss`]. A board that takes superframes gets all segments but the
//! last as one.
//!
//! If checksums are left out, because nobody is to look at them, it answers for them: what the kernel made
//! itself it never doubts, and what came from elsewhere is verified here.

use std::ops::Range;

use super::virtio::{HEADER_LEN, Header};
use crate::nic::Offloads;
use crate::nic::header_layout::{FRAME_LEN_MAX, SUPERFRAME_LEN_MAX};
use crate::nic::mac;
use crate::nic::segmenter::Segmenter;

/// The place for what is read; see the module's documentation.
pub(super) struct Incoming {
    /// A virtio-net header, a frame, and a byte more than the longest: who fills it read only a part.
    buffer: Box<[u8]>,
    contents: Contents,
    /// What the kernel does: if anything, there is a header in front of what is read.
    kernel: Offloads,
    /// What the board does not do itself. Superframes it takes only without checksums.
    board: Offloads,
}

#[derive(Debug)]
enum Contents {
    Nothing,
    /// One frame, of so many bytes.
    Frame(usize),
    Superframe(Segmenter),
}

/// Why what was read is no frame for the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// So many frames, longer than it takes.
    TooLong(u64),
    /// The header asks for something that was not offered, or contradicts the frame.
    Malformed,
    /// The checksum of TCP or UDP is wrong, and nobody else would see it.
    Unsound,
}

impl Incoming {
    /// An empty one, for frames of a kernel that does `kernel`.
    pub(super) fn new(kernel: Offloads) -> Self {
        let len = HEADER_LEN + SUPERFRAME_LEN_MAX + 1;
        let buffer = vec![0; len].into_boxed_slice();
        Self { buffer, contents: Contents::Nothing, kernel, board: Offloads::NONE }
    }

    /// What the board leaves to others from now on.
    pub(super) fn set_offloads(&mut self, board: Offloads) {
        self.board = board;
    }

    /// Whether nothing is left of what was read.
    pub(super) fn is_empty(&self) -> bool {
        match &self.contents {
            Contents::Nothing => true,
            Contents::Frame(_) => false,
            Contents::Superframe(segmenter) => segmenter.is_empty(),
        }
    }

    /// Where the next read goes. What was left of the last one is lost.
    pub(super) fn space(&mut self) -> &mut [u8] {
        self.contents = Contents::Nothing;
        &mut self.buffer[if self.kernel.header() { 0 } else { HEADER_LEN }..]
    }

    /// Notes that `len` bytes were read.
    pub(super) fn filled(&mut self, len: usize) -> Result<(), Loss> {
        let (header, frame) = self.buffer.split_at_mut(HEADER_LEN);
        let (len, header) = if self.kernel.header() {
            let header = header.first_chunk().and_then(|bytes| Header::parse(bytes).ok());
            (len.checked_sub(HEADER_LEN), header)
        } else {
            (Some(len), Some(Header::default()))
        };
        let (len, header) = len.zip(header).ok_or(Loss::Malformed)?;
        if len > SUPERFRAME_LEN_MAX {
            return Err(Loss::TooLong(1));
        }
        let frame = &mut frame[..len];
        self.contents = if let Some(segments) = header.segments {
            let segmenter = Segmenter::new(frame, segments.size)
                .filter(|segmenter| segmenter.ipv6() == segments.ipv6);
            let segmenter = segmenter.ok_or(Loss::Malformed)?;
            if segmenter.frame_len_max() > FRAME_LEN_MAX {
                return Err(Loss::TooLong(segmenter.frames_left() as u64));
            }
            Contents::Superframe(segmenter)
        } else {
            if len > FRAME_LEN_MAX {
                return Err(Loss::TooLong(1));
            }
            if let Some(partial) = header.checksum {
                partial.fill(frame).ok_or(Loss::Malformed)?;
            } else if self.board.checksum && !mac::sound(frame) {
                return Err(Loss::Unsound);
            }
            Contents::Frame(len)
        };
        Ok(())
    }

    /// The next frame.
    pub(super) fn next(&mut self) -> Option<&[u8]> {
        let frames = &mut self.buffer[HEADER_LEN..];
        let frame: Range<usize> = match &mut self.contents {
            Contents::Nothing => return None,
            Contents::Frame(len) => {
                let frame = 0..*len;
                self.contents = Contents::Nothing;
                frame
            }
            Contents::Superframe(segmenter) => segmenter.next(frames, self.board)?,
        };
        Some(&frames[frame])
    }
}

#[cfg(test)]
mod tests;
