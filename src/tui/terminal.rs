//! The terminal while the dashboard has it, and how it is given back.
//!
//! [`Screen::open`] takes the terminal: the other screen, no echo, no cursor, keys and the mouse as they come. It is
//! given back in the state in which it was found by [`Screen`]'s drop, by a panic on any thread before it is told of,
//! by Ctrl-Z and SIGTSTP, and by [`restore`], which whoever calls `process::exit` calls first. Ctrl-C is the signal
//! that it is on other terminals, so that the driver's handler has the two steps of the end in one place.
//!
//! A terminal that takes no output is not waited for: a picture goes out in pieces, as there is room, and the next
//! one is made when the last is out. So who stops reading does not stop the board. A process in the background of
//! its terminal leaves that alone until it is in the foreground.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread;

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};
use ratatui::crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use ratatui::{Frame, Terminal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, getpgrp, getpid, kill_current_process_group, kill_process};
use rustix::termios::{QueueSelector, tcflush, tcgetpgrp};
use signal_hook::consts::{SIGCONT, SIGTSTP, SIGWINCH};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::output::{has_room, pane};

/// The other screen, cleared; no cursor; presses, the wheel and drags of the mouse, by SGR.
const ENTER: &str = "\x1b[?1049h\x1b[2J\x1b[?25l\x1b[?1000h\x1b[?1002h\x1b[?1006h";
/// The way back, plain characters included.
const LEAVE: &str = "\x1b[?1006l\x1b[?1002l\x1b[?1000l\x1b[0m\x1b[?25h\x1b[?1049l";
/// Bytes that a writable terminal takes without waiting. (Linux says that a pseudo-terminal is writable
/// while it takes 256.)
const PIECE: usize = 128;
/// How long the way back may wait for room.
const LEAVE_PATIENCE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
/// How often a process in the background looks whether it is in the foreground again, while somebody types.
const BACKGROUND: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
/// How long crossterm may wait for what there is: with no time at all it does not look.
const LOOK: std::time::Duration = std::time::Duration::from_millis(1);
/// Events that wait for the driver; who types more is held back.
const EVENTS_MAX: usize = 64;

/// What the process has done to the terminal.
#[derive(Debug)]
struct State {
    entered: bool,
    /// It is not entered again.
    last: bool,
}

static STATE: Mutex<State> = Mutex::new(State { entered: false, last: true });
static HOOK: Once = Once::new();

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives the terminal back for good, if the dashboard has it: to be called before `process::exit`, from any thread.
pub(crate) fn restore() {
    let mut state = state();
    state.last = true;
    leave(&mut state);
    pane::show(false);
}

fn leave(state: &mut State) {
    if !state.entered {
        return;
    }
    state.entered = false;
    if !foreground() {
        return;
    }
    let mut stdout = io::stdout().lock();
    if let Ok(1..) = poll(&mut [PollFd::new(&stdout, PollFlags::OUT)], Some(&LEAVE_PATIENCE)) {
        let _ = stdout.write_all(LEAVE.as_bytes()).and_then(|()| stdout.flush());
    }
    // What the mouse still says is not for the shell.
    let _ = tcflush(io::stdin(), QueueSelector::IFlush);
    let _ = disable_raw_mode();
}

/// Whether the process may read from its terminal and change its mode.
fn foreground() -> bool {
    tcgetpgrp(io::stdin()).map_or(true, |group| group == getpgrp())
}

/// Says why there is no terminal for a dashboard, if there is none.
pub(super) fn check() -> Result<(), String> {
    const REMEDY: &str = "run it on one, or leave --tui out";
    for (name, is) in [
        ("standard input", io::stdin().is_terminal()),
        ("standard output", io::stdout().is_terminal()),
    ] {
        if !is {
            return Err(format!("--tui needs a terminal, and {name} is none: {REMEDY}"));
        }
    }
    match std::env::var("TERM").unwrap_or_default().as_str() {
        "" => Err("--tui needs to know the terminal, and TERM is not set: set it, or leave --tui out".into()),
        "dumb" => Err("--tui needs a terminal that can place characters, and TERM is dumb: set it to what the terminal is, or leave --tui out".into()),
        _ => Ok(()),
    }
}

/// What is drawn and not yet out.
#[derive(Clone, Debug, Default)]
struct Pending(Arc<Mutex<Vec<u8>>>);

impl Pending {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes as much as the terminal takes at once. Says whether that was all.
    fn write_out(&self) -> bool {
        let mut bytes = self.lock();
        let mut stdout = io::stdout().lock();
        let mut written = 0;
        for piece in bytes.chunks(PIECE) {
            if !has_room(&stdout) || stdout.write_all(piece).and_then(|()| stdout.flush()).is_err()
            {
                break;
            }
            written += piece.len();
        }
        bytes.drain(..written);
        bytes.is_empty()
    }
}

impl Write for Pending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The terminal, taken.
#[derive(Debug)]
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Pending>>,
    pending: Pending,
    events: Receiver<Event>,
    /// What is on the screen is not what was drawn last.
    stale: Arc<AtomicBool>,
}

impl Screen {
    /// Takes the terminal. `wake` is called from another thread whenever there is an event, or something to be
    /// drawn again.
    pub(super) fn open(wake: impl Fn() + Clone + Send + 'static) -> Result<Self, String> {
        check()?;
        let failed = |error: io::Error| format!("cannot use the terminal: {error}");
        let pending = Pending::default();
        let terminal = Terminal::new(CrosstermBackend::new(pending.clone())).map_err(failed)?;
        let stale = Arc::new(AtomicBool::new(true));
        let input = File::from(io::stdin().as_fd().try_clone_to_owned().map_err(failed)?);
        let signals = Signals::new([SIGTSTP, SIGCONT, SIGWINCH]).map_err(failed)?;
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                restore();
                before(panic);
            }));
        });
        state().last = false;
        let (sender, events) = sync_channel(EVENTS_MAX);
        let screen = Self { terminal, pending, events, stale: Arc::clone(&stale) };
        enter().map_err(failed)?;
        pane::show(true);
        let woken = wake.clone();
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
            thread::Builder::new().name(name.into()).spawn(run).map_err(failed)
        };
        spawn("signals", Box::new(move || follow(signals, &stale, &woken)))?;
        spawn("keys", Box::new(move || read(&input, &sender, &wake)))?;
        Ok(screen)
    }

    /// The next key, or what the mouse did.
    pub(super) fn next(&mut self) -> Option<Event> {
        self.events.try_recv().ok()
    }

    /// Whether what is drawn would be seen anew: the terminal was resized, or was somebody else's.
    pub(super) fn is_stale(&self) -> bool {
        self.stale.load(Ordering::SeqCst)
    }

    /// Draws, if the terminal is ours and the last picture is out. Says whether all is out.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<bool> {
        let (entered, last) = {
            let state = state();
            (state.entered, state.last)
        };
        if last || !foreground() {
            return Ok(true);
        }
        if !entered {
            self.pending.lock().clear();
            enter()?;
            self.stale.store(true, Ordering::SeqCst);
        }
        if !self.pending.write_out() {
            return Ok(false);
        }
        if self.stale.swap(false, Ordering::SeqCst) {
            self.terminal.clear()?;
        }
        self.terminal.draw(draw)?;
        Ok(self.pending.write_out())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Takes the terminal, unless it is taken or not ours.
fn enter() -> io::Result<()> {
    let mut state = state();
    if state.entered || state.last || !foreground() {
        return Ok(());
    }
    enable_raw_mode()?;
    state.entered = true;
    let mut stdout = io::stdout().lock();
    stdout.write_all(ENTER.as_bytes())?;
    stdout.flush()
}

/// Gives the terminal back while the process is stopped, and has all drawn again when it goes on or the terminal
/// has another size.
fn follow(mut signals: Signals, stale: &AtomicBool, wake: &impl Fn()) {
    for signal in &mut signals {
        if signal == SIGTSTP {
            leave(&mut state());
            let _ = emulate_default_handler(SIGTSTP);
        }
        stale.store(true, Ordering::SeqCst);
        wake();
    }
}

/// Passes on what is typed. Ctrl-C and Ctrl-Z are the signals that they are elsewhere.
fn read(input: &File, sender: &SyncSender<Event>, wake: &impl Fn()) {
    loop {
        let mut ready = [PollFd::new(input, PollFlags::IN)];
        match poll(&mut ready, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
        let ready = ready[0].revents();
        if ready.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            return;
        }
        if !ready.contains(PollFlags::IN) {
            continue;
        }
        if !foreground() {
            let _ = poll(&mut [], Some(&BACKGROUND));
            continue;
        }
        while event::poll(LOOK).unwrap_or(false) {
            let Ok(event) = event::read() else { return };
            match control(&event) {
                Some('c') => drop(kill_process(getpid(), Signal::INT)),
                Some('z') => drop(kill_current_process_group(Signal::TSTP)),
                _ if sender.send(event).is_err() => return,
                _ => {}
            }
            wake();
        }
    }
}

/// The letter that was typed with Ctrl.
fn control(event: &Event) -> Option<char> {
    match event.as_key_press_event() {
        Some(key) if key.modifiers.contains(KeyModifiers::CONTROL) => match key.code {
            KeyCode::Char(letter) => Some(letter),
            _ => None,
        },
        _ => None,
    }
}
