//! Frames through the open file of a TAP, one system call each, and what is learnt on the way: the
//! state of the interface, and counts of what passed and what was lost.
//!
//! Transmission has one buffer, reception another, so that a receive token and the transmit token
//! for its answer can be out at once. An offload format (a header before each frame, frames longer
//! than the MTU) would change this file alone.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read, write};
use smoltcp::phy;

/// The longest frame, Ethernet header included, without frame check sequence, bytes.
pub const FRAME_LEN_MAX: usize = 1514;
/// One byte longer than a frame: a read that fills it was of a frame too long.
pub(super) const RX_LEN: usize = FRAME_LEN_MAX + 1;
/// Frames too long that one `read` skips; more are left to the next one.
const SKIPPED_MAX: usize = 16;

/// What the interface lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkStatus {
    /// Frames pass.
    Up,
    /// Administratively down; it can come back.
    Down,
    /// Deleted: this TAP will never pass a frame again.
    Gone,
}

/// Frames and bytes (Ethernet header included) since the TAP was opened. "In" is towards the board.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TapCounters {
    /// Frames read.
    pub frames_in: u64,
    /// Bytes of these frames.
    pub bytes_in: u64,
    /// Frames read and dropped for being longer than [`FRAME_LEN_MAX`].
    pub dropped_in_too_long: u64,
    /// Reads that failed while the interface was up.
    pub errors_in: u64,
    /// Frames written.
    pub frames_out: u64,
    /// Bytes of these frames.
    pub bytes_out: u64,
    /// Frames lost because the interface was down or gone.
    pub dropped_out_link: u64,
    /// Frames lost because the kernel had no room (`EAGAIN`, `ENOBUFS`).
    pub dropped_out_no_room: u64,
    /// Frames lost because a write failed in another way.
    pub dropped_out_error: u64,
}

/// The open file, tied to its interface.
pub(super) struct Port {
    file: File,
    /// As of the last look.
    link: LinkStatus,
    counters: TapCounters,
    /// The last `read` stopped for its bound, not because nothing was there.
    unread: bool,
    tx: [u8; FRAME_LEN_MAX],
}

impl Port {
    /// `file`: `/dev/net/tun`, non-blocking, after `TUNSETIFF`.
    pub(super) fn new(file: File) -> Self {
        let counters = TapCounters::default();
        let (link, unread, tx) = (LinkStatus::Down, false, [0; FRAME_LEN_MAX]);
        let mut port = Self { file, link, counters, unread, tx };
        port.look();
        port
    }

    pub(super) fn counters(&self) -> TapCounters {
        self.counters
    }

    /// Whether the last `read` gave up with frames still there.
    pub(super) fn unread(&self) -> bool {
        self.unread
    }

    /// The state of the interface now.
    pub(super) fn look(&mut self) -> LinkStatus {
        self.wait(&Timespec { tv_sec: 0, tv_nsec: 0 })
    }

    /// The state of the interface, once it is not [`LinkStatus::Down`] or the time is up.
    ///
    /// `POLLOUT` means up: the kernel never withholds it for want of room, because the send buffer
    /// of a TAP's file has no limit unless its own process sets one.
    pub(super) fn wait(&mut self, timeout: &Timespec) -> LinkStatus {
        let mut fds = [PollFd::new(&self.file, PollFlags::OUT)];
        // A failing poll (EINTR, ENOMEM) tells nothing new: the last state stands.
        if poll(&mut fds, Some(timeout)).is_ok() {
            let events = fds[0].revents();
            self.link = if events.contains(PollFlags::ERR) {
                LinkStatus::Gone
            } else if events.contains(PollFlags::OUT) {
                LinkStatus::Up
            } else {
                LinkStatus::Down
            };
        }
        self.link
    }

    /// Whether a frame written now would pass; as long as it did so far, this costs nothing.
    pub(super) fn may_write(&mut self) -> bool {
        self.link == LinkStatus::Up || self.look() == LinkStatus::Up
    }

    /// A token that writes one frame, if it is consumed.
    pub(super) fn token(&mut self) -> TxToken<'_> {
        TxToken { port: self }
    }

    /// Reads the next frame into `buffer`; `None`: no more for now.
    pub(super) fn read<'a>(&mut self, buffer: &'a mut [u8; RX_LEN]) -> Option<RxToken<'a>> {
        self.unread = false;
        for _ in 0..SKIPPED_MAX {
            match read(&self.file, &mut buffer[..]) {
                Ok(len @ ..=FRAME_LEN_MAX) => {
                    self.counters.frames_in += 1;
                    self.counters.bytes_in += len as u64;
                    return Some(RxToken { frame: &buffer[..len] });
                }
                Ok(_) => self.counters.dropped_in_too_long += 1,
                Err(Errno::AGAIN) => return None,
                Err(_) => {
                    if self.look() == LinkStatus::Up {
                        self.counters.errors_in += 1;
                    }
                    return None;
                }
            }
        }
        self.unread = true;
        None
    }

    /// Writes the first `len` bytes of `tx` as one frame, or counts it as lost.
    fn write(&mut self, len: usize) {
        match write(&self.file, &self.tx[..len]) {
            Ok(_) => {
                self.counters.frames_out += 1;
                self.counters.bytes_out += len as u64;
            }
            Err(Errno::AGAIN | Errno::NOBUFS) => self.counters.dropped_out_no_room += 1,
            Err(Errno::IO | Errno::BADFD) => {
                self.counters.dropped_out_link += 1;
                self.look();
            }
            Err(_) => self.counters.dropped_out_error += 1,
        }
    }
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A frame that was read.
#[derive(Debug)]
pub struct RxToken<'a> {
    frame: &'a [u8],
}

impl phy::RxToken for RxToken<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.frame)
    }
}

/// The right to write one frame of at most [`FRAME_LEN_MAX`] bytes; dropping it writes nothing.
pub struct TxToken<'a> {
    port: &'a mut Port,
}

impl phy::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let frame = &mut self.port.tx[..len];
        // What `f` leaves out must not show an earlier frame's bytes to the network.
        frame.fill(0);
        let result = f(frame);
        self.port.write(len);
        result
    }
}

impl std::fmt::Debug for TxToken<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TxToken").finish_non_exhaustive()
    }
}
