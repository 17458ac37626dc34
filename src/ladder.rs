//! Ladders: a conversation as a sequence diagram, one rung a frame, one column a host.
//!
//! [`Rungs`] turns frames, in the order in which they were sent, into [`Rung`]s: between which columns,
//! with what label, what a look at the frames before tells ([`Mark`]), and what the link did. [`Ladder`]
//! draws each as lines of text at once, while the board runs; [`svg::Drawing`] collects them for a
//! document. Whatever a frame holds, all state is bounded.

mod hosts;
mod mark;
mod refused;
pub mod svg;
mod text;

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use smoltcp::time::Instant;

pub use self::hosts::HOSTS_MAX;
use self::hosts::Hosts;
pub use self::mark::Mark;
use self::mark::Marker;
pub use self::refused::Refused;
pub use self::text::{Ladder, Style};
use crate::capture::{self, Record, Way};
use crate::cli;
use crate::output::counted;
use crate::segment::{Decoder, Gist};

/// One frame's place in the diagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Microseconds since the first frame.
    pub micros: i64,
    /// Column of the sender; 0 is the leftmost, the board's.
    pub from: usize,
    /// Column of the receiver; `None` if no column is known that could be it.
    pub to: Option<usize>,
    /// Port of the sender and of the receiver.
    pub ports: Option<(u16, u16)>,
    /// What the frame says.
    pub label: String,
    /// What it is in view of the frames before.
    pub marks: Vec<Mark>,
    /// What the link did to it, without control characters.
    pub notes: String,
    /// The link dropped it: a note says so with its first word.
    pub dropped: bool,
}

impl Rung {
    /// Marks and notes, separated by `, `.
    #[must_use]
    pub fn remarks(&self) -> String {
        let mut text = String::new();
        for mark in &self.marks {
            let _ = write!(text, "{}{mark}", if text.is_empty() { "" } else { ", " });
        }
        if !self.notes.is_empty() {
            let _ = write!(text, "{}{}", if text.is_empty() { "" } else { ", " }, self.notes);
        }
        text
    }
}

/// Turns frames into rungs.
#[derive(Debug, Default)]
pub struct Rungs {
    decoder: Decoder,
    hosts: Hosts,
    marker: Marker,
    first: Option<Instant>,
}

impl Rungs {
    /// The rung of a frame that was sent at `now`. With no way known, who sends first stands left.
    pub fn rung(&mut self, now: Instant, way: Option<Way>, frame: &[u8], notes: &str) -> Rung {
        let first = *self.first.get_or_insert(now);
        let gist = self.decoder.read(frame);
        let (from, to) = self.hosts.ends(way, frame, &gist);
        let mut label = gist.to_string();
        let mut marks = Vec::new();
        if let Gist::Tcp(segment) = &gist {
            let seen = self.marker.look(now, segment, frame);
            if let Some(window) = seen.window {
                let _ = write!(label, " win={window}");
            }
            marks = seen.marks;
        }
        let ports = match &gist {
            Gist::Tcp(segment) => Some((segment.source.port(), segment.destination.port())),
            Gist::Udp { source, destination, .. } => Some((source.port(), destination.port())),
            _ => None,
        };
        let notes: String = notes.chars().map(printable).collect();
        Rung {
            micros: now.total_micros().saturating_sub(first.total_micros()),
            from,
            to,
            ports,
            label,
            marks,
            dropped: notes.split(", ").any(|note| note.starts_with("dropped")),
            notes,
        }
    }

    /// The columns' titles, from the left. A title may get better, and columns come on at the right.
    #[must_use]
    pub fn titles(&self) -> Vec<String> {
        self.hosts.titles()
    }
}

/// What a terminal or an XML document can show: comments are the file's, not ours.
fn printable(character: char) -> char {
    let ordinary = !character.is_control() && !matches!(character, '\u{fffe}' | '\u{ffff}');
    match character {
        '\n' | '\t' => ' ',
        _ if ordinary => character,
        _ => char::REPLACEMENT_CHARACTER,
    }
}

/// Seconds with six decimals.
fn seconds(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// Draws a capture on standard output, or as a document. Where frames have no direction, the board is
/// who has its usual MAC address; a file is read twice for that.
pub fn run(options: &cli::Ladder) -> Result<(), String> {
    let named = |error: capture::CaptureError| format!("{}: {error}", options.file.display());
    let mut reader = capture::read(&options.file).map_err(|error| match error {
        // Names the file itself.
        capture::CaptureError::Open { .. } => error.to_string(),
        error => named(error),
    })?;
    // Others' captures do not say which host is the board.
    let board = fs::metadata(&options.file).is_ok_and(|data| data.is_file())
        && capture::read(&options.file).is_ok_and(|reader| {
            let mut frames = reader.flatten();
            frames.any(|record| record.way.is_none() && hosts::has_board(&record.frame))
        });
    let way = |record: &Record| {
        let guess = || if board { hosts::way(&record.frame) } else { None };
        record.way.or_else(guess)
    };
    if let Some(path) = &options.svg {
        if same_file(path, &options.file) {
            return Err(format!("{} is the capture itself; name another", path.display()));
        }
        let mut drawing = svg::Drawing::default();
        let mut damage = None;
        for record in &mut reader {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    damage = Some(named(error));
                    break;
                }
            };
            drawing.frame(instant(&record), way(&record), &record.frame, &notes(&record));
        }
        fs::write(path, drawing.finish()).map_err(|error| {
            format!(
                "cannot write {}: {error}; name a file in a directory that you may write",
                path.display()
            )
        })?;
        if drawing.left_out() > 0 {
            log::warn!(
                "only the first {} frames are drawn; left out: {}",
                svg::RUNGS_MAX,
                counted(drawing.left_out(), "frame")
            );
        }
        if let Some(error) = damage {
            return Err(error);
        }
    } else {
        let mut ladder = Ladder::new(Style::of_stdout());
        let mut out = BufWriter::new(io::stdout().lock());
        for record in &mut reader {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    let _ = out.flush();
                    return Err(named(error));
                }
            };
            let lines = ladder.line(instant(&record), way(&record), &record.frame, &notes(&record));
            if let Err(error) = writeln!(out, "{lines}") {
                return shown(&error);
            }
        }
        if let Err(error) = out.flush() {
            return shown(&error);
        }
    }
    if reader.truncated() {
        log::warn!("{} ends within a frame: its writer was stopped", options.file.display());
    }
    if reader.skipped() > 0 {
        let skipped = counted(reader.skipped(), "frame");
        log::warn!("not shown: {skipped} of other links than Ethernet");
    }
    Ok(())
}

/// A reader who has seen enough, `head` for example, is no error.
fn shown(error: &io::Error) -> Result<(), String> {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Ok(());
    }
    Err(format!("cannot print: {error}"))
}

fn same_file(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

fn instant(record: &Record) -> Instant {
    Instant::from_micros(i64::try_from(record.at.as_micros()).unwrap_or(i64::MAX))
}

fn notes(record: &Record) -> String {
    let (len, of) = (record.frame.len(), record.original_len);
    if len >= of {
        return record.notes.clone();
    }
    let separator = if record.notes.is_empty() { "" } else { ", " };
    format!("{}{separator}only {len} of {} captured", record.notes, counted(of, "byte"))
}

#[cfg(test)]
mod tests;
