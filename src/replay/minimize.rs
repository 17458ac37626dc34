//! The smallest part of a capture that still shows a difference: delta debugging (Zeller and Hildebrandt, "Simplifying and
//! isolating failure-inducing input", 2002), by steps that leave the capture true.

use std::collections::BTreeMap;

use super::conversation::Conversation;
use super::difference::{Difference, Kind};
use super::error::ReplayError;
use super::firmware::PowerOn;
use super::report::{ConversationReport, Report};
use super::{Replay, packet};

/// Replays at most.
const RUNS_MAX: usize = 500;

/// What is left of a capture.
#[derive(Clone, Debug)]
pub struct Minimized {
    /// The capture that is left.
    pub replay: Replay,
    /// What it shows.
    pub kind: Kind,
    /// Its frames, and those that there were.
    pub frames: (usize, usize),
    /// How often it was replayed.
    pub runs: usize,
}

/// The search for it.
struct Search<'b, F> {
    best: Replay,
    kind: Kind,
    strict: bool,
    runs: usize,
    board: &'b mut F,
}

/// What differs first.
fn first(report: &Report, strict: bool) -> Option<(&ConversationReport, Kind)> {
    let differs = |one: &&Difference| strict || one.kind.matters();
    let first = report.conversations.iter().find(|one| one.differs(strict))?;
    Some((first, first.differences.iter().find(differs)?.kind))
}

impl Replay {
    /// The smallest capture found that shows the first difference of this one, replayed to the firmware. With `strict`, that
    /// may be one that does not matter.
    pub fn minimize(&self, strict: bool) -> Result<Minimized, ReplayError> {
        self.minimize_on(strict, |replay: &Self| Box::new(replay.firmware()))
    }

    /// Likewise, replayed each time to a board that `board` makes.
    pub fn minimize_on<F>(&self, strict: bool, mut board: F) -> Result<Minimized, ReplayError>
    where
        F: FnMut(&Self) -> Box<dyn PowerOn>,
    {
        let report = self.run_on(&mut *board(self));
        let Some((shown, kind)) = first(&report, strict) else { return Err(ReplayError::Same) };
        let mut search = Search { best: self.clone(), kind, strict, runs: 1, board: &mut board };
        search.conversations(shown.number - 1);
        while search.round() {}
        let (left, kind, runs) = (search.best, search.kind, search.runs);
        Ok(Minimized { frames: (left.frames(), self.frames()), kind, replay: left, runs })
    }

    /// Frames of its conversations.
    fn frames(&self) -> usize {
        self.conversations.iter().map(|one| one.events.len()).sum()
    }

    /// With other conversations. `None` if nothing of them can be replayed.
    pub(super) fn with(&self, conversations: Vec<Conversation>) -> Option<Self> {
        let events = conversations.iter().flat_map(|one| &one.events);
        let end_us = events.map(|event| event.frame.arrives_us).max()?;
        Self::of(
            self.options.clone(),
            self.who.clone(),
            conversations,
            BTreeMap::default(),
            (end_us, false),
        )
        .ok()
    }
}

impl<F: FnMut(&Replay) -> Box<dyn PowerOn>> Search<'_, F> {
    /// Takes a smaller capture if the first thing that it shows is of the same kind.
    fn take(&mut self, candidate: Option<Replay>) -> bool {
        let Some(mut candidate) = candidate.filter(|_| self.runs < RUNS_MAX) else { return false };
        // As the first capture has it, whatever windows are left.
        candidate.options.profile = Some(self.best.profile());
        self.runs += 1;
        let report = candidate.run_on(&mut *(self.board)(&candidate));
        let found = first(&report, self.strict).map(|(_, kind)| kind);
        let Some(kind) = found.filter(|kind| kind.is_like(self.kind)) else { return false };
        (self.best, self.kind) = (candidate, kind);
        true
    }

    /// Leaves out conversations, all but one at first, then in halves, quarters and so on.
    fn conversations(&mut self, shown: usize) {
        let alone = vec![self.best.conversations[shown].clone()];
        if self.take(self.best.with(alone)) {
            return;
        }
        let mut size = self.best.conversations.len() / 2;
        while size > 0 {
            let mut at = 0;
            while at < self.best.conversations.len() {
                let mut fewer = self.best.conversations.clone();
                fewer.drain(at..(at + size).min(fewer.len()));
                if !self.take(self.best.with(fewer)) {
                    at += size;
                }
            }
            size /= 2;
        }
    }

    /// Tries everything once. Whether anything was taken.
    fn round(&mut self) -> bool {
        let mut taken = false;
        for index in 0..self.best.conversations.len() {
            let arrived = self.best.conversations[index].without_lost();
            taken |= self.instead(index, arrived);
            taken |= self.end(index);
            taken |= self.exchanges(index);
            taken |= self.repeats(index);
            taken |= self.bytes(index);
        }
        taken
    }

    /// With another conversation in the place of that one.
    fn instead(&mut self, index: usize, shorter: Option<Conversation>) -> bool {
        let Some(shorter) = shorter else { return false };
        let mut conversations = self.best.conversations.clone();
        conversations[index] = shorter;
        self.take(self.best.with(conversations))
    }

    /// Looks for the earliest end, by halves.
    fn end(&mut self, index: usize) -> bool {
        let (mut low, mut high) = (0, self.best.conversations[index].steps());
        let whole = high;
        while low < high {
            let middle = usize::midpoint(low, high);
            let shorter = self.best.conversations[index].cut_after(middle.max(1));
            if middle > 0 && self.instead(index, shorter) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        self.best.conversations[index].steps() < whole
    }

    /// Leaves out exchanges, many at first, then fewer, then one.
    fn exchanges(&mut self, index: usize) -> bool {
        let mut taken = false;
        let mut size = self.best.conversations[index].pauses().len() / 2;
        while size > 0 {
            let mut at = 0;
            loop {
                let pauses = self.best.conversations[index].pauses();
                let Some(&from) = pauses.get(at) else { break };
                let Some(&to) =
                    pauses.get((at + size).min(pauses.len() - 1)).filter(|to| **to > from)
                else {
                    break;
                };
                let shorter = self.best.conversations[index].without_exchange(from..to);
                if self.instead(index, shorter) {
                    taken = true;
                } else {
                    at += size;
                }
            }
            size /= 2;
        }
        taken
    }

    /// Leaves out what the peer said again, from the last on.
    fn repeats(&mut self, index: usize) -> bool {
        let mut taken = false;
        for step in self.best.conversations[index].repeats().into_iter().rev() {
            let shorter = self.best.conversations[index].without_step(step);
            taken |= self.instead(index, shorter);
        }
        taken
    }

    /// Makes each of the peer's segments as short as it can be, by halves.
    fn bytes(&mut self, index: usize) -> bool {
        let mut taken = false;
        let mut step = 0;
        while let Some((first, len)) = self.data_of(index, step) {
            let (mut low, mut high) = (0, len);
            while low + 1 < high {
                let middle = if low == 0 { 1 } else { u32::midpoint(low, high) };
                let conversation = &self.best.conversations[index];
                let shorter = conversation.without_bytes(first + middle..first + high);
                if self.instead(index, shorter) {
                    (high, taken) = (middle, true);
                } else {
                    low = middle;
                }
            }
            step += 1;
        }
        taken
    }

    /// The number of the first byte of that frame of the peer, and how many there are. `None` behind the last frame.
    fn data_of(&self, index: usize, step: usize) -> Option<(u32, u32)> {
        let conversation = &self.best.conversations[index];
        let [_, own] = conversation.script.isn;
        let event = &conversation.events[conversation.script.steps.get(step)?.event];
        let data = event.packet().and_then(|packet| {
            let tcp = packet.tcp()?;
            let first = tcp.seq.wrapping_sub(own).wrapping_add(u32::from(tcp.has(packet::SYN)));
            Some((first, (packet.payload.len() - tcp.header) as u32))
        });
        // What lies before the stream's beginning is no data of it.
        Some(data.filter(|(first, _)| first.cast_signed() > 0).unwrap_or((1, 0)))
    }
}
