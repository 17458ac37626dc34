//! Time: the only reader of the operating system's clock, and the virtual clock beside it.
//!
//! Everything else in this project takes `now` as an argument, so that the same code runs in real and
//! in virtual time.

use smoltcp::time::{Duration, Instant};

/// Monotonic time since the clock was made.
#[derive(Clone, Copy, Debug)]
pub struct RealClock {
    start: std::time::Instant,
    epoch: std::time::Duration,
}

impl RealClock {
    /// A clock that begins at zero.
    #[must_use]
    #[allow(
        clippy::new_without_default,
        reason = "a default value that differs each time misleads"
    )]
    #[allow(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    pub fn new() -> Self {
        let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self { start: std::time::Instant::now(), epoch: since_1970.unwrap_or_default() }
    }

    /// When the clock began, since 1970; only captures care.
    #[must_use]
    pub const fn epoch(&self) -> std::time::Duration {
        self.epoch
    }

    /// Microseconds since the start, as an instant.
    #[must_use]
    pub fn now(&self) -> Instant {
        let micros = i64::try_from(self.start.elapsed().as_micros()).unwrap_or(i64::MAX);
        Instant::from_micros(micros)
    }
}

/// Time that passes only when told to.
#[derive(Clone, Copy, Debug)]
pub struct VirtualClock {
    now: Instant,
}

impl Default for VirtualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl VirtualClock {
    /// A clock that begins at zero.
    #[must_use]
    pub const fn new() -> Self {
        Self { now: Instant::ZERO }
    }

    /// The virtual time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Moves time on to `instant`; never back.
    pub fn advance_to(&mut self, instant: Instant) {
        self.now = self.now.max(instant);
    }

    /// Moves time on by `duration`.
    pub fn advance(&mut self, duration: Duration) {
        self.now += duration;
    }
}
