//! The library without the program has no dashboard.

use std::convert::Infallible;
use std::net::IpAddr;

use smoltcp::time::Instant;

use crate::console::Next;
use crate::nic::impairment::Observer;
use crate::snapshot::{Snapshot, SocketSnapshot};

/// There is none.
pub(crate) fn prepare() -> Result<(), String> {
    Err("the dashboard is a part of the feature `cli`".into())
}

/// What it would show.
#[expect(dead_code, reason = "nobody looks")]
pub(crate) struct View {
    pub(crate) snapshot: Snapshot,
    pub(crate) capture: bool,
    pub(crate) gateway: Vec<SocketSnapshot>,
}

/// No dashboard is one.
#[derive(Debug)]
pub(crate) struct Dashboard(Infallible);

impl Dashboard {
    pub(crate) fn open(
        _board: String,
        _addresses: impl IntoIterator<Item = IpAddr>,
        _now: Instant,
        _wake: impl Fn() + Clone + Send + 'static,
    ) -> Result<Self, String> {
        prepare().map(|()| unreachable!("there is none"))
    }

    pub(crate) fn observer(&self) -> Box<dyn Observer> {
        match self.0 {}
    }

    pub(crate) fn next(&mut self) -> Next {
        match self.0 {}
    }

    pub(crate) fn due(&mut self, _now: Instant) -> Instant {
        match self.0 {}
    }

    pub(crate) fn draw(&mut self, _now: Instant, _view: View) -> Instant {
        match self.0 {}
    }
}
