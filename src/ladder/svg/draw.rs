//! One rung of a document: arrow, label, ports, remarks, hover text and anchor.

use std::fmt::Write;

use super::element::{Escaped, Px, width};
use super::layout::{Layout, MARGIN, ROW};
use crate::ladder::hosts::To;
use crate::ladder::mark::Mark;
use crate::ladder::rung::Rung;
use crate::ladder::time::seconds;

/// How far the arrow of a dropped frame comes.
const DROPPED_AT: f64 = 0.86;
/// Room that an arrow needs beside its label and ports.
const SHAFTS: f64 = 4.0 * MARGIN;

/// A space that stays.
const SPACE: char = '\u{a0}';

/// Draws rungs.
#[derive(Debug)]
pub(super) struct Pen<'a> {
    pub(super) layout: &'a Layout,
    pub(super) titles: &'a [String],
}

impl Pen<'_> {
    /// The titles, and the ground below them.
    pub(super) fn titles(&self, out: &mut String) {
        let layout = self.layout;
        let y = layout.header - 12.0;
        for (index, title) in self.titles.iter().enumerate() {
            let (x, title) = (Px(layout.lane(index)), Escaped(title));
            let _ = if layout.slanted {
                let at = Px(y + 6.0);
                writeln!(
                    out,
                    "<text class=\"title\" transform=\"translate({x} {at})rotate(-45)\">{title}</text>"
                )
            } else {
                writeln!(out, "<text class=\"title m\" x=\"{x}\" y=\"{}\">{title}</text>", Px(y))
            };
        }
    }

    /// All lanes, from one height to another.
    pub(super) fn lanes(&self, out: &mut String, from: f64, to: f64) {
        out.push_str("<path class=\"lane\" d=\"");
        for index in 0..self.titles.len() {
            let _ = write!(out, "M{} {}V{}", Px(self.layout.lane(index)), Px(from), Px(to));
        }
        out.push_str("\"/>\n");
    }

    /// A rung whose top is at `top`.
    pub(super) fn rung(&self, out: &mut String, rung: &Rung, top: f64) {
        let layout = self.layout;
        let y = top + ROW / 2.0 + 4.0;
        let (from, last) = (layout.lane(rung.from), layout.last());
        let number = rung.number;
        let _ = write!(out, "<g id=\"f{number}\"><title>{}</title>", Escaped(&self.hover(rung)));
        let time = seconds(rung.micros);
        let pad = |len: usize, text: &str| SPACE.to_string().repeat(len.saturating_sub(text.len()));
        let _ = write!(
            out,
            "<a href=\"#f{number}\"><text class=\"time\" x=\"{}\" y=\"{}\">{number}{SPACE}{SPACE}{}{time}</text></a>",
            Px(layout.left - MARGIN),
            Px(y + 4.0),
            pad(layout.time, &time),
        );
        match rung.to {
            To::Column(to) => self.arrow(out, rung, from, layout.lane(to), y),
            // When it was sent there was no other.
            To::Nobody if rung.from == 0 => self.arrow(out, rung, from, last, y),
            To::Group => self.to_all(out, rung, from, y),
            To::Same | To::Nobody => beside(out, rung, from, last, y),
        }
        remarks(out, rung, last + MARGIN, y + 4.0);
        out.push_str("</g>\n");
    }

    /// What is said where the pointer is: all of it, in words.
    fn hover(&self, rung: &Rung) -> String {
        let mut text = format!("frame {}", rung.number);
        if rung.micros.is_some() {
            let _ = write!(text, ", {} s", seconds(rung.micros));
        }
        let host = |index: usize| self.titles.get(index).map_or("?", String::as_str);
        let to = match rung.to {
            To::Column(to) => Some(host(to)),
            To::Group => Some("all"),
            // The label names its ends, or there is no other.
            To::Same | To::Nobody => None,
        };
        if let Some(to) = to {
            let _ = write!(text, "\n{}", host(rung.from));
            let port = |text: &mut String, port: u16| write!(text, " port {port}");
            if let Some((source, _)) = rung.ports {
                let _ = port(&mut text, source);
            }
            let _ = write!(text, " > {to}");
            if let Some((_, destination)) = rung.ports {
                let _ = port(&mut text, destination);
            }
        }
        let _ = write!(text, "\n{}", rung.label);
        let remarks = rung.remarks();
        if !remarks.is_empty() {
            let _ = write!(text, "\n{remarks}");
        }
        text
    }

    /// From one lane to all, as far as the outermost.
    fn to_all(&self, out: &mut String, rung: &Rung, from: f64, y: f64) {
        let (first, last) = (self.layout.left, self.layout.last());
        // The label stands on the longer side.
        let (long, short) = if from - first > last - from { (first, last) } else { (last, first) };
        self.arrow(out, rung, from, long, y);
        if (short - from).abs() > 1.0 {
            shaft(out, rung, from, short, y, self.layout.crowded);
        }
    }

    fn arrow(&self, out: &mut String, rung: &Rung, from: f64, to: f64, y: f64) {
        shaft(out, rung, from, to, y, self.layout.crowded);
        let y = y - 5.0;
        let middle = f64::midpoint(from, to);
        let ports = rung.ports.map(|(from, to)| (from.to_string(), to.to_string()));
        let wide = ports.as_ref().map_or(0.0, |(from, to)| 2.0 * width(from).max(width(to)));
        if (to - from).abs() >= width(&rung.label) + wide + SHAFTS || !self.layout.crowded {
            text(out, "m", middle, y, &rung.label);
            if let Some((source, destination)) = ports {
                let forward = (to - from).signum();
                let (near, far) =
                    if forward > 0.0 { ("port", "port e") } else { ("port e", "port") };
                text(out, near, from + forward * 6.0, y, &source);
                text(out, far, to - forward * 6.0, y, &destination);
            }
            return;
        }
        let named = ports.map_or_else(
            || rung.label.clone(),
            |(from, to)| format!("{from} > {to} {}", rung.label),
        );
        text(out, "m", self.layout.above(middle, width(&named)), y, &named);
    }
}

/// An arrow, or what of it came through. Where lanes are many, a bar shows where it begins.
fn shaft(out: &mut String, rung: &Rung, from: f64, to: f64, y: f64, crowded: bool) {
    let forward = (to - from).signum();
    let bar = if crowded { "m0-4v8m0-4" } else { "" };
    let _ = if rung.dropped {
        let stop = from + (to - from) * DROPPED_AT;
        write!(
            out,
            "<path class=\"lost\" d=\"M{} {}{bar}H{}m-4-4l8 8m0-8l-8 8\"/>",
            Px(from),
            Px(y),
            Px(stop),
        )
    } else {
        let again = rung.marks.iter().any(|mark| mark.is_retransmission());
        let class = if again { "again" } else { "arrow" };
        let back = Px(-forward * 9.0);
        write!(
            out,
            "<path class=\"{class}\" d=\"M{} {}{bar}H{}m0 0l{back}-3.5v7z\"/>",
            Px(from),
            Px(y),
            Px(to),
        )
    };
}

/// Of a frame that stays within its lane, what it says, at that lane.
fn beside(out: &mut String, rung: &Rung, from: f64, last: f64, y: f64) {
    let (class, x) = if from < last { ("", from + 6.0) } else { ("e", from - 6.0) };
    text(out, class, x, y + 4.0, &rung.label);
}

fn remarks(out: &mut String, rung: &Rung, x: f64, y: f64) {
    let marks = rung.marks.iter().map(Mark::to_string).collect::<Vec<_>>().join(", ");
    let class = if rung.dropped { "drop" } else { "note" };
    if marks.is_empty() {
        text(out, class, x, y, &rung.notes);
    } else if rung.notes.is_empty() {
        text(out, "mark", x, y, &marks);
    } else {
        let _ = write!(
            out,
            "<text class=\"mark\" x=\"{}\" y=\"{}\">{marks}, <tspan class=\"{class}\">{}</tspan></text>",
            Px(x),
            Px(y),
            Escaped(&rung.notes),
        );
    }
}

fn text(out: &mut String, class: &str, x: f64, y: f64, content: &str) {
    if content.is_empty() {
        return;
    }
    let (x, y, content) = (Px(x), Px(y), Escaped(content));
    let _ = if class.is_empty() {
        write!(out, "<text x=\"{x}\" y=\"{y}\">{content}</text>")
    } else {
        write!(out, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{content}</text>")
    };
}
