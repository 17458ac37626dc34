//! What the console can do to some of a fleet's boards: the commands that name them.
//!
//! A command with boards is one of one board's with [a set](BoardSet) behind its name, `unplug 1-300`, `loss 30% in 5%`,
//! or `power`, which only a fleet has. What names no boards is left to the console's own list.

use super::board_set::BoardSet;
use crate::link::{Setting, Side};

/// What happens to boards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoardsAction {
    /// Their cables come out, or go in.
    Plug(bool),
    /// Their power goes off, or comes on.
    Power(bool),
    /// Off, and on again.
    Reset,
    /// One fault of their cables changes.
    Fault {
        /// The direction to that side, or both.
        to: Option<Side>,
        /// The fault and its value.
        setting: Setting,
    },
    /// Their cables have no faults any more.
    Heal,
}

/// A command for some boards of a fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardsCommand {
    /// Which.
    pub boards: BoardSet,
    /// What happens to them.
    pub action: BoardsAction,
}

/// The command that only a fleet has.
pub(crate) const POWER: &str = "power";
/// Its ways, for who completes it.
#[cfg(unix)]
pub(crate) const WAYS: [&str; 2] = ["off", "on"];
/// Boards as they are written, for who completes them.
#[cfg(unix)]
pub(crate) const SETS: [&str; 3] = ["1-300", "30%", "all"];

/// Whether a command may name boards, and no more than them.
#[cfg(unix)]
pub(crate) fn takes_boards(name: &str) -> bool {
    matches!(name, "plug" | "unplug" | "reset" | "heal" | "clear")
}

/// How each is written, and what it does.
const HELP: [(&str, &str); 6] = [
    ("power off 1-300", "cut their power: RAM lost, nobody told"),
    ("power on 1-300", "give it back to all of them within a second"),
    ("reset 7", "both, one after the other; `reset` resets all"),
    ("unplug 30%", "take their cables out; `plug 30%` puts them in"),
    ("loss 1-10,21 in 5%", "a fault of their own cables, or any other fault"),
    ("heal all", "take the faults of their own cables away"),
];

/// The list of these commands, a line each.
pub(crate) fn help() -> String {
    let mut lines = vec![
        "Of a fleet's boards, here as 1-300, 1-10,21, 30% (always the same) or all:".to_owned(),
    ];
    lines.extend(HELP.iter().map(|(usage, help)| format!("  {usage:<18}  {help}")));
    lines.join("\n")
}

/// Reads a line if it names boards; `None` for one that is for somebody else.
pub(crate) fn parse(line: &str) -> Option<Result<BoardsCommand, String>> {
    let mut words = line.split_whitespace();
    let name = words.next()?;
    let words: Vec<_> = words.collect();
    if name == POWER {
        return Some(power(&words));
    }
    let action = match name {
        "plug" | "unplug" => BoardsAction::Plug(name == "plug"),
        "reset" => BoardsAction::Reset,
        "heal" | "clear" => BoardsAction::Heal,
        _ => return fault(name, &words),
    };
    match words[..] {
        [] => None,
        // What can be no boards may be a mistake of another kind, which the console's own list tells.
        [boards, ..]
            if !boards.starts_with(|first: char| first.is_ascii_digit()) && boards != "all" =>
        {
            None
        }
        [boards] => Some(boards.parse().map(|boards| BoardsCommand { boards, action })),
        _ => Some(Err(format!("`{name}` takes boards and no more: `{name} 1-300`"))),
    }
}

fn power(words: &[&str]) -> Result<BoardsCommand, String> {
    match words {
        [way @ ("on" | "off"), boards] => {
            let action = BoardsAction::Power(*way == "on");
            Ok(BoardsCommand { boards: boards.parse()?, action })
        }
        _ => Err("`power` needs a way and boards: `power off 1-300`, `power on 30%`".to_owned()),
    }
}

/// A fault with boards before its value. With one word behind its name it is the whole cable's.
fn fault(name: &str, words: &[&str]) -> Option<Result<BoardsCommand, String>> {
    if words.len() < 2 || !Setting::NAMES.iter().any(|(known, _)| *known == name) {
        return None;
    }
    // `loss 10 %` is a value with a blank in it.
    if Setting::parse(name, &words.join(" ")).is_ok() {
        return None;
    }
    let boards = words[0].parse().ok()?;
    let (to, value) = match words[1..] {
        ["in", value] => (Some(Side::Board), value),
        ["out", value] => (Some(Side::Peer), value),
        // The direction behind the value, which the console's own list explains.
        ["in" | "out" | "both"] => return None,
        ["both", value] | [value] => (None, value),
        _ => return Some(Err(format!("`{name}` takes boards and a value: `{name} 1-300 5%`"))),
    };
    let setting = Setting::parse(name, value);
    Some(
        setting
            .map(|setting| BoardsCommand { boards, action: BoardsAction::Fault { to, setting } }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_may_name_boards() {
        let loss = || Setting::parse("loss", "5%").unwrap();
        for (line, boards, action) in [
            ("power off 1-300", "1-300", BoardsAction::Power(false)),
            ("power  on 30%", "30%", BoardsAction::Power(true)),
            ("unplug 7", "7", BoardsAction::Plug(false)),
            ("plug all", "all", BoardsAction::Plug(true)),
            ("reset 1,3", "1,3", BoardsAction::Reset),
            ("heal 1-2", "1-2", BoardsAction::Heal),
            ("loss 30% 5%", "30%", BoardsAction::Fault { to: None, setting: loss() }),
            ("loss 7 in 5%", "7", BoardsAction::Fault { to: Some(Side::Board), setting: loss() }),
        ] {
            let boards = boards.parse().unwrap();
            assert_eq!(parse(line), Some(Ok(BoardsCommand { boards, action })), "{line}");
        }
    }

    #[test]
    fn the_help_is_of_commands_that_there_are() {
        for (usage, meaning) in HELP {
            assert!(parse(usage).is_some_and(|read| read.is_ok()), "{usage}");
            assert!(help().contains(meaning) && help().lines().all(|line| line.len() <= 100));
        }
    }

    #[test]
    fn what_names_no_boards_is_not_for_a_fleet() {
        for line in [
            "unplug",
            "reset",
            "heal",
            "loss 5%",
            "loss in 5%",
            "help",
            "netstat 7",
            "unplug now",
            "loss 10 %",
            "loss 5% in",
            "",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn a_mistake_is_told_with_what_would_do() {
        for (line, remedy) in [
            ("power", "`power off 1-300`"),
            ("power 7", "`power off 1-300`"),
            ("power up 7", "`power off 1-300`"),
            ("power off seven", "1-300"),
            ("unplug 1-", "30%"),
            ("reset 1 2", "`reset 1-300`"),
            ("loss 1-3 in out 5%", "`loss 1-300 5%`"),
            ("loss 1-3 5", "5"),
        ] {
            let error = parse(line).expect("it is for a fleet").unwrap_err();
            assert!(error.contains(remedy), "{line}: {error}");
        }
    }
}
