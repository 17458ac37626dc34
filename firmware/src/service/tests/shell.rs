//! The shell: its language at the far end of a connection.

use std::string::String;
use std::vec::Vec;

use smoltcp::time::Duration;
use tapboard_net::netstat::{Introspect, Row};

use super::Bench;
use crate::config::{RESET_WAIT, SERVICE_BUDGET, SERVICES, SHELL_CONNECTIONS, SHELL_LINE};
use crate::service::shell::PORT;

const GREETING: &str = "bench, tapboard shell: try help\r\n> ";

/// What the shell answers to `bytes` and a FIN, without its greeting.
fn answer(bytes: &[u8]) -> String {
    let mut bench = Bench::new();
    bench.board.temperature_mc = 41_250;
    let peer = bench.client(PORT, bytes, true);
    assert_eq!(peer.pipe().closed, Some(0), "{}", peer.text());
    let text = peer.text();
    text.strip_prefix(GREETING).expect(&text).into()
}

#[test]
fn a_client_is_greeted_and_prompted() {
    let mut bench = Bench::new();
    let peer = bench.client(PORT, b"", false);
    assert_eq!(peer.text(), GREETING);
    assert_eq!(answer(b""), "\r\n", "the prompt's line is ended");
}

#[test]
fn the_led_is_switched_and_reported() {
    let mut bench = Bench::new();
    let peer = bench.client(PORT, b"led\nled on\n", false);
    assert!(bench.board.led);
    peer.send(b"led toggle\nled toggle\nled off\n");
    bench.settle();
    assert!(!bench.board.led);
    let expected = ["off", "on", "off", "on", "off"].map(|s| std::format!("led is {s}\r\n> "));
    assert_eq!(peer.text(), String::from(GREETING) + &expected.concat());
}

#[test]
fn temperatures_have_their_sign_and_three_places() {
    let mut bench = Bench::new();
    for (millis, text) in [
        (41_250, "41.250 C"),
        (0, "0.000 C"),
        (-5, "-0.005 C"),
        (-12_040, "-12.040 C"),
        (i32::MIN, "-2147483.648 C"),
    ] {
        bench.board.temperature_mc = millis;
        let peer = bench.client(PORT, b"temp", true);
        assert_eq!(peer.text(), std::format!("{GREETING}{text}\r\n"));
    }
}

#[test]
fn uptime_is_the_time_since_boot() {
    let mut bench = Bench::new();
    bench.pass(Duration::from_secs(2 * 86_400 + 3 * 3600 + 4 * 60 + 5));
    let peer = bench.client(PORT, b"uptime\n", false);
    assert!(peer.text().ends_with("> up 2 d 03:04:05\r\n> "), "{}", peer.text());
}

#[test]
fn netstat_has_a_line_for_each_socket() {
    let mut bench = Bench::new();
    let peer = bench.client(PORT, b"netstat\n", false);
    let text = peer.text();
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(lines[1], std::format!("> {}", Row::HEADING));
    let rows: Vec<String> =
        (0..).map_while(|index| bench.stack.row(index)).map(|row| std::format!("{row}")).collect();
    assert_eq!(rows.len(), SERVICES + 3, "listeners, two UDP ports, one connection");
    assert_eq!(lines[2..5 + SERVICES], rows);
    assert_eq!(lines[5 + SERVICES..], ["> "]);
}

#[test]
fn stats_lists_the_counters_of_stack_and_services() {
    let mut bench = Bench::new();
    bench.stack.datagram(7, "192.0.2.2:19", b"loop");
    bench.settle();
    let peer = bench.client(PORT, b"stats\n", false);
    let expected = "\
        frames_in            17\r\n\
        stalls               18446744073709551615\r\n\
        echo_refused         1\r\n\
        echo_dropped         0\r\n\
        telemetry_dropped    0\r\n> ";
    assert_eq!(peer.text(), String::from(GREETING) + expected);
}

#[test]
fn help_names_every_command() {
    let text = answer(b"help\n");
    let login = if cfg!(feature = "http") { "login " } else { "" };
    let host = if cfg!(feature = "dns") { "host " } else { "" };
    let settings = if cfg!(feature = "settings") { "set unset save " } else { "" };
    let commands = std::format!(
        "help led temp uptime netstat ip {host}{settings}stats {login}reset exit quit"
    );
    for (line, name) in text.lines().zip(commands.split(' ')) {
        assert!(line.starts_with(name), "{line}");
        assert_eq!(line.as_bytes()[20], b' ', "{line}");
        assert_ne!(line.as_bytes()[21], b' ', "{line}");
    }
    assert!(text.contains("led [on|off|toggle]"));
}

#[test]
fn what_is_not_understood_gets_a_hint() {
    for (line, hint) in [
        (
            "hlep",
            if cfg!(feature = "suggest") {
                "unknown command; did you mean help? try help"
            } else {
                "unknown command; try help"
            },
        ),
        ("xyzzy", "unknown command; try help"),
        ("\u{0}\u{1}\u{fffd}", "unknown command; try help"),
        ("led maybe", "usage: led [on|off|toggle]"),
        ("temp please", "usage: temp"),
    ] {
        assert_eq!(answer(line.as_bytes()), std::format!("{hint}\r\n"));
    }
    assert_eq!(answer(b"\xff\xff\xfe\x80"), "unknown command; try help\r\n", "not UTF-8");
    assert_eq!(answer(b"\n  \r\n"), "> > \r\n", "a blank line is no mistake");
}

#[test]
fn an_overlong_line_is_thrown_away_whole() {
    let hint = std::format!("line ignored: longer than {SHELL_LINE} bytes; try help\r\n");
    let longest = std::format!("{:<SHELL_LINE$}", "temp");
    assert_eq!(answer(longest.as_bytes()), "41.250 C\r\n");
    assert_eq!(answer((longest.clone() + "\n").as_bytes()), "41.250 C\r\n> \r\n");
    assert_eq!(answer((longest.clone() + " ").as_bytes()), hint, "cut off by the FIN");
    let longer = longest + &" temp".repeat(100) + "\ntemp";
    assert_eq!(answer(longer.as_bytes()), hint + "> 41.250 C\r\n");
    let erased = std::format!("{}\x15temp", "x".repeat(3 * SHELL_LINE));
    assert_eq!(answer(erased.as_bytes()), "41.250 C\r\n", "Ctrl-U takes it all back");
}

#[test]
fn editing_keys_edit() {
    assert_eq!(answer(b"temq\x7fp"), "41.250 C\r\n");
    assert_eq!(answer("tem\u{e9}\x08p".as_bytes()), "41.250 C\r\n", "a character, not a byte");
    assert_eq!(answer(b"\x08\x08temp"), "41.250 C\r\n");
    assert_eq!(answer(b"xyzzy\xff\xf8temp"), "41.250 C\r\n");
    assert_eq!(answer(b"\xff\xf6"), "[yes]\r\n\r\n", "are you there?");
}

#[test]
fn the_ways_out_end_the_session_after_its_output() {
    for way in ["exit\n", "quit\r\n", "EXIT\r\0"] {
        let mut bench = Bench::new();
        let peer = bench.client(PORT, way.as_bytes(), false);
        assert_eq!(peer.text(), String::from(GREETING) + "bye\r\n");
        assert!(peer.is_closed());
    }
    for key in [&b"temp\x03"[..], b"\x04", b"tem\xff\xf4\xff\xfd\x06", b"\xff\xf3"] {
        let mut bench = Bench::new();
        let peer = bench.client(PORT, key, false);
        assert_eq!(peer.text(), String::from(GREETING) + "\r\n", "{key:?}");
        assert!(peer.is_closed());
    }
}

#[test]
fn input_after_exit_is_read_away_so_that_close_is_no_reset() {
    let mut bench = Bench::new();
    let mut bytes = b"exit\n".to_vec();
    bytes.resize(SERVICE_BUDGET, b'x');
    let peer = bench.client(PORT, &bytes, false);
    assert_eq!(peer.text(), String::from(GREETING) + "bye\r\n");
    assert_eq!(peer.pipe().closed, Some(0), "unread at close");
}

/// Everything at once: options, subnegotiation, escaped 255, all line ends, an unterminated last
/// line.
const SCRIPT: &[u8] = b"\xff\xfd\x01\xff\xfb\x1fled on\r\n\xff\xfa\x18\x01 \n\xff\xff\xff\xf0\
    temp\r\0\xff\xfe\x01\xff\xf6hlep\nx\xff\xff\x7f\x7ftemp\rstats\xff\xf1\r\nled";

#[test]
fn a_stream_means_the_same_wherever_it_is_split() {
    let whole = answer(SCRIPT);
    assert!(whole.contains('\u{fffd}'), "the refusals: {whole}");
    assert!(whole.contains("stalls") && whole.ends_with("> led is on\r\n"), "{whole}");
    for split in 0..=SCRIPT.len() {
        let mut bench = Bench::new();
        bench.board.temperature_mc = 41_250;
        let peer = bench.client(PORT, &SCRIPT[..split], false);
        peer.send(&SCRIPT[split..]);
        peer.pipe().fin = true;
        bench.settle();
        assert_eq!(peer.text(), String::from(GREETING) + &whole, "split at {split}");
        assert!(peer.is_closed());
    }
}

#[test]
fn a_stream_means_the_same_however_little_room_there_is() {
    let whole = answer(SCRIPT);
    for room in [1, 2, 3, 7, 16, 64] {
        let mut bench = Bench::new();
        bench.board.temperature_mc = 41_250;
        let peer = bench.stack.client(PORT);
        peer.send(SCRIPT);
        peer.pipe().fin = true;
        let mut polls = 0;
        while !peer.is_closed() {
            peer.pipe().room = room;
            assert_eq!(bench.settle(), None);
            polls += 1;
            assert!(polls < 2000, "{}", peer.text());
        }
        assert_eq!(peer.text(), String::from(GREETING) + &whole, "room for {room}");
    }
}

#[test]
fn a_client_that_does_not_read_is_not_listened_to() {
    let mut bench = Bench::new();
    let peer = bench.stack.client(PORT);
    peer.pipe().room = GREETING.len() + 3;
    peer.send(&b"help\n".repeat(100));
    assert_eq!(bench.settle(), None);
    assert!(peer.pipe().input.len() > 450, "{}", peer.pipe().input.len());
    peer.pipe().reset = true;
    bench.settle();
    assert!(peer.is_closed());
}

#[test]
fn a_flood_of_commands_stops_for_its_budget() {
    let mut bench = Bench::new();
    let peer = bench.stack.client(PORT);
    peer.send(&b"stats\n".repeat(10_000));
    assert_eq!(bench.poll(), Some(bench.now));
    let output = peer.pipe().output.len();
    assert!((SERVICE_BUDGET / 2..=SERVICE_BUDGET).contains(&output), "{output}");
}

#[test]
fn sessions_beyond_the_last_wait_their_turn() {
    let mut bench = Bench::new();
    let sessions: Vec<_> = (0..SHELL_CONNECTIONS).map(|_| bench.client(PORT, b"", false)).collect();
    let waiting = bench.client(PORT, b"temp\n", false);
    assert_eq!(waiting.text(), "");
    sessions[0].send(b"exit\n");
    bench.settle();
    assert!(waiting.text().contains("0.000 C"));
}

#[test]
fn reset_waits_until_its_answer_has_arrived() {
    let mut bench = Bench::new();
    let peer = bench.stack.client(PORT);
    peer.pipe().acknowledged = false;
    peer.pipe().room = GREETING.len() + 4;
    peer.send(b"reset\ntemp\n");
    assert_eq!(bench.settle(), Some(bench.now + RESET_WAIT));
    peer.pipe().room = usize::MAX;
    bench.settle();
    assert_eq!(peer.text(), String::from(GREETING) + "resetting\r\n");
    assert_eq!(peer.pipe().closed, Some(0));
    assert_eq!(bench.board.resets, 0, "its FIN has not been acknowledged");
    peer.pipe().acknowledged = true;
    assert_eq!(bench.settle(), None);
    assert_eq!(bench.board.resets, 1);
    bench.pass(RESET_WAIT);
    assert_eq!(bench.board.resets, 1, "once is enough");
}

#[test]
fn a_second_reset_does_not_put_off_the_first() {
    let mut bench = Bench::new();
    let first = bench.stack.client(PORT);
    first.pipe().acknowledged = false;
    first.send(b"reset\n");
    let deadline = bench.settle();
    bench.now += RESET_WAIT / 2;
    let second = bench.stack.client(PORT);
    second.pipe().acknowledged = false;
    second.send(b"reset\n");
    assert_eq!(bench.settle(), deadline);
    bench.pass(RESET_WAIT / 2);
    assert_eq!(bench.board.resets, 1);
}

#[test]
fn reset_does_not_wait_for_ever_for_a_client_that_vanished() {
    let mut bench = Bench::new();
    let peer = bench.stack.client(PORT);
    peer.pipe().acknowledged = false;
    peer.pipe().room = 0;
    peer.send(b"reset");
    peer.pipe().fin = true;
    bench.settle();
    assert_eq!(bench.board.resets, 0);
    peer.pipe().room = GREETING.len();
    let deadline = bench.settle();
    assert_eq!(deadline, Some(bench.now + RESET_WAIT));
    bench.pass(RESET_WAIT - Duration::from_micros(1));
    assert_eq!(bench.board.resets, 0);
    bench.pass(Duration::from_micros(1));
    assert_eq!(bench.board.resets, 1);
}

#[cfg(feature = "dns")]
#[test]
fn a_name_is_looked_up_and_what_is_typed_meanwhile_waits() {
    use embedded_nal::nb;
    use tapboard_net::LookupError;

    let mut bench = Bench::new();
    let peer = bench.client(PORT, b"host Desk.example\nled\n", true);
    assert_eq!(peer.text(), std::format!("{GREETING}"));
    assert!(!peer.is_closed());
    bench.stack.address = Ok([192, 0, 2, 9].into());
    bench.settle();
    let text = peer.text();
    assert_eq!(&text[GREETING.len()..], "address 192.0.2.9\r\n> led is off\r\n> \r\n");
    assert!(bench.stack.looked_up.iter().all(|name| name == "Desk.example"));
    for (error, said) in [
        (LookupError::NotFound, "no such name\r\n> \r\n"),
        (LookupError::NoServer, "no DNS server is known\r\n> \r\n"),
        (LookupError::TimedOut, "no answer\r\n> \r\n"),
    ] {
        bench.stack.address = Err(nb::Error::Other(error));
        let text = bench.client(PORT, b"host desk\n", true).text();
        assert_eq!(&text[GREETING.len()..], said);
    }
    assert_eq!(answer(b"host\n"), "usage: host NAME\r\n> \r\n");
    assert_eq!(answer(b"host a b\n"), "usage: host NAME\r\n> \r\n");
}
