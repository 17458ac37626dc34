//! Tasks that wait for UDP sockets.

use core::net::SocketAddr;
use core::task::Waker;

use embedded_nal::nb;

use super::{Error, Kind, NetStack, UdpSocket, to_socket_addr};
use crate::wake::{self, Dropped};

impl UdpSocket {
    /// Notes that it was dropped while the stack was borrowed.
    pub(crate) fn note(&self, dropped: &Dropped<'_>) {
        if let Kind::Open { index, generation } = self.0 {
            dropped.note(wake::Kind::Udp, index, generation.into());
        }
    }
}

impl NetStack<'_> {
    /// Closes a socket that was noted as dropped.
    pub(in crate::stack) fn udp_dropped(&mut self, index: usize, generation: u32) {
        let (index, generation) = (index as u8, generation as u16);
        self.udp_close(UdpSocket(Kind::Open { index, generation }));
    }

    /// Registers who waits for a datagram. Returns who did before.
    pub(crate) fn wait_receive(&mut self, socket: &UdpSocket, waker: &Waker) -> Option<Waker> {
        let index = self.udp_index(socket).ok()?;
        let slot = &mut self.udp[index];
        slot.waiters.read.register(waker, slot.generation)
    }

    /// Registers who waits for room. Returns who did before.
    pub(crate) fn wait_send(&mut self, socket: &UdpSocket, waker: &Waker) -> Option<Waker> {
        let index = self.udp_index(socket).ok()?;
        let queue = self.udp_socket(index).send_queue();
        let slot = &mut self.udp[index];
        slot.waiters.full = queue;
        slot.waiters.write.register(waker, slot.generation)
    }

    /// Takes out who waited for a socket that is about to be closed.
    pub(crate) fn forget_udp_waiters(&mut self, socket: &UdpSocket) -> [Option<Waker>; 2] {
        self.udp_index(socket).map_or([None, None], |index| {
            let waiters = &mut self.udp[index].waiters;
            [waiters.read.take(), waiters.write.take()]
        })
    }

    /// Whether some datagram waits to be received.
    pub(crate) fn udp_readable(&mut self, socket: &UdpSocket) -> nb::Result<(), Error> {
        let index = self.udp_index(socket)?;
        if self.udp_socket(index).can_recv() { Ok(()) } else { Err(nb::Error::WouldBlock) }
    }

    /// The only peer of a socket that is connected.
    pub(crate) fn udp_peer(&mut self, socket: &UdpSocket) -> Result<Option<SocketAddr>, Error> {
        let index = self.udp_index(socket)?;
        Ok(self.udp[index].connected.map(to_socket_addr))
    }

    /// Names the only peer of a socket.
    pub(crate) fn udp_name_peer(
        &mut self,
        socket: &mut UdpSocket,
        remote: SocketAddr,
    ) -> Result<(), Error> {
        self.udp_connect_socket(socket, remote)
    }

    /// As [`NetStack::udp_bind`]; port 0 is a random one.
    pub(crate) fn udp_bind_any(&mut self, port: u16) -> Result<UdpSocket, Error> {
        let port = if port == 0 { self.ephemeral_port() } else { port };
        self.udp_bind(port)
    }

    /// Takes out the waker of a task that waits for this socket and need not any more.
    pub(in crate::stack) fn udp_ready(&mut self, index: usize) -> Option<Waker> {
        let slot = &self.udp[index];
        let (waiters, open, current) = (&slot.waiters, slot.open, slot.generation);
        let (read, write, full) = (waiters.read.waits(), waiters.write.waits(), waiters.full);
        let gone = |generation| !open || generation != current;
        if read.is_some_and(|generation| gone(generation) || self.udp_socket(index).can_recv()) {
            return self.udp[index].waiters.read.take();
        }
        let socket = self.udp_socket(index);
        // Without a byte in the queue it was full of empty datagrams.
        let room = socket.can_send() && (full == 0 || socket.send_queue() < full);
        if write.is_some_and(|generation| gone(generation) || room) {
            return self.udp[index].waiters.write.take();
        }
        None
    }

    /// A task that waits for a socket uses it.
    pub(in crate::stack) fn touch_waited_udp(&mut self) {
        for slot in &mut *self.udp {
            let own = Some(slot.generation);
            if slot.waiters.read.waits() == own || slot.waiters.write.waits() == own {
                slot.touched = self.now;
            }
        }
    }
}
