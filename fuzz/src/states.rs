//! In which states sockets were when a segment for them arrived: what "in every state" comes to in figures.

use std::fmt;
use std::net::SocketAddr;

use tapboard_firmware::config::EPHEMERAL_FIRST;
use tapboard_firmware::netstat::{Introspect, Protocol};

/// The states of a socket that has a connection. The first is SYN-SENT whose SYN has not left yet: its neighbour
/// has not answered, or the device refused the frame.
pub const STATES: [&str; 11] = [
    "SYN-SENT, unsent",
    "SYN-SENT",
    "SYN-RECEIVED",
    "ESTABLISHED",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "CLOSE-WAIT",
    "CLOSING",
    "LAST-ACK",
    "TIME-WAIT",
    "CLOSED",
];

/// Segments by the state of the socket they were for: of connections that the board accepted, and that it made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct States {
    counts: [[u64; 2]; STATES.len()],
}

impl States {
    /// None seen yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { counts: [[0; 2]; STATES.len()] }
    }

    /// How many segments met a socket in this state, of an accepted connection or one that the board made.
    #[must_use]
    pub fn count(&self, state: &str, made: bool) -> u64 {
        let index = STATES.iter().position(|name| *name == state);
        index.map_or(0, |index| self.counts[index][usize::from(made)])
    }

    /// Notes a segment from `remote` to `local`. `unsent`: its socket's SYN has not left yet.
    pub(crate) fn note(
        &mut self,
        stack: &dyn Introspect,
        local: SocketAddr,
        remote: SocketAddr,
        unsent: bool,
    ) {
        let mut rows = (0..).map_while(|index| stack.row(index));
        let row = rows.find(|row| {
            row.protocol == Protocol::Tcp
                && row.remote == Some(remote)
                && row.local_port == local.port()
                && row.local_address == Some(local.ip())
        });
        let Some(row) = row else { return };
        let state = if unsent && row.state == STATES[1] { STATES[0] } else { row.state };
        if let Some(index) = STATES.iter().position(|name| *name == state) {
            self.counts[index][usize::from(row.local_port >= EPHEMERAL_FIRST)] += 1;
        }
    }

    /// Adds what another run has seen.
    pub fn add(&mut self, other: &Self) {
        for (own, others) in self.counts.iter_mut().flatten().zip(other.counts.iter().flatten()) {
            *own += others;
        }
    }
}

impl fmt::Display for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "segments that met a socket in   accepted       made")?;
        for (name, [accepted, made]) in STATES.iter().zip(self.counts) {
            writeln!(f, "  {name:<26} {accepted:>11} {made:>10}")?;
        }
        Ok(())
    }
}

/// Programs run, and the states that they saw together. It is printed when it goes: as a thread's own value, at the
/// end of the process.
#[derive(Debug)]
pub struct Tally {
    programs: u64,
    states: States,
}

impl Tally {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { programs: 0, states: States::new() }
    }

    /// One more program.
    pub fn add(&mut self, states: &States) {
        self.programs += 1;
        self.states.add(states);
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        eprintln!("programs run {}\n{}", self.programs, self.states);
    }
}
