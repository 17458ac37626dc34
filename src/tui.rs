//! The dashboard, `tapboard --tui`: the running board on one screen of a terminal, with its hands on the cable.
//!
//! It is another front of the same session, beside the console: keys and the mouse become the very
//! [`ConsoleCommand`]s that are typed there, the driver asks [`Dashboard::next`] once a turn and carries them out, and
//! what the program prints meanwhile is the log pane's ([`pane`]). A script goes on beside it. Nothing of the loop is
//! here, and nothing here is known to the board.
//!
//! ```text
//!   terminal   takes the terminal and gives it back, whatever ends the run; reads it on a thread of its own
//!   keys       an event -> a change of the model, or a command
//!   model      what is shown, and what of it is chosen; samples for the graphs
//!   watcher    an observer of the cable: rungs for the ladder, counts for the graphs
//!   draw       the model -> a picture: header, panel/*, footer; where they are is in layout
//!   look       whether there are colours, and characters beyond ASCII
//! ```
//!
//! The driver sleeps as ever. A picture is drawn when something has happened, at most [`AFTER_KEY`] after a key and
//! [`AFTER_FRAME`] after anything else, and once a second for the graphs; ratatui sends what has changed of it.
//! A terminal that does not take it is not waited for. Cost with nothing to do: one picture a second.

mod draw;
mod keys;
mod layout;
mod look;
mod model;
mod panel;
mod sliders;
#[cfg_attr(not(unix), path = "tui/no_terminal.rs")]
mod terminal;
mod watcher;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::path::PathBuf;
use std::rc::Rc;

use smoltcp::time::{Duration, Instant};

use self::keys::Action;
use self::look::Look;
use self::model::Model;
pub(crate) use self::model::View;
use self::terminal::Screen;
pub(crate) use self::terminal::restore;
use self::watcher::{Seen, Watcher};
use crate::console::{ConsoleCommand, Next};
use crate::link::Side;
use crate::nic::impairment::Observer;
use crate::output::pane;

/// How long a picture may wait after a key.
const AFTER_KEY: Duration = Duration::from_millis(30);
/// How long it may wait after anything else: ten pictures a second at most.
const AFTER_FRAME: Duration = Duration::from_millis(100);
/// How soon to look again whether the terminal takes the rest of a picture.
const AFTER_FULL: Duration = Duration::from_millis(50);
/// Events that are taken in a turn.
const EVENTS_MAX: usize = 64;
/// Names of captures that are tried.
const CAPTURES_MAX: usize = 10_000;

/// Says why there can be no dashboard, if so; what is printed from now on is in its log.
pub(crate) fn prepare() -> Result<(), String> {
    terminal::check()?;
    pane::keep();
    Ok(())
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Dashboard {
    screen: Screen,
    model: Model,
    seen: Rc<RefCell<Seen>>,
    commands: VecDeque<Action>,
    /// When the last picture was drawn.
    drawn: Instant,
    /// Frames that it showed.
    frames: u64,
    /// A key was pressed since.
    touched: bool,
    /// Something else has happened since.
    news: bool,
    /// A part of it is not out yet.
    full: bool,
}

impl Dashboard {
    /// Takes the terminal. `board` is the board's name, `addresses` are its own. `wake` is called from another thread
    /// whenever [`Dashboard::next`] may have something new.
    pub(crate) fn open(
        board: String,
        addresses: impl IntoIterator<Item = IpAddr>,
        now: Instant,
        wake: impl Fn() + Clone + Send + 'static,
    ) -> Result<Self, String> {
        let screen = Screen::open(wake)?;
        let model = Model::new(Look::of_environment(), board, now);
        let seen = Rc::new(RefCell::new(Seen::of_board(addresses)));
        let commands = VecDeque::new();
        Ok(Self {
            screen,
            model,
            seen,
            commands,
            drawn: now,
            frames: 0,
            touched: true,
            news: false,
            full: false,
        })
    }

    /// What is to see every frame.
    pub(crate) fn observer(&self) -> Box<dyn Observer> {
        Box::new(Watcher(Rc::clone(&self.seen)))
    }

    /// What was asked for by a key or the mouse.
    pub(crate) fn next(&mut self) -> Next {
        for _ in 0..EVENTS_MAX {
            if !self.commands.is_empty() {
                break;
            }
            let Some(event) = self.screen.next() else { break };
            self.touched = true;
            self.commands.extend(keys::take(&mut self.model, &event));
            self.model.keep(&self.seen.borrow().latest);
        }
        match self.commands.pop_front() {
            None => Next::Idle,
            Some(Action::Command(command)) => {
                // Two presses in a turn are two moves.
                self.foresee(&command);
                Next::Command(command)
            }
            Some(Action::Bad(text)) => Next::Bad(text),
            Some(Action::Capture) if self.model.view.capture => {
                Next::Command(ConsoleCommand::CaptureStop)
            }
            Some(Action::Capture) => match free_name() {
                Some(path) => Next::Command(ConsoleCommand::CaptureStart(path)),
                None => Next::Bad(format!("there are {CAPTURES_MAX} captures here already")),
            },
        }
    }

    /// What `command` will have changed when the next key is looked at.
    fn foresee(&mut self, command: &ConsoleCommand) {
        let view = &mut self.model.view;
        match command {
            ConsoleCommand::Fault { to, setting } => {
                for (faults, side) in view.faults.iter_mut().zip([Side::Board, Side::Peer]) {
                    if to.is_none_or(|to| to == side) {
                        faults.set(*setting);
                    }
                }
            }
            ConsoleCommand::Unplug | ConsoleCommand::Plug => {
                view.plugged = *command == ConsoleCommand::Plug;
            }
            _ => {}
        }
    }

    /// When the next picture is due, as things are `now`.
    pub(crate) fn due(&mut self, now: Instant) -> Instant {
        let lines = pane::taken();
        self.news |= !lines.is_empty() || self.seen.borrow().passed.frames != self.frames;
        for line in lines {
            self.model.note(line);
        }
        self.touched |= self.screen.is_stale();
        let due = if self.full {
            self.drawn + AFTER_FULL
        } else if self.touched {
            self.drawn + AFTER_KEY
        } else if self.news {
            self.drawn + AFTER_FRAME
        } else {
            self.model.next_sample()
        };
        due.min(self.model.next_sample()).max(now)
    }

    /// Draws how things are. Returns when the next picture is due, if nothing happens.
    pub(crate) fn draw(&mut self, now: Instant, view: View) -> Instant {
        let seen = Rc::clone(&self.seen);
        let seen = seen.borrow();
        self.model.view = view.into();
        self.model.sample(now, seen.passed);
        self.frames = seen.passed.frames;
        self.news = false;
        self.drawn = now;
        let model = &mut self.model;
        // A terminal that is gone ends the run by SIGHUP.
        self.full =
            !self.screen.draw(|frame| draw::draw(model, &seen.latest, frame)).unwrap_or(true);
        self.touched = self.full;
        if self.full { now + AFTER_FULL } else { self.model.next_sample() }
    }
}

/// A capture that is not there yet.
fn free_name() -> Option<PathBuf> {
    let names = (1..=CAPTURES_MAX).map(|number| PathBuf::from(format!("tapboard-{number}.pcapng")));
    names.into_iter().find(|path| !path.exists())
}

#[cfg(test)]
mod tests;
