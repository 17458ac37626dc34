//! What the MACs that move frames by themselves have in common: their buffers, and a received frame in the ring that it
//! came by.

use smoltcp::phy;
use tapboard_firmware::config::FRAME_SIZE;

use super::HEADER;
use crate::dma::{BUFFER, Format, Memory, Ring};

/// Buffers to receive in, and to send from.
pub const RECEIVE: usize = 4;
pub(super) const TRANSMIT: usize = 1;

/// The buffers of one MAC. Make it a static.
#[derive(Debug, Default)]
pub struct Buffers {
    pub(super) receive: Memory<RECEIVE>,
    pub(super) transmit: Memory<TRANSMIT>,
}

impl Buffers {
    /// Empty ones.
    #[must_use]
    pub const fn new() -> Self {
        Self { receive: Memory::new(), transmit: Memory::new() }
    }
}

/// The length of the next frame that is fit to pass on. Those before it that are not make way.
pub(super) fn received<F: Format>(ring: &mut Ring<F, RECEIVE>) -> Option<usize> {
    for _ in 0..RECEIVE {
        let length = ring.length()?;
        if (HEADER..=FRAME_SIZE).contains(&length) {
            return Some(length);
        }
        ring.give(BUFFER);
    }
    None
}

/// A received frame, whose buffer goes back to the MAC.
#[derive(Debug)]
pub struct RxToken<'a, F: Format> {
    pub(super) ring: &'a mut Ring<F, RECEIVE>,
    pub(super) length: usize,
}

impl<F: Format> phy::RxToken for RxToken<'_, F> {
    fn consume<T, C: FnOnce(&[u8]) -> T>(self, f: C) -> T {
        let frame = self.ring.buffer().map_or(&[][..], |buffer| &buffer[..self.length]);
        f(frame)
    }
}

impl<F: Format> Drop for RxToken<'_, F> {
    fn drop(&mut self) {
        self.ring.give(BUFFER);
    }
}
