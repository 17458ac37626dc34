//! The stack's own IPv6 addresses, made of what routers say (RFC 4862), and which router is the way out (RFC 4861 6.3).
//!
//! smoltcp 0.14 has a client for this too (iface/slaac.rs). It uses an address before anybody was asked whether it is free, asks for
//! routers three times and then never again, sees one prefix of each advertisement, takes any lifetime for true and forgets
//! that an address can be deprecated, and has no place to judge who speaks; so all of it is here.
//!
//! The link-local address comes first, and is the first in the list; then routers are asked for. Each address is probed before it
//! is used (`address`), and given up if somebody has it. A router may lengthen an address's life as it likes, and
//! deprecate it, but not end it within two hours (RFC 4862 5.5.3): who can send a frame cannot cut connections. Two prefixes
//! and two routers are remembered, whoever comes first; a router that does not answer gives way to another (`routers`).
//! When the cable comes in again all is asked anew, and what nobody tells of any more is forgotten, once somebody tells of
//! something; connections go on meanwhile.
//!
//! It begins with [`NetConfig::with_slaac`](crate::NetConfig::with_slaac). Cost: some 300 bytes; an idle turn is a few
//! comparisons.
//!
//! Known gaps: a prefix that is on the link without addresses of its own (RFC 4861 6.3.4) is reached through the router;
//! a router's hop limit and timers (RFC 4861 6.3.2) are not taken; there is no `DHCPv6`.

pub(crate) mod address;
pub(crate) mod routers;

use crate::ethernet::EthernetAddress;
use heapless::Vec;
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, Ipv6Address};

use crate::frame::router::{Advertisement, Advice, Prefix};
use crate::limits::{LINK_CONFIRM, LINK_MTU_MIN, SLAAC_PREFIXES, VALID_MIN_S};
use crate::rng::Rng;
use crate::time::sooner;
use address::{Address, Identifier, Phase};
use routers::{Hosts, Solicit};

/// The end of a lifetime, in seconds of the stack's own time. The last one never comes: it is the end of what is for ever
/// (RFC 4861 4.6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Second(u32);

impl Second {
    /// After so many seconds, of which all ones are for ever. Never later than that.
    #[inline(never)]
    pub(crate) fn after(seconds: u32, now: Instant) -> Self {
        Self((now.secs() as u32).saturating_add(seconds))
    }

    /// Whether it has come.
    pub(crate) fn is_over(self, now: Instant) -> bool {
        self <= Self::after(0, now)
    }

    /// Seconds until it comes. `None`: it does not.
    pub(crate) fn left(self, now: Instant) -> Option<u32> {
        (self.0 < u32::MAX).then(|| self.0.saturating_sub(Self::after(0, now).0))
    }

    /// Makes `next` no later than that.
    #[inline(never)]
    pub(crate) fn sooner(self, next: &mut Option<Instant>) {
        if self.0 < u32::MAX {
            sooner(next, Instant::from_secs(self.0));
        }
    }
}

/// What is known of the link, and made of it; see the module's documentation.
#[derive(Debug)]
pub(crate) struct Slaac {
    identifier: Identifier,
    /// The link-local one first, and then one for each prefix.
    addresses: Vec<Address, { SLAAC_PREFIXES + 1 }>,
    routers: Hosts,
    /// The one in use.
    pub(crate) gateway: Option<Ipv6Address>,
    pub(crate) solicit: Solicit,
    /// For names.
    servers: Hosts,
    /// Bytes of the longest packet on this link, if a router says that it is less than the device's; else 0.
    pub(crate) mtu: u16,
    /// What was known before the link came up, and nobody tells of since, is forgotten at this moment.
    confirm_at: Option<Instant>,
    /// Addresses or the router may be others than the stack uses.
    pub(crate) changed: bool,
}

impl Slaac {
    pub(crate) const fn new(mac: EthernetAddress, secret: Option<u64>) -> Self {
        Self {
            identifier: Identifier { mac, secret },
            addresses: Vec::new(),
            routers: Hosts::new(),
            gateway: None,
            solicit: Solicit::new(),
            servers: Hosts::new(),
            mtu: 0,
            confirm_at: None,
            changed: false,
        }
    }

    /// As at boot.
    #[inline(never)]
    pub(crate) fn start(&mut self, now: Instant, rng: &mut Rng) {
        self.stop();
        self.solicit.start(now);
        let prefix = Prefix {
            bits: [0xfe, 0x80, 0, 0, 0, 0, 0, 0],
            on_link: true,
            valid: u32::MAX,
            preferred: u32::MAX,
        };
        let _ = self.addresses.push(Address::new(&prefix, &self.identifier, now, rng));
    }

    /// Without addresses.
    #[inline(never)]
    pub(crate) fn stop(&mut self) {
        self.addresses.clear();
        self.routers.clear();
        self.servers.clear();
        (self.gateway, self.mtu, self.confirm_at) = (None, 0, None);
    }

    /// The link is up again, and may be another one.
    pub(crate) fn link_up(&mut self, now: Instant, rng: &mut Rng) {
        for address in &mut self.addresses {
            address.confirmed = false;
            if !address.is_ready() {
                address.probe(now, rng);
            }
        }
        self.routers.doubt();
        self.servers.doubt();
        self.confirm_at = None;
        self.solicit.start(now);
    }

    /// Takes in what a router says. `is_used`: somebody has a connection from this address.
    #[inline(never)]
    pub(crate) fn advertised(
        &mut self,
        advertisement: &Advertisement<'_>,
        device_mtu: usize,
        is_used: impl Fn(Ipv6Address) -> bool,
        now: Instant,
        rng: &mut Rng,
    ) {
        self.changed = true;
        let &Advertisement { source, lifetime, preference, .. } = advertisement;
        self.routers.note(source, lifetime.into(), preference, now);
        for advice in advertisement.advice() {
            match advice {
                Advice::Prefix(prefix) => self.prefix(&prefix, &is_used, now, rng),
                Advice::Mtu(mtu) => {
                    // RFC 8200 5; more than the device takes is of no use.
                    let mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
                    if mtu >= LINK_MTU_MIN {
                        self.mtu = if usize::from(mtu) < device_mtu { mtu } else { 0 };
                    }
                }
                Advice::Servers(addresses, lifetime) => {
                    for octets in addresses.chunks_exact(16).filter_map(<[u8]>::first_chunk::<16>) {
                        let address = Ipv6Address::from(*octets);
                        if !address.is_multicast() && !address.is_unspecified() {
                            self.servers.note(address, lifetime, 0, now);
                        }
                    }
                }
            }
        }
        if lifetime == 0 {
            return;
        }
        if self.has_unconfirmed() {
            // Others are asked for meanwhile.
            self.confirm_at.get_or_insert(now + LINK_CONFIRM);
        } else {
            self.confirm_at = None;
            self.solicit.stop();
        }
    }

    /// RFC 4862 5.5.3.
    fn prefix(
        &mut self,
        prefix: &Prefix,
        is_used: impl Fn(Ipv6Address) -> bool,
        now: Instant,
        rng: &mut Rng,
    ) {
        let known = self.addresses.iter_mut().find(|address| address.is_of(prefix));
        if let Some(address) = known {
            address.preferred = Second::after(prefix.preferred, now);
            // Who can send a frame can lengthen an address's life, but not cut it (5.5.3 e).
            let valid = Second::after(prefix.valid, now);
            let two_hours = Second::after(VALID_MIN_S, now);
            address.valid = valid.max(address.valid.min(two_hours));
            address.confirmed = true;
            address.set_on_link(prefix.on_link);
            return;
        }
        if prefix.valid == 0 {
            return;
        }
        if self.addresses.is_full() {
            // One that is not to be used for new connections, nor has old ones, makes room.
            let free = |address: &Address| {
                address.preferred.is_over(now) && !is_used(address.cidr.address())
            };
            let Some(index) = self.addresses.iter().position(free) else { return };
            self.addresses.swap_remove(index);
        }
        let _ = self.addresses.push(Address::new(prefix, &self.identifier, now, rng));
    }

    fn has_unconfirmed(&self) -> bool {
        // The link-local address is nobody's to confirm.
        self.addresses.iter().skip(1).any(|address| !address.confirmed)
            || self.routers.has_unconfirmed()
            || self.servers.has_unconfirmed()
    }

    /// Forgets what is over. `lost`: the router in use does not answer.
    #[inline(never)]
    pub(crate) fn expire(&mut self, lost: bool, now: Instant) {
        let doubted = self.confirm_at.is_some_and(|at| at <= now);
        if doubted {
            self.confirm_at = None;
            // There may be room now for what had none.
            self.solicit.resume(now);
        }
        let mut index = 0;
        while let Some(address) = self.addresses.get_mut(index) {
            // The link-local one is nobody's to confirm.
            let goes = address.valid.is_over(now) || (doubted && index > 0 && !address.confirmed);
            let deprecated = address.preferred.is_over(now);
            self.changed |= goes || address.expire(now) || deprecated != address.deprecated;
            address.deprecated = deprecated;
            if goes {
                // What is behind it comes in its place.
                self.addresses.swap_remove(index);
            } else {
                index += 1;
            }
        }
        // Those for new connections first.
        if let [_, one, other] = &mut *self.addresses
            && one.deprecated
            && !other.deprecated
        {
            core::mem::swap(one, other);
        }
        self.servers.expire(doubted, now);
        self.routers.expire(doubted, now);
        let gateway = self.routers.choose(self.gateway, lost);
        if gateway.is_none() && self.gateway.is_some() {
            self.solicit.resume(now);
        }
        self.changed |= gateway != self.gateway;
        self.gateway = gateway;
    }

    /// The router in use, if there is another one to turn to.
    pub(crate) fn replaceable_gateway(&self) -> Option<Ipv6Address> {
        self.gateway.filter(|_| self.routers.len() > 1)
    }

    /// Makes `next` no later than when something is due.
    pub(crate) fn next(&self, next: &mut Option<Instant>) {
        for (index, address) in self.addresses.iter().enumerate() {
            address.next(index == 0 || self.link_local().is_some(), next);
            if !address.deprecated {
                address.preferred.sooner(next);
            }
            address.valid.sooner(next);
        }
        self.servers.next(next);
        if let Some(at) = self.confirm_at {
            sooner(next, at);
        }
        self.routers.next(next);
        if let Some(at) = self.solicit.at().filter(|_| self.link_local().is_some()) {
            sooner(next, at);
        }
    }

    /// The link-local address, once it is ours.
    pub(crate) fn link_local(&self) -> Option<Ipv6Address> {
        self.addresses.first().filter(|address| address.is_ready()).map(|own| own.cidr.address())
    }

    /// An address that is to be asked for now: whether somebody has it. The link-local one comes before the others.
    pub(crate) fn due(&self, now: Instant) -> Option<Ipv6Address> {
        let count = if self.link_local().is_some() { self.addresses.len() } else { 1 };
        let mut all = self.addresses.iter().take(count);
        all.find(|own| own.is_due(now)).map(|own| own.cidr.address())
    }

    /// Notes that it was.
    pub(crate) fn asked(&mut self, address: Ipv6Address, now: Instant) {
        let own = self.addresses.iter_mut().find(|own| own.cidr.address() == address);
        if let Some(own) = own {
            own.asked(now);
        }
    }

    /// Notes that somebody else has, or wants, an address of ours. Says whether it was one.
    pub(crate) fn taken(
        &mut self,
        address: &IpAddress,
        only_tentative: bool,
        now: Instant,
    ) -> bool {
        let IpAddress::Ipv6(address) = *address else { return false };
        let is = |own: &&mut Address| {
            own.cidr.address() == address && (!only_tentative || own.is_tentative())
        };
        let found = self.addresses.iter_mut().find(is);
        let taken = found.is_some();
        if let Some(own) = found {
            own.give_way(&self.identifier, now);
            self.changed = true;
        }
        taken
    }

    /// The addresses that are ours, those for new connections first and the link-local one last.
    pub(crate) fn in_use(&self) -> impl Iterator<Item = &Address> {
        let (link_local, rest) = self.addresses.split_at(1.min(self.addresses.len()));
        rest.iter().chain(link_local).filter(|address| address.is_ready())
    }

    /// The address that somebody else has.
    pub(crate) fn duplicates(&self) -> impl Iterator<Item = Ipv6Address> {
        let all = self.addresses.iter();
        all.filter(|own| matches!(own.phase, Phase::Duplicate { .. })).map(|own| own.cidr.address())
    }

    /// The servers for names.
    pub(crate) fn name_servers(&self) -> impl Iterator<Item = Ipv6Address> {
        self.servers.addresses()
    }
}
