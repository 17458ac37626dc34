//! Names are looked up: the stack's side of [`crate::dns`].

use core::net::IpAddr;

use embedded_nal::{AddrType, Dns, nb};
use smoltcp::phy::Device;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpAddress, IpEndpoint};

use super::NetStack;
use super::address::{to_address, to_ip_addr};
use super::datagram::{MDNS_PORT, Outgoing};
use crate::dns::{Asking, Lookup, Name, QUESTION_SIZE, State, encode};
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
    /// `AddrType::Either` it is an IPv4 address if the name and this stack have one. Without the feature `ipv6` no name has
    /// an IPv6 address.
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
        let (ipv4, ipv6) = (self.interface.ipv4_addr().is_some(), self.has_ipv6());
        let either = family == AddrType::Either && ipv6;
        let first = if family == AddrType::IPv6 || (either && !ipv4) { AAAA } else { A };
        let known = self.resolver.find(&encoded, &family);
        let index = known.or_else(|| self.resolver.place()).ok_or(nb::Error::WouldBlock)?;
        let lookup = &mut self.resolver.lookups[index];
        if known.is_none() {
            (lookup.name, lookup.family, lookup.state) = (encoded, family, State::Free);
        }
        match lookup.state {
            State::Failed(error) => {
                lookup.forget();
                return Err(error.into());
            }
            State::Found(address) if now < lookup.at => return Ok(to_ip_addr(address)),
            State::Asking => return Err(nb::Error::WouldBlock),
            _ => {}
        }
        self.ask_servers(index, first, either && ipv4, LookupError::NoServer);
        self.dirty = true;
        Err(nb::Error::WouldBlock)
    }

    /// Asks for this type of record from the first server on, at once; and if it is `other`, for the other type if there is
    /// none of this one. It comes to `error` if nobody knows better.
    #[inline(never)]
    fn ask_servers(&mut self, index: usize, kind: u16, other: bool, error: LookupError) {
        let (id, port) = self.draw_question();
        let lookup = &mut self.resolver.lookups[index];
        (lookup.state, lookup.at) = (State::Asking, self.now);
        lookup.asking = Asking { id, port, kind, other, error, ..Asking::NONE };
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
            if self.is_free_port(port) {
                return (drawn as u16, port);
            }
        }
    }

    /// The server whose turn it is as number `index`.
    #[inline(never)]
    fn name_server(&self, local: bool, index: u8) -> Option<IpAddress> {
        // Not `nth` of iterators: that is twice as long.
        let mut left = index;
        let mut is_it = || {
            left = left.wrapping_sub(1);
            left == u8::MAX
        };
        if local {
            return self.names_groups().find(|_| is_it());
        }
        self.dns_servers().filter_map(|server| to_address(server).ok()).find(|_| is_it())
    }

    /// Takes in what a server says, if a packet to us is that as far as its ports go. Returns whether it is.
    #[inline(never)]
    pub(super) fn take_name(&mut self, packet: &Packet<'_>) -> bool {
        let Some((from, port)) = packet.ports() else { return false };
        let Some(index) = self.resolver.on_port(port) else { return false };
        if let Some(payload) = self.open_datagram(packet)
            && self.answer(packet, from, index, payload).is_none()
        {
            self.counters.not_ours_dropped = self.counters.not_ours_dropped.wrapping_add(1);
        }
        true
    }

    /// `None`: it is no answer.
    fn answer(
        &mut self,
        packet: &Packet<'_>,
        from: u16,
        index: usize,
        payload: &[u8],
    ) -> Option<()> {
        let lookup = self.resolver.lookups.get(index)?;
        let asking = lookup.asking;
        let asked = asking.server?;
        // Of a group, any neighbour may answer.
        let right = if asked.is_multicast() {
            from == MDNS_PORT && self.is_neighbor(&packet.source)
        } else {
            from == PORT && same(&asked, &packet.source)
        };
        if !right || asking.unsent {
            return None;
        }
        let (state, seconds) = lookup.read(payload)?;
        match state {
            State::Failed(error @ LookupError::NoAddress) if asking.other => {
                let kind = if asking.kind == A { AAAA } else { A };
                self.ask_servers(index, kind, false, error);
            }
            State::Failed(error @ (LookupError::Refused | LookupError::Truncated))
                if asking.round == 0 =>
            {
                // The next one may tell, or the same one a second time.
                let lookup = &mut self.resolver.lookups[index];
                lookup.at = self.now;
                (lookup.asking.server, lookup.asking.error) = (None, error);
            }
            state => self.found(index, state, seconds),
        }
        Some(())
    }

    /// That is what it came to, and it is good for so many seconds.
    fn found(&mut self, index: usize, state: State, seconds: u32) {
        let seconds = seconds.clamp(DNS_KEPT_MIN_S, DNS_KEPT_MAX_S);
        let lookup = &mut self.resolver.lookups[index];
        (lookup.state, lookup.at) = (state, self.now + Duration::from_secs(seconds.into()));
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
            let datagram = Outgoing {
                from: lookup.asking.port,
                to: IpEndpoint::new(server, if local { MDNS_PORT } else { PORT }),
                hop_limit: if local { 255 } else { 64 },
                payload: lookup.write(&mut buffer),
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
        if lookup.due().is_none_or(|at| at > self.now) {
            return;
        }
        if !lookup.is_asking() {
            return lookup.forget();
        }
        let local = lookup.name.local;
        let (server, round) = loop {
            let asking = &mut self.resolver.lookups[index].asking;
            if asking.round >= DNS_ROUNDS {
                let error = asking.error;
                return self.found(index, State::Failed(error), 0);
            }
            let (next, round) = (asking.next, asking.round);
            asking.next += 1;
            match self.name_server(local, next) {
                // One that no route leads to is none.
                Some(server) if local || self.next_hop(&server).is_some() => break (server, round),
                Some(_) => {}
                None => {
                    let asking = &mut self.resolver.lookups[index].asking;
                    (asking.next, asking.round) = (0, round + 1);
                }
            }
        };
        let wait = (DNS_RETRY_FIRST.total_micros() as u32) << round;
        let lookup = &mut self.resolver.lookups[index];
        lookup.at = self.now + Duration::from_micros(wait.into());
        (lookup.asking.server, lookup.asking.unsent) = (Some(server), true);
        if lookup.asking.error == LookupError::NoServer {
            lookup.asking.error = LookupError::TimedOut;
        }
        self.want(&server);
    }

    /// Makes `next` no later than when the next server's turn is, or an address is not good any more.
    pub(super) fn dns_at(&self, next: &mut Option<Instant>) {
        for at in self.resolver.lookups.iter().filter_map(Lookup::due) {
            sooner(next, at);
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
