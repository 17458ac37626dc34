//! IPv6 addresses by themselves: the stack's side of [`crate::slaac`].

use crate::ethernet::EthernetAddress;
use heapless::Vec;
use smoltcp::phy::Device;
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, IpCidr, Ipv6Address};

use super::resolve::question;
use super::{Conflict, NetConfig, NetStack};
use crate::fmt::warning;
use crate::frame::discovery::{ALL_ROUTERS, Kind, Message, Received};
use crate::frame::router::Advertisement;
#[cfg(not(feature = "multicast"))]
use crate::frame::{discovery::solicited_node, membership::Report};
use crate::limits::SLAAC_PREFIXES;
use crate::netstat::Fact;

impl NetStack<'_> {
    /// Whether SLAAC is on, and the link is one that it is for.
    fn has_slaac(&self) -> bool {
        self.config.slaac() && self.mac().is_some()
    }

    /// As at boot.
    pub(super) fn start_slaac(&mut self) {
        if self.has_slaac() {
            self.slaac.start(self.now, &mut self.rng);
        }
    }

    /// The configuration that a user asks for, with the addresses that SLAAC keeps or begins to look for.
    pub(super) fn adopt_slaac(&mut self, config: &NetConfig) -> NetConfig {
        match (config.slaac(), self.config.slaac()) {
            (true, true) => {
                return config.with_autoconf(self.config.ipv6(), self.config.ipv6_gateway());
            }
            (true, false) if self.mac().is_some() => self.slaac.start(self.now, &mut self.rng),
            _ => self.slaac.stop(),
        }
        *config
    }

    /// The cable is in again, perhaps in another network.
    pub(super) fn slaac_link_up(&mut self) {
        if self.has_slaac() {
            self.slaac.link_up(self.now, &mut self.rng);
        }
    }

    /// The IPv6 addresses that are ours.
    #[inline(never)]
    pub(super) fn autoconfigured(&self) -> Vec<IpCidr, { SLAAC_PREFIXES + 1 }> {
        self.slaac.in_use().map(|own| IpCidr::Ipv6(own.cidr)).collect()
    }

    /// Those that the interface has.
    fn ipv6_in_use(&self) -> &[IpCidr] {
        let all = self.interface.ip_addrs();
        &all[usize::from(matches!(all, [IpCidr::Ipv4(_), ..]))..]
    }

    /// The address that a packet to `to` is sent from: of the same scope, and for new connections if there is one
    /// (RFC 6724 5, rules 2 and 3).
    pub(super) fn autoconfigured_source(&self, to: &Ipv6Address) -> Option<IpAddress> {
        let near = to.is_unicast_link_local() || matches!(to.octets(), [0xff, 0x02, ..]);
        let own = self.ipv6_in_use();
        let own = if near { own.last() } else { own.first() };
        own.map(IpCidr::address)
    }

    /// Takes in what a router says.
    #[inline(never)]
    pub(super) fn take_advertisement(&mut self, advertisement: &Advertisement<'_>) {
        if !self.has_slaac() || self.is_own(&IpAddress::Ipv6(advertisement.source)) {
            return self.drop_discovery();
        }
        let pool = &self.pool;
        let is_used = |address| {
            let mut all = pool.used().filter_map(|index| pool.socket(index).local_endpoint());
            all.any(|local| local.addr == IpAddress::Ipv6(address))
        };
        let mtu = self.capabilities.ip_mtu();
        self.slaac.advertised(advertisement, mtu, is_used, self.now, &mut self.rng);
    }

    /// Takes in what a neighbour says of an address that is asked for (RFC 4862 5.4.3, 5.4.4): that it has it, or that it asks
    /// for it too.
    pub(super) fn hear_of_tentative(&mut self, received: &Received) {
        let &Received { kind, owner, target, mac, .. } = received;
        let asks = kind == Kind::Question && owner.is_unspecified();
        let address = if asks { target } else { owner };
        // On a loopback, what we ask comes back.
        if self.mac() == Some(mac) || !self.slaac.taken(&address, true, self.now) {
            return;
        }
        self.counters.address_conflicts = self.counters.address_conflicts.wrapping_add(1);
        let conflict = Conflict { address: Some(address), mac };
        warning!("address conflict: {}; it is not used", conflict);
        self.identity.report(conflict, self.now);
    }

    /// Gives up an address in use that somebody else goes on to use after we have defended it, as RFC 5227 2.4 b does.
    pub(super) fn give_way_slaac(&mut self, conflict: &Conflict) {
        if let Some(address) = &conflict.address {
            self.slaac.taken(address, false, self.now);
        }
    }

    /// Does what is due, and says whether the device refused.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn slaac_egress<D: Device + ?Sized>(&mut self, device: &mut D) -> bool {
        let Some(mac) = self.mac().filter(|_| self.config.slaac()) else { return false };
        let now = self.now;
        let gateway = self.slaac.replaceable_gateway();
        let lost = gateway.is_some_and(|router| self.neighbors.is_lost(&router.into()));
        self.slaac.expire(lost, now);
        if core::mem::take(&mut self.slaac.changed) {
            self.follow();
        }
        #[cfg(not(feature = "multicast"))]
        let link_local = self.slaac.link_local();
        while let Some(own) = self.slaac.due(now) {
            // Who looks into MLD lets answers pass only then (RFC 4862 5.4.2, RFC 3590).
            #[cfg(not(feature = "multicast"))]
            {
                let Some(token) = device.transmit(now) else { return true };
                let from = link_local.unwrap_or(Ipv6Address::UNSPECIFIED);
                let report = Report { mac, own: from, group: solicited_node(own), old: false };
                self.send_report(token, &report);
            }
            let Some(token) = device.transmit(now) else { return true };
            self.slaac.asked(own, now);
            self.transmit(token, &question(mac, &Ipv6Address::UNSPECIFIED.into(), &own.into()));
            self.spoke();
        }
        if let Some(own) = self.slaac.link_local()
            && self.slaac.solicit.at().is_some_and(|at| at <= now)
        {
            let Some(token) = device.transmit(now) else { return true };
            let (owner, target) = (own.into(), ALL_ROUTERS.into());
            let to = EthernetAddress::BROADCAST;
            self.transmit(token, &Message { kind: Kind::Solicitation, mac, owner, target, to });
            self.spoke();
            self.slaac.solicit.asked(now, &mut self.rng);
        }
        false
    }

    /// Uses the addresses and the router that there are now.
    #[inline(never)]
    fn follow(&mut self) {
        let own = self.autoconfigured();
        #[cfg(feature = "redirects")]
        if self.config.ipv6_gateway != self.slaac.gateway {
            self.redirects.clear();
        }
        self.config.ipv6_gateway = self.slaac.gateway;
        if self.ipv6_in_use() == own {
            self.config.apply_routes(&mut self.interface);
            return;
        }
        self.config.ipv6 = match own.first() {
            Some(&IpCidr::Ipv6(own)) if !own.address().is_unicast_link_local() => Some(own),
            _ => None,
        };
        self.use_addresses();
        #[cfg(not(feature = "multicast"))]
        self.report_all();
    }

    /// Bytes of the longest packet to `to`, if a router says that the link takes no more.
    pub(super) fn link_mtu(&self, to: &IpAddress) -> Option<u16> {
        Some(self.slaac.mtu).filter(|mtu| *mtu > 0 && matches!(to, IpAddress::Ipv6(_)))
    }

    /// Has a slot's connection send no longer packets than the link takes (RFC 4861 6.3.4).
    pub(super) fn narrow_to_link(&mut self, index: usize) {
        let remote = self.pool.socket(index).remote_endpoint();
        if let Some(mtu) = remote.and_then(|remote| self.link_mtu(&remote.addr)) {
            self.pool.slots[index].tcb.narrow(mtu);
        }
    }

    /// Makes `next` no later than when SLAAC has something to do.
    pub(super) fn slaac_at(&mut self, next: &mut Option<Instant>) {
        if self.has_slaac() {
            self.slaac.next(next);
        }
    }

    /// What there is to say of how long an address of ours, or the router, is good.
    pub(super) fn lifetime_fact(&self, address: &IpCidr) -> Option<Fact> {
        let own = self.slaac.in_use().find(|own| IpCidr::Ipv6(own.cidr) == *address)?;
        let left = own.preferred.left(self.now).zip(own.valid.left(self.now));
        left.map(|(preferred, valid)| Fact::Lifetime(preferred, valid))
    }
}
