//! How much may be under way: the congestion window (RFC 5681), and by how much a loss reduces it. That one flight reduces
//! it once is for [`acknowledgement`](super::acknowledgement) to see to, where a recovery begins and ends.
//!
//! On a radio or a bad connector, a loss says nothing of how much the path can carry. Congestion shows in another way first:
//! a queue grows, and with it every round trip. So a loss reduces the window only if the shortest round trip of late is
//! longer than the path's own by what a queue would add, or if far too much is lost (TCP Veno tells the two apart in the
//! same way, Fu and Liew 2003); and slow start ends with a queue, not only with a loss (RFC 9406). Then the window becomes
//! what the path has delivered in a round trip, at least half of what it was, by proportional rate reduction (RFC 6937);
//! from there it grows as Reno's does, so that both share a path as equals.
//!
//! All are bytes, and none more than the largest buffer. 40 bytes.

use smoltcp::time::Instant;
use smoltcp::wire::TcpSeqNumber;

use super::scoreboard::Tick;
use crate::limits::INITIAL_WINDOW;
use crate::planted::{Fault, is_planted};
use crate::seq::distance;

/// The congestion window of one connection.
#[derive(Debug)]
pub(crate) struct Window {
    /// CWND.
    size: u16,
    /// SSTHRESH; the greatest number while no queue was seen.
    threshold: u16,
    /// Acknowledged bytes that count for growth in congestion avoidance.
    credit: u16,
    /// Delivered and sent since recovery began, and outstanding then (RFC 6937 3). No reduction: outstanding is 0.
    delivered: u16,
    sent: u16,
    outstanding: u16,
    /// The round trip that is being measured: its end, when it began, what was delivered in it, and its shortest sample in
    /// ticks.
    round_end: TcpSeqNumber,
    round_at: Tick,
    round_bytes: u16,
    round_trip: u16,
    /// What a round trip of late has delivered, without a queue, and the shortest sample of the last.
    path: u16,
    last_trip: u16,
    /// Lost and delivered of late.
    lost: u16,
    arrived: u16,
    /// What a reduction that was not needed has taken.
    undo: Option<(u16, u16)>,
}

/// The least, and the most, by which a queue makes a round trip longer, in ticks.
const QUEUE: (u16, u16) = (4, 10);

/// As many as can be told.
fn small(bytes: u32) -> u16 {
    bytes.min(u16::MAX.into()) as u16
}

impl Window {
    pub(crate) const fn new() -> Self {
        Self {
            size: INITIAL_WINDOW,
            threshold: u16::MAX,
            credit: 0,
            delivered: 0,
            sent: 0,
            outstanding: 0,
            round_end: TcpSeqNumber(0),
            round_at: Tick::new(Instant::ZERO),
            round_bytes: 0,
            round_trip: u16::MAX,
            path: 0,
            last_trip: 0,
            lost: 0,
            arrived: 0,
            undo: None,
        }
    }

    /// CWND.
    pub(crate) fn size(&self) -> u32 {
        self.size.into()
    }

    /// Data begins at `ack`.
    pub(crate) const fn begin(&mut self, ack: TcpSeqNumber, now: Instant) {
        (self.round_end, self.round_at) = (ack, Tick::new(now));
    }

    /// `len` bytes have left.
    pub(crate) fn sent(&mut self, len: u32) {
        self.sent = self.sent.saturating_add(small(len));
    }

    /// `bytes` were found lost.
    pub(crate) fn lost(&mut self, bytes: u32) {
        self.lost = self.lost.saturating_add(small(bytes));
    }

    /// A round trip took so many ticks.
    pub(crate) fn trip(&mut self, ticks: u16) {
        self.round_trip = self.round_trip.min(ticks);
    }

    /// `bytes` were delivered, and everything before `ack`; `end` is SND.NXT, `shortest` the path's own round trip in
    /// ticks.
    pub(crate) fn delivered(
        &mut self,
        bytes: u32,
        ack: TcpSeqNumber,
        end: TcpSeqNumber,
        shortest: u16,
        now: Instant,
    ) {
        let bytes = small(bytes);
        self.round_bytes = self.round_bytes.saturating_add(bytes);
        self.delivered = self.delivered.saturating_add(bytes);
        if self.arrived.saturating_add(self.lost).checked_add(bytes).is_none() {
            (self.arrived, self.lost) = (self.arrived / 2, self.lost / 2);
        }
        self.arrived = self.arrived.saturating_add(bytes);
        if distance(ack, self.round_end) <= 0 {
            return;
        }
        let now = Tick::new(now);
        let took = u32::from(now.since(self.round_at)).max(1);
        let path = u32::from(self.round_bytes) * u32::from(shortest).clamp(1, took) / took;
        self.path = small(path).max(self.path - self.path / 8);
        (self.round_end, self.round_at, self.round_bytes) = (end, now, 0);
        if self.round_trip < u16::MAX {
            (self.last_trip, self.round_trip) = (self.round_trip, u16::MAX);
        }
        if self.size < self.threshold && self.is_queued(shortest) {
            self.threshold = self.size;
        }
    }

    /// Whether a queue has made the last round trip longer than the path's own.
    fn is_queued(&self, shortest: u16) -> bool {
        let queue = (shortest / 8).clamp(QUEUE.0, QUEUE.1);
        self.last_trip > shortest.saturating_add(queue)
    }

    /// Whether a loss is a sign of congestion.
    #[inline(never)]
    pub(crate) fn is_congested(&self, shortest: u16) -> bool {
        // Two of five, of no few: no bad cable is that bad, and a queue that is too short to be seen loses as much.
        let (lost, arrived) = (u32::from(self.lost), u32::from(self.arrived));
        let many = self.lost > INITIAL_WINDOW && lost * 5 > (lost + arrived) * 2;
        many || self.is_queued(shortest) || is_planted(Fault::DelayUnheard)
    }

    /// `bytes` were delivered of a window that was used up: it grows (RFC 5681 3.1).
    pub(crate) fn grow(&mut self, bytes: u32, segment: u32) {
        if self.size < self.threshold {
            self.size = self.size.saturating_add(small(bytes));
            return;
        }
        self.credit = self.credit.saturating_add(small(bytes));
        if self.credit >= self.size {
            self.credit -= self.size;
            self.size = self.size.saturating_add(small(segment));
        }
    }

    /// What the window is to be after congestion, with `outstanding` bytes out.
    fn reduce(&mut self, outstanding: u32, segment: u32) {
        let half = small((outstanding / 2).max(2 * segment));
        self.undo = self.undo.or(Some((self.size, self.threshold)));
        let path = if is_planted(Fault::DelayUnheard) { 0 } else { self.path };
        self.threshold = path.min(self.size).max(half);
        (self.credit, self.lost, self.arrived) = (0, 0, 0);
    }

    /// Whether recovery takes from the window.
    pub(crate) const fn is_reducing(&self) -> bool {
        self.outstanding > 0
    }

    /// Recovery begins, from congestion.
    pub(crate) fn lose(&mut self, outstanding: u32, segment: u32) {
        self.reduce(outstanding, segment);
        (self.delivered, self.sent, self.outstanding) = (0, 0, small(outstanding.max(1)));
    }

    /// In recovery, `bytes` were delivered, and `pipe` are under way. `safe`: something new was acknowledged, and nothing
    /// more was lost.
    pub(crate) fn recover(&mut self, bytes: u32, pipe: u32, segment: u32, safe: bool) {
        if is_planted(Fault::NoPrr) {
            return;
        }
        let [threshold, delivered, sent, outstanding] =
            [self.threshold, self.delivered, self.sent, self.outstanding].map(u32::from);
        let more = if pipe > threshold {
            (delivered * threshold).div_ceil(outstanding.max(1)).saturating_sub(sent)
        } else {
            let limit = delivered.saturating_sub(sent).max(bytes);
            let limit = if safe { limit + segment } else { limit };
            limit.min(threshold - pipe)
        };
        // The first segment that is lost goes at once.
        let least = if sent == 0 { segment } else { 0 };
        self.size = small(pipe + more.max(least));
    }

    /// All that was outstanding when recovery began has been acknowledged.
    pub(crate) const fn recovered(&mut self) {
        if self.outstanding > 0 {
            self.size = self.threshold;
        }
        self.outstanding = 0;
        self.undo = None;
    }

    /// The timer has expired: one segment, and from there on as at first (RFC 5681 3.1), to what the window was, or less if
    /// it is `congested`.
    pub(crate) fn time_out(&mut self, outstanding: u32, segment: u32, congested: bool) {
        if congested {
            self.reduce(outstanding, segment);
        } else {
            self.undo = self.undo.or(Some((self.size, self.threshold)));
            self.threshold = self.threshold.max(self.size);
        }
        self.outstanding = 0;
        self.size = small(segment);
    }

    /// Nothing was lost after all (RFC 4015).
    pub(crate) fn undo(&mut self) {
        if let Some((size, threshold)) = self.undo.take() {
            self.size = self.size.max(size);
            self.threshold = threshold;
        }
        self.outstanding = 0;
    }

    /// Nothing was sent for longer than the timeout, or ever (RFC 5681 4.1).
    pub(crate) fn restart(&mut self, initial: u16) {
        self.size = self.size.min(initial);
    }
}
