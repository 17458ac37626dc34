//! `serve` with boards that are steady, broken, hostile, and gone.
#![cfg(unix)] // Signals, and what SO_LINGER and a short backlog do, are those of Unix.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::json;

mod common;
use common::{PATIENCE, Serve, bounded, finish, lines_of, reset, run, signal, tool};

fn send(mut stream: &TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).expect("the server reads");
}

fn line(board: &str, seq: u64, uptime_ms: u64) -> String {
    format!("{{\"board\":\"{board}\",\"seq\":{seq},\"uptime_ms\":{uptime_ms},\"led\":true}}\n")
}

#[test]
fn three_boards_report_and_one_vanishes() {
    let mut serve = Serve::start(&[]);
    let boards: Vec<TcpStream> = (0..3).map(|_| serve.connect()).collect();
    for (stream, name) in boards.iter().zip(["a", "b", "c"]) {
        send(stream, &line(name, 0, 1000));
        let peer = stream.local_addr().expect("an address").to_string();
        assert_eq!(
            serve.next(""),
            json!({ "board": name, "seq": 0, "uptime_ms": 1000, "led": true, "peer": peer })
        );
    }
    let [a, b, c] = boards.try_into().expect("three");
    reset(b);
    let gone = serve.next("gone");
    assert_eq!((&gone["board"], &gone["reason"]), (&"b".into(), &"connection reset".into()));
    send(&a, &line("a", 1, 2000));
    assert_eq!(serve.next("")["board"], "a");
    drop(a);
    assert_eq!(serve.next("gone")["reason"], "it closed the connection");
    send(&c, "{\"board\":\"c\",");
    drop(c);
    assert_eq!(serve.next("gone")["reason"], "it closed the connection in the middle of a line");
    let (finished, rest) = serve.end(Some("TERM"));
    assert_eq!(finished.code, Some(0));
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0]["event"], "totals");
    assert_eq!((&rest[0]["reports"], &rest[0]["connections"]), (&4.into(), &3.into()));
}

#[test]
fn bad_lines_are_reported_once_and_the_good_ones_still_count() {
    let mut serve = Serve::start(&[]);
    let board = serve.connect();
    send(&board, &line("a", 0, 1));
    serve.next("");
    let long = "x".repeat(1_000_000);
    send(&board, &format!("rubbish\n{long}\n[1]\n\"\n{long}\n\n\r\n"));
    send(&board, &line("a", 1, 2));
    assert_eq!(serve.next("malformed")["board"], "a");
    assert_eq!(serve.next("long_line")["board"], "a");
    assert_eq!(serve.next("")["seq"], 1);
    // Another connection is told on its own.
    let other = serve.connect();
    (&other).write_all(b"\xff\xfe\x00\n").expect("the server reads");
    serve.next("malformed");
    let (finished, rest) = serve.end(Some("INT"));
    assert_eq!(finished.code, Some(0));
    assert_eq!(rest[0]["bad_lines"], 6);
    assert_eq!(rest[0]["reports"], 2);
}

#[test]
fn gaps_and_reboots_are_noticed_across_connections() {
    let mut serve = Serve::start(&[]);
    let board = serve.connect();
    send(&board, &(line("a", 5, 5000) + &line("a", 8, 8000)));
    serve.next("");
    let gap = serve.next("gap");
    assert_eq!((&gap["missing"], &gap["expected"]), (&2.into(), &6.into()));
    assert_eq!(serve.next("")["seq"], 8);
    reset(board);
    serve.next("gone");
    let board = serve.connect();
    send(&board, &line("a", 0, 900));
    let reboot = serve.next("reboot");
    assert_eq!((&reboot["before_ms"], &reboot["after_ms"]), (&8000.into(), &900.into()));
    serve.next("");
    // Fields are optional: this is a report too, of which nothing is known but the peer.
    send(&board, "{}\n");
    assert!(serve.next("")["peer"].is_string());
    let (_, rest) = serve.end(Some("TERM"));
    assert_eq!((&rest[0]["lost"], &rest[0]["reboots"]), (&2.into(), &1.into()));
}

#[test]
fn a_line_may_come_byte_by_byte() {
    let mut serve = Serve::start(&["--count", "1"]);
    let board = serve.connect();
    board.set_nodelay(true).expect("TCP_NODELAY");
    for byte in line("a", 0, 1).bytes() {
        (&board).write_all(&[byte]).expect("the server reads");
    }
    assert_eq!(serve.next("")["board"], "a");
    serve.next("totals");
    assert_eq!(serve.end(None).0.code, Some(0));
}

#[test]
fn a_silent_board_is_missed_and_welcomed_back() {
    let mut serve = Serve::start(&["--silence", "0.5"]);
    let board = serve.connect();
    send(&board, &line("a", 0, 1));
    // It may be thought silent before, if this machine is slow; in any case it is once it has been heard.
    serve.comes_to(|object| object["seq"] == 0);
    assert_eq!(serve.next("silent")["board"], "a");
    send(&board, &line("a", 1, 2));
    let back = serve.next("back");
    assert!(back["after_ms"].as_u64() >= Some(500), "{back}");
    assert_eq!(serve.next("")["seq"], 1);
    serve.end(Some("TERM"));
}

#[test]
fn a_silent_board_gives_its_place_to_a_new_one() {
    let mut serve = Serve::start(&["--silence", "0.5", "--max-boards", "1"]);
    let old = serve.connect();
    send(&old, &line("old", 0, 1));
    serve.comes_to(|object| object["seq"] == 0);
    serve.next("silent");
    let new = serve.connect();
    let gone = serve.next("gone");
    assert_eq!(gone["board"], "old");
    send(&new, &line("new", 0, 1));
    // It may be thought silent before, if this machine is slow.
    serve.comes_to(|object| object["seq"] == 0 && object["board"] == "new");
    assert_eq!((&old).read(&mut [0]).expect("FIN"), 0);
    serve.end(Some("TERM"));
}

#[test]
fn a_board_too_many_is_turned_away() {
    let mut serve = Serve::start(&["--max-boards", "2"]);
    let boards = [serve.connect(), serve.connect()];
    for board in &boards {
        send(board, "{}\n");
        serve.next("");
    }
    let surplus = serve.connect();
    serve.next("turned_away");
    assert_eq!((&surplus).read(&mut [0]).expect("FIN"), 0);
    // The others are not harmed, and a place that is given up can be taken.
    send(&boards[1], "{}\n");
    serve.next("");
    let [first, _second] = boards;
    drop(first);
    serve.next("gone");
    let next = serve.connect();
    send(&next, "{}\n");
    serve.next("");
    let (_, rest) = serve.end(Some("TERM"));
    assert_eq!(rest[0]["turned_away"], 1);
}

#[test]
fn it_stops_after_as_many_reports_as_it_was_told() {
    let mut serve = Serve::start(&["--count", "3"]);
    let board = serve.connect();
    send(&board, "{}\nrubbish\n{}\n{}\n{}\n{}\n");
    serve.next("");
    serve.next("malformed");
    serve.next("");
    serve.next("");
    assert_eq!(serve.next("totals")["reports"], 3);
    let (finished, rest) = serve.end(None);
    assert_eq!((finished.code, rest), (Some(0), vec![]));
}

/// Neither what is said beside the reports is counted, nor what is said of them.
#[test]
fn the_count_is_one_of_reports_in_either_form() {
    const SENT: &str = "rubbish\n{\"seq\":1}\n{\"seq\":5}\n{\"seq\":2}\n{\"seq\":3}\n{\"seq\":4}\n";
    let ended = |form: &[&str]| {
        let mut child =
            tool(&[&["serve", "--listen", "127.0.0.1:0", "--count", "4"], form].concat());
        let lines = lines_of(child.stdout.take().expect("piped"));
        let first = lines.recv_timeout(PATIENCE).expect("where it listens");
        let address = first.split(&[' ', '"'][..]).find(|word| word.starts_with("127.0.0.1:"));
        let board = TcpStream::connect(address.expect("an address")).expect("it listens");
        send(&board, SENT);
        assert_eq!(finish(child).code, Some(0));
        lines.iter().collect::<Vec<String>>()
    };
    // Malformed, a report, a gap and a report, a step back and a report, a report, the totals.
    let text = ended(&[]);
    assert_eq!(text.iter().filter(|line| line.contains("  seq ")).count(), 4, "{text:#?}");
    assert!(text.last().is_some_and(|totals| totals.starts_with("4 reports on 1 connection in ")));
    let json = ended(&["--json"]);
    assert_eq!(json.iter().filter(|line| !line.contains("\"event\"")).count(), 4, "{json:#?}");
    assert_eq!((text.len(), json.len()), (8, 8), "{text:#?} {json:#?}");
}

#[test]
fn a_board_that_floods_does_not_keep_others_out() {
    let mut serve = Serve::start(&["--max-boards", "2"]);
    let flood = serve.connect();
    std::thread::spawn(move || while (&flood).write_all(&[b'x'; 16_000]).is_ok() {});
    serve.next("long_line");
    let board = serve.connect();
    send(&board, &line("a", 0, 1));
    assert_eq!(serve.next("")["board"], "a");
    assert_eq!(serve.end(Some("TERM")).0.code, Some(0));
}

#[test]
fn an_address_in_use_is_a_clear_error() {
    let serve = Serve::start(&[]);
    let address = serve.address.to_string();
    let finished = run(&["serve", "--listen", &address, "--json"]);
    assert_eq!(finished.code, Some(1));
    let message = finished.last("error")["message"].as_str().expect("text").to_owned();
    assert!(message.starts_with(&format!("cannot listen on {address}")), "{message}");
    assert!(message.contains("--listen"), "{message}");
    assert_eq!(finished.stderr, format!("tapboard-host: {message}\n"));
    serve.end(Some("TERM"));
}

#[test]
fn an_address_of_another_machine_is_a_clear_error() {
    let finished = run(&["serve", "--listen", "192.0.2.77:9000"]);
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("does not have that address"), "{}", finished.stderr);
    assert_eq!(run(&["serve", "--listen", "9000"]).code, Some(2));
}

#[test]
fn people_read_lines_with_the_time_and_the_totals() {
    let mut child = tool(&["serve", "--listen", "127.0.0.1:0"]);
    let lines = lines_of(child.stdout.take().expect("piped"));
    let next = || lines.recv_timeout(PATIENCE).expect("another line of output");
    let first = next();
    let address = first.split(' ').nth(2).expect("listening on ADDRESS");
    let board = TcpStream::connect(address).expect("it listens");
    send(
        &board,
        "{\"board\":\"b\\u001b[2J\",\"seq\":17,\"uptime_ms\":17003,\"temp_mc\":23500,\"led\":false,\
         \"connections\":1,\"dropped\":0}\n",
    );
    let report = next();
    let fields = "b\\u{1b}[2J  seq 17  up 17.003 s  23.5 °C  led off  connections 1  dropped 0";
    assert!(report.contains(" s  127.0.0.1:") && report.ends_with(fields), "{report}");
    reset(board);
    let gone = next();
    assert!(gone.contains(" gone: connection reset (127.0.0.1:"), "{gone}");
    signal("TERM", child.id());
    let totals = next();
    assert!(totals.starts_with("1 report on 1 connection in "), "{totals}");
    assert_eq!(finish(child).code, Some(0));
}

#[test]
fn a_closed_standard_output_ends_it_quietly() {
    let mut serve = tool(&["serve", "--listen", "127.0.0.1:0", "--json"]);
    let stdout = serve.stdout.take().expect("piped");
    let (stdout, first) = bounded(move || {
        let mut stdout = BufReader::new(stdout);
        let mut first = String::new();
        stdout.read_line(&mut first).expect("text");
        (stdout, first)
    });
    let first: serde_json::Value = serde_json::from_str(&first).expect("JSON");
    let board = TcpStream::connect(first["address"].as_str().expect("text")).expect("it listens");
    drop(stdout);
    // More than one report: while another test starts a child, that child may hold the pipe for a moment.
    std::thread::spawn(move || while (&board).write_all(b"{}\n").is_ok() {});
    let finished = finish(serve);
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
}

/// A table in place of lines, which is drawn anew until the end, and leaves what is printed below it in order.
#[cfg(target_os = "linux")]
#[test]
fn on_a_terminal_a_table_shows_who_is_there() {
    use common::terminal::{OnTerminal, Screen};

    fn rows(screen: &Screen, name: &str) -> usize {
        screen.lines.iter().filter(|line| line.starts_with(name)).count()
    }
    let mut serve = OnTerminal::start(100, &["serve", "--listen", "127.0.0.1:0"]);
    let listening = serve.until("telemetry;");
    let address = listening.split(' ').nth(2).expect("an address").to_owned();
    let boards = ["attic", "shed"].map(|name| {
        let board = TcpStream::connect(&address).expect("it listens");
        send(&board, &line(name, 5, 5000));
        board
    });
    serve.shows(|screen| rows(screen, "attic") == 1 && rows(screen, "shed") == 1);
    // A gap and a reboot are told above, and counted.
    send(&boards[1], &line("shed", 8, 8000));
    send(&boards[1], &line("shed", 0, 1));
    let screen = serve.shows(|screen| {
        let row = screen.lines.iter().rfind(|line| line.starts_with("shed"));
        row.is_some_and(|row| row.ends_with("  2         1"))
    });
    let heading = screen.lines.iter().position(|line| line.starts_with("BOARD ")).expect("one");
    let above = screen.lines[..heading].join("\n");
    assert!(above.contains("board shed lost 2 reports") && above.contains("board shed rebooted"));
    assert_eq!(screen.lines.iter().filter(|line| line.starts_with("BOARD ")).count(), 1);
    assert!(!above.contains("seq 5"), "a report has no line: {above}");
    // In a terminal of three lines: the heading, how many there are, and the cursor.
    serve.resize(100, 3);
    serve.shows(|screen| screen.lines.iter().any(|line| line == "and 2 boards more"));
    serve.resize(100, 24);
    let [attic, _shed] = boards;
    reset(attic);
    serve.shows(|screen| screen.lines.iter().any(|line| line.ends_with("  gone")));
    signal("TERM", serve.id());
    let (text, screen) = serve.finish();
    assert_eq!(screen.broken, 0, "{screen:#?}");
    let [.., shed, attic, totals, rest] = &screen.lines[..] else { panic!("{screen:#?}") };
    assert!(shed.starts_with("shed") && attic.starts_with("attic"), "{screen:#?}");
    assert!(totals.starts_with("4 reports on 2 connections in ") && rest.is_empty(), "{screen:#?}");
    // Neither another screen nor a hidden cursor, which somebody would have to undo.
    assert!(!text.contains("\u{1b}[?"), "{text:?}");
}

/// A terminal on which nobody reads, as after Ctrl-S, keeps nobody waiting.
#[cfg(target_os = "linux")]
#[test]
fn a_terminal_that_takes_nothing_is_not_waited_for_at_the_end() {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let (mut screen, terminal) = common::terminal::open(100);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tapboard-host"));
    command.args(["serve", "--listen", "127.0.0.1:0"]).env("TERM", "xterm");
    command.stdin(std::process::Stdio::null()).stdout(terminal.try_clone().expect("a handle"));
    let mut child = command.spawn().expect("the tool starts");
    let mut text = String::new();
    while !text.contains("telemetry;") {
        let mut piece = [0; 100];
        let length = screen.read(&mut piece).expect("it says where it listens");
        text += &String::from_utf8_lossy(&piece[..length]);
    }
    let address = text.split(' ').nth(2).expect("an address");
    let board = TcpStream::connect(address).expect("it listens");
    let until = tapboard_host::clock::now() + PATIENCE;
    // While it is written to, it takes nothing either.
    let a_while = Timespec { tv_sec: 1, tv_nsec: 0 };
    // Each is a reboot, which is told in a line, until no more goes out.
    for uptime in (0..100_000).rev() {
        send(&board, &line("shed", 0, uptime));
        if poll(&mut [PollFd::new(&terminal, PollFlags::OUT)], Some(&a_while)).expect("it is open")
            == 0
        {
            break;
        }
        assert!(tapboard_host::clock::now() < until && uptime > 0, "the terminal takes all");
    }
    signal("TERM", child.id());
    let status = bounded(move || child.wait().expect("it is our child"));
    assert_eq!(status.code(), Some(0));
}
