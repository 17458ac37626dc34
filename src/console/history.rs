//! Lines that were entered, in this run and in earlier ones.
//!
//! They are kept in `$XDG_STATE_HOME/tapboard/history`, which is `~/.local/state/tapboard/history` unless that is
//! set, a line each, for its owner alone; in the file that `TAPBOARD_HISTORY` names; or nowhere, if that is
//! empty. Each line is appended as it is entered, so that boards that run at once add to one history and none of it is
//! lost when a run ends at once. A file that cannot be read or written is no error: who types wants the board. The
//! file is no longer than twice [`HISTORY_MAX`] lines, of which the last are kept. Memory: those.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::reader::LINE_MAX;

/// Lines that the arrow keys bring back.
pub(super) const HISTORY_MAX: usize = 500;
/// Bytes of a file that are looked at, at its end.
const FILE_MAX: u64 = 256 * 1024;
/// Names the file, or is empty if there is to be none.
const VARIABLE: &str = "TAPBOARD_HISTORY";

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct History {
    lines: VecDeque<String>,
    file: Option<HistoryFile>,
}

#[derive(Debug)]
struct HistoryFile {
    path: PathBuf,
    /// Lines in it, as far as is known.
    lines: usize,
}

impl History {
    /// What this user entered before.
    pub(super) fn of_user() -> Self {
        path(|name| std::env::var_os(name)).map_or_else(Self::default, Self::kept_in)
    }

    /// What is in this file, to which lines are added.
    pub(super) fn kept_in(path: PathBuf) -> Self {
        // Reading anything else might wait for somebody to write it.
        if fs::metadata(&path).is_ok_and(|file| !file.is_file()) {
            return Self::default();
        }
        let mut file = HistoryFile { path, lines: 0 };
        let lines = file.read().unwrap_or_default();
        Self { lines, file: Some(file) }
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn get(&self, index: usize) -> Option<&str> {
        self.lines.get(index).map(String::as_str)
    }

    /// The last line before `index` that contains `text`.
    pub(super) fn find(&self, text: &str, index: usize) -> Option<usize> {
        (0..index.min(self.len())).rev().find(|&index| self.lines[index].contains(text))
    }

    /// Adds a line, unless it is blank or the same again.
    pub(super) fn push(&mut self, line: &str) {
        if line.trim().is_empty() || self.lines.back().is_some_and(|last| last == line) {
            return;
        }
        if self.len() == HISTORY_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line.into());
        if let Some(file) = &mut self.file {
            let _ = file.append(line);
        }
    }
}

impl HistoryFile {
    fn read(&mut self) -> io::Result<VecDeque<String>> {
        let mut file = File::open(&self.path)?;
        let skipped = file.metadata()?.len().saturating_sub(FILE_MAX);
        file.seek(SeekFrom::Start(skipped))?;
        let mut bytes = Vec::new();
        file.take(FILE_MAX).read_to_end(&mut bytes)?;
        let mut lines: VecDeque<_> = bytes.split(|byte| *byte == b'\n').collect();
        if skipped > 0 {
            // It begins somewhere within a line.
            lines.pop_front();
        }
        // What is shown on a terminal as it is, and can be a command.
        let good = |line: &[u8]| {
            let text = String::from_utf8(line.to_vec()).ok()?;
            let bad = text.trim().is_empty() || text.contains(char::is_control);
            (!bad && text.len() <= LINE_MAX).then_some(text)
        };
        let mut good: VecDeque<_> = lines.into_iter().filter_map(good).collect();
        self.lines = good.len();
        good.drain(..good.len().saturating_sub(HISTORY_MAX));
        if skipped > 0 {
            self.lines = self.lines.max(2 * HISTORY_MAX);
        }
        Ok(good)
    }

    fn append(&mut self, line: &str) -> io::Result<()> {
        if let Some(directory) = self.path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        }
        let mut options = OpenOptions::new();
        let mut file = options.append(true).create(true).mode(0o600).open(&self.path)?;
        // In one piece: others may append as well.
        file.write_all(format!("{line}\n").as_bytes())?;
        self.lines += 1;
        if self.lines > 2 * HISTORY_MAX { self.shorten() } else { Ok(()) }
    }

    /// Leaves the last lines, also those of others, in a file that takes the place of this one at once.
    fn shorten(&mut self) -> io::Result<()> {
        let lines = self.read()?;
        let new = self.path.with_added_extension(format!("{}.new", std::process::id()));
        let written = write_new(&new, &lines).and_then(|()| fs::rename(&new, &self.path));
        if written.is_err() {
            let _ = fs::remove_file(&new);
        }
        self.lines = lines.len();
        written
    }
}

fn write_new(path: &Path, lines: &VecDeque<String>) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
    file.write_all(text.as_bytes())
}

/// The history's file, by these environment variables.
fn path(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    if let Some(path) = variable(VARIABLE) {
        return (!path.is_empty()).then(|| path.into());
    }
    // A relative one is to be ignored, says the XDG Base Directory Specification.
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    Some(state?.join("tapboard/history"))
}

#[cfg(test)]
mod tests;
