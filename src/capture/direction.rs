//! Which way a frame goes.

use crate::link::Side;

/// Where a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Inbound, as the board sees it.
    ToBoard,
    /// Outbound, as the board sees it.
    ToPeer,
}

impl From<Side> for Direction {
    fn from(to: Side) -> Self {
        match to {
            Side::Board => Self::ToBoard,
            Side::Peer => Self::ToPeer,
        }
    }
}
