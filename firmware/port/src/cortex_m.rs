//! The processor's side: `SysTick` as the clock's counter, `wfi` and the interrupt controller as the
//! superloop's sleep.

use cortex_m::interrupt::InterruptNumber;
pub(crate) use cortex_m::interrupt::{Mutex, free};
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{NVIC, SCB, SYST};

use crate::clock::{Counter, ROUND};
#[cfg(target_has_atomic = "ptr")]
use crate::dma::Cache;
use crate::mmio::cortex_m as mmio;
use crate::superloop::Sleeper;

/// Readings of the counter while it reloads, and cycles between two. On a chip the first is enough. An
/// emulator's timer may come late, all the more if it is asked without a pause; if it is not there after
/// all, the alarm is late by a round at most.
const RELOAD_READINGS: u32 = 10_000;
const RELOAD_PAUSE: u32 = 1000;

/// `SysTick`, counting the core's clock.
#[expect(missing_debug_implementations, reason = "`SYST` has none")]
pub struct SysTick(SYST);

impl SysTick {
    /// Masks all interrupts, for its own has no handler, and starts it.
    #[must_use]
    pub fn start(mut syst: SYST) -> Self {
        cortex_m::interrupt::disable();
        syst.set_clock_source(SystClkSource::Core);
        syst.set_reload(ROUND - 1);
        syst.clear_current();
        syst.enable_counter();
        syst.enable_interrupt();
        Self(syst)
    }
}

impl Counter for SysTick {
    fn left(&mut self) -> u32 {
        SYST::get_current()
    }

    fn ended(&mut self) -> bool {
        self.0.has_wrapped()
    }

    fn restart(&mut self, ticks: u32) {
        self.0.set_reload(ticks);
        // It reloads at its next tick; only then may the reload value be that of a whole round again.
        self.0.clear_current();
        for _ in 0..RELOAD_READINGS {
            if SYST::get_current() != 0 {
                break;
            }
            cortex_m::asm::delay(RELOAD_PAUSE);
        }
        self.0.set_reload(ROUND - 1);
    }
}

/// Sleeps in `wfi`, with interrupts masked; `SysTick` and some interrupts of the chip wake it, until it is
/// dropped.
#[derive(Debug)]
pub struct Wfi<I: InterruptNumber, const N: usize = 1>([I; N]);

impl<I: InterruptNumber> Wfi<I> {
    /// Masks all interrupts, and lets `interrupt` end a sleep.
    pub fn new(interrupt: I) -> Self {
        Self::of([interrupt])
    }
}

impl<I: InterruptNumber, const N: usize> Wfi<I, N> {
    /// As [`Wfi::new`], with several interrupts: the interface's, and those whose hardware the product looks at after each
    /// turn of the superloop.
    pub fn of(interrupts: [I; N]) -> Self {
        cortex_m::interrupt::disable();
        for interrupt in interrupts {
            mmio::enable(interrupt);
        }
        Self(interrupts)
    }
}

impl<I: InterruptNumber, const N: usize> Drop for Wfi<I, N> {
    /// An interrupt that nobody clears any more would let nobody sleep.
    fn drop(&mut self) {
        for interrupt in self.0 {
            NVIC::mask(interrupt);
        }
    }
}

impl<I: InterruptNumber, const N: usize> Sleeper for Wfi<I, N> {
    fn clear(&mut self) {
        SCB::clear_pendst();
        for interrupt in self.0 {
            NVIC::unpend(interrupt);
        }
    }

    fn sleep(&mut self) {
        cortex_m::asm::wfi();
    }
}

/// The data cache of a Cortex-M7, which the program has enabled.
#[cfg(target_has_atomic = "ptr")]
#[derive(Clone, Copy, Debug)]
pub struct DataCache;

#[cfg(target_has_atomic = "ptr")]
impl Cache for DataCache {
    fn clean(&self, address: usize, length: usize) {
        mmio::with_cache(|scb| scb.clean_dcache_by_address(address, length));
    }

    /// Cleans too: of a ring's memory there is nothing to clean, and of any other, nothing is lost.
    fn invalidate(&self, address: usize, length: usize) {
        mmio::with_cache(|scb| scb.clean_invalidate_dcache_by_address(address, length));
    }
}

/// Sleeps for ever. An interrupt that stayed pending would end every `wfi` at once, so nothing is left that could
/// be.
pub fn halt() -> ! {
    cortex_m::interrupt::disable();
    mmio::silence();
    loop {
        cortex_m::asm::wfi();
    }
}

/// Resets the chip.
pub fn reset() -> ! {
    SCB::sys_reset()
}
