//! Log messages on UART 0, at 115,200 baud.

use tapboard_port::Registers;
use tapboard_port::mmio::Block;
use tapboard_port::uart::{Logger, Uart};

use crate::chip::CORE_HZ;

const DATA: usize = 0x00;
const STATE: usize = 0x04;
const CONTROL: usize = 0x08;
const DIVISOR: usize = 0x10;

const STATE_TRANSMIT_FULL: u32 = 1 << 0;
const CONTROL_TRANSMIT: u32 = 1 << 0;

const BAUD: u32 = 115_200;
/// Readings in which a byte leaves the buffer in any case.
const READINGS: u32 = CORE_HZ / BAUD * 10;

static LOGGER: Logger<Serial> = Logger::new();

struct Serial(Block);

/// Starts the UART, and sends every log message to it from now on.
pub(crate) fn install(mut uart: Block) {
    uart.write(DIVISOR, CORE_HZ / BAUD);
    uart.write(CONTROL, CONTROL_TRANSMIT);
    LOGGER.install(Serial(uart));
}

impl Uart for Serial {
    fn send(&mut self, byte: u8) {
        if (0..READINGS).any(|_| self.0.read(STATE) & STATE_TRANSMIT_FULL == 0) {
            self.0.write(DATA, byte.into());
        }
    }
}
