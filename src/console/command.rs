//! What the console understands: one list of commands, from which both the parser and the help work.
//!
//! A line is a command or a fault with its value; what follows a `#` at its start or after a blank is a
//! comment. A line that is neither gets one sentence that names what would do instead. Cost: a walk
//! over the list.

mod board_set;
pub(crate) mod boards;

use std::path::PathBuf;

use smoltcp::time::Duration;

pub use self::board_set::BoardSet;
pub use self::boards::{BoardsAction, BoardsCommand};
use crate::gateway::ForwardCommand;
use crate::link::Side;
use crate::link::{Setting, parse_duration};

/// Characters of a user's word that an error repeats.
const QUOTED_MAX: usize = 40;
/// Characters of a value; only a forward of an IPv6 address is nearly as long.
const VALUE_MAX: usize = 64;

/// What the driver is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsoleCommand {
    /// Print [`help`].
    Help,
    /// Take the cable out.
    Unplug,
    /// Put the cable in.
    Plug,
    /// Change one fault.
    Fault {
        /// The direction to that side, or both.
        to: Option<Side>,
        /// The fault and its value.
        setting: Setting,
    },
    /// Take all faults away.
    Heal,
    /// Print what is wrong with the cable.
    Link,
    /// Power-cycle the board.
    Reset,
    /// Do something to some boards of a fleet.
    Boards(BoardsCommand),
    /// Print the board's sockets.
    Netstat,
    /// Print the counters.
    Stats,
    /// Write all frames from now on to this file.
    CaptureStart(PathBuf),
    /// Close that file.
    CaptureStop,
    /// Change which ports are forwarded, or list them.
    Forward(ForwardCommand),
    /// End the simulator in order.
    Quit,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A command for the driver.
    Command(ConsoleCommand),
    /// The commands after it wait that long; the console sees to that itself.
    Sleep(Duration),
}

/// What follows a command's name.
enum Takes {
    Nothing(ConsoleCommand),
    File,
    Time,
    /// A port of this machine and one of the board's.
    Forward,
    /// A port of this machine.
    Port,
}

struct Entry {
    name: &'static str,
    /// Another name, or empty.
    also: &'static str,
    takes: Takes,
    help: &'static str,
}

const fn plain(
    name: &'static str,
    also: &'static str,
    command: ConsoleCommand,
    help: &'static str,
) -> Entry {
    Entry { name, also, takes: Takes::Nothing(command), help }
}

static COMMANDS: [Entry; 15] = [
    plain("unplug", "", ConsoleCommand::Unplug, "take the cable out"),
    plain("plug", "", ConsoleCommand::Plug, "put it in again"),
    plain("heal", "clear", ConsoleCommand::Heal, "take all faults away"),
    plain("link", "", ConsoleCommand::Link, "what is wrong with the cable now"),
    plain("reset", "", ConsoleCommand::Reset, "power-cycle the board: RAM lost, same addresses"),
    plain("netstat", "", ConsoleCommand::Netstat, "the board's sockets"),
    plain(
        "stats",
        "",
        ConsoleCommand::Stats,
        "the board's counters, and rates since the last time",
    ),
    Entry {
        name: "capture start",
        also: "",
        takes: Takes::File,
        help: "write every frame to this pcapng file",
    },
    plain("capture stop", "", ConsoleCommand::CaptureStop, "close that file"),
    plain(
        "forwards",
        "",
        ConsoleCommand::Forward(ForwardCommand::List),
        "the ports that lead to the board",
    ),
    Entry {
        name: "forward",
        also: "",
        takes: Takes::Forward,
        help: "let a port of this machine lead to one of the board's",
    },
    Entry {
        name: "unforward",
        also: "",
        takes: Takes::Port,
        help: "let it lead there no more; connections go on",
    },
    Entry { name: "sleep", also: "", takes: Takes::Time, help: "let what follows wait that long" },
    plain("help", "?", ConsoleCommand::Help, "this list"),
    plain("quit", "exit", ConsoleCommand::Quit, "close connections and end"),
];

/// What a fault does, by its name in [`Setting::NAMES`].
fn meaning(fault: &str) -> &'static str {
    match fault {
        "loss" => "frames lost at random",
        "burst" => "frames lost in bursts: the chances to begin and to end one",
        "corrupt" => "frames with one bit flipped",
        "duplicate" => "frames that arrive twice",
        "reorder" => "frames that later ones overtake",
        "delay" => "how long every frame takes",
        "jitter" => "by how much more or less",
        "rate" => "bits a second",
        "queue" => "bytes that may wait for the rate",
        "mtu" => "largest IP packet",
        "partition" => "nothing gets through",
        _ => "",
    }
}

/// What the help says before the faults.
const FAULTS: &str = "\
Faults, in both directions; `loss in 5%` only to the board, `loss out 5%` only from it;
`off` takes one away:";

/// The list of all commands, a line each, made from what the parser knows.
#[must_use]
pub fn help() -> String {
    let mut rows: Vec<(String, String)> = COMMANDS.iter().map(Entry::describe).collect();
    for (name, example) in Setting::NAMES {
        rows.push((format!("{name} {example}"), meaning(name).to_string()));
    }
    let width = rows.iter().map(|(usage, _)| usage.len()).max().unwrap_or(0);
    let mut lines = vec!["Commands:".to_string()];
    for (index, (usage, help)) in rows.iter().enumerate() {
        if index == COMMANDS.len() {
            lines.push(FAULTS.into());
        }
        lines.push(format!("  {usage:width$}  {help}"));
    }
    lines.join("\n")
}

/// A user's word as an error repeats it.
fn quoted(word: &str) -> String {
    let mut short: String = word.chars().take(QUOTED_MAX).collect();
    if short.len() < word.len() {
        short.push('…');
    }
    format!("{short:?}")
}

/// The words of `name` off the front of `line`: what is left, without the blanks around it.
fn after<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = line;
    for word in name.split(' ') {
        rest = rest.strip_prefix(word)?;
        if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
            return None;
        }
        rest = rest.trim_start();
    }
    Some(rest)
}

/// `line` up to a `#` at its start or after a blank.
fn without_comment(line: &str) -> &str {
    let mut before = ' ';
    for (index, character) in line.char_indices() {
        if character == '#' && before.is_whitespace() {
            return &line[..index];
        }
        before = character;
    }
    line
}

/// Reads a line; `None` for a blank one or a comment.
pub fn parse(line: &str) -> Result<Option<Line>, String> {
    let line = without_comment(line).trim();
    if line.is_empty() {
        return Ok(None);
    }
    if line.starts_with('@') {
        return Err("only a --script file has times such as @2.5s; here, `sleep 2.5s`".into());
    }
    if let Some(command) = boards::parse(line) {
        return command.map(|command| Some(Line::Command(ConsoleCommand::Boards(command))));
    }
    for entry in &COMMANDS {
        let also = (!entry.also.is_empty()).then(|| after(line, entry.also)).flatten();
        if let Some(rest) = after(line, entry.name).or(also) {
            return entry.read(rest).map(Some);
        }
    }
    for (name, example) in Setting::NAMES {
        if let Some(rest) = after(line, name) {
            return fault(name, example, rest).map(|command| Some(Line::Command(command)));
        }
    }
    Err(unknown(line))
}

impl Entry {
    /// How to write it, and what it does.
    fn describe(&self) -> (String, String) {
        let usage = match self.takes {
            Takes::Nothing(_) => self.name.to_string(),
            Takes::File => format!("{} FILE", self.name),
            Takes::Time => format!("{} 1.5s", self.name),
            Takes::Forward => format!("{} 8080:80", self.name),
            Takes::Port => format!("{} 8080", self.name),
        };
        if self.also.is_empty() {
            return (usage, self.help.to_string());
        }
        (usage, format!("{} (also: {})", self.help, self.also))
    }

    fn read(&self, rest: &str) -> Result<Line, String> {
        match &self.takes {
            Takes::Nothing(command) if rest.is_empty() => Ok(Line::Command(command.clone())),
            Takes::Nothing(_) => {
                Err(format!("`{}` stands alone, without {}", self.name, quoted(rest)))
            }
            Takes::File => {
                let bare = rest.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
                let path = bare.unwrap_or(rest);
                if path.is_empty() {
                    return Err(format!("`{0}` needs a file: `{0} board.pcapng`", self.name));
                }
                Ok(Line::Command(ConsoleCommand::CaptureStart(path.into())))
            }
            Takes::Time if rest.is_empty() => {
                Err(format!("`{0}` needs a time: `{0} 1.5s`", self.name))
            }
            Takes::Time => parse_duration(short(rest)?).map(Line::Sleep),
            Takes::Forward => {
                let forward = short(rest)?.parse()?;
                Ok(Line::Command(ConsoleCommand::Forward(ForwardCommand::Add(forward))))
            }
            Takes::Port => {
                let port = short(rest)?.parse().map_err(|error| {
                    format!("{} is no port of this machine, e.g. 8080: {error}", quoted(rest))
                })?;
                Ok(Line::Command(ConsoleCommand::Forward(ForwardCommand::Remove(port))))
            }
        }
    }
}

/// A value, unless it is absurdly long.
fn short(value: &str) -> Result<&str, String> {
    if value.chars().count() > VALUE_MAX {
        return Err(format!("{} is too long for a value", quoted(value)));
    }
    Ok(value)
}

/// What follows a fault's name: `5%`, `in 5%`, and for a partition also just `in`.
fn fault(name: &str, example: &str, rest: &str) -> Result<ConsoleCommand, String> {
    let (to, value) = [("in", Some(Side::Board)), ("out", Some(Side::Peer)), ("both", None)]
        .into_iter()
        .find_map(|(word, to)| after(rest, word).map(|value| (to, value)))
        .unwrap_or((None, rest));
    let value = match value {
        "" if name == "partition" && !rest.is_empty() => "on",
        "" => {
            return Err(format!("`{name}` needs a value: `{name} {example}`, or `{name} off`"));
        }
        value => short(value)?,
    };
    let setting = Setting::parse(name, value).map_err(|error| {
        let misplaced = ["in", "out", "both"].iter().any(|word| value.ends_with(word));
        let hint = if misplaced && name != "partition" {
            format!("; the direction comes first: `{name} in {example}`")
        } else {
            String::new()
        };
        format!("{error}{hint}")
    })?;
    Ok(ConsoleCommand::Fault { to, setting })
}

/// What follows the name of a command or a fault, for who completes it.
#[cfg(unix)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follows {
    /// Nothing.
    Nothing,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// A file.
    File,
    /// A forwarded port.
    Forwarded,
    /// A fault's value, such as this one, or a direction before it.
    Fault(&'static str),
}

/// What follows the name that begins `line`, and as far as it is there already: the name is over only with a blank.
#[cfg(unix)]
pub(super) fn begun(line: &str) -> Option<(Follows, &str)> {
    let blank = line.ends_with(char::is_whitespace);
    let rest = |name: &str| after(line, name).filter(|rest| !rest.is_empty() || blank);
    let entry = COMMANDS.iter().find_map(|entry| {
        let follows = match entry.takes {
            Takes::Nothing(_) => Follows::Nothing,
            Takes::File => Follows::File,
            Takes::Time => Follows::OneOf(&["1.5s"]),
            Takes::Forward => Follows::OneOf(&["8080:80"]),
            Takes::Port => Follows::Forwarded,
        };
        Some((follows, rest(entry.name)?))
    });
    let fault = |(name, example)| Some((Follows::Fault(example), rest(name)?));
    entry.or_else(|| Setting::NAMES.into_iter().find_map(fault))
}

/// All names of commands and faults.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let commands = COMMANDS.iter().flat_map(|entry| [entry.name, entry.also]);
    commands.filter(|name| name.len() > 1).chain(Setting::NAMES.iter().map(|(name, _)| *name))
}

/// The error for a line that no name begins.
fn unknown(line: &str) -> String {
    let near = |name: &&str| {
        let words = name.split(' ').count();
        let typed: Vec<_> = line.split_whitespace().take(words).collect();
        let typed = typed.join(" ").to_lowercase();
        if typed.len() >= 3 && name.starts_with(&typed) { 0 } else { distance(&typed, name) }
    };
    let word = quoted(line.split_whitespace().next().unwrap_or(line));
    match names().chain([boards::POWER]).min_by_key(near) {
        Some(name) if near(&name) <= (name.len() / 3).clamp(1, 3) => {
            format!("there is no command {word}; did you mean `{name}`?")
        }
        _ => format!("there is no command {word}; `help` lists what there is"),
    }
}

/// Insertions, deletions and replacements from one word to another, after Levenshtein.
fn distance(from: &str, to: &str) -> usize {
    if from.len() > to.len() + 4 {
        // Too long to be near anything; also the bound of the work below.
        return from.len() - to.len();
    }
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, character) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(character != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests;
