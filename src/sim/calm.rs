//! What explains a broken connection: who was in trouble, and when.
//!
//! A well-behaved client reports a connection that broke without a reason as a failure. Reasons are
//! faults of either end's cable and losses of RAM; a fault goes on explaining for [`ECHO`] after its end,
//! while frames that it delayed are under way.

use std::net::SocketAddr;

use smoltcp::time::{Duration, Instant};
use tapboard_firmware::NetConfig;

/// How long a fault may still be felt after its end: a bottleneck of 256 kbit/s takes 2 s to let 64 KiB go,
/// and a segment lost on the last day of a fault is sent again within 60 s.
const ECHO: Duration = Duration::from_secs(5);

/// Who is in trouble, as one node sees it.
#[derive(Clone, Debug)]
pub(super) struct Calm {
    /// The node itself.
    pub(super) node: usize,
    boards: Vec<NetConfig>,
    /// For each node, when its trouble ends or ended; `None`: it never was in any.
    trouble: Vec<Option<Instant>>,
}

/// When trouble ends whose end is not known yet.
const OPEN: Instant = Instant::from_micros_const(i64::MAX);

impl Calm {
    pub(super) fn new(node: usize, boards: Vec<NetConfig>, nodes: usize) -> Self {
        Self { node, boards, trouble: vec![None; nodes] }
    }

    /// Notes that a node's trouble has begun.
    pub(super) fn begin(&mut self, node: usize) {
        self.trouble[node] = Some(OPEN);
    }

    /// Notes that a node's trouble, if it has any, is over.
    pub(super) fn end(&mut self, node: usize, now: Instant) {
        if self.trouble[node] == Some(OPEN) {
            self.trouble[node] = Some(now + ECHO);
        }
    }

    /// Whether a connection to that board, begun at `since`, may break.
    pub(super) fn explains(&self, board: usize, since: Instant) -> bool {
        [board, self.node].iter().any(|&node| self.trouble[node].is_some_and(|end| end >= since))
    }

    /// Where a board's service is.
    pub(super) fn address(&self, board: usize, ipv6: bool, port: u16) -> SocketAddr {
        let config = &self.boards[board];
        match config.ipv6 {
            Some(cidr) if ipv6 => SocketAddr::new(cidr.address().into(), port),
            _ => SocketAddr::new(config.ipv4.address().into(), port),
        }
    }
}
