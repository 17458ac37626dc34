//! What each service must answer, byte for byte: the oracles of the streams.
//!
//! Every function here is given what was heard and says whether that can be right. None of them shares
//! code with the firmware.

/// The byte at `position` of an echo client's stream. Each `salt` gives another, and no part of a stream
/// is like any other part of it: the multiplier is 2^32 over the golden ratio, which has no short period.
pub(super) const fn pattern(salt: u8, position: u32) -> u8 {
    (position.wrapping_mul(0x9e37_79b1) >> 24) as u8 ^ salt
}

/// The byte at `position` of the character generator's stream (RFC 864).
pub(super) const fn chargen(position: u32) -> u8 {
    let position = position % (95 * 74);
    let (line, column) = (position / 74, position % 74);
    match column {
        72 => b'\r',
        73 => b'\n',
        _ => b' ' + ((line + column) % 95) as u8,
    }
}

/// How far `heard`, which begins at `position`, is what `expected` says; `None`: all of it.
pub(super) fn differs(heard: &[u8], position: u32, expected: impl Fn(u32) -> u8) -> Option<u32> {
    // Without a way out of the loop, which nearly always runs to its end, it is done in vectors.
    let differ = (position..).zip(heard).fold(0, |all, (at, &byte)| all | (byte ^ expected(at)));
    if differ == 0 {
        return None;
    }
    (position..).zip(heard).find(|&(at, &byte)| byte != expected(at)).map(|(at, _)| at)
}

/// A command line of the shell and what its answer must be like.
pub(super) struct ShellLine {
    pub(super) line: &'static [u8],
    pub(super) answer: fn(&str) -> bool,
}

/// What a shell client may say, with its answers up to the next prompt.
pub(super) const SHELL: [ShellLine; 9] = [
    ShellLine { line: b"led on\r\n", answer: |heard| heard == "led is on\r\n" },
    ShellLine { line: b"led off\n", answer: |heard| heard == "led is off\r\n" },
    ShellLine {
        line: b"led\r\n",
        answer: |heard| matches!(heard, "led is on\r\n" | "led is off\r\n"),
    },
    ShellLine { line: b"temp\n", answer: |heard| like(heard, "##.### C\r\n") },
    ShellLine { line: b"uptime\r\n", answer: |heard| like(heard, "up 0 d ##:##:##\r\n") },
    ShellLine { line: b"help\r\n", answer: |heard| table(heard, "help ", 9) },
    ShellLine { line: b"netstat\r\n", answer: |heard| table(heard, "Proto Recv-Q ", 6) },
    ShellLine { line: b"stats\n", answer: |heard| table(heard, "polls ", 20) },
    ShellLine { line: b"xyzzy\n", answer: |heard| heard == "unknown command; try help\r\n" },
];

/// The first thing the shell says, without its prompt.
pub(super) fn greeting(heard: &str) -> bool {
    heard.starts_with('b') && heard.ends_with(", tapboard shell: try help\r\n")
}

/// `#` stands for a digit.
fn like(heard: &str, form: &str) -> bool {
    let same = |(heard, form): (char, char)| heard == form || form == '#' && heard.is_ascii_digit();
    heard.len() == form.len() && heard.chars().zip(form.chars()).all(same)
}

/// Lines of printing characters, the first of which begins with `first`; at least `lines` of them.
fn table(heard: &str, first: &str, lines: usize) -> bool {
    let printing = |line: &str| line.chars().all(|c| c == ' ' || c.is_ascii_graphic());
    heard.starts_with(first)
        && heard.ends_with("\r\n")
        && heard.matches("\r\n").count() >= lines
        && heard.split("\r\n").all(printing)
}

/// A line of telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Which board sent it.
    pub(super) board: usize,
    /// In which of its boots, counted from 0.
    pub(super) boot: usize,
    pub(super) seq: u32,
    pub(super) uptime_ms: u64,
}

/// The line's content if it is exactly of the documented form, which is a JSON object. A board's name is
/// `b`, its number, `.`, and its boot's.
pub(super) fn telemetry(line: &str) -> Option<Line> {
    let (name, rest) = line.strip_prefix(r#"{"board":"b"#)?.split_once(r#"","seq":"#)?;
    let (board, boot) = name.split_once('.')?;
    let (seq, rest) = rest.split_once(r#","uptime_ms":"#)?;
    let (uptime_ms, rest) = rest.split_once(r#","temp_mc":"#)?;
    let (temp_mc, rest) = rest.split_once(r#","led":"#)?;
    let (led, rest) = rest.split_once(r#","connections":"#)?;
    let (connections, rest) = rest.split_once(r#","dropped":"#)?;
    let dropped = rest.strip_suffix('}')?;
    let temp_mc: i32 = number(temp_mc)?;
    let connections: usize = number(connections)?;
    let _: u32 = number(dropped)?;
    let sane = (20_000..=30_000).contains(&temp_mc)
        && matches!(led, "true" | "false")
        && connections <= tapboard_firmware::config::TCP_SLOTS;
    sane.then_some(Line {
        board: number(board)?,
        boot: number(boot)?,
        seq: number(seq)?,
        uptime_ms: number(uptime_ms)?,
    })
}

/// A decimal number as JSON has it: no sign, no leading zero.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let plain =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_telemetry_is_taken_and_any_change_of_its_form_is_not() {
        let good = r#"{"board":"b2.1","seq":7,"uptime_ms":7250,"temp_mc":23500,"led":false,"connections":1,"dropped":0}"#;
        let line = Line { board: 2, boot: 1, seq: 7, uptime_ms: 7250 };
        assert_eq!(telemetry(good), Some(line));
        for (from, to) in [
            ("23500", "-1"),
            ("23500", "31000"),
            (":7,", ":07,"),
            ("}", ""),
            ("false", "no"),
            ("\"seq\"", "\"sqe\""),
            (":1,", ":99,"),
            ("b2.1", "b2"),
        ] {
            assert_eq!(telemetry(&good.replace(from, to)), None, "{from} {to}");
        }
        assert_eq!(telemetry(&good[1..]), None);
    }

    #[test]
    fn patterns_show_shifts_and_losses() {
        let sent: Vec<u8> = (0..5000).map(|at| pattern(3, at)).collect();
        assert_eq!(differs(&sent, 0, |at| pattern(3, at)), None);
        assert!(differs(&sent, 0, |at| pattern(4, at)).is_some());
        for shift in [1, 255, 256, 257, 1460, 2048, 4096] {
            assert!(differs(&sent[shift..], 0, |at| pattern(3, at)).is_some(), "{shift}");
        }
        let mut changed = sent;
        changed[4321] ^= 1;
        assert_eq!(differs(&changed, 0, |at| pattern(3, at)), Some(4321));
    }

    #[test]
    fn the_generator_is_as_rfc_864_shows_it() {
        let line = |number: u32| (0..74).map(|c| char::from(chargen(number * 74 + c))).collect();
        let first: String = line(0);
        assert!(first.starts_with(" !\"#$%&'()*+,-./0123456789:;<=>?@ABC"));
        assert!(first.ends_with("defg\r\n"));
        let last: String = line(94);
        assert!(last.starts_with("~ !\"#"));
        assert_eq!(line(95), first);
    }

    #[test]
    fn the_shells_answers_are_told_from_others() {
        assert!(like("23.500 C\r\n", "##.### C\r\n") && !like("3.500 C\r\n", "##.### C\r\n"));
        assert!(table("help  this\r\nled\r\n", "help ", 2));
        assert!(!table("help  this\r\nl\u{1}d\r\n", "help ", 2));
        assert!(!table("help  this\r\n", "help ", 2));
        assert!(greeting("b0.0, tapboard shell: try help\r\n"));
    }
}
