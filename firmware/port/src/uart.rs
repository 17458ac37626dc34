//! Log messages on a serial line, for whoever builds with the feature `log`.
//!
//! A message is written while its caller waits: 60 bytes take 5 ms at 115,200 baud. It is a tool to
//! look at a board with, not one for its product.

use core::cell::RefCell;
use core::fmt::{self, Write};

use log::{Log, Metadata, Record};

use crate::mmio;
use crate::processor::{Mutex, free};

/// A serial line that takes bytes.
pub trait Uart: Send {
    /// Sends a byte, when the one before it has gone.
    fn send(&mut self, byte: u8);
}

struct Text<'a, U>(&'a mut U);

impl<U: Uart> Write for Text<'_, U> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if byte == b'\n' {
                self.0.send(b'\r');
            }
            self.0.send(byte);
        }
        Ok(())
    }
}

/// A logger on a serial line, silent until it has one. Make it a static.
#[expect(missing_debug_implementations, reason = "a lock around a device")]
pub struct Logger<U>(Mutex<RefCell<Option<U>>>);

impl<U: Uart> Logger<U> {
    /// A logger without a line.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(RefCell::new(None)))
    }

    /// Sends every message that is compiled in to `uart` from now on.
    pub fn install(&'static self, uart: U) {
        free(|cs| self.0.borrow(cs).replace(Some(uart)));
        // It fails only if a logger is there already, and there is no other.
        if mmio::set_logger(self) {
            mmio::set_max_level(log::STATIC_MAX_LEVEL);
        }
    }
}

impl<U: Uart> Default for Logger<U> {
    fn default() -> Self {
        Self::new()
    }
}

impl<U: Uart> Log for Logger<U> {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        free(|cs| {
            // It is borrowed only if a message's own formatting logs.
            if let Ok(mut uart) = self.0.borrow(cs).try_borrow_mut()
                && let Some(uart) = uart.as_mut()
            {
                let _ = writeln!(Text(uart), "{} {}", record.level(), record.args());
            }
        });
    }

    fn flush(&self) {}
}
