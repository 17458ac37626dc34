//! Any NIC behind a [`Link`]: frames pass the bad cable on their way in and out, and observers see them.
//!
//! [`Impairment`] is what lasts: the link and its observers. [`ImpairedDevice`] is a device over it and a NIC, made
//! anew for each poll. While the link is transparent and nobody observes, frames take the NIC's own
//! tokens, untouched and uncopied. Otherwise what the NIC has received is offered to the link first, at
//! most [`BURST`] frames a time, and what the board sends goes out when it arrives at the far end.
//!
//! The driver calls [`ImpairedDevice::pump`] before each poll, and again at [`Impairment::next_event`].

use std::num::NonZeroU16;

use smoltcp::phy::{Device, DeviceCapabilities, PacketMeta, RxToken, TxToken};
use smoltcp::time::{Duration, Instant};

use super::Offloads;
use super::segmenter::Segmenter;
use super::wire::Side;
use crate::link::{Link, LinkCounters, LinkEvents};

/// Frames taken from the NIC at a time; if there are more, [`Impairment::next_event`] is now.
pub const BURST: usize = 256;
/// How soon to try again when the NIC refused a frame that is due, should it not say when it is ready.
const RETRY: Duration = Duration::from_millis(100);

/// Sees each frame when it is sent, and what the link did with it.
pub trait Observer {
    /// `frame` was sent to that side, and this befell it. A changed frame is shown as it arrives.
    fn frame(&mut self, now: Instant, to: Side, frame: &[u8], events: &LinkEvents);
}

/// The places for observers; each is seen by one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// Frames go to a file.
    Capture,
    /// Frames are drawn.
    Ladder,
    /// Frames are kept, for what is written when a test fails.
    Flight,
    /// Frames are counted, and drawn, by the dashboard.
    Dashboard,
}

/// A link with its observers.
pub struct Impairment {
    link: Link,
    observers: [Option<Box<dyn Observer>>; 4],
    /// A frame that is due could not be sent.
    refused: bool,
    /// The NIC may hold more than was taken from it.
    unread: bool,
    scratch: Vec<u8>,
}

impl std::fmt::Debug for Impairment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Impairment").field("link", &self.link).finish_non_exhaustive()
    }
}

impl Impairment {
    /// A cable of that link, observed by nobody.
    #[must_use]
    pub fn new(link: Link) -> Self {
        let scratch = Vec::new();
        Self { link, observers: [const { None }; 4], refused: false, unread: false, scratch }
    }

    /// The link.
    #[must_use]
    pub const fn link(&self) -> &Link {
        &self.link
    }

    /// The link, to be changed at any time.
    pub const fn link_mut(&mut self) -> &mut Link {
        &mut self.link
    }

    /// From now on `observer` sees every frame, in place of the one there was. Says whether there was one.
    pub fn watch(&mut self, watch: Watch, observer: Option<Box<dyn Observer>>) -> bool {
        std::mem::replace(&mut self.observers[watch as usize], observer).is_some()
    }

    /// Whether there is such an observer.
    #[must_use]
    pub fn is_watched(&self, watch: Watch) -> bool {
        self.observers[watch as usize].is_some()
    }

    fn watched(&self) -> bool {
        self.observers.iter().any(Option::is_some)
    }

    /// The NIC of the board, behind this cable.
    pub fn behind<D>(&mut self, device: D) -> ImpairedDevice<'_, D> {
        let bare = self.bare();
        ImpairedDevice { device, impairment: self, bare }
    }

    /// When a frame arrives that is under way, or [`ImpairedDevice::pump`] has something to do again.
    #[must_use]
    pub fn next_event(&self, now: Instant) -> Option<Instant> {
        if self.unread {
            return Some(now);
        }
        let to_peer = self.link.next_arrival(Side::Peer);
        let to_peer = if self.refused { to_peer.map(|_| now + RETRY) } else { to_peer };
        [self.link.next_arrival(Side::Board), to_peer].into_iter().flatten().min()
    }

    /// Whether frames pass it untouched and unseen.
    #[must_use]
    pub fn bare(&self) -> bool {
        !self.watched() && self.link.transparent()
    }

    /// A frame is sent to that side, past the observers.
    pub fn offer(&mut self, to: Side, now: Instant, frame: &[u8]) {
        let events = self.link.offer(to, now, frame);
        if !self.watched() {
            return;
        }
        let arrived = events.as_arrived(frame);
        for observer in self.observers.iter_mut().flatten() {
            observer.frame(now, to, &arrived, &events);
        }
    }

    /// Sends what has arrived at the far end.
    fn pump<D: Device>(&mut self, device: &mut D, now: Instant) {
        self.refused = false;
        while self.link.next_arrival(Side::Peer).is_some_and(|at| at <= now) {
            let Some(token) = device.transmit(now) else {
                self.refused = true;
                return;
            };
            if let Some(frame) = self.link.take(Side::Peer, now) {
                token.consume(frame.len(), |buffer| buffer.copy_from_slice(&frame));
                self.link.recycle(Side::Peer, frame);
            }
        }
    }
}

/// A NIC behind a cable, for one poll.
#[derive(Debug)]
pub struct ImpairedDevice<'c, D> {
    device: D,
    impairment: &'c mut Impairment,
    /// Frames pass the cable untouched and unseen. One that does not so now will do so in the next poll at the earliest.
    bare: bool,
}

impl<D: Device> ImpairedDevice<'_, D> {
    /// Sends what was delayed until now.
    pub fn pump(&mut self, now: Instant) {
        self.impairment.pump(&mut self.device, now);
    }

    /// Takes what the NIC has received into the link.
    fn take_in(&mut self, now: Instant) {
        self.impairment.unread = false;
        for _ in 0..BURST {
            let Some((token, _)) = self.device.receive(now) else { return };
            token.consume(|frame| self.impairment.offer(Side::Board, now, frame));
        }
        self.impairment.unread = true;
    }
}

impl<D: Device> Device for ImpairedDevice<'_, D> {
    type RxToken<'a>
        = ImpairedRx<'a, D::RxToken<'a>>
    where
        Self: 'a;
    type TxToken<'a>
        = ImpairedTx<'a, D>
    where
        Self: 'a;

    fn receive(&mut self, now: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        if self.bare {
            self.impairment.unread = false;
            let (rx, tx) = self.device.receive(now)?;
            let [to_board, to_peer] = self.impairment.link.counters_mut();
            return Some((ImpairedRx::Bare(rx, to_board), ImpairedTx(Tx::Bare(tx, to_peer))));
        }
        self.take_in(now);
        let frame = self.impairment.link.take(Side::Board, now)?;
        let tx = Tx::Impaired {
            device: &mut self.device,
            impairment: self.impairment,
            now,
            segment: None,
        };
        Some((ImpairedRx::Held(frame), ImpairedTx(tx)))
    }

    fn transmit(&mut self, now: Instant) -> Option<Self::TxToken<'_>> {
        if self.bare {
            let tx = self.device.transmit(now)?;
            let [_, to_peer] = self.impairment.link.counters_mut();
            return Some(ImpairedTx(Tx::Bare(tx, to_peer)));
        }
        let (device, impairment) = (&mut self.device, &mut *self.impairment);
        Some(ImpairedTx(Tx::Impaired { device, impairment, now, segment: None }))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.device.capabilities()
    }
}

/// A frame that has arrived.
#[derive(Debug)]
pub enum ImpairedRx<'a, T> {
    /// Straight from the NIC, to be counted.
    Bare(T, &'a mut LinkCounters),
    /// Through the link.
    Held(Vec<u8>),
}

impl<T: RxToken> RxToken for ImpairedRx<'_, T> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        match self {
            Self::Bare(token, counters) => token.consume(|frame| {
                counters.pass(frame.len());
                f(frame)
            }),
            Self::Held(frame) => f(&frame),
        }
    }
}

/// Room for one frame.
#[derive(Debug)]
pub struct ImpairedTx<'a, D: Device + 'a>(Tx<'a, D>);

enum Tx<'a, D: Device + 'a> {
    Bare(D::TxToken<'a>, &'a mut LinkCounters),
    Impaired {
        device: &'a mut D,
        impairment: &'a mut Impairment,
        now: Instant,
        /// Bytes of the segments that the frame is to be split into.
        segment: Option<NonZeroU16>,
    },
}

impl<'a, D: Device + 'a> std::fmt::Debug for Tx<'a, D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bare(..) => "Bare",
            Self::Impaired { .. } => "Impaired",
        })
    }
}

impl<'a, D: Device + 'a> TxToken for ImpairedTx<'a, D> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        match self.0 {
            Tx::Bare(token, counters) => {
                counters.pass(len);
                token.consume(len, f)
            }
            Tx::Impaired { device, impairment, now, segment } => {
                let mut frame = std::mem::take(&mut impairment.scratch);
                frame.clear();
                frame.resize(len, 0);
                let result = f(&mut frame);
                if let Some(mut segmenter) = segment.and_then(|size| Segmenter::new(&frame, size)) {
                    while let Some(segment) = segmenter.next(&mut frame, Offloads::NONE) {
                        impairment.offer(Side::Peer, now, &frame[segment]);
                    }
                } else {
                    impairment.offer(Side::Peer, now, &frame);
                }
                impairment.scratch = frame;
                impairment.pump(device, now);
                result
            }
        }
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        match &mut self.0 {
            Tx::Bare(token, _) => token.set_meta(meta),
            Tx::Impaired { segment, .. } => *segment = meta.segmentation_offload_size,
        }
    }
}

#[cfg(test)]
mod tests;
