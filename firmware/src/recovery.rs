//! Loss recovery beside smoltcp's: a retransmission before its timer would.
//!
//! smoltcp's retransmission timer starts at 1 s, doubles at each expiry, and is not set back before a
//! new round trip has been measured (RFC 6298 leaves that to the implementation; others set it back when
//! new data is acknowledged). On a bad link it soon stands at a minute, and two losses in a row end the
//! connection. Its fast retransmit works well, but needs three duplicate acknowledgements, which the end
//! of a window or a lost retransmission does not bring.
//!
//! So when data is unacknowledged and the peer has acknowledged nothing new for a while, the stack shows
//! smoltcp three duplicate acknowledgements of its own making, and smoltcp resends the first segment by
//! its own rules (RFC 5681 3.2, with its congestion window). The wait is twice the handshake's round
//! trip, at least [`RECOVERY_MIN`] as on Linux, doubled each time; after [`RECOVERY_TRIES`] smoltcp's
//! timer is left alone, but for a try every [`RECOVERY_LAST`]: its fast retransmit stops that timer, and
//! if the segment cannot leave, for want of the neighbour's MAC address, it is forgotten, and keep-alive
//! probes begin to fill its place with a byte of their own. A peer which is gone is still given up, for what the tries pretend is taken off the timeout. Only what the
//! peer has said itself is repeated; a wrong guess costs one segment sent twice. 40 bytes a slot.

use smoltcp::socket::tcp::State;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, IpEndpoint, TcpControl, TcpRepr, TcpSeqNumber};

use crate::config::{RECOVERY_LAST, RECOVERY_MAX, RECOVERY_MIN, RECOVERY_TRIES, USER_TIMEOUT};
use crate::crafted::Crafted;
use crate::fin::Fin;

/// Acknowledgements shown for one retransmission: the first two differ in their window, so that they
/// count as updates and set smoltcp's count back; then three duplicates.
pub(crate) const SHOWN: usize = 5;

/// The header fields of a segment that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) seq: TcpSeqNumber,
    /// `None` without the ACK flag.
    pub(crate) ack: Option<TcpSeqNumber>,
    pub(crate) window: u16,
    /// Without payload, and its checksum is right.
    pub(crate) bare: bool,
    /// With payload and a FIN, and its checksum is right.
    pub(crate) fin: Option<Fin>,
}

/// What a connection looked like before, or after, smoltcp took a segment in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) state: State,
    /// Bytes not yet acknowledged.
    pub(crate) queue: usize,
}

impl Look {
    /// Whether the connection can still take data and a FIN.
    pub(crate) const fn unfinished(self) -> bool {
        matches!(
            self.state,
            State::SynReceived | State::Established | State::FinWait1 | State::FinWait2
        )
    }
}

/// What is known of one connection's peer.
#[derive(Debug)]
pub(crate) struct Recovery {
    /// The peer's initial sequence number, once it is known.
    initial: Option<u32>,
    /// Bytes the application has read.
    consumed: u32,
    /// The highest acknowledgement, if there was one.
    acknowledged: Option<TcpSeqNumber>,
    /// The window that came with it, unscaled.
    window: u16,
    tries: u8,
    /// Before the next try; the first of them.
    wait: Duration,
    /// When the peer last acknowledged something new, or we tried, or data became outstanding.
    since: Instant,
    outstanding: bool,
}

impl Recovery {
    pub(crate) const fn new() -> Self {
        Self {
            initial: None,
            consumed: 0,
            acknowledged: None,
            window: 0,
            tries: 0,
            wait: RECOVERY_MIN,
            since: Instant::ZERO,
            outstanding: false,
        }
    }

    /// The handshake took `rtt`.
    pub(crate) fn established(&mut self, rtt: Duration, now: Instant) {
        self.wait = (rtt + rtt).clamp(RECOVERY_MIN, RECOVERY_MAX);
        self.since = now;
    }

    /// The application has read `count` bytes.
    pub(crate) const fn consumed(&mut self, count: usize) {
        self.consumed = self.consumed.wrapping_add(count as u32);
    }

    /// The sequence number behind all data that came in, of which `unread` bytes have not been read.
    pub(crate) const fn next(&self, unread: usize) -> TcpSeqNumber {
        let initial = match self.initial {
            Some(initial) => initial,
            None => 0,
        };
        let data = self.consumed.wrapping_add(unread as u32);
        TcpSeqNumber(initial.wrapping_add(1).wrapping_add(data).cast_signed())
    }

    /// The cable is in again: try at once, and as often as at first.
    pub(crate) fn hurry(&mut self, now: Instant) {
        self.tries = 0;
        self.since = now;
    }

    /// A segment came in. Whether it counts is smoltcp's to say: it shows in what it changed.
    pub(crate) fn heard(&mut self, heard: Heard, before: Look, after: Look, now: Instant) {
        match (before.state, after.state) {
            // A SYN, or a SYN-ACK.
            (State::Listen, State::SynReceived) | (State::SynSent, _) if before != after => {
                self.initial = Some(heard.seq.0.cast_unsigned());
                self.progress(heard, now);
            }
            // The end of the handshake.
            (State::SynReceived, _) if before != after => self.progress(heard, now),
            _ => {
                let newly = match (heard.ack, self.acknowledged) {
                    (Some(ack), Some(known)) => ack.0.wrapping_sub(known.0),
                    _ => return,
                };
                let Ok(newly) = usize::try_from(newly) else { return };
                let taken = before.queue.saturating_sub(after.queue);
                // The FIN is acknowledged with the last byte, and counts for one.
                if taken > 0 && (newly == taken || newly == taken + 1) {
                    self.progress(heard, now);
                } else if newly == 0 && heard.bare {
                    self.window = heard.window;
                }
            }
        }
    }

    fn progress(&mut self, heard: Heard, now: Instant) {
        self.acknowledged = heard.ack;
        self.window = heard.window;
        self.tries = 0;
        self.since = now;
    }

    /// When the next try is due, if `queue` bytes are unacknowledged.
    pub(crate) fn deadline(&mut self, queue: usize, now: Instant) -> Option<Instant> {
        let known = self.initial.is_some() && self.acknowledged.is_some();
        if !known || queue == 0 || self.window == 0 {
            self.outstanding = false;
            return None;
        }
        if !core::mem::replace(&mut self.outstanding, true) {
            self.since = now;
            self.tries = 0;
        }
        let wait =
            if self.tries < RECOVERY_TRIES { self.wait * (1 << self.tries) } else { RECOVERY_LAST };
        // Later than that the connection is given up.
        (self.pretended() + wait < USER_TIMEOUT).then(|| self.since + wait)
    }

    /// How long the tries so far have made smoltcp believe that the peer was there, to be taken off its
    /// timeout.
    pub(crate) fn pretended(&self) -> Duration {
        if !self.outstanding {
            return Duration::ZERO;
        }
        let doubled = self.tries.min(RECOVERY_TRIES);
        self.wait * ((1 << doubled) - 1) + RECOVERY_LAST * u32::from(self.tries - doubled)
    }

    /// A try is due: the acknowledgements to show smoltcp, as frames. `unread`: received bytes that the
    /// application has not read; `finished`: the peer's FIN is in.
    pub(crate) fn attempt(
        &mut self,
        (local, remote): (IpEndpoint, IpEndpoint),
        mac: EthernetAddress,
        unread: usize,
        finished: bool,
        now: Instant,
    ) -> [Crafted; SHOWN] {
        self.tries += 1;
        self.since = now;
        let next = self.next(unread) + usize::from(finished);
        let acknowledgement = |window| TcpRepr {
            src_port: remote.port,
            dst_port: local.port,
            control: TcpControl::None,
            seq_number: next,
            ack_number: self.acknowledged,
            window_len: window,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: &[],
        };
        // Any other window but 0, which would stop the sender.
        let other = if self.window == 1 { 2 } else { self.window - 1 };
        core::array::from_fn(|index| {
            let window = if index == 0 { other } else { self.window };
            Crafted::new(&acknowledgement(window), (remote, local), (mac, mac))
        })
    }
}
