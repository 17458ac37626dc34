//! A part of a frame: as many bytes as were captured, and as many as there were.

/// Bytes from some header on.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) bytes: &'a [u8],
    /// Bytes there were; no less than were captured.
    pub(super) len: usize,
}

impl<'a> View<'a> {
    pub(super) fn new(bytes: &'a [u8], len: usize) -> Self {
        Self { bytes, len: len.max(bytes.len()) }
    }

    /// What comes after `count` bytes.
    pub(super) fn skip(self, count: usize) -> Self {
        let bytes = self.bytes.get(count..).unwrap_or_default();
        Self { bytes, len: self.len.saturating_sub(count) }
    }

    /// No more than `len` bytes, for the rest is a link's padding.
    pub(super) fn limit(self, len: usize) -> Self {
        let bytes = &self.bytes[..self.bytes.len().min(len)];
        Self { bytes, len: self.len.min(len) }
    }

    /// Whether all of it was captured.
    pub(super) const fn whole(self) -> bool {
        self.bytes.len() == self.len
    }

    pub(super) fn array<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.bytes.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    pub(super) fn u8(self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    pub(super) fn u16(self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_be_bytes)
    }

    pub(super) fn u32(self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_be_bytes)
    }
}
