//! Whether a program printed what a page shows.
//!
//! A line that is `...` stands for any lines. Where figures may differ, so may every number, the unit of a
//! time or a rate, and the blanks and dashes that fill a column.

/// What may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figures {
    Exact,
    Differ,
    /// What follows the last `frames in` of a line, as `tapboard sim` prints it.
    SpeedDiffers,
}

/// Whether `printed` is what `shown` says, to its end unless it is `so_far`.
pub(crate) fn is_shown(shown: &[String], printed: &str, figures: Figures, so_far: bool) -> bool {
    let alike = |line: &str| match figures {
        Figures::Exact => line.trim_end().to_owned(),
        Figures::Differ => shape(line),
        Figures::SpeedDiffers => match line.rsplit_once(" frames in ") {
            Some((done, speed)) => format!("{done} frames in {}", shape(speed)),
            None => line.trim_end().to_owned(),
        },
    };
    let printed: Vec<String> = printed.lines().map(alike).collect();
    let mut parts = shown.split(|line| line.trim() == "...").map(|part| {
        let lines: Vec<String> = part.iter().map(|line| alike(line)).collect();
        lines
    });
    // The first part is at the beginning, the last at the end, those between come in order.
    let first = parts.next().unwrap_or_default();
    if !printed.starts_with(&first) {
        return false;
    }
    let mut rest = &printed[first.len()..];
    let mut last_is_open = false;
    for part in parts {
        last_is_open = part.is_empty();
        if part.is_empty() {
            continue;
        }
        let Some(at) = rest.windows(part.len()).position(|window| window == part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    so_far || last_is_open || rest.iter().all(String::is_empty)
}

/// A line with all its figures alike.
pub(crate) fn shape(line: &str) -> String {
    let mut out = String::new();
    let mut characters = line.trim_end().chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '0'..='9' => {
                while characters.next_if(|c| c.is_ascii_digit() || *c == '.').is_some() {}
                out.push('#');
            }
            // Columns that are filled, with figures of any width between.
            ' ' | '-' => {
                while characters.next_if_eq(&character).is_some() {}
                out.push(character);
            }
            other => out.push(other),
        }
    }
    for unit in ["us", "µs", "ms", "s"] {
        out =
            out.replace(&format!("# {unit} "), "# time ").replace(&format!("# {unit},"), "# time,");
        if let Some(head) = out.strip_suffix(&format!("# {unit}")) {
            out = format!("{head}# time");
        }
    }
    for unit in ["kB/s", "MB/s", "GB/s"] {
        out = out.replace(&format!("# {unit}"), "# rate");
    }
    // A right-aligned figure has blanks before it, or not.
    out.replace(" #", "#").replace("- ", " ").replace(" -", " ")
}

#[test]
fn lines_are_compared_in_order_and_gaps_where_they_are_shown() {
    let shown = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let exact = |page, printed| is_shown(&shown(page), printed, Figures::Exact, false);
    assert!(exact("a\nb", "a\nb\n") && !exact("a\nb", "a\nb\nc\n") && !exact("a\nb", "a\n"));
    assert!(exact("a\n...\nd", "a\nb\nc\nd\n") && exact("a\n...\nd", "a\nd\n"));
    assert!(exact("...\nc", "a\nb\nc\n") && exact("a\n...", "a\nb\n"));
    assert!(!exact("a\n...\nc\n...\nb", "a\nb\nc\n") && !exact("a 1", "a 2"));
    let figures = |page, printed| is_shown(&shown(page), printed, Figures::Differ, false);
    assert!(figures("up 3 of 4 in 2.5 s", "up 3 of 4 in 950 ms"));
    assert!(figures("PASS  echo   24.96 ms  512 bytes", "PASS  echo  1.2 s  512 bytes"));
    assert!(figures("7 <----- SYN seq=0 ---- 57621|", "7 <-- SYN seq=1 -- 9|"));
    assert!(!figures("FAIL  echo   24.96 ms", "PASS  echo   24.96 ms"));
    assert!(!figures("7 ---- SYN ACK --> 9", "7 ---- SYN ACK ---x 9"));
    assert!(is_shown(&shown("a"), "a\nb\n", Figures::Exact, true));
}

#[test]
fn the_speed_alone_may_differ() {
    let alike =
        |one: &str, other: &str| is_shown(&[one.to_owned()], other, Figures::SpeedDiffers, false);
    let shown =
        "2 worlds, 0 failed: 0.6 virtual hours and 18 frames in 0.1 s on 2 threads, 6 a second";
    assert!(alike(shown, &shown.replace("0.1 s on 2", "12 s on 16").replace("6 a", "777 a")));
    assert!(!alike(shown, &shown.replace("18 frames", "19 frames")));
    assert!(!alike(shown, &shown.replace("0 failed", "1 failed")));
    assert!(!alike(shown, &shown.replace("6 a second", "6 a minute")));
    assert!(!alike("at 1.78 ms", "at 1.79 ms"));
}
