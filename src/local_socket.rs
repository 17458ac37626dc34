//! Stream sockets of this machine, TCP or UNIX.

mod backlog;

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::path::Path;

use mio::event::Source;
use mio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use mio::net::{UnixListener, UnixStream};
use mio::{Interest, Registry, Token};

pub(crate) use self::backlog::Backlog;

/// What listens.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(NamedListener),
}

/// A UNIX socket, whose name is taken away at the end.
#[cfg(unix)]
#[derive(Debug)]
pub(crate) struct NamedListener {
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
    /// Listens on that address.
    pub(crate) fn tcp(address: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(address).map(Self::Tcp)
    }

    /// Listens on a socket of that name, for the user who runs this alone.
    pub(crate) fn unix(path: &Path) -> io::Result<Self> {
        open_unix(path)
    }

    /// Its address, if it is one of IP.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            #[cfg(unix)]
            Self::Unix(_) => None,
        }
    }

    /// The next client.
    pub(crate) fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => listener.accept().map(|(stream, _)| Stream::Tcp(stream)),
            #[cfg(unix)]
            Self::Unix(named) => named.listener.accept().map(|(stream, _)| Stream::Unix(stream)),
        }
    }

    /// Likewise, with the client's address where it has one. What is sent to it leaves at once.
    pub(crate) fn accept_named(&self) -> io::Result<(Stream, Option<String>)> {
        let stream = self.accept()?;
        let name = match &stream {
            Stream::Tcp(stream) => {
                let peer = stream.set_nodelay(true).and_then(|()| stream.peer_addr());
                // Who has reset the connection meanwhile has no address any more.
                Some(peer.map_err(|_| ErrorKind::ConnectionAborted)?.to_string())
            }
            #[cfg(unix)]
            Stream::Unix(_) => None,
        };
        Ok((stream, name))
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let source: &mut dyn Source = match self {
            Self::Tcp(listener) => listener,
            #[cfg(unix)]
            Self::Unix(named) => &mut named.listener,
        };
        registry.register(source, token, Interest::READABLE)
    }
}

/// Takes away a socket of that name on which nobody is, left from a run that was killed; `is_alive` looks.
#[cfg(unix)]
pub(crate) fn remove_left_behind(path: &Path, is_alive: impl FnOnce() -> bool) {
    use std::fs;
    use std::os::unix::fs::FileTypeExt;
    let left = fs::symlink_metadata(path).is_ok_and(|known| known.file_type().is_socket());
    if left && !is_alive() {
        let _ = fs::remove_file(path);
    }
}

#[cfg(unix)]
fn open_unix(path: &Path) -> io::Result<Listener> {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    remove_left_behind(path, || std::os::unix::net::UnixStream::connect(path).is_ok());
    let named = NamedListener { listener: UnixListener::bind(path)?, path: path.into() };
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(Listener::Unix(named))
}

#[cfg(not(unix))]
fn open_unix(_path: &Path) -> io::Result<Listener> {
    Err(io::Error::other("there are no UNIX sockets on this system"))
}

/// A connection.
#[derive(Debug)]
pub(crate) enum Stream {
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

    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
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
