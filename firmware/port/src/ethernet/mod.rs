//! Ethernet MACs with a FIFO that the processor reads and writes word by word ([`stellaris`] of lm3s6965evb, [`lan9118`] of
//! mps2-an385); one that is not of that kind, but can be used like them (`virtio` of riscv-virt); and two that move frames by
//! themselves ([`smartfusion2`] of emcraft-sf2, [`gem`] of sifive-u).
//!
//! A driver of the first kind is a [`Fifo`]: what of one chip is unlike another. [`Ethernet`] makes of it a [`Device`] of
//! one frame each way, and a [`Mac`]: what the superloop asks before it sleeps. It takes its [`Frame`] buffers
//! from its user, who decides where they live. One of the last kind is a [`Device`] and a [`Mac`] over
//! [`dma::Ring`](crate::dma::Ring)s, and copies nothing ([`ring`]). A frame that is longer than smoltcp takes, or that the
//! chip calls bad, never gets out of it.

use smoltcp::phy::{self, Device, DeviceCapabilities};
use smoltcp::time::Instant;
use tapboard_firmware::config::FRAME_SIZE;

#[cfg(any(test, feature = "test-support"))]
pub mod conformance;
pub mod gem;
pub mod lan9118;
pub mod ring;
pub mod smartfusion2;
pub mod stellaris;
#[cfg(any(test, feature = "virtio"))]
pub mod virtio;

/// Bytes of the header of Ethernet: no frame is shorter.
const HEADER: usize = 14;

/// What the superloop asks of a network interface besides frames.
///
/// Between [`Mac::acknowledge`] and the sleep, in this order, nothing is lost: what happened before
/// [`Mac::pending`] was asked is in its answer, and what happens after it raises the interrupt again.
pub trait Mac: Device {
    /// Clears the interrupt, and enables those that are waited for: a frame has arrived; if
    /// the device refused one, it can transmit again.
    fn acknowledge(&mut self);

    /// Whether the cable has come in since this was asked last, as of the last [`Mac::acknowledge`].
    fn link_came_up(&mut self) -> bool;

    /// Whether the firmware can make progress with this device now.
    fn pending(&mut self) -> bool;
}

/// A chip's two queues of frames, whose words the processor moves.
pub trait Fifo {
    /// Frames looked at before those that are not fit to pass on are left for the next call: as many as
    /// the chip can hold.
    const FRAMES: usize;

    /// Whether a frame waits.
    fn received(&mut self) -> bool;

    /// Takes the frame that waits out of its queue and returns its length, at most [`FRAME_SIZE`] and
    /// without its checksum; `None` if it was not fit to pass on.
    fn read_frame(&mut self, frame: &mut Frame) -> Option<usize>;

    /// Whether a frame of any length can be written.
    fn has_room(&mut self) -> bool;

    /// Sends the frame of `length` bytes, for which there is room.
    fn write_frame(&mut self, frame: &mut Frame, length: usize);

    /// Clears the interrupt.
    fn clear_interrupt(&mut self);

    /// Enables the interrupt of a frame that waits, and if `room`, that of room for another.
    fn enable_interrupt(&mut self, room: bool);

    /// Whether the cable has come in since this was asked last; `false` from a driver that does not ask its
    /// PHY.
    fn link_came_up(&mut self) -> bool {
        false
    }
}

/// The network interface that a [`Fifo`] makes.
#[derive(Debug)]
pub struct Ethernet<'a, F> {
    fifo: F,
    receive: &'a mut Frame,
    transmit: &'a mut Frame,
    /// The firmware has a frame for which there was no room.
    refused: bool,
}

impl<'a, F: Fifo> Ethernet<'a, F> {
    /// The interface of a chip that was started.
    pub fn new(fifo: F, [receive, transmit]: [&'a mut Frame; 2]) -> Self {
        let mut ethernet = Self { fifo, receive, transmit, refused: false };
        ethernet.acknowledge();
        ethernet
    }
}

impl<F: Fifo> Mac for Ethernet<'_, F> {
    fn acknowledge(&mut self) {
        self.fifo.clear_interrupt();
        let waits = self.refused || self.fifo.received();
        let full = waits && !self.fifo.has_room();
        self.fifo.enable_interrupt(full);
    }

    fn link_came_up(&mut self) -> bool {
        self.fifo.link_came_up()
    }

    fn pending(&mut self) -> bool {
        self.fifo.has_room() && (core::mem::take(&mut self.refused) || self.fifo.received())
    }
}

impl<F: Fifo> Device for Ethernet<'_, F> {
    type RxToken<'a>
        = RxToken<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = TxToken<'a, F>
    where
        Self: 'a;

    /// A frame, if there is also room for the answer.
    fn receive(&mut self, _now: Instant) -> Option<(RxToken<'_>, TxToken<'_, F>)> {
        if !self.fifo.has_room() {
            return None;
        }
        for _ in 0..F::FRAMES {
            if !self.fifo.received() {
                return None;
            }
            if let Some(length) = self.fifo.read_frame(self.receive) {
                let frame = &self.receive.0[PAD..PAD + length];
                let transmit = TxToken { fifo: &mut self.fifo, frame: self.transmit };
                return Some((RxToken(frame), transmit));
            }
        }
        None
    }

    fn transmit(&mut self, _now: Instant) -> Option<TxToken<'_, F>> {
        self.refused = !self.fifo.has_room();
        (!self.refused).then_some(TxToken { fifo: &mut self.fifo, frame: self.transmit })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        capabilities()
    }
}

/// One frame at a time, of up to [`FRAME_SIZE`] bytes; of Ethernet, as is the default, wherever smoltcp knows of that.
fn capabilities() -> DeviceCapabilities {
    let mut capabilities = DeviceCapabilities::default();
    capabilities.max_transmission_unit = FRAME_SIZE;
    capabilities.max_burst_size = Some(1);
    capabilities
}

/// Bytes before a frame in its buffer: with them, the IP header behind the 14 bytes of Ethernet starts
/// at a multiple of 4.
pub const PAD: usize = 2;

/// A buffer for one frame.
#[derive(Debug)]
pub struct Frame([u8; PAD + FRAME_SIZE]);

impl Frame {
    /// An empty buffer.
    #[must_use]
    pub const fn new() -> Self {
        Self([0; PAD + FRAME_SIZE])
    }

    /// The first `length` bytes of the frame, at most [`FRAME_SIZE`].
    ///
    /// # Panics
    /// If it is longer.
    #[must_use]
    pub fn bytes(&self, length: usize) -> &[u8] {
        &self.0[PAD..PAD + length]
    }

    /// As [`Frame::bytes`], to be written.
    ///
    /// # Panics
    /// If it is longer.
    pub fn bytes_mut(&mut self, length: usize) -> &mut [u8] {
        &mut self.0[PAD..PAD + length]
    }

    /// Reads `count` words, the first half pad ([`PAD`]); those that it has no room for are lost.
    pub fn fill(&mut self, count: usize, mut read: impl FnMut() -> u32) {
        let mut words = self.0.as_chunks_mut().0.iter_mut();
        for _ in 0..count {
            let data = read().to_le_bytes();
            if let Some(word) = words.next() {
                *word = data;
            }
        }
    }

    /// The words of a frame of `length` bytes, the first half pad ([`PAD`]).
    pub fn words(&self, length: usize) -> impl Iterator<Item = u32> {
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

/// Room for a frame.
#[derive(Debug)]
pub struct TxToken<'a, F> {
    fifo: &'a mut F,
    frame: &'a mut Frame,
}

impl<F: Fifo> phy::TxToken for TxToken<'_, F> {
    fn consume<T, C: FnOnce(&mut [u8]) -> T>(self, length: usize, f: C) -> T {
        let result = f(&mut self.frame.0[PAD..PAD + length]);
        self.fifo.write_frame(self.frame, length);
        result
    }
}
