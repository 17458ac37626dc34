//! Connection requests that find no slot: answered without one, remembered, or dropped in silence.
//!
//! While there are more of them than can be remembered, and handshakes have the slots, they are answered with
//! [cookies](crate::tcp): who gives one back has a connection at once, in the slot of the oldest handshake. Not before that:
//! a SYN-ACK that takes no slot is not sent again, and a server that speaks first would wait for an acknowledgement that was
//! lost; and a crowd that is no flood is served sooner in its turn. Nor while connections have the slots: the peer would
//! believe in one that there is no room for.

use smoltcp::phy::TxToken;
use smoltcp::wire::{IpAddress, TcpControl, TcpSeqNumber};

use super::NetStack;
use super::ingress::Recipient;
use super::transmit::MeteredToken;
use crate::frame::{Content, ETHERNET_HEADER, Link, Segment, ethertype, put_link};
use crate::netstat::Count;
use crate::tcp::Held;

/// Headers of IP and TCP.
const HEADERS: usize = 40;
const HEADERS_IPV6: usize = 60;

impl NetStack<'_> {
    /// Answers a connection request that finds no slot with a cookie, or remembers it.
    #[inline(never)]
    pub(super) fn put_off<T: TxToken>(
        &mut self,
        syn: &Segment<'_>,
        transmit: MeteredToken<'_, '_, T>,
    ) {
        let held = Held::read(syn, self.now, &self.capabilities.checksum);
        let cookies = self.secret.in_use
            && self.backlog.floods(self.now)
            && self.pool.yields(syn.destination.port);
        if cookies
            && let Some(syn) = &held
            && let Some(cookie) = self.secret.cookie(syn, self.now)
        {
            self.backlog.answered(self.now);
            self.answer_with(syn, cookie, transmit);
            return;
        }
        let room = held.is_some_and(|held| self.backlog.hold(held));
        let (unanswered, dropped) =
            (&mut self.counters.syn_unanswered, &mut self.counters.syn_dropped);
        *unanswered = unanswered.wrapping_add(1);
        *dropped = dropped.wrapping_add(Count::from(!room));
    }

    /// Sends the SYN-ACK that smoltcp would, with a cookie.
    fn answer_with<T: TxToken>(
        &mut self,
        syn: &Held,
        cookie: TcpSeqNumber,
        transmit: MeteredToken<'_, '_, T>,
    ) {
        let own = syn.ends.local.addr;
        let headers = if matches!(own, IpAddress::Ipv4(_)) { HEADERS } else { HEADERS_IPV6 };
        let size = self.capabilities.ip_mtu().saturating_sub(headers) as u16;
        let window = self.pool.socket(0).recv_capacity() as u16;
        let answer = syn.answer(cookie, window, size);
        let packet = answer.bytes();
        let link = self.mac().zip(transmit.sent.to);
        let link = link.map(|(source, destination)| Link { source, destination });
        let begin = if link.is_some() { ETHERNET_HEADER } else { 0 };
        let Some(token) = transmit.token.filter(|_| !transmit.sent.is_lost()) else { return };
        let len = begin + packet.len();
        token.consume(len, |frame| {
            if let Some(link) = link {
                put_link(frame, link, ethertype(&own));
            }
            frame[begin..].copy_from_slice(packet);
        });
        self.counters.count_frame(len);
    }

    /// A segment of no connection. Never inlined: what is ordinary needs no room for it on the call stack.
    #[inline(never)]
    pub(super) fn stray<T: TxToken>(
        &mut self,
        bytes: &[u8],
        link: Option<Link>,
        segment: &Segment<'_>,
        transmit: MeteredToken<'_, '_, T>,
    ) {
        if !segment.syn
            && !segment.rst
            && self.backlog.has_answered(self.now)
            && let Some(syn) = self.secret.syn_of(segment, self.now)
            && self.pool.listening(segment.destination.port).is_some()
        {
            self.redeem(&syn, bytes, link, segment, transmit);
        } else if segment.ack.is_some() || segment.syn || segment.rst {
            self.pass(Recipient::Nobody, bytes, transmit);
        } else {
            self.reset_without_ack(segment, transmit);
        }
    }

    /// Takes in a segment that acknowledges a cookie: its connection gets a slot, in which smoltcp is shown the handshake.
    /// Without one it is dropped; the peer's data comes again.
    #[inline(never)]
    fn redeem<T: TxToken>(
        &mut self,
        syn: &Held,
        bytes: &[u8],
        link: Option<Link>,
        segment: &Segment<'_>,
        transmit: MeteredToken<'_, '_, T>,
    ) {
        let verify = self.capabilities.checksum.tcp.rx();
        let index = segment
            .is_sound(verify)
            .then(|| self.pool.admit(&syn.ends, &mut self.counters))
            .flatten();
        let syn_again = syn.write();
        let request = Content::parse(syn_again.bytes()).segment().zip(segment.ack);
        let (Some(index), Some((request, ack))) = (index, request) else {
            let dropped = &mut self.counters.syn_dropped;
            *dropped = dropped.wrapping_add(1);
            return;
        };
        self.backlog.forget(&syn.ends);
        let mut sent = self.nothing_sent(None);
        let swallow = MeteredToken::<'_, '_, T> { token: None, sent: &mut sent };
        self.deliver_request(index, ack - 1, syn_again.bytes(), link, &request, swallow);
        self.pool.slots[index].tcb.syn_sent(ack - 1);
        let before = self.pool.snapshot(index);
        // It has told nobody of its window yet, and would take in nothing: at first it is asked for that, by a number
        // before the window.
        for seq in [segment.seq - 1, segment.seq] {
            let ack = Some(ack);
            self.inject_bare::<T>(index, TcpControl::None, &syn.ends, seq, ack, segment.window);
        }
        let after = self.pool.snapshot(index);
        self.pool.slots[index].tcb.received(segment, verify, before, after, self.now);
        if let Some(link) = link {
            self.reached(&syn.ends.remote.addr, link.source);
        }
        self.pool.progress(&mut self.counters);
        if segment.sequence_len() > 0 {
            self.deliver(index, bytes, link, segment, transmit);
        }
    }
}
