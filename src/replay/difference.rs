//! A difference between what a board said in a capture and what one says in the replay.

use std::fmt;

/// What differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Whether a connection was taken, refused, or left without an answer.
    Opening,
    /// What a SYN offers: MSS, window scale, SACK, timestamps.
    Options,
    /// Something was not said, though the peer waited for it.
    Unsaid,
    /// Bytes of a stream are other ones.
    Stream,
    /// A stream has fewer bytes, or more.
    Length,
    /// A connection ended in another way: a FIN or a reset is missing or came in addition.
    Ending,
    /// More or less was acknowledged, or what was never sent.
    Acknowledgement,
    /// Other bytes were acknowledged selectively.
    Sack,
    /// The peer's data went past the window, or the window's edge moved back.
    Window,
    /// More was sent again than then.
    Resent,
    /// An answer took longer than the tolerance.
    Time,
    /// A segment with URG, ECE or CWR.
    Flags,
    /// A datagram, a ping's answer, an ICMP error or an answer to a question for an address is missing, other or in
    /// addition.
    Datagram,
    /// A value in a stream or datagram, a run of digits.
    Value,
    /// The same bytes in other segments, or acknowledged in other steps.
    Segments,
    /// More room in the window, or less, with nothing that went past it.
    Room,
    /// What was said to somebody with whom there was no such conversation.
    Unasked,
}

impl Kind {
    /// Its name in text and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Options => "options",
            Self::Unsaid => "unsaid",
            Self::Stream => "stream",
            Self::Length => "length",
            Self::Ending => "ending",
            Self::Acknowledgement => "acknowledgement",
            Self::Sack => "sack",
            Self::Window => "window",
            Self::Resent => "resent",
            Self::Time => "time",
            Self::Flags => "flags",
            Self::Datagram => "datagram",
            Self::Value => "value",
            Self::Segments => "segments",
            Self::Room => "room",
            Self::Unasked => "unasked",
        }
    }

    /// Whether two differences are one seen in a longer capture and in a shorter one: what comes too late in one does not come
    /// at all in the other.
    pub(super) fn is_like(self, other: Self) -> bool {
        let late = |kind| matches!(kind, Self::Unsaid | Self::Time);
        self == other || late(self) && late(other)
    }

    /// Whether it is a fault of one of the two boards. The others are freedoms that a board has: values that it tells, how
    /// it cuts a stream, when it acknowledges, and how much room it has.
    #[must_use]
    pub const fn matters(self) -> bool {
        !matches!(self, Self::Value | Self::Segments | Self::Room | Self::Unasked)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What differs.
    pub kind: Kind,
    /// The frame of the capture that it is seen at, by its number, if it is one.
    pub frame: Option<usize>,
    /// How many frames of the peer the board had had by then.
    pub(super) after: usize,
    /// What was in the capture.
    pub then: String,
    /// What is in the replay.
    pub now: String,
}

/// Some bytes from there on, as text.
pub(super) fn shown(bytes: &[u8], from: usize) -> String {
    const SHOWN: usize = 24;
    let some = &bytes[from.min(bytes.len())..(from + SHOWN).min(bytes.len())];
    format!("\"{}\"", some.escape_ascii())
}
