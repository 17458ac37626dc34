//! A listening TCP socket.

use core::future::Future;
use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Context, Poll};

use embedded_nal::nb;

use super::{Async, TcpStream};
use crate::error::Error;
use crate::stack::{NetStack, TcpSocket};
use crate::wake::Kind;

/// A listener. Dropping it frees its port, and resets the connections that nobody accepted.
#[derive(Debug)]
pub struct TcpListener<'s, 'a> {
    net: Async<'s, 'a>,
    socket: TcpSocket,
}

impl<'s, 'a> TcpListener<'s, 'a> {
    pub(super) const fn new(net: Async<'s, 'a>, socket: TcpSocket) -> Self {
        Self { net, socket }
    }

    /// The connection that has waited longest, and who is at its other end. Several tasks may wait for the next; each
    /// connection wakes one of them.
    pub async fn accept(&self) -> Result<(TcpStream<'s, 'a>, SocketAddr), Error> {
        Accept { listener: self, place: None }.await
    }
}

impl Drop for TcpListener<'_, '_> {
    fn drop(&mut self) {
        self.net.close(
            core::mem::replace(&mut self.socket, TcpSocket::NEW),
            NetStack::tcp_close,
            |dropped, socket| socket.note(dropped),
        );
    }
}

/// The wait for a connection.
#[derive(Debug)]
struct Accept<'l, 's, 'a> {
    listener: &'l TcpListener<'s, 'a>,
    /// Where it waits, and its ticket.
    place: Option<(u8, u32)>,
}

impl<'s, 'a> Future for Accept<'_, 's, 'a> {
    type Output = Result<(TcpStream<'s, 'a>, SocketAddr), Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let listener = self.listener;
        let place = &mut self.place;
        let (accepted, _before) = listener
            .net
            .shared
            .call(|stack| stack.accept_or_wait(&listener.socket, place, context.waker()));
        match accepted {
            Ok((socket, remote)) => {
                // It has what it was woken for: nobody needs to be woken in its stead.
                self.leave();
                Poll::Ready(Ok((TcpStream::new(listener.net, socket), remote)))
            }
            Err(nb::Error::Other(error)) => Poll::Ready(Err(error)),
            Err(nb::Error::WouldBlock) => Poll::Pending,
        }
    }
}

impl Accept<'_, '_, '_> {
    /// Gives the place back. Says whether it had been woken for a connection.
    fn leave(&mut self) -> bool {
        let Some((index, ticket)) = self.place.take() else { return false };
        let left = self.listener.net.close(
            (),
            |stack, ()| stack.leave_accept(usize::from(index), ticket),
            |dropped, ()| dropped.note(Kind::Acceptor, index, ticket),
        );
        left.flatten().is_some_and(|acceptor| acceptor.waker.is_none())
    }
}

impl Drop for Accept<'_, '_, '_> {
    fn drop(&mut self) {
        if self.leave() {
            // The connection is another's now.
            self.listener.net.shared.wake();
        }
    }
}
