//! What came of a replay, as text and as JSON.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::Serialize;

use super::Replay;
use super::actor::Actor;
use super::compare::compare;
use super::difference::Difference;
use super::sides;
use super::stage::Stage;
use crate::output::counted;

/// Differences of a conversation that are shown; the rest are counted.
const SHOWN: usize = 6;
/// Conversations that differ and are shown.
const CONVERSATIONS_SHOWN: usize = 10;

/// What came of a replay.
#[derive(Clone, Debug)]
pub struct Report {
    /// The conversations with the board, in the capture's order.
    pub conversations: Vec<ConversationReport>,
    /// Frames of the capture that are in none of them, by why.
    pub passed: BTreeMap<&'static str, usize>,
    /// What the board said that nobody had asked for, and how often.
    pub unasked: BTreeMap<String, usize>,
    /// The board was polled again and again and never had enough.
    pub spins: bool,
    /// How often it reset itself.
    pub resets: usize,
    /// The capture ended within a frame.
    pub cut_short: bool,
}

/// What came of a conversation.
#[derive(Clone, Debug)]
pub struct ConversationReport {
    /// Its number among the board's, from 1.
    pub number: usize,
    /// Its protocol and its ends, as in the capture.
    pub name: String,
    /// Frames of the peer, and how many of them were sent.
    pub steps: (usize, usize),
    /// Why it was not replayed.
    pub skipped: Option<String>,
    /// What differs, in the order of the conversation.
    pub differences: Vec<Difference>,
    /// What was said around the first difference that matters, then and now, in lines.
    pub sides: Vec<String>,
}

impl ConversationReport {
    fn of(number: usize, actor: &Actor<'_>, asked: bool, replay: &Replay) -> Self {
        let conversation = actor.conversation;
        let skipped = conversation.script.why_not.clone();
        let tolerance_us = replay.options.tolerance.total_micros().cast_signed();
        let differences = match skipped {
            Some(_) => Vec::new(),
            None => compare(actor, asked, replay.end_us, tolerance_us),
        };
        let first = differences.iter().find(|difference| difference.kind.matters());
        let first = first.or(differences.first());
        let sides = match first {
            Some(first) => sides::around(actor, first.after),
            None => Vec::new(),
        };
        Self {
            number,
            name: conversation.to_string(),
            steps: (conversation.steps(), actor.sent.len()),
            skipped,
            differences,
            sides,
        }
    }

    /// Whether something differs that matters, or with `strict` anything.
    #[must_use]
    pub fn differs(&self, strict: bool) -> bool {
        self.differences.iter().any(|difference| strict || difference.kind.matters())
    }
}

impl Report {
    pub(super) fn of(replay: &Replay, stage: &Stage<'_>) -> Self {
        let conversations = (1..).zip(&stage.actors);
        // Where nothing came from one end to the other, nothing is compared.
        let conversations = conversations
            .filter(|(_, actor)| {
                let script = &actor.conversation.script;
                let silent = script.why_not.is_some() || script.steps.is_empty();
                !silent || !script.said.is_empty() || !actor.said.is_empty()
            })
            .map(|(number, actor)| {
                let peer = actor.conversation.ends.peer;
                let asked = stage.actors.iter().any(|other| {
                    let to_it = other.conversation.ends.peer == peer;
                    to_it && other.conversation.script.board_opens && other.isn.is_some()
                });
                ConversationReport::of(number, actor, asked, replay)
            });
        Self {
            conversations: conversations.collect(),
            passed: replay.passed.clone(),
            unasked: stage.unasked.clone(),
            spins: stage.spins,
            resets: stage.resets,
            cut_short: replay.cut_short,
        }
    }

    /// Whether something differs that matters, or with `strict` anything.
    #[must_use]
    pub fn differs(&self, strict: bool) -> bool {
        self.spins
            || strict && !self.unasked.is_empty()
            || self.conversations.iter().any(|one| one.differs(strict))
    }

    /// All differences.
    pub fn differences(&self) -> impl Iterator<Item = &Difference> {
        self.conversations.iter().flat_map(|one| &one.differences)
    }

    /// The last line.
    fn summary(&self) -> String {
        let played = self.conversations.iter().filter(|one| one.skipped.is_none());
        let (mut count, mut steps) = (0, 0);
        for one in played {
            count += 1;
            steps += one.steps.1;
        }
        let all = format!(
            "{} replayed, {} of the peer",
            counted(count, "conversation"),
            counted(steps, "frame")
        );
        let matter = self.differences().filter(|difference| difference.kind.matters()).count();
        let free = self.differences().count() - matter;
        match (matter, free) {
            (0, 0) => format!("{all}: the board says the same"),
            (0, free) => format!(
                "{all}: the board says the same, but for {} that {} not matter",
                counted(free, "difference"),
                if free == 1 { "does" } else { "do" }
            ),
            (matter, free) => format!(
                "{all}: {} that {}, {free} that {} not",
                counted(matter, "difference"),
                if matter == 1 { "matters" } else { "matter" },
                if free == 1 { "does" } else { "do" }
            ),
        }
    }

    /// As text. What does not matter is told of where nothing else differs, or with `all`.
    #[must_use]
    pub fn text(&self, all: bool) -> String {
        let mut out = String::new();
        let told = |one: &&ConversationReport| one.differs(all);
        for one in self.conversations.iter().filter(told).take(CONVERSATIONS_SHOWN) {
            let _ = writeln!(out, "conversation {}, {}:", one.number, one.name);
            let differences = one.differences.iter().filter(|one| all || one.kind.matters());
            let count = differences.clone().count();
            for difference in differences.take(SHOWN) {
                let _ = writeln!(out, "  {difference}");
            }
            if count > SHOWN {
                let _ = writeln!(out, "  and {} more", count - SHOWN);
            }
            for line in &one.sides {
                let _ = writeln!(out, "  {line}");
            }
        }
        let told = self.conversations.iter().filter(told).count();
        if told > CONVERSATIONS_SHOWN {
            let more = counted(told - CONVERSATIONS_SHOWN, "more conversation");
            let _ = writeln!(out, "{more} with differences");
        }
        for one in &self.conversations {
            if let Some(why) = &one.skipped {
                let _ =
                    writeln!(out, "not replayed: conversation {}, {}: {why}", one.number, one.name);
            }
        }
        for (why, count) in &self.passed {
            let _ = writeln!(out, "not replayed: {}, {why}", counted(*count, "frame"));
        }
        for (to, count) in self.unasked.iter().filter(|_| all) {
            let _ = writeln!(out, "not asked for: {}, {to}", counted(*count, "frame"));
        }
        if self.resets > 0 {
            let _ = writeln!(out, "the board reset itself: {}", counted(self.resets, "time"));
        }
        if self.spins {
            out.push_str("the board never has enough: it wants to be polled again and again without doing anything\n");
        }
        if self.cut_short {
            out.push_str("the capture ends within a frame; what comes before was replayed\n");
        }
        out + &self.summary() + "\n"
    }

    /// As JSON: a line for each conversation, and one for the whole.
    #[must_use]
    pub fn json(&self, strict: bool) -> String {
        let mut lines = String::new();
        for one in &self.conversations {
            line(&mut lines, &ConversationObject::of(one));
        }
        let mut kinds: BTreeMap<&'static str, usize> = BTreeMap::new();
        for difference in self.differences() {
            *kinds.entry(difference.kind.name()).or_default() += 1;
        }
        let summary = SummaryObject {
            summary: Summary {
                differs: self.differs(strict),
                conversations: self.conversations.len(),
                differences: kinds,
                not_replayed: self.passed.clone(),
                not_asked_for: self.unasked.clone(),
                resets: self.resets,
                cut_short: self.cut_short,
            },
        };
        line(&mut lines, &summary);
        lines
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(false))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if let Some(frame) = self.frame {
            write!(f, " at frame {frame}")?;
        }
        write!(f, ": then {}; now {}", self.then, self.now)
    }
}

fn line<T: Serialize>(out: &mut String, object: &T) {
    out.push_str(&serde_json::to_string(object).expect("text and numbers"));
    out.push('\n');
}

#[derive(Serialize)]
struct ConversationObject<'a> {
    conversation: usize,
    name: &'a str,
    frames: usize,
    sent: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_replayed: Option<&'a str>,
    differences: Vec<DifferenceObject<'a>>,
}

#[derive(Serialize)]
struct DifferenceObject<'a> {
    kind: &'static str,
    matters: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    frame: Option<usize>,
    then: &'a str,
    now: &'a str,
}

#[derive(Serialize)]
struct SummaryObject {
    summary: Summary,
}

#[derive(Serialize)]
struct Summary {
    differs: bool,
    conversations: usize,
    differences: BTreeMap<&'static str, usize>,
    not_replayed: BTreeMap<&'static str, usize>,
    not_asked_for: BTreeMap<String, usize>,
    resets: usize,
    cut_short: bool,
}

impl<'a> ConversationObject<'a> {
    fn of(one: &'a ConversationReport) -> Self {
        let difference = |difference: &'a Difference| DifferenceObject {
            kind: difference.kind.name(),
            matters: difference.kind.matters(),
            frame: difference.frame,
            then: &difference.then,
            now: &difference.now,
        };
        Self {
            conversation: one.number,
            name: &one.name,
            frames: one.steps.0,
            sent: one.steps.1,
            not_replayed: one.skipped.as_deref(),
            differences: one.differences.iter().map(difference).collect(),
        }
    }
}
