//! Where things are in a document: how far the lanes are apart, and whether labels have room on their arrows.

use super::element::{CHARACTER, width};
use crate::ladder::hosts::To;
use crate::ladder::rung::Rung;
use crate::ladder::time::seconds;

/// Height of a rung.
pub(super) const ROW: f64 = 28.0;
/// Room around.
pub(super) const MARGIN: f64 = 16.0;
/// Height of the titles.
const HEADER: f64 = 34.0;
/// Where the first lane is, if its title fits.
const LEFT_MIN: f64 = 120.0;
const LANES_APART_MIN: f64 = 220.0;
/// From the first lane to the last, unless more than that many lanes would be closer than they may.
const SPAN_MAX: f64 = 1500.0;
const CROWDED_APART_MIN: f64 = 22.0;
/// Titles that stand slanted are this much less wide and high than long.
const SLANT: f64 = std::f64::consts::FRAC_1_SQRT_2;

/// A document's measures.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// Where the first lane is.
    pub(super) left: f64,
    apart: f64,
    lanes: usize,
    /// Width of all.
    pub(super) right: f64,
    /// Height of the titles.
    pub(super) header: f64,
    /// Lanes are closer than labels are long: a label stands above its arrow and across other lanes.
    pub(super) crowded: bool,
    /// Titles are longer than lanes are apart.
    pub(super) slanted: bool,
    /// Characters of the longest frame number and time.
    pub(super) time: usize,
}

impl Layout {
    pub(super) fn new(titles: &[String], rungs: &[Rung]) -> Self {
        let longest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
        let number = rungs.last().map_or(1, |rung| rung.number.to_string().len());
        let time = longest(&mut rungs.iter().map(|rung| seconds(rung.micros).len()));
        let wide = titles.iter().map(|title| width(title)).fold(0.0, f64::max);

        let needed = rungs.iter().map(|rung| needed(rung, titles.len())).fold(0.0, f64::max);
        let gaps = titles.len().max(2) - 1;
        let roomy = needed.max(LANES_APART_MIN).max(wide + MARGIN).ceil();
        let crowded = gaps > 1 && roomy * gaps as f64 > SPAN_MAX;
        let apart =
            if crowded { (SPAN_MAX / gaps as f64).floor().max(CROWDED_APART_MIN) } else { roomy };
        let slanted = crowded && wide + MARGIN > apart;

        let times = (number + 2 + time) as f64 * CHARACTER + 2.0 * MARGIN;
        let first = titles.first().map_or(0.0, |title| width(title) / 2.0 + MARGIN);
        let left = if slanted { LEFT_MIN } else { LEFT_MIN.max(first) }.max(times).ceil();
        let mut layout = Self {
            left,
            apart,
            lanes: gaps + 1,
            right: 0.0,
            header: if slanted { HEADER + wide * SLANT } else { HEADER },
            crowded,
            slanted,
            time,
        };
        let remarks = rungs.iter().map(|rung| width(&rung.remarks())).fold(0.0, f64::max);
        let title = titles.last().map_or(0.0, |title| width(title));
        let title = if slanted { title * SLANT } else { title / 2.0 };
        layout.right = (layout.last() + MARGIN + remarks.max(title) + MARGIN).ceil();
        layout
    }

    /// Where a lane is.
    pub(super) fn lane(&self, index: usize) -> f64 {
        self.left + index as f64 * self.apart
    }

    /// Where the last lane is, or would be: an arrow to nobody known needs the room of a second one.
    pub(super) fn last(&self) -> f64 {
        self.lane(self.lanes - 1)
    }

    /// The middle of a text of that width over the middle of an arrow, as far as it can be without leaving the lanes.
    pub(super) fn above(&self, middle: f64, width: f64) -> f64 {
        let half = width / 2.0;
        let (first, last) = (self.left + half + 4.0, self.last() - half - 4.0);
        // One that is longer than all lanes are wide begins at the first.
        middle.min(last).max(first)
    }
}

/// How far two lanes have to be apart for a rung's label.
fn needed(rung: &Rung, titles: usize) -> f64 {
    let ports = rung.ports.map_or(0, |(from, to)| from.to_string().len().max(to.to_string().len()));
    // The label stands in the middle, so that the longer port counts twice.
    let needed = width(&rung.label) + 2.0 * (ports as f64 * CHARACTER + 2.0 * MARGIN);
    let lanes = match rung.to {
        To::Column(to) => to.abs_diff(rung.from).max(1),
        To::Group => rung.from.max(titles - 1 - rung.from).max(1),
        To::Same | To::Nobody => titles.saturating_sub(1).max(1),
    };
    needed / lanes as f64
}
