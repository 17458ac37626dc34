//! Several stacks on one switch, each behind a cable of its own, in virtual time.

use smoltcp::time::{Duration, Instant};

use super::cable::Cable;
use super::network::{Network, State};
use super::nic::Nic;
use crate::link::Side;
use crate::nic::forwarding_table::{Destination, ForwardingTable};
use crate::world::{Outcome, Step, drive};

/// A switch that learns who is where, with a [`Network`] to each of its ports: a stack is at its [`Side::Board`], and the
/// switch at the other end. Ports are numbered from 0.
///
/// Each port has faults, frames and notes of its own. What a machine sends to another is on both their cables, and so in
/// both captures.
#[derive(Debug)]
pub struct Switch {
    ports: Vec<Network>,
    table: ForwardingTable,
}

impl Switch {
    /// A switch with these ports, at time zero.
    #[must_use]
    pub fn new(ports: impl IntoIterator<Item = Network>) -> Self {
        Self { ports: ports.into_iter().collect(), table: ForwardingTable::default() }
    }

    /// The interface of the stack at that port.
    ///
    /// # Panics
    /// If there is no such port, as all that follow.
    #[must_use]
    pub fn nic(&self, port: usize) -> Nic {
        self.ports[port].nic(Side::Board)
    }

    /// The cable between a port and its stack, to be changed at any time. [`Side::Board`] is the stack's.
    #[must_use]
    pub fn cable(&self, port: usize) -> Cable {
        self.ports[port].cable()
    }

    /// What is at a port, for its frames and notes. It is driven by the switch.
    #[must_use]
    pub fn port(&mut self, port: usize) -> &mut Network {
        &mut self.ports[port]
    }

    /// The virtual time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.ports.first().map_or(Instant::ZERO, Network::now)
    }

    /// Lets at most `duration` pass; see [`Network::drive`]. `step` polls every stack.
    ///
    /// # Panics
    /// If a step asks for a moment in the past.
    pub fn drive(&mut self, duration: Duration, mut step: impl FnMut(Instant) -> Step) -> Outcome {
        let Some(first) = self.ports.first() else { return Outcome::Quiet };
        let mut clock = first.clock;
        let limit = clock.now() + duration;
        let mut before = Vec::new();
        let outcome = drive(&mut clock, limit, |now| {
            let Step::Next(next) = step(now) else { return Step::Done };
            self.forward(now);
            let states: Vec<State> = self.ports.iter().map(|port| port.state(now)).collect();
            let moved = states != before;
            before = states;
            let arrivals = self.ports.iter().filter_map(|port| port.arrival(now, moved));
            Step::Next(arrivals.chain(next).min())
        });
        self.ports.iter_mut().for_each(|port| port.clock = clock);
        outcome
    }

    /// Moves on what has come to the switch by `now`.
    fn forward(&mut self, now: Instant) {
        for from in 0..self.ports.len() {
            self.ports[from].pump(now);
            while let Some(frame) = self.ports[from].nic(Side::Peer).take(now) {
                match self.table.destination(from, &frame) {
                    Destination::Nowhere => {}
                    Destination::Port(to) => self.ports[to].nic(Side::Peer).send(now, &frame),
                    Destination::Flood => {
                        let others = self.ports.iter().enumerate().filter(|(to, _)| *to != from);
                        others.for_each(|(_, port)| port.nic(Side::Peer).send(now, &frame));
                    }
                }
            }
        }
    }
}
