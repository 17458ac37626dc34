//! What becomes of slots as time and frames go by: handshakes move on, what has lasted too long ends, and
//! what is over is free.

use smoltcp::socket::tcp::State;
use smoltcp::time::Instant;

use super::{End, Peer, Phase, Pool};
use crate::limits::{FIN_WAIT_2, RST_WAIT, TIME_WAIT_MAX};
use crate::netstat::Counters;
use crate::planted::{Fault, is_planted};
use crate::time::sooner;

impl Pool<'_> {
    /// Notes whether smoltcp found a reset good and ended the connection, in state `before`, with it. In
    /// TIME-WAIT it cannot take back what both sides had finished (RFC 1337). A connection that was given away in
    /// SYN-RECEIVED ends too, where smoltcp goes back to LISTEN (tcp.rs:1887): anybody's next SYN would be its own.
    pub(crate) fn reset(&mut self, index: usize, before: State) {
        match self.socket(index).state() {
            State::Closed if before == State::TimeWait => self.slots[index].finish(),
            State::Closed => self.slots[index].peer = Peer::Reset,
            State::Listen if self.slots[index].phase == Phase::Open => {
                self.close_silently(index);
                self.slots[index].peer = Peer::Reset;
            }
            _ => {}
        }
    }

    /// Moves handshakes on after a TCP segment came in.
    pub(crate) fn progress(&mut self, counters: &mut Counters) {
        for index in self.used() {
            if self.slots[index].phase != Phase::Handshake {
                continue;
            }
            match self.socket(index).state() {
                State::SynReceived => {}
                // The frame was no good after all, or the peer took its request back.
                State::Listen | State::Closed => self.recycle(index),
                _ => {
                    counters.passive_opens = counters.passive_opens.wrapping_add(1);
                    self.queued = self.queued.wrapping_add(1);
                    let slot = &mut self.slots[index];
                    slot.tcb.established(self.now - slot.since);
                    slot.phase = Phase::Queued(self.queued);
                    slot.since = self.now;
                    slot.moved = self.now;
                }
            }
        }
    }

    /// Ends what has lasted too long and frees what is over. Makes `next` no later than when to look again.
    /// `tried`: whether egress has had its turn at `now`; a RST is given up only after that, or a late
    /// poll would drop it untried.
    pub(crate) fn expire(
        &mut self,
        tried: bool,
        counters: &mut Counters,
        next: &mut Option<Instant>,
    ) {
        for index in self.used() {
            let slot = &mut self.slots[index];
            if core::mem::take(&mut slot.unpolled) {
                slot.since = self.now;
            }
            let deadline = match slot.phase {
                Phase::Free => None,
                Phase::Handshake => self.expire_handshake(index, counters),
                Phase::Queued(_) | Phase::Open => self.expire_open(index, counters),
                Phase::Orphan => self.expire_orphan(index, counters),
                Phase::Aborting => self.expire_aborting(index, tried, counters),
            };
            if let Some(deadline) = deadline {
                sooner(next, deadline);
            }
        }
        let last = self.slots[self.used()].iter().rposition(|slot| slot.phase != Phase::Free);
        self.used = last.map_or(0, |last| last + 1);
    }

    /// The peer may be established since the first SYN-ACK, and in the dark.
    fn expire_handshake(&mut self, index: usize, counters: &mut Counters) -> Option<Instant> {
        let deadline = self.silence_ends(index);
        if self.now < deadline {
            return Some(deadline);
        }
        counters.handshakes_expired = counters.handshakes_expired.wrapping_add(1);
        self.recycle(index);
        None
    }

    fn expire_open(&mut self, index: usize, counters: &mut Counters) -> Option<Instant> {
        if self.slots[index].end.is_some() {
            return None;
        }
        let since = self.slots[index].since;
        let limit = match self.socket(index).state() {
            State::SynSent => Some(self.limits.connect),
            State::SynReceived => Some(self.limits.user_timeout),
            // In the queue it has no owner who would still close it.
            State::Closed
                if self.slots[index].finished() && self.slots[index].phase == Phase::Open =>
            {
                return None;
            }
            State::Closed => None,
            state => {
                // The peer's FIN is in; what follows, LAST-ACK or TIME-WAIT, may end in CLOSED.
                if matches!(
                    state,
                    State::CloseWait | State::Closing | State::LastAck | State::TimeWait
                ) {
                    self.slots[index].finish();
                }
                if state == State::TimeWait {
                    return None;
                }
                let deadline = self.silence_ends(index);
                if self.now < deadline {
                    self.probe_more_often(index);
                    return Some(deadline);
                }
                // Its RST leaves with the next egress.
                self.socket_mut(index).abort();
                None
            }
        };
        if let Some(limit) = limit {
            if self.now < since + limit {
                return Some(since + limit);
            }
            self.close_silently(index);
        }
        let slot = &mut self.slots[index];
        let end = if slot.peer == Peer::Reset { End::Reset } else { End::TimedOut };
        match end {
            End::Reset => counters.resets_in = counters.resets_in.wrapping_add(1),
            End::TimedOut => counters.timeouts = counters.timeouts.wrapping_add(1),
        }
        if slot.phase == Phase::Open {
            slot.tcb.release();
            slot.end = Some(end);
            self.app_wakeup = true;
        } else {
            // Nobody knows of it yet, and there is nothing left to accept.
            self.abort(index);
        }
        None
    }

    fn expire_orphan(&mut self, index: usize, counters: &mut Counters) -> Option<Instant> {
        let socket = self.socket(index);
        let state = socket.state();
        match state {
            State::Closed if socket.local_endpoint().is_none() => {
                self.recycle(index);
                return None;
            }
            // Data for somebody who is gone.
            _ if socket.recv_queue() > 0 => {
                self.abort(index);
                return Some(self.now + RST_WAIT);
            }
            // smoltcp's own 10 s, or the next SYN that needs the slot; but smoltcp waits for ever if its
            // last ACK cannot be sent.
            State::TimeWait => {
                let deadline = self.slots[index].since + FIN_WAIT_2 + TIME_WAIT_MAX;
                if self.now < deadline {
                    return Some(deadline);
                }
                self.recycle(index);
                return None;
            }
            _ => {}
        }
        let slot = &mut self.slots[index];
        let deadline = if state == State::FinWait2 {
            slot.since + FIN_WAIT_2
        } else if is_planted(Fault::OrphanReset) {
            slot.since + FIN_WAIT_2 / 3
        } else {
            // Something of ours has not been acknowledged. The peer lives as long as it says so.
            slot.since = self.now;
            self.silence_ends(index)
        };
        if self.now < deadline {
            return Some(deadline);
        }
        counters.orphans_expired = counters.orphans_expired.wrapping_add(1);
        self.abort(index);
        Some(self.now + RST_WAIT)
    }

    /// Probes a peer four times as often once it has left one unanswered: a bad cable loses some in a row.
    fn probe_more_often(&mut self, index: usize) {
        let keep_alive = self.limits.keep_alive;
        // A second for the answer to the first.
        let unanswered = self.now > self.slots[index].tcb.heard(self.now) + keep_alive + RST_WAIT;
        let interval = if unanswered { keep_alive / 4 } else { keep_alive };
        self.socket_mut(index).set_keep_alive(Some(interval));
    }

    /// When a connection is given up whose peer says nothing (RFC 9293 3.8.3, R2).
    fn silence_ends(&self, index: usize) -> Instant {
        self.slots[index].tcb.heard(self.now) + self.limits.user_timeout
    }

    fn expire_aborting(
        &mut self,
        index: usize,
        tried: bool,
        counters: &mut Counters,
    ) -> Option<Instant> {
        if self.socket(index).local_endpoint().is_some() {
            let deadline = self.slots[index].since + RST_WAIT;
            if self.now < deadline || !tried {
                return Some(deadline);
            }
            counters.resets_unsent = counters.resets_unsent.wrapping_add(1);
        }
        self.recycle(index);
        None
    }

    /// Takes back what an application dropped without `close`, if there is a limit for that; to be run right after its
    /// turn. Makes `next` no later than when another could be due.
    pub(crate) fn reclaim(&mut self, counters: &mut Counters, next: &mut Option<Instant>) {
        let Some(unused) = self.limits.abandoned else { return };
        for index in self.used() {
            let slot = &self.slots[index];
            if slot.phase != Phase::Open {
                continue;
            }
            let deadline = slot.touched + unused;
            if self.now < deadline {
                sooner(next, deadline);
            } else {
                counters.abandoned = counters.abandoned.wrapping_add(1);
                self.abort(index);
            }
        }
        for index in 0..self.listeners.len() {
            let listener = &self.listeners[index];
            if listener.port == 0 {
                continue;
            }
            let deadline = listener.touched + unused;
            if self.now < deadline {
                sooner(next, deadline);
            } else {
                counters.abandoned = counters.abandoned.wrapping_add(1);
                self.unregister(index as u8);
            }
        }
    }
}
