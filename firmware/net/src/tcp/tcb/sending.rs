//! What a connection has to send, and when: between smoltcp, which would send it, and [`Loss`], which decides.

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::TcpSeqNumber;

use super::{SocketSnapshot, Tcb};
use crate::frame::Segment;
#[cfg(doc)]
use crate::loss::Loss;
use crate::loss::{Acknowledgement, Expiry};
use crate::seq::{distance, later};
use crate::time::WrappingInstant;

/// smoltcp's timer runs for at least this long (`RTTE_MIN_RTO`, socket/tcp.rs:154).
pub(super) const SMOLTCP_RTO_MIN: Duration = Duration::from_secs(1);

/// And for less than this (`RTTE_MAX_RTO`, socket/tcp.rs:158).
const SMOLTCP_RTO_MAX: Duration = Duration::from_secs(64);

/// What may leave of what smoltcp would send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MayLeave {
    /// It has to wait: for the window is closed, or as much under way as may be, or until the peer has been told something.
    Nothing,
    /// Not all of it, and smoltcp would send more than a segment at once; or segments must be shorter than it makes them.
    Part,
    /// What smoltcp sends.
    All,
}

impl Tcb {
    /// Whether a segment is a duplicate acknowledgement (RFC 5681 2): it says nothing but that something has arrived, or
    /// that the peer lives.
    pub(super) fn is_duplicate(&self, segment: &Segment<'_>) -> bool {
        let bare = segment.len == 0 && !segment.syn && !segment.fin && !segment.rst;
        bare && segment.ack == Some(self.snd_una)
            && segment.window == self.snd_wnd
            && self.snd_wnd > 0
            && self.flight() > 0
    }

    /// Whether smoltcp has no use for a segment: to a third duplicate it would send something again.
    pub(crate) fn absorbs(&self, segment: &Segment<'_>, socket: SocketSnapshot) -> bool {
        let ahead = distance(segment.seq, self.rcv_nxt(socket));
        let within = usize::try_from(ahead).is_ok_and(|ahead| ahead <= socket.room);
        self.synchronized && within && self.is_duplicate(segment)
    }

    /// The peer has all before `ack`, and these blocks.
    pub(super) fn progress(
        &mut self,
        ack: TcpSeqNumber,
        blocks: &[Option<(u32, u32)>; 3],
        duplicate: bool,
        now: Instant,
    ) {
        let una = self.snd_una;
        self.snd_una = ack;
        #[cfg(feature = "wide-scoreboard")]
        {
            let newly = distance(ack, una);
            self.acknowledged_in_all = self.acknowledged_in_all.saturating_add(newly);
        }
        if self.flight() < 0 {
            // A FIN, or a probe's byte.
            self.snd_nxt = ack;
        }
        if ack != una {
            self.rewinds = 0;
            self.quiet = WrappingInstant::new(now + SMOLTCP_RTO_MIN);
        }
        self.loss
            .received(&Acknowledgement { una, ack, nxt: self.snd_nxt, blocks, duplicate }, now);
    }

    /// Nobody has polled for so long that no [`WrappingInstant`] is right any more: what is outstanding has its time anew,
    /// and the peer has been silent, unless it has said something meanwhile.
    pub(crate) fn unpolled(&mut self, now: Instant) {
        self.loss.restart(now);
        self.heard = WrappingInstant::new(now - WrappingInstant::REACH / 2);
        self.quiet = WrappingInstant::new(now);
    }

    /// The cable is in again: try now, and as often as at first.
    pub(crate) fn retry_now(&mut self, now: Instant) {
        self.loss.retry_now(self.snd_nxt, now);
    }

    /// Whether there is data for a window that is closed, or as good as that.
    fn is_closed(&self, queue: usize) -> bool {
        queue > 0 && (self.snd_wnd == 0 || (self.flight() <= 0 && self.is_silly(queue)))
    }

    /// Whether the window has room for a part of the data alone that is not worth a segment (RFC 9293 3.8.6.2.1): no full
    /// one, nor a sixteenth of the largest window. That RFC's half would hold back, for a round trip each time, what a small
    /// window has behind its last full segment.
    #[cfg_attr(target_os = "none", inline(never))]
    fn is_silly(&self, queue: usize) -> bool {
        let unsent = self.unsent(queue);
        let least = u32::from(self.loss.smss()).min(self.max_wnd().unsigned_abs() / 16);
        unsent < least && unsent + self.flight().max(0).unsigned_abs() < queue as u32
    }

    /// When [`Tcb::expire`] has something to do, with `queue` bytes unacknowledged.
    pub(crate) fn deadline(
        &self,
        queue: usize,
        user_timeout: Duration,
        now: Instant,
    ) -> Option<Instant> {
        if !self.synchronized {
            return None;
        }
        if self.is_closed(queue) {
            Some(self.loss.persist_at(now))
        } else {
            self.loss.deadline(self.heard(now) + user_timeout, now)
        }
    }

    /// Finds out what is due, with `queue` bytes unacknowledged. `true`: a closed window is to be probed.
    pub(crate) fn expire(&mut self, queue: usize, user_timeout: Duration, now: Instant) -> bool {
        if !self.synchronized {
            return false;
        }
        if self.is_closed(queue) {
            return self.loss.persist(now);
        }
        let end = self.heard(now) + user_timeout;
        // The probe is something new, unless there is nothing, or what fits the window is too little to be sent.
        if self.loss.expire(self.snd_una, self.snd_nxt, end, now) == Expiry::Probe
            && (self.unsent(queue) == 0 || self.is_silly(queue))
        {
            self.loss.probe_again();
        }
        false
    }

    /// Bytes of `queue` that smoltcp would send now, for the first time.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn unsent(&self, queue: usize) -> u32 {
        let may = queue.min((self.snd_wnd as usize) << self.snd_shift) as u32;
        may.saturating_sub(self.flight().unsigned_abs())
    }

    /// Whether something is to be sent again, and may be.
    pub(crate) fn replays(&self, queue: usize) -> bool {
        self.synchronized && !self.is_closed(queue) && self.loss.replays()
    }

    /// How much of `queue` may leave now.
    pub(crate) fn may_leave(&self, queue: usize) -> MayLeave {
        if !self.synchronized {
            return MayLeave::All;
        }
        let unsent = self.unsent(queue);
        if self.is_closed(queue) || self.repeated || (unsent > 0 && self.is_silly(queue)) {
            MayLeave::Nothing
        } else if unsent == 0 || (self.path_mtu == 0 && self.loss.may_send_all(unsent)) {
            MayLeave::All
        } else if !self.loss.may_send(unsent) {
            MayLeave::Nothing
        } else if cfg!(feature = "segmentation-offload") || self.path_mtu > 0 {
            MayLeave::Part
        } else {
            MayLeave::All
        }
    }

    /// Whether smoltcp's own timer may have expired.
    pub(crate) fn is_overdue(&self, now: Instant) -> bool {
        self.synchronized && self.flight() > 0 && self.quiet.near(now) <= now
    }

    /// A moment at which smoltcp's own timer has surely expired. It is put off until later than that.
    pub(crate) fn rewind(&mut self, now: Instant) -> Instant {
        // More than a peer gets for its acknowledgements; smoltcp's sums in milliseconds have room for as many.
        self.rewinds = (self.rewinds + 1).min(4096);
        self.quiet = WrappingInstant::new(now + SMOLTCP_RTO_MAX);
        now + SMOLTCP_RTO_MAX * u32::from(self.rewinds)
    }

    /// Whether a segment that smoltcp has replayed is to leave.
    pub(crate) fn wants(&self, segment: &Segment<'_>) -> bool {
        let begin = distance(segment.seq, self.snd_una);
        let Ok(begin) = u32::try_from(begin) else { return false };
        let len = segment.sequence_len() as u32;
        if self.snd_wnd == 0 && segment.len > 0 {
            // A probe, or in LAST-ACK, where smoltcp knows of no window, the first segment for one.
            return begin == 0;
        }
        if distance(segment.seq, self.snd_nxt) >= 0 {
            return len > 0 && self.loss.may_send(len);
        }
        self.loss.wants(begin, len)
    }

    /// smoltcp takes all before `end` for sent, whether it has left or not; but not a probe of a closed window.
    pub(crate) fn taken_for_sent(&mut self, end: TcpSeqNumber, now: Instant) {
        let withheld = distance(end, self.snd_nxt);
        if withheld > 0 && self.snd_wnd > 0 {
            self.loss.withheld(withheld.unsigned_abs(), now);
            self.snd_nxt = end;
        }
    }

    /// Whether the peer is to be told of what has come in, or of much more room for it.
    pub(crate) fn owes_ack(&self, socket: SocketSnapshot) -> bool {
        let (ack, window) = self.acknowledged;
        let more = !socket.finished() && socket.room > 0 && socket.room / 2 >= usize::from(window);
        self.synchronized && (ack != self.rcv_nxt(socket) || more || self.repeated)
    }

    /// The end of the window that the peer was told of last.
    pub(crate) fn right_edge(&self) -> TcpSeqNumber {
        later(self.acknowledged.0, self.acknowledged.1.into())
    }

    /// An acknowledgement has left with this window.
    pub(crate) const fn acknowledged(&mut self, ack: TcpSeqNumber, window: u16) {
        (self.acknowledged, self.repeated) = ((ack, window), false);
    }

    /// When the peer last said something to be believed, or was first asked.
    pub(crate) fn heard(&self, now: Instant) -> Instant {
        self.heard.near(now)
    }
}
