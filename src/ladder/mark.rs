//! What a segment is in view of the segments before, by the words that Wireshark has for it.

use std::fmt;

/// What a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// All or a part of it was sent before, or is sent into a gap too late to be only out of order.
    Retransmission,
    /// Likewise, at once after two duplicate ACKs that ask for it (RFC 5681, 3.2).
    FastRetransmission,
    /// Likewise, of what the peer has acknowledged already.
    SpuriousRetransmission,
    /// The same frame was there a moment ago.
    Duplicate,
    /// It acknowledges the same again, with the same window, whether data is under way or not; for which time
    /// since the number was new.
    DuplicateAck(u32),
    /// It begins after what was sent so far: something was not captured.
    Gap,
    /// It fills such a gap, soon.
    OutOfOrder,
    /// It acknowledges what was not captured.
    AckedUnseen,
    /// Its sender has no room.
    ZeroWindow,
    /// It takes all the room that the peer has told of.
    WindowFull,
    /// It asks whether the peer still has no room.
    WindowProbe,
    /// The peer still has none.
    WindowProbeAnswer,
    /// It asks whether the peer is still there.
    KeepAlive,
    /// The peer is.
    KeepAliveAnswer,
    /// Its checksum is wrong.
    BadChecksum,
}

impl Mark {
    /// Whether it says that something was sent again.
    #[must_use]
    pub const fn is_retransmission(self) -> bool {
        matches!(
            self,
            Self::Retransmission | Self::FastRetransmission | Self::SpuriousRetransmission
        )
    }

    /// What it is called.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Retransmission => "retransmission",
            Self::FastRetransmission => "fast retransmission",
            Self::SpuriousRetransmission => "spurious retransmission",
            Self::Duplicate => "duplicate",
            Self::DuplicateAck(_) => "duplicate ACK",
            Self::Gap => "after a gap",
            Self::OutOfOrder => "out of order",
            Self::AckedUnseen => "acknowledges unseen data",
            Self::ZeroWindow => "zero window",
            Self::WindowFull => "window full",
            Self::WindowProbe => "window probe",
            Self::WindowProbeAnswer => "window probe answer",
            Self::KeepAlive => "keep-alive",
            Self::KeepAliveAnswer => "keep-alive answer",
            Self::BadChecksum => "bad checksum",
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        if let Self::DuplicateAck(number) = self { write!(f, " {number}") } else { Ok(()) }
    }
}
