//! The simulated board's hardware: an LED and a reset line that show themselves, a temperature that
//! drifts, the operating system's entropy, and perhaps a file for settings.

use tapboard_firmware::Board;
use tapboard_firmware::rng::Rng;
use tapboard_firmware::settings::Settings;

use crate::output::say;
use crate::settings::FileSettings;

/// The hardware of one boot.
#[derive(Debug)]
pub struct SimBoard {
    led: bool,
    temperature_mc: i32,
    drift: Rng,
    reset: bool,
    settings: Option<FileSettings>,
}

impl SimBoard {
    /// Hardware just powered on.
    #[must_use]
    pub fn new() -> Self {
        let drift = Rng::new(getrandom::u64().unwrap_or_default());
        Self { led: false, temperature_mc: 23_500, drift, reset: false, settings: None }
    }

    /// The same, which keeps these settings.
    #[must_use]
    pub fn with_settings(self, settings: Option<FileSettings>) -> Self {
        Self { settings, ..self }
    }

    /// Whether the firmware has pulled the reset line.
    #[must_use]
    pub const fn reset_requested(&self) -> bool {
        self.reset
    }
}

impl Default for SimBoard {
    fn default() -> Self {
        Self::new()
    }
}

impl Board for SimBoard {
    fn set_led(&mut self, on: bool) {
        if self.led != on {
            say!("board: LED {}", if on { "on" } else { "off" });
        }
        self.led = on;
    }

    fn led(&self) -> bool {
        self.led
    }

    /// Drifts by up to 50 thousandths a reading, between 20 and 30 degrees.
    fn temperature_mc(&mut self) -> i32 {
        let step = i32::try_from(self.drift.below(101)).unwrap_or(0) - 50;
        self.temperature_mc = (self.temperature_mc + step).clamp(20_000, 30_000);
        self.temperature_mc
    }

    fn entropy(&mut self) -> Option<u64> {
        getrandom::u64().ok()
    }

    fn settings(&mut self) -> Option<&mut dyn Settings> {
        self.settings.as_mut().map(|settings| settings as _)
    }

    fn reset(&mut self) {
        say!("board: reset");
        self.reset = true;
    }
}
