//! The prompt on a pseudo-terminal whose other end the test holds: the keyboard and the screen.

use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use smoltcp::time::Instant;

use super::*;
use crate::console::{Console, ConsoleCommand, Input, Next};
use crate::output::aside;

const PATIENCE: Duration = Duration::from_mins(1);
const NOW: Instant = Instant::ZERO;

/// A process has one prompt; tests take turns.
static TURN: Mutex<()> = Mutex::new(());

struct Pty {
    keyboard: File,
    terminal: File,
    wake: Sender<()>,
    woken: Receiver<()>,
    screen: String,
}

impl Pty {
    fn new() -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let terminal = File::from(ioctl_tiocgptpeer(&keyboard, flags).unwrap());
        let size = Winsize { ws_row: 24, ws_col: 40, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&terminal, size).unwrap();
        let (wake, woken) = channel();
        Self { keyboard: keyboard.into(), terminal, wake, woken, screen: String::new() }
    }

    fn console(&self) -> Console {
        let wake = self.wake.clone();
        let wake = move || wake.send(()).unwrap_or_default();
        let (input, output) = (self.terminal.try_clone(), self.terminal.try_clone());
        let terminal =
            Terminal::on(input.unwrap(), output.unwrap(), History::default(), wake).unwrap();
        Console::from(Input::Terminal(terminal))
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// What the console says next, when it says something.
    fn next(&self, console: &mut Console) -> Next {
        loop {
            match console.next(NOW) {
                Next::Idle => self.woken.recv_timeout(PATIENCE).expect("a wake-up"),
                next => return next,
            }
        }
    }

    /// Takes what the screen shows within that time; nothing if it shows nothing.
    fn look(&mut self, patience: Duration) -> bool {
        let mut ready = [PollFd::new(&self.keyboard, PollFlags::IN)];
        let patience = Timespec::try_from(patience).unwrap();
        if poll(&mut ready, Some(&patience)).unwrap() == 0 {
            return false;
        }
        let mut buffer = [0; 4096];
        let len = self.keyboard.read(&mut buffer).unwrap();
        self.screen += std::str::from_utf8(&buffer[..len]).unwrap();
        true
    }

    /// Waits until the screen ends with that; returns what came before, since the last time.
    fn until(&mut self, end: &str) -> String {
        while !self.screen.ends_with(end) {
            assert!(self.look(PATIENCE), "no {end:?} after {:?}", self.screen);
        }
        self.screen.truncate(self.screen.len() - end.len());
        std::mem::take(&mut self.screen)
    }

    /// Presses keys that are no command yet, until the screen ends with that.
    fn type_until(&mut self, console: &mut Console, keys: &str, end: &str) {
        self.press(keys);
        while !self.screen.ends_with(end) {
            if !self.look(Duration::ZERO) {
                self.woken.recv_timeout(PATIENCE).expect("a wake-up");
                assert_eq!(console.next(NOW), Next::Idle);
                assert!(self.look(PATIENCE), "no {end:?} after {:?}", self.screen);
            }
        }
        self.screen.clear();
    }

    fn modes(&self) -> String {
        let modes = tcgetattr(&self.terminal).unwrap();
        format!("{:?} {:?}", modes.local_modes, modes.special_codes)
    }
}

/// An empty line.
const EMPTY: &str = "\r\x1b[Ktapboard> \r\x1b[10C";

#[test]
fn a_line_is_typed_while_the_board_prints() {
    let _turn = lock(&TURN);
    let mut pty = Pty::new();
    let mut console = pty.console();
    pty.until(EMPTY);
    let row = "\r\x1b[Ktapboard> unplg\r\x1b[15C";
    pty.type_until(&mut console, "unplg", row);
    aside(|| pty.terminal.write_all(b"LED on\n").unwrap());
    assert_eq!(pty.until(row), "\r\x1b[KLED on\r\n", "a row of its own");
    pty.press("\x1b[Du\r");
    assert_eq!(pty.next(&mut console), Next::Command(ConsoleCommand::Unplug));
    assert!(pty.until(EMPTY).ends_with("tapboard> unplug\r\n"), "the line stays");
    pty.press("\x1b[A\r");
    assert_eq!(pty.next(&mut console), Next::Command(ConsoleCommand::Unplug), "from the history");
    pty.press("loss 200%\r\x04");
    assert!(matches!(pty.next(&mut console), Next::Bad(_)));
    assert_eq!(pty.next(&mut console), Next::Command(ConsoleCommand::Quit));
}

#[test]
fn what_can_follow_stands_above_the_line() {
    let _turn = lock(&TURN);
    let mut pty = Pty::new();
    let mut console = pty.console();
    pty.until(EMPTY);
    pty.type_until(&mut console, "par\t", "\r\x1b[Ktapboard> partition \r\x1b[20C");
    let list = "\r\x1b[Kin  off  on  out\r\n\r\x1b[Ktapboard> partition \r\x1b[20C";
    pty.type_until(&mut console, "\t", list);
    // What is forwarded the driver knows.
    pty.press("\x15unforward 70\t");
    assert_eq!(pty.next(&mut console), Next::Forwarded);
    console.forwarded(&["7007".into(), "8007".into()]);
    pty.type_until(&mut console, "7\x7f", "\r\x1b[Ktapboard> unforward 7007 \r\x1b[25C");
}

#[test]
fn the_mode_is_given_back_however_it_ends() {
    let _turn = lock(&TURN);
    let mut pty = Pty::new();
    let before = pty.modes();

    let console = pty.console();
    assert_ne!(pty.modes(), before, "keys come one by one, unechoed");
    drop(console);
    assert_eq!(pty.modes(), before, "dropped");

    // The reader of a console that is gone takes one more chunk; so each has a terminal of its own.
    pty = Pty::new();
    let console = AssertUnwindSafe(pty.console());
    let broken = catch_unwind(move || {
        let _console = console;
        panic!("on purpose");
    });
    assert!(broken.is_err());
    assert_eq!(pty.modes(), before, "unwound by a panic");

    pty = Pty::new();
    let mut console = pty.console();
    // What the second Ctrl-C does, on a thread of its own, while the driver's prints.
    aside(|| thread::spawn(restore).join().unwrap());
    assert_eq!(pty.modes(), before, "restored");
    pty.press("plug\r");
    assert_eq!(pty.next(&mut console), Next::Command(ConsoleCommand::Plug));
    assert_eq!(pty.modes(), before, "and for good");
}

#[test]
fn the_signal_keys_are_the_terminals() {
    let _turn = lock(&TURN);
    let pty = Pty::new();
    let _console = pty.console();
    let modes = tcgetattr(&pty.terminal).unwrap();
    assert!(modes.local_modes.contains(LocalModes::ISIG));
    assert_eq!(modes.special_codes[SpecialCodeIndex::VINTR], 3, "Ctrl-C is a signal");
}

#[test]
fn a_second_prompt_is_refused_and_leaves_the_first() {
    let _turn = lock(&TURN);
    let mut pty = Pty::new();
    let mut console = pty.console();
    let (input, output) = (pty.terminal.try_clone().unwrap(), pty.terminal.try_clone().unwrap());
    assert!(
        Terminal::on(input, output, History::default(), || {}).unwrap_err().contains("already")
    );
    pty.press("plug\r");
    assert_eq!(pty.next(&mut console), Next::Command(ConsoleCommand::Plug));
}

#[test]
fn a_terminal_that_hangs_up_ends_the_console() {
    let _turn = lock(&TURN);
    let Pty { keyboard, terminal, woken, wake, .. } = Pty::new();
    let output = terminal.try_clone().unwrap();
    let terminal = Terminal::on(terminal, output, History::default(), move || {
        wake.send(()).unwrap_or_default();
    });
    let mut console = Console::from(Input::Terminal(terminal.unwrap()));
    drop(keyboard);
    loop {
        match console.next(NOW) {
            Next::Idle => woken.recv_timeout(PATIENCE).expect("a wake-up"),
            Next::Bad(error) => assert!(error.contains("cannot read commands"), "{error}"),
            Next::Ended => return,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_screen_that_nobody_reads_stops_nobody() {
    let _turn = lock(&TURN);
    let mut pty = Pty::new();
    // A long row, for a terminal is soon writable for a short one.
    let size = Winsize { ws_row: 24, ws_col: 2000, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&pty.terminal, size).unwrap();
    let mut console = pty.console();
    let typed = "x".repeat(900);
    pty.type_until(&mut console, &typed, "\r\x1b[910C");
    let (done, finished) = channel();
    let screen = pty.terminal.try_clone().unwrap();
    let board = thread::spawn(move || {
        for row in 0..500 {
            // A terminal has room for some rows and not for others, depending on their lengths.
            let size = Winsize { ws_col: 12 + row * 37 % 900, ..size };
            tcsetwinsize(&screen, size).unwrap();
            aside(|| ());
        }
        done.send(()).unwrap();
    });
    if finished.recv_timeout(PATIENCE).is_err() {
        // The board's thread waits for the screen, and holds the lock that ends the console.
        std::mem::forget(console);
        panic!("it waits for the screen");
    }
    board.join().unwrap();
    assert!(matches!(console.next(NOW), Next::Idle), "nor the console");
}
