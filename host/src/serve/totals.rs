//! What was counted, for the end.

/// What was counted from start to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Connections accepted.
    pub connections: u64,
    /// Connections turned away because all places were taken.
    pub turned_away: u64,
    /// Reports received.
    pub reports: u64,
    /// Lines that were not reports, or longer than allowed.
    pub bad_lines: u64,
    /// Reports that never came, by the numbers of those that did.
    pub lost: u64,
    /// Reboots.
    pub reboots: u64,
}
