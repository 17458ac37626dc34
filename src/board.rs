//! The simulated board's hardware: an LED and a reset line that show themselves, a temperature that
//! drifts, the operating system's entropy, and perhaps a file for settings. In virtual time all of it follows from
//! a seed.

use tapboard_firmware::Board;
use tapboard_firmware::rng::Rng;
use tapboard_firmware::settings::Settings;

use crate::output::say;
use crate::settings::FileSettings;

/// A temperature that drifts by up to 50 thousandths a reading, between 20 and 30 degrees.
#[derive(Debug)]
struct Temperature(i32);

impl Temperature {
    /// Where it begins.
    const fn new() -> Self {
        Self(23_500)
    }

    /// The next reading, thousandths of a degree Celsius.
    fn read(&mut self, drift: &mut Rng) -> i32 {
        let step = drift.below(101).cast_signed() - 50;
        self.0 = (self.0 + step).clamp(20_000, 30_000);
        self.0
    }
}

/// The hardware of one boot.
#[derive(Debug)]
pub struct SimBoard {
    led: bool,
    temperature: Temperature,
    drift: Rng,
    reset: bool,
    settings: Option<FileSettings>,
}

impl SimBoard {
    /// Hardware just powered on.
    #[must_use]
    pub fn new() -> Self {
        let drift = Rng::new(getrandom::u64().unwrap_or_default());
        Self { led: false, temperature: Temperature::new(), drift, reset: false, settings: None }
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

    fn temperature_mc(&mut self) -> i32 {
        self.temperature.read(&mut self.drift)
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

/// The hardware of one boot in virtual time, which shows nothing. All its randomness follows from the entropy of its boot.
#[derive(Debug)]
pub struct VirtualBoard {
    led: bool,
    temperature: Temperature,
    rng: Rng,
    reset: bool,
}

impl VirtualBoard {
    /// Hardware just powered on.
    #[must_use]
    pub const fn new(entropy: u64) -> Self {
        Self { led: false, temperature: Temperature::new(), rng: Rng::new(entropy), reset: false }
    }

    /// Whether the firmware has pulled the reset line.
    #[must_use]
    pub const fn reset_requested(&self) -> bool {
        self.reset
    }
}

impl Board for VirtualBoard {
    fn set_led(&mut self, on: bool) {
        self.led = on;
    }

    fn led(&self) -> bool {
        self.led
    }

    fn temperature_mc(&mut self) -> i32 {
        self.temperature.read(&mut self.rng)
    }

    fn entropy(&mut self) -> Option<u64> {
        Some(self.rng.next_u64())
    }

    fn reset(&mut self) {
        self.reset = true;
    }
}
