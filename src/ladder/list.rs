//! The conversations of a capture as a table.

use std::io::{self, Write};

use smoltcp::time::Duration;

use super::analysis::Analysis;
use super::conversation::{Conversation, Way};
use super::time::seconds;
use crate::output::counted;

const TITLES: [&str; 11] = [
    "#",
    "protocol",
    "from",
    "to",
    "frames",
    "bytes",
    "resent",
    "begins",
    "lasts",
    "handshake ms",
    "RTT ms",
];
/// The columns that stand at the left of their room.
const LEFT: [usize; 3] = [1, 2, 3];

/// Writes a line for each conversation of which frames were counted. What went there and what came back are
/// separated by a slash.
pub(super) fn write(out: &mut impl Write, analysis: &Analysis) -> io::Result<()> {
    let mut widths = TITLES.map(str::len);
    for row in analysis.conversations().map(row) {
        for (width, cell) in widths.iter_mut().zip(&row) {
            *width = (*width).max(cell.len());
        }
    }
    if analysis.conversations().next().is_some() {
        line(out, &widths, &TITLES.map(ToString::to_string))?;
    }
    for row in analysis.conversations().map(row) {
        line(out, &widths, &row)?;
    }
    if analysis.alone() > 0 {
        writeln!(out, "and {} without addresses", counted(analysis.alone(), "frame"))?;
    }
    Ok(())
}

fn line(out: &mut impl Write, widths: &[usize; 11], row: &[String; 11]) -> io::Result<()> {
    let mut text = String::new();
    for (index, (cell, &width)) in row.iter().zip(widths).enumerate() {
        let separator = if index == 0 { "" } else { "  " };
        text.push_str(separator);
        let cell = if LEFT.contains(&index) {
            format!("{cell:width$}")
        } else {
            format!("{cell:>width$}")
        };
        text.push_str(&cell);
    }
    writeln!(out, "{}", text.trim_end())
}

fn row(conversation: &Conversation) -> [String; 11] {
    let both = |value: fn(&Way) -> u64| {
        let [there, back] = &conversation.ways;
        format!("{}/{}", value(there), value(back))
    };
    let [there, back] = conversation.ways.map(|way| {
        let round_trip = way.round_trip;
        (round_trip.samples > 0).then_some(round_trip.smoothed)
    });
    let is_tcp = conversation.ways.iter().any(|way| way.round_trip.samples > 0)
        || conversation.protocol == super::Protocol::Ip(6);
    let round_trips =
        if is_tcp { format!("{}/{}", millis(there), millis(back)) } else { "-".into() };
    [
        conversation.number.to_string(),
        conversation.protocol.to_string(),
        conversation.end(0),
        conversation.end(1),
        both(|way| way.frames),
        both(|way| way.bytes),
        if is_tcp { both(|way| way.retransmissions) } else { "-".into() },
        seconds(conversation.times.map(|(first, _)| first)),
        seconds(conversation.lasts()),
        millis(conversation.handshake),
        round_trips,
    ]
}

/// Milliseconds with three decimals.
fn millis(time: Option<Duration>) -> String {
    let Some(time) = time else { return "-".into() };
    let micros = time.total_micros();
    format!("{}.{:03}", micros / 1000, micros % 1000)
}
