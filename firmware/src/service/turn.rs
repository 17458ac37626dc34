//! How a turn of a connection ends.

/// Why a connection's turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Only the network can give it more to do.
    Idle,
    /// It is over: close the handle.
    Done,
}
