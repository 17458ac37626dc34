//! The table of boards on a terminal, with what happens above it.
//!
//! A terminal that takes no output is not waited for: a picture goes out in pieces, as there is room, and the next one is
//! made when the last is out.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use super::event::Event;
use super::table::Table;
use crate::live::{Live, Size};
use crate::output::{Error, has_room};
use crate::units::counted;

/// How soon after it was drawn the table is drawn again, if something has happened.
const SOON: Duration = Duration::from_millis(200);
/// How soon if nothing has: the times since boards were heard go on, and the terminal may have another size.
const LATER: Duration = Duration::from_secs(1);
/// Lines that wait to be printed above it; it is drawn earlier if there are more.
const NEWS_MAX: usize = 64;
/// Lines that wait for a terminal that takes nothing; further ones are counted.
const NEWS_KEPT: usize = 1024;
/// How soon to look again whether the terminal takes the rest of a picture.
const AFTER_FULL: Duration = Duration::from_millis(50);
/// Bytes that a writable terminal takes without waiting. (Linux says that a pseudo-terminal is writable while it takes
/// 256.)
const PIECE: usize = 128;
/// How long the end may wait for room.
const END_PATIENCE: Duration = Duration::from_secs(1);

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Screen {
    size: Size,
    live: Live,
    table: Table,
    /// Lines that are still to be printed.
    news: Vec<String>,
    /// How many there were no places for.
    unsaid: u64,
    /// What is drawn and not yet out.
    pending: Vec<u8>,
    /// When it was drawn, or before it was, when it began.
    drawn: Instant,
    changed: bool,
}

impl Screen {
    /// On standard output, if that is a terminal, and nothing is logged on it at every turn.
    pub(super) fn open() -> Option<Self> {
        if log::max_level() >= log::LevelFilter::Info {
            return None;
        }
        let (live, table, news) = (Live::default(), Table::default(), Vec::new());
        let (unsaid, pending, changed) = (0, Vec::new(), false);
        let size = Size::of_stdout()?;
        let drawn = crate::clock::now();
        Some(Self { size, live, table, news, unsaid, pending, drawn, changed })
    }

    /// Notes what has happened `now`, and a line that tells it.
    pub(super) fn note(&mut self, event: &Event, line: Option<String>, now: Instant) {
        self.table.note(event, now);
        if self.news.len() < NEWS_KEPT {
            self.news.extend(line);
        } else {
            self.unsaid += u64::from(line.is_some());
        }
        self.changed = true;
    }

    /// When it is to be drawn.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if !self.pending.is_empty() {
            return Some(self.drawn + AFTER_FULL);
        }
        let again = if self.changed { SOON } else { LATER };
        (self.changed || !self.table.is_empty()).then(|| self.drawn + again)
    }

    /// Draws it, if it is time.
    pub(super) fn turn(&mut self, now: Instant) -> Result<(), Error> {
        let due = self.deadline().is_some_and(|due| due <= now);
        if due || self.news.len() > NEWS_MAX { self.draw(now) } else { Ok(()) }
    }

    /// Draws it for the last time. Returns whether the terminal takes a line below it.
    pub(super) fn end(&mut self, now: Instant) -> Result<bool, Error> {
        if !self.write_out(END_PATIENCE)? {
            return Ok(false);
        }
        self.draw(now)?;
        Ok(self.write_out(END_PATIENCE)? && has_room(END_PATIENCE))
    }

    /// Draws it, or goes on with what was drawn.
    fn draw(&mut self, now: Instant) -> Result<(), Error> {
        self.drawn = now;
        if !self.write_out(Duration::ZERO)? {
            return Ok(());
        }
        if self.unsaid > 0 {
            self.news.push(format!("... and {} more", counted(self.unsaid, "line")));
        }
        // A terminal that is gone has none, and then nothing else either.
        self.size = Size::of_stdout().unwrap_or(self.size);
        let lines = self.table.lines(now, self.size);
        let drawn = self.live.draw(&mut self.pending, &self.news, &lines, self.size);
        drawn.expect("memory takes all");
        self.news.clear();
        (self.unsaid, self.changed) = (0, false);
        self.write_out(Duration::ZERO).map(drop)
    }

    /// Writes what is drawn, as far as the terminal takes each piece within `patience`. Returns whether that was all.
    fn write_out(&mut self, patience: Duration) -> Result<bool, Error> {
        let mut stdout = io::stdout().lock();
        let (mut count, mut written) = (0, Ok(()));
        for piece in self.pending.chunks(PIECE) {
            if !has_room(patience) {
                break;
            }
            written = stdout.write_all(piece).and_then(|()| stdout.flush());
            if written.is_err() {
                break;
            }
            count += piece.len();
        }
        self.pending.drain(..count);
        written.map_err(|error| Error::from_stdout(&error))?;
        Ok(self.pending.is_empty())
    }
}
