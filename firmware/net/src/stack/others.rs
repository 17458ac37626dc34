//! smoltcp sockets of the user's own, on the same interface: DNS, ICMP, raw, or UDP for groups.
//!
//! They need places (`OTHERS` of [`Sockets`](crate::Sockets)) and smoltcp's feature for their kind. A UDP socket of the
//! user's own gets what is sent to broadcast and multicast addresses too. TCP sockets are the stack's alone.

use core::any::type_name;

use smoltcp::iface::{Context, SocketHandle};
use smoltcp::socket::{AnySocket, Socket};
use smoltcp::time::Instant;

use super::NetStack;
use crate::error::Error;
use crate::frame::Packet;

impl<'a> NetStack<'a> {
    /// Takes a socket in. [`Error::NoBufferSpace`] if there is no place for it; [`Error::InvalidState`] for a TCP socket, and
    /// for smoltcp's DHCP client, which serves an interface of Ethernet alone: the feature `dhcp` is in its place. So is a
    /// [`Socket`] of any kind, which may be that: take the one in it out.
    ///
    /// The stack polls its interface and all sockets each time; a socket of the user's own is served as soon as
    /// [`NetStack::poll`] is called, so poll again after a call that gives it something to send.
    pub fn add_socket<T: AnySocket<'a>>(&mut self, socket: T) -> Result<SocketHandle, Error> {
        if self.others.iter().count() >= self.places {
            return Err(Error::NoBufferSpace);
        }
        // smoltcp panics when it is served. Its variant of `Socket` is there only with a feature of smoltcp's, and so cannot
        // be looked for in one.
        let name = type_name::<T>();
        if name.contains("dhcpv4") || name == type_name::<Socket<'a>>() {
            return Err(Error::InvalidState);
        }
        let handle = self.others.add(socket);
        let is_tcp = self
            .others
            .iter()
            .any(|(other, socket)| other == handle && matches!(socket, Socket::Tcp(_)));
        if is_tcp {
            self.others.remove(handle);
            return Err(Error::InvalidState);
        }
        self.added += 1;
        self.lent = true;
        Ok(handle)
    }

    /// A socket that was added.
    ///
    /// # Panics
    /// If the handle is not of [`NetStack::add_socket`], or `T` not of the socket's kind.
    #[must_use]
    pub fn added_socket<T: AnySocket<'a>>(&self, handle: SocketHandle) -> &T {
        self.others.get(handle)
    }

    /// A socket that was added, to be used.
    ///
    /// # Panics
    /// As [`NetStack::added_socket`].
    pub fn added_socket_mut<T: AnySocket<'a>>(&mut self, handle: SocketHandle) -> &mut T {
        self.lent = true;
        self.others.get_mut(handle)
    }

    /// A socket that was added, and what smoltcp wants for its calls: a DNS query, an answer in a group.
    ///
    /// # Panics
    /// As [`NetStack::added_socket`].
    pub fn added_socket_and_context<T: AnySocket<'a>>(
        &mut self,
        handle: SocketHandle,
    ) -> (&mut T, &mut Context) {
        self.lent = true;
        (self.others.get_mut(handle), self.interface.context())
    }

    /// Gives a socket back.
    ///
    /// # Panics
    /// As [`NetStack::added_socket`].
    pub fn remove_socket(&mut self, handle: SocketHandle) -> Socket<'a> {
        self.added -= 1;
        self.others.remove(handle)
    }

    /// Whether there are sockets of the user's own.
    pub(super) const fn has_added(&self) -> bool {
        self.added > 0
    }

    /// Whether those may have something to send, or had.
    pub(super) fn others_may_send(&self) -> bool {
        self.added > 0 || self.held.target().is_some()
    }

    /// When smoltcp has something to do with them.
    pub(super) fn others_at(&mut self) -> Option<Instant> {
        if self.added == 0 {
            return None;
        }
        self.interface.poll_at(self.now, &self.others)
    }

    /// Whether smoltcp has something to do at once with one that was lent since this was asked.
    pub(super) fn lent_is_due(&mut self) -> bool {
        core::mem::take(&mut self.lent)
            && self.interface.poll_at(self.now, &self.others).is_some_and(|at| at <= self.now)
    }

    /// Whether a datagram that is not to us alone may be for a socket of the user's own.
    pub(super) fn is_for_added(&self, packet: &Packet<'_>) -> bool {
        self.has_added() && packet.ports().is_some_and(|(_, port)| !self.udp_port_in_use(port))
    }
}
