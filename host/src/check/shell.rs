//! The check of the shell, and what others need of it.

use std::io::ErrorKind;
use std::time::Instant;

use crate::check::failure::Seen;
use crate::check::plan::{CheckPlan, SHELL};
use crate::check::wire::{Wire, deadline, lost};

/// What the shell may answer to one command at most.
const ANSWER_MAX: usize = 64 * 1024;
/// What the shell says when it waits for a command.
const PROMPT: &[u8] = b"\n> ";
/// What it says to who wants to change something and has not given the board's token.
const LOGIN_FIRST: &str = "login first";

/// What comes up to the shell's prompt.
pub(super) fn answer(wire: &mut Wire, to: &str) -> Result<String, String> {
    let (mut text, mut buffer) = (Vec::new(), [0; 1024]);
    while !text.ends_with(PROMPT) {
        let read = wire.read(&mut buffer).and_then(|length| match length {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            length => Ok(length),
        });
        let length = read.map_err(|error| format!("no prompt after {to}: {}", lost(&error)))?;
        text.extend_from_slice(&buffer[..length]);
        if text.len() > ANSWER_MAX {
            return Err(format!("more than {ANSWER_MAX} bytes after {to}, and no prompt"));
        }
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// A session that may change something, at its prompt.
pub(super) fn session(plan: &CheckPlan, deadline: Instant) -> Result<Wire, String> {
    let mut wire = Wire::connect(plan, SHELL, deadline)?;
    answer(&mut wire, "the greeting")?;
    let Some(token) = &plan.token else { return Ok(wire) };
    let login = format!("login {}\n", token.as_str());
    wire.write_all(login.as_bytes())?;
    let text = answer(&mut wire, "login")?;
    // A board without a token asks nobody.
    if text.contains("logged in") || text.contains("no login is needed") {
        return Ok(wire);
    }
    let first = text.lines().next().unwrap_or_default();
    Err(format!("`login` with the token of --token is answered with `{first}`"))
}

pub(super) fn shell(plan: &CheckPlan) -> Seen {
    let mut wire = session(plan, deadline(plan))?;
    for (command, part) in [
        ("help", "netstat"),
        ("led on", "led is on"),
        ("led off", "led is off"),
        // Its own connection is in the table.
        ("netstat", "ESTABLISHED"),
    ] {
        wire.write_all(format!("{command}\n").as_bytes())?;
        let text = answer(&mut wire, command)?;
        if !text.contains(part) {
            let first = text.lines().next().unwrap_or_default();
            if plan.token.is_none() && first.starts_with(LOGIN_FIRST) {
                return Err(format!("`{command}` asks for the board's token: see --token").into());
            }
            return Err(
                format!("`{command}` is not answered with `{part}`, but with `{first}`").into()
            );
        }
    }
    Ok("help, led and netstat are answered".to_owned())
}
