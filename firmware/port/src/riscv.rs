//! The processor's side: `wfi` and the interrupt controller as the superloop's sleep, and a reset.
//!
//! RISC-V has no word for the reset of a chip, so a board says what does it, with [`on_reset`].

#[cfg(feature = "fault-handler")]
mod trap;

use core::cell::Cell;

pub(crate) use critical_section::{Mutex, with as free};

use crate::mmio::riscv as mmio;
use crate::plic::Plic;
use crate::registers::Registers;
use crate::superloop::Sleeper;

/// Sleeps in `wfi`, with interrupts masked; the timer and some interrupts of the chip wake it, until it is
/// dropped.
#[derive(Debug)]
pub struct Wfi<R, const N: usize = 1>(Plic<R, N>);

impl<R: Registers, const N: usize> Wfi<R, N> {
    /// Masks all interrupts, and lets the timer's, and those that `plic` passes on, end a sleep.
    pub fn new(plic: Plic<R, N>) -> Self {
        riscv::interrupt::disable();
        mmio::enable();
        Self(plic)
    }
}

impl<R, const N: usize> Drop for Wfi<R, N> {
    /// An interrupt that nobody clears any more would let nobody sleep.
    fn drop(&mut self) {
        mmio::disable();
    }
}

impl<R: Registers, const N: usize> Sleeper for Wfi<R, N> {
    /// Nothing is latched: the timer's interrupt ends when the next alarm is set, and of the others see [`Plic`].
    fn clear(&mut self) {}

    fn sleep(&mut self) {
        self.0.complete();
        riscv::asm::wfi();
        self.0.claim();
    }
}

/// What resets the chip.
static RESET: Mutex<Cell<Option<fn() -> !>>> = Mutex::new(Cell::new(None));

/// From now on a panic or a trap ends with `reset`.
pub fn on_reset(reset: fn() -> !) {
    free(|cs| RESET.borrow(cs).set(Some(reset)));
}

/// Resets the chip, or halts it if nobody has said how.
pub fn reset() -> ! {
    match free(|cs| RESET.borrow(cs).get()) {
        Some(reset) => reset(),
        None => halt(),
    }
}

/// Sleeps for ever. An interrupt that stayed pending would end every `wfi` at once, so none may.
pub fn halt() -> ! {
    riscv::interrupt::disable();
    mmio::disable();
    loop {
        riscv::asm::wfi();
    }
}
