//! UDP as `embedded-nal` sees it: handles, and the calls that take them.
//!
//! A UDP socket is one of few, taken at `bind` or `connect` and given back by `close`. It receives only
//! datagrams sent to this board alone; a connected one only its peer's.

#[cfg(feature = "async")]
mod wake;

use core::net::{IpAddr, SocketAddr};

use embedded_nal::nb;
use smoltcp::phy::Device;
use smoltcp::socket::udp;
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, IpEndpoint};

use super::address::{to_endpoint, to_ip_addr, to_socket_addr};
use super::pass::Recipient;
use super::transmit::Metered;
use super::{Error, NetStack};
use crate::frame::Packet;
use crate::limits::{DATAGRAM_WAIT, FRAME_SIZE};
use crate::netstat::{Protocol, Row};
use crate::time::earliest;

/// A UDP socket of a [`NetStack`]: four bytes, not copyable, to be given back with `close`.
#[derive(Debug)]
#[must_use = "a socket must be given back with `close`"]
pub struct UdpSocket(Kind);

impl UdpSocket {
    /// A socket that takes nothing yet.
    pub(crate) const NEW: Self = Self(Kind::New);
}

#[derive(Debug)]
enum Kind {
    /// Fresh from `socket`; takes nothing yet.
    New,
    Open {
        index: u8,
        generation: u16,
    },
}

const _: () = assert!(size_of::<UdpSocket>() == 4);

impl<'a> NetStack<'a> {
    fn udp_socket(&mut self, index: usize) -> &mut udp::Socket<'a> {
        let slot = &mut self.udp[index];
        slot.set.get_mut(slot.handle)
    }

    fn udp_socket_ref(&self, index: usize) -> &udp::Socket<'a> {
        let slot = &self.udp[index];
        slot.set.get(slot.handle)
    }

    fn udp_index(&mut self, socket: &UdpSocket) -> Result<usize, Error> {
        let Kind::Open { index, generation } = socket.0 else {
            return Err(Error::InvalidState);
        };
        let slot = &mut self.udp[usize::from(index)];
        if !slot.open || slot.generation != generation {
            return Err(Error::ConnectionAborted);
        }
        slot.touched = self.now;
        Ok(usize::from(index))
    }

    /// The socket that is bound to a port.
    fn udp_find(&self, port: u16) -> Option<usize> {
        (0..self.udp_used).find(|&index| self.udp_socket_ref(index).endpoint().port == port)
    }

    pub(super) fn udp_port_in_use(&self, port: u16) -> bool {
        self.udp_find(port).is_some()
    }

    /// Whom a packet is for that is no TCP.
    pub(super) fn recipient(&self, packet: &Packet<'_>) -> Recipient {
        let index = packet.ports().and_then(|(_, port)| self.udp_find(port));
        index.map_or(Recipient::Others, Recipient::Udp)
    }

    /// Bytes that wait in the socket that a datagram is for.
    pub(super) fn udp_waiting(&self, recipient: Recipient) -> usize {
        match recipient {
            Recipient::Udp(index) => self.udp_socket_ref(index).recv_queue(),
            _ => 0,
        }
    }

    /// Notes what became of a datagram that is not refused: `before` bytes had waited in the socket that it is for.
    pub(super) fn note_datagram(&mut self, recipient: Recipient, before: usize, empty: bool) {
        match recipient {
            Recipient::Udp(_) if !empty && self.udp_waiting(recipient) == before => {
                self.counters.udp_dropped = self.counters.udp_dropped.wrapping_add(1);
            }
            Recipient::Udp(_) => self.unread = true,
            _ => self.unread |= self.has_added(),
        }
    }

    fn udp_open(&mut self, socket: &mut UdpSocket, port: u16) -> Result<usize, Error> {
        if !matches!(socket.0, Kind::New) {
            return Err(Error::InvalidState);
        }
        let index = self.udp.iter().position(|slot| !slot.open).ok_or(Error::NoBufferSpace)?;
        self.udp_socket(index).bind(port).map_err(|_| Error::Unaddressable)?;
        self.udp_used = self.udp_used.max(index + 1);
        let slot = &mut self.udp[index];
        slot.generation = slot.generation.wrapping_add(1);
        slot.open = true;
        slot.touched = self.now;
        (slot.connected, slot.last, slot.destination, slot.heard) = (None, None, None, None);
        socket.0 = Kind::Open { index: index as u8, generation: slot.generation };
        Ok(index)
    }

    fn udp_free(&mut self, index: usize) {
        self.udp_socket(index).close();
        let slot = &mut self.udp[index];
        slot.open = false;
        slot.targets.clear();
        slot.waits = None;
        let last = self.udp[..self.udp_used].iter().rposition(|slot| slot.open);
        self.udp_used = last.map_or(0, |last| last + 1);
    }

    /// Takes back sockets that were dropped without `close`. Returns when the next could be due.
    pub(super) fn reclaim_udp(&mut self) -> Option<Instant> {
        let unused = self.pool.limits.abandoned?;
        let mut next = None;
        for index in 0..self.udp_used {
            let slot = &self.udp[index];
            if !slot.open {
                continue;
            }
            let deadline = slot.touched + unused;
            if self.now < deadline {
                next = earliest(next, Some(deadline));
            } else {
                self.counters.abandoned = self.counters.abandoned.wrapping_add(1);
                self.udp_free(index);
            }
        }
        next
    }

    /// Lets each socket send a datagram, if where it goes is known; one that has waited for that too long is dropped, or a
    /// forged source could silence a service. Returns whether there may be more; `None`: the device refused.
    #[inline(never)]
    pub(super) fn udp_egress<D: Device + ?Sized>(&mut self, device: &mut D) -> Option<bool> {
        let (now, mut more) = (self.now, false);
        for index in 0..self.udp_used {
            let Some(target) = self.udp_target(index) else { continue };
            let to = self.way_to(&target);
            let mut sent = self.nothing_sent(to);
            let slot = &mut self.udp[index];
            if to.is_none() && now < *slot.waits.get_or_insert(now) + DATAGRAM_WAIT {
                continue;
            }
            let mut metered = Metered { device: &mut *device, sent };
            self.interface.poll_egress(now, &mut metered, &mut slot.set);
            sent = metered.sent;
            self.counters.count_sent(&sent);
            if sent.refused {
                return None;
            }
            slot.targets.pop_front();
            slot.waits = None;
            more |= !slot.targets.is_empty();
            let unsent = &mut self.counters.datagrams_unsent;
            *unsent = unsent.wrapping_add(sent.swallowed.into());
        }
        Some(more)
    }

    /// Notes whether any datagram waits still. To be run after egress. Returns when the next has waited too long.
    pub(super) fn expire_udp(&mut self) -> Option<Instant> {
        let mut next = None;
        if !core::mem::take(&mut self.udp_queued) {
            return None;
        }
        for slot in &self.udp[..self.udp_used] {
            self.udp_queued |= !slot.targets.is_empty();
            // One that is overdue is so because the device refused: that is tried again in its own time.
            let end = slot.waits.map(|since| since + DATAGRAM_WAIT).filter(|&end| end > self.now);
            next = earliest(next, end);
        }
        next
    }

    /// Whom the first datagram of a socket's queue is for.
    pub(super) fn udp_target(&self, index: usize) -> Option<IpAddress> {
        self.udp[index].targets.front().copied()
    }

    /// A socket as `netstat` shows it, if it is open.
    pub(super) fn udp_row(&self, index: usize) -> Option<Row> {
        let slot = &self.udp[index];
        let socket = self.udp_socket_ref(index);
        slot.open.then(|| Row {
            protocol: Protocol::Udp,
            receive_queue: socket.recv_queue(),
            send_queue: socket.send_queue(),
            local_address: None,
            local_port: socket.endpoint().port,
            remote: slot.connected.map(to_socket_addr),
            state: "",
        })
    }

    /// Own address that the datagram last received was sent to; `None` before the first.
    pub fn udp_destination(&mut self, socket: &UdpSocket) -> Result<Option<IpAddr>, Error> {
        let index = self.udp_index(socket)?;
        Ok(self.udp[index].destination.map(to_ip_addr))
    }

    fn udp_queue(
        &mut self,
        index: usize,
        remote: IpEndpoint,
        buffer: &[u8],
    ) -> nb::Result<(), Error> {
        self.check_reachable(&remote.addr)?;
        let ip = if matches!(remote.addr, IpAddress::Ipv4(_)) { 20 } else { 40 };
        let headers = 14 + ip + 8;
        #[cfg(feature = "slaac")]
        let longest = self.link_mtu(&remote.addr).map_or(FRAME_SIZE, |mtu| 14 + usize::from(mtu));
        #[cfg(not(feature = "slaac"))]
        let longest = FRAME_SIZE;
        let slot = &self.udp[index];
        // RFC 1122 4.1.3.5: who asked one of our addresses is answered from it.
        let asked = slot.destination.filter(|_| slot.heard == Some(remote));
        let local_address = asked.filter(|asked| self.is_own(asked));
        #[cfg(feature = "slaac")]
        let local_address = local_address.or_else(|| self.source_for(&remote.addr));
        let metadata = udp::UdpMetadata { local_address, ..remote.into() };
        let socket = self.udp_socket(index);
        if buffer.len() > socket.payload_send_capacity().min(longest - headers) {
            return Err(Error::MessageTooLong.into());
        }
        match socket.send_slice(buffer, metadata) {
            Ok(()) => {
                self.dirty = true;
                self.udp_queued = true;
                // There are as many places as in the socket.
                let _ = self.udp[index].targets.push_back(remote.addr);
                self.want(&remote.addr);
                Ok(())
            }
            Err(udp::SendError::BufferFull) => Err(nb::Error::WouldBlock),
            Err(udp::SendError::Unaddressable) => Err(Error::Unaddressable.into()),
        }
    }
}

/// The calls, as methods with names of their own.
impl NetStack<'_> {
    /// A UDP socket on `port`. It gets what is sent to this host alone; for groups and broadcasts see
    /// [`NetStack::add_socket`].
    ///
    /// [`Error::AddressInUse`]: another has the port. [`Error::NoBufferSpace`]: there are as many as there can be.
    /// [`Error::Unaddressable`]: port 0.
    pub fn udp_bind(&mut self, port: u16) -> Result<UdpSocket, Error> {
        let mut socket = UdpSocket::NEW;
        self.udp_bind_socket(&mut socket, port)?;
        Ok(socket)
    }

    /// A UDP socket on a random ephemeral port whose only peer is `remote`. [`Error::NoBufferSpace`]: there are as many as
    /// there can be. [`Error::Unaddressable`]: no route leads to `remote`, or it is no address of a single host.
    pub fn udp_connect(&mut self, remote: SocketAddr) -> Result<UdpSocket, Error> {
        let mut socket = UdpSocket::NEW;
        self.udp_connect_socket(&mut socket, remote)?;
        Ok(socket)
    }

    pub(super) fn udp_bind_socket(
        &mut self,
        socket: &mut UdpSocket,
        port: u16,
    ) -> Result<(), Error> {
        if port == 0 {
            return Err(Error::Unaddressable);
        }
        if self.udp_port_in_use(port) {
            return Err(Error::AddressInUse);
        }
        self.udp_open(socket, port).map(|_| ())
    }

    /// A socket that is not bound yet gets a random ephemeral port.
    pub(super) fn udp_connect_socket(
        &mut self,
        socket: &mut UdpSocket,
        remote: SocketAddr,
    ) -> Result<(), Error> {
        let remote = self.destination(remote)?;
        let index = if matches!(socket.0, Kind::New) {
            let port = self.ephemeral_port();
            self.udp_open(socket, port)?
        } else {
            self.udp_index(socket)?
        };
        self.udp[index].connected = Some(remote);
        self.udp[index].last = Some(remote);
        Ok(())
    }

    /// Sends a datagram to the socket's peer, or to whom it last wrote; [`Error::InvalidState`] without either. Otherwise as
    /// [`NetStack::udp_send_to`].
    pub fn udp_send(&mut self, socket: &UdpSocket, payload: &[u8]) -> nb::Result<(), Error> {
        let index = self.udp_index(socket)?;
        let remote = self.udp[index].last.ok_or(Error::InvalidState)?;
        self.udp_queue(index, remote, payload)
    }

    /// Sends a datagram to `remote`; `WouldBlock` while the socket's queue is full.
    ///
    /// [`Error::MessageTooLong`]: it does not fit a frame, 1472 bytes over IPv4 and 1452 over IPv6.
    /// [`Error::Unaddressable`]: no route leads to `remote`, or it is no address of a single host.
    pub fn udp_send_to(
        &mut self,
        socket: &UdpSocket,
        remote: SocketAddr,
        payload: &[u8],
    ) -> nb::Result<(), Error> {
        let index = self.udp_index(socket)?;
        let remote = to_endpoint(remote)?;
        self.udp_queue(index, remote, payload)?;
        self.udp[index].last = Some(remote);
        Ok(())
    }

    /// A datagram's length and who sent it; `WouldBlock` while there is none. What of it does not fit `buffer` is lost, as with BSD's `recvfrom`.
    pub fn udp_receive(
        &mut self,
        socket: &UdpSocket,
        buffer: &mut [u8],
    ) -> nb::Result<(usize, SocketAddr), Error> {
        let (count, remote) = self.udp_receive_some(socket, buffer)?;
        Ok((count.min(buffer.len()), remote))
    }

    /// As [`NetStack::udp_receive`], with the length that the datagram had.
    pub(crate) fn udp_receive_some(
        &mut self,
        socket: &UdpSocket,
        buffer: &mut [u8],
    ) -> nb::Result<(usize, SocketAddr), Error> {
        let index = self.udp_index(socket)?;
        let connected = self.udp[index].connected;
        // Bounded by what the socket can queue.
        loop {
            let slot = &mut self.udp[index];
            let udp = slot.set.get_mut::<udp::Socket<'_>>(slot.handle);
            let Ok((payload, metadata)) = udp.recv() else {
                return Err(nb::Error::WouldBlock);
            };
            let remote = metadata.endpoint;
            if connected.is_some_and(|peer| peer != remote) {
                continue;
            }
            let count = payload.len().min(buffer.len());
            buffer[..count].copy_from_slice(&payload[..count]);
            (slot.destination, slot.heard) = (metadata.local_address, Some(remote));
            return Ok((payload.len(), to_socket_addr(remote)));
        }
    }

    /// Gives the socket back. What it has queued and not sent goes with it.
    #[expect(clippy::needless_pass_by_value, reason = "a closed socket is no use to anybody")]
    pub fn udp_close(&mut self, socket: UdpSocket) {
        if let Ok(index) = self.udp_index(&socket) {
            self.udp_free(index);
        }
    }
}
