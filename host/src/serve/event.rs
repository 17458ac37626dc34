//! What happens to the boards, in words for people and as objects for machines.

use std::fmt::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::output::printable;
use crate::serve::totals::Totals;
use crate::telemetry::{Finding, Report};
use crate::units::counted;

/// Something that happened on one connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// The board's name, once it has said it.
    pub board: Option<String>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum EventKind {
    /// A report came.
    Report(Report),
    /// The report that follows reveals something about those before it.
    Finding(Finding),
    /// A line was not a report. Said once for each connection.
    Malformed {
        /// Why.
        reason: String,
    },
    /// A line was too long. Said once for each connection.
    LongLine {
        /// Longest line allowed, in bytes.
        limit: usize,
    },
    /// Nothing has come for some time, but the connection stands.
    Silent {
        /// How long.
        after: Duration,
    },
    /// The board is heard again.
    Back {
        /// How long it was not.
        after: Duration,
    },
    /// The connection is over.
    Gone {
        /// Why.
        reason: String,
    },
    /// Two boards report under one name.
    SharedName {
        /// The other one.
        other: SocketAddr,
    },
    /// A connection was closed at once, for all places are taken. Said once until one is free.
    TurnedAway {
        /// How many places there are.
        places: usize,
    },
}

impl Event {
    /// The board as people call it: its name, or its address as long as it has none.
    fn who(&self) -> String {
        self.board.as_deref().map_or_else(|| format!("at {}", self.peer), printable)
    }

    /// One line for people.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.kind {
            EventKind::Report(report) => {
                let mut line = format!("{:<21}  {}", self.peer.to_string(), self.who());
                describe(report, &mut line).expect("writing to a string cannot fail");
                line
            }
            EventKind::TurnedAway { .. } => format!("{}: {}", self.peer, self.kind.message()),
            _ if self.board.is_none() => format!("board {} {}", self.who(), self.kind.message()),
            _ => format!("board {} {} ({})", self.who(), self.kind.message(), self.peer),
        }
    }

    /// One object for machines, `at` after the start. A report is the board's own object and the peer.
    #[must_use]
    pub fn object(&self, at: Duration) -> Value {
        let peer = json!(self.peer.to_string());
        if let EventKind::Report(report) = &self.kind {
            let mut object = report.fields().clone();
            object.insert("peer".to_owned(), peer);
            return Value::Object(object);
        }
        let mut object = Map::from_iter([
            ("event".to_owned(), json!(self.kind.word())),
            ("at_ms".to_owned(), json!(at.as_millis() as u64)),
            ("peer".to_owned(), peer),
            ("board".to_owned(), json!(self.board)),
            ("message".to_owned(), json!(self.kind.message())),
        ]);
        if let Value::Object(fields) = self.kind.fields() {
            object.extend(fields);
        }
        Value::Object(object)
    }
}

impl EventKind {
    fn word(&self) -> &'static str {
        match self {
            Self::Report(_) => "report",
            Self::Finding(Finding::Gap { .. }) => "gap",
            Self::Finding(Finding::Backwards { .. }) => "backwards",
            Self::Finding(Finding::Reboot { .. }) => "reboot",
            Self::Malformed { .. } => "malformed",
            Self::LongLine { .. } => "long_line",
            Self::Silent { .. } => "silent",
            Self::Back { .. } => "back",
            Self::Gone { .. } => "gone",
            Self::SharedName { .. } => "shared_name",
            Self::TurnedAway { .. } => "turned_away",
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Report(_) => "report".to_owned(),
            Self::Finding(finding) => finding.to_string(),
            Self::Malformed { reason } => {
                format!(
                    "sent a line that is no report: {reason}; such lines are skipped from now on"
                )
            }
            Self::LongLine { limit } => {
                format!(
                    "sent a line of more than {limit} bytes; such lines are skipped from now on"
                )
            }
            Self::Silent { after } => format!("silent for {:.1} s", after.as_secs_f64()),
            Self::Back { after } => format!("back after {:.1} s", after.as_secs_f64()),
            Self::Gone { reason } => format!("gone: {reason}"),
            Self::SharedName { other } => format!(
                "is the name of another board too, at {other}; give each board its own MAC address or name"
            ),
            Self::TurnedAway { places } => {
                let taken = if *places == 1 { "the only place is" } else { "all places are" };
                format!("turned away, {taken} taken ({places}); raise --max-boards")
            }
        }
    }

    fn fields(&self) -> Value {
        match self {
            Self::Finding(Finding::Gap { missing, expected, received }) => {
                json!({ "missing": missing, "expected": expected, "received": received })
            }
            Self::Finding(Finding::Backwards { expected, received }) => {
                json!({ "expected": expected, "received": received })
            }
            Self::Finding(Finding::Reboot { before_ms, after_ms }) => {
                json!({ "before_ms": before_ms, "after_ms": after_ms })
            }
            Self::Gone { reason } => json!({ "reason": reason }),
            Self::Silent { after } | Self::Back { after } => {
                json!({ "after_ms": after.as_millis() as u64 })
            }
            Self::SharedName { other } => json!({ "other": other.to_string() }),
            _ => Value::Null,
        }
    }
}

/// The fields of a report in a fixed order, then those that we do not know by their own names.
fn describe(report: &Report, line: &mut String) -> fmt::Result {
    if let Some(seq) = report.seq() {
        write!(line, "  seq {seq}")?;
    }
    if let Some(uptime_ms) = report.uptime_ms() {
        write!(line, "  up {}.{:03} s", uptime_ms / 1000, uptime_ms % 1000)?;
    }
    if let Some(temp_mc) = report.temp_mc() {
        write!(line, "  {:.1} °C", temp_mc as f64 / 1000.0)?;
    }
    if let Some(led) = report.led() {
        write!(line, "  led {}", if led { "on" } else { "off" })?;
    }
    let known = ["board", "seq", "uptime_ms", "temp_mc", "led"];
    for (name, value) in report.fields().iter().filter(|(name, _)| !known.contains(&name.as_str()))
    {
        write!(line, "  {} {}", printable(name), printable(&value.to_string()))?;
    }
    Ok(())
}

impl Totals {
    /// One line for people, `after` the start.
    #[must_use]
    pub fn text(&self, after: Duration) -> String {
        let Self { connections, turned_away, reports, bad_lines, lost, reboots } = self;
        let turned_away = match turned_away {
            0 => String::new(),
            number => format!(", {} turned away", counted(*number, "connection")),
        };
        format!(
            "{} on {} in {:.1} s; {lost} lost, {}, {}{turned_away}",
            counted(*reports, "report"),
            counted(*connections, "connection"),
            after.as_secs_f64(),
            counted(*bad_lines, "bad line"),
            counted(*reboots, "reboot"),
        )
    }

    /// One object for machines, `after` the start.
    #[must_use]
    pub fn object(&self, after: Duration) -> Value {
        json!({
            "event": "totals",
            "at_ms": after.as_millis() as u64,
            "connections": self.connections,
            "turned_away": self.turned_away,
            "reports": self.reports,
            "bad_lines": self.bad_lines,
            "lost": self.lost,
            "reboots": self.reboots,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(board: Option<&str>, kind: EventKind) -> Event {
        let peer = SocketAddr::from(([127, 0, 0, 1], 5000));
        Event { peer, board: board.map(str::to_owned), kind }
    }

    fn report(line: &str) -> EventKind {
        EventKind::Report(Report::parse(line.as_bytes()).unwrap())
    }

    #[test]
    fn a_report_for_people() {
        let full = event(
            Some("b1"),
            report(
                r#"{"board":"b1","seq":17,"uptime_ms":17003,"temp_mc":23500,"led":false,"connections":1,"dropped":0}"#,
            ),
        );
        assert_eq!(
            full.text(),
            "127.0.0.1:5000         b1  seq 17  up 17.003 s  23.5 °C  led off  connections 1  dropped 0"
        );
        assert_eq!(event(None, report("{}")).text(), "127.0.0.1:5000         at 127.0.0.1:5000");
        let hostile = event(Some("\u{1b}[2J"), report(r#"{"\u0007":"\u001b[0m\u202e"}"#));
        assert!(!hostile.text().contains(['\u{1b}', '\u{7}', '\u{202e}']), "{}", hostile.text());
    }

    #[test]
    fn a_report_for_machines_is_the_original_and_the_peer() {
        let object = event(Some("b1"), report(r#"{"board":"b1","x":[1,{"y":null}]}"#))
            .object(Duration::ZERO);
        assert_eq!(
            object,
            json!({ "board": "b1", "x": [1, { "y": null }], "peer": "127.0.0.1:5000" })
        );
    }

    #[test]
    fn news_for_people_and_machines() {
        let gone = event(Some("b1"), EventKind::Gone { reason: "connection reset".to_owned() });
        assert_eq!(gone.text(), "board b1 gone: connection reset (127.0.0.1:5000)");
        assert_eq!(
            gone.object(Duration::from_millis(1500)),
            json!({
                "event": "gone", "at_ms": 1500, "peer": "127.0.0.1:5000", "board": "b1",
                "reason": "connection reset", "message": "gone: connection reset",
            })
        );
        let silent = event(None, EventKind::Silent { after: Duration::from_secs(10) });
        assert_eq!(silent.text(), "board at 127.0.0.1:5000 silent for 10.0 s");
    }
}
