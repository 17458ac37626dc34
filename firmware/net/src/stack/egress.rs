//! The way out: what is sent in a poll, and when there will be something to send again.

use smoltcp::iface::PollResult;
use smoltcp::phy::{Device, TxToken};
use smoltcp::socket::tcp::State;
use smoltcp::time::Instant;
use smoltcp::wire::TcpControl;

use super::NetStack;
use super::pass::Recipient;
use super::transmit::{Metered, MeteredToken, Sent};
use crate::ethernet::EthernetAddress;
use crate::frame::Content;
use crate::limits::{EGRESS_BUDGET, EGRESS_BURST, STALL_RETRY, TX_RETRY};
use crate::netstat::Count;
use crate::planted::{Fault, is_planted};
use crate::seq::distance;
use crate::tcp::Phase;
use crate::tcp::tcb::MayLeave;
use crate::time::sooner;
use crate::workaround::replay::{self, Replay};

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
            let Some(index) = self.backlog.ready(self.now, self.pool.would_serve()) else {
                return false;
            };
            // The request itself needs no answer, but smoltcp wants to be able to give one.
            let Some(token) = device.transmit(self.now) else {
                return true;
            };
            let request = self.backlog.take(index, self.now);
            let Content::Packet(packet) = Content::parse(request.bytes()) else { continue };
            let mut sent = self.nothing_sent(None);
            let token = MeteredToken { token: Some(token), sent: &mut sent };
            self.packet(packet.bytes, None, &packet, None, token);
            self.count_answer(&sent);
        }
        false
    }

    pub(super) fn egress<D: Device + ?Sized>(&mut self, device: &mut D) -> Egress {
        let refused = self.serve_backlog(device);
        self.look_up();
        // Before all else, or a transfer that fills the device would keep others waiting for a MAC address.
        let refused = refused || self.discovery_egress(device);
        let outcome = self.send_due(device, refused);
        // What has left wants nobody any more.
        self.neighbors.want_nobody();
        self.look_up();
        if self.discovery_egress(device) { Egress::Refused } else { outcome }
    }

    /// Lets smoltcp send what is due. Never inlined: the way in, which is deep, needs no room for this one.
    #[inline(never)]
    fn send_due<D: Device + ?Sized>(&mut self, device: &mut D, refused: bool) -> Egress {
        if refused {
            return Egress::Refused;
        }
        let slots = self.pool.used();
        for index in slots.clone() {
            if !self.send_again(index, device) {
                return Egress::Refused;
            }
            self.pool.slots[index].sends = true;
        }
        // Each poll begins with another, or on a device with few places those behind it would wait for ever.
        self.first = if self.first + 1 < slots.end { self.first + 1 } else { 0 };
        // With them smoltcp sends what it reports of groups.
        let mut others = self.others_may_send() || cfg!(feature = "multicast");
        let mut datagrams = self.udp_queued;
        for _ in 0..EGRESS_BUDGET / EGRESS_BURST {
            let mut more = false;
            for index in (self.first..slots.end).chain(0..self.first.min(slots.end)) {
                if self.pool.slots[index].sends {
                    if self.send_burst(index, device) {
                        return Egress::Refused;
                    }
                    more |= self.pool.slots[index].sends;
                }
            }
            if datagrams {
                let Some(sent) = self.udp_egress(device) else { return Egress::Refused };
                datagrams = sent;
            }
            if others {
                let Some(sent) = self.send_others(device) else { return Egress::Refused };
                others = sent;
            }
            if !more && !datagrams && !others {
                return Egress::Done;
            }
            if is_planted(Fault::RoomUnused) {
                return Egress::Refused;
            }
        }
        Egress::Budget
    }

    /// Lets a slot send a few segments in a row, and notes whether it may have more. Returns whether the device refused one.
    fn send_burst<D: Device + ?Sized>(&mut self, index: usize, device: &mut D) -> bool {
        // Nothing is learned of its next hop meanwhile.
        let to = self.way_of(index);
        for _ in 0..EGRESS_BURST {
            if self.send_slot(index, to, device) {
                return true;
            }
            if !self.pool.slots[index].sends {
                break;
            }
        }
        false
    }

    /// Lets a slot send one segment to its next hop, and notes whether it may have more. Returns whether the device refused it.
    #[cfg_attr(target_os = "none", inline(never))]
    fn send_slot<D: Device + ?Sized>(
        &mut self,
        index: usize,
        to: Option<EthernetAddress>,
        device: &mut D,
    ) -> bool {
        match self.may_leave(index) {
            MayLeave::Nothing => {
                let waits = self.pool.slots[index].tcb.repeated;
                let room = self.acknowledge(index, device);
                // What waited for that may leave, if its next hop is known.
                let slot = &mut self.pool.slots[index];
                slot.sends = waits && !slot.tcb.repeated;
                return !room;
            }
            MayLeave::Part => {
                // No superframe, or no segment as long as smoltcp would make: as much as there is room for. What it made and
                // might not leave is to be sent again; and then there may be room for more.
                let mut room = self.replay(index, false, device);
                let sent = self.counters.frames_out;
                room = room && self.send_again(index, device);
                self.pool.slots[index].sends |= self.counters.frames_out != sent;
                return !room;
            }
            MayLeave::All => {}
        }
        if to.is_none() && !self.only_ends(index) {
            // It waits for the answer of its next hop.
            self.pool.slots[index].sends = false;
            return false;
        }
        let mut metered = Metered { device, sent: self.nothing_sent(to) };
        let slot = &mut self.pool.slots[index];
        metered.sent.of(&mut slot.tcb);
        let result = self.interface.poll_egress(self.now, &mut metered, &mut slot.set);
        let sent = &metered.sent;
        slot.sends = result != PollResult::None && !sent.refused;
        self.counters.count_sent(sent);
        sent.refused
    }

    /// Whether a slot's connection has nothing to send, and is over in its time.
    fn only_ends(&self, index: usize) -> bool {
        self.pool.socket(index).state() == State::TimeWait
    }

    /// Where what a slot's connection sends goes on the link, if that is known.
    fn way_of(&mut self, index: usize) -> Option<EthernetAddress> {
        let remote = self.pool.socket(index).remote_endpoint()?;
        self.way_to(&remote.addr)
    }

    /// What may leave now of the data that a slot's socket has. A reset waits for nothing.
    fn may_leave(&self, index: usize) -> MayLeave {
        let socket = self.pool.socket(index);
        if socket.state() == State::Closed {
            return MayLeave::All;
        }
        self.pool.slots[index].tcb.may_leave(socket.send_queue())
    }

    /// Does what is due about losses of a slot's connection. Returns whether the device had room for it.
    fn send_again<D: Device + ?Sized>(&mut self, index: usize, device: &mut D) -> bool {
        let idle = matches!(self.pool.slots[index].phase, Phase::Free | Phase::Handshake);
        if idle || self.pool.socket(index).state() == State::Closed {
            return true;
        }
        self.pool.shut_waiting(index);
        #[cfg(feature = "slaac")]
        self.narrow_to_link(index);
        let queue = self.pool.socket(index).send_queue();
        let user_timeout = self.pool.limits.user_timeout;
        let tcb = &mut self.pool.slots[index].tcb;
        let probes = tcb.expire(queue, user_timeout, self.now);
        if probes || tcb.replays(queue) || tcb.is_overdue(self.now) {
            let sent = self.counters.frames_out;
            let mut room = self.replay(index, true, device);
            let closed = probes && sent == self.counters.frames_out;
            if closed {
                self.close_window::<D::TxToken<'_>>(index);
            }
            // What had not left before, and was emitted together with what had.
            let withheld = self.pool.slots[index].tcb.replays(queue);
            if room && (closed || withheld) {
                room = self.replay(index, true, device);
            }
            return room && self.acknowledge(index, device);
        }
        true
    }

    /// Makes smoltcp probe a window that was closed while data was outstanding: it begins to when it has nothing outstanding
    /// any more, and the peer says so again (socket/tcp.rs 2156).
    #[inline(never)]
    fn close_window<T: TxToken>(&mut self, index: usize) {
        let Some(ends) = self.pool.four_tuple(index) else { return };
        let tcb = &self.pool.slots[index].tcb;
        let (seq, ack) = (tcb.rcv_nxt(self.pool.snapshot(index)), Some(tcb.snd_una()));
        self.inject_bare::<T>(index, TcpControl::None, &ends, seq, ack, 0);
    }

    /// Tells the peer what has come in, if that is due and smoltcp does not: it has data to send that has to wait. Returns
    /// whether the device had room for it.
    #[inline(never)]
    fn acknowledge<D: Device + ?Sized>(&mut self, index: usize, device: &mut D) -> bool {
        let snapshot = self.pool.snapshot(index);
        if !self.pool.slots[index].tcb.owes_ack(snapshot) {
            return true;
        }
        let to = self.way_of(index);
        let tcb = &self.pool.slots[index].tcb;
        let Some(ends) = self.pool.four_tuple(index) else { return true };
        let Some(probe) = tcb.probe(&ends, snapshot) else { return true };
        let Some(token) = device.transmit(self.now) else { return false };
        let mut sent = Sent::new(&self.capabilities, self.mac(), to, self.now);
        sent.answer_of(tcb);
        let token = MeteredToken { token: Some(token), sent: &mut sent };
        self.show(Recipient::Slot(index), &probe, &ends, token);
        self.count_answer(&sent);
        true
    }

    /// Lets smoltcp emit through an interface of its own what is outstanding, if it `rewinds`, and else one new segment;
    /// what is to, leaves. Returns whether the device had room for it.
    #[inline(never)]
    fn replay<D: Device + ?Sized>(&mut self, index: usize, rewinds: bool, device: &mut D) -> bool {
        let Some(ends) = self.pool.four_tuple(index) else { return true };
        let to = self.way_to(&ends.remote.addr);
        let mut sent = self.nothing_sent(to);
        let slot = &mut self.pool.slots[index];
        let at = if rewinds { slot.tcb.rewind(self.now) } else { self.now };
        let (una, behind) = (slot.tcb.snd_una(), slot.tcb.snd_nxt());
        let (own, mtu) = (ends.local.addr, slot.tcb.path_mtu());
        let mut interface = replay::interface(own, &self.capabilities, mtu, at);
        let checksums = &self.capabilities.checksum;
        sent.of(&mut slot.tcb);
        sent.replay =
            Some(Replay { checksums: (checksums.ipv4.tx(), checksums.tcp.tx()), end: una });
        let mut metered = Metered { device, sent };
        let mut end = una;
        // Each step emits a segment. Where the window has been smaller for a while, smoltcp has some of those outstanding
        // still before it.
        while interface.poll_egress(at, &mut metered, &mut slot.set) != PollResult::None {
            end = metered.sent.replay.as_ref().map_or(end, |replay| replay.end);
            let ahead = distance(end, behind);
            if ahead > 0 || (ahead == 0 && rewinds) || (metered.sent.frames > 0 && !rewinds) {
                break;
            }
        }
        let Sent { frames, retransmitted, refused, .. } = metered.sent;
        self.counters.count_sent(&metered.sent);
        let acted = retransmitted > 0 || to.is_none();
        self.counters.recoveries = self.counters.recoveries.wrapping_add(Count::from(acted));
        slot.tcb.taken_for_sent(end, self.now);
        slot.sends &= rewinds || frames > 0;
        !refused
    }

    /// Makes `next` no later than when something is due about losses, but for what waits for room in the device.
    pub(super) fn next_of_loss(&self, egress: &Egress, next: &mut Option<Instant>) {
        for index in self.pool.used() {
            let socket = self.pool.socket(index);
            let (tcb, timeout) = (&self.pool.slots[index].tcb, self.pool.limits.user_timeout);
            let at = tcb.deadline(socket.send_queue(), timeout, self.now);
            let at = at.filter(|at| *at > self.now || !matches!(egress, Egress::Refused));
            if let (Some(at), true) = (at, socket.state() != State::Closed) {
                sooner(next, at);
            }
        }
    }

    /// Makes `next` no later than when there is something to send again.
    pub(super) fn next_egress(&mut self, egress: &Egress, next: &mut Option<Instant>) {
        let at = match egress {
            Egress::Budget => self.now,
            // The driver wakes us when there is room; this is for one that cannot.
            Egress::Refused => self.now + TX_RETRY,
            Egress::Done => {
                self.ask_at(next);
                self.held_at(next);
                match self.next_of_smoltcp() {
                    Some(at) => at,
                    None => return,
                }
            }
        };
        sooner(next, at);
    }

    fn next_of_smoltcp(&mut self) -> Option<Instant> {
        let mut next = None;
        for index in self.pool.used() {
            // It would say "now", for what has to wait.
            let waits = self.may_leave(index) == MayLeave::Nothing;
            if waits || (self.way_of(index).is_none() && !self.only_ends(index)) {
                continue;
            }
            if let Some(at) = self.interface.poll_at(self.now, &self.pool.slots[index].set) {
                sooner(&mut next, at);
            }
        }
        if let Some(at) = self.others_at() {
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
