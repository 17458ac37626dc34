//! What smoltcp sends of the user's own sockets, and of groups: where it goes is known only once it is written.
//!
//! So it is written aside, and leaves if the way is known. Else it waits for that, one packet at a time, the latest
//! (RFC 1122 2.3.2.2). Cost: the room for it; and two frames on the call stack, only with sockets of the user's own or groups.

use smoltcp::iface::PollResult;
use smoltcp::phy::{Device, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, IpCidr};

use super::NetStack;
use crate::ethernet::EthernetAddress;
use crate::frame::{Content, ETHERNET_HEADER, Link, ethertype_of, put_link};
use crate::limits::{DATAGRAM_WAIT, HELD_SIZE};
use crate::time::sooner;
use crate::workaround::replay::Draft;

use super::transmit::Metered;

/// A packet that waits for its neighbour's MAC address.
#[derive(Debug)]
pub(super) struct Held {
    bytes: heapless::Vec<u8, HELD_SIZE>,
    /// It was longer, and is lost: its neighbour is asked for, so that the next one is not.
    cut: bool,
    since: Instant,
}

impl Held {
    pub(super) const NOTHING: Self =
        Self { bytes: heapless::Vec::new(), cut: false, since: Instant::ZERO };

    /// Where it goes.
    pub(super) fn target(&self) -> Option<IpAddress> {
        Content::destination(&self.bytes)
    }
}

impl NetStack<'_> {
    /// Notes that something is to be sent to whom a packet waits for.
    pub(super) fn want_held(&mut self) {
        if let Some(target) = self.held.target() {
            self.want(&target);
        }
    }

    /// Makes `next` no later than when one has waited long enough.
    pub(super) fn held_at(&self, next: &mut Option<Instant>) {
        if !self.held.bytes.is_empty() {
            sooner(next, self.held.since + DATAGRAM_WAIT);
        }
    }

    /// Lets the sockets of the user's own send, each a packet, or on Ethernet one of them. Returns whether there may be
    /// more; `None`: the device refused.
    #[inline(never)]
    pub(super) fn send_others<D: Device + ?Sized>(&mut self, device: &mut D) -> Option<bool> {
        if self.mac().is_some() {
            return self.send_aside(device);
        }
        let sent = self.nothing_sent(None);
        let mut metered = Metered { device, sent };
        let result = self.interface.poll_egress(self.now, &mut metered, &mut self.others);
        self.counters.count_sent(&metered.sent);
        (!metered.sent.refused).then_some(result != PollResult::None)
    }

    #[inline(never)]
    fn send_aside<D: Device + ?Sized>(&mut self, device: &mut D) -> Option<bool> {
        if let Some(target) = self.held.target() {
            let way = self.way_out(&target);
            if self.held.cut && way.is_some() {
                self.held.bytes.clear();
            } else if let Some(to) = way {
                let Some(token) = device.transmit(self.now) else {
                    self.counters.count(0, 0, 0, true);
                    return None;
                };
                let bytes = core::mem::take(&mut self.held.bytes);
                self.send_packet(token, to, &bytes);
            } else if self.now >= self.held.since + DATAGRAM_WAIT {
                self.forget_held();
            }
        }
        let mut draft = Draft::EMPTY;
        let mut sent = self.nothing_sent(None);
        sent.draft = Some(&mut draft);
        let mut metered = Metered { device: &mut *device, sent };
        let result = self.interface.poll_egress(self.now, &mut metered, &mut self.others);
        let refused = metered.sent.refused;
        self.counters.count(0, 0, 0, refused);
        if refused {
            return None;
        }
        let packet = draft.written();
        let Some(target) = Content::destination(packet) else {
            return Some(result != PollResult::None);
        };
        // There was room for it a moment ago.
        match self.way_out(&target).zip(device.transmit(self.now)) {
            Some((to, token)) => self.send_packet(token, to, packet),
            None => self.hold(packet),
        }
        Some(true)
    }

    /// Where a packet goes that may be for everybody.
    fn way_out(&mut self, target: &IpAddress) -> Option<EthernetAddress> {
        let to_all = |cidr: &IpCidr| {
            #[allow(irrefutable_let_patterns, reason = "without IPv6 there is no other kind")]
            let IpCidr::Ipv4(cidr) = cidr else { return false };
            cidr.broadcast().map(IpAddress::Ipv4) == Some(*target)
        };
        if target.is_broadcast() || self.interface.ip_addrs().iter().any(to_all) {
            return Some(EthernetAddress::BROADCAST);
        }
        self.way_to(target)
    }

    fn send_packet(&mut self, token: impl TxToken, destination: EthernetAddress, packet: &[u8]) {
        let Some(source) = self.mac() else { return };
        let len = ETHERNET_HEADER + packet.len();
        token.consume(len, |frame| {
            put_link(frame, Link { source, destination }, ethertype_of(packet));
            frame[ETHERNET_HEADER..].copy_from_slice(packet);
        });
        self.counters.count_frame(len);
    }

    /// Keeps a packet, or of a longer one where it goes, in the place of what waited before.
    fn hold(&mut self, packet: &[u8]) {
        self.forget_held();
        let kept = packet.len().min(HELD_SIZE);
        let _ = self.held.bytes.extend_from_slice(&packet[..kept]);
        (self.held.cut, self.held.since) = (kept < packet.len(), self.now);
        if self.held.cut {
            self.count_unsent();
        }
    }

    /// Drops what waits: it may be from an address that is no longer ours.
    pub(super) fn forget_held(&mut self) {
        if !self.held.bytes.is_empty() && !self.held.cut {
            self.count_unsent();
        }
        self.held.bytes.clear();
    }

    fn count_unsent(&mut self) {
        self.counters.datagrams_unsent = self.counters.datagrams_unsent.wrapping_add(1);
    }
}
