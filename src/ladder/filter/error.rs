//! What is wrong with a filter, as it is told: with a mark below the place that `parser` has found, and what would be right.

use std::{error, fmt};

use unicode_width::UnicodeWidthStr;

/// Why a text is no filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// The filter, as one line without control characters.
    pub(super) text: String,
    /// Where what is wrong begins and ends in it, in bytes; at its end if something is missing.
    pub(super) at: (usize, usize),
    /// What would be right.
    pub(super) remedy: String,
}

impl FilterError {
    /// The character at which it is wrong, from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.text[..self.at.0].chars().count() + 1
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, end) = self.at;
        let indent = self.text[..start].width();
        let carets = "^".repeat(self.text[start..end].width().max(1));
        let column = self.column();
        let remedy = &self.remedy;
        write!(
            f,
            "column {column} of the filter: {remedy}\n  {}\n  {:indent$}{carets}",
            self.text, ""
        )
    }
}

impl error::Error for FilterError {}
