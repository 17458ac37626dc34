//! How long a transfer may take, of what its cables are like and of what they lost.
//!
//! Of a stream of `B` bytes as many are under way as the smaller of its two buffers holds, `W`; the round trip `R` is twice
//! what a frame takes from end to end, and `A` is how long an acknowledgement is held back at most. Without losses that is
//! `B / W` round trips; twice as many are allowed, for a congestion window may be half of what the path takes (RFC 9438 4.6
//! has 0.7).
//!
//! A frame that is lost is overtaken by others, so it is missed and sent again (RFC 8985 6.2), or was the last of a flight, and
//! a probe asks for it (RFC 8985 7.2): that is within `3 (R + A)`. What else a flight loses is sent again along with it: `R`. But
//! if more is lost before frames go both ways again, there may have been nothing that asks but timers: of `r` losses in a row, more
//! than `R` apart, these are a probe and `r - 1` timeouts, each twice the one before, and the probe and the first of them come no later
//! than `T = 3 (R + A) + 200 ms` (RFC 6298 2.2, with the firmware's minimum): `2^(r-1) T`. There is
//! `T` more for what is lost while it begins. Neither the handshake nor the end counts, where one segment may be lost again and
//! again that no other follows, and timeouts are seconds as long as no round trip is known: the time begins when more than a first
//! flight has moved, and ends with the last byte that the sender could hand to its socket, or the reader read. So the
//! bound is
//!
//! ```text
//! T + 2 R (B / W + 1) + R for each loss + the sum over rows of r of them of (3 (R + A) if r = 1, else 2^(r-1) T)
//! ```
//!
//! What was lost is known, so there is no chance in it, and whoever is slower has waited for nothing.

use smoltcp::time::{Duration, Instant};

use crate::nic::wire::Side;
use crate::output::counted;
use crate::sim::arena::PEER;
use crate::sim::client::Client;
use crate::sim::host::BARE_BUFFER;
use crate::sim::plan::{Stack, Work, WorldPlan};

/// What a timeout has beyond the round trip at least.
const TIMEOUT_MIN: Duration = Duration::from_millis(200);
/// How long both stacks hold an acknowledgement back.
const ACK_DELAY: Duration = Duration::from_millis(10);
/// What fits into a frame: a window of no more has a single segment under way, for whose acknowledgement a prober allows time.
const SEGMENT: usize = 1460;
const ALONE: Duration = Duration::from_millis(50);
/// Doublings of a timeout at most: there is a longest one.
const DOUBLINGS: u32 = 8;

/// The bound of the transfer that is watched.
#[derive(Debug)]
pub(super) struct Goodput {
    /// Whose client it is.
    pub(super) peer: usize,
    client: usize,
    trip: Duration,
    /// After how long a lone loss is made good.
    missed: Duration,
    /// A first timeout.
    timeout: Duration,
    /// What it may take; more with each frame that is lost.
    bound: Duration,
    /// When its stream began.
    began: Option<Instant>,
    /// Losses in a row until now.
    row: u32,
    /// When the last frame was lost.
    last: Option<Instant>,
    /// To which side a frame went first, a round trip after that or later.
    heard: Option<Side>,
    lost: u32,
}

impl Goodput {
    /// Of the plan's transfer, if it has one.
    pub(super) fn of(plan: &WorldPlan) -> Option<Self> {
        let job = plan.transfer()?;
        let (Work::Discard { bytes } | Work::Chargen { bytes, .. }) = job.work else {
            return None;
        };
        let (peer, board) = (&plan.peers[job.peer], &plan.boards[job.board]);
        let window = match peer.stack {
            Stack::Tapboard => PEER,
            Stack::Smoltcp => peer.window.map_or(BARE_BUFFER, Into::into),
        };
        let trip = (peer.cable.delay + board.cable.delay) * 2;
        let alone = if window <= SEGMENT { ALONE } else { Duration::ZERO };
        let missed = (trip + ACK_DELAY) * 2 + alone.max(trip + ACK_DELAY);
        let timeout = missed + TIMEOUT_MIN;
        let trips = bytes / window as u32 + 1;
        let before = plan.jobs[..].iter().filter(|other| other.peer == job.peer);
        Some(Self {
            peer: plan.boards.len() + job.peer,
            client: before.take_while(|other| !other.bounded).count(),
            trip,
            missed,
            timeout,
            bound: timeout + trip * 2 * trips,
            began: None,
            row: 0,
            last: None,
            heard: None,
            lost: 0,
        })
    }

    /// Notes that a frame was lost on a node's cable, or was not. No cable but the board's, the first node's, loses any.
    pub(super) fn sent(&mut self, now: Instant, node: usize, to: Side, lost: bool) {
        if node > 0 {
            return;
        }
        let same_flight = self.last.is_some_and(|last| now <= last + self.trip);
        if !lost {
            if !same_flight && *self.heard.get_or_insert(to) != to {
                self.row = 0;
            }
            return;
        }
        (self.last, self.heard) = (Some(now), None);
        self.lost += 1;
        self.bound += self.trip;
        if same_flight {
            return;
        }
        self.row += 1;
        self.bound += match self.row {
            1 => self.missed,
            2 => self.timeout * 2 - self.missed,
            row => self.timeout * (1 << (row.min(DOUBLINGS) - 2)),
        };
    }

    /// Looks whether it takes too long, and says so.
    pub(super) fn check(&mut self, now: Instant, clients: &[Client]) -> Option<String> {
        let client = clients.get(self.client).filter(|client| !client.has_moved_all())?;
        if self.began.is_none() && client.has_begun() {
            self.began = Some(now);
        }
        let since = self.began?;
        (now > since + self.bound).then(|| {
            format!(
                "no end {} after its beginning, with {} lost and round trips of {}: {}",
                now - since,
                counted(self.lost, "frame"),
                self.trip,
                client.describe()
            )
        })
    }
}
