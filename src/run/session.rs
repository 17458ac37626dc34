//! What the user has a hand on while the board runs: the cable, the console or the dashboard, the traffic's meter.

use smoltcp::time::Instant;

use super::endpoint::Endpoint;
use super::nic::Nic;
use super::traffic::Meter;
use crate::console::{Console, Next};
use crate::link::Side;
use crate::nic::Offloads;
use crate::nic::impairment::{ImpairedDevice, Impairment, Watch};
use crate::nic::mac::Mac;
use crate::tui::{Dashboard, View};

/// See the module's documentation.
pub(super) struct Session {
    pub(super) impairment: Impairment,
    pub(super) console: Console,
    /// The terminal, if the user sees the board there.
    pub(super) dashboard: Option<Dashboard>,
    /// What the board leaves to its MAC.
    pub(super) offloads: Offloads,
    /// The cable's seed was printed.
    pub(super) seed_shown: bool,
    /// Of the traffic since the board's boot.
    pub(super) meter: Meter,
}

impl Session {
    /// What to do in this turn: what the user asked for at the dashboard, or what the console says.
    pub(super) fn next(&mut self, now: Instant) -> Next {
        match self.dashboard.as_mut().map_or(Next::Idle, Dashboard::next) {
            Next::Idle => self.console.next(now),
            next => next,
        }
    }

    /// Shows the user how things are, if there is a dashboard and it is time to. Returns when it is again.
    pub(super) fn draw<E: Endpoint, N: Nic>(
        &mut self,
        now: Instant,
        endpoint: &E,
        nic: &N,
    ) -> Option<Instant> {
        let impairment = &self.impairment;
        let link = impairment.link();
        let view = || {
            let (whose, sockets) = match endpoint.sockets() {
                Some(sockets) => ("board", sockets),
                None => ("gateway", nic.sockets()),
            };
            View {
                plugged: link.plugged(),
                faults: [*link.faults(Side::Board), *link.faults(Side::Peer)],
                capture: impairment.is_watched(Watch::Capture),
                whose,
                sockets,
            }
        };
        self.dashboard.as_mut().map(|dashboard| dashboard.draw(now, view))
    }

    /// The board's MAC at its NIC without the cable, where a boot only asks what the device can do.
    pub(super) fn mac<'n, N: Nic>(&self, nic: &'n mut N) -> Mac<N::Device<'n>> {
        let done = self.set_offloads(nic);
        Mac::new(nic.device(), self.offloads, done)
    }

    /// Has `poll` poll the board, whose MAC is at the cable, with the NIC at the other end of that.
    pub(super) fn poll<N: Nic, R>(
        &mut self,
        now: Instant,
        nic: &mut N,
        poll: impl FnOnce(&mut Mac<ImpairedDevice<'_, N::Device<'_>>>) -> R,
    ) -> R {
        let done = self.set_offloads(nic);
        let mut device = self.impairment.behind(nic.device());
        device.pump(now);
        poll(&mut Mac::new(device, self.offloads, done))
    }

    /// Passes on to the NIC what the board leaves to its MAC, but for the checksums while the cable changes or shows
    /// anything; returns what the NIC does.
    fn set_offloads<N: Nic>(&self, nic: &mut N) -> Offloads {
        let checksum = self.offloads.checksum && self.impairment.bare();
        nic.set_offloads(Offloads { checksum, ..self.offloads })
    }
}
