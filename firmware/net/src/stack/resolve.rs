//! Next hops and their MAC addresses: the stack's side of [`crate::neighbors`], and conflicts over our own addresses.

use crate::ethernet::EthernetAddress;
use smoltcp::phy::{Device, TxToken};
use smoltcp::socket::tcp::State;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpAddress, Ipv4Address};

use super::NetStack;
use crate::fmt::warning;
use crate::frame::discovery::{Kind, Message, Received};
use crate::frame::{Link, Packet, group_mac, same};
use crate::limits::{
    ANNOUNCE_INTERVAL_MS, ANNOUNCE_REPEATS, DEFEND_INTERVAL, DEFEND_WAIT, ECHO_WINDOW,
};
use crate::neighbors::Source;
use crate::planted::{Fault, is_planted};
use crate::tcp::Phase;
use crate::time::sooner;

/// Somebody else on the network uses an address of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The address, or `None` if it is our MAC address.
    pub address: Option<IpAddress>,
    /// Who else uses it.
    pub mac: EthernetAddress,
}

impl core::fmt::Display for Conflict {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { address, mac } = self;
        match address {
            Some(address) => write!(f, "{address} is also used by {mac}"),
            None => write!(f, "{mac} is also used by another board, or the network has a loop"),
        }
    }
}

/// What is noticed of others that use our addresses, and what is told of them.
#[derive(Debug)]
pub(super) struct Identity {
    /// Our addresses are to be announced at this moment (RFC 5227 2.3, RFC 4862 5.4), from this message on.
    announce: Option<(Instant, usize)>,
    /// How often they may be announced anew because what looked like an echo of that came in: two boards of one MAC
    /// address that boot at the same moment hear just that of each other.
    repeats: u8,
    /// When we last sent a frame to everybody.
    spoken: Option<Instant>,
    /// A conflict of which there was one sign, and when.
    suspected: Option<(Instant, Conflict)>,
    /// The conflict that was reported last, and when it was noticed.
    reported: Option<(Instant, Conflict)>,
    /// When our addresses were last announced because of a conflict, or long before.
    defended: Instant,
}

impl Identity {
    /// Not announced yet.
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            announce: Some((now, 0)),
            repeats: ANNOUNCE_REPEATS,
            spoken: None,
            suspected: None,
            reported: None,
            defended: Instant::from_micros_const(i64::MIN / 2),
        }
    }
}

impl Identity {
    /// Notes a conflict that is certain at once.
    #[cfg(feature = "slaac")]
    pub(super) const fn report(&mut self, conflict: Conflict, now: Instant) {
        self.reported = Some((now, conflict));
    }
}

impl NetStack<'_> {
    /// The conflict over one of our addresses that was noticed last (RFC 5227 2.4), and when.
    #[must_use]
    pub fn conflict(&self) -> Option<(Instant, Conflict)> {
        self.identity.reported
    }

    /// Learns from a packet who its sender is. Returns where an answer goes: to where its sender is known to be, or else to
    /// who sent it. `None`: no route leads there.
    pub(super) fn hear(
        &mut self,
        packet: &Packet<'_>,
        mac: EthernetAddress,
    ) -> Option<EthernetAddress> {
        let source = &packet.source;
        if self.is_own_mac(mac) && !self.is_own(source) {
            // Of our own making.
            return Some(mac);
        }
        let hop = self.next_hop(source)?;
        let routed = !same(&hop, source);
        // Who answers need not do so by the same way.
        #[cfg(feature = "redirects")]
        let routed = routed || self.redirects.hop(source).is_some();
        if self.neighbors.hear(&hop, mac, routed, self.now) {
            return Some(mac);
        }
        let sound = packet.is_sound(self.capabilities.checksum.ipv4.rx());
        if sound && mac.is_unicast() && source.is_unicast() {
            let learned = if routed { Source::Routed } else { Source::Packet };
            self.neighbors.learn(&hop, mac, learned, self.now);
            #[cfg(feature = "ipv6")]
            self.neighbors.spoke_to(&hop, is_link_local(&packet.destination));
        }
        self.neighbors.mac(&hop).or(Some(mac))
    }

    /// Where a packet to `address` goes on the link, as far as is known. On a medium without MAC addresses any will do.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn way_to(&mut self, address: &IpAddress) -> Option<EthernetAddress> {
        if self.mac().is_none() {
            return Some(EthernetAddress::BROADCAST);
        }
        if let Some(group) = group_mac(address) {
            return Some(group);
        }
        let hop = self.next_hop(address)?;
        self.neighbors.mac(&hop)
    }

    /// Whether packets may be handed to `address`.
    fn is_next_hop(&self, address: &IpAddress) -> bool {
        #[cfg(feature = "redirects")]
        if self.redirects.is_hop(address) {
            return true;
        }
        self.is_neighbor(address)
    }

    /// Notes that the peer of a packet from `source` has received what was sent to it.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn reached(&mut self, source: &IpAddress, mac: EthernetAddress) {
        if self.is_neighbor(source) {
            self.neighbors.confirm(source, mac);
        }
    }

    /// Takes in a question for a MAC address, or the answer to one.
    #[inline(never)]
    pub(super) fn discover<T: TxToken>(
        &mut self,
        received: &Received,
        link: Link,
        token: Option<T>,
    ) {
        let &Received { kind, ref owner, mac, ref target, weak } = received;
        let Some(own) = self.mac() else { return };
        #[cfg(feature = "dhcp")]
        self.hear_of_candidate(received);
        #[cfg(feature = "slaac")]
        self.hear_of_tentative(received);
        let asked = kind == Kind::Question && self.is_own(target);
        if self.is_own(owner) && mac != own {
            // Nobody else has been told, who would have to be told otherwise at once.
            let wait = if link.destination.is_unicast() { DEFEND_WAIT } else { ECHO_WINDOW * 2 };
            self.conflicts(&Conflict { address: Some(*owner), mac }, wait);
        } else if owner.is_unicast() && self.is_next_hop(owner) {
            let source = match kind {
                // Of one whose two sender addresses differ, a bit may have flipped on the way.
                _ if mac != link.source => Source::WeakAnswer,
                Kind::Question if asked => Source::Question,
                Kind::Answer if weak => Source::WeakAnswer,
                _ => Source::Answer,
            };
            self.neighbors.learn(owner, mac, source, self.now);
        }
        // To ourselves, on a loopback, the question was answer enough.
        if asked && mac != own && !is_planted(Fault::QuestionUnanswered) {
            let answer =
                Message { kind: Kind::Answer, mac: own, owner: *target, target: *owner, to: mac };
            if let Some(token) = token {
                self.transmit(token, &answer);
            }
            if owner.is_unspecified() {
                self.identity.spoken = Some(self.now);
            }
        }
    }

    /// A frame to everybody that has our own MAC address for its sender.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn own_frame(&mut self) {
        let echo = self.identity.spoken.is_some_and(|at| self.now < at + ECHO_WINDOW);
        if !echo {
            let Some(mac) = self.mac() else { return };
            self.conflicts(&Conflict { address: None, mac }, ECHO_WINDOW * 2);
        } else if self.identity.repeats > 0 && self.identity.announce.is_none() {
            let wait = ANNOUNCE_INTERVAL_MS + self.rng.below(ANNOUNCE_INTERVAL_MS);
            self.identity.announce = Some((self.now + Duration::from_millis(wait.into()), 0));
            self.identity.repeats -= 1;
        }
    }

    /// Counts a sign of a conflict, and announces our addresses again a little later: the other side notices it too, and
    /// answers. That makes it certain, and it is reported. One sign alone may be a bit that flipped on the way, for ARP
    /// has no checksum.
    #[inline(never)]
    fn conflicts(&mut self, conflict: &Conflict, wait: Duration) {
        self.counters.address_conflicts = self.counters.address_conflicts.wrapping_add(1);
        let identity = &mut self.identity;
        if identity.reported.is_some() && self.now < identity.defended + DEFEND_INTERVAL {
            return;
        }
        let is = |(_, known): &(Instant, Conflict)| known == conflict;
        let mut news = false;
        if !identity.reported.as_ref().is_some_and(is) {
            match identity.suspected.take().filter(is) {
                Some(suspected) => {
                    (identity.reported, news) = (Some(suspected), true);
                    warning!(
                        "address conflict: {}; give each board addresses of its own",
                        conflict
                    );
                }
                None => identity.suspected = Some((self.now, *conflict)),
            }
        }
        if news || self.now >= identity.defended + DEFEND_INTERVAL {
            identity.defended = self.now;
            // Not together with one that is due any moment: the other side may take that for an echo of its own.
            identity.announce = Some((self.now + wait, 0));
        }
        #[cfg(feature = "dhcp")]
        if news {
            self.give_way(conflict);
        }
        #[cfg(feature = "slaac")]
        if news {
            self.give_way_slaac(conflict);
        }
    }

    /// Notes that a frame to everybody leaves: what comes back of it is no conflict.
    #[cfg(any(feature = "dhcp", feature = "slaac", feature = "_datagram"))]
    pub(super) fn spoke(&mut self) {
        self.identity.spoken = Some(self.now);
    }

    /// Nobody else is known to have the address that is ours from now on.
    #[cfg(feature = "dhcp")]
    pub(super) fn forget_conflict(&mut self) {
        (self.identity.suspected, self.identity.reported) = (None, None);
    }

    /// Announces our addresses with the next egress.
    pub(super) fn announce(&mut self) {
        self.identity.announce = Some((self.now, 0));
        self.identity.repeats = ANNOUNCE_REPEATS;
    }

    /// Finds out whom the stack has something to send to.
    pub(super) fn look_up(&mut self) {
        for index in self.pool.used() {
            if self.pool.slots[index].phase == Phase::Free {
                continue;
            }
            let socket = self.pool.socket(index);
            // Who is silent is probed sooner or later.
            let sends = !matches!(socket.state(), State::Listen | State::TimeWait);
            if let (true, Some(remote)) = (sends, socket.remote_endpoint()) {
                self.want(&remote.addr);
            }
        }
        #[cfg(feature = "dhcp")]
        self.want_server();
        #[cfg(feature = "dns")]
        self.want_name_servers();
        #[cfg(feature = "sntp")]
        self.want_clock();
        let queued = if self.udp_queued { self.udp_used } else { 0 };
        for index in 0..queued {
            if let Some(target) = self.udp_target(index) {
                self.want(&target);
            }
        }
        self.want_held();
        #[cfg(feature = "redirects")]
        self.want_redirects();
    }

    /// Notes that something is to be sent to `address` in this poll.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn want(&mut self, address: &IpAddress) {
        if let Some(hop) = self.next_hop(address) {
            self.neighbors.want(&hop, self.now);
        }
    }

    /// Announces ourselves, and asks for those who are to be asked for now. Says whether the device refused.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn discovery_egress<D: Device + ?Sized>(&mut self, device: &mut D) -> bool {
        #[cfg(feature = "dns")]
        if self.dns_egress(device) {
            return true;
        }
        #[cfg(feature = "mdns")]
        if self.mdns_egress(device) {
            return true;
        }
        #[cfg(feature = "sntp")]
        if self.sntp_egress(device) {
            return true;
        }
        let Some(mac) = self.mac() else { return false };
        #[cfg(feature = "dhcp")]
        if self.dhcp_egress(device) {
            return true;
        }
        #[cfg(feature = "slaac")]
        if self.slaac_egress(device) {
            return true;
        }
        while let Some((_, index)) = self.identity.announce.filter(|(at, _)| *at <= self.now) {
            let Some(message) = self.announcement(mac, index) else {
                self.identity.announce = None;
                break;
            };
            let Some(token) = device.transmit(self.now) else { return true };
            self.transmit(token, &message);
            self.identity.spoken = Some(self.now);
            self.identity.announce = Some((self.now, index + 1));
        }
        #[cfg(all(feature = "ipv6", not(feature = "multicast")))]
        if self.report_egress(device) {
            return true;
        }
        while let Some(index) = self.neighbors.due(self.now) {
            // Room first: what is taken for asked is asked.
            let Some(token) = device.transmit(self.now) else { return true };
            let hop = self.neighbors.ask(index, self.now);
            // As whom it will have spoken to (RFC 4861 7.2.2).
            #[cfg(feature = "ipv6")]
            let beside = if self.neighbors.spoken_to(index) { &LINK_LOCAL } else { &hop };
            #[cfg(not(feature = "ipv6"))]
            let beside = &hop;
            let own = self.own_beside(beside);
            // Who is on the link only by a redirect is beside none.
            #[cfg(all(feature = "redirects", feature = "ipv6"))]
            let own = own.or_else(|| self.source_for(&hop));
            let own = own.or(self.ipv4().map(IpAddress::Ipv4));
            let Some(own) = own else { continue };
            self.transmit(token, &question(mac, &own, &hop));
            self.identity.spoken = Some(self.now);
        }
        false
    }

    /// What is to be said of our addresses, message by message: that the IPv4 address is ours, and a probe for each. Some
    /// who have the same address mind only one of the two (RFC 5227 2.1.1, 2.4).
    fn announcement(&self, mac: EthernetAddress, index: usize) -> Option<Message> {
        // Without an IPv4 address the first message is the first probe, twice.
        if let Some(own) = self.ipv4().filter(|_| index == 0) {
            let own = own.into();
            return Some(question(mac, &own, &own));
        }
        let own = self.interface.ip_addrs().get(index.saturating_sub(1))?.address();
        let nobody = match own {
            IpAddress::Ipv4(_) => Ipv4Address::UNSPECIFIED.into(),
            #[cfg(feature = "ipv6")]
            IpAddress::Ipv6(_) => smoltcp::wire::Ipv6Address::UNSPECIFIED.into(),
            #[allow(unreachable_patterns)]
            _ => return None,
        };
        Some(question(mac, &nobody, &own))
    }

    #[inline(never)]
    pub(super) fn transmit(&mut self, token: impl TxToken, message: &Message) {
        let len = message.len();
        token.consume(len, |buffer| message.emit(buffer));
        self.counters.count_frame(len);
    }

    /// Makes `next` no later than when [`NetStack::discovery_egress`] has something to do.
    pub(super) fn ask_at(&mut self, next: &mut Option<Instant>) {
        #[cfg(feature = "dns")]
        self.dns_at(next);
        #[cfg(feature = "mdns")]
        self.mdns_at(next);
        #[cfg(feature = "sntp")]
        self.sntp_at(next);
        if self.mac().is_none() {
            return;
        }
        #[cfg(feature = "dhcp")]
        self.dhcp_at(next);
        #[cfg(feature = "slaac")]
        self.slaac_at(next);
        self.neighbors.ask_at(next);
        #[cfg(all(feature = "ipv6", not(feature = "multicast")))]
        self.report_at(next);
        if let Some((at, _)) = self.identity.announce {
            sooner(next, at);
        }
    }
}

/// One of them.
#[cfg(feature = "ipv6")]
const LINK_LOCAL: IpAddress = IpAddress::v6(0xfe80, 0, 0, 0, 0, 0, 0, 0);

/// Whether an address is of one link alone (RFC 4291 2.5.6).
#[cfg(feature = "ipv6")]
const fn is_link_local(address: &IpAddress) -> bool {
    matches!(address, IpAddress::Ipv6(address) if address.is_unicast_link_local())
}

/// A question for `target`, by `owner` at `mac`.
#[inline(never)]
pub(super) const fn question(
    mac: EthernetAddress,
    owner: &IpAddress,
    target: &IpAddress,
) -> Message {
    Message { kind: Kind::Question, mac, owner: *owner, target: *target, to: mac }
}
