//! A frame of a capture, as every format of one has it, and how much of a file is taken at most.

use std::time::Duration;

use super::direction::Direction;
use super::linktype::LinkType;

/// Bytes of the longest block that is read: four of the longest packets that tcpdump writes.
pub const BLOCK_MAX: u32 = 1 << 20;
/// Interfaces a section may have.
pub const INTERFACES_MAX: usize = 4096;

/// A frame of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When, since 1970, or since the run's beginning in virtual time. `None` if the file does not say.
    pub at: Option<Duration>,
    /// Direction from the view of our board, if the capture is ours.
    pub direction: Option<Direction>,
    /// What the frame begins with.
    pub link: LinkType,
    /// The frame, as far as it was captured.
    pub frame: Vec<u8>,
    /// Bytes of the whole frame.
    pub original_len: usize,
    /// The packet's comments, separated by `, `.
    pub notes: String,
    /// Written by tapboard: its comments are what our link did.
    pub ours: bool,
}
