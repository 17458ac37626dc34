//! An Ethernet interface that a program may own: `'static`, and apart from whoever drives the network.

use smoltcp::phy::{self, Device, DeviceCapabilities};
use smoltcp::time::Instant;

use super::cable::Cable;
use crate::link::Side;
use crate::nic::wire::ethernet_capabilities;

/// An interface at one end of a [`Cable`]: Ethernet frames of at most 1514 bytes, all checksums in software. Clones
/// are the same interface.
///
/// As a smoltcp [`Device`] it goes straight into an `Interface`; [`take`](Self::take) and [`send`](Self::send) are what
/// an adapter to another stack's driver is made of. There is always room to send: the cable loses what exceeds
/// [`HELD_MAX`](crate::link::HELD_MAX) frames under way.
///
/// **Cost.** A copy a frame more than the devices of [`crate::nic`], whose tokens borrow them.
#[derive(Clone, Debug)]
pub struct Nic {
    pub(super) cable: Cable,
    pub(super) side: Side,
}

impl Nic {
    /// The next frame that has arrived by `now`.
    #[must_use]
    pub fn take(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.cable.0.borrow_mut().take(self.side, now)
    }

    /// Sends a frame.
    pub fn send(&mut self, now: Instant, frame: &[u8]) {
        self.cable.0.borrow_mut().send(self.side, now, frame);
    }

    /// When the next frame arrives here; a moment in the past, if one has arrived.
    #[must_use]
    pub fn next_arrival(&self) -> Option<Instant> {
        self.cable.0.borrow().next_arrival(self.side)
    }
}

impl Device for Nic {
    type RxToken<'a> = RxToken;
    type TxToken<'a> = TxToken;

    fn receive(&mut self, now: Instant) -> Option<(RxToken, TxToken)> {
        let frame = self.take(now)?;
        let received = RxToken { nic: self.clone(), frame };
        Some((received, TxToken { nic: self.clone(), now }))
    }

    fn transmit(&mut self, now: Instant) -> Option<TxToken> {
        Some(TxToken { nic: self.clone(), now })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        ethernet_capabilities()
    }
}

/// A frame that has arrived.
#[derive(Debug)]
pub struct RxToken {
    nic: Nic,
    frame: Vec<u8>,
}

impl phy::RxToken for RxToken {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        let result = f(&self.frame);
        self.nic.cable.link().recycle(self.nic.side, self.frame);
        result
    }
}

/// Room for one frame.
#[derive(Debug)]
pub struct TxToken {
    nic: Nic,
    now: Instant,
}

impl phy::TxToken for TxToken {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.nic.send(self.now, &frame);
        result
    }
}
