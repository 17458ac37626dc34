use std::collections::VecDeque;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{
    Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::style::Color;
use smoltcp::time::{Duration, Instant};
use tapboard_firmware::netstat::{Protocol, Row};

use super::draw::draw;
use super::keys::{self, Action};
use super::look::Look;
use super::model::{Ends, Focus, Model, Shown};
use super::watcher::{Passed, Seen};
use crate::console::ConsoleCommand;
use crate::ladder::{Mark, Rung, To};
use crate::link::{LinkEvents, Setting, Side};
use crate::snapshot::SocketSnapshot;

const BEST: Look = Look { colour: true, unicode: true };
const PLAIN: Look = Look { colour: false, unicode: false };

fn socket(port: u16, remote: Option<&str>, state: &'static str, micros: u64) -> SocketSnapshot {
    let local_address = remote.map(|_| "192.0.2.1".parse().unwrap());
    let remote = remote.map(|remote| remote.parse().unwrap());
    let protocol = if state.is_empty() { Protocol::Udp } else { Protocol::Tcp };
    let row = Row {
        protocol,
        receive_queue: 0,
        send_queue: 1460,
        local_address,
        local_port: port,
        remote,
        state,
    };
    SocketSnapshot { row, round_trip: (micros > 0).then(|| Duration::from_micros(micros)) }
}

const ECHO: (&str, &str) = ("192.0.2.1:7", "192.0.2.2:49152");
const TELEMETRY: (&str, &str) = ("192.0.2.1:51234", "192.0.2.2:9000");

fn ends((one, other): (&str, &str)) -> Ends {
    (one.parse().unwrap(), other.parse().unwrap())
}

fn rung(number: u64, of: (&str, &str), out: bool, label: &str, mark: Option<Mark>) -> Rung {
    let (board, peer) = ends(of);
    let (from, to) = if out { (board, peer) } else { (peer, board) };
    let dropped = mark.is_none() && number == 3;
    Rung {
        number,
        conversation: Some(1),
        micros: Some(number.cast_signed() * 20_300),
        epoch: None,
        from: usize::from(!out),
        to: To::Column(usize::from(out)),
        ports: Some((from.port(), to.port())),
        ends: Some((from, to)),
        label: label.into(),
        brief_len: label.len(),
        marks: mark.into_iter().collect(),
        notes: if dropped { "dropped by loss 5%".into() } else { "delayed 20 ms".into() },
        dropped,
    }
}

fn rungs() -> VecDeque<Rung> {
    VecDeque::from([
        rung(1, ECHO, false, "SYN seq=0", None),
        rung(2, ECHO, true, "SYN ACK seq=0 ack=1", None),
        rung(3, ECHO, false, "ACK seq=1 ack=1 1000 bytes", None),
        rung(4, TELEMETRY, true, "PSH ACK seq=1 ack=1 116 bytes", None),
        rung(5, ECHO, false, "ACK seq=1 ack=1 1000 bytes", Some(Mark::Retransmission)),
        rung(6, ECHO, true, "PSH ACK seq=1 ack=1001 1000 bytes", None),
    ])
}

/// A board with two connections on a cable with faults, a minute after its start.
fn model(look: Look) -> Model {
    let mut model = Model::new(look, "tapboard-02005e000001 192.0.2.1".into(), Instant::ZERO);
    let mut view = Shown { led: Some(true), ..Shown::default() };
    view.sockets = vec![
        socket(7, Some(ECHO.1), "ESTABLISHED", 43_210),
        socket(51_234, Some(TELEMETRY.1), "ESTABLISHED", 41_003),
        socket(7, None, "LISTEN", 0),
        socket(9, None, "LISTEN", 0),
        socket(7, None, "", 0),
    ];
    for (name, value) in [("loss", "5%"), ("delay", "20ms")] {
        let setting = Setting::parse(name, value).unwrap();
        view.faults.iter_mut().for_each(|faults| faults.set(setting));
    }
    view.faults[0].set(Setting::parse("loss", "20%").unwrap());
    model.view = view;
    let mut passed = Passed::default();
    for second in 0..60_u64 {
        model.sample(Instant::from_secs(second.cast_signed()), passed);
        passed.frames += 40;
        passed.bytes += 2000 + second % 7 * 900;
        passed.lost += second % 5;
        passed.retransmitted += second % 3;
    }
    model.note("the cable is in; to the board: loss 20%, delay 20 ms; from the board: loss 5%, delay 20 ms".into());
    model.note("chance decides what befalls which frame; the same again with: --seed 7".into());
    model
}

fn drawn(model: &mut Model, width: u16, height: u16) -> Buffer {
    drawn_with(model, &rungs(), width, height)
}

fn drawn_with(model: &mut Model, rungs: &VecDeque<Rung>, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(model, rungs, frame)).unwrap();
    terminal.backend().buffer().clone()
}

/// The characters, a line each.
fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let mut text = String::new();
    for row in buffer.content.chunks(width) {
        let line: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
        text += line.trim_end();
        text.push('\n');
    }
    text
}

fn key(model: &mut Model, code: KeyCode) -> Option<Action> {
    keys::take(model, &Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn press(model: &mut Model, letter: char) -> Option<Action> {
    key(model, KeyCode::Char(letter))
}

fn mouse(model: &mut Model, kind: MouseEventKind, column: usize, row: usize) -> Option<Action> {
    let (column, row) = (column as u16, row as u16);
    keys::take(
        model,
        &Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }),
    )
}

fn command(line: &str) -> Option<Action> {
    match crate::console::parse(line).unwrap().unwrap() {
        crate::console::Line::Command(command) => Some(Action::Command(command)),
        crate::console::Line::Sleep(_) => unreachable!(),
    }
}

/// Column and row of a text that is on the screen.
#[track_caller]
fn place(screen: &str, wanted: &str) -> (usize, usize) {
    let found = screen
        .lines()
        .enumerate()
        .find_map(|(row, line)| line.find(wanted).map(|byte| (line[..byte].chars().count(), row)));
    found.unwrap_or_else(|| panic!("no {wanted:?} in\n{screen}"))
}

/// The picture of docs/dashboard.md is what is drawn.
#[test]
fn the_page_shows_what_is_drawn() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/dashboard.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once("```text\n").expect("a picture");
    let (shown, after) = rest.split_once("```\n").expect("its end");
    let actual = text(&drawn(&mut model(BEST), 80, 24));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(path, format!("{before}```text\n{actual}```\n{after}")).unwrap();
        return;
    }
    assert!(shown == actual, "the page has\n{shown}\nand this is drawn\n{actual}");
}

#[test]
fn a_large_screen_has_room_for_more() {
    let screen = text(&drawn(&mut model(BEST), 120, 40));
    assert_eq!(screen.lines().count(), 40);
    for part in
        ["Recv-Q Send-Q", "  1460", "41 ms", "loss   [███████░░] 20%/5%", "LED on", "q quit"]
    {
        assert!(screen.contains(part), "no {part:?} in\n{screen}");
    }
    let lines = |screen: &str| screen.lines().filter(|line| line.contains('|')).count();
    assert_eq!(lines(&screen), 6, "{screen}");
}

#[test]
fn no_size_is_a_panic_and_a_small_one_is_said_to_be() {
    let mut model = model(BEST);
    model.note("x".repeat(1000));
    model.board = "n".repeat(300);
    for width in [1, 2, 10, 22, 35, 69, 70, 71, 80, 99, 129] {
        for height in [1, 2, 5, 17, 18, 19, 24, 60] {
            for help in [true, false] {
                model.help = help;
                drawn(&mut model, width, height);
            }
            let screen = text(&drawn(&mut model, width, height));
            let small = width < 70 || height < 18;
            if width >= 22 {
                assert_eq!(screen.contains(" is too small"), small, "{width}x{height}");
            }
            assert_eq!(screen.contains("log ──"), !small, "{width}x{height}");
        }
    }
}

/// Nothing is told by a colour alone, and nothing needs more than ASCII.
#[test]
fn without_colours_and_beyond_ascii_nothing_is_lost() {
    let mut plain = model(PLAIN);
    plain.selected = Some(ends(ECHO));
    plain.view.plugged = false;
    let buffer = drawn(&mut plain, 80, 24);
    for cell in &buffer.content {
        assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset), "{cell:?}");
        assert!(cell.symbol().is_ascii(), "{cell:?}");
    }
    let screen = text(&buffer);
    for part in
        ["CABLE OUT", "[ ] out", "loss   [#######..] 20%/5%", "x-- ACK", "#", "retransmission"]
    {
        assert!(screen.contains(part), "no {part:?} in\n{screen}");
    }
    let mut best = model(BEST);
    best.view.plugged = false;
    let buffer = drawn(&mut best, 80, 24);
    assert!(buffer.content.iter().any(|cell| cell.fg == Color::Red), "it has colours");
}

#[test]
fn the_ladder_is_that_of_the_selected_connection() {
    let mut model = model(BEST);
    let screen = text(&drawn(&mut model, 80, 24));
    assert!(screen.contains("left: all") && screen.contains("51234 "), "{screen}");
    // The first key down selects the first connection, and each further one the next.
    key(&mut model, KeyCode::Tab);
    assert_eq!(model.focus, Focus::Sockets);
    key(&mut model, KeyCode::Down);
    let screen = text(&drawn(&mut model, 80, 24));
    assert!(screen.contains("left: 192.0.2.1:7 - 192.0.2.2:49152"), "{screen}");
    assert_eq!(
        screen.matches("49152 -").count() + screen.matches(" 49152|").count(),
        5,
        "{screen}"
    );
    assert!(!screen.contains("116 bytes"), "{screen}");
    key(&mut model, KeyCode::Down);
    key(&mut model, KeyCode::Down);
    assert_eq!(model.selected, Some(ends(TELEMETRY)));
    assert!(text(&drawn(&mut model, 80, 24)).contains("116 bytes"));
    key(&mut model, KeyCode::Esc);
    assert_eq!(model.selected, None);
    // The mouse likewise.
    let screen = text(&drawn(&mut model, 80, 24));
    let (column, row) = place(&screen, "tcp 51234");
    let down = MouseEventKind::Down(MouseButton::Left);
    assert_eq!(mouse(&mut model, down, column + 3, row), None);
    assert_eq!(model.selected, Some(ends(TELEMETRY)));
    let (column, row) = place(&screen, "LISTEN");
    mouse(&mut model, down, column, row);
    assert_eq!(model.selected, None, "what listens has no ladder");
}

#[test]
fn the_log_goes_up_and_the_ladder_stands() {
    let mut model = model(BEST);
    (0..50).for_each(|number| model.note(format!("line {number}.")));
    let ends_with = |screen: &str, number| screen.contains(&format!("\nline {number}.\nc cable"));
    assert!(ends_with(&text(&drawn(&mut model, 80, 24)), 49));
    key(&mut model, KeyCode::PageUp);
    let screen = text(&drawn(&mut model, 80, 24));
    assert!(ends_with(&screen, 47) && screen.contains("log: 2 lines below"), "{screen}");
    let (column, row) = place(&screen, "line 47.");
    mouse(&mut model, MouseEventKind::ScrollUp, column, row);
    assert!(ends_with(&text(&drawn(&mut model, 80, 24)), 45));
    (0..60).for_each(|_| drop(key(&mut model, KeyCode::PageUp)));
    let top = text(&drawn(&mut model, 80, 24));
    assert!(top.contains("\nthe cable is in; to the board: loss 20%"), "{top}");
    key(&mut model, KeyCode::PageDown);
    assert!(text(&drawn(&mut model, 80, 24)) != top, "no way back from further than the top");
    (0..60).for_each(|_| drop(key(&mut model, KeyCode::PageDown)));
    assert!(ends_with(&text(&drawn(&mut model, 80, 24)), 49));
    // What was drawn last stays, whatever comes.
    model.frames = 4;
    press(&mut model, 'f');
    let screen = text(&drawn(&mut model, 80, 24));
    assert!(screen.contains("ladder, held,") && !screen.contains("retransmission"), "{screen}");
    press(&mut model, 'f');
    assert!(text(&drawn(&mut model, 80, 24)).contains("retransmission"));
}

#[test]
fn a_ladder_that_is_held_stands_while_more_frames_pass_than_are_remembered() {
    let (mut model, mut seen, mut millis) = (model(BEST), Seen::default(), 0);
    let mut ladder = |model: &mut Model, passed: usize| {
        for _ in 0..passed {
            millis += 1;
            let now = Instant::from_millis(millis);
            seen.frame(now, Side::Board, &[0xee; 60], &LinkEvents::default());
        }
        let screen = text(&drawn_with(model, &seen.latest, 80, 40));
        let ladder = screen.lines().filter(|line| line.contains("0xeeee"));
        ladder.map(str::to_owned).collect::<Vec<_>>()
    };
    let before = ladder(&mut model, 30);
    assert!(before.last().is_some_and(|last| last.contains("0.029 ")), "{before:?}");
    press(&mut model, 'f');
    assert_eq!(ladder(&mut model, 1), before);
    assert_eq!(ladder(&mut model, 2500), before, "held");
    press(&mut model, 'f');
    assert!(ladder(&mut model, 1)[0] > before[0], "it goes on");
    // Of what was drawn, nothing is remembered when it is held.
    press(&mut model, 'f');
    assert_eq!(ladder(&mut model, 2500).len(), before.len());
}

#[test]
fn keys_are_the_consoles_commands() {
    let mut model = model(BEST);
    for (letter, line) in [
        ('c', "unplug"),
        ('h', "heal"),
        ('p', "reset"),
        ('s', "stats"),
        ('n', "netstat"),
        ('q', "quit"),
        ('x', "partition on"),
    ] {
        assert_eq!(press(&mut model, letter), command(line), "{letter}");
    }
    model.view.plugged = false;
    assert_eq!(press(&mut model, 'c'), command("plug"));
    assert_eq!(press(&mut model, 'w'), Some(Action::Capture));
    // Sliders, in the directions that are chosen.
    assert_eq!(press(&mut model, 'l'), None);
    assert_eq!(press(&mut model, '+'), command("loss 50%"));
    assert_eq!(key(&mut model, KeyCode::Left), command("loss 10%"));
    assert_eq!(press(&mut model, '0'), command("loss off"));
    press(&mut model, 't');
    assert_eq!(press(&mut model, '-'), command("loss in 10%"));
    press(&mut model, 't');
    assert_eq!(press(&mut model, '-'), command("loss out 2%"));
    press(&mut model, 'd');
    assert_eq!(key(&mut model, KeyCode::Right), command("delay out 50ms"));
    press(&mut model, 'j');
    assert_eq!(press(&mut model, '+'), command("jitter out 1ms"));
    press(&mut model, 'r');
    assert_eq!(press(&mut model, '+'), command("rate out 100mbit"));
    // What is unknown, with Ctrl, or while the help is there, is nothing.
    assert_eq!(press(&mut model, 'Z'), None);
    let held = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::ALT);
    assert_eq!(keys::take(&mut model, &Event::Key(held)), None);
    press(&mut model, '?');
    assert!(text(&drawn(&mut model, 80, 24)).contains("Ctrl-Z stops"));
    assert_eq!(press(&mut model, 'q'), None);
    assert!(!model.help);
    assert_eq!(press(&mut model, 'q'), command("quit"));
}

#[test]
fn any_command_can_be_typed() {
    let mut model = model(BEST);
    let mut typed = |line: &str| {
        press(&mut model, ':');
        for letter in line.chars() {
            assert_eq!(press(&mut model, letter), None);
        }
        let shown = text(&drawn(&mut model, 80, 24));
        let end: String =
            line.chars().rev().take(60).collect::<Vec<_>>().into_iter().rev().collect();
        assert!(shown.lines().next_back().unwrap().ends_with(&end), "{shown}");
        key(&mut model, KeyCode::Enter)
    };
    assert_eq!(typed("loss in 7%"), command("loss in 7%"));
    assert_eq!(typed("capture start x.pcapng"), command("capture start x.pcapng"));
    assert!(
        matches!(typed("los 5%"), Some(Action::Bad(text)) if text.contains("did you mean `loss`?"))
    );
    assert!(matches!(typed("sleep 1s"), Some(Action::Bad(text)) if text.contains("just wait")));
    assert!(matches!(typed(&"x".repeat(200)), Some(Action::Bad(_))));
    assert_eq!(typed(""), None);
    for ending in [KeyCode::Esc, KeyCode::Backspace] {
        press(&mut model, ':');
        key(&mut model, ending);
        assert_eq!(model.prompt, None);
    }
}

#[test]
fn the_mouse_moves_switches_and_sliders() {
    let mut model = model(BEST);
    let screen = text(&drawn(&mut model, 80, 24));
    let down = MouseEventKind::Down(MouseButton::Left);
    let (column, row) = place(&screen, "[x] in");
    assert_eq!(mouse(&mut model, down, column + 1, row), command("unplug"));
    let (column, row) = place(&screen, "both ways");
    mouse(&mut model, down, column, row);
    assert_eq!(model.way, Some(Side::Board));
    // A bar's first place is off, its last one the worst.
    let (column, row) = place(&screen, "[████░░░░░] 20ms");
    assert_eq!(mouse(&mut model, down, column, row), command("delay in off"));
    assert_eq!(mouse(&mut model, down, column + 4, row), None, "there it stands");
    assert_eq!(mouse(&mut model, down, column + 9, row), command("delay in 1s"));
    let drag = MouseEventKind::Drag(MouseButton::Left);
    assert_eq!(mouse(&mut model, drag, column + 2, row), command("delay in 5ms"));
    assert_eq!(mouse(&mut model, MouseEventKind::ScrollUp, column, row), command("delay in 50ms"));
    assert_eq!(
        mouse(&mut model, MouseEventKind::ScrollDown, column, row),
        command("delay in 10ms")
    );
    // The keys at the bottom; a drag is no click.
    let (column, row) = place(&screen, "p power-cycle");
    assert_eq!(
        mouse(&mut model, down, column + 5, row),
        Some(Action::Command(ConsoleCommand::Reset))
    );
    assert_eq!(mouse(&mut model, drag, column + 5, row), None);
    assert_eq!(mouse(&mut model, MouseEventKind::Moved, column, row), None);
    // Where nothing is, and outside of what is drawn.
    for (column, row) in [(3, 20), (79, 0), (500, 500)] {
        assert_eq!(mouse(&mut model, down, column, row), None);
    }
}

#[test]
fn graphs_show_the_last_seconds_and_not_those_that_were_slept() {
    let mut model = Model::new(BEST, String::new(), Instant::ZERO);
    let passed = |bytes| Passed { bytes, frames: 10, lost: 1, ..Passed::default() };
    model.sample(Instant::ZERO, Passed::default());
    model.sample(Instant::from_millis(500), passed(500));
    assert_eq!(model.histories.traffic.latest(9), [0]);
    model.sample(Instant::from_millis(1000), passed(700));
    assert_eq!(model.histories.traffic.latest(9), [0, 700]);
    assert_eq!(model.histories.lost_share.last(), 100, "in a thousand");
    model.sample(Instant::from_secs(1000), passed(701));
    assert_eq!(model.histories.traffic.latest(9), [0, 700, 1]);
    assert_eq!(model.next_sample(), Instant::from_secs(1001));
    for second in 1001..3000 {
        model.sample(Instant::from_secs(second), passed(701));
    }
    assert!(model.histories.traffic.latest(usize::MAX).len() <= 500);
}
