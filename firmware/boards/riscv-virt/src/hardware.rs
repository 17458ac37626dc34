//! The hardware beside the network: entropy and reset. The machine has no LED and no sensor, and what stands for
//! them here is a flag, and room temperature.

use tapboard_firmware::Board;

use crate::chip;

/// What there is.
#[derive(Debug)]
pub(crate) struct Hardware {
    entropy: Option<u64>,
    lit: bool,
}

impl Hardware {
    /// With the entropy that a virtio device gave.
    pub(crate) fn new(entropy: u64) -> Self {
        Self { entropy: Some(entropy), lit: false }
    }
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
