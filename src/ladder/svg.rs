//! The ladder as an SVG document: self-contained, legible on light and on dark ground.
//!
//! A [`Drawing`] keeps its rungs, at most [`RUNGS_MAX`] of them, because the columns are as wide as
//! the longest label needs. The document names no font that has to be there, and no other file.

use std::fmt::Write;
use std::net::IpAddr;

use smoltcp::time::Instant;

use super::hosts::To;
use super::rung::{Frame, Rung, Rungs};
use super::time::seconds;
use crate::capture::Direction;

/// Frames that a document shows.
pub const RUNGS_MAX: usize = 5000;

/// Width of a character of 12 px, at most.
const CHARACTER: f64 = 7.3;
const ROW: f64 = 28.0;
const TOP: f64 = 48.0;
/// Where the first lane is, if its title fits.
const LEFT_MIN: f64 = 120.0;
const LANES_APART_MIN: f64 = 220.0;
/// How far the arrow of a dropped frame comes.
const DROPPED_AT: f64 = 0.86;
const MARGIN: f64 = 16.0;

const STYLE: &str = "\
text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#1f2328}
.ground{fill:#ffffff}.time,.port{fill:#59636e}.title{font-weight:bold}
line{stroke-width:1.4;stroke:#1f2328}.lane{stroke:#c4cbd3}.head{fill:#1f2328}
.mark{fill:#8a5a00}.note{fill:#0550ae}.lost{fill:#c0202b}line.lost{stroke:#c0202b}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.ground{fill:#0d1117}.time,.port{fill:#9198a1}
line{stroke:#e6edf3}.lane{stroke:#3d444d}.head{fill:#e6edf3}
.mark{fill:#e3b341}.note{fill:#79c0ff}.lost{fill:#ff7b72}line.lost{stroke:#ff7b72}}
";

/// A document in the making.
#[derive(Debug, Default)]
pub struct Drawing {
    rungs: Rungs,
    drawn: Vec<Rung>,
    left_out: u64,
}

impl Drawing {
    /// Draws the board of these addresses; see [`Rungs::of_board`].
    #[must_use]
    pub fn of_board(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.rungs = self.rungs.of_board(addresses);
        self
    }

    /// Adds an Ethernet frame that was sent on our link at `now`. With `None` for a direction, see
    /// [`Frame::direction`].
    pub fn frame(
        &mut self,
        now: Instant,
        direction: impl Into<Option<Direction>>,
        frame: &[u8],
        notes: &str,
    ) {
        self.add(&Frame::sent(now, direction.into(), frame, notes));
    }

    /// Adds any frame; `false` if its link is not one that can be drawn.
    pub fn add(&mut self, frame: &Frame<'_>) -> bool {
        if self.drawn.len() >= RUNGS_MAX {
            self.left_out += 1;
            return true;
        }
        let rung = self.rungs.frame(frame);
        let drawn = rung.is_some();
        self.drawn.extend(rung);
        drawn
    }

    /// Draws the frames that these make rungs of, in their columns.
    #[must_use]
    pub fn of_rungs(mut self, rungs: Rungs) -> Self {
        self.rungs = rungs;
        self
    }

    /// What the frames were made to rungs by.
    #[must_use]
    pub fn into_rungs(self) -> Rungs {
        self.rungs
    }

    /// Whether there is nothing to be seen.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.drawn.is_empty()
    }

    /// Frames for which there was no room.
    #[must_use]
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The document.
    #[must_use]
    pub fn finish(&self) -> String {
        let titles = self.rungs.titles();
        let apart = self.lanes_apart(&titles);
        let first = titles.first().map_or(0.0, |title| width(title) / 2.0 + MARGIN);
        let times = self.drawn.iter().map(|rung| width(&seconds(rung.micros)));
        let left = times.fold(first.max(LEFT_MIN), |left, time| left.max(time + 2.0 * MARGIN));
        let lane = |index: usize| left + index as f64 * apart;
        // An arrow to nobody known needs the room of a second lane.
        let last = lane(titles.len().max(2) - 1);
        let remarks = self.drawn.iter().map(|rung| width(&rung.remarks())).fold(0.0, f64::max);
        let title = titles.last().map_or(0.0, |title| width(title) / 2.0);
        let right = last + MARGIN + remarks.max(title) + MARGIN;
        let bottom = TOP + self.drawn.len() as f64 * ROW + MARGIN;

        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{right:.0}\" height=\"{bottom:.0}\" \
             viewBox=\"0 0 {right:.0} {bottom:.0}\" role=\"img\">\n\
             <title>Conversation of {}</title>\n<style>\n{STYLE}</style>\n\
             <rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n",
            escaped(&titles.join(", "))
        );
        for (index, title) in titles.iter().enumerate() {
            let x = lane(index);
            text(&mut out, "title", x, TOP - 24.0, "middle", title);
            line(&mut out, "lane", (x, TOP - 14.0), (x, bottom - MARGIN / 2.0));
        }
        for (index, rung) in self.drawn.iter().enumerate() {
            let y = TOP + (index as f64 + 0.5) * ROW + 4.0;
            let from = lane(rung.from);
            text(&mut out, "time", left - MARGIN, y + 4.0, "end", &seconds(rung.micros));
            match rung.to {
                To::Column(to) => arrow(&mut out, rung, from, lane(to), y),
                // When it was sent there was no other.
                To::Nobody if rung.from == 0 => arrow(&mut out, rung, from, last, y),
                To::Group => to_all(&mut out, rung, from, (left, last), y),
                To::Same | To::Nobody => beside(&mut out, rung, from, last, y),
            }
            remarks_text(&mut out, rung, last + MARGIN, y + 4.0);
        }
        out.push_str("</svg>\n");
        out
    }

    /// As far as the longest label and title need.
    fn lanes_apart(&self, titles: &[String]) -> f64 {
        let mut apart = LANES_APART_MIN;
        for pair in titles.windows(2) {
            apart = apart.max(f64::midpoint(width(&pair[0]), width(&pair[1])) + MARGIN);
        }
        for rung in &self.drawn {
            let ports =
                rung.ports.map_or(0, |(from, to)| from.to_string().len().max(to.to_string().len()));
            // The label stands in the middle, so that the longer port counts twice.
            let needed = width(&rung.label) + 2.0 * (ports as f64 * CHARACTER + 2.0 * MARGIN);
            let lanes = match rung.to {
                To::Column(to) => to.abs_diff(rung.from).max(1),
                To::Group => rung.from.max(titles.len() - 1 - rung.from).max(1),
                To::Same | To::Nobody => titles.len().saturating_sub(1).max(1),
            };
            apart = apart.max(needed / lanes as f64);
        }
        apart.ceil()
    }
}

/// From one lane to all, as far as the outermost.
fn to_all(out: &mut String, rung: &Rung, from: f64, (first, last): (f64, f64), y: f64) {
    // The label stands on the longer side.
    let (long, short) = if from - first > last - from { (first, last) } else { (last, first) };
    arrow(out, rung, from, long, y);
    if (short - from).abs() > 1.0 {
        let silent = Rung { label: String::new(), ports: None, ..rung.clone() };
        arrow(out, &silent, from, short, y);
    }
}

/// Of a frame that stays within its lane, what it says, at that lane.
fn beside(out: &mut String, rung: &Rung, from: f64, last: f64, y: f64) {
    let (x, anchor) = if from < last { (from + 6.0, "start") } else { (from - 6.0, "end") };
    text(out, "label", x, y + 4.0, anchor, &rung.label);
}

fn arrow(out: &mut String, rung: &Rung, from: f64, to: f64, y: f64) {
    let (class, stop) =
        if rung.dropped { ("lost", from + (to - from) * DROPPED_AT) } else { ("arrow", to) };
    let forward = (to - from).signum();
    line(out, class, (from, y), (stop, y));
    if rung.dropped {
        line(out, class, (stop - 4.0, y - 4.0), (stop + 4.0, y + 4.0));
        line(out, class, (stop - 4.0, y + 4.0), (stop + 4.0, y - 4.0));
    } else {
        let back = stop - forward * 9.0;
        let _ = writeln!(
            out,
            "<path class=\"head\" d=\"M{stop:.1} {y:.1}L{back:.1} {:.1}V{:.1}Z\"/>",
            y - 3.5,
            y + 3.5
        );
    }
    if !rung.label.is_empty() {
        text(out, "label", f64::midpoint(from, to), y - 5.0, "middle", &rung.label);
    }
    if let Some((source, destination)) = rung.ports {
        let (near, far) = if forward > 0.0 { ("start", "end") } else { ("end", "start") };
        text(out, "port", from + forward * 6.0, y - 5.0, near, &source.to_string());
        text(out, "port", to - forward * 6.0, y - 5.0, far, &destination.to_string());
    }
}

fn remarks_text(out: &mut String, rung: &Rung, x: f64, y: f64) {
    if rung.marks.is_empty() && rung.notes.is_empty() {
        return;
    }
    let marks = rung.marks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let separator = if rung.marks.is_empty() || rung.notes.is_empty() { "" } else { ", " };
    let class = if rung.dropped { "lost" } else { "note" };
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\"><tspan class=\"mark\">{marks}{separator}</tspan>\
         <tspan class=\"{class}\">{}</tspan></text>",
        escaped(&rung.notes)
    );
}

fn text(out: &mut String, class: &str, x: f64, y: f64, anchor: &str, content: &str) {
    let content = escaped(content);
    let _ = writeln!(
        out,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{content}</text>"
    );
}

fn line(out: &mut String, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    let _ = writeln!(
        out,
        "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
    );
}

fn width(text: &str) -> f64 {
    text.chars().count() as f64 * CHARACTER
}

/// XML's five; what XML cannot hold at all has been replaced before.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            other => out.push(other),
        }
    }
    out
}
