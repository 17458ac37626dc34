//! A TCP connection.

use core::future::poll_fn;
use core::net::SocketAddr;
use core::task::Poll;

use edge_nal::{Close, Readable, TcpShutdown, TcpSplit};
use embedded_io_async::{ErrorType, Read, ReadReady, Write, WriteReady};
use embedded_nal::nb;

use super::Async;
use crate::error::Error;
use crate::stack::TcpSocket;

/// A connection. Dropping it closes it: what was written still goes out, then FIN, or a reset if something was not read.
#[derive(Debug)]
pub struct TcpStream<'s, 'a> {
    net: Async<'s, 'a>,
    socket: TcpSocket,
}

impl<'s, 'a> TcpStream<'s, 'a> {
    pub(super) const fn new(net: Async<'s, 'a>, socket: TcpSocket) -> Self {
        Self { net, socket }
    }

    /// The connection once the peer has answered; dropped before, its slot is free.
    pub(super) async fn connecting(net: Async<'s, 'a>, socket: TcpSocket) -> Result<Self, Error> {
        let mut stream = Self::new(net, socket);
        poll_fn(|context| {
            let TcpStream { net, socket } = &mut stream;
            let (result, _before) = net.shared.call(|stack| match stack.tcp_connected(socket) {
                Ok(()) => (Poll::Ready(Ok(())), None),
                Err(nb::Error::Other(error)) => (Poll::Ready(Err(error)), None),
                Err(nb::Error::WouldBlock) => {
                    (Poll::Pending, stack.wait_write(socket, context.waker()))
                }
            });
            result
        })
        .await?;
        Ok(stream)
    }

    /// Own and peer's address.
    pub fn endpoints(&self) -> Result<(SocketAddr, SocketAddr), Error> {
        self.net.shared.call(|stack| stack.endpoints(&self.socket))
    }

    /// Reads into `buffer` what there is, at least a byte, and says how many. 0 is the peer's FIN.
    pub async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        self.receive(buffer).await
    }

    /// Writes the first bytes of `data` for which there is room, at least one, and says how many.
    pub async fn write(&mut self, data: &[u8]) -> Result<usize, Error> {
        self.send(data).await
    }

    /// Writes all of `data`.
    pub async fn write_all(&mut self, data: &[u8]) -> Result<(), Error> {
        Write::write_all(self, data).await
    }

    /// Two halves for two tasks.
    pub const fn split(&mut self) -> (ReadHalf<'_, 's, 'a>, WriteHalf<'_, 's, 'a>) {
        (ReadHalf(self), WriteHalf(self))
    }

    /// Closes this side's direction, and waits until the peer has acknowledged all that was written.
    pub async fn shutdown(&mut self) -> Result<(), Error> {
        self.net.shared.call(|stack| stack.shutdown(&self.socket))?;
        self.finished().await
    }

    /// Ends the connection with a reset, whatever is still under way.
    pub fn abort(&mut self) {
        let socket = core::mem::replace(&mut self.socket, TcpSocket::NEW);
        let _waiters = self.net.shared.call(|stack| {
            let waiters = stack.forget_waiters(&socket);
            stack.abort(socket);
            waiters
        });
    }

    async fn receive(&self, buffer: &mut [u8]) -> Result<usize, Error> {
        if buffer.is_empty() {
            return Ok(0);
        }
        poll_fn(|context| {
            self.net.attempt(
                context,
                |stack| stack.tcp_receive(&self.socket, buffer),
                |stack, waker| stack.wait_read(&self.socket, waker),
            )
        })
        .await
    }

    async fn readable(&self) -> Result<(), Error> {
        poll_fn(|context| {
            self.net.attempt(
                context,
                |stack| stack.tcp_readable(&self.socket),
                |stack, waker| stack.wait_read(&self.socket, waker),
            )
        })
        .await
    }

    async fn send(&self, data: &[u8]) -> Result<usize, Error> {
        poll_fn(|context| {
            self.net.attempt(
                context,
                |stack| stack.tcp_send(&self.socket, data),
                |stack, waker| stack.wait_write(&self.socket, waker),
            )
        })
        .await
    }

    /// Whether the next `receive` does not wait: for data, the end, or an error.
    fn reads_at_once(&self) -> bool {
        let readable = self.net.shared.call(|stack| stack.tcp_readable(&self.socket));
        !matches!(readable, Err(nb::Error::WouldBlock))
    }

    /// Whether the next `send` does not wait.
    fn writes_at_once(&self) -> bool {
        let writable = self.net.shared.call(|stack| stack.tcp_writable(&self.socket));
        !matches!(writable, Err(nb::Error::WouldBlock))
    }

    /// Reads and forgets, until the peer's FIN.
    async fn drain(&self) -> Result<(), Error> {
        loop {
            let count = poll_fn(|context| {
                self.net.attempt(
                    context,
                    |stack| stack.tcp_receive_with(&self.socket, <[u8]>::len),
                    |stack, waker| stack.wait_read(&self.socket, waker),
                )
            });
            if count.await? == 0 {
                return Ok(());
            }
        }
    }

    /// Waits until this side's FIN has been acknowledged.
    async fn finished(&self) -> Result<(), Error> {
        poll_fn(|context| {
            self.net.attempt(
                context,
                |stack| stack.tcp_finished(&self.socket),
                |stack, waker| stack.wait_write(&self.socket, waker),
            )
        })
        .await
    }
}

impl Drop for TcpStream<'_, '_> {
    fn drop(&mut self) {
        let _waiters = self.net.close(
            core::mem::replace(&mut self.socket, TcpSocket::NEW),
            |stack, socket| {
                let waiters = stack.forget_waiters(&socket);
                stack.tcp_close(socket);
                waiters
            },
            |dropped, socket| socket.note(dropped),
        );
    }
}

impl ErrorType for TcpStream<'_, '_> {
    type Error = Error;
}

impl Read for TcpStream<'_, '_> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        self.receive(buffer).await
    }
}

impl Write for TcpStream<'_, '_> {
    async fn write(&mut self, data: &[u8]) -> Result<usize, Error> {
        self.send(data).await
    }

    /// Nothing to wait for: the stack sends what was written at its next turn, whether or not the connection is closed
    /// meanwhile. [`TcpStream::shutdown`] waits until the peer has it.
    async fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

impl ReadReady for TcpStream<'_, '_> {
    /// Also when it would fail at once.
    fn read_ready(&mut self) -> Result<bool, Error> {
        Ok(self.reads_at_once())
    }
}

impl WriteReady for TcpStream<'_, '_> {
    /// Also when it would fail at once.
    fn write_ready(&mut self) -> Result<bool, Error> {
        Ok(self.writes_at_once())
    }
}

impl Readable for TcpStream<'_, '_> {
    async fn readable(&mut self) -> Result<(), Error> {
        TcpStream::readable(self).await
    }
}

impl TcpShutdown for TcpStream<'_, '_> {
    /// A FIN, and its acknowledgement; or reads and forgets until the peer's FIN; or both.
    async fn close(&mut self, what: Close) -> Result<(), Error> {
        match what {
            Close::Write => self.shutdown().await,
            Close::Read => self.drain().await,
            Close::Both => {
                self.net.shared.call(|stack| stack.shutdown(&self.socket))?;
                self.drain().await?;
                self.finished().await
            }
        }
    }

    async fn abort(&mut self) -> Result<(), Error> {
        Self::abort(self);
        Ok(())
    }
}

impl<'s, 'a> TcpSplit for TcpStream<'s, 'a> {
    type Read<'h>
        = ReadHalf<'h, 's, 'a>
    where
        Self: 'h;
    type Write<'h>
        = WriteHalf<'h, 's, 'a>
    where
        Self: 'h;

    fn split(&mut self) -> (Self::Read<'_>, Self::Write<'_>) {
        Self::split(self)
    }
}

/// The reading half of a [`TcpStream`].
#[derive(Debug)]
pub struct ReadHalf<'h, 's, 'a>(&'h TcpStream<'s, 'a>);

/// The writing half of a [`TcpStream`].
#[derive(Debug)]
pub struct WriteHalf<'h, 's, 'a>(&'h TcpStream<'s, 'a>);

impl ErrorType for ReadHalf<'_, '_, '_> {
    type Error = Error;
}

impl Read for ReadHalf<'_, '_, '_> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        self.0.receive(buffer).await
    }
}

impl ReadReady for ReadHalf<'_, '_, '_> {
    fn read_ready(&mut self) -> Result<bool, Error> {
        Ok(self.0.reads_at_once())
    }
}

impl Readable for ReadHalf<'_, '_, '_> {
    async fn readable(&mut self) -> Result<(), Error> {
        self.0.readable().await
    }
}

impl ErrorType for WriteHalf<'_, '_, '_> {
    type Error = Error;
}

impl Write for WriteHalf<'_, '_, '_> {
    async fn write(&mut self, data: &[u8]) -> Result<usize, Error> {
        self.0.send(data).await
    }

    /// As for [`TcpStream`].
    async fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

impl WriteReady for WriteHalf<'_, '_, '_> {
    fn write_ready(&mut self) -> Result<bool, Error> {
        Ok(self.0.writes_at_once())
    }
}
