//! Log messages on UART 0, at the speed that it has after a reset.

use tapboard_port::Registers;
use tapboard_port::mmio::Block;
use tapboard_port::uart::{Logger, Uart};

const DATA: usize = 0x00;
const TRANSMIT_CONTROL: usize = 0x08;

const DATA_FULL: u32 = 1 << 31;
const CONTROL_ENABLE: u32 = 1 << 0;

/// Readings in which a byte has gone in any case.
const READINGS: u32 = 100_000;

static LOGGER: Logger<Serial> = Logger::new();

struct Serial(Block);

/// Starts the UART, and sends every log message to it from now on.
pub(crate) fn install(mut uart: Block) {
    uart.write(TRANSMIT_CONTROL, CONTROL_ENABLE);
    LOGGER.install(Serial(uart));
}

impl Uart for Serial {
    fn send(&mut self, byte: u8) {
        if (0..READINGS).any(|_| self.0.read(DATA) & DATA_FULL == 0) {
            self.0.write(DATA, byte.into());
        }
    }
}
