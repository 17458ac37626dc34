//! The console against a clock that the tests move, with scripts in files and pipes.

use std::io::{PipeWriter, Write, pipe};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration as StdDuration;

use smoltcp::time::{Duration, Instant};

use super::*;
use crate::scratch::Scratch;

const PATIENCE: StdDuration = StdDuration::from_mins(1);

fn at(millis: i64) -> Instant {
    Instant::from_millis(millis)
}

fn script(name: &str, text: &str) -> Result<Console, String> {
    let script = Script::read(Scratch::new().file(name, text).as_ref());
    Console::open(&CommandSource::Script(script?), || panic!("a script wakes nobody"))
}

/// Everything a console says, each at the time at which it says it; the clock jumps as it is told.
fn run(
    console: &mut Console,
    mut woken: impl FnMut(),
) -> Vec<(i64, Result<ConsoleCommand, String>)> {
    let (mut now, mut said) = (at(0), Vec::new());
    // Each turn is a command, a time, or a wake-up; no test has this many.
    for _ in 0..100_000 {
        match console.next(now) {
            Next::Command(command) => said.push((now.total_millis(), Ok(command))),
            Next::Bad(error) => said.push((now.total_millis(), Err(error))),
            Next::At(until) => {
                assert!(until >= now, "a time in the past");
                now = until;
            }
            Next::Forwarded => panic!("nobody types here"),
            Next::Idle => woken(),
            Next::Ended => {
                assert_eq!(console.next(now), Next::Ended);
                return said;
            }
        }
    }
    panic!("no end after {} commands", said.len());
}

/// A console that reads from a pipe.
fn piped() -> (Console, PipeWriter, Receiver<()>) {
    let (reader, writer) = pipe().unwrap();
    let (wake, woken) = channel();
    let mut reader = reader;
    let read = move |buffer: &mut [u8]| std::io::Read::read(&mut reader, buffer);
    let bytes = Bytes::new(read, move || wake.send(()).unwrap_or_default()).unwrap();
    (Console::from(Input::Lines(Lines::new(bytes))), writer, woken)
}

#[test]
fn a_script_keeps_its_times() {
    let text = "plug\n@1s unplug\nsleep 500ms\nplug\n@1.5s heal\n@4s\nquit\n";
    let mut console = script("times", text).unwrap();
    let said = run(&mut console, || panic!("a script is never idle"));
    let expected = [
        (0, Ok(ConsoleCommand::Plug)),
        (1000, Ok(ConsoleCommand::Unplug)),
        (1500, Ok(ConsoleCommand::Plug)),
        (1500, Ok(ConsoleCommand::Heal)),
        (4000, Ok(ConsoleCommand::Quit)),
    ];
    assert_eq!(said, expected);
}

#[test]
fn a_script_counts_from_its_start() {
    let mut console = script("start", "@1s plug\nsleep 1s\nquit").unwrap();
    assert_eq!(console.next(at(5000)), Next::At(at(6000)));
    assert_eq!(console.next(at(5999)), Next::At(at(6000)), "asked too early");
    assert_eq!(console.next(at(6200)), Next::Command(ConsoleCommand::Plug));
    assert_eq!(console.next(at(6200)), Next::At(at(7200)), "it sleeps from when it is told to");
}

#[test]
fn a_bad_script_does_not_start() {
    let error = script("bad", "plug\nunplgu\n@2s plug\n@1s quit").unwrap_err();
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(lines.len(), 2, "{error}");
    assert!(lines[0].contains("/bad:2: ") && lines[0].contains("`unplug`"), "{error}");
    assert!(lines[1].contains("/bad:4: ") && lines[1].contains("in the past"), "{error}");

    let error = script("worse", &"x\n".repeat(100)).unwrap_err();
    assert_eq!(error.lines().count(), 21, "{error}");
    let error = script("long", &"#\n".repeat(600_000)).unwrap_err();
    assert!(error.contains("longer than"), "{error}");
    let error = Script::read("/nonexistent/script".as_ref()).unwrap_err();
    assert!(error.contains("/nonexistent/script"), "{error}");
}

#[test]
fn a_pipe_is_read_to_its_last_line() {
    let (mut console, mut writer, woken) = piped();
    writer.write_all(b"sleep 1s\nunplug\nsleep 1s\n# in\nplug\nnonsense\nquit").unwrap();
    drop(writer);
    let said = run(&mut console, || woken.recv_timeout(PATIENCE).expect("a wake-up"));
    assert_eq!(said[0], (1000, Ok(ConsoleCommand::Unplug)));
    assert_eq!(said[1], (2000, Ok(ConsoleCommand::Plug)));
    assert!(said[2].1.as_ref().unwrap_err().contains("nonsense"));
    assert_eq!(said[3..], [(2000, Ok(ConsoleCommand::Quit))]);
}

#[test]
fn a_quiet_pipe_costs_nothing_until_it_speaks() {
    let (mut console, mut writer, woken) = piped();
    assert_eq!(console.next(at(0)), Next::Idle);
    assert!(woken.try_recv().is_err(), "woken for nothing");
    writer.write_all(b"unpl").unwrap();
    woken.recv_timeout(PATIENCE).unwrap();
    assert_eq!(console.next(at(1)), Next::Idle, "half a command");
    writer.write_all(b"ug\n").unwrap();
    woken.recv_timeout(PATIENCE).unwrap();
    assert_eq!(console.next(at(2)), Next::Command(ConsoleCommand::Unplug));
    drop(writer);
    woken.recv_timeout(PATIENCE).expect("a wake-up at the end");
    assert_eq!(console.next(at(3)), Next::Ended);
}

#[test]
fn a_flood_of_lines_leaves_the_board_its_turns() {
    let (mut console, mut writer, woken) = piped();
    let flood = std::thread::spawn(move || {
        let mut written = 0;
        while writer.write_all(&[b'\n'; 4096]).is_ok() {
            written += 1;
        }
        written
    });
    woken.recv_timeout(PATIENCE).unwrap();
    let mut turns = 0;
    while turns < 1000 {
        match console.next(at(0)) {
            // What it is asked for returns, with the board's turn in between.
            Next::At(now) => assert_eq!(now, at(0)),
            Next::Idle => woken.recv_timeout(PATIENCE).unwrap(),
            other => panic!("{other:?}"),
        }
        turns += 1;
    }
    drop(console);
    // The pipe breaks because the thread behind the console has gone.
    assert!(flood.join().unwrap() < 1000);
}

#[test]
fn rubbish_ends_the_console_and_not_the_board() {
    let (mut console, mut writer, woken) = piped();
    writer.write_all("y\n".repeat(BAD_MAX - 1).as_bytes()).unwrap();
    writer.write_all(b"plug\n").unwrap();
    writer.write_all("y\n".repeat(1000).as_bytes()).unwrap();
    let said = run(&mut console, || woken.recv_timeout(PATIENCE).expect("a wake-up"));
    assert_eq!(said.len(), 2 * BAD_MAX);
    assert!(said[2 * BAD_MAX - 1].1.as_ref().unwrap_err().contains("no commands any more"));

    let (mut console, mut writer, woken) = piped();
    writer.write_all(&[b'x'; 10_000]).unwrap();
    let said = run(&mut console, || woken.recv_timeout(PATIENCE).expect("a wake-up"));
    assert_eq!(said.len(), 1, "{said:?}");
}

#[test]
fn no_source_ends_at_once() {
    let mut console =
        Console::open(&CommandSource::None, || panic!("nothing to wake for")).unwrap();
    assert_eq!(console.next(at(0)), Next::Ended);
}

#[test]
fn a_sleep_is_time_of_the_drivers_clock() {
    let (mut console, mut writer, woken) = piped();
    writer.write_all(b"sleep 1min\nsleep 1s\nplug\n").unwrap();
    woken.recv_timeout(PATIENCE).unwrap();
    assert_eq!(console.next(at(10)), Next::At(at(60_010)));
    assert_eq!(console.next(at(20)), Next::At(at(60_010)));
    let late = at(60_010) + Duration::from_millis(5);
    assert_eq!(console.next(late), Next::At(late + Duration::from_secs(1)));
    assert_eq!(console.next(late + Duration::from_secs(1)), Next::Command(ConsoleCommand::Plug));
}
