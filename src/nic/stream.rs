//! Ethernet frames over a stream socket, of TCP on 127.0.0.1 or of UNIX: the wire to a board in another process, such
//! as QEMU with `-netdev stream`.
//!
//! **Contract.** Frames are told apart as `framing` has it; what is no stream of frames ends the connection. We listen; who
//! connects first is the guest until it goes, and others meanwhile are turned away.
//!
//! **Cost.** A system call for each frame out, and one for up to 64 KiB in. What the guest does not read waits in the
//! kernel's buffer and in 1 MiB here; further frames are lost and counted.

use std::io;
use std::ops::Range;

use mio::{Registry, Token};
use smoltcp::time::Instant;

use super::frame_socket::{FrameCounters, FrameSocket};
use super::framing::{End, Framed};
use crate::local_socket::{Backlog, Listener, Stream};

/// Clients that are turned away in a row before the driver looks at something else.
const STRANGERS: usize = 64;

/// The connection to the guest.
#[derive(Debug)]
struct Connection {
    framed: Framed<Stream>,
    name: String,
}

/// Our end of the wire: a socket that listens, and at most one guest.
#[derive(Debug)]
pub struct FrameStream {
    listener: Listener,
    backlog: Backlog,
    /// Where it is, for who connects without a name.
    name: String,
    registry: Registry,
    token: Token,
    connection: Option<Connection>,
    changes: u64,
    counters: FrameCounters,
}

impl FrameStream {
    /// Waits for a guest on `listener`, whose address is `name`, and lets `registry` tell of it under `token`.
    pub(crate) fn new(
        mut listener: Listener,
        name: String,
        registry: Registry,
        token: Token,
    ) -> io::Result<Self> {
        listener.register(&registry, token)?;
        Ok(Self {
            listener,
            backlog: Backlog::default(),
            name,
            registry,
            token,
            connection: None,
            changes: 0,
            counters: FrameCounters::default(),
        })
    }

    /// Takes whoever has connected, unless there is a guest.
    fn accept(&mut self, now: Instant) {
        for _ in 0..STRANGERS {
            let client = self.backlog.take(now, || self.listener.accept_named());
            let Some((mut stream, name)) = client else { return };
            if self.connection.is_some() || stream.register(&self.registry, self.token).is_err() {
                self.counters.dropped_in_stranger += 1;
                continue;
            }
            let name = name.unwrap_or_else(|| self.name.clone());
            self.connection = Some(Connection { framed: Framed::new(stream), name });
            self.changes += 1;
        }
    }

    /// The guest has gone, or must.
    fn disconnect(&mut self) {
        self.connection = None;
        self.changes += 1;
    }

    /// Where the guest's next frame is in what was read.
    fn next(&mut self) -> Option<Range<usize>> {
        let connection = self.connection.as_mut()?;
        let before = connection.framed.skipped();
        let next = connection.framed.next();
        self.counters.dropped_in_size += connection.framed.skipped() - before;
        let end = match next {
            Ok(range) => return range,
            Err(end) => end,
        };
        match end {
            End::Closed => {}
            End::NoFrames => {
                log::warn!(
                    "the guest at {} does not send frames that follow their length in four bytes, as QEMU's \
                     `-netdev stream` does: it is cut off",
                    connection.name
                );
                self.counters.errors_in += 1;
            }
            End::Error(_) => self.counters.errors_in += 1,
        }
        self.disconnect();
        None
    }
}

impl FrameSocket for FrameStream {
    fn receive(&mut self, now: Instant) -> Option<&[u8]> {
        self.accept(now);
        let range = self.next()?;
        self.counters.frames_in += 1;
        self.counters.bytes_in += range.len() as u64;
        Some(self.connection.as_ref()?.framed.frame(range))
    }

    fn send(&mut self, frame: &[u8]) {
        let Some(Connection { framed, .. }) = &mut self.connection else {
            self.counters.dropped_out_absent += 1;
            return;
        };
        if !framed.has_room(frame.len()) {
            self.counters.dropped_out_no_room += 1;
            return;
        }
        framed.push(frame.len(), |buffer| buffer.copy_from_slice(frame));
        if framed.flush().is_err() {
            // What it has sent before is read all the same; its end is found there.
            self.counters.dropped_out_error += 1;
            return;
        }
        self.counters.frames_out += 1;
        self.counters.bytes_out += frame.len() as u64;
    }

    fn ready(&mut self) {
        self.backlog.ready();
        if let Some(Connection { framed, .. }) = &mut self.connection {
            framed.ready();
            // An error is found where its frames are read.
            let _ = framed.flush();
        }
    }

    fn unread(&self) -> bool {
        let connection = self.connection.as_ref();
        self.backlog.waiting() || connection.is_some_and(|connection| connection.framed.unread())
    }

    fn retry_at(&self) -> Option<Instant> {
        self.backlog.retry_at()
    }

    fn guest(&self) -> Option<String> {
        self.connection.as_ref().map(|connection| connection.name.clone())
    }

    fn changes(&self) -> u64 {
        self.changes
    }

    fn counters(&self) -> FrameCounters {
        self.counters
    }
}

#[cfg(test)]
mod tests;
