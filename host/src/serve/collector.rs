//! Who reports, who fell silent, and what happened between: the state behind `serve`, without sockets.
//!
//! The caller owns the connections and names each by a key; it hands in lines, ends and the time, and gets
//! [`Event`]s to print. A board is known by its name, so its history outlives the connection: a board
//! that comes back on a new one is still checked for lost reports and reboots. Memory is bounded by the
//! number of connections and by [`REMEMBERED_MAX`] boards that are gone.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::serve::event::{Event, EventKind};
use crate::serve::totals::Totals;
use crate::telemetry::{Finding, History, Report};

/// Boards without a connection whose history is kept; beyond that the one gone longest is forgotten.
pub const REMEMBERED_MAX: usize = 4096;

/// Key of a connection, chosen by the caller.
pub type Key = usize;

/// One connection.
#[derive(Debug)]
struct Member {
    peer: SocketAddr,
    name: Option<String>,
    history: History,
    heard: Instant,
    silent: bool,
    complained_malformed: bool,
    complained_long: bool,
    standing: Standing,
}

/// How a connection stands to others under the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// There is no other, or it is of no account.
    Own,
    /// The board by this name has since connected anew, under this key.
    Replaced(Key),
    /// Another connection uses the name at the same time; that was said.
    Shared,
}

#[derive(Debug)]
struct BoardRecord {
    history: History,
    heard: Instant,
}

/// The state of all boards.
#[derive(Debug)]
pub struct Collector {
    silence: Duration,
    members: BTreeMap<Key, Member>,
    remembered: BTreeMap<String, BoardRecord>,
    totals: Totals,
    said_full: bool,
}

impl Collector {
    /// A board that is not heard for `silence` is reported as silent.
    #[must_use]
    pub fn new(silence: Duration) -> Self {
        Self {
            silence,
            members: BTreeMap::new(),
            remembered: BTreeMap::new(),
            totals: Totals::default(),
            said_full: false,
        }
    }

    /// The counts so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// A connection was accepted.
    pub fn join(&mut self, key: Key, peer: SocketAddr, now: Instant) {
        self.totals.connections += 1;
        self.said_full = false;
        let member = Member {
            peer,
            name: None,
            history: History::default(),
            heard: now,
            silent: false,
            complained_malformed: false,
            complained_long: false,
            standing: Standing::Own,
        };
        let old = self.members.insert(key, member);
        assert!(old.is_none(), "a key is free again only after `leave`");
    }

    /// A connection came while all places were taken and [`Collector::longest_silent`] had none to give.
    /// That is reported once, until somebody gets in again.
    pub fn turn_away(&mut self, peer: SocketAddr, places: usize, events: &mut Vec<Event>) {
        self.totals.turned_away += 1;
        if !std::mem::replace(&mut self.said_full, true) {
            events.push(Event { peer, board: None, kind: EventKind::TurnedAway { places } });
        }
    }

    /// Of the connections that are silent, the one not heard for the longest time: it may be a board
    /// without power, which will never close it.
    #[must_use]
    pub fn longest_silent(&self) -> Option<Key> {
        let silent = self.members.iter().filter(|(_, member)| member.silent);
        silent.min_by_key(|(_, member)| member.heard).map(|(key, _)| *key)
    }

    /// A connection is over.
    pub fn leave(&mut self, key: Key, reason: String, events: &mut Vec<Event>) {
        let Some(member) = self.members.remove(&key) else {
            return;
        };
        events.push(member.event(EventKind::Gone { reason }));
        for other in self.members.values_mut() {
            if other.standing == Standing::Replaced(key) {
                other.standing = Standing::Own;
            }
        }
        let replaced = matches!(member.standing, Standing::Replaced(_));
        let Some(name) = member.name.filter(|_| !replaced) else {
            return;
        };
        self.remembered.insert(name, BoardRecord { history: member.history, heard: member.heard });
        if self.remembered.len() > REMEMBERED_MAX {
            let oldest = self.remembered.iter().min_by_key(|(_, memory)| memory.heard);
            if let Some(name) = oldest.map(|(name, _)| name.clone()) {
                self.remembered.remove(&name);
            }
        }
    }

    /// A line longer than allowed came, and was skipped.
    pub fn long_line(&mut self, key: Key, limit: usize, now: Instant, events: &mut Vec<Event>) {
        self.hear(key, now, events);
        let Some(member) = self.members.get_mut(&key) else {
            return;
        };
        self.totals.bad_lines += 1;
        if !std::mem::replace(&mut member.complained_long, true) {
            events.push(member.event(EventKind::LongLine { limit }));
        }
    }

    /// A line came. Empty lines are nothing.
    pub fn line(&mut self, key: Key, line: &[u8], now: Instant, events: &mut Vec<Event>) {
        self.hear(key, now, events);
        if line.is_empty() {
            return;
        }
        match Report::parse(line) {
            Ok(report) => self.report(key, report, events),
            Err(reason) => {
                let Some(member) = self.members.get_mut(&key) else {
                    return;
                };
                self.totals.bad_lines += 1;
                if !std::mem::replace(&mut member.complained_malformed, true) {
                    events.push(member.event(EventKind::Malformed { reason }));
                }
            }
        }
    }

    fn report(&mut self, key: Key, report: Report, events: &mut Vec<Event>) {
        if let Some(name) = report.board() {
            self.adopt_name(key, name, events);
        }
        let Some(member) = self.members.get_mut(&key) else {
            return;
        };
        self.totals.reports += 1;
        if let Some(finding) = member.history.observe(&report) {
            match finding {
                Finding::Gap { missing, .. } => {
                    self.totals.lost = self.totals.lost.saturating_add(missing);
                }
                Finding::Reboot { .. } => self.totals.reboots += 1,
                Finding::Backwards { .. } => {}
            }
            events.push(member.event(EventKind::Finding(finding)));
        }
        events.push(member.event(EventKind::Report(report)));
    }

    /// A connection says who it is: it takes over the history of that board.
    fn adopt_name(&mut self, key: Key, name: String, events: &mut Vec<Event>) {
        let Some(member) = self.members.get(&key) else {
            return;
        };
        if member.name.as_ref() == Some(&name) {
            if let Standing::Replaced(newer) = member.standing {
                self.share_name(key, newer, events);
            }
            return;
        }
        let namesake = self.members.iter_mut().find(|(other, member)| {
            **other != key
                && member.name.as_ref() == Some(&name)
                && member.standing == Standing::Own
        });
        let history = match namesake {
            Some((_, older)) => {
                older.standing = Standing::Replaced(key);
                Some(older.history)
            }
            None => self.remembered.remove(&name).map(|memory| memory.history),
        };
        let Some(member) = self.members.get_mut(&key) else {
            return;
        };
        member.name = Some(name);
        member.history = history.unwrap_or_default();
        member.standing = Standing::Own;
    }

    /// A connection that was thought replaced reports again: unless the newer one has changed its name,
    /// this is not one board that reconnected, but two under one name.
    fn share_name(&mut self, key: Key, newer: Key, events: &mut Vec<Event>) {
        let name = self.members.get(&key).and_then(|member| member.name.clone());
        let twin = self.members.get_mut(&newer).filter(|twin| twin.name == name);
        let twin = twin.map(|twin| {
            twin.standing = Standing::Shared;
            twin.peer
        });
        let Some(member) = self.members.get_mut(&key) else {
            return;
        };
        match twin {
            Some(other) => {
                member.standing = Standing::Shared;
                events.push(member.event(EventKind::SharedName { other }));
            }
            None => member.standing = Standing::Own,
        }
    }

    fn hear(&mut self, key: Key, now: Instant, events: &mut Vec<Event>) {
        let Some(member) = self.members.get_mut(&key) else {
            return;
        };
        let away = now.saturating_duration_since(member.heard);
        member.heard = now;
        if std::mem::take(&mut member.silent) {
            events.push(member.event(EventKind::Back { after: away }));
        }
    }

    /// The next time at which [`Collector::expire`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let listening = self.members.values().filter(|member| !member.silent);
        listening.map(|member| member.heard + self.silence).min()
    }

    /// Reports the boards that have fallen silent by now. Returns the connections that the caller should
    /// close, and then `leave`: those whose board has long been reporting on another.
    pub fn expire(&mut self, now: Instant, events: &mut Vec<Event>) -> Vec<Key> {
        let mut over = Vec::new();
        for (key, member) in &mut self.members {
            if member.silent || member.heard + self.silence > now {
                continue;
            }
            member.silent = true;
            if matches!(member.standing, Standing::Replaced(_)) {
                over.push(*key);
            } else {
                let after = now.saturating_duration_since(member.heard);
                events.push(member.event(EventKind::Silent { after }));
            }
        }
        over
    }
}

impl Member {
    fn event(&self, kind: EventKind) -> Event {
        Event { peer: self.peer, board: self.name.clone(), kind }
    }
}

#[cfg(test)]
#[path = "collector_tests.rs"]
mod tests;
