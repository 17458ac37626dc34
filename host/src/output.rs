//! Where results go: standard output, a line at a time, for people or for machines.
//!
//! A closed pipe is an ordinary end and never a panic: [`Error::OutputClosed`] travels up to `main` like
//! any other error and ends the program quietly. Each line is flushed, for its reader may be waiting.

use std::fmt;
use std::io::{self, Write};

use serde_json::Value;

use crate::layout;

/// What a command found, when it came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Exit code 0.
    Passed,
    /// Exit code 1; what failed has been printed.
    Failed,
}

/// Why a command could not come to its end.
#[derive(Debug, PartialEq, Eq)]
pub enum Error {
    /// One line that says what went wrong and what to do about it. Exit code 1.
    Failed(String),
    /// The reader of standard output closed its end. Exit code 0.
    OutputClosed,
}

impl Error {
    /// The error that a failed write to standard output means.
    #[must_use]
    pub fn from_stdout(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::OutputClosed
        } else {
            Self::Failed(format!("cannot write standard output: {error}"))
        }
    }
}

/// Standard output, and the form in which results are written to it.
#[derive(Debug)]
pub struct Output {
    json: bool,
    /// Of the terminal that people read it on.
    columns: Option<usize>,
    stdout: io::Stdout,
}

impl Output {
    /// Results for machines (`json`) or for people.
    #[must_use]
    pub fn new(json: bool) -> Self {
        let stdout = io::stdout();
        let columns = if json { None } else { layout::columns(&stdout) };
        Self { json, columns, stdout }
    }

    /// Whether results are for machines.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Writes one line for people, or more if it has line feeds or the terminal is narrow.
    pub fn line(&mut self, text: impl fmt::Display) -> Result<(), Error> {
        let written = match self.columns {
            None => writeln!(self.stdout, "{text}"),
            Some(columns) => {
                writeln!(self.stdout, "{}", layout::fit(&text.to_string(), columns))
            }
        };
        written.and_then(|()| self.stdout.flush()).map_err(|error| Error::from_stdout(&error))
    }

    /// Writes one object for machines, on a line of its own.
    pub fn object(&mut self, value: &Value) -> Result<(), Error> {
        // JSON text never holds a raw line feed: serde_json escapes it within strings.
        self.line(value)
    }
}

/// Writes one line to standard error, under the name of the program; on a narrow terminal, more.
pub fn complain(message: impl fmt::Display) {
    let mut line = format!("tapboard-host: {message}");
    let mut stderr = io::stderr();
    if let Some(columns) = layout::columns(&stderr) {
        line = layout::fit(&line, columns);
    }
    // Standard error may be closed; there is nowhere left to say so.
    let _ = writeln!(stderr, "{line}");
}

/// Text that came over the wire, safe to print: control characters are escaped, so that no board can
/// steer the terminal it is shown on.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_format(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Characters that are invisible or turn the direction of what follows them.
fn is_format(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Whether standard output takes something without waiting, now or within `patience`.
#[cfg(target_os = "linux")]
pub(crate) fn has_room(patience: std::time::Duration) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let stdout = io::stdout();
    let patience = Timespec::try_from(patience).ok();
    poll(&mut [PollFd::new(&stdout, PollFlags::OUT)], patience.as_ref())
        .is_ok_and(|ready| ready > 0)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn has_room(_patience: std::time::Duration) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_pipe_is_a_quiet_end_and_a_full_disk_is_not() {
        let pipe = io::Error::from(io::ErrorKind::BrokenPipe);
        assert_eq!(Error::from_stdout(&pipe), Error::OutputClosed);
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert!(matches!(Error::from_stdout(&full), Error::Failed(_)));
    }

    #[test]
    fn what_a_board_sends_cannot_steer_the_terminal() {
        assert_eq!(printable("bo\u{1b}[2Jard\n"), "bo\\u{1b}[2Jard\\u{a}");
        assert_eq!(printable("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(printable("Küche 1"), "Küche 1");
    }
}
