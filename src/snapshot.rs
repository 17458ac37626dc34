//! All that can be told of a run at one moment, as plain data: what the console prints, metrics and a dashboard show.
//!
//! A snapshot is made in the driver's loop when somebody asks, and costs nothing until then: a copy of some hundred
//! numbers. Nothing of it changes afterwards, and it may go to another thread.

mod traffic;

use smoltcp::time::{Duration, Instant};
use tapboard_firmware::NetStack;
use tapboard_firmware::netstat::{Introspect, Row};

pub(crate) use self::traffic::Meter;
#[cfg(feature = "cli")]
pub(crate) use self::traffic::Quantity;
pub use self::traffic::Traffic;
use crate::link::{Faults, Link, LinkCounters, Side};
use crate::nic::{Offloads, Stat};

/// See the module's documentation.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// When it was made, since the start of the program.
    pub at: Instant,
    /// What the driver has done.
    pub work: Work,
    /// The cable.
    pub cable: CableSnapshot,
    /// The NIC at the far end of it, and what is behind that.
    pub nic: NicSnapshot,
    /// The board.
    pub board: BoardSnapshot,
}

/// What the driver has done since the start of the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Boots of the board, the first included.
    pub boots: u64,
    /// Turns of the loop, in each of which the board is polled once.
    pub turns: u64,
    /// Time asleep in the kernel, between turns.
    pub asleep: Duration,
}

/// The cable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CableSnapshot {
    /// It is in.
    pub plugged: bool,
    /// What its faults follow from.
    pub seed: u64,
    /// The direction to the board.
    pub to_board: DirectionSnapshot,
    /// The direction from the board.
    pub from_board: DirectionSnapshot,
}

/// One direction of the cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectionSnapshot {
    /// What is wrong with it.
    pub faults: Faults,
    /// What it has done.
    pub counters: LinkCounters,
    /// Frames under way.
    pub held: usize,
    /// Bytes that wait for the rate limit.
    pub queued: usize,
}

impl CableSnapshot {
    pub(crate) fn of(link: &Link, now: Instant) -> Self {
        let direction = |to| DirectionSnapshot {
            faults: *link.faults(to),
            counters: *link.counters(to),
            held: link.held(to),
            queued: link.queued(to, now),
        };
        Self {
            plugged: link.plugged(),
            seed: link.seed(),
            to_board: direction(Side::Board),
            from_board: direction(Side::Peer),
        }
    }
}

/// The NIC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NicSnapshot {
    /// What kind of NIC it is: `gateway`, `tap`.
    pub kind: &'static str,
    /// It is up.
    pub up: bool,
    /// What the board leaves to its MAC.
    pub offloaded: Offloads,
    /// What of that the NIC does; the MAC does the rest.
    pub offloads: Offloads,
    /// What is counted there: of the gateway, or of the TAP.
    pub stats: Vec<Stat>,
}

/// Where the board is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoardKind {
    /// In this process.
    Firmware,
    /// In another, of which only the wire is known.
    Guest,
    /// Here, and many: what is counted is of all of them.
    Fleet,
}

impl BoardKind {
    /// It in a word: before the names of its metrics, and where it has no name of its own.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Firmware => "board",
            Self::Guest => "guest",
            Self::Fleet => "fleet",
        }
    }
}

/// The board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardSnapshot {
    /// Where it is.
    pub kind: BoardKind,
    /// What passed its wire since its boot.
    pub traffic: Traffic,
    /// Its counters since its boot, or those of a guest's wire, in which `in` is from the guest.
    pub counters: Vec<Stat>,
    /// Its sockets; none of a guest are known.
    pub sockets: Vec<SocketSnapshot>,
    /// Whether its LED is lit, if that is known.
    pub led: Option<bool>,
    /// What is to be said beside the counters, a line each.
    pub notes: Vec<String>,
}

impl BoardSnapshot {
    /// Its counters and what is to be said beside them, as `stats` prints them.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        self.counters.iter().map(Stat::to_string).chain(self.notes.iter().cloned())
    }
}

/// A socket of the board, or of what is behind its NIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketSnapshot {
    /// As `netstat` shows it.
    pub row: Row,
    /// The smoothed round-trip time (RFC 6298 2), once it was measured.
    pub round_trip: Option<Duration>,
}

/// All sockets of a stack.
pub(crate) fn socket_snapshots(stack: &NetStack<'_>) -> Vec<SocketSnapshot> {
    let socket = |index| {
        Some(SocketSnapshot { row: stack.row(index)?, round_trip: stack.round_trip(index) })
    };
    (0..).map_while(socket).collect()
}
