//! Metrics are the program's: see the feature `cli`.

use std::net::SocketAddr;

use mio::{Registry, Token};
use smoltcp::time::Instant;

use crate::snapshot::Snapshot;

/// The server that there is not.
#[derive(Debug)]
pub(crate) enum Metrics {}

impl Metrics {
    /// Says what would have it.
    pub(crate) fn open(_address: SocketAddr, _registry: Registry) -> Result<Self, String> {
        Err("metrics are served by a tapboard that has the feature `cli`".to_owned())
    }

    /// Where they are.
    pub(crate) const fn url(&self) -> Option<String> {
        match *self {}
    }

    /// Notes an event.
    pub(crate) const fn ready(&mut self, _token: Token) -> bool {
        match *self {}
    }

    /// Answers who asks.
    pub(crate) fn poll(
        &mut self,
        _now: Instant,
        _snapshot: impl FnMut() -> Snapshot,
    ) -> Option<Instant> {
        match *self {}
    }
}
