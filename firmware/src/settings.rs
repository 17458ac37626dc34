//! What of a board can be chosen without building it anew: its address, its name, where its telemetry goes. It is chosen in
//! the shell, with `set`, `unset` and `save`, and kept where [`Settings`] has a place for it.
//!
//! A [`Table`] is names with values, as text. It is kept as a whole: a power cut while it is saved leaves the one that was
//! kept before, or the new one, and never a part of each.
//!
//! **All settings count from the next boot on.** [`Table::net`], [`Table::name`] and [`Table::telemetry`] put them in the
//! place of what the board was built with; what is not set stays as built.
//!
//! Cost: [`SETTINGS_SIZE`](crate::config::SETTINGS_SIZE) bytes of the board's RAM. The shell's commands are the feature
//! `settings`; a board that has no place answers so.

use core::fmt;

mod table;
mod values;

pub use self::table::{Damage, Full, Table};
pub use self::values::{Ipv4Setting, Refusal, SETTINGS, Setting, TelemetrySetting};

/// A board's settings, and the place where they outlive a reset.
pub trait Settings {
    /// As they were found at boot, with what was changed since.
    fn table(&mut self) -> &mut Table;

    /// Keeps the table. When it fails, or the power does, what was kept before still is.
    ///
    /// A chip may need the time that its flash takes to erase a page, in which nothing else is done; other than
    /// everything else that the firmware calls, this may block.
    fn save(&mut self) -> Result<(), SaveError>;
}

/// The settings could not be kept. Why is in the board's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaveError;

impl fmt::Display for SaveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not saved: the storage failed; what was saved before is still there")
    }
}

impl core::error::Error for SaveError {}
