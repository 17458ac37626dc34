//! A UDP socket.

use core::future::poll_fn;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use edge_nal::{MulticastV4, MulticastV6, Readable};
use edge_nal::{UdpReceive, UdpSend, UdpSplit, UdpSplitMulticast};
use embedded_io_async::ErrorType;

use super::Async;
use crate::error::Error;
use crate::stack;

/// A UDP socket. Dropping it frees its port; what it has queued and not sent goes with it.
#[derive(Debug)]
pub struct UdpSocket<'s, 'a> {
    net: Async<'s, 'a>,
    socket: stack::UdpSocket,
}

impl<'s, 'a> UdpSocket<'s, 'a> {
    pub(super) const fn new(net: Async<'s, 'a>, socket: stack::UdpSocket) -> Self {
        Self { net, socket }
    }

    /// The next datagram's length and who sent it. What of it does not fit `buffer` is lost; the length is the whole one.
    pub async fn receive(&mut self, buffer: &mut [u8]) -> Result<(usize, SocketAddr), Error> {
        self.next(buffer).await
    }

    /// Sends a datagram to `remote`, or if the socket is connected, to its peer.
    pub async fn send(&mut self, remote: SocketAddr, payload: &[u8]) -> Result<(), Error> {
        self.queue(remote, payload).await
    }

    /// Names the only peer.
    pub(super) fn name_peer(&mut self, remote: SocketAddr) -> Result<(), Error> {
        let socket = &mut self.socket;
        self.net.shared.call(|stack| stack.udp_name_peer(socket, remote))
    }

    /// Two halves for two tasks.
    pub const fn split(&mut self) -> (ReceiveHalf<'_, 's, 'a>, SendHalf<'_, 's, 'a>) {
        (ReceiveHalf(self), SendHalf(self))
    }

    async fn next(&self, buffer: &mut [u8]) -> Result<(usize, SocketAddr), Error> {
        poll_fn(|context| {
            self.net.attempt(
                context,
                |stack| stack.udp_receive_some(&self.socket, buffer),
                |stack, waker| stack.wait_receive(&self.socket, waker),
            )
        })
        .await
    }

    async fn queue(&self, remote: SocketAddr, payload: &[u8]) -> Result<(), Error> {
        poll_fn(|context| {
            self.net.attempt(
                context,
                |stack| match stack.udp_peer(&self.socket)? {
                    Some(_) => stack.udp_send(&self.socket, payload),
                    None => stack.udp_send_to(&self.socket, remote, payload),
                },
                |stack, waker| stack.wait_send(&self.socket, waker),
            )
        })
        .await
    }

    async fn ready(&self) -> Result<(), Error> {
        poll_fn(|context| {
            self.net.attempt(
                context,
                |stack| stack.udp_readable(&self.socket),
                |stack, waker| stack.wait_receive(&self.socket, waker),
            )
        })
        .await
    }
}

impl Drop for UdpSocket<'_, '_> {
    fn drop(&mut self) {
        let _waiters = self.net.close(
            core::mem::replace(&mut self.socket, stack::UdpSocket::NEW),
            |stack, socket| {
                let waiters = stack.forget_udp_waiters(&socket);
                stack.udp_close(socket);
                waiters
            },
            |dropped, socket| socket.note(dropped),
        );
    }
}

/// The receiving half of a [`UdpSocket`].
#[derive(Debug)]
pub struct ReceiveHalf<'h, 's, 'a>(&'h UdpSocket<'s, 'a>);

/// The sending half of a [`UdpSocket`].
#[derive(Debug)]
pub struct SendHalf<'h, 's, 'a>(&'h UdpSocket<'s, 'a>);

/// Groups, which a socket of the stack's own does not have: [`Error::Unsupported`].
#[derive(Debug)]
pub struct NoGroups;

impl ErrorType for UdpSocket<'_, '_> {
    type Error = Error;
}

impl ErrorType for ReceiveHalf<'_, '_, '_> {
    type Error = Error;
}

impl ErrorType for SendHalf<'_, '_, '_> {
    type Error = Error;
}

impl ErrorType for NoGroups {
    type Error = Error;
}

impl UdpReceive for UdpSocket<'_, '_> {
    async fn receive(&mut self, buffer: &mut [u8]) -> Result<(usize, SocketAddr), Error> {
        self.next(buffer).await
    }
}

impl UdpReceive for ReceiveHalf<'_, '_, '_> {
    async fn receive(&mut self, buffer: &mut [u8]) -> Result<(usize, SocketAddr), Error> {
        self.0.next(buffer).await
    }
}

impl UdpSend for UdpSocket<'_, '_> {
    async fn send(&mut self, remote: SocketAddr, payload: &[u8]) -> Result<(), Error> {
        self.queue(remote, payload).await
    }
}

impl UdpSend for SendHalf<'_, '_, '_> {
    async fn send(&mut self, remote: SocketAddr, payload: &[u8]) -> Result<(), Error> {
        self.0.queue(remote, payload).await
    }
}

impl Readable for UdpSocket<'_, '_> {
    async fn readable(&mut self) -> Result<(), Error> {
        self.ready().await
    }
}

impl Readable for ReceiveHalf<'_, '_, '_> {
    async fn readable(&mut self) -> Result<(), Error> {
        self.0.ready().await
    }
}

impl<'s, 'a> UdpSplit for UdpSocket<'s, 'a> {
    type Receive<'h>
        = ReceiveHalf<'h, 's, 'a>
    where
        Self: 'h;
    type Send<'h>
        = SendHalf<'h, 's, 'a>
    where
        Self: 'h;

    fn split(&mut self) -> (Self::Receive<'_>, Self::Send<'_>) {
        Self::split(self)
    }
}

impl UdpSplitMulticast for UdpSocket<'_, '_> {
    type MulticastV4<'h>
        = NoGroups
    where
        Self: 'h;
    type MulticastV6<'h>
        = NoGroups
    where
        Self: 'h;

    fn split_multicast(
        &mut self,
    ) -> (Self::Receive<'_>, Self::Send<'_>, Self::MulticastV4<'_>, Self::MulticastV6<'_>) {
        let (receive, send) = Self::split(self);
        (receive, send, NoGroups, NoGroups)
    }
}

/// [`Error::Unsupported`]: a socket of the stack's own receives only what is sent to this board alone. For a group, join
/// with [`NetStack::join`](crate::NetStack) and add a socket of smoltcp's ([`NetStack::add_socket`](crate::NetStack)).
macro_rules! no_groups {
    ($($type:ty),*) => { $(
        impl MulticastV4 for $type {
            async fn join_v4(&mut self, _: Ipv4Addr, _: Ipv4Addr) -> Result<(), Error> {
                Err(Error::Unsupported)
            }

            async fn leave_v4(&mut self, _: Ipv4Addr, _: Ipv4Addr) -> Result<(), Error> {
                Err(Error::Unsupported)
            }
        }

        impl MulticastV6 for $type {
            async fn join_v6(&mut self, _: Ipv6Addr, _: u32) -> Result<(), Error> {
                Err(Error::Unsupported)
            }

            async fn leave_v6(&mut self, _: Ipv6Addr, _: u32) -> Result<(), Error> {
                Err(Error::Unsupported)
            }
        }
    )* };
}

no_groups!(UdpSocket<'_, '_>, NoGroups);
