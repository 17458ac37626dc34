//! The cable of a running board: faults, pulls and power-cycles by flags, pipe and script; captures of
//! them.

#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

use common::netns;
use common::process::{PATIENCE, Process, connect, echo, free_port, pattern, tapboard};
use common::user::User;
use tapboard::capture::read;

/// A file of this test's own, gone with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("tapboard-{}-{name}", std::process::id())))
    }

    fn script(name: &str, text: &str) -> Self {
        let scratch = Self::new(name);
        fs::write(&scratch.0, text).expect("a writable temporary folder");
        scratch
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("an ordinary path")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn board(port: u16) -> SocketAddr {
    ([192, 0, 2, 1], port).into()
}

#[test]
fn commands_from_a_pipe_are_carried_out_to_the_last() {
    let forwards = [7, 9, 19, 23].map(|board| format!("-p{}:{board}", free_port()));
    let forwards = forwards.each_ref().map(String::as_str);
    let mut command = tapboard(&[&["--no-telemetry"], &forwards[..]].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all(b"sleep 100ms\nunplug\nlink\nbogus\nsleep 100ms\nplug\nnetstat\nstats\nquit\n")
        .unwrap();
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{out}");
    for part in ["the cable is out", "bogus", "LISTEN", "frames_in", "board: "] {
        assert!(out.contains(part), "no {part:?} in {out}");
    }
}

#[test]
fn a_bad_script_is_refused_before_the_board_starts() {
    let script = Scratch::script("bad", "@1s unplug\nfly\n@0.5s plug\n");
    let output = tapboard(&["--script", script.path()]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains(":2: ") && error.contains(":3: "), "{error}");
}

#[test]
fn every_kind_of_fault_at_once_changes_no_byte() {
    let faults = [
        "--loss=3%",
        "--burst=1%/50%",
        "--corrupt=2%",
        "--duplicate=3%",
        "--reorder=5%",
        "--delay=2ms",
        "--jitter=1ms",
        "--seed=5",
    ];
    for profile in ["--profile=mcu", "--profile=large"] {
        let user = User::quiet(&[&faults[..], &[profile]].concat());
        let data = pattern(1, 100_000);
        assert!(echo(&connect(user.echo), &data).unwrap() == data, "{profile}");
    }
}

#[test]
fn a_capture_tells_what_became_of_each_frame() {
    let file = Scratch::new("capture.pcapng");
    {
        let options = ["--pcap", file.path(), "--loss=10%", "--delay=1ms", "--seed=4"];
        let user = User::quiet(&options);
        let data = pattern(2, 60_000);
        assert!(echo(&connect(user.echo), &data).unwrap() == data);
        // The run is killed here, and keeps its capture.
    }
    let records: Vec<_> = read(&file.0).unwrap().map(Result::unwrap).collect();
    let said = |part: &str| records.iter().filter(|record| record.notes.contains(part)).count();
    assert!(records.len() > 80, "{}", records.len());
    assert!(said("delayed 1 ms") > 50 && said("dropped by loss 10%") > 2);
    assert_eq!(said("delayed") + said("dropped"), records.len(), "nothing passed untouched");
}

#[test]
fn a_cable_pulled_in_the_middle_of_a_transfer_and_put_back_loses_nothing() {
    netns::run(
        "a_cable_pulled_in_the_middle_of_a_transfer_and_put_back_loses_nothing",
        &[],
        || {
            let script = Scratch::script("pull", "@1s unplug\n@3s link\n@4s plug\n");
            let options = ["tap", "--no-telemetry", "--rate=20mbit", "--script", script.path()];
            let tap = Process::up(&options);
            let client = connect(board(7));
            let data = pattern(3, 5_000_000);
            let mut carrier = Vec::new();
            std::thread::scope(|scope| {
                let transfer = scope.spawn(|| echo(&client, &data).unwrap());
                tap.prints("the cable is out");
                carrier.push(netns::sh("ip link show tap0").contains("NO-CARRIER"));
                assert!(transfer.join().unwrap() == data, "not a byte more or less");
            });
            carrier.push(netns::sh("ip link show tap0").contains("NO-CARRIER"));
            assert_eq!(carrier, [true, false], "the host sees the cable too");
        },
    );
}

#[test]
fn a_power_cycle_in_mid_connection_is_an_error_to_the_client_and_not_silence() {
    netns::run(
        "a_power_cycle_in_mid_connection_is_an_error_to_the_client_and_not_silence",
        &[],
        || {
            let script = Scratch::script("reset", "@1s reset\n");
            let tap = Process::up(&["tap", "--no-telemetry", "--script", script.path()]);
            let mut client = connect(board(7));
            client.write_all(b"x").unwrap();
            client.read_exact(&mut [0]).unwrap();
            tap.prints("board: reset");
            // Within one retransmission of the board's return.
            client.set_read_timeout(Some(PATIENCE)).unwrap();
            let started = client.write_all(b"anyone?").and_then(|()| client.read(&mut [0; 8]));
            assert_eq!(started.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
            // And the board is there again, as itself.
            let again = connect(board(7));
            assert_eq!(echo(&again, b"hello").unwrap(), b"hello");
        },
    );
}
