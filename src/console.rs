//! The console: commands for a running simulator, from a prompt, a pipe or a script.
//!
//! The driver asks [`Console::next`] once a turn and does what it says. Nothing here waits: `sleep` and
//! a script's times are times of the driver's clock, at which it asks again, and an input that has nothing
//! to say wakes the driver when it has. A turn takes one command, so that the board runs between any two,
//! however fast they come; an input that nobody takes from is held back, not stored.
//!
//! What ends what:
//! - A pipe or a file that ends ends the console, after its last line; the board runs on.
//! - So does one whose lines are no commands: [`BAD_MAX`] bad ones in a row, or one longer than 4 KiB.
//! - At the prompt, which is there if standard input and output are a terminal and `TERM` is not `dumb`,
//!   Ctrl-D on an empty line is `quit`, as in a shell. Ctrl-C stays the signal that ends the board in order.
//!   Ctrl-Z stops the whole process, board included.
//! - In the background of its terminal the process reads nothing, until it is in the foreground.
//! - A script's end leaves the board running unless it says `quit`. With a bad line it does not even start.
//!
//! Who prints does so within [`aside`](crate::output::aside), and who ends the process early calls [`restore`] first.

mod command;
#[cfg(unix)]
mod completion;
#[cfg(unix)]
mod editor;
#[cfg(unix)]
mod history;
#[cfg(unix)]
mod line_buffer;
mod reader;
mod script;
#[cfg_attr(not(unix), path = "console/no_terminal.rs")]
mod terminal;

use std::collections::VecDeque;

use smoltcp::time::Instant;

pub(crate) use self::command::boards::help as boards_help;
pub use self::command::{BoardSet, BoardsAction, BoardsCommand, ConsoleCommand, Line, help, parse};
use self::reader::{Bytes, Found, Lines};
pub use self::script::Script;
use self::script::ScriptStep;
pub use self::terminal::restore;
use self::terminal::{Terminal, Typed};

/// Bad lines in a row, from a pipe, after which its writer is taken for one that writes no commands.
pub const BAD_MAX: usize = 20;
/// Lines looked at in a turn: blank ones and comments may precede a command.
const LINES_MAX: usize = 64;

/// Where commands come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandSource {
    /// Standard input: a prompt if it is a terminal, plain lines if not.
    Stdin,
    /// A file, read before the board starts.
    Script(Script),
    /// Nowhere.
    None,
}

/// What the driver does in this turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Carry this out, and ask again in the next turn, at once.
    Command(ConsoleCommand),
    /// Print this line, and ask again in the next turn, at once.
    Bad(String),
    /// Call [`Console::forwarded`] for who is typing, and ask again in the next turn, at once.
    Forwarded,
    /// Nothing before this time, which may be `now`.
    At(Instant),
    /// Nothing before the console wakes the driver.
    Idle,
    /// Nothing any more.
    Ended,
}

/// Commands, one after the other.
#[derive(Debug)]
pub struct Console {
    input: Input,
    /// The first time it was asked, from which a script counts.
    start: Option<Instant>,
    /// What is next waits until then.
    hold: Option<Instant>,
    /// Bad lines in a row.
    bad: usize,
}

#[derive(Debug)]
enum Input {
    Script(VecDeque<ScriptStep>),
    Lines(Lines),
    Terminal(Terminal),
    Ended,
}

/// What an input has.
enum Got {
    Line(Line),
    Blank,
    Bad(String),
    /// Ask again at once.
    More,
    Wait(Instant),
    Nothing,
    End,
}

impl From<Result<Option<Line>, String>> for Got {
    fn from(read: Result<Option<Line>, String>) -> Self {
        match read {
            Ok(Some(line)) => Self::Line(line),
            Ok(None) => Self::Blank,
            Err(error) => Self::Bad(error),
        }
    }
}

impl Console {
    /// Opens a source. `wake` is called, from another thread, whenever [`Self::next`] may have something new.
    pub fn open(source: &CommandSource, wake: impl Fn() + Send + 'static) -> Result<Self, String> {
        let input = match source {
            CommandSource::None => Input::Ended,
            CommandSource::Script(script) => Input::Script(script.0.clone()),
            CommandSource::Stdin if Terminal::usable() => Input::Terminal(Terminal::open(wake)?),
            CommandSource::Stdin => {
                let stdin = terminal::stdin().map_err(|error| {
                    format!("cannot read commands from standard input: {error}")
                })?;
                let bytes = Bytes::new(move |buffer| terminal::read(&stdin, buffer), wake)?;
                Input::Lines(Lines::new(bytes))
            }
        };
        Ok(Self::from(input))
    }

    /// What to do in this turn, at `now`, which never goes back.
    pub fn next(&mut self, now: Instant) -> Next {
        let start = *self.start.get_or_insert(now);
        let mut more_keys = false;
        if let Input::Terminal(terminal) = &mut self.input {
            // Also while it sleeps: who types sees it.
            more_keys = terminal.pump();
            if terminal.asking() {
                return Next::Forwarded;
            }
        }
        for _ in 0..LINES_MAX {
            if let Some(until) = self.hold.filter(|until| *until > now) {
                return Next::At(if more_keys { now } else { until });
            }
            self.hold = None;
            match self.input.get(start) {
                Got::Line(Line::Command(command)) => {
                    self.bad = 0;
                    return Next::Command(command);
                }
                Got::Line(Line::Sleep(time)) => {
                    self.bad = 0;
                    self.hold = Some(now + time);
                }
                Got::Wait(until) => self.hold = Some(until),
                Got::Blank => {}
                Got::Bad(error) => return Next::Bad(self.bad(error)),
                Got::More => return Next::At(now),
                Got::Nothing if more_keys => return Next::At(now),
                Got::Nothing => return Next::Idle,
                Got::End => {
                    self.input = Input::Ended;
                    return Next::Ended;
                }
            }
        }
        Next::At(now)
    }

    /// Completes, for who is typing, commands for some boards of a fleet too.
    pub(crate) fn completes_boards(&mut self) {
        if let Input::Terminal(terminal) = &mut self.input {
            terminal.completes_boards();
        }
    }

    /// Answers [`Next::Forwarded`]: the ports that are forwarded, as they are written.
    pub fn forwarded(&mut self, ports: &[String]) {
        if let Input::Terminal(terminal) = &mut self.input {
            terminal.answer(ports);
        }
    }

    fn bad(&mut self, error: String) -> String {
        self.bad += 1;
        if self.bad < BAD_MAX || !matches!(self.input, Input::Lines(_)) {
            return error;
        }
        self.input = Input::Ended;
        format!("{error}; {BAD_MAX} bad lines in a row: no commands any more, the board runs on")
    }
}

impl From<Input> for Console {
    fn from(input: Input) -> Self {
        Self { input, start: None, hold: None, bad: 0 }
    }
}

impl Input {
    fn get(&mut self, start: Instant) -> Got {
        match self {
            Self::Script(steps) => match steps.front_mut() {
                None => Got::End,
                Some(step) if step.at.total_micros() > 0 => {
                    let until = start + step.at;
                    step.at = smoltcp::time::Duration::ZERO;
                    Got::Wait(until)
                }
                Some(step) => {
                    let line = step.line.take();
                    steps.pop_front();
                    line.map_or(Got::Blank, Got::Line)
                }
            },
            Self::Lines(lines) => match lines.next() {
                Found::Line(line) => line.and_then(|line| parse(&line)).into(),
                Found::More => Got::More,
                Found::Nothing => Got::Nothing,
                Found::End => Got::End,
            },
            Self::Terminal(terminal) => match terminal.next() {
                Some(Typed::Line(line)) => parse(&line).into(),
                Some(Typed::Quit) => Got::Line(Line::Command(ConsoleCommand::Quit)),
                None if terminal.ended() => terminal.take_error().map_or(Got::End, Got::Bad),
                None => Got::Nothing,
            },
            Self::Ended => Got::End,
        }
    }
}

#[cfg(test)]
mod tests;
