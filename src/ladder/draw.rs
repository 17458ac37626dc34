//! `tapboard ladder`: a capture as lines of text, or as a document.

use std::fs;
use std::io::{self, BufWriter, Read, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use smoltcp::time::Instant;

use super::text::{Ladder, Style};
use super::{hosts, svg};
use crate::capture::{self, CaptureError, Direction, Reader, Record};
use crate::identity::Identity;
use crate::output::{counted, is_standard, shown};

/// What `tapboard ladder` is to draw, and where.
#[derive(Clone, Debug)]
pub struct LadderOptions {
    /// The capture, or standard input (`-`).
    pub file: PathBuf,
    /// Draw an SVG document into this file, or on standard output (`-`), in place of lines of text.
    pub svg: Option<PathBuf>,
}

/// Draws a capture on standard output, or as a document. Where frames have no direction, the board is
/// who has its usual MAC address; a file is read twice for that, standard input as it comes.
pub fn run(options: &LadderOptions) -> Result<(), String> {
    if is_standard(&options.file) {
        let reader = Reader::new(io::stdin().lock());
        return draw(reader, &Guess::of_stream(), options);
    }
    let guess = Guess::of_file(&options.file);
    draw(capture::read(&options.file), &guess, options)
}

fn draw<R: Read>(
    reader: Result<Reader<R>, CaptureError>,
    guess: &Guess,
    options: &LadderOptions,
) -> Result<(), String> {
    let stream = is_standard(&options.file);
    let name = if stream { "standard input".into() } else { options.file.display().to_string() };
    let named = |error| match error {
        // Names the file itself.
        CaptureError::Open { .. } => error.to_string(),
        error => format!("{name}: {error}"),
    };
    let mut reader = reader.map_err(named)?;
    let damage = match &options.svg {
        Some(path) => document(path, &mut reader, guess, &options.file)?,
        None => lines(&mut reader, guess)?,
    };
    if let Some(error) = damage {
        return Err(named(error));
    }
    if reader.truncated() {
        log::warn!("{name} ends within a frame: its writer was stopped");
    }
    if reader.skipped() > 0 {
        let skipped = counted(reader.skipped(), "frame");
        log::warn!("not shown: {skipped} of other links than Ethernet");
    }
    Ok(())
}

/// Draws on standard output up to the end of the capture, or to where it is damaged, which is returned.
fn lines<R: Read>(reader: &mut Reader<R>, guess: &Guess) -> Result<Option<CaptureError>, String> {
    let mut ladder = Ladder::new(Style::of_output()).of_board(guess.addresses());
    let mut out = BufWriter::new(io::stdout().lock());
    let mut seen = guess.usual;
    for record in reader {
        let record = match record {
            Ok(record) => record,
            Err(error) => return out.flush().map_or_else(|e| shown(&e), Ok).map(|()| Some(error)),
        };
        let direction = guess.direction(&record, &mut seen);
        let lines = ladder.line(instant(&record), direction, &record.frame, &notes(&record));
        // What comes from a running board is shown as it comes.
        let flush = |out: &mut BufWriter<_>| if guess.stream { out.flush() } else { Ok(()) };
        if let Err(error) = writeln!(out, "{lines}").and_then(|()| flush(&mut out)) {
            return shown(&error).map(|()| None);
        }
    }
    out.flush().map_or_else(|error| shown(&error), Ok).map(|()| None)
}

/// Draws a document up to the end of the capture `file`, or to where it is damaged, which is returned.
fn document<R: Read>(
    path: &Path,
    reader: &mut Reader<R>,
    guess: &Guess,
    file: &Path,
) -> Result<Option<CaptureError>, String> {
    if !is_standard(path) && same_file(path, file) {
        return Err(format!("{} is the capture itself; name another", path.display()));
    }
    let mut drawing = svg::Drawing::default().of_board(guess.addresses());
    let (mut damage, mut seen) = (None, guess.usual);
    for record in reader {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                damage = Some(error);
                break;
            }
        };
        let direction = guess.direction(&record, &mut seen);
        drawing.frame(instant(&record), direction, &record.frame, &notes(&record));
    }
    let text = drawing.finish();
    if is_standard(path) {
        io::stdout().write_all(text.as_bytes()).or_else(|error| shown(&error))?;
    } else {
        fs::write(path, text).map_err(|error| {
            format!(
                "cannot write {}: {error}; name a file in a directory that you may write",
                path.display()
            )
        })?;
    }
    if drawing.left_out() > 0 {
        log::warn!(
            "only the first {} frames are drawn; left out: {}",
            svg::RUNGS_MAX,
            counted(drawing.left_out(), "frame")
        );
    }
    Ok(damage)
}

/// Who the board is in a capture, as far as frames do not say.
#[derive(Debug, Default)]
struct Guess {
    /// A frame without direction has the board's usual MAC address: others' captures do not say which host
    /// is the board.
    usual: bool,
    /// The board's usual addresses may be another's.
    other: bool,
    /// More is learned from what comes.
    stream: bool,
}

impl Guess {
    /// Of frames that cannot be looked at twice.
    fn of_stream() -> Self {
        Self { usual: false, other: true, stream: true }
    }

    /// Looks through a file.
    fn of_file(path: &Path) -> Self {
        let mut guess = Self::default();
        // A pipe cannot be looked at twice either.
        if !fs::metadata(path).is_ok_and(|data| data.is_file()) {
            return Self { stream: true, ..guess };
        }
        let mut sender = None;
        for record in capture::read(path).into_iter().flatten().flatten() {
            let has_board = hosts::has_board(&record.frame);
            guess.usual |= record.direction.is_none() && has_board;
            if record.direction == Some(Direction::ToPeer) {
                sender.get_or_insert(has_board);
            }
        }
        guess.other = sender == Some(false);
        guess
    }

    /// Addresses that are the board's without a doubt.
    fn addresses(&self) -> Vec<IpAddr> {
        if self.other { Vec::new() } else { Identity::default().addresses().collect() }
    }

    /// The direction of a frame; `seen` is whether the board was there before.
    fn direction(&self, record: &Record, seen: &mut bool) -> Option<Direction> {
        *seen |= self.stream && record.direction.is_none() && hosts::has_board(&record.frame);
        record.direction.or_else(|| if *seen { hosts::direction(&record.frame) } else { None })
    }
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
