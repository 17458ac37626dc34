//! What the user has a hand on while the board runs: the cable, the console or the dashboard, the traffic's meter.

use smoltcp::time::Instant;

use super::endpoint::Endpoint;
use super::nic::Nic;
use crate::console::{Console, Next};
use crate::metrics::Metrics;
use crate::nic::Offloads;
use crate::nic::impairment::{ImpairedDevice, Impairment, Watch};
use crate::nic::mac::Mac;
use crate::snapshot::{CableSnapshot, Meter, NicSnapshot, Snapshot, Work};
use crate::tui::{Dashboard, View};

/// See the module's documentation.
pub(super) struct Session {
    pub(super) impairment: Impairment,
    pub(super) console: Console,
    /// The terminal, if the user sees the board there.
    pub(super) dashboard: Option<Dashboard>,
    /// What the board leaves to its MAC.
    pub(super) offloads: Offloads,
    /// What of that the NIC does, as of the last poll.
    nic_offloads: Offloads,
    /// The cable's seed was printed.
    pub(super) seed_shown: bool,
    /// Of the traffic since the board's boot.
    pub(super) meter: Meter,
    /// What the driver has done.
    pub(super) work: Work,
    /// Who asks for metrics.
    pub(super) metrics: Option<Metrics>,
}

impl Session {
    /// A session that begins `now`, in which the board leaves nothing to its MAC.
    pub(super) fn new(impairment: Impairment, console: Console, now: Instant) -> Self {
        Self {
            impairment,
            console,
            dashboard: None,
            offloads: Offloads::NONE,
            nic_offloads: Offloads::NONE,
            seed_shown: false,
            meter: Meter::new(now),
            work: Work::default(),
            metrics: None,
        }
    }

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
        let at = self.dashboard.as_mut()?.due(now);
        if now < at {
            return Some(at);
        }
        let view = View {
            capture: self.impairment.is_watched(Watch::Capture),
            gateway: nic.sockets(),
            snapshot: self.snapshot(now, endpoint, nic),
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
        self.nic_offloads = done;
        let mut device = self.impairment.behind(nic.device());
        device.pump(now);
        poll(&mut Mac::new(device, self.offloads, done))
    }

    /// All that can be told `now`.
    pub(super) fn snapshot<E: Endpoint, N: Nic>(
        &self,
        now: Instant,
        endpoint: &E,
        nic: &N,
    ) -> Snapshot {
        Snapshot {
            at: now,
            work: self.work,
            cable: CableSnapshot::of(self.impairment.link(), now),
            nic: NicSnapshot {
                kind: nic.kind(),
                up: nic.link(),
                offloaded: self.offloads,
                offloads: self.nic_offloads,
                stats: nic.stats(),
            },
            board: endpoint.snapshot(),
        }
    }

    /// Answers who asks for metrics. Returns when to be asked again.
    pub(super) fn answer_scrapes<E: Endpoint, N: Nic>(
        &mut self,
        now: Instant,
        endpoint: &E,
        nic: &N,
    ) -> Option<Instant> {
        let mut metrics = self.metrics.take()?;
        let next = metrics.poll(now, || self.snapshot(now, endpoint, nic));
        self.metrics = Some(metrics);
        next
    }

    /// Passes on to the NIC what the board leaves to its MAC, but for the checksums while the cable changes or shows
    /// anything; returns what the NIC does.
    fn set_offloads<N: Nic>(&self, nic: &mut N) -> Offloads {
        let checksum = self.offloads.checksum && self.impairment.bare();
        nic.set_offloads(Offloads { checksum, ..self.offloads })
    }
}
