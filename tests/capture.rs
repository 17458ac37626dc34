//! Captures as Wireshark reads them, and `tapboard ladder`.
#![cfg(target_os = "linux")]

mod common;
#[path = "capture/replays.rs"]
mod replays;

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::conversation::{Sent, conversation};
use common::netns::{self, installed, skip};
use common::process::{Process, finished, tapboard};
use common::scratch::Scratch;
use common::snapshot;
use smoltcp::time::Instant;
use tapboard::capture::{Capture, Direction};

/// The conversation's capture.
fn captured(scratch: &Scratch) -> (String, Vec<Sent>) {
    let path = scratch.path("run.pcapng");
    let mut capture = Capture::create(path.as_ref(), "wire0", Duration::ZERO).unwrap();
    let frames = conversation();
    for sent in &frames {
        capture.record(sent.at, sent.direction, &sent.frame, &sent.notes).unwrap();
    }
    (path, frames)
}

/// Runs tshark on a capture, and returns what it prints. It may complain of being root, and of
/// nothing else.
fn tshark(file: &str, arguments: &[&str]) -> String {
    let checksums =
        ["ip.check_checksum:TRUE", "tcp.check_checksum:TRUE", "udp.check_checksum:TRUE"];
    let mut command = Command::new("tshark");
    command.args(["-n", "-r", file]).args(arguments).stdin(Stdio::null());
    for preference in checksums {
        command.args(["-o", preference]);
    }
    let output = command.output().expect("tshark starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    let complaint = errors.lines().find(|line| !line.starts_with("Running as user \"root\""));
    assert_eq!((output.status.code(), complaint), (Some(0), None), "{arguments:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn wireshark_reads_a_capture_without_a_complaint_and_agrees_on_what_it_shows() {
    let name = "wireshark_reads_a_capture_without_a_complaint_and_agrees_on_what_it_shows";
    if !installed("tshark") {
        return skip(name, "`tshark` is missing; run `sudo apt-get install tshark`");
    }
    let scratch = Scratch::new();
    let (file, frames) = captured(&scratch);
    let fields = ["frame.interface_name", "frame.packet_flags_direction", "frame.comment"];
    let mut arguments = vec!["-T", "fields", "-E", "separator=|", "-e", "frame.time_epoch"];
    arguments.extend(fields.iter().flat_map(|field| ["-e", field]));
    let shown = tshark(&file, &arguments);
    let mut expected = String::new();
    for sent in &frames {
        let micros = sent.at.total_micros();
        let (seconds, nanos) = (micros / 1_000_000, micros % 1_000_000 * 1000);
        let direction = match sent.direction {
            Direction::ToBoard => 1,
            Direction::ToPeer => 2,
        };
        let notes = &sent.notes;
        writeln!(expected, "{seconds}.{nanos:09}|wire0|0x{direction:08x}|{notes}").unwrap();
    }
    assert_eq!(shown, expected);
    assert!(frames.iter().filter(|sent| !sent.notes.is_empty()).count() >= 3);

    // The link corrupted nothing here, so nothing is malformed, and no checksum is wrong.
    assert_eq!(tshark(&file, &["-Y", "_ws.malformed || _ws.expert.severity >= 0x800000"]), "");
    assert_eq!(tshark(&file, &["-q", "-z", "expert,error"]).trim(), "");

    // It finds the same segments sent again.
    let numbers =
        tshark(&file, &["-Y", "tcp.analysis.retransmission", "-T", "fields", "-e", "frame.number"]);
    let mut rungs = tapboard::ladder::Rungs::default();
    let ours: Vec<String> = (1..)
        .zip(&frames)
        .filter(|(_, sent)| {
            let rung = rungs.rung(sent.at, Some(sent.direction), &sent.frame, "");
            rung.marks.iter().any(|mark| mark.is_retransmission())
        })
        .map(|(number, _): (u32, _)| number.to_string())
        .collect();
    assert_eq!(ours, numbers.lines().collect::<Vec<_>>());
    assert_eq!(ours.len(), 3, "the SYN, the SYN-ACK and the data");
}

#[test]
fn a_disk_that_fills_up_is_told_once_and_leaves_whole_frames() {
    let name = "a_disk_that_fills_up_is_told_once_and_leaves_whole_frames";
    netns::run(name, &[("mount", "mount")], || {
        if netns::stage().is_empty() {
            let scratch = Scratch::new();
            let directory = scratch.directory().to_str().expect("UTF-8");
            let disk = format!("mount -t tmpfs -o size=16k none {directory} && cd {directory}");
            let wrapper = format!("exec unshare -m sh -c '{disk} && exec \"$@\"' sh \"$@\"");
            return netns::again(name, "on the small disk", &wrapper);
        }
        let path = Path::new("run.pcapng");
        let mut capture = Capture::create(path, "wire0", Duration::ZERO).unwrap();
        let record = |capture: &mut Capture| {
            capture.record(Instant::ZERO, Direction::ToPeer, &[7; 1514], "delayed 1 ms")
        };
        let results: Vec<_> = (0..20).map(|_| record(&mut capture)).collect();
        let errors: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
        assert_eq!(errors.len(), 1, "{errors:?}");
        let error = errors[0].to_string();
        assert!(error.contains("No space left") && error.contains("goes on without"), "{error}");
        let mut reader = tapboard::capture::read(path).unwrap();
        assert_eq!(reader.by_ref().map(Result::unwrap).count() as u64, capture.frames());
        assert!(capture.frames() > 5 && !reader.truncated());
    });
}

/// Runs `tapboard ladder` on a pipe, whatever terminal the test has.
fn ladder(arguments: &[&str]) -> std::process::Output {
    collected(tapboard(&[&["ladder"], arguments].concat()))
}

/// Likewise for what the library draws, which has no numbers.
fn without_numbers(arguments: &[&str]) -> std::process::Output {
    ladder(&[arguments, &["--numbers", "never"]].concat())
}

fn collected(command: Command) -> std::process::Output {
    let mut process = Process::spawn(command, None);
    let status = process.end();
    let (stdout, stderr) = (process.output().into(), process.errors().into());
    std::process::Output { status, stdout, stderr }
}

#[test]
fn the_command_draws_a_capture_on_the_terminal_and_as_a_document() {
    let scratch = Scratch::new();
    let (file, _) = captured(&scratch);
    let output = without_numbers(&[&file]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    snapshot::assert_is("ladder.txt", &String::from_utf8(output.stdout).unwrap());

    let mut command = tapboard(&["ladder", &file]);
    command.env("COLUMNS", "70");
    snapshot::assert_is(
        "ladder-narrow.txt",
        &String::from_utf8(collected(command).stdout).unwrap(),
    );

    let svg = scratch.path("run.svg");
    let output = ladder(&[&file, "--svg", &svg]);
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    snapshot::assert_is("ladder.svg", &fs::read_to_string(&svg).unwrap());
}

#[test]
fn a_capture_of_tcpdump_is_drawn_with_the_board_at_the_left_too() {
    let scratch = Scratch::new();
    let file = scratch.path("run.pcap");
    let mut bytes = Vec::new();
    let mut words = |words: [u32; 4]| bytes.extend(words.iter().flat_map(|w| w.to_le_bytes()));
    words([0xa1b2_c3d4, 0x0004_0002, 0, 0]);
    let frames = conversation();
    bytes.extend_from_slice(&[0xff, 0xff, 0, 0, 1, 0, 0, 0]);
    for sent in &frames {
        let (micros, len) =
            (sent.at.total_micros().cast_unsigned() as u32, sent.frame.len() as u32);
        for word in [micros / 1_000_000, micros % 1_000_000, len, len] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&sent.frame);
    }
    fs::write(&file, bytes).unwrap();
    // The same but for what the link did.
    let mut expected = tapboard::ladder::Ladder::new(tapboard::ladder::Style::default());
    let line = |sent: &Sent| expected.line(sent.at, sent.direction, &sent.frame, "") + "\n";
    let expected: String = frames.iter().map(line).collect();
    let output = without_numbers(&[&file]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    assert!(output.status.success() && output.stderr.is_empty());
}

#[test]
fn a_capture_whose_writer_was_killed_is_drawn_as_far_as_it_goes() {
    let scratch = Scratch::new();
    let (file, frames) = captured(&scratch);
    let whole = ladder(&[&file]).stdout;
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 5]).unwrap();
    let output = ladder(&[&file]);
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("ends within a frame"), "{output:?}");
    let lines = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().count();
    assert_eq!(lines(&output.stdout) + 1, lines(&whole));
    assert!(lines(&output.stdout) >= frames.len());
}

#[test]
fn a_damaged_capture_is_drawn_up_to_the_damage() {
    let scratch = Scratch::new();
    let (file, frames) = captured(&scratch);
    let mut bytes = fs::read(&file).unwrap();
    // The last block's length, at its end.
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    let svg = scratch.path("run.svg");
    for arguments in [&[file.as_str()][..], &[&file, "--svg", &svg]] {
        let output = ladder(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(errors.contains("what comes before can be read"), "{errors}");
        if arguments.len() == 1 {
            let lines = String::from_utf8_lossy(&output.stdout).lines().count();
            assert!(lines >= frames.len(), "{lines}");
        }
    }
    let document = fs::read_to_string(&svg).expect("it is written all the same");
    assert_eq!(document.matches("class=\"time\"").count(), frames.len() - 1);
}

#[test]
fn what_cannot_be_drawn_is_an_error_with_the_reason() {
    let scratch = Scratch::new();
    let (file, _) = captured(&scratch);
    let text = scratch.file("text", "no capture");
    let missing = scratch.path("missing");
    let nowhere = scratch.path("nowhere/run.svg");
    for (arguments, reason) in [
        (&["ladder", &missing][..], "No such file"),
        (&["ladder", &text], "neither a pcapng nor a pcap"),
        (&["ladder", &file, "--svg", &file], "is the capture itself"),
        (&["ladder", &file, "--svg", &nowhere], "name a file in a directory that you may write"),
    ] {
        let output = finished(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(errors.contains(reason) && errors.lines().count() == 1, "{errors}");
    }
}

#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    let scratch = Scratch::new();
    let (file, _) = captured(&scratch);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut process = Process::spawn(tapboard(&["ladder", &file]), Some(writer.into()));
    assert_eq!(process.exit(), Some(0), "{}", process.errors());
}
