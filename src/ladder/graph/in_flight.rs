//! Bytes in flight: what was sent and is not acknowledged, at the place of the capture, below the window.

use super::axis::Quantity;
use super::chart::{Chart, Kind, Line, TOP};
use super::connection::{Direction, Step};
use super::resent;

const FLIGHT: Kind = Kind { class: "flow", name: "in flight" };
const WINDOW: Kind = Kind { class: "window", name: "window" };

pub(super) fn chart(direction: &Direction, times: (i64, i64)) -> Chart {
    let flight = flight(direction);
    let highest = flight.iter().map(|&(_, bytes)| bytes).max().unwrap_or(0);
    let windows = direction.acks.iter();
    let windows: Vec<_> =
        windows.filter_map(|ack| Some((ack.micros, ack.window? - ack.next))).collect();
    // A window that nobody comes near is not what the graph is for.
    let room = windows.iter().map(|&(_, room)| room).max().unwrap_or(0).min(highest * 2);
    let values = (0.0, highest.max(room) as f64);
    let mut chart = Chart::new(times, "in flight", Quantity::Bytes, values);
    resent::ticks(&mut chart, direction);
    let window = Line::steps(windows.iter().map(|&(at, room)| {
        let (x, y) = chart.at(at, room as f64);
        (x, y.max(TOP))
    }));
    chart.line(WINDOW, &window);
    let line = Line::steps(flight.iter().map(|&(at, bytes)| chart.at(at, bytes as f64)));
    chart.area("area", &line);
    chart.line(FLIGHT, &line);
    chart
}

/// Times and bytes, after each segment.
pub(super) fn flight(direction: &Direction) -> Vec<(i64, i64)> {
    let (mut next, mut acked) = (None, None);
    let each = direction.each().map(|step| {
        let micros = match step {
            Step::Data(data) => {
                next = next.max(Some(data.end));
                acked = acked.or(Some(data.start));
                data.micros
            }
            Step::Ack(ack) => {
                acked = acked.max(Some(ack.next));
                ack.micros
            }
        };
        let bytes = next.zip(acked).map_or(0, |(next, acked)| next - acked);
        (micros, bytes.max(0))
    });
    each.collect()
}
