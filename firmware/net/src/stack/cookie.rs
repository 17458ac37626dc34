//! A flood of connection requests that takes no slots: [cookies](crate::tcp).
//!
//! While there are more requests than can be remembered, and handshakes have the slots, they are answered so; who gives a
//! cookie back has a connection at once, in the slot of the oldest handshake. Not before that: a SYN-ACK that takes no slot is
//! not sent again, and who waits for a server to speak first would wait for ever if its acknowledgement was lost; and a crowd
//! that is no flood is served sooner in its turn. Nor while connections have the slots: the peer would believe in one that
//! there is no room for.

use smoltcp::phy::TxToken;
use smoltcp::wire::{IpAddress, TcpControl, TcpSeqNumber};

use super::NetStack;
use super::transmit::MeteredToken;
use crate::frame::{Content, ETHERNET_HEADER, FourTuple, Link, Segment, ethertype, put_link};
use crate::tcp::{Held, Phase};

/// Headers of IP and TCP.
const HEADERS: usize = 40;
const HEADERS_IPV6: usize = 60;

impl NetStack<'_> {
    /// Answers a connection request that finds no slot with a cookie, or remembers it.
    #[inline(never)]
    pub(super) fn answer_with_cookie<T: TxToken>(
        &mut self,
        syn: &Segment<'_>,
        transmit: MeteredToken<'_, '_, T>,
    ) {
        let held = Held::read(syn, self.now, &self.capabilities.checksum);
        let held = held.filter(|_| self.secret.in_use);
        match held.and_then(|held| Some((held, self.secret.cookie(&held, self.now)?))) {
            Some((held, cookie)) => {
                let sent = &mut self.counters.cookies_sent;
                *sent = sent.wrapping_add(1);
                self.send_syn_ack(&held, cookie, transmit);
            }
            None => self.put_off(syn),
        }
    }

    /// Sends the SYN-ACK that smoltcp would, with a cookie.
    fn send_syn_ack<T: TxToken>(
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

    /// The number of our SYN for a request that has a slot. In a flood that may be needed for another one, and is a cookie.
    #[inline(never)]
    pub(super) fn isn_of(
        &self,
        syn: &Segment<'_>,
        ends: &FourTuple,
        last: Option<TcpSeqNumber>,
    ) -> TcpSeqNumber {
        let held = Held::read(syn, self.now, &self.capabilities.checksum);
        let held = held.filter(|_| last.is_none() && self.backlog.had_flood(self.now));
        let cookie = held.and_then(|held| self.secret.cookie(&held, self.now));
        cookie.unwrap_or_else(|| self.secret.isn(ends, self.now, last))
    }

    /// Whether a segment of no connection may be from somebody who was given a cookie. It need not be of the first that this
    /// one sent: who has lost that must not be told that there is no connection.
    #[inline(never)]
    pub(super) fn may_have_cookie(&self, segment: &Segment<'_>) -> bool {
        segment.ack.is_some()
            && !segment.syn
            && !segment.rst
            && self.backlog.had_flood(self.now)
            && self.pool.takes_cookies(segment.destination.port).is_some()
    }

    /// Whether a segment of a connection whose handshake has a slot acknowledges something else than that one's number, and may be
    /// from somebody who was given a cookie before: then another SYN has come in since, in its name or of its own in the next part
    /// of time, and the slot is not to reset it.
    pub(super) fn may_have_other_cookie(&self, index: usize, segment: &Segment<'_>) -> bool {
        let slot = &self.pool.slots[index];
        slot.phase == Phase::Handshake
            && segment.ack != slot.tcb.snd_max()
            && self.may_have_cookie(segment)
    }

    /// Takes in a segment that may acknowledge a cookie: then its connection gets a slot, in which smoltcp is shown the handshake.
    /// Else, and without a slot, it is dropped; the peer's data comes again, and its probes.
    #[inline(never)]
    pub(super) fn redeem<T: TxToken>(
        &mut self,
        bytes: &[u8],
        link: Option<Link>,
        segment: &Segment<'_>,
        transmit: MeteredToken<'_, '_, T>,
    ) {
        let verify = self.capabilities.checksum.tcp.rx();
        let syn = self.secret.syn_of(segment, self.now).filter(|_| segment.is_sound(verify));
        let Some((syn, ack)) = syn.zip(segment.ack) else {
            self.drop_unacceptable();
            return;
        };
        if let Some(index) = self.pool.find(&syn.ends) {
            self.pool.recycle(index);
        }
        let Some(index) = self.pool.admit(&syn.ends, &mut self.counters) else {
            let dropped = &mut self.counters.syn_dropped;
            *dropped = dropped.wrapping_add(1);
            return;
        };
        self.counters.cookies_taken = self.counters.cookies_taken.wrapping_add(1);
        self.backlog.forget(&syn.ends);
        let shown = syn.write();
        let Some(request) = Content::parse(shown.bytes()).segment() else { return };
        let mut sent = self.nothing_sent(None);
        let swallow = MeteredToken::<'_, '_, T> { token: None, sent: &mut sent };
        self.deliver_request(index, ack - 1, shown.bytes(), link, &request, swallow);
        self.pool.slots[index].tcb.syn_sent(ack - 1);
        let before = self.pool.snapshot(index);
        // smoltcp has told nobody of its window yet, and would take in nothing. So it is asked for that first, by a number
        // before the window (socket/tcp.rs, `challenge_ack_reply`).
        let (before_window, first) = (syn.seq_number, syn.seq_number + 1);
        for seq in [before_window, first] {
            let ack = Some(ack);
            self.inject_bare::<T>(index, TcpControl::None, &syn.ends, seq, ack, segment.window);
        }
        let after = self.pool.snapshot(index);
        self.pool.slots[index].tcb.received(segment, verify, before, after, self.now);
        if let Some(link) = link {
            self.reached(&syn.ends.remote.addr, link.source);
        }
        self.pool.progress(&mut self.counters);
        if segment.sequence_len() > 0 || segment.seq == before_window {
            self.deliver(index, bytes, link, segment, transmit);
        }
    }
}
