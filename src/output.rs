//! Standard output that nobody has to read.
//!
//! What the board prints is for whoever watches; others use the board over the network. When the
//! watcher has gone away `println!` would panic, and when it has stopped reading `println!` would wait
//! for it: then anybody who toggles the LED often enough could stop the board. Such a line is dropped.
//! Cost: one system call more a line.

use std::fmt;
use std::io::{self, Write};

/// Prints a line, if anybody takes it.
pub fn line(text: fmt::Arguments<'_>) {
    crate::console::aside(|| {
        let mut stdout = io::stdout().lock();
        if has_room(&stdout) {
            let _ = writeln!(stdout, "{text}");
        }
    });
}

/// So many things: `0 frames`, `1 frame`, `2 frames`.
pub(crate) fn counted<N>(number: N, noun: &str) -> String
where
    N: Copy + PartialEq + From<u8> + fmt::Display,
{
    let plural = if number == 1.into() { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// Whether a line can be written without waiting: a pipe or terminal that is writable takes more than
/// the longest one.
#[cfg(target_os = "linux")]
fn has_room(stdout: &io::StdoutLock<'_>) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let mut fds = [PollFd::new(stdout, PollFlags::OUT)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut fds, Some(&at_once)).is_ok_and(|ready| ready > 0)
}

#[cfg(not(target_os = "linux"))]
fn has_room(_stdout: &io::StdoutLock<'_>) -> bool {
    true
}

/// [`line`] with the arguments of `println!`.
macro_rules! say {
    () => { $crate::output::line(format_args!("")) };
    ($($argument:tt)*) => { $crate::output::line(format_args!($($argument)*)) };
}
pub(crate) use say;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_no_plural() {
        assert_eq!(counted(0_u32, "frame"), "0 frames");
        assert_eq!(counted(1_u64, "frame"), "1 frame");
        assert_eq!(counted(21_usize, "frame"), "21 frames");
    }
}
