//! Loss recovery beside smoltcp's: a retransmission before its timer would.
//!
//! smoltcp's retransmission timer starts at 1 s, doubles at each expiry, and is not set back before a
//! new round trip has been measured (RFC 6298 leaves that to the implementation; others set it back when
//! new data is acknowledged). On a bad link it soon stands at a minute, and two losses in a row end the
//! connection. Its fast retransmit needs three duplicate acknowledgements without data and with the same
//! window, and does nothing about a second loss in the same window; selective acknowledgements it does not
//! read at all.
//!
//! So this module keeps its own record of what was sent and acknowledged, and decides that the first
//! unacknowledged segment is to be sent again,
//! - when the peer has later data (SACK, RFC 2018): at once if that is as much as three segments, as in
//!   RFC 6675 4, else after a quarter of a round trip, for it may only have been overtaken (RFC 8985 6.2);
//! - when the answer to a retransmission leaves the next segment missing that was sent before it: at once
//!   (partial acknowledgement, RFC 6582 3.2);
//! - when nothing more is acknowledged for two round trips, and the time that the peer may delay an
//!   acknowledgement if it may (RFC 8985 7.2); the wait doubles each time, up to [`RECOVERY_MAX`].
//!
//! Then the stack shows smoltcp three duplicate acknowledgements of its own making, and smoltcp resends that
//! segment by its own rules (RFC 5681 3.2, with its congestion window). One hole is filled a round trip,
//! for smoltcp's fast retransmit sends nothing but the first segment; and each halves the window anew, for
//! smoltcp's Reno ends fast recovery with the first of them (RFC 6582 3.2 would go on). The tries do not cease
//! while data is outstanding: its fast retransmit stops smoltcp's timer, and if the segment cannot leave, for
//! want of the neighbour's MAC address, it is forgotten, and keep-alive probes begin to fill its place with a
//! byte of their own. They do in LAST-ACK, where smoltcp listens to none of this; so that state is put off until
//! a segment's worth is left (`Pool::shut` in [`crate::listener`]). A peer which is gone is still given up, for
//! what the tries pretend is taken off the timeout. Only what the peer has said itself is repeated; a wrong
//! guess costs one segment sent twice. 64 bytes a slot.

use smoltcp::socket::tcp::State;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpEndpoint, TcpSeqNumber};

use crate::config::{ACK_DELAY_MAX, RECOVERY_MAX, RECOVERY_UNKNOWN, SEGMENT_SIZE, USER_TIMEOUT};
use crate::fin::Fin;
use crate::moment::{Moment, earliest};
use crate::round_trip::RoundTrip;

/// Sequence numbers no further from each other may belong to one connection: more than any send buffer.
const NEAR: u32 = 1 << 24;

/// Half the sequence space, but for more than any window.
const FAR: u32 = (1 << 31) - (1 << 17);

/// A connection's local and remote end.
pub(crate) type Ends = (IpEndpoint, IpEndpoint);

/// The header fields of a segment that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    /// The local port and the remote one.
    pub(crate) ports: (u16, u16),
    pub(crate) seq: TcpSeqNumber,
    /// `None` without the ACK flag.
    pub(crate) ack: Option<TcpSeqNumber>,
    pub(crate) window: u16,
    /// The shift of later windows that a SYN announces (RFC 7323 2.3), at most 14; 0 without.
    pub(crate) scale: u8,
    /// Without payload, and its checksum is right.
    pub(crate) bare: bool,
    /// With payload and a FIN, and its checksum is right.
    pub(crate) fin: Option<Fin>,
    /// The blocks of its SACK option, if its checksum is right.
    pub(crate) sacked: [Option<(u32, u32)>; 3],
}

/// What a connection looked like before, or after, smoltcp took a segment in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) state: State,
    /// Bytes not yet acknowledged.
    pub(crate) queue: usize,
    /// Bytes that the application has not read.
    pub(crate) unread: usize,
}

impl Look {
    /// Whether the handshake is complete in `after`, and was not before.
    pub(crate) const fn opens(self, after: Self) -> bool {
        matches!(self.state, State::SynSent | State::SynReceived)
            && matches!(after.state, State::Established | State::CloseWait)
    }

    /// Whether the connection can still take data and a FIN.
    pub(crate) const fn unfinished(self) -> bool {
        matches!(
            self.state,
            State::SynReceived | State::Established | State::FinWait1 | State::FinWait2
        )
    }
}

/// How much later in the stream `a` is than `b`; negative if it is earlier.
const fn distance(a: TcpSeqNumber, b: TcpSeqNumber) -> i32 {
    a.0.wrapping_sub(b.0)
}

/// What is known of one connection's peer, and of what was sent to it.
#[derive(Debug)]
pub(crate) struct Recovery {
    /// The peer's SYN has come in, and with it all the rest.
    known: bool,
    /// Retransmissions because the peer said nothing.
    tries: u8,
    /// How far the peer's windows are to be shifted.
    scale: u8,
    /// The window that came with the highest acknowledgement, unscaled.
    window: u16,
    /// The longest segment sent, in bytes.
    longest: u16,
    /// The local port and the remote one.
    ports: (u16, u16),
    /// The first byte that the application has not read.
    unread: TcpSeqNumber,
    /// The highest acknowledgement (SND.UNA).
    acknowledged: TcpSeqNumber,
    /// Behind all data sent (SND.NXT, whatever smoltcp may have gone back to).
    sent: TcpSeqNumber,
    /// Behind all data sent before the last retransmission.
    point: TcpSeqNumber,
    /// The end of the segment whose round trip is being measured, and when it left; none is once this is
    /// acknowledged.
    timed: (TcpSeqNumber, Moment),
    trip: RoundTrip,
    /// When the peer last acknowledged something new, or something was sent.
    since: Moment,
    /// When it last acknowledged something new, or data became outstanding.
    progressed: Moment,
    /// Until when smoltcp was made to believe that the peer was there.
    pretended: Moment,
    /// When the first segment outstanding was sent again, if it was.
    resent: Option<Moment>,
    /// When to resend it because of what the peer has said.
    due: Option<Moment>,
}

#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<Recovery>() <= 64);

impl Recovery {
    pub(crate) const fn new() -> Self {
        const ZERO: TcpSeqNumber = TcpSeqNumber(0);
        Self {
            known: false,
            tries: 0,
            scale: 0,
            window: 0,
            longest: 0,
            ports: (0, 0),
            unread: ZERO,
            acknowledged: ZERO,
            sent: ZERO,
            point: ZERO,
            timed: (ZERO, Moment::EARLIEST),
            trip: RoundTrip::new(),
            since: Moment::EARLIEST,
            progressed: Moment::EARLIEST,
            pretended: Moment::EARLIEST,
            resent: None,
            due: None,
        }
    }

    /// Whether data from `seq` on, sent between these ports, is this connection's. Another peer may have the
    /// same port, but not at random the same sequence numbers.
    pub(crate) const fn is_of(&self, ports: (u16, u16), seq: TcpSeqNumber) -> bool {
        self.known
            && self.ports.0 == ports.0
            && self.ports.1 == ports.1
            && distance(seq, self.acknowledged).unsigned_abs() < NEAR
    }

    /// The handshake took `rtt`.
    pub(crate) fn established(&mut self, rtt: Duration) {
        // Longer ones most likely had a SYN sent again, and say nothing.
        if rtt < RECOVERY_UNKNOWN {
            self.trip.sample(rtt);
        }
    }

    /// The application has read `count` bytes.
    pub(crate) fn consumed(&mut self, count: usize) {
        self.unread += count;
    }

    /// The sequence number behind all data that came in, of which `unread` bytes have not been read.
    pub(crate) fn next(&self, unread: usize) -> TcpSeqNumber {
        self.unread + unread
    }

    /// Whether `seq` is about half the sequence space away from what comes next, of which `unread` bytes have not been
    /// read: no segment of the peer's has such a number.
    pub(crate) fn is_far(&self, seq: TcpSeqNumber, unread: usize) -> bool {
        self.known && distance(seq, self.next(unread)).unsigned_abs() > FAR
    }

    /// The cable is in again: try soon, and as often as at first.
    pub(crate) const fn hurry(&mut self, now: Instant) {
        self.tries = 0;
        self.since = Moment::new(now);
    }

    /// Bytes sent and not acknowledged.
    const fn flight(&self) -> i32 {
        distance(self.sent, self.acknowledged)
    }

    /// `len` bytes of data from `seq` on have left. Returns whether they had before.
    pub(crate) fn sent(&mut self, seq: TcpSeqNumber, len: usize, now: Instant) -> bool {
        if self.window == 0 {
            // A probe, which is no more than a question.
            return false;
        }
        let now = Moment::new(now);
        let end = seq + len;
        if distance(end, self.sent) <= 0 {
            // What is before that is a keep-alive probe's byte.
            let again = distance(seq, self.acknowledged) >= 0;
            if again {
                self.resend(now);
            }
            return again;
        }
        if self.flight() == 0 {
            (self.progressed, self.pretended) = (now, now);
            self.tries = 0;
        }
        if distance(self.timed.0, self.acknowledged) <= 0 {
            self.timed = (end, now);
        }
        self.since = now;
        self.sent = end;
        // A device may make many segments of it, full ones most often.
        self.longest = self.longest.max(len.min(SEGMENT_SIZE) as u16);
        false
    }

    /// Something is sent again.
    const fn resend(&mut self, now: Moment) {
        self.timed.0 = self.acknowledged;
        self.due = None;
        self.point = self.sent;
        self.resent = Some(now);
        self.since = now;
    }

    /// A segment came in. Whether it counts is smoltcp's to say: it shows in what it changed.
    pub(crate) fn heard(&mut self, heard: &Heard, before: Look, after: Look, now: Instant) {
        match (before.state, after.state) {
            // A SYN, or a SYN-ACK.
            (State::Listen, State::SynReceived) | (State::SynSent, _) if before != after => {
                self.ports = heard.ports;
                self.scale = heard.scale;
                self.unread = heard.seq + 1;
                self.begin(heard, now);
            }
            // The end of the handshake.
            (State::SynReceived, _) if before != after => self.begin(heard, now),
            _ => {
                let Some(ack) = heard.ack.filter(|_| self.known) else { return };
                let newly = distance(ack, self.acknowledged);
                let Ok(newly) = usize::try_from(newly) else { return };
                let taken = before.queue.saturating_sub(after.queue);
                // The FIN is acknowledged with the last byte, and counts for one.
                let data = taken > 0 && (newly == taken || newly == taken + 1);
                let fin = taken == 0 && newly == 1 && before.state != after.state;
                if data || fin {
                    self.progress(ack, heard.window, now);
                } else if newly == 0 && (heard.bare || after.unread > before.unread) {
                    if self.window == 0 {
                        self.restart(now);
                    }
                    self.window = heard.window;
                }
                self.arrived_later(&heard.sacked, now);
            }
        }
    }

    /// The handshake, or its first half, is done.
    fn begin(&mut self, heard: &Heard, now: Instant) {
        // Of a SYN nothing is known yet of ours.
        self.known = heard.ack.is_some();
        let ack = heard.ack.unwrap_or_default();
        self.sent = ack;
        self.point = ack;
        self.acknowledged = ack;
        self.timed.0 = ack;
        self.progress(ack, heard.window, now);
    }

    /// Something new has been acknowledged.
    fn progress(&mut self, acknowledged: TcpSeqNumber, window: u16, now: Instant) {
        if self.window == 0 {
            self.restart(now);
        }
        let now = Moment::new(now);
        let (timed, at) = self.timed;
        if distance(timed, self.acknowledged) > 0 && distance(timed, acknowledged) <= 0 {
            self.trip.sample(now.since(at));
        }
        self.acknowledged = acknowledged;
        self.window = window;
        if self.flight() < 0 {
            // A FIN.
            self.sent = acknowledged;
        }
        // What comes sooner after a retransmission than anything can is about what was sent before: that
        // was not lost.
        let partial = distance(self.point, acknowledged) > 0;
        let answer = self.resent.take().is_some_and(|at| now.since(at) >= self.trip.shortest());
        self.due = (partial && answer).then_some(now);
        if self.due.is_none() {
            self.point = acknowledged;
        }
        self.tries = 0;
        self.since = now;
        (self.progressed, self.pretended) = (now, now);
    }

    /// What is outstanding has waited for so long, for the window to open or for somebody to poll, that perhaps no
    /// [`Moment`] is right any more: its time begins anew.
    pub(crate) fn restart(&mut self, now: Instant) {
        let now = Moment::new(now);
        (self.since, self.progressed, self.pretended) = (now, now, now);
        self.timed.0 = self.acknowledged;
        (self.due, self.resent) = (None, None);
    }

    /// The peer has these blocks of data behind what it acknowledges.
    fn arrived_later(&mut self, blocks: &[Option<(u32, u32)>], now: Instant) {
        // Only what was sent after the first segment, the last time, says something about it.
        let first = if self.resent.is_some() { self.point } else { self.acknowledged };
        let mut later = 0;
        for (left, right) in blocks.iter().flatten() {
            let [left, right] = [left, right].map(|edge| TcpSeqNumber(edge.cast_signed()));
            if distance(right, self.sent) <= 0 && distance(right, first) > 0 {
                let left = distance(left, first).max(0);
                later += distance(right, first).saturating_sub(left).max(0);
            }
        }
        if later == 0 {
            return;
        }
        let patience = if later > 2 * i32::from(self.longest) {
            Duration::ZERO
        } else {
            self.trip.reordering()
        };
        let due = self.due.map_or(now + patience, |due| due.near(now).min(now + patience));
        self.due = Some(Moment::new(due));
    }

    /// When to resend, if `queue` bytes are unacknowledged, or if not, a FIN is.
    pub(crate) fn deadline(&self, queue: usize, fin: bool, now: Instant) -> Option<Instant> {
        let flight = self.flight();
        if !self.known || (queue == 0 && !fin) || flight <= 0 || self.window == 0 {
            return None;
        }
        if queue == 0 {
            // A FIN alone is left to smoltcp's timer, unless that has been stopped, and only a keep-alive
            // probe, with a byte in its place, would follow.
            return Some(self.since.near(now) + RECOVERY_MAX);
        }
        let delay = if flight > i32::from(self.longest) { Duration::ZERO } else { ACK_DELAY_MAX };
        let wait = self.trip.late() * (1 << self.tries.min(10)) + delay;
        let wait = wait.min(RECOVERY_MAX);
        // Later than that the connection is given up, also if nobody polled for so long.
        let silent = Moment::new(now).since(self.progressed);
        let goes_on = self.pretended() + wait < USER_TIMEOUT && silent < USER_TIMEOUT;
        let late = goes_on.then(|| self.since.near(now) + wait);
        earliest(self.due.map(|due| due.near(now)), late)
    }

    /// How long the tries so far have made smoltcp believe that the peer was there, to be taken off its
    /// timeout.
    pub(crate) fn pretended(&self) -> Duration {
        // More, if nobody polled in time.
        self.pretended.since(self.progressed).min(USER_TIMEOUT)
    }

    /// A try is due: the windows of the acknowledgements to show smoltcp. The first two differ, so that they
    /// count as updates and set its count of duplicates back; then three duplicates (RFC 5681 3.2).
    pub(crate) fn attempt(&mut self, now: Instant) -> [u16; 5] {
        if self.due.is_none_or(|due| now < due.near(now)) {
            self.tries = self.tries.saturating_add(1);
        }
        let now = Moment::new(now);
        self.resend(now);
        self.pretended = now;
        // Any other window but 0, which would stop the sender.
        let other = if self.window == 1 { 2 } else { self.window - 1 };
        [other, self.window, self.window, self.window, self.window]
    }

    /// Whether the peer's window has room for `len` bytes behind those acknowledged.
    pub(crate) const fn fits(&self, len: usize) -> bool {
        len <= (self.window as usize) << self.scale
    }

    /// The highest acknowledgement.
    pub(crate) const fn acknowledged(&self) -> TcpSeqNumber {
        self.acknowledged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_was_closed_for_an_hour_delays_nothing_once_it_is_open() {
        let heard = |window| Heard {
            ports: (7, 50_000),
            seq: TcpSeqNumber(100),
            ack: Some(TcpSeqNumber(1)),
            window,
            scale: 0,
            bare: true,
            fin: None,
            sacked: [None; 3],
        };
        let look = Look { state: State::Established, queue: 8, unread: 0 };
        let (start, later) = (Instant::ZERO, Instant::from_secs(3600));
        let mut recovery = Recovery::new();
        recovery.begin(&heard(1000), start);
        recovery.sent(TcpSeqNumber(1), 8, start);
        recovery.heard(&heard(0), look, look, start);
        assert_eq!(recovery.deadline(8, false, later), None);
        recovery.heard(&heard(1000), look, look, later);
        let due = recovery.deadline(8, false, later).expect("data is outstanding");
        assert!(later < due && due < later + Duration::from_secs(2), "{due}");

        // Nor does it count as a round trip, if it is half of the data that opens it.
        for closed in [20, 3600, 7 * 24 * 3600].map(Duration::from_secs) {
            let mut recovery = Recovery::new();
            recovery.begin(&heard(1000), start);
            recovery.established(Duration::from_millis(10));
            recovery.sent(TcpSeqNumber(1), 4, start);
            recovery.sent(TcpSeqNumber(5), 4, start);
            recovery.heard(&heard(0), look, look, start);
            let (half, later) = (Look { queue: 4, ..look }, start + closed);
            let opens = Heard { ack: Some(TcpSeqNumber(5)), ..heard(1000) };
            recovery.heard(&opens, look, half, later);
            assert_eq!(recovery.acknowledged(), TcpSeqNumber(5));
            let due = recovery.deadline(4, false, later).expect("data is outstanding");
            assert!(later < due && due < later + Duration::from_secs(1), "{due}");
        }
    }
}
