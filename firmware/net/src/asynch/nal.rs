//! The traits of `edge-nal` and `embedded-nal-async` that make sockets.

use core::net::SocketAddr;

use super::{Async, TcpListener, TcpStream, UdpSocket};
use crate::error::Error;

impl<'s, 'a> edge_nal::TcpConnect for Async<'s, 'a> {
    type Error = Error;
    type Socket<'t>
        = TcpStream<'s, 'a>
    where
        Self: 't;

    async fn connect(&self, remote: SocketAddr) -> Result<TcpStream<'s, 'a>, Error> {
        self.tcp_connect(remote).await
    }
}

impl<'s, 'a> embedded_nal_async::TcpConnect for Async<'s, 'a> {
    type Error = Error;
    type Connection<'t>
        = TcpStream<'s, 'a>
    where
        Self: 't;

    async fn connect<'t>(&'t self, remote: SocketAddr) -> Result<TcpStream<'s, 'a>, Error> {
        self.tcp_connect(remote).await
    }
}

impl<'s, 'a> edge_nal::TcpBind for Async<'s, 'a> {
    type Error = Error;
    type Accept<'t>
        = TcpListener<'s, 'a>
    where
        Self: 't;

    /// The address is any, or one of the stack's own, which is as good as any.
    async fn bind(&self, local: SocketAddr) -> Result<TcpListener<'s, 'a>, Error> {
        self.shared.call(|stack| stack.can_bind(local))?;
        self.tcp_listen(local.port())
    }
}

impl<'s, 'a> edge_nal::TcpAccept for TcpListener<'s, 'a> {
    type Error = Error;
    type Socket<'t>
        = TcpStream<'s, 'a>
    where
        Self: 't;

    async fn accept(&self) -> Result<(SocketAddr, TcpStream<'s, 'a>), Error> {
        let (stream, remote) = TcpListener::accept(self).await?;
        Ok((remote, stream))
    }
}

impl<'s, 'a> edge_nal::UdpBind for Async<'s, 'a> {
    type Error = Error;
    type Socket<'t>
        = UdpSocket<'s, 'a>
    where
        Self: 't;

    /// The address is any, or one of the stack's own, which is as good as any; port 0 is a random one.
    async fn bind(&self, local: SocketAddr) -> Result<UdpSocket<'s, 'a>, Error> {
        self.shared.call(|stack| stack.can_bind(local))?;
        self.udp_bind(local.port())
    }
}

impl<'s, 'a> edge_nal::UdpConnect for Async<'s, 'a> {
    type Error = Error;
    type Socket<'t>
        = UdpSocket<'s, 'a>
    where
        Self: 't;

    /// The local address as for `bind`.
    async fn connect(
        &self,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Result<UdpSocket<'s, 'a>, Error> {
        self.shared.call(|stack| stack.can_bind(local))?;
        let mut socket = self.udp_bind(local.port())?;
        socket.name_peer(remote)?;
        Ok(socket)
    }
}
