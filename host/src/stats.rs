//! Percentiles of measured times.
//!
//! All samples are kept, 8 bytes each, and sorted once at the end: a percentile is a time that was really
//! measured, not an estimate. Whoever adds samples bounds their number.

use std::time::Duration;

/// Measured times, in no order.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    nanoseconds: Vec<u64>,
}

/// Measured times, sorted.
#[derive(Clone, Debug)]
pub struct Sorted {
    nanoseconds: Vec<u64>,
}

impl Samples {
    /// Adds one measurement.
    pub fn push(&mut self, time: Duration) {
        self.nanoseconds.push(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Adds all measurements of another set.
    pub fn extend(&mut self, other: &Samples) {
        self.nanoseconds.extend_from_slice(&other.nanoseconds);
    }

    /// Sorts, after which percentiles can be read.
    #[must_use]
    pub fn sorted(mut self) -> Sorted {
        self.nanoseconds.sort_unstable();
        Sorted { nanoseconds: self.nanoseconds }
    }
}

impl Sorted {
    /// How many measurements there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.nanoseconds.len()
    }

    /// The nearest-rank percentile: the smallest measurement that at least `percent` of 100 do not
    /// exceed. `None` without measurements.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Option<Duration> {
        self.per_mille(percent * 10)
    }

    /// As [`Self::percentile`], in thousandths: 999 for 99.9 %.
    #[must_use]
    pub fn per_mille(&self, thousandths: usize) -> Option<Duration> {
        assert!((1..=1000).contains(&thousandths), "a percentile lies between 0.1 and 100");
        let rank = (self.nanoseconds.len() * thousandths).div_ceil(1000);
        let index = rank.checked_sub(1)?;
        Some(Duration::from_nanos(self.nanoseconds[index]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(milliseconds: impl IntoIterator<Item = u64>) -> Sorted {
        let mut samples = Samples::default();
        milliseconds.into_iter().for_each(|ms| samples.push(Duration::from_millis(ms)));
        samples.sorted()
    }

    fn percentile_ms(sorted: &Sorted, percent: usize) -> Option<u128> {
        sorted.percentile(percent).map(|time| time.as_millis())
    }

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let hundred = samples((1..=100).rev());
        assert_eq!(percentile_ms(&hundred, 50), Some(50));
        assert_eq!(percentile_ms(&hundred, 99), Some(99));
        assert_eq!(percentile_ms(&hundred, 100), Some(100));
        let thousand = samples(1..=1000);
        assert_eq!(thousand.per_mille(999).map(|time| time.as_millis()), Some(999));
        assert_eq!(hundred.per_mille(999), hundred.percentile(100));
        // The worked example of the nearest-rank definition.
        let five = samples([15, 20, 35, 40, 50]);
        assert_eq!(percentile_ms(&five, 5), Some(15));
        assert_eq!(percentile_ms(&five, 30), Some(20));
        assert_eq!(percentile_ms(&five, 40), Some(20));
        assert_eq!(percentile_ms(&five, 50), Some(35));
        assert_eq!(percentile_ms(&five, 99), Some(50));
    }

    #[test]
    fn few_samples_and_none() {
        assert_eq!(percentile_ms(&samples([7]), 1), Some(7));
        assert_eq!(percentile_ms(&samples([7]), 99), Some(7));
        assert_eq!(samples([]).percentile(50), None);
        assert_eq!(samples([]).count(), 0);
    }

    #[test]
    fn sets_are_joined() {
        let mut all = Samples::default();
        let mut other = Samples::default();
        all.push(Duration::from_millis(3));
        other.push(Duration::from_millis(1));
        all.extend(&other);
        assert_eq!(percentile_ms(&all.sorted(), 50), Some(1));
    }
}
