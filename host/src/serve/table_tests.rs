use super::*;
use crate::telemetry::Report;

const SIZE: Size = Size { columns: 100, rows: 24 };

fn peer(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

fn report() -> EventKind {
    EventKind::Report(Report::parse(b"{}").unwrap())
}

/// A table, and a time that passes.
struct Bench {
    table: Table,
    start: Instant,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let start = crate::clock::now();
        Self { table: Table::default(), start, now: start }
    }

    fn at(&mut self, millis: u64) -> &mut Self {
        self.now = self.start + Duration::from_millis(millis);
        self
    }

    fn note(&mut self, port: u16, name: Option<&str>, kind: EventKind) {
        let event = Event { peer: peer(port), board: name.map(str::to_owned), kind };
        self.table.note(&event, self.now);
    }

    fn lines(&self, size: Size) -> Vec<String> {
        self.table.lines(self.now, size)
    }
}

fn gone() -> EventKind {
    EventKind::Gone { reason: "connection reset".to_owned() }
}

#[test]
fn a_board_is_a_line_that_tells_how_it_is() {
    let mut bench = Bench::new();
    assert_eq!(bench.lines(SIZE), [""; 0]);
    for second in 0..40 {
        bench.at(second * 500).note(5000, Some("shed"), report());
    }
    let gap = Finding::Gap { missing: 3, expected: 4, received: 7 };
    bench.note(5000, Some("shed"), EventKind::Finding(gap));
    let reboot = Finding::Reboot { before_ms: 9, after_ms: 1 };
    bench.note(5000, Some("shed"), EventKind::Finding(reboot));
    bench.at(20_000).note(5001, None, report());
    bench.at(20_400);
    assert_eq!(
        bench.lines(SIZE),
        [
            "BOARD           ADDRESS          SEEN   RATE  MISSING  RESTARTS",
            "192.0.2.1:5001  192.0.2.1:5001  0.4 s      -        0         0",
            "shed            192.0.2.1:5000  0.9 s  2.0/s        3         1",
        ]
    );
    // One that says its name is no other.
    bench.note(5001, Some("attic\u{1b}[2J"), report());
    let silent = EventKind::Silent { after: Duration::from_secs(10) };
    bench.at(31_000).note(5000, Some("shed"), silent);
    bench.note(5001, Some("attic\u{1b}[2J"), gone());
    assert_eq!(
        bench.lines(SIZE),
        [
            "BOARD           ADDRESS         SEEN  RATE  MISSING  RESTARTS",
            "shed            192.0.2.1:5000  11 s     -        3         1  silent",
            "attic\\u{1b}[2J  192.0.2.1:5001  10 s     -        0         0  gone",
        ]
    );
    let back = EventKind::Back { after: Duration::from_secs(11) };
    bench.note(5000, Some("shed"), back);
    assert!(bench.lines(SIZE)[1].ends_with("         1"));
}

#[test]
fn a_board_on_a_newer_connection_is_there_when_the_older_ends() {
    let mut bench = Bench::new();
    bench.note(5000, Some("shed"), report());
    bench.note(5001, Some("shed"), report());
    bench.note(5000, Some("shed"), gone());
    assert!(bench.lines(SIZE)[1].starts_with("shed   192.0.2.1:5001"), "{:?}", bench.lines(SIZE));
    assert!(!bench.lines(SIZE)[1].contains("gone"));
    bench.note(5001, Some("shed"), EventKind::SharedName { other: peer(5002) });
    bench.note(5002, Some("shed"), report());
    assert!(bench.lines(SIZE)[1].ends_with("shared name"));
}

#[test]
fn a_name_is_shared_as_long_as_two_have_it() {
    let mut bench = Bench::new();
    let shared = |bench: &Bench| bench.lines(SIZE)[1].contains("shared name");
    for (port, gone_first) in [(5000, 5000), (5010, 5011)] {
        let (one, other) = (port, port + 1);
        bench.note(one, Some("shed"), report());
        bench.note(other, Some("shed"), report());
        bench.note(one, Some("shed"), EventKind::SharedName { other: peer(other) });
        bench.note(one, Some("shed"), report());
        assert!(shared(&bench), "{:?}", bench.lines(SIZE));
        let silent = EventKind::Silent { after: Duration::from_secs(10) };
        bench.note(one, Some("shed"), silent);
        bench.note(other, Some("shed"), report());
        assert!(shared(&bench), "the silent one is there");
        bench.note(gone_first, Some("shed"), gone());
        let left = one + other - gone_first;
        let line = &bench.lines(SIZE)[1];
        assert!(!line.contains("shared name") && !line.contains("gone"), "{line}");
        assert!(line.contains(&format!(":{left} ")), "{line}");
        bench.note(left, Some("shed"), gone());
        assert!(bench.lines(SIZE)[1].ends_with("gone"), "{:?}", bench.lines(SIZE));
    }
}

#[test]
fn those_without_a_line_are_counted_and_there_is_an_end_of_those_that_are_remembered() {
    let mut bench = Bench::new();
    for number in 0..30_u16 {
        bench.note(5000 + number, Some(&format!("b{number:02}")), report());
    }
    bench.note(5000, Some("b00"), gone());
    let lines = bench.lines(Size { rows: 10, ..SIZE });
    // The last line is the cursor's.
    assert_eq!(lines.len(), 9);
    assert!(lines[1].starts_with("b01 ") && lines[7].starts_with("b07 "), "{lines:#?}");
    assert_eq!(lines[8], "and 23 boards more");
    assert_eq!(bench.lines(Size { rows: 32, ..SIZE }).len(), 31);
    assert!(bench.lines(Size { rows: 32, ..SIZE })[30].starts_with("b00 "));
    for rows in 1..4 {
        assert!(bench.lines(Size { rows, ..SIZE }).len() <= rows.max(2));
    }
    for number in 0..BOARDS_MAX as u16 + 50 {
        let name = format!("n{number}");
        bench.at(u64::from(number)).note(number, Some(&name), report());
        bench.note(number, Some(&name), gone());
    }
    assert_eq!(bench.table.boards.len(), BOARDS_MAX);
    assert!(bench.table.boards.contains_key("b01"), "it is not gone");
    assert!(!bench.table.boards.contains_key("n0") && !bench.table.boards.contains_key("b00"));
}

#[test]
fn what_a_narrow_terminal_has_no_room_for_goes_and_the_name_is_last() {
    let mut bench = Bench::new();
    bench.note(5000, Some("tapboard-02005e000001"), report());
    for (columns, heading) in [
        (80, "BOARD                  ADDRESS          SEEN  RATE  MISSING  RESTARTS"),
        (50, "BOARD                   SEEN  RATE  MISSING  RESTARTS"),
        (40, "BOARD                   SEEN  RATE  MISSING"),
        (26, "BOARD        SEEN  MISSING"),
    ] {
        let lines = bench.lines(Size { columns, ..SIZE });
        assert!(lines.iter().all(|line| line.width() <= columns), "{columns}: {lines:#?}");
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&lines[0]), words(heading), "{columns}");
    }
    let lines = bench.lines(Size { columns: 30, ..SIZE });
    assert!(lines[1].starts_with("tapboard-0200"), "{lines:#?}");
}

#[test]
fn a_rate_is_that_of_the_last_reports() {
    let mut bench = Bench::new();
    let rate = |bench: &Bench| bench.table.boards["b"].rate();
    bench.note(1, Some("b"), report());
    bench.note(1, Some("b"), report());
    assert_eq!(rate(&bench), None, "two at once");
    for report_number in 1..200 {
        bench.at(report_number * 10).note(1, Some("b"), report());
    }
    assert_eq!(rate(&bench).map(f64::round), Some(100.0));
    assert_eq!(bench.table.boards["b"].times.len(), RATE);
    for second in 2..30 {
        bench.at(second * 1000).note(1, Some("b"), report());
    }
    assert_eq!(rate(&bench).map(f64::round), Some(1.0));
}
