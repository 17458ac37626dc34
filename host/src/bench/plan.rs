//! What `bench` measures: five tests, the service each needs, and the limits of a run.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Bytes of a round trip, and of what a connection of [`Test::Connect`] echoes.
pub const PING: usize = 64;

/// Round trips of one run at most: what their times may take of memory is 8 MB.
pub const TRIPS_MAX: usize = 1_000_000;

/// What can be measured. Names are from the host's point of view, with the board at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Test {
    /// Bulk to the board: discard, port 9.
    To,
    /// Bulk from the board: chargen, port 19.
    From,
    /// Bulk both ways at once: echo, port 7.
    Duplex,
    /// 64 bytes there and back, one at a time: echo, port 7.
    Trip,
    /// Connect, 64 bytes there and back, close: echo, port 7.
    Connect,
}

/// A service of the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name in the RFCs.
    pub name: &'static str,
    /// Its port on the board.
    pub port: u16,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (port {} of the board)", self.name, self.port)
    }
}

impl Test {
    /// All of them, in the order in which they run.
    pub const ALL: [Self; 5] = [Self::To, Self::From, Self::Duplex, Self::Trip, Self::Connect];

    /// Its name in options and in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::To => "to",
            Self::From => "from",
            Self::Duplex => "duplex",
            Self::Trip => "trip",
            Self::Connect => "connect",
        }
    }

    /// What it measures, for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::To => "to the board",
            Self::From => "from the board",
            Self::Duplex => "both ways at once",
            Self::Trip => "round trip of 64 bytes",
            Self::Connect => "connect, echo, close",
        }
    }

    /// The service it needs.
    #[must_use]
    pub const fn service(self) -> Service {
        match self {
            Self::To => Service { name: "discard", port: 9 },
            Self::From => Service { name: "chargen", port: 19 },
            Self::Duplex | Self::Trip | Self::Connect => Service { name: "echo", port: 7 },
        }
    }
}

/// What is to be measured, and for how long.
#[derive(Clone, Debug)]
pub struct BenchPlan {
    /// The board.
    pub address: IpAddr,
    /// Added to the port of each service.
    pub port_offset: u16,
    /// The tests, in their order; each once.
    pub tests: Vec<Test>,
    /// Runs of each test; the tests take turns, so that what changes meanwhile befalls all of them.
    pub runs: u32,
    /// A run begins nothing new after this time.
    pub time: Duration,
    /// A connection of a bulk test sends, or asks for, no more than this in a run.
    pub bytes: u64,
    /// Connections of a bulk test at once; at least one.
    pub parallel: usize,
    /// A run of [`Test::Connect`] makes no more connections than this.
    pub connections: u32,
    /// Bytes of one read or write at most.
    pub chunk: usize,
    /// Time for one connect.
    pub connect_timeout: Duration,
    /// Time without progress after which a run has failed.
    pub stall_timeout: Duration,
}

impl BenchPlan {
    /// Where the service of `test` is. The offset was checked to fit.
    #[must_use]
    pub fn service_address(&self, test: Test) -> SocketAddr {
        SocketAddr::new(self.address, test.service().port.saturating_add(self.port_offset))
    }

    /// One test of 127.0.0.1, and little of it.
    #[cfg(test)]
    pub(super) fn of(test: Test) -> Self {
        Self {
            address: [127, 0, 0, 1].into(),
            port_offset: 0,
            tests: vec![test],
            runs: 1,
            time: Duration::from_secs(1),
            bytes: 64,
            parallel: 1,
            connections: 1,
            chunk: PING,
            connect_timeout: Duration::from_mins(1),
            stall_timeout: Duration::from_mins(1),
        }
    }
}
