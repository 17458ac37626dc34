//! Whether to look for the next event for a while before going to sleep, and for how long; the looking itself is in `sleep`.
//!
//! Falling asleep and being woken costs tens of microseconds, which is several round trips of a client on
//! another core. So after an event that came soon, the next is waited for awake: at first for
//! [`FIRST`], then twice as long each time that was too short, up to a limit. An event that
//! was far off ends it at once: who is idle sleeps.
//!
//! Awake, we may keep from its core the very client that is to send the event. Then waiting awake is in
//! vain, however soon the event comes once we sleep. After [`VAIN_MAX`] such waits in a row it rests, for
//! [`REST`] waits at first, twice as many each time up to [`REST_MAX`], until one succeeds again.
//!
//! From how long the looks take it also learns whether the client runs at the same time as we do. Between two
//! looks we offer our core, and who takes it is the client: then the two share it.
//!
//! Pure: it is told what each wait came to, and reads no clock.

use smoltcp::time::Duration;

/// How long the first wait awake is.
const FIRST: Duration = Duration::from_micros(10);
/// An event is near if it came within so many times the limit, asleep: the wake-up takes its part.
const NEAR: u32 = 4;
/// Waits awake without an event, although it came soon after, before it rests.
const VAIN_MAX: u32 = 8;
/// Waits of the first rest.
const REST: u32 = 256;
/// Waits of the longest.
const REST_MAX: u32 = 16 * 1024;

/// How long a look takes at most while nobody takes our core.
const LOOK: Duration = Duration::from_micros(5);

/// What a wait came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// An event while awake, after so many looks without one, which took so long.
    Awake { looks: u32, time: Duration },
    /// An event while asleep, so long after the wait began.
    Asleep(Duration),
    /// None: the time was up.
    Nothing,
}

/// The state; see the module's documentation.
#[derive(Debug)]
pub(super) struct BusyPoll {
    limit: Duration,
    /// How long to wait awake next.
    window: Duration,
    /// Waits in vain in a row.
    vain: u32,
    /// Waits left of a rest, and how long the next will be.
    rest: u32,
    next_rest: u32,
    concurrent: bool,
}

impl BusyPoll {
    /// Waits awake for at most `limit`; zero: never.
    pub(super) const fn new(limit: Duration) -> Self {
        let window = Duration::ZERO;
        Self { limit, window, vain: 0, rest: 0, next_rest: REST, concurrent: false }
    }

    /// Whether who sends the events has another core than we.
    pub(super) const fn concurrent(&self) -> bool {
        self.concurrent
    }

    /// How long to wait awake, for the next wait.
    pub(super) const fn window(&self) -> Duration {
        self.window
    }

    /// Learns what that wait came to.
    pub(super) fn waited(&mut self, wait: Wait) {
        if self.rest > 0 {
            self.rest -= 1;
            return;
        }
        match wait {
            Wait::Awake { looks, time } => {
                if looks > 0 {
                    self.concurrent = time <= LOOK * (looks + 1);
                }
                self.vain = 0;
                self.next_rest = REST;
            }
            Wait::Asleep(after) if after <= self.limit * NEAR => {
                if self.window == self.limit {
                    self.vain += 1;
                }
                self.window = (self.window * 2).max(FIRST).min(self.limit);
            }
            Wait::Asleep(_) | Wait::Nothing => self.window = Duration::ZERO,
        }
        if self.vain >= VAIN_MAX {
            self.rest = self.next_rest;
            self.next_rest = (self.next_rest * 2).min(REST_MAX);
            self.window = Duration::ZERO;
            self.vain = 0;
            self.concurrent = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_micros(50);
    const NEAR: Wait = Wait::Asleep(Duration::from_micros(60));
    const AWAKE: Wait = Wait::Awake { looks: 3, time: Duration::from_micros(4) };
    const FAR: Wait = Wait::Asleep(Duration::from_micros(201));

    fn windows(busy_poll: &mut BusyPoll, waits: &[Wait]) -> Vec<u64> {
        let micros = |&wait: &Wait| {
            busy_poll.waited(wait);
            busy_poll.window().total_micros()
        };
        waits.iter().map(micros).collect()
    }

    #[test]
    fn it_waits_awake_only_after_events_that_came_soon() {
        let mut busy_poll = BusyPoll::new(LIMIT);
        assert_eq!(busy_poll.window(), Duration::ZERO);
        assert_eq!(windows(&mut busy_poll, &[FAR, Wait::Nothing, FAR]), [0, 0, 0]);
        assert_eq!(windows(&mut busy_poll, &[NEAR, NEAR, NEAR, NEAR]), [10, 20, 40, 50]);
        assert_eq!(windows(&mut busy_poll, &[AWAKE; 3]), [50; 3]);
        assert_eq!(windows(&mut busy_poll, &[FAR, NEAR, Wait::Nothing]), [0, 10, 0]);
    }

    #[test]
    fn off_is_off() {
        let mut busy_poll = BusyPoll::new(Duration::ZERO);
        let soon = Wait::Asleep(Duration::ZERO);
        assert_eq!(windows(&mut busy_poll, &[soon; 20]), [0; 20]);
    }

    #[test]
    fn a_client_that_takes_our_core_is_not_concurrent() {
        let mut busy_poll = BusyPoll::new(LIMIT);
        let mut after = |looks, micros| {
            busy_poll.waited(Wait::Awake { looks, time: Duration::from_micros(micros) });
            busy_poll.concurrent()
        };
        assert!(!after(0, 1), "there at once: that tells nothing");
        assert!(after(3, 4));
        assert!(after(0, 1));
        assert!(!after(1, 16), "away for one look");
        assert!(!after(0, 1));
        assert!(after(20, 40));
        for _ in 0..VAIN_MAX + 8 {
            busy_poll.waited(NEAR);
        }
        assert!(!busy_poll.concurrent());
    }

    /// Both share a core: the client can send only once we sleep, and does so at once.
    #[test]
    fn in_vain_it_rests_ever_longer_until_it_succeeds() {
        let mut busy_poll = BusyPoll::new(LIMIT);
        let awake = |busy_poll: &mut BusyPoll, waits: u32| {
            (0..waits)
                .filter(|_| {
                    let awake = busy_poll.window() > Duration::ZERO;
                    busy_poll.waited(NEAR);
                    awake
                })
                .count()
        };
        let tries = awake(&mut busy_poll, REST);
        assert!(tries <= 12, "{tries}");
        let tries = awake(&mut busy_poll, 100_000);
        assert!(tries < 160, "{tries} of 100,000 waits awake and in vain");
        // On a core of its own again.
        awake(&mut busy_poll, REST_MAX);
        while busy_poll.window() == Duration::ZERO {
            busy_poll.waited(NEAR);
        }
        assert_eq!(windows(&mut busy_poll, &[NEAR, NEAR, NEAR, AWAKE])[3], 50);
        assert_eq!(busy_poll.next_rest, REST);
    }
}
