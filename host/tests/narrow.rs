//! What the tool shows on terminals of 40 and of 200 columns: no line that the terminal has to break, no word in
//! two, and nothing left of the lines that showed how far it was.
#![cfg(target_os = "linux")]

use std::io::Write;
use std::net::TcpStream;

mod common;
use common::board::Board;
use common::terminal::{OnTerminal, Screen};
use common::{closed_port, echo, run, server};

const WIDTHS: [u16; 2] = [40, 200];
/// Longest line of a manual.
const PROSE_MAX: usize = 100;

/// The words of a text; where a command goes on in another line is none of them.
fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().filter(|word| *word != "\\").collect()
}

/// What is to be seen of a run on a terminal of so many columns, every line of which is one that was written.
fn shown(columns: u16, arguments: &[&str]) -> (String, Screen) {
    let (text, screen) = OnTerminal::start(columns, arguments).finish();
    assert_eq!(screen.broken, 0, "{arguments:?} at {columns}: {screen:#?}");
    (text, screen)
}

#[test]
fn help_and_errors_are_broken_between_words() {
    for arguments in [
        &["--help"][..],
        &["-h"],
        &["bench", "--help"],
        &["bench", "-h"],
        &["check", "--help"],
        &["check", "-h"],
        &["connect", "--help"],
        &["connect", "-h"],
        &["echo", "--help"],
        &["echo", "-h"],
        &["serve", "--help"],
        &["serve", "-h"],
        &["help", "serve"],
        &["check", "--bytes", "many"],
        &["check", "--skip", "ping"],
        &["echo", "--connections"],
        &["ech"],
    ] {
        let piped = run(arguments);
        let whole = piped.text() + &piped.stderr;
        for columns in WIDTHS {
            let (_, screen) = shown(columns, arguments);
            let text = screen.lines.join("\n");
            assert_eq!(words(&text), words(&whole), "{text}");
            assert!(screen.lines.iter().all(|line| line.chars().count() <= PROSE_MAX), "{text}");
        }
    }
}

/// A board that is good but for its chargen.
fn bad() -> Vec<String> {
    let board = Board::good().tcp(19, |_, mut stream| drop(stream.write_all(b"!\"#$")));
    let mut arguments = board.start();
    arguments.retain(|argument| argument != "--json");
    arguments
}

#[test]
fn the_table_of_check_is_readable() {
    for columns in WIDTHS {
        let arguments = bad();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (text, screen) = shown(columns, &arguments);
        assert!(text.contains("  chargen: port 19 sends"), "no progress was shown: {text:?}");
        // A line for each check, two more for the failure, the verdict, and no progress.
        let all = screen.lines.join("\n");
        let expected = if columns == 40 {
            "PASS  discard|FAIL  chargen|      chargen: it closed (FIN) after 4|      of 8000 bytes|      expected: port 19 sends the|\
             \x20     pattern of RFC 864|      look at: bulk from the board:|"
        } else {
            "PASS  discard|FAIL  chargen|                              expected: port 19 sends the pattern of RFC 864|\
             \x20                             look at: bulk from the board: whole frames, in order, and a wake-up when there is room again|\
             PASS  shell|"
        };
        let mut lines = screen.lines.iter();
        for part in expected.split_terminator('|') {
            assert!(lines.any(|line| line.starts_with(part)), "{part:?} at {columns}:\n{all}");
        }
        assert!(!all.contains("1s  ") && !all.contains("is a board at"), "{all}");
        let last = words(&all);
        assert!(last.ends_with(&["(refused,", "udp-refused,", "reset)"]), "{all}");
        assert!(columns == 40 || screen.lines.len() <= 22, "{all}");
    }
}

#[test]
fn echo_and_bench_leave_nothing_of_their_progress() {
    let address = server(|_, stream| echo(&stream, |_, _| {}));
    let (target, port) = (address.to_string(), (address.port() - 7).to_string());
    let refused = closed_port().to_string();
    for columns in WIDTHS {
        let (text, screen) = shown(columns, &["echo", &target, "--bytes", "20M"]);
        assert!(text.contains("left"), "no progress was shown: {text:?}");
        let all = screen.lines.join("\n");
        assert!(all.starts_with("connections  1 ok, 0 refused, 0 failed\nverified  "), "{all}");
        assert!(!all.contains("left") && all.ends_with("\nseed         1\n"), "{all}");

        let options = ["--only", "duplex,trip", "--runs", "2", "--seconds", "0.3"];
        let bench = [&["bench", "127.0.0.1", "--port-offset", &port], &options[..]].concat();
        let (text, screen) = shown(columns, &bench);
        assert!(text.contains(", run 1 of 2"), "no progress was shown: {text:?}");
        let all = screen.lines.join("\n");
        assert!(all.starts_with("both ways at once  ") && !all.contains(" %, "), "{all}");

        let (_, screen) = shown(columns, &["echo", &refused]);
        let all = screen.lines.join(" ");
        assert!(words(&all).join(" ").contains("start it with: tapboard"), "{all}");
        let (_, screen) = shown(columns, &["connect", &refused]);
        let all = screen.lines.join(" ");
        let error = format!("tapboard-host: nothing listens on {refused}; is the board up?");
        assert!(words(&all).join(" ").starts_with(&error), "{all}");
    }
}

#[test]
fn the_reports_of_serve_are_readable() {
    for columns in WIDTHS {
        let arguments = ["serve", "--lines", "--count", "1", "--listen", "127.0.0.1:0"];
        let mut serve = OnTerminal::start(columns, &arguments);
        let listening = serve.until("telemetry;");
        let address = words(&listening)[2].to_owned();
        let mut board = TcpStream::connect(address).expect("it listens");
        let report = r#"{"board":"tapboard-02005e000001","seq":7,"uptime_ms":7003,"led":false,"#;
        writeln!(board, "{report}\"connections\":1,\"dropped\":0}}").expect("it reads");
        let (_, screen) = serve.finish();
        assert_eq!(screen.broken, 0, "{screen:#?}");
        let all = screen.lines.join("\n");
        assert!(columns == 200 || all.contains("\n             tapboard-02005e000001\n"), "{all}");
        assert!(words(&all).join(" ").contains("connections 1 dropped 0 1 report on 1"), "{all}");
    }
}
