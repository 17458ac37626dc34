//! What the console understands and what it says to the rest.

use super::*;
use tapboard_firmware::rng::Rng;

fn command(line: &str) -> ConsoleCommand {
    match parse(line) {
        Ok(Some(Line::Command(command))) => command,
        other => panic!("{line:?}: {other:?}"),
    }
}

fn fault(to: Option<Side>, name: &str, value: &str) -> ConsoleCommand {
    ConsoleCommand::Fault { to, setting: Setting::parse(name, value).unwrap() }
}

#[test]
fn lines_are_read_as_people_write_them() {
    let (board, peer) = (Some(Side::Board), Some(Side::Peer));
    for (line, expected) in [
        ("help", ConsoleCommand::Help),
        ("?", ConsoleCommand::Help),
        ("  unplug  \r\n", ConsoleCommand::Unplug),
        ("plug # in again", ConsoleCommand::Plug),
        ("heal", ConsoleCommand::Heal),
        ("clear", ConsoleCommand::Heal),
        ("link", ConsoleCommand::Link),
        ("reset", ConsoleCommand::Reset),
        ("netstat", ConsoleCommand::Netstat),
        ("stats", ConsoleCommand::Stats),
        ("capture stop", ConsoleCommand::CaptureStop),
        ("capture  start  my run#1.pcapng", ConsoleCommand::CaptureStart("my run#1.pcapng".into())),
        ("capture start \"a b\"", ConsoleCommand::CaptureStart("a b".into())),
        ("quit", ConsoleCommand::Quit),
        ("exit", ConsoleCommand::Quit),
        ("loss 10%", fault(None, "loss", "10%")),
        ("loss 10 %", fault(None, "loss", "10%")),
        ("loss both 10%", fault(None, "loss", "10%")),
        ("loss in 10%", fault(board, "loss", "10%")),
        ("loss out 10%", fault(peer, "loss", "10%")),
        ("delay in\t50 ms", fault(board, "delay", "50ms")),
        ("rate 1mbit", fault(None, "rate", "1mbit")),
        ("rate off", fault(None, "rate", "off")),
        ("partition in", fault(board, "partition", "on")),
        ("partition out", fault(peer, "partition", "on")),
        ("partition both", fault(None, "partition", "on")),
        ("partition on", fault(None, "partition", "on")),
        ("partition in off", fault(board, "partition", "off")),
        ("partition off", fault(None, "partition", "off")),
    ] {
        assert_eq!(command(line), expected, "{line:?}");
    }
    for blank in ["", " \t\r\n", "# unplug", "  # unplug"] {
        assert_eq!(parse(blank), Ok(None));
    }
    assert_eq!(parse("sleep 1.5s"), Ok(Some(Line::Sleep(Duration::from_millis(1500)))));
}

#[test]
fn a_bad_line_is_told_what_would_do() {
    for (line, remedy) in [
        ("unplgu", "did you mean `unplug`?"),
        ("UNPLUG", "did you mean `unplug`?"),
        ("unplug now", "`unplug` stands alone"),
        ("nets", "did you mean `netstat`?"),
        ("powr off 3", "did you mean `power`?"),
        ("los 5%", "did you mean `loss`?"),
        ("lag 5ms", "`help` lists"),
        ("capture", "did you mean `capture start`?"),
        ("capture strt x.pcapng", "did you mean `capture start`?"),
        ("capture start", "`capture start board.pcapng`"),
        ("loss", "`loss 5%`, or `loss off`"),
        ("loss in", "`loss 5%`, or `loss off`"),
        ("loss 101%", "e.g. 5%"),
        ("loss 5% in", "`loss in 5%`"),
        ("partition", "`partition on`"),
        ("partition maybe", "neither on nor off"),
        ("delay 50", "e.g. 40ms"),
        ("sleep", "`sleep 1.5s`"),
        ("sleep long", "e.g. 40ms"),
        ("@2s unplug", "--script"),
        ("\u{1b}[2J", "`help` lists"),
    ] {
        let error = parse(line).unwrap_err();
        assert!(error.contains(remedy), "{line:?}: {error}");
        assert!(!error.contains(char::is_control), "{line:?}: {error:?}");
    }
}

#[test]
fn the_help_names_every_command_and_every_fault_and_its_examples_work() {
    let help = help();
    for name in names() {
        assert!(help.contains(name), "{name}");
    }
    for row in help.lines().filter(|row| row.starts_with("  ")) {
        let usage = row.trim_start().split("  ").next().unwrap();
        assert!(parse(usage).unwrap().is_some(), "{row}");
        assert!(row.trim_end().len() > usage.len() + 4, "no meaning: {row}");
        assert!(row.len() <= 100, "too wide: {row}");
    }
}

#[test]
fn nonsense_never_panics_and_is_answered_in_one_short_line() {
    let mut rng = Rng::new(7);
    let words: Vec<&str> = names()
        .chain(["in", "out", "both", "off", "5%", "-1", "1e999s", "@", "#", "é", "\u{0}", "\""])
        .collect();
    let mut accepted = 0;
    for _ in 0..20_000 {
        let mut line = String::new();
        for _ in 0..rng.next_u64() % 5 {
            if rng.next_u64().is_multiple_of(4) {
                line.extend(char::from_u32((rng.next_u64() % 0x1_1000) as u32));
            } else {
                line += words[(rng.next_u64() % words.len() as u64) as usize];
            }
            line += [" ", "", "\t"][(rng.next_u64() % 3) as usize];
        }
        match parse(&line) {
            Ok(read) => accepted += usize::from(read.is_some()),
            Err(error) => {
                // Escapes can make a character ten long.
                assert!(error.len() < 600, "{line:?}: {error}");
                assert!(!error.contains('\n'), "{line:?}: {error}");
            }
        }
    }
    assert!(accepted > 200, "only {accepted} lines made sense");
    let long = "loss ".to_string() + &"9".repeat(4000);
    assert!(parse(&long).unwrap_err().len() < 200);
}
