//! Frames through the open file of a TAP, and what is learnt on the way: the state of the interface, and
//! counts of what passed and what was lost.
//!
//! What is read goes to an [`Incoming`], what is written comes from a [`Coalescer`]: apart, so that a
//! receive token and the transmit token for its answer can be out at once.

use std::fs::File;
use std::num::NonZeroU16;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read, write};
use smoltcp::phy::{self, PacketMeta};

use super::coalesce::{Batch, Coalescer};
use super::incoming::{Incoming, Loss};
use super::read_backoff::ReadBackoff;
use super::sys;
use super::virtio::HEADER_LEN;
use crate::nic::{Offloads, Stat};

/// Frames not fit for the board that one `read` skips; more are left to the next one.
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

/// Frames and bytes (Ethernet header included) since the TAP was opened, as the board sees them; of a superframe
/// that it sends, each segment counts. "In" is towards the board.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TapCounters {
    /// Frames read.
    pub frames_in: u64,
    /// Bytes of these frames.
    pub bytes_in: u64,
    /// Reads that brought something, whether one frame or many.
    pub reads: u64,
    /// Frames read and dropped for being longer than [`FRAME_LEN_MAX`](crate::nic::tap::FRAME_LEN_MAX).
    pub dropped_in_too_long: u64,
    /// Reads dropped because what the kernel says of a frame is not so.
    pub dropped_in_malformed: u64,
    /// Reads dropped because a checksum is wrong that the board leaves to us.
    pub dropped_in_checksum: u64,
    /// Reads that failed while the interface was up.
    pub errors_in: u64,
    /// Frames written.
    pub frames_out: u64,
    /// Bytes of these frames.
    pub bytes_out: u64,
    /// Writes that took something, whether one frame or many.
    pub writes: u64,
    /// Frames lost because the interface was down or gone.
    pub dropped_out_link: u64,
    /// Frames lost because the kernel had no room (`EAGAIN`, `ENOBUFS`).
    pub dropped_out_no_room: u64,
    /// Frames lost because a write failed in another way.
    pub dropped_out_error: u64,
}

impl TapCounters {
    /// All of them by their names.
    #[must_use]
    pub fn stats(&self) -> Vec<Stat> {
        vec![
            Stat::count("tap_frames_in", "Frames read from the TAP.", self.frames_in),
            Stat::count("tap_bytes_in", "Bytes of the frames read.", self.bytes_in),
            Stat::count(
                "tap_reads",
                "Reads that brought something, whether one frame or many.",
                self.reads,
            ),
            Stat::count(
                "tap_in_too_long",
                "Frames read and dropped for being too long.",
                self.dropped_in_too_long,
            ),
            Stat::count(
                "tap_in_malformed",
                "Reads dropped because what the kernel says of a frame is not so.",
                self.dropped_in_malformed,
            ),
            Stat::count(
                "tap_in_checksum",
                "Reads dropped because a checksum is wrong that the board leaves to its NIC.",
                self.dropped_in_checksum,
            ),
            Stat::count(
                "tap_in_errors",
                "Reads that failed while the interface was up.",
                self.errors_in,
            ),
            Stat::count("tap_frames_out", "Frames written to the TAP.", self.frames_out),
            Stat::count("tap_bytes_out", "Bytes of the frames written.", self.bytes_out),
            Stat::count(
                "tap_writes",
                "Writes that took something, whether one frame or many.",
                self.writes,
            ),
            Stat::count(
                "tap_out_link",
                "Frames lost because the interface was down or gone.",
                self.dropped_out_link,
            ),
            Stat::count(
                "tap_out_no_room",
                "Frames lost because the kernel had no room.",
                self.dropped_out_no_room,
            ),
            Stat::count(
                "tap_out_errors",
                "Frames lost because a write failed in another way.",
                self.dropped_out_error,
            ),
        ]
    }
}

/// The open file, tied to its interface.
pub(super) struct TapFile {
    file: File,
    /// As of the last look.
    link: LinkStatus,
    counters: TapCounters,
    /// Reading stopped for a bound, not because nothing was there.
    unread: bool,
    read_backoff: ReadBackoff,
    /// What the kernel does; if anything, a virtio-net header precedes what is written.
    kernel: Offloads,
}

impl TapFile {
    /// `file`: `/dev/net/tun`, non-blocking, after `TUNSETIFF`, with `IFF_VNET_HDR` if the kernel is
    /// to do anything.
    pub(super) fn new(file: File, kernel: Offloads) -> Self {
        let counters = TapCounters::default();
        let mut file = Self {
            file,
            link: LinkStatus::Down,
            counters,
            unread: false,
            read_backoff: ReadBackoff::new(),
            kernel,
        };
        file.look();
        file
    }

    /// What the kernel does.
    pub(super) fn kernel(&self) -> Offloads {
        self.kernel
    }

    pub(super) fn counters(&self) -> TapCounters {
        self.counters
    }

    /// Has the kernel do nothing for whoever reads next.
    pub(super) fn switch_off_offloads(&self) {
        // Nobody is left to be told of a failure.
        let _ = sys::set_offload(self.file.as_fd(), 0);
    }

    /// Whether the last `receive` gave up with frames perhaps still there.
    pub(super) fn unread(&self) -> bool {
        self.unread
    }

    /// The state of the interface as of the last look.
    pub(super) fn link(&self) -> LinkStatus {
        self.link
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

    /// The next frame of `incoming`, which is read into when it is empty; `None`: no more for this poll.
    pub(super) fn receive<'i>(&mut self, incoming: &'i mut Incoming) -> Option<RxToken<'i>> {
        if incoming.is_empty() {
            self.unread = !self.read_backoff.may_read();
            if self.unread || !self.read(incoming) {
                return None;
            }
        }
        let frame = incoming.next()?;
        self.counters.frames_in += 1;
        self.counters.bytes_in += frame.len() as u64;
        Some(RxToken { frame })
    }

    /// Ends a poll of the board. If that left something unread, looks for it; says whether there is a frame.
    pub(super) fn end_poll(&mut self, incoming: &mut Incoming) -> bool {
        self.read_backoff.poll_ended();
        !incoming.is_empty() || (self.unread && self.read(incoming))
    }

    /// Reads frames for the board into `incoming`. Says whether there were any.
    fn read(&mut self, incoming: &mut Incoming) -> bool {
        self.unread = false;
        let found = self.read_on(incoming);
        self.read_backoff.read(found);
        found
    }

    fn read_on(&mut self, incoming: &mut Incoming) -> bool {
        for _ in 0..SKIPPED_MAX {
            match read(&self.file, incoming.space()) {
                Ok(len) => {
                    self.counters.reads += 1;
                    match incoming.filled(len) {
                        Ok(()) => return true,
                        Err(Loss::TooLong(frames)) => self.counters.dropped_in_too_long += frames,
                        Err(Loss::Malformed) => self.counters.dropped_in_malformed += 1,
                        Err(Loss::Unsound) => self.counters.dropped_in_checksum += 1,
                    }
                }
                Err(Errno::AGAIN) => return false,
                Err(_) => {
                    if self.look() == LinkStatus::Up {
                        self.counters.errors_in += 1;
                    }
                    return false;
                }
            }
        }
        self.unread = true;
        false
    }

    /// Writes a batch, or counts its frames as lost.
    pub(super) fn write(&mut self, batch: &Batch<'_>) {
        let frames = u64::from(batch.frames);
        match write(&self.file, &batch.bytes[if self.kernel.header() { 0 } else { HEADER_LEN }..]) {
            Ok(_) => {
                self.counters.writes += 1;
                self.counters.frames_out += frames;
                self.counters.bytes_out += batch.frame_bytes as u64;
            }
            Err(Errno::AGAIN | Errno::NOBUFS) => self.counters.dropped_out_no_room += frames,
            Err(Errno::IO | Errno::BADFD) => {
                self.counters.dropped_out_link += frames;
                self.look();
            }
            Err(_) => self.counters.dropped_out_error += frames,
        }
    }
}

impl AsFd for TapFile {
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

/// The right to send one frame of at most [`FRAME_LEN_MAX`](crate::nic::tap::FRAME_LEN_MAX) bytes, or a superframe with the size of its
/// segments; dropping it sends nothing.
pub struct TxToken<'a> {
    pub(super) file: &'a mut TapFile,
    pub(super) outgoing: &'a mut Coalescer,
    /// Bytes of the segments that the frame is to be split into.
    pub(super) segment: Option<NonZeroU16>,
}

impl phy::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let Self { file, outgoing, segment } = self;
        match segment {
            Some(size) => outgoing.superframe(len, size, f, |batch| file.write(batch)),
            None => outgoing.frame(len, f, |batch| file.write(batch)),
        }
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        self.segment = meta.segmentation_offload_size;
    }
}

impl std::fmt::Debug for TxToken<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TxToken").finish_non_exhaustive()
    }
}
