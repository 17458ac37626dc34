//! A server's sockets, TCP or UNIX.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::Path;

use mio::event::Source;
use mio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use mio::net::{UnixListener, UnixStream};
use mio::{Interest, Registry, Token};

/// Where a server listens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    Tcp(SocketAddr),
    /// The path of a UNIX socket.
    Unix(&'a Path),
}

#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(NamedListener),
}

/// A UNIX socket, whose name is taken away at the end.
#[cfg(unix)]
#[derive(Debug)]
pub(super) struct NamedListener {
    listener: UnixListener,
    path: std::path::PathBuf,
}

#[cfg(unix)]
impl Drop for NamedListener {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Listener {
    pub(super) fn open(place: Place<'_>) -> io::Result<Self> {
        match place {
            Place::Tcp(address) => TcpListener::bind(address).map(Self::Tcp),
            Place::Unix(path) => open_unix(path),
        }
    }

    /// Its address, if it is one of IP.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            #[cfg(unix)]
            Self::Unix(_) => None,
        }
    }

    pub(super) fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => listener.accept().map(|(stream, _)| Stream::Tcp(stream)),
            #[cfg(unix)]
            Self::Unix(named) => named.listener.accept().map(|(stream, _)| Stream::Unix(stream)),
        }
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let source: &mut dyn Source = match self {
            Self::Tcp(listener) => listener,
            #[cfg(unix)]
            Self::Unix(named) => &mut named.listener,
        };
        registry.register(source, token, Interest::READABLE)
    }
}

/// A socket for the user who runs this alone.
#[cfg(unix)]
fn open_unix(path: &Path) -> io::Result<Listener> {
    use std::fs;
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    let left = fs::symlink_metadata(path).is_ok_and(|known| known.file_type().is_socket());
    // One that nobody listens on is left from a run that was killed.
    if left && std::os::unix::net::UnixStream::connect(path).is_err() {
        let _ = fs::remove_file(path);
    }
    let named = NamedListener { listener: UnixListener::bind(path)?, path: path.into() };
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(Listener::Unix(named))
}

#[cfg(not(unix))]
fn open_unix(_path: &Path) -> io::Result<Listener> {
    Err(io::Error::other("there are no UNIX sockets on this system"))
}

#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Stream {
    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(stream) => stream,
            #[cfg(unix)]
            Self::Unix(stream) => stream,
        }
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(self.source(), token, Interest::READABLE | Interest::WRITABLE)
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            #[cfg(unix)]
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            #[cfg(unix)]
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
