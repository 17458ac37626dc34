//! What a board reports, and what the sequence of its reports tells.
//!
//! A report is one line with one JSON object. Every field is optional, and a field of the wrong type
//! counts as absent: a collector that rejects a newer firmware's report helps nobody. Known fields:
//! `board` (name), `seq` (number of the report), `uptime_ms`, `temp_mc` (thousandths of a degree
//! Celsius), `led`, `connections`, `dropped`.

use std::cmp::Ordering;
use std::fmt;

use serde_json::{Map, Value};

use crate::units::counted;

/// Longest line, in bytes; the firmware's is about 120.
pub const LINE_MAX: usize = 4096;

/// Longest board name that is kept, in characters; a longer one is cut.
pub const NAME_MAX: usize = 64;

/// One report of one board.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    object: Map<String, Value>,
}

impl Report {
    /// Reads one line; the error says why it is not a report.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        match serde_json::from_slice(line) {
            Ok(Value::Object(object)) => Ok(Self { object }),
            Ok(_) => Err("it is JSON, but not an object".to_owned()),
            Err(error) => Err(format!("it is not JSON: {error}")),
        }
    }

    /// All fields, known and unknown.
    #[must_use]
    pub fn fields(&self) -> &Map<String, Value> {
        &self.object
    }

    /// The board's name, cut to [`NAME_MAX`] characters, if it has one that is not empty.
    #[must_use]
    pub fn board(&self) -> Option<String> {
        let name: String = self.object.get("board")?.as_str()?.chars().take(NAME_MAX).collect();
        (!name.is_empty()).then_some(name)
    }

    /// The number of this report, counted by the board since its start.
    #[must_use]
    pub fn seq(&self) -> Option<u64> {
        self.object.get("seq")?.as_u64()
    }

    /// Milliseconds since the board started.
    #[must_use]
    pub fn uptime_ms(&self) -> Option<u64> {
        self.object.get("uptime_ms")?.as_u64()
    }

    /// Temperature in thousandths of a degree Celsius.
    #[must_use]
    pub fn temp_mc(&self) -> Option<i64> {
        self.object.get("temp_mc")?.as_i64()
    }

    /// Whether the LED is lit.
    #[must_use]
    pub fn led(&self) -> Option<bool> {
        self.object.get("led")?.as_bool()
    }
}

/// What a report reveals about those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Reports between the last one and this one never came.
    Gap {
        /// How many.
        missing: u64,
        /// The number that was due.
        expected: u64,
        /// The number that came.
        received: u64,
    },
    /// The number went back, or stayed, although the board had not restarted.
    Backwards {
        /// The number that was due.
        expected: u64,
        /// The number that came.
        received: u64,
    },
    /// The board restarted: it has been up for less time than before.
    Reboot {
        /// Uptime in the report before, milliseconds.
        before_ms: u64,
        /// Uptime in this report, milliseconds.
        after_ms: u64,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Gap { missing, expected, received } => write!(
                f,
                "lost {}: seq {expected} was due, {received} came",
                counted(missing, "report")
            ),
            Self::Backwards { expected, received } => {
                write!(f, "seq went back: {expected} was due, {received} came")
            }
            Self::Reboot { before_ms, after_ms } => write!(
                f,
                "rebooted: up {} s, before that {} s",
                Thousandths(after_ms),
                Thousandths(before_ms)
            ),
        }
    }
}

/// A number of thousandths as a decimal fraction.
struct Thousandths(u64);

impl fmt::Display for Thousandths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// What is remembered of a board to judge its next report: two numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    seq: Option<u64>,
    uptime_ms: Option<u64>,
}

impl History {
    /// Compares a report with those before it, and remembers it.
    ///
    /// A reboot starts a new count, so it is the only finding of its report. Without `uptime_ms` a reboot
    /// shows as numbers that went back.
    pub fn observe(&mut self, report: &Report) -> Option<Finding> {
        let before = *self;
        // A report without a field says nothing about it: what was known stays.
        self.seq = report.seq().or(before.seq);
        self.uptime_ms = report.uptime_ms().or(before.uptime_ms);

        if let (Some(before_ms), Some(after_ms)) = (before.uptime_ms, report.uptime_ms())
            && after_ms < before_ms
        {
            self.seq = report.seq();
            return Some(Finding::Reboot { before_ms, after_ms });
        }
        let (expected, received) = (before.seq?.saturating_add(1), report.seq()?);
        match received.cmp(&expected) {
            Ordering::Equal => None,
            Ordering::Less => Some(Finding::Backwards { expected, received }),
            Ordering::Greater => {
                Some(Finding::Gap { missing: received - expected, expected, received })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(line: &str) -> Report {
        Report::parse(line.as_bytes()).unwrap()
    }

    fn at(seq: u64, uptime_ms: u64) -> Report {
        report(&format!(r#"{{"seq":{seq},"uptime_ms":{uptime_ms}}}"#))
    }

    #[test]
    fn the_line_of_the_firmware_is_understood() {
        let report = report(
            r#"{"board":"tapboard-02005e0001","seq":17,"uptime_ms":17003,"temp_mc":-500,"led":false,"connections":1,"dropped":0}"#,
        );
        assert_eq!(report.board().as_deref(), Some("tapboard-02005e0001"));
        assert_eq!(report.seq(), Some(17));
        assert_eq!(report.uptime_ms(), Some(17003));
        assert_eq!(report.temp_mc(), Some(-500));
        assert_eq!(report.led(), Some(false));
        assert_eq!(report.fields().len(), 7);
    }

    #[test]
    fn every_field_is_optional_and_may_have_the_wrong_type() {
        for line in ["{}", r#"{"board":7,"seq":"x","uptime_ms":-1,"temp_mc":[],"led":0}"#] {
            let report = report(line);
            assert_eq!(report.board(), None);
            assert_eq!((report.seq(), report.uptime_ms()), (None, None));
            assert_eq!((report.temp_mc(), report.led()), (None, None));
        }
        assert_eq!(report(r#"{"board":""}"#).board(), None);
        let long = format!(r#"{{"board":"{}"}}"#, "é".repeat(1000));
        assert_eq!(report(&long).board().unwrap().chars().count(), NAME_MAX);
    }

    #[test]
    fn what_is_not_an_object_is_refused_and_nothing_panics() {
        for line in ["", "x", "[1]", "7", "null", "{", "{}{}", "\"{}\"", "{\"a\":1e999}"] {
            assert!(Report::parse(line.as_bytes()).is_err(), "{line}");
        }
        assert!(Report::parse(b"\xff\xfe").is_err());
        assert!(Report::parse("[".repeat(4000).as_bytes()).is_err());
    }

    #[test]
    fn a_gap_is_counted_and_a_steady_board_is_not_accused() {
        let mut history = History::default();
        assert_eq!(history.observe(&at(5, 5000)), None);
        assert_eq!(history.observe(&at(6, 6000)), None);
        assert_eq!(
            history.observe(&at(9, 9000)),
            Some(Finding::Gap { missing: 2, expected: 7, received: 9 })
        );
        assert_eq!(history.observe(&at(10, 10_000)), None);
        assert_eq!(
            history.observe(&at(10, 10_001)),
            Some(Finding::Backwards { expected: 11, received: 10 })
        );
    }

    #[test]
    fn a_reboot_starts_a_new_count() {
        let mut history = History::default();
        assert_eq!(history.observe(&at(500, 500_000)), None);
        let finding = history.observe(&at(0, 1200)).unwrap();
        assert_eq!(finding, Finding::Reboot { before_ms: 500_000, after_ms: 1200 });
        assert_eq!(finding.to_string(), "rebooted: up 1.200 s, before that 500.000 s");
        assert_eq!(history.observe(&at(1, 2200)), None);
    }

    #[test]
    fn reports_without_numbers_change_nothing() {
        let mut history = History::default();
        history.observe(&at(5, 5000));
        assert_eq!(history.observe(&report("{}")), None);
        assert_eq!(history.observe(&at(6, 6000)), None);
        // A reboot whose report has no number: the next number is taken as it comes.
        assert!(history.observe(&report(r#"{"uptime_ms":1}"#)).is_some());
        assert_eq!(history.observe(&at(40, 1000)), None);
        let mut end = History::default();
        end.observe(&at(u64::MAX, 1));
        assert_eq!(end.observe(&at(u64::MAX, 2)), None);
    }
}
