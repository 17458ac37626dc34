//! Who has joined: a listening UNIX socket, and a [`Trunk`] for each process that has connected to it.
//!
//! **Contract.** All of them are registered under one token; after an event under it comes [`Trunks::ready`], and
//! [`Trunks::look`] in the next turn. A socket file that nobody listens behind any more, left by a process that was killed,
//! gives way; it is removed at the end. At most [`TRUNKS`] processes join at once, further ones are turned away.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use mio::net::UnixListener;
use mio::{Interest, Registry, Token};

use super::trunk::Trunk;
use crate::output::say;

/// Processes that may have joined at once.
const TRUNKS: usize = 64;

/// See the module's documentation. The default one lets nobody join.
#[derive(Debug, Default)]
pub(super) struct Trunks {
    hub: Option<Hub>,
    joined: Vec<Option<Trunk>>,
    /// Who is asked first for frames.
    first: usize,
    /// Frames that found no room in trunks that are over.
    dropped: u64,
}

#[derive(Debug)]
struct Hub {
    listener: UnixListener,
    path: PathBuf,
    registry: Registry,
    token: Token,
    readable: bool,
}

impl Drop for Hub {
    fn drop(&mut self) {
        // Nobody is left to tell.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Trunks {
    /// Lets others join at `path`.
    pub(super) fn listen(path: &Path, registry: Registry, token: Token) -> Result<Self, String> {
        let error = |error| format!("cannot listen at {}: {error}", path.display());
        let mut listener = match UnixListener::bind(path) {
            Err(taken) if taken.kind() == ErrorKind::AddrInUse => {
                match UnixStream::connect(path) {
                    // Its owner was killed.
                    Err(dead) if dead.kind() == ErrorKind::ConnectionRefused => {
                        std::fs::remove_file(path).map_err(error)?;
                        UnixListener::bind(path).map_err(error)?
                    }
                    Ok(_) => {
                        return Err(format!(
                            "cannot listen at {0}: another process does; join it with --join unix:{0}, or choose \
                             another path",
                            path.display()
                        ));
                    }
                    Err(_) => return Err(error(taken)),
                }
            }
            bound => bound.map_err(error)?,
        };
        registry.register(&mut listener, token, Interest::READABLE).map_err(error)?;
        let path = path.to_owned();
        let hub = Hub { listener, path, registry, token, readable: true };
        Ok(Self { hub: Some(hub), ..Self::default() })
    }

    /// Notes that any of the sockets may be ready.
    pub(super) fn ready(&mut self) {
        if let Some(hub) = &mut self.hub {
            hub.readable = true;
        }
        self.joined.iter_mut().flatten().for_each(Trunk::ready);
    }

    /// Takes in who has come. Returns the ports of those that are gone.
    pub(super) fn look(&mut self) -> Vec<usize> {
        let mut gone = Vec::new();
        self.first = (self.first + 1) % self.joined.len().max(1);
        for (port, place) in self.joined.iter_mut().enumerate() {
            let over = place.as_ref().and_then(|trunk| trunk.gone().map(str::to_owned));
            if let Some(why) = over {
                self.dropped += place.take().map_or(0, |trunk| trunk.dropped());
                say!("fleet: the process at trunk {} is gone: {why}", port + 1);
                gone.push(port);
            }
        }
        while let Some(hub) = self.hub.as_mut().filter(|hub| hub.readable) {
            match hub.listener.accept() {
                Ok((stream, _)) => {
                    let free = self.joined.iter().position(Option::is_none);
                    let port = free.unwrap_or(self.joined.len());
                    if port == TRUNKS {
                        log::warn!("{TRUNKS} processes have joined; another is turned away");
                        continue;
                    }
                    match Trunk::new(stream, &hub.registry, hub.token) {
                        Ok(trunk) if port < self.joined.len() => self.joined[port] = Some(trunk),
                        Ok(trunk) => self.joined.push(Some(trunk)),
                        Err(error) => {
                            log::warn!("cannot watch a process that joins: {error}");
                            continue;
                        }
                    }
                    say!("fleet: a process has joined, at trunk {}", port + 1);
                }
                Err(error) => {
                    if error.kind() != ErrorKind::WouldBlock {
                        log::warn!("cannot let a process join: {error}");
                    }
                    hub.readable = false;
                }
            }
        }
        gone
    }

    /// The next frame of any of them, and its port.
    pub(super) fn receive(&mut self) -> Option<(usize, &[u8])> {
        // A trunk gives what it has before the next is asked; another is the first in each turn.
        let first = self.first.min(self.joined.len());
        let (last, first) = self.joined.split_at_mut(first);
        let offset = last.len();
        let first = first.iter_mut().enumerate().map(|(port, trunk)| (offset + port, trunk));
        let mut ports = first.chain(last.iter_mut().enumerate());
        ports.find_map(|(port, trunk)| Some((port, trunk.as_mut()?.frame()?)))
    }

    /// Who has joined.
    pub(super) fn ports(&self) -> impl Iterator<Item = usize> + use<> {
        let joined = self.joined.iter().enumerate().filter(|(_, trunk)| trunk.is_some());
        joined.map(|(port, _)| port).collect::<Vec<_>>().into_iter()
    }

    /// Sends a frame there.
    pub(super) fn send(&mut self, port: usize, frame: &[u8]) {
        if let Some(Some(trunk)) = self.joined.get_mut(port) {
            trunk.send(frame.len(), |buffer| buffer.copy_from_slice(frame));
        }
    }

    /// Writes what waits.
    pub(super) fn flush(&mut self) {
        self.joined.iter_mut().flatten().for_each(Trunk::flush);
    }

    /// Whether there may be more to receive although no event will tell of it.
    pub(super) fn unread(&self) -> bool {
        self.joined.iter().flatten().any(Trunk::unread)
    }

    /// Frames that found no room.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped + self.joined.iter().flatten().map(Trunk::dropped).sum::<u64>()
    }
}
