//! Hosts in virtual time at the two ends of one link: what those of one end send shares the link's rate, its queue
//! and its faults.
//!
//! A host is polled when a frame has arrived for it, or when it asked to be. Frames go to whom they are addressed;
//! broadcasts and multicasts to all of an end.

use smoltcp::time::Instant;
use smoltcp::wire::EthernetAddress;
use tapboard::clock::VirtualClock;
use tapboard::link::Link;
use tapboard::nic::wire::{End, InFlight, Side, Wire};
use tapboard::world::{Outcome, Step, drive};

/// A host's turn: returns when it wants the next one.
pub(crate) type Poll<'a> = Box<dyn FnMut(Instant, &mut End<'_>) -> Option<Instant> + 'a>;

/// Sees a frame as it arrives at an end.
pub(crate) type Witness<'a> = Box<dyn FnMut(Instant, Side, &[u8]) + 'a>;

struct Host<'a> {
    mac: EthernetAddress,
    /// To the link, at the end [`Side::Board`].
    wire: Wire,
    poll: Poll<'a>,
    next: Option<Instant>,
}

/// A link and its hosts.
pub(crate) struct Path<'a> {
    pub(crate) link: Link,
    pub(crate) witness: Witness<'a>,
    ends: [Vec<Host<'a>>; 2],
}

const SIDES: [Side; 2] = [Side::Board, Side::Peer];

impl<'a> Path<'a> {
    pub(crate) fn new(link: Link) -> Self {
        Self { link, witness: Box::new(|_, _, _| {}), ends: [Vec::new(), Vec::new()] }
    }

    /// A host joins that end. `make` is given its network interface.
    pub(crate) fn join(
        &mut self,
        side: Side,
        mac: EthernetAddress,
        make: impl FnOnce(&mut End<'_>) -> Poll<'a>,
    ) {
        let mut wire = Wire::default();
        let poll = make(&mut wire.end(Side::Board));
        self.ends[usize::from(side == Side::Peer)].push(Host {
            mac,
            wire,
            poll,
            next: Some(Instant::ZERO),
        });
    }

    /// Runs until `done`, which is asked after each event, or until `limit`; returns when it ended.
    pub(crate) fn run(
        &mut self,
        limit: Instant,
        mut done: impl FnMut(Instant, &mut Link) -> bool,
    ) -> Result<Instant, Outcome> {
        let mut clock = VirtualClock::new();
        let outcome = drive(&mut clock, limit, |now| {
            for (side, hosts) in SIDES.into_iter().zip(&mut self.ends) {
                deliver(&mut self.link, side, hosts, &mut self.witness, now);
                for host in hosts {
                    host.turn(&mut self.link, side.other(), now);
                }
            }
            if done(now, &mut self.link) {
                return Step::Done;
            }
            let arrivals = SIDES.map(|side| self.link.next_arrival(side));
            let hosts = self.ends.iter().flatten().map(|host| host.next);
            Step::Next(hosts.chain(arrivals).flatten().min())
        });
        if outcome == Outcome::Done { Ok(clock.now()) } else { Err(outcome) }
    }
}

/// Hands out what has arrived.
fn deliver(
    link: &mut Link,
    side: Side,
    hosts: &mut [Host<'_>],
    witness: &mut dyn FnMut(Instant, Side, &[u8]),
    now: Instant,
) {
    while let Some(frame) = link.take(side, now) {
        witness(now, side, &frame);
        let to = EthernetAddress::from_bytes(&frame[..6]);
        for host in &mut *hosts {
            if host.mac == to || !to.is_unicast() {
                host.wire
                    .in_flight(Side::Board)
                    .push_back(InFlight { at: now, frame: frame.clone() });
            }
        }
        link.recycle(side, frame);
    }
}

impl Host<'_> {
    fn turn(&mut self, link: &mut Link, to: Side, now: Instant) {
        let due = self.next.is_some_and(|next| next <= now);
        if !due && self.wire.next_arrival(Side::Board).is_none() {
            return;
        }
        self.next = (self.poll)(now, &mut self.wire.end(Side::Board));
        while let Some(sent) = self.wire.in_flight(Side::Peer).pop_front() {
            link.offer(to, now, &sent.frame);
            self.wire.recycle(sent.frame);
        }
    }
}
