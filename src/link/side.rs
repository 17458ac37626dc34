//! The two ends of a link.

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The firmware's end.
    Board,
    /// The other one.
    Peer,
}

impl Side {
    /// The end opposite.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Board => Self::Peer,
            Self::Peer => Self::Board,
        }
    }

    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Board => 0,
            Self::Peer => 1,
        }
    }
}
