//! `tapboard ladder`: a capture as lines of text, as a document, as a list of its conversations, or as JSON.

mod document;
mod input;
mod options;
mod survey;
mod tally;

use std::fs;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use smoltcp::time::Instant;

use self::document::Document;
use self::input::Input;
pub use self::options::{GraphChoice, HostChoice, LadderOptions, When};
use self::survey::Survey;
use super::frame::Frame;
use super::json::Json;
use super::rung::Rungs;
use super::text::{Ladder, Style, lanes_max};
use super::{hosts, list, svg};
use crate::capture::{CaptureError, Direction, LinkType, Reader, Record};
use crate::output::{counted, is_standard, same_file, shown};

/// Digits of the frames' numbers in a stream, of which nobody knows how many there will be.
const DIGITS_OF_STREAM: usize = 5;

/// Draws a capture on standard output, or as a document, or says of it what the options ask for. Where frames have
/// no direction, the board is who has its usual MAC address; to be drawn, a file is read twice for that and for the
/// columns, standard input as it comes.
pub fn run(options: &LadderOptions) -> Result<(), String> {
    let stdin = is_standard(&options.file);
    let name = if stdin { "standard input".into() } else { options.file.display().to_string() };
    let named = |error| match error {
        // Names the file itself.
        CaptureError::Open { .. } => error.to_string(),
        error => format!("{name}: {error}"),
    };
    if options.graph.is_some() && options.svg.is_none() && io::stdout().is_terminal() {
        return Err(
            "a graph is an SVG document, and nothing for a terminal; name a file with --svg OUT"
                .into(),
        );
    }
    let style = options.style();
    let is_text = options.document().is_none() && !options.json && !options.list;
    let columns = if is_text { lanes_max(style.width) } else { svg::HOSTS_MAX };
    // A pipe cannot be looked at twice.
    let is_file = fs::metadata(&options.file).is_ok_and(|data| data.is_file());
    let survey = if stdin || !is_file || options.json || options.list {
        Survey::of_stream(stdin)
    } else {
        Survey::of_file(&options.file, options, columns)
    };
    let mut reader = input::open(&options.file, (!is_text).then_some("reading")).map_err(named)?;
    let rungs = survey.rungs(options, columns);
    let mut drawn = Drawn { survey, damage: None };
    let rungs = match options.document() {
        Some(path) => drawn.document((path, &name), rungs, &mut reader, options)?,
        None if options.json => drawn.json(rungs, &mut reader, options)?,
        None if options.list => drawn.list(rungs, &mut reader)?,
        None => drawn.lines(rungs, &mut reader, style, options)?,
    };
    if let Some(error) = drawn.damage {
        return Err(named(error));
    }
    tally::report(&name, &rungs, &reader, options.list)?;
    if let Some(HostChoice::These(_)) = options.hosts {
        tally::absent(&name, &rungs);
    }
    Ok(())
}

/// What is known of the capture before it is drawn, and in what way it is damaged after that.
struct Drawn {
    survey: Survey,
    damage: Option<CaptureError>,
}

impl Drawn {
    /// Hands each frame to `each`, up to the end, to where the capture is damaged, or until `each` has seen enough.
    fn frames(
        &mut self,
        reader: &mut Reader<Input>,
        mut each: impl FnMut(&Frame<'_>, &Record) -> io::Result<()>,
    ) -> Result<(), String> {
        let mut seen = self.survey.usual;
        for record in reader {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    self.damage = Some(error);
                    break;
                }
            };
            let notes = notes(&record);
            let direction = self.survey.direction(&record, &mut seen);
            if let Err(error) = each(&frame(&record, direction, &notes), &record) {
                return shown(&error);
            }
        }
        Ok(())
    }

    /// Draws on standard output.
    fn lines(
        &mut self,
        rungs: Rungs,
        reader: &mut Reader<Input>,
        style: Style,
        options: &LadderOptions,
    ) -> Result<Rungs, String> {
        let (stream, frames) = (self.survey.stream, self.survey.frames);
        let ladder = Ladder::new(style).of_rungs(rungs);
        let ladder = ladder.of_times(self.survey.longest.unwrap_or(0)).with_times(options.times);
        let digits = if stream { DIGITS_OF_STREAM } else { frames.to_string().len() };
        let numbered = options.numbered(style.width);
        let mut ladder = if numbered { ladder.with_numbers(digits) } else { ladder };
        let mut out = stdout();
        self.frames(reader, |frame, _| {
            let Some(lines) = ladder.frame(frame) else { return Ok(()) };
            writeln!(out, "{lines}")?;
            // What comes from a running board is shown as it comes.
            if stream { out.flush() } else { Ok(()) }
        })?;
        out.flush().or_else(|error| shown(&error))?;
        Ok(ladder.into_rungs())
    }

    /// Lists conversations.
    fn list(&mut self, mut rungs: Rungs, reader: &mut Reader<Input>) -> Result<Rungs, String> {
        self.frames(reader, |frame, _| {
            rungs.look(frame);
            Ok(())
        })?;
        let mut out = stdout();
        let written = list::write(&mut out, rungs.analysis()).and_then(|()| out.flush());
        written.or_else(|error| shown(&error))?;
        Ok(rungs)
    }

    /// Writes JSON: frames or conversations, a line each, and a summary.
    fn json(
        &mut self,
        mut rungs: Rungs,
        reader: &mut Reader<Input>,
        options: &LadderOptions,
    ) -> Result<Rungs, String> {
        let mut json = Json::new(stdout());
        self.frames(reader, |frame, record| {
            let analysed = rungs.look(frame);
            match analysed {
                Some(analysed) if !options.list => json.frame(frame, record, &analysed),
                Some(analysed) => {
                    json.count(&analysed);
                    Ok(())
                }
                None => Ok(()),
            }
        })?;
        if options.list {
            json.conversations(rungs.analysis()).or_else(|error| shown(&error))?;
        }
        let damage = self.damage.as_ref().map(ToString::to_string);
        json.finish(&rungs, reader.truncated(), damage).or_else(|error| shown(&error))?;
        Ok(rungs)
    }

    /// Draws a document, unless nothing can be drawn; of what is called `name`.
    fn document(
        &mut self,
        (path, name): (&Path, &str),
        rungs: Rungs,
        reader: &mut Reader<Input>,
        options: &LadderOptions,
    ) -> Result<Rungs, String> {
        if !is_standard(path) && same_file(path, &options.file) {
            return Err(format!("{} is the capture itself; name another", path.display()));
        }
        let mut document = Document::new(options, rungs);
        self.frames(reader, |frame, _| {
            document.add(frame);
            Ok(())
        })?;
        document.write(path, name)
    }
}

/// Standard output, in large pieces.
fn stdout() -> BufWriter<io::StdoutLock<'static>> {
    BufWriter::with_capacity(64 << 10, io::stdout().lock())
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
