//! What every TCP service does: listen on a port, accept connections, give each its turn.
//!
//! A service is a type with [`Connection`], of which there is one value for each client; a [`Server`] of that type
//! owns the listening socket and up to `N` connections in a fixed array. Further ones wait in the stack's backlog until
//! a place is free. A [`Server`] is a [`Service`] where its connections need nothing but the board; a service of more
//! than one part has one for a field, polls it with what its connections need, and closes it at
//! [`Service::shutdown`].
//!
//! Whatever happens, a handle ends in `close`: the traits give a handle no other way back to its stack. A listening
//! socket that cannot be had, or that fails, is asked for again every [`LISTEN_RETRY`]. One poll costs a turn of every
//! connection and at most `N` accepts.

use core::net::SocketAddr;
use core::ops::ControlFlow;

use embedded_nal::{TcpClientStack, TcpFullStack, nb};
use smoltcp::time::Instant;
use tapboard_net::earliest;

use super::buffer::moved;
use super::complain::complain;
use super::contract::Service;
pub use super::turn::Stop;
use crate::buffer_access::BufferAccess;
use crate::config::{LISTEN_RETRY, SERVICE_BUDGET};

/// One accepted connection of a service that needs an `X` to do its work. In a [`Server`] that is a service by itself,
/// `X` is the board; one that needs nothing takes any.
pub trait Connection<S: TcpClientStack, X: ?Sized> {
    /// What a connection begins with. `remote` is the client.
    fn new(remote: SocketAddr) -> Self;

    /// Does what can be done without waiting, and moves at most [`SERVICE_BUDGET`] bytes. `Continue` says
    /// that there is more to do at once. [`Buffer`](super::buffer::Buffer)'s methods end the turn by
    /// themselves, with `?`.
    fn serve(
        &mut self,
        stack: &mut S,
        socket: &mut S::TcpSocket,
        context: &mut X,
    ) -> ControlFlow<Stop>;
}

/// A listening port: where new connections come from, whatever becomes of them. `H` is the stack's TCP
/// handle.
#[derive(Debug)]
struct Listener<H> {
    port: u16,
    socket: Option<H>,
    retry_at: Option<Instant>,
}

impl<H> Listener<H> {
    /// The next connection of the backlog, and whose it is.
    #[cfg_attr(target_os = "none", inline(never))]
    fn accept<S>(&mut self, now: Instant, stack: &mut S) -> Option<(H, SocketAddr)>
    where
        S: TcpFullStack<TcpSocket = H>,
    {
        if self.retry_at.is_some_and(|at| now < at) {
            return None;
        }
        self.retry_at = None;
        let (what, error) = match self.socket.take().map_or_else(|| open(stack, self.port), Ok) {
            Ok(mut socket) => match stack.accept(&mut socket) {
                Ok(accepted) => {
                    self.socket = Some(socket);
                    return Some(accepted);
                }
                Err(nb::Error::WouldBlock) => {
                    self.socket = Some(socket);
                    return None;
                }
                Err(nb::Error::Other(error)) => {
                    close(stack, socket);
                    ("accept", error)
                }
            },
            Err(error) => ("listen", error),
        };
        complain("tcp", self.port, what, &error);
        self.retry_at = Some(now + LISTEN_RETRY);
        None
    }
}

/// A listening port and at most `N` connections. `H` is the stack's TCP handle, `C` a connection's state.
#[derive(Debug)]
pub struct Server<H, C, const N: usize> {
    listener: Listener<H>,
    /// All `N` of them from the first poll on: until then they cost nothing to make and to move.
    connections: heapless::Vec<Option<(H, C)>, N>,
}

impl<H, C, const N: usize> Server<H, C, N> {
    /// A server that will listen on `port` from its first poll on.
    #[must_use]
    pub const fn new(port: u16) -> Self {
        let listener = Listener { port, socket: None, retry_at: None };
        Self { listener, connections: heapless::Vec::new() }
    }

    /// Serves every connection, then takes new ones into the free places. Returns when it wants to be polled
    /// again though nothing has arrived; see [`super`] for the contract.
    pub fn poll<S, X>(&mut self, now: Instant, stack: &mut S, context: &mut X) -> Option<Instant>
    where
        S: TcpFullStack<TcpSocket = H>,
        C: Connection<S, X>,
    {
        let mut again = false;
        for place in self.connections.iter_mut().filter(|place| place.is_some()) {
            again |= serve(place, stack, context);
        }
        again |= self.accept(now, stack, context);
        earliest(again.then_some(now), self.listener.retry_at)
    }

    /// Whether there is no place for another connection.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.connections.is_full() && self.connections.iter().all(Option::is_some)
    }

    /// Gives every handle back. Data that was accepted by `send` is still delivered by the stack.
    pub fn close<S: TcpClientStack<TcpSocket = H>>(&mut self, stack: &mut S) {
        let connections = self.connections.iter_mut().filter_map(Option::take);
        for handle in connections.map(|(handle, _)| handle) {
            close(stack, handle);
        }
        if let Some(listener) = self.listener.socket.take() {
            close(stack, listener);
        }
    }

    /// Fills the free places from the backlog. The result says that a new connection has more to do
    /// at once, or that there may be more in the backlog for a free place.
    fn accept<S, X>(&mut self, now: Instant, stack: &mut S, context: &mut X) -> bool
    where
        S: TcpFullStack<TcpSocket = H>,
        C: Connection<S, X>,
    {
        while self.connections.push(None).is_ok() {}
        let (mut unfinished, mut backlog) = (false, false);
        for place in self.connections.iter_mut().filter(|place| place.is_none()) {
            let Some((handle, remote)) = self.listener.accept(now, stack) else {
                return unfinished;
            };
            *place = Some((handle, C::new(remote)));
            unfinished |= serve(place, stack, context);
            // One that is over already leaves its place free for the next in the backlog.
            backlog |= place.is_none();
        }
        unfinished || backlog
    }
}

impl<S, B, C, const N: usize> Service<S, B> for Server<S::TcpSocket, C, N>
where
    S: TcpFullStack,
    C: Connection<S, B>,
{
    fn poll(&mut self, now: Instant, stack: &mut S, board: &mut B) -> Option<Instant> {
        self.poll(now, stack, board)
    }

    fn shutdown(&mut self, stack: &mut S, _board: &mut B) {
        self.close(stack);
    }
}

/// The server's side of a connection up to `accept`: socket, bind, listen.
fn open<S: TcpFullStack>(stack: &mut S, port: u16) -> Result<S::TcpSocket, S::Error> {
    let mut handle = stack.socket()?;
    let mut listening = stack.bind(&mut handle, port);
    if listening.is_ok() {
        listening = stack.listen(&mut handle);
    }
    match listening {
        Ok(()) => Ok(handle),
        Err(error) => {
            close(stack, handle);
            Err(error)
        }
    }
}

/// One turn of the connection in `place`, if any; says whether it wants another at once.
fn serve<S, C, X>(place: &mut Option<(S::TcpSocket, C)>, stack: &mut S, context: &mut X) -> bool
where
    S: TcpClientStack,
    C: Connection<S, X>,
{
    let Some((handle, connection)) = place else {
        return false;
    };
    match connection.serve(stack, handle, context) {
        ControlFlow::Continue(()) => true,
        ControlFlow::Break(Stop::Idle) => false,
        ControlFlow::Break(Stop::Done) => {
            if let Some((handle, _)) = place.take() {
                close(stack, handle);
            }
            false
        }
    }
}

/// Gives `handle` back. That the connection is gone already is no news to who closes it.
pub(super) fn close<S: TcpClientStack>(stack: &mut S, handle: S::TcpSocket) {
    if let Err(error) = stack.close(handle) {
        log::debug!("close: {error:?}");
    }
}

/// Forgets what was received: `Done` at the peer's FIN, `Continue` after [`SERVICE_BUDGET`] bytes.
pub fn drain<S: BufferAccess>(stack: &mut S, socket: &mut S::TcpSocket) -> ControlFlow<Stop> {
    let mut left = SERVICE_BUDGET;
    while left > 0 {
        match moved(&stack.skip(socket))? {
            0 => return ControlFlow::Break(Stop::Done),
            length => left = left.saturating_sub(length),
        }
    }
    ControlFlow::Continue(())
}
