//! How far a command is: one line on standard error, for a person who watches.
//!
//! It never takes more than the terminal's columns, for what the terminal breaks it cannot take back.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressStyle};

use crate::layout;

/// Columns that [`Form::wide`] may take.
const WIDE: usize = 72;

/// What a line of progress shows, as templates of `indicatif`. Each has one element that takes what room is left.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// For terminals of 72 columns and more.
    pub wide: &'static str,
    /// For narrower ones; what is beside the element that takes what is left has 24 columns at most.
    pub narrow: &'static str,
}

/// A line of progress; hidden if standard error is no terminal, or if what is printed is for machines (`json`).
#[must_use]
pub fn line(form: Form, json: bool) -> ProgressBar {
    let stderr = io::stderr();
    if json || !stderr.is_terminal() {
        return ProgressBar::hidden();
    }
    let wide = layout::columns(&stderr).is_some_and(|columns| columns >= WIDE);
    let template = if wide { form.wide } else { form.narrow };
    let style = ProgressStyle::with_template(template).expect("a template of ours is right");
    ProgressBar::new_spinner().with_style(style)
}
