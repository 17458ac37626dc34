//! The shell's `set`, `unset` and `save`.

use std::string::String;

use super::Bench;
use crate::config::{SETTINGS_SIZE, SHELL_OUTPUT};
use crate::service::fake_board::FakeSettings;
use crate::service::shell::PORT;
use crate::settings::{SETTINGS, Table};

/// A board that keeps settings, and what its shell answers to `lines`.
fn answers(bench: &mut Bench, lines: &str) -> String {
    let text = bench.client(PORT, lines.trim_end().as_bytes(), true).text();
    assert!(text.lines().all(|line| line.len() + 2 <= SHELL_OUTPUT), "cut: {text}");
    let text = text.split_once("\r\n> ").expect("a greeting").1;
    text.replace("\r\n", "\n")
}

fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.board.settings = Some(FakeSettings::default());
    bench
}

fn settings(bench: &mut Bench) -> &mut FakeSettings {
    bench.board.settings.as_mut().unwrap()
}

#[test]
fn a_setting_is_made_listed_and_kept() {
    let mut bench = bench();
    assert_eq!(
        answers(&mut bench, "SET Name  Gew\u{e4}chshaus 3 \nset ip 192.0.2.7/24\n"),
        "name is Gew\u{e4}chshaus 3, after save and reset\n> ip is 192.0.2.7/24, after save and reset\n"
    );
    let list = answers(&mut bench, "set\n");
    assert!(
        list.starts_with("ip         192.0.2.7/24\ngateway    (as built)\nname       Gew\u{e4}")
    );
    assert!(list.ends_with("\nnot saved yet: try save\n"), "{list}");
    assert_eq!(list.lines().count(), SETTINGS.len() + 1);
    assert!(settings(&mut bench).saved.as_bytes().is_empty());
    assert_eq!(answers(&mut bench, "save\n"), "saved; reset puts it into effect\n");
    assert!(!answers(&mut bench, "set\n").contains("not saved"));
    let saved = settings(&mut bench).saved.clone();
    assert_eq!(saved.as_bytes(), "name=Gew\u{e4}chshaus 3\nip=192.0.2.7/24\n".as_bytes());
    assert_eq!(answers(&mut bench, "set Ip\n"), "ip         192.0.2.7/24\n");
}

#[test]
fn a_setting_is_taken_back() {
    let mut bench = bench();
    settings(&mut bench).table = Table::parse(b"name=x\nip=192.0.2.7/24\n").unwrap();
    assert_eq!(answers(&mut bench, "unset NAME\n"), "name is as built, after save and reset\n");
    assert_eq!(settings(&mut bench).table.get("name"), None);
    assert_eq!(
        answers(&mut bench, "unset\nunset name x\n"),
        "usage: unset NAME\n> usage: unset NAME\n"
    );
}

#[test]
fn what_cannot_be_changes_nothing_and_says_what_could() {
    let mut bench = bench();
    for (line, says) in [
        (&b"set ip 192.0.2.0/24"[..], "LEN 1 to 30, e.g. 192.0.2.7/24"),
        (b"set name 012345678901234567890123456789012", "a text of 1 to 32 bytes"),
        (b"set nmae x", "no such setting; set lists them"),
        (b"set nmae", "no such setting; set lists them"),
        (b"unset nmae", "no such setting; set lists them"),
        (b"unset \x80", "no such setting; set lists them"),
        (b"set name \x80\x81", "that is not UTF-8"),
    ] {
        let text = bench.client(PORT, line, true).text();
        assert!(text.contains(says), "{text}");
        assert!(settings(&mut bench).table.as_bytes().is_empty());
    }
    let full = std::format!("x={}", "x".repeat(SETTINGS_SIZE - 3));
    settings(&mut bench).table = Table::parse(full.as_bytes()).unwrap();
    assert!(answers(&mut bench, "set name y\n").contains("unset another"));
}

#[test]
fn a_storage_that_fails_is_told_of() {
    let mut bench = bench();
    settings(&mut bench).broken = true;
    let text = answers(&mut bench, "set name x\nsave\nset\n");
    assert!(text.contains("not saved: the storage failed"), "{text}");
    assert!(text.ends_with("not saved yet: try save\n"), "{text}");
}

#[test]
fn a_board_without_a_place_says_so() {
    let mut bench = Bench::new();
    for line in ["set\n", "set name x\n", "unset name\n", "save\n"] {
        let text = answers(&mut bench, line);
        assert_eq!(text, "this board keeps no settings; tapboard does with --settings FILE\n");
    }
}
