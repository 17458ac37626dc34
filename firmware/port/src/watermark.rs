//! How deep the call stack has been, as a log message whenever it has been deeper.
//!
//! The stack is filled with a pattern at reset (by cortex-m-rt's feature `paint-stack`, or by `mmio`); what is left of it was never
//! used. Cost: with log messages a scan of that rest once a second, while awake, 0.5 ms for 15 KiB at
//! 50 MHz; nothing without.

use smoltcp::time::{Duration, Instant};

use crate::mmio;

const INTERVAL: Duration = Duration::from_secs(1);

/// The deepest that was reported.
#[derive(Debug)]
pub struct Watermark {
    bytes: usize,
    next: Instant,
}

impl Watermark {
    /// Nothing reported yet.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "there is no meaning to a default one")]
    pub const fn new() -> Self {
        Self { bytes: 0, next: Instant::ZERO }
    }

    /// Reports what is new, at most once a second.
    pub fn report(&mut self, now: Instant) {
        if !log::log_enabled!(log::Level::Info) || now < self.next {
            return;
        }
        self.next = now + INTERVAL;
        let bytes = mmio::stack_peak();
        if bytes > self.bytes {
            self.bytes = bytes;
            log::info!("call stack: {bytes} bytes at most");
        }
    }
}
