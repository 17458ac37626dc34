//! Lines for a terminal of any width: broken between words, with what goes on in its column.
//!
//! A line is made of fields, two spaces or more apart, as in a table or a list of options. What does not fit goes on
//! under the second field, or, where that leaves too little room, a bit further in than the first. A field stays
//! whole if it fits a line. Only what goes to a terminal is laid out: what a program reads has its lines as they are.

use std::io::IsTerminal;

use unicode_width::UnicodeWidthStr;

/// Columns that a column of text has at least.
const COLUMN_MIN: usize = 24;
/// How much further in lines go on that have no column to go on in.
const FURTHER: usize = 4;
/// What is left of an indentation that leaves no room for text.
const INDENT_MAX: usize = 6;
/// Columns beyond which prose is hard to read.
const PROSE_MAX: usize = 100;
/// A heading of examples, which are commands: they can be copied as they are broken.
const EXAMPLES: &str = "Examples:";

/// How many columns `stream`, which is one of the standard ones, has, if it is a terminal that tells.
pub fn columns(stream: &impl IsTerminal) -> Option<usize> {
    let width = stream.is_terminal().then(terminal_size::terminal_size)?.map(|(width, _)| width.0);
    width.filter(|&width| width > 0).map(usize::from)
}

/// The lines of a report or a message, none of which ends in a line feed, for so many columns.
#[must_use]
pub fn fit(text: &str, columns: usize) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for line in text.lines() {
        fit_line(line, columns, &mut out);
    }
    out.pop();
    out
}

/// A manual for so many columns, of which it uses no more than can be read well.
#[must_use]
pub fn fit_help(text: &str, columns: usize) -> String {
    let columns = columns.min(PROSE_MAX);
    let mut out = String::with_capacity(text.len() + 16);
    let mut examples = false;
    for line in text.lines() {
        examples = line == EXAMPLES || examples && line.starts_with(' ');
        if examples && line != EXAMPLES {
            fit_command(line, columns, &mut out);
        } else {
            fit_line(line, columns, &mut out);
        }
    }
    out
}

/// Columns that a text takes: escape sequences of colours take none.
fn width(text: &str) -> usize {
    let mut pieces = text.split("\u{1b}[");
    let first = pieces.next().map_or(0, UnicodeWidthStr::width);
    let after_sequence = |piece: &str| piece.split_once('m').map_or(0, |(_, text)| text.width());
    first + pieces.map(after_sequence).sum::<usize>()
}

/// A line that grows until it is full.
struct Filler<'o> {
    out: &'o mut String,
    columns: usize,
    /// Where lines go on.
    hang: usize,
    /// Where this one has come to.
    at: usize,
}

impl Filler<'_> {
    fn spaces(&mut self, count: usize) {
        self.out.extend(std::iter::repeat_n(' ', count));
        self.at += count;
    }

    fn text(&mut self, text: &str) {
        self.out.push_str(text);
        self.at += width(text);
    }

    /// Begins a line, behind the end of the last.
    fn turn(&mut self, end: &str) {
        self.out.push_str(end);
        self.out.push('\n');
        self.at = 0;
        self.spaces(self.hang);
    }

    /// Puts words where they have room, a space apart; a word that no line has room for is left whole. `end` is
    /// what a full line ends in.
    fn words<'t>(&mut self, words: impl IntoIterator<Item = &'t str>, end: &str) {
        for (index, word) in words.into_iter().enumerate() {
            let space = usize::from(index > 0);
            if index > 0 && self.at + space + width(word) + width(end) > self.columns {
                self.turn(end);
            } else {
                self.spaces(space);
            }
            self.text(word);
        }
    }
}

fn fit_line(line: &str, columns: usize, out: &mut String) {
    if width(line) <= columns {
        out.push_str(line);
        out.push('\n');
        return;
    }
    let text = line.trim_start();
    let mut indent = line.len() - text.len();
    if indent + COLUMN_MIN > columns {
        indent = indent.min(INDENT_MAX);
    }
    let fields = fields(text);
    let hang = match fields[..] {
        [(_, first), (gap, _), ..] => {
            let column = indent + width(first) + gap;
            if column + COLUMN_MIN <= columns { column } else { indent + FURTHER }
        }
        // A usage goes on behind its heading.
        _ => indent + usage(text),
    };
    let mut filler = Filler { out, columns, hang, at: 0 };
    filler.spaces(indent);
    for (gap, field) in fields {
        if filler.at + gap > hang && filler.at + gap + width(field) > columns {
            filler.turn("");
        } else {
            filler.spaces(gap);
        }
        filler.words(field.split(' '), "");
    }
    out.push('\n');
}

/// The fields of a line, each with the number of spaces before it.
fn fields(mut text: &str) -> Vec<(usize, &str)> {
    let mut fields = Vec::new();
    while !text.is_empty() {
        let rest = text.trim_start();
        let gap = text.len() - rest.len();
        let end = rest.find("  ").unwrap_or(rest.len());
        fields.push((gap, &rest[..end]));
        text = &rest[end..];
    }
    fields
}

/// How wide the heading of a usage is.
fn usage(text: &str) -> usize {
    match text.split_once(' ') {
        Some((heading, _)) if heading.contains("Usage:") => width(heading) + 1,
        _ => 0,
    }
}

/// Breaks a command where a shell takes it for one line. Within quotes, that is a matter of what is quoted: here
/// it is always programs of `jq`.
fn fit_command(line: &str, columns: usize, out: &mut String) {
    const END: &str = " \\";
    let command = line.trim_start();
    let indent = line.len() - command.len();
    let mut filler = Filler { out, columns, hang: indent + FURTHER, at: 0 };
    filler.spaces(indent);
    if indent + width(command) <= columns {
        filler.text(command);
    } else {
        let mut quoted = false;
        let arguments = command.split(|c| {
            quoted ^= c == '\'';
            c == ' ' && !quoted
        });
        for (index, argument) in arguments.enumerate() {
            let space = usize::from(index > 0);
            if index > 0 && filler.at + space + width(argument) + width(END) > columns {
                filler.turn(END);
            } else {
                filler.spaces(space);
            }
            filler.words(argument.split(' '), "");
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn fits(text: &str, columns: usize, expected: &[&str]) {
        let lines = fit(text, columns);
        assert_eq!(lines.lines().collect::<Vec<_>>(), expected, "{lines}");
        assert!(lines.lines().all(|line| width(line) <= columns));
    }

    #[test]
    fn what_fits_is_left_as_it_is() {
        let text = "PASS  echo          24.96 ms  512 bytes came back\n\n      indented";
        assert_eq!(fit(text, 49), text);
        assert_eq!(fit(text, 200), text);
        assert_eq!(fit("", 40), "");
    }

    #[test]
    fn a_table_goes_on_in_its_column_or_further_in() {
        fits(
            "connect      p50 209.70 ms  p99 357.46 ms  (to the first byte back)",
            40,
            &[
                "connect      p50 209.70 ms",
                "             p99 357.46 ms",
                "             (to the first byte back)",
            ],
        );
        fits(
            "round trip of 64 bytes      73123 a second  [70000 to 74000]  p50 12.3 µs  p99 31.0 µs",
            40,
            &[
                "round trip of 64 bytes",
                "    73123 a second  [70000 to 74000]",
                "    p50 12.3 µs  p99 31.0 µs",
            ],
        );
        fits(
            "FAIL  chargen       21.13 ms  wrong byte at offset 74: 0x22 in place of 0x21\n\
             \x20                             look at: bulk from the board: whole frames, in order",
            40,
            &[
                "FAIL  chargen       21.13 ms",
                "      wrong byte at offset 74: 0x22 in",
                "      place of 0x21",
                "      look at: bulk from the board:",
                "      whole frames, in order",
            ],
        );
    }

    #[test]
    fn colours_take_no_room_and_wide_characters_two_columns() {
        assert_eq!(width("\u{1b}[1m\u{1b}[4mUsage:\u{1b}[0m x"), 8);
        assert_eq!(width("基板"), 4);
        let usage = "\u{1b}[1mUsage:\u{1b}[0m tapboard-host echo [OPTIONS] [ADDR:PORT]";
        fits(
            usage,
            40,
            &["\u{1b}[1mUsage:\u{1b}[0m tapboard-host echo [OPTIONS]", "       [ADDR:PORT]"],
        );
    }

    #[test]
    fn a_word_that_no_line_has_room_for_is_left_whole() {
        assert_eq!(fit("see /a/very/long/path and go on", 10), "see\n/a/very/long/path\nand go on");
    }

    #[test]
    fn a_command_is_broken_as_a_shell_reads_it() {
        let help = "It is long, and then there are examples.\n\nExamples:\n  \
                    board check 192.0.2.1 --skip telemetry --bytes 10M\n  \
                    board check --json | jq '.checks[] | select(.outcome == \"fail\")'\n\n\
                    Not a command, though it is longer than a line";
        let lines = [
            "It is long, and then there are examples.",
            "",
            "Examples:",
            "  board check 192.0.2.1 --skip \\",
            "      telemetry --bytes 10M",
            "  board check --json | jq \\",
            "      '.checks[] | select(.outcome ==",
            "      \"fail\")'",
            "",
            "Not a command, though it is longer than",
            "a line",
            "",
        ];
        assert_eq!(fit_help(help, 40), lines.join("\n"));
        assert_eq!(fit_help(help, 200), format!("{help}\n"));
    }
}
