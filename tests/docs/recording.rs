//! The pictures: `docs/first-minute.svg`, a recording of the real program in two terminals, and
//! `docs/lossy.svg` and `docs/slow.svg`, the ladder and the graph of transfers with losses.
//!
//! Both are made here, and written when `UPDATE_SNAPSHOTS` is set. The ladder is of virtual time, so that it
//! has to be the same to the last byte. What the recording shows has to be what the program prints now, but
//! for its figures; and its picture has to be what is drawn of that today.

use std::fmt::Write;
use std::fs;
use std::process::Command;

use crate::common::netns;
use crate::common::process::{PATIENCE, Process};
use crate::markdown::root;
use crate::session::{Session, built};
use crate::shown::shape;

/// A terminal of the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pane {
    Board,
    Client,
}
use Pane::{Board, Client};

/// A line as it appears: typed, or printed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    pane: Pane,
    typed: bool,
    text: String,
}

/// What a recording has, in order of time.
type Recording = Vec<Line>;

fn typed(pane: Pane, text: &str) -> Line {
    Line { pane, typed: true, text: text.to_owned() }
}

fn printed(pane: Pane, text: &str) -> impl Iterator<Item = Line> {
    let line = move |line: &str| Line { pane, typed: false, text: line.trim_end().to_owned() };
    text.lines().map(line).filter(|line| !line.text.is_empty()).collect::<Vec<_>>().into_iter()
}

/// The first minute, in the namespace.
fn record() -> Recording {
    let mut session = Session::new("recording");
    let mut board = Process::with_console(&["--no-telemetry"]);
    let mut recording = vec![typed(Board, "$ tapboard --no-telemetry")];
    let mut shown = 0;
    // What the board has printed since it was looked at last.
    let mut news = |board: &Process, recording: &mut Recording| {
        let output = board.output();
        recording.extend(printed(Board, &output[shown..]));
        shown = output.len();
    };
    news(&board, &mut recording);

    for (command, wait) in [
        ("printf hello | nc -N 127.0.0.1 7007", ""),
        (r"printf 'led on\nuptime\nexit\n' | nc -N 127.0.0.1 7023", "board: LED on\n"),
    ] {
        recording.push(typed(Client, &format!("$ {command}")));
        let (success, output) = session.run(command);
        assert!(success, "{command}: {output}");
        recording.extend(printed(Client, &output));
        board.prints(wait);
        news(&board, &mut recording);
    }
    // A client that has to wait for the cable, and gets its answer.
    let mut client = None;
    for (line, answer) in
        [("unplug", "where they wait until it is in"), ("plug", "the cable is in")]
    {
        recording.push(typed(Board, line));
        board.command(line, answer);
        assert!(board.until(PATIENCE, |text| text.ends_with('\n')), "half a line");
        news(&board, &mut recording);
        client.get_or_insert_with(|| {
            const COMMAND: &str = "printf 'are you there?' | nc -N 127.0.0.1 7007";
            recording.push(typed(Client, &format!("$ {COMMAND}")));
            let mut shell = Command::new("sh");
            shell.args(["-c", COMMAND]);
            Process::spawn(shell, None)
        });
    }
    let mut client = client.expect("it was started");
    assert_eq!(client.exit(), Some(0));
    recording.extend(printed(Client, &client.output()));
    recording
}

// ---- Drawing -------------------------------------------------------------------------------------

const WIDTH: usize = 860;
const ROW: usize = 18;
const LEFT: usize = 16;
const BAR: usize = 28;

/// When a line appears after the one before, in hundredths of a second.
fn pause(line: &Line) -> usize {
    if line.typed { 120 } else { 8 }
}

const STYLE: &str = "\
text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#d1d7e0;white-space:pre}
.ground{fill:#151b23}.bar{fill:#262c36}.title{fill:#9198a1}.typed{fill:#7ee787}
@media(prefers-reduced-motion:no-preference){g.l{opacity:0;animation:show .01s linear forwards}}
@keyframes show{to{opacity:1}}
";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The recording as a document that plays once, and then stays.
fn draw(recording: &[Line]) -> String {
    let rows = |pane| recording.iter().filter(|line| line.pane == pane).count();
    let height = |pane| BAR + rows(pane) * ROW + ROW;
    let whole = height(Board) + LEFT / 2 + height(Client);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{whole}\" \
         viewBox=\"0 0 {WIDTH} {whole}\" role=\"img\">\n<title>The first minute with tapboard</title>\n\
         <style>\n{STYLE}</style>\n"
    );
    let tops = [(Board, 0, "the board"), (Client, height(Board) + LEFT / 2, "another terminal")];
    for (pane, top, title) in tops {
        let _ = writeln!(
            out,
            "<rect class=\"ground\" y=\"{top}\" width=\"{WIDTH}\" height=\"{}\" rx=\"8\"/>\n\
             <rect class=\"bar\" y=\"{top}\" width=\"{WIDTH}\" height=\"{}\" rx=\"8\"/>\n\
             <text class=\"title\" x=\"{LEFT}\" y=\"{}\">{title}</text>",
            height(pane),
            BAR - 4,
            top + 17
        );
    }
    let (mut at, mut drawn) = (0, [0, 0]);
    for line in recording {
        at += pause(line);
        let (_, top, _) = tops[line.pane as usize];
        let row = &mut drawn[line.pane as usize];
        *row += 1;
        let _ = writeln!(
            out,
            "<g class=\"l {}\" style=\"animation-delay:{}.{:02}s\"><text class=\"{}\" \
             x=\"{LEFT}\" y=\"{}\" xml:space=\"preserve\">{}</text></g>",
            if line.pane == Board { "board" } else { "client" },
            at / 100,
            at % 100,
            if line.typed { "typed" } else { "printed" },
            top + BAR + *row * ROW - 4,
            escaped(&line.text)
        );
    }
    out.push_str("</svg>\n");
    out
}

/// The recording that a document was drawn of.
fn drawn(document: &str) -> Recording {
    let line = |line: &str| {
        let rest = line.strip_prefix("<g class=\"l ")?;
        let (pane, rest) = rest.split_once('"')?;
        let (class, rest) = rest.split_once("<text class=\"")?.1.split_once('"')?;
        let text = rest.split_once('>')?.1.split_once("</text>")?.0;
        let text = text.replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&");
        let pane = if pane == "board" { Board } else { Client };
        Some(Line { pane, typed: class == "typed", text })
    };
    document.lines().filter_map(line).collect()
}

/// One terminal's lines, but for their figures.
fn shapes(recording: &[Line], pane: Pane) -> Vec<String> {
    let lines = recording.iter().filter(|line| line.pane == pane);
    lines.map(|line| shape(&line.text)).collect()
}

#[test]
fn the_recording_is_what_the_program_prints() {
    const TEST: &str = "recording::the_recording_is_what_the_program_prints";
    if !built().join("tapboard-host").is_file() {
        return netns::skip(TEST, "tapboard-host is not built; run `cargo test --workspace`");
    }
    netns::run(TEST, &[("nc", "netcat-openbsd")], || {
        netns::sh("ip link set lo up");
        let path = root().join("docs/first-minute.svg");
        let recording = record();
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            fs::write(&path, draw(&recording)).expect("the picture can be written");
            return;
        }
        let document = fs::read_to_string(&path).expect("the picture is there");
        let old = drawn(&document);
        for pane in [Board, Client] {
            let again = "if it should, run this test with UPDATE_SNAPSHOTS=1";
            assert_eq!(
                shapes(&old, pane),
                shapes(&recording, pane),
                "it prints something else; {again}"
            );
        }
        assert!(draw(&old) == document, "the picture is drawn in another way now");
    });
}

/// Has an example make a capture, draws that, and compares the picture with the one in `docs`.
fn drawn_again(test: &str, example: &str, options: &[&str], picture: &str) {
    let program = built().join("examples").join(example);
    if !program.is_file() {
        return netns::skip(test, "the examples are not built; run `cargo test --workspace`");
    }
    let folder = format!("tapboard-picture-{}-{picture}", std::process::id());
    let folder = std::env::temp_dir().join(folder);
    fs::create_dir_all(&folder).expect("a writable temporary folder");
    let [capture, svg] = ["made.pcapng", picture].map(|name| folder.join(name));
    let made = Command::new(program).arg(&capture).output().expect("it starts");
    assert!(made.status.success(), "{made:?}");
    let mut ladder = Command::new(built().join("tapboard"));
    ladder.arg("ladder").arg(&capture).args(options).arg("--svg").arg(&svg);
    let drawn = ladder.output().expect("it starts");
    assert!(drawn.status.success(), "{drawn:?}");
    let svg = fs::read_to_string(&svg).expect("it was written");
    let _ = fs::remove_dir_all(&folder);
    let path = root().join("docs").join(picture);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, svg).expect("the picture can be written");
        return;
    }
    let old = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        svg == old,
        "docs/{picture} differs; if it should, run this test with UPDATE_SNAPSHOTS=1"
    );
}

#[test]
fn the_ladder_of_the_lossy_transfer_is_the_same_again() {
    const TEST: &str = "recording::the_ladder_of_the_lossy_transfer_is_the_same_again";
    drawn_again(TEST, "bad_cable", &[], "lossy.svg");
}

#[test]
fn the_graph_of_the_slow_transfer_is_the_same_again() {
    const TEST: &str = "recording::the_graph_of_the_slow_transfer_is_the_same_again";
    drawn_again(TEST, "slow_transfer", &["--graph", "stevens"], "slow.svg");
}
