//! The hardware beside the network: each answer comes from where the compiler cannot look.
//!
//! A port reads its registers here. Above all it reads a random source: a constant seed, as here, makes
//! sequence numbers and ports the same at every boot.

use core::hint::black_box;

use tapboard_firmware::Board;

/// LED, sensor, entropy and reset line of no chip in particular.
#[derive(Debug, Default)]
pub(crate) struct Hardware {
    led: bool,
}

impl Board for Hardware {
    fn set_led(&mut self, on: bool) {
        self.led = black_box(on);
    }

    fn led(&self) -> bool {
        black_box(self.led)
    }

    fn temperature_mc(&mut self) -> i32 {
        black_box(23_500)
    }

    fn entropy(&mut self) -> Option<u64> {
        black_box(Some(0x7461_7062_6f61_7264))
    }

    fn reset(&mut self) {
        cortex_m::peripheral::SCB::sys_reset();
    }
}
