//! The MAC's registers as a driver with one mistake would write them, for `.ci/boards`: each of these boards works, and
//! the acceptance test has to fail it. Which mistake is `TAPBOARD_MUTANT`, when it is compiled.

use tapboard_port::Registers;
use tapboard_port::mmio::Block;

const RX_CTL: usize = 0x18c;
const TX_STATUS: usize = 0x188;
const RX_STATUS: usize = 0x194;
const IRQ_MASK: usize = 0x198;

const IRQ_RECEIVED: u32 = 0xf0;

/// The registers of the MAC, and a mistake.
#[derive(Debug)]
pub(crate) struct Mutant {
    registers: Block,
    started: bool,
}

impl Mutant {
    pub(crate) fn new(registers: Block) -> Self {
        Self { registers, started: false }
    }
}

impl Registers for Mutant {
    fn read(&mut self, offset: usize) -> u32 {
        self.registers.read(offset)
    }

    fn write(&mut self, offset: usize, value: u32) {
        let value = match (MISTAKE, offset) {
            (Mistake::NeverEnabled, IRQ_MASK) => value & !IRQ_RECEIVED,
            (Mistake::NeverCleared, RX_STATUS | TX_STATUS) => return,
            (Mistake::NeverRestarted, RX_CTL) if core::mem::replace(&mut self.started, true) => {
                return;
            }
            _ => value,
        };
        self.registers.write(offset, value);
    }
}

/// What a driver may forget.
#[derive(Clone, Copy)]
enum Mistake {
    /// The interrupt of a frame that has come.
    NeverEnabled,
    /// To clear it.
    NeverCleared,
    /// To start the receiver again after it was full.
    NeverRestarted,
}

const MISTAKE: Mistake = match option_env!("TAPBOARD_MUTANT") {
    Some(name) => match name.as_bytes() {
        b"never-enabled" => Mistake::NeverEnabled,
        b"never-cleared" => Mistake::NeverCleared,
        b"never-restarted" => Mistake::NeverRestarted,
        _ => panic!("no such mistake"),
    },
    None => panic!("TAPBOARD_MUTANT says which mistake"),
};
