//! Discard (RFC 863), TCP and UDP port 9: what comes in is thrown away, and nothing goes out.
//!
//! A connection ends when the peer ends it. It has no state; its cost is a handle.

use core::net::SocketAddr;
use core::ops::ControlFlow;

use embedded_nal::{TcpFullStack, UdpFullStack};
use smoltcp::time::Instant;

use super::datagram::UdpPort;
use super::earliest;
use super::server::{Connection, Server, Stop, drain};
use crate::buffer_access::BufferAccess;
use crate::config::TCP_SLOTS;

/// The port of RFC 863.
pub const PORT: u16 = 9;

/// The discard service. `T` and `U` are the stack's TCP and UDP handles.
#[derive(Debug)]
pub struct Discard<T, U> {
    tcp: Server<T, Sink, TCP_SLOTS>,
    udp: UdpPort<U>,
}

impl<T, U> Default for Discard<T, U> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, U> Discard<T, U> {
    /// A service that will listen from its first poll on.
    #[must_use]
    pub const fn new() -> Self {
        Self { tcp: Server::new(PORT), udp: UdpPort::new(PORT) }
    }

    /// Throws away all that has arrived. See [`super`] for the contract.
    pub fn poll<S>(&mut self, now: Instant, stack: &mut S) -> Option<Instant>
    where
        S: TcpFullStack<TcpSocket = T> + UdpFullStack<UdpSocket = U> + BufferAccess,
    {
        let udp = self.udp.poll(now, stack, |_remote| false);
        earliest(self.tcp.poll(now, stack, &mut ()), udp)
    }

    /// Closes every handle.
    pub fn shutdown<S>(&mut self, stack: &mut S)
    where
        S: TcpFullStack<TcpSocket = T> + UdpFullStack<UdpSocket = U>,
    {
        self.tcp.shutdown(stack);
        self.udp.shutdown(stack);
    }
}

/// A connection whose data nobody wants.
#[derive(Debug)]
struct Sink;

impl<S: BufferAccess> Connection<S, ()> for Sink {
    fn new(_remote: SocketAddr) -> Self {
        Self
    }

    fn serve(
        &mut self,
        stack: &mut S,
        socket: &mut S::TcpSocket,
        (): &mut (),
    ) -> ControlFlow<Stop> {
        drain(stack, socket)
    }
}
