//! The stack's side of the feature `async`: what it wakes, and what it closes because its owner was dropped.

use core::net::{IpAddr, SocketAddr};
use core::task::Waker;

use super::{Error, NetStack};
use crate::wake::{Dropped, Kind};

impl<'a> NetStack<'a> {
    /// Where to note what is dropped while the stack is borrowed.
    pub(crate) const fn dropped(&self) -> Dropped<'a> {
        self.wake.dropped
    }

    /// Takes out the waker of a task whose call would not block any more, from the slot `*from` on, which moves on to
    /// where to look next. After the last, `None`.
    pub(crate) fn take_ready(&mut self, from: &mut usize) -> Option<Waker> {
        let tcp = self.pool.slots.len();
        while *from < tcp + self.udp.len() {
            let ready = match from.checked_sub(tcp) {
                None => self.tcp_ready(*from),
                Some(index) => self.udp_ready(index),
            };
            if ready.is_some() {
                return ready;
            }
            *from += 1;
        }
        None
    }

    /// Takes out the waker of who polls the stack, if a call has given it a reason to.
    pub(crate) fn take_driver(&mut self) -> Option<Waker> {
        if self.wants_poll() { self.wake.driver.take() } else { None }
    }

    /// Registers who polls the stack. Returns who did before.
    pub(crate) fn wait_driver(&mut self, waker: &Waker) -> Option<Waker> {
        self.wake.driver.register(waker, 0)
    }

    /// Closes what was dropped while the stack was borrowed.
    pub(crate) fn close_dropped(&mut self) {
        let dropped = self.wake.dropped;
        if !dropped.any() {
            return;
        }
        for kind in [Kind::Stream, Kind::Listener, Kind::Udp, Kind::Acceptor] {
            for index in 0..dropped.len(kind) {
                let Some(generation) = dropped.take(kind, index) else { continue };
                match kind {
                    Kind::Stream | Kind::Listener => self.tcp_dropped(kind, index, generation),
                    Kind::Udp => self.udp_dropped(index, generation),
                    Kind::Acceptor => drop(self.leave_accept(index, generation)),
                }
            }
        }
        self.dirty = true;
    }

    /// Whether a socket can be bound to this address: any, or one's own.
    pub(crate) fn can_bind(&self, local: SocketAddr) -> Result<(), Error> {
        let own = match local.ip() {
            address if address.is_unspecified() => true,
            IpAddr::V4(address) => self.is_own(&address.into()),
            #[cfg(feature = "ipv6")]
            IpAddr::V6(address) => self.is_own(&address.into()),
            #[cfg(not(feature = "ipv6"))]
            IpAddr::V6(_) => false,
        };
        if own { Ok(()) } else { Err(Error::Unaddressable) }
    }
}
