//! Lines at the end of a terminal that change while others are printed above them.
//!
//! The cursor stands below them, in the first column, so that whatever ends the program leaves the terminal in order: it
//! is in no special mode. What changes is erased and written anew. Lines are no longer than the terminal is wide; where
//! it has become narrower meanwhile, it has broken them, as most terminals do, and that many more are erased.

use std::io::{self, IsTerminal, Write};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::layout;

/// How many columns and lines a terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Characters in a line.
    pub columns: usize,
    /// Lines.
    pub rows: usize,
}

impl Size {
    /// That of standard output, if it is a terminal which can be written to anew.
    #[must_use]
    pub fn of_stdout() -> Option<Self> {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        if dumb || !io::stdout().is_terminal() {
            return None;
        }
        let (columns, rows) = terminal_size::terminal_size_of(io::stdout())?;
        let size = Self { columns: columns.0.into(), rows: rows.0.into() };
        (size.columns > 0 && size.rows > 0).then_some(size)
    }
}

/// The lines that change.
#[derive(Debug, Default)]
pub struct Live {
    /// How wide each of them is.
    drawn: Vec<usize>,
}

impl Live {
    /// Prints `above`, whose lines stay, and draws `lines` below, as many as there is room for; all at once.
    pub fn draw(
        &mut self,
        out: &mut impl Write,
        above: &[String],
        lines: &[String],
        size: Size,
    ) -> io::Result<()> {
        let mut text = self.erase(size.columns);
        for line in above {
            text.push_str(&layout::fit(line, size.columns));
            text.push('\n');
        }
        // The cursor is in the line below.
        for line in lines.iter().take(size.rows - 1) {
            let line = cut(line, size.columns);
            self.drawn.push(line.width());
            text.push_str(&line);
            text.push('\n');
        }
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// What takes all of them away.
    fn erase(&mut self, columns: usize) -> String {
        let height: usize = self.drawn.drain(..).map(|width| width.div_ceil(columns).max(1)).sum();
        match height {
            0 => String::new(),
            height => format!("\r\u{1b}[{height}A\u{1b}[J"),
        }
    }
}

/// A line of at most so many columns; one that was longer ends in an ellipsis.
#[must_use]
pub fn cut(line: &str, columns: usize) -> String {
    if line.width() <= columns {
        return line.to_owned();
    }
    let mut room = columns.saturating_sub(1);
    let fits = line.chars().take_while(|c| {
        let width = c.width().unwrap_or(0);
        let fits = width <= room;
        room = room.saturating_sub(width);
        fits
    });
    fits.chain(['…'].into_iter().take(columns)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(
        live: &mut Live,
        above: &[&str],
        lines: &[&str],
        columns: usize,
        rows: usize,
    ) -> String {
        let mut out = Vec::new();
        let [above, lines] =
            [above, lines].map(|lines| lines.iter().map(ToString::to_string).collect::<Vec<_>>());
        live.draw(&mut out, &above, &lines, Size { columns, rows }).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_changes_is_below_what_stays() {
        let live = &mut Live::default();
        assert_eq!(drawn(live, &[], &["a", "b"], 20, 9), "a\nb\n");
        assert_eq!(drawn(live, &["news"], &["c"], 20, 9), "\r\u{1b}[2A\u{1b}[Jnews\nc\n");
        assert_eq!(drawn(live, &[], &[], 20, 9), "\r\u{1b}[1A\u{1b}[J");
        assert_eq!(drawn(live, &["the end"], &[], 20, 9), "the end\n");
    }

    #[test]
    fn no_line_is_broken_and_none_scrolls_away() {
        let live = &mut Live::default();
        let lines = ["0123456789", "b", "c", "d"];
        assert_eq!(drawn(live, &[], &lines, 8, 4), "0123456…\nb\nc\n");
        // Of a terminal that has been made narrower, which breaks the first line into three.
        assert_eq!(drawn(live, &[], &[], 3, 4), "\r\u{1b}[5A\u{1b}[J");
        assert_eq!(drawn(live, &[], &lines, 3, 1), "");
    }

    #[test]
    fn a_line_is_cut_where_a_wide_character_would_be_cut() {
        for (line, columns, expected) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("abc", 1, "…"),
            ("abc", 0, ""),
        ] {
            assert_eq!(cut(line, columns), expected);
        }
    }
}
