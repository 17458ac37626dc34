//! The time of day: the stack's side of [`crate::sntp`].

use core::net::IpAddr;

use smoltcp::phy::Device;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpAddress, IpEndpoint};

use super::NetStack;
use super::address::to_address;
use super::datagram::Outgoing;
use crate::frame::{Packet, same};
use crate::limits::SNTP_JITTER_MS;
use crate::netstat::TimeOfDay;
use crate::sntp::Outcome;
use crate::time::sooner;

/// The port of RFC 5905.
const PORT: u16 = 123;

impl NetStack<'_> {
    /// The time of day as of the last poll, from the server that the configuration or the lease names.
    #[must_use]
    pub fn time_of_day(&self) -> TimeOfDay {
        match self.clock.unix_micros(self.now) {
            Some(micros) => TimeOfDay::Unix(Duration::from_micros(micros.max(0) as u64)),
            None if self.time_server().is_some() => TimeOfDay::Unknown,
            None => TimeOfDay::NotAsked,
        }
    }

    /// The server for the time: the configuration's, or else the lease's.
    #[must_use]
    pub fn time_server(&self) -> Option<IpAddr> {
        let given = self.config.time_server();
        #[cfg(feature = "dhcp")]
        let given = given.or_else(|| Some(self.lease()?.time_server?.into()));
        given
    }

    /// The network, or who we are in it, is another.
    pub(super) fn restart_clock(&mut self) {
        let wait = if self.time_server().is_some() { self.rng.below(SNTP_JITTER_MS) } else { 0 };
        self.clock.restart(self.now + Duration::from_millis(wait.into()));
    }

    /// The server, if there is a way to it.
    fn reachable_clock(&self) -> Option<IpAddress> {
        let server = to_address(self.time_server()?).ok()?;
        self.next_hop(&server).map(|_| server)
    }

    /// Whether a packet to us is from the server that was asked, as far as its addresses and ports go.
    pub(super) fn is_for_clock(&self, packet: &Packet<'_>) -> bool {
        self.clock.server.is_some_and(|server| same(&server, &packet.source))
            && packet.ports() == Some((PORT, self.clock.port))
    }

    /// Takes in what the server says.
    #[inline(never)]
    pub(super) fn take_time(&mut self, packet: &Packet<'_>) {
        let Some(message) = self.open_datagram(packet) else { return };
        if self.clock.answer(message, self.now) == Outcome::Ignored {
            self.counters.not_ours_dropped = self.counters.not_ours_dropped.wrapping_add(1);
        }
    }

    /// Notes that the server is to be reached, if a question is due.
    pub(super) fn want_clock(&mut self) {
        if let Some(server) = self.clock.server.filter(|_| self.clock.unsent) {
            self.want(&server);
        }
    }

    /// Asks, if it is time, and says whether the device refused.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn sntp_egress<D: Device + ?Sized>(&mut self, device: &mut D) -> bool {
        let due = self.clock.at.is_some_and(|at| at <= self.now);
        if due && let Some(server) = self.reachable_clock() {
            self.draws = self.draws.wrapping_add(1);
            let (port, nonce) = (self.ephemeral_port(), self.secret.draw(self.draws));
            self.clock.ask(server, port, nonce, self.now);
            self.want(&server);
        }
        let Some(server) = self.clock.server.filter(|_| self.clock.unsent) else { return false };
        let question = self.clock.question();
        let to = IpEndpoint::new(server, PORT);
        let from = self.clock.port;
        let datagram = Outgoing { from, to, hop_limit: 64, payload: &question };
        match self.send_datagram(device, &datagram) {
            Some(true) => self.clock.left(self.now),
            Some(false) => return true,
            // Its MAC address is not known yet.
            None => {}
        }
        false
    }

    /// Makes `next` no later than when the next question is due.
    pub(super) fn sntp_at(&self, next: &mut Option<Instant>) {
        if let (Some(at), Some(_)) = (self.clock.at, self.reachable_clock()) {
            sooner(next, at);
        }
    }
}
