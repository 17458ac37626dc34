//! What the sockets to a board in another process have in common.

use smoltcp::time::Instant;

/// An Ethernet header: the least that can be a frame, bytes.
pub(super) const FRAME_LEN_MIN: usize = 14;

/// A socket of the kernel's that carries Ethernet frames of 14 to 1514 bytes from and to one guest, which comes and goes
/// as it likes. Nothing blocks.
///
/// A driver registers it under a token, calls [`ready`](Self::ready) on each event of that, and before it sleeps asks
/// [`unread`](Self::unread).
pub trait FrameSocket: std::fmt::Debug {
    /// The guest's next frame. The socket keeps no copy of it.
    fn receive(&mut self, now: Instant) -> Option<&[u8]>;

    /// Sends the guest a frame. If it is not there, or does not read, the frame is lost and counted.
    fn send(&mut self, frame: &[u8]);

    /// Notes that something may be read or written.
    fn ready(&mut self);

    /// Whether there may be more to receive although no event will tell of it.
    fn unread(&self) -> bool;

    /// When to call [`receive`](Self::receive) at the latest, if the system could not give what it has.
    fn retry_at(&self) -> Option<Instant> {
        None
    }

    /// Where the guest is, as a user would say it, while there is one.
    fn guest(&self) -> Option<String>;

    /// How often somebody has become the guest or has gone: while it is the same, so is the guest.
    fn changes(&self) -> u64;

    /// Frames and losses so far.
    fn counters(&self) -> FrameCounters;
}

/// Frames that passed, and those that were lost here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameCounters {
    /// From the guest.
    pub frames_in: u64,
    /// Bytes of these.
    pub bytes_in: u64,
    /// To the guest.
    pub frames_out: u64,
    /// Bytes of these.
    pub bytes_out: u64,
    /// What was shorter than an Ethernet header or longer than a frame.
    pub dropped_in_size: u64,
    /// From another than the guest: its datagrams, or its connections.
    pub dropped_in_stranger: u64,
    /// Reads that failed.
    pub errors_in: u64,
    /// Sent while there was no guest.
    pub dropped_out_absent: u64,
    /// Sent when there was no room.
    pub dropped_out_no_room: u64,
    /// Sent, and refused by the kernel.
    pub dropped_out_error: u64,
}
