//! Round trips, as an observer of both directions has them: from a segment to the acknowledgement of it.
//!
//! [`Outstanding`] remembers what one direction has under way and gives a sample for each acknowledgement that
//! moves on. What was sent again gives none, nor does what is behind it (RFC 6298, 3): nobody knows which of them
//! was answered. At most [`OUTSTANDING_MAX`] segments are remembered, of more every second one. [`RoundTrip`] sums
//! samples up.

use std::collections::VecDeque;

use smoltcp::time::{Duration, Instant};

use super::seq::after;

/// Segments under way that are remembered, in each direction of a connection.
const OUTSTANDING_MAX: usize = 32;

/// Segments that were not acknowledged yet.
#[derive(Debug, Default)]
pub(super) struct Outstanding(VecDeque<(u32, Instant)>);

impl Outstanding {
    /// A segment with new data that ends before `end`.
    pub(super) fn sent(&mut self, end: u32, now: Instant) {
        if self.0.len() >= OUTSTANDING_MAX {
            let mut keep = false;
            self.0.retain(|_| {
                keep = !keep;
                keep
            });
        }
        self.0.push_back((end, now));
    }

    /// Something from `start` on was sent again.
    pub(super) fn resent(&mut self, start: u32) {
        self.0.retain(|&(end, _)| !after(end, start));
    }

    /// The peer acknowledges all before `number`: how long that took, for the latest of what it acknowledges.
    pub(super) fn acknowledged(&mut self, number: u32, now: Instant) -> Option<Duration> {
        let mut latest = None;
        while let Some(&(end, at)) = self.0.front()
            && !after(end, number)
        {
            latest = Some(at);
            self.0.pop_front();
        }
        latest.map(|at| passed(at, now))
    }
}

/// From one time to another, or nothing if a capture's times run back.
pub(super) fn passed(from: Instant, to: Instant) -> Duration {
    let micros = to.total_micros().saturating_sub(from.total_micros());
    Duration::from_micros(micros.max(0).cast_unsigned())
}

/// The round trips of one direction's segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoundTrip {
    /// Samples there were.
    pub samples: u64,
    /// The shortest.
    pub min: Duration,
    /// The longest.
    pub max: Duration,
    /// Smoothed as a sender does it (RFC 6298, 2), after the last sample.
    pub smoothed: Duration,
}

impl RoundTrip {
    /// One more.
    pub(super) fn sample(&mut self, sample: Duration) {
        let micros = sample.total_micros();
        if self.samples == 0 {
            (self.min, self.max, self.smoothed) = (sample, sample, sample);
        } else {
            // 7/8 and 1/8, of times as long as a capture may claim.
            let old = self.smoothed.total_micros();
            self.smoothed = Duration::from_micros(old - old / 8 + micros / 8);
            self.min = self.min.min(sample);
            self.max = self.max.max(sample);
        }
        self.samples += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Instant {
        Instant::from_millis(millis)
    }

    fn ms(millis: impl Into<Option<u64>>) -> Option<Duration> {
        millis.into().map(Duration::from_millis)
    }

    #[test]
    fn an_acknowledgement_is_a_sample_of_the_latest_segment_that_it_covers() {
        let mut way = Outstanding::default();
        way.sent(10, at(0));
        way.sent(20, at(5));
        way.sent(30, at(7));
        assert_eq!(way.acknowledged(5, at(20)), None);
        assert_eq!(way.acknowledged(20, at(25)), ms(20));
        assert_eq!(way.acknowledged(20, at(26)), None);
        assert_eq!(way.acknowledged(30, at(3)), ms(0), "times may run back");
    }

    #[test]
    fn what_was_sent_again_and_what_is_behind_it_gives_no_sample() {
        let mut way = Outstanding::default();
        for end in [10, 20, 30] {
            way.sent(end, at(0));
        }
        way.resent(10);
        assert_eq!(way.acknowledged(10, at(4)), ms(4));
        assert_eq!(way.acknowledged(30, at(9)), None);
        way.sent(5_u32.wrapping_sub(10), at(10));
        way.sent(5, at(11));
        assert_eq!(way.acknowledged(5, at(12)), ms(1), "across the wrap");
    }

    #[test]
    fn what_is_remembered_is_bounded_and_spread_over_all_that_is_under_way() {
        let mut way = Outstanding::default();
        for end in 1..10_000_u32 {
            way.sent(end, at(end.into()));
            assert!(way.0.len() <= OUTSTANDING_MAX);
        }
        assert_eq!(way.acknowledged(1, at(10_000)), ms(9_999));
        assert_eq!(way.acknowledged(9_999, at(10_000)), ms(1));
    }

    #[test]
    fn samples_are_smoothed_as_a_sender_does_it() {
        let mut all = RoundTrip::default();
        for millis in [80, 160, 80] {
            all.sample(Duration::from_millis(millis));
        }
        let ms = Duration::from_millis;
        assert_eq!((all.samples, all.min, all.max), (3, ms(80), ms(160)));
        assert_eq!(all.smoothed, Duration::from_micros(88_750));
        all.sample(Duration::from_micros(u64::MAX));
        assert_eq!(all.max.total_micros(), u64::MAX);
    }
}
