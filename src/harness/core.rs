//! What the cable and the interfaces at its ends share.

use std::collections::VecDeque;

use smoltcp::time::Instant;

use crate::link::{HELD_MAX, Side};
use crate::nic::impairment::Impairment;

/// The bad cable, and what has come out of it at the far end.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) impairment: Impairment,
    /// The peer's receive ring: frames that have arrived there, oldest first; [`HELD_MAX`] at most, as on the cable.
    ring: VecDeque<Vec<u8>>,
}

impl Core {
    pub(super) const fn new(impairment: Impairment) -> Self {
        Self { impairment, ring: VecDeque::new() }
    }

    /// Puts into the peer's ring what arrives by `now`.
    pub(super) fn pump(&mut self, now: Instant) {
        while let Some(frame) = self.impairment.link_mut().take(Side::Peer, now) {
            if self.ring.len() < HELD_MAX {
                self.ring.push_back(frame);
            } else {
                self.impairment.link_mut().recycle(Side::Peer, frame);
            }
        }
    }

    /// The next frame for that side.
    pub(super) fn take(&mut self, side: Side, now: Instant) -> Option<Vec<u8>> {
        match side {
            Side::Board => {
                self.pump(now);
                self.impairment.link_mut().take(Side::Board, now)
            }
            Side::Peer => self.ring.pop_front(),
        }
    }

    /// A frame is sent from that side.
    pub(super) fn send(&mut self, from: Side, now: Instant, frame: &[u8]) {
        self.impairment.offer(from.other(), now, frame);
        if from == Side::Board {
            self.pump(now);
        }
    }

    /// When the next frame arrives at that side; in the past, if it waits there.
    pub(super) fn next_arrival(&self, side: Side) -> Option<Instant> {
        match side {
            Side::Peer if !self.ring.is_empty() => Some(Instant::ZERO),
            side => self.impairment.link().next_arrival(side),
        }
    }

    /// Frames that were sent and not taken yet.
    pub(super) fn waiting(&self) -> usize {
        self.ring.len() + self.impairment.link().under_way()
    }
}
