//! The TAP as the driver sees it.

use std::os::fd::AsRawFd;

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Interest, Registry};
use smoltcp::time::Instant;

use super::{apart, warn};
use crate::identity::Identity;
use crate::nic::tap::{LinkStatus, Tap, TapError, TapWarning};
use crate::nic::{DeviceRef, Offloads, Stat};
use crate::output::counted;
use crate::run::{NIC, Nic};

/// A TAP that real time drives, for a board or for a fleet's uplink.
pub(crate) struct TapNic {
    tap: Tap,
    status: LinkStatus,
}

impl TapNic {
    /// The TAP, of which `registry` tells from now on.
    pub(crate) fn watched(mut tap: Tap, registry: &Registry) -> Result<Self, String> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        registry
            .register(&mut SourceFd(&tap.as_raw_fd()), NIC, interest)
            .map_err(|error| format!("cannot watch {}: {error}", tap.name()))?;
        let status = tap.status();
        Ok(Self { tap, status })
    }

    /// The TAP itself.
    pub(crate) const fn tap(&self) -> &Tap {
        &self.tap
    }
}

impl Nic for TapNic {
    type Device<'a> = DeviceRef<'a, Tap>;

    fn device(&mut self) -> DeviceRef<'_, Tap> {
        DeviceRef(&mut self.tap)
    }

    /// An interface that is up is writable; anything else is looked into.
    fn ready(&mut self, event: &Event) {
        if event.is_error() || !event.is_writable() || self.tap.link() != LinkStatus::Up {
            self.tap.status();
        }
    }

    /// Lets go what the board sent, and tells of each change of the interface; the device itself refuses
    /// frames meanwhile.
    fn turn(&mut self, now: Instant) -> Result<Option<Instant>, String> {
        let frames = self.tap.end_poll();
        let status = self.tap.link();
        let name = self.tap.name();
        match status {
            LinkStatus::Gone => return Err(TapError::Gone { name: name.into() }.to_string()),
            LinkStatus::Down if self.status == LinkStatus::Up => {
                log::warn!("{}", TapWarning::Down { name: name.into(), host: None });
            }
            LinkStatus::Up if self.status == LinkStatus::Down => log::warn!("{name} is up again"),
            LinkStatus::Up | LinkStatus::Down => {}
        }
        self.status = status;
        Ok((frames || self.tap.unread()).then_some(now))
    }

    fn set_offloads(&mut self, offloads: Offloads) -> Offloads {
        self.tap.set_offloads(offloads)
    }

    fn link(&self) -> bool {
        self.status == LinkStatus::Up
    }

    fn plug(&mut self, plugged: bool) {
        if let Err(error) = self.tap.set_carrier(plugged) {
            let name = self.tap.name();
            log::warn!("{name} cannot show that to the host ({error}); its frames are dropped");
        }
    }

    fn moved(&self, identity: &Identity) {
        warn(identity);
        if let Some(warning) = apart(identity, self.tap.name(), self.tap.host()) {
            log::warn!("{warning}");
        }
    }

    fn set_concurrent(&mut self, concurrent: bool) {
        self.tap.set_concurrent(concurrent);
    }

    fn kind(&self) -> &'static str {
        "tap"
    }

    fn stats(&self) -> Vec<Stat> {
        self.tap.counters().stats()
    }

    fn summary(&self) -> String {
        let counters = self.tap.counters();
        let lost = counters.dropped_out_link
            + counters.dropped_out_no_room
            + counters.dropped_out_error
            + counters.dropped_in_too_long
            + counters.dropped_in_malformed
            + counters.dropped_in_checksum
            + counters.errors_in;
        let fate = if self.tap.created() { "removed" } else { "left as it was" };
        format!("{}: {} lost; {fate}", self.tap.name(), counted(lost, "frame"))
    }
}
