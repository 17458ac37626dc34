//! Data moved in place: what the services of bulk data ask of a stack beyond the `embedded-nal` traits.
//!
//! A stack with buffers of its own lends them, and nothing is copied; by default the data passes through
//! [`SCRATCH`] bytes of the call stack, as `send` and `receive` want it.

use embedded_nal::{TcpClientStack, nb};
use tapboard_net::{Error, NetStack, TcpSocket};

use crate::config::SCRATCH;

/// A stack that may lend its buffers.
pub trait BufferAccess: TcpClientStack {
    /// Sends bytes that `fill` makes. It gets some room, with how much it has filled already, and fills all
    /// of it; there may be two parts, and at most the socket's buffer. The result says how many bytes, from
    /// the first on, were sent. The rest is `send`'s.
    fn send_with(
        &mut self,
        socket: &mut Self::TcpSocket,
        mut fill: impl FnMut(usize, &mut [u8]),
    ) -> nb::Result<usize, Self::Error> {
        let mut scratch = [0; SCRATCH];
        fill(0, &mut scratch);
        self.send(socket, &scratch)
    }

    /// Receives some bytes, at most the socket's buffer, and forgets them. The rest is `receive`'s: 0 is
    /// the peer's FIN.
    fn skip(&mut self, socket: &mut Self::TcpSocket) -> nb::Result<usize, Self::Error> {
        self.receive(socket, &mut [0; SCRATCH])
    }
}

impl BufferAccess for NetStack<'_> {
    fn send_with(
        &mut self,
        socket: &mut TcpSocket,
        mut fill: impl FnMut(usize, &mut [u8]),
    ) -> nb::Result<usize, Error> {
        let mut filled = 0;
        self.tcp_send_with(socket, |room| {
            fill(filled, room);
            filled += room.len();
            room.len()
        })
    }

    fn skip(&mut self, socket: &mut TcpSocket) -> nb::Result<usize, Error> {
        self.tcp_receive_with(socket, <[u8]>::len)
    }
}
