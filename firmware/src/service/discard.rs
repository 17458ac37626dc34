//! Discard (RFC 863), TCP and UDP port 9: what comes in is thrown away, and nothing goes out.
//!
//! A connection ends when the peer ends it. It has no state; its cost is a handle.

use core::net::SocketAddr;
use core::ops::ControlFlow;

use embedded_nal::{TcpFullStack, UdpFullStack};
use smoltcp::time::Instant;
use tapboard_net::earliest;

use super::contract::Service;
use super::datagram::UdpPort;
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
}

impl<S, B> Service<S, B> for Discard<S::TcpSocket, S::UdpSocket>
where
    S: TcpFullStack + UdpFullStack + BufferAccess,
{
    fn poll(&mut self, now: Instant, stack: &mut S, _board: &mut B) -> Option<Instant> {
        let udp = self.udp.poll(now, stack, |_remote, _datagram, _length| None);
        earliest(self.tcp.poll(now, stack, &mut ()), udp)
    }

    fn shutdown(&mut self, stack: &mut S, _board: &mut B) {
        self.tcp.close(stack);
        self.udp.close(stack);
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
