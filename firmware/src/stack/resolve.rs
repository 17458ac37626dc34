//! Next hops and their MAC addresses: the stack's side of [`crate::neighbors`], and conflicts over our own addresses.

use smoltcp::phy::{Device, TxToken};
use smoltcp::socket::tcp::State;
use smoltcp::time::Instant;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, IpAddress, IpCidr, IpVersion, Ipv4Address, Ipv4Cidr, Ipv4Packet,
};

use super::{NetStack, To};
use crate::config::{DEFEND_INTERVAL, ECHO_WINDOW};
use crate::crafted::Crafted;
use crate::egress::{MeteredToken, Sent};
use crate::listener::Phase;
use crate::neighbors::{Kind, Message, Received, Source};
use crate::netstat::Count;

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

/// smoltcp's next hop to what is outside `net`: the gateway, or if that is outside too, our own address. smoltcp takes
/// in nobody's MAC address from outside, and has no other use for one of ours.
pub(super) fn default_route(net: Ipv4Cidr, gateway: Ipv4Address) -> Ipv4Address {
    if net.contains_addr(&gateway) { gateway } else { net.address() }
}

/// What is noticed of others that use our addresses, and what is told of them.
#[derive(Debug)]
pub(super) struct Identity {
    /// Our addresses are to be announced at this moment (RFC 5227 2.3, RFC 4862 5.4).
    announce_at: Option<Instant>,
    /// When we last sent a frame to everybody.
    spoken: Option<Instant>,
    /// The conflict seen last, since when, and whether more than once.
    conflict: Option<(Instant, Conflict, bool)>,
}

impl Identity {
    /// Not announced yet.
    pub(super) const fn new(now: Instant) -> Self {
        Self { announce_at: Some(now), spoken: None, conflict: None }
    }
}

impl NetStack<'_> {
    /// The conflict over one of our addresses that was noticed last (RFC 5227 2.4), and when.
    #[must_use]
    pub fn conflict(&self) -> Option<(Instant, Conflict)> {
        let (since, conflict, certain) = self.identity.conflict?;
        certain.then_some((since, conflict))
    }

    /// Whether `address` is one of ours.
    pub(super) fn is_own(&self, address: IpAddress) -> bool {
        self.interface.ip_addrs().iter().any(|cidr| cidr.address() == address)
    }

    /// Our address on the same link as `address`.
    fn own_beside(&self, address: IpAddress) -> Option<IpAddress> {
        let mut own = self.interface.ip_addrs().iter();
        own.find(|cidr| cidr.contains_addr(&address)).map(IpCidr::address)
    }

    /// Whom a packet to `address` is handed to: itself on our link, else the gateway.
    fn next_hop(&self, address: IpAddress) -> Option<IpAddress> {
        if self.own_beside(address).is_some() {
            return Some(address);
        }
        self.gateway.filter(|_| matches!(address, IpAddress::Ipv4(_))).map(IpAddress::Ipv4)
    }

    /// Learns from a packet from `source` who its sender is, so that it can be answered, and tells smoltcp.
    pub(super) fn hear<T: TxToken>(&mut self, source: IpAddress, ethernet: &EthernetFrame<&[u8]>) {
        let mac = ethernet.src_addr();
        if mac == self.mac && !self.is_own(source) {
            // Of our own making.
            return;
        }
        let Some(hop) = self.next_hop(source) else { return };
        let told = self.neighbors.hear(hop, mac, self.now).unwrap_or_else(|| {
            let sound = match Ipv4Packet::new_checked(ethernet.payload()) {
                Ok(ip) if source.version() == IpVersion::Ipv4 => {
                    !self.capabilities.checksum.ipv4.rx() || ip.verify_checksum()
                }
                // IPv6 has no checksum of its own.
                _ => true,
            };
            let sender = mac.is_unicast() && source.is_unicast();
            !(sound && sender && self.neighbors.learn(hop, mac, Source::Packet, self.now))
        });
        if !told {
            self.tell::<T>(Some(hop));
        }
    }

    /// Tells smoltcp of one neighbour, or of all that are known, with answers of our own making.
    #[inline(never)]
    fn tell<T: TxToken>(&mut self, only: Option<IpAddress>) {
        if self.neighbors.forget_told() {
            // The only way to empty smoltcp's cache.
            self.interface.update_ip_addrs(|_| {});
        }
        while let Some((address, mac)) = self.neighbors.tell(only, self.now) {
            // To smoltcp, a gateway outside our prefix has our own address; see `default_route`.
            let beside = self.own_beside(address).map(|own| (address, own));
            let own = self.ipv4().map(IpAddress::Ipv4);
            let Some((owner, target)) = beside.or(own.zip(own)) else { continue };
            let answer = Message { kind: Kind::Answer, mac, owner, target, to: self.mac };
            let answer = Crafted::message(&answer);
            let mut sent = Sent::answers();
            let swallow = MeteredToken::<'_, '_, T> { token: None, sent: &mut sent };
            self.show(To::Others, answer.bytes(), swallow);
        }
    }

    /// Notes that the peer of a packet from `source` has received what was sent to it.
    pub(super) fn reached(&mut self, source: IpAddress, mac: EthernetAddress) {
        if let Some(hop) = self.next_hop(source) {
            self.neighbors.confirm(hop, mac);
        }
    }

    /// Takes in a question for a MAC address, or the answer to one.
    #[inline(never)]
    pub(super) fn discover<T: TxToken>(
        &mut self,
        received: &Received,
        sender: EthernetAddress,
        transmit: MeteredToken<'_, '_, T>,
    ) {
        let Received { kind, owner, mac, target, weak } = *received;
        let asked = kind == Kind::Question && self.is_own(target);
        if self.is_own(owner) && mac != self.mac {
            self.conflicts(Conflict { address: Some(owner), mac });
        } else if owner.is_unicast() && self.next_hop(owner) == Some(owner) {
            let source = match kind {
                Kind::Question if asked => Source::Question,
                Kind::Answer if weak => Source::WeakAnswer,
                // Of one whose two sender addresses differ, a bit may have flipped on the way.
                _ if mac == sender => Source::Answer,
                _ => Source::WeakAnswer,
            };
            self.neighbors.learn(owner, mac, source, self.now);
        }
        if asked {
            let answer = Message {
                kind: Kind::Answer,
                mac: self.mac,
                owner: target,
                target: owner,
                to: mac,
            };
            transmit.consume(answer.len(), |buffer| answer.emit(buffer));
        }
    }

    /// A frame to everybody that has our own MAC address for its sender.
    pub(super) fn own_frame(&mut self) {
        let echo = self.identity.spoken.is_some_and(|at| self.now < at + ECHO_WINDOW);
        if !echo {
            self.conflicts(Conflict { address: None, mac: self.mac });
        }
    }

    /// Counts a sign of a conflict, and announces our addresses again a little later: the other side notices it too, and
    /// answers. That makes it certain, and it is reported. One sign alone may be a bit that flipped on the way, for ARP
    /// has no checksum.
    #[inline(never)]
    fn conflicts(&mut self, conflict: Conflict) {
        self.counters.address_conflicts = self.counters.address_conflicts.wrapping_add(1);
        let recent = self.identity.conflict.filter(|(at, ..)| self.now < *at + DEFEND_INTERVAL);
        if recent.is_some_and(|(.., certain)| certain) {
            return;
        }
        let since = recent.map_or(self.now, |(since, ..)| since);
        self.identity.conflict = Some((since, conflict, recent.is_some()));
        if recent.is_some() {
            log::warn!("address conflict: {conflict}; give each board addresses of its own");
        }
        self.identity.announce_at.get_or_insert(self.now + ECHO_WINDOW * 2);
    }

    /// Announces our addresses with the next egress.
    pub(super) fn announce(&mut self) {
        self.identity.announce_at = Some(self.now);
    }

    /// Finds out whom the stack has something to send to, and tells smoltcp of all it knows.
    pub(super) fn look_up<D: Device + ?Sized>(&mut self) {
        for index in self.pool.used() {
            if self.pool.slots[index].phase == Phase::Free {
                continue;
            }
            let socket = self.pool.socket(index, &self.set);
            let sends = match socket.state() {
                State::Listen | State::TimeWait | State::FinWait2 => false,
                State::Established | State::CloseWait => socket.send_queue() > 0,
                _ => true,
            };
            if let (true, Some(remote)) = (sends, socket.remote_endpoint()) {
                self.want(remote.addr);
            }
        }
        let queued = if self.udp_queued { self.udp_used } else { 0 };
        for index in 0..queued {
            if let Some(target) = self.udp_target(index) {
                self.want(target);
            }
        }
        self.tell::<D::TxToken<'_>>(None);
    }

    /// Notes that something is to be sent to `address` in this poll.
    pub(super) fn want(&mut self, address: IpAddress) {
        if let Some(hop) = self.next_hop(address) {
            self.neighbors.want(hop, self.now);
        }
    }

    /// Asks for those who are to be asked for now, and announces ourselves. Says whether the device refused.
    #[inline(never)]
    pub(super) fn ask<D: Device + ?Sized>(&mut self, device: &mut D) -> bool {
        let mac = self.mac;
        let question =
            |owner, target| Message { kind: Kind::Question, mac, owner, target, to: mac };
        if self.identity.announce_at.is_some_and(|at| at <= self.now) {
            for index in 0..self.interface.ip_addrs().len() {
                let own = self.interface.ip_addrs()[index].address();
                let owner = match own {
                    IpAddress::Ipv4(_) => own,
                    #[cfg(feature = "ipv6")]
                    IpAddress::Ipv6(_) => smoltcp::wire::Ipv6Address::UNSPECIFIED.into(),
                    #[allow(unreachable_patterns)]
                    _ => continue,
                };
                if !self.send(device, &question(owner, own)) {
                    return true;
                }
            }
            self.identity.announce_at = None;
        }
        while self.neighbors.ask_at(self.now).is_some_and(|at| at <= self.now) {
            // Room first: what is taken for asked is asked.
            let Some(token) = device.transmit(self.now) else { return true };
            let Some(hop) = self.neighbors.ask(self.now) else { return false };
            let own = self.own_beside(hop).or(self.ipv4().map(IpAddress::Ipv4));
            let Some(own) = own else { continue };
            self.transmit(token, &question(own, hop));
        }
        false
    }

    fn send<D: Device + ?Sized>(&mut self, device: &mut D, message: &Message) -> bool {
        let Some(token) = device.transmit(self.now) else { return false };
        self.transmit(token, message);
        true
    }

    fn transmit(&mut self, token: impl TxToken, message: &Message) {
        let len = message.len();
        token.consume(len, |buffer| message.emit(buffer));
        let counters = &mut self.counters;
        counters.frames_out = counters.frames_out.wrapping_add(1);
        counters.bytes_out = counters.bytes_out.wrapping_add(len as Count);
        self.identity.spoken = Some(self.now);
    }

    /// When [`NetStack::ask`] has something to do.
    pub(super) fn ask_at(&self) -> Option<Instant> {
        crate::moment::earliest(self.neighbors.ask_at(self.now), self.identity.announce_at)
    }
}
