//! A line while it is edited: characters and a cursor between them. Memory: [`LINE_MAX`] bytes, however it is typed.

use super::reader::LINE_MAX;

/// Characters of the longest line; one has at most four bytes.
const CHARACTERS_MAX: usize = LINE_MAX / 4;

/// The line and the cursor.
#[derive(Clone, Debug, Default)]
pub(super) struct LineBuffer {
    characters: Vec<char>,
    /// Characters before the cursor.
    cursor: usize,
}

impl LineBuffer {
    pub(super) fn is_empty(&self) -> bool {
        self.characters.is_empty()
    }

    /// What is before the cursor, and what is not.
    pub(super) fn halves(&self) -> (&[char], &[char]) {
        self.characters.split_at(self.cursor)
    }

    pub(super) fn text(&self) -> String {
        self.characters.iter().collect()
    }

    /// Puts that in place of the line, the cursor at its end.
    pub(super) fn set(&mut self, text: &str) {
        self.characters = text.chars().take(CHARACTERS_MAX).collect();
        self.end();
    }

    pub(super) fn insert(&mut self, character: char) {
        if self.characters.len() < CHARACTERS_MAX {
            self.characters.insert(self.cursor, character);
            self.cursor += 1;
        }
    }

    pub(super) fn home(&mut self) {
        self.cursor = 0;
    }

    pub(super) fn end(&mut self) {
        self.cursor = self.characters.len();
    }

    pub(super) fn left(&mut self) {
        self.cursor = self.cursor.saturating_sub(1);
    }

    pub(super) fn right(&mut self) {
        self.cursor = (self.cursor + 1).min(self.characters.len());
    }

    pub(super) fn word_left(&mut self) {
        self.cursor = self.word_start();
    }

    /// To the end of the word.
    pub(super) fn word_right(&mut self) {
        let after = &self.characters[self.cursor..];
        let word = after.iter().position(|c| !c.is_whitespace()).unwrap_or(after.len());
        let len = after[word..].iter().position(|c| c.is_whitespace());
        self.cursor += len.map_or(after.len(), |len| word + len);
    }

    pub(super) fn backspace(&mut self) {
        if self.cursor > 0 {
            self.cursor -= 1;
            self.characters.remove(self.cursor);
        }
    }

    pub(super) fn delete(&mut self) {
        if self.cursor < self.characters.len() {
            self.characters.remove(self.cursor);
        }
    }

    /// Deletes from the cursor to the end.
    pub(super) fn cut_after(&mut self) {
        self.characters.truncate(self.cursor);
    }

    /// Deletes from the character `start` to the cursor.
    pub(super) fn cut_from(&mut self, start: usize) {
        self.characters.drain(start..self.cursor);
        self.cursor = start;
    }

    /// Deletes from the word's start to the cursor.
    pub(super) fn cut_word(&mut self) {
        self.cut_from(self.word_start());
    }

    fn word_start(&self) -> usize {
        let before = &self.characters[..self.cursor];
        let word = before.iter().rposition(|c| !c.is_whitespace()).map_or(0, |last| last + 1);
        before[..word].iter().rposition(|c| c.is_whitespace()).map_or(0, |blank| blank + 1)
    }
}
