//! Tasks that wait for TCP sockets.

use core::net::SocketAddr;
use core::task::Waker;

use embedded_nal::nb;
use smoltcp::socket::tcp::State;

use super::{Error, Kind, NetStack, TcpSocket};
use crate::tcp::{Phase, Slot, SlotOwner};
use crate::wake::{self, Acceptor, Dropped};

impl TcpSocket {
    /// Notes that it was dropped while the stack was borrowed.
    pub(crate) fn note(&self, dropped: &Dropped<'_>) {
        match self.0 {
            Kind::New => {}
            Kind::Listener { index, generation } => {
                dropped.note(wake::Kind::Listener, index, generation.into());
            }
            Kind::Stream { index, generation } => {
                dropped.note(wake::Kind::Stream, index, generation.into());
            }
        }
    }
}

impl NetStack<'_> {
    /// Closes a socket that was noted as dropped.
    pub(in crate::stack) fn tcp_dropped(
        &mut self,
        kind: wake::Kind,
        index: usize,
        generation: u32,
    ) {
        let index = index as u8;
        self.tcp_close(TcpSocket(match kind {
            wake::Kind::Listener => Kind::Listener { index, generation: generation as u8 },
            _ => Kind::Stream { index, generation: generation as u16 },
        }));
    }

    /// Registers who waits until there is something to read, or the end. Returns who did before.
    pub(crate) fn wait_read(&mut self, socket: &TcpSocket, waker: &Waker) -> Option<Waker> {
        let index = self.stream(socket).ok()?;
        let slot = &mut self.pool.slots[index];
        slot.waiters.read.register(waker, slot.generation)
    }

    /// Registers who waits for the end of the handshake, for room, or for the end of this side's direction. Returns who
    /// did before.
    pub(crate) fn wait_write(&mut self, socket: &TcpSocket, waker: &Waker) -> Option<Waker> {
        let index = self.stream(socket).ok()?;
        let slot = &mut self.pool.slots[index];
        slot.waiters.write.register(waker, slot.generation)
    }

    /// Takes out who waited for a socket that is about to be closed.
    pub(crate) fn forget_waiters(&mut self, socket: &TcpSocket) -> [Option<Waker>; 2] {
        self.stream(socket).map_or([None, None], |index| {
            let waiters = &mut self.pool.slots[index].waiters;
            [waiters.read.take(), waiters.write.take()]
        })
    }

    /// Whether a `receive` would not block.
    pub(crate) fn tcp_readable(&mut self, socket: &TcpSocket) -> nb::Result<(), Error> {
        self.readable(socket).map(|_| ())
    }

    /// Whether a `send` of a byte would not block.
    pub(crate) fn tcp_writable(&mut self, socket: &TcpSocket) -> nb::Result<(), Error> {
        let index = self.writable(socket)?;
        if self.write_ready(index) { Ok(()) } else { Err(nb::Error::WouldBlock) }
    }

    /// Whether the peer has acknowledged the FIN of [`NetStack::shutdown`].
    pub(crate) fn tcp_finished(&mut self, socket: &TcpSocket) -> nb::Result<(), Error> {
        let index = self.stream(socket)?;
        if let Some(error) = self.ended(index) {
            return Err(error.into());
        }
        if self.write_ready(index) { Ok(()) } else { Err(nb::Error::WouldBlock) }
    }

    /// Whether the call that the writing task waits for would not block.
    fn write_ready(&self, index: usize) -> bool {
        let (slot, tcp) = (&self.pool.slots[index], self.pool.socket(index));
        if slot.end.is_some() {
            return true;
        }
        match tcp.state() {
            State::Established | State::CloseWait if !slot.fin_waits => {
                tcp.send_queue() < tcp.send_capacity()
            }
            // A handshake, or the FIN, is under way.
            State::SynSent
            | State::SynReceived
            | State::CloseWait
            | State::FinWait1
            | State::Closing
            | State::LastAck => false,
            // What ended it is told at the next turn.
            State::Closed => slot.finished(),
            _ => true,
        }
    }

    /// Takes out the waker of a task that waits for this slot's connection and need not any more, or for one to accept.
    pub(in crate::stack) fn tcp_ready(&mut self, index: usize) -> Option<Waker> {
        let slot = &self.pool.slots[index];
        // What has become another's, or nobody's, ends the wait.
        let gone = |generation| slot.phase != Phase::Open || slot.generation != generation;
        let read = slot.waiters.read.waits().is_some_and(|generation| {
            gone(generation) || !matches!(self.has_input(index), Err(nb::Error::WouldBlock))
        });
        let write = slot.waiters.write.waits();
        let write = write.is_some_and(|generation| gone(generation) || self.write_ready(index));
        let waiters = &mut self.pool.slots[index].waiters;
        if read {
            waiters.read.take()
        } else if write {
            waiters.write.take()
        } else {
            let acceptor = self.acceptor_for(index)?;
            self.pool.slots[acceptor].waiters.acceptor.as_mut()?.waker.take()
        }
    }

    /// The place of one who waits for a connection like the one in this slot, if there are more of them than others that
    /// were woken and have not come yet.
    fn acceptor_for(&self, index: usize) -> Option<usize> {
        let Slot { phase: Phase::Queued(_), owner: SlotOwner::Listener(listener), .. } =
            self.pool.slots[index]
        else {
            return None;
        };
        let generation = self.pool.listeners[usize::from(listener)].generation;
        let slots = self.pool.slots.iter().enumerate();
        let (mut ahead, mut waiting) = (0, None);
        for (index, slot) in slots {
            if matches!(slot.phase, Phase::Queued(_)) && slot.owner == SlotOwner::Listener(listener)
            {
                ahead += 1;
            }
            match &slot.waiters.acceptor {
                Some(other) if (other.listener, other.generation) == (listener, generation) => {
                    if other.waker.is_none() {
                        ahead -= 1;
                    } else {
                        waiting = waiting.or(Some(index));
                    }
                }
                _ => {}
            }
        }
        waiting.filter(|_| ahead > 0)
    }

    /// The next connection for the acceptor in this place, if it has one; else it waits in that place, or in a new one,
    /// which is returned in `place` with its ticket. There are as many as TCP slots.
    pub(crate) fn accept_or_wait(
        &mut self,
        socket: &TcpSocket,
        place: &mut Option<(u8, u32)>,
        waker: &Waker,
    ) -> (nb::Result<(TcpSocket, SocketAddr), Error>, Option<Waker>) {
        let accepted = self.tcp_accept(socket);
        if !matches!(accepted, Err(nb::Error::WouldBlock)) {
            return (accepted, None);
        }
        let Ok(listener) = self.listener(socket) else { return (accepted, None) };
        if let Some((index, ticket)) = *place {
            let acceptor = &mut self.pool.slots[usize::from(index)].waiters.acceptor;
            if let Some(acceptor) = acceptor.as_mut().filter(|own| own.ticket == ticket) {
                return (accepted, acceptor.waker.replace(waker.clone()));
            }
        }
        let free = self.pool.slots.iter().position(|slot| slot.waiters.acceptor.is_none());
        let Some(index) = free else { return (Err(Error::NoBufferSpace.into()), None) };
        let ticket = self.wake.ticket();
        *place = Some((index as u8, ticket));
        let generation = self.pool.listeners[usize::from(listener)].generation;
        let waker = Some(waker.clone());
        self.pool.slots[index].waiters.acceptor =
            Some(Acceptor { ticket, listener, generation, waker });
        (accepted, None)
    }

    /// Gives an acceptor's place back.
    pub(crate) fn leave_accept(&mut self, index: usize, ticket: u32) -> Option<Acceptor> {
        self.pool.slots[index].waiters.acceptor.take_if(|own| own.ticket == ticket)
    }

    /// A task that waits for a socket uses it.
    pub(in crate::stack) fn touch_waited(&mut self) {
        if self.pool.limits.abandoned.is_none() {
            return;
        }
        for index in 0..self.pool.slots.len() {
            let slot = &self.pool.slots[index];
            let (waiters, own) = (&slot.waiters, Some(slot.generation));
            let waits = waiters.read.waits() == own || waiters.write.waits() == own;
            if let Some(acceptor) = &waiters.acceptor {
                let listener = &mut self.pool.listeners[usize::from(acceptor.listener)];
                if listener.generation == acceptor.generation {
                    listener.touched = self.now;
                }
            }
            if waits && slot.phase == Phase::Open {
                self.pool.touch(index);
            }
        }
        self.touch_waited_udp();
    }
}
