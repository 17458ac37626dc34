//! The shell's language: one table of commands, and what a line means by it.
//!
//! A line is bytes, not text: a client may send anything. Words are separated by ASCII white space
//! and compared without regard to case. A line that means nothing is told what it came closest to.

/// What a line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
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
    /// The counters.
    Stats,
    /// Restart the board.
    Reset,
    /// End the session.
    Exit,
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
    Usage(&'static Entry),
}

/// A command as `help` shows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its first word.
    pub(super) name: &'static str,
    /// The other words, with a space before them.
    pub(super) arguments: &'static str,
    /// What it does.
    pub(super) about: &'static str,
    command: Command,
}

const fn entry(
    name: &'static str,
    arguments: &'static str,
    about: &'static str,
    command: Command,
) -> Entry {
    Entry { name, arguments, about, command }
}

/// All commands, in the order of `help`.
pub(super) static COMMANDS: [Entry; 9] = [
    entry("help", "", "this list", Command::Help),
    entry("led", " [on|off|toggle]", "switch the LED, or ask", Command::Led(None)),
    entry("temp", "", "temperature of the chip", Command::Temp),
    entry("uptime", "", "time since boot", Command::Uptime),
    entry("netstat", "", "sockets, with queues and states", Command::Netstat),
    entry("stats", "", "counters since boot", Command::Stats),
    entry("reset", "", "restart the board", Command::Reset),
    entry("exit", "", "end this session", Command::Exit),
    entry("quit", "", "the same", Command::Exit),
];

/// The longest word that is compared with the commands' names for likeness.
const WORD: usize = 12;

/// Edits up to which a word is taken for a misspelt command.
const EDITS: usize = 2;

/// What `line` asks for; `Ok(None)` if it is blank.
pub(super) fn parse(line: &[u8]) -> Result<Option<Command>, Mistake> {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let Some(name) = words.next() else {
        return Ok(None);
    };
    let known = COMMANDS.iter().find(|entry| name.eq_ignore_ascii_case(entry.name.as_bytes()));
    let Some(entry) = known else {
        return Err(Mistake::Unknown(closest(name)));
    };
    match (entry.command, words.next(), words.next()) {
        (command, None, _) => Ok(Some(command)),
        (Command::Led(None), Some(word), None) => {
            [(&b"on"[..], Switch::On), (b"off", Switch::Off), (b"toggle", Switch::Toggle)]
                .iter()
                .find(|(name, _)| word.eq_ignore_ascii_case(name))
                .map(|&(_, switch)| Some(Command::Led(Some(switch))))
                .ok_or(Mistake::Usage(entry))
        }
        _ => Err(Mistake::Usage(entry)),
    }
}

/// The command that `word` begins, or else the one it is the fewest edits away from.
fn closest(word: &[u8]) -> Option<&'static str> {
    let begins = |entry: &&Entry| {
        let name = entry.name.as_bytes();
        name.len() >= word.len() && name[..word.len()].eq_ignore_ascii_case(word)
    };
    if let Some(entry) = COMMANDS.iter().find(begins) {
        return Some(entry.name);
    }
    COMMANDS
        .iter()
        .filter_map(|entry| Some((distance(word, entry.name.as_bytes())?, entry.name)))
        .filter(|&(edits, _)| edits <= EDITS && edits < word.len())
        .min_by_key(|&(edits, _)| edits)
        .map(|(_, name)| name)
}

/// Insertions, deletions and substitutions that make `name` of `word` (Levenshtein), or `None` if
/// `word` is longer than any command could be misspelt.
fn distance(word: &[u8], name: &[u8]) -> Option<usize> {
    let mut row = [0; WORD + 1];
    let row = row.get_mut(..=word.len())?;
    for (edits, cell) in row.iter_mut().enumerate() {
        *cell = edits;
    }
    for letter in name {
        let mut diagonal = row[0];
        row[0] += 1;
        for (index, typed) in word.iter().enumerate() {
            let substituted = diagonal + usize::from(!typed.eq_ignore_ascii_case(letter));
            diagonal = row[index + 1];
            row[index + 1] = substituted.min(diagonal + 1).min(row[index] + 1);
        }
    }
    row.last().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_of_the_table_is_understood_in_any_case() {
        for entry in &COMMANDS {
            let line = std::format!(" {}\t", entry.name);
            assert_eq!(parse(line.as_bytes()), Ok(Some(entry.command)));
            assert_eq!(parse(line.to_uppercase().as_bytes()), Ok(Some(entry.command)));
        }
        assert_eq!(parse(b"led  Toggle"), Ok(Some(Command::Led(Some(Switch::Toggle)))));
        assert_eq!(parse(b"led on"), Ok(Some(Command::Led(Some(Switch::On)))));
        assert_eq!(parse(b"led off "), Ok(Some(Command::Led(Some(Switch::Off)))));
        assert_eq!(parse(b"  \t "), Ok(None));
        assert_eq!(parse(b""), Ok(None));
    }

    #[test]
    fn wrong_arguments_name_the_command() {
        for line in ["led maybe", "led on off", "temp now", "exit 0"] {
            let Err(Mistake::Usage(entry)) = parse(line.as_bytes()) else {
                panic!("{line}");
            };
            assert!(line.starts_with(entry.name));
        }
    }

    #[test]
    fn a_misspelt_command_is_recognised_and_nonsense_is_not() {
        for (word, name) in [
            ("hlep", "help"),
            ("tmep", "temp"),
            ("net", "netstat"),
            ("NETSTART", "netstat"),
            ("stat", "stats"),
            ("q", "quit"),
            ("resett", "reset"),
            ("lde", "led"),
        ] {
            assert_eq!(parse(word.as_bytes()), Err(Mistake::Unknown(Some(name))), "{word}");
        }
        for word in ["xyzzy", "z", "\u{e9}", "averyveryverylongword", "GET"] {
            let answer = parse(word.as_bytes());
            assert!(matches!(answer, Err(Mistake::Unknown(_))), "{word}: {answer:?}");
        }
        for word in [&b"xyzzy"[..], b"gibberish"] {
            assert_eq!(parse(word), Err(Mistake::Unknown(None)));
        }
        assert_eq!(parse(b"\xff\xfe\x80\x81"), Err(Mistake::Unknown(None)));
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance(b"kitten", b"sitting"), Some(3));
        assert_eq!(distance(b"", b"led"), Some(3));
        assert_eq!(distance(b"exactly12chr", b"led").is_some(), WORD >= 12);
        assert_eq!(distance(b"thirteenchars", b"led"), None);
    }
}
