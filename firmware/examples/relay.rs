//! A command of one's own in the shell: `relay` switches a relay, or says how it is.
//!
//! As `shout.rs` beside it, this file is all there is of it, wherever it runs.

use core::fmt::Write;

use tapboard_firmware::service::command::{Commands, Help, Usage};

/// A relay, and how often it was switched.
#[derive(Debug, Default)]
pub(crate) struct Relay {
    closed: bool,
    switched: u32,
}

impl<B> Commands<B> for Relay {
    const HELP: &'static [Help] =
        &[Help { name: "relay", arguments: " [open|close]", about: "switch the relay, or ask" }];

    fn run(
        &mut self,
        _name: &str,
        arguments: &[u8],
        _board: &mut B,
        answer: &mut dyn Write,
    ) -> Result<(), Usage> {
        match arguments {
            b"" => {}
            b"open" | b"close" => {
                self.closed = arguments == b"close";
                self.switched += 1;
            }
            _ => return Err(Usage),
        }
        let state = if self.closed { "closed" } else { "open" };
        write!(answer, "relay is {state}, switched {} times", self.switched)?;
        Ok(())
    }
}
