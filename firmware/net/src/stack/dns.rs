//! Names are looked up: the stack's side of [`crate::dns`].

use core::net::IpAddr;

use embedded_nal::{AddrType, Dns, nb};
use smoltcp::phy::Device;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpAddress, IpEndpoint, IpProtocol, UdpPacket};

use super::NetStack;
use super::address::to_address;
use super::datagram::{MDNS_PORT, Outgoing};
use crate::dns::{Answer, QUESTION_SIZE, encoded, read};
use crate::dns_message::{A, AAAA};
use crate::error::LookupError;
use crate::frame::{Packet, same};
use crate::limits::{DNS_KEPT_MAX_S, DNS_KEPT_MIN_S, DNS_RETRY_FIRST, DNS_ROUNDS, EPHEMERAL_FIRST};
use crate::time::sooner;

/// The port of RFC 1035.
const PORT: u16 = 53;

impl NetStack<'_> {
    /// An address of the host `name`; `WouldBlock` until it is found or is not. The next call for the same name and
    /// family may ask again: what was found is kept for as long as its server says, what went wrong is told once.
    ///
    /// Names that end in `.local` are asked of the neighbours (RFC 6762), all others of [`NetStack::dns_servers`]. Of
    /// `AddrType::Either` it is an IPv4 address if the name and this stack have one.
    pub fn resolve(&mut self, name: &str, family: AddrType) -> nb::Result<IpAddr, LookupError> {
        self.resolve_bytes(name.as_bytes(), family)
    }

    /// As [`NetStack::resolve`], of a name that may be no text.
    #[inline(never)]
    pub fn resolve_bytes(
        &mut self,
        name: &[u8],
        family: AddrType,
    ) -> nb::Result<IpAddr, LookupError> {
        let name = encoded(name).ok_or(LookupError::BadName)?;
        let (resolver, now) = (&mut self.resolver, self.now);
        let index = resolver.find(&name, &family);
        if let Some(lookup) = index.map(|index| &mut resolver.lookups[index]) {
            match lookup.done {
                None => return Err(nb::Error::WouldBlock),
                Some((Ok(address), until)) if now < until => return Ok(address),
                Some((Ok(_), _)) => {}
                Some((Err(error), _)) => {
                    lookup.name.clear();
                    return Err(error.into());
                }
            }
        }
        let Some(index) = index.or_else(|| resolver.place()) else {
            return Err(nb::Error::WouldBlock);
        };
        let (ipv4, ipv6) = (self.interface.ipv4_addr().is_some(), self.has_ipv6());
        let either = family == AddrType::Either && ipv6;
        let first = if family == AddrType::IPv6 || (either && !ipv4) { AAAA } else { A };
        let drawn = self.draw_question();
        let lookup = &mut self.resolver.lookups[index];
        (lookup.name, lookup.family, lookup.done) = (name, family, None);
        lookup.asking.begin(first, drawn, now);
        (lookup.asking.other, lookup.asking.error) = (either && ipv4, LookupError::TimedOut);
        self.dirty = true;
        Err(nb::Error::WouldBlock)
    }

    #[cfg_attr(not(feature = "ipv6"), expect(clippy::unused_self, reason = "there is none"))]
    const fn has_ipv6(&self) -> bool {
        #[cfg(feature = "ipv6")]
        return self.config.ipv6().is_some();
        #[cfg(not(feature = "ipv6"))]
        false
    }

    /// A question's number and port, which nobody can guess.
    fn draw_question(&mut self) -> (u16, u16) {
        loop {
            // Far fewer sockets than ports: this ends.
            self.draws = self.draws.wrapping_add(1);
            let drawn = self.secret.draw(self.draws);
            let port = EPHEMERAL_FIRST | (drawn >> 16) as u16;
            if !self.pool.port_in_use(port) && !self.udp_port_in_use(port) {
                return (drawn as u16, port);
            }
        }
    }

    /// The server whose turn it is as number `index`.
    fn name_server(&self, local: bool, index: usize) -> Option<IpAddress> {
        if local {
            return self.mdns_groups().nth(index);
        }
        let mut left = index;
        for server in self.dns_servers() {
            // One that no route leads to is none.
            let server = to_address(server).ok().filter(|server| self.next_hop(server).is_some());
            if server.is_some() && left == 0 {
                return server;
            }
            left -= usize::from(server.is_some());
        }
        None
    }

    /// Whether a packet to us answers a question, as far as its ports go.
    pub(super) fn is_for_resolver(&self, packet: &Packet<'_>) -> bool {
        packet.protocol == IpProtocol::Udp
            && UdpPacket::new_checked(packet.payload)
                .is_ok_and(|udp| self.resolver.has_port(udp.dst_port()))
    }

    /// Takes in what a server says.
    #[inline(never)]
    pub(super) fn take_name(&mut self, packet: &Packet<'_>) {
        let Some((from, port, payload)) = self.open_datagram(packet) else { return };
        if self.answer(packet, from, port, payload).is_none() {
            self.counters.not_ours_dropped = self.counters.not_ours_dropped.wrapping_add(1);
        }
    }

    /// `None`: it is no answer.
    fn answer(&mut self, packet: &Packet<'_>, from: u16, port: u16, payload: &[u8]) -> Option<()> {
        let index = self.resolver.on_port(port)?;
        let lookup = &self.resolver.lookups[index];
        let asking = &lookup.asking;
        let asked = asking.server?;
        // Of a group, any neighbour may answer.
        let right = if lookup.is_local() {
            from == MDNS_PORT && self.is_neighbor(&packet.source)
        } else {
            from == PORT && same(&asked, &packet.source)
        };
        if !right || asking.unsent {
            return None;
        }
        let answer = read(payload, asking.id, &lookup.name, asking.kind)?;
        let (mut until, mut again) = (self.now, None);
        let result = match answer {
            Answer::Address(address, seconds) => {
                let seconds = seconds.clamp(DNS_KEPT_MIN_S, DNS_KEPT_MAX_S);
                until += Duration::from_secs(seconds.into());
                Ok(address)
            }
            Answer::NoAddress if asking.other => {
                again = Some(if asking.kind == A { AAAA } else { A });
                Err(LookupError::NoAddress)
            }
            Answer::NoAddress => Err(LookupError::NoAddress),
            Answer::NoName => Err(LookupError::NotFound),
            Answer::Failed(error) if asking.round == 0 => {
                // The next one may tell, or the same one a second time.
                let asking = &mut self.resolver.lookups[index].asking;
                (asking.server, asking.at, asking.error) = (None, self.now, error);
                return Some(());
            }
            Answer::Failed(error) => Err(error),
        };
        if let Some(kind) = again {
            let drawn = self.draw_question();
            let asking = &mut self.resolver.lookups[index].asking;
            asking.begin(kind, drawn, self.now);
            (asking.other, asking.error) = (false, LookupError::NoAddress);
        } else {
            self.found(index, result, until);
        }
        Some(())
    }

    fn found(&mut self, index: usize, result: Result<IpAddr, LookupError>, until: Instant) {
        self.resolver.lookups[index].done = Some((result, until));
        self.pool.app_wakeup = true;
    }

    /// Notes who is to be reached for questions that are due.
    pub(super) fn want_name_servers(&mut self) {
        for index in 0..self.resolver.lookups.len() {
            let lookup = &self.resolver.lookups[index];
            if let Some(server) = lookup.asking.server.filter(|_| lookup.is_unsent()) {
                self.want(&server);
            }
        }
    }

    /// Asks what is due, and says whether the device refused.
    #[inline(never)]
    pub(super) fn dns_egress<D: Device + ?Sized>(&mut self, device: &mut D) -> bool {
        for index in 0..self.resolver.lookups.len() {
            self.turn(index);
            let lookup = &self.resolver.lookups[index];
            let Some(server) = lookup.asking.server.filter(|_| lookup.is_unsent()) else {
                continue;
            };
            let local = server.is_multicast();
            let mut buffer = [0; QUESTION_SIZE];
            let len = lookup.write(&mut buffer);
            let datagram = Outgoing {
                from: lookup.asking.port,
                to: IpEndpoint::new(server, if local { MDNS_PORT } else { PORT }),
                hop_limit: if local { 255 } else { 64 },
                payload: &buffer[..len],
            };
            match self.send_datagram(device, &datagram) {
                Some(true) => self.resolver.lookups[index].asking.unsent = false,
                Some(false) => return true,
                // Its MAC address is not known yet.
                None => {}
            }
        }
        false
    }

    /// Whoever's turn it is to be asked.
    fn turn(&mut self, index: usize) {
        let lookup = &mut self.resolver.lookups[index];
        if lookup.done.is_some_and(|(result, until)| result.is_ok() && until <= self.now) {
            lookup.name.clear();
        }
        if !lookup.is_asking() || lookup.asking.at > self.now {
            return;
        }
        let (local, next) = (lookup.is_local(), lookup.asking.next);
        let mut server = self.name_server(local, next.into());
        if server.is_none() {
            let asking = &mut self.resolver.lookups[index].asking;
            (asking.next, asking.round) = (0, asking.round + 1);
            server = self.name_server(local, 0);
        }
        let asking = &mut self.resolver.lookups[index].asking;
        let error = if server.is_none() { LookupError::NoServer } else { asking.error };
        if server.is_none() || asking.round >= DNS_ROUNDS {
            self.found(index, Err(error), self.now);
            return;
        }
        let wait = Duration::from_micros(DNS_RETRY_FIRST.total_micros() << asking.round);
        (asking.server, asking.unsent, asking.at) = (server, true, self.now + wait);
        asking.next += 1;
        if let Some(server) = server {
            self.want(&server);
        }
    }

    /// Makes `next` no later than when the next server's turn is, or an address is not good any more.
    pub(super) fn dns_at(&self, next: &mut Option<Instant>) {
        for lookup in self.resolver.lookups.iter().filter(|lookup| !lookup.name.is_empty()) {
            match lookup.done {
                None => sooner(next, lookup.asking.at),
                Some((Ok(_), until)) => sooner(next, until),
                Some((Err(_), _)) => {}
            }
        }
    }
}

/// [`NetStack::resolve`]. The name of an address is not looked up: [`LookupError::NotFound`].
impl Dns for NetStack<'_> {
    type Error = LookupError;

    fn get_host_by_name(
        &mut self,
        hostname: &str,
        addr_type: AddrType,
    ) -> nb::Result<IpAddr, LookupError> {
        self.resolve(hostname, addr_type)
    }

    fn get_host_by_address(
        &mut self,
        _addr: IpAddr,
        _result: &mut [u8],
    ) -> nb::Result<usize, LookupError> {
        Err(LookupError::NotFound.into())
    }
}
