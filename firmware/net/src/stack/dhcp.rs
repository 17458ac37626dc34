//! The stack's side of [`crate::dhcp`]: what comes from servers, what goes to them, and which address that makes ours.

use crate::ethernet::EthernetAddress;
use smoltcp::phy::{Device, TxToken};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpAddress, IpEndpoint, Ipv4Address, Ipv4Cidr};

use super::datagram::Outgoing;
use super::resolve::question;
use super::{Conflict, NetConfig, NetStack};
use crate::dhcp::exchange::{Answer, Question};
use crate::dhcp::message::{self, Message};
use crate::dhcp::probe::Probe;
use crate::dhcp::{Candidate, Dhcp, Lease, Reboot, State, backoff};
use crate::frame::Packet;
use crate::frame::discovery::Received;
use crate::limits::{DHCP_ALONE, REBOOT_ASKS, RENEW_STALL, STALL_RETRY};
use crate::netstat::{Fact, Origin};
use crate::time::sooner;

/// The ports of servers and clients (RFC 2131 4.1).
const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;

/// In whose name a message is, and to whom it goes.
type Way = (Ipv4Address, Ipv4Address, EthernetAddress);
const EVERYBODY: Way =
    (Ipv4Address::UNSPECIFIED, Ipv4Address::BROADCAST, EthernetAddress::BROADCAST);

impl NetStack<'_> {
    /// The lease under which the address in use stands. `None`: there is no address yet, or it is not from a server.
    #[must_use]
    pub fn lease(&self) -> Option<&Lease> {
        let leased = self.config.dhcp() && self.config.ipv4().is_some();
        self.dhcp.lease.as_ref().filter(|_| leased && self.dhcp.origin == Origin::Dhcp)
    }

    /// Where the IPv4 address in use is from. `None`: there is none.
    #[must_use]
    pub fn ipv4_origin(&self) -> Option<Origin> {
        let origin = if self.config.dhcp() { self.dhcp.origin } else { Origin::Static };
        self.config.ipv4().map(|_| origin)
    }

    /// What there is to say of the lease.
    pub(super) fn lease_fact(&self) -> Option<Fact> {
        let lease = self.lease()?;
        let left = if lease.expires > self.now { lease.expires - self.now } else { Duration::ZERO };
        Some(Fact::Lease(lease.server.into(), left.secs()))
    }

    /// Whether DHCP is on, and the link is one that it is for.
    fn has_dhcp(&self) -> bool {
        self.config.dhcp() && self.mac().is_some()
    }

    /// The configuration that a user asks for, with the address that DHCP keeps or begins to look for.
    pub(super) fn adopt(&mut self, config: &NetConfig) -> NetConfig {
        if !config.dhcp() {
            return *config;
        }
        if !self.config.dhcp() {
            self.dhcp.start_afresh(self.now);
            return config.with_lease(None, None);
        }
        config.with_lease(self.config.ipv4(), self.config.ipv4_gateway())
    }

    /// The cable is in again, perhaps in another network: asks whether the lease still holds, and goes on with it
    /// meanwhile (RFC 2131 3.2, 4.4.2). Without one, begins anew.
    pub(super) fn dhcp_link_up(&mut self) {
        if self.lease().is_some() {
            self.dhcp.reboot = Some(Reboot { at: self.now, asked: 0 });
            self.dhcp.exchange.reboot = Some(self.rng.next_u64() as u32);
        } else {
            self.dhcp.start_afresh(self.now);
        }
    }

    /// Whether a packet is from a DHCP server to its clients.
    pub(super) fn is_from_server(&self, packet: &Packet<'_>) -> bool {
        self.has_dhcp() && packet.ports() == Some((SERVER_PORT, CLIENT_PORT))
    }

    /// Takes in what a server says.
    #[inline(never)]
    pub(super) fn take_answer(&mut self, packet: &Packet<'_>) {
        let Some(message) = self.open_datagram(packet) else { return };
        #[allow(irrefutable_let_patterns, reason = "without IPv6 there is no other kind")]
        let (IpAddress::Ipv4(from), Some(mac)) = (packet.source, self.mac()) else { return };
        let lease = self.dhcp.lease.as_ref();
        let mut granted = None;
        match self.dhcp.exchange.answer(message, from, mac, lease, &mut granted, self.now) {
            Answer::Ignore => {
                self.counters.not_ours_dropped = self.counters.not_ours_dropped.wrapping_add(1);
            }
            Answer::Offer => self.dhcp.offered(self.now),
            Answer::Lease => self.take(granted),
            Answer::Nak => {
                self.drop_address(Origin::Dhcp);
                self.dhcp.refused(self.now);
            }
        }
    }

    /// Takes a lease, or its renewal.
    fn take(&mut self, granted: Option<Lease>) {
        let Some(&Lease { address, router, renews, .. }) = granted.as_ref() else { return };
        let dhcp = &mut self.dhcp;
        let known = dhcp.lease.as_ref().map(|known| known.address.address());
        dhcp.lease = granted;
        dhcp.bound(renews, self.now);
        if dhcp.origin == Origin::Dhcp
            && self.config.ipv4().is_some_and(|own| own.address() == address.address())
        {
            if (self.config.ipv4(), self.config.ipv4_gateway()) != (Some(address), router) {
                self.settle(address, router, Origin::Dhcp);
            }
            return;
        }
        match &mut dhcp.candidate {
            Some(candidate)
                if candidate.origin == Origin::Dhcp && known == Some(address.address()) =>
            {
                candidate.address = address;
            }
            _ => {
                // There is one lease at a time.
                self.drop_address(Origin::Dhcp);
                self.try_out(address, Origin::Dhcp);
            }
        }
    }

    /// Begins to find out whether an address is free.
    #[inline(never)]
    fn try_out(&mut self, address: Ipv4Cidr, origin: Origin) {
        let probe = Probe::new(self.now, &mut self.rng);
        self.dhcp.candidate = Some(Candidate { address, origin, probe });
    }

    /// Uses an address from now on.
    fn settle(&mut self, address: Ipv4Cidr, router: Option<Ipv4Address>, origin: Origin) {
        self.dhcp.settled(origin);
        self.forget_conflict();
        self.change_address(Some(address), router);
    }

    #[inline(never)]
    fn change_address(&mut self, address: Option<Ipv4Cidr>, router: Option<Ipv4Address>) {
        (self.config.ipv4, self.config.ipv4_gateway) = (address, router);
        self.addresses_changed();
    }

    /// Uses the address of that origin no longer, if it is in use; whoever has a connection with it is told.
    #[inline(never)]
    fn drop_address(&mut self, origin: Origin) {
        if self.config.ipv4().is_some() && self.dhcp.origin == origin {
            self.change_address(None, None);
            self.dhcp.alone_at = self.now + DHCP_ALONE;
        }
    }

    /// Takes in what a neighbour says of an address that is being probed (RFC 5227 2.1.1): that it has it, or that it
    /// probes it too.
    pub(super) fn hear_of_candidate(&mut self, received: &Received) {
        if Some(received.mac) == self.mac() {
            return;
        }
        let Some(Candidate { address, origin, .. }) = &self.dhcp.candidate else { return };
        let (address, origin) = (address.address(), *origin);
        let is = |other: &IpAddress| *other == IpAddress::Ipv4(address);
        if is(&received.owner) || (received.owner.is_unspecified() && is(&received.target)) {
            self.counters.address_conflicts = self.counters.address_conflicts.wrapping_add(1);
            self.dhcp.taken(address, origin, self.now);
        }
    }

    /// Gives up an address in use that somebody else goes on to use after we have defended it (RFC 5227 2.4 b).
    pub(super) fn give_way(&mut self, conflict: &Conflict) {
        let Some(own) = self.config.ipv4().map(|own| own.address()) else { return };
        if self.has_dhcp() && conflict.address == Some(own.into()) {
            self.change_address(None, None);
            self.dhcp.taken(own, self.dhcp.origin, self.now);
        }
    }

    /// Notes that the server is to be reached, if a renewal is due.
    pub(super) fn want_server(&mut self) {
        let Dhcp { state, at, lease, .. } = &self.dhcp;
        let lease = lease.as_ref().filter(|lease| self.now < lease.rebinds);
        if let (State::Bound, Some(lease)) = (state, lease)
            && *at <= self.now
        {
            let server = lease.from.into();
            self.want(&server);
        }
    }

    /// Does what is due, and says whether the device refused.
    pub(super) fn dhcp_egress<D: Device + ?Sized>(&mut self, device: &mut D) -> bool {
        self.has_dhcp() && (self.speak(device) || self.ask_server(device))
    }

    /// What is due beside the client's timetable: the end of a lease, probes, a refusal, the question at a link's return.
    #[inline(never)]
    fn speak<D: Device + ?Sized>(&mut self, device: &mut D) -> bool {
        let now = self.now;
        if self.dhcp.lease.as_ref().is_some_and(|lease| lease.expires <= now) {
            self.drop_address(Origin::Dhcp);
            self.dhcp.start_over(now, Duration::ZERO);
        }
        let idle = self.config.ipv4().is_none() && self.dhcp.candidate.is_none();
        if idle && self.dhcp.lease.is_none() && self.dhcp.alone_at <= now {
            self.try_out(self.dhcp.link_local.address(), Origin::LinkLocal);
        }
        if let Some(Reboot { at, asked: REBOOT_ASKS.. }) = self.dhcp.reboot
            && at <= now
        {
            self.look_elsewhere();
        }
        let Some(mac) = self.mac() else { return false };
        if let Some(candidate) = &self.dhcp.candidate {
            let &Candidate { address, origin, probe } = candidate;
            if probe.at() > now {
                // It is waited for.
            } else if probe.is_over() {
                self.dhcp.candidate = None;
                let lease = self.dhcp.lease.as_ref().filter(|_| origin == Origin::Dhcp);
                self.settle(address, lease.and_then(|lease| lease.router), origin);
            } else {
                let Some(token) = device.transmit(now) else { return true };
                let nobody = Ipv4Address::UNSPECIFIED.into();
                self.transmit(token, &question(mac, &nobody, &address.address().into()));
                self.spoke();
                if let Some(candidate) = &mut self.dhcp.candidate {
                    candidate.probe.sent(now, &mut self.rng);
                }
            }
        }
        if let Some((address, server)) = self.dhcp.decline {
            let Some(token) = device.transmit(now) else { return true };
            self.dhcp.decline = None;
            let xid = self.rng.next_u64() as u32;
            self.say(token, message::DECLINE, xid, [address, server], &EVERYBODY);
        }
        let reboot = self.dhcp.reboot.as_ref().filter(|reboot| reboot.at <= now);
        if let (Some(reboot), Some(xid), Some(lease)) =
            (reboot, self.dhcp.exchange.reboot, &self.dhcp.lease)
        {
            let wait = backoff(reboot.asked);
            let (asked, address) = (reboot.asked + 1, lease.address.address());
            let Some(token) = device.transmit(now) else { return true };
            self.dhcp.reboot = Some(Reboot { at: now + wait, asked });
            let about = [address, Ipv4Address::UNSPECIFIED];
            self.say(token, message::REQUEST, xid, about, &EVERYBODY);
        }
        false
    }

    /// Nobody says whether the lease still holds. It is kept as long as it lasts (RFC 2131 3.2), while a new one is looked
    /// for.
    fn look_elsewhere(&mut self) {
        self.dhcp.look_for_servers(self.now, Duration::ZERO);
    }

    /// Sends a message, about an address and for one server alone, where those are given.
    #[inline(never)]
    fn say(
        &mut self,
        token: impl TxToken,
        kind: u8,
        xid: u32,
        [address, server]: [Ipv4Address; 2],
        &(client, to, mac): &Way,
    ) {
        let Some(own) = self.mac() else { return };
        let mut message = Message::new(kind, xid, own, client);
        if !address.is_unspecified() {
            message.about(address);
        }
        if !server.is_unspecified() {
            message.name_server(server);
        }
        if kind != message::DECLINE {
            message.ask(self.config.hostname().as_bytes());
        }
        let datagram = Outgoing {
            from: CLIENT_PORT,
            to: IpEndpoint::new(to.into(), SERVER_PORT),
            hop_limit: 64,
            payload: message.end(),
        };
        self.emit_datagram_of(token, client.into(), &datagram, mac);
    }

    /// Asks what is due by the client's timetable.
    #[inline(never)]
    fn ask_server<D: Device + ?Sized>(&mut self, device: &mut D) -> bool {
        let now = self.now;
        let Some(question) = self.dhcp.due(now) else { return false };
        let mut way = EVERYBODY;
        if let (Question::Renew | Question::Rebind, Some(lease)) = (question, &self.dhcp.lease) {
            way.0 = lease.address.address();
            if question == Question::Renew {
                let server = lease.from;
                let Some(mac) = self.way_to(&server.into()) else {
                    self.stall();
                    return false;
                };
                (way.1, way.2) = (server, mac);
            }
        }
        let Some(token) = device.transmit(now) else { return true };
        let offer = self.dhcp.exchange.offer.filter(|_| question == Question::Request);
        // A REQUEST belongs to the DISCOVER before it.
        let xid = match offer {
            Some(_) => self.dhcp.exchange.xid,
            None => self.rng.next_u64() as u32,
        };
        let kind =
            if question == Question::Discover { message::DISCOVER } else { message::REQUEST };
        let about = offer.map_or([Ipv4Address::UNSPECIFIED; 2], |it| [it.address, it.server]);
        self.say(token, kind, xid, about, &way);
        let jitter = self.rng.below(2001);
        self.dhcp.asked(question, xid, jitter, now);
        false
    }

    /// A renewal could not leave, for its server's MAC address is not known. After a while that is an answer too.
    fn stall(&mut self) {
        let (now, dhcp) = (self.now, &mut self.dhcp);
        let since = *dhcp.stalled.get_or_insert(now);
        if now >= since + RENEW_STALL {
            dhcp.renew_later(now);
            dhcp.stalled = None;
        }
    }

    /// Makes `next` no later than when DHCP has something to do.
    pub(super) fn dhcp_at(&mut self, next: &mut Option<Instant>) {
        if !self.has_dhcp() {
            return;
        }
        self.dhcp.next(self.config.ipv4().is_none(), self.now, next);
        let at = match self.dhcp.stalled {
            // Its server's answer is a frame.
            Some(since) => since + RENEW_STALL,
            None => self.dhcp.at,
        };
        // What is due still could not leave.
        sooner(next, if at > self.now { at } else { self.now + STALL_RETRY });
    }
}
