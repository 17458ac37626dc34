//! How the driver waits: asleep in the kernel, or for some microseconds awake; see `busy_poll`.
//!
//! A deadline is [exact](Until::exact) if a frame is under way, and met to within some 50 us on Linux. The
//! timers of protocols and of the console are met to the millisecond, late: for those the poller's own timeout
//! does, without a system call more. Nothing wakes a sleeper but an event or the earlier of the two.

use std::io;

use mio::{Events, Poll, Registry, Token};
use smoltcp::time::{Duration, Instant};

use super::busy_poll::{BusyPoll, Wait};
use super::timer::Timer;
use crate::clock::RealClock;

/// Turns with more to do at once, in a row, without a look at the events: that is a system call.
const HURRY: u32 = 7;
/// The token of the timer, whose event says no more than that the time is up.
pub(super) const TIMER: Token = Token(usize::MAX);

/// When to wake up at the latest; never of itself if both are `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Until {
    /// To the microsecond.
    pub(super) exact: Option<Instant>,
    /// To the millisecond.
    pub(super) coarse: Option<Instant>,
}

impl Until {
    fn earliest(self) -> Option<Instant> {
        [self.exact, self.coarse].into_iter().flatten().min()
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Sleeper {
    poll: Poll,
    timer: Timer,
    clock: RealClock,
    busy_poll: BusyPoll,
    /// How often it may go on without a look at the events.
    hurry: u32,
    /// Time in the kernel's sleep that nobody has taken yet.
    slept: Duration,
}

impl Sleeper {
    /// A sleeper to whose time `clock` is. It never waits awake.
    pub(super) fn new(clock: RealClock) -> io::Result<Self> {
        let poll = Poll::new()?;
        let timer = Timer::new(poll.registry(), TIMER)?;
        let busy_poll = BusyPoll::new(Duration::ZERO);
        Ok(Self { poll, timer, clock, busy_poll, hurry: HURRY, slept: Duration::ZERO })
    }

    /// In the midst of traffic, waits awake for up to `limit`.
    pub(super) fn busy_poll(&mut self, limit: Duration) {
        self.busy_poll = BusyPoll::new(limit);
    }

    /// Where sources of events are registered.
    pub(super) fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// Whether who sends the events works at the same time as we do; see [`BusyPoll::concurrent`].
    pub(super) const fn concurrent(&self) -> bool {
        self.busy_poll.concurrent()
    }

    /// Waits for events, at first awake if that may pay. `now` is when the turn began.
    pub(super) fn wait(
        &mut self,
        events: &mut Events,
        now: Instant,
        until: Until,
    ) -> io::Result<()> {
        let next = until.earliest();
        if next.is_some_and(|next| next <= now) && self.hurry > 0 {
            self.hurry -= 1;
            events.clear();
            return Ok(());
        }
        self.hurry = HURRY;
        let window = self.busy_poll.window();
        if window > Duration::ZERO && next.is_none_or(|next| next > now + window) {
            let (from, mut looks) = (self.clock.now(), 0);
            while self.clock.now() < from + window {
                self.poll(events, Some(Duration::ZERO))?;
                if !quiet(events) {
                    self.busy_poll.waited(Wait::Awake { looks, time: self.clock.now() - from });
                    return Ok(());
                }
                looks += 1;
                // Who is to send the event may wait for this very core.
                std::thread::yield_now();
            }
        }
        self.sleep(events, until)?;
        if next.is_none_or(|next| next > now) {
            let wait =
                if quiet(events) { Wait::Nothing } else { Wait::Asleep(self.clock.now() - now) };
            self.busy_poll.waited(wait);
        }
        Ok(())
    }

    /// Sleeps until there are events, or until the time is up.
    fn sleep(&mut self, events: &mut Events, until: Until) -> io::Result<()> {
        let now = self.clock.now();
        let due = self.timer.set(now, until.exact)?;
        let next = Until { exact: due, ..until }.earliest();
        let left = |next| if next > now { next - now } else { Duration::ZERO };
        self.poll(events, next.map(left))?;
        self.slept += self.clock.now() - now;
        Ok(())
    }

    /// How long it has slept since this was asked last.
    pub(super) const fn take_slept(&mut self) -> Duration {
        std::mem::replace(&mut self.slept, Duration::ZERO)
    }

    fn poll(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(events, timeout.map(Into::into)) {
            // A signal, which the waker tells of as well.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            result => result,
        }
    }
}

/// Whether nothing happened but that time passed.
fn quiet(events: &Events) -> bool {
    events.iter().all(|event| event.token() == TIMER)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn sleeper() -> (Sleeper, RealClock, Events) {
        let clock = RealClock::new();
        (Sleeper::new(clock).unwrap(), clock, Events::with_capacity(8))
    }

    /// Whatever else this machine does, it does not do all the time.
    #[test]
    fn an_exact_deadline_is_not_rounded_to_a_millisecond() {
        let (mut sleeper, clock, mut events) = sleeper();
        let late = (0..200).map(|_| {
            let now = clock.now();
            let at = now + Duration::from_micros(100);
            let until = Until { exact: Some(at), coarse: Some(now + Duration::from_secs(60)) };
            sleeper.wait(&mut events, now, until).unwrap();
            assert!(clock.now() >= at, "it woke before its time");
            assert!(quiet(&events));
            clock.now() - at
        });
        let best = late.min().unwrap();
        assert!(best < Duration::from_micros(500), "{} us late at best", best.total_micros());
    }

    #[test]
    fn what_is_due_does_not_sleep_and_what_happened_is_seen() {
        let (mut sleeper, clock, mut events) = sleeper();
        let waker = mio::Waker::new(sleeper.registry(), Token(3)).unwrap();
        waker.wake().unwrap();
        let now = clock.now();
        for until in
            [Until { exact: Some(now), coarse: None }, Until { exact: None, coarse: Some(now) }]
        {
            let mut seen = false;
            for _ in 0..=HURRY {
                sleeper.wait(&mut events, now, until).unwrap();
                seen |= !quiet(&events);
            }
            assert!(seen);
            waker.wake().unwrap();
        }
    }
}
