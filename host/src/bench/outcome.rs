//! What one run measured, and what the runs of a test come to.
//!
//! The figure of a test is the median of its runs; the smallest and the largest are beside it. Of the
//! times within a run, percentiles are kept and the rest is forgotten.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::bench::plan::Test;
use crate::stats::{Samples, Sorted};

/// One run of one test.
#[derive(Clone, Debug)]
pub struct Run {
    /// Which test.
    pub test: Test,
    /// Which run of it, from 1.
    pub number: u32,
    /// What it did.
    pub measured: Measured,
}

/// What a run did, and how long it took.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// From its beginning to its end.
    pub time: Duration,
    /// What was done in that time.
    pub done: Done,
}

/// What a run did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// Bytes moved; those of a duplex test went each way.
    Bytes(u64),
    /// Round trips, or connections from connect to the peer's FIN.
    Times {
        /// How many.
        count: usize,
        /// The percentiles of their times.
        percentiles: Percentiles,
    },
}

/// Three of the percentiles of many times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Percentiles {
    /// The median.
    pub p50: Duration,
    /// 99 %.
    pub p99: Duration,
    /// 99.9 %.
    pub p999: Duration,
}

impl Percentiles {
    fn of(times: &Sorted) -> Self {
        let at = |per_mille| times.per_mille(per_mille).unwrap_or_default();
        Self { p50: at(500), p99: at(990), p999: at(999) }
    }

    /// The percentiles by their names in JSON.
    #[must_use]
    pub const fn named(&self) -> [(&'static str, Duration); 3] {
        [("p50_us", self.p50), ("p99_us", self.p99), ("p999_us", self.p999)]
    }
}

impl Done {
    /// What so many times come to.
    #[must_use]
    pub fn times(samples: Samples) -> Self {
        let sorted = samples.sorted();
        Self::Times { count: sorted.count(), percentiles: Percentiles::of(&sorted) }
    }

    pub(super) const fn count(self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Times { count, .. } => count as u64,
        }
    }
}

impl Run {
    /// Bytes, round trips or connections a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.measured.done.count() as f64 / self.measured.time.as_secs_f64().max(1e-9)
    }

    /// The run as an object.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut object = Map::from_iter([
            ("event".to_owned(), json!("run")),
            ("test".to_owned(), json!(self.test.word())),
            ("run".to_owned(), json!(self.number)),
            ("seconds".to_owned(), json!(self.measured.time.as_secs_f64())),
            (rate_name(self.measured.done).to_owned(), json!(self.rate())),
        ]);
        match self.measured.done {
            Done::Bytes(bytes) => {
                object.insert("bytes".to_owned(), json!(bytes));
            }
            Done::Times { count, percentiles } => {
                object.insert("count".to_owned(), json!(count));
                add(&mut object, percentiles);
            }
        }
        Value::Object(object)
    }
}

/// All runs of one test.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Which test.
    pub test: Test,
    /// How many runs.
    pub runs: usize,
    /// Their rates: bytes, round trips or connections a second.
    pub rate: Spread,
    /// The medians of the runs' percentiles, if times were measured.
    pub percentiles: Option<Percentiles>,
}

/// The middle and the ends of some measurements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The median; of an even number of them, the mean of the two in the middle.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// The spread of these; `None` if there are none.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let half = values.len() / 2;
        let upper = values[half];
        let median =
            if values.len() % 2 == 1 { upper } else { f64::midpoint(values[half - 1], upper) };
        Some(Self { median, min, max })
    }
}

impl Summary {
    /// What the runs of `test` come to; `None` if there was none.
    #[must_use]
    pub fn of(test: Test, runs: &[Run]) -> Option<Self> {
        let runs: Vec<&Run> = runs.iter().filter(|run| run.test == test).collect();
        let rate = Spread::of(runs.iter().map(|run| run.rate()))?;
        let all: Vec<Percentiles> = runs
            .iter()
            .filter_map(|run| match run.measured.done {
                Done::Times { percentiles, .. } => Some(percentiles),
                Done::Bytes(_) => None,
            })
            .collect();
        let median = |which: fn(&Percentiles) -> Duration| {
            let spread = Spread::of(all.iter().map(|one| which(one).as_secs_f64()));
            spread.map(|spread| Duration::from_secs_f64(spread.median))
        };
        let percentiles =
            median(|one| one.p50).zip(median(|one| one.p99)).zip(median(|one| one.p999));
        let percentiles = percentiles.map(|((p50, p99), p999)| Percentiles { p50, p99, p999 });
        Some(Self { test, runs: runs.len(), rate, percentiles })
    }

    /// The summary as an object.
    #[must_use]
    pub fn json(&self) -> Value {
        let name = match self.percentiles {
            None => "bytes_per_second",
            Some(_) => "per_second",
        };
        let Spread { median, min, max } = self.rate;
        let mut object = Map::from_iter([
            ("runs".to_owned(), json!(self.runs)),
            (name.to_owned(), json!(median)),
            (format!("{name}_min"), json!(min)),
            (format!("{name}_max"), json!(max)),
        ]);
        if let Some(percentiles) = self.percentiles {
            add(&mut object, percentiles);
        }
        Value::Object(object)
    }
}

const fn rate_name(done: Done) -> &'static str {
    match done {
        Done::Bytes(_) => "bytes_per_second",
        Done::Times { .. } => "per_second",
    }
}

fn add(object: &mut Map<String, Value>, percentiles: Percentiles) {
    for (name, time) in percentiles.named() {
        object.insert(name.to_owned(), json!(time.as_nanos() as f64 / 1e3));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(test: Test, number: u32, bytes: u64) -> Run {
        let measured = Measured { time: Duration::from_secs(2), done: Done::Bytes(bytes) };
        Run { test, number, measured }
    }

    #[test]
    fn a_summary_is_the_median_of_its_own_runs() {
        let runs = [
            run(Test::To, 1, 200),
            run(Test::From, 1, 7_000_000),
            run(Test::To, 2, 10),
            run(Test::To, 3, 300),
        ];
        let to = Summary::of(Test::To, &runs).expect("runs");
        assert_eq!((to.runs, to.rate), (3, Spread { median: 100.0, min: 5.0, max: 150.0 }));
        assert_eq!(to.percentiles, None);
        assert_eq!(to.json()["bytes_per_second"], 100.0);
        assert!(Summary::of(Test::Duplex, &runs).is_none());
        assert_eq!(Spread::of([1.0, 4.0]).map(|spread| spread.median), Some(2.5));
    }

    #[test]
    fn times_are_summed_up_by_the_medians_of_their_percentiles() {
        let timed = |number, factor| {
            let mut samples = Samples::default();
            (1..=1000).for_each(|micros: u64| {
                samples.push(Duration::from_micros(micros * factor));
            });
            let measured = Measured { time: Duration::from_secs(1), done: Done::times(samples) };
            Run { test: Test::Trip, number, measured }
        };
        let runs = [timed(1, 1), timed(2, 100), timed(3, 2)];
        assert_eq!(runs[0].json()["p999_us"], 999.0);
        let summary = Summary::of(Test::Trip, &runs).expect("runs");
        let json = summary.json();
        assert_eq!(
            (&json["p50_us"], &json["p99_us"], &json["p999_us"]),
            (&1000.0.into(), &1980.0.into(), &1998.0.into())
        );
        assert_eq!(json["per_second"], 1000.0);
    }
}
