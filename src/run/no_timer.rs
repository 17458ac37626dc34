//! In place of `timer` where the kernel has no `timerfd_create(2)`: every deadline is left to the poller.

#![allow(clippy::unnecessary_wraps, clippy::unused_self, reason = "it is called as `timer` is")]

use std::io;

use mio::{Registry, Token};
use smoltcp::time::Instant;

#[derive(Debug)]
pub(super) struct Timer;

impl Timer {
    pub(super) fn new(_: &Registry, _: Token) -> io::Result<Self> {
        Ok(Self)
    }

    pub(super) fn set(&mut self, _: Instant, at: Option<Instant>) -> io::Result<Option<Instant>> {
        Ok(at)
    }
}
