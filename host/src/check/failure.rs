//! What a check comes to: what it saw, or why it did not pass.

/// Why a check did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckFailure {
    /// The board did something else, which is said.
    Wrong(String),
    /// What the board does cannot be seen from here, for the reason that is said.
    Unseen(String),
}

impl From<String> for CheckFailure {
    fn from(seen: String) -> Self {
        Self::Wrong(seen)
    }
}

/// What a check saw: `Ok` if it is what was expected.
pub type Seen = Result<String, CheckFailure>;
