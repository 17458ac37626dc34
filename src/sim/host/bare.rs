//! A host on smoltcp 0.14 alone: its `Interface`, its sockets, and what any program over them has to do.
//!
//! That is little: a poll, a port of its own for each connection, listening sockets that are made anew when one
//! has become a connection, and closed sockets that are kept until their last segment is out. A connection that
//! breaks is told apart by what came before: with a segment it was a reset, without one it was smoltcp's user
//! timeout. Each socket has buffers of its own on the heap; a stack has as many as its application opens.

use std::net::SocketAddr;

use embedded_nal::nb;
use smoltcp::iface::{
    Config, Interface, PollIngressSingleResult, PollResult, SocketHandle, SocketSet,
};
use smoltcp::phy::Device;
use smoltcp::socket::{tcp, udp};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::IpEndpoint;
use tapboard_firmware::config::{KEEP_ALIVE, USER_TIMEOUT};
use tapboard_firmware::rng::Rng;
use tapboard_firmware::{NetConfig, earliest};

use super::error::{Call, SocketError};

/// Bytes of each TCP buffer.
pub(in crate::sim) const BUFFER: usize = 8 * 1024;
/// Sockets that listen on a port: connections that may begin between two turns.
const LISTENING: usize = 6;
/// The first of the ports that connections begin from.
const PORTS: u16 = 49_152;
/// Turns of the application in one poll at most.
const TURNS: u32 = 8;
/// When to poll again if smoltcp wants it at once, over and over: as a loop with a tick does.
const TICK: Duration = Duration::from_millis(1);
/// Bytes and datagrams that a UDP socket holds each way.
const DATAGRAMS: (usize, usize) = (4096, 4);

/// A connection, or the port that it listens on.
#[derive(Debug)]
pub(in crate::sim) enum TcpSocket {
    New,
    Connection(SocketHandle),
    Listener,
}

/// A UDP socket and whom it talks to.
#[derive(Debug)]
pub(in crate::sim) struct UdpSocket {
    handle: SocketHandle,
    remote: IpEndpoint,
}

/// For how long the reset of a connection waits for its neighbour's MAC address: three questions, a second apart
/// (RFC 4861 7.2.2, 10). smoltcp would ask for ever, and as it asks for one neighbour a second, whoever else that is, others
/// would wait as long.
const RESOLUTION: Duration = Duration::from_secs(3);

/// What is known of a connection beside its socket.
#[derive(Clone, Copy, Debug)]
struct Connection {
    handle: SocketHandle,
    /// The handshake came to its end.
    established: bool,
    /// Why it is over, if it is: a segment ended it, or smoltcp gave it up.
    over: Option<SocketError>,
    /// The application has closed it.
    orphan: bool,
    /// Since when it is, and CLOSED, and its reset has not left.
    aborted: Option<Instant>,
}

/// The stack.
pub(in crate::sim) struct BareStack {
    interface: Interface,
    sockets: SocketSet<'static>,
    connections: Vec<Connection>,
    /// Sockets that listen, or that have begun to be a connection.
    listening: Vec<SocketHandle>,
    listen_port: Option<u16>,
    next_port: u16,
    /// Bytes of the receive buffer of a connection that begins here.
    window: usize,
}

fn new_tcp(window: usize) -> tcp::Socket<'static> {
    let buffer = |bytes| tcp::SocketBuffer::new(vec![0; bytes]);
    let mut socket = tcp::Socket::new(buffer(window), buffer(BUFFER));
    // A feature of smoltcp that somebody else asks for would turn it on.
    socket.set_congestion_control(tcp::CongestionControl::None);
    socket.set_keep_alive(Some(KEEP_ALIVE));
    socket.set_timeout(Some(USER_TIMEOUT));
    socket
}

impl BareStack {
    pub(in crate::sim) fn new(
        config: &NetConfig,
        now: Instant,
        device: &mut (impl Device + ?Sized),
        entropy: u64,
        window: Option<u16>,
    ) -> Self {
        let mut rng = Rng::new(entropy);
        let mut options = Config::new(config.mac().into());
        options.random_seed = rng.next_u64();
        let mut interface = Interface::new(options, device, now);
        interface.update_ip_addrs(|addresses| {
            addresses.push(config.ipv4().unwrap().into()).expect("room for two");
            addresses.extend(config.ipv6().map(Into::into));
        });
        Self {
            interface,
            sockets: SocketSet::new(Vec::new()),
            connections: Vec::new(),
            listening: Vec::new(),
            listen_port: None,
            window: window.map_or(BUFFER, Into::into),
            next_port: PORTS + rng.below((u16::MAX - PORTS).into()) as u16,
        }
    }

    /// As [`HostStack::poll_with`](super::HostStack::poll_with).
    pub(super) fn poll_with(
        &mut self,
        now: Instant,
        device: &mut (impl Device + ?Sized),
        mut turn: impl FnMut(&mut Self, Instant) -> Option<Instant>,
    ) -> Option<Instant> {
        self.interface.poll_maintenance(now);
        let mut wanted = None;
        for _ in 0..TURNS {
            let mut changed = self.ingress(now, device);
            wanted = turn(self, now);
            self.reap(now);
            while self.interface.poll_egress(now, device, &mut self.sockets)
                == PollResult::SocketStateChanged
            {
                changed = true;
            }
            self.note_states(SocketError::TimedOut);
            self.reap(now);
            if !changed {
                break;
            }
        }
        let due = self.interface.poll_at(now, &self.sockets);
        let due = due.map(|at| if at <= now { now + TICK } else { at });
        earliest(wanted, due)
    }

    /// Takes all that has come. Returns whether sockets changed.
    fn ingress(&mut self, now: Instant, device: &mut (impl Device + ?Sized)) -> bool {
        let mut changed = false;
        loop {
            match self.interface.poll_ingress_single(now, device, &mut self.sockets) {
                PollIngressSingleResult::None => return changed,
                PollIngressSingleResult::PacketProcessed => {}
                PollIngressSingleResult::SocketStateChanged => {
                    changed = true;
                    self.note_states(SocketError::Reset);
                }
            }
        }
    }

    /// Notes what has become of the connections; those that are over now are so for `cause`.
    fn note_states(&mut self, cause: SocketError) {
        for connection in &mut self.connections {
            match self.sockets.get::<tcp::Socket<'_>>(connection.handle).state() {
                tcp::State::Closed if connection.over.is_none() => {
                    let refused = cause == SocketError::Reset && !connection.established;
                    connection.over = Some(if refused { SocketError::Refused } else { cause });
                }
                tcp::State::Closed | tcp::State::SynSent | tcp::State::SynReceived => {}
                _ => connection.established = true,
            }
        }
    }

    /// Takes away the closed connections that are over, and resets those that get what nobody will read.
    fn reap(&mut self, now: Instant) {
        let sockets = &mut self.sockets;
        self.connections.retain_mut(|connection| {
            if !connection.orphan {
                return true;
            }
            let socket = sockets.get_mut::<tcp::Socket<'_>>(connection.handle);
            if socket.can_recv() {
                socket.abort();
            }
            if socket.is_open() {
                return true;
            }
            // Behind `abort` its reset still has to leave.
            let since = *connection.aborted.get_or_insert(now);
            let over = socket.remote_endpoint().is_none() || now >= since + RESOLUTION;
            if over {
                sockets.remove(connection.handle);
            }
            !over
        });
    }

    fn port(&mut self) -> u16 {
        let port = self.next_port;
        self.next_port = if port == u16::MAX { PORTS } else { port + 1 };
        port
    }

    /// Why a connection is over.
    fn error(&self, handle: SocketHandle) -> SocketError {
        let known = self.connections.iter().find(|connection| connection.handle == handle);
        known.and_then(|connection| connection.over).unwrap_or(SocketError::TimedOut)
    }

    fn get(&self, socket: &TcpSocket) -> Option<&tcp::Socket<'static>> {
        match socket {
            TcpSocket::Connection(handle) => Some(self.sockets.get(*handle)),
            TcpSocket::New | TcpSocket::Listener => None,
        }
    }

    pub(super) fn connect(&mut self, socket: &mut TcpSocket, remote: SocketAddr) -> Call<()> {
        let handle = match *socket {
            TcpSocket::Connection(handle) => handle,
            TcpSocket::Listener => return Err(nb::Error::Other(SocketError::Refused)),
            TcpSocket::New => {
                let (mut new, port) = (new_tcp(self.window), self.port());
                new.connect(self.interface.context(), remote, port)
                    .map_err(|_| nb::Error::Other(SocketError::TimedOut))?;
                let handle = self.sockets.add(new);
                self.track(handle, false);
                *socket = TcpSocket::Connection(handle);
                handle
            }
        };
        match self.sockets.get::<tcp::Socket<'_>>(handle).state() {
            tcp::State::SynSent | tcp::State::SynReceived => Err(nb::Error::WouldBlock),
            tcp::State::Closed => Err(nb::Error::Other(self.error(handle))),
            _ => Ok(()),
        }
    }

    fn track(&mut self, handle: SocketHandle, established: bool) {
        self.connections.push(Connection {
            handle,
            established,
            over: None,
            orphan: false,
            aborted: None,
        });
    }

    pub(super) fn send(&mut self, socket: &TcpSocket, data: &[u8]) -> Call<usize> {
        let &TcpSocket::Connection(handle) = socket else {
            return Err(nb::Error::Other(SocketError::Reset));
        };
        match self.sockets.get_mut::<tcp::Socket<'_>>(handle).send_slice(data) {
            Ok(0) => Err(nb::Error::WouldBlock),
            Ok(count) => Ok(count),
            Err(tcp::SendError::InvalidState) => Err(nb::Error::Other(self.error(handle))),
        }
    }

    pub(super) fn receive(&mut self, socket: &TcpSocket, buffer: &mut [u8]) -> Call<usize> {
        let &TcpSocket::Connection(handle) = socket else {
            return Err(nb::Error::Other(SocketError::Reset));
        };
        match self.sockets.get_mut::<tcp::Socket<'_>>(handle).recv_slice(buffer) {
            Ok(0) => Err(nb::Error::WouldBlock),
            Ok(count) => Ok(count),
            Err(tcp::RecvError::Finished) => Ok(0),
            Err(tcp::RecvError::InvalidState) => Err(nb::Error::Other(self.error(handle))),
        }
    }

    pub(super) fn send_room(&self, socket: &TcpSocket) -> usize {
        let room = |socket: &tcp::Socket<'_>| socket.send_capacity() - socket.send_queue();
        self.get(socket).filter(|socket| socket.can_send()).map_or(0, room)
    }

    pub(super) fn unacknowledged(&self, socket: &TcpSocket) -> usize {
        self.get(socket).map_or(0, tcp::Socket::send_queue)
    }

    pub(super) fn shutdown(&mut self, socket: &TcpSocket) {
        if let &TcpSocket::Connection(handle) = socket {
            self.sockets.get_mut::<tcp::Socket<'_>>(handle).close();
        }
    }

    /// With a FIN, or with a reset if there is something that nobody will read, as a kernel does.
    pub(super) fn close(&mut self, socket: &TcpSocket) {
        match *socket {
            TcpSocket::New => {}
            TcpSocket::Connection(handle) => {
                self.sockets.get_mut::<tcp::Socket<'_>>(handle).close();
                self.orphan(handle);
            }
            TcpSocket::Listener => {
                self.listen_port = None;
                for handle in std::mem::take(&mut self.listening) {
                    self.sockets.get_mut::<tcp::Socket<'_>>(handle).abort();
                    self.track(handle, false);
                    self.orphan(handle);
                }
            }
        }
    }

    pub(super) fn abort(&mut self, socket: &TcpSocket) {
        if let TcpSocket::Connection(handle) = *socket {
            self.sockets.get_mut::<tcp::Socket<'_>>(handle).abort();
        }
        self.close(socket);
    }

    fn orphan(&mut self, handle: SocketHandle) {
        let mut connections = self.connections.iter_mut();
        if let Some(connection) = connections.find(|connection| connection.handle == handle) {
            connection.orphan = true;
        }
    }

    pub(super) fn listen(&mut self, port: u16) -> TcpSocket {
        self.listen_port = Some(port);
        TcpSocket::Listener
    }

    /// Hands out a socket that has become a connection, and sees to it that enough others listen.
    pub(super) fn accept(&mut self, listener: &TcpSocket) -> Option<TcpSocket> {
        let (TcpSocket::Listener, Some(port)) = (listener, self.listen_port) else {
            return None;
        };
        let sockets = &mut self.sockets;
        // One that came to nothing is of no more use.
        self.listening.retain(|&handle| {
            let open = sockets.get::<tcp::Socket<'_>>(handle).is_open();
            if !open {
                sockets.remove(handle);
            }
            open
        });
        let state = |handle: SocketHandle| self.sockets.get::<tcp::Socket<'_>>(handle).state();
        let begun = |state| !matches!(state, tcp::State::Listen | tcp::State::SynReceived);
        let ready = self.listening.iter().position(|&handle| begun(state(handle)));
        let accepted = ready.map(|index| self.listening.swap_remove(index));
        while self.listening.len() < LISTENING {
            let mut socket = new_tcp(BUFFER);
            socket.listen(port).expect("a new socket listens on a port that is not 0");
            self.listening.push(self.sockets.add(socket));
        }
        let handle = accepted?;
        self.track(handle, true);
        Some(TcpSocket::Connection(handle))
    }

    pub(super) fn udp(&mut self, remote: SocketAddr) -> UdpSocket {
        let (bytes, count) = DATAGRAMS;
        let buffer =
            || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; count], vec![0; bytes]);
        let mut socket = udp::Socket::new(buffer(), buffer());
        socket.bind(self.port()).expect("a new socket takes a port that is not 0");
        UdpSocket { handle: self.sockets.add(socket), remote: remote.into() }
    }

    pub(super) fn send_datagram(&mut self, socket: &UdpSocket, data: &[u8]) {
        let _ =
            self.sockets.get_mut::<udp::Socket<'_>>(socket.handle).send_slice(data, socket.remote);
    }

    pub(super) fn receive_datagram(
        &mut self,
        socket: &UdpSocket,
        buffer: &mut [u8],
    ) -> Option<usize> {
        let own = self.sockets.get_mut::<udp::Socket<'_>>(socket.handle);
        loop {
            let (count, from) = own.recv_slice(buffer).ok()?;
            if from.endpoint == socket.remote {
                return Some(count);
            }
        }
    }

    pub(super) fn close_udp(&mut self, socket: &UdpSocket) {
        self.sockets.remove(socket.handle);
    }

    /// Connections that exist in any state, those among them that nobody has accepted.
    pub(super) fn connections(&self) -> usize {
        let state = |handle: SocketHandle| self.sockets.get::<tcp::Socket<'_>>(handle).state();
        let begun = self.listening.iter().filter(|&&handle| state(handle) != tcp::State::Listen);
        self.connections.len() + begun.count()
    }

    pub(super) fn netstat(&self, name: &str) -> String {
        use std::fmt::Write;

        let mut text = format!("-- {name}, bare smoltcp\n");
        for connection in &self.connections {
            let socket = self.sockets.get::<tcp::Socket<'_>>(connection.handle);
            let local = socket.local_endpoint().map(|end| end.to_string()).unwrap_or_default();
            let remote = socket.remote_endpoint().map(|end| end.to_string()).unwrap_or_default();
            let _ = writeln!(
                text,
                "tcp {} {} {local} {remote} {}",
                socket.recv_queue(),
                socket.send_queue(),
                socket.state()
            );
        }
        text
    }
}
