//! Ethernet frames as datagrams, of UDP on 127.0.0.1 or of a UNIX socket: the wire to a board that runs in another
//! process, its guest, such as QEMU with `-netdev dgram`.
//!
//! **Contract.** Each datagram is one frame, without checksum, of 14 to 1514 bytes; any other is dropped. The
//! guest is who sends the first frame, and frames go to where its came from. Another takes its place once it has
//! been silent for [`HOLD`], as after a restart on another port; sooner, it would be a second guest on the same
//! wire, and its frames are dropped. While there is no guest, what is sent to it is lost, as on a cable that
//! leads nowhere. Nothing blocks. A driver registers the [`Dgram`] for reading, calls [`Dgram::ready`] on each
//! event, and before it sleeps asks [`Dgram::unread`].
//!
//! **Cost.** One system call and one copy a frame; a buffer of one frame. What waits is in the kernel's
//! receive buffers, the guest's and ours, which are bounded; it drops what exceeds them. What this end loses is
//! counted in [`FrameCounters`], with the reason.

mod socket;

use std::io::{self, ErrorKind};
#[cfg(unix)]
use std::path::Path;

use mio::{Registry, Token};
use smoltcp::time::{Duration, Instant};
use tapboard_firmware::config::FRAME_SIZE;

use self::socket::Socket;
use super::frame_socket::{FRAME_LEN_MIN, FrameCounters, FrameSocket};

pub use self::socket::GuestAt;

/// How long a guest must be silent before another takes its place.
pub const HOLD: Duration = Duration::from_secs(1);
/// Datagrams that are no frames, dropped in a row before the driver looks at something else.
const DROPS: usize = 64;

/// Who is at the other end.
#[derive(Clone, Debug)]
struct Peer {
    address: GuestAt,
    heard: Instant,
}

/// Everything but the buffer, which a frame is borrowed from.
#[derive(Debug)]
struct DgramSocket {
    socket: Socket,
    guest: Option<Peer>,
    changes: u64,
    /// The kernel said there is something, and has not said yet that there is nothing more.
    readable: bool,
    counters: FrameCounters,
}

/// The NIC at our end of the wire.
#[derive(Debug)]
pub struct Dgram {
    port: DgramSocket,
    /// One byte longer than a frame, so that a longer datagram shows.
    inbox: Box<[u8; FRAME_SIZE + 1]>,
}

impl Dgram {
    /// Takes that UDP port of 127.0.0.1.
    pub fn bind(port: u16) -> io::Result<Self> {
        Socket::udp(port).map(Self::on)
    }

    /// Takes that name for a UNIX socket. One of that name that a killed run has left is replaced.
    #[cfg(unix)]
    pub fn bind_unix(path: &Path) -> io::Result<Self> {
        Socket::unix(path).map(Self::on)
    }

    fn on(socket: Socket) -> Self {
        let counters = FrameCounters::default();
        Self {
            port: DgramSocket { socket, guest: None, changes: 0, readable: true, counters },
            inbox: Box::new([0; FRAME_SIZE + 1]),
        }
    }

    /// The address that the guest sends its frames to.
    pub fn local_addr(&self) -> io::Result<GuestAt> {
        self.port.socket.local_addr()
    }

    /// Where the guest is, if one has been heard.
    #[must_use]
    pub fn guest(&self) -> Option<&GuestAt> {
        self.port.guest.as_ref().map(|guest| &guest.address)
    }

    /// Frames and losses so far.
    #[must_use]
    pub const fn counters(&self) -> FrameCounters {
        self.port.counters
    }

    /// Notes that the socket is readable.
    pub const fn ready(&mut self) {
        self.port.readable = true;
    }

    /// Whether there may be more to receive although no event will tell of it.
    #[must_use]
    pub const fn unread(&self) -> bool {
        self.port.readable
    }

    /// Lets `registry` tell of frames, under `token`.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.port.socket.register(registry, token)
    }
}

impl DgramSocket {
    /// The length of the guest's next frame, which is in `buffer` then.
    fn receive(&mut self, buffer: &mut [u8], now: Instant) -> Option<usize> {
        for _ in 0..DROPS {
            if !self.readable {
                return None;
            }
            match self.socket.recv_from(buffer) {
                Ok((len, from)) => {
                    if self.admits(len, from, now) {
                        return Some(len);
                    }
                }
                Err(error) => self.failed(error.kind()),
            }
        }
        None
    }

    /// Notes that a read gave nothing, and whether another may.
    const fn failed(&mut self, kind: ErrorKind) {
        match kind {
            ErrorKind::WouldBlock => self.readable = false,
            ErrorKind::Interrupted => {}
            // Where a frame of ours found no guest, some systems say so here. It tells nothing of what waits.
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => {
                self.counters.errors_in += 1;
            }
            // The next datagram tells of itself; to ask sooner could be to ask for ever.
            _ => {
                self.counters.errors_in += 1;
                self.readable = false;
            }
        }
    }

    /// Whether a datagram is a frame of the guest's, who may have moved.
    fn admits(&mut self, len: usize, from: Option<GuestAt>, now: Instant) -> bool {
        if !(FRAME_LEN_MIN..=FRAME_SIZE).contains(&len) {
            self.counters.dropped_in_size += 1;
            return false;
        }
        match (&mut self.guest, from) {
            (Some(guest), Some(address)) if guest.address == address => guest.heard = now,
            (Some(guest), _) if now < guest.heard + HOLD => {
                self.counters.dropped_in_stranger += 1;
                return false;
            }
            (_, None) => {
                self.counters.dropped_in_stranger += 1;
                return false;
            }
            (guest, Some(address)) => {
                *guest = Some(Peer { address, heard: now });
                self.changes += 1;
            }
        }
        self.counters.frames_in += 1;
        self.counters.bytes_in += len as u64;
        true
    }

    fn send(&mut self, frame: &[u8]) {
        let Some(guest) = &self.guest else {
            self.counters.dropped_out_absent += 1;
            return;
        };
        let count = match self.socket.send_to(frame, &guest.address) {
            Ok(_) => {
                self.counters.bytes_out += frame.len() as u64;
                &mut self.counters.frames_out
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                &mut self.counters.dropped_out_no_room
            }
            Err(_) => &mut self.counters.dropped_out_error,
        };
        *count += 1;
    }
}

impl FrameSocket for Dgram {
    fn receive(&mut self, now: Instant) -> Option<&[u8]> {
        self.port.receive(&mut self.inbox[..], now).map(|len| &self.inbox[..len])
    }

    fn send(&mut self, frame: &[u8]) {
        self.port.send(frame);
    }

    fn ready(&mut self) {
        Self::ready(self);
    }

    fn unread(&self) -> bool {
        Self::unread(self)
    }

    fn guest(&self) -> Option<String> {
        Self::guest(self).map(ToString::to_string)
    }

    fn changes(&self) -> u64 {
        self.port.changes
    }

    fn counters(&self) -> FrameCounters {
        Self::counters(self)
    }
}

#[cfg(test)]
mod tests;
