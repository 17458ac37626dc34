//! The collector with a clock of the test's choosing.

use super::*;
use crate::clock;
use crate::telemetry::Finding;

/// A collector with 10 s of silence, and what it said since the last question.
struct Bench {
    collector: Collector,
    start: Instant,
    events: Vec<Event>,
}

fn peer(key: Key) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 1000 + key as u16))
}

impl Bench {
    fn new() -> Self {
        let collector = Collector::new(Duration::from_secs(10));
        Self { collector, start: clock::now(), events: Vec::new() }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    fn join(&mut self, key: Key, seconds: u64) {
        self.collector.join(key, peer(key), self.at(seconds));
    }

    fn line(&mut self, key: Key, seconds: u64, line: &str) -> Vec<EventKind> {
        self.collector.line(key, line.as_bytes(), self.at(seconds), &mut self.events);
        self.kinds()
    }

    /// A report of board `name`; what it led to besides its own event.
    fn report(
        &mut self,
        key: Key,
        seconds: u64,
        name: &str,
        seq: u64,
        uptime_s: u64,
    ) -> Vec<EventKind> {
        let line = format!(r#"{{"board":"{name}","seq":{seq},"uptime_ms":{}}}"#, uptime_s * 1000);
        let mut kinds = self.line(key, seconds, &line);
        assert!(matches!(kinds.pop(), Some(EventKind::Report(_))), "the report comes last");
        kinds
    }

    fn expire(&mut self, seconds: u64) -> (Vec<Key>, Vec<EventKind>) {
        let over = self.collector.expire(self.at(seconds), &mut self.events);
        (over, self.kinds())
    }

    fn leave(&mut self, key: Key) {
        self.collector.leave(key, "gone".to_owned(), &mut self.events);
        assert!(matches!(self.kinds()[..], [EventKind::Gone { .. }]));
    }

    fn kinds(&mut self) -> Vec<EventKind> {
        self.events.drain(..).map(|event| event.kind).collect()
    }
}

#[test]
fn bad_lines_are_reported_once_for_each_kind_and_counted_always() {
    let mut bench = Bench::new();
    bench.join(0, 0);
    assert!(matches!(bench.line(0, 1, "rubbish")[..], [EventKind::Malformed { .. }]));
    assert_eq!(bench.line(0, 1, "more rubbish"), []);
    for expected in [1, 0] {
        bench.collector.long_line(0, 4096, bench.start, &mut bench.events);
        assert_eq!(bench.kinds().len(), expected);
    }
    assert_eq!(bench.line(0, 1, ""), []);
    assert_eq!(bench.report(0, 2, "a", 0, 1), []);
    assert_eq!(bench.collector.totals().bad_lines, 4);
    assert_eq!(bench.collector.totals().reports, 1);
}

#[test]
fn a_silent_board_is_reported_once_and_so_is_its_return() {
    let mut bench = Bench::new();
    bench.join(0, 0);
    bench.join(1, 5);
    assert_eq!(bench.collector.deadline(), Some(bench.at(10)));
    assert_eq!(bench.expire(9), (vec![], vec![]));
    assert_eq!(
        bench.expire(10),
        (vec![], vec![EventKind::Silent { after: Duration::from_secs(10) }])
    );
    assert_eq!(bench.expire(11), (vec![], vec![]));
    assert_eq!(bench.collector.deadline(), Some(bench.at(15)), "of the other board");
    assert_eq!(bench.collector.longest_silent(), Some(0));
    assert_eq!(
        bench.report(0, 30, "a", 1, 1),
        [EventKind::Back { after: Duration::from_secs(30) }]
    );
    assert_eq!(bench.collector.longest_silent(), None);
    // Rubbish is a sign of life too.
    bench.expire(60);
    assert!(matches!(
        bench.line(1, 61, "rubbish")[..],
        [EventKind::Back { .. }, EventKind::Malformed { .. }]
    ));
}

#[test]
fn history_outlives_the_connection() {
    let mut bench = Bench::new();
    bench.join(0, 0);
    bench.report(0, 1, "a", 7, 100);
    bench.leave(0);
    bench.join(0, 5);
    assert_eq!(
        bench.report(0, 5, "a", 10, 104),
        [EventKind::Finding(Finding::Gap { missing: 2, expected: 8, received: 10 })]
    );
    bench.leave(0);
    bench.join(3, 6);
    assert_eq!(
        bench.report(3, 6, "a", 0, 1),
        [EventKind::Finding(Finding::Reboot { before_ms: 104_000, after_ms: 1000 })]
    );
    assert_eq!(bench.collector.totals().lost, 2);
    assert_eq!(bench.collector.totals().reboots, 1);
}

#[test]
fn a_board_that_lost_power_is_followed_to_its_new_connection() {
    let mut bench = Bench::new();
    bench.join(0, 0);
    bench.report(0, 1, "a", 7, 100);
    // No FIN came: the old connection still stands.
    bench.join(1, 3);
    assert!(matches!(
        bench.report(1, 3, "a", 0, 1)[..],
        [EventKind::Finding(Finding::Reboot { .. })]
    ));
    bench.report(1, 12, "a", 1, 10);
    // The old one is to be closed and is not called silent; its history is not kept over the newer one.
    assert_eq!(bench.expire(12), (vec![0], vec![]));
    bench.leave(0);
    assert_eq!(bench.report(1, 13, "a", 2, 11), []);
    assert!(bench.collector.remembered.is_empty());
}

#[test]
fn two_boards_under_one_name_are_found_out_once() {
    let mut bench = Bench::new();
    bench.join(0, 0);
    bench.join(1, 0);
    bench.report(0, 1, "a", 5, 5);
    bench.report(1, 1, "a", 6, 6);
    assert_eq!(bench.report(0, 2, "a", 6, 6), [EventKind::SharedName { other: peer(1) }]);
    assert_eq!(bench.report(1, 2, "a", 7, 7), []);
    assert_eq!(bench.report(0, 3, "a", 7, 7), []);
    // Neither is closed as the older connection of the other.
    let (over, kinds) = bench.expire(20);
    assert_eq!((over, kinds.len()), (vec![], 2));
}

#[test]
fn an_older_connection_goes_on_when_the_newer_one_has_left() {
    let mut bench = Bench::new();
    bench.join(0, 0);
    bench.join(1, 0);
    bench.report(0, 1, "a", 5, 5);
    bench.report(1, 1, "a", 6, 6);
    bench.leave(1);
    bench.join(1, 2);
    bench.report(1, 2, "b", 0, 0);
    assert_eq!(bench.report(0, 2, "a", 6, 6), []);
    let (over, kinds) = bench.expire(30);
    assert_eq!((over, kinds.len()), (vec![], 2));
}

#[test]
fn a_connection_may_change_its_name() {
    let mut bench = Bench::new();
    bench.join(0, 0);
    bench.join(1, 0);
    bench.report(0, 1, "a", 5, 5);
    bench.report(1, 1, "a", 6, 6);
    assert_eq!(bench.report(1, 2, "b", 90, 1), [], "a board of its own, without a history");
    assert_eq!(bench.report(0, 2, "a", 6, 6), [], "not a shared name any more");
}

#[test]
fn turning_away_is_said_once_until_somebody_gets_in() {
    let mut bench = Bench::new();
    for expected in [1, 0, 0] {
        bench.collector.turn_away(peer(9), 64, &mut bench.events);
        assert_eq!(bench.kinds().len(), expected);
    }
    bench.join(0, 0);
    bench.collector.turn_away(peer(9), 64, &mut bench.events);
    assert_eq!(bench.kinds(), [EventKind::TurnedAway { places: 64 }]);
    assert_eq!(bench.collector.totals().turned_away, 4);
}

#[test]
fn memory_of_boards_that_are_gone_is_bounded() {
    let mut bench = Bench::new();
    for number in 0..REMEMBERED_MAX as u64 + 10 {
        bench.join(0, number);
        bench.report(0, number, &format!("board {number}"), 0, 0);
        bench.leave(0);
    }
    assert_eq!(bench.collector.remembered.len(), REMEMBERED_MAX);
    assert!(
        !bench.collector.remembered.contains_key("board 9"),
        "the one gone longest is forgotten"
    );
    assert!(bench.collector.remembered.contains_key("board 10"));
}
