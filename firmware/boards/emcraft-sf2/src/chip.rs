//! The registers of an M2S010 (`SmartFusion2`), as QEMU's `emcraft-sf2` has them: Emcraft's M2S-FG484 module, whose boot loader has
//! started the clocks, connected the pins and let the Ethernet MAC out of its reset.
//!
//! The only module with `unsafe`: it is what says that a block of registers is where it is.
#![allow(unsafe_code)]

use cortex_m::Peripherals;
use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::SYST;
use tapboard_port::mmio::Block;

/// The core's clock.
pub(crate) const CORE_HZ: u32 = 142_000_000;
/// That of the bus with the UART.
#[cfg(feature = "log")]
pub(crate) const BUS_HZ: u32 = CORE_HZ / 2;

/// The interrupt that ends a sleep.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Interrupt {
    Ethernet = 12,
}

// SAFETY: the user guide's number of this interrupt.
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
    pub(crate) gpio: Block,
}

impl Chip {
    /// Once; the error says what is missing.
    pub(crate) fn start() -> Result<Self, &'static str> {
        let core = Peripherals::take().ok_or("the chip was started before")?;
        // SAFETY: addresses of the user guide's memory map. Who uses a block goes by its registers; only those of the
        // MAC make the chip access memory, which is that of its driver's rings. `take` allows one of each.
        unsafe {
            Ok(Self {
                syst: core.SYST,
                ethernet: Block::at(0x4004_1000),
                #[cfg(feature = "log")]
                uart: Block::at(0x4000_0000),
                gpio: Block::at(0x4001_3000),
            })
        }
    }
}
