//! What the echo check prints at its end: the connections that failed, then the totals.

use std::time::Duration;

use serde_json::{Value, json};

use crate::echo::connection::Connection;
use crate::echo::outcome::Outcome;
use crate::echo::plan::{EchoPlan, PING};
use crate::output::{Error, Output, Verdict};
use crate::stats::{Samples, Sorted};
use crate::units::{counted, show_time};

/// Connections that are named one by one for people; all are in the JSON output.
const SHOWN_MAX: usize = 10;

/// The result of the whole check.
#[derive(Debug)]
pub struct EchoReport<'a> {
    /// What was to be done.
    pub plan: &'a EchoPlan,
    /// The connections, all of them over.
    pub connections: &'a [Connection],
    /// From the first byte of the bulk to the end of the last connection.
    pub bulk_time: Duration,
    /// Whether the user ended it.
    pub interrupted: bool,
}

#[derive(Debug, Default)]
struct Totals {
    ok: usize,
    refused: usize,
    failed: usize,
    unfinished: usize,
    bytes: u64,
}

impl EchoReport<'_> {
    /// Prints the report and returns its verdict, even if nobody reads it.
    pub fn print(&self, output: &mut Output) -> Result<Verdict, Error> {
        let totals = self.totals();
        let passed = !self.interrupted && totals.ok == self.connections.len();
        let written = if output.is_json() {
            self.print_json(&totals, passed, output)
        } else {
            self.print_text(&totals, output)
        };
        match written {
            Ok(()) | Err(Error::OutputClosed) => {}
            Err(error) => return Err(error),
        }
        Ok(if passed { Verdict::Passed } else { Verdict::Failed })
    }

    fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for connection in self.connections {
            totals.bytes += connection.bulk_verified(self.plan);
            match connection.outcome() {
                Some(Outcome::Verified) => totals.ok += 1,
                Some(Outcome::Refused(_)) => totals.refused += 1,
                Some(Outcome::Failed(_)) => totals.failed += 1,
                Some(Outcome::Unfinished) | None => totals.unfinished += 1,
            }
        }
        totals
    }

    fn bytes_due(&self) -> u64 {
        self.plan.bytes_of(self.connections.len()).unwrap_or(u64::MAX)
    }

    fn bytes_per_second(&self, totals: &Totals) -> Option<f64> {
        let seconds = self.bulk_time.as_secs_f64();
        (seconds > 0.0 && totals.bytes > 0).then(|| totals.bytes as f64 / seconds)
    }

    /// One time of each connection that has it.
    fn times(&self, of: impl Fn(&Connection) -> Option<Duration>) -> Sorted {
        let mut samples = Samples::default();
        self.connections.iter().filter_map(of).for_each(|time| samples.push(time));
        samples.sorted()
    }

    fn round_trips(&self) -> Sorted {
        let mut samples = Samples::default();
        self.connections.iter().for_each(|c| samples.extend(&c.round_trips));
        samples.sorted()
    }

    fn print_text(&self, totals: &Totals, output: &mut Output) -> Result<(), Error> {
        let bad = self.connections.iter().zip(1..).filter_map(|(connection, number)| {
            let outcome = connection.outcome()?;
            (!matches!(outcome, Outcome::Verified | Outcome::Unfinished))
                .then_some((number, outcome))
        });
        let mut left = 0;
        for (index, (number, outcome)) in bad.enumerate() {
            if index < SHOWN_MAX {
                output.line(format_args!("connection {number}: {outcome}"))?;
            } else {
                left += 1;
            }
        }
        if left > 0 {
            output.line(format_args!("... and {left} more; --json lists all"))?;
        }
        if self.interrupted {
            output.line("interrupted; so far:")?;
        }
        let Totals { ok, refused, failed, unfinished, bytes } = totals;
        let unfinished = match unfinished {
            0 => String::new(),
            number => format!(", {number} unfinished"),
        };
        output.line(format_args!(
            "connections  {ok} ok, {refused} refused, {failed} failed{unfinished}"
        ))?;
        let due = counted(self.bytes_due(), "byte");
        output.line(format_args!("verified     {bytes} of {due}"))?;
        if let Some(rate) = self.bytes_per_second(totals) {
            output.line(format_args!(
                "throughput   {:.2} MB/s each way, {} for the bulk",
                rate / 1e6,
                show_time(self.bulk_time)
            ))?;
        }
        let connect = self.times(|connection| connection.connect_time);
        if let Some(line) = percentiles(&connect) {
            output.line(format_args!("connect      {line}  (to the first byte back)"))?;
        }
        let round_trips = self.round_trips();
        if let Some(line) = percentiles(&round_trips) {
            output.line(format_args!(
                "round trip   {line}  ({} of {PING} bytes)",
                counted(round_trips.count(), "ping")
            ))?;
        }
        output.line(format_args!("seed         {}", self.plan.seed))
    }

    fn print_json(&self, totals: &Totals, passed: bool, output: &mut Output) -> Result<(), Error> {
        for (connection, number) in self.connections.iter().zip(1..) {
            let outcome = connection.outcome().unwrap_or(&Outcome::Unfinished);
            let mut object = serde_json::Map::from_iter([
                ("event".to_owned(), json!("connection")),
                ("connection".to_owned(), json!(number)),
                ("peer".to_owned(), json!(connection.peer().to_string())),
                ("outcome".to_owned(), json!(outcome.word())),
                ("message".to_owned(), json!(outcome.to_string())),
                ("bytes_verified".to_owned(), json!(connection.bulk_verified(self.plan))),
                ("handshake_us".to_owned(), microseconds(connection.handshake_time)),
                ("connect_us".to_owned(), microseconds(connection.connect_time)),
            ]);
            outcome.add_fields(&mut object);
            output.object(&Value::Object(object))?;
        }
        let handshake = self.times(|connection| connection.handshake_time);
        let connect = self.times(|connection| connection.connect_time);
        let round_trips = self.round_trips();
        output.object(&json!({
            "event": "summary",
            "passed": passed,
            "interrupted": self.interrupted,
            "ok": totals.ok,
            "refused": totals.refused,
            "failed": totals.failed,
            "unfinished": totals.unfinished,
            "bytes_verified": totals.bytes,
            "bytes_due": self.bytes_due(),
            "bulk_seconds": self.bulk_time.as_secs_f64(),
            "bytes_per_second": self.bytes_per_second(totals),
            "handshake_p50_us": microseconds(handshake.percentile(50)),
            "handshake_p99_us": microseconds(handshake.percentile(99)),
            "connect_p50_us": microseconds(connect.percentile(50)),
            "connect_p99_us": microseconds(connect.percentile(99)),
            "pings": round_trips.count(),
            "ping_bytes": PING,
            "round_trip_p50_us": microseconds(round_trips.percentile(50)),
            "round_trip_p99_us": microseconds(round_trips.percentile(99)),
            "seed": self.plan.seed,
        }))
    }
}

fn percentiles(times: &Sorted) -> Option<String> {
    let (p50, p99) = (times.percentile(50)?, times.percentile(99)?);
    Some(format!("p50 {}  p99 {}", show_time(p50), show_time(p99)))
}

/// A time in microseconds with its fraction, or null.
fn microseconds(time: Option<Duration>) -> Value {
    time.map_or(Value::Null, |time| json!(time.as_nanos() as f64 / 1e3))
}
