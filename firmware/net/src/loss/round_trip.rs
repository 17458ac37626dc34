//! How long a segment and its acknowledgement take on one connection (RFC 6298 2), and how long to wait
//! for an acknowledgement therefore. 8 bytes: microseconds.

use smoltcp::time::Duration;

use crate::limits::{RECOVERY_MARGIN, RECOVERY_MAX, RECOVERY_UNKNOWN};

#[derive(Debug)]
pub(crate) struct RoundTrip {
    /// 0: nothing has been measured yet.
    smoothed: u32,
    variation: u32,
}

impl RoundTrip {
    pub(crate) const fn new() -> Self {
        Self { smoothed: 0, variation: 0 }
    }

    /// An acknowledgement took this long. That of a segment which was sent twice must not be counted: it
    /// may be for either (Karn's algorithm, RFC 6298 3).
    pub(crate) fn sample(&mut self, took: Duration) {
        let took = took.min(RECOVERY_MAX).total_micros().max(1) as u32;
        if self.smoothed == 0 {
            *self = Self { smoothed: took, variation: took / 2 };
            return;
        }
        self.variation = (self.variation * 3 + self.smoothed.abs_diff(took)) / 4;
        self.smoothed = (self.smoothed * 7 + took) / 8;
    }

    /// What answers sooner answers something sent before. Half, for a round trip may have become shorter.
    pub(crate) const fn shortest(&self) -> Duration {
        Duration::from_micros(self.smoothed as u64 / 2)
    }

    /// How long data may be under way and yet be overtaken by what was sent after it (RFC 8985 6.2).
    pub(crate) const fn reordering(&self) -> Duration {
        Duration::from_micros(self.smoothed as u64 / 4)
    }

    /// When an acknowledgement is late that is not delayed on purpose: after two round trips (RFC 8985
    /// 7.2), or as many as their variation suggests (RFC 6298 2.3).
    pub(crate) fn late(&self) -> Duration {
        if self.smoothed == 0 {
            return RECOVERY_UNKNOWN;
        }
        let spread = self.smoothed.max(self.variation * 4);
        Duration::from_micros(u64::from(self.smoothed + spread)) + RECOVERY_MARGIN
    }
}

const _: () = assert!(RECOVERY_MAX.total_micros() * 8 <= u32::MAX as u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_what_is_measured() {
        let ms = Duration::from_millis;
        let mut trip = RoundTrip::new();
        assert_eq!(trip.late(), RECOVERY_UNKNOWN);
        trip.sample(ms(100));
        assert_eq!(trip.late(), ms(300) + RECOVERY_MARGIN, "half of the first is its variation");
        for _ in 0..100 {
            trip.sample(ms(100));
        }
        assert_eq!(trip.late().total_millis(), (ms(200) + RECOVERY_MARGIN).total_millis());
        assert_eq!((trip.shortest(), trip.reordering()), (ms(50), ms(25)));
        for _ in 0..100 {
            trip.sample(ms(400));
        }
        assert!(trip.late() >= ms(800), "{}", trip.late());
        trip.sample(Duration::from_secs(1_000_000));
        assert!(trip.late() <= Duration::from_secs(100), "{}", trip.late());
    }
}
