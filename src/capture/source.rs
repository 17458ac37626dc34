//! The bytes of a capture, read in pieces, with numbers of either byte order.

use std::io::{self, Read};

use super::error::CaptureError;

/// Bytes for which there is room before it is known whether they are there.
const ROOM: usize = 64 << 10;

/// The file, block by block.
#[derive(Debug)]
pub(super) struct Source<R> {
    from: R,
    pub(super) big_endian: bool,
    /// The current block's body, or whatever [`Source::fill`] was asked for last.
    pub(super) bytes: Vec<u8>,
    /// Where in the file the current block begins, and how far it was read.
    pub(super) block_at: u64,
    pub(super) read: u64,
    pub(super) truncated: bool,
    /// A compressed file ended within.
    cut: bool,
}

impl<R: Read> Source<R> {
    pub(super) const fn new(from: R) -> Self {
        Self {
            from,
            big_endian: false,
            bytes: Vec::new(),
            block_at: 0,
            read: 0,
            truncated: false,
            cut: false,
        }
    }

    /// Reads that many bytes; `false` at the file's end. Memory grows with what is there, and by no more than
    /// [`ROOM`] with what was asked for.
    pub(super) fn fill(&mut self, len: u32) -> Result<bool, CaptureError> {
        self.bytes.clear();
        self.bytes.reserve_exact(ROOM.min(len as usize));
        let mut part = (&mut self.from).take(u64::from(len));
        match part.read_to_end(&mut self.bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => self.cut = true,
            result => _ = result.map_err(CaptureError::Read)?,
        }
        let count = self.bytes.len();
        self.read += count as u64;
        let whole = count as u64 == u64::from(len);
        self.truncated |= !whole;
        Ok(whole)
    }

    /// Reads the first bytes of a block; `false` at the file's end, which is a good place for it.
    pub(super) fn begin(&mut self, len: u32) -> Result<bool, CaptureError> {
        self.block_at = self.read;
        let before = self.truncated;
        let whole = self.fill(len)?;
        self.truncated = before || self.cut || (!whole && !self.bytes.is_empty());
        Ok(whole)
    }

    /// Skips that many bytes, without memory for them; `false` at the file's end.
    pub(super) fn skip(&mut self, len: u32) -> Result<bool, CaptureError> {
        let mut part = (&mut self.from).take(u64::from(len));
        let count = match io::copy(&mut part, &mut io::sink()) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            result => result.map_err(CaptureError::Read)?,
        };
        self.read += count;
        let whole = count == u64::from(len);
        self.truncated |= !whole;
        Ok(whole)
    }

    pub(super) fn malformed(&self, what: &'static str) -> CaptureError {
        CaptureError::Malformed { offset: self.block_at, what }
    }

    pub(super) fn u16(&self, at: usize) -> u16 {
        let bytes = self.bytes[at..at + 2].try_into().expect("two bytes");
        if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    pub(super) fn u32(&self, at: usize) -> u32 {
        let bytes = self.bytes[at..at + 4].try_into().expect("four bytes");
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    pub(super) fn u64(&self, at: usize) -> u64 {
        let bytes = self.bytes[at..at + 8].try_into().expect("eight bytes");
        if self.big_endian { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) }
    }
}
