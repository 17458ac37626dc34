//! A frame, as it is handed to who draws it.

use smoltcp::time::Instant;

use crate::capture::{Direction, LinkType};

/// A frame to be drawn.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// When it was sent, if that is known.
    pub at: Option<Instant>,
    /// Which way, if that is known. With no direction known, who sends first stands left.
    pub direction: Option<Direction>,
    /// What it begins with.
    pub link: LinkType,
    /// The frame, as far as it was captured.
    pub bytes: &'a [u8],
    /// Bytes of the whole frame.
    pub len: usize,
    /// What is to be said of it.
    pub notes: &'a str,
    /// The notes are our link's, and tell whether it dropped the frame.
    pub ours: bool,
}

impl<'a> Frame<'a> {
    /// An Ethernet frame that was sent on our link at `now`.
    #[must_use]
    pub const fn sent(
        now: Instant,
        direction: Option<Direction>,
        bytes: &'a [u8],
        notes: &'a str,
    ) -> Self {
        let (link, len) = (LinkType::ETHERNET, bytes.len());
        Self { at: Some(now), direction, link, bytes, len, notes, ours: true }
    }

    /// Whether our link dropped it: a note says so with its first word.
    pub(super) fn is_dropped(&self) -> bool {
        self.ours && self.notes.split(", ").any(|note| note.starts_with("dropped"))
    }
}
