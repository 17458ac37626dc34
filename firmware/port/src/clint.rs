//! The timer that RISC-V's machine mode has: 64 bits that count up, and a comparator, as a [`Timer`].
//!
//! It needs no rounds and no bookkeeping: the alarm is a moment, and the interrupt is a level that ends when a later
//! one is set. The registers are where the core-local interruptor (CLINT) has those of the first hart. Cost: three
//! accesses and a 64-bit division a reading, three accesses an alarm.

use smoltcp::time::Instant;

use crate::Registers;
use crate::clock::Timer;

/// Low half first.
const COMPARE: usize = 0x4000;
const TIME: usize = 0xbff8;
const HIGH: usize = 4;

/// Time since boot, and an alarm.
#[derive(Debug)]
pub struct Clint<R> {
    registers: R,
    ticks_per_us: u32,
    boot: u64,
}

impl<R: Registers> Clint<R> {
    /// Time begins at zero, without an alarm. `hz` is the timer's frequency, a multiple of 1 MHz.
    pub fn new(registers: R, hz: u32) -> Self {
        assert!(hz >= 1_000_000 && hz.is_multiple_of(1_000_000), "whole ticks in a microsecond");
        let mut clint = Self { registers, ticks_per_us: hz / 1_000_000, boot: 0 };
        clint.boot = clint.time();
        clint.compare(u64::MAX);
        clint
    }

    fn time(&mut self) -> u64 {
        loop {
            let high = self.registers.read(TIME + HIGH);
            let low = self.registers.read(TIME);
            // Between the two, the low half may have begun anew.
            if self.registers.read(TIME + HIGH) == high {
                return u64::from(high) << 32 | u64::from(low);
            }
        }
    }

    /// Never earlier than both the old and the new moment, meanwhile.
    fn compare(&mut self, time: u64) {
        self.registers.write(COMPARE + HIGH, u32::MAX);
        self.registers.write(COMPARE, time as u32);
        self.registers.write(COMPARE + HIGH, (time >> 32) as u32);
    }
}

impl<R: Registers> Timer for Clint<R> {
    fn now(&mut self) -> Instant {
        let ticks = self.time() - self.boot;
        Instant::from_micros((ticks / u64::from(self.ticks_per_us)).cast_signed())
    }

    /// The interrupt is that of the last call, whatever the one before it asked for.
    fn arm(&mut self, deadline: Option<Instant>) -> bool {
        let Some(deadline) = deadline else {
            self.compare(u64::MAX);
            return true;
        };
        let ticks = deadline.total_micros().cast_unsigned().saturating_mul(self.ticks_per_us.into());
        let time = self.boot.saturating_add(ticks);
        self.compare(time);
        self.time() < time
    }
}
