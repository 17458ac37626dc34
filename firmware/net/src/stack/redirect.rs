//! Redirects: destinations whose packets go to another next hop than the gateway (RFC 1122 3.2.2.2, RFC 4861 8).
//!
//! Who could say so to anybody could read all that the board sends. So a redirect is believed only of the next hop in use for
//! that destination, from the MAC address that it is known at; if it names a next hop on our own network; and if it quotes
//! a packet that we may have sent: of a TCP segment the number is to be in flight (RFC 5927 4.1), of a datagram the port
//! ours. That port can be guessed, and there is nothing to know of the answer to a ping. What keeps others off then is the
//! gateway's MAC address alone: anybody on the link can write it, and a gateway that hands on packets from beyond it which bear
//! its own address writes it for them.
//!
//! The few latest are remembered. One counts while the MAC address of its next hop is known, which is asked for meanwhile; one
//! that has no answer, at first or later, is forgotten, and packets go to the gateway as before. So a redirect to somebody who is
//! not there costs nothing. All are forgotten with the gateway, our addresses, or the link.
//!
//! Cost: four entries of 24 bytes, 48 with IPv6, and a look at them for each packet that leaves our own network.

use heapless::Vec;
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, IpProtocol};

use super::NetStack;
use crate::ethernet::EthernetAddress;
use crate::frame::quote::Quote;
use crate::frame::redirect::Redirect;
use crate::frame::{Packet, same};
use crate::limits::{REDIRECT_WAIT, REDIRECTS};
use crate::neighbors::Source;

/// Packets to an address go to a next hop of their own.
#[derive(Debug)]
struct Entry {
    destination: IpAddress,
    hop: IpAddress,
    /// When we were told last.
    told: Instant,
}

const _: () = assert!(size_of::<Entry>() <= if cfg!(feature = "ipv6") { 48 } else { 24 });

/// The latest, in the order in which we were told.
#[derive(Debug)]
pub(super) struct Redirects(Vec<Entry, REDIRECTS>);

impl Redirects {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// The next hop of packets to `destination`, as we were told.
    pub(super) fn hop(&self, destination: &IpAddress) -> Option<&IpAddress> {
        let mut all = self.0.iter();
        all.find(|entry| same(&entry.destination, destination)).map(|entry| &entry.hop)
    }

    /// Whether `address` is the next hop of any.
    pub(super) fn is_hop(&self, address: &IpAddress) -> bool {
        self.0.iter().any(|entry| same(&entry.hop, address))
    }

    /// In the place of what was told of it before, or else of the oldest.
    fn note(&mut self, destination: IpAddress, hop: IpAddress, told: Instant) {
        let known = self.0.iter().position(|entry| same(&entry.destination, &destination));
        if let Some(index) = known.or(self.0.is_full().then_some(0)) {
            self.0.remove(index);
        }
        let _ = self.0.push(Entry { destination, hop, told });
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl NetStack<'_> {
    /// Takes in an ICMP message to us alone from this MAC address, if it is a redirect.
    #[inline(never)]
    pub(super) fn icmp_redirect(&mut self, packet: &Packet<'_>, sender: EthernetAddress) {
        let redirect = Redirect::parse_ipv4(packet, &self.capabilities.checksum);
        if let Some(redirect) = redirect {
            self.take_redirect(&redirect, sender);
        }
    }

    /// Takes in a redirect from this MAC address.
    #[inline(never)]
    pub(super) fn take_redirect(&mut self, redirect: &Redirect<'_>, sender: EthernetAddress) {
        let &Redirect { destination, hop, mac, .. } = redirect;
        if !self.is_believed(redirect, sender) {
            let count = &mut self.counters.redirects_disbelieved;
            *count = count.wrapping_add(1);
            return;
        }
        self.counters.redirects_believed = self.counters.redirects_believed.wrapping_add(1);
        self.redirects.note(destination, hop, self.now);
        if let Some(mac) = mac.filter(EthernetAddress::is_unicast) {
            // To be asked for once it is used (RFC 4861 8.3).
            self.neighbors.learn(&hop, mac, Source::Routed, self.now);
        }
    }

    fn is_believed(&mut self, redirect: &Redirect<'_>, sender: EthernetAddress) -> bool {
        let Redirect { source, to, destination, hop, quote, .. } = redirect;
        let is_router = !self.is_beside(destination) && self.next_hop(destination) == Some(*source);
        let on_link = !matches!(destination, IpAddress::Ipv4(_)) && same(hop, destination);
        let is_neighbor =
            (on_link || self.is_beside(hop)) && !self.is_broadcast(hop) && !self.is_own(hop);
        is_router
            && self.neighbors.mac(source) == Some(sender)
            && is_neighbor
            && !same(hop, source)
            && destination.is_unicast()
            && self.is_own(to)
            && quote
                .is_some_and(|quote| same(&quote.remote, destination) && self.may_have_sent(&quote))
    }

    /// Whether a packet may be of ours.
    fn may_have_sent(&self, quote: &Quote<'_>) -> bool {
        self.is_own(&quote.local)
            && match (quote.protocol, quote.payload) {
                (IpProtocol::Tcp, _) => self.may_have_sent_segment(quote),
                (IpProtocol::Udp, &[high, low, ..]) => {
                    self.may_have_sent_datagram(u16::from_be_bytes([high, low]))
                }
                // The answer to an echo request.
                (IpProtocol::Icmp, [0, 0, ..]) | (IpProtocol::Icmpv6, [129, 0, ..]) => true,
                _ => false,
            }
    }

    fn may_have_sent_segment(&self, quote: &Quote<'_>) -> bool {
        let Some((ends, seq)) = quote.segment() else { return false };
        self.pool.find(&ends).is_some_and(|index| {
            let tcb = &self.pool.slots[index].tcb;
            // What has no text has the number behind all that was sent.
            tcb.in_flight(seq) || tcb.snd_max() == Some(seq)
        })
    }

    fn may_have_sent_datagram(&self, port: u16) -> bool {
        #[cfg(feature = "dns")]
        if self.resolver.has_port(port) {
            return true;
        }
        #[cfg(feature = "sntp")]
        if self.clock.server.is_some() && self.clock.port == port {
            return true;
        }
        self.udp_port_in_use(port)
    }

    /// Forgets those whose next hop did not answer, and has the others asked for.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn want_redirects(&mut self) {
        let mut index = 0;
        while let Some(&Entry { hop, told, .. }) = self.redirects.0.get(index) {
            if self.neighbors.mac(&hop).is_none() {
                if self.now >= told + REDIRECT_WAIT {
                    self.redirects.0.remove(index);
                    continue;
                }
                self.neighbors.want(&hop, self.now);
            }
            index += 1;
        }
    }
}
