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
//! a segment's worth is left (`Pool::shut` in [`crate::tcp`]). A peer which is gone is still given up, for
//! what the tries pretend is taken off the timeout. Only what the peer has said itself is repeated; a wrong
//! guess costs one segment sent twice. 44 bytes a slot.

pub(crate) mod round_trip;

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::TcpSeqNumber;

use crate::limits::{ACK_DELAY_MAX, RECOVERY_MAX, RECOVERY_UNKNOWN, SEGMENT_SIZE};
use crate::loss::round_trip::RoundTrip;
use crate::seq::distance;
use crate::time::{WrappingInstant, sooner};

/// What is known of how one connection's data arrives; see the module's documentation.
#[derive(Debug)]
pub(crate) struct Loss {
    /// Retransmissions because the peer said nothing.
    tries: u8,
    /// The longest segment sent, in bytes.
    longest: u16,
    /// Behind all data sent before the last retransmission (recover, RFC 6582 3.2).
    recovery_point: TcpSeqNumber,
    /// The end of the segment whose round trip is being measured, and when it left; none is once this is
    /// acknowledged.
    timed: (TcpSeqNumber, WrappingInstant),
    trip: RoundTrip,
    /// When the peer last acknowledged something new, or something was sent.
    since: WrappingInstant,
    /// When it last acknowledged something new, or data became outstanding.
    progressed: WrappingInstant,
    /// Until when smoltcp was made to believe that the peer was there.
    pretended: WrappingInstant,
    /// When the first segment outstanding was sent again, if it was.
    resent: Option<WrappingInstant>,
    /// When to resend it because of what the peer has said.
    due: Option<WrappingInstant>,
}

#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<Loss>() <= 44);

impl Loss {
    pub(crate) const fn new() -> Self {
        const ZERO: TcpSeqNumber = TcpSeqNumber(0);
        Self {
            tries: 0,
            longest: 0,
            recovery_point: ZERO,
            timed: (ZERO, WrappingInstant::EARLIEST),
            trip: RoundTrip::new(),
            since: WrappingInstant::EARLIEST,
            progressed: WrappingInstant::EARLIEST,
            pretended: WrappingInstant::EARLIEST,
            resent: None,
            due: None,
        }
    }

    /// The handshake took `rtt`.
    pub(crate) fn established(&mut self, rtt: Duration) {
        // Longer ones most likely had a SYN sent again, and say nothing.
        if rtt < RECOVERY_UNKNOWN {
            self.trip.sample(rtt);
        }
    }

    /// Data begins at `ack`.
    pub(crate) const fn begin(&mut self, ack: TcpSeqNumber) {
        self.recovery_point = ack;
        self.timed.0 = ack;
    }

    /// The cable is in again.
    pub(crate) const fn retry_now(&mut self, now: Instant) {
        self.tries = 0;
        self.since = WrappingInstant::new(now);
    }

    /// `len` bytes that end before `end` have left for the first time; nothing was outstanding if it was `idle`.
    pub(crate) fn sent(
        &mut self,
        end: TcpSeqNumber,
        len: usize,
        snd_una: TcpSeqNumber,
        idle: bool,
        now: Instant,
    ) {
        let now = WrappingInstant::new(now);
        if idle {
            (self.progressed, self.pretended) = (now, now);
            self.tries = 0;
        }
        if distance(self.timed.0, snd_una) <= 0 {
            self.timed = (end, now);
        }
        self.since = now;
        // A device may make many segments of it, full ones most often.
        self.longest = self.longest.max(len.min(SEGMENT_SIZE) as u16);
    }

    /// Something is sent again.
    pub(crate) const fn resent(
        &mut self,
        snd_una: TcpSeqNumber,
        snd_nxt: TcpSeqNumber,
        now: Instant,
    ) {
        let now = WrappingInstant::new(now);
        self.timed.0 = snd_una;
        self.due = None;
        self.recovery_point = snd_nxt;
        self.resent = Some(now);
        self.since = now;
    }

    /// What is before `ack`, beyond `snd_una`, has been acknowledged.
    pub(crate) fn acknowledged(&mut self, snd_una: TcpSeqNumber, ack: TcpSeqNumber, now: Instant) {
        let now = WrappingInstant::new(now);
        let (timed, at) = self.timed;
        if distance(timed, snd_una) > 0 && distance(timed, ack) <= 0 {
            self.trip.sample(now.since(at));
        }
        // What comes sooner after a retransmission than anything can is about what was sent before: that
        // was not lost.
        let partial = distance(self.recovery_point, ack) > 0;
        let answer = self.resent.take().is_some_and(|at| now.since(at) >= self.trip.shortest());
        self.due = (partial && answer).then_some(now);
        if self.due.is_none() {
            self.recovery_point = ack;
        }
        self.tries = 0;
        self.since = now;
        (self.progressed, self.pretended) = (now, now);
    }

    /// What is outstanding has waited for so long that perhaps no [`WrappingInstant`] is right any more: its time begins
    /// anew.
    pub(crate) const fn restart(&mut self, snd_una: TcpSeqNumber, now: Instant) {
        let now = WrappingInstant::new(now);
        (self.since, self.progressed, self.pretended) = (now, now, now);
        self.timed.0 = snd_una;
        (self.due, self.resent) = (None, None);
    }

    /// The peer has these blocks of data behind what it acknowledges.
    pub(crate) fn sacked(
        &mut self,
        blocks: &[Option<(u32, u32)>],
        snd_una: TcpSeqNumber,
        snd_nxt: TcpSeqNumber,
        now: Instant,
    ) {
        // Only what was sent after the first segment, the last time, says something about it.
        let first = if self.resent.is_some() { self.recovery_point } else { snd_una };
        let mut later = 0;
        for (left, right) in blocks.iter().flatten() {
            let left = TcpSeqNumber(left.cast_signed());
            let right = TcpSeqNumber(right.cast_signed());
            if distance(right, snd_nxt) <= 0 && distance(right, first) > 0 {
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
        self.due = Some(WrappingInstant::new(due));
    }

    /// When to resend a FIN that is outstanding alone. It is left to smoltcp's timer, unless that has been stopped, and
    /// only a keep-alive probe, with a byte in its place, would follow.
    pub(crate) fn fin_due(&self, now: Instant) -> Instant {
        self.since.near(now) + RECOVERY_MAX
    }

    /// When to resend, with `flight` bytes outstanding.
    pub(crate) fn due(&self, flight: i32, user_timeout: Duration, now: Instant) -> Option<Instant> {
        let delay = if flight > i32::from(self.longest) { Duration::ZERO } else { ACK_DELAY_MAX };
        let wait = self.trip.late() * (1 << self.tries.min(10)) + delay;
        let wait = wait.min(RECOVERY_MAX);
        // Later than that the connection is given up, also if nobody polled for so long.
        let silent = WrappingInstant::new(now).since(self.progressed);
        let goes_on = self.pretended(user_timeout) + wait < user_timeout && silent < user_timeout;
        let mut next = goes_on.then(|| self.since.near(now) + wait);
        if let Some(due) = self.due {
            sooner(&mut next, due.near(now));
        }
        next
    }

    /// How long the tries so far have made smoltcp believe that the peer was there, to be taken off its
    /// timeout.
    pub(crate) fn pretended(&self, user_timeout: Duration) -> Duration {
        // More, if nobody polled in time.
        self.pretended.since(self.progressed).min(user_timeout)
    }

    /// A try is due.
    pub(crate) fn attempt(&mut self, snd_una: TcpSeqNumber, snd_nxt: TcpSeqNumber, now: Instant) {
        if self.due.is_none_or(|due| now < due.near(now)) {
            self.tries = self.tries.saturating_add(1);
        }
        self.resent(snd_una, snd_nxt, now);
        self.pretended = WrappingInstant::new(now);
    }
}
