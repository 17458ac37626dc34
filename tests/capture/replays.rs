//! Captures that are kept, replayed; and `tapboard replay`.

use std::fs;
use std::path::Path;

use tapboard::capture;
use tapboard::replay::{Kind, Replay, ReplayOptions};

use super::collected;
use super::common::packets::{ACK, PSH_ACK, SYN, SYN_ACK, ethernet, pcap, tcp};
use super::common::process::tapboard;
use super::common::scratch::Scratch;

const IPV4: u16 = 0x0800;

fn kept() -> impl Iterator<Item = std::path::PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/replays");
    let files = fs::read_dir(directory).expect("a directory").map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension != "md"))
}

#[test]
fn what_was_captured_is_said_again() {
    let mut replayed = 0;
    for path in kept() {
        let reader = capture::read(&path).unwrap();
        let replay = Replay::read(reader, &ReplayOptions::default());
        let replay = replay.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let report = replay.run();
        let kinds: Vec<_> =
            report.differences().map(|one| one.kind).filter(|kind| kind.matters()).collect();
        let another =
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("linux"));
        // The board has neither a window scale nor timestamps.
        let expected = if another { vec![Kind::Options; 2] } else { Vec::new() };
        assert_eq!(kinds, expected, "{}\n{report}", path.display());
        assert!(report.conversations.iter().all(|one| one.skipped.is_none()), "{report}");
        replayed += 1;
    }
    assert!(replayed >= 4, "{replayed}");
}

/// Runs `tapboard replay`: its exit code, and what it prints.
fn replay(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = collected(tapboard(&[&["replay"], arguments].concat()));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn named(name: &str) -> String {
    let path = kept().find(|path| path.file_name().is_some_and(|found| found == name));
    path.expect("it is kept").display().to_string()
}

#[test]
fn the_exit_code_tells_whether_the_board_says_the_same() {
    let scratch = Scratch::new();
    let (lossy, linux) = (named("echo-lossy.pcapng"), named("linux-echo.pcap"));
    let (code, text, errors) = replay(&[&lossy, "--strict"]);
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{text}");
    assert!(text.ends_with("frames of the peer: the board says the same\n"), "{text}");

    let small = scratch.path("small.pcapng");
    let (code, text, _) = replay(&[&linux, "--minimize", &small]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains(
            "options at frame 11: then MSS=1460 WS=1024 SACK_PERM TS; now MSS=1460 WS=1 SACK_PERM"
        ),
        "{text}"
    );
    assert!(text.contains("minimized to 2 frames of 36"), "{text}");
    let (code, text, _) = replay(&[&small, "--json"]);
    assert_eq!(code, Some(1), "{text}");
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["differences"][0]["kind"], "options");
    assert_eq!(lines[1]["summary"]["differs"], true);

    // Another service in the echo's place, with its frames in a capture.
    let frames = scratch.path("frames.pcapng");
    let (code, text, _) = replay(&[&lossy, "--port", "7:9", "--pcap", &frames]);
    assert!(
        code == Some(1) && text.contains("length at frame 18: then 1500 bytes; now 0 bytes"),
        "{text}"
    );
    let drawn = super::ladder(&[&frames]);
    assert!(String::from_utf8_lossy(&drawn.stdout).contains(" PSH ACK seq=1 ack=1 500 bytes "));
}

#[test]
fn what_cannot_be_replayed_says_what_to_do() {
    let scratch = Scratch::new();
    let refused = |packets: &[Vec<u8>], arguments: &[&str]| {
        let path = scratch.path("bad.pcap");
        let frames: Vec<_> = packets.iter().map(|packet| ethernet(IPV4, packet)).collect();
        fs::write(&path, pcap(1, &frames)).unwrap();
        let (code, text, errors) = replay(&[&[path.as_str()], arguments].concat());
        assert_eq!((code, text.as_str()), (Some(2), ""), "{errors}");
        errors
    };
    // Between 10.0.0.1:4000 and 10.0.0.2:80.
    let handshake =
        [tcp(true, 0, 0, SYN, 0), tcp(false, 0, 1, SYN_ACK, 0), tcp(true, 1, 1, ACK, 0)];
    let late = [tcp(true, 1, 1, PSH_ACK, 10), tcp(false, 1, 11, ACK, 0)];
    let errors = refused(&late, &["--board", "10.0.0.2"]);
    assert!(errors.contains("it began before the capture; capture from the SYN on"), "{errors}");
    let errors = refused(&late, &[]);
    assert!(errors.contains("name it with --board ADDR"), "{errors}");
    let errors = refused(&handshake, &["--board", "10.0.0.9"]);
    assert!(errors.contains("there are 10.0.0.1 and 10.0.0.2"), "{errors}");
    let errors = refused(&[], &[]);
    assert!(errors.contains("no frame in it carries ARP or IP"), "{errors}");
    // Each of them is asked for its page.
    let back = super::common::packets::ip(
        "10.0.0.2",
        "10.0.0.1",
        6,
        &super::common::packets::tcp_bytes((4001, 80), (7, 0), SYN, &[], 0),
        16,
    );
    let errors = refused(&[handshake[0].clone(), back], &[]);
    assert!(errors.contains("10.0.0.1 and 10.0.0.2 may be the board; name the one"), "{errors}");

    // Data that was not captured to its end.
    let path = scratch.path("cut.pcap");
    let data = ethernet(IPV4, &tcp(true, 1, 1, PSH_ACK, 100));
    let mut frames: Vec<_> = handshake.iter().map(|packet| ethernet(IPV4, packet)).collect();
    frames.push(data[..100].to_vec());
    let mut file = pcap(1, &frames);
    let at = file.len() - 100 - 4;
    file[at..at + 4].copy_from_slice(&(data.len() as u32).to_le_bytes());
    fs::write(&path, file).unwrap();
    let (code, _, errors) = replay(&[&path]);
    assert!(code == Some(2) && errors.contains("tcpdump -s 0"), "{errors}");
    let (code, _, errors) = replay(&["/nonexistent/x.pcap"]);
    assert!(code == Some(2) && errors.contains("cannot open /nonexistent/x.pcap"), "{errors}");
    // A handshake alone can be.
    let frames: Vec<_> = handshake.iter().map(|packet| ethernet(IPV4, packet)).collect();
    fs::write(&path, pcap(1, &frames)).unwrap();
    let (code, text, _) = replay(&[&path, "--board", "10.0.0.2"]);
    // Its SYN-ACK offers nothing.
    assert!(
        code == Some(1) && text.contains("options at frame 2: then nothing; now MSS=1460"),
        "{text}"
    );
}
