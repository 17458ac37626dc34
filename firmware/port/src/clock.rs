//! Time since boot and one-shot alarms: what the superloop wants of them, and both from one 24-bit counter.
//!
//! There is no periodic tick: the counter runs freely, and [`Clock`]'s `arm` shortens its present round so
//! that it ends, with an interrupt, at the moment asked for. An alarm that lies beyond the end of a
//! round needs nothing: the round's end wakes the superloop, which asks again.
//!
//! Contract: the clock is read before two rounds have ended since it was read last. A sleep cannot break
//! that, because a round (2^24 ticks: 335 ms at 50 MHz) ends with an interrupt; nor does a poll of the
//! firmware, which is bounded. Cost: 24 bytes of state, a 32-bit division a reading, and the few ticks between
//! a reading and a restart, which are lost.

use smoltcp::time::{Duration, Instant};

/// Time since boot, and an alarm that ends a sleep.
pub trait Timer {
    /// Time since boot.
    fn now(&mut self) -> Instant;

    /// Makes the timer's interrupt end a sleep at `deadline` or earlier. Whether that is still to come: then it is
    /// safe to sleep until an interrupt.
    fn arm(&mut self, deadline: Option<Instant>) -> bool;
}

/// Ticks of a whole round.
pub const ROUND: u32 = 1 << 24;

/// A 24-bit counter that counts down, raises an interrupt when it reaches 0, and begins again.
pub trait Counter {
    /// The ticks that are left, less than [`ROUND`]. 0 means that the next tick begins a round.
    fn left(&mut self) -> u32;

    /// Whether it has reached 0 since this was asked last, or since [`Counter::restart`].
    fn ended(&mut self) -> bool;

    /// Begins a round of `ticks` (1 to [`ROUND`] - 1), to be followed by whole ones.
    fn restart(&mut self, ticks: u32);
}

/// A clock and an alarm.
#[derive(Debug)]
pub struct Clock<C> {
    counter: C,
    ticks_per_us: u32,
    now: Instant,
    /// Ticks that have passed since `now`, less than a microsecond.
    ticks: u32,
    /// What was left of the round at the last reading; [`ROUND`] where the counter has just reached 0.
    left: u32,
}

impl<C: Counter> Clock<C> {
    /// Time begins at zero, with a new round. `hz` is the counter's frequency, a multiple of 1 MHz.
    pub fn new(mut counter: C, hz: u32) -> Self {
        assert!(hz >= 1_000_000 && hz.is_multiple_of(1_000_000), "whole ticks in a microsecond");
        counter.restart(ROUND - 1);
        let ticks_per_us = hz / 1_000_000;
        Self { counter, ticks_per_us, now: Instant::ZERO, ticks: 0, left: ROUND - 1 }
    }
}

impl<C: Counter> Timer for Clock<C> {
    fn now(&mut self) -> Instant {
        let mut left = self.counter.left();
        let mut passed = 0;
        if self.counter.ended() {
            // Read again: the first reading may be from before the end.
            left = self.counter.left();
            left = if left == 0 { ROUND } else { left };
            passed = self.left + ROUND - left;
            self.left = left;
        } else if left > 0 {
            passed = self.left.saturating_sub(left);
            self.left = left;
        }
        // At 0 without having ended: accounted for already, or about to say so.
        let ticks = passed + self.ticks;
        self.ticks = ticks % self.ticks_per_us;
        self.now += Duration::from_micros(u64::from(ticks / self.ticks_per_us));
        self.now
    }

    /// Makes the present round end at `deadline` or earlier.
    ///
    /// Clear the counter's interrupt before, not after: this may be the round that ends now.
    fn arm(&mut self, deadline: Option<Instant>) -> bool {
        let now = self.now();
        let Some(deadline) = deadline else { return true };
        if deadline <= now {
            return false;
        }
        let us = u32::try_from((deadline - now).total_micros()).unwrap_or(u32::MAX);
        let ticks = us.saturating_mul(self.ticks_per_us);
        if ticks < self.left {
            self.now();
            self.counter.restart(ticks);
            self.left = ticks;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::*;

    const HZ: u32 = 50_000_000;
    const TICKS_PER_MS: u64 = HZ as u64 / 1000;

    /// A counter that counts only when it is told to.
    #[derive(Debug, Default)]
    struct Fake {
        left: Cell<u32>,
        ended: Cell<bool>,
        interrupts: Cell<u64>,
        restarts: Cell<u32>,
    }

    impl Fake {
        fn pass(&self, ticks: u64) {
            let round = u64::from(ROUND);
            let since_zero = (round - u64::from(self.left.get())) % round + ticks;
            self.interrupts.set(self.interrupts.get() + since_zero / round);
            self.ended.set(self.ended.get() || since_zero >= round);
            self.left.set(((round - since_zero % round) % round) as u32);
        }

        /// The ticks it took.
        fn wait_for_interrupt(&self) -> u64 {
            let before = self.interrupts.get();
            let ticks = if self.left.get() == 0 { ROUND } else { self.left.get() }.into();
            self.pass(ticks);
            assert_eq!(self.interrupts.get(), before + 1);
            ticks
        }
    }

    impl Counter for &Fake {
        fn left(&mut self) -> u32 {
            self.left.get()
        }

        fn ended(&mut self) -> bool {
            self.ended.take()
        }

        fn restart(&mut self, ticks: u32) {
            assert!((1..ROUND).contains(&ticks), "{ticks}");
            self.restarts.set(self.restarts.get() + 1);
            self.left.set(ticks);
            self.ended.set(false);
        }
    }

    #[test]
    fn time_goes_on_across_rounds_without_losing_a_tick() {
        let counter = Fake::default();
        let mut clock = Clock::new(&counter, HZ);
        let round = u64::from(ROUND);
        let mut passed = 0;
        for step in [round - 1, 1, round, round, 1, round - 1, round + 1, round / 3, round, 7] {
            counter.pass(step);
            passed += step;
            let us = passed * 1_000_000 / u64::from(HZ);
            assert_eq!(clock.now(), Instant::from_micros(us.cast_signed()), "after {step}");
        }
        assert_eq!(counter.restarts.get(), 1);
    }

    #[test]
    fn an_alarm_comes_when_it_was_asked_for_and_time_is_kept() {
        let counter = Fake::default();
        let mut clock = Clock::new(&counter, HZ);
        let mut now = Instant::ZERO;
        for us in [1, 2, 999, 10_000, 300_000] {
            counter.pass(12_345 * u64::from(HZ / 1_000_000));
            now += Duration::from_micros(12_345);
            assert!(clock.arm(Some(now + Duration::from_micros(us))));
            now += Duration::from_micros(us);
            assert_eq!(counter.wait_for_interrupt(), us * u64::from(HZ / 1_000_000));
            assert_eq!(clock.now(), now);
            assert!(!clock.arm(Some(now)), "the moment has come");
        }
    }

    #[test]
    fn a_far_alarm_is_reached_in_whole_rounds() {
        let counter = Fake::default();
        let mut clock = Clock::new(&counter, HZ);
        let deadline = Instant::from_secs(4);
        let mut sleeps = 0;
        while clock.arm(Some(deadline)) {
            counter.wait_for_interrupt();
            sleeps += 1;
            assert!(sleeps < 100, "at {}", clock.now());
        }
        assert_eq!(clock.now(), deadline);
        assert_eq!(sleeps, 12, "11 rounds of 335 ms, and what is left");
    }

    #[test]
    fn an_earlier_end_of_the_round_is_left_alone() {
        let counter = Fake::default();
        let mut clock = Clock::new(&counter, HZ);
        assert!(clock.arm(Some(Instant::from_millis(10))));
        counter.pass(TICKS_PER_MS);
        assert!(clock.arm(Some(Instant::from_millis(300))));
        assert!(clock.arm(None));
        assert_eq!(counter.restarts.get(), 2);
        assert_eq!(counter.wait_for_interrupt(), 9 * TICKS_PER_MS);
        assert!(clock.arm(Some(Instant::from_millis(300))), "early, so asked again");
        counter.wait_for_interrupt();
        assert!(!clock.arm(Some(Instant::from_millis(300))));
    }

    /// Its interrupt was cleared as one of the past; waiting for another would take a round.
    #[test]
    fn a_counter_that_stands_at_zero_is_not_waited_for() {
        let counter = Fake::default();
        let mut clock = Clock::new(&counter, HZ);
        let round = u64::from(ROUND - 1);
        counter.pass(round);
        assert_eq!(counter.left.get(), 0);
        let now = clock.now();
        assert!(clock.arm(Some(now + Duration::from_millis(5))));
        assert_eq!(counter.wait_for_interrupt(), 5 * TICKS_PER_MS);
    }
}
