//! Throughput: what was sent and what was acknowledged, interval by interval.

use super::axis::{Quantity, round_up};
use super::chart::{BOTTOM, Chart, Kind, Line};
use super::connection::Direction;
use super::round_trips;
use crate::ladder::svg::element::Px;

const SENT: Kind = Kind { class: "flow", name: "sent" };
const ACKED: Kind = Kind { class: "ack", name: "acknowledged" };
const AGAIN: Kind = Kind { class: "bars", name: "of it sent again" };
const MEAN: Kind = Kind { class: "mean", name: "mean of what was acknowledged" };

/// Intervals at most and at least, about.
const INTERVALS: (f64, f64) = (100.0, 15.0);
/// The shortest one, in microseconds: on a fast network segments come in bursts that say little.
const INTERVAL_MIN: f64 = 1000.0;

/// Payload bytes of each interval.
#[derive(Debug)]
pub(super) struct Rates {
    /// Microseconds since the capture's first frame.
    first: i64,
    pub(super) interval: i64,
    pub(super) sent: Vec<f64>,
    again: Vec<f64>,
    pub(super) acked: Vec<f64>,
}

impl Rates {
    pub(super) fn new(direction: &Direction, (first, last): (i64, i64)) -> Self {
        // Within a round trip a sender sends once and then waits, which is not what a rate is for.
        let round_trip = round_trips::typical(direction).map_or(0.0, |(_, median)| median);
        let lasted = (last - first) as f64;
        let interval = (2.0 * round_trip).min(lasted / INTERVALS.1).max(lasted / INTERVALS.0);
        let interval = round_up(interval.max(INTERVAL_MIN)) as i64;
        let len = ((last - first) / interval + 1) as usize;
        let zeros = || vec![0.0; len];
        let mut out = Self { first, interval, sent: zeros(), again: zeros(), acked: zeros() };
        let place = |micros: i64| (((micros - first) / interval).max(0) as usize).min(len - 1);
        for data in &direction.data {
            out.sent[place(data.micros)] += data.len() as f64;
            if data.again {
                out.again[place(data.micros)] += data.len() as f64;
            }
        }
        let mut acked = None;
        for ack in &direction.acks {
            let before = acked.unwrap_or(ack.next);
            out.acked[place(ack.micros)] += (ack.next - before).max(0) as f64;
            acked = Some(before.max(ack.next));
        }
        out
    }

    /// Bits a second.
    pub(super) fn rate(&self, bytes: f64) -> f64 {
        bytes * 8.0 * 1e6 / self.interval as f64
    }

    /// The middle of an interval.
    fn middle(&self, index: usize) -> i64 {
        let index = i64::try_from(index).unwrap_or(i64::MAX);
        self.first + index * self.interval + self.interval / 2
    }
}

/// The chart, and how long an interval is, in microseconds.
pub(super) fn chart(direction: &Direction, times: (i64, i64)) -> (Chart, i64) {
    let rates = Rates::new(direction, times);
    let highest = rates.sent.iter().chain(&rates.acked).copied().fold(0.0, f64::max);
    let last = times.1.max(rates.middle(rates.sent.len() - 1));
    let values = (0.0, rates.rate(highest));
    let mut chart = Chart::new((times.0, last), "throughput", Quantity::Rate, values);
    let line = |chart: &Chart, values: &[f64]| {
        let points = values.iter().enumerate();
        Line::through(points.map(|(i, &bytes)| chart.at(rates.middle(i), rates.rate(bytes))))
    };
    let sent = line(&chart, &rates.sent);
    chart.area("area", &sent);
    let again =
        rates.again.iter().enumerate().filter(|(_, bytes)| **bytes > 0.0).map(|(i, &bytes)| {
            let (x, y) = chart.at(rates.middle(i), rates.rate(bytes));
            let wide = chart.at(rates.middle(i) + rates.interval, 0.0).0 - x;
            let wide = (wide * 0.6).max(1.5);
            let path = format!(
                "M{} {}V{}h{}V{}z",
                Px(x - wide / 2.0),
                Px(BOTTOM),
                Px(y),
                Px(wide),
                Px(BOTTOM)
            );
            (path, format!("{bytes} bytes sent again"))
        });
    let again: Vec<_> = again.collect();
    chart.marks(AGAIN, &again);
    chart.line(SENT, &sent);
    let acked = line(&chart, &rates.acked);
    chart.line(ACKED, &acked);
    let mean = mean(direction, times).map(|mean| [times.0, times.1].map(|at| chart.at(at, mean)));
    chart.line(MEAN, &Line::through(mean.into_iter().flatten()));
    (chart, rates.interval)
}

/// Bits a second that were acknowledged, from the first to the last time.
pub(super) fn mean(direction: &Direction, (first, last): (i64, i64)) -> Option<f64> {
    let acked = acknowledged(direction);
    (last > first && acked > 0).then(|| acked as f64 * 8.0 * 1e6 / (last - first) as f64)
}

/// How many payload bytes are acknowledged, as far as they are known: SYN and FIN take a number, too.
pub(super) fn acknowledged(direction: &Direction) -> u64 {
    let range = |range: Option<(i64, i64)>, (low, high): (i64, i64)| {
        Some(range.map_or((low, high), |(least, most)| (least.min(low), most.max(high))))
    };
    let data = direction.data.iter().filter(|data| data.len() > 0);
    let data = data.map(|data| (data.start, data.end)).fold(None, range);
    let acks = direction.acks.iter().map(|ack| (ack.next, ack.next)).fold(None, range);
    let Some((low, high)) = acks else { return 0 };
    let (start, end) = match data {
        Some((start, end)) => (low.max(start), high.min(end)),
        // Nothing but acknowledgements was captured.
        None if direction.data.is_empty() => (low, high),
        None => return 0,
    };
    (end - start).max(0).unsigned_abs()
}
