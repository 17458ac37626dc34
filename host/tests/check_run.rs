//! `check` as a command: its line, what it shows and when it ends.
#![cfg(unix)] // Signals are those of Unix.

use std::sync::mpsc::{self, Receiver};

mod common;
use common::board::{Board, TIMES, ignore};
use common::{Finished, PATIENCE, finish, run, signal, tool};

/// A board whose chargen never says anything, and what tells that the check of it is under way.
fn stuck() -> (Board, Receiver<()>) {
    let (sender, under_way) = mpsc::channel();
    let board = Board::good().tcp(19, move |_, stream| {
        sender.send(()).expect("the test listens");
        ignore(stream);
    });
    (board, under_way)
}

/// Starts the board, and checks it with these options.
fn arguments(board: Board, options: &[&str]) -> Vec<String> {
    let times = TIMES.as_flattened().iter().chain(options).map(|&option| option.to_owned());
    board.start().into_iter().chain(times).collect()
}

fn words(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// As [`arguments`], for people.
fn for_people(board: Board, options: &[&str]) -> Vec<String> {
    let mut arguments = arguments(board, options);
    arguments.retain(|argument| argument != "--json");
    arguments
}

#[test]
fn nobody_there_is_said_once_with_the_remedy() {
    let offset = (common::closed_port().port() - 7).to_string();
    let finished = run(&["check", "127.0.0.1", "--port-offset", &offset, "--json"]);
    assert_eq!(finished.code, Some(1));
    let message = finished.last("error")["message"].to_string();
    assert!(message.contains("start it with: tapboard"), "{message}");
}

#[test]
fn ctrl_c_ends_it_with_what_was_seen() {
    let (board, under_way) = stuck();
    let child = tool(&words(&arguments(board, &[])));
    under_way.recv_timeout(PATIENCE).expect("the check is under way");
    signal("INT", child.id());
    let finished = finish(child);
    assert_eq!(finished.code, Some(1));
    let summary = finished.last("summary");
    assert_eq!((&summary["interrupted"], &summary["passed"]), (&true.into(), &false.into()));
    assert_eq!(summary["checks"].as_array().map(Vec::len), Some(2), "echo and discard");
}

fn text(board: Board, options: &[&str]) -> Finished {
    run(&words(&for_people(board, options)))
}

#[test]
fn the_table_says_what_was_seen_and_of_a_failure_what_was_expected_and_where_to_look() {
    let finished = text(Board::good().tcp(23, |_, _| {}), &["--skip", "telemetry"]);
    let table = finished.text();
    assert_eq!(finished.code, Some(1));
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("PASS  echo         "), "{table}");
    assert!(lines[0].ends_with("s  512 bytes came back"), "{table}");
    let at = lines.iter().position(|line| line.starts_with("FAIL  shell ")).expect("it fails");
    assert!(lines[at].ends_with("  no prompt after the greeting: it closed (FIN)"), "{table}");
    assert!(lines[at + 1].trim_start().starts_with("expected: on port 23, help"), "{table}");
    assert!(lines[at + 2].trim_start().starts_with("look at: the prompt is a new line"), "{table}");
    let last = "the board is not good: 12 passed, 2 failed (shell, asleep), 4 skipped (refused, udp-refused, \
                telemetry, reset)";
    assert_eq!(lines.last(), Some(&last));
    assert!(
        text(Board::good(), &[]).text().contains("\nthe board is good: 15 passed, 0 failed, 3 ")
    );
}

/// On a terminal what is being done can be seen before it is over.
#[cfg(target_os = "linux")]
#[test]
fn a_slow_check_is_shown_on_a_terminal_while_it_runs() {
    use std::io::Read;

    let (screen, terminal) = common::terminal::open(80);

    let (board, under_way) = stuck();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tapboard-host"));
    command.args(for_people(board, &[])).env("TERM", "xterm");
    command
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(terminal);
    let child = command.spawn().expect("the tool starts");
    // The command holds an end of the terminal too.
    drop(command);
    under_way.recv_timeout(PATIENCE).expect("the check is under way");
    let (sender, shown) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut screen, mut data, mut text) = (screen, [0; 1024], Vec::new());
        while let Ok(length @ 1..) = screen.read(&mut data) {
            text.extend_from_slice(&data[..length]);
            let text = String::from_utf8_lossy(&text);
            // Of a slow machine some seconds are not seen.
            let mut shown = text.match_indices("s  chargen: port 19 sends the pattern of RFC 864");
            if shown.any(|(at, _)| text[..at].ends_with(|digit| matches!(digit, '1'..='9'))) {
                return sender.send(());
            }
        }
        Ok(())
    });
    shown.recv_timeout(PATIENCE).expect("it is shown, with the seconds");
    signal("INT", child.id());
    let finished = finish(child);
    assert!(finished.text().ends_with("interrupted; so far: 2 passed, 0 failed, 0 skipped\n"));
}

#[test]
fn the_exit_code_tells_even_if_nobody_reads() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let arguments = for_people(Board::good().tcp(23, |_, _| {}), &[]);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tapboard-host"));
    let status = command.args(arguments).stdout(writer).status();
    assert_eq!(status.expect("the tool starts").code(), Some(1));
}

#[test]
fn a_wrong_command_line_is_exit_code_2_and_says_what_is_right() {
    for (arguments, part) in [
        (&["check", "127.0.0.1:7007"][..], "without a port"),
        (&["check", "0.0.0.0"], "is no address of one board; give its own, like 192.0.2.1"),
        (&["check", "255.255.255.255"], "is no address of one board"),
        (&["check", "224.0.0.1"], "is no address of one board"),
        (&["check", "[ff02::1]"], "is no address of one board"),
        (&["check", "--skip", "ping"], "there is no check `ping`; there are echo, discard"),
        (&["check", "--idle", "0"], "0.001 to 86400"),
        (&["check", "--bytes", "0"], "not within"),
        (&["check", "--listen", "9000"], "write one like 192.0.2.2:9000"),
        (&["check", "--listen", "192.0.2.2:0"], "could not know port 0"),
        (&["check", "--port-offset", "60000"], "55000"),
    ] {
        let finished = run(arguments);
        assert_eq!(finished.code, Some(2), "{arguments:?}: {finished:?}");
        assert!(finished.stderr.contains(part), "{arguments:?}: {}", finished.stderr);
    }
}

#[test]
fn help_has_every_check_the_exit_codes_and_the_json() {
    let finished = run(&["check", "--help"]);
    let help = finished.text();
    for check in &tapboard_host::check::table::CHECKS {
        assert!(help.contains(&format!("  {:<11}  ", check.name)), "{}: {help}", check.name);
    }
    for part in ["Exit codes:", "`outcome`", "`hint`", "\"skip\"", "7081:81"] {
        assert!(help.contains(part), "{part}: {help}");
    }
}
