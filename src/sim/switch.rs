//! A learning Ethernet switch with a bad cable on every port.
//!
//! A frame goes up its sender's [`Link`], through the switch, and down the link of whoever its
//! destination was last seen behind; broadcast, multicast and unknown destinations go to everybody else.
//! Where a link is transparent the frame moves on at once, uncopied.

use smoltcp::time::{Duration, Instant};
use tapboard_firmware::earliest;

use super::goodput::Goodput;
use crate::link::{Faults, Link, LinkEvents, Setting};
use crate::nic::forwarding_table::{Destination, ForwardingTable};
use crate::nic::wire::{InFlight, Side, Wire};

/// Sees each frame when it is sent to a node's link: the time, the node, the side it is sent to, the
/// frame as it was sent, and what befell it.
pub type Observer<'o> = dyn FnMut(Instant, usize, Side, &[u8], &LinkEvents) + 'o;

/// One node's cable.
#[derive(Debug)]
pub(super) struct Port {
    /// Between the node's NIC and the cable: frames that have arrived, and those just sent.
    pub(super) wire: Wire,
    pub(super) link: Link,
    /// How long each frame takes on the healthy cable.
    delay: Duration,
}

impl Port {
    pub(super) fn new(seed: u64, delay: Duration) -> Self {
        let mut port = Self { wire: Wire::default(), link: Link::new(seed), delay };
        port.heal();
        port
    }

    /// Takes all faults away but the cable's being out.
    pub(super) fn heal(&mut self) {
        self.link.heal();
        self.link.set(None, Setting::Delay(self.delay));
    }

    /// Whether nothing is wrong with the cable.
    pub(super) fn healthy(&self) -> bool {
        let healthy = Faults { delay: self.delay, ..Faults::NONE };
        self.link.plugged()
            && [Side::Board, Side::Peer].iter().all(|&side| *self.link.faults(side) == healthy)
    }

    /// Forgets what has arrived and was not read: its node is off.
    pub(super) fn clear_rx(&mut self) {
        self.wire.in_flight(Side::Board).clear();
    }
}

/// The switch and all its ports, numbered as the nodes are.
pub(super) struct Switch<'o> {
    pub(super) ports: Vec<Port>,
    table: ForwardingTable,
    observer: Option<&'o mut Observer<'o>>,
    /// The transfer whose cable may lose: every frame in its world is its own, but for those that look for addresses.
    pub(super) transfer: Option<Goodput>,
    /// Before this moment no link has anything to take.
    due: Option<Instant>,
    /// Frames that nodes sent.
    pub(super) frames: u64,
}

impl<'o> Switch<'o> {
    pub(super) fn new(
        ports: Vec<Port>,
        observer: Option<&'o mut Observer<'o>>,
        transfer: Option<Goodput>,
    ) -> Self {
        Self { ports, table: ForwardingTable::default(), observer, transfer, due: None, frames: 0 }
    }

    /// Takes what `node` has sent. Returns how many frames that were.
    pub(super) fn collect(&mut self, node: usize, now: Instant) -> usize {
        let mut count = 0;
        while let Some(sent) = self.ports[node].wire.in_flight(Side::Peer).pop_front() {
            count += 1;
            if let Some(frame) = self.pass(node, Side::Peer, now, sent.frame) {
                self.forward(node, now, frame);
            }
        }
        self.frames += count as u64;
        count
    }

    /// Moves everything on that arrives by `now`.
    pub(super) fn pump(&mut self, now: Instant) {
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        for node in 0..self.ports.len() {
            while let Some(frame) = self.ports[node].link.take(Side::Peer, now) {
                self.forward(node, now, frame);
            }
        }
        for port in &mut self.ports {
            while let Some(frame) = port.link.take(Side::Board, now) {
                port.wire.in_flight(Side::Board).push_back(InFlight { at: now, frame });
            }
        }
        let arrivals = self.ports.iter().flat_map(|port| {
            [port.link.next_arrival(Side::Board), port.link.next_arrival(Side::Peer)]
        });
        self.due = arrivals.flatten().min();
    }

    /// When the next frame arrives anywhere but at a node, at the earliest.
    pub(super) const fn next_arrival(&self) -> Option<Instant> {
        self.due
    }

    /// Puts a frame on a link. Gives it back if it has arrived already.
    fn pass(&mut self, node: usize, to: Side, now: Instant, frame: Vec<u8>) -> Option<Vec<u8>> {
        let port = &mut self.ports[node];
        if port.link.transparent() {
            if let Some(observer) = &mut self.observer {
                observer(now, node, to, &frame, &LinkEvents::default());
            }
            return Some(frame);
        }
        let notes = if let Some(observer) = &mut self.observer {
            let notes = port.link.offer(to, now, &frame);
            observer(now, node, to, &frame, &notes);
            port.link.recycle(to, frame);
            notes
        } else {
            port.link.offer_buffer(to, now, frame)
        };
        if let Some(transfer) = &mut self.transfer {
            transfer.sent(now, node, to, notes.dropped());
        }
        self.due = earliest(self.due, port.link.next_arrival(to));
        None
    }

    fn forward(&mut self, from: usize, now: Instant, frame: Vec<u8>) {
        match self.table.destination(from, &frame) {
            Destination::Nowhere => {}
            Destination::Port(port) => self.deliver(port, now, frame),
            Destination::Flood => {
                for port in (0..self.ports.len()).filter(|&port| port != from) {
                    self.deliver(port, now, frame.clone());
                }
            }
        }
    }

    fn deliver(&mut self, port: usize, now: Instant, frame: Vec<u8>) {
        if let Some(frame) = self.pass(port, Side::Board, now, frame) {
            self.ports[port].wire.in_flight(Side::Board).push_back(InFlight { at: now, frame });
        }
    }
}
