//! A file of commands, read as a whole before the board starts.
//!
//! A line may begin with a time since the start, `@2.5s unplug`, before which it and what follows wait;
//! a `sleep` counts, so that a time which cannot be kept is an error. Every bad line is reported, with
//! its number, and then nothing runs. Memory: the file, of at most [`SCRIPT_MAX`] bytes.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use smoltcp::time::Duration;

use super::command::{self, Line};
use crate::link::parse_duration;
use crate::output::counted;

/// Bytes of the longest script.
const SCRIPT_MAX: u64 = 1024 * 1024;
/// Bad lines reported; more help nobody.
const ERRORS_MAX: usize = 20;

/// The lines of a script, all of them good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script(pub(super) VecDeque<ScriptStep>);

/// One line of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ScriptStep {
    /// Not before this time since the start.
    pub(super) at: Duration,
    /// What to do then.
    pub(super) line: Option<Line>,
}

impl Script {
    /// Reads a file, or for `-` standard input to its end. The error has a line for each bad line.
    pub fn read(path: &Path) -> Result<Self, String> {
        let stdin = path.as_os_str() == "-";
        let name = if stdin { "standard input".into() } else { path.display().to_string() };
        let source: io::Result<Box<dyn Read>> = if stdin {
            Ok(Box::new(io::stdin()))
        } else {
            File::open(path).map(|file| -> Box<dyn Read> { Box::new(file) })
        };
        let mut text = String::new();
        let read = source
            .and_then(|source| source.take(SCRIPT_MAX + 1).read_to_string(&mut text))
            .map_err(|error| format!("cannot read the script {name}: {error}"))?;
        if read as u64 > SCRIPT_MAX {
            return Err(format!("the script {name} is longer than {SCRIPT_MAX} bytes"));
        }
        parse(&text).map(Self).map_err(|errors| {
            let total = errors.len();
            let mut lines: Vec<_> = errors
                .into_iter()
                .take(ERRORS_MAX)
                .map(|(number, error)| format!("{name}:{number}: {error}"))
                .collect();
            if total > ERRORS_MAX {
                lines.push(format!("{name}: {} besides", counted(total - ERRORS_MAX, "bad line")));
            }
            lines.join("\n")
        })
    }
}

/// Reads a script. An error is a line's number, from 1, and what is wrong with it.
fn parse(text: &str) -> Result<VecDeque<ScriptStep>, Vec<(usize, String)>> {
    let (mut steps, mut errors) = (VecDeque::new(), Vec::new());
    let mut now = Duration::ZERO;
    for (index, line) in text.lines().enumerate() {
        match step(line, &mut now) {
            Ok(Some(step)) => steps.push_back(step),
            Ok(None) => {}
            Err(error) => errors.push((index + 1, error)),
        }
    }
    if errors.is_empty() { Ok(steps) } else { Err(errors) }
}

fn step(line: &str, now: &mut Duration) -> Result<Option<ScriptStep>, String> {
    let line = line.trim();
    let (at, rest) = match line.strip_prefix('@') {
        None => (None, line),
        Some(timed) => {
            let (time, rest) = timed.split_once(char::is_whitespace).unwrap_or((timed, ""));
            let example = || format!("{:?} is not @TIME COMMAND, e.g. `@2.5s unplug`", clip(line));
            (Some(parse_duration(time).map_err(|_| example())?), rest)
        }
    };
    let line = command::parse(rest)?;
    if let Some(at) = at {
        if at < *now {
            return Err(format!(
                "@{} is in the past: the lines before it take until {}",
                seconds(at),
                seconds(*now)
            ));
        }
        *now = at;
    }
    if let Some(Line::Sleep(time)) = &line {
        *now += *time;
    }
    Ok((at.is_some() || line.is_some())
        .then(|| ScriptStep { at: at.unwrap_or(Duration::ZERO), line }))
}

fn clip(line: &str) -> String {
    line.chars().take(40).collect()
}

fn seconds(time: Duration) -> String {
    format!("{}s", time.total_micros() as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::ConsoleCommand;

    const fn step(millis: u64, line: Option<Line>) -> ScriptStep {
        ScriptStep { at: Duration::from_millis(millis), line }
    }

    #[test]
    fn a_script_has_times_sleeps_and_comments() {
        let text = "# a pull\n\nplug\n@2.5s unplug # now\nsleep 1s\n@3500ms plug\n@4s\nquit\n";
        let command = |command| Some(Line::Command(command));
        let expected = [
            step(0, command(ConsoleCommand::Plug)),
            step(2500, command(ConsoleCommand::Unplug)),
            step(0, Some(Line::Sleep(Duration::from_secs(1)))),
            step(3500, command(ConsoleCommand::Plug)),
            step(4000, None),
            step(0, command(ConsoleCommand::Quit)),
        ];
        assert_eq!(parse(text).unwrap(), expected);
        assert!(parse("").unwrap().is_empty());
    }

    #[test]
    fn every_bad_line_is_reported_by_its_number() {
        let text = "unplgu\n@2s plug\n@1s unplug\n@ plug\nsleep 5s\n@6.5s quit\n@soon quit\nloss 7";
        let errors = parse(text).unwrap_err();
        let numbers: Vec<_> = errors.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [1, 3, 4, 6, 7, 8]);
        assert!(errors[1].1.contains("@1s is in the past"), "{errors:?}");
        assert!(errors[3].1.contains("@6.5s is in the past: the lines before it take until 7s"));
        assert!(errors[4].1.contains("e.g. `@2.5s unplug`"), "{errors:?}");
    }
}
