//! An Ethernet cable in memory, with a NIC at either end.
//!
//! Frames arrive in order after a fixed delay, none is lost, and none exceeds 1514 bytes. Each
//! direction holds at most [`QUEUE`] frames: a sender gets no transmit token while its direction is
//! full. An answer to a received frame always has its token, or two full directions could wait for each
//! other; so a queue can outgrow its limit by what the other end receives, and by a superframe, which arrives in
//! its segments. Buffers are recycled: in the
//! steady state nothing is allocated.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::num::NonZeroU16;

use smoltcp::phy::{Device, DeviceCapabilities, Medium, PacketMeta, RxToken, TxToken};
use smoltcp::time::{Duration, Instant};
use tapboard_firmware::config::FRAME_SIZE;

use super::Offloads;
use super::segmenter::Segmenter;
pub use crate::link::Side;

/// Frames a direction holds before its sender has to wait.
pub const QUEUE: usize = 256;

/// A frame on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFlight {
    /// When it arrives.
    pub at: Instant,
    /// The whole Ethernet frame, without checksum.
    pub frame: Vec<u8>,
}

/// The cable.
#[derive(Debug, Default)]
pub struct Wire {
    /// What is on its way *to* each side.
    to: [VecDeque<InFlight>; 2],
    spare: Spare,
    delay: Duration,
}

/// Frame buffers that were used before; both tokens of a receive may want one.
#[derive(Debug, Default)]
pub(super) struct Spare {
    frames: RefCell<Vec<Vec<u8>>>,
    /// For a superframe, while it is split.
    superframe: RefCell<Vec<u8>>,
}

impl Spare {
    fn take(&self, len: usize) -> Vec<u8> {
        let buffer = self.frames.borrow_mut().pop();
        let mut frame = buffer.unwrap_or_else(|| Vec::with_capacity(FRAME_SIZE));
        // What an earlier frame left is overwritten by its next sender, and need not be zeroed first.
        frame.resize(len, 0);
        frame
    }

    fn give(&self, frame: Vec<u8>) {
        let mut spare = self.frames.borrow_mut();
        // More than both directions can hold would never be used again.
        if spare.len() < 2 * QUEUE {
            spare.push(frame);
        }
    }
}

impl Wire {
    /// A cable on which each frame takes `delay`.
    #[must_use]
    pub fn new(delay: Duration) -> Self {
        Self { delay, ..Self::default() }
    }

    /// The NIC at one end.
    pub fn end(&mut self, side: Side) -> End<'_> {
        let [to_board, to_peer] = &mut self.to;
        let (rx, tx) = match side {
            Side::Board => (to_board, to_peer),
            Side::Peer => (to_peer, to_board),
        };
        End { rx, tx, spare: &self.spare, delay: self.delay }
    }

    /// Gives a frame's buffer to whoever sends the next frame.
    pub fn recycle(&mut self, frame: Vec<u8>) {
        self.spare.give(frame);
    }

    /// The frames on their way to `side`, oldest first: to be looked at, held back or lost.
    pub fn in_flight(&mut self, side: Side) -> &mut VecDeque<InFlight> {
        &mut self.to[side.index()]
    }

    /// When the next frame arrives at `side`.
    #[must_use]
    pub fn next_arrival(&self, side: Side) -> Option<Instant> {
        self.to[side.index()].front().map(|frame| frame.at)
    }
}

/// A NIC at one end of a [`Wire`].
#[derive(Debug)]
pub struct End<'w> {
    rx: &'w mut VecDeque<InFlight>,
    tx: &'w mut VecDeque<InFlight>,
    spare: &'w Spare,
    delay: Duration,
}

impl Device for End<'_> {
    type RxToken<'a>
        = Received<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Transmit<'a>
    where
        Self: 'a;

    fn receive(&mut self, now: Instant) -> Option<(Received<'_>, Transmit<'_>)> {
        let frame = arrived(self.rx, now)?;
        let received = Received { frame, spare: self.spare };
        Some((received, Transmit::new(self.tx, self.spare, now + self.delay)))
    }

    fn transmit(&mut self, now: Instant) -> Option<Transmit<'_>> {
        if self.tx.len() >= QUEUE {
            return None;
        }
        Some(Transmit::new(self.tx, self.spare, now + self.delay))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        ethernet_capabilities()
    }
}

/// What every NIC here can do: 1514-byte Ethernet frames, all checksums in software.
pub(crate) fn ethernet_capabilities() -> DeviceCapabilities {
    let mut capabilities = DeviceCapabilities::default();
    capabilities.medium = Medium::Ethernet;
    capabilities.max_transmission_unit = FRAME_SIZE;
    capabilities
}

/// Takes the first frame if it has arrived by `now`.
pub(super) fn arrived(queue: &mut VecDeque<InFlight>, now: Instant) -> Option<Vec<u8>> {
    if queue.front()?.at > now {
        return None;
    }
    queue.pop_front().map(|first| first.frame)
}

/// A frame that has arrived.
#[derive(Debug)]
pub struct Received<'a> {
    pub(super) frame: Vec<u8>,
    pub(super) spare: &'a Spare,
}

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        let result = f(&self.frame);
        self.spare.give(self.frame);
        result
    }
}

/// Room for one frame, or for a superframe that says how long its segments are to be.
#[derive(Debug)]
pub struct Transmit<'a> {
    queue: &'a mut VecDeque<InFlight>,
    spare: &'a Spare,
    at: Instant,
    segment: Option<NonZeroU16>,
}

impl<'a> Transmit<'a> {
    /// What arrives `at` that moment goes to the end of `queue`.
    pub(super) fn new(queue: &'a mut VecDeque<InFlight>, spare: &'a Spare, at: Instant) -> Self {
        Self { queue, spare, at, segment: None }
    }

    /// Sends a superframe in segments of `size` bytes, with all their checksums.
    fn segments<R>(self, size: NonZeroU16, len: usize, f: impl FnOnce(&mut [u8]) -> R) -> R {
        let mut superframe = self.spare.superframe.borrow_mut();
        superframe.resize(len, 0);
        let result = f(&mut superframe);
        let mut segmenter = Segmenter::new(&superframe, size).expect("a segment with data");
        while let Some(segment) = segmenter.next(&mut superframe, Offloads::NONE) {
            let mut frame = self.spare.take(segment.len());
            frame.copy_from_slice(&superframe[segment]);
            self.queue.push_back(InFlight { at: self.at, frame });
        }
        result
    }
}

impl TxToken for Transmit<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        if let Some(size) = self.segment {
            return self.segments(size, len, f);
        }
        assert!(len <= FRAME_SIZE, "a frame of {len} bytes does not fit this NIC");
        let mut frame = self.spare.take(len);
        let result = f(&mut frame);
        self.queue.push_back(InFlight { at: self.at, frame });
        result
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        self.segment = meta.segmentation_offload_size;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nic::header_layout::made::Made;

    fn send(wire: &mut Wire, side: Side, now: Instant, payload: &[u8]) -> bool {
        let mut end = wire.end(side);
        let Some(token) = end.transmit(now) else {
            return false;
        };
        token.consume(payload.len(), |buffer| buffer.copy_from_slice(payload));
        true
    }

    fn receive(wire: &mut Wire, side: Side, now: Instant) -> Option<Vec<u8>> {
        let mut end = wire.end(side);
        let (token, _) = end.receive(now)?;
        Some(token.consume(<[u8]>::to_vec))
    }

    #[test]
    fn frames_arrive_in_order_after_the_delay() {
        let mut wire = Wire::new(Duration::from_millis(5));
        assert!(send(&mut wire, Side::Board, Instant::ZERO, b"one"));
        assert!(send(&mut wire, Side::Board, Instant::from_millis(1), b"two"));
        assert_eq!(receive(&mut wire, Side::Peer, Instant::from_millis(4)), None);
        assert_eq!(wire.next_arrival(Side::Peer), Some(Instant::from_millis(5)));
        assert_eq!(receive(&mut wire, Side::Board, Instant::from_secs(1)), None);
        let later = Instant::from_millis(6);
        assert_eq!(receive(&mut wire, Side::Peer, later).as_deref(), Some(&b"one"[..]));
        assert_eq!(receive(&mut wire, Side::Peer, later).as_deref(), Some(&b"two"[..]));
        assert_eq!(wire.next_arrival(Side::Peer), None);
    }

    #[test]
    fn a_superframe_arrives_in_segments() {
        let made = Made::new(false, 4000);
        let mut wire = Wire::default();
        let mut meta = PacketMeta::default();
        meta.segmentation_offload_size = NonZeroU16::new(1460);
        // Twice, for the buffer that is used again.
        for len in [4000, 1461] {
            let made = Made { payload: made.payload[..len].to_vec(), ..made.clone() };
            let mut end = wire.end(Side::Peer);
            let mut token = end.transmit(Instant::ZERO).expect("room");
            token.set_meta(meta);
            let frame = made.frame();
            token.consume(frame.len(), |buffer| buffer.copy_from_slice(&frame));
            let arrived: Vec<_> =
                std::iter::from_fn(|| receive(&mut wire, Side::Board, Instant::ZERO)).collect();
            let segments: Vec<_> = made.segments(1460).iter().map(Made::frame).collect();
            assert!(arrived == segments, "{} frames", arrived.len());
        }
    }

    #[test]
    fn a_full_direction_refuses_and_recovers() {
        let mut wire = Wire::default();
        let sent =
            (0..=QUEUE).take_while(|_| send(&mut wire, Side::Peer, Instant::ZERO, b"x")).count();
        assert_eq!(sent, QUEUE);
        assert!(send(&mut wire, Side::Board, Instant::ZERO, b"the other way is free"));
        assert!(receive(&mut wire, Side::Board, Instant::ZERO).is_some());
        assert!(send(&mut wire, Side::Peer, Instant::ZERO, b"x"));
    }

    #[test]
    fn a_token_dropped_unused_sends_nothing() {
        let mut wire = Wire::default();
        let _ = wire.end(Side::Board).transmit(Instant::ZERO);
        assert_eq!(wire.next_arrival(Side::Peer), None);
    }
}
