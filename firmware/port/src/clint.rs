//! The timer that RISC-V's machine mode has: 64 bits that count up, and a comparator, as a [`Timer`].
//!
//! It needs no rounds and no bookkeeping: the alarm is a moment, and the interrupt is a level that ends when a later
//! one is set. The registers are where the core-local interruptor (CLINT) has those of the first hart. Cost: three
//! accesses and a 64-bit division a reading, six accesses an alarm.

use smoltcp::time::Instant;

use crate::clock::Timer;
use crate::registers::Registers;

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
        let ticks =
            deadline.total_micros().cast_unsigned().saturating_mul(self.ticks_per_us.into());
        let time = self.boot.saturating_add(ticks);
        self.compare(time);
        self.time() < time
    }
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use smoltcp::time::Duration;

    use super::*;

    const HZ: u32 = 10_000_000;

    /// A timer that goes on by `step` at each access.
    #[derive(Default)]
    struct Fake {
        time: Cell<u64>,
        step: Cell<u64>,
        compare: Cell<u64>,
        /// The interrupt was raised at some time since this was cleared.
        raised: Cell<bool>,
    }

    impl Fake {
        fn pass(&self, ticks: u64) {
            self.time.set(self.time.get() + ticks);
            self.raised.set(self.raised.get() || self.interrupt());
        }

        fn interrupt(&self) -> bool {
            self.time.get() >= self.compare.get()
        }
    }

    impl Registers for &Fake {
        fn read(&mut self, offset: usize) -> u32 {
            self.pass(self.step.get());
            match offset {
                TIME => self.time.get() as u32,
                0xbffc => (self.time.get() >> 32) as u32,
                _ => panic!("read of {offset:#x}"),
            }
        }

        fn write(&mut self, offset: usize, value: u32) {
            let (old, value) = (self.compare.get(), u64::from(value));
            self.compare.set(match offset {
                COMPARE => old >> 32 << 32 | value,
                0x4004 => value << 32 | old & 0xffff_ffff,
                _ => panic!("write of {offset:#x}"),
            });
            self.pass(self.step.get());
        }
    }

    #[test]
    fn time_is_whole_when_the_low_half_begins_anew() {
        let fake = Fake::default();
        fake.time.set((7 << 32) - 10_000);
        let mut clint = Clint::new(&fake, HZ);
        for step in [1, 3, 7, 1000] {
            fake.step.set(step);
            for _ in 0..10_000 {
                let before = fake.time.get();
                let now = clint.now().total_micros().cast_unsigned();
                let earliest = (before - clint.boot) / 10;
                assert!((earliest..=(fake.time.get() - clint.boot) / 10).contains(&now));
            }
        }
        assert!(fake.time.get() > 7 << 32);
    }

    #[test]
    fn an_alarm_comes_when_it_was_asked_for_and_not_before() {
        let fake = Fake::default();
        fake.time.set((3 << 32) - 30_000);
        let mut clint = Clint::new(&fake, HZ);
        assert!(!fake.interrupt());
        let mut now = Instant::ZERO;
        for us in [1, 2, 1000, 5000, 10_000_000, 1_000_000_000] {
            let deadline = now + Duration::from_micros(us);
            fake.raised.set(false);
            assert!(clint.arm(Some(deadline)));
            fake.pass(us * 10 - 1);
            assert!(!fake.raised.get(), "{us}");
            fake.pass(1);
            assert!(fake.interrupt());
            now = clint.now();
            assert_eq!(now, deadline);
            assert!(!clint.arm(Some(deadline)), "the moment has come");
        }
        fake.raised.set(false);
        assert!(clint.arm(None));
        fake.pass(1 << 60);
        assert!(!fake.interrupt());
    }

    /// It comes while the alarm is being set: either that is said, or the interrupt is there.
    #[test]
    fn no_alarm_is_lost() {
        for ticks in 0..40 {
            let fake = Fake::default();
            let mut clint = Clint::new(&fake, HZ);
            fake.step.set(10);
            let deadline = clint.now() + Duration::from_micros(ticks);
            let sleeps = clint.arm(Some(deadline));
            fake.pass(1 << 20);
            assert!(!sleeps || fake.interrupt());
        }
    }
}
