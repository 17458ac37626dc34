//! What `tapboard ladder` makes of a capture.

use std::fs;

use super::process::{Process, tapboard};
use super::scratch::Scratch;

/// What came of a drawing.
pub(crate) struct Drawn {
    pub(crate) code: Option<i32>,
    pub(crate) text: String,
    pub(crate) errors: String,
}

pub(crate) fn draw(file: &[u8]) -> Drawn {
    draw_in(file, 200)
}

pub(crate) fn draw_in(file: &[u8], columns: u32) -> Drawn {
    draw_with(file, columns, &[])
}

/// Likewise with options and a filter.
pub(crate) fn draw_with(file: &[u8], columns: u32, arguments: &[&str]) -> Drawn {
    let scratch = Scratch::new();
    let path = scratch.path("capture");
    fs::write(&path, file).unwrap();
    let mut command = tapboard(&["ladder", &path]);
    command.args(arguments);
    command.env("COLUMNS", columns.to_string());
    let mut process = Process::spawn(command, None);
    let code = process.exit();
    Drawn { code, text: process.output(), errors: process.errors() }
}

/// The lines that are drawn of a capture that is drawn without a complaint, each without its number and time and with single
/// spaces and dashes.
#[track_caller]
pub(crate) fn lines(file: &[u8]) -> Vec<String> {
    lines_in(file, 200)
}

#[track_caller]
pub(crate) fn lines_in(file: &[u8], columns: u32) -> Vec<String> {
    let drawn = draw_in(file, columns);
    assert_eq!((drawn.code, &*drawn.errors), (Some(0), ""), "{}", drawn.text);
    let short = |line: &str| {
        let words = line.split_whitespace();
        let is_number =
            |word: &&str| *word == "#" || word.chars().all(|c| c.is_ascii_digit() || c == '.');
        let words: Vec<_> = words.skip_while(is_number).collect();
        let mut line = words.join(" ");
        while line.contains("--") {
            line = line.replace("--", "-");
        }
        line
    };
    drawn.text.lines().map(short).collect()
}
