//! What explains a broken connection: who was in trouble, and when.
//!
//! A well-behaved client reports a connection that broke without a reason as a failure. Reasons are
//! faults of either end's cable and losses of RAM; a fault goes on explaining for [`AFTERMATH`] after its end,
//! while frames that it delayed are under way. A cable that is out for no longer than [`PULL`] is no reason. A
//! connection on which nothing came back yet may also have been a handshake that a board gave up to let
//! others in, or that a short pull cut.

use std::net::SocketAddr;

use smoltcp::time::{Duration, Instant};
use tapboard_firmware::NetConfig;
use tapboard_firmware::config::{KEEP_ALIVE, USER_TIMEOUT};
use tapboard_firmware::netstat::Count;

/// How long a fault may still be felt after its end: a bottleneck of 256 kbit/s takes 2 s to let 64 KiB go,
/// and a segment lost on the last day of a fault is sent again within 60 s.
const AFTERMATH: Duration = Duration::from_secs(5);

/// Who is in trouble, as one node sees it.
#[derive(Clone, Debug)]
pub(super) struct FaultHistory {
    /// The node itself.
    pub(super) node: usize,
    boards: Vec<NetConfig>,
    /// For each node, when its trouble ends or ended; `None`: it never was in any.
    trouble: Vec<Option<Instant>>,
    /// For each node, since when its cable is out, if it is.
    out: Vec<Option<Instant>>,
    /// For each node, when its last short pull could last be felt.
    pulls: Vec<Option<Instant>>,
    /// When each board last gave up a handshake, and how many it had by then.
    given_up: Vec<(Instant, Count)>,
}

/// A pull no longer than this breaks no connection on which something has come back.
const PULL: Duration = Duration::from_secs(8);
/// How long after a fault a connection may still break of it: a peer that lost its RAM is found out by the next
/// keep-alive probe, and one that is gone is given up.
const LINGER: Duration =
    Duration::from_micros(KEEP_ALIVE.total_micros() + USER_TIMEOUT.total_micros());

/// When trouble ends whose end is not known yet.
const OPEN: Instant = Instant::from_micros_const(i64::MAX);

impl FaultHistory {
    pub(super) fn new(node: usize, boards: Vec<NetConfig>, nodes: usize) -> Self {
        let given_up = vec![(Instant::ZERO, 0); boards.len()];
        let none = vec![None; nodes];
        let (out, pulls) = (none.clone(), none.clone());
        Self { node, boards, trouble: none, out, pulls, given_up }
    }

    /// Notes that a node's trouble has begun.
    pub(super) fn begin(&mut self, node: usize) {
        self.trouble[node] = Some(OPEN);
    }

    /// Notes that a node's trouble, if it has any, is over.
    pub(super) fn end(&mut self, node: usize, now: Instant) {
        if self.trouble[node] == Some(OPEN) {
            self.trouble[node] = Some(now + AFTERMATH);
        }
    }

    /// Notes trouble of a moment.
    pub(super) fn pulse(&mut self, node: usize, now: Instant) {
        self.trouble[node] = self.trouble[node].max(Some(now + AFTERMATH));
    }

    /// Notes that a node's cable is out.
    pub(super) fn unplug(&mut self, node: usize, now: Instant) {
        self.out[node].get_or_insert(now);
    }

    /// Notes that it is in again.
    pub(super) fn plug(&mut self, node: usize, now: Instant) {
        let Some(since) = self.out[node].take() else {
            return;
        };
        let felt = Some(now + AFTERMATH);
        self.pulls[node] = felt;
        if now > since + PULL {
            self.trouble[node] = self.trouble[node].max(felt);
        }
    }

    /// Notes how many handshakes a board has given up.
    pub(super) fn gave_up(&mut self, board: usize, now: Instant, count: Count) {
        if self.given_up[board].1 != count {
            self.given_up[board] = (now, count);
        }
    }

    /// Whether a connection to that board, begun at `since`, may break at `now`; `fresh`: nothing has come
    /// back on it.
    pub(super) fn explains(&self, board: usize, since: Instant, now: Instant, fresh: bool) -> bool {
        let felt = |end: Instant| end >= since && (end == OPEN || now <= end + LINGER);
        let broken = |&node: &usize| {
            let out = self.out[node].is_some_and(|out| fresh || now > out + PULL);
            let pulled = fresh && self.pulls[node].is_some_and(felt);
            out || pulled || self.trouble[node].is_some_and(felt)
        };
        fresh && self.given_up[board].1 > 0 && self.given_up[board].0 >= since
            || [board, self.node].iter().any(broken)
    }

    /// Where a board's service is.
    pub(super) fn address(&self, board: usize, ipv6: bool, port: u16) -> SocketAddr {
        let config = &self.boards[board];
        match config.ipv6() {
            Some(cidr) if ipv6 => SocketAddr::new(cidr.address().into(), port),
            _ => SocketAddr::new(config.ipv4_address().into(), port),
        }
    }
}
