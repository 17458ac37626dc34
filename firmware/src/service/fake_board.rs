//! A board for tests.

use crate::board::Board;
use crate::settings::{SaveError, Settings, Table};

/// A board whose hardware is three variables, and a place for settings if the test gives it one.
#[derive(Debug, Default)]
pub(super) struct FakeBoard {
    pub(super) led: bool,
    pub(super) temperature_mc: i32,
    pub(super) resets: u32,
    pub(super) settings: Option<FakeSettings>,
}

/// Settings in RAM.
#[derive(Debug, Default)]
pub(super) struct FakeSettings {
    pub(super) table: Table,
    pub(super) saved: Table,
    /// The storage fails.
    pub(super) broken: bool,
}

impl Settings for FakeSettings {
    fn table(&mut self) -> &mut Table {
        &mut self.table
    }

    fn save(&mut self) -> Result<(), SaveError> {
        if self.broken {
            return Err(SaveError);
        }
        self.table.saved();
        self.saved = self.table.clone();
        Ok(())
    }
}

impl Board for FakeBoard {
    fn set_led(&mut self, on: bool) {
        self.led = on;
    }

    fn led(&self) -> bool {
        self.led
    }

    fn temperature_mc(&mut self) -> i32 {
        self.temperature_mc
    }

    fn entropy(&mut self) -> Option<u64> {
        Some(1)
    }

    fn settings(&mut self) -> Option<&mut dyn Settings> {
        self.settings.as_mut().map(|settings| settings as _)
    }

    fn reset(&mut self) {
        self.resets += 1;
    }
}
