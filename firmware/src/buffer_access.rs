//! Data moved in place: what the services of bulk data ask of a stack beyond the `embedded-nal` traits.
//!
//! A stack with buffers of its own lends them, and nothing is copied that comes from nowhere or goes there; what goes back
//! where it came from is copied once, a full segment at a time. By default the data passes through [`SCRATCH`] bytes of
//! the call stack, as `send` and `receive` want it.

use embedded_nal::{TcpClientStack, nb};
use heapless::Vec;
use tapboard_net::{Error, NetStack, TcpSocket};

use crate::config::{SCRATCH, SEGMENT_SIZE};

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

    /// Receives some bytes and sends the same ones, as many as there is room for and at most `limit`, which is not 0. The
    /// result says how many. The rest is `receive`'s: 0 is the peer's FIN. `None`, from a stack that cannot tell its
    /// room: `receive` and `send` have to do, and the caller keeps what is between them.
    fn send_back(
        &mut self,
        _socket: &mut Self::TcpSocket,
        _limit: usize,
    ) -> Option<nb::Result<usize, Self::Error>> {
        None
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

    fn send_back(
        &mut self,
        socket: &mut TcpSocket,
        limit: usize,
    ) -> Option<nb::Result<usize, Error>> {
        Some(send_back(self, socket, limit))
    }
}

/// By way of the call stack, for one socket does not lend both its buffers at once: a full segment at a time, and no
/// more than can be sent, so that nothing is left over.
#[inline(never)]
fn send_back(
    stack: &mut NetStack<'_>,
    socket: &TcpSocket,
    limit: usize,
) -> nb::Result<usize, Error> {
    // First a look, for most turns end with it.
    let mut waiting = false;
    stack.tcp_receive_with(socket, |_| {
        waiting = true;
        0
    })?;
    if !waiting {
        return Ok(0);
    }
    let room = stack.send_room(socket).min(limit).min(SEGMENT_SIZE);
    if room == 0 {
        // `send` knows whether there will ever be any.
        return stack.tcp_send(socket, &[]).and(Err(nb::Error::WouldBlock));
    }
    let mut bytes = Vec::<u8, SEGMENT_SIZE>::new();
    stack.tcp_receive_with(socket, |part| {
        let part = &part[..part.len().min(room - bytes.len())];
        // It fits.
        let _ = bytes.extend_from_slice(part);
        part.len()
    })?;
    stack.tcp_send(socket, &bytes)
}
