//! The ladder for a terminal, a few lines a frame and no more state than the columns.
//!
//! On the left the time, then a lane for each host, with the arrow that says what the frame is; at the
//! right what it is in view of the others, and what the link did. The lanes share three fifths of
//! the width evenly; when a host appears the header is printed again. A label that does not fit its
//! arrow goes to the right as well, and what does not fit there into lines of its own. On a narrow terminal
//! the lanes have all the width, and what is said of a frame stands below its arrow. ASCII throughout.

use std::env;
use std::fmt::Write;
use std::net::IpAddr;

use smoltcp::time::Instant;

use super::hosts::To;
use super::rung::{Frame, Rung, Rungs};
use super::time::seconds;
use crate::capture::Direction;
use crate::output;

/// Width where no terminal says otherwise.
const WIDTH: usize = 100;
/// Widths that are kept to.
const WIDTH_MIN: usize = 40;
const WIDTH_MAX: usize = 400;
/// Below this width nothing stands beside the lanes.
const WIDTH_BESIDE: usize = 60;
/// Characters of the time and the space after it, unless times are longer.
const TIME: usize = 12;
/// An arrow's least length on either side of its label.
const SHAFT: usize = 2;
/// By how much the arrow of a dropped frame falls short.
const SHORT: usize = 5;

/// How a [`Ladder`] looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Characters a line should have at most; kept between 40 and 400.
    pub width: usize,
    /// Use ANSI colours.
    pub colour: bool,
}

impl Default for Style {
    /// As on a pipe: 100 characters, no colour.
    fn default() -> Self {
        Self { width: WIDTH, colour: false }
    }
}

impl Style {
    /// What the place where lines go asks for: `COLUMNS` or the terminal's width, and colour on a terminal
    /// unless `NO_COLOR` is set or `TERM` is `dumb`.
    #[must_use]
    pub fn of_output() -> Self {
        let no_colour = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self {
            width: output::columns().unwrap_or(WIDTH),
            colour: output::is_terminal() && !no_colour,
        }
    }
}

/// Draws frames as they come.
#[derive(Debug)]
pub struct Ladder {
    rungs: Rungs,
    titles: Vec<String>,
    width: usize,
    /// Characters of the time and the space after it.
    time: usize,
    colour: bool,
}

/// What a piece of text is, and so its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ink {
    Plain,
    Lane,
    Mark,
    Remark,
    Dropped,
}

impl Ink {
    /// The parameter of ANSI's SGR.
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Lane => "2",
            Self::Mark => "33",
            Self::Remark => "36",
            Self::Dropped => "31",
        }
    }
}

impl Ladder {
    /// A ladder without any rung.
    #[must_use]
    pub fn new(style: Style) -> Self {
        let width = style.width.clamp(WIDTH_MIN, WIDTH_MAX);
        let (rungs, titles, time) = (Rungs::default(), Vec::new(), TIME);
        Self { rungs, titles, width, time, colour: style.colour }
    }

    /// Has room for that many microseconds; of longer times the last decimals are left out.
    #[must_use]
    pub fn of_times(mut self, micros: i64) -> Self {
        self.time = TIME.max(seconds(Some(micros)).len() + 1);
        self
    }

    /// Draws the board of these addresses; see [`Rungs::of_board`].
    #[must_use]
    pub fn of_board(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.rungs = self.rungs.of_board(addresses);
        self
    }

    /// The line, or lines, of an Ethernet frame that was sent on our link at `now`; no line end at the last. With
    /// `None` for a way, see [`Frame::direction`].
    pub fn line(
        &mut self,
        now: Instant,
        direction: impl Into<Option<Direction>>,
        frame: &[u8],
        notes: &str,
    ) -> String {
        let frame = Frame::sent(now, direction.into(), frame, notes);
        self.frame(&frame).expect("Ethernet is drawn")
    }

    /// Likewise of any frame. `None` if its link is not one that can be drawn.
    pub fn frame(&mut self, frame: &Frame<'_>) -> Option<String> {
        let rung = self.rungs.frame(frame)?;
        let titles = self.rungs.titles();
        let mut out = String::new();
        if titles != self.titles {
            self.titles = titles;
            out = self.header();
            out.push('\n');
        }
        self.draw(&rung, &mut out);
        Some(out)
    }

    /// See [`Rungs::forgotten`].
    #[must_use]
    pub const fn forgotten(&self) -> u64 {
        self.rungs.forgotten()
    }

    /// Whether nothing stands beside the lanes.
    const fn narrow(&self) -> bool {
        self.width < WIDTH_BESIDE
    }

    /// Characters from the first lane to the last.
    const fn span(&self) -> usize {
        if self.narrow() { self.width - self.time - 1 } else { (self.width - self.time) * 3 / 5 }
    }

    /// Where the lanes are, from the first one.
    fn lanes(&self) -> Vec<usize> {
        let gaps = self.titles.len().saturating_sub(1).max(1);
        (0..self.titles.len()).map(|index| index * self.span() / gaps).collect()
    }

    fn header(&self) -> String {
        let mut out = format!("{:>width$} ", "seconds", width = self.time - 1);
        let lanes = self.lanes();
        let room = |index: usize| lanes.get(index + 1).map_or(usize::MAX, |n| n - lanes[index] - 1);
        let cut: Vec<_> = self.titles.iter().enumerate().map(|(i, t)| tail(t, room(i))).collect();
        // As far as all have room, for else they differ only by where they are cut.
        let least = (0..cut.len()).map(room).min().unwrap_or(0);
        let ends: Vec<_> = self.titles.iter().map(|title| tail(title, least)).collect();
        let alike = (1..ends.len()).any(|index| ends[..index].contains(&ends[index]));
        if self.narrow() || alike {
            self.titles_below_each_other(&lanes, &mut out);
            return out;
        }
        for (index, title) in cut.iter().enumerate() {
            let at = self.time + lanes[index];
            // What came before was cut to end before this lane.
            let _ = write!(out, "{:pad$}{title}", "", pad = at - out.chars().count());
        }
        out
    }

    /// A line for each title, which begins at its lane or ends at the last one.
    fn titles_below_each_other(&self, lanes: &[usize], out: &mut String) {
        let room = self.width - self.time;
        for (index, title) in self.titles.iter().enumerate() {
            if index > 0 {
                let _ = write!(out, "\n{:width$}", "", width = self.time);
            }
            let title = tail(title, room);
            let at = lanes[index].min(room - title.chars().count());
            let mut row = vec![' '; at];
            for &lane in lanes[..index].iter().filter(|&&lane| lane < at) {
                row[lane] = '|';
            }
            out.extend(row);
            out.push_str(&title);
        }
    }

    fn draw(&self, rung: &Rung, out: &mut String) {
        let lanes = self.lanes();
        let from = lanes[rung.from];
        let mut row = vec![' '; self.span() + 1];
        for &lane in &lanes {
            row[lane] = '|';
        }
        let to = match rung.to {
            To::Column(to) => Some(lanes[to]),
            // To where a lane would come.
            To::Nobody if lanes.len() == 1 => Some(self.span()),
            To::Group | To::Same | To::Nobody => None,
        };
        let (start, end, arrow, rest) = if let Some(to) = to {
            let (start, end) = (from.min(to) + 1, from.max(to));
            let (arrow, rest) = arrow(rung, end - start, to > from);
            (start, end, arrow, rest)
        } else if rung.to == To::Group {
            let (arrow, rest) = to_all(rung, from, self.span());
            (0, self.span() + 1, arrow, rest)
        } else {
            (0, 0, String::new(), named(rung))
        };
        let lane_text = |range: &[char]| range.iter().collect::<String>();
        let ink = if rung.dropped { Ink::Dropped } else { Ink::Plain };
        let _ = write!(out, "{:>width$} ", self.seconds(rung.micros), width = self.time - 1);
        self.paint(out, Ink::Lane, &lane_text(&row[..start]));
        self.paint(out, ink, &arrow);
        self.paint(out, Ink::Lane, &lane_text(&row[end..]));
        // What goes on in a line of its own stands beside all lanes, or on a narrow terminal beside the first.
        let beside = if self.narrow() { &row[..1] } else { &row[..] };
        self.remarks(rung, rest, &lane_text(beside), out);
        out.truncate(out.trim_end().len());
    }

    /// A time that fits, so that the lanes stay where they are.
    fn seconds(&self, micros: Option<i64>) -> String {
        let mut text = seconds(micros);
        let point = text.find('.').unwrap_or(0);
        text.truncate((self.time - 1).max(point));
        text
    }

    /// The remarks, word by word, right of `lanes`; the first line has its lanes already.
    fn remarks(&self, rung: &Rung, rest: String, lanes: &str, out: &mut String) {
        let margin = self.time + lanes.len() + 2;
        // A narrow terminal's first line is full.
        let mut column = if self.narrow() { self.width } else { self.time + lanes.len() };
        let note = if rung.dropped { Ink::Dropped } else { Ink::Remark };
        let marks = rung.marks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let pieces = [(Ink::Plain, rest), (Ink::Mark, marks), (note, rung.notes.clone())];
        let last = pieces.iter().rposition(|(_, text)| !text.is_empty()).unwrap_or(0);
        for (index, (ink, text)) in pieces.iter().enumerate().filter(|(_, (_, t))| !t.is_empty()) {
            let separator = if index < last { ";" } else { "" };
            for word in format!("{text}{separator}").split_whitespace() {
                let len = word.chars().count();
                // A word that has no room beside the lanes is in a line of its own, beside the first of them.
                let long = margin + len > self.width;
                if long || (column > margin && column + 1 + len > self.width) {
                    let lanes = if long { &lanes[..1] } else { lanes };
                    let _ = write!(out, "\n{:width$}", "", width = self.time);
                    self.paint(out, Ink::Lane, lanes);
                    column = self.time + lanes.len();
                }
                let space = if long {
                    2
                } else if column < margin {
                    margin - column
                } else {
                    1
                };
                let _ = write!(out, "{:space$}", "");
                self.paint(out, *ink, word);
                column = if long { self.width } else { column + space + len };
            }
        }
    }

    fn paint(&self, out: &mut String, ink: Ink, text: &str) {
        if self.colour && ink != Ink::Plain && !text.trim().is_empty() {
            let _ = write!(out, "\x1b[{}m{text}\x1b[0m", ink.code());
        } else {
            out.push_str(text);
        }
    }
}

/// A rung's arrow of that many characters, and what had no room on it.
fn arrow(rung: &Rung, len: usize, rightward: bool) -> (String, String) {
    let ports = rung.ports.map_or_else(Default::default, |(from, to)| {
        let (left, right) = if rightward { (from, to) } else { (to, from) };
        (left.to_string(), right.to_string())
    });
    let short = if rung.dropped { SHORT } else { 0 };
    let needed = |ports: &(String, String), label: &str| {
        let ends = [&ports.0, &ports.1].iter().filter(|port| !port.is_empty()).count();
        ports.0.len() + ports.1.len() + ends + short + label.chars().count() + 2 + 2 * SHAFT
    };
    let none = (String::new(), String::new());
    if needed(&ports, &rung.label) <= len {
        (shaft(&ports, &rung.label, len, rightward, rung.dropped), String::new())
    } else if needed(&ports, "") <= len {
        (shaft(&ports, "", len, rightward, rung.dropped), rung.label.clone())
    } else {
        (shaft(&none, "", len, rightward, rung.dropped), named(rung))
    }
}

/// A rung's label with its ports, which a label that names its ends has already.
fn named(rung: &Rung) -> String {
    match rung.ports {
        Some((from, to)) if rung.to != To::Same => format!("{from}>{to} {}", rung.label),
        _ => rung.label.clone(),
    }
}

/// The arrow of a frame to a group, from one lane at `from` across all others up to the ends of the span, and
/// what had no room on it.
fn to_all(rung: &Rung, from: usize, span: usize) -> (String, String) {
    let mut line = vec!['-'; span + 1];
    (line[0], line[span], line[from]) = ('|', '|', '|');
    if from > 0 {
        line[1] = if rung.dropped { 'x' } else { '<' };
    }
    if from < span {
        line[span - 1] = if rung.dropped { 'x' } else { '>' };
    }
    let text: Vec<char> = format!(" {} ", named(rung)).chars().collect();
    let (start, end) = if from > span / 2 { (1, from) } else { (from + 1, span) };
    if text.len() + 2 * SHAFT > end - start {
        return (line.into_iter().collect(), named(rung));
    }
    let at = start + (end - start - text.len()) / 2;
    line[at..at + text.len()].copy_from_slice(&text);
    (line.into_iter().collect(), String::new())
}

/// A title's end, for that tells addresses of one network apart.
fn tail(title: &str, room: usize) -> String {
    let len = title.chars().count();
    if len <= room {
        return title.to_string();
    }
    let end: String = title.chars().skip(len + 2 - room.min(len).max(2)).collect();
    format!("..{end}").chars().take(room).collect()
}

/// `7 <---- label ---- 49152`, in exactly `len` characters.
fn shaft(
    ports: &(String, String),
    label: &str,
    len: usize,
    rightward: bool,
    dropped: bool,
) -> String {
    let left = if ports.0.is_empty() { String::new() } else { format!("{} ", ports.0) };
    let right = if ports.1.is_empty() { String::new() } else { format!(" {}", ports.1) };
    let room = len.saturating_sub(left.len() + right.len());
    let short = if dropped { SHORT.min(room / 2) } else { 0 };
    let reach = room - short;
    let mut line = vec!['-'; reach];
    let head = if rightward { reach.checked_sub(1) } else { (reach > 0).then_some(0) };
    if let Some(head) = head {
        line[head] = match (dropped, rightward) {
            (true, _) => 'x',
            (false, true) => '>',
            (false, false) => '<',
        };
    }
    if !label.is_empty() {
        let text: Vec<char> = format!(" {label} ").chars().collect();
        let at = (reach - text.len()) / 2;
        line[at..at + text.len()].copy_from_slice(&text);
    }
    let line: String = line.into_iter().collect();
    let gap = " ".repeat(short);
    if rightward {
        format!("{left}{line}{gap}{right}")
    } else {
        format!("{left}{gap}{line}{right}")
    }
}
