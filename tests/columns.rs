//! What the program prints on a narrow terminal and on a wide one: no line is longer than that is wide, and so
//! no word is broken and nothing is left behind of what is taken away again.
#![cfg(target_os = "linux")]

mod common;

use std::process::{Command, Stdio};

use common::conversation::conversation;
use common::netns;
use common::ports::free_port;
use common::process::{Process, tapboard};
use common::terminal::Terminal;
use tapboard::ladder::{Ladder, Style};

const WIDTHS: [usize; 2] = [40, 200];

/// What the program prints on a pipe when `COLUMNS` says how wide that is.
fn printed(arguments: &[&str], columns: usize) -> String {
    let mut command = tapboard(arguments);
    command.env("COLUMNS", columns.to_string()).stdin(Stdio::null());
    let output = command.output().expect("the program starts");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn assert_fits(text: &str, columns: usize) {
    for line in text.lines() {
        assert!(line.chars().count() <= columns, "{columns} columns: {line:?} in\n{text}");
    }
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[test]
fn help_says_the_same_at_any_width_and_breaks_no_word() {
    for command in [&[][..], &["user"], &["tap"], &["loopback"], &["sim"], &["ladder"]] {
        for help in ["--help", "-h"] {
            let texts = WIDTHS.map(|columns| {
                let text = printed(&[command, &[help]].concat(), columns);
                assert_fits(&text, columns);
                text
            });
            let [narrow, wide] = texts.each_ref().map(|text| words(text));
            assert_eq!(narrow, wide, "{command:?}");
        }
    }
}

#[test]
fn the_walk_is_readable_at_any_width() {
    let wide = printed(&["loopback"], 200).lines().count();
    for columns in [40, 80, 110, 200] {
        let text = printed(&["loopback"], columns);
        assert_fits(&text, columns);
        // In columns that have no room, a step would go on and on.
        let lines = text.lines().count();
        assert!(lines < 2 * wide, "{columns} columns: {lines} lines\n{text}");
        let text = words(&text).join(" ");
        for step in [
            "[5] connect 192.0.2.1:7",
            "<-- SYN ACK seq=0 ack=1",
            "it carries no data",
            "steps happened.",
        ] {
            assert!(text.contains(step), "{columns} columns: {step:?} is not in {text}");
        }
    }
}

#[test]
fn a_ladder_is_readable_at_any_width() {
    for width in [40, 50, 59, 60, 100, 200] {
        let mut ladder = Ladder::new(Style { width, colour: false });
        let mut text = String::new();
        for sent in conversation() {
            text += &(ladder.line(sent.at, sent.direction, &sent.frame, &sent.notes) + "\n");
        }
        assert_fits(&text, width);
        assert!(text.contains("board 192.0.2.1") && text.contains("192.0.2.2"), "{text}");
        let text = words(&text.replace('|', " ")).join(" ");
        for part in
            ["SYN ACK seq=0 ack=1 win=2048", "dropped by loss 5%", "retransmission", "53937"]
        {
            assert!(text.contains(part), "{width} columns: {part:?} is not in {text}");
        }
    }
}

#[test]
fn a_summary_of_worlds_has_room() {
    for columns in WIDTHS {
        let text = printed(&["sim", "--seeds", "0..2"], columns);
        assert_fits(&text, columns);
        let text = words(&text).join(" ");
        assert!(text.starts_with("2 worlds, 0 failed: ") && text.ends_with("a second and thread"));
    }
}

/// The longest row that was ever on a terminal: none is wrapped, and so none is left behind when it is cleared.
fn widest(said: &str) -> usize {
    let (mut column, mut widest) = (0, 0);
    let mut characters = said.chars();
    while let Some(character) = characters.next() {
        match character {
            '\x1b' => {
                let _ = characters.by_ref().find(char::is_ascii_alphabetic);
            }
            '\r' | '\n' => column = 0,
            _ => column += 1,
        }
        widest = widest.max(column);
    }
    widest
}

#[test]
fn the_progress_of_worlds_leaves_nothing_behind() {
    for columns in WIDTHS {
        let command = tapboard(&["sim", "--seeds", "0..40", "--threads", "1"]);
        let said = Terminal::new(columns as u16).run(command, &[]);
        assert!(widest(&said) <= columns, "{columns} columns: {said:?}");
        assert!(said.contains(" left"), "progress was shown: {said:?}");
        assert!(said.contains("40 worlds, 0 failed"), "{said:?}");
    }
}

#[test]
fn the_consoles_tables_are_readable_at_any_width() {
    for columns in WIDTHS {
        let forwards = [7, 9, 19, 23, 80].map(|board| format!("-p{}:{board}", free_port()));
        let forwards = forwards.each_ref().map(String::as_str);
        let options = ["--no-telemetry", "--id", "7", "--delay", "5ms", "--jitter", "1ms"];
        let command = tapboard(&[&options[..], &forwards[..]].concat());
        let lines = ["help", "netstat", "stats", "link", "nonsense", "quit"];
        let said = Terminal::new(columns as u16).run(command, &lines);
        assert!(widest(&said) <= columns, "{columns} columns: {said}");
        let text = words(&said).join(" ");
        for part in
            ["Proto Recv-Q", "*:23", "frames_in", "every frame to this pcapng file", "jitter 1 ms"]
        {
            assert!(text.contains(part), "{columns} columns: {part:?} is not in {text}");
        }
    }
}

#[test]
fn a_warning_goes_on_between_two_words() {
    for columns in WIDTHS {
        let forwards = [7, 9, 19, 23, 80].map(|board| format!("-p{}:{board}", free_port()));
        let forwards = forwards.each_ref().map(String::as_str);
        let options = ["--no-telemetry", "--partition", "in:on", "--loss", "in:5%"];
        let command = tapboard(&[&options[..], &forwards[..]].concat());
        let said = Terminal::new(columns as u16).run(command, &["quit"]);
        assert!(widest(&said) <= columns, "{columns} columns: {said}");
        let text = words(&said).join(" ");
        let warning = "WARN [tapboard::link::options] nothing passes to the board, so that its other faults \
                       do not show while that is so";
        assert!(text.contains(warning), "{columns} columns: {text}");
    }
}

/// What runs on a pipe is for a program, whatever `COLUMNS` says.
#[test]
fn lines_on_a_pipe_stay_whole() {
    let forwards = [7, 9, 19, 23, 80].map(|board| format!("-p{}:{board}", free_port()));
    let forwards = forwards.each_ref().map(String::as_str);
    let mut command = tapboard(&[&["--no-telemetry"], &forwards[..]].concat());
    command.env("COLUMNS", "40");
    let board = Process::spawn(command, None);
    assert!(board.is_up());
    assert!(board.output().contains("on a virtual wire, reached through 127.0.0.1"));
}

/// The error of a TAP that cannot be had is the longest there is.
#[test]
fn an_error_on_a_terminal_breaks_no_word() {
    let test = "an_error_on_a_terminal_breaks_no_word";
    netns::run(test, &[("setpriv", "util-linux"), ("sh", "dash")], || {
        let mut command = Command::new("sh");
        let tapboard = env!("CARGO_BIN_EXE_tapboard");
        let refused = format!("setpriv --bounding-set=-net_admin {tapboard} tap || true");
        command.args(["-c", &refused]);
        let said = Terminal::new(60).run(command, &[]);
        assert!(said.contains("tapboard: cannot create tap0") && widest(&said) <= 60, "{said}");
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{tapboard} --loss 1; test $? = 2")]);
        let said = Terminal::new(40).run(command, &[]);
        assert!(said.contains("1% or 100%") && widest(&said) <= 40, "{said}");
    });
}
