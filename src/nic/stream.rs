//! Ethernet frames over a stream socket, of TCP on 127.0.0.1 or of UNIX: the wire to a board in another process, such
//! as QEMU with `-netdev stream`.
//!
//! **Contract.** Each frame follows its length, four bytes, the highest first, as QEMU has it; the length does not count
//! itself. What is no frame of 14 to 1514 bytes is passed over; a length over [`LEN_MAX`] is none, and ends the
//! connection, for what follows cannot be told apart. We listen; who connects first is the guest until it goes, and others
//! meanwhile are turned away.
//!
//! **Cost.** A system call for each frame out, and one for up to 64 KiB in. What the guest does not read waits in the
//! kernel's buffer and in 256 KiB here; further frames are lost and counted.

use std::io::{self, ErrorKind, Read, Write};
use std::ops::Range;

use mio::{Registry, Token};
use smoltcp::time::Instant;
use tapboard_firmware::config::FRAME_SIZE;

use super::frame_socket::{FRAME_LEN_MIN, FrameCounters, FrameSocket};
use crate::local_socket::{Listener, Stream};

/// The greatest length that may be one: QEMU's largest frame, with room for what virtio puts before it.
pub const LEN_MAX: usize = 128 * 1024;
/// Bytes of a length.
const PREFIX: usize = 4;
/// Bytes that are read at a time.
const READ: usize = 64 * 1024;
/// Bytes that wait for the guest to read.
const WAITING_MAX: usize = 256 * 1024;
/// What is passed over in a row before the driver looks at something else.
const DROPS: usize = 64;

/// The connection to the guest.
#[derive(Debug)]
struct Connection {
    stream: Stream,
    name: String,
    /// What was read; up to `begin`, it is used.
    read: Vec<u8>,
    begin: usize,
    /// What is to be written.
    waiting: Vec<u8>,
}

/// Our end of the wire: a socket that listens, and at most one guest.
#[derive(Debug)]
pub struct FrameStream {
    listener: Listener,
    /// Where it is, for who connects without a name.
    name: String,
    registry: Registry,
    token: Token,
    connection: Option<Connection>,
    changes: u64,
    /// Something may have come that was not looked at yet.
    readable: bool,
    counters: FrameCounters,
}

/// What became of a look at what was read.
enum Parsed {
    /// A frame, in these bytes of it.
    Frame(Range<usize>),
    /// What is no frame was passed over.
    Dropped,
    /// There is less than that.
    More,
    /// It is no stream of frames.
    Nonsense,
}

impl Connection {
    /// Looks at what comes next.
    fn parse(&mut self) -> Parsed {
        let rest = &self.read[self.begin..];
        let Some((prefix, rest)) = rest.split_first_chunk::<PREFIX>() else { return Parsed::More };
        let len = u32::from_be_bytes(*prefix) as usize;
        if len > LEN_MAX {
            return Parsed::Nonsense;
        }
        if rest.len() < len {
            return Parsed::More;
        }
        let begin = self.begin + PREFIX;
        self.begin = begin + len;
        if (FRAME_LEN_MIN..=FRAME_SIZE).contains(&len) {
            return Parsed::Frame(begin..begin + len);
        }
        Parsed::Dropped
    }

    /// Reads on. `Ok(0)` is the end.
    fn fill(&mut self) -> io::Result<usize> {
        self.read.drain(..self.begin);
        self.begin = 0;
        let len = self.read.len();
        self.read.resize(len + READ, 0);
        let result = self.stream.read(&mut self.read[len..]);
        self.read.truncate(len + result.as_ref().map_or(0, |&count| count));
        result
    }

    /// Writes what waits, as far as the guest reads.
    fn flush(&mut self) -> io::Result<()> {
        let mut sent = 0;
        let result = loop {
            match self.stream.write(&self.waiting[sent..]) {
                _ if sent == self.waiting.len() => break Ok(()),
                Ok(0) => break Err(ErrorKind::WriteZero.into()),
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.waiting.drain(..sent);
        result
    }
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
        let (connection, counters) = (None, FrameCounters::default());
        Ok(Self {
            listener,
            name,
            registry,
            token,
            connection,
            changes: 0,
            readable: true,
            counters,
        })
    }

    /// Takes whoever has connected, unless there is a guest.
    fn accept(&mut self) {
        // At most as many as the backlog has.
        for _ in 0..DROPS {
            let Ok((mut stream, name)) = self.listener.accept_named() else { return };
            if self.connection.is_some() || stream.register(&self.registry, self.token).is_err() {
                self.counters.dropped_in_stranger += 1;
                continue;
            }
            let name = name.unwrap_or_else(|| self.name.clone());
            let (read, waiting) = (Vec::new(), Vec::new());
            self.connection = Some(Connection { stream, name, read, begin: 0, waiting });
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
        let mut dropped = 0;
        while dropped < DROPS {
            let connection = self.connection.as_mut()?;
            match connection.parse() {
                Parsed::Frame(range) => return Some(range),
                Parsed::Dropped => {
                    self.counters.dropped_in_size += 1;
                    dropped += 1;
                    continue;
                }
                Parsed::Nonsense => {
                    log::warn!(
                        "the guest at {} does not send frames that follow their length in four bytes, as \
                         QEMU's `-netdev stream` does: it is cut off",
                        connection.name
                    );
                    self.counters.errors_in += 1;
                    self.disconnect();
                    return None;
                }
                Parsed::More => {}
            }
            match connection.fill() {
                Ok(1..) => {}
                Ok(0) => {
                    self.disconnect();
                    return None;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.readable = false;
                    return None;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    self.counters.errors_in += 1;
                    self.disconnect();
                    return None;
                }
            }
        }
        None
    }
}

impl FrameSocket for FrameStream {
    fn receive(&mut self, _now: Instant) -> Option<&[u8]> {
        if !self.readable {
            return None;
        }
        self.accept();
        let range = self.next();
        if self.connection.is_none() {
            // Who waits in the backlog has been told of already.
            self.accept();
            self.readable = self.connection.is_some();
        }
        let range = range?;
        let connection = self.connection.as_ref()?;
        self.counters.frames_in += 1;
        self.counters.bytes_in += range.len() as u64;
        Some(&connection.read[range])
    }

    fn send(&mut self, frame: &[u8]) {
        let Some(connection) = &mut self.connection else {
            self.counters.dropped_out_absent += 1;
            return;
        };
        if connection.waiting.len() + PREFIX + frame.len() > WAITING_MAX {
            self.counters.dropped_out_no_room += 1;
            return;
        }
        connection.waiting.extend_from_slice(&(frame.len() as u32).to_be_bytes());
        connection.waiting.extend_from_slice(frame);
        if connection.flush().is_err() {
            self.counters.dropped_out_error += 1;
            // What it has sent before is read all the same; its end is found there.
            connection.waiting.clear();
            self.readable = true;
            return;
        }
        self.counters.frames_out += 1;
        self.counters.bytes_out += frame.len() as u64;
    }

    fn ready(&mut self) {
        self.readable = true;
        if let Some(connection) = &mut self.connection
            && connection.flush().is_err()
        {
            connection.waiting.clear();
        }
    }

    fn unread(&self) -> bool {
        self.readable
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
