//! The ladder for a terminal, a few lines a frame and no more state than the columns.
//!
//! On the left the time, then a lane for each host, with the arrow that says what the frame is; at the
//! right what it is in view of the others, and what the link did. The lanes share three fifths of
//! the width evenly; when a host appears the header is printed again. A label that does not fit its
//! arrow goes to the right as well, and what does not fit there into lines of its own. On a narrow terminal
//! the lanes have all the width, and what is said of a frame stands below its arrow. ASCII throughout.

mod arrow;
mod header;

use std::env;
use std::fmt::Write;
use std::net::IpAddr;

use smoltcp::time::Instant;

use self::arrow::to_all;
pub(crate) use self::arrow::{arrow, named};
use super::frame::Frame;
use super::hosts::To;
use super::lanes::HOSTS_MAX;
use super::rung::{Rung, Rungs};
use super::time::{TimeFormat, Utc, seconds};
use crate::capture::Direction;
use crate::output::{self, width};

/// Width where no terminal says otherwise.
const WIDTH: usize = 100;
/// Widths that are kept to.
const WIDTH_MIN: usize = 40;
const WIDTH_MAX: usize = 400;
/// Below this width nothing stands beside the lanes.
const WIDTH_BESIDE: usize = 60;
/// Characters of the time and the space after it, unless times are longer.
const TIME: usize = 12;
/// Likewise of a date and a time of day.
const DATE: usize = 27;
/// Lanes that are drawn at most, and how far apart they are if there are more than [`HOSTS_MAX`].
const LANES_MAX: usize = 64;
const LANES_APART: usize = 10;

/// The lanes' least room, which is kept though a line gets longer than it should.
const ROOM_MIN: usize = 20;

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
    /// Digits of the frames' numbers, if they are shown.
    digits: Option<usize>,
    times: TimeFormat,
    /// Characters of the time and the space after it.
    time: usize,
    /// When the last frame was that was drawn.
    last: Option<i64>,
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
        Self {
            rungs: Rungs::default().of_columns(lanes_max(width)),
            titles: Vec::new(),
            width,
            digits: None,
            times: TimeFormat::default(),
            time: TIME,
            last: None,
            colour: style.colour,
        }
    }

    /// Has room for that many microseconds; of longer times the last decimals are left out.
    #[must_use]
    pub fn of_times(mut self, micros: i64) -> Self {
        self.time = TIME.max(seconds(Some(micros)).len() + 1);
        self
    }

    /// Shows these times; to be called after [`Ladder::of_times`].
    #[must_use]
    pub const fn with_times(mut self, times: TimeFormat) -> Self {
        self.times = times;
        if let TimeFormat::Absolute = times {
            self.time = DATE;
        }
        self
    }

    /// Shows the frames' numbers, with room for so many digits.
    #[must_use]
    pub const fn with_numbers(mut self, digits: usize) -> Self {
        self.digits = Some(digits);
        self
    }

    /// Draws the frames that these make rungs of, in their columns.
    #[must_use]
    pub fn of_rungs(mut self, rungs: Rungs) -> Self {
        self.rungs = rungs;
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

    /// Likewise of any frame. `None` if there is no rung of it; see [`Rungs::frame`].
    pub fn frame(&mut self, frame: &Frame<'_>) -> Option<String> {
        let rung = self.rungs.frame(frame)?;
        let mut out = String::new();
        if self.rungs.has_new_titles() {
            let titles = self.rungs.titles();
            if titles != self.titles {
                self.titles = titles;
                out = self.header();
                out.push('\n');
            }
        }
        self.draw(&rung, &mut out);
        self.last = rung.micros.or(self.last);
        Some(out)
    }

    /// What the frames were made to rungs by.
    #[must_use]
    pub fn into_rungs(self) -> Rungs {
        self.rungs
    }

    /// Characters of what stands left of the lanes.
    const fn margin(&self) -> usize {
        match self.digits {
            Some(digits) => digits + 1 + self.time,
            None => self.time,
        }
    }

    /// Whether nothing stands beside the lanes.
    const fn narrow(&self) -> bool {
        self.width < WIDTH_BESIDE
    }

    /// Characters from the first lane to the last.
    const fn span(&self) -> usize {
        // No terminal is too narrow for a line.
        let room = self.width.saturating_sub(self.margin() + 1);
        let room = if room < ROOM_MIN { ROOM_MIN } else { room };
        if self.narrow() { room } else { (room + 1) * 3 / 5 }
    }

    /// Where the lanes are, from the first one.
    fn lanes(&self) -> Vec<usize> {
        let gaps = self.titles.len().saturating_sub(1).max(1);
        (0..self.titles.len()).map(|index| index * self.span() / gaps).collect()
    }

    fn draw(&self, rung: &Rung, out: &mut String) {
        let lanes = self.lanes();
        let from = lanes[rung.from];
        let mut row = vec![b' '; self.span() + 1];
        for &lane in &lanes {
            row[lane] = b'|';
        }
        let row = String::from_utf8(row).expect("it is ASCII");
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
        let ink = if rung.dropped { Ink::Dropped } else { Ink::Plain };
        if let Some(digits) = self.digits {
            let _ = write!(out, "{:>digits$} ", rung.number);
        }
        let _ = write!(out, "{:>width$} ", self.time(rung), width = self.time - 1);
        self.paint(out, Ink::Lane, &row[..start]);
        self.paint(out, ink, &arrow);
        self.paint(out, Ink::Lane, &row[end..]);
        // What goes on in a line of its own stands beside all lanes, or on a narrow terminal beside the first.
        let beside = if self.narrow() { &row[..1] } else { &row[..] };
        self.remarks(rung, rest, beside, out);
        out.truncate(out.trim_end().len());
    }

    /// A time that fits, so that the lanes stay where they are.
    fn time(&self, rung: &Rung) -> String {
        let micros = match self.times {
            TimeFormat::Relative => rung.micros,
            TimeFormat::Delta => {
                let since = |at: i64| at.saturating_sub(self.last.unwrap_or(at));
                rung.micros.map(since)
            }
            TimeFormat::Absolute => {
                return rung.epoch.map_or_else(|| "-".into(), |micros| Utc(micros).to_string());
            }
        };
        let mut text = seconds(micros);
        let point = text.find('.').unwrap_or(0);
        text.truncate((self.time - 1).max(point));
        text
    }

    /// The remarks, word by word, right of `lanes`; the first line has its lanes already.
    fn remarks(&self, rung: &Rung, rest: String, lanes: &str, out: &mut String) {
        let left = self.margin();
        let margin = left + lanes.len() + 2;
        // A narrow terminal's first line is full.
        let mut column = if self.narrow() { self.width } else { left + lanes.len() };
        let note = if rung.dropped { Ink::Dropped } else { Ink::Remark };
        let marks = rung.marks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let pieces = [(Ink::Plain, rest), (Ink::Mark, marks), (note, rung.notes.clone())];
        let last = pieces.iter().rposition(|(_, text)| !text.is_empty()).unwrap_or(0);
        for (index, (ink, text)) in pieces.iter().enumerate().filter(|(_, (_, t))| !t.is_empty()) {
            let separator = if index < last { ";" } else { "" };
            for word in format!("{text}{separator}").split_whitespace() {
                let len = width(word);
                // A word that has no room beside the lanes is in a line of its own, beside the first of them.
                let long = margin + len > self.width;
                if long || (column > margin && column + 1 + len > self.width) {
                    let lanes = if long { &lanes[..1] } else { lanes };
                    let _ = write!(out, "\n{:left$}", "");
                    self.paint(out, Ink::Lane, lanes);
                    column = left + lanes.len();
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

/// Lanes for which a width has room.
pub(super) fn lanes_max(width: usize) -> usize {
    (width.saturating_sub(TIME) * 3 / 5 / LANES_APART + 1).clamp(HOSTS_MAX, LANES_MAX)
}
