//! The way out: what is sent in a poll, and when there will be something to send again.

use smoltcp::iface::PollResult;
use smoltcp::phy::{Device, TxToken};
use smoltcp::socket::tcp::State;
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, TcpControl};

use super::NetStack;
use super::transmit::{Metered, MeteredToken, Sent};
use crate::limits::{EGRESS_BUDGET, STALL_RETRY, TX_RETRY};
use crate::netstat::Count;
use crate::tcp::Phase;
use crate::tcp::tcb::SocketSnapshot;
use crate::time::sooner;

/// How an egress run ended.
pub(super) enum Egress {
    /// Nothing more to send.
    Done,
    /// The budget ran out.
    Budget,
    /// The device refused a frame.
    Refused,
}

impl NetStack<'_> {
    /// Lets requests that waited for a slot in again, as far as there are slots now. Returns whether the
    /// device had no room for the answers.
    #[inline(never)]
    fn serve_backlog<D: Device + ?Sized>(&mut self, device: &mut D) -> bool {
        for _ in 0..self.backlog.capacity() {
            let ready = |port| self.pool.would_serve(port);
            let Some(index) = self.backlog.ready(self.now, ready) else {
                return false;
            };
            // The request itself needs no answer, but smoltcp wants to be able to give one.
            let Some(token) = device.transmit(self.now) else {
                return true;
            };
            let frame = self.backlog.take(index, self.mac(), self.now);
            let mut sent = Sent::answers();
            self.frame(frame.bytes(), MeteredToken { token: Some(token), sent: &mut sent });
            self.counters.count_sent(&sent);
        }
        false
    }

    /// Helps connections whose peer has acknowledged nothing for a while; see [`crate::loss`].
    /// Makes `next` no later than when the next is due.
    pub(super) fn recover<D: Device + ?Sized>(&mut self, next: &mut Option<Instant>) {
        let user_timeout = self.pool.limits.user_timeout;
        for index in self.pool.used() {
            if matches!(self.pool.slots[index].phase, Phase::Free | Phase::Handshake) {
                continue;
            }
            self.pool.shut_waiting(index);
            let snapshot = self.pool.snapshot(index);
            let fin = match snapshot.state {
                State::Established | State::CloseWait => false,
                State::FinWait1 | State::LastAck | State::Closing => true,
                _ => continue,
            };
            let queue = snapshot.queue;
            // In LAST-ACK smoltcp would not listen.
            let deaf = snapshot.state == State::LastAck;
            let tcb = &self.pool.slots[index].tcb;
            let deadline = tcb.deadline(queue, fin, user_timeout, self.now).filter(|_| !deaf);
            let timeout = user_timeout - tcb.pretended(user_timeout);
            self.pool.socket_mut(index).set_timeout(Some(timeout));
            let Some(deadline) = deadline else { continue };
            if self.now < deadline {
                sooner(next, deadline);
                continue;
            }
            self.resend::<D::TxToken<'_>>(index, snapshot);
            let tcb = &self.pool.slots[index].tcb;
            if let Some(deadline) = tcb.deadline(queue, fin, user_timeout, self.now) {
                sooner(next, deadline);
            }
        }
    }

    /// Lets smoltcp send again, with the next egress, what was not acknowledged.
    #[inline(never)]
    pub(super) fn resend<T: TxToken>(&mut self, index: usize, snapshot: SocketSnapshot) {
        let Some(ends) = self.pool.four_tuple(index) else { return };
        self.counters.recoveries = self.counters.recoveries.wrapping_add(1);
        let tcb = &mut self.pool.slots[index].tcb;
        let seq = tcb.rcv_nxt(snapshot);
        let ack = Some(tcb.snd_una());
        for window in tcb.attempt(self.now) {
            self.inject_bare::<T>(TcpControl::None, &ends, seq, ack, window);
        }
    }

    pub(super) fn egress<D: Device + ?Sized>(&mut self, device: &mut D) -> Egress {
        let refused = self.serve_backlog(device);
        self.look_up();
        self.tell::<D::TxToken<'_>>(None);
        // Before all else, or a transfer that fills the device would keep others waiting for a MAC address.
        let refused = refused || self.discovery_egress(device);
        let refused = refused || self.send_narrow(device);
        let (outcome, asked) = self.send_due(device, refused);
        // What has left wants nobody any more.
        self.neighbors.want_nobody();
        self.look_up();
        if let Some(address) = asked {
            self.want(&address);
        }
        if self.discovery_egress(device) { Egress::Refused } else { outcome }
    }

    /// Lets smoltcp send what is due, and says whom it wants to ask for. Never inlined: the way in, which is deep, needs no
    /// room for this one.
    #[inline(never)]
    fn send_due<D: Device + ?Sized>(
        &mut self,
        device: &mut D,
        refused: bool,
    ) -> (Egress, Option<IpAddress>) {
        let mut sent = Sent::new(self.pool.slots, &self.capabilities, self.now);
        sent.refused = refused;
        let mut metered = Metered { device, sent };
        let mut outcome = Egress::Budget;
        let (mut tcp, mut others) = (true, self.others_queued || self.added > 0);
        for _ in 0..EGRESS_BUDGET {
            for (set, more) in [(&mut self.pool.set, &mut tcp), (&mut self.others, &mut others)] {
                if *more && !metered.sent.refused {
                    let result = self.interface.poll_egress(self.now, &mut metered, set);
                    *more = result != PollResult::None;
                }
            }
            if metered.sent.refused {
                outcome = Egress::Refused;
                break;
            }
            if !tcp && !others {
                outcome = Egress::Done;
                break;
            }
        }
        self.counters.count_sent(&metered.sent);
        (outcome, metered.sent.asked)
    }

    /// Makes `next` no later than when there is something to send again.
    pub(super) fn next_egress(&mut self, egress: &Egress, next: &mut Option<Instant>) {
        let at = match egress {
            Egress::Budget => self.now,
            // The driver wakes us when there is room; this is for one that cannot.
            Egress::Refused => self.now + TX_RETRY,
            Egress::Done => {
                self.ask_at(next);
                match self.next_of_smoltcp() {
                    Some(at) => at,
                    None => return,
                }
            }
        };
        sooner(next, at);
    }

    fn next_of_smoltcp(&mut self) -> Option<Instant> {
        let mut next = self.interface.poll_at(self.now, &self.pool.set);
        if (self.others_queued || self.added > 0)
            && let Some(at) = self.interface.poll_at(self.now, &self.others)
        {
            sooner(&mut next, at);
        }
        let at = next?;
        if at > self.now {
            return Some(at);
        }
        // It says "now", but has just been asked and had nothing to send. So it does, too, while a SYN-ACK waits for
        // `admit`: that is as it should be, and soon over.
        #[cfg(feature = "deferred-accept")]
        let stalled = !self.pool.defers();
        #[cfg(not(feature = "deferred-accept"))]
        let stalled = true;
        self.counters.stalls = self.counters.stalls.wrapping_add(Count::from(stalled));
        Some(self.now + STALL_RETRY)
    }
}
