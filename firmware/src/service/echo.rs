//! Echo (RFC 862), TCP and UDP port 7: what comes in goes back.
//!
//! TCP: a connection receives no more than it can send back at once, on a stack that knows its room
//! ([`BufferAccess::send_back`]). On another it holds at most [`ECHO_CARRY`] bytes that it has received and not yet
//! sent back, and receives nothing while it holds any. So a client that does not read is slowed by its own
//! window. At the peer's FIN everything has been sent, and the connection closes.
//!
//! UDP: a datagram goes back to its sender, unless the sender's port is one that would answer it
//! ([`answers_by_itself`]): two echo services, given one spoofed datagram, would talk for ever.

use core::net::SocketAddr;
use core::ops::ControlFlow;

use embedded_nal::{TcpFullStack, UdpFullStack};
use smoltcp::time::Instant;
use tapboard_net::earliest;
use tapboard_net::netstat::Count;

use super::buffer::{Buffer, moved};
use super::contract::Service;
use super::datagram::{UdpPort, answers_by_itself};
use super::server::{Connection, Server, Stop};
use crate::buffer_access::BufferAccess;
use crate::config::{ECHO_CARRY, SERVICE_BUDGET, TCP_SLOTS};

/// The port of RFC 862.
pub const PORT: u16 = 7;

/// The echo service. `T` and `U` are the stack's TCP and UDP handles.
#[derive(Debug)]
pub struct Echo<T, U> {
    tcp: Server<T, Carry, TCP_SLOTS>,
    udp: UdpPort<U>,
    refused: Count,
}

impl<T, U> Default for Echo<T, U> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, U> Echo<T, U> {
    /// A service that will listen from its first poll on.
    #[must_use]
    pub const fn new() -> Self {
        Self { tcp: Server::new(PORT), udp: UdpPort::new(PORT), refused: 0 }
    }

    /// Datagrams left unanswered because their source port answers by itself, since boot. Wraps.
    #[must_use]
    pub const fn refused(&self) -> Count {
        self.refused
    }

    /// Datagrams that were too long or could not be sent back, since boot. Wraps.
    #[must_use]
    pub const fn dropped(&self) -> Count {
        self.udp.dropped()
    }
}

impl<S, B> Service<S, B> for Echo<S::TcpSocket, S::UdpSocket>
where
    S: TcpFullStack + UdpFullStack + BufferAccess,
{
    fn poll(&mut self, now: Instant, stack: &mut S, _board: &mut B) -> Option<Instant> {
        let refused = &mut self.refused;
        let udp = self.udp.poll(now, stack, |remote, _datagram, length| {
            let answered = !answers_by_itself(remote.port());
            *refused = refused.wrapping_add(Count::from(!answered));
            answered.then_some(length)
        });
        earliest(self.tcp.poll(now, stack, &mut ()), udp)
    }

    fn shutdown(&mut self, stack: &mut S, _board: &mut B) {
        self.tcp.close(stack);
        self.udp.close(stack);
    }
}

/// What a connection has received and not yet sent back; always empty on a stack that knows its room.
#[derive(Debug)]
struct Carry(Buffer<ECHO_CARRY>);

impl<S: BufferAccess> Connection<S, ()> for Carry {
    fn new(_remote: SocketAddr) -> Self {
        Self(Buffer::new())
    }

    fn serve(
        &mut self,
        stack: &mut S,
        socket: &mut S::TcpSocket,
        (): &mut (),
    ) -> ControlFlow<Stop> {
        let mut left = SERVICE_BUDGET;
        loop {
            self.0.flush(stack, socket)?;
            if left == 0 {
                return ControlFlow::Continue(());
            }
            let received = match stack.send_back(socket, left) {
                Some(sent_back) => moved(&sent_back)?,
                None => self.0.fill(stack, socket, left)?,
            };
            match received {
                0 => return ControlFlow::Break(Stop::Done),
                length => left -= length,
            }
        }
    }
}
