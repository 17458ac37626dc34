//! What the dashboard shows, and what of it is chosen.

use std::collections::VecDeque;
use std::net::SocketAddr;

use ratatui::layout::Size;
use smoltcp::time::{Duration, Instant};
use tapboard_firmware::netstat::Row;

use super::look::Look;
use super::sliders::Slider;
use super::watcher::Passed;
use crate::ladder::Rung;
use crate::link::{Faults, Side};
use crate::output::pane::LINES_MAX;
use crate::snapshot::{BoardKind, Snapshot, SocketSnapshot};

/// Samples of a graph that are kept: more than a terminal has columns.
const SAMPLES_MAX: usize = 500;
/// Time from one sample to the next.
pub(super) const SAMPLE: Duration = Duration::from_secs(1);

/// How a session is at one moment.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// All that is told of it.
    pub(crate) snapshot: Snapshot,
    /// Frames go to a file.
    pub(crate) capture: bool,
    /// The gateway's sockets, shown where those of the board are not known.
    pub(crate) gateway: Vec<SocketSnapshot>,
}

/// What of that is shown.
#[derive(Debug)]
pub(super) struct Shown {
    /// The cable is in.
    pub(super) plugged: bool,
    /// What is wrong with it, to the board and from it.
    pub(super) faults: [Faults; 2],
    /// Frames go to a file.
    pub(super) capture: bool,
    /// Whose sockets these are.
    pub(super) whose: &'static str,
    /// Connections, then sockets that wait for some.
    pub(super) sockets: Vec<SocketSnapshot>,
    pub(super) led: Option<bool>,
    /// Boots of the board.
    pub(super) boots: u64,
}

impl Default for Shown {
    fn default() -> Self {
        let faults = [Faults::NONE; 2];
        let sockets = Vec::new();
        Self { plugged: true, faults, capture: false, whose: "board", sockets, led: None, boots: 1 }
    }
}

impl From<View> for Shown {
    fn from(view: View) -> Self {
        let View { snapshot: Snapshot { work, cable, board, .. }, capture, gateway } = view;
        let (whose, mut sockets) = match board.kind {
            BoardKind::Firmware => ("board", board.sockets),
            BoardKind::Guest => ("gateway", gateway),
            BoardKind::Fleet => ("fleet", board.sockets),
        };
        sockets.sort_by_key(|socket| socket.row.remote.is_none());
        Self {
            plugged: cable.plugged,
            faults: [cable.to_board.faults, cable.from_board.faults],
            capture,
            whose,
            sockets,
            led: board.led,
            boots: work.boots,
        }
    }
}

/// What has the arrow keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Focus {
    Sockets,
    Cable,
}

/// A row of the cable's panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CableRow {
    Plug,
    Partition,
    Slider(Slider),
    /// Which direction the others change.
    Way,
}

/// Rows of the cable's panel.
pub(super) const CABLE_ROWS: u16 = 7;

impl CableRow {
    pub(super) const ALL: [Self; CABLE_ROWS as usize] = [
        Self::Plug,
        Self::Partition,
        Self::Slider(Slider::Loss),
        Self::Slider(Slider::Delay),
        Self::Slider(Slider::Jitter),
        Self::Slider(Slider::Rate),
        Self::Way,
    ];
}

/// The two ends of a connection, the one at the cable first.
pub(super) type Ends = (SocketAddr, SocketAddr);

/// Values over time, the latest last.
#[derive(Debug, Default)]
pub(super) struct History(VecDeque<u64>);

impl History {
    fn push(&mut self, value: u64) {
        if self.0.len() == SAMPLES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(value);
    }

    /// The latest, so many at most.
    pub(super) fn latest(&self, count: usize) -> Vec<u64> {
        self.0.iter().skip(self.0.len().saturating_sub(count)).copied().collect()
    }

    /// The last one.
    pub(super) fn last(&self) -> u64 {
        self.0.back().copied().unwrap_or(0)
    }
}

/// What is drawn over time.
#[derive(Debug, Default)]
pub(super) struct Histories {
    /// Bytes a second, both ways.
    pub(super) traffic: History,
    /// Microseconds, of the selected connection, or the longest.
    pub(super) round_trip: History,
    /// Frames a second that the cable lost.
    pub(super) lost: History,
    /// In a thousand of all.
    pub(super) lost_share: History,
    /// Segments a second that were sent again.
    pub(super) retransmitted: History,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) look: Look,
    /// Who the board is.
    pub(super) board: String,
    pub(super) view: Shown,
    pub(super) histories: Histories,
    /// The sample that is next: when, and what had passed at the one before.
    next: Instant,
    before: Passed,
    /// Time since the start.
    pub(super) up: Duration,
    start: Instant,
    pub(super) log: VecDeque<String>,
    /// Lines of the log below those that are shown.
    pub(super) log_below: usize,
    /// The last frame of the ladder, if that is held.
    pub(super) held: Option<u64>,
    /// The rungs up to that, as they were when it was drawn first: those that pass are forgotten.
    pub(super) held_rungs: VecDeque<Rung>,
    pub(super) focus: Focus,
    /// The row of the cable's panel that the keys are for.
    pub(super) cable_row: usize,
    /// The direction whose faults are changed, or both.
    pub(super) way: Option<Side>,
    pub(super) selected: Option<Ends>,
    /// A command that is being typed.
    pub(super) prompt: Option<String>,
    pub(super) help: bool,
    /// Frames so far, as they were drawn last.
    pub(super) frames: u64,
    /// The screen, as it was drawn last.
    pub(super) size: Size,
}

impl Model {
    pub(super) fn new(look: Look, board: String, now: Instant) -> Self {
        Self {
            look,
            board,
            view: Shown::default(),
            histories: Histories::default(),
            next: now,
            before: Passed::default(),
            up: Duration::ZERO,
            start: now,
            log: VecDeque::new(),
            log_below: 0,
            held: None,
            held_rungs: VecDeque::new(),
            focus: Focus::Cable,
            cable_row: 0,
            way: None,
            selected: None,
            prompt: None,
            help: false,
            frames: 0,
            size: Size::default(),
        }
    }

    /// Keeps the rungs of a ladder that is held, and none of one that goes on.
    pub(super) fn keep(&mut self, rungs: &VecDeque<Rung>) {
        let Some(last) = self.held else { return self.held_rungs.clear() };
        if self.held_rungs.is_empty() && last > 0 {
            // If so many have passed since the picture, what is there now has to do.
            let whole = rungs.front().is_some_and(|first| first.number > last);
            let of_picture = |rung: &&Rung| whole || rung.number <= last;
            self.held_rungs = rungs.iter().filter(of_picture).cloned().collect();
        }
    }

    /// When the next sample is due.
    pub(super) const fn next_sample(&self) -> Instant {
        self.next
    }

    /// Takes the samples that are due, of what has passed by now.
    pub(super) fn sample(&mut self, now: Instant, passed: Passed) {
        self.up = now - self.start;
        if now < self.next {
            return;
        }
        let since = Passed {
            frames: passed.frames - self.before.frames,
            bytes: passed.bytes - self.before.bytes,
            lost: passed.lost - self.before.lost,
            retransmitted: passed.retransmitted - self.before.retransmitted,
        };
        self.before = passed;
        self.next += SAMPLE;
        if self.next <= now {
            // The process was stopped meanwhile.
            self.next = now + SAMPLE;
        }
        let round_trip = self.round_trip().map_or(0, |time| time.total_micros());
        let histories = &mut self.histories;
        histories.traffic.push(since.bytes);
        histories.round_trip.push(round_trip);
        histories.lost.push(since.lost);
        histories.lost_share.push(since.lost * 1000 / since.frames.max(1));
        histories.retransmitted.push(since.retransmitted);
    }

    /// That of the selected connection, or else the longest of all.
    fn round_trip(&self) -> Option<Duration> {
        let chosen = |socket: &&SocketSnapshot| {
            self.selected.is_none_or(|ends| ends_of(&socket.row) == Some(ends))
        };
        self.view.sockets.iter().filter(chosen).filter_map(|socket| socket.round_trip).max()
    }

    /// A line for the log.
    pub(super) fn note(&mut self, line: String) {
        if self.log.len() == LINES_MAX {
            self.log.pop_front();
        }
        self.log.push_back(line);
    }

    /// The connections among the sockets, in the order in which they are shown.
    pub(super) fn connections(&self) -> Vec<Ends> {
        self.view.sockets.iter().filter_map(|socket| ends_of(&socket.row)).collect()
    }

    /// The faults by which a slider stands: those to the board, unless only the others are changed.
    pub(super) const fn faults(&self) -> &Faults {
        match self.way {
            Some(Side::Peer) => &self.view.faults[1],
            _ => &self.view.faults[0],
        }
    }
}

/// The ends of a connection, if it is one.
pub(super) fn ends_of(row: &Row) -> Option<Ends> {
    let local = row.local_address?;
    Some((SocketAddr::new(local, row.local_port), row.remote?))
}
