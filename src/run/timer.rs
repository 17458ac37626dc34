//! A timer of the kernel's that wakes the poller to the microsecond (`timerfd_create(2)`).
//!
//! The poller's own timeout is a whole number of milliseconds, rounded up: with it a frame that takes 100 us
//! arrives after 1 ms. The timer is one more source that the poller waits for. It is never read, as setting it
//! anew clears it. Cost: a system call for each deadline that is not the one before.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use smoltcp::time::{Duration, Instant};

/// The timer; see the module's documentation.
#[derive(Debug)]
pub(super) struct Timer {
    fd: OwnedFd,
    /// When it wakes the poller, or did.
    set: Option<Instant>,
}

impl Timer {
    /// A timer that makes `token` ready.
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        registry.register(&mut SourceFd(&fd.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self { fd, set: None })
    }

    /// Wakes the poller `at` that moment and at no other. Returns the deadline that is left to the poller's own
    /// timeout: `at` if that is not in the future.
    pub(super) fn set(&mut self, now: Instant, at: Option<Instant>) -> io::Result<Option<Instant>> {
        let ahead = at.filter(|&at| at > now);
        if ahead != self.set.filter(|&set| set > now) {
            // Zero is never.
            let left = ahead.map_or(Duration::ZERO, |at| at - now);
            timerfd_settime(&self.fd, TimerfdTimerFlags::empty(), &once(left))?;
            self.set = ahead;
        }
        Ok(at.filter(|&at| at <= now))
    }
}

fn once(after: Duration) -> Itimerspec {
    let micros = after.total_micros().cast_signed();
    let it_value = Timespec { tv_sec: micros / 1_000_000, tv_nsec: micros % 1_000_000 * 1000 };
    Itimerspec { it_interval: Timespec::default(), it_value }
}

#[cfg(test)]
mod tests {
    use mio::Poll;
    use rustix::time::timerfd_gettime;

    use super::*;

    const NOW: Instant = Instant::from_micros_const(7_000_000);
    const HOUR: Duration = Duration::from_secs(3600);

    /// How long until it wakes the poller; zero for never.
    fn left(timer: &Timer) -> std::time::Duration {
        timerfd_gettime(&timer.fd).unwrap().it_value.try_into().unwrap()
    }

    #[test]
    fn it_is_set_to_the_microsecond() {
        for (micros, tv_sec, tv_nsec) in [(1, 0, 1000), (100, 0, 100_000), (2_000_001, 2, 1000)] {
            let set = once(Duration::from_micros(micros)).it_value;
            assert_eq!((set.tv_sec, set.tv_nsec), (tv_sec, tv_nsec));
        }
    }

    #[test]
    fn it_wakes_at_the_last_moment_it_was_told_and_what_is_due_is_left_to_the_poller() {
        let poll = Poll::new().unwrap();
        let mut timer = Timer::new(poll.registry(), Token(0)).unwrap();
        let mut set = |at| {
            let due = timer.set(NOW, at).unwrap();
            (due, left(&timer) > std::time::Duration::ZERO)
        };
        assert_eq!(set(Some(NOW + HOUR * 2)), (None, true));
        assert_eq!(set(Some(NOW + HOUR)), (None, true));
        assert_eq!(set(Some(NOW)), (Some(NOW), false));
        assert_eq!(set(Some(NOW + HOUR)), (None, true));
        assert_eq!(set(None), (None, false));
    }
}
