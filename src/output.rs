//! Standard output that nobody has to read, and how wide it is.
//!
//! What the board prints is for whoever watches; others use the board over the network. When the
//! watcher has gone away `println!` would panic, and when it has stopped reading `println!` would wait
//! for it: then anybody who toggles the LED often enough could stop the board. Such a line is dropped, which is
//! said once, on standard error, when the watcher has gone.
//! Cost: one system call more a line.
//!
//! Where standard output carries a capture, lines go to standard error ([`leave_stdout`]). A line that is
//! longer than the terminal is wide goes on in the next one, between two words.
//! While a dashboard has the terminal, lines are its log pane's.

#[cfg(feature = "cli")]
pub(crate) mod pane;

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use unicode_width::UnicodeWidthStr;

/// By how much the rest of a line stands further right than its beginning.
const HANG: usize = 4;

/// Room that is kept for it at least.
const ROOM: usize = 20;

/// Lines go to standard error.
static ELSEWHERE: AtomicBool = AtomicBool::new(false);

/// That standard output is gone was said.
static TOLD: AtomicBool = AtomicBool::new(false);

/// Prints among what is typed at the prompt, once there is one.
static BESIDE_PROMPT: OnceLock<fn(&mut dyn FnMut())> = OnceLock::new();

/// From now on what is printed within [`aside`] is printed by `beside_prompt`, which takes the prompt away meanwhile.
/// There is one prompt in a process.
#[cfg(unix)]
pub(crate) fn set_prompt(beside_prompt: fn(&mut dyn FnMut())) {
    let _ = BESIDE_PROMPT.set(beside_prompt);
}

/// Prints where a prompt may be: takes it away, calls `print`, and shows it again. Without a prompt it just calls
/// `print`, which must not call it in turn.
pub fn aside(mut print: impl FnMut()) {
    match BESIDE_PROMPT.get() {
        Some(beside_prompt) => beside_prompt(&mut print),
        None => print(),
    }
}

/// From now on standard output is somebody else's, and lines go to standard error.
pub fn leave_stdout() {
    ELSEWHERE.store(true, Ordering::Relaxed);
}

/// Whether lines go to a terminal.
#[must_use]
pub fn is_terminal() -> bool {
    if ELSEWHERE.load(Ordering::Relaxed) {
        io::stderr().is_terminal()
    } else {
        io::stdout().is_terminal()
    }
}

/// Where lines go, for who may wait for their reader.
#[must_use]
pub fn stream() -> Box<dyn Write> {
    if ELSEWHERE.load(Ordering::Relaxed) { Box::new(io::stderr()) } else { Box::new(io::stdout()) }
}

/// Prints a line, if anybody takes it.
pub fn line(text: fmt::Arguments<'_>) {
    #[cfg(feature = "cli")]
    if pane::take(text) {
        return;
    }
    aside(|| {
        if ELSEWHERE.load(Ordering::Relaxed) {
            print(&mut io::stderr().lock(), text);
        } else {
            print(&mut io::stdout().lock(), text);
        }
    });
}

/// Gives what is logged to the dashboard, if one has the terminal; says whether one took it.
#[cfg(feature = "cli")]
#[must_use]
pub fn logged(text: fmt::Arguments<'_>) -> bool {
    pane::take(text)
}

/// Whether `path` stands for standard input or output.
#[must_use]
pub fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Whether two paths lead to one file that there is, or are the same.
pub(crate) fn same_file(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

/// What a failed write of a command's result means: a reader who has seen enough, `head` for example, is no
/// error.
pub(crate) fn shown(error: &io::Error) -> Result<(), String> {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Ok(());
    }
    Err(format!("cannot print: {error}"))
}

/// How many columns a text takes on a terminal.
pub(crate) fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.width() }
}

/// So many things: `0 frames`, `1 frame`, `2 frames`.
pub(crate) fn counted<N>(number: N, noun: &str) -> String
where
    N: Copy + PartialEq + From<u8> + fmt::Display,
{
    let plural = if number == 1.into() { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

fn print(out: &mut (impl Write + IsTerminal + Descriptor), text: fmt::Arguments<'_>) {
    if !has_room(out) {
        return;
    }
    let written = match columns().filter(|_| out.is_terminal()) {
        Some(columns) => writeln!(out, "{}", wrapped(&text.to_string(), columns)),
        None => writeln!(out, "{text}"),
    };
    if let Err(error) = written {
        tell(&error);
    }
}

/// Says once, and to who watches standard error, that nobody gets what is printed.
fn tell(error: &io::Error) {
    use io::ErrorKind::{Interrupted, WouldBlock};

    let passing = matches!(error.kind(), WouldBlock | Interrupted);
    if passing || ELSEWHERE.load(Ordering::Relaxed) || TOLD.swap(true, Ordering::Relaxed) {
        return;
    }
    let _ = writeln!(
        io::stderr(),
        "tapboard: standard output is gone ({error}): nothing more is printed there, and the board runs on"
    );
}

/// Characters a line has room for: `COLUMNS`, or else the terminal's width, if there is one.
#[must_use]
pub fn columns() -> Option<usize> {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.trim().parse().ok());
    let terminal = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    columns.or_else(terminal).filter(|&columns| columns > 0)
}

/// `text` with no line longer than `columns`, unless a word is. What goes on in a line of its own stands
/// further right; a line that fits stays as it is, and so does one with colours.
#[must_use]
pub fn wrapped(text: &str, columns: usize) -> String {
    let hang = |line: &str| line.len() - line.trim_start_matches(' ').len() + HANG;
    let lines = text.split('\n').map(|line| wrapped_at(line, columns, hang(line)));
    lines.collect::<Vec<_>>().join("\n")
}

/// Likewise one line, of which what goes on stands `hang` characters from the left.
#[must_use]
pub fn wrapped_at(line: &str, columns: usize, hang: usize) -> String {
    if width(line) <= columns || line.contains('\x1b') {
        return line.to_string();
    }
    let hang = hang.min(columns.saturating_sub(ROOM));
    let text = line.trim_start_matches(' ');
    let indent = line.len() - text.len();
    let mut out = String::with_capacity(line.len() + hang);
    out.extend(std::iter::repeat_n(' ', indent));
    let mut column = indent;
    let mut gap = 0;
    for word in text.split(' ') {
        let len = width(word);
        if column > indent && column + gap + len > columns && len > 0 {
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', hang));
            column = hang;
        } else {
            out.extend(std::iter::repeat_n(' ', gap));
            column += gap;
        }
        out.push_str(word);
        column += len;
        gap = 1;
    }
    out.truncate(out.trim_end_matches(' ').len());
    out
}

/// What can be asked whether it can be written to.
#[cfg(target_os = "linux")]
pub(crate) trait Descriptor: std::os::fd::AsFd {}
#[cfg(target_os = "linux")]
impl<T: std::os::fd::AsFd> Descriptor for T {}
#[cfg(not(target_os = "linux"))]
pub(crate) trait Descriptor {}
#[cfg(not(target_os = "linux"))]
impl<T> Descriptor for T {}

/// Whether a line, or a frame of a capture, can be written without waiting: a pipe or terminal that is
/// writable takes more than the longest one.
#[cfg(target_os = "linux")]
pub(crate) fn has_room(out: &impl Descriptor) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let mut fds = [PollFd::new(out, PollFlags::OUT)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut fds, Some(&at_once)).is_ok_and(|ready| ready > 0)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn has_room(_out: &impl Descriptor) -> bool {
    true
}

/// [`line()`] with the arguments of `println!`.
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

    #[test]
    fn a_line_goes_on_between_two_words_and_further_right() {
        let text =
            "the board is up\n  a line with far more words in it than there is room for\n\n  short";
        assert_eq!(
            wrapped(text, 30),
            "the board is up\n  a line with far more words\n      in it than there is room\n      for\n\n  short"
        );
        assert_eq!(wrapped(text, 80), text);
    }

    #[test]
    fn columns_of_a_table_stay_apart_and_a_long_word_stays_whole() {
        assert_eq!(
            wrapped_at("tcp        0  192.0.2.1:23   192.0.2.2:53762", 30, 4),
            "tcp        0  192.0.2.1:23\n    192.0.2.2:53762"
        );
        let word = "w".repeat(50);
        assert_eq!(wrapped(&word, 40), word);
        assert_eq!(wrapped(&format!("a {word} b"), 40), format!("a\n    {word}\n    b"));
        let colours = "\x1b[2m|\x1b[0m ".repeat(20);
        assert_eq!(wrapped(&colours, 40), colours);
    }

    #[test]
    fn room_is_kept_for_what_goes_on() {
        let wrapped = wrapped_at(&format!("{:70}one two three four five six", ""), 80, 75);
        assert_eq!(wrapped.lines().last(), Some(format!("{:60}three four five six", "").as_str()));
    }
}
