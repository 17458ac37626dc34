//! RISC-V's platform-level interrupt controller (PLIC), for one interrupt that wakes and has no handler.
//!
//! The controller passes an interrupt on once, and again only after it was claimed and completed. Claimed
//! as soon as it has woken, and completed right before the next sleep, it cannot end a sleep for a reason that
//! has gone, and one that comes in between ends the next: the device's line is looked at when it is completed.
//! Completed earlier, a controller that looks at edges of the line, as QEMU's does, would forget what
//! a line that stays up has to say.

use crate::Registers;

const PRIORITY: usize = 4;
/// Of the first hart, in machine mode.
const ENABLE: usize = 0x2000;
const THRESHOLD: usize = 0x20_0000;
/// Reading claims, writing completes.
const CLAIM: usize = 0x20_0004;

/// The controller, with one of its interrupts let through to the first hart.
#[derive(Debug)]
pub struct Plic<R> {
    registers: R,
    claimed: u32,
}

impl<R: Registers> Plic<R> {
    /// Lets the interrupt `source`, which is at least 1, through.
    pub fn new(mut registers: R, source: usize) -> Self {
        registers.write(source * PRIORITY, 1);
        registers.write(ENABLE + source / 32 * 4, 1 << (source % 32));
        registers.write(THRESHOLD, 0);
        let mut plic = Self { registers, claimed: 0 };
        // A reset of the processor alone leaves one that was claimed claimed.
        plic.claimed = source as u32;
        plic.complete();
        plic
    }

    /// Takes what has come, so that the processor is not woken by it again.
    pub fn claim(&mut self) {
        self.claimed = self.registers.read(CLAIM);
    }

    /// Lets what was claimed come again; at once, if its reason is still there.
    pub fn complete(&mut self) {
        if self.claimed != 0 {
            self.registers.write(CLAIM, self.claimed);
            self.claimed = 0;
        }
    }
}
