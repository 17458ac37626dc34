//! A trunk: frames between two processes, over a UNIX stream socket.
//!
//! **Contract.** A frame of 14 to 1514 bytes is preceded by its length, four bytes in network order, which is how QEMU's
//! `-netdev stream` speaks too. Others are skipped; a length that cannot be one ends the trunk. Nothing blocks. What the
//! other end does not take in time is dropped and counted, as at a switch: [`OUTBOX`] bytes may wait.
//!
//! **Cost.** A system call for many frames each way; [`INBOX`] bytes, and those that wait.

use std::io::{self, ErrorKind, Read, Write};
use std::ops::Range;
use std::os::unix::net as std_net;
use std::path::Path;

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;
use tapboard_firmware::config::FRAME_SIZE;

/// Bytes read at a time.
const INBOX: usize = 64 * 1024;
/// Bytes that may wait to be written.
const OUTBOX: usize = 1024 * 1024;
/// Bytes of a frame's length before it.
const HEADER: usize = 4;
/// An Ethernet header: the least that can be a frame, bytes.
const FRAME_LEN_MIN: usize = 14;
/// The most that a peer who speaks this protocol sends as one frame, bytes; more than we take.
const LEN_MAX: usize = 64 * 1024;
/// What is no frame of ours, dropped in a row before the driver looks at something else.
const DROPS: usize = 64;

/// One connection.
#[derive(Debug)]
pub struct Trunk {
    stream: UnixStream,
    inbox: Vec<u8>,
    /// The bytes of `inbox` that were read and not looked at.
    unread: Range<usize>,
    /// Bytes of a frame too long for us that are still to come.
    skip: usize,
    outbox: Vec<u8>,
    readable: bool,
    writable: bool,
    /// Why it is over.
    gone: Option<String>,
    /// Frames that were too long or short, or found no room.
    dropped: u64,
}

impl Trunk {
    /// Connects to the process that listens at `path`.
    pub fn connect(path: &Path, registry: &Registry, token: Token) -> Result<Self, String> {
        let error = |error: io::Error| {
            let remedy = match error.kind() {
                ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
                    ": nobody listens there; start the first fleet with --listen of the same path"
                }
                _ => "",
            };
            format!("cannot join {} ({error}){remedy}", path.display())
        };
        let stream = std_net::UnixStream::connect(path).map_err(error)?;
        stream.set_nonblocking(true).map_err(error)?;
        Self::new(UnixStream::from_std(stream), registry, token).map_err(error)
    }

    pub(super) fn new(
        mut stream: UnixStream,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self {
            stream,
            inbox: vec![0; INBOX],
            unread: 0..0,
            skip: 0,
            outbox: Vec::new(),
            readable: true,
            writable: true,
            gone: None,
            dropped: 0,
        })
    }

    /// Notes that the socket may be ready.
    pub const fn ready(&mut self) {
        self.readable = true;
        self.writable = true;
    }

    /// Whether there may be more to receive although no event will tell of it.
    #[must_use]
    pub const fn unread(&self) -> bool {
        self.readable && self.gone.is_none()
    }

    /// Why it is over, once it is.
    #[must_use]
    pub fn gone(&self) -> Option<&str> {
        self.gone.as_deref()
    }

    /// Frames that were too long or short, or found no room.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The place in the inbox of the next frame.
    fn next(&mut self) -> Option<Range<usize>> {
        let mut left = DROPS;
        loop {
            let skipped = self.skip.min(self.unread.len());
            self.skip -= skipped;
            self.unread.start += skipped;
            let waiting = &self.inbox[self.unread.clone()];
            if let Some((header, rest)) = waiting.split_first_chunk::<HEADER>() {
                let len = u32::from_be_bytes(*header) as usize;
                if len > LEN_MAX {
                    self.gone = Some("what it sends are no frames with their length".to_owned());
                    return None;
                }
                if !(FRAME_LEN_MIN..=FRAME_SIZE).contains(&len) {
                    self.dropped += 1;
                    self.unread.start += HEADER;
                    self.skip = len;
                    left -= 1;
                    if left == 0 {
                        return None;
                    }
                    continue;
                }
                if rest.len() >= len {
                    let start = self.unread.start + HEADER;
                    self.unread.start = start + len;
                    return Some(start..start + len);
                }
            }
            if !self.fill() {
                return None;
            }
        }
    }

    /// Reads more behind what is in the inbox. False if there is nothing now.
    fn fill(&mut self) -> bool {
        if !self.readable || self.gone.is_some() {
            return false;
        }
        self.inbox.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        match self.stream.read(&mut self.inbox[self.unread.end..]) {
            Ok(0) => self.gone = Some("it has closed the connection".to_owned()),
            Ok(count) => {
                self.unread.end += count;
                return true;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
            Err(error) if error.kind() == ErrorKind::Interrupted => return true,
            Err(error) => self.gone = Some(error.to_string()),
        }
        false
    }

    /// The next frame.
    pub(super) fn frame(&mut self) -> Option<&[u8]> {
        self.next().map(|frame| &self.inbox[frame])
    }

    /// Lets a frame of `len` bytes, which `write` makes, wait for [`flush`](Self::flush).
    pub(super) fn send<R>(&mut self, len: usize, write: impl FnOnce(&mut [u8]) -> R) -> R {
        assert!(len <= FRAME_SIZE, "a frame of {len} bytes does not fit");
        let before = self.outbox.len();
        self.outbox.extend((len as u32).to_be_bytes());
        self.outbox.resize(before + HEADER + len, 0);
        let result = write(&mut self.outbox[before + HEADER..]);
        if self.outbox.len() > OUTBOX || self.gone.is_some() {
            self.outbox.truncate(before);
            self.dropped += 1;
        }
        result
    }

    /// Writes what waits, as far as the socket takes it.
    pub fn flush(&mut self) {
        let mut sent = 0;
        while sent < self.outbox.len() && self.writable && self.gone.is_none() {
            match self.stream.write(&self.outbox[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.gone = Some(error.to_string()),
            }
        }
        self.outbox.drain(..sent);
    }
}

impl Device for Trunk {
    type RxToken<'a> = RxToken;
    type TxToken<'a> = TxToken<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(RxToken, TxToken<'_>)> {
        // The token of the answer borrows all of the trunk.
        let frame = self.frame()?.to_vec();
        Some((RxToken(frame), TxToken(self)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<TxToken<'_>> {
        self.gone.is_none().then_some(TxToken(self))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_SIZE;
        capabilities
    }
}

/// A frame that has arrived.
#[derive(Debug)]
pub struct RxToken(Vec<u8>);

impl phy::RxToken for RxToken {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

/// Room for one frame.
#[derive(Debug)]
pub struct TxToken<'a>(&'a mut Trunk);

impl phy::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        self.0.send(len, f)
    }
}

#[cfg(test)]
mod tests {
    use mio::Poll;

    use super::*;

    /// A trunk, the other end of its socket, and what watches it.
    fn pair() -> (Trunk, std_net::UnixStream, Poll) {
        let (ours, theirs) = std_net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let poll = Poll::new().unwrap();
        let trunk = Trunk::new(UnixStream::from_std(ours), poll.registry(), Token(0)).unwrap();
        (trunk, theirs, poll)
    }

    fn framed(len: usize, byte: u8) -> Vec<u8> {
        let mut bytes = (len as u32).to_be_bytes().to_vec();
        bytes.resize(HEADER + len, byte);
        bytes
    }

    /// All frames that have arrived.
    fn frames(trunk: &mut Trunk) -> Vec<Vec<u8>> {
        trunk.ready();
        std::iter::from_fn(|| trunk.frame().map(<[u8]>::to_vec)).collect()
    }

    #[test]
    fn frames_pass_both_ways_however_the_stream_is_cut() {
        let (mut trunk, mut other, _poll) = pair();
        let sent: Vec<_> = [FRAME_LEN_MIN, 60, FRAME_SIZE].map(|len| vec![len as u8; len]).into();
        let bytes: Vec<u8> = sent.iter().flat_map(|frame| framed(frame.len(), frame[0])).collect();
        let mut arrived = Vec::new();
        for piece in bytes.chunks(7) {
            other.write_all(piece).unwrap();
            arrived.extend(frames(&mut trunk));
        }
        assert_eq!(arrived, sent);
        for frame in &sent {
            trunk.send(frame.len(), |buffer| buffer.copy_from_slice(frame));
        }
        trunk.flush();
        let mut back = vec![0; bytes.len()];
        other.read_exact(&mut back).unwrap();
        assert_eq!(back, bytes);
        // Many more than the inbox has room for.
        for _ in 0..3 * INBOX / FRAME_SIZE {
            other.write_all(&framed(FRAME_SIZE, 9)).unwrap();
            assert_eq!(frames(&mut trunk), [vec![9; FRAME_SIZE]]);
        }
        assert_eq!((trunk.dropped(), trunk.gone()), (0, None));
    }

    #[test]
    fn what_is_no_frame_is_skipped_and_does_not_hold_the_driver() {
        let (mut trunk, mut other, _poll) = pair();
        for len in [0, FRAME_LEN_MIN - 1, FRAME_SIZE + 1, 9000] {
            other.write_all(&framed(len, 1)).unwrap();
        }
        other.write_all(&framed(60, 2)).unwrap();
        assert_eq!(frames(&mut trunk), [vec![2; 60]]);
        assert_eq!(trunk.dropped(), 4);
        for _ in 0..=DROPS {
            other.write_all(&framed(0, 0)).unwrap();
        }
        trunk.ready();
        assert!(trunk.frame().is_none() && trunk.unread(), "it would hold the driver");
        assert_eq!(trunk.dropped(), 4 + DROPS as u64);
        assert!(trunk.frame().is_none() && !trunk.unread());
    }

    #[test]
    fn another_protocol_and_an_end_are_told_apart() {
        let (mut trunk, mut other, _poll) = pair();
        other.write_all(b"GET / HTTP/1.1\r\n").unwrap();
        assert!(frames(&mut trunk).is_empty());
        assert_eq!(trunk.gone(), Some("what it sends are no frames with their length"));
        let (mut trunk, other, _poll) = pair();
        drop(other);
        assert!(frames(&mut trunk).is_empty());
        assert_eq!(trunk.gone(), Some("it has closed the connection"));
        assert!(!trunk.unread() && trunk.transmit(Instant::ZERO).is_none());
    }

    #[test]
    fn who_does_not_read_loses_frames_and_no_memory_is_taken_for_them() {
        let (mut trunk, mut other, _poll) = pair();
        let many = 4 * OUTBOX / FRAME_SIZE;
        for _ in 0..many {
            trunk.send(FRAME_SIZE, |buffer| buffer.fill(3));
            trunk.flush();
        }
        assert!(trunk.dropped() > 0 && trunk.outbox.len() <= OUTBOX);
        // What is left are whole frames.
        let mut arrived = 0;
        let mut frame = framed(FRAME_SIZE, 0);
        while arrived + trunk.dropped() < many as u64 {
            trunk.ready();
            trunk.flush();
            other.read_exact(&mut frame).unwrap();
            assert_eq!(frame, framed(FRAME_SIZE, 3));
            arrived += 1;
        }
    }
}
