//! Which groups we listen to, told to routers and switches (MLD: RFC 3810, and RFC 2710 for who asks in its words).
//!
//! Neighbours ask for each of our IPv6 addresses by its solicited-node group (RFC 4861 7.2.1). A switch that looks into MLD passes
//! that on only to those who have reported the group to the router that asks for it. So each is reported then; where nobody asks,
//! nothing is held back (RFC 4541), and nothing is said; but for the group of multicast DNS, which is reported when it is
//! joined too. With the feature `multicast`, smoltcp does this together with the
//! groups that were joined. Cost: 40 bytes.

use smoltcp::phy::{Device, TxToken};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpAddress, IpCidr, Ipv6Address};

use super::NetStack;
use crate::frame::Packet;
use crate::frame::discovery::solicited_node;
use crate::frame::membership::{Query, Report};
use crate::time::sooner;

/// What is to be reported.
#[derive(Debug)]
pub(super) struct Membership {
    /// When, and from which of our addresses on.
    due: Option<(Instant, usize)>,
    /// In the words of RFC 2710.
    old: bool,
    /// The one group that was asked for; unspecified: all of them.
    only: Ipv6Address,
}

impl Membership {
    /// Nobody has asked.
    pub(super) const fn new() -> Self {
        Self { due: None, old: false, only: Ipv6Address::UNSPECIFIED }
    }
}

impl NetStack<'_> {
    /// Takes in a router's question. It is answered at a random moment of the time that it gives (RFC 3810 6.2).
    #[inline(never)]
    pub(super) fn hear_query(&mut self, packet: &Packet<'_>) {
        let Some(Query { group, within, old }) = Query::parse(packet) else { return };
        let wait = self.rng.below(within.saturating_add(1));
        let at = self.now + Duration::from_millis(wait.into());
        let membership = &mut self.membership;
        match membership.due {
            // One answer to all that is asked until it leaves.
            Some((due, _)) => {
                membership.due = Some((due.min(at), 0));
                membership.old |= old;
                if membership.only != group {
                    membership.only = Ipv6Address::UNSPECIFIED;
                }
            }
            None => *membership = Membership { due: Some((at, 0)), old, only: group },
        }
    }

    /// Sends the reports that are due. Says whether the device refused.
    #[inline(never)]
    pub(super) fn report_egress<D: Device + ?Sized>(&mut self, device: &mut D) -> bool {
        while let Some((_, index)) = self.membership.due.filter(|(at, _)| *at <= self.now) {
            if index > self.interface.ip_addrs().len() {
                self.membership.due = None;
                break;
            }
            if let Some(report) = self.report(index) {
                let Some(token) = device.transmit(self.now) else { return true };
                self.send_report(token, &report);
            }
            self.membership.due = Some((self.now, index + 1));
        }
        false
    }

    #[inline(never)]
    pub(super) fn send_report(&mut self, token: impl TxToken, report: &Report) {
        token.consume(report.len(), |buffer| report.emit(buffer));
        self.counters.count_frame(report.len());
    }

    /// What is to be said of one address, if its group has not been reported with one before it; behind them, of multicast
    /// DNS's.
    fn report(&self, index: usize) -> Option<Report> {
        let all = self.interface.ip_addrs();
        // The link-local one comes last (`NetConfig::apply`) (RFC 3810 5.2.13).
        let (mac, IpAddress::Ipv6(own)) = (self.mac()?, all.last()?.address()) else { return None };
        let group = match all.get(index) {
            Some(own) => group_of(own)?,
            None => self.mdns_group()?,
        };
        let told = all.iter().take(index).any(|other| group_of(other) == Some(group));
        let Membership { old, only, .. } = &self.membership;
        let asked = only.is_unspecified() || *only == group;
        (!told && asked).then_some(Report { mac, own, group, old: *old })
    }

    /// The group of multicast DNS, if that is on.
    #[cfg_attr(not(feature = "mdns"), expect(clippy::unused_self, reason = "it never is"))]
    const fn mdns_group(&self) -> Option<Ipv6Address> {
        #[cfg(feature = "mdns")]
        return match self.config.mdns() {
            Some(_) => Some(super::datagram::MDNS_IPV6),
            None => None,
        };
        #[cfg(not(feature = "mdns"))]
        None
    }

    /// Reports the group of multicast DNS: it has been joined (RFC 3810 6.1).
    #[cfg(feature = "mdns")]
    pub(super) fn report_mdns(&mut self) {
        if self.membership.due.is_none() {
            let due = Some((self.now, self.interface.ip_addrs().len()));
            self.membership = Membership { due, ..Membership::new() };
        }
    }

    /// Reports the groups of all our addresses: some of them are new.
    #[cfg(feature = "slaac")]
    pub(super) fn report_all(&mut self) {
        self.membership = Membership { due: Some((self.now, 0)), ..Membership::new() };
    }

    /// Makes `next` no later than when a report is due.
    pub(super) fn report_at(&self, next: &mut Option<Instant>) {
        if let (Some((at, _)), Some(_)) = (self.membership.due, self.mac()) {
            sooner(next, at);
        }
    }
}

/// The group in which neighbours look for an address of ours; none for IPv4.
#[inline(never)]
pub(super) fn group_of(own: &IpCidr) -> Option<Ipv6Address> {
    match own.address() {
        IpAddress::Ipv6(own) => Some(solicited_node(own)),
        IpAddress::Ipv4(_) => None,
    }
}
