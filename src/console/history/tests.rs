use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::*;
use crate::scratch::Scratch;

fn lines(history: &History) -> Vec<&str> {
    history.lines.iter().map(String::as_str).collect()
}

#[test]
fn lines_are_there_in_the_next_run_for_their_owner_alone() {
    let scratch = Scratch::new();
    let file = PathBuf::from(scratch.path("state/tapboard/history"));
    let mut history = History::kept_in(file.clone());
    for line in ["unplug", "unplug", " ", "plug", "unplug"] {
        history.push(line);
    }
    // Another board, at the same time.
    let mut other = History::kept_in(file.clone());
    other.push("loss 5%");
    history.push("heal");
    let next = History::kept_in(file.clone());
    assert_eq!(lines(&next), ["unplug", "plug", "unplug", "loss 5%", "heal"]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
}

#[test]
fn a_file_has_a_bound_and_its_last_lines_are_kept() {
    let scratch = Scratch::new();
    let file = PathBuf::from(scratch.path("history"));
    let mut history = History::kept_in(file.clone());
    let total = 5 * HISTORY_MAX;
    for index in 0..total {
        history.push(&format!("delay {index}ms"));
        if index == HISTORY_MAX {
            // Another's line outlives the shortening, for as long as it is among the last.
            OpenOptions::new().append(true).open(&file).unwrap().write_all(b"heal\n").unwrap();
        }
    }
    let text = fs::read_to_string(&file).unwrap();
    let count = text.lines().count();
    assert!((HISTORY_MAX..=2 * HISTORY_MAX).contains(&count), "{count} lines");
    let last = format!("delay {}ms", total - 1);
    assert_eq!(text.lines().last(), Some(last.as_str()));
    assert_eq!(history.len(), HISTORY_MAX);
    let others = fs::read_dir(file.parent().unwrap()).unwrap().count();
    assert_eq!(others, 1, "nothing is left beside it");

    // Far longer than it may be: its end counts.
    fs::write(&file, "unplug and plug\n".repeat(100_000) + "quit\n").unwrap();
    let mut history = History::kept_in(file.clone());
    assert_eq!((history.len(), history.get(HISTORY_MAX - 1)), (HISTORY_MAX, Some("quit")));
    history.push("plug");
    assert!(fs::metadata(&file).unwrap().len() < FILE_MAX);
    assert_eq!(lines(&History::kept_in(file)).last(), Some(&"plug"));
}

#[test]
fn what_cannot_be_shown_is_left_out_and_what_cannot_be_kept_is_no_error() {
    let scratch = Scratch::new();
    let long = "x".repeat(LINE_MAX + 1);
    let text = format!("plug\n\n\x1b[2J\n{long}\nplug\tin\nheal\nunpl");
    let file = scratch.file("history", &text).into();
    assert_eq!(lines(&History::kept_in(file)), ["plug", "heal", "unpl"]);
    let bytes = scratch.path("bytes");
    fs::write(&bytes, b"\xff\nplug\n").unwrap();
    assert_eq!(lines(&History::kept_in(bytes.into())), ["plug"]);

    // A directory, below a file, and a FIFO that nobody writes to.
    let fifo = scratch.path("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for file in [scratch.path("."), scratch.path("bytes/history"), fifo] {
        let mut history = History::kept_in(file.into());
        history.push("plug");
        assert_eq!(lines(&history), ["plug"]);
    }
}

#[test]
fn the_last_line_with_a_text_is_found() {
    let mut history = History::default();
    for line in ["loss 5%", "plug", "loss 7%"] {
        history.push(line);
    }
    assert_eq!(history.find("loss", 3), Some(2));
    assert_eq!(history.find("loss", 2), Some(0));
    assert_eq!(history.find("loss", 0), None);
    assert_eq!(history.find("zzz", 9), None);
}

#[test]
fn the_environment_says_where() {
    let of = |variables: &[(&str, &str)]| {
        path(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        })
    };
    let home = ("HOME", "/home/a");
    let path = |path: &str| Some(PathBuf::from(path));
    assert_eq!(of(&[home]), path("/home/a/.local/state/tapboard/history"));
    assert_eq!(of(&[home, ("XDG_STATE_HOME", "/s")]), path("/s/tapboard/history"));
    assert_eq!(of(&[home, ("XDG_STATE_HOME", "s")]), path("/home/a/.local/state/tapboard/history"));
    assert_eq!(of(&[home, (VARIABLE, "mine")]), path("mine"));
    assert_eq!(of(&[home, (VARIABLE, "")]), None);
    assert_eq!(of(&[]), None);
}
