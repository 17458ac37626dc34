//! How long a segment and its acknowledgement take on one connection, and how long to wait for an acknowledgement
//! therefore (RFC 6298). 12 bytes: microseconds.

use smoltcp::time::Duration;

use crate::limits::{RTO_INITIAL, RTO_MAX, RTO_MIN};

#[derive(Debug)]
pub(crate) struct RoundTrip {
    /// 0: nothing has been measured yet.
    smoothed: u32,
    variation: u32,
    shortest: u32,
}

impl RoundTrip {
    pub(crate) const fn new() -> Self {
        Self { smoothed: 0, variation: 0, shortest: u32::MAX }
    }

    /// An acknowledgement took this long. That of a segment which was sent twice must not be counted: it
    /// may be for either (Karn's algorithm, RFC 6298 3).
    pub(crate) fn sample(&mut self, took: Duration) {
        let took = took.min(RTO_MAX).total_micros().max(1) as u32;
        self.shortest = self.shortest.min(took);
        if self.smoothed == 0 {
            (self.smoothed, self.variation) = (took, took / 2);
            return;
        }
        // What varies less than before is believed half as fast (RFC 6298 2.3 has a quarter for both): after some round trips
        // that happen to be alike, the next long one would be taken for a loss.
        let deviation = self.smoothed.abs_diff(took);
        let gain = if deviation > self.variation { 4 } else { 8 };
        self.variation = (self.variation * (gain - 1) + deviation) / gain;
        self.smoothed = (self.smoothed * 7 + took) / 8;
    }

    /// SRTT; 0 if nothing has been measured.
    pub(crate) const fn smoothed(&self) -> Duration {
        Duration::from_micros(self.smoothed as u64)
    }

    /// The shortest that was measured; 0 if nothing was.
    pub(crate) const fn shortest(&self) -> Duration {
        Duration::from_micros(if self.smoothed == 0 { 0 } else { self.shortest as u64 })
    }

    /// How long the answer to several segments is waited for before the last is sent again: two round trips (RFC 8985 7.2), a
    /// half less where they hardly vary, and what one hardly ever takes longer than where they vary by more than they take.
    pub(crate) fn probe(&self) -> Duration {
        let smoothed = self.smoothed();
        let longest = smoothed + Duration::from_micros(u64::from(self.variation) * 4);
        if longest > smoothed * 3 { longest } else { longest.clamp(smoothed * 3 / 2, smoothed * 2) }
    }

    /// The retransmission timeout (RFC 6298 2): as Linux has it, the variation counts for no less than 200 ms, which is as
    /// long as a peer may delay its acknowledgement, in place of a second for the whole (2.4).
    #[inline(never)]
    pub(crate) fn timeout(&self) -> Duration {
        if self.smoothed == 0 {
            return RTO_INITIAL;
        }
        Duration::from_micros(u64::from(self.smoothed + (self.variation * 4).max(LEAST)))
            .min(RTO_MAX)
    }
}

/// [`RTO_MIN`] in microseconds.
const LEAST: u32 = RTO_MIN.total_micros() as u32;

const _: () = assert!(RTO_MAX.total_micros() * 8 <= u32::MAX as u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_what_is_measured() {
        let ms = Duration::from_millis;
        let mut trip = RoundTrip::new();
        assert_eq!(trip.timeout(), RTO_INITIAL);
        trip.sample(ms(200));
        assert_eq!(trip.timeout(), ms(600), "half of the first is its variation");
        for _ in 0..100 {
            trip.sample(ms(100));
        }
        assert_eq!(trip.timeout().total_millis(), 300, "200 ms at least beside the trip");
        assert_eq!(trip.shortest(), ms(100));
        for _ in 0..100 {
            trip.sample(ms(400));
        }
        assert!(trip.timeout() >= ms(590), "{}", trip.timeout());
        trip.sample(Duration::from_secs(1_000_000));
        assert!(trip.timeout() <= RTO_MAX, "{}", trip.timeout());
    }
}
