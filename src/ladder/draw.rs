//! `tapboard ladder`: a capture as lines of text, or as a document.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use smoltcp::time::Instant;

use super::rung::Frame;
use super::text::{Ladder, Style};
use super::{hosts, svg};
use crate::capture::{self, CaptureError, Direction, LinkType, Reader, Record};
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
    let mut tally = Tally::default();
    let damage = match &options.svg {
        Some(path) => document(path, &mut reader, guess, &options.file, &mut tally)?,
        None => lines(&mut reader, guess, &mut tally)?,
    };
    if let Some(error) = damage {
        return Err(named(error));
    }
    if tally.drawn == 0 {
        return Err(tally.nothing(&name, &reader));
    }
    tally.warn(&name, &reader);
    Ok(())
}

/// What came of the frames.
#[derive(Debug, Default)]
struct Tally {
    drawn: u64,
    /// Frames of links that cannot be drawn, by link type.
    other_links: BTreeMap<LinkType, u64>,
    /// Directions of connections that were forgotten.
    forgotten: u64,
}

impl Tally {
    fn count(&mut self, link: LinkType, drawn: bool) {
        if drawn {
            self.drawn += 1;
        } else {
            *self.other_links.entry(link).or_default() += 1;
        }
    }

    /// Frames and blocks that are not drawn, by type.
    fn left_out<R: Read>(&self, reader: &Reader<R>) -> Option<String> {
        let frames = self.other_links.iter();
        let frames = frames.map(|(link, count)| format!("{} of {link}", counted(*count, "frame")));
        let blocks = reader.unknown_blocks();
        let blocks = blocks
            .iter()
            .map(|(kind, count)| format!("{} of unknown type {kind:#x}", counted(*count, "block")));
        let all: Vec<_> = frames.chain(blocks).collect();
        (!all.is_empty()).then(|| all.join(", "))
    }

    /// Why nothing was drawn.
    fn nothing<R: Read>(&self, name: &str, reader: &Reader<R>) -> String {
        if let Some(left_out) = self.left_out(reader) {
            return format!(
                "{name}: nothing in it can be drawn, only {left_out}; Wireshark may show it, and what is \
                 captured on Ethernet, Wi-Fi, or `tcpdump -i any` can be drawn"
            );
        }
        let cut = if reader.truncated() { ": it ends within the first" } else { "" };
        format!("{name}: no frames{cut}; was there traffic, and did a filter let it pass?")
    }

    fn warn<R: Read>(&self, name: &str, reader: &Reader<R>) {
        if reader.truncated() {
            log::warn!("{name} ends within a frame: its writer was stopped");
        }
        if let Some(left_out) = self.left_out(reader) {
            log::warn!("not drawn: {left_out}; Wireshark may show them");
        }
        if self.forgotten > 0 {
            log::warn!(
                "there were more connections than are remembered: {} of one were forgotten, and marks and \
                 numbers began anew if one came again",
                counted(self.forgotten, "direction")
            );
        }
    }
}

/// Draws on standard output up to the end of the capture, or to where it is damaged, which is returned.
fn lines<R: Read>(
    reader: &mut Reader<R>,
    guess: &Guess,
    tally: &mut Tally,
) -> Result<Option<CaptureError>, String> {
    let style = Style::of_output();
    let mut ladder =
        Ladder::new(style).of_board(guess.addresses()).of_times(guess.longest.unwrap_or(0));
    let mut out = BufWriter::new(io::stdout().lock());
    let mut seen = guess.usual;
    for record in reader {
        let record = match record {
            Ok(record) => record,
            Err(error) => return out.flush().map_or_else(|e| shown(&e), Ok).map(|()| Some(error)),
        };
        let notes = notes(&record);
        let lines = ladder.frame(&frame(&record, guess.direction(&record, &mut seen), &notes));
        tally.count(record.link, lines.is_some());
        tally.forgotten = ladder.forgotten();
        let Some(lines) = lines else { continue };
        // What comes from a running board is shown as it comes.
        let flush = |out: &mut BufWriter<_>| if guess.stream { out.flush() } else { Ok(()) };
        if let Err(error) = writeln!(out, "{lines}").and_then(|()| flush(&mut out)) {
            return shown(&error).map(|()| None);
        }
    }
    out.flush().map_or_else(|error| shown(&error), Ok).map(|()| None)
}

/// Draws a document up to the end of the capture `file`, or to where it is damaged, which is returned. Where
/// nothing can be drawn there is no document.
fn document<R: Read>(
    path: &Path,
    reader: &mut Reader<R>,
    guess: &Guess,
    file: &Path,
    tally: &mut Tally,
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
        let notes = notes(&record);
        let direction = guess.direction(&record, &mut seen);
        tally.count(record.link, drawing.add(&frame(&record, direction, &notes)));
    }
    tally.forgotten = drawing.forgotten();
    if tally.drawn == 0 {
        return Ok(damage);
    }
    if is_standard(path) {
        let mut out = BufWriter::new(io::stdout().lock());
        drawing.write(&mut out).and_then(|()| out.flush()).or_else(|error| shown(&error))?;
    } else {
        let written = File::create(path).and_then(|file| {
            let mut out = BufWriter::new(file);
            drawing.write(&mut out)?;
            out.flush()
        });
        written.map_err(|error| {
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
    /// The longest time since the first frame, in microseconds; the times' width is the same throughout.
    longest: Option<i64>,
}

impl Guess {
    /// Of frames that cannot be looked at twice.
    fn of_stream() -> Self {
        Self { usual: false, other: true, stream: true, longest: None }
    }

    /// Looks through a file.
    fn of_file(path: &Path) -> Self {
        let mut guess = Self::default();
        // A pipe cannot be looked at twice either.
        if !fs::metadata(path).is_ok_and(|data| data.is_file()) {
            return Self { stream: true, ..guess };
        }
        let (mut sender, mut first) = (None, None);
        for record in capture::read(path).into_iter().flatten().flatten() {
            if let Some(at) = instant(&record) {
                let first: Instant = *first.get_or_insert(at);
                let since = at.total_micros().saturating_sub(first.total_micros());
                guess.longest = guess.longest.max(Some(since));
            }
            let has_board = has_board(&record);
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
        *seen |= self.stream && record.direction.is_none() && has_board(record);
        let ethernet = record.link == LinkType::ETHERNET;
        let guess = || hosts::direction(&record.frame).filter(|_| *seen && ethernet);
        record.direction.or_else(guess)
    }
}

fn same_file(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

fn has_board(record: &Record) -> bool {
    record.link == LinkType::ETHERNET && hosts::has_board(&record.frame)
}

fn instant(record: &Record) -> Option<Instant> {
    let micros = |at: Duration| i64::try_from(at.as_micros()).unwrap_or(i64::MAX);
    record.at.map(|at| Instant::from_micros(micros(at)))
}

fn frame<'a>(record: &'a Record, direction: Option<Direction>, notes: &'a str) -> Frame<'a> {
    Frame {
        at: instant(record),
        direction,
        link: record.link,
        bytes: &record.frame,
        len: record.original_len,
        notes,
        ours: record.ours,
    }
}

fn notes(record: &Record) -> String {
    let (len, of) = (record.frame.len(), record.original_len);
    if len >= of {
        return record.notes.clone();
    }
    let separator = if record.notes.is_empty() { "" } else { ", " };
    format!("{}{separator}only {len} of {} captured", record.notes, counted(of, "byte"))
}
