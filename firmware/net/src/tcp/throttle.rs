//! One challenge ACK a second at most for each connection; what is one, `guard` says.

use smoltcp::time::Instant;

/// When a challenge may follow another, in four bytes: units of 1024 us, of which one in seven weeks is too long.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Throttle(u32);

impl Throttle {
    /// None has been sent yet.
    pub(crate) const NEW: Self = Self(0);

    /// Whether one may be sent, which is then noted.
    pub(crate) fn allows(&mut self, now: Instant) -> bool {
        // A unit less, which rounding may take.
        const SECOND: u32 = (1_000_000 >> 10) - 1;
        let now = ((now.total_micros() >> 10) as u32).max(1);
        let allowed = self.0 == 0 || now.wrapping_sub(self.0) >= SECOND;
        if allowed {
            self.0 = now;
        }
        allowed
    }
}
