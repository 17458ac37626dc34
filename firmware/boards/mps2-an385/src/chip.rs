//! The registers of the image AN385, a Cortex-M3 in the MPS2+'s FPGA, and the LAN9118 family's
//! controller beside it. Clocks and pins are as the image makes them.
//!
//! The only module with `unsafe`: it is what says that a block of registers is where it is.
#![allow(unsafe_code)]

use cortex_m::Peripherals;
use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::SYST;
use tapboard_port::mmio::Block;

/// The core's clock.
pub(crate) const CORE_HZ: u32 = 25_000_000;

/// The interrupt that ends a sleep.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Interrupt {
    Ethernet = 13,
}

// SAFETY: the application note's number of this interrupt.
unsafe impl InterruptNumber for Interrupt {
    fn number(self) -> u16 {
        self as u16
    }
}

/// What the board's parts need.
pub(crate) struct Chip {
    pub(crate) syst: SYST,
    pub(crate) ethernet: Block,
    #[cfg(feature = "log")]
    pub(crate) uart: Block,
    pub(crate) leds: Block,
}

impl Chip {
    /// Once; the error says what is missing.
    pub(crate) fn start() -> Result<Self, &'static str> {
        let core = Peripherals::take().ok_or("the chip was started before")?;
        // SAFETY: addresses of the application note's memory map. Who uses a block goes by its registers;
        // none of them makes the chip write to memory. `take` allows one of each.
        unsafe {
            Ok(Self {
                syst: core.SYST,
                ethernet: Block::at(0x4020_0000),
                #[cfg(feature = "log")]
                uart: Block::at(0x4000_4000),
                leds: Block::at(0x4002_8000),
            })
        }
    }
}
