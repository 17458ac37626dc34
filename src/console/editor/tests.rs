use super::*;
use crate::console::history::HISTORY_MAX;
use crate::console::reader::LINE_MAX;
use tapboard_firmware::rng::Rng;

fn new() -> Editor {
    Editor::new(History::default())
}

/// The actions of what is typed, but for completions, which are carried out.
fn typed(editor: &mut Editor, keys: &str) -> Vec<Action> {
    let mut act = |byte| match editor.key(byte) {
        Some(Action::Complete) => {
            editor.complete(&[]);
            None
        }
        action => action,
    };
    keys.bytes().filter_map(&mut act).collect()
}

fn line(keys: &str) -> String {
    let mut editor = new();
    match typed(&mut editor, &format!("{keys}\r")).pop() {
        Some(Action::Line(line)) => line,
        other => panic!("{keys:?}: {other:?}"),
    }
}

#[test]
fn keys_edit_as_in_every_shell() {
    for (keys, expected) in [
        ("plug", "plug"),
        ("plug\x01un", "unplug"),
        ("lug\x1b[Hp", "plug"),
        ("lug\x1b[1~p\x1b[4~!", "plug!"),
        ("lug\x1bOHp\x1bOF!", "plug!"),
        ("plg\x1b[Du", "plug"),
        ("plg\x02u\x06!", "plug!"),
        ("plugg\x7f", "plug"),
        ("pplug\x01\x1b[3~", "plug"),
        ("pplug\x01\x04", "plug"),
        ("loss 5%\x17delay", "loss delay"),
        ("loss in 5%\x1b\x7f\x1b\x7f7%", "loss 7%"),
        ("loss in 5%\x1b[1;5D\x1b[1;5Dout \x0b5%", "loss out 5%"),
        ("loss 5%\x01\x1bf!", "loss! 5%"),
        ("garbage\x15plug", "plug"),
        ("pl\x1b[99;99Zug", "plug"),
        ("caf\u{e9}\u{4e2d}\x7f", "caf\u{e9}"),
        ("unp\t", "unplug "),
        ("cap\to\t", "capture stop "),
        ("in\x01loss \x05 o\t", "loss in off "),
        (" 5%\x01los\t", "loss 5%"),
        ("loss  5%\x1b[D\x1b[D\x1b[Dou\t", "loss out 5%"),
        ("zzz\t", "zzz"),
    ] {
        assert_eq!(line(keys), expected, "{keys:?}");
    }
}

#[test]
fn history_comes_back_and_the_new_line_is_kept_meanwhile() {
    let mut editor = new();
    typed(&mut editor, "one\rtwo\rtwo\r \r");
    let up = "\x1b[A";
    let down = "\x1b[B";
    let recall = |editor: &mut Editor, keys: String| typed(editor, &keys).pop();
    assert_eq!(recall(&mut editor, format!("ne{up}{up}{up}\r")), Some(Action::Line("one".into())));
    assert_eq!(
        recall(&mut editor, format!("new{up}{up}{down}{down}{down}!\r")),
        Some(Action::Line("new!".into()))
    );
    for index in 0..2 * HISTORY_MAX {
        typed(&mut editor, &format!("{index}\r"));
    }
    assert_eq!(editor.history.len(), HISTORY_MAX);
}

#[test]
fn control_d_ends_only_an_empty_line() {
    let mut editor = new();
    assert_eq!(typed(&mut editor, "x\x01\x04"), []);
    assert_eq!(typed(&mut editor, "\x04"), [Action::Quit]);
    assert_eq!(typed(&mut editor, "\x1a"), [Action::Suspend]);
}

#[test]
fn a_row_shows_the_cursor_and_never_wraps() {
    let mut editor = new();
    typed(&mut editor, "loss \u{4e2d} 5%");
    assert_eq!(editor.draw(80), "\r\x1b[Ktapboard> loss \u{4e2d} 5%\r\x1b[20C");
    assert_eq!(editor.draw(16), "\r\x1b[Ktapboard> \u{4e2d} 5%\r\x1b[15C");
    typed(&mut editor, "\x01");
    assert_eq!(editor.draw(16), "\r\x1b[Ktapboard> loss \r\x1b[10C");
    assert!(editor.draw(0).contains("tapboard>"));
}

#[test]
fn no_bytes_break_it_and_none_reach_the_terminal_raw() {
    let mut rng = Rng::new(7);
    let mut editor = new();
    for _ in 0..50_000 {
        let byte = match rng.next_u64() % 3 {
            0 => rng.next_u64() as u8,
            1 => *b"\x1b[OABCDHF1;5~3\x7f\t\x12\x07"
                .get((rng.next_u64() % 18) as usize)
                .unwrap_or(&b' '),
            _ => b'a' + (rng.next_u64() % 26) as u8,
        };
        if let Some(Action::Line(line)) = editor.key(byte) {
            assert!(line.len() <= LINE_MAX && !line.contains(char::is_control), "{line:?}");
        }

        assert!(editor.partial.len() <= 4);
    }
    typed(&mut editor, &"x".repeat(2 * LINE_MAX));
    assert!(editor.line.text().len() <= LINE_MAX);
    let shown = editor.draw(80);
    assert!(shown.len() < 120, "{shown}");
}

#[test]
fn the_history_is_searched_from_its_end() {
    let history = || {
        let mut editor = new();
        typed(&mut editor, "loss in 5%\rplug\rloss out 7%\rdelay 5ms\r");
        editor
    };
    for (keys, expected) in [
        ("\x12loss\r", "loss out 7%"),
        ("\x12loss\x12\r", "loss in 5%"),
        ("\x12loss\x12\x12\x12\r", "loss in 5%"),
        // Each further character may have what is found already.
        ("\x125\r", "delay 5ms"),
        ("\x125%\r", "loss in 5%"),
        ("\x125%\x7f\r", "delay 5ms"),
        ("abc\x125%\x07\r", "abc"),
        ("abc\x12zzz\r", "abc"),
        ("abc\x12plug\x7f\x7f\x7f\x7f\r", "abc"),
        // Any other key goes on with the line, in the history.
        ("\x12plug\x01un\r", "unplug"),
        ("\x12plug\x1b[Dx\r", "pluxg"),
        ("\x12plug\x1b[A\r", "loss in 5%"),
        ("abc\x12plug\x1b[B\x1b[B\x1b[B\r", "abc"),
    ] {
        let done = typed(&mut history(), keys);
        assert_eq!(done, [Action::Line(expected.into())], "{keys:?}");
    }
    let mut editor = history();
    typed(&mut editor, "\x12plug");
    assert_eq!(editor.draw(80), "\r\x1b[Ksearch `plug`: plug\r\x1b[19C");
    typed(&mut editor, "\x12");
    assert!(editor.draw(80).contains("no other `plug`: plug"));
}

#[test]
fn what_can_follow_is_listed_if_nothing_is_certain() {
    let mut editor = new();
    typed(&mut editor, "unforward ");
    assert_eq!(editor.complete(&[]), None);
    let forwarded = ["7007".to_string(), "7009".to_string()];
    assert_eq!(editor.complete(&forwarded), None, "so far it is certain");
    assert_eq!(editor.complete(&forwarded), Some("7007  7009".into()));
    typed(&mut editor, "9");
    assert_eq!(editor.complete(&forwarded), None);
    assert_eq!(typed(&mut editor, "\r"), [Action::Line("unforward 7009 ".into())]);
}
