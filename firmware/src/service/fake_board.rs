//! A board for tests.

use crate::board::Board;

/// A board whose hardware is three variables.
#[derive(Debug, Default)]
pub(super) struct FakeBoard {
    pub(super) led: bool,
    pub(super) temperature_mc: i32,
    pub(super) resets: u32,
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

    fn reset(&mut self) {
        self.resets += 1;
    }
}
