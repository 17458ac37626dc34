//! Log messages on UART 0, at 115,200 baud: registers as of a 16550, four bytes apart.

use tapboard_port::Registers;
use tapboard_port::mmio::Block;
use tapboard_port::uart::{Logger, Uart};

use crate::chip::BUS_HZ;

/// Data; while the line's register says so, the divisor.
const DATA: usize = 0x00;
const DIVISOR_HIGH: usize = 0x04;
const LINE: usize = 0x0c;
const LINE_STATUS: usize = 0x14;

const LINE_8_BITS: u32 = 3;
const LINE_DIVISOR: u32 = 1 << 7;
const STATUS_ROOM: u32 = 1 << 5;

const BAUD: u32 = 115_200;
/// Readings in which a byte leaves the register in any case.
const READINGS: u32 = BUS_HZ / BAUD * 20;

static LOGGER: Logger<Serial> = Logger::new();

struct Serial(Block);

/// Starts the UART, and sends every log message to it from now on.
pub(crate) fn install(mut uart: Block) {
    let divisor = (BUS_HZ + BAUD * 8) / (BAUD * 16);
    uart.write(LINE, LINE_DIVISOR);
    uart.write(DATA, divisor & 0xff);
    uart.write(DIVISOR_HIGH, divisor >> 8);
    uart.write(LINE, LINE_8_BITS);
    LOGGER.install(Serial(uart));
}

impl Uart for Serial {
    fn send(&mut self, byte: u8) {
        if (0..READINGS).any(|_| self.0.read(LINE_STATUS) & STATUS_ROOM != 0) {
            self.0.write(DATA, byte.into());
        }
    }
}
