//! Round-trip times: from a segment to the acknowledgement of it, at the place of the capture.

use super::axis::Quantity;
use super::chart::{Chart, Kind, Line};
use super::connection::Direction;
use super::resent;
use crate::ladder::svg::element::Px;

const SAMPLES: Kind = Kind { class: "dots", name: "round trip" };
const SMOOTHED: Kind = Kind { class: "ack", name: "smoothed (RFC 6298)" };

/// Time of the acknowledgement, frame and sample, in microseconds.
fn samples(direction: &Direction) -> impl Iterator<Item = (i64, u64, f64)> {
    let acks = direction.acks.iter();
    acks.filter_map(|ack| Some((ack.micros, ack.number, ack.round_trip? as f64)))
}

pub(super) fn chart(direction: &Direction, times: (i64, i64)) -> Chart {
    let longest = samples(direction).map(|(.., sample)| sample).fold(0.0, f64::max);
    let mut chart = Chart::new(times, "round-trip time", Quantity::Time, (0.0, longest));
    resent::ticks(&mut chart, direction);
    let dots = samples(direction).map(|(at, number, sample)| {
        let (x, y) = chart.at(at, sample);
        let hover = format!("frame {number}: {}", Quantity::Time.shown(sample));
        (format!("M{} {}h0", Px(x), Px(y)), hover)
    });
    let dots: Vec<_> = dots.collect();
    chart.marks(SAMPLES, &dots);
    let mut smoothed = None;
    let line = samples(direction).map(|(at, _, sample)| {
        let value = smoothed.map_or(sample, |smoothed: f64| smoothed + (sample - smoothed) / 8.0);
        smoothed = Some(value);
        chart.at(at, value)
    });
    // It stays what it is where nothing can be measured.
    let line = Line::steps(line);
    chart.line(SMOOTHED, &line);
    chart
}

/// The shortest and the median sample, in microseconds.
pub(super) fn typical(direction: &Direction) -> Option<(f64, f64)> {
    let mut all: Vec<_> = samples(direction).map(|(.., sample)| sample).collect();
    all.sort_by(f64::total_cmp);
    Some((*all.first()?, all[all.len() / 2]))
}
