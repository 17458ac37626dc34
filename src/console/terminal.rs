//! The prompt on a terminal, among what else is printed there.
//!
//! The terminal is put into a mode in which keys arrive as they are typed and nothing is echoed. Ctrl-C
//! stays a signal and line feeds stay whole, so that the driver's handler, a log line or a panic work as
//! ever. The mode is given back when the console is dropped, also by a panic, by Ctrl-Z, and by [`restore`],
//! which whoever calls `process::exit` calls first. A process in the background of its terminal neither
//! reads from it nor changes its mode, for either would stop it. A terminal that takes no output is not
//! waited for. There is one prompt in a process.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, getpgrp, kill_current_process_group};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcgetwinsize,
    tcsetattr,
};

use super::completion::needs_forwarded;
use super::editor::{Action, ERASE, Editor};
use super::history::History;
use super::reader::Bytes;
use crate::output::{set_prompt, wrapped_at};

/// Lines typed ahead, while the console sleeps.
const TYPED_MAX: usize = 64;
/// Keys taken at once.
const KEYS_MAX: usize = 4096;
/// How often a process in the background looks whether it is in the foreground again, while somebody types.
const BACKGROUND: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
/// The character code that stands for none: POSIX's `_POSIX_VDISABLE`.
const NO_KEY: u8 = 0;

/// Bytes that a writable terminal takes without waiting. (Linux says that a pseudo-terminal is writable
/// while it takes 256.)
const PIECE: usize = 128;

#[derive(Debug)]
struct Prompt {
    input: File,
    output: File,
    editor: Editor,
}

/// The terminal's mode before the prompt changed it.
#[derive(Debug)]
struct Modes {
    saved: Option<(File, Termios)>,
    /// The process is about to end: the mode is not changed again.
    last: bool,
}

static PROMPT: Mutex<Option<Prompt>> = Mutex::new(None);
static MODES: Mutex<Modes> = Mutex::new(Modes { saved: None, last: false });

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Prints among what is typed: takes the prompt away, calls `print`, and shows the prompt again, if there is one.
fn beside_prompt(print: &mut dyn FnMut()) {
    let mut prompt = lock(&PROMPT);
    if let Some(prompt) = prompt.as_ref() {
        prompt.erase();
    }
    print();
    if let Some(prompt) = prompt.as_mut() {
        prompt.draw();
    }
}

/// Gives the terminal back in the mode in which it was found, for good: to be called before
/// `process::exit`, from any thread. It does not wait for whoever is printing.
pub fn restore() {
    let mut modes = lock(&MODES);
    modes.last = true;
    give_back(&mut modes);
}

fn give_back(modes: &mut Modes) {
    if let Some((terminal, before)) = modes.saved.take()
        && foreground(&terminal)
    {
        let _ = tcsetattr(&terminal, OptionalActions::Now, &before);
    }
}

/// Whether the process may read from its terminal and change its mode. Another terminal than the one
/// that controls the process has no background.
fn foreground(terminal: &File) -> bool {
    tcgetpgrp(terminal).map_or(true, |group| group == getpgrp())
}

impl Prompt {
    fn shown() -> bool {
        lock(&MODES).saved.is_some()
    }

    /// Changes the terminal's mode, unless that was done or would stop the process.
    fn enter(&self) -> io::Result<()> {
        let mut modes = lock(&MODES);
        if modes.saved.is_some() || modes.last || !foreground(&self.input) {
            return Ok(());
        }
        let before = tcgetattr(&self.input)?;
        let mut keys = before.clone();
        keys.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::IEXTEN;
        // Ctrl-Z is handled here, for the mode; Ctrl-\ would end the process in this mode.
        for key in [SpecialCodeIndex::VSUSP, SpecialCodeIndex::VQUIT] {
            keys.special_codes[key] = NO_KEY;
        }
        keys.special_codes[SpecialCodeIndex::VMIN] = 1;
        keys.special_codes[SpecialCodeIndex::VTIME] = 0;
        modes.saved = Some((self.input.try_clone()?, before));
        Ok(tcsetattr(&self.input, OptionalActions::Now, &keys)?)
    }

    /// Writes as much as the terminal takes at once.
    fn write(&self, text: &str) {
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        for piece in text.as_bytes().chunks(PIECE) {
            let mut output = [PollFd::new(&self.output, PollFlags::OUT)];
            let ready = poll(&mut output, Some(&at_once)).is_ok_and(|ready| ready > 0);
            if !ready || (&self.output).write_all(piece).is_err() {
                return;
            }
        }
    }

    fn erase(&self) {
        if Self::shown() {
            self.write(ERASE);
        }
    }

    fn columns(&self) -> usize {
        let columns = tcgetwinsize(&self.output).map_or(0, |size| size.ws_col);
        if columns == 0 { 80 } else { columns.into() }
    }

    fn draw(&self) {
        if Self::shown() {
            self.write(&self.editor.draw(self.columns()));
        }
    }

    /// Completes what is typed, or lists above it what can follow.
    fn complete(&mut self, forwarded: &[String]) {
        if let Some(list) = self.editor.complete(forwarded)
            && Self::shown()
        {
            self.erase();
            self.write(&format!("{}\n", wrapped_at(&list, self.columns(), 0)));
        }
    }

    /// Ctrl-Z: stops the process group, as the terminal would, and goes on when it is continued.
    fn suspend(&self) {
        self.erase();
        give_back(&mut lock(&MODES));
        let _ = kill_current_process_group(Signal::TSTP);
        // An error shows again, and ends the console, with the next read.
        let _ = self.enter();
    }
}

/// What is done at the prompt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// A line.
    Line(String),
    /// Ctrl-D on an empty line.
    Quit,
}

/// The keys of a terminal, whose prompt it owns.
#[derive(Debug)]
pub(super) struct Terminal {
    bytes: Bytes,
    typed: VecDeque<Typed>,
    /// What is forwarded has to be known before the next key is taken.
    asking: bool,
}

impl Terminal {
    /// Whether standard input and output are a terminal that can show a prompt.
    pub(super) fn usable() -> bool {
        let term = std::env::var("TERM").unwrap_or_default();
        io::stdin().is_terminal()
            && io::stdout().is_terminal()
            && !matches!(term.as_str(), "" | "dumb")
    }

    /// Shows the prompt on standard output.
    pub(super) fn open(wake: impl Fn() + Send + 'static) -> Result<Self, String> {
        stdin()
            .and_then(|input| Ok((input, File::from(io::stdout().as_fd().try_clone_to_owned()?))))
            .map_err(|error| error.to_string())
            .and_then(|(input, output)| Self::on(input, output, History::of_user(), wake))
    }

    fn on(
        input: File,
        output: File,
        history: History,
        wake: impl Fn() + Send + 'static,
    ) -> Result<Self, String> {
        let failed = |error: io::Error| format!("cannot use the terminal: {error}");
        let reader = input.try_clone().map_err(failed)?;
        let mut slot = lock(&PROMPT);
        if slot.is_some() {
            return Err("there is a prompt already".into());
        }
        let bytes = Bytes::new(move |buffer| read(&reader, buffer), wake)?;
        lock(&MODES).last = false;
        let prompt = slot.insert(Prompt { input, output, editor: Editor::new(history) });
        let terminal = Self { bytes, typed: VecDeque::new(), asking: false };
        if let Err(error) = prompt.enter() {
            // Dropping the terminal gives the mode back, and needs the lock.
            drop(slot);
            return Err(failed(error));
        }
        prompt.draw();
        set_prompt(beside_prompt);
        Ok(terminal)
    }

    /// Takes the keys that were pressed. Returns whether there may be more.
    pub(super) fn pump(&mut self) -> bool {
        let mut slot = lock(&PROMPT);
        let Some(prompt) = slot.as_mut() else { return false };
        let mut keys = 0;
        while keys < KEYS_MAX && self.typed.len() < TYPED_MAX && !self.asking {
            let Some(byte) = self.bytes.next() else { break };
            keys += 1;
            if keys == 1 {
                // After the background, the first key is that of the foreground.
                let _ = prompt.enter();
            }
            match prompt.editor.key(byte) {
                None => {}
                Some(Action::Suspend) => prompt.suspend(),
                Some(Action::Complete) if needs_forwarded(&prompt.editor.typed()) => {
                    self.asking = true;
                }
                Some(Action::Complete) => prompt.complete(&[]),
                Some(Action::Quit) => self.typed.push_back(Typed::Quit),
                Some(Action::Line(line)) => {
                    prompt.erase();
                    prompt.write_line(&line);
                    self.typed.push_back(Typed::Line(line));
                }
            }
        }
        if keys > 0 {
            prompt.draw();
        }
        keys == KEYS_MAX
    }

    /// Whether [`Self::answer`] is to be called before anything else is done.
    pub(super) fn asking(&self) -> bool {
        self.asking
    }

    /// Completes a port of those that are forwarded.
    pub(super) fn answer(&mut self, forwarded: &[String]) {
        self.asking = false;
        if let Some(prompt) = lock(&PROMPT).as_mut() {
            prompt.complete(forwarded);
            prompt.draw();
        }
    }

    /// From now on commands may name boards.
    #[expect(clippy::unused_self, reason = "there is one prompt, which is its own")]
    pub(super) fn completes_boards(&mut self) {
        if let Some(prompt) = lock(&PROMPT).as_mut() {
            prompt.editor.completes_boards();
        }
    }

    /// The next line that was typed.
    pub(super) fn next(&mut self) -> Option<Typed> {
        self.typed.pop_front()
    }

    /// Whether nothing more can be typed.
    pub(super) fn ended(&self) -> bool {
        self.bytes.ended()
    }

    /// Why it ended, unless it hung up; once.
    pub(super) fn take_error(&mut self) -> Option<String> {
        self.bytes.take_error()
    }
}

impl Prompt {
    /// The line that was entered stays above what it brings about.
    fn write_line(&self, line: &str) {
        if Self::shown() {
            self.write(&format!("{}{line}\n", super::editor::PROMPT));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let mut slot = lock(&PROMPT);
        if let Some(prompt) = slot.take() {
            prompt.erase();
        }
        give_back(&mut lock(&MODES));
    }
}

/// Standard input without a buffer between, which [`read`] could not see into.
pub(super) fn stdin() -> io::Result<File> {
    Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?))
}

/// Reads what there is, once there is something and the process may have it.
pub(super) fn read(input: &File, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        poll(&mut [PollFd::new(input, PollFlags::IN)], None)?;
        if !foreground(input) {
            // What is typed is for somebody else. Nothing tells that this has changed.
            poll(&mut [], Some(&BACKGROUND))?;
            continue;
        }
        match rustix::io::read(input, &mut *buffer) {
            Err(rustix::io::Errno::AGAIN) => {}
            read => return Ok(read?),
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
