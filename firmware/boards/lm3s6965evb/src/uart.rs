//! Log messages on UART 0, at 115,200 baud: on the EK-LM3S6965 the USB serial port.

use tapboard_port::Registers;
use tapboard_port::mmio::Block;
use tapboard_port::uart::{Logger, Uart};

use crate::chip::CORE_HZ;

const DATA: usize = 0x00;
const FLAGS: usize = 0x18;
const BAUD_INTEGER: usize = 0x24;
const BAUD_FRACTION: usize = 0x28;
const LINE: usize = 0x2c;
const CONTROL: usize = 0x30;

const FLAG_TRANSMIT_FULL: u32 = 1 << 5;
const LINE_8_BITS_FIFO: u32 = 3 << 5 | 1 << 4;
const CONTROL_ENABLE_TRANSMIT: u32 = 1 << 0 | 1 << 8;

const BAUD: u32 = 115_200;
/// Readings in which a byte leaves the FIFO in any case.
const READINGS: u32 = CORE_HZ / BAUD * 10;

static LOGGER: Logger<Serial> = Logger::new();

struct Serial(Block);

/// Starts the UART, and sends every log message to it from now on.
pub(crate) fn install(mut uart: Block) {
    // The divisor in 64ths: (hz / (16 * baud)) * 64.
    let divisor = (CORE_HZ * 4 + BAUD / 2) / BAUD;
    uart.write(CONTROL, 0);
    uart.write(BAUD_INTEGER, divisor / 64);
    uart.write(BAUD_FRACTION, divisor % 64);
    uart.write(LINE, LINE_8_BITS_FIFO);
    uart.write(CONTROL, CONTROL_ENABLE_TRANSMIT);
    LOGGER.install(Serial(uart));
}

impl Uart for Serial {
    fn send(&mut self, byte: u8) {
        if (0..READINGS).any(|_| self.0.read(FLAGS) & FLAG_TRANSMIT_FULL == 0) {
            self.0.write(DATA, byte.into());
        }
    }
}
