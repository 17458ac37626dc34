//! The board's status, in parts: as JSON, and in Prometheus' text format.
//!
//! A report of any length takes room for one part. Rows and counters are read as they are at that moment.

use core::fmt::{self, Write};
use core::net::{IpAddr, SocketAddr};

use tapboard_net::netstat::{Count, Introspect, Plain, Protocol, Row, STATES};

use super::Facts;
use crate::board::Board;
use crate::service::telemetry::JsonText;

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// One object (RFC 8259), without an end of line.
    Json,
    /// Text format 0.0.4.
    Metrics,
}

/// The part that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Name,
    Board,
    StackCounter(u16),
    ServiceCounter(u16),
    Sockets,
    /// A row of the socket table, or for metrics a state of TCP.
    Socket(u16),
    End,
}

/// How far a report is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report {
    format: Format,
    part: Part,
}

impl Report {
    /// One of which nothing is left.
    pub(super) const COMPLETE: Self = Self { format: Format::Json, part: Part::End };

    pub(super) const fn new(format: Format) -> Self {
        Self { format, part: Part::Name }
    }

    pub(super) fn is_complete(self) -> bool {
        self.part == Part::End
    }

    /// Writes the next part, of no more than [`HTTP_PART`](crate::config::HTTP_PART) bytes; nothing, if there is no more
    /// of its kind.
    pub(super) fn write<S: Introspect, B: Board>(
        &mut self,
        to: &mut impl Write,
        stack: &S,
        board: &mut B,
        facts: &Facts<'_>,
    ) -> fmt::Result {
        let (written, next) = match self.format {
            Format::Json => json(self.part, to, stack, board, facts),
            Format::Metrics => metrics(self.part, to, stack, board, facts),
        };
        self.part = next;
        written
    }
}

/// All arguments of a part at once, so that formatting is one call.
fn json<S: Introspect, B: Board>(
    part: Part,
    to: &mut impl Write,
    stack: &S,
    board: &mut B,
    facts: &Facts<'_>,
) -> (fmt::Result, Part) {
    let comma = |index| if index == 0 { "" } else { "," };
    match part {
        Part::Name => (write!(to, r#"{{"name":"{}""#, JsonText(facts.about.name)), Part::Board),
        Part::Board => {
            let written = write!(
                to,
                r#","uptime_ms":{},"led":{},"temp_mc":{},"login":{},"link_ups":{},"counters":{{"#,
                facts.uptime().total_millis(),
                board.led(),
                board.temperature_mc(),
                facts.login,
                facts.link_ups,
            );
            (written, Part::StackCounter(0))
        }
        Part::StackCounter(index) => match stack.counter(index.into()) {
            Some((name, value)) => {
                let written = write!(to, r#"{}"{name}":{value}"#, comma(index));
                (written, Part::StackCounter(index + 1))
            }
            None => (Ok(()), Part::ServiceCounter(0)),
        },
        Part::ServiceCounter(index) => match facts.about.counters.get(usize::from(index)) {
            // The stack has some, before these.
            Some((name, value)) => {
                (write!(to, r#","{name}":{value}"#), Part::ServiceCounter(index + 1))
            }
            None => (Ok(()), Part::Sockets),
        },
        Part::Sockets => (to.write_str(r#"},"sockets":["#), Part::Socket(0)),
        Part::Socket(index) => match stack.row(index.into()) {
            Some(row) => {
                let trip = stack.round_trip(index.into());
                let written = write!(
                    to,
                    concat!(
                        r#"{}{{"proto":"{}","local":"{}","remote":"{}","state":"{}","#,
                        r#""recv_q":{},"send_q":{},"rtt_us":{}}}"#,
                    ),
                    comma(index),
                    protocol(&row),
                    Local(&row),
                    Remote(row.remote),
                    row.state,
                    row.receive_queue,
                    row.send_queue,
                    trip.map_or(0, |time| time.total_micros()),
                );
                (written, Part::Socket(index + 1))
            }
            None => (to.write_str("]}"), Part::End),
        },
        Part::End => (Ok(()), Part::End),
    }
}

/// A metric with its two lines of comment.
fn metric(
    to: &mut impl Write,
    name: &str,
    kind: &str,
    help: &str,
    value: fmt::Arguments<'_>,
) -> fmt::Result {
    let unit = if kind == "counter" { "_total" } else { "" };
    write!(
        to,
        "# HELP tapboard_{name}{unit} {help}.\n# TYPE tapboard_{name}{unit} {kind}\n\
         tapboard_{name}{unit} {value}\n"
    )
}

/// A counter, in seconds if it is a time.
fn counter(to: &mut impl Write, name: &str, value: Count) -> fmt::Result {
    if name == "asleep_ms" {
        let help = "Time that the processor has slept";
        let value = format_args!("{}.{:03}", value / 1000, value % 1000);
        return metric(to, "asleep_seconds", "counter", help, value);
    }
    metric(to, name, "counter", "As the shell's stats has it", format_args!("{value}"))
}

fn metrics<S: Introspect, B: Board>(
    part: Part,
    to: &mut impl Write,
    stack: &S,
    board: &mut B,
    facts: &Facts<'_>,
) -> (fmt::Result, Part) {
    match part {
        Part::Name => {
            let millis = facts.uptime().total_millis();
            let value = format_args!("{}.{:03}", millis / 1000, millis % 1000);
            (metric(to, "uptime_seconds", "gauge", "Time since boot", value), Part::Board)
        }
        Part::Board => {
            let millis = board.temperature_mc();
            let sign = if millis < 0 { "-" } else { "" };
            let millis = millis.unsigned_abs();
            let value = format_args!("{sign}{}.{:03}", millis / 1000, millis % 1000);
            let help = "Temperature of the chip";
            (metric(to, "temperature_celsius", "gauge", help, value), Part::StackCounter(0))
        }
        Part::StackCounter(index) => {
            if let Some((name, value)) = stack.counter(index.into()) {
                return (counter(to, name, value), Part::StackCounter(index + 1));
            }
            let value = facts.link_ups;
            let help = "Times that the cable came in again";
            let written = metric(to, "link_ups", "counter", help, format_args!("{value}"));
            (written, Part::ServiceCounter(0))
        }
        Part::ServiceCounter(index) => {
            if let Some(&(name, value)) = facts.about.counters.get(usize::from(index)) {
                return (counter(to, name, value), Part::ServiceCounter(index + 1));
            }
            let value = u8::from(board.led());
            let help = "Whether the LED is lit";
            (metric(to, "led_lit", "gauge", help, format_args!("{value}")), Part::Sockets)
        }
        Part::Sockets => {
            let written = to.write_str(
                "# HELP tapboard_tcp_sockets TCP sockets by state.\n\
                 # TYPE tapboard_tcp_sockets gauge\n",
            );
            (written, Part::Socket(0))
        }
        Part::Socket(index) => {
            let Some(state) = STATES.get(usize::from(index)) else {
                return (Ok(()), Part::End);
            };
            let rows = (0..).map_while(|index| stack.row(index));
            let count = rows.filter(|row| row.state == *state).count();
            let written = writeln!(to, "tapboard_tcp_sockets{{state=\"{state}\"}} {count}");
            (written, Part::Socket(index + 1))
        }
        Part::End => (Ok(()), Part::End),
    }
}

const fn protocol(row: &Row) -> &'static str {
    match row.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    }
}

/// The own end of a row; `*` is any address.
struct Local<'a>(&'a Row);

impl fmt::Display for Local<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.local_address {
            Some(address) => end(f, &address, self.0.local_port),
            None => write!(f, "*:{}", self.0.local_port),
        }
    }
}

/// The peer's end of a row; `*` is none.
struct Remote(Option<SocketAddr>);

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(remote) => end(f, &remote.ip(), remote.port()),
            None => f.write_str("*"),
        }
    }
}

fn end(f: &mut fmt::Formatter<'_>, address: &IpAddr, port: u16) -> fmt::Result {
    let address_text = Plain(address);
    if address.is_ipv6() {
        write!(f, "[{address_text}]:{port}")
    } else {
        write!(f, "{address_text}:{port}")
    }
}
