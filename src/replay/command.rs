//! `tapboard replay`.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::PathBuf;

use super::{Minimized, Replay, ReplayError, ReplayOptions, Report};
use crate::capture::{CaptureError, Reader};
use crate::output::{counted, is_standard, shown};

/// What to do with a capture.
#[derive(Clone, Debug)]
pub struct ReplayCommand {
    /// The capture, or standard input (`-`).
    pub file: PathBuf,
    /// How to replay it.
    pub options: ReplayOptions,
    /// Any difference counts, and all are shown.
    pub strict: bool,
    /// Print JSON.
    pub json: bool,
    /// Write the replay's frames here.
    pub pcap: Option<PathBuf>,
    /// Write the smallest capture that shows the difference here.
    pub minimize: Option<PathBuf>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The board says what it said.
    Same,
    /// It does not.
    Differs,
}

/// Replays a capture, prints what differs, and minimizes it if that is asked for. The error says why it cannot be replayed.
pub fn command(command: &ReplayCommand) -> Result<Verdict, String> {
    let stdin = is_standard(&command.file);
    let name = if stdin { "standard input".into() } else { command.file.display().to_string() };
    let named = |error: ReplayError| match error {
        // Names the file itself.
        ReplayError::Capture(CaptureError::Open { .. }) => error.to_string(),
        error => format!("{name}: {error}"),
    };
    let replay = read(command).map_err(named)?;
    let report = match &command.pcap {
        Some(path) => replay.run_captured(path).map_err(|error| error.to_string())?,
        None => replay.run(),
    };
    let text =
        if command.json { report.json(command.strict) } else { told(&report, command.strict) };
    print(&text)?;
    let differs = report.differs(command.strict);
    if let (Some(path), true) = (&command.minimize, differs) {
        let minimized = replay.minimize(command.strict).map_err(named)?;
        minimized.replay.write(path).map_err(|error| error.to_string())?;
        if !command.json {
            print(&what_is_left(&minimized, path))?;
        }
    }
    Ok(if differs { Verdict::Differs } else { Verdict::Same })
}

fn read(command: &ReplayCommand) -> Result<Replay, ReplayError> {
    let from: Box<dyn Read> = if is_standard(&command.file) {
        Box::new(io::stdin().lock())
    } else {
        let path = command.file.clone();
        Box::new(File::open(&path).map_err(|error| CaptureError::Open { path, error })?)
    };
    Replay::read(Reader::new(BufReader::new(from))?, &command.options)
}

fn told(report: &Report, strict: bool) -> String {
    report.text(strict)
}

fn what_is_left(minimized: &Minimized, path: &std::path::Path) -> String {
    let (left, all) = minimized.frames;
    format!(
        "minimized to {} of {all}, whose first difference is {} as well, after {}: {}\n",
        counted(left, "frame"),
        minimized.kind,
        counted(minimized.runs, "replay"),
        path.display()
    )
}

fn print(text: &str) -> Result<(), String> {
    io::stdout().write_all(text.as_bytes()).or_else(|error| shown(&error))
}
