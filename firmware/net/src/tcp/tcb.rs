//! The transmission control block of a slot (RFC 9293 3.3.1): what smoltcp does not tell of its own.
//!
//! It follows the segments of one connection as they pass in and out. Whether one that came in counts is smoltcp's to
//! say: it shows in what it changed. What is to be sent again, and when, is in [`Loss`].

mod receiving;
mod sending;
#[cfg(test)]
mod tests;

use smoltcp::socket::tcp::State;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::TcpSeqNumber;

use super::throttle::Throttle;
use crate::frame::{FourTuple, Segment};
use crate::loss::Loss;
use crate::seq::{distance, later};
use crate::time::WrappingInstant;
use crate::workaround::blocks::{Earlier, NONE_TOLD, Report};
pub(crate) use sending::MayLeave;
use sending::SMOLTCP_RTO_MIN;

/// Half the sequence space, but for more than any window.
const FAR: u32 = (1 << 31) - (1 << 17);

/// What a connection looked like before, or after, smoltcp took a segment in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SocketSnapshot {
    pub(crate) state: State,
    /// Bytes not yet acknowledged.
    pub(crate) queue: usize,
    /// Bytes that the application has not read.
    pub(crate) unread: usize,
    /// Bytes that there is room for behind them (RCV.WND, at most).
    pub(crate) room: usize,
}

impl SocketSnapshot {
    /// Whether the handshake is complete in `after`, and was not before.
    pub(crate) const fn opens(self, after: Self) -> bool {
        matches!(self.state, State::SynSent | State::SynReceived)
            && matches!(after.state, State::Established | State::CloseWait)
    }

    /// Whether the peer's FIN is in.
    pub(crate) const fn finished(self) -> bool {
        matches!(self.state, State::CloseWait | State::Closing | State::LastAck | State::TimeWait)
    }

    /// Whether the connection can still take data and a FIN.
    pub(crate) const fn unfinished(self) -> bool {
        matches!(
            self.state,
            State::SynReceived | State::Established | State::FinWait1 | State::FinWait2
        )
    }
}

/// Where our own SYN is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OwnSyn {
    /// There is none yet, or it is smoltcp's answer to the peer's.
    None,
    /// It has been given to smoltcp and has not left.
    Unsent,
    /// It has left; [`Tcb::snd_max`] tells its number.
    Sent,
}

/// What is known of one connection; see the module's documentation.
#[derive(Debug)]
pub(crate) struct Tcb {
    /// Whose segments are this connection's; `None` while there is none.
    four_tuple: Option<FourTuple>,
    /// Our own SYN, or SYN-ACK.
    own_syn: OwnSyn,
    /// The peer's SYN has come in, and with it all the rest.
    synchronized: bool,
    /// How far the peer's windows are to be shifted (SND.WND.SHIFT, RFC 7323 2.3).
    snd_shift: u8,
    /// Bytes that a packet on the path may have, with its IP header, if that is less than the device's; else 0.
    path_mtu: u16,
    /// The window that came with the highest acknowledgement, unscaled (SND.WND).
    snd_wnd: u16,
    /// The largest of them.
    max_wnd: u16,
    /// The highest sequence number of a segment that told of a window (SND.WL1).
    snd_wl1: TcpSeqNumber,
    /// The highest acknowledgement (SND.UNA).
    snd_una: TcpSeqNumber,
    /// Bytes that the peer has acknowledged in all, or the largest number.
    #[cfg(feature = "wide-scoreboard")]
    acknowledged_in_all: i32,
    /// Behind all data sent (SND.NXT, whatever smoltcp may have gone back to).
    snd_nxt: TcpSeqNumber,
    /// Behind all that has ever left, probes of a closed window and SYN too: what may be acknowledged.
    snd_max: TcpSeqNumber,
    /// The peer has not taken the byte of the last probe of its closed window.
    refused: bool,
    /// The first byte that the application has not read.
    rcv_consumed: TcpSeqNumber,
    /// The number of a FIN that has come in before its turn.
    pub(crate) fin: Option<TcpSeqNumber>,
    throttle: Throttle,
    /// When the peer last said something to be believed, or was first asked.
    heard: WrappingInstant,
    /// smoltcp's own timer does not expire before this.
    quiet: WrappingInstant,
    /// How often it was put off since the peer last acknowledged something new.
    rewinds: u16,
    /// The acknowledgement and the window that left last.
    acknowledged: (TcpSeqNumber, u16),
    /// The peer has sent again, or probed, what is in: it is to be told so.
    pub(crate) repeated: bool,
    /// What the peer was told that it need not send again, behind a hole.
    pub(crate) told: Earlier,
    loss: Loss,
}

impl Tcb {
    /// The smoothed round-trip time; 0 if nothing has been measured.
    pub(crate) const fn round_trip(&self) -> Duration {
        self.loss.round_trip()
    }

    /// That of no connection.
    pub(crate) const fn new() -> Self {
        const ZERO: TcpSeqNumber = TcpSeqNumber(0);
        Self {
            four_tuple: None,
            own_syn: OwnSyn::None,
            synchronized: false,
            snd_shift: 0,
            path_mtu: 0,
            snd_wnd: 0,
            max_wnd: 0,
            snd_wl1: ZERO,
            snd_una: ZERO,
            #[cfg(feature = "wide-scoreboard")]
            acknowledged_in_all: 0,
            snd_nxt: ZERO,
            snd_max: ZERO,
            refused: false,
            rcv_consumed: ZERO,
            fin: None,
            throttle: Throttle::NEW,
            heard: WrappingInstant::EARLIEST,
            quiet: WrappingInstant::EARLIEST,
            rewinds: 0,
            acknowledged: (ZERO, 0),
            repeated: false,
            told: NONE_TOLD,
            loss: Loss::new(),
        }
    }

    /// A new one becomes that of a connection between these ends.
    pub(crate) const fn open(&mut self, four_tuple: FourTuple) {
        self.four_tuple = Some(four_tuple);
    }

    /// Our SYN is given to smoltcp, and has not left.
    pub(crate) const fn connects(&mut self) {
        self.own_syn = OwnSyn::Unsent;
    }

    /// Whether a segment between these ends is this connection's.
    pub(crate) fn is_of(&self, four_tuple: &FourTuple) -> bool {
        self.four_tuple.as_ref() == Some(four_tuple)
    }

    /// The connection has ended: what is sent between its ends from now on is another's.
    pub(crate) const fn release(&mut self) {
        self.four_tuple = None;
    }

    /// The handshake took `rtt`.
    pub(crate) fn established(&mut self, rtt: Duration) {
        self.loss.established(rtt);
    }

    /// The application has read `count` bytes.
    pub(crate) fn consumed(&mut self, count: usize) {
        self.rcv_consumed = later(self.rcv_consumed, count);
    }

    /// The sequence number behind all that came in, the FIN too (RCV.NXT); `socket` is its own.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn rcv_nxt(&self, socket: SocketSnapshot) -> TcpSeqNumber {
        later(self.rcv_consumed, socket.unread + usize::from(socket.finished()))
    }

    /// What the answer to a segment is to tell of it (RFC 2018 4, RFC 2883 4), if more than smoltcp does.
    pub(crate) fn report(&self, segment: &Segment<'_>, socket: SocketSnapshot) -> Option<Report> {
        let told = segment.len > 0 && self.synchronized && self.loss.sack();
        let end = later(segment.seq, segment.len);
        let known = distance(end, self.rcv_nxt(socket)) <= 0;
        let block = (segment.seq.0.cast_unsigned(), end.0.cast_unsigned());
        let ahead = distance(segment.seq, self.rcv_nxt(socket)) > 0;
        let report = Report { duplicate: known.then_some(block), earlier: self.told };
        (told && ((ahead && !NONE_TOLD.is_empty()) || report.is_due())).then_some(report)
    }

    /// The window that came with the highest acknowledgement, unscaled.
    pub(crate) const fn snd_wnd(&self) -> u16 {
        self.snd_wnd
    }

    /// The largest window that the peer has had, in bytes (MAX.SND.WND, RFC 5961 5.2).
    pub(crate) const fn max_wnd(&self) -> i32 {
        (self.max_wnd as i32) << self.snd_shift
    }

    /// How far behind SND.UNA an acknowledgement may be: that window at most (RFC 5961 5.2), and nothing that was never sent,
    /// which a guess of whoever has not seen the connection would be.
    pub(crate) fn oldest(&self) -> i32 {
        #[cfg(feature = "wide-scoreboard")]
        return self.max_wnd().min(self.acknowledged_in_all);
        #[cfg(not(feature = "wide-scoreboard"))]
        self.max_wnd()
    }

    /// Whether a segment that was sent later than the one with number `seq` has come in already.
    pub(crate) fn is_overtaken(&self, seq: TcpSeqNumber) -> bool {
        distance(seq, self.snd_wl1) < 0
    }

    /// How far the peer's windows are to be shifted.
    pub(crate) const fn snd_shift(&self) -> u8 {
        self.snd_shift
    }

    /// The highest acknowledgement.
    pub(crate) const fn snd_una(&self) -> TcpSeqNumber {
        self.snd_una
    }

    /// Whether `seq` is of something that was sent and is not acknowledged (RFC 5927 4.1): of our SYN, if the peer has
    /// said nothing of it.
    pub(crate) fn in_flight(&self, seq: TcpSeqNumber) -> bool {
        let Some(snd_max) = self.snd_max() else { return false };
        let first = if self.synchronized { self.snd_una } else { snd_max - 1 };
        distance(seq, first) >= 0 && distance(snd_max, seq) > 0
    }

    /// From what to behind what is in flight, if anything is.
    pub(crate) fn in_flight_range(&self) -> Option<(TcpSeqNumber, TcpSeqNumber)> {
        // A probe's byte is not, once the peer has said that the window is still closed.
        let end = if self.refused { self.snd_nxt } else { self.snd_max };
        let flies = self.synchronized && end != self.snd_una;
        flies.then_some((self.snd_una, end))
    }

    /// The longest packet that the path takes, if that is known to be less than the device's.
    pub(crate) fn path_mtu(&self) -> Option<usize> {
        (self.path_mtu > 0).then_some(self.path_mtu.into())
    }

    /// Notes that the path takes no longer packets than this. If that is news, all that is outstanding is sent again.
    pub(crate) fn narrow(&mut self, mtu: u16) {
        if self.synchronized && (self.path_mtu == 0 || mtu < self.path_mtu) {
            self.path_mtu = mtu;
            self.loss.resend_all(mtu);
        }
    }

    /// Behind all data sent.
    pub(crate) const fn snd_nxt(&self) -> TcpSeqNumber {
        self.snd_nxt
    }

    /// Behind all that may be acknowledged; `None`: not even our SYN has left.
    pub(crate) fn snd_max(&self) -> Option<TcpSeqNumber> {
        (self.own_syn == OwnSyn::Sent).then_some(self.snd_max)
    }

    /// When the next challenge ACK may be sent.
    pub(crate) const fn throttle(&mut self) -> &mut Throttle {
        &mut self.throttle
    }

    /// Whether smoltcp would panic at a segment with number `seq`, which no peer can have sent.
    pub(crate) fn is_early(&self, seq: TcpSeqNumber, socket: SocketSnapshot) -> bool {
        // Nobody knows of the connection yet. smoltcp would count with a window that it has not announced
        // (`last_scaled_window`, socket/tcp.rs 782).
        self.own_syn == OwnSyn::Unsent
            // Half the sequence space away: to smoltcp that is later than the window and earlier at once (socket/tcp.rs
            // 1738), if the window ends before it begins: behind a FIN that came in while it was closed.
            || (self.synchronized && distance(seq, self.rcv_nxt(socket)).unsigned_abs() > FAR)
    }

    /// Whether the peer's numbers are known, in this state of its socket.
    pub(crate) const fn judges(&self, state: State) -> bool {
        match state {
            State::Closed | State::Listen | State::SynSent => false,
            State::SynReceived => true,
            _ => self.synchronized,
        }
    }

    /// Whether the peer's window has room for `len` bytes behind those acknowledged.
    pub(crate) const fn fits(&self, len: usize) -> bool {
        len <= (self.snd_wnd as usize) << self.snd_shift
    }

    /// Bytes sent and not acknowledged.
    const fn flight(&self) -> i32 {
        distance(self.snd_nxt, self.snd_una)
    }

    /// Our SYN, or SYN-ACK, has left with number `seq`.
    pub(crate) fn syn_sent(&mut self, seq: TcpSeqNumber) {
        self.own_syn = OwnSyn::Sent;
        self.snd_max = seq + 1;
    }

    /// A segment has left. Returns whether its data, a FIN for a byte, had before.
    pub(crate) fn sent(&mut self, segment: &Segment<'_>, now: Instant) -> bool {
        if let Some(ack) = segment.ack {
            self.acknowledged = (ack, segment.window);
        }
        if segment.syn {
            self.syn_sent(segment.seq);
            return false;
        }
        let len = segment.sequence_len();
        if len == 0 || segment.rst {
            return false;
        }
        let end = later(segment.seq, len);
        if distance(end, self.snd_max) > 0 {
            self.snd_max = end;
        }
        if !self.synchronized || (self.snd_wnd == 0 && segment.len > 0) {
            // A probe, which is no more than a question.
            self.refused = false;
            return false;
        }
        let begin = distance(segment.seq, self.snd_una);
        let known = u32::try_from(distance(self.snd_nxt, segment.seq)).unwrap_or(0).min(len as u32);
        // What is before SND.UNA is a keep-alive probe's byte.
        let again = known > 0 && begin >= 0;
        if again {
            self.loss.resent(begin.unsigned_abs(), known, now);
        }
        if distance(end, self.snd_nxt) > 0 {
            if self.flight() == 0 {
                // Who was not asked was not silent. And smoltcp's timer begins.
                self.heard = WrappingInstant::new(now);
                self.quiet = WrappingInstant::new(now + SMOLTCP_RTO_MIN);
            }
            self.loss.sent(len as u32 - known, now);
            self.snd_nxt = end;
        }
        again
    }
}
