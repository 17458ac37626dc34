//! What a client says to the shell, one line after each prompt, and what it must hear.

use embedded_nal::nb;

use super::{Client, Exchange, Failure, Scratch};
use crate::sim::check::{SHELL, greeting};
use crate::sim::host::{HostSockets, HostTcp};
use crate::sim::plan::Work;

/// More than any answer of the shell.
const SHELL_MOST: usize = 8192;

impl Client {
    /// What is to be said after `answers` prompts.
    fn line(&self, answers: u32) -> Option<&'static [u8]> {
        match (self.job.work, answers) {
            (Work::Reset, 1) => Some(b"reset\r\n"),
            (Work::Shell { lines }, 1..=3) => {
                Some(SHELL[usize::from(lines[answers as usize - 1])].line)
            }
            (Work::Shell { .. }, 4) => Some(b"exit\n"),
            _ => None,
        }
    }

    /// Whether `text` is what the shell has to say after `answers` prompts.
    fn answer(&self, answers: u32, text: &str) -> bool {
        match (self.job.work, answers) {
            (_, 0) => greeting(text),
            (Work::Shell { lines }, 1..=3) => {
                (SHELL[usize::from(lines[answers as usize - 1])].answer)(text)
            }
            _ => false,
        }
    }

    /// `received` counts prompts here, `sent` lines.
    pub(super) fn shell(
        &mut self,
        stack: &mut HostSockets<'_, '_>,
        socket: &mut HostTcp,
        chunk: &mut Scratch,
    ) -> Result<Exchange, Failure> {
        loop {
            if self.sent < self.received
                && let Some(line) = self.line(self.received)
            {
                match stack.send(socket, line) {
                    Ok(count) if count == line.len() => self.sent = self.received,
                    Ok(_) => return Err("a send buffer that is empty takes no line".into()),
                    Err(nb::Error::WouldBlock) => {}
                    Err(nb::Error::Other(error)) => return Ok(Exchange::Lost(error)),
                }
            }
            match stack.receive(socket, chunk) {
                Ok(0) => {
                    let last: &[u8] = match self.job.work {
                        Work::Reset => b"resetting\r\n",
                        _ => b"bye\r\n",
                    };
                    if self.heard == last {
                        return Ok(Exchange::Close);
                    }
                    return Err(format!("shell: FIN after {:?}", self.heard_text()));
                }
                Ok(count) => self.heard.extend_from_slice(&chunk[..count]),
                Err(nb::Error::WouldBlock) => return Ok(Exchange::Wait(None)),
                Err(nb::Error::Other(error)) => return Ok(Exchange::Lost(error)),
            }
            if let Some(text) = self.heard.strip_suffix(b"\r\n> ") {
                let text = String::from_utf8_lossy(text) + "\r\n";
                if !self.answer(self.received, &text) {
                    return Err(format!("shell: answer {} is {text:?}", self.received));
                }
                self.received += 1;
                self.heard.clear();
            } else if self.heard.len() > SHELL_MOST {
                return Err(format!("shell: no end of {:?}", self.heard_text()));
            }
        }
    }

    fn heard_text(&self) -> String {
        String::from_utf8_lossy(&self.heard).into_owned()
    }
}
