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
use crate::link::{Link, LinkEvents};

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
}

/// A link with its observers.
pub struct Impairment {
    link: Link,
    observers: [Option<Box<dyn Observer>>; 3],
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
        Self { link, observers: [None, None, None], refused: false, unread: false, scratch }
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

    fn watched(&self) -> bool {
        self.observers.iter().any(Option::is_some)
    }

    /// The NIC of the board, behind this cable.
    pub const fn behind<D>(&mut self, device: D) -> ImpairedDevice<'_, D> {
        ImpairedDevice { device, impairment: self }
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
        = ImpairedRx<D::RxToken<'a>>
    where
        Self: 'a;
    type TxToken<'a>
        = ImpairedTx<'a, D>
    where
        Self: 'a;

    fn receive(&mut self, now: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        if self.impairment.bare() {
            self.impairment.unread = false;
            let (rx, tx) = self.device.receive(now)?;
            return Some((ImpairedRx::Bare(rx), ImpairedTx(Tx::Bare(tx))));
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
        if self.impairment.bare() {
            return self.device.transmit(now).map(|tx| ImpairedTx(Tx::Bare(tx)));
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
pub enum ImpairedRx<T> {
    /// Straight from the NIC.
    Bare(T),
    /// Through the link.
    Held(Vec<u8>),
}

impl<T: RxToken> RxToken for ImpairedRx<T> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        match self {
            Self::Bare(token) => token.consume(f),
            Self::Held(frame) => f(&frame),
        }
    }
}

/// Room for one frame.
#[derive(Debug)]
pub struct ImpairedTx<'a, D: Device + 'a>(Tx<'a, D>);

enum Tx<'a, D: Device + 'a> {
    Bare(D::TxToken<'a>),
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
            Self::Bare(_) => "Bare",
            Self::Impaired { .. } => "Impaired",
        })
    }
}

impl<'a, D: Device + 'a> TxToken for ImpairedTx<'a, D> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        match self.0 {
            Tx::Bare(token) => token.consume(len, f),
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
            Tx::Bare(token) => token.set_meta(meta),
            Tx::Impaired { segment, .. } => *segment = meta.segmentation_offload_size,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::clock::VirtualClock;
    use crate::link::Setting;
    use crate::nic::header_layout::{ACK, HeaderLayout, PSH, TCP_CHECKSUM, made::Made};
    use crate::nic::mac::Mac;
    use crate::nic::wire::{End, Wire};
    use crate::world::{Outcome, Step, drive};

    fn ms(millis: i64) -> Instant {
        Instant::from_millis(millis)
    }

    fn send<D: Device>(device: &mut D, now: Instant, payload: &[u8]) {
        let token = device.transmit(now).expect("room");
        token.consume(payload.len(), |buffer| buffer.copy_from_slice(payload));
    }

    fn receive<D: Device>(device: &mut D, now: Instant) -> Option<Vec<u8>> {
        let (token, _) = device.receive(now)?;
        Some(token.consume(<[u8]>::to_vec))
    }

    fn delayed(way: Option<Side>, millis: u64) -> Impairment {
        let mut link = Link::new(1);
        link.set(way, Setting::Delay(Duration::from_millis(millis)));
        Impairment::new(link)
    }

    #[test]
    fn a_bare_cable_uses_the_nics_own_tokens() {
        let (mut wire, mut impairment) = (Wire::default(), Impairment::new(Link::new(1)));
        send(&mut wire.end(Side::Peer), ms(0), b"in");
        let mut board = impairment.behind(wire.end(Side::Board));
        let (rx, tx) = board.receive(ms(0)).unwrap();
        assert!(matches!((&rx, &tx), (ImpairedRx::Bare(_), ImpairedTx(Tx::Bare(_)))));
        drop((rx, tx));
        send(&mut board, ms(0), b"out");
        assert_eq!(receive(&mut wire.end(Side::Peer), ms(0)).unwrap(), b"out");
        assert_eq!(impairment.next_event(ms(0)), None);
    }

    #[test]
    fn what_is_delayed_arrives_later_both_ways() {
        let (mut wire, mut impairment) = (Wire::default(), delayed(None, 40));
        send(&mut wire.end(Side::Peer), ms(0), b"in");
        let mut board = impairment.behind(wire.end(Side::Board));
        assert_eq!(receive(&mut board, ms(0)), None);
        send(&mut board, ms(10), b"out");
        assert_eq!(impairment.next_event(ms(10)), Some(ms(40)));
        assert_eq!(wire.next_arrival(Side::Peer), None);
        let mut board = impairment.behind(wire.end(Side::Board));
        assert_eq!(receive(&mut board, ms(40)).unwrap(), b"in");
        board.pump(ms(49));
        assert_eq!(impairment.next_event(ms(49)), Some(ms(50)));
        impairment.behind(wire.end(Side::Board)).pump(ms(50));
        assert_eq!(receive(&mut wire.end(Side::Peer), ms(50)).unwrap(), b"out");
        assert_eq!(impairment.next_event(ms(50)), None);
    }

    /// In virtual time, where nobody is late.
    #[test]
    fn a_round_trip_costs_what_the_link_is_set_to_and_not_a_microsecond_more() {
        let round_trip = |settings: &[(&str, &str)]| {
            let mut link = Link::new(1);
            for (name, value) in settings {
                link.set(None, Setting::parse(name, value).unwrap());
            }
            let (mut wire, mut impairment, mut clock) =
                (Wire::default(), Impairment::new(link), VirtualClock::new());
            send(&mut wire.end(Side::Peer), clock.now(), &[0; 60]);
            let outcome = drive(&mut clock, ms(1000), |now| {
                let mut board = impairment.behind(wire.end(Side::Board));
                board.pump(now);
                if let Some(frame) = receive(&mut board, now) {
                    send(&mut board, now, &frame);
                }
                if receive(&mut wire.end(Side::Peer), now).is_some() {
                    return Step::Done;
                }
                Step::Next(impairment.next_event(now))
            });
            assert_eq!(outcome, Outcome::Done);
            clock.now().total_micros()
        };
        assert_eq!(round_trip(&[("delay", "100us")]), 200);
        assert_eq!(round_trip(&[("rate", "10mbit")]), 2 * 48);
        assert_eq!(round_trip(&[("rate", "10mbit"), ("delay", "7us")]), 2 * 55);
    }

    #[test]
    fn a_nic_that_refuses_is_asked_again_and_not_in_a_loop() {
        let (mut wire, mut impairment) = (Wire::default(), delayed(None, 5));
        while let Some(token) = wire.end(Side::Board).transmit(ms(0)) {
            token.consume(1, |_| ());
        }
        send(&mut impairment.behind(wire.end(Side::Board)), ms(0), b"out");
        impairment.behind(wire.end(Side::Board)).pump(ms(5));
        assert_eq!(impairment.next_event(ms(5)), Some(ms(5) + RETRY));
        assert!(receive(&mut wire.end(Side::Peer), ms(5)).is_some());
        impairment.behind(wire.end(Side::Board)).pump(ms(6));
        assert_eq!(impairment.next_event(ms(6)), None);
    }

    #[test]
    fn more_than_a_burst_is_not_left_lying() {
        let (mut wire, mut impairment) = (Wire::default(), delayed(None, 5));
        let queue = wire.in_flight(Side::Board);
        for _ in 0..BURST + 10 {
            queue.push_back(super::super::wire::InFlight { at: ms(0), frame: vec![0; 60] });
        }
        assert_eq!(receive(&mut impairment.behind(wire.end(Side::Board)), ms(0)), None);
        assert_eq!(impairment.next_event(ms(0)), Some(ms(0)), "there is more in the NIC");
        assert_eq!(receive(&mut impairment.behind(wire.end(Side::Board)), ms(0)), None);
        assert_eq!(impairment.next_event(ms(0)), Some(ms(5)));
    }

    /// A board that leaves segmentation to the NIC: the cable has ordinary frames all the same.
    #[test]
    fn a_superframe_goes_through_the_link_in_segments() {
        let made = Made { flags: ACK | PSH, ..Made::new(false, 5000) };
        let mut meta = PacketMeta::default();
        meta.segmentation_offload_size = NonZeroU16::new(1460);
        let (mut wire, mut impairment) = (Wire::default(), delayed(None, 5));
        let mut board =
            Mac::new(impairment.behind(wire.end(Side::Board)), Offloads::CHECKSUM, Offloads::NONE);
        let mut token = board.transmit(ms(0)).expect("room");
        token.set_meta(meta);
        token.consume(made.frame().len(), |space| {
            space.copy_from_slice(&made.frame());
            let layout = HeaderLayout::of(space).expect("a segment");
            space[layout.tcp + TCP_CHECKSUM..][..2].fill(0);
        });
        impairment.behind(wire.end(Side::Board)).pump(ms(5));
        let arrived: Vec<Vec<u8>> =
            std::iter::from_fn(|| receive(&mut wire.end(Side::Peer), ms(5))).collect();
        let segments: Vec<Vec<u8>> = made.segments(1460).iter().map(Made::frame).collect();
        assert!(arrived == segments, "{} frames", arrived.len());
    }

    #[test]
    fn observers_see_every_frame_as_it_arrives_and_what_befell_it() {
        type Log = Rc<RefCell<Vec<(Side, Vec<u8>, String)>>>;
        struct Seen(Log);
        impl Observer for Seen {
            fn frame(&mut self, _: Instant, to: Side, frame: &[u8], events: &LinkEvents) {
                self.0.borrow_mut().push((to, frame.to_vec(), events.to_string()));
            }
        }
        let seen = Rc::new(RefCell::new(Vec::new()));
        let (mut wire, mut impairment) = (Wire::default(), Impairment::new(Link::new(1)));
        impairment.watch(Watch::Ladder, Some(Box::new(Seen(Rc::clone(&seen)))));
        let out = |impairment: &mut Impairment, end: End<'_>| {
            send(&mut impairment.behind(end), ms(0), &[0; 60]);
        };
        out(&mut impairment, wire.end(Side::Board));
        impairment.link_mut().set(None, Setting::parse("corrupt", "100%").unwrap());
        out(&mut impairment, wire.end(Side::Board));
        impairment.link_mut().plug(false);
        send(&mut wire.end(Side::Peer), ms(0), b"in");
        assert_eq!(receive(&mut impairment.behind(wire.end(Side::Board)), ms(0)), None);
        let seen = seen.borrow();
        let [clean, corrupt, cut] = &seen[..] else { panic!("{seen:?}") };
        assert_eq!(clean, &(Side::Peer, vec![0; 60], String::new()));
        let ones: u32 = corrupt.1.iter().map(|byte| byte.count_ones()).sum();
        assert!(corrupt.2.ends_with("flipped") && ones == 1, "{corrupt:?}");
        assert_eq!(cut, &(Side::Board, b"in".to_vec(), "dropped: the cable is out".into()));
    }
}
