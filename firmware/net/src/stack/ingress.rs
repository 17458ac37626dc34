//! The way in: what becomes of each frame before smoltcp sees it.
//!
//! smoltcp gives a segment to the first socket in its set that would take it, a listener before a live
//! connection. So the stack keeps no socket in LISTEN; a connection request puts one there for exactly that frame. The
//! packet then goes on, in place, to the one socket that it is for: `pass`.

use smoltcp::phy::{Device, RxToken, TxToken};
#[cfg(not(feature = "syn-cookies"))]
use smoltcp::time::Duration;
#[cfg(feature = "multicast")]
use smoltcp::wire::IpAddress;
use smoltcp::wire::IpProtocol;

use super::NetStack;
use super::pass::Recipient;
use super::repair::{self, Before, Problem};
use super::transmit::MeteredToken;
#[cfg(feature = "ipv6")]
use crate::frame::extension;
use crate::frame::{Content, ETHERNET_HEADER, Frame, Link, Packet, Segment};
use crate::guard::is_stray;
use crate::limits::{FRAME_SIZE, INGRESS_BUDGET, SYN_RECEIVED_EVICT};
use crate::netstat::Count;
use crate::tcp::{Held, Request};
use crate::workaround::options;

impl NetStack<'_> {
    /// Takes frames up to the budget, or until one was a datagram: the application reads it before the next finds no room.
    /// Returns whether there may be more.
    pub(super) fn ingress<D: Device + ?Sized>(&mut self, device: &mut D) -> bool {
        for _ in 0..INGRESS_BUDGET {
            let Some((rx, token)) = device.receive(self.now) else {
                return false;
            };
            let mut sent = self.nothing_sent(None);
            rx.consume(|frame| {
                self.frame(frame, MeteredToken { token: Some(token), sent: &mut sent });
            });
            self.count_answer(&sent);
            if core::mem::take(&mut self.unread) {
                break;
            }
        }
        true
    }

    /// Looks at one frame, then gives it to smoltcp or drops it.
    pub(super) fn frame<T: TxToken>(&mut self, bytes: &[u8], transmit: MeteredToken<'_, '_, T>) {
        let counters = &mut self.counters;
        counters.frames_in = counters.frames_in.wrapping_add(1);
        counters.bytes_in = counters.bytes_in.wrapping_add(bytes.len() as Count);
        if repair::is_needed(bytes, self.medium) {
            self.repaired_frame(bytes, transmit);
        } else {
            self.plain_frame(bytes, None, transmit);
        }
    }

    /// A frame that smoltcp can read; `before` is what it was before that.
    pub(super) fn plain_frame<T: TxToken>(
        &mut self,
        bytes: &[u8],
        before: Option<&Before<'_>>,
        transmit: MeteredToken<'_, '_, T>,
    ) {
        // Looked at where it was made: it is large.
        let mut frame = Frame::parse(bytes, self.medium);
        let Some(frame) = &mut frame else { return };
        if let Some(link) = frame.link {
            let to_one = link.destination.is_unicast();
            // Nobody is a group: who answered would answer everybody (RFC 1122 3.3.6).
            if !link.source.is_unicast() {
                self.drop_malformed();
                return;
            }
            if !to_one && self.is_own_mac(link.source) {
                self.own_frame();
            }
            if to_one && !self.is_own_mac(link.destination) {
                self.drop_not_ours();
                return;
            }
        }
        match (&mut frame.content, frame.link) {
            (Content::Packet(packet), link) => {
                let bytes = packet.bytes;
                if let Some(before) = before {
                    (packet.bytes, packet.named_at) = (before.packet, before.named_at);
                }
                self.packet(bytes, link, packet, before.and_then(Before::problem), transmit);
            }
            (Content::Discovery(received), Some(link))
                if before.is_none_or(Before::may_be_discovery) =>
            {
                self.discover(received, link, transmit.token);
            }
            #[cfg(feature = "slaac")]
            (Content::Advertisement(advertisement), Some(_))
                if before.is_none_or(Before::may_be_discovery) =>
            {
                self.take_advertisement(advertisement);
            }
            #[cfg(all(feature = "redirects", feature = "ipv6"))]
            (Content::Redirect(redirect), Some(link))
                if before.is_none_or(Before::may_be_discovery) && link.destination.is_unicast() =>
            {
                self.take_redirect(redirect, link.source);
            }
            #[cfg(feature = "slaac")]
            (Content::Advertisement(_), _) => self.drop_discovery(),
            #[cfg(all(feature = "redirects", feature = "ipv6"))]
            (Content::Redirect(_), _) => self.drop_discovery(),
            (Content::Discovery(_) | Content::OtherDiscovery, _) => self.drop_discovery(),
            (Content::Fragment, _) => {
                let dropped = &mut self.counters.fragments_dropped;
                *dropped = dropped.wrapping_add(1);
            }
            (Content::Other, _) => {}
        }
    }

    pub(super) fn drop_discovery(&mut self) {
        self.counters.discovery_dropped = self.counters.discovery_dropped.wrapping_add(1);
    }

    fn drop_not_ours(&mut self) {
        self.counters.not_ours_dropped = self.counters.not_ours_dropped.wrapping_add(1);
    }

    pub(super) fn drop_malformed(&mut self) {
        self.counters.malformed_dropped = self.counters.malformed_dropped.wrapping_add(1);
    }

    /// Looks at an IP packet. Never inlined: the packet would be taken to pieces first.
    #[inline(never)]
    pub(super) fn packet<T: TxToken>(
        &mut self,
        bytes: &[u8],
        link: Option<Link>,
        packet: &Packet<'_>,
        problem: Option<Problem>,
        transmit: MeteredToken<'_, '_, T>,
    ) {
        if !self.is_clean(packet) {
            return;
        }
        let datagram = packet.protocol == IpProtocol::Udp;
        #[cfg(feature = "dhcp")]
        if datagram && problem.is_none() && self.is_from_server(packet) {
            self.take_answer(packet);
            return;
        }
        transmit.sent.to = link.map(|link| link.source);
        let to_us = link.is_none_or(|link| link.destination.is_unicast());
        let ours = to_us && self.is_own(&packet.destination);
        if let Some(Problem { error, to_all }) = problem {
            let told = ours || (to_all && self.is_for_many(&packet.destination));
            #[cfg(feature = "ipv6")]
            let told = told && !extension::is_error(packet.bytes);
            self.refuse(link, packet, told, error, transmit);
            return;
        }
        #[cfg(feature = "mdns")]
        if datagram && self.is_for_mdns(packet, ours) {
            self.take_mdns(packet, link, transmit);
            return;
        }
        let transport = datagram || packet.protocol == IpProtocol::Tcp;
        let icmp = packet.is_icmp();
        #[cfg(all(feature = "ipv6", not(feature = "multicast")))]
        if icmp {
            self.hear_query(packet);
        }
        let others = if icmp {
            !self.is_for_many(&packet.destination)
        } else {
            transport && !self.is_for_added(packet)
        };
        if others && !ours {
            self.drop_not_ours();
            return;
        }
        #[cfg(feature = "multicast")]
        self.reports.hear(packet, self.now);
        // Before anything is learned of its sender.
        #[cfg(feature = "redirects")]
        if let (true, IpProtocol::Icmp, Some(link)) = (ours, packet.protocol, link) {
            self.icmp_redirect(packet, link.source);
        }
        // An echo request to everybody is answered too.
        if let (true, Some(link)) = (ours || icmp, link) {
            // RFC 1122 3.2.1.3: nobody else may send from our address. On a loopback we do.
            if self.is_own(&packet.source) && !self.is_own_mac(link.source) {
                self.drop_not_ours();
                return;
            }
            transmit.sent.to = self.hear(packet, link.source);
        }
        #[cfg(feature = "dns")]
        if datagram && ours && self.take_name(packet) {
            return;
        }
        #[cfg(feature = "sntp")]
        if datagram && ours && self.is_for_clock(packet) {
            self.take_time(packet);
            return;
        }
        match &Segment::parse(packet) {
            Some(segment)
                if options::are_broken(segment) || options::is_more_than_reset(segment) =>
            {
                self.segment_without_broken(bytes, link, segment, transmit);
            }
            Some(segment) => self.segment(bytes, link, segment, transmit),
            None => match packet.protocol {
                IpProtocol::Tcp | IpProtocol::Ipv6NoNxt => self.drop_malformed(),
                #[cfg(feature = "multicast")]
                IpProtocol::Igmp if matches!(packet.source, IpAddress::Ipv4(_)) => {
                    self.pass(Recipient::Others, bytes, transmit);
                }
                _ if icmp => {
                    if ours {
                        self.icmp_error(packet);
                    }
                    // A long answer that cannot leave has no room to be written.
                    if !transmit.sent.is_lost() || bytes.len() <= FRAME_SIZE - ETHERNET_HEADER {
                        self.pass(Recipient::Others, bytes, transmit);
                    }
                }
                _ => self.offer(bytes, link, packet, ours, transmit),
            },
        }
    }

    /// Takes in a segment without what is broken of its options. Never inlined: nothing else needs its copy on the call
    /// stack.
    #[inline(never)]
    fn segment_without_broken<T: TxToken>(
        &mut self,
        bytes: &[u8],
        link: Option<Link>,
        segment: &Segment<'_>,
        transmit: MeteredToken<'_, '_, T>,
    ) {
        let mut buffer = [0; FRAME_SIZE];
        let sound = segment.is_sound(self.capabilities.checksum.tcp.rx());
        let mended = options::without_broken(segment, bytes, &mut buffer).filter(|_| sound);
        match (mended, mended.and_then(|bytes| Content::parse(bytes).segment())) {
            (Some(bytes), Some(segment)) => self.segment(bytes, link, &segment, transmit),
            _ => self.drop_malformed(),
        }
    }

    /// Whom a segment is for, and what is to be noted of it.
    fn segment<T: TxToken>(
        &mut self,
        bytes: &[u8],
        link: Option<Link>,
        segment: &Segment<'_>,
        transmit: MeteredToken<'_, '_, T>,
    ) {
        let ends = segment.received_on();
        let known = if segment.rst {
            self.backlog.take_back(&ends, segment.seq);
            self.pool.find(&ends)
        } else if segment.is_request() {
            let (seq, counters) = (segment.seq, &mut self.counters);
            let request = self.pool.request(&ends, seq, SYN_RECEIVED_EVICT, counters);
            let flood = request == Request::Drop && self.backlog.floods(self.now);
            #[cfg(feature = "syn-cookies")]
            if flood && self.pool.yields(ends.local.port) {
                self.answer_with_cookie(segment, transmit);
                return;
            }
            // Who answers within the time of a few more requests gets in.
            #[cfg(not(feature = "syn-cookies"))]
            let request = if flood {
                self.pool.request(&ends, seq, Duration::ZERO, counters)
            } else {
                request
            };
            match request {
                // Two ends that open towards each other at once (RFC 9293 3.5).
                Request::Pass => self.pool.find(&ends),
                Request::Armed(index, last) => {
                    self.backlog.forget(&ends);
                    #[cfg(feature = "syn-cookies")]
                    let isn = self.isn_of(segment, &ends, last);
                    #[cfg(not(feature = "syn-cookies"))]
                    let isn = self.secret.isn(&ends, self.now, last);
                    self.deliver_request(index, isn, bytes, link, segment, transmit);
                    self.pool.progress(&mut self.counters);
                    return;
                }
                Request::Drop => {
                    self.put_off(segment);
                    return;
                }
            }
        } else {
            self.pool.find(&ends).filter(|&index| {
                let (tcb, socket) = (&self.pool.slots[index].tcb, self.pool.socket(index));
                !is_stray(tcb, segment, socket.state())
            })
        };
        #[cfg(feature = "syn-cookies")]
        let known = known.filter(|&index| !self.may_have_other_cookie(index, segment));
        if let Some(index) = known {
            self.deliver(index, bytes, link, segment, transmit);
        } else {
            #[cfg(feature = "syn-cookies")]
            if self.may_have_cookie(segment) {
                self.redeem(bytes, link, segment, transmit);
                return;
            }
            if segment.ack.is_some() || segment.syn || segment.rst {
                self.pass(Recipient::Nobody, bytes, transmit);
            } else {
                self.reset_without_ack(segment, transmit);
            }
        }
        if self.pool.shaking() {
            self.pool.progress(&mut self.counters);
        }
    }

    /// Remembers a connection request that finds no slot, and drops it in silence.
    #[inline(never)]
    pub(super) fn put_off(&mut self, syn: &Segment<'_>) {
        let held = Held::read(syn, self.now, &self.capabilities.checksum);
        let room = held.is_some_and(|held| self.backlog.hold(held));
        let (unanswered, dropped) =
            (&mut self.counters.syn_unanswered, &mut self.counters.syn_dropped);
        *unanswered = unanswered.wrapping_add(1);
        *dropped = dropped.wrapping_add(Count::from(!room));
    }
}
