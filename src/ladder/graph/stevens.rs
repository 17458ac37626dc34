//! The time-sequence graph after W. Richard Stevens: what was sent when, by sequence number, between the line of what
//! is acknowledged and that of what there is room for.

use super::axis::Quantity;
use super::chart::{Chart, Kind, Line, TOP};
use super::connection::{Data, Direction};
use crate::ladder::svg::element::Px;

const DATA: Kind = Kind { class: "data", name: "data" };
const AGAIN: Kind = Kind { class: "again", name: "retransmission" };
const LOST: Kind = Kind { class: "lost", name: "lost" };
const SACK: Kind = Kind { class: "sack", name: "SACK" };
const ACK: Kind = Kind { class: "ack", name: "acknowledged" };
const DUPLICATE: Kind = Kind { class: "ack", name: "" };
const WINDOW: Kind = Kind { class: "window", name: "window" };

/// Pixels of a segment's height, at least.
const DATA_MIN: f64 = 2.0;
const AGAIN_MIN: f64 = 7.0;

pub(super) fn chart(direction: &Direction, times: (i64, i64)) -> Chart {
    let starts = direction.data.iter().map(|data| data.start);
    let acks = direction.acks.iter().map(|ack| ack.next);
    let low = starts.chain(acks.clone()).min().unwrap_or(0);
    let ends = direction.data.iter().map(|data| data.end);
    let windows = direction.acks.iter().filter_map(|ack| ack.window);
    let high = ends.chain(acks).max().unwrap_or(0);
    // A window that is far above all data is not what the graph is for.
    let room = windows.max().unwrap_or(high).min(high + (high - low).max(1) / 4);
    let mut chart =
        Chart::new(times, "sequence number", Quantity::Bytes, (low as f64, high.max(room) as f64));
    let window = direction.acks.iter().filter_map(|ack| Some((ack.micros, ack.window?)));
    let window = Line::steps(window.map(|(at, edge)| {
        let (x, y) = chart.at(at, edge as f64);
        (x, y.max(TOP))
    }));
    chart.line(WINDOW, &window);
    let acks = Line::steps(direction.acks.iter().map(|ack| chart.at(ack.micros, ack.next as f64)));
    chart.line(ACK, &acks);

    let duplicates = direction.acks.iter().filter(|ack| ack.duplicate).map(|ack| {
        let (x, y) = chart.at(ack.micros, ack.next as f64);
        let hover = format!("frame {}: acknowledges {} again", ack.number, ack.next);
        (format!("M{} {}h6", Px(x - 3.0), Px(y)), hover)
    });
    let duplicates: Vec<_> = duplicates.collect();
    let sacks =
        direction.acks.iter().flat_map(|ack| ack.sack.iter().map(move |block| (ack, block)));
    let sacks = sacks.map(|(ack, &(start, end))| {
        let hover = format!("frame {}: selectively acknowledges {start}-{end}", ack.number);
        let (x, low) = chart.at(ack.micros, start as f64);
        (format!("M{} {}V{}", Px(x), Px(low), Px(chart.y.pixel(end as f64))), hover)
    });
    let sacks: Vec<_> = sacks.collect();
    let of = |wanted: fn(&Data) -> bool| -> Vec<_> {
        let data = direction.data.iter().filter(|data| data.len() > 0 && wanted(data));
        data.map(|data| (bar(&chart, data), hover(data))).collect()
    };
    let (new, again) = (of(|data| !data.again), of(|data| data.again));
    let lost = direction.data.iter().filter(|data| data.lost).map(|data| {
        let (x, y) = chart.at(data.micros, i64::midpoint(data.start, data.end) as f64);
        (format!("M{} {}l8 8m0-8l-8 8", Px(x - 4.0), Px(y - 4.0)), hover(data))
    });
    let lost: Vec<_> = lost.collect();
    let words: Vec<_> = direction
        .data
        .iter()
        .filter_map(|data| Some((chart.at(data.micros, data.start as f64), data.says?)))
        .collect();
    chart.marks(DUPLICATE, &duplicates);
    chart.marks(SACK, &sacks);
    chart.marks(DATA, &new);
    chart.marks(AGAIN, &again);
    chart.marks(LOST, &lost);
    for (at, word) in words.into_iter().take(12) {
        chart.word(at, word);
    }
    chart
}

fn hover(data: &Data) -> String {
    let Data { number, start, end, .. } = data;
    let again = if data.again { ", sent again" } else { "" };
    let lost = if data.lost { ", lost" } else { "" };
    format!("frame {number}: {start}-{end}, {} bytes{again}{lost}", data.len())
}

/// From a segment's first number to its last; high enough to be seen, and more so where it was sent again.
fn bar(chart: &Chart, data: &Data) -> String {
    let (x, low) = chart.at(data.micros, data.start as f64);
    let high = chart.y.pixel(data.end as f64);
    let short = if data.again { AGAIN_MIN } else { DATA_MIN } - (low - high);
    let more = short.max(0.0) / 2.0;
    format!("M{} {}V{}", Px(x), Px(low + more), Px(high - more))
}
