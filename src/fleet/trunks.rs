//! Who has joined: a listening UNIX socket, and a [`Trunk`] for each process that has connected to it.
//!
//! **Contract.** All of them are registered under one token; after an event under it comes [`Trunks::ready`], and
//! [`Trunks::look`] in the next turn. A socket file that nobody listens behind any more, left by a process that was killed,
//! gives way; it is removed at the end. At most [`TRUNKS`] processes join at once, further ones are turned away.

use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use mio::{Registry, Token};
use smoltcp::time::Instant;

use super::trunk::Trunk;
use crate::local_socket::{Backlog, Listener};
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
    listener: Listener,
    backlog: Backlog,
    registry: Registry,
    token: Token,
}

impl Trunks {
    /// Lets others join at `path`.
    pub(super) fn listen(path: &Path, registry: Registry, token: Token) -> Result<Self, String> {
        let mut listener = Listener::unix(path).map_err(|error| {
            let at = path.display();
            if error.kind() != ErrorKind::AddrInUse {
                return format!("cannot listen at {at}: {error}");
            }
            let known = std::fs::symlink_metadata(path);
            if known.is_ok_and(|known| known.file_type().is_socket()) {
                format!(
                    "cannot listen at {at}: another process does; join it with --join unix:{at}, or choose another \
                     path"
                )
            } else {
                format!("cannot listen at {at}: it is a file already, and stays; choose another path")
            }
        })?;
        listener
            .register(&registry, token)
            .map_err(|error| format!("cannot watch {}: {error}", path.display()))?;
        let hub = Hub { listener, backlog: Backlog::default(), registry, token };
        Ok(Self { hub: Some(hub), ..Self::default() })
    }

    /// Notes that any of the sockets may be ready.
    pub(super) fn ready(&mut self) {
        if let Some(hub) = &mut self.hub {
            hub.backlog.ready();
        }
        self.joined.iter_mut().flatten().for_each(Trunk::ready);
    }

    /// Takes in who has come. Returns the ports of those that are gone.
    pub(super) fn look(&mut self, now: Instant) -> Vec<usize> {
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
        let Some(Hub { listener, backlog, registry, token }) = &mut self.hub else { return gone };
        for _ in 0..TRUNKS {
            let Some(stream) = backlog.take(now, || listener.accept()) else { break };
            let free = self.joined.iter().position(Option::is_none);
            let port = free.unwrap_or(self.joined.len());
            if port == TRUNKS {
                log::warn!("{TRUNKS} processes have joined; another is turned away");
                continue;
            }
            match Trunk::new(stream, registry, *token) {
                Ok(trunk) if port < self.joined.len() => self.joined[port] = Some(trunk),
                Ok(trunk) => self.joined.push(Some(trunk)),
                Err(error) => {
                    log::warn!("cannot watch a process that joins: {error}");
                    continue;
                }
            }
            say!("fleet: a process has joined, at trunk {}", port + 1);
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
        let waiting = self.hub.as_ref().is_some_and(|hub| hub.backlog.waiting());
        waiting || self.joined.iter().flatten().any(Trunk::unread)
    }

    /// When to look again at the latest, if the system could not give what it has.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.hub.as_ref()?.backlog.retry_at()
    }

    /// Frames that found no room.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped + self.joined.iter().flatten().map(Trunk::dropped).sum::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use mio::Poll;

    use super::*;
    use crate::scratch::Scratch;

    const NOW: Instant = Instant::ZERO;

    fn listen(path: &str, poll: &Poll) -> Result<Trunks, String> {
        Trunks::listen(Path::new(path), poll.registry().try_clone().unwrap(), Token(1))
    }

    #[test]
    fn a_file_stays_and_a_socket_left_behind_gives_way() {
        let (scratch, poll) = (Scratch::new(), Poll::new().unwrap());
        let file = scratch.file("notes", "mine");
        let error = listen(&file, &poll).unwrap_err();
        assert!(error.contains("choose another path"), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
        let path = scratch.path("fleet.sock");
        // Its owner has gone without a word.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let trunks = listen(&path, &poll).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let error = listen(&path, &poll).unwrap_err();
        assert!(error.contains("--join unix:"), "{error}");
        drop(trunks);
        assert!(!Path::new(&path).exists());
    }

    #[test]
    fn as_many_join_as_there_is_room_for_and_others_are_turned_away() {
        let (scratch, poll) = (Scratch::new(), Poll::new().unwrap());
        let path = scratch.path("fleet.sock");
        let mut trunks = listen(&path, &poll).unwrap();
        let look = |trunks: &mut Trunks| {
            trunks.ready();
            let mut gone = trunks.look(NOW);
            while trunks.hub.as_ref().unwrap().backlog.waiting() {
                gone.extend(trunks.look(NOW));
            }
            gone
        };
        let join = || UnixStream::connect(&path).unwrap();
        let mut joined: Vec<_> = (0..TRUNKS).map(|_| join()).collect();
        look(&mut trunks);
        assert!(trunks.ports().eq(0..TRUNKS));
        let mut late = join();
        late.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        look(&mut trunks);
        assert_eq!((late.read(&mut [0; 9]).unwrap(), trunks.ports().count()), (0, TRUNKS));
        // One goes, and the next gets its place.
        drop(joined.remove(5));
        trunks.ready();
        assert_eq!(trunks.receive().map(|(port, _)| port), None);
        assert_eq!(look(&mut trunks), [5]);
        assert_eq!(trunks.ports().count(), TRUNKS - 1);
        joined.push(join());
        look(&mut trunks);
        assert!(trunks.ports().eq(0..TRUNKS));
    }
}
