//! The hardware beside the network: entropy and reset. LED and sensor are left out; what stands for them here is a flag, and
//! room temperature.
//!
//! **Entropy** is how the core's clock drifts against the timer's, which is all there is on this chip: see
//! [`tapboard_port::entropy`] for what is made of it, and for when it is refused.

use riscv::register::mcycle;
use tapboard_firmware::Board;
use tapboard_port::mmio::Block;
use tapboard_port::{Registers, entropy};

use crate::chip;

/// The timer's low half.
const TIME: usize = 0xbff8;
/// Readings within which the timer counts on in any case.
const READINGS: u32 = 1_000_000;

/// What there is.
#[derive(Debug)]
pub(crate) struct Hardware {
    entropy: Option<u64>,
    lit: bool,
}

impl Hardware {
    /// Gathers the entropy, which takes less than a millisecond.
    pub(crate) fn new(clint: &mut Block) -> Self {
        let mut last = 0;
        let sample = || {
            let now = clint.read(TIME);
            // The cycles of one count.
            (0..READINGS).find(|_| clint.read(TIME) != now)?;
            let cycles = cycles();
            let passed = cycles.wrapping_sub(last);
            last = cycles;
            Some(passed)
        };
        Self { entropy: entropy::gather(sample, cycles), lit: false }
    }
}

/// All 32 bits that there are of them.
fn cycles() -> u32 {
    u32::try_from(mcycle::read()).unwrap_or_default()
}

impl Board for Hardware {
    fn set_led(&mut self, on: bool) {
        self.lit = on;
    }

    fn led(&self) -> bool {
        self.lit
    }

    fn temperature_mc(&mut self) -> i32 {
        20_000
    }

    fn entropy(&mut self) -> Option<u64> {
        self.entropy.take()
    }

    fn reset(&mut self) {
        chip::reset();
    }
}
