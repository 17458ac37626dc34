//! The console of a running board: commands from a pipe and from a script, what they print, and what is refused.

#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;

use common::ports::{free_port, local};
use common::process::{Process, connect, echo, finished, pattern, tapboard};
use common::scratch::Scratch;
use common::terminal::Terminal;
use common::user::Forwards;

#[test]
fn commands_from_a_pipe_are_carried_out_to_the_last() {
    let mut command = tapboard(&Forwards::free().arguments(&["--no-telemetry"], &[]));
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all(b"sleep 100ms\nunplug\nlink\nbogus\nsleep 100ms\nplug\nnetstat\nstats\nquit\n")
        .unwrap();
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{out}");
    for part in [
        "\nthe cable is out\nclients still connect: to the gateway, where they wait until it is in\n",
        "\nthe cable is in; nothing wrong\n",
        "bogus",
        "LISTEN",
        "frames_in",
        "board: ",
    ] {
        assert!(out.contains(part), "no {part:?} in {out}");
    }
    // `link` has no hint.
    assert_eq!(out.matches("the cable is out\n").count(), 2, "{out}");
    assert_eq!(out.matches("clients still connect").count(), 1, "{out}");
}

#[test]
fn a_script_is_carried_out_at_its_times() {
    let scratch = Scratch::new();
    let script = scratch.file("good", "@100ms unplug\n@300ms plug # again\nquit\n");
    let options = ["--no-telemetry", "--script", &script];
    let output = finished(&Forwards::free().arguments(&options, &[]));
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let place = |text| out.find(text).unwrap_or_else(|| panic!("no {text:?} in {out}"));
    assert!(place("the cable is out") < place("the cable is in"), "{out}");
}

/// The seed in the form in which it is given again, each time that `out` has it.
fn seeds(out: &str) -> Vec<&str> {
    let all = out.lines().filter_map(|line| line.split_once("again with: "));
    all.map(|(_, seed)| seed).collect()
}

/// What a board on a cable with these options prints until the script is at its end, where it says `quit`.
fn scripted(script: &str, options: &[&str]) -> String {
    let scratch = Scratch::new();
    let script = scratch.file("seed", script);
    let forwards = [7, 9, 19, 23, 80].map(|board| format!("-p{}:{board}", free_port()));
    let forwards = forwards.each_ref().map(String::as_str);
    let fixed = ["--no-telemetry", "--script", &script];
    let output = finished(&[&fixed[..], &forwards[..], options].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_seed_is_printed_once_when_chance_comes_in() {
    // No chance, no seed.
    let out = scripted("delay 1ms\nrate 1mbit\nmtu 1000\npartition on\nquit\n", &["--delay=2ms"]);
    assert_eq!(seeds(&out), [""; 0], "{out}");
    // At the console, and on the command line; not again for a second fault, nor after a reset.
    let later = "sleep 1ms\nloss 5%\ncorrupt in 1%\nheal\nreset\njitter 1ms\nquit\n";
    for options in [&[][..], &["--reorder=in:1%"], &["--seed=7"], &["--seed=7", "--burst=1%/9%"]] {
        let out = scripted(later, options);
        let [seed] = seeds(&out)[..] else { panic!("{options:?}: {out}") };
        let number: u64 = seed.strip_prefix("--seed ").and_then(|n| n.parse().ok()).expect(seed);
        assert!(number == 7 || !options.contains(&"--seed=7"), "{options:?}: {seed}");
        // In the form of the command line.
        let words: Vec<_> = seed.split(' ').collect();
        assert_eq!(seeds(&scripted(later, &words)), [seed]);
    }
    // Whoever missed it asks.
    let out = scripted("loss 5%\nlink\nquit\n", &[]);
    let [first, again] = seeds(&out)[..] else { panic!("{out}") };
    assert_eq!(first, again);
}

#[test]
fn a_bad_script_is_refused_before_the_board_starts() {
    let scratch = Scratch::new();
    let script = scratch.file("bad", "@1s unplug\nfly\n@0.5s plug\n");
    let output = finished(&["--script", &script]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains(":2: ") && error.contains(":3: "), "{error}");
}

/// The rates in bytes a second, to the board and from it, of the last `stats` that was printed.
fn rates(out: &str) -> [f64; 2] {
    let line = out.lines().rfind(|line| line.contains(" s since the ")).expect("rates");
    let words: Vec<_> = line.split_whitespace().collect();
    let rates = words.windows(2).filter_map(|pair| {
        let unit = pair[1].trim_end_matches(';').strip_suffix("B/s")?;
        let factor = match unit {
            "" => 1.0,
            "k" => 1e3,
            "M" => 1e6,
            _ => panic!("{line}"),
        };
        Some(pair[0].parse::<f64>().expect(line) * factor)
    });
    let rates: Vec<_> = rates.collect();
    rates.try_into().unwrap_or_else(|_| panic!("{line}"))
}

#[test]
fn stats_tell_how_much_passes_a_second_since_the_last_time() {
    let forwards = [7, 9, 19, 23, 80].map(|board| (free_port(), board));
    let options = forwards.map(|(host, board)| format!("-p{host}:{board}"));
    let options = options.each_ref().map(String::as_str);
    let mut board = Process::with_console(&[&["--no-telemetry"], &options[..]].concat());
    let data = pattern(8, 300_000);
    assert!(echo(&connect(local(forwards[0].0)), &data).unwrap() == data);
    board.command("stats", "since the start: ");
    // A minute is long for a start and a transfer.
    let [to, from] = rates(&board.output());
    assert!(to > 5000.0 && from > 5000.0, "{to} {from}");
    // What is left of the connection counts for the first of the two, and for the second little can.
    board.command("sleep 500ms\nstats\nsleep 500ms\nstats\nlink", "the cable is in");
    assert_eq!(board.output().matches("since the last `stats`: ").count(), 2);
    let [to, from] = rates(&board.output());
    assert!(to < 1000.0 && from < 1000.0, "{to} {from}");
    // A board that boots starts anew.
    board.command("reset\nstats\nhelp", "Commands:");
    assert_eq!(board.output().matches("since the start: ").count(), 2, "{}", board.output());
}

#[test]
fn a_prompt_completes_and_remembers() {
    let scratch = Scratch::new();
    let state = |name: &str| scratch.path(name);
    let ports = [7, 9, 19, 23, 80].map(|board| (free_port(), board));
    let forwards = ports.map(|(host, board)| format!("-p{host}:{board}"));
    let forwards = forwards.each_ref().map(String::as_str);
    let type_at = |state: &str, variable: Option<&str>, lines: &[&str]| {
        let mut command = tapboard(&[&["--no-telemetry"], &forwards[..]].concat());
        command.env_remove("TAPBOARD_HISTORY").env("XDG_STATE_HOME", state);
        command.envs(variable.map(|value| ("TAPBOARD_HISTORY", value)));
        Terminal::new(200).run(command, lines)
    };
    // Once more, if their first digits are the same.
    let said = type_at(&state("a"), None, &["unforward \t\t\x15delay 5ms", "heal", "quit"]);
    let mut known = ports.map(|(host, _)| host.to_string());
    known.sort();
    assert!(said.contains(&known.join("  ")), "no {known:?} in {said}");
    // In the next run.
    let said = type_at(&state("a"), None, &["\x1b[A\x1b[A\x1b[A", "quit"]);
    assert!(said.contains("delay 5 ms"), "{said}");
    let history = fs::read_to_string(state("a/tapboard/history")).unwrap();
    assert_eq!(history, "delay 5ms\nheal\nquit\ndelay 5ms\nquit\n");
    // Nowhere, if told so.
    type_at(&state("b"), Some(""), &["quit"]);
    assert!(!Path::new(&state("b")).exists());
}
