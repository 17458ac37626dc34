//! Graphs of one connection as SVG: why a transfer is slow.
//!
//! A [`Plot`] keeps what graphs show of segments, at most [`SEGMENTS_MAX`] of them, and draws the TCP connection with
//! the most data, one [direction](Plot::reversed) of it. As everywhere, times are those of the capture: a round trip is
//! from the place where it was made to the receiver and back. The document has the size of a picture, whatever the
//! transfer's is: what falls on one pixel is drawn once.

mod axis;
mod chart;
mod connection;
mod in_flight;
mod rates;
mod resent;
mod round_trips;
mod stevens;

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::net::SocketAddr;

use self::axis::Quantity;
use self::connection::{Direction, Event};
use super::frame::Frame;
use super::rung::Rungs;
use crate::output::counted;
use crate::segment::PacketSummary;

/// Segments that are kept.
pub const SEGMENTS_MAX: usize = 1_000_000;

/// What is shown of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Graph {
    /// Sequence numbers over time, with acknowledgements, window, SACK and retransmissions.
    Stevens,
    /// Bits a second that were sent and acknowledged.
    Throughput,
    /// Round-trip times.
    Rtt,
    /// Bytes that are not acknowledged yet, and the window.
    InFlight,
}

impl Graph {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Stevens, Self::Throughput, Self::Rtt, Self::InFlight];

    /// As it is asked for.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stevens => "stevens",
            Self::Throughput => "throughput",
            Self::Rtt => "rtt",
            Self::InFlight => "in-flight",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Stevens => "Time-sequence (Stevens)",
            Self::Throughput => "Throughput",
            Self::Rtt => "Round-trip time",
            Self::InFlight => "Bytes in flight",
        }
    }
}

/// Why there is no graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GraphError {
    /// There is no TCP connection with a time.
    NoConnection,
    /// No round trip of this direction can be measured.
    NoRoundTrip {
        /// One of the other direction can, with `:back` or without it.
        other: Option<bool>,
    },
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoConnection => f.write_str(
                "of what is in it no graph can be drawn: it has no TCP connection whose frames have times",
            ),
            Self::NoRoundTrip { other } => {
                f.write_str(
                    "no round trip can be measured: nothing that was sent once in this direction is acknowledged",
                )?;
                match other {
                    Some(true) => f.write_str("; there are some of the other one, --graph rtt:back"),
                    Some(false) => f.write_str("; there are some of the other one, --graph rtt"),
                    None => Ok(()),
                }
            }
        }
    }
}

/// A connection, as far as it was seen.
#[derive(Debug)]
struct Connection {
    /// Who sent the first segment, and to whom.
    ends: [SocketAddr; 2],
    events: Vec<Event>,
    /// Payload bytes.
    bytes: u64,
}

/// A graph in the making.
#[derive(Debug)]
pub struct Plot {
    graph: Graph,
    reversed: bool,
    rungs: Rungs,
    connections: BTreeMap<u64, Connection>,
    /// Frames that passed.
    passed: u64,
    kept: usize,
    left_out: u64,
}

impl Plot {
    /// A graph without any segment.
    #[must_use]
    pub fn new(graph: Graph) -> Self {
        let (rungs, connections) = (Rungs::default(), BTreeMap::new());
        Self { graph, reversed: false, rungs, connections, passed: 0, kept: 0, left_out: 0 }
    }

    /// Shows the direction with less data in place of the one with more.
    #[must_use]
    pub const fn reversed(mut self, reversed: bool) -> Self {
        self.reversed = reversed;
        self
    }

    /// Shows nothing but what these make rungs of.
    #[must_use]
    pub fn of_rungs(mut self, rungs: Rungs) -> Self {
        self.rungs = rungs;
        self
    }

    /// What the frames were looked at with.
    #[must_use]
    pub fn into_rungs(self) -> Rungs {
        self.rungs
    }

    /// Adds any frame.
    pub fn add(&mut self, frame: &Frame<'_>) {
        let Some(analysed) = self.rungs.look(frame) else { return };
        self.passed += 1;
        let PacketSummary::Tcp(segment) = &analysed.packet.summary else { return };
        let (Some(event), Some(place)) = (Event::new(&analysed, segment), analysed.place) else {
            return;
        };
        if self.kept >= SEGMENTS_MAX {
            self.left_out += 1;
            return;
        }
        self.kept += 1;
        let (from, to) = (segment.source, segment.destination);
        let ends = if place.forward { [from, to] } else { [to, from] };
        let make = || Connection { ends, events: Vec::new(), bytes: 0 };
        let connection = self.connections.entry(place.number).or_insert_with(make);
        connection.bytes += u64::from(event.len);
        connection.events.push(event);
    }

    /// Whether no frame passed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.passed == 0
    }

    /// Segments for which there was no room.
    #[must_use]
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The document.
    pub fn finish(&self) -> Result<String, GraphError> {
        // The first of those with the most data.
        let most = |one: &Connection, other: &Connection| other.bytes > one.bytes;
        let mut all = self.connections.iter();
        let first = all.next().ok_or(GraphError::NoConnection)?;
        let (number, connection) =
            all.fold(first, |best, next| if most(best.1, next.1) { next } else { best });
        let [there, back] = [true, false].map(|way| Direction::new(&connection.events, way));
        let forward = (there.sent() >= back.sent()) != self.reversed;
        let (direction, other) = if forward { (there, back) } else { (back, there) };
        let times = direction.times().ok_or(GraphError::NoConnection)?;
        let typical = round_trips::typical(&direction);
        if self.graph == Graph::Rtt && typical.is_none() {
            let other = round_trips::typical(&other).map(|_| !self.reversed);
            return Err(GraphError::NoRoundTrip { other });
        }
        let [from, to] = connection.ends;
        let (from, to) = if forward { (from, to) } else { (to, from) };
        let mut summary = vec![format!("conversation {number}: {}", amounts(&direction, times))];
        summary.extend(typical.map(|(min, median)| {
            let [min, median] = [min, median].map(|micros| Quantity::Time.shown(micros));
            format!("round trip: median {median}, shortest {min}")
        }));
        let chart = match self.graph {
            Graph::Stevens => stevens::chart(&direction, times),
            Graph::Throughput => {
                let (chart, interval) = rates::chart(&direction, times);
                let interval = Quantity::Time.shown(interval as f64);
                summary.truncate(1);
                summary.push(format!("in intervals of {interval}"));
                chart
            }
            Graph::Rtt => round_trips::chart(&direction, times),
            Graph::InFlight => in_flight::chart(&direction, times),
        };
        Ok(chart.finish(&format!("{}: {from} > {to}", self.graph.title()), &summary))
    }
}

/// What a direction comes to, in words.
fn amounts(direction: &Direction, times: (i64, i64)) -> String {
    let acked = rates::acknowledged(direction);
    let lasted = Quantity::Time.shown((times.1 - times.0) as f64);
    let mut out = format!("{} acknowledged in {lasted}", Quantity::Bytes.shown(acked as f64));
    if let Some(mean) = rates::mean(direction, times) {
        let _ = write!(out, ", {}", Quantity::Rate.shown(mean));
    }
    let segments = direction.data.iter().filter(|data| data.len() > 0);
    let (all, again) = segments
        .fold((0_u64, 0_u64), |(all, again), data| (all + 1, again + u64::from(data.again)));
    let _ = write!(out, "; {}", counted(all, "segment"));
    if again > 0 {
        let share = again as f64 / all as f64 * 100.0;
        let _ = write!(out, ", {} ({share:.1} %)", counted(again, "retransmission"));
    }
    out
}

#[cfg(test)]
mod tests;
