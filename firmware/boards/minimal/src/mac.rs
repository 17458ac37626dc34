//! A network interface of one frame each way, in memory that the compiler cannot see through.
//!
//! The ring of a real MAC is larger, and shared with its DMA; the cost here is two frames of RAM.
//! Nothing ever arrives, and only [`black_box`] knows.

use core::hint::black_box;

use smoltcp::phy::{self, DeviceCapabilities};
use smoltcp::time::Instant;

use crate::FRAME_SIZE;

/// The frames of one interface.
#[derive(Debug)]
pub(crate) struct Mac {
    receive: [u8; FRAME_SIZE],
    received: usize,
    transmit: [u8; FRAME_SIZE],
}

impl Mac {
    pub(crate) const fn new() -> Self {
        Self { receive: [0; FRAME_SIZE], received: 0, transmit: [0; FRAME_SIZE] }
    }

    /// Whether a frame waits.
    pub(crate) fn pending(&self) -> bool {
        black_box(self.received) > 0
    }
}

impl phy::Device for Mac {
    type RxToken<'a> = RxToken<'a>;
    type TxToken<'a> = TxToken<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(RxToken<'_>, TxToken<'_>)> {
        let length = black_box(core::mem::take(&mut self.received));
        if length == 0 {
            return None;
        }
        let frame = self.receive.get(..length)?;
        Some((RxToken(black_box(frame)), TxToken(&mut self.transmit)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<TxToken<'_>> {
        black_box(true).then_some(TxToken(&mut self.transmit))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.max_transmission_unit = FRAME_SIZE;
        capabilities.max_burst_size = Some(1);
        capabilities
    }
}

/// A received frame.
pub(crate) struct RxToken<'a>(&'a [u8]);

impl phy::RxToken for RxToken<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

/// Room for a frame.
pub(crate) struct TxToken<'a>(&'a mut [u8; FRAME_SIZE]);

impl phy::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        // smoltcp asks for no more than the capabilities promise.
        let frame = &mut self.0[..length];
        let result = f(frame);
        black_box(frame);
        result
    }
}
