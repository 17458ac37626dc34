//! Standard output that nobody has to read.
//!
//! What the board prints is for whoever watches. When that reader has gone away, `println!` would
//! panic; the board, which others may be using over the network, goes on without a word.

use std::fmt;
use std::io::{self, Write};

/// Prints a line, if anybody reads it.
pub fn line(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// [`line`] with the arguments of `println!`.
macro_rules! say {
    () => { $crate::output::line(format_args!("")) };
    ($($argument:tt)*) => { $crate::output::line(format_args!($($argument)*)) };
}
pub(crate) use say;
