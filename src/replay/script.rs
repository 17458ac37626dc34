//! What a peer is to do in the replay, and what its board said in the capture: what follows from a conversation's frames.

use super::said::Said;

/// What follows from a conversation's frames.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    /// The board asked for the connection.
    pub(super) board_opens: bool,
    /// The initial sequence numbers, the board's and the peer's.
    pub(super) isn: [u32; 2],
    /// What the peer sends, in the order in which it arrives.
    pub(super) steps: Vec<Step>,
    /// What the board said.
    pub(super) said: Vec<Said>,
    /// How far it had come with each thing that it said and that came to the peer.
    pub(super) milestones: Vec<Milestone>,
    /// What it has to have said at the end.
    pub(super) last: Option<Cause>,
    /// The board's bytes, and the number of its FIN.
    pub(super) stream: Vec<u8>,
    pub(super) fin: Option<u32>,
    /// How many transmissions of each of the board's numbers were lost: SYN, bytes, FIN.
    pub(super) lost: Vec<u8>,
    /// Why it cannot be replayed.
    pub(super) why_not: Option<String>,
}

/// A frame that the peer sends.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Its place among the conversation's events.
    pub(super) event: usize,
    /// When it came to the board.
    pub(super) arrives_us: i64,
    pub(super) cause: Option<Cause>,
}

/// What has to have been said before the peer sends a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cause {
    /// The frame's number in the capture.
    pub(super) number: usize,
    /// All of the board's numbers before this one have come: what the peer acknowledges.
    pub(super) heard: u32,
    /// The peer acknowledges, selectively too, nothing from this number on.
    pub(super) told: u32,
    /// The highest of the board's numbers that has come is before this one; of datagrams, how many have come.
    pub(super) reached: u32,
    /// How far the board has acknowledged.
    pub(super) acked: u32,
    /// The last step that the board had had when it said that.
    pub(super) after: Option<usize>,
    /// How long after that step, or after the beginning, it was said.
    pub(super) wait_us: i64,
    /// How long after that the peer's frame comes to the board.
    pub(super) delay_us: i64,
}

/// How far the board had come when it had said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Milestone {
    /// Its place among what the board said.
    pub(super) said: usize,
    pub(super) reached: u32,
    pub(super) acked: u32,
}
