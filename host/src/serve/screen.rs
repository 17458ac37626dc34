//! The table of boards on a terminal, with what happens above it.

use std::io;
use std::time::{Duration, Instant};

use super::event::Event;
use super::table::Table;
use crate::live::{Live, Size};
use crate::output::Error;

/// How soon after it was drawn the table is drawn again, if something has happened.
const SOON: Duration = Duration::from_millis(200);
/// How soon if nothing has: the times since boards were heard go on, and the terminal may have another size.
const LATER: Duration = Duration::from_secs(1);
/// Lines that wait to be printed above it; it is drawn earlier if there are more.
const NEWS_MAX: usize = 64;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Screen {
    size: Size,
    live: Live,
    table: Table,
    /// Lines that are still to be printed.
    news: Vec<String>,
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
        let size = Size::of_stdout()?;
        Some(Self { size, live, table, news, drawn: crate::clock::now(), changed: false })
    }

    /// Notes what has happened `now`, and a line that tells it.
    pub(super) fn note(&mut self, event: &Event, line: Option<String>, now: Instant) {
        self.table.note(event, now);
        self.news.extend(line);
        self.changed = true;
    }

    /// When it is to be drawn.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let again = if self.changed { SOON } else { LATER };
        (self.changed || !self.table.is_empty()).then(|| self.drawn + again)
    }

    /// Draws it, if it is time.
    pub(super) fn turn(&mut self, now: Instant) -> Result<(), Error> {
        let due = self.deadline().is_some_and(|due| due <= now);
        if due || self.news.len() > NEWS_MAX { self.draw(now) } else { Ok(()) }
    }

    /// Draws it.
    pub(super) fn draw(&mut self, now: Instant) -> Result<(), Error> {
        // A terminal that is gone has none, and then nothing else either.
        self.size = Size::of_stdout().unwrap_or(self.size);
        let lines = self.table.lines(now, self.size);
        let drawn = self.live.draw(&mut io::stdout().lock(), &self.news, &lines, self.size);
        self.news.clear();
        (self.drawn, self.changed) = (now, false);
        drawn.map_err(|error| Error::from_stdout(&error))
    }
}
