//! A segment's way to the socket of its connection: past the guard, and what is noted of it.

use smoltcp::phy::TxToken;
use smoltcp::wire::{TcpControl, TcpRepr};

use super::NetStack;
use super::pass::Recipient;
use super::transmit::MeteredToken;
use crate::frame::{Content, FourTuple, Link, Segment};
use crate::guard::{Verdict, judge, mend, with_segment_size};
use crate::limits::FRAME_SIZE;
use crate::seq::later;
use crate::tcp::tcb::SocketSnapshot;
use crate::workaround::inject::{InjectedSegment, bare};

impl NetStack<'_> {
    /// Gives a segment to the socket of its connection, if the guard lets it pass.
    #[inline(never)]
    pub(super) fn deliver<T: TxToken>(
        &mut self,
        index: usize,
        bytes: &[u8],
        link: Option<Link>,
        segment: &Segment<'_>,
        transmit: MeteredToken<'_, '_, T>,
    ) {
        let before = self.pool.snapshot(index);
        if self.pool.slots[index].tcb.predicts(segment, before) {
            self.take_next(index, before, bytes, segment, transmit);
            return;
        }
        match judge(&self.pool.slots[index].tcb, segment, before) {
            Verdict::Pass | Verdict::Acknowledge if self.absorb(index, before, segment) => {}
            Verdict::Pass => {
                if segment.fin && segment.is_sound(self.capabilities.checksum.tcp.rx()) {
                    self.pool.slots[index].tcb.hold_fin(segment, before);
                }
                self.give(index, before, bytes, link, segment, transmit);
            }
            verdict => self.guard(index, verdict, bytes, link, segment, transmit),
        }
    }

    /// Gives the socket the text that it waits for, of which the guard has nothing to say.
    fn take_next<T: TxToken>(
        &mut self,
        index: usize,
        before: SocketSnapshot,
        bytes: &[u8],
        segment: &Segment<'_>,
        transmit: MeteredToken<'_, '_, T>,
    ) {
        transmit.sent.answer_of(&self.pool.slots[index].tcb);
        self.pass(Recipient::Slot(index), bytes, transmit);
        let taken = self.pool.socket(index).recv_queue().saturating_sub(before.unread);
        // Else its checksum is wrong.
        if taken > 0 {
            let slot = &mut self.pool.slots[index];
            slot.moved(taken, self.now);
            slot.tcb.received_next(segment, self.now);
        }
    }

    /// Keeps a duplicate acknowledgement from smoltcp, if it is one; what it says is noted.
    fn absorb(&mut self, index: usize, socket: SocketSnapshot, segment: &Segment<'_>) -> bool {
        let verify = self.capabilities.checksum.tcp.rx();
        let tcb = &mut self.pool.slots[index].tcb;
        let absorbs = tcb.absorbs(segment, socket) && segment.is_sound(verify);
        if absorbs {
            tcb.received(segment, verify, socket, socket, self.now);
        }
        absorbs
    }

    /// Carries out a verdict on what is not ordinary.
    #[inline(never)]
    fn guard<T: TxToken>(
        &mut self,
        index: usize,
        verdict: Verdict,
        bytes: &[u8],
        link: Option<Link>,
        segment: &Segment<'_>,
        transmit: MeteredToken<'_, '_, T>,
    ) {
        let before = self.pool.snapshot(index);
        let sound = segment.is_sound(self.capabilities.checksum.tcp.rx());
        let anew = match verdict {
            Verdict::Challenge | Verdict::Hold if sound => {
                if verdict == Verdict::Hold {
                    self.pool.slots[index].tcb.hold_fin(segment, before);
                }
                self.challenge(index, before, transmit);
                return;
            }
            Verdict::Acknowledge if sound => {
                Some(self.pool.slots[index].tcb.acknowledgement(segment, before))
            }
            Verdict::Begin if sound => with_segment_size(segment, self.capabilities.ip_mtu()),
            _ => None,
        };
        let injected = anew.map(|anew| InjectedSegment::new(&anew, &segment.received_on()));
        let mut buffer;
        let shown = match (&injected, verdict) {
            (Some(injected), _) => Some(injected.bytes()),
            (None, Verdict::Begin) => Some(bytes),
            (None, Verdict::Mend(newest)) if sound => {
                self.pool.slots[index].tcb.hold_fin(segment, before);
                self.counters.mended = self.counters.mended.wrapping_add(1);
                buffer = [0; FRAME_SIZE];
                Some(mend(segment, bytes, newest, &mut buffer).unwrap_or(bytes))
            }
            _ => None,
        };
        let shown = shown.and_then(|shown| Some((shown, Content::parse(shown).segment()?)));
        if let Some((bytes, segment)) = shown {
            self.give(index, before, bytes, link, &segment, transmit);
        } else {
            self.drop_unacceptable();
        }
    }

    pub(super) fn drop_unacceptable(&mut self) {
        let dropped = &mut self.counters.unacceptable_dropped;
        *dropped = dropped.wrapping_add(1);
    }

    /// Answers a segment that is no connection's and acknowledges nothing (RFC 9293 3.10.7.1): with a reset that acknowledges
    /// it, <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>. smoltcp does so for a SYN alone (socket/tcp.rs:1468), so it is shown one
    /// with that end. A listener drops it (3.10.7.2).
    #[inline(never)]
    pub(super) fn reset_without_ack<T: TxToken>(
        &mut self,
        segment: &Segment<'_>,
        transmit: MeteredToken<'_, '_, T>,
    ) {
        let sound = segment.is_sound(self.capabilities.checksum.tcp.rx());
        if !sound || self.pool.listening(segment.destination.port).is_some() {
            self.drop_unacceptable();
            return;
        }
        let ends = segment.received_on();
        let seq = later(segment.seq, segment.sequence_len()) - 1;
        let syn = bare(TcpControl::Syn, &ends, seq, None, 0);
        self.show(Recipient::Nobody, &syn, &ends, transmit);
    }

    /// Says where a connection stands, but not too often: an ACK that smoltcp gives to a segment which it has.
    fn challenge<T: TxToken>(
        &mut self,
        index: usize,
        socket: SocketSnapshot,
        transmit: MeteredToken<'_, '_, T>,
    ) {
        let Some(ends) = self.pool.four_tuple(index) else { return };
        let tcb = &mut self.pool.slots[index].tcb;
        let Some(probe) = tcb.challenge(&ends, socket, self.now) else {
            self.drop_unacceptable();
            return;
        };
        transmit.sent.answer_of(tcb);
        self.counters.challenged = self.counters.challenged.wrapping_add(1);
        self.show(Recipient::Slot(index), &probe, &ends, transmit);
    }

    /// Gives smoltcp a segment of our own making; what it answers leaves.
    #[inline(never)]
    pub(super) fn show<T: TxToken>(
        &mut self,
        recipient: Recipient,
        repr: &TcpRepr<'_>,
        ends: &FourTuple,
        transmit: MeteredToken<'_, '_, T>,
    ) {
        let segment = InjectedSegment::new(repr, ends);
        self.pass(recipient, segment.bytes(), transmit);
    }

    /// Gives a segment to the socket of its connection, and notes what that made of it.
    fn give<T: TxToken>(
        &mut self,
        index: usize,
        before: SocketSnapshot,
        bytes: &[u8],
        link: Option<Link>,
        segment: &Segment<'_>,
        transmit: MeteredToken<'_, '_, T>,
    ) {
        let verify = self.capabilities.checksum.tcp.rx();
        let tcb = &self.pool.slots[index].tcb;
        transmit.sent.answer_of(tcb);
        transmit.sent.report = tcb.report(segment, before);
        self.pass(Recipient::Slot(index), bytes, transmit);
        if segment.rst {
            self.pool.reset(index, before.state);
            return;
        }
        if self.pool.slots[index].tcb.holds_fin() {
            self.deliver_fin::<T>(index, segment);
        }
        let after = self.pool.snapshot(index);
        // RFC 4861 7.3.1.
        let progress = before.opens(after) || after.queue < before.queue;
        if let (true, Some(link)) = (progress, link) {
            self.reached(&segment.source.addr, link.source);
        }
        if after.queue == 0 && before.queue > 0 && segment.window == 0 {
            self.end_probes::<T>(index, after, segment);
        }
        let slot = &mut self.pool.slots[index];
        let taken = before.queue.saturating_sub(after.queue);
        slot.moved(taken + after.unread.saturating_sub(before.unread), self.now);
        slot.tcb.received(segment, verify, before, after, self.now);
    }

    /// The peer has all, and its window is closed. smoltcp would go on to wait for a time to probe it, though it has nothing
    /// to probe with, and meanwhile ask no more whether the peer lives (socket/tcp.rs 2196): only an open window ends that.
    #[inline(never)]
    fn end_probes<T: TxToken>(
        &mut self,
        index: usize,
        socket: SocketSnapshot,
        segment: &Segment<'_>,
    ) {
        let Some(ends) = self.pool.four_tuple(index) else { return };
        let seq = self.pool.slots[index].tcb.rcv_nxt(socket);
        for window in [1, 0] {
            self.inject_bare::<T>(index, TcpControl::None, &ends, seq, segment.ack, window);
        }
    }

    /// Gives smoltcp the FIN that is remembered, once all the data before it is in.
    #[inline(never)]
    fn deliver_fin<T: TxToken>(&mut self, index: usize, segment: &Segment<'_>) {
        let Some(ends) = self.pool.four_tuple(index) else { return };
        let socket = self.pool.snapshot(index);
        if let Some(fin) = self.pool.slots[index].tcb.take_fin(segment, socket) {
            self.inject_bare::<T>(index, TcpControl::Fin, &ends, fin, segment.ack, segment.window);
        }
    }
}
