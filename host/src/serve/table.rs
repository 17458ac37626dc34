//! The boards in a table for people, from the events that are said of them: who is there, and how it is.
//!
//! A board is known by its name, or as long as it has said none by its address. Those that are gone stay, below the others,
//! until there are [`BOARDS_MAX`].

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use unicode_width::UnicodeWidthStr;

use crate::live::{Size, cut};
use crate::output::printable;
use crate::serve::event::{Event, EventKind};
use crate::telemetry::Finding;
use crate::units::counted;

/// Boards that are remembered, unless more are connected; beyond that the one gone longest is forgotten.
pub const BOARDS_MAX: usize = 1024;
/// Reports that a rate is of.
const RATE: usize = 16;
/// Columns that a name has at least, or a column of less importance goes.
const NAME_MIN: usize = 16;

/// How a board is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Heard,
    Silent,
    Gone,
    /// Another one has its name.
    Shared,
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Heard => "",
            Self::Silent => "silent",
            Self::Gone => "gone",
            Self::Shared => "shared name",
        }
    }
}

#[derive(Debug)]
struct Board {
    peer: SocketAddr,
    /// The connections that use its name at once, if there are several.
    sharing: Vec<SocketAddr>,
    state: State,
    heard: Instant,
    /// When the last reports came.
    times: VecDeque<Instant>,
    missing: u64,
    restarts: u64,
}

impl Board {
    /// It was heard, or another one that has its name.
    fn here(&mut self) {
        self.state = if self.sharing.is_empty() { State::Heard } else { State::Shared };
    }

    /// A connection to it is gone. It may be on another meanwhile.
    fn leave(&mut self, peer: SocketAddr) {
        if self.sharing.contains(&peer) {
            self.sharing.retain(|other| *other != peer);
            if let [last] = self.sharing[..] {
                self.peer = last;
                self.sharing.clear();
            }
            if self.state == State::Shared {
                self.here();
            }
        } else if self.peer == peer {
            self.state = State::Gone;
        }
    }

    /// Reports a second, of the last ones.
    fn rate(&self) -> Option<f64> {
        let time = *self.times.back()? - *self.times.front()?;
        let is_known = matches!(self.state, State::Heard | State::Shared) && time > Duration::ZERO;
        is_known.then(|| (self.times.len() - 1) as f64 / time.as_secs_f64())
    }
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Table {
    boards: BTreeMap<String, Board>,
}

impl Table {
    /// Notes what has happened `now`.
    pub fn note(&mut self, event: &Event, now: Instant) {
        let Event { peer, board: name, kind } = event;
        let (peer, nameless) = (*peer, peer.to_string());
        match kind {
            EventKind::TurnedAway { .. } => return,
            EventKind::Gone { .. } => {
                if let Some(board) = self.boards.get_mut(name.as_ref().unwrap_or(&nameless)) {
                    board.leave(peer);
                }
                return self.forget();
            }
            _ => {}
        }
        let key = match name {
            Some(name) => {
                self.boards.remove(&nameless);
                name.clone()
            }
            None => nameless,
        };
        let count = self.boards.len();
        let board = self.boards.entry(key).or_insert_with(|| Board {
            peer,
            sharing: Vec::new(),
            state: State::Heard,
            heard: now,
            times: VecDeque::new(),
            missing: 0,
            restarts: 0,
        });
        match kind {
            EventKind::Report(_) => {
                (board.peer, board.heard) = (peer, now);
                board.here();
                if board.times.len() == RATE {
                    board.times.pop_front();
                }
                board.times.push_back(now);
            }
            EventKind::Finding(Finding::Gap { missing, .. }) => {
                board.missing = board.missing.saturating_add(*missing);
            }
            EventKind::Finding(Finding::Reboot { .. }) => board.restarts += 1,
            EventKind::Silent { .. } if board.peer == peer => board.state = State::Silent,
            EventKind::Back { .. } if board.peer == peer => board.here(),
            EventKind::SharedName { other } => {
                for peer in [peer, *other] {
                    if !board.sharing.contains(&peer) {
                        board.sharing.push(peer);
                    }
                }
                board.here();
            }
            _ => {}
        }
        // It looks at all of them.
        if self.boards.len() > count {
            self.forget();
        }
    }

    fn forget(&mut self) {
        while self.boards.len() > BOARDS_MAX {
            let gone = self.boards.iter().filter(|(_, board)| board.state == State::Gone);
            let Some((key, _)) = gone.min_by_key(|(_, board)| board.heard) else { return };
            let key = key.clone();
            self.boards.remove(&key);
        }
    }

    /// Whether there is nobody to be shown.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.boards.is_empty()
    }

    /// Its lines on a terminal of that size: a heading, a line for each board, and if not all have one, how many
    /// have not.
    #[must_use]
    pub fn lines(&self, now: Instant, size: Size) -> Vec<String> {
        if self.boards.is_empty() {
            return Vec::new();
        }
        let mut boards: Vec<_> = self.boards.iter().collect();
        boards.sort_by_key(|(_, board)| board.state == State::Gone);
        // Without the line that the cursor is in, and the heading.
        let room = size.rows.saturating_sub(2);
        let shown = if boards.len() > room { room.saturating_sub(1) } else { boards.len() };
        let rows = boards[..shown].iter().map(|(name, board)| row(name, board, now));
        let rows: Vec<_> = [HEADING.map(str::to_owned)].into_iter().chain(rows).collect();
        let mut lines = columns(&rows, size.columns);
        if shown < boards.len() {
            lines.push(format!("and {} more", counted(boards.len() - shown, "board")));
        }
        lines
    }
}

const HEADING: [&str; 7] = ["BOARD", "ADDRESS", "SEEN", "RATE", "MISSING", "RESTARTS", ""];
/// Columns that go where there is no room for all, the first first.
const DISPENSABLE: [usize; 4] = [1, 5, 3, 6];
/// Columns of numbers.
const NUMBERS: [usize; 4] = [2, 3, 4, 5];

fn row(name: &str, board: &Board, now: Instant) -> [String; 7] {
    let rate = board.rate().map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}/s"));
    [
        printable(name),
        board.peer.to_string(),
        ago(now.saturating_duration_since(board.heard)),
        rate,
        board.missing.to_string(),
        board.restarts.to_string(),
        board.state.word().to_owned(),
    ]
}

/// A time since: `0.4 s`, `12 s`, `5 min`, `3 h`.
fn ago(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        seconds @ 10..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

/// Rows with their columns below each other, two spaces apart; the first takes what room is left.
fn columns(rows: &[[String; 7]], room: usize) -> Vec<String> {
    let widths: [usize; 7] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].width()).max().unwrap_or(0));
    let mut kept: Vec<usize> = (0..7).filter(|&column| widths[column] > 0).collect();
    let others = |kept: &[usize]| kept[1..].iter().map(|&column| widths[column] + 2).sum::<usize>();
    for column in DISPENSABLE {
        if others(&kept) + widths[0].min(NAME_MIN) > room {
            kept.retain(|kept| *kept != column);
        }
    }
    let name = widths[0].min(room.saturating_sub(others(&kept)));
    let line = |row: &[String; 7]| {
        let mut line = String::new();
        for &column in &kept {
            let width = if column == 0 { name } else { widths[column] };
            let text = cut(&row[column], width);
            let gap = " ".repeat(width - text.width());
            let [before, after] =
                if NUMBERS.contains(&column) { [&gap[..], ""] } else { ["", &gap[..]] };
            line.extend([if column == 0 { "" } else { "  " }, before, &text, after]);
        }
        line.truncate(line.trim_end().len());
        line
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
