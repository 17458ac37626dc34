//! Ethernet MACs with a FIFO that the processor reads and writes word by word.
//!
//! A driver is a [`Device`] of one frame each way, and a [`Mac`]: what the superloop asks before it
//! sleeps. Each takes its [`Frame`] buffers from its user, who decides where they live. A frame that is
//! longer than smoltcp takes, or that the chip calls bad, never gets out of a driver.

use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use tapboard_firmware::config::FRAME_SIZE;

#[cfg(test)]
mod conformance;
pub mod lan9118;
pub mod stellaris;

/// What the superloop asks of a network interface besides frames.
///
/// Between [`Mac::acknowledge`] and the sleep, in this order, nothing is lost: what happened before
/// [`Mac::pending`] was asked is in its answer, and what happens after it raises the interrupt again.
pub trait Mac: Device {
    /// Clears the interrupt, and enables those that are waited for: a frame has arrived; if
    /// the device refused one, it can transmit again.
    fn acknowledge(&mut self);

    /// Whether the firmware can make progress with this device now.
    fn pending(&mut self) -> bool;
}

/// Bytes before a frame in its buffer: with them, the IP header behind the 14 bytes of Ethernet starts
/// at a multiple of 4.
pub(crate) const PAD: usize = 2;

/// A buffer for one frame.
#[derive(Debug)]
pub struct Frame([u8; PAD + FRAME_SIZE]);

impl Frame {
    /// An empty buffer.
    #[must_use]
    pub const fn new() -> Self {
        Self([0; PAD + FRAME_SIZE])
    }

    /// Reads `count` words, the first half pad; those that it has no room for are lost.
    pub(crate) fn fill(&mut self, count: usize, mut read: impl FnMut() -> u32) {
        let mut words = self.0.as_chunks_mut().0.iter_mut();
        for _ in 0..count {
            let data = read().to_le_bytes();
            if let Some(word) = words.next() {
                *word = data;
            }
        }
    }

    /// The words of a frame of `length` bytes, the first half pad.
    pub(crate) fn words(&self, length: usize) -> impl Iterator<Item = u32> {
        let words = self.0[..(PAD + length).next_multiple_of(4)].as_chunks().0;
        words.iter().map(|&word| u32::from_le_bytes(word))
    }
}

impl Default for Frame {
    fn default() -> Self {
        Self::new()
    }
}

/// A received frame.
#[derive(Debug)]
pub struct RxToken<'a>(&'a [u8]);

impl phy::RxToken for RxToken<'_> {
    fn consume<T, F: FnOnce(&[u8]) -> T>(self, f: F) -> T {
        f(self.0)
    }
}

fn capabilities() -> DeviceCapabilities {
    let mut capabilities = DeviceCapabilities::default();
    capabilities.medium = Medium::Ethernet;
    capabilities.max_transmission_unit = FRAME_SIZE;
    capabilities.max_burst_size = Some(1);
    capabilities
}
