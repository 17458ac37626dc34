//! TCP: handles, and the calls that take them.

#[cfg(feature = "async")]
mod wake;

use core::net::SocketAddr;

use embedded_nal::nb;
use smoltcp::socket::tcp::State;

use super::address::to_socket_addr;
use super::{Error, NetStack};
use crate::netstat::state_name;
use crate::tcp::{End, Phase};

/// A TCP socket of a [`NetStack`]: four bytes, not copyable, to be given back with `tcp_close` or `abort`, also when its
/// connection has ended: until then it keeps its slot.
#[derive(Debug)]
#[must_use = "a socket must be given back with `close`"]
pub struct TcpSocket(Kind);

impl TcpSocket {
    /// A socket that takes nothing yet.
    pub(crate) const NEW: Self = Self(Kind::New);
}

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
    pub(super) fn stream(&mut self, socket: &TcpSocket) -> Result<usize, Error> {
        let Kind::Stream { index, generation } = socket.0 else {
            return Err(Error::InvalidState);
        };
        let index = usize::from(index);
        let slot = &self.pool.slots[index];
        if slot.phase != Phase::Open || slot.generation != generation {
            return Err(Error::ConnectionAborted);
        }
        self.pool.touch(index);
        Ok(index)
    }

    /// The pool's listener behind a bound socket, noted as used.
    pub(super) fn listener(&mut self, socket: &TcpSocket) -> Result<u8, Error> {
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

    pub(super) fn opened(&self, index: usize) -> TcpSocket {
        let generation = self.pool.slots[index].generation;
        TcpSocket(Kind::Stream { index: index as u8, generation })
    }

    /// The error that explains why this connection is over, if it is.
    pub(super) fn ended(&self, index: usize) -> Option<Error> {
        match self.pool.slots[index].end? {
            End::Reset => Some(Error::ConnectionReset),
            End::TimedOut => Some(Error::TimedOut),
        }
    }

    /// Own and peer's address of a connecting or connected socket; the error that ended the connection, or
    /// [`Error::InvalidState`] for a socket that has none.
    pub fn endpoints(&mut self, socket: &TcpSocket) -> Result<(SocketAddr, SocketAddr), Error> {
        let index = self.stream(socket)?;
        let tcp = self.pool.socket(index);
        let (Some(local), Some(remote)) = (tcp.local_endpoint(), tcp.remote_endpoint()) else {
            return Err(self.ended(index).unwrap_or(Error::InvalidState));
        };
        Ok((to_socket_addr(local), to_socket_addr(remote)))
    }

    /// The connection's state by its RFC 9293 name, or `CLOSED` for a socket that has none.
    pub fn state_name(&mut self, socket: &TcpSocket) -> &'static str {
        if let Ok(index) = self.stream(socket) {
            return state_name(self.pool.socket(index).state());
        }
        match self.listener(socket) {
            Ok(index) if self.pool.listeners[usize::from(index)].listening => "LISTEN",
            _ => "CLOSED",
        }
    }

    /// Closes the sending direction: what was sent still goes out, then FIN. Receiving goes on. There is nothing to close
    /// before the handshake is complete ([`Error::InvalidState`]): smoltcp would take the acknowledgement of its SYN for
    /// that of a FIN.
    pub fn shutdown(&mut self, socket: &TcpSocket) -> Result<(), Error> {
        let index = self.stream(socket)?;
        if let Some(error) = self.ended(index) {
            return Err(error);
        }
        let tcp = self.pool.socket(index);
        if matches!(tcp.state(), State::SynSent | State::SynReceived | State::Closed) {
            return Err(Error::InvalidState);
        }
        self.dirty = true;
        self.pool.shut(index);
        Ok(())
    }

    /// Ends the connection with a reset (RFC 9293 3.10.5), whatever is still under way. A listener is closed.
    pub fn abort(&mut self, socket: TcpSocket) {
        self.dirty = true;
        if let Ok(index) = self.stream(&socket) {
            self.pool.abort(index);
        } else {
            self.tcp_close(socket);
        }
    }

    /// Copies received bytes without taking them. Counts and errors are those of [`NetStack::tcp_receive`].
    pub fn peek(&mut self, socket: &TcpSocket, buffer: &mut [u8]) -> nb::Result<usize, Error> {
        let index = self.readable(socket)?;
        let Some(index) = index else { return Ok(0) };
        let tcp = self.pool.socket_mut(index);
        tcp.peek_slice(buffer).map_err(|_| nb::Error::Other(Error::InvalidState))
    }

    /// Bytes that `send` would take at once; 0 when the connection cannot send.
    pub fn send_room(&mut self, socket: &TcpSocket) -> usize {
        let Ok(index) = self.stream(socket) else {
            return 0;
        };
        let tcp = self.pool.socket(index);
        let may_send = tcp.may_send() && !self.pool.slots[index].fin_waits;
        if may_send { tcp.send_capacity() - tcp.send_queue() } else { 0 }
    }

    /// Bytes sent and not yet acknowledged by the peer.
    pub fn unacknowledged(&mut self, socket: &TcpSocket) -> usize {
        self.stream(socket).map_or(0, |index| self.pool.socket(index).send_queue())
    }

    /// The slot of a socket with bytes to read; `None` after the peer's FIN.
    fn readable(&mut self, socket: &TcpSocket) -> nb::Result<Option<usize>, Error> {
        let index = self.stream(socket)?;
        Ok(self.has_input(index)?.then_some(index))
    }

    /// Whether a slot has bytes to read; `false` after the peer's FIN.
    fn has_input(&self, index: usize) -> nb::Result<bool, Error> {
        let tcp = self.pool.socket(index);
        if tcp.can_recv() {
            return Ok(true);
        }
        if let Some(error) = self.ended(index) {
            return Err(error.into());
        }
        match tcp.state() {
            State::CloseWait | State::Closing | State::LastAck | State::TimeWait => Ok(false),
            State::Closed if self.pool.slots[index].finished() => Ok(false),
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
        match self.pool.socket(index).state() {
            State::Established | State::CloseWait if !self.pool.slots[index].fin_waits => Ok(index),
            State::SynSent | State::SynReceived | State::Listen => Err(Error::InvalidState.into()),
            State::Closed if !self.pool.slots[index].finished() => Err(nb::Error::WouldBlock),
            _ => Err(Error::PipeClosed.into()),
        }
    }

    /// Sends what `fill` puts at the beginning of the room it is lent, in two parts where the buffer wraps
    /// round; it says how much that is.
    #[cfg_attr(target_os = "none", inline(never))]
    fn lend_room(
        &mut self,
        socket: &TcpSocket,
        fill: &mut dyn FnMut(&mut [u8]) -> usize,
    ) -> nb::Result<usize, Error> {
        let index = self.writable(socket)?;
        let tcp = self.pool.socket_mut(index);
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
        self.dirty = true;
        Ok(count)
    }

    /// Receives what `take` takes of what it is lent, in two parts where the buffer wraps round; it says
    /// how much that is. 0 is the peer's FIN.
    #[cfg_attr(target_os = "none", inline(never))]
    fn lend_received(
        &mut self,
        socket: &TcpSocket,
        take: &mut dyn FnMut(&[u8]) -> usize,
    ) -> nb::Result<usize, Error> {
        let Some(index) = self.readable(socket)? else {
            return Ok(0);
        };
        let tcp = self.pool.socket_mut(index);
        let mut count = 0;
        while let Ok(taken @ 1..) = tcp.recv(|bytes| {
            let taken = take(bytes);
            (taken, taken)
        }) {
            count += taken;
        }
        if count > 0 {
            let slot = &mut self.pool.slots[index];
            slot.tcb.consumed(count);
            self.dirty = true;
        }
        Ok(count)
    }
}

/// The calls, as methods with names of their own.
impl NetStack<'_> {
    /// A listening socket on `port`, whose connections come from [`NetStack::tcp_accept`]. It carries no data.
    ///
    /// [`Error::AddressInUse`]: the port has a listener. [`Error::NoBufferSpace`]: there are as many listeners as there can
    /// be, or too few slots for the reserves of one more ([`Limits`](crate::Limits)). [`Error::Unaddressable`]: port 0.
    pub fn tcp_listen(&mut self, port: u16) -> Result<TcpSocket, Error> {
        let mut socket = TcpSocket::NEW;
        self.tcp_bind_socket(&mut socket, port)?;
        self.tcp_listen_socket(&socket)?;
        Ok(socket)
    }

    /// The connection that has waited longest, and who is at its other end; `WouldBlock` while there is none.
    ///
    /// [`Error::ConnectionAborted`]: the listener was reclaimed ([`Limits::with_abandoned`](crate::Limits::with_abandoned)).
    /// [`Error::InvalidState`]: it is none.
    pub fn tcp_accept(
        &mut self,
        listener: &TcpSocket,
    ) -> nb::Result<(TcpSocket, SocketAddr), Error> {
        let listener = self.listener(listener)?;
        if !self.pool.listeners[usize::from(listener)].listening {
            return Err(Error::InvalidState.into());
        }
        let index = self.pool.accept(listener).ok_or(nb::Error::WouldBlock)?;
        let Some(remote) = self.pool.socket(index).remote_endpoint() else {
            return Err(self.ended(index).unwrap_or(Error::InvalidState).into());
        };
        Ok((self.opened(index), to_socket_addr(remote)))
    }

    /// Asks `remote` for a connection, from a random ephemeral port (RFC 6056); [`NetStack::tcp_connected`] says what became
    /// of it.
    ///
    /// [`Error::NoBufferSpace`]: no slot is free. [`Error::Unaddressable`]: no route leads to `remote`, or it is no address
    /// of a single host.
    pub fn tcp_connect(&mut self, remote: SocketAddr) -> Result<TcpSocket, Error> {
        let remote = self.destination(remote)?;
        let port = self.ephemeral_port();
        let index = self.pool.take_client(&mut self.counters).ok_or(Error::NoBufferSpace)?;
        let Some(ends) = self.connect(index, port, remote) else {
            self.pool.recycle(index);
            return Err(Error::Unaddressable);
        };
        self.dirty = true;
        let tcb = &mut self.pool.slots[index].tcb;
        tcb.open(ends);
        tcb.connects();
        Ok(self.opened(index))
    }

    /// Whether the peer has answered: `WouldBlock` until then. After [`Error::ConnectionRefused`] and [`Error::TimedOut`]
    /// ([`Limits::with_connect`](crate::Limits::with_connect)) the slot is free again, and the socket as new.
    pub fn tcp_connected(&mut self, socket: &mut TcpSocket) -> nb::Result<(), Error> {
        let index = match self.stream(socket) {
            Err(error @ Error::ConnectionAborted) => {
                socket.0 = Kind::New;
                return Err(error.into());
            }
            result => result?,
        };
        let tcp = self.pool.socket(index);
        match (tcp.state(), self.pool.slots[index].end) {
            (State::SynSent | State::SynReceived, None) => Err(nb::Error::WouldBlock),
            (State::Closed, end) => {
                let Some(end) = end else {
                    return Err(nb::Error::WouldBlock);
                };
                self.pool.recycle(index);
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
                    slot.tcb.established(now - slot.since());
                    self.counters.active_opens = self.counters.active_opens.wrapping_add(1);
                }
                Ok(())
            }
        }
    }

    /// Sends the first bytes of `data` for which there is room in the send buffer, and says how many; `WouldBlock` while
    /// there is none.
    ///
    /// [`Error::PipeClosed`] after [`NetStack::shutdown`]; [`Error::InvalidState`] before the handshake is complete;
    /// [`Error::ConnectionReset`], [`Error::TimedOut`] or [`Error::ConnectionAborted`] once the connection has ended.
    pub fn tcp_send(&mut self, socket: &TcpSocket, data: &[u8]) -> nb::Result<usize, Error> {
        if data.is_empty() {
            return self.writable(socket).map(|_| 0);
        }
        let mut rest = data;
        self.tcp_send_with(socket, |room| {
            let (now, later) = rest.split_at(room.len().min(rest.len()));
            room[..now.len()].copy_from_slice(now);
            rest = later;
            now.len()
        })
    }

    /// Receives into `buffer` and says how many bytes; 0 is the peer's FIN; `WouldBlock` while there are none. What came in
    /// before a reset is still received, then the error that ended the connection.
    pub fn tcp_receive(
        &mut self,
        socket: &TcpSocket,
        buffer: &mut [u8],
    ) -> nb::Result<usize, Error> {
        let mut room = buffer;
        self.tcp_receive_with(socket, |bytes| {
            let count = bytes.len().min(room.len());
            let (now, later) = core::mem::take(&mut room).split_at_mut(count);
            now.copy_from_slice(&bytes[..count]);
            room = later;
            count
        })
    }

    /// Sends what `fill` puts at the beginning of the room it is lent, in place; it says how much that is. It is called
    /// once more for the room behind the buffer's wrap, if it filled all before. The result is how much that was together.
    pub fn tcp_send_with(
        &mut self,
        socket: &TcpSocket,
        mut fill: impl FnMut(&mut [u8]) -> usize,
    ) -> nb::Result<usize, Error> {
        self.lend_room(socket, &mut fill)
    }

    /// Receives what `take` takes of the bytes it is lent, in place; it says how many it wants no more. It is called once
    /// more for those behind the buffer's wrap, if it took all before. The result is how many those were together; 0 is
    /// the peer's FIN, unless `take` wanted none.
    pub fn tcp_receive_with(
        &mut self,
        socket: &TcpSocket,
        mut take: impl FnMut(&[u8]) -> usize,
    ) -> nb::Result<usize, Error> {
        self.lend_received(socket, &mut take)
    }

    /// Gives the socket back: what was sent still goes out, then FIN. If something that was received was not read, or comes
    /// later, the connection is reset and what is still queued is lost (RFC 9293 3.6, RFC 2525 2.17): read to the end first.
    /// A listener's port is free at once; connections of it that nobody accepted are reset.
    #[expect(clippy::needless_pass_by_value, reason = "a closed socket is no use to anybody")]
    pub fn tcp_close(&mut self, socket: TcpSocket) {
        self.dirty = true;
        if let Ok(index) = self.stream(&socket) {
            self.pool.close(index);
        } else if let Ok(index) = self.listener(&socket) {
            self.pool.unregister(index);
        }
        // What the stack itself ended before is closed already.
    }

    pub(super) fn tcp_connect_socket(
        &mut self,
        socket: &mut TcpSocket,
        remote: SocketAddr,
    ) -> nb::Result<(), Error> {
        if matches!(socket.0, Kind::New) {
            *socket = self.tcp_connect(remote)?;
            return Err(nb::Error::WouldBlock);
        }
        self.tcp_connected(socket)
    }

    pub(super) fn tcp_bind_socket(
        &mut self,
        socket: &mut TcpSocket,
        port: u16,
    ) -> Result<(), Error> {
        if !matches!(socket.0, Kind::New) {
            return Err(Error::InvalidState);
        }
        if port == 0 {
            return Err(Error::Unaddressable);
        }
        if self.pool.listeners.iter().any(|listener| listener.port == port) {
            return Err(Error::AddressInUse);
        }
        let index = self.pool.register(port).ok_or(Error::NoBufferSpace)?;
        let generation = self.pool.listeners[usize::from(index)].generation;
        socket.0 = Kind::Listener { index, generation };
        Ok(())
    }

    pub(super) fn tcp_listen_socket(&mut self, socket: &TcpSocket) -> Result<(), Error> {
        let index = self.listener(socket)?;
        self.pool.listeners[usize::from(index)].listening = true;
        Ok(())
    }
}
