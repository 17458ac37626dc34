//! A SYN-ACK that waits until the application admits the peer, as a proxy needs it: only once its own connection to the far
//! side stands, or is refused. It has the [user timeout](crate::Limits::with_user_timeout) from the SYN on, the peer's last
//! ACK included; after that the request is forgotten without a word.

use core::net::SocketAddr;

use embedded_nal::nb;

use super::{Error, NetStack, TcpSocket};

impl NetStack<'_> {
    /// Like `listen`, but peers get no SYN-ACK before [`NetStack::admit`].
    pub fn listen_deferred(&mut self, socket: &TcpSocket) -> Result<(), Error> {
        self.tcp_listen_socket(socket)?;
        let index = self.listener(socket)?;
        self.pool.listeners[usize::from(index)].deferred = true;
        Ok(())
    }

    /// A peer that wants to connect to a port of [`NetStack::listen_deferred`], and who it is.
    pub fn accept_deferred(
        &mut self,
        socket: &TcpSocket,
    ) -> nb::Result<(TcpSocket, SocketAddr), Error> {
        let listener = self.listener(socket)?;
        let Some(index) = self.pool.accept_deferred(listener) else {
            return Err(nb::Error::WouldBlock);
        };
        let opened = self.opened(index);
        let (_, remote) = self.endpoints(&opened)?;
        Ok((opened, remote))
    }

    /// Lets the SYN-ACK go out. `abort` instead refuses the peer. An error if the peer has taken its request back.
    pub fn admit(&mut self, socket: &TcpSocket) -> Result<(), Error> {
        let index = self.stream(socket)?;
        if let Some(error) = self.ended(index) {
            return Err(error);
        }
        self.dirty = true;
        self.pool.socket_mut(index).pause_synack(false);
        self.counters.passive_opens = self.counters.passive_opens.wrapping_add(1);
        Ok(())
    }
}
