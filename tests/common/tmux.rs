//! A terminal with a shell in it, driven from outside: tmux's.
//!
//! What is on the screen is waited for by condition, for at most [`PATIENCE`].

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::process::Command;
use std::thread;

use rustix::event::{Timespec, poll};
use smoltcp::time::Instant;
use tapboard::clock::RealClock;

use super::process::PATIENCE;
use super::scratch::Scratch;

/// The time from one look at the screen to the next.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// The terminal.
pub(crate) struct Tmux {
    scratch: Scratch,
}

impl Tmux {
    /// One of that size and kind, with a shell whose prompt is `$ `, in a folder of its own.
    pub(crate) fn start(columns: u16, rows: u16, term: &str) -> Self {
        let tmux = Self { scratch: Scratch::new() };
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let term = format!("TERM={term}");
        tmux.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &columns,
            "-y",
            &rows,
            "-e",
            "PS1=$ ",
            "-e",
            "LC_ALL=C.UTF-8",
            "-e",
            "NO_COLOR=",
            "-e",
            &term,
            // Else tmux has a name of its own for it.
            "env",
            &term,
            "sh",
        ]);
        tmux.shows("$");
        tmux
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.scratch.path("socket")).args(arguments);
        command.env("LC_ALL", "C.UTF-8").current_dir(self.scratch.directory());
        let output = command.output().expect("tmux, of the package of that name");
        assert!(output.status.success(), "tmux {arguments:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The folder.
    pub(crate) const fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// Presses keys, by tmux's names.
    pub(crate) fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Types characters as they are, among them what a terminal sends for the mouse.
    pub(crate) fn types(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
    }

    /// Types a command for the shell.
    pub(crate) fn line(&self, text: &str) {
        self.types(text);
        self.keys(&["Enter"]);
    }

    /// Gives the terminal another size.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }

    /// What is on the screen, a line each.
    pub(crate) fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until the screen will do; returns it.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, done: impl Fn(&str) -> bool) -> String {
        let clock = RealClock::new();
        loop {
            let screen = self.screen();
            if done(&screen) {
                return screen;
            }
            let late = clock.now() > Instant::ZERO + PATIENCE.into();
            assert!(!late, "{what} is not on the screen:\n{screen}");
            let _ = poll(&mut [], Some(&LOOK));
        }
    }

    /// Waits until the screen shows `text`; returns it.
    #[track_caller]
    pub(crate) fn shows(&self, text: &str) -> String {
        self.until(text, |screen| screen.contains(text))
    }

    /// Waits until the screen shows all of `texts` at once.
    #[track_caller]
    pub(crate) fn shows_all(&self, texts: &[&str]) {
        self.until(&format!("{texts:?}"), |screen| texts.iter().all(|text| screen.contains(text)));
    }

    /// Which of its states are not those of a terminal with a shell: another screen, no cursor, the mouse.
    pub(crate) fn modes(&self) -> Vec<&'static str> {
        let modes = self.tmux(&[
            "display-message", "-p",
            "#{alternate_on} #{cursor_flag} #{mouse_any_flag}#{mouse_button_flag}#{mouse_standard_flag}#{mouse_sgr_flag}",
        ]);
        let words: Vec<_> = modes.split_whitespace().collect();
        let usual = [("0", "alternate screen"), ("1", "no cursor"), ("0000", "mouse")];
        let differ = words.iter().zip(usual).filter(|(word, (usual, _))| **word != *usual);
        differ.map(|(_, (_, name))| name).collect()
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        if thread::panicking() {
            let socket = self.scratch.path("socket");
            let screen = Command::new("tmux").args(["-S", &socket, "capture-pane", "-p"]).output();
            let screen = screen.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
            eprintln!("the screen:\n{}", screen.unwrap_or_default());
        }
        let _ =
            Command::new("tmux").args(["-S", &self.scratch.path("socket"), "kill-server"]).output();
    }
}
