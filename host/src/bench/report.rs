//! What `bench` prints at its end: a line for each test.

use serde_json::{Map, Value, json};

use crate::bench::outcome::{Run, Spread, Summary};
use crate::bench::plan::BenchPlan;
use crate::output::{Error, Output, Verdict};
use crate::units::{counted, show_microseconds, show_seconds};

/// All that was measured.
#[derive(Debug)]
pub struct BenchReport<'a> {
    /// What was to be done.
    pub plan: &'a BenchPlan,
    /// The runs, in their order.
    pub runs: &'a [Run],
    /// Whether the user ended it.
    pub interrupted: bool,
}

impl BenchReport<'_> {
    /// Prints the report and returns its verdict, even if nobody reads it.
    pub fn print(&self, output: &mut Output) -> Result<Verdict, Error> {
        let written =
            if output.is_json() { output.object(&self.json()) } else { self.print_text(output) };
        match written {
            Ok(()) | Err(Error::OutputClosed) => {}
            Err(error) => return Err(error),
        }
        Ok(if self.interrupted { Verdict::Failed } else { Verdict::Passed })
    }

    /// The medians of each test, as far as there were runs of it.
    pub fn summaries(&self) -> impl Iterator<Item = Summary> {
        self.plan.tests.iter().filter_map(|test| Summary::of(*test, self.runs))
    }

    fn json(&self) -> Value {
        let tests = self.summaries().map(|one| (one.test.word().to_owned(), one.json()));
        json!({
            "event": "summary",
            "passed": !self.interrupted,
            "interrupted": self.interrupted,
            "address": self.plan.address.to_string(),
            "port_offset": self.plan.port_offset,
            "parallel": self.plan.parallel,
            "tests": tests.collect::<Map<String, Value>>(),
        })
    }

    fn print_text(&self, output: &mut Output) -> Result<(), Error> {
        if self.interrupted {
            output.line("interrupted; so far:")?;
        }
        for summary in self.summaries() {
            output.line(line(&summary))?;
        }
        if self.plan.parallel > 1 {
            output.line(format_args!("bulk: {} connections at once", self.plan.parallel))?;
        }
        output.line(format_args!(
            "medians of {} of at most {} each; smallest to largest in brackets",
            counted(self.plan.runs, "run"),
            show_seconds(self.plan.time)
        ))
    }
}

/// One test for people, under its title.
fn line(summary: &Summary) -> String {
    let title = summary.test.title();
    let Spread { median, min, max } = summary.rate;
    match summary.percentiles {
        None => {
            let [median, min, max] = [median, min, max].map(|rate| rate / 1e6);
            format!("{title:<23} {median:>9.2} MB/s  [{min:.2} to {max:.2}]")
        }
        Some(times) => {
            let [p50, p99, p999] = times.named().map(|(_, time)| show_microseconds(time));
            format!(
                "{title:<23} {median:>9.0} a second  [{min:.0} to {max:.0}]  p50 {p50}  p99 {p99}  \
                 p99.9 {p999}"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bench::outcome::Percentiles;
    use crate::bench::plan::Test;

    #[test]
    fn each_test_is_a_line() {
        let rate = Spread { median: 412_340_000.0, min: 4e8, max: 420_100_000.0 };
        let bulk = Summary { test: Test::To, runs: 3, rate, percentiles: None };
        assert_eq!(line(&bulk), "to the board               412.34 MB/s  [400.00 to 420.10]");
        let percentiles = Percentiles {
            p50: Duration::from_nanos(12_345),
            p99: Duration::from_micros(31),
            p999: Duration::from_millis(2),
        };
        let rate = Spread { median: 73_123.4, min: 70_000.0, max: 74_000.0 };
        let trips = Summary { test: Test::Trip, runs: 3, rate, percentiles: Some(percentiles) };
        assert_eq!(
            line(&trips),
            "round trip of 64 bytes      73123 a second  [70000 to 74000]  p50 12.3 µs  p99 31.0 µs  \
             p99.9 2.00 ms"
        );
    }
}
