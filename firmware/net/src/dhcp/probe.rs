//! Whether an address is free: three questions for it, one to two seconds apart, and two more seconds without an answer
//! (RFC 5227 2.1.1).

use smoltcp::time::{Duration, Instant};

use crate::limits::{ANNOUNCE_WAIT, PROBE_MAX_MS, PROBE_MIN_MS, PROBE_NUM, PROBE_WAIT_MS};
use crate::rng::Rng;

/// A probe under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    at: Instant,
    sent: u8,
}

impl Probe {
    pub(crate) fn new(now: Instant, rng: &mut Rng) -> Self {
        let wait = Duration::from_millis(rng.below(PROBE_WAIT_MS).into());
        Self { at: now + wait, sent: 0 }
    }

    /// When there is something to do.
    pub(crate) const fn at(&self) -> Instant {
        self.at
    }

    /// Whether the address is free then: nobody has answered in time. Else a question is to be sent.
    pub(crate) const fn is_over(&self) -> bool {
        self.sent >= PROBE_NUM
    }

    /// Notes that one was sent.
    pub(crate) fn sent(&mut self, now: Instant, rng: &mut Rng) {
        self.sent += 1;
        self.at = now
            + if self.sent < PROBE_NUM {
                let wait = PROBE_MIN_MS + rng.below(PROBE_MAX_MS - PROBE_MIN_MS);
                Duration::from_millis(wait.into())
            } else {
                ANNOUNCE_WAIT
            };
    }
}
