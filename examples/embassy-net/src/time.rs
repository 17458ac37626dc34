//! The clock of `embassy-time`, in virtual time: each thread has its own, so that tests run side by side.

use std::cell::{Cell, RefCell};
use std::task::Waker;

use embassy_time_driver::Driver;
use smoltcp::time::Instant;

/// A time that somebody waits for, in ticks, and who.
type Timer = (u64, Waker);

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(0) };
    static TIMERS: RefCell<Vec<Timer>> = const { RefCell::new(Vec::new()) };
}

struct VirtualTime;

impl Driver for VirtualTime {
    fn now(&self) -> u64 {
        NOW.get()
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        TIMERS.with_borrow_mut(|timers| {
            // Each task waits for one moment; the one that it names again takes the other's place if it is earlier.
            match timers.iter_mut().find(|(_, other)| other.will_wake(waker)) {
                Some((due, _)) => *due = at.min(*due),
                None => timers.push((at, waker.clone())),
            }
        });
    }
}

embassy_time_driver::time_driver_impl!(static DRIVER: VirtualTime = VirtualTime);

/// Forgets all timers and goes back to zero: a board that is switched on.
pub(crate) fn reset() {
    NOW.set(0);
    TIMERS.with_borrow_mut(Vec::clear);
}

/// It is `now`: wakes whose time has come. A tick is a microsecond.
pub(crate) fn advance_to(now: Instant) {
    let now = now.total_micros() as u64;
    NOW.set(NOW.get().max(now));
    let due: Vec<Timer> =
        TIMERS.with_borrow_mut(|timers| timers.extract_if(.., |(at, _)| *at <= now).collect());
    for (_, waker) in due {
        waker.wake();
    }
}

/// The current time, as the network has it.
pub(crate) fn now() -> Instant {
    Instant::from_micros(NOW.get().cast_signed())
}

/// When the next timer is due.
pub(crate) fn next() -> Option<Instant> {
    TIMERS.with_borrow(|timers| {
        timers
            .iter()
            .map(|&(at, _)| Instant::from_micros(i64::try_from(at).unwrap_or(i64::MAX)))
            .min()
    })
}
