//! TCP as `embedded-nal` sees it: handles, and the calls that take them.

use core::net::SocketAddr;
use core::num::NonZeroU16;

use embedded_nal::{TcpClientStack, TcpFullStack};
use smoltcp::socket::tcp::State;

use super::{Error, NetStack, nb, to_socket_addr};
use crate::buffer_access::BufferAccess;
use crate::config::USER_TIMEOUT;
use crate::listener::{End, Phase};

/// A TCP socket of a [`NetStack`]: four bytes, not copyable, to be given back with `close`.
#[derive(Debug)]
#[must_use = "a socket must be given back with `close`"]
pub struct TcpSocket(Kind);

#[derive(Debug)]
enum Kind {
    /// Fresh from `socket`; takes nothing yet.
    New,
    /// Bound, or listening: a listener of the pool.
    Listener { index: u8, generation: u8 },
    /// Connecting or connected: a slot of the pool.
    Stream { index: u8, generation: u16 },
}

const _: () = assert!(size_of::<TcpSocket>() == 4);

impl NetStack<'_> {
    /// The slot behind a connecting or connected socket, noted as used.
    fn stream(&mut self, socket: &TcpSocket) -> Result<usize, Error> {
        let Kind::Stream { index, generation } = socket.0 else {
            return Err(Error::InvalidState);
        };
        let index = usize::from(index);
        let slot = &self.pool.slots[index];
        if slot.phase != Phase::Open || slot.generation != generation {
            return Err(Error::ConnectionAborted);
        }
        self.pool.touch(index, self.now);
        Ok(index)
    }

    /// The pool's listener behind a bound socket, noted as used.
    fn listener(&mut self, socket: &TcpSocket) -> Result<u8, Error> {
        let Kind::Listener { index, generation } = socket.0 else {
            return Err(Error::InvalidState);
        };
        let listener = &mut self.pool.listeners[usize::from(index)];
        if listener.port == 0 || listener.generation != generation {
            return Err(Error::ConnectionAborted);
        }
        listener.touched = self.now;
        Ok(index)
    }

    fn opened(&self, index: usize) -> TcpSocket {
        let generation = self.pool.slots[index].generation;
        TcpSocket(Kind::Stream { index: index as u8, generation })
    }

    /// The error that explains why this connection is over, if it is.
    fn ended(&self, index: usize) -> Option<Error> {
        match self.pool.slots[index].end? {
            End::Reset => Some(Error::ConnectionReset),
            End::TimedOut => Some(Error::TimedOut),
        }
    }

    /// Own and peer's address of a connecting or connected socket.
    pub fn endpoints(&mut self, socket: &TcpSocket) -> Result<(SocketAddr, SocketAddr), Error> {
        let index = self.stream(socket)?;
        let tcp = self.pool.socket(index, &self.set);
        let (Some(local), Some(remote)) = (tcp.local_endpoint(), tcp.remote_endpoint()) else {
            return Err(self.ended(index).unwrap_or(Error::InvalidState));
        };
        Ok((to_socket_addr(local), to_socket_addr(remote)))
    }

    /// The connection's state by its RFC 9293 name, or `CLOSED` for a socket that has none.
    pub fn state_name(&mut self, socket: &TcpSocket) -> &'static str {
        if let Ok(index) = self.stream(socket) {
            return super::state_name(self.pool.socket(index, &self.set).state());
        }
        match self.listener(socket) {
            Ok(index) if self.pool.listeners[usize::from(index)].listening => "LISTEN",
            _ => "CLOSED",
        }
    }

    /// Closes the sending direction: what was sent still goes out, then FIN. Receiving goes on. There is nothing to close
    /// before the handshake is complete: smoltcp would take the acknowledgement of its SYN for that of a FIN.
    pub fn shutdown(&mut self, socket: &TcpSocket) -> Result<(), Error> {
        let index = self.stream(socket)?;
        if let Some(error) = self.ended(index) {
            return Err(error);
        }
        let tcp = self.pool.socket(index, &self.set);
        if matches!(tcp.state(), State::SynSent | State::SynReceived | State::Closed) {
            return Err(Error::InvalidState);
        }
        self.pool.shut(&mut self.set, index);
        Ok(())
    }

    /// Ends the connection with a reset, whatever is still under way.
    pub fn abort(&mut self, socket: TcpSocket) {
        if let Ok(index) = self.stream(&socket) {
            self.pool.abort(&mut self.set, index, self.now);
        } else {
            let _ = TcpClientStack::close(self, socket);
        }
    }

    /// Copies received bytes without taking them. Counts and errors are those of `receive`.
    pub fn peek(&mut self, socket: &TcpSocket, buffer: &mut [u8]) -> nb::Result<usize, Error> {
        let index = self.readable(socket)?;
        let Some(index) = index else { return Ok(0) };
        let tcp = self.pool.socket_mut(index, &mut self.set);
        tcp.peek_slice(buffer).map_err(|_| nb::Error::Other(Error::InvalidState))
    }

    /// Bytes that `send` would take at once; 0 when the connection cannot send.
    pub fn send_room(&mut self, socket: &TcpSocket) -> usize {
        let Ok(index) = self.stream(socket) else {
            return 0;
        };
        let tcp = self.pool.socket(index, &self.set);
        let may_send = tcp.may_send() && !self.pool.slots[index].fin_waits;
        if may_send { tcp.send_capacity() - tcp.send_queue() } else { 0 }
    }

    /// Bytes sent and not yet acknowledged by the peer.
    pub fn unacknowledged(&mut self, socket: &TcpSocket) -> usize {
        self.stream(socket).map_or(0, |index| self.pool.socket(index, &self.set).send_queue())
    }

    /// The slot of a socket with bytes to read; `None` after the peer's FIN.
    fn readable(&mut self, socket: &TcpSocket) -> nb::Result<Option<usize>, Error> {
        let index = self.stream(socket)?;
        let tcp = self.pool.socket(index, &self.set);
        if tcp.can_recv() {
            return Ok(Some(index));
        }
        if let Some(error) = self.ended(index) {
            return Err(error.into());
        }
        match tcp.state() {
            State::CloseWait | State::Closing | State::LastAck | State::TimeWait => Ok(None),
            State::Closed if self.pool.slots[index].finished() => Ok(None),
            // CLOSED: ended since the last turn; what ended it is told at the next.
            State::Established | State::FinWait1 | State::FinWait2 | State::Closed => {
                Err(nb::Error::WouldBlock)
            }
            State::SynSent | State::SynReceived | State::Listen => Err(Error::InvalidState.into()),
        }
    }
}

impl NetStack<'_> {
    /// The slot of a socket that may send.
    fn writable(&mut self, socket: &TcpSocket) -> nb::Result<usize, Error> {
        let index = self.stream(socket)?;
        if let Some(error) = self.ended(index) {
            return Err(error.into());
        }
        match self.pool.socket(index, &self.set).state() {
            State::Established | State::CloseWait if !self.pool.slots[index].fin_waits => Ok(index),
            State::SynSent | State::SynReceived | State::Listen => Err(Error::InvalidState.into()),
            State::Closed if !self.pool.slots[index].finished() => Err(nb::Error::WouldBlock),
            _ => Err(Error::PipeClosed.into()),
        }
    }

    /// Sends what `fill` puts at the beginning of the room it is lent, in two parts where the buffer wraps
    /// round; it says how much that is.
    #[inline(never)]
    fn lend_room(
        &mut self,
        socket: &TcpSocket,
        fill: &mut dyn FnMut(&mut [u8]) -> usize,
    ) -> nb::Result<usize, Error> {
        let index = self.writable(socket)?;
        let tcp = self.pool.socket_mut(index, &mut self.set);
        let mut count = 0;
        while let Ok(filled @ 1..) = tcp.send(|room| {
            let filled = fill(room);
            (filled, filled)
        }) {
            count += filled;
        }
        if count == 0 {
            return Err(nb::Error::WouldBlock);
        }
        self.pool.slots[index].moved = self.now;
        Ok(count)
    }

    /// Receives what `take` takes of what it is lent, in two parts where the buffer wraps round; it says
    /// how much that is. 0 is the peer's FIN.
    #[inline(never)]
    fn lend_received(
        &mut self,
        socket: &TcpSocket,
        take: &mut dyn FnMut(&[u8]) -> usize,
    ) -> nb::Result<usize, Error> {
        let Some(index) = self.readable(socket)? else {
            return Ok(0);
        };
        let tcp = self.pool.socket_mut(index, &mut self.set);
        let mut count = 0;
        while let Ok(taken @ 1..) = tcp.recv(|bytes| {
            let taken = take(bytes);
            (taken, taken)
        }) {
            count += taken;
        }
        let slot = &mut self.pool.slots[index];
        slot.moved = self.now;
        slot.recovery.consumed(count);
        Ok(count)
    }
}

impl BufferAccess for NetStack<'_> {
    fn send_with(
        &mut self,
        socket: &mut TcpSocket,
        mut fill: impl FnMut(usize, &mut [u8]),
    ) -> nb::Result<usize, Error> {
        let mut filled = 0;
        self.lend_room(socket, &mut |room| {
            fill(filled, room);
            filled += room.len();
            room.len()
        })
    }

    fn skip(&mut self, socket: &mut TcpSocket) -> nb::Result<usize, Error> {
        self.lend_received(socket, &mut <[u8]>::len)
    }
}

#[cfg(feature = "gateway")]
impl NetStack<'_> {
    /// Like `listen`, but peers get no SYN-ACK before [`NetStack::admit`].
    pub fn listen_deferred(&mut self, socket: &mut TcpSocket) -> Result<(), Error> {
        TcpFullStack::listen(self, socket)?;
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
        let Some(index) = self.pool.accept_deferred(listener, self.now) else {
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
        let tcp = self.pool.socket_mut(index, &mut self.set);
        tcp.pause_synack(false);
        tcp.set_timeout(Some(USER_TIMEOUT));
        self.counters.passive_opens = self.counters.passive_opens.wrapping_add(1);
        Ok(())
    }
}

impl TcpClientStack for NetStack<'_> {
    type TcpSocket = TcpSocket;
    type Error = Error;

    fn socket(&mut self) -> Result<TcpSocket, Error> {
        Ok(TcpSocket(Kind::New))
    }

    /// The first call sends the SYN; `WouldBlock` until the peer has answered. After an error the socket
    /// is as new.
    fn connect(&mut self, socket: &mut TcpSocket, remote: SocketAddr) -> nb::Result<(), Error> {
        if matches!(socket.0, Kind::New) {
            let remote = self.destination(remote)?;
            let port = self.ephemeral_port();
            let index = self
                .pool
                .take_client(&mut self.set, self.now, &mut self.counters)
                .ok_or(Error::NoBufferSpace)?;
            let tcp = self.pool.socket_mut(index, &mut self.set);
            tcp.set_timeout(Some(USER_TIMEOUT));
            if tcp.connect(self.interface.context(), remote, port).is_err() {
                self.pool.scrub(&mut self.set, index);
                return Err(Error::Unaddressable.into());
            }
            self.pool.slots[index].syn_unsent = NonZeroU16::new(port);
            *socket = self.opened(index);
            return Err(nb::Error::WouldBlock);
        }
        let index = match self.stream(socket) {
            Err(error @ Error::ConnectionAborted) => {
                socket.0 = Kind::New;
                return Err(error.into());
            }
            result => result?,
        };
        let tcp = self.pool.socket(index, &self.set);
        match (tcp.state(), self.pool.slots[index].end) {
            (State::SynSent | State::SynReceived, None) => Err(nb::Error::WouldBlock),
            (State::Closed, end) => {
                let Some(end) = end else {
                    return Err(nb::Error::WouldBlock);
                };
                self.pool.scrub(&mut self.set, index);
                socket.0 = Kind::New;
                self.counters.failed_connects = self.counters.failed_connects.wrapping_add(1);
                Err(nb::Error::Other(match end {
                    End::Reset => Error::ConnectionRefused,
                    End::TimedOut => Error::TimedOut,
                }))
            }
            _ => {
                let (slot, now) = (&mut self.pool.slots[index], self.now);
                if !slot.announced() {
                    slot.recovery.established(now - slot.since());
                    self.counters.active_opens = self.counters.active_opens.wrapping_add(1);
                }
                Ok(())
            }
        }
    }

    fn send(&mut self, socket: &mut TcpSocket, buffer: &[u8]) -> nb::Result<usize, Error> {
        if buffer.is_empty() {
            return self.writable(socket).map(|_| 0);
        }
        let mut rest = buffer;
        let mut put = |room: &mut [u8]| {
            let (now, later) = rest.split_at(room.len().min(rest.len()));
            room[..now.len()].copy_from_slice(now);
            rest = later;
            now.len()
        };
        self.lend_room(socket, &mut put)
    }

    fn receive(&mut self, socket: &mut TcpSocket, buffer: &mut [u8]) -> nb::Result<usize, Error> {
        let mut room = buffer;
        self.lend_received(socket, &mut |bytes| {
            let count = bytes.len().min(room.len());
            let (now, later) = core::mem::take(&mut room).split_at_mut(count);
            now.copy_from_slice(&bytes[..count]);
            room = later;
            count
        })
    }

    fn close(&mut self, socket: TcpSocket) -> Result<(), Error> {
        if let Ok(index) = self.stream(&socket) {
            self.pool.close(&mut self.set, index, self.now);
        } else if let Ok(index) = self.listener(&socket) {
            self.pool.unregister(&mut self.set, index, self.now);
        }
        // What the stack itself ended before is closed already.
        Ok(())
    }
}

impl TcpFullStack for NetStack<'_> {
    fn bind(&mut self, socket: &mut TcpSocket, local_port: u16) -> Result<(), Error> {
        if !matches!(socket.0, Kind::New) {
            return Err(Error::InvalidState);
        }
        if local_port == 0 {
            return Err(Error::Unaddressable);
        }
        if self.pool.listeners.iter().any(|listener| listener.port == local_port) {
            return Err(Error::AddressInUse);
        }
        let index = self.pool.register(local_port, self.now).ok_or(Error::NoBufferSpace)?;
        let generation = self.pool.listeners[usize::from(index)].generation;
        socket.0 = Kind::Listener { index, generation };
        Ok(())
    }

    fn listen(&mut self, socket: &mut TcpSocket) -> Result<(), Error> {
        let index = self.listener(socket)?;
        self.pool.listeners[usize::from(index)].listening = true;
        Ok(())
    }

    fn accept(&mut self, socket: &mut TcpSocket) -> nb::Result<(TcpSocket, SocketAddr), Error> {
        let listener = self.listener(socket)?;
        if !self.pool.listeners[usize::from(listener)].listening {
            return Err(Error::InvalidState.into());
        }
        let index = self.pool.accept(listener, self.now).ok_or(nb::Error::WouldBlock)?;
        let opened = self.opened(index);
        let (_, remote) = self.endpoints(&opened)?;
        Ok((opened, remote))
    }
}
