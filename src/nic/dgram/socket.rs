//! The kernel's socket beneath a [`Dgram`](super::Dgram): UDP or UNIX.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
#[cfg(unix)]
use std::path::{Path, PathBuf};

use mio::event::Source;
use mio::net::UdpSocket;
#[cfg(unix)]
use mio::net::UnixDatagram;
use mio::{Interest, Registry, Token};

/// Where a guest's datagrams come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuestAt {
    /// A port of this machine.
    Udp(SocketAddr),
    /// A socket with a name.
    #[cfg(unix)]
    Unix(PathBuf),
}

impl fmt::Display for GuestAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(address) => address.fmt(f),
            #[cfg(unix)]
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

#[derive(Debug)]
pub(super) enum Socket {
    Udp(UdpSocket),
    #[cfg(unix)]
    Unix(Named),
}

/// A socket whose name is taken away at the end.
#[cfg(unix)]
#[derive(Debug)]
pub(super) struct Named {
    socket: UnixDatagram,
    path: PathBuf,
}

#[cfg(unix)]
impl Drop for Named {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Socket {
    pub(super) fn udp(port: u16) -> io::Result<Self> {
        UdpSocket::bind((Ipv4Addr::LOCALHOST, port).into()).map(Self::Udp)
    }

    /// For the user who runs this alone.
    #[cfg(unix)]
    pub(super) fn unix(path: &Path) -> io::Result<Self> {
        use std::fs;
        use std::os::unix::fs::PermissionsExt;
        use std::os::unix::net::UnixDatagram as Blocking;

        let is_alive = || Blocking::unbound().is_ok_and(|socket| socket.connect(path).is_ok());
        crate::local_socket::remove_left_behind(path, is_alive);
        let named = Named { socket: UnixDatagram::bind(path)?, path: path.into() };
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        Ok(Self::Unix(named))
    }

    /// The next datagram's length, and whom it is from if an answer would get there: not from another machine, and
    /// not from a UNIX socket without a name.
    pub(super) fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, Option<GuestAt>)> {
        match self {
            Self::Udp(socket) => socket
                .recv_from(buffer)
                .map(|(len, from)| (len, from.ip().is_loopback().then_some(GuestAt::Udp(from)))),
            #[cfg(unix)]
            Self::Unix(named) => named.socket.recv_from(buffer).map(|(len, from)| {
                (len, from.as_pathname().map(|path| GuestAt::Unix(path.into())))
            }),
        }
    }

    pub(super) fn send_to(&self, frame: &[u8], guest: &GuestAt) -> io::Result<usize> {
        match (self, guest) {
            (Self::Udp(socket), GuestAt::Udp(address)) => socket.send_to(frame, *address),
            #[cfg(unix)]
            (Self::Unix(named), GuestAt::Unix(path)) => named.socket.send_to(frame, path),
            #[cfg(unix)]
            _ => Err(io::ErrorKind::AddrNotAvailable.into()),
        }
    }

    pub(super) fn local_addr(&self) -> io::Result<GuestAt> {
        match self {
            Self::Udp(socket) => socket.local_addr().map(GuestAt::Udp),
            #[cfg(unix)]
            Self::Unix(named) => Ok(GuestAt::Unix(named.path.clone())),
        }
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            Self::Udp(socket) => socket.register(registry, token, Interest::READABLE),
            #[cfg(unix)]
            Self::Unix(named) => named.socket.register(registry, token, Interest::READABLE),
        }
    }
}
