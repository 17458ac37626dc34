//! What `check` found: a line for each check, and the verdict.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::check::plan::CheckPlan;
use crate::check::table::Check;
use crate::output::{Error, Output, Verdict, printable};
use crate::units::show_time;

/// What came of a check, with what was seen, or why it was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As expected.
    Pass(String),
    /// Not as expected.
    Fail(String),
    /// It was not done: the user left it out, or the board cannot be asked on the way to it.
    Skip(String),
}

/// A check that was done.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Which.
    pub check: &'static Check,
    /// What came of it.
    pub outcome: Outcome,
    /// How long it took.
    pub time: Duration,
}

impl Outcome {
    /// Its name in JSON, and what was seen.
    fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Pass(seen) => ("pass", seen),
            Self::Fail(seen) => ("fail", seen),
            Self::Skip(why) => ("skip", why),
        }
    }
}

/// Columns before what was seen.
const INDENT: usize = 30;

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, seen) = self.outcome.parts();
        let Check { name, expected, hint, .. } = self.check;
        let word = word.to_uppercase();
        let time = match self.outcome {
            Outcome::Skip(_) => String::new(),
            _ => show_time(self.time),
        };
        write!(f, "{word}  {name:<11}  {time:>9}  {}", printable(seen))?;
        if matches!(self.outcome, Outcome::Fail(_)) {
            write!(f, "\n{:INDENT$}expected: {expected}\n{:INDENT$}look at: {hint}", "", "")?;
        }
        Ok(())
    }
}

impl Finding {
    fn json(&self) -> Value {
        let (outcome, seen) = self.outcome.parts();
        json!({
            "name": self.check.name,
            "outcome": outcome,
            "expected": self.check.expected,
            "seen": seen,
            "hint": self.check.hint,
            "seconds": self.time.as_secs_f64(),
        })
    }
}

/// All findings.
#[derive(Debug)]
pub struct CheckReport<'a> {
    /// What was to be done.
    pub plan: &'a CheckPlan,
    /// What was found, in the order of the table.
    pub findings: Vec<Finding>,
    /// Whether the user ended it.
    pub interrupted: bool,
}

impl CheckReport<'_> {
    /// The names of the checks that came to this.
    fn names(&self, word: &str) -> Vec<&'static str> {
        let of = |finding: &&Finding| finding.outcome.parts().0 == word;
        self.findings.iter().filter(of).map(|finding| finding.check.name).collect()
    }

    /// Prints the verdict, or the whole as one object, and returns it, even if nobody reads it.
    pub fn print(&self, output: &mut Output) -> Result<Verdict, Error> {
        let [pass, fail, skip] = ["pass", "fail", "skip"].map(|word| self.names(word));
        let passed = !pass.is_empty() && fail.is_empty() && !self.interrupted;
        let written = if output.is_json() {
            output.object(&json!({
                "event": "summary",
                "passed": passed,
                "interrupted": self.interrupted,
                "address": self.plan.address.to_string(),
                "port_offset": self.plan.port_offset,
                "checks": self.findings.iter().map(Finding::json).collect::<Vec<_>>(),
            }))
        } else {
            let verdict = if self.interrupted {
                "interrupted; so far"
            } else if passed {
                "the board is good"
            } else if fail.is_empty() {
                "nothing was checked"
            } else {
                "the board is not good"
            };
            let (pass, fail) = (pass.len(), counted("failed", &fail));
            output.line(format_args!(
                "{verdict}: {pass} passed, {fail}, {}",
                counted("skipped", &skip)
            ))
        };
        match written {
            Ok(()) | Err(Error::OutputClosed) => {}
            Err(error) => return Err(error),
        }
        Ok(if passed { Verdict::Passed } else { Verdict::Failed })
    }
}

/// How many came to this, and which.
fn counted(word: &str, names: &[&str]) -> String {
    match names.len() {
        0 => format!("0 {word}"),
        count => format!("{count} {word} ({})", names.join(", ")),
    }
}
