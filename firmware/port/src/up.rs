//! The same as [`clock`](crate::clock) from a counter that counts up and has a comparator, of any width up to 32 bits
//! and at any rate: a general-purpose timer of most chips. At 1 MHz, one of 32 bits wakes an idle board every 36
//! minutes, where a `SysTick` at 480 MHz does it every 35 ms.
//!
//! Contract: the clock is read, or the processor sleeps, before half a round has passed since the last reading. An alarm
//! is at most half a round ahead, so that a sleep cannot break that. Cost: 40 bytes of state, a 64-bit division a reading.

use smoltcp::time::{Duration, Instant};

use crate::clock::Timer;

/// A counter that counts up, begins again at 0 after [`CountUp::MAX`], and raises an interrupt when it comes to a value.
pub trait CountUp {
    /// The highest value, all ones: `u32::MAX`, or 0xffff for 16 bits.
    const MAX: u32;

    /// The value.
    fn count(&mut self) -> u32;

    /// Makes it raise its interrupt when it comes to `value` next, and no more for what was asked before.
    fn compare(&mut self, value: u32);
}

/// A clock and an alarm.
#[derive(Debug)]
pub struct UpClock<C> {
    counter: C,
    hz: u32,
    now: Instant,
    /// What the counter said at the last reading.
    last: u32,
    /// What has passed since `now`, in ticks times a million; less than `hz`.
    rest: u64,
}

const MILLION: u64 = 1_000_000;

impl<C: CountUp> UpClock<C> {
    /// Time begins at zero. `hz` is the counter's frequency.
    pub fn new(mut counter: C, hz: u32) -> Self {
        const { assert!(C::MAX >= 0xff && C::MAX.count_ones() == 32 - C::MAX.leading_zeros()) };
        assert!(hz > 0, "it counts");
        let last = counter.count();
        let mut clock = Self { counter, hz, now: Instant::ZERO, last, rest: 0 };
        clock.compare(C::MAX / 2);
        clock
    }

    fn compare(&mut self, ahead: u32) {
        self.counter.compare(self.last.wrapping_add(ahead) & C::MAX);
    }
}

impl<C: CountUp> Timer for UpClock<C> {
    fn now(&mut self) -> Instant {
        let count = self.counter.count();
        let passed = count.wrapping_sub(self.last) & C::MAX;
        self.last = count;
        let passed = u64::from(passed) * MILLION + self.rest;
        self.rest = passed % u64::from(self.hz);
        self.now += Duration::from_micros(passed / u64::from(self.hz));
        self.now
    }

    /// Clear the counter's interrupt before, not after: it may come at once.
    fn arm(&mut self, deadline: Option<Instant>) -> bool {
        let now = self.now();
        let half = u64::from(C::MAX / 2);
        let ahead = match deadline {
            Some(deadline) if deadline <= now => return false,
            Some(deadline) => {
                let ticks = (deadline - now).total_micros().saturating_mul(self.hz.into());
                // Rounded up, or it would come before the deadline; what has passed already counts.
                ticks.saturating_sub(self.rest).div_ceil(MILLION).clamp(1, half)
            }
            None => half,
        };
        let from = self.last;
        self.compare(ahead as u32);
        // It may have come to that value while it was told: then nothing raises the interrupt for a round.
        let passed = self.counter.count().wrapping_sub(from) & C::MAX;
        u64::from(passed) < ahead
    }
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::*;

    /// A counter of so many bits that goes on by `step` at each access.
    #[derive(Default)]
    struct Fake<const BITS: u32> {
        time: Cell<u64>,
        step: Cell<u64>,
        compare: Cell<u32>,
        raised: Cell<bool>,
    }

    impl<const BITS: u32> Fake<BITS> {
        fn pass(&self, ticks: u64) {
            let before = self.time.get();
            self.time.set(before + ticks);
            // Whether it has come to the value on the way.
            let to = u64::from((self.compare.get().wrapping_sub(before as u32)) & Self::MASK);
            let to = if to == 0 { 1 << BITS } else { to };
            self.raised.set(self.raised.get() || to <= ticks);
        }

        const MASK: u32 = u32::MAX >> (32 - BITS);
    }

    impl<const BITS: u32> CountUp for &Fake<BITS> {
        const MAX: u32 = Fake::<BITS>::MASK;

        fn count(&mut self) -> u32 {
            self.pass(self.step.get());
            self.time.get() as u32 & Self::MAX
        }

        fn compare(&mut self, value: u32) {
            assert_eq!(value & !Self::MAX, 0);
            self.pass(self.step.get());
            self.compare.set(value);
            self.pass(self.step.get());
        }
    }

    /// Frequencies of chips, some of which are no multiple of anything.
    const RATES: [u32; 6] = [32_768, 999_983, 1_000_000, 72_000_000, 133_333_333, 480_000_000];

    #[test]
    fn time_is_exact_over_any_number_of_rounds() {
        for hz in RATES {
            let fake = Fake::<16>::default();
            fake.time.set(65_000);
            let mut clock = UpClock::new(&fake, hz);
            for step in [1, 7, 1000, 32_767, 65_535] {
                for _ in 0..10_000 {
                    fake.pass(step);
                    let us = u128::from(fake.time.get() - 65_000) * 1_000_000 / u128::from(hz);
                    assert_eq!(clock.now().total_micros() as u128, us, "{hz} Hz");
                }
            }
        }
    }

    fn alarms<const BITS: u32>() {
        for hz in RATES {
            let fake = Fake::<BITS>::default();
            fake.time.set((1 << BITS) - 3);
            let mut clock = UpClock::new(&fake, hz);
            for us in [1, 2, 50, 999, 30_001, 1_000_000] {
                let deadline = clock.now() + Duration::from_micros(us);
                let mut sleeps = 0;
                while clock.arm(Some(deadline)) {
                    fake.raised.set(false);
                    let left = fake.compare.get().wrapping_sub(fake.time.get() as u32);
                    fake.pass(u64::from(left & Fake::<BITS>::MASK));
                    assert!(fake.raised.get(), "{hz} Hz, {us} us");
                    sleeps += 1;
                }
                let late = clock.now() - deadline;
                let tick = Duration::from_micros(1 + 1_000_000 / u64::from(hz));
                assert!(late <= tick, "{hz} Hz, {us} us: late by {late}");
                let ticks = us * u64::from(hz) / 1_000_000;
                assert!(sleeps <= 2 + ticks / u64::from(Fake::<BITS>::MASK / 2), "{sleeps} sleeps");
            }
        }
    }

    #[test]
    fn an_alarm_comes_when_it_was_asked_for_and_not_before() {
        alarms::<16>();
        alarms::<32>();
    }

    #[test]
    fn without_a_deadline_it_wakes_each_half_round() {
        let fake = Fake::<32>::default();
        let mut clock = UpClock::new(&fake, 1_000_000);
        for round in 1..6_u64 {
            fake.raised.set(false);
            assert!(clock.arm(None));
            fake.pass((1 << 31) - 2);
            assert!(!fake.raised.get());
            fake.pass(1);
            assert!(fake.raised.get());
            assert_eq!(clock.now().total_micros() as u64, round * ((1 << 31) - 1));
        }
    }

    /// It comes while the alarm is being set: either that is said, or the interrupt is there.
    #[test]
    fn no_alarm_is_lost() {
        for us in 0..60 {
            let fake = Fake::<16>::default();
            let mut clock = UpClock::new(&fake, 1_000_000);
            fake.step.set(7);
            let deadline = clock.now() + Duration::from_micros(us);
            fake.raised.set(false);
            let sleeps = clock.arm(Some(deadline));
            fake.pass(u64::from(u16::MAX) / 2);
            assert!(!sleeps || fake.raised.get(), "{us} us");
        }
    }
}
