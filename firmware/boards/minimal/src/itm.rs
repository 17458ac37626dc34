//! Log messages through the Instrumentation Trace Macrocell, port 0: a debugger shows them as text.
//!
//! A message is written with interrupts masked. With no debugger attached the port is off and a
//! message costs only its formatting.

use core::cell::RefCell;

use cortex_m::interrupt::{self, Mutex};
use cortex_m::iprintln;
use cortex_m::peripheral::ITM;
use log::{Log, Metadata, Record};

struct Logger(Mutex<RefCell<Option<ITM>>>);

static LOGGER: Logger = Logger(Mutex::new(RefCell::new(None)));

impl Log for Logger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        interrupt::free(|cs| {
            if let Ok(mut itm) = self.0.borrow(cs).try_borrow_mut()
                && let Some(itm) = itm.as_mut()
            {
                iprintln!(&mut itm.stim[0], "{} {}", record.level(), record.args());
            }
        });
    }

    fn flush(&self) {}
}

/// Sends every message from now on to `itm`.
pub(crate) fn install(itm: ITM) {
    interrupt::free(|cs| LOGGER.0.borrow(cs).replace(Some(itm)));
    // It fails only if a logger is there already, and there is no other.
    if log::set_logger(&LOGGER).is_ok() {
        log::set_max_level(log::STATIC_MAX_LEVEL);
    }
}
