//! A number that the board, a NIC, or what stands behind it, tells of itself.

use std::fmt;

/// A number, with its limit if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// What it is of, as `stats` has it.
    pub name: &'static str,
    /// The same in a sentence or two.
    pub help: &'static str,
    /// How many now, or since the start if there is no limit.
    pub value: u64,
    /// How many there can be.
    pub limit: Option<u64>,
}

impl Stat {
    /// Of so many things that there can be, some are in use.
    #[must_use]
    pub const fn used(name: &'static str, help: &'static str, value: usize, limit: usize) -> Self {
        Self { name, help, value: value as u64, limit: Some(limit as u64) }
    }

    /// So often since the start.
    #[must_use]
    pub const fn count(name: &'static str, help: &'static str, value: u64) -> Self {
        Self { name, help, value, limit: None }
    }
}

/// As a line of the console's `stats`.
impl fmt::Display for Stat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, limit, .. } = self;
        write!(f, "{name:<20} {value}")?;
        limit.map_or(Ok(()), |limit| write!(f, " of {limit}"))
    }
}
