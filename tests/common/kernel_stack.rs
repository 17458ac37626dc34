//! The operating system's sockets behind the firmware's traits: the API is portable, the platform
//! is not.
//!
//! [`KernelStack`] implements the four `embedded-nal` stacks and [`Introspect`] by calling the
//! kernel, non-blocking, on 127.0.0.1, or from a network namespace of the test's own. What a call means is left to the kernel as far as the
//! traits allow, so that a service seen here and on the firmware's own stack can be compared:
//! `bind` of a taken port fails at `bind`, a refused connect is an error of the second or a later
//! `connect` call, 0 bytes received are the peer's FIN, and sending to a peer that has reset is an
//! error.
//!
//! Board ports below 1024 need privileges and fixed ones collide, so each port that is bound gets
//! one of the kernel's choosing ([`KernelStack::local_port`] tells) and keeps it. `SO_REUSEADDR` is
//! not set: without it the kernel refuses a taken port at `bind` in every case. Remote addresses
//! are used as they are, except those that [`KernelStack::route`] maps to where a test listens.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use embedded_nal::{
    TcpClientStack, TcpError, TcpErrorKind, TcpFullStack, UdpClientStack, UdpFullStack, nb,
};
use smoltcp::time::Instant;
use socket2::{Domain, Socket, Type};
use tapboard::clock::RealClock;
use tapboard_firmware::netstat::{Count, Introspect, Protocol, Row};
use tapboard_firmware::{BufferAccess, Resolve};

/// When what the kernel has to do hangs, from the moment it was asked.
pub(crate) const HANG: Instant = Instant::from_micros_const(60_000_000);

/// Connections the kernel may hold for a listener until they are accepted.
const BACKLOG: i32 = 128;

/// What the kernel said, as far as a caller can tell the difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// The port is taken.
    AddressInUse,
    /// Nobody listens there.
    Refused,
    /// The peer reset the connection.
    Reset,
    /// The connection is shut down for sending, or was reset before.
    PipeClosed,
    /// The call needs a connection, and there is none.
    NotConnected,
    /// The call needs a socket without a connection.
    AlreadyConnected,
    /// Anything else.
    Kernel(ErrorKind),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::AddrInUse => Self::AddressInUse,
            ErrorKind::ConnectionRefused => Self::Refused,
            ErrorKind::ConnectionReset => Self::Reset,
            ErrorKind::BrokenPipe => Self::PipeClosed,
            ErrorKind::NotConnected => Self::NotConnected,
            other => Self::Kernel(other),
        }
    }
}

impl TcpError for Error {
    fn kind(&self) -> TcpErrorKind {
        match self {
            Self::PipeClosed => TcpErrorKind::PipeClosed,
            _ => TcpErrorKind::Other,
        }
    }
}

/// Splits what may succeed later from what failed.
fn non_blocking<T>(result: io::Result<T>) -> nb::Result<T, Error> {
    result.map_err(|error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::Interrupted => nb::Error::WouldBlock,
        _ => nb::Error::Other(error.into()),
    })
}

/// Repeats `call` until the kernel has made up its mind, which on one machine takes no time to
/// speak of, unless that is busy.
pub(crate) fn decided<T>(mut call: impl FnMut() -> nb::Result<T, Error>) -> Result<T, Error> {
    let clock = RealClock::new();
    while clock.now() < HANG {
        match call() {
            Ok(value) => return Ok(value),
            Err(nb::Error::Other(error)) => return Err(error),
            Err(nb::Error::WouldBlock) => std::thread::yield_now(),
        }
    }
    panic!("the kernel would still block");
}

/// A TCP socket of a [`KernelStack`].
#[derive(Debug)]
pub(crate) struct TcpHandle(u32);

/// A UDP socket of a [`KernelStack`].
#[derive(Debug)]
pub(crate) struct UdpHandle(u32);

/// How far a socket has come, seen from this side: a peer's FIN counts when it has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Listen,
    SynSent,
    Established,
    CloseWait,
}

#[derive(Debug)]
struct Tcp {
    socket: Socket,
    /// The board's port, not the kernel's; 0 if not bound.
    port: u16,
    remote: Option<SocketAddr>,
    state: State,
}

#[derive(Debug, Default)]
struct Udp {
    /// `None` until bound or connected.
    socket: Option<UdpSocket>,
    port: u16,
}

/// A stack made of the kernel's sockets.
#[derive(Debug, Default)]
pub(crate) struct KernelStack {
    tcp: BTreeMap<u32, Tcp>,
    udp: BTreeMap<u32, Udp>,
    created: u32,
    tcp_ports: BTreeMap<u16, u16>,
    udp_ports: BTreeMap<u16, u16>,
    routes: BTreeMap<SocketAddr, SocketAddr>,
}

impl KernelStack {
    /// A stack without sockets.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The port on 127.0.0.1 that stands for the board's `port`, once that has been bound.
    pub(crate) fn local_port(&self, protocol: Protocol, port: u16) -> Option<u16> {
        let ports = match protocol {
            Protocol::Tcp => &self.tcp_ports,
            Protocol::Udp => &self.udp_ports,
        };
        ports.get(&port).copied()
    }

    /// Has the board's TCP `port` stand for `local_port` on 127.0.0.1 from its next `bind` on.
    pub(crate) fn map_tcp(&mut self, port: u16, local_port: u16) {
        self.tcp_ports.insert(port, local_port);
    }

    /// Sends what is for `remote` to `local` instead.
    pub(crate) fn route(&mut self, remote: SocketAddr, local: SocketAddr) {
        self.routes.insert(remote, local);
    }

    /// Handles given out and not yet closed.
    pub(crate) fn open(&self) -> usize {
        self.tcp.len() + self.udp.len()
    }

    fn routed(&self, remote: SocketAddr) -> SocketAddr {
        self.routes.get(&remote).copied().unwrap_or(remote)
    }

    fn insert_tcp(&mut self, entry: Tcp) -> io::Result<TcpHandle> {
        entry.socket.set_nonblocking(true)?;
        self.created += 1;
        self.tcp.insert(self.created, entry);
        Ok(TcpHandle(self.created))
    }

    fn tcp(&mut self, handle: &TcpHandle) -> &mut Tcp {
        self.tcp.get_mut(&handle.0).expect("a handle lives until close")
    }

    fn udp(&mut self, handle: &UdpHandle) -> &mut Udp {
        self.udp.get_mut(&handle.0).expect("a handle lives until close")
    }
}

/// The kernel's address for the board's `port`: the one it has, or else one of the kernel's
/// choosing.
fn local(ports: &BTreeMap<u16, u16>, port: u16) -> SocketAddr {
    let chosen = ports.get(&port).copied().unwrap_or(0);
    SocketAddr::from((Ipv4Addr::LOCALHOST, chosen))
}

impl Tcp {
    /// Whether there is a connection, be it on its way.
    fn connection(&self) -> Result<(), Error> {
        match self.state {
            State::Closed | State::Listen => Err(Error::NotConnected),
            State::SynSent | State::Established | State::CloseWait => Ok(()),
        }
    }

    /// What became of a connect under way.
    fn connected(&self) -> nb::Result<(), Error> {
        if let Some(error) = self.socket.take_error().map_err(Error::from)? {
            return Err(nb::Error::Other(error.into()));
        }
        match self.socket.peer_addr() {
            Ok(_) => Ok(()),
            Err(_) => Err(nb::Error::WouldBlock),
        }
    }
}

impl TcpClientStack for KernelStack {
    type TcpSocket = TcpHandle;
    type Error = Error;

    fn socket(&mut self) -> Result<TcpHandle, Error> {
        let entry = Tcp {
            socket: Socket::new(Domain::IPV4, Type::STREAM, None)?,
            port: 0,
            remote: None,
            state: State::Closed,
        };
        Ok(self.insert_tcp(entry)?)
    }

    fn connect(&mut self, handle: &mut TcpHandle, remote: SocketAddr) -> nb::Result<(), Error> {
        let routed = self.routed(remote);
        let entry = self.tcp(handle);
        let outcome = match entry.state {
            State::Closed => {
                entry.remote = Some(remote);
                match entry.socket.connect(&routed.into()) {
                    Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {
                        Err(nb::Error::WouldBlock)
                    }
                    outcome => non_blocking(outcome),
                }
            }
            State::SynSent => entry.connected(),
            State::Listen | State::Established | State::CloseWait => {
                return Err(nb::Error::Other(Error::AlreadyConnected));
            }
        };
        entry.state = match outcome {
            Ok(()) => State::Established,
            Err(nb::Error::WouldBlock) => State::SynSent,
            Err(nb::Error::Other(_)) => State::Closed,
        };
        outcome
    }

    fn send(&mut self, handle: &mut TcpHandle, buffer: &[u8]) -> nb::Result<usize, Error> {
        let entry = self.tcp(handle);
        entry.connection()?;
        non_blocking((&entry.socket).write(buffer))
    }

    fn receive(&mut self, handle: &mut TcpHandle, buffer: &mut [u8]) -> nb::Result<usize, Error> {
        let entry = self.tcp(handle);
        entry.connection()?;
        let received = non_blocking((&entry.socket).read(buffer));
        if received == Ok(0) && !buffer.is_empty() {
            entry.state = State::CloseWait;
        }
        received
    }

    fn close(&mut self, handle: TcpHandle) -> Result<(), Error> {
        let entry = self.tcp.remove(&handle.0);
        entry.map(drop).ok_or(Error::NotConnected)
    }
}

impl BufferAccess for KernelStack {}

impl TcpFullStack for KernelStack {
    fn bind(&mut self, handle: &mut TcpHandle, local_port: u16) -> Result<(), Error> {
        let address = local(&self.tcp_ports, local_port);
        let entry = self.tcp(handle);
        entry.socket.bind(&address.into())?;
        entry.port = local_port;
        let bound = entry.socket.local_addr()?.as_socket();
        self.tcp_ports.extend(bound.map(|bound| (local_port, bound.port())));
        Ok(())
    }

    fn listen(&mut self, handle: &mut TcpHandle) -> Result<(), Error> {
        let entry = self.tcp(handle);
        // The kernel would listen on a port of its choice; no board has a use for that.
        if entry.port == 0 {
            return Err(Error::Kernel(ErrorKind::InvalidInput));
        }
        entry.socket.listen(BACKLOG)?;
        entry.state = State::Listen;
        Ok(())
    }

    fn accept(&mut self, handle: &mut TcpHandle) -> nb::Result<(TcpHandle, SocketAddr), Error> {
        let entry = self.tcp(handle);
        let port = entry.port;
        let accepted = match entry.socket.accept() {
            // Gone before it was accepted: the listener is as good as before (accept(2)).
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {
                return Err(nb::Error::WouldBlock);
            }
            accepted => non_blocking(accepted),
        };
        let (socket, remote) = accepted?;
        let remote = remote.as_socket().ok_or(Error::Kernel(ErrorKind::Unsupported))?;
        let entry = Tcp { socket, port, remote: Some(remote), state: State::Established };
        let handle = self.insert_tcp(entry).map_err(Error::from)?;
        Ok((handle, remote))
    }
}

impl UdpClientStack for KernelStack {
    type UdpSocket = UdpHandle;
    type Error = Error;

    fn socket(&mut self) -> Result<UdpHandle, Error> {
        self.created += 1;
        self.udp.insert(self.created, Udp::default());
        Ok(UdpHandle(self.created))
    }

    fn connect(&mut self, handle: &mut UdpHandle, remote: SocketAddr) -> Result<(), Error> {
        let routed = self.routed(remote);
        let entry = self.udp(handle);
        if entry.socket.is_none() {
            // A route in the test's own namespace may lead elsewhere than to this machine.
            let local =
                if routed.ip().is_loopback() { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED };
            entry.bind(SocketAddr::from((local, 0)))?;
        }
        Ok(entry.bound()?.connect(routed)?)
    }

    fn send(&mut self, handle: &mut UdpHandle, buffer: &[u8]) -> nb::Result<(), Error> {
        let sent = self.udp(handle).bound()?.send(buffer);
        non_blocking(sent.map(drop))
    }

    fn receive(
        &mut self,
        handle: &mut UdpHandle,
        buffer: &mut [u8],
    ) -> nb::Result<(usize, SocketAddr), Error> {
        non_blocking(self.udp(handle).bound()?.recv_from(buffer))
    }

    fn close(&mut self, handle: UdpHandle) -> Result<(), Error> {
        let entry = self.udp.remove(&handle.0);
        entry.map(drop).ok_or(Error::NotConnected)
    }
}

impl UdpFullStack for KernelStack {
    fn bind(&mut self, handle: &mut UdpHandle, local_port: u16) -> Result<(), Error> {
        let address = local(&self.udp_ports, local_port);
        let entry = self.udp(handle);
        if entry.socket.is_some() {
            return Err(Error::Kernel(ErrorKind::InvalidInput));
        }
        let bound = entry.bind(address)?;
        entry.port = local_port;
        self.udp_ports.insert(local_port, bound);
        Ok(())
    }

    fn send_to(
        &mut self,
        handle: &mut UdpHandle,
        remote: SocketAddr,
        buffer: &[u8],
    ) -> nb::Result<(), Error> {
        let routed = self.routed(remote);
        let sent = self.udp(handle).bound()?.send_to(buffer, routed);
        non_blocking(sent.map(drop))
    }
}

impl Udp {
    /// Binds to `address` and says which port that became.
    fn bind(&mut self, address: SocketAddr) -> Result<u16, Error> {
        let socket = UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        let port = socket.local_addr()?.port();
        self.socket = Some(socket);
        Ok(port)
    }

    fn bound(&self) -> Result<&UdpSocket, Error> {
        self.socket.as_ref().ok_or(Error::NotConnected)
    }
}

impl Resolve for KernelStack {}

impl Introspect for KernelStack {
    /// The TCP sockets by age, then the UDP sockets by age. What the kernel has queued is not
    /// known.
    fn row(&self, index: usize) -> Option<Row> {
        let tcp = self.tcp.values().map(|entry| Row {
            protocol: Protocol::Tcp,
            receive_queue: 0,
            send_queue: 0,
            local_address: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            local_port: entry.port,
            remote: entry.remote,
            state: match entry.state {
                State::Closed => "CLOSED",
                State::Listen => "LISTEN",
                State::SynSent => "SYN-SENT",
                State::Established => "ESTABLISHED",
                State::CloseWait => "CLOSE-WAIT",
            },
        });
        let udp = self.udp.values().map(|entry| Row {
            protocol: Protocol::Udp,
            receive_queue: 0,
            send_queue: 0,
            local_address: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            local_port: entry.port,
            remote: None,
            state: "",
        });
        tcp.chain(udp).nth(index)
    }

    fn counter(&self, index: usize) -> Option<(&'static str, Count)> {
        [("sockets_created", self.created.into())].get(index).copied()
    }
}
