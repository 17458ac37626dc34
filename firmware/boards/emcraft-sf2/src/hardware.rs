//! The hardware beside the network: LED, entropy and reset.
//!
//! **Entropy** is how long a fixed number of cycles takes by the timer of the core. In an emulator that is noise of the
//! host's; on the chip both count the same clock, so that there is none, and the board says so and does not come up: see
//! [`tapboard_port::entropy`]. A product asks the system services for random bits (M2S060 and larger), or has a secret in
//! the eNVM.

use cortex_m::peripheral::{SCB, SYST};
use tapboard_firmware::Board;
use tapboard_port::mmio::Block;
use tapboard_port::{Registers, entropy};

/// GPIO: configuration of the LED's pin, and all outputs.
const LED: usize = 1;
const GPIO_CONFIG: usize = LED * 4;
const GPIO_OUT: usize = 0x88;

const CONFIG_OUTPUT: u32 = 1 << 0 | 1 << 2;

/// Cycles between two readings.
const PAUSE: u32 = 1000;
/// Readings that a sample is the sum of.
const READINGS: u32 = 32;
/// Readings in which the timer, which was just started, has begun to count: an emulator's may be late.
const START_READINGS: u32 = 100_000;

/// LED and reset line.
#[derive(Debug)]
pub(crate) struct Hardware {
    gpio: Block,
    entropy: Option<u64>,
    lit: bool,
}

impl Hardware {
    /// Gathers the entropy, which takes some tenths of a second and needs `SysTick` to run.
    pub(crate) fn new(mut gpio: Block) -> Self {
        gpio.write(GPIO_CONFIG, CONFIG_OUTPUT);
        for _ in 0..START_READINGS {
            if SYST::get_current() != 0 {
                break;
            }
            cortex_m::asm::delay(PAUSE);
        }
        let reading = || {
            let begun = SYST::get_current();
            cortex_m::asm::delay(PAUSE);
            begun.wrapping_sub(SYST::get_current()) & 0xff_ffff
        };
        let sample = || Some((0..READINGS).fold(0, |sum: u32, _| sum.wrapping_add(reading())));
        let entropy = entropy::gather(sample, SYST::get_current);
        Self { gpio, entropy, lit: false }
    }
}

impl Board for Hardware {
    fn set_led(&mut self, on: bool) {
        self.gpio.write(GPIO_OUT, u32::from(on) << LED);
        self.lit = on;
    }

    fn led(&self) -> bool {
        self.lit
    }

    /// The board has no sensor; what it reports is room temperature.
    fn temperature_mc(&mut self) -> i32 {
        20_000
    }

    fn entropy(&mut self) -> Option<u64> {
        self.entropy.take()
    }

    fn reset(&mut self) {
        SCB::sys_reset();
    }
}
