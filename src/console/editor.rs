//! A line as it is typed: keys in, a line and what to show of it out.
//!
//! It knows the keys that every shell has - arrows, Home, End, Ctrl-A E B F K U W, history, Tab for a
//! command's name - and no terminal: bytes go in, and [`Editor::draw`] returns the bytes that show the
//! line on one row, scrolled sideways if it is longer. Memory: one line and [`HISTORY_MAX`] earlier ones.

use std::collections::VecDeque;

use unicode_width::UnicodeWidthChar;

use super::command;
use super::reader::LINE_MAX;

pub(super) const PROMPT: &str = "tapboard> ";
/// Lines that the arrow keys bring back.
const HISTORY_MAX: usize = 100;
/// Puts the cursor at the row's start and clears the row.
pub(super) const ERASE: &str = "\r\x1b[K";

/// What a key asks of the terminal's owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Enter.
    Line(String),
    /// Ctrl-D on an empty line.
    Quit,
    /// Ctrl-Z.
    Suspend,
}

/// Where in an escape sequence the input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    No,
    /// After ESC.
    Begun,
    /// After ESC O, ECMA-48's SS3.
    Single,
    /// After ESC [, ECMA-48's CSI, with its last parameter.
    Control(u16),
}

/// The line, the cursor and the history.
#[derive(Debug)]
pub(super) struct Editor {
    line: Vec<char>,
    /// Characters before the cursor.
    cursor: usize,
    history: VecDeque<Vec<char>>,
    /// Which line of the history is shown; `history.len()` for the new one.
    shown: usize,
    /// The new line, while one of the history is shown.
    new: Vec<char>,
    escape: Escape,
    /// The bytes of a character that is not complete.
    partial: Vec<u8>,
}

impl Editor {
    pub(super) fn new() -> Self {
        Self {
            line: Vec::new(),
            cursor: 0,
            history: VecDeque::new(),
            shown: 0,
            new: Vec::new(),
            escape: Escape::No,
            partial: Vec::new(),
        }
    }

    /// Takes a byte from the keyboard.
    pub(super) fn key(&mut self, byte: u8) -> Option<Action> {
        if self.escape != Escape::No {
            self.escaped(byte);
            return None;
        }
        match byte {
            0x1b => self.escape = Escape::Begun,
            b'\r' | b'\n' => return Some(Action::Line(self.enter())),
            0x04 if self.line.is_empty() => return Some(Action::Quit),
            0x1a => return Some(Action::Suspend),
            0x01 => self.cursor = 0,
            0x02 => self.left(),
            0x04 => self.delete(),
            0x05 => self.cursor = self.line.len(),
            0x06 => self.right(),
            0x08 | 0x7f => self.backspace(),
            b'\t' => self.complete(),
            0x0b => self.line.truncate(self.cursor),
            0x0e => self.recall(1),
            0x10 => self.recall(-1),
            0x15 => self.cut(0),
            0x17 => self.cut(self.word_start()),
            0x00..0x20 => {}
            byte => self.text(byte),
        }
        None
    }

    fn escaped(&mut self, byte: u8) {
        self.escape = match (self.escape, byte) {
            (Escape::Begun, b'[') | (Escape::Control(_), b';') => Escape::Control(0),
            (Escape::Begun, b'O') => Escape::Single,
            (Escape::Control(value), b'0'..=b'9') => {
                let digit = u16::from(byte - b'0');
                Escape::Control(value.saturating_mul(10).saturating_add(digit))
            }
            // Marks and intermediates, for which no key here has a use.
            (Escape::Control(value), 0x20..=0x3f) => Escape::Control(value),
            (Escape::Control(value), byte) => {
                self.named(byte, value);
                Escape::No
            }
            (Escape::Single, byte) => {
                self.named(byte, 0);
                Escape::No
            }
            (Escape::Begun, byte) => {
                match byte {
                    b'b' => self.cursor = self.word_start(),
                    b'f' => self.cursor = self.word_end(),
                    0x7f => self.cut(self.word_start()),
                    _ => {}
                }
                Escape::No
            }
            (Escape::No, _) => Escape::No,
        };
    }

    /// A key that has a name.
    fn named(&mut self, byte: u8, value: u16) {
        // With a modifier, e.g. ESC [ 1 ; 5 D for Ctrl-Left, the last parameter is above 1.
        let word = value > 1;
        match byte {
            b'A' => self.recall(-1),
            b'B' => self.recall(1),
            b'C' if word => self.cursor = self.word_end(),
            b'D' if word => self.cursor = self.word_start(),
            b'C' => self.right(),
            b'D' => self.left(),
            b'H' => self.cursor = 0,
            b'F' => self.cursor = self.line.len(),
            b'~' => match value {
                1 | 7 => self.cursor = 0,
                3 => self.delete(),
                4 | 8 => self.cursor = self.line.len(),
                _ => {}
            },
            _ => {}
        }
    }

    fn text(&mut self, byte: u8) {
        // A byte that begins a character ends one that was cut short.
        if byte & 0xc0 != 0x80 {
            self.partial.clear();
        }
        self.partial.push(byte);
        match std::str::from_utf8(&self.partial) {
            Ok(text) => {
                let characters: Vec<char> = text.chars().filter(|c| !c.is_control()).collect();
                self.partial.clear();
                for character in characters {
                    self.insert(character);
                }
            }
            Err(error) if error.error_len().is_some() => self.partial.clear(),
            Err(_) => {}
        }
    }

    fn insert(&mut self, character: char) {
        // A character has at most four bytes.
        if self.line.len() < LINE_MAX / 4 {
            self.line.insert(self.cursor, character);
            self.cursor += 1;
        }
    }

    fn left(&mut self) {
        self.cursor = self.cursor.saturating_sub(1);
    }

    fn right(&mut self) {
        self.cursor = (self.cursor + 1).min(self.line.len());
    }

    fn backspace(&mut self) {
        if self.cursor > 0 {
            self.cursor -= 1;
            self.line.remove(self.cursor);
        }
    }

    fn delete(&mut self) {
        if self.cursor < self.line.len() {
            self.line.remove(self.cursor);
        }
    }

    /// Deletes from `start` to the cursor.
    fn cut(&mut self, start: usize) {
        self.line.drain(start..self.cursor);
        self.cursor = start;
    }

    fn word_start(&self) -> usize {
        let before = &self.line[..self.cursor];
        let word = before.iter().rposition(|c| !c.is_whitespace()).map_or(0, |last| last + 1);
        before[..word].iter().rposition(|c| c.is_whitespace()).map_or(0, |blank| blank + 1)
    }

    fn word_end(&self) -> usize {
        let after = &self.line[self.cursor..];
        let word = after.iter().position(|c| !c.is_whitespace()).unwrap_or(after.len());
        let len = after[word..].iter().position(|c| c.is_whitespace());
        self.cursor + len.map_or(after.len(), |len| word + len)
    }

    /// Shows an earlier (-1) or a later (1) line.
    fn recall(&mut self, step: isize) {
        let Some(index) = self.shown.checked_add_signed(step) else { return };
        if index > self.history.len() {
            return;
        }
        if self.shown == self.history.len() {
            self.new = std::mem::take(&mut self.line);
        }
        self.shown = index;
        self.line = self.history.get(index).unwrap_or(&self.new).clone();
        self.cursor = self.line.len();
    }

    /// Completes a command's name as far as it is certain.
    fn complete(&mut self) {
        if self.cursor != self.line.len() {
            return;
        }
        let typed: String = self.line.iter().collect();
        let mut names = command::names().filter(|name| name.starts_with(&typed));
        let Some(first) = names.next() else { return };
        let (mut common, mut only) = (first.len(), true);
        for other in names {
            let same = first.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
            (common, only) = (common.min(same), false);
        }
        self.line = first[..common].chars().chain(only.then_some(' ')).collect();
        self.cursor = self.line.len();
    }

    fn enter(&mut self) -> String {
        let line = std::mem::take(&mut self.line);
        self.cursor = 0;
        let text: String = line.iter().collect();
        if !text.trim().is_empty() && self.history.back() != Some(&line) {
            if self.history.len() == HISTORY_MAX {
                self.history.pop_front();
            }
            self.history.push_back(line);
        }
        self.shown = self.history.len();
        self.new.clear();
        text
    }

    /// What to write to a terminal of `columns` so that one row shows the prompt, the line around the cursor,
    /// and the cursor.
    pub(super) fn draw(&self, columns: usize) -> String {
        let width = |characters: &[char]| -> usize {
            characters.iter().map(|c| c.width().unwrap_or(0)).sum()
        };
        // The last column is the cursor's: a character there would begin a new row.
        let room = columns.saturating_sub(PROMPT.len() + 1);
        let mut start = 0;
        while width(&self.line[start..self.cursor]) > room {
            start += 1;
        }
        let mut end = self.cursor;
        while end < self.line.len() && width(&self.line[start..=end]) <= room {
            end += 1;
        }
        let visible: String = self.line[start..end].iter().collect();
        let column = PROMPT.len() + width(&self.line[start..self.cursor]);
        format!("{ERASE}{PROMPT}{visible}\r\x1b[{column}C")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapboard_firmware::rng::Rng;

    /// The actions of what is typed.
    fn typed(editor: &mut Editor, keys: &str) -> Vec<Action> {
        keys.bytes().filter_map(|byte| editor.key(byte)).collect()
    }

    fn line(keys: &str) -> String {
        let mut editor = Editor::new();
        match typed(&mut editor, &format!("{keys}\r")).pop() {
            Some(Action::Line(line)) => line,
            other => panic!("{keys:?}: {other:?}"),
        }
    }

    #[test]
    fn keys_edit_as_in_every_shell() {
        for (keys, expected) in [
            ("plug", "plug"),
            ("plug\x01un", "unplug"),
            ("lug\x1b[Hp", "plug"),
            ("lug\x1b[1~p\x1b[4~!", "plug!"),
            ("lug\x1bOHp\x1bOF!", "plug!"),
            ("plg\x1b[Du", "plug"),
            ("plg\x02u\x06!", "plug!"),
            ("plugg\x7f", "plug"),
            ("pplug\x01\x1b[3~", "plug"),
            ("pplug\x01\x04", "plug"),
            ("loss 5%\x17delay", "loss delay"),
            ("loss in 5%\x1b\x7f\x1b\x7f7%", "loss 7%"),
            ("loss in 5%\x1b[1;5D\x1b[1;5Dout \x0b5%", "loss out 5%"),
            ("loss 5%\x01\x1bf!", "loss! 5%"),
            ("garbage\x15plug", "plug"),
            ("pl\x1b[99;99Zug", "plug"),
            ("caf\u{e9}\u{4e2d}\x7f", "caf\u{e9}"),
            ("unp\t", "unplug "),
            ("cap\to\t", "capture stop "),
            ("zzz\t", "zzz"),
        ] {
            assert_eq!(line(keys), expected, "{keys:?}");
        }
    }

    #[test]
    fn history_comes_back_and_the_new_line_is_kept_meanwhile() {
        let mut editor = Editor::new();
        typed(&mut editor, "one\rtwo\rtwo\r \r");
        let up = "\x1b[A";
        let down = "\x1b[B";
        let recall = |editor: &mut Editor, keys: String| typed(editor, &keys).pop();
        assert_eq!(
            recall(&mut editor, format!("ne{up}{up}{up}\r")),
            Some(Action::Line("one".into()))
        );
        assert_eq!(
            recall(&mut editor, format!("new{up}{up}{down}{down}{down}!\r")),
            Some(Action::Line("new!".into()))
        );
        for index in 0..2 * HISTORY_MAX {
            typed(&mut editor, &format!("{index}\r"));
        }
        assert_eq!(editor.history.len(), HISTORY_MAX);
    }

    #[test]
    fn control_d_ends_only_an_empty_line() {
        let mut editor = Editor::new();
        assert_eq!(typed(&mut editor, "x\x01\x04"), []);
        assert_eq!(typed(&mut editor, "\x04"), [Action::Quit]);
        assert_eq!(typed(&mut editor, "\x1a"), [Action::Suspend]);
    }

    #[test]
    fn a_row_shows_the_cursor_and_never_wraps() {
        let mut editor = Editor::new();
        typed(&mut editor, "loss \u{4e2d} 5%");
        assert_eq!(editor.draw(80), "\r\x1b[Ktapboard> loss \u{4e2d} 5%\r\x1b[20C");
        assert_eq!(editor.draw(16), "\r\x1b[Ktapboard> \u{4e2d} 5%\r\x1b[15C");
        typed(&mut editor, "\x01");
        assert_eq!(editor.draw(16), "\r\x1b[Ktapboard> loss \r\x1b[10C");
        assert!(editor.draw(0).contains("tapboard>"));
    }

    #[test]
    fn no_bytes_break_it_and_none_reach_the_terminal_raw() {
        let mut rng = Rng::new(7);
        let mut editor = Editor::new();
        for _ in 0..200_000 {
            let byte = match rng.next_u64() % 3 {
                0 => rng.next_u64() as u8,
                1 => {
                    *b"\x1b[OABCDHF1;5~3\x7f\t".get((rng.next_u64() % 16) as usize).unwrap_or(&b' ')
                }
                _ => b'a' + (rng.next_u64() % 26) as u8,
            };
            if let Some(Action::Line(line)) = editor.key(byte) {
                assert!(line.len() <= LINE_MAX && !line.contains(char::is_control), "{line:?}");
            }
            assert!(editor.cursor <= editor.line.len());
            assert!(editor.partial.len() <= 4);
        }
        typed(&mut editor, &"x".repeat(2 * LINE_MAX));
        assert!(editor.line.len() <= LINE_MAX);
        let shown = editor.draw(80);
        assert!(shown.len() < 120, "{shown}");
    }
}
