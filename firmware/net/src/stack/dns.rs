//! Names are looked up: the stack's side of [`crate::dns`].

use core::net::IpAddr;

use embedded_nal::{AddrType, Dns, nb};
use smoltcp::phy::Device;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpAddress, IpEndpoint};

use super::NetStack;
use super::address::to_address;
use super::datagram::{MDNS_PORT, Outgoing};
use crate::dns::{Name, QUESTION_SIZE, State, encode, read};
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
        let mut encoded = Name::NONE;
        if !encode(name, &mut encoded) {
            return Err(LookupError::BadName.into());
        }
        let now = self.now;
        let index = match self.resolver.find(&encoded, &family) {
            Some(index) => {
                let lookup = &mut self.resolver.lookups[index];
                match lookup.state {
                    State::Done(Err(error)) => {
                        lookup.forget();
                        return Err(error.into());
                    }
                    State::Done(Ok(address)) if now < lookup.at => return Ok(address),
                    State::Done(Ok(_)) => index,
                    _ => return Err(nb::Error::WouldBlock),
                }
            }
            None => self.resolver.place().ok_or(nb::Error::WouldBlock)?,
        };
        let (ipv4, ipv6) = (self.interface.ipv4_addr().is_some(), self.has_ipv6());
        let either = family == AddrType::Either && ipv6;
        let first = if family == AddrType::IPv6 || (either && !ipv4) { AAAA } else { A };
        let drawn = self.draw_question();
        let lookup = &mut self.resolver.lookups[index];
        (lookup.family, lookup.state, lookup.at) = (family, State::Asking, now);
        lookup.name = encoded;
        lookup.asking.begin(first, drawn);
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
            let Ok(server) = to_address(server) else { continue };
            // One that no route leads to is none.
            if self.next_hop(&server).is_some() {
                if left == 0 {
                    return Some(server);
                }
                left -= 1;
            }
        }
        None
    }

    /// Whether a packet to us answers a question, as far as its ports go.
    pub(super) fn is_for_resolver(&self, packet: &Packet<'_>) -> bool {
        packet.ports().is_some_and(|(_, port)| self.resolver.has_port(port))
    }

    /// Takes in what a server says.
    #[inline(never)]
    pub(super) fn take_name(&mut self, packet: &Packet<'_>) {
        let Some(payload) = self.open_datagram(packet) else { return };
        if self.answer(packet, payload).is_none() {
            self.counters.not_ours_dropped = self.counters.not_ours_dropped.wrapping_add(1);
        }
    }

    /// `None`: it is no answer.
    fn answer(&mut self, packet: &Packet<'_>, payload: &[u8]) -> Option<()> {
        let (from, port) = packet.ports()?;
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
        let result = match read(payload, asking.id, &lookup.name, asking.kind)? {
            Err(LookupError::NoAddress) if asking.other => {
                let kind = if asking.kind == A { AAAA } else { A };
                let drawn = self.draw_question();
                let lookup = &mut self.resolver.lookups[index];
                lookup.at = self.now;
                lookup.asking.begin(kind, drawn);
                (lookup.asking.other, lookup.asking.error) = (false, LookupError::NoAddress);
                return Some(());
            }
            Err(error @ (LookupError::Refused | LookupError::Truncated)) if asking.round == 0 => {
                // The next one may tell, or the same one a second time.
                let lookup = &mut self.resolver.lookups[index];
                lookup.at = self.now;
                (lookup.asking.server, lookup.asking.error) = (None, error);
                return Some(());
            }
            result => result,
        };
        let seconds =
            result.map_or(0, |(_, seconds)| seconds.clamp(DNS_KEPT_MIN_S, DNS_KEPT_MAX_S));
        let until = self.now + Duration::from_secs(seconds.into());
        self.found(index, result.map(|(address, _)| address), until);
        Some(())
    }

    fn found(&mut self, index: usize, result: Result<IpAddr, LookupError>, until: Instant) {
        let lookup = &mut self.resolver.lookups[index];
        (lookup.state, lookup.at) = (State::Done(result), until);
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
    #[cfg_attr(target_os = "none", inline(never))]
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
        if lookup.at > self.now {
            return;
        }
        if !lookup.is_asking() {
            if matches!(lookup.state, State::Done(Ok(_))) {
                lookup.forget();
            }
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
        (asking.server, asking.unsent) = (server, true);
        asking.next += 1;
        self.resolver.lookups[index].at = self.now + wait;
        if let Some(server) = server {
            self.want(&server);
        }
    }

    /// Makes `next` no later than when the next server's turn is, or an address is not good any more.
    pub(super) fn dns_at(&self, next: &mut Option<Instant>) {
        for lookup in &*self.resolver.lookups {
            if matches!(lookup.state, State::Asking | State::Done(Ok(_))) {
                sooner(next, lookup.at);
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
