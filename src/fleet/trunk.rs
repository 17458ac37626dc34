//! A trunk: frames between two processes, over a UNIX stream socket.
//!
//! **Contract.** Frames are told apart as on a guest's stream (`nic::framing`), which is how QEMU's `-netdev stream` speaks
//! too; what is no stream of frames ends the trunk. Nothing blocks. What the other end does not take in time is dropped and
//! counted, as at a switch.
//!
//! **Cost.** A system call for many frames each way.

use std::io::{self, ErrorKind};
use std::os::unix::net as std_net;
use std::path::Path;

use mio::net::UnixStream;
use mio::{Registry, Token};
use smoltcp::phy::{self, Device, DeviceCapabilities};
use smoltcp::time::Instant;

use crate::local_socket::Stream;
use crate::nic::framing::Framed;
use crate::nic::wire::ethernet_capabilities;

/// One connection.
#[derive(Debug)]
pub struct Trunk {
    framed: Framed<Stream>,
    /// Why it is over.
    gone: Option<String>,
    /// Frames that found no room.
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
        Self::new(Stream::Unix(UnixStream::from_std(stream)), registry, token).map_err(error)
    }

    pub(super) fn new(mut stream: Stream, registry: &Registry, token: Token) -> io::Result<Self> {
        stream.register(registry, token)?;
        Ok(Self { framed: Framed::new(stream), gone: None, dropped: 0 })
    }

    /// Notes that the socket may be ready.
    pub const fn ready(&mut self) {
        self.framed.ready();
    }

    /// Whether there may be more to receive although no event will tell of it.
    #[must_use]
    pub const fn unread(&self) -> bool {
        self.framed.unread() && self.gone.is_none()
    }

    /// Why it is over, once it is.
    #[must_use]
    pub fn gone(&self) -> Option<&str> {
        self.gone.as_deref()
    }

    /// Frames that were too long or short, or found no room.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped + self.framed.skipped()
    }

    /// The next frame.
    pub(super) fn frame(&mut self) -> Option<&[u8]> {
        if self.gone.is_some() {
            return None;
        }
        match self.framed.next() {
            Ok(range) => Some(self.framed.frame(range?)),
            Err(end) => {
                self.gone = Some(end.to_string());
                None
            }
        }
    }

    /// Lets a frame of `len` bytes, which `write` makes, wait for [`flush`](Self::flush).
    pub(super) fn send<R>(&mut self, len: usize, write: impl FnOnce(&mut [u8]) -> R) -> R {
        if self.gone.is_none() && self.framed.has_room(len) {
            return self.framed.push(len, write);
        }
        self.dropped += 1;
        write(&mut vec![0; len])
    }

    /// Writes what waits, as far as the socket takes it.
    pub fn flush(&mut self) {
        if self.gone.is_none()
            && let Err(error) = self.framed.flush()
        {
            self.gone = Some(error.to_string());
        }
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
        ethernet_capabilities()
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
    use std::io::{Read, Write};

    use mio::Poll;
    use tapboard_firmware::config::FRAME_SIZE;

    use super::*;
    use crate::nic::framing::{INBOX, OUTBOX, PREFIX, SKIPS};

    /// The least that can be a frame, bytes.
    const FRAME_LEN_MIN: usize = 14;

    /// A trunk, the other end of its socket, and what watches it.
    fn pair() -> (Trunk, std_net::UnixStream, Poll) {
        let (ours, theirs) = std_net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let poll = Poll::new().unwrap();
        let stream = Stream::Unix(UnixStream::from_std(ours));
        let trunk = Trunk::new(stream, poll.registry(), Token(0)).unwrap();
        (trunk, theirs, poll)
    }

    fn framed(len: usize, byte: u8) -> Vec<u8> {
        let mut bytes = (len as u32).to_be_bytes().to_vec();
        bytes.resize(PREFIX + len, byte);
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
        for _ in 0..=SKIPS {
            other.write_all(&framed(0, 0)).unwrap();
        }
        trunk.ready();
        assert!(trunk.frame().is_none() && trunk.unread(), "it would hold the driver");
        assert_eq!(trunk.dropped(), 4 + SKIPS as u64);
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
        assert!(trunk.dropped() > 0);
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
