//! What is lost, when to send, and how much may be under way: the one engine behind every retransmission.
//!
//! smoltcp keeps the buffer, the sequence space and the state machine; what it would send again by itself never leaves
//! ([`crate::workaround::replay`]). Here is decided
//! - **what is lost** ([`acknowledgement`] decides it, [`scoreboard`] keeps it): what was sent before something that has
//!   arrived, and for longer than reordering explains (RACK, RFC 8985 6), told by SACK (RFC 2018); a peer that has no SACK
//!   tells by three duplicates and by partial acknowledgements (RFC 5681 3.2, RFC 6582 3.2);
//! - **when to ask** ([`timer`], over the [`round_trip`]): after two round trips without an answer, or one and a half where they
//!   hardly vary, the last segment once more, so that the peer says what it has (TLP, RFC 8985 7), then one
//!   timer with exponential backoff (RFC 6298), which progress sets back. A timeout that was none, for what it took for lost
//!   is acknowledged unsent, is undone (RFC 5682, RFC 4015);
//! - **how much** ([`window`]).
//!
//! Left out: timestamps (RFC 7323), whose twelve bytes a segment would be the dearest part; pacing; ECN.

mod acknowledgement;
mod round_trip;
mod scoreboard;
#[cfg(test)]
mod tests;
mod timer;
mod window;

pub(crate) use acknowledgement::Acknowledgement;
pub(crate) use timer::Expiry;

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::TcpSeqNumber;

use crate::limits::{INITIAL_WINDOW, RTO_INITIAL, SEGMENT_SIZE};
use crate::planted::{Fault, is_planted};
use crate::time::WrappingInstant;
use round_trip::RoundTrip;
use scoreboard::{Run, Scoreboard, Status, Tick};
use window::Window;

/// The longest segment that is a short one (RFC 5681 3.1), bytes.
const SHORT: u16 = 1095;

/// What is being done about losses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recovery {
    None,
    /// Something was found lost by what came in.
    Fast,
    /// The timer has expired.
    Timeout,
}

/// What is known of how one connection's data arrives; see the module's documentation.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each by itself: they are no states of one thing"
)]
pub(crate) struct Loss {
    board: Scoreboard,
    trip: RoundTrip,
    window: Window,
    /// Of all that has arrived, the last sent (RACK): when, its end, and the ticks it took.
    rack: Option<(Tick, TcpSeqNumber)>,
    rack_trip: u16,
    /// What was outstanding when recovery began (RFC 6582 3.2).
    recovery_point: TcpSeqNumber,
    recovery: Recovery,
    /// Segments sent again since, of which the peer has not said that it had them before.
    resent: u16,
    /// When the timer began.
    since: WrappingInstant,
    /// When what may only have been overtaken is lost.
    reordered_at: Option<WrappingInstant>,
    /// Timeouts in a row.
    backoff: u8,
    /// The last segment was sent again to learn what the peer has.
    probed: bool,
    /// The timer is for a closed window.
    persists: bool,
    /// One segment may leave whatever the window says.
    probe: bool,
    duplicates: u8,
    /// Quarters of a round trip that a segment may be late; 0 while none was overtaken.
    patience: u8,
    /// Probes in a row that the peer did not need: it is slow to acknowledge a single segment.
    unneeded_probes: u8,
    /// What was sent again last had been found lost by what came in, and not by a timer.
    inferred: bool,
    /// The peer tells what it has.
    sack: bool,
    /// The longest segment sent, in bytes.
    longest: u16,
    /// The longest that the peer takes.
    smss: u16,
}

impl Loss {
    pub(crate) const fn new() -> Self {
        Self {
            board: Scoreboard::new(),
            trip: RoundTrip::new(),
            window: Window::new(),
            rack: None,
            rack_trip: 0,
            recovery_point: TcpSeqNumber(0),
            recovery: Recovery::None,
            resent: 0,
            since: WrappingInstant::EARLIEST,
            reordered_at: None,
            backoff: 0,
            probed: false,
            probe: false,
            persists: false,
            duplicates: 0,
            patience: 0,
            unneeded_probes: 0,
            inferred: false,
            sack: false,
            longest: 0,
            smss: SEGMENT_SIZE as u16,
        }
    }

    /// The handshake took `rtt`.
    pub(crate) fn established(&mut self, rtt: Duration) {
        // Longer ones most likely had a SYN sent again, and say nothing.
        if rtt < RTO_INITIAL {
            self.trip.sample(rtt);
        }
    }

    /// The peer says with its SYN whether it tells what it has (RFC 2018 2), and how long a segment it takes.
    pub(crate) fn introduced(&mut self, sack: bool, mss: u16) {
        (self.sack, self.smss) = (sack, mss.min(SEGMENT_SIZE as u16));
        self.window.restart(self.initial_window());
    }

    /// Whether both ends tell what they have.
    pub(crate) const fn sack(&self) -> bool {
        self.sack
    }

    /// The longest segment that the peer takes, bytes (SMSS, RFC 5681 2).
    pub(crate) const fn smss(&self) -> u16 {
        self.smss
    }

    /// What may be under way at first, and after a pause: ten segments (RFC 6928 2), but four short ones (RFC 5681 3.1), for
    /// a path of those is a slow one.
    fn initial_window(&self) -> u16 {
        let segments = if self.smss > SHORT { 10 } else { 4 };
        INITIAL_WINDOW.min(self.smss.saturating_mul(segments))
    }

    /// Data begins at `ack`.
    pub(crate) const fn begin(&mut self, ack: TcpSeqNumber, now: Instant) {
        self.recovery_point = ack;
        self.window.begin(ack, now);
    }

    /// The most that a segment is taken to hold, bytes.
    fn segment(&self) -> u32 {
        u32::from(self.longest).max(1)
    }

    /// The smoothed round-trip time; 0 if nothing has been measured.
    pub(crate) const fn round_trip(&self) -> Duration {
        self.trip.smoothed()
    }

    /// The shortest round trip, in ticks.
    #[cfg_attr(target_os = "none", inline(never))]
    fn shortest(&self) -> u16 {
        Tick::ticks(self.trip.shortest())
    }

    /// Now, in steps of an eighth of a round trip at most, so that few runs tell a window's story.
    #[cfg_attr(target_os = "none", inline(never))]
    fn tick(&self, now: Instant) -> Tick {
        let eighth = Tick::ticks(self.trip.smoothed()) / 8;
        let step = (eighth + 1).next_power_of_two() / 2;
        Tick::new(now).round(step.max(1))
    }

    /// `len` bytes have left for the first time.
    pub(crate) fn sent(&mut self, len: u32, now: Instant) {
        if self.board.is_empty() {
            let idle = WrappingInstant::new(now).since(self.since);
            if idle > self.trip.timeout() {
                self.window.restart(self.initial_window());
            }
            self.probed = false;
            if !is_planted(Fault::RtoNotReset) {
                self.backoff = 0;
            }
        }
        self.longest = self.longest.max(len.min(SEGMENT_SIZE as u32) as u16);
        self.board.push(len, self.tick(now), Status::Sent);
        self.window.sent(len);
        self.probe = false;
        self.since = WrappingInstant::new(now);
    }

    /// smoltcp takes `len` bytes for sent that have not left: they are to be replayed.
    pub(crate) fn withheld(&mut self, len: u32, now: Instant) {
        self.board.push(len, self.tick(now), Status::Lost);
    }

    /// `len` bytes from `begin` on, counted from SND.UNA, have left again.
    pub(crate) fn resent(&mut self, begin: u32, len: u32, now: Instant) {
        let tick = self.tick(now);
        self.board.mark(begin..begin + len, Status::Resent, Some(tick), &mut |_, _, _| true);
        self.window.sent(len);
        self.resent = self.resent.saturating_add(1);
        self.inferred = self.recovery == Recovery::Fast && !self.probed;
        self.probe = false;
        if begin == 0 {
            self.since = WrappingInstant::new(now);
        }
    }

    /// Whether something is to be sent again, and may be.
    pub(crate) fn replays(&self) -> bool {
        self.board.lost() > 0 && self.room(self.segment())
    }

    /// Whether `len` bytes from `begin` on are to be sent again now.
    pub(crate) fn wants(&self, begin: u32, len: u32) -> bool {
        let lost = |(end, run): (u32, &Run)| {
            run.status == Status::Lost && end > begin && end - run.len() < begin + len
        };
        self.board.runs().any(lost) && self.room(len)
    }

    /// Whether new data may be sent, of which there are `unsent` bytes.
    pub(crate) fn may_send(&self, unsent: u32) -> bool {
        self.board.lost() == 0 && self.room(unsent.min(self.segment()))
    }

    /// Whether all of `unsent` may be.
    pub(crate) fn may_send_all(&self, unsent: u32) -> bool {
        self.board.lost() == 0 && self.room(unsent)
    }

    /// Whether `len` more bytes may be under way.
    fn room(&self, len: u32) -> bool {
        let pipe = self.board.pipe();
        // RFC 3042: what a peer without SACK has said twice has left the path.
        let told = if self.recovery == Recovery::Timeout { 0 } else { self.duplicates.min(2) };
        let window = self.window.size() + u32::from(told) * self.segment();
        pipe == 0 || self.probe || pipe + len <= window
    }
}
