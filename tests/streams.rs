//! `-` in place of a file: standard input or output, for every option and argument that takes one.
#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::io::{BufReader, PipeReader, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use common::conversation::conversation;
use common::netns;
use common::ports::{free_port, local};
use common::process::{Process, connect, echo, finished, pattern, tapboard};
use tapboard::capture::{Capture, Reader, read};
use tapboard::nic::tap::machine_addresses;

/// A file of this test's own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("tapboard-{}-{name}", std::process::id())))
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }

    /// The conversation's capture.
    fn captured(name: &str) -> Self {
        let file = Self::new(name);
        let mut capture = Capture::create(&file.0, "board", std::time::Duration::ZERO).unwrap();
        for sent in conversation() {
            capture.record(sent.at, sent.direction, &sent.frame, &sent.notes).unwrap();
        }
        file
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Runs `command` with this on its standard input.
fn fed(mut command: Command, input: &[u8]) -> Output {
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().expect("the program starts");
    // Whoever does not read to the end is judged by what it prints.
    let _ = child.stdin.take().expect("it is piped").write_all(input);
    child.wait_with_output().expect("the program ends")
}

/// A board whose frames go to standard output, the pipe that they come from, and where it echoes.
fn streaming(options: &[&str]) -> (Process, PipeReader, std::net::SocketAddr) {
    let ports = [7, 9, 19, 23, 80].map(|board| (free_port(), board));
    let forwards = ports.map(|(host, board)| format!("-p{host}:{board}"));
    let forwards = forwards.each_ref().map(String::as_str);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let command = tapboard(&[&["--pcap", "-"], &forwards[..], options].concat());
    let process = Process::spawn(command, Some(Stdio::from(writer)));
    process.complains("Ctrl-C ends it.\n");
    (process, reader, local(ports[0].0))
}

#[test]
fn frames_on_standard_output_come_as_they_are_sent() {
    let (mut board, pipe, address) = streaming(&["--no-telemetry", "--ladder"]);
    let mut frames = Reader::new(BufReader::new(pipe)).unwrap();
    assert_eq!(echo(&connect(address), b"hello").unwrap(), b"hello");
    // Both ways, while the board runs on: nothing waits for a buffer to fill.
    let hello = |frame: &[u8]| frame.windows(5).any(|part| part == b"hello");
    let seen = frames.by_ref().map(Result::unwrap).filter(|record| hello(&record.frame));
    assert_eq!(seen.take(2).count(), 2);
    board.complains("board 192.0.2.1");
    board.signal("TERM");
    assert_eq!(frames.by_ref().filter(Result::is_err).count(), 0, "it ends with a whole frame");
    assert!(!frames.truncated());
    assert_eq!(board.exit(), Some(0));
    assert!(board.errors().contains("gateway: 1 connection to the board"), "{}", board.errors());
}

/// With telemetry there is a frame to be written before long.
#[test]
fn a_reader_that_goes_away_ends_the_run_in_order() {
    let port = free_port();
    let (to, allowed) = (format!("192.0.2.2:{port}"), port.to_string());
    let (mut board, mut pipe, _) = streaming(&["--telemetry", &to, "--allow", &allowed]);
    pipe.read_exact(&mut [0; 100]).unwrap();
    drop(pipe);
    assert_eq!(board.exit(), Some(0));
    let errors = board.errors();
    assert!(errors.contains("\nboard: ") && !errors.contains("panicked"), "{errors}");
}

#[test]
fn a_reader_that_sleeps_stops_nobody_and_learns_what_it_missed() {
    let (mut board, pipe, address) = streaming(&["--no-telemetry"]);
    // Far more than the pipe holds.
    let data = pattern(3, 5_000_000);
    assert!(echo(&connect(address), &data).unwrap() == data, "not a byte more or less");
    board.complains("who reads standard output is too slow");
    board.signal("TERM");
    assert_eq!(board.exit(), Some(0));
    let errors = board.errors();
    let said = errors.lines().find_map(|line| line.strip_prefix("left out of the capture: "));
    let said: usize = said.and_then(|said| said.split(' ').next()?.parse().ok()).expect(&errors);
    let mut frames = Reader::new(BufReader::new(pipe)).unwrap();
    let there = frames.by_ref().map(Result::unwrap).count();
    assert!(!frames.truncated(), "the last frame is whole");
    assert!(there > 100 && said > 100, "{there} and {said}");
}

#[test]
fn a_terminal_is_no_place_for_frames() {
    let file = |pty: rustix::fd::OwnedFd| Stdio::from(pty);
    let controller = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR).unwrap();
    rustix::pty::grantpt(&controller).unwrap();
    rustix::pty::unlockpt(&controller).unwrap();
    let name = rustix::pty::ptsname(&controller, Vec::new()).unwrap();
    let terminal = fs::File::options().write(true).open(name.to_str().unwrap()).unwrap();
    let forwards = [7, 9, 19, 23, 80].map(|board| format!("-p{}:{board}", free_port()));
    let forwards = forwards.each_ref().map(String::as_str);
    let command = tapboard(&[&["--pcap", "-"], &forwards[..]].concat());
    let mut board = Process::spawn(command, Some(file(terminal.into())));
    assert_eq!(board.exit(), Some(1));
    let errors = board.errors();
    assert!(errors.contains("tapboard --pcap - | wireshark -k -i -"), "{errors}");
}

/// Likewise a disk that is full, or a directory that is not there: nothing was up before.
#[test]
fn a_capture_that_cannot_be_written_is_an_error_before_anything_is_up() {
    let forwards = [7, 9, 19, 23, 80].map(|board| format!("-p{}:{board}", free_port()));
    let forwards = forwards.each_ref().map(String::as_str);
    let refused = |options: &[&str]| {
        let output = finished(&[options, &["--pcap", "/nonexistent/x"]].concat());
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains("cannot write the capture /nonexistent/x"), "{errors}");
        assert!(output.stdout.is_empty(), "it said that it was up");
    };
    refused(&forwards);
    let guest = format!("--guest=udp:{}", free_port());
    refused(&[&[guest.as_str()], &forwards[..]].concat());
    let test = "a_capture_that_cannot_be_written_is_an_error_before_anything_is_up";
    netns::run(test, &[], || {
        refused(&["tap"]);
        let left = machine_addresses().unwrap();
        assert!(left.iter().all(std::net::IpAddr::is_loopback), "{left:?}");
    });
}

/// What another board is writing is not replaced by one that does not come up.
#[test]
fn a_board_that_does_not_come_up_replaces_no_capture() {
    let capture = Scratch::captured("kept.pcapng");
    let before = fs::read(&capture.0).unwrap();
    let taken = std::net::TcpListener::bind(local(0)).unwrap();
    let forward = format!("-p{}:7", taken.local_addr().unwrap().port());
    let output = finished(&[&forward, "--pcap", capture.path()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(fs::read(&capture.0).unwrap() == before);
}

#[test]
fn a_script_comes_from_standard_input() {
    let forwards = [7, 9, 19, 23, 80].map(|board| format!("-p{}:{board}", free_port()));
    let forwards = forwards.each_ref().map(String::as_str);
    let command = || tapboard(&[&["--no-telemetry", "--script", "-"], &forwards[..]].concat());
    let output = fed(command(), b"@50ms unplug\n@100ms quit\n");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("the cable is out"), "{output:?}");
    let output = fed(command(), b"plug\nfly\n");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("standard input:2: there is no command \"fly\""), "{errors}");
    assert!(output.stdout.is_empty(), "it started: {output:?}");
}

#[test]
fn a_ladder_reads_standard_input_and_writes_documents_to_standard_output() {
    let capture = Scratch::captured("ladder.pcapng");
    let bytes = fs::read(&capture.0).unwrap();
    let plain = |words: &[&str]| {
        let mut command = tapboard(&[&["ladder"], words].concat());
        command.env_remove("COLUMNS");
        command
    };
    let drawn = fed(plain(&[capture.path()]), b"");
    let streamed = fed(plain(&["-"]), &bytes);
    assert!(drawn.status.success() && streamed.status.success(), "{streamed:?}");
    // A stream cannot be looked through first: the board's address is in the header when it is known, and there is room
    // for more frames.
    let rungs = |output: &Output| {
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        let rungs = text.lines().filter(|line| !line.contains("seconds"));
        let words = rungs
            .map(|line| line.replace('-', " ").split_whitespace().collect::<Vec<_>>().join(" "));
        words.collect::<Vec<_>>().join("\n")
    };
    assert_eq!(rungs(&streamed), rungs(&drawn));
    assert!(String::from_utf8_lossy(&streamed.stdout).contains("seconds board 192.0.2.1 "));

    let svg = Scratch::new("ladder.svg");
    assert!(fed(plain(&[capture.path(), "--svg", svg.path()]), b"").status.success());
    let streamed = fed(plain(&[capture.path(), "--svg", "-"]), b"");
    assert!(streamed.status.success() && streamed.stderr.is_empty(), "{streamed:?}");
    assert!(streamed.stdout == fs::read(&svg.0).unwrap());
    let both = fed(plain(&["-", "--svg", "-"]), &bytes);
    assert!(both.status.success() && both.stdout.starts_with(b"<svg"), "{both:?}");

    let empty = fed(plain(&["-"]), b"");
    assert_eq!(empty.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&empty.stderr);
    assert!(errors.starts_with("tapboard: standard input: it is empty, "), "{errors}");
}

#[test]
fn a_worlds_frames_go_to_standard_output_and_all_else_to_standard_error() {
    let capture = Scratch::new("world.pcapng");
    let to_file = fed(tapboard(&["sim", "--seed", "7", "--pcap", capture.path()]), b"");
    let streamed = fed(tapboard(&["sim", "--seed", "7", "--pcap", "-", "--ladder"]), b"");
    assert!(to_file.status.success() && streamed.status.success(), "{streamed:?}");
    assert!(streamed.stdout == fs::read(&capture.0).unwrap());
    assert!(read(&capture.0).unwrap().map(Result::unwrap).count() > 10);
    let errors = String::from_utf8_lossy(&streamed.stderr);
    assert!(errors.contains("1 world, 0 failed") && errors.contains("seconds board"), "{errors}");
    assert!(String::from_utf8_lossy(&to_file.stdout).starts_with("1 world, 0 failed"));
}

/// A board other than the first: its capture names it, and not the first, who is asked for.
#[test]
fn another_board_is_drawn_as_itself() {
    let capture = Scratch::new("third.pcapng");
    let test = "another_board_is_drawn_as_itself";
    netns::run(test, &[("ping", "iputils-ping")], || {
        let mut live = {
            let options = ["tap", "--no-telemetry", "--id", "3", "--ladder", "--pcap"];
            Process::up(&[&options[..], &[capture.path()]].concat())
        };
        // The first is asked for, and not there.
        assert!(!netns::succeeds("ping", &["-c", "1", "-W", "1", "192.0.2.1"]));
        netns::sh("ping -c 1 -W 5 192.0.2.3");
        live.signal("TERM");
        assert_eq!(live.exit(), Some(0));
        let file = finished(&["ladder", capture.path()]);
        let bytes = fs::read(&capture.0).unwrap();
        let stream = fed(tapboard(&["ladder", "-"]), &bytes);
        for text in [live.output().into_bytes(), file.stdout, stream.stdout] {
            let text = String::from_utf8(text).unwrap();
            assert!(
                text.contains("board 192.0.2.3") && !text.contains("board 192.0.2.1"),
                "{text}"
            );
        }
    });
}
