//! A line as it is typed: keys in, a line and what to show of it out.
//!
//! It knows the keys that every shell has - arrows, Home, End, Ctrl-A E B F K U W, history and Ctrl-R to search it, Tab
//! to complete what is before the cursor - and no terminal: bytes go in, and [`Editor::draw`] returns the bytes that show
//! the line on one row, scrolled sideways if it is longer. Memory: one line, and those of the [`History`].

use unicode_width::UnicodeWidthChar;

use super::completion;
use super::history::History;
use super::line_buffer::LineBuffer;

pub(super) const PROMPT: &str = "tapboard> ";
/// Characters that are searched for.
const SOUGHT_MAX: usize = 40;
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
    /// Tab: call [`Editor::complete`].
    Complete,
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

/// A search of the history, whose find is shown as the line.
#[derive(Debug)]
struct Search {
    sought: String,
    /// Which line of the history was found; beyond them while none was sought.
    at: usize,
    /// There is one further back.
    found: bool,
    /// The line before.
    before: LineBuffer,
}

/// The line, the cursor and the history.
#[derive(Debug)]
pub(super) struct Editor {
    line: LineBuffer,
    history: History,
    /// Which line of the history is shown; `history.len()` for the new one.
    shown: usize,
    /// The new line, while one of the history is shown.
    new: LineBuffer,
    search: Option<Search>,
    escape: Escape,
    /// The bytes of a character that is not complete.
    partial: Vec<u8>,
    /// Commands may name boards.
    boards: bool,
}

impl Editor {
    pub(super) fn new(history: History) -> Self {
        Self {
            line: LineBuffer::default(),
            shown: history.len(),
            history,
            new: LineBuffer::default(),
            search: None,
            escape: Escape::No,
            partial: Vec::new(),
            boards: false,
        }
    }

    /// Takes a byte from the keyboard.
    pub(super) fn key(&mut self, byte: u8) -> Option<Action> {
        if self.escape != Escape::No {
            self.escaped(byte);
            return None;
        }
        if self.search.is_some() && self.search_key(byte) {
            return None;
        }
        match byte {
            0x1b => self.escape = Escape::Begun,
            b'\r' | b'\n' => return Some(Action::Line(self.enter())),
            0x04 if self.line.is_empty() => return Some(Action::Quit),
            0x1a => return Some(Action::Suspend),
            b'\t' => return Some(Action::Complete),
            0x01 => self.line.home(),
            0x02 => self.line.left(),
            0x04 => self.line.delete(),
            0x05 => self.line.end(),
            0x06 => self.line.right(),
            0x08 | 0x7f => self.line.backspace(),
            0x0b => self.line.cut_after(),
            0x0e => self.recall(1),
            0x10 => self.recall(-1),
            0x12 => self.begin_search(),
            0x15 => self.line.cut_from(0),
            0x17 => self.line.cut_word(),
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
                    b'b' => self.line.word_left(),
                    b'f' => self.line.word_right(),
                    0x7f => self.line.cut_word(),
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
            b'C' if word => self.line.word_right(),
            b'D' if word => self.line.word_left(),
            b'C' => self.line.right(),
            b'D' => self.line.left(),
            b'H' => self.line.home(),
            b'F' => self.line.end(),
            b'~' => match value {
                1 | 7 => self.line.home(),
                3 => self.line.delete(),
                4 | 8 => self.line.end(),
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
        let Some(search) = &mut self.search else { return self.line.insert(character) };
        if search.sought.chars().count() < SOUGHT_MAX {
            search.sought.push(character);
            // What is found already may have that character too.
            let before = search.at.saturating_add(1);
            self.find(before);
        }
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
        match self.history.get(index) {
            Some(line) => self.line.set(line),
            None => self.line = self.new.clone(),
        }
        self.line.end();
    }

    fn begin_search(&mut self) {
        let (at, before) = (self.history.len(), self.line.clone());
        self.search = Some(Search { sought: String::new(), at, found: true, before });
    }

    /// Takes a key while the history is searched. Returns whether it is the search's, which any other ends.
    fn search_key(&mut self, byte: u8) -> bool {
        let Some(search) = &mut self.search else { return false };
        match byte {
            0x12 => {
                let before = search.at;
                self.find(before);
            }
            0x08 | 0x7f => {
                search.sought.pop();
                search.at = self.history.len();
                self.line = search.before.clone();
                self.find(self.history.len());
            }
            // Ctrl-G: as it was.
            0x07 => {
                if let Some(search) = self.search.take() {
                    self.line = search.before;
                }
            }
            0x20.. => self.text(byte),
            _ => {
                self.end_search();
                return false;
            }
        }
        true
    }

    /// Finds what is sought in a line before that one.
    fn find(&mut self, before: usize) {
        let Some(search) = &mut self.search else { return };
        let found = (!search.sought.is_empty()).then(|| self.history.find(&search.sought, before));
        search.found = found != Some(None);
        if let Some(at) = found.flatten() {
            search.at = at;
            self.line.set(self.history.get(at).unwrap_or_default());
        }
    }

    /// Goes on with what was found.
    fn end_search(&mut self) {
        let Some(search) = self.search.take() else { return };
        if search.at < self.history.len() {
            if self.shown == self.history.len() {
                self.new = search.before;
            }
            self.shown = search.at;
        }
    }

    /// From now on commands may name boards.
    pub(super) const fn completes_boards(&mut self) {
        self.boards = true;
    }

    /// What is before the cursor.
    pub(super) fn typed(&self) -> String {
        self.line.halves().0.iter().collect()
    }

    /// Completes what is before the cursor as far as it is certain; if nothing is, returns what can follow.
    /// `forwarded` are the ports that are forwarded.
    pub(super) fn complete(&mut self, forwarded: &[String]) -> Option<String> {
        let typed = self.typed();
        let completion = if self.boards {
            completion::complete_with_boards(&typed, forwarded)
        } else {
            completion::complete(&typed, forwarded)
        };
        if completion.candidates.is_empty() {
            return None;
        }
        let certain = completion.certain();
        if certain == typed[completion.kept..] {
            return Some(completion.list());
        }
        let blank = self.line.halves().1.first().is_some_and(|next| next.is_whitespace());
        self.line.cut_from(typed[..completion.kept].chars().count());
        let certain = if blank { certain.trim_end() } else { &certain };
        certain.chars().for_each(|character| self.line.insert(character));
        None
    }

    fn enter(&mut self) -> String {
        let text = std::mem::take(&mut self.line).text();
        self.history.push(&text);
        self.shown = self.history.len();
        self.new = LineBuffer::default();
        text
    }

    /// What stands before the line.
    fn head(&self) -> String {
        match &self.search {
            None => PROMPT.into(),
            Some(Search { sought, found: true, .. }) => format!("search `{sought}`: "),
            Some(Search { sought, .. }) => format!("no other `{sought}`: "),
        }
    }

    /// What to write to a terminal of `columns` so that one row shows the prompt, the line around the cursor,
    /// and the cursor.
    pub(super) fn draw(&self, columns: usize) -> String {
        let width = |characters: &[char]| -> usize {
            characters.iter().map(|c| c.width().unwrap_or(0)).sum()
        };
        let head = self.head();
        let head_width = crate::output::width(&head);
        // The last column is the cursor's: a character there would begin a new row.
        let room = columns.saturating_sub(head_width + 1);
        let (before, after) = self.line.halves();
        let mut start = 0;
        while width(&before[start..]) > room {
            start += 1;
        }
        let mut end = 0;
        while end < after.len() && width(&before[start..]) + width(&after[..=end]) <= room {
            end += 1;
        }
        let visible: String = before[start..].iter().chain(&after[..end]).collect();
        let column = head_width + width(&before[start..]);
        format!("{ERASE}{head}{visible}\r\x1b[{column}C")
    }
}
#[cfg(test)]
mod tests;
