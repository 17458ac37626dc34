//! Where the registers of the U540 are, and what its second core does.
//!
//! The only module with `unsafe`: it is what says that a block of registers is where it is.
#![allow(unsafe_code)]

use core::arch::global_asm;
use core::sync::atomic::{AtomicBool, Ordering};

use tapboard_port::Registers;
use tapboard_port::mmio::Block;
use tapboard_port::riscv::halt;

/// The timer's clock.
pub(crate) const TIMER_HZ: u32 = 1_000_000;

/// The interrupt of the MAC.
pub(crate) const INTERRUPT_ETHERNET: usize = 53;

const CLINT: usize = 0x0200_0000;
const PLIC: usize = 0x0c00_0000;
#[cfg(feature = "log")]
const UART: usize = 0x1001_0000;
const GPIO: usize = 0x1006_0000;
const ETHERNET: usize = 0x1009_0000;

const GPIO_OUTPUT_ENABLE: usize = 0x08;
const GPIO_OUTPUT: usize = 0x0c;
/// The board's reset, where it is low.
const GPIO_RESET: u32 = 1 << 10;

// All cores begin at the same place. The first goes on; the others sleep, and no interrupt of theirs is enabled.
global_asm!(
    ".global _mp_hook",
    "_mp_hook:",
    "    csrr a0, mhartid",
    "    beqz a0, 2f",
    "    csrw mie, zero",
    "1:  wfi",
    "    j 1b",
    "2:  li a0, 1",
    "    ret",
);

/// What the board's parts need.
pub(crate) struct Chip {
    pub(crate) clint: Block,
    pub(crate) plic: Block,
    #[cfg(feature = "log")]
    pub(crate) uart: Block,
    pub(crate) ethernet: Block,
}

impl Chip {
    /// Once; the error says what is missing.
    pub(crate) fn start() -> Result<Self, &'static str> {
        static STARTED: AtomicBool = AtomicBool::new(false);
        if STARTED.swap(true, Ordering::Relaxed) {
            return Err("the chip was started before");
        }
        // SAFETY: addresses of the manual's memory map. Who uses a block goes by its registers; none of them makes the
        // chip write to memory, but for the MAC's, whose driver gives it rings alone. This is done once.
        unsafe {
            Ok(Self {
                clint: Block::at(CLINT),
                plic: Block::at(PLIC),
                #[cfg(feature = "log")]
                uart: Block::at(UART),
                ethernet: Block::at(ETHERNET),
            })
        }
    }
}

/// Resets the board. The processor may go on for a little while.
pub(crate) fn reset() -> ! {
    // SAFETY: the address of the manual's memory map. Nobody else uses these pins.
    let mut gpio = unsafe { Block::at(GPIO) };
    gpio.write(GPIO_OUTPUT, GPIO_RESET);
    gpio.write(GPIO_OUTPUT_ENABLE, GPIO_RESET);
    gpio.write(GPIO_OUTPUT, 0);
    halt()
}
