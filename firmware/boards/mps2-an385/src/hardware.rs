//! The hardware beside the network: LED, entropy and reset.
//!
//! **Entropy** is how the Ethernet controller's crystal and the core's clock drift against each other, which
//! is all there is on this board: see [`tapboard_port::entropy`] for what is made of it, and for when it is
//! refused. A product uses a hardware random generator.

use cortex_m::peripheral::{SCB, SYST};
use tapboard_firmware::Board;
use tapboard_port::ethernet::lan9118::Lan9118;
use tapboard_port::mmio::Block;
use tapboard_port::{Registers, entropy};

/// The first user LED is bit 0.
const LEDS: usize = 0x00;

/// Cycles between two readings.
const PAUSE: u32 = 250;
/// Readings that a sample is the sum of: one alone is the same a hundred times in a row where an emulator has its
/// processor for itself.
const READINGS: u32 = 64;
/// What is looked at of the distance between the two counters: what both have.
const DISTANCE: u32 = 0xff_ffff;

/// LED and reset line.
#[derive(Debug)]
pub(crate) struct Hardware {
    leds: Block,
    entropy: Option<u64>,
    lit: bool,
}

impl Hardware {
    /// Gathers the entropy, which takes some tenths of a second and needs `SysTick` to run.
    pub(crate) fn new(leds: Block, ethernet: &mut Block) -> Self {
        let mut reading = || {
            cortex_m::asm::delay(PAUSE);
            // One counts up and the other down, at the same nominal rate: the sum is constant but for noise.
            Lan9118::free_run(ethernet).wrapping_add(SYST::get_current()) & DISTANCE
        };
        let sample = || Some((0..READINGS).map(|_| reading()).sum());
        let entropy = entropy::gather(sample, SYST::get_current);
        Self { leds, entropy, lit: false }
    }
}

impl Board for Hardware {
    fn set_led(&mut self, on: bool) {
        self.leds.write(LEDS, on.into());
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
