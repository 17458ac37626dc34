//! The Linux TAP: the board as a host of its own, next to the kernel's network stack.
//!
//! [`Tap::open`] attaches to the TAP of that name, or creates it; what it created goes away with
//! it. An existing one keeps its addresses and its state. Only its offloads are set, and switched off
//! at the end, because they outlive the process that asked for them and would bring the next one frames
//! without checksums.
//!
//! **Contract.** Nothing blocks, nothing panics, whatever is done to the interface meanwhile. A
//! driver sleeps in `poll(2)` on the file descriptor ([`AsFd`]) and asks [`Tap::status`] when it
//! wakes:
//!
//! - [`Up`](LinkStatus::Up): wait for `POLLIN`; `POLLOUT` is always set. Going down does not wake
//!   the driver, for there is nothing to lose: the next write gives `EIO`, and `transmit` returns
//!   `None` from then on.
//! - [`Down`](LinkStatus::Down): wait for `POLLIN` and `POLLOUT`. Neither is set, nor `POLLERR`, so
//!   poll sleeps; `POLLOUT` comes when the interface does (since Linux 5.2). Reads give `EAGAIN`,
//!   writes `EIO`.
//! - [`Gone`](LinkStatus::Gone): stop polling, for `POLLERR`, which woke the driver, stays set for
//!   ever. Reads and writes give `EBADFD`.
//!
//! A driver whose poll tells of each frame only once (`EPOLLET`) also asks [`Tap::unread`] before it
//! sleeps: after a row of frames too long, `receive` returns `None` with more of them waiting.
//!
//! That is what Linux 6.18 was seen to do. So the file descriptor alone tells the whole state, also
//! after the interface was renamed, and no netlink monitor is needed.
//!
//! What the board sends may wait for more of the same connection, to be written with it: the driver
//! calls [`Tap::flush`] after each poll of the board, or [`Tap::end_poll`]. A frame read from the host does not
//! overtake it.
//!
//! **Offload.** With [`KernelOffload::Segments`](super::KernelOffload::Segments) the kernel gives us many TCP segments in one read, and takes
//! many in one write, as it does with a NIC that segments. The board sees frames of at most 1514 bytes
//! with all checksums all the same: `segmenter` and `coalesce` are that NIC. Where the kernel refuses it,
//! each frame is a system call, and a warning says so. A board that leaves segmentation to its NIC sends and gets
//! superframes ([`Tap::set_offloads`]).
//!
//! Nobody needs the checksums of TCP and UDP where the kernel is at the other end and the cable between
//! changes nothing: [`Tap::set_offloads`].
//!
//! **Cost.** One system call for up to 64 KiB of a connection, or for any other frame, and one for each
//! `None` of `receive`; one pass over each segment for its checksum each way, no copy; two buffers of
//! 64 KiB, no allocation after `open`. A frame lost is counted in [`TapCounters`], with the reason.

mod coalesce;
mod config;
mod error;
mod file;
mod host;
mod incoming;
mod netlink;
mod open;
mod read_backoff;
mod sys;
mod virtio;

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use smoltcp::phy::{Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

use self::coalesce::Coalescer;
pub use self::config::TapConfig;
pub use self::error::{Other, OtherKind, TapError, TapWarning};
use self::file::TapFile;
pub use self::file::{LinkStatus, RxToken, TapCounters, TxToken};
pub use self::host::{HostSide, machine_addresses};
use self::incoming::Incoming;
use self::open::Opened;
use super::Offloads;
pub use super::header_layout::FRAME_LEN_MAX;

/// A superframe of half a window, TCP's largest without window scaling (RFC 9293 3.1), and its headers.
const HALF_WINDOW: usize = 33 * 1024;
/// An open TAP. Dropping it closes it, which also deletes the interface if [`Tap::created`].
pub struct Tap {
    file: TapFile,
    incoming: Incoming,
    outgoing: Coalescer,
    name: String,
    created: bool,
    /// What the board leaves to us.
    board: Offloads,
    host: HostSide,
    warnings: Vec<TapWarning>,
}

impl Tap {
    /// Attaches to the TAP `config.name`; if there is none, creates it with the host's addresses
    /// and brings it up. Look at [`Tap::warnings`] afterwards.
    pub fn open(config: &TapConfig) -> Result<Self, TapError> {
        Opened::open(config).map(|opened| Self::new(config, opened))
    }

    fn new(config: &TapConfig, opened: Opened) -> Self {
        let Opened { file, created, host, warnings } = opened;
        let kernel = file.kernel();
        Self {
            file,
            incoming: Incoming::new(kernel),
            outgoing: Coalescer::new(kernel),
            name: config.name.clone(),
            created,
            board: Offloads::NONE,
            host,
            warnings,
        }
    }

    /// Whether `open` made the interface, set its addresses, and so will take it away.
    #[must_use]
    pub fn created(&self) -> bool {
        self.created
    }

    /// The name it was opened by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The host's side, as found by `open`.
    #[must_use]
    pub const fn host(&self) -> &HostSide {
        &self.host
    }

    /// What its user should know, as found by `open`.
    #[must_use]
    pub fn warnings(&self) -> &[TapWarning] {
        &self.warnings
    }

    /// Frames, bytes and losses so far.
    #[must_use]
    pub fn counters(&self) -> TapCounters {
        self.file.counters()
    }

    /// Whether `receive` last returned `None` with frames still waiting.
    #[must_use]
    pub fn unread(&self) -> bool {
        self.file.unread()
    }

    /// Writes what waits for more of the same connection: to be called when the board was polled.
    pub fn flush(&mut self) {
        self.outgoing.flush(|batch| self.file.write(batch));
    }

    /// Leaves `board` to us from now on, as far as the kernel does it; returns what that is. The checksums of TCP
    /// and UDP, which the board then neither computes nor looks at, stay with it while frames wait that were read
    /// for a board that looks. It takes superframes only while the checksums are left to us.
    pub fn set_offloads(&mut self, board: Offloads) -> Offloads {
        let kernel = self.kernel();
        let ready = self.board.checksum || self.incoming.is_empty();
        let board = Offloads {
            checksum: board.checksum && kernel.checksum && ready,
            segmentation: board.segmentation && kernel.segmentation,
            receive: board.receive && kernel.receive,
        };
        if self.board != board {
            self.flush();
            self.board = board;
            self.incoming.set_offloads(board);
            self.outgoing.set_offloads(board);
        }
        board
    }

    /// What the kernel does for us: with segmentation, many segments pass in one system call.
    #[must_use]
    pub fn kernel(&self) -> Offloads {
        self.file.kernel()
    }

    /// Ends a poll of the board: writes what waits, then looks for what came meanwhile. Says whether there is a
    /// frame. For a driver that calls this after every poll; to it a poll gives few frames at a time, and asks
    /// the kernel less often.
    pub fn end_poll(&mut self) -> bool {
        self.flush();
        self.file.end_poll(&mut self.incoming)
    }

    /// Whether the other end takes frames while we make more, because it runs on another core. Then a window
    /// goes out in halves: one is read while the other is made. On the same core that would be one system
    /// call more for nothing. A superframe that the board made itself goes out as it is.
    pub fn set_concurrent(&mut self, concurrent: bool) {
        self.outgoing.set_limit(if concurrent { HALF_WINDOW } else { usize::MAX });
    }

    /// Shows the host the cable as plugged in, or not (`NO-CARRIER`). What is read and written is not
    /// affected. An error if this kernel, before Linux 5.0, cannot.
    pub fn set_carrier(&mut self, carrier: bool) -> std::io::Result<()> {
        Ok(sys::set_carrier(self.as_fd(), carrier)?)
    }

    /// The state of the interface as far as it is known: as it was when it was last asked for, or a read or
    /// write failed.
    #[must_use]
    pub fn link(&self) -> LinkStatus {
        self.file.link()
    }

    /// The state of the interface now. One system call that does not wait.
    pub fn status(&mut self) -> LinkStatus {
        self.file.look()
    }
}

impl Drop for Tap {
    /// The offloads outlive us, if the interface does, and who opens it next may know nothing of them.
    fn drop(&mut self) {
        self.flush();
        if !self.created {
            self.file.switch_off_offloads();
        }
    }
}

impl Device for Tap {
    type RxToken<'a> = RxToken<'a>;
    type TxToken<'a> = TxToken<'a>;

    /// The next frame of the host. The kernel gave it up: dropping the token drops the frame.
    fn receive(&mut self, _now: Instant) -> Option<(RxToken<'_>, TxToken<'_>)> {
        if self.incoming.is_empty() {
            self.flush();
        }
        let rx = self.file.receive(&mut self.incoming)?;
        Some((rx, TxToken { file: &mut self.file, outgoing: &mut self.outgoing, segment: None }))
    }

    /// `None` while the interface is down or gone. It asks the kernel whether that is still so.
    fn transmit(&mut self, _now: Instant) -> Option<TxToken<'_>> {
        self.file.may_write().then_some(TxToken {
            file: &mut self.file,
            outgoing: &mut self.outgoing,
            segment: None,
        })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        // Checksums stay as they are by default, for the board; [`mac`](super::mac) takes them over.
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_LEN_MAX;
        capabilities
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl AsRawFd for Tap {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap")
            .field("name", &self.name)
            .field("created", &self.created)
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
