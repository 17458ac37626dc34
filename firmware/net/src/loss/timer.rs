//! The one timer: of a probe, of a retransmission, of what may only have been overtaken, of a closed window.

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::TcpSeqNumber;

use super::scoreboard::{ALL, Status, Tick};
use super::{Loss, Recovery};
use crate::limits::{ACK_DELAY_MAX, ACK_DELAY_USUAL, PROBE_MIN, RTO_MAX};
use crate::planted::{Fault, is_planted};
use crate::time::{WrappingInstant, sooner};

/// What the timer of a retransmission asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// Nothing, or what was found lost.
    None,
    /// One more segment, of new data or the last that was sent.
    Probe,
    /// All again.
    Timeout,
}

/// So long before a peer is given up it is not asked any more.
const LAST_TRIES: Duration = Duration::from_secs(4);

impl Loss {
    /// The timeout, doubled each time that it expired in a row (RFC 6298 5.5).
    #[inline(never)]
    fn timeout(&self) -> Duration {
        let micros = self.trip.timeout().total_micros() << self.backoff.min(9);
        Duration::from_micros(micros).min(RTO_MAX)
    }

    /// How long the timer runs, and whether it is for a probe.
    fn wait(&self) -> (Duration, bool) {
        let timeout = self.timeout();
        let quiet = self.recovery != Recovery::Timeout && !is_planted(Fault::NoTlp);
        if quiet && !self.probed && self.backoff == 0 && self.trip.smoothed() > Duration::ZERO {
            let smoothed = self.trip.smoothed();
            // Every second segment is answered at once. Most hold the answer to a single one back for 40 ms at most; who was
            // found to do so for longer, by what it says to have twice, or cannot say so, has all the time that it may take.
            let probe = match self.board.len() <= self.segment() {
                false => self.trip.probe(),
                true if self.sack && self.unneeded_probes < 2 => smoothed * 2 + ACK_DELAY_USUAL,
                true => smoothed * 2 + ACK_DELAY_MAX,
            };
            let probe = probe.max(PROBE_MIN);
            if probe < timeout {
                return (probe, true);
            }
        }
        (timeout, false)
    }

    /// When the timer expires, and whether it is for a probe. Where the peer would be given up at `end` before that, it is asked
    /// once more halfway, for it may be back.
    fn due(&self, end: Instant, now: Instant) -> (Instant, bool) {
        let (since, (wait, probe)) = (self.since.near(now), self.wait());
        let left = end - since;
        let late = since < end && since + wait >= end && left > LAST_TRIES;
        (since + if late { left / 2 } else { wait }, probe)
    }

    /// When [`Loss::expire`] has something to do; `end`: when the peer is given up.
    pub(crate) fn deadline(&self, end: Instant, now: Instant) -> Option<Instant> {
        if self.board.is_empty() {
            return None;
        }
        let mut next = Some(self.due(end, now).0);
        if let Some(at) = self.reordered_at {
            sooner(&mut next, at.near(now));
        }
        next
    }

    /// Finds out what is due, with data from `una` to `nxt` outstanding.
    pub(crate) fn expire(
        &mut self,
        una: TcpSeqNumber,
        nxt: TcpSeqNumber,
        end: Instant,
        now: Instant,
    ) -> Expiry {
        self.persists = false;
        if self.board.is_empty() {
            return Expiry::None;
        }
        if self.reordered_at.is_some_and(|at| at.near(now) <= now) {
            let lost = self.find_lost(una, now);
            if lost && self.recovery == Recovery::None {
                self.recover(nxt, 0);
            }
        }
        let (due, probe) = self.due(end, now);
        if now < due {
            return Expiry::None;
        }
        self.since = WrappingInstant::new(now);
        if probe {
            (self.probed, self.probe) = (true, true);
            return Expiry::Probe;
        }
        self.time_out(nxt);
        Expiry::Timeout
    }

    /// When a closed window is to be probed (RFC 9293 3.8.6.1): the timer is that of a retransmission.
    pub(crate) fn persist_at(&self, now: Instant) -> Instant {
        self.since.near(now) + self.timeout()
    }

    /// Whether it is to be now. The timer begins when this is asked for the first time.
    pub(crate) fn persist(&mut self, now: Instant) -> bool {
        if !self.persists {
            self.since = WrappingInstant::new(now);
            (self.backoff, self.persists) = (0, true);
        }
        let due = self.persist_at(now) <= now;
        if due {
            self.since = WrappingInstant::new(now);
            self.backoff = self.backoff.saturating_add(1);
        }
        due
    }

    /// There is no new data to probe with: the last segment is sent again, or while others are being sent again, the first. Of
    /// two segments both are, where RFC 8985 7.3 has one: in a window of no more nothing else will be under way, and if the
    /// probe is lost too, only a timeout asks again.
    pub(crate) fn probe_again(&mut self) {
        let mut probe = ALL;
        if self.board.len() > 2 * self.segment() {
            probe = 0..0;
            // A byte of it is enough: the segment that it is in leaves, wherever that begins.
            for (end, run) in self.board.runs().filter(|(_, run)| run.under_way()) {
                let at = if self.recovery == Recovery::None { end } else { end - run.len() + 1 };
                probe = at - 1..at;
                if self.recovery != Recovery::None {
                    break;
                }
            }
        }
        self.board.mark(probe, Status::Lost, None, &mut |_, _, _| true);
    }

    /// All is lost.
    fn time_out(&mut self, nxt: TcpSeqNumber) {
        let all = self.board.len();
        // Who says nothing twice may have thrown away what it had (RFC 2018 8).
        if self.backoff > 0 {
            self.board.clear();
            self.board.push(all, Tick::new(Instant::ZERO), Status::Lost);
        }
        self.board.mark(ALL, Status::Lost, None, &mut |_, _, _| true);
        let congested = self.window.is_congested(self.shortest());
        self.window.time_out(all, self.segment(), congested);
        self.backoff = self.backoff.saturating_add(1);
        (self.recovery, self.recovery_point, self.resent) = (Recovery::Timeout, nxt, 0);
        (self.reordered_at, self.probe) = (None, false);
    }

    /// All is sent again, in packets of at most `mtu` bytes: none of it was lost, it was too long (RFC 8201 4).
    pub(crate) fn resend_all(&mut self, mtu: u16) {
        // The headers of IPv4; of IPv6, what is longer is counted for more.
        self.longest = self.longest.min(mtu.saturating_sub(40));
        self.board.mark(ALL, Status::Lost, None, &mut |_, _, _| true);
    }

    /// The peer has been heard after a silence, though it has acknowledged nothing.
    pub(crate) fn returned(&mut self, silence: Duration, nxt: TcpSeqNumber, now: Instant) {
        if self.recovery == Recovery::Timeout && self.backoff > 1 && silence > self.trip.timeout() {
            self.retry_now(nxt, now);
        }
    }

    /// The cable is in again: all is asked for now, and as often as at first.
    pub(crate) fn retry_now(&mut self, nxt: TcpSeqNumber, now: Instant) {
        if !self.board.is_empty() {
            self.time_out(nxt);
        }
        self.backoff = 0;
        self.since = WrappingInstant::new(now);
    }

    /// The window is open. What was outstanding when it closed, and has waited for longer than a timeout, has its time anew.
    pub(crate) fn window_opened(&mut self, now: Instant) {
        if self.persists && self.backoff > 0 {
            self.restart(now);
        }
        self.persists = false;
        self.since = WrappingInstant::new(now);
    }

    /// What is outstanding has waited for so long, for the window to open or for somebody to poll, that its time begins
    /// anew.
    pub(crate) fn restart(&mut self, now: Instant) {
        self.board.restart(self.tick(now));
        self.since = WrappingInstant::new(now);
        (self.reordered_at, self.rack) = (None, None);
        (self.backoff, self.probed, self.persists) = (0, false, false);
    }
}
