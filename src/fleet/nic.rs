//! The network interface of one machine of a fleet: two short queues of frames, and buffers that all of them share.
//!
//! **Contract.** It takes and gives Ethernet frames of up to 1514 bytes, all checksums in software. A queue holds
//! [`QUEUE`] frames: what is more is dropped on the way in, and refused on the way out. **Cost.** A frame that is
//! neither under way nor waiting takes no memory of its machine's: its buffer goes back to the fleet.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use smoltcp::phy::{self, Device, DeviceCapabilities};
use smoltcp::time::Instant;
use tapboard_firmware::config::FRAME_SIZE;

use crate::nic::wire::ethernet_capabilities;

/// Frames that may wait each way.
pub(super) const QUEUE: usize = 64;
/// Frame buffers that wait to be used again.
const SPARE: usize = 1024;

/// Frame buffers that were used before.
#[derive(Clone, Debug, Default)]
pub(super) struct Spare(Rc<RefCell<Vec<Vec<u8>>>>);

impl Spare {
    /// A buffer of `len` bytes, whose contents are left from before.
    pub(super) fn take(&self, len: usize) -> Vec<u8> {
        let mut frame = self.0.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(FRAME_SIZE));
        frame.resize(len, 0);
        frame
    }

    /// A copy of `frame`.
    pub(super) fn copy(&self, frame: &[u8]) -> Vec<u8> {
        let mut copy = self.take(frame.len());
        copy.copy_from_slice(frame);
        copy
    }

    /// Gives a buffer back.
    pub(super) fn give(&self, frame: Vec<u8>) {
        let mut spare = self.0.borrow_mut();
        if spare.len() < SPARE {
            spare.push(frame);
        }
    }
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct MachineNic {
    rx: VecDeque<Vec<u8>>,
    tx: VecDeque<Vec<u8>>,
    spare: Spare,
    /// Frames dropped, for their queue was full.
    pub(super) dropped: u64,
}

impl MachineNic {
    pub(super) fn new(spare: Spare) -> Self {
        Self { spare, ..Self::default() }
    }

    /// A frame has arrived.
    pub(super) fn arrive(&mut self, frame: Vec<u8>) {
        if self.rx.len() < QUEUE {
            self.rx.push_back(frame);
        } else {
            self.dropped += 1;
            self.spare.give(frame);
        }
    }

    /// The next frame that was sent.
    pub(super) fn sent(&mut self) -> Option<Vec<u8>> {
        self.tx.pop_front()
    }

    /// Whether a frame waits that the machine has not looked at.
    pub(super) fn unread(&self) -> bool {
        !self.rx.is_empty()
    }

    /// Forgets all frames: the machine is off.
    pub(super) fn clear(&mut self) {
        self.rx.drain(..).chain(self.tx.drain(..)).for_each(|frame| self.spare.give(frame));
    }
}

impl Device for MachineNic {
    type RxToken<'a> = RxToken<'a>;
    type TxToken<'a> = TxToken<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(RxToken<'_>, TxToken<'_>)> {
        let frame = self.rx.pop_front()?;
        // An answer may exceed the queue by one.
        Some((RxToken(frame, &self.spare), TxToken(&mut self.tx, &self.spare)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<TxToken<'_>> {
        (self.tx.len() < QUEUE).then_some(TxToken(&mut self.tx, &self.spare))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        ethernet_capabilities()
    }
}

/// A frame that has arrived.
#[derive(Debug)]
pub(super) struct RxToken<'a>(Vec<u8>, &'a Spare);

impl phy::RxToken for RxToken<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        let result = f(&self.0);
        self.1.give(self.0);
        result
    }
}

/// Room for one frame.
#[derive(Debug)]
pub(super) struct TxToken<'a>(&'a mut VecDeque<Vec<u8>>, &'a Spare);

impl phy::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        assert!(len <= FRAME_SIZE, "a frame of {len} bytes does not fit this NIC");
        let mut frame = self.1.take(len);
        let result = f(&mut frame);
        self.0.push_back(frame);
        result
    }
}
