//! Log messages on the 16550, which is as fast as QEMU takes them.

use tapboard_port::mmio::Bytes;
use tapboard_port::uart::{Logger, Uart};

const DATA: usize = 0;
const LINE_STATUS: usize = 5;

const STATUS_TRANSMIT_EMPTY: u8 = 1 << 5;

/// Readings in which a byte has gone in any case.
const READINGS: u32 = 100_000;

static LOGGER: Logger<Serial> = Logger::new();

struct Serial(Bytes);

/// Sends every log message to the UART from now on.
pub(crate) fn install(uart: Bytes) {
    LOGGER.install(Serial(uart));
}

impl Uart for Serial {
    fn send(&mut self, byte: u8) {
        if (0..READINGS).any(|_| self.0.read(LINE_STATUS) & STATUS_TRANSMIT_EMPTY != 0) {
            self.0.write(DATA, byte);
        }
    }
}
