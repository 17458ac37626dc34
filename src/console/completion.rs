//! What can follow what is typed, for the Tab key: names of commands and faults, a fault's direction and a value such as
//! it has, ports that are forwarded, files. Cost: a walk over the commands, or over [`ENTRIES_MAX`] entries of a
//! directory.

use std::fs;
use std::path::Path;

use super::command::boards::{POWER, SETS, WAYS, takes_boards};
use super::command::{self, BoardSet, Follows};

/// Entries of a directory that are looked at.
const ENTRIES_MAX: usize = 1000;
/// Candidates that are listed.
const LISTED_MAX: usize = 100;

/// What can stand in place of the end of what is typed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Completion {
    /// Bytes of what is typed that stay.
    pub(super) kept: usize,
    /// In order, none of them twice.
    pub(super) candidates: Vec<String>,
}

/// Whether what is forwarded has to be known.
pub(super) fn needs_forwarded(typed: &str) -> bool {
    matches!(command::begun(typed.trim_start()), Some((Follows::Forwarded, _)))
}

/// What can follow; `forwarded` are the ports as they are written.
pub(super) fn complete(typed: &str, forwarded: &[String]) -> Completion {
    let line = typed.trim_start();
    let Some((follows, rest)) = command::begun(line) else {
        return Completion::of(typed, line, command::names());
    };
    match follows {
        Follows::Nothing => Completion::default(),
        Follows::OneOf(values) => Completion::of(typed, rest, values.iter().copied()),
        Follows::Forwarded => Completion::of(typed, rest, forwarded.iter().map(String::as_str)),
        Follows::File => files(typed, rest),
        Follows::Fault(example) => match rest.split_once(char::is_whitespace) {
            None => Completion::of(typed, rest, ["in", "out", example, "off"]),
            Some(("in" | "out" | "both", value)) => {
                Completion::of(typed, value.trim_start(), [example, "off"])
            }
            Some(_) => Completion::default(),
        },
    }
}

/// What can follow where commands may name boards.
pub(super) fn complete_with_boards(typed: &str, forwarded: &[String]) -> Completion {
    let line = typed.trim_start();
    let Some((name, rest)) = line.split_once(char::is_whitespace) else {
        return Completion::of(typed, line, command::names().chain([POWER]));
    };
    let rest = rest.trim_start();
    let words = rest.split_once(char::is_whitespace);
    match (command::begun(line), words) {
        _ if takes_boards(name) => Completion::of(typed, rest, SETS),
        _ if name == POWER => match words {
            None => Completion::of(typed, rest, WAYS),
            Some((way, boards)) if WAYS.contains(&way) => {
                Completion::of(typed, boards.trim_start(), SETS)
            }
            Some(_) => Completion::default(),
        },
        (Some((Follows::Fault(example), _)), None) => {
            Completion::of(typed, rest, ["in", "out", example, "off"].into_iter().chain(SETS))
        }
        (Some((Follows::Fault(_), _)), Some((boards, fault)))
            if boards.parse::<BoardSet>().is_ok() =>
        {
            let fault = complete(&format!("{name} {}", fault.trim_start()), forwarded);
            let kept = fault.kept + typed.len();
            let whole = name.len() + 1 + words.map_or(0, |(_, fault)| fault.trim_start().len());
            Completion { kept: kept - whole, ..fault }
        }
        _ => complete(typed, forwarded),
    }
}

impl Completion {
    /// Those of `all` that begin with `begun`, with which `typed` ends.
    fn of<'a>(typed: &str, begun: &str, all: impl IntoIterator<Item = &'a str>) -> Self {
        let matching = all.into_iter().filter(|word| word.starts_with(begun));
        let mut candidates: Vec<String> = matching.map(String::from).collect();
        candidates.sort();
        candidates.dedup();
        Self { kept: typed.len() - begun.len(), candidates }
    }

    /// What all candidates begin with, and a blank behind the only one unless that is a directory.
    pub(super) fn certain(&self) -> String {
        let Some((first, others)) = self.candidates.split_first() else { return String::new() };
        let mut len = first.len();
        for other in others {
            let same = first.chars().zip(other.chars()).take_while(|(a, b)| a == b);
            len = len.min(same.map(|(character, _)| character.len_utf8()).sum());
        }
        let blank = others.is_empty() && !first.ends_with('/');
        format!("{}{}", &first[..len], if blank { " " } else { "" })
    }

    /// The candidates in one line, files without their directory.
    pub(super) fn list(&self) -> String {
        let short = |path: &str| {
            let name = path.trim_end_matches('/');
            path[name.rfind('/').map_or(0, |slash| slash + 1)..].to_string()
        };
        let mut words: Vec<_> = self.candidates.iter().map(|path| short(path)).collect();
        if words.len() > LISTED_MAX {
            words.truncate(LISTED_MAX);
            words.push(format!("... {} in all", self.candidates.len()));
        }
        words.join("  ")
    }
}

/// Files and directories whose path begins with `begun`; hidden ones if their name's dot is there.
fn files(typed: &str, begun: &str) -> Completion {
    let begun = begun.strip_prefix('"').unwrap_or(begun);
    let directory = begun.rfind('/').map_or("", |slash| &begun[..=slash]);
    let name = &begun[directory.len()..];
    let path = if directory.is_empty() { Path::new(".") } else { Path::new(directory) };
    let Ok(entries) = fs::read_dir(path) else { return Completion::default() };
    let paths: Vec<String> = entries
        .take(ENTRIES_MAX)
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let found = entry.file_name().into_string().ok()?;
            let hidden = found.starts_with('.') && !name.starts_with('.');
            if hidden || found.contains(char::is_control) {
                return None;
            }
            // Through a symbolic link.
            let slash =
                if fs::metadata(entry.path()).is_ok_and(|it| it.is_dir()) { "/" } else { "" };
            Some(format!("{directory}{found}{slash}"))
        })
        .collect();
    Completion::of(typed, begun, paths.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::super::command::{ConsoleCommand, Line};
    use super::*;
    use crate::scratch::Scratch;

    fn candidates(typed: &str) -> Vec<String> {
        complete(typed, &["7007".into(), "udp:192.168.0.1:7009".into()]).candidates
    }

    #[test]
    fn names_are_completed_and_what_follows_them() {
        for (typed, expected) in [
            ("unp", &["unplug"][..]),
            ("  un", &["unforward", "unplug"]),
            ("cap", &["capture start", "capture stop"]),
            ("capture st", &["capture start", "capture stop"]),
            ("loss", &["loss"]),
            ("loss ", &["5%", "in", "off", "out"]),
            ("loss o", &["off", "out"]),
            ("delay in ", &["40ms", "off"]),
            ("delay in 4", &["40ms"]),
            ("partition in o", &["off", "on"]),
            ("partition x ", &[]),
            ("sleep ", &["1.5s"]),
            ("forward ", &["8080:80"]),
            ("unforward ", &["7007", "udp:192.168.0.1:7009"]),
            ("unforward u", &["udp:192.168.0.1:7009"]),
            ("unplug ", &[]),
            ("zzz", &[]),
            ("# unp", &[]),
        ] {
            assert_eq!(candidates(typed), expected, "{typed:?}");
        }
        assert!(candidates("").contains(&"help".into()));
        assert!(needs_forwarded(" unforward 7") && !needs_forwarded("unforward"));
    }

    #[test]
    fn in_a_fleet_boards_follow_too() {
        let of = |typed: &str| complete_with_boards(typed, &["7007".into()]);
        for (typed, expected) in [
            ("po", &["power"][..]),
            ("unp", &["unplug"]),
            ("power ", &["off", "on"]),
            ("power of", &["off"]),
            ("power off ", &["1-300", "30%", "all"]),
            (" power  on  a", &["all"]),
            ("power 7 ", &[]),
            ("reset ", &["1-300", "30%", "all"]),
            ("heal a", &["all"]),
            ("unplug 1-300 ", &[]),
            ("loss ", &["1-300", "30%", "5%", "all", "in", "off", "out"]),
            ("loss 1-300 ", &["5%", "in", "off", "out"]),
            ("loss 1-300  i", &["in"]),
            ("delay all in ", &["40ms", "off"]),
            ("delay in ", &["40ms", "off"]),
            ("capture st", &["capture start", "capture stop"]),
            ("unforward ", &["7007"]),
        ] {
            assert_eq!(of(typed).candidates, expected, "{typed:?}");
        }
        assert!(!complete("po", &[]).candidates.contains(&"power".into()), "one board has none");
        for typed in ["unplug a", "power off a", " loss  3,5  in 5", "delay all 4", "power on 3"] {
            let completion = of(typed);
            let line = format!("{}{}", &typed[..completion.kept], completion.certain());
            let read = command::parse(&line);
            assert!(matches!(read, Ok(Some(Line::Command(ConsoleCommand::Boards(_))))), "{line:?}");
        }
    }

    #[test]
    fn what_is_completed_is_a_line_that_can_be_entered() {
        for typed in ["unp", "hea", "sleep ", "delay in 4", "forward ", "unforward 7", "mtu 1"] {
            let completion = complete(typed, &["7007".into()]);
            let line = format!("{}{}", &typed[..completion.kept], completion.certain());
            assert!(command::parse(&line).is_ok_and(|line| line.is_some()), "{line:?}");
        }
    }

    #[test]
    fn only_what_is_certain_is_put_in() {
        let of = |candidates: &[&str]| {
            let candidates = candidates.iter().map(|&word| word.into()).collect();
            Completion { kept: 0, candidates }
        };
        assert_eq!(of(&["capture start", "capture stop"]).certain(), "capture st");
        assert_eq!(of(&["plug"]).certain(), "plug ");
        assert_eq!(of(&["runs/"]).certain(), "runs/");
        assert_eq!(of(&["\u{e9}a", "\u{e8}a"]).certain(), "", "half of a character");
        assert_eq!(of(&["runs/a/", "runs/b"]).list(), "a/  b");
        let many: Vec<_> = (0..500).map(|n| n.to_string()).collect();
        let many = Completion { kept: 0, candidates: many };
        assert!(many.list().ends_with("  99  ... 500 in all"), "{}", many.list());
    }

    #[test]
    fn files_are_completed_within_a_directory() {
        let scratch = Scratch::new();
        for name in ["one.pcapng", "one more.pcapng", ".hidden", "bell\x07"] {
            scratch.file(name, "");
        }
        fs::create_dir(scratch.path("runs")).unwrap();
        let names = |typed: &str| complete(typed, &[]);
        let typed = format!("capture start {}/", scratch.directory().display());
        assert_eq!(names(&typed).list(), "one more.pcapng  one.pcapng  runs/");
        assert_eq!(names(&format!("{typed}.")).list(), ".hidden");
        assert_eq!(names(&format!("{typed}one")).certain(), scratch.path("one"));
        let runs = names(&format!("{typed}r"));
        assert_eq!(runs.certain(), scratch.path("runs/"));
        assert_eq!(runs.kept, "capture start ".len());
        assert_eq!(names("capture start /nonexistent/x"), Completion::default());
    }
}
