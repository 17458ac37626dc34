//! Systems other than Unix have no dashboard: their terminals are given back in other ways.

use std::convert::Infallible;
use std::io;

use ratatui::Frame;
use ratatui::crossterm::event::Event;

/// Nothing was changed that would have to be given back.
pub(crate) fn restore() {}

/// There is no terminal for a dashboard.
pub(super) fn check() -> Result<(), String> {
    Err("--tui needs a Unix terminal: leave it out".into())
}

/// No terminal is one.
#[derive(Debug)]
pub(super) struct Screen(Infallible);

impl Screen {
    pub(super) fn open(_wake: impl Fn() + Clone + Send + 'static) -> Result<Self, String> {
        check().map(|()| unreachable!("there is none"))
    }

    pub(super) fn next(&mut self) -> Option<Event> {
        match self.0 {}
    }

    pub(super) fn is_stale(&self) -> bool {
        match self.0 {}
    }

    pub(super) fn draw(&mut self, _draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<bool> {
        match self.0 {}
    }
}
