//! A NIC whose transmit pair is wired to its receive pair.
//!
//! Unlike smoltcp's own loopback it carries real 1514-byte Ethernet frames with all checksums, so that
//! segmentation and checksum code runs as it would on a cable. A frame comes back after a fixed delay;
//! at most [`QUEUE`] are on their way, answers to received ones aside.

use std::collections::VecDeque;

use smoltcp::phy::{Device, DeviceCapabilities};
use smoltcp::time::{Duration, Instant};

use super::wire::{InFlight, QUEUE, Received, Spare, Transmit, arrived, ethernet_capabilities};

/// The NIC; see the module's documentation.
#[derive(Debug, Default)]
pub struct Loopback {
    queue: VecDeque<InFlight>,
    spare: Spare,
    delay: Duration,
}

impl Loopback {
    /// A loopback on which each frame takes `delay`.
    #[must_use]
    pub fn new(delay: Duration) -> Self {
        Self { delay, ..Self::default() }
    }

    /// The frames on their way, oldest first: to be looked at, held back or lost.
    pub fn in_flight(&mut self) -> &mut VecDeque<InFlight> {
        &mut self.queue
    }

    /// When the next frame arrives.
    #[must_use]
    pub fn next_arrival(&self) -> Option<Instant> {
        self.queue.front().map(|frame| frame.at)
    }
}

impl Device for Loopback {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Transmit<'a>;

    fn receive(&mut self, now: Instant) -> Option<(Received<'_>, Transmit<'_>)> {
        let frame = arrived(&mut self.queue, now)?;
        let (queue, spare) = (&mut self.queue, &self.spare);
        Some((Received { frame, spare }, Transmit::new(queue, spare, now + self.delay)))
    }

    fn transmit(&mut self, now: Instant) -> Option<Transmit<'_>> {
        if self.queue.len() >= QUEUE {
            return None;
        }
        Some(Transmit::new(&mut self.queue, &self.spare, now + self.delay))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        ethernet_capabilities()
    }
}
