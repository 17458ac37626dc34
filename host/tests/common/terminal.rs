//! A terminal of a test's own, and what is to be seen on it.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// A pseudo-terminal of so many columns: the end that shows what is written to it, and the one that a program has.
pub fn open(columns: u16) -> (File, OwnedFd) {
    // Not for the program: who holds our end does not see that we are gone.
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let screen = openpt(flags).expect("a pseudo-terminal");
    grantpt(&screen).expect("it is ours");
    unlockpt(&screen).expect("it is ours");
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&screen, size).expect("it is ours");
    let terminal = ioctl_tiocgptpeer(&screen, flags).expect("its other end");
    (File::from(screen), terminal)
}

/// The tool, at work on a terminal.
pub struct OnTerminal {
    child: Child,
    /// Our end, for its size.
    screen: File,
    columns: u16,
    pieces: Receiver<Vec<u8>>,
    written: Vec<u8>,
}

impl OnTerminal {
    /// Starts the tool on a terminal of so many columns, without colours.
    pub fn start(columns: u16, arguments: &[&str]) -> Self {
        let (mut screen, terminal) = open(columns);
        let ours = screen.try_clone().expect("a second handle");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tapboard-host"));
        command.args(arguments).env("TERM", "xterm").env("NO_COLOR", "1").stdin(Stdio::null());
        command.stdout(terminal.try_clone().expect("a second handle")).stderr(terminal);
        let child = command.spawn().expect("the tool starts");
        // The command holds ends of the terminal too; once all are closed, reading ends in an error.
        drop(command);
        let (sender, pieces) = mpsc::channel();
        thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = screen.read(&mut piece) {
                if sender.send(piece[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, screen: ours, columns, pieces, written: Vec::new() }
    }

    /// The tool's process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Makes the terminal so many columns wide, and so many lines high.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.screen, size).expect("it is ours");
        self.columns = columns;
    }

    /// What is to be seen by now.
    pub fn screen(&self) -> Screen {
        Screen::of(&String::from_utf8_lossy(&self.written), usize::from(self.columns))
    }

    /// Waits until what is to be seen will do.
    pub fn shows(&mut self, done: impl Fn(&Screen) -> bool) -> Screen {
        // It may write for ever.
        let until = tapboard_host::clock::now() + super::PATIENCE;
        loop {
            assert!(tapboard_host::clock::now() < until, "it stays at {:#?}", self.screen());
            // A sequence may be cut at the end of what has come; what has come next completes it.
            let screen = self.written.ends_with(b"\n").then(|| self.screen());
            if let Some(screen) = screen.filter(|screen| done(screen)) {
                return screen;
            }
            let piece = self.pieces.recv_timeout(super::PATIENCE);
            let written = String::from_utf8_lossy(&self.written).into_owned();
            self.written.extend(piece.unwrap_or_else(|_| panic!("it stays at {written:?}")));
        }
    }

    /// Waits until it has written `part`, and returns all that it has written up to there or a bit further.
    pub fn until(&mut self, part: &str) -> String {
        loop {
            let text = String::from_utf8_lossy(&self.written).into_owned();
            if text.contains(part) {
                return text;
            }
            let piece = self.pieces.recv_timeout(super::PATIENCE);
            self.written.extend(piece.unwrap_or_else(|_| panic!("{part:?} is not in {text:?}")));
        }
    }

    /// What it has written, and what is to be seen of it, when it is over.
    pub fn finish(self) -> (String, Screen) {
        let Self { mut child, columns, pieces, mut written, .. } = self;
        let text = super::bounded(move || {
            written.extend(pieces.iter().flatten());
            child.wait().expect("it is our child");
            String::from_utf8(written).expect("text")
        });
        let screen = Screen::of(&text, usize::from(columns));
        (text, screen)
    }
}

/// What a terminal shows that has lines enough.
#[derive(Debug)]
pub struct Screen {
    pub lines: Vec<String>,
    /// How often it had to begin a line because one was full.
    pub broken: usize,
}

impl Screen {
    /// The sequences are those of `indicatif` and of the table of `serve`: cursor up, and what is in the line, or the
    /// rest of it, or all that follows, is erased.
    fn of(text: &str, columns: usize) -> Self {
        let (mut rows, mut row, mut column) = (vec![Vec::new()], 0, 0);
        let mut broken = 0;
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            match c {
                '\r' => column = 0,
                '\n' => row += 1,
                '\u{1b}' => {
                    assert_eq!(rest.next(), Some('['), "{text:?}");
                    let sequence = rest.as_str();
                    let digits = sequence.find(|c: char| !c.is_ascii_digit()).expect("its end");
                    let count = sequence[..digits].parse().unwrap_or(1);
                    rest = sequence[digits..].chars();
                    match rest.next() {
                        Some('A') => row -= count.min(row),
                        Some('J') => {
                            rows.truncate(row + 1);
                            rows[row].truncate(column);
                        }
                        Some('K') if count == 2 => rows[row].clear(),
                        Some('K') => rows[row].truncate(column),
                        other => panic!("{other:?} in {text:?}"),
                    }
                }
                c => {
                    if column == columns {
                        (row, column, broken) = (row + 1, 0, broken + 1);
                    }
                    rows.resize(rows.len().max(row + 1), Vec::new());
                    let width = rows[row].len().max(column + 1);
                    rows[row].resize(width, ' ');
                    rows[row][column] = c;
                    column += 1;
                }
            }
            rows.resize(rows.len().max(row + 1), Vec::new());
        }
        let lines = rows.into_iter().map(|row| row.into_iter().collect::<String>());
        Self { lines: lines.map(|line| line.trim_end().to_owned()).collect(), broken }
    }
}
