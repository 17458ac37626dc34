//! Time since boot, in milliseconds counted by `SysTick`.
//!
//! The interrupt counts what has passed since the clock was last read, so the counter cannot overflow
//! while the superloop turns at least once in 49 days.

use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::exception;
use smoltcp::time::{Duration, Instant};

/// What the LM3S6965 runs at after reset.
const CORE_HZ: u32 = 12_000_000;

static UNREAD_MS: AtomicU32 = AtomicU32::new(0);

/// The board's only clock.
#[derive(Debug)]
pub(crate) struct Clock {
    now: Instant,
}

impl Clock {
    /// Starts the tick; time begins at zero.
    pub(crate) fn start(mut syst: SYST) -> Self {
        syst.set_clock_source(SystClkSource::Core);
        syst.set_reload(CORE_HZ / 1000 - 1);
        syst.clear_current();
        syst.enable_counter();
        syst.enable_interrupt();
        Self { now: Instant::ZERO }
    }

    /// The time of the last tick.
    pub(crate) fn now(&mut self) -> Instant {
        let passed = UNREAD_MS.swap(0, Ordering::Relaxed);
        self.now += Duration::from_millis(passed.into());
        self.now
    }
}

#[exception]
fn SysTick() {
    UNREAD_MS.fetch_add(1, Ordering::Relaxed);
}
