//! Plans as text: JSON with one machine, job or event a line.
//!
//! What cannot be read is an error that names the line, shows it, and says what is expected there.

use std::io;

use serde::Deserialize;
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};
use serde_json::value::RawValue;

use super::validate::Fault;
use super::{VERSION, WorldPlan};

/// Columns of a line that is shown in an error.
const SHOWN: usize = 160;
/// How deep what has a line of its own may lie: the fields of the plan, and the elements of its lists.
const DEEP: usize = 2;

impl WorldPlan {
    /// All of it as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut bytes = Vec::new();
        let mut serializer = Serializer::with_formatter(&mut bytes, Lines::default());
        self.serialize(&mut serializer).expect("memory takes all, and every key is a string");
        bytes.push(b'\n');
        String::from_utf8(bytes).expect("JSON is UTF-8")
    }

    /// Reads what [`WorldPlan::to_text`] wrote, or anybody. An error names the line and the field, and what to write
    /// there.
    pub fn from_text(text: &str) -> Result<Self, String> {
        let plan: Self = serde_json::from_str(text).map_err(|error| {
            let message = error.to_string();
            // The place is said before it, with the line.
            let message = message.rsplit_once(" at line ").map_or(&*message, |(what, _)| what);
            at_line(text, error.line(), message)
        })?;
        if plan.version != VERSION {
            return Err(format!(
                "version: this is version {}, and this program reads {VERSION}; freeze the plan anew with the \
                 program that wrote it, or edit it to the form that --write-plan writes",
                plan.version
            ));
        }
        match plan.validate() {
            Ok(()) => Ok(plan),
            Err(fault) => Err(match fault.line(text) {
                Some(line) => at_line(text, line, &fault.to_string()),
                None => fault.to_string(),
            }),
        }
    }
}

/// What is wrong in the line of that number, and the line.
fn at_line(text: &str, number: usize, what: &str) -> String {
    let Some(line) = number.checked_sub(1).and_then(|index| text.lines().nth(index)) else {
        return what.into();
    };
    let line = line.trim();
    let shown: String = line.chars().take(SHOWN).collect();
    let more = if shown.len() < line.len() { "..." } else { "" };
    format!("line {number}: {what}\n  {number} | {shown}{more}")
}

/// The lists of a plan, as they stand in its text.
#[derive(Deserialize)]
struct Raw<'t> {
    #[serde(borrow)]
    boards: Vec<&'t RawValue>,
    #[serde(borrow)]
    peers: Vec<&'t RawValue>,
    #[serde(borrow)]
    adversaries: Vec<&'t RawValue>,
    #[serde(borrow, default)]
    servers: Vec<&'t RawValue>,
    #[serde(borrow)]
    jobs: Vec<&'t RawValue>,
    #[serde(borrow)]
    events: Vec<&'t RawValue>,
}

impl Fault {
    /// In which line of `text` it is, counted from 1, if it is in an element of a list.
    fn line(&self, text: &str) -> Option<usize> {
        let raw: Raw<'_> = serde_json::from_str(text).ok()?;
        let list = match self.list {
            "boards" => raw.boards,
            "peers" => raw.peers,
            "adversaries" => raw.adversaries,
            "servers" => raw.servers,
            "jobs" => raw.jobs,
            "events" => raw.events,
            _ => return None,
        };
        let element = list.get(self.index?)?.get();
        // It is borrowed from the text, so their addresses tell where it is.
        let offset = element.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
        Some(text.get(..offset)?.matches('\n').count() + 1)
    }
}

/// Pretty down to [`DEEP`], and each of what is there on one line.
#[derive(Default)]
struct Lines {
    pretty: PrettyFormatter<'static>,
    depth: usize,
}

/// Begins an element: on a line of its own, or behind a comma.
macro_rules! begin {
    ($self:ident, $method:ident, $writer:ident, $first:ident) => {
        if $self.depth <= DEEP {
            $self.pretty.$method($writer, $first)
        } else if $first {
            Ok(())
        } else {
            $writer.write_all(b", ")
        }
    };
}

/// Opens or closes a list or an object, `$bracket` if it is all on one line.
macro_rules! bracket {
    ($self:ident, $method:ident, $writer:ident, $bracket:literal) => {
        if $self.depth <= DEEP {
            $self.pretty.$method($writer)
        } else {
            $writer.write_all($bracket)
        }
    };
}

impl Formatter for Lines {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        bracket!(self, begin_array, writer, b"[")
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        let ended = bracket!(self, end_array, writer, b"]");
        self.depth -= 1;
        ended
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        begin!(self, begin_array_value, writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.depth <= DEEP { self.pretty.end_array_value(writer) } else { Ok(()) }
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        bracket!(self, begin_object, writer, b"{")
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        let ended = bracket!(self, end_object, writer, b"}");
        self.depth -= 1;
        ended
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        begin!(self, begin_object_key, writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.depth <= DEEP { self.pretty.end_object_value(writer) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_as_it_was_written() {
        for seed in 0..2000 {
            let draw = [WorldPlan::draw, WorldPlan::draw_with_servers][seed as usize % 2];
            let plan = draw(seed, seed % 5 != 0);
            let text = plan.to_text();
            assert_eq!(WorldPlan::from_text(&text).as_ref(), Ok(&plan), "seed {seed}: {text}");
        }
        for plan in
            [WorldPlan::idle(true, smoltcp::time::Duration::from_secs(3600)), WorldPlan::busy(7)]
        {
            assert_eq!(WorldPlan::from_text(&plan.to_text()), Ok(plan));
        }
    }

    #[test]
    fn each_thing_has_a_line() {
        let plan = WorldPlan::draw(3, true);
        let text = plan.to_text();
        let things = plan.nodes() + plan.jobs.len() + plan.events.len();
        // Braces, three fields, and two lines for each list that is not empty.
        assert!((things + 5..=things + 15).contains(&text.lines().count()), "{text}");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_a_remedy() {
        let text = WorldPlan::draw(3, true).to_text();
        let change = |from: &str, to: &str| {
            let at = text.find(from).unwrap_or_else(|| panic!("{from} is not in\n{text}"));
            let line = text[..at].matches('\n').count() + 1;
            (line, WorldPlan::from_text(&text.replacen(from, to, 1)).unwrap_err())
        };
        for (from, to, remedy) in [
            (r#""profile": "mcu""#, r#""profile": "tiny""#, "expected `mcu` or `large`"),
            (
                r#""profile": "large""#,
                r#""profil": "large""#,
                "unknown field `profil`, expected one of `profile`",
            ),
            (r#""telemetry": "#, r#""telemetry": 1, "x": "#, "expected a boolean"),
            (r#"{"delay": ""#, r#"{"delay": "soon"#, "e.g. 40ms"),
            (r#""board": 0, "ipv6""#, r#""board": 9, "ipv6""#, "there is no board 9"),
            (r#""peer": 0, "#, "", "missing field `peer`"),
        ] {
            let (line, error) = change(from, to);
            assert!(error.contains(remedy), "{error}");
            assert!(error.starts_with(&format!("line {line}: ")), "{from}: line {line}: {error}");
            assert!(error.contains(&format!("\n  {line} | ")), "{error}");
        }
        let (_, error) = change(r#""version": 1"#, r#""version": 2"#);
        assert!(error.contains("this program reads 1"), "{error}");
        assert!(WorldPlan::from_text("").unwrap_err().contains("EOF"));
        assert!(WorldPlan::from_text(&text[..text.len() / 2]).unwrap_err().contains("EOF"));
    }
}
