//! How far something is, on standard error, for who waits at a terminal.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use crate::output;

/// Columns that the bar needs beside twice the number of worlds.
const WIDE: usize = 70;

/// A bar; hidden where nobody waits.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Of so many bytes, which something is done with.
    pub(crate) fn of_bytes(len: u64, what: &'static str) -> Self {
        let style =
            ProgressStyle::with_template("{msg} [{bar:30}] {bytes} of {total_bytes}, {eta} to go");
        let bar = ProgressBar::new(len).with_message(what);
        bar.set_style(style.expect("the template is right").progress_chars("=> "));
        Self(bar)
    }

    /// Of so many worlds, never wider than the terminal: what goes on in a second line is not taken away again.
    pub(crate) fn of_worlds(worlds: u64, hidden: bool) -> Self {
        if hidden || worlds < 2 || !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let wide = WIDE + 2 * worlds.to_string().len();
        let template = if output::columns().is_some_and(|columns| columns < wide) {
            "{percent:>3} %, {eta} left"
        } else {
            "{bar:30} {pos}/{len} worlds, {per_sec}, {eta} left"
        };
        let style = ProgressStyle::with_template(template);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        Self(ProgressBar::new(worlds).with_style(style))
    }

    /// So much more is done.
    pub(crate) fn inc(&self, count: u64) {
        self.0.inc(count);
    }

    /// Prints something while the bar is away.
    pub(crate) fn suspend<R>(&self, print: impl FnOnce() -> R) -> R {
        self.0.suspend(print)
    }

    /// Takes it away.
    pub(crate) fn finish_and_clear(&self) {
        self.0.finish_and_clear();
    }
}
