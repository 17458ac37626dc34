//! A NIC in memory. It refuses to transmit when it is told to, and can be one that makes checksums and segments.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use smoltcp::phy::{Checksum, Device, DeviceCapabilities, Medium, PacketMeta, RxToken, TxToken};
use smoltcp::time::Instant;
use tapboard_firmware::config::FRAME_SIZE;

/// Longest frame with an IPv4 packet in it.
pub(crate) const SUPERFRAME_SIZE: usize = 14 + 65_535;

/// The NIC, with what is on its way to the board and from it.
#[derive(Debug)]
pub(crate) struct Nic {
    pub(crate) to_board: VecDeque<Vec<u8>>,
    pub(crate) from_board: Vec<Vec<u8>>,
    /// Frames that it still takes before it refuses all others; `None`: any number.
    pub(crate) room: Option<usize>,
    capabilities: DeviceCapabilities,
}

impl Nic {
    /// One of eight kinds: one leaves nothing to the board that a NIC can do, one only the segments, the others all.
    pub(crate) fn new(kind: usize) -> Self {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_SIZE;
        if kind >= 6 {
            capabilities.checksum.tcp = Checksum::None;
            capabilities.checksum.udp = Checksum::None;
        }
        if kind >= 7 {
            capabilities.segmentation.tcpv4 = NonZeroUsize::new(SUPERFRAME_SIZE - 40);
        }
        Self { to_board: VecDeque::new(), from_board: Vec::new(), room: None, capabilities }
    }

    /// Whether checksums of TCP and UDP are the NIC's to make and to verify.
    pub(crate) fn makes_checksums(&self) -> bool {
        !self.capabilities.checksum.tcp.tx()
    }

    /// Whether a frame may be a superframe, either way.
    pub(crate) fn segments(&self) -> bool {
        self.capabilities.segmentation.tcpv4.is_some()
    }
}

#[derive(Debug)]
pub(crate) struct Received(Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

#[derive(Debug)]
pub(crate) struct Transmit<'n> {
    queue: &'n mut Vec<Vec<u8>>,
    longest: usize,
}

impl TxToken for Transmit<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        assert!(len <= self.longest, "a frame of {len} bytes where {} fit", self.longest);
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.queue.push(frame);
        result
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        if meta.segmentation_offload_size.is_some() {
            self.longest = SUPERFRAME_SIZE;
        }
    }
}

impl Device for Nic {
    type RxToken<'a> = Received;
    type TxToken<'a> = Transmit<'a>;

    /// An answer has the place of what it answers, and is not refused.
    fn receive(&mut self, _now: Instant) -> Option<(Received, Transmit<'_>)> {
        let frame = self.to_board.pop_front()?;
        let transmit = Transmit { queue: &mut self.from_board, longest: FRAME_SIZE };
        Some((Received(frame), transmit))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Transmit<'_>> {
        if let Some(room) = &mut self.room {
            *room = room.checked_sub(1)?;
        }
        Some(Transmit { queue: &mut self.from_board, longest: FRAME_SIZE })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.capabilities.clone()
    }
}
