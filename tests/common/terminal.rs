//! A terminal of a test's own, and a program that runs on it.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::process::{PATIENCE, readable};

const PROMPT: &str = "tapboard> ";

/// A terminal of that many columns: what was printed on it, and what types there.
pub(crate) struct Terminal {
    controller: File,
    name: String,
}

impl Terminal {
    /// One of so many columns.
    pub(crate) fn new(columns: u16) -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&controller).expect("it is ours");
        unlockpt(&controller).expect("it is ours");
        let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&controller, size).expect("it has a size");
        let name = ptsname(&controller, Vec::new()).expect("it has a name");
        Self { controller: controller.into(), name: name.into_string().expect("UTF-8") }
    }

    fn end(&self) -> Stdio {
        File::options().read(true).write(true).open(&self.name).expect("its other end").into()
    }

    /// Runs the program on it, types `lines` at its prompt, and returns all that it printed.
    pub(crate) fn run(mut self, mut command: Command, lines: &[&str]) -> String {
        command.env_remove("COLUMNS").env("TERM", "vt100").env_remove("NO_COLOR");
        let mut child = command
            .stdin(self.end())
            .stdout(self.end())
            .stderr(self.end())
            .spawn()
            .expect("the program starts");
        // Or else this process keeps the terminal's other end open.
        drop(command);
        let mut said = String::new();
        let mut buffer = [0; 4096];
        let mut typed = false;
        while readable(&self.controller, PATIENCE) {
            // An error is the end of the last who had it open.
            let Ok(count @ 1..) = self.controller.read(&mut buffer) else {
                assert!(child.wait().expect("it ends").success(), "{said}");
                return said;
            };
            said.push_str(&String::from_utf8_lossy(&buffer[..count]));
            if said.contains(PROMPT) && !typed {
                typed = true;
                for line in lines {
                    writeln!(self.controller, "{line}").expect("it is typed");
                }
            }
        }
        let _ = child.kill();
        let _ = child.wait();
        panic!("it neither goes on nor ends: {said}");
    }
}
