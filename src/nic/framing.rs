//! Ethernet frames in a stream of bytes, each after its length.
//!
//! **Contract.** The length is four bytes, the highest first, and does not count itself, as QEMU's `-netdev stream` has it.
//! What is no frame of 14 to 1514 bytes is passed over as it comes and counted; a length over [`LEN_MAX`] is none, and what
//! follows it cannot be told apart. The stream does not block; its readiness is edge-triggered.
//!
//! **Cost.** A system call for up to [`INBOX`] bytes in, and one for all that waits to go out. [`INBOX`] bytes of memory, and
//! those that wait, at most [`OUTBOX`].

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::ops::Range;

use tapboard_firmware::config::FRAME_SIZE;

use super::frame_socket::FRAME_LEN_MIN;

/// The greatest length that may be one: QEMU's largest frame, 68 KiB, with room for what virtio puts before it.
pub(crate) const LEN_MAX: usize = 128 * 1024;
/// Bytes of a length.
pub(crate) const PREFIX: usize = 4;
/// Bytes that are read at a time, at most. A frame and its length fit.
pub(crate) const INBOX: usize = 64 * 1024;
/// Bytes that wait to be written: two full frames of each of the 256 machines of a fleet that run in a turn, which leave
/// together at its end, and half as much again.
pub(crate) const OUTBOX: usize = 1024 * 1024;
/// What is passed over in a row before the driver looks at something else.
pub(crate) const SKIPS: usize = 64;

/// How a stream of frames ends.
#[derive(Debug)]
pub(crate) enum End {
    /// The peer has closed it.
    Closed,
    /// What has come is no length.
    NoFrames,
    /// The system says so.
    Error(io::Error),
}

/// As what the peer has done, or what is wrong.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("it has closed the connection"),
            Self::NoFrames => f.write_str("what it sends are no frames with their length"),
            Self::Error(error) => error.fmt(f),
        }
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Framed<S> {
    stream: S,
    inbox: Vec<u8>,
    /// The bytes of `inbox` that were read and not looked at.
    unread: Range<usize>,
    /// Bytes of what is no frame that are still to come.
    skip: usize,
    skipped: u64,
    outbox: Vec<u8>,
    readable: bool,
    writable: bool,
}

impl<S: Read + Write> Framed<S> {
    /// Frames over `stream`, which may be ready.
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            inbox: vec![0; INBOX],
            unread: 0..0,
            skip: 0,
            skipped: 0,
            outbox: Vec::new(),
            readable: true,
            writable: true,
        }
    }

    /// Notes that the stream may be ready.
    pub(crate) const fn ready(&mut self) {
        self.readable = true;
        self.writable = true;
    }

    /// Whether there may be more to receive although no event will tell of it.
    pub(crate) const fn unread(&self) -> bool {
        self.readable
    }

    /// What was no frame, so far.
    pub(crate) const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Where the next frame is, for [`frame`](Self::frame), if there is one. After an end there is no more.
    pub(crate) fn next(&mut self) -> Result<Option<Range<usize>>, End> {
        let mut left = SKIPS;
        loop {
            let skipped = self.skip.min(self.unread.len());
            self.skip -= skipped;
            self.unread.start += skipped;
            let waiting = &self.inbox[self.unread.clone()];
            if let Some((prefix, rest)) = waiting.split_first_chunk::<PREFIX>() {
                let len = u32::from_be_bytes(*prefix) as usize;
                if len > LEN_MAX {
                    return Err(End::NoFrames);
                }
                if !(FRAME_LEN_MIN..=FRAME_SIZE).contains(&len) {
                    self.skipped += 1;
                    self.unread.start += PREFIX;
                    self.skip = len;
                    left -= 1;
                    if left == 0 {
                        return Ok(None);
                    }
                    continue;
                }
                if rest.len() >= len {
                    let start = self.unread.start + PREFIX;
                    self.unread.start = start + len;
                    return Ok(Some(start..start + len));
                }
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Reads more behind what is in the inbox. False if there is nothing now.
    fn fill(&mut self) -> Result<bool, End> {
        if !self.readable {
            return Ok(false);
        }
        self.inbox.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        match self.stream.read(&mut self.inbox[self.unread.end..]) {
            Ok(0) => Err(End::Closed),
            Ok(count) => {
                self.unread.end += count;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.readable = false;
                Ok(false)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(End::Error(error)),
        }
    }

    /// The frame that [`next`](Self::next) has found, until it is asked for another.
    pub(crate) fn frame(&self, range: Range<usize>) -> &[u8] {
        &self.inbox[range]
    }

    /// Whether a frame of `len` bytes may wait.
    pub(crate) const fn has_room(&self, len: usize) -> bool {
        self.outbox.len() + PREFIX + len <= OUTBOX
    }

    /// Lets a frame of `len` bytes, which `write` makes, wait for [`flush`](Self::flush).
    pub(crate) fn push<R>(&mut self, len: usize, write: impl FnOnce(&mut [u8]) -> R) -> R {
        assert!(len <= FRAME_SIZE, "a frame of {len} bytes does not fit");
        let before = self.outbox.len();
        self.outbox.extend((len as u32).to_be_bytes());
        self.outbox.resize(before + PREFIX + len, 0);
        write(&mut self.outbox[before + PREFIX..])
    }

    /// Writes what waits, as far as the stream takes it. After an error nothing waits; what has come before is read all
    /// the same.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let mut sent = 0;
        let mut result = Ok(());
        while sent < self.outbox.len() && self.writable {
            match self.stream.write(&self.outbox[sent..]) {
                Ok(count @ 1..) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                failed => {
                    result = Err(failed.err().unwrap_or_else(|| ErrorKind::WriteZero.into()));
                    sent = self.outbox.len();
                    self.readable = true;
                }
            }
        }
        self.outbox.drain(..sent);
        result
    }
}

#[cfg(test)]
mod tests;
