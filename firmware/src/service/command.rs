//! The shell's language: one table of commands, and what a line means by it; and how to add to it.
//!
//! A line is bytes, not text: a client may send anything. Words are separated by ASCII white space
//! and compared without regard to case. With the feature `suggest`, a line that means nothing is told what it came
//! closest to.
//!
//! Commands of one's own are a type with [`Commands`], which
//! [`Services::with_commands`](super::Services::with_commands) takes. `firmware/examples/relay.rs` is one; the least of
//! them is
//!
//! ```
//! use core::fmt::Write;
//!
//! use tapboard_firmware::Board;
//! use tapboard_firmware::service::command::{Commands, Help, Usage};
//!
//! /// Switches the LED, in one word.
//! struct Blink;
//!
//! impl<B: Board> Commands<B> for Blink {
//!     const HELP: &'static [Help] =
//!         &[Help { name: "blink", arguments: "", about: "switch the LED" }];
//!
//!     fn run(&mut self, _: &str, _: &[u8], board: &mut B, _: &mut dyn Write) -> Result<(), Usage> {
//!         board.set_led(!board.led());
//!         Ok(())
//!     }
//! }
//! ```

use core::fmt;

#[cfg(feature = "suggest")]
use super::suggest::closest;

/// A command as `help` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Help {
    /// Its first word, in small letters.
    pub name: &'static str,
    /// The other words, with a space before them.
    pub arguments: &'static str,
    /// What it does.
    pub about: &'static str,
}

/// The command does not take the arguments that follow it: the shell answers with its [`Help::arguments`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage;

/// For `?`; the shell's writer itself has no error.
impl From<fmt::Error> for Usage {
    fn from(_: fmt::Error) -> Self {
        Self
    }
}

/// Further commands for the shell of the board `B`; `()` is none.
pub trait Commands<B> {
    /// The commands, in the order of `help`, where they follow the shell's own. Of two with one name the first
    /// counts, and the shell's own before all.
    const HELP: &'static [Help];

    /// Carries out the command `name` of [`Commands::HELP`] and writes the answer, without the end of its last line;
    /// lines before it end in CR LF. What is longer than [`SHELL_OUTPUT`](crate::config::SHELL_OUTPUT) - 2 bytes is
    /// cut. `arguments` is what follows the name, without white space around it. An error answers with the usage
    /// instead.
    fn run(
        &mut self,
        name: &str,
        arguments: &[u8],
        board: &mut B,
        answer: &mut dyn fmt::Write,
    ) -> Result<(), Usage>;
}

impl<B> Commands<B> for () {
    const HELP: &'static [Help] = &[];

    fn run(
        &mut self,
        _name: &str,
        _arguments: &[u8],
        _board: &mut B,
        _answer: &mut dyn fmt::Write,
    ) -> Result<(), Usage> {
        Err(Usage)
    }
}

/// What a line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    /// List the commands.
    Help,
    /// Say whether the LED is lit, after switching it as asked.
    Led(Option<Switch>),
    /// The chip's temperature.
    Temp,
    /// Time since boot.
    Uptime,
    /// The socket table.
    Netstat,
    /// Addresses, gateways, lease.
    Ip,
    /// The address of a name.
    #[cfg(feature = "dns")]
    Host(&'a [u8]),
    /// Make a setting, or list them all: what follows the name of the command.
    #[cfg(feature = "settings")]
    Set(&'a [u8]),
    /// Take a setting back.
    #[cfg(feature = "settings")]
    Unset(&'a [u8]),
    /// Keep the settings.
    #[cfg(feature = "settings")]
    Save,
    /// The counters.
    Stats,
    /// Say that one knows the token.
    #[cfg(feature = "http")]
    Login(&'a [u8]),
    /// Restart the board.
    Reset,
    /// End the session.
    Exit,
    /// One of [`Commands::HELP`], with its arguments.
    Further(&'static Help, &'a [u8]),
}

#[cfg(feature = "http")]
impl Command<'_> {
    /// Whether it changes something, so that it is for those alone who know the token.
    pub(super) const fn changes(&self) -> bool {
        match self {
            // What a command of somebody else's does is not known here.
            Self::Led(Some(_)) | Self::Reset | Self::Further(..) => true,
            #[cfg(feature = "settings")]
            Self::Set(_) | Self::Unset(_) | Self::Save => true,
            _ => false,
        }
    }
}

/// What to do with the LED.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Switch {
    On,
    Off,
    Toggle,
}

/// Why a line is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mistake {
    /// No such command; the closest one, if any is close.
    Unknown(Option<&'static str>),
    /// The command does not take what follows it.
    Usage(&'static Help),
}

/// A command of the shell's own.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) help: Help,
    command: Command<'static>,
}

const fn entry(
    name: &'static str,
    arguments: &'static str,
    about: &'static str,
    command: Command<'static>,
) -> Entry {
    Entry { help: Help { name, arguments, about }, command }
}

/// The shell's own commands, in the order of `help`.
pub(super) static COMMANDS: &[Entry] = &[
    entry("help", "", "this list", Command::Help),
    entry("led", " [on|off|toggle]", "switch the LED, or ask", Command::Led(None)),
    entry("temp", "", "temperature of the chip", Command::Temp),
    entry("uptime", "", "time since boot", Command::Uptime),
    entry("netstat", "", "sockets, with queues and states", Command::Netstat),
    entry("ip", "", "addresses, gateway, lease", Command::Ip),
    #[cfg(feature = "dns")]
    entry("host", " NAME", "look up the address of a host", Command::Host(b"")),
    #[cfg(feature = "settings")]
    entry("set", " [NAME VALUE]", "make a setting, or list them", Command::Set(b"")),
    #[cfg(feature = "settings")]
    entry("unset", " NAME", "go back to what was built in", Command::Unset(b"")),
    #[cfg(feature = "settings")]
    entry("save", "", "keep the settings", Command::Save),
    entry("stats", "", "counters since boot", Command::Stats),
    #[cfg(feature = "http")]
    entry("login", " TOKEN", "before what changes something", Command::Login(b"")),
    entry("reset", "", "restart the board", Command::Reset),
    entry("exit", "", "end this session", Command::Exit),
    entry("quit", "", "the same", Command::Exit),
];

/// What `line` asks for, with `further` commands behind the shell's own; `Ok(None)` if it is blank.
pub(super) fn parse<'a>(
    line: &'a [u8],
    further: &'static [Help],
) -> Result<Option<Command<'a>>, Mistake> {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let Some(name) = words.next() else {
        return Ok(None);
    };
    let is = |help: &Help| name.eq_ignore_ascii_case(help.name.as_bytes());
    let Some(entry) = COMMANDS.iter().find(|entry| is(&entry.help)) else {
        let Some(help) = further.iter().find(|help| is(help)) else {
            #[cfg(feature = "suggest")]
            return Err(Mistake::Unknown(closest(name, names(further))));
            #[cfg(not(feature = "suggest"))]
            return Err(Mistake::Unknown(None));
        };
        return Ok(Some(Command::Further(help, after(name, line))));
    };
    match (entry.command, words.next(), words.next()) {
        #[cfg(feature = "settings")]
        (Command::Set(_), ..) => Ok(Some(Command::Set(after(name, line)))),
        #[cfg(feature = "settings")]
        (Command::Unset(_), Some(name), None) => Ok(Some(Command::Unset(name))),
        #[cfg(feature = "settings")]
        (Command::Unset(_), None, _) => Err(Mistake::Usage(&entry.help)),
        #[cfg(feature = "dns")]
        (Command::Host(_), Some(name), None) => Ok(Some(Command::Host(name))),
        #[cfg(feature = "dns")]
        (Command::Host(_), None, _) => Err(Mistake::Usage(&entry.help)),
        #[cfg(feature = "http")]
        (Command::Login(_), Some(guess), None) => Ok(Some(Command::Login(guess))),
        #[cfg(feature = "http")]
        (Command::Login(_), None, _) => Err(Mistake::Usage(&entry.help)),
        (command, None, _) => Ok(Some(command)),
        (Command::Led(None), Some(word), None) => {
            [(&b"on"[..], Switch::On), (b"off", Switch::Off), (b"toggle", Switch::Toggle)]
                .iter()
                .find(|(name, _)| word.eq_ignore_ascii_case(name))
                .map(|&(_, switch)| Some(Command::Led(Some(switch))))
                .ok_or(Mistake::Usage(&entry.help))
        }
        _ => Err(Mistake::Usage(&entry.help)),
    }
}

/// What follows the word `name`, with which `line` begins, without white space around it.
fn after<'a>(name: &[u8], line: &'a [u8]) -> &'a [u8] {
    line.trim_ascii().get(name.len()..).unwrap_or_default().trim_ascii_start()
}

/// The names of the shell's own commands and `further` ones.
#[cfg(feature = "suggest")]
fn names(further: &'static [Help]) -> impl Iterator<Item = &'static str> + Clone {
    COMMANDS.iter().map(|entry| &entry.help).chain(further).map(|help| help.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_of_the_table_is_understood_in_any_case() {
        for entry in COMMANDS {
            #[cfg(feature = "dns")]
            if matches!(entry.command, Command::Host(_)) {
                continue;
            }
            #[cfg(feature = "settings")]
            if matches!(entry.command, Command::Unset(_)) {
                continue;
            }
            #[cfg(feature = "http")]
            if matches!(entry.command, Command::Login(_)) {
                continue;
            }
            let line = std::format!(" {}\t", entry.help.name);
            assert_eq!(parse(line.as_bytes(), &[]), Ok(Some(entry.command)));
            assert_eq!(parse(line.to_uppercase().as_bytes(), &[]), Ok(Some(entry.command)));
        }
        assert_eq!(parse(b"led  Toggle", &[]), Ok(Some(Command::Led(Some(Switch::Toggle)))));
        assert_eq!(parse(b"led on", &[]), Ok(Some(Command::Led(Some(Switch::On)))));
        assert_eq!(parse(b"led off ", &[]), Ok(Some(Command::Led(Some(Switch::Off)))));
        #[cfg(feature = "dns")]
        assert_eq!(parse(b"HOST Desk.local", &[]), Ok(Some(Command::Host(b"Desk.local"))));
        #[cfg(feature = "settings")]
        assert_eq!(parse(b"Set name  a  b ", &[]), Ok(Some(Command::Set(b"name  a  b"))));
        #[cfg(feature = "settings")]
        assert_eq!(parse(b"unset ip", &[]), Ok(Some(Command::Unset(b"ip"))));
        assert_eq!(parse(b"  \t ", &[]), Ok(None));
        assert_eq!(parse(b"", &[]), Ok(None));
    }

    #[test]
    fn wrong_arguments_name_the_command() {
        for line in ["led maybe", "led on off", "temp now", "exit 0"] {
            let Err(Mistake::Usage(help)) = parse(line.as_bytes(), &[]) else {
                panic!("{line}");
            };
            assert!(line.starts_with(help.name));
        }
    }

    #[test]
    fn a_further_command_gets_what_follows_its_name() {
        static FURTHER: [Help; 2] = [
            Help { name: "relay", arguments: " [open|close]", about: "" },
            Help { name: "temp", arguments: "", about: "" },
        ];
        for (line, arguments) in [("relay", ""), (" RELAY \t open  now ", "open  now")] {
            let expected = Command::Further(&FURTHER[0], arguments.as_bytes());
            assert_eq!(parse(line.as_bytes(), &FURTHER), Ok(Some(expected)), "{line}");
        }
        assert_eq!(parse(b"temp", &FURTHER), Ok(Some(Command::Temp)), "the shell's own is first");
    }

    #[cfg(feature = "suggest")]
    #[test]
    fn a_misspelt_command_is_suggested_of_the_shells_own_and_of_further_ones() {
        static FURTHER: [Help; 1] = [Help { name: "relay", arguments: "", about: "" }];
        let unknown = |name| Err(Mistake::Unknown(name));
        assert_eq!(parse(b"netsatt", &FURTHER), unknown(Some("netstat")));
        assert_eq!(parse(b"realy", &FURTHER), unknown(Some("relay")));
        assert_eq!(parse(b"realy", &[]), unknown(None));
    }
}
