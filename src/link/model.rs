//! The model: what the faults of each direction do to its frames, and when these arrive.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use smoltcp::time::{Duration, Instant};
use tapboard_firmware::rng::Rng;

use super::counters::LinkCounters;
use super::event::{HELD_MAX, LinkEvent, LinkEvents};
use super::faults::{Burst, Faults};
use super::setting::Setting;
use super::side::Side;

/// How much later than its turn a reordered frame arrives at most, if there is no delay to go by.
const REORDER: Duration = Duration::from_millis(20);
/// Bytes of Ethernet header, which the MTU does not count.
const ETHERNET: usize = 14;
/// Picoseconds of a second and of a microsecond: a bit at 1 Tbit/s, the highest rate, takes one.
const SECOND_PS: u128 = 1_000_000_000_000;
const MICROSECOND_PS: u128 = 1_000_000;

/// Buffers that wait to be used again, in each direction.
const SPARE: usize = 64;

/// How a frame arrives.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    at: Instant,
    /// The byte, and its bit, that is flipped.
    flip: Option<(usize, u8)>,
    twice: bool,
}

/// A frame under way; the earliest is the greatest, for the heap.
#[derive(Debug)]
pub(super) struct Held {
    at: Instant,
    number: u64,
    frame: Vec<u8>,
}

impl Held {
    const fn key(&self) -> (Instant, u64) {
        (self.at, self.number)
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Held {}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

#[derive(Debug)]
pub(super) struct Channel {
    faults: Faults,
    rng: Rng,
    /// In the bad state of the burst model.
    bad: bool,
    /// When the rate limit will have sent all that waits, in picoseconds: rounded to microseconds, frames that
    /// follow each other would add up to another rate.
    busy_until_ps: u128,
    /// When the last frame in order arrives.
    last: Instant,
    pub(super) held: BinaryHeap<Reverse<Held>>,
    number: u64,
    spare: Vec<Vec<u8>>,
    counters: LinkCounters,
}

impl Channel {
    fn new(seed: u64) -> Self {
        Self {
            faults: Faults::NONE,
            rng: Rng::new(seed),
            bad: false,
            busy_until_ps: 0,
            last: Instant::ZERO,
            held: BinaryHeap::new(),
            number: 0,
            spare: Vec::new(),
            counters: LinkCounters::default(),
        }
    }

    /// Sets what is wrong from now on.
    fn change(&mut self, faults: Faults) {
        let timing = |faults: &Faults| (faults.rate, faults.delay, faults.jitter);
        if timing(&faults) != timing(&self.faults) {
            self.forget_turns();
        }
        self.faults = faults;
    }

    /// Loses what is under way.
    fn cut(&mut self) {
        self.counters.dropped.unplugged += self.held.len() as u64;
        self.held.clear();
        self.forget_turns();
    }

    /// The next frame waits for none before it.
    const fn forget_turns(&mut self) {
        self.busy_until_ps = 0;
        self.last = Instant::ZERO;
    }

    fn lost(&mut self, plugged: bool, now: Instant, len: usize) -> Option<LinkEvent> {
        let Faults { loss, burst, queue, mtu, partition, .. } = self.faults;
        if !plugged {
            return Some(LinkEvent::Unplugged);
        }
        if partition {
            return Some(LinkEvent::Partition);
        }
        if len > mtu + ETHERNET {
            return Some(LinkEvent::Mtu(mtu));
        }
        if loss.happens(&mut self.rng) {
            return Some(LinkEvent::Loss(loss));
        }
        if let Some(Burst { enter, leave }) = burst {
            let turn = if self.bad { leave } else { enter };
            self.bad ^= turn.happens(&mut self.rng);
            if self.bad {
                return Some(LinkEvent::Burst);
            }
        }
        if self.busy_until_ps > picoseconds(now) && self.queued(now) + len > queue {
            return Some(LinkEvent::QueueFull(queue));
        }
        (self.held.len() >= HELD_MAX).then_some(LinkEvent::HeldMax)
    }

    /// Bytes that wait for the rate limit, the rest of the frame that it is sending included.
    fn queued(&self, now: Instant) -> usize {
        let rate = u128::from(self.faults.rate.unwrap_or(0));
        let waiting = self.busy_until_ps.saturating_sub(picoseconds(now)) * rate;
        (waiting / (8 * SECOND_PS)) as usize
    }

    /// When a frame of `len` bytes sent `now` arrives, in its turn.
    fn arrival(&mut self, now: Instant, len: usize) -> Instant {
        let Faults { delay, jitter, rate, .. } = self.faults;
        let mut at = now;
        if let Some(rate) = rate {
            let sending = (len as u128 * 8 * SECOND_PS).div_ceil(u128::from(rate.max(1)));
            self.busy_until_ps = self.busy_until_ps.max(picoseconds(now)) + sending;
            at = Instant::from_micros(self.busy_until_ps.div_ceil(MICROSECOND_PS) as i64);
        }
        let mut delay = delay;
        if jitter > Duration::ZERO {
            let span = 2 * jitter.total_micros();
            let drawn = Duration::from_micros(self.draw(span + 1));
            delay = (delay + drawn).max(jitter) - jitter;
        }
        self.last = self.last.max(at + delay);
        self.last
    }

    /// A number below `bound`, which may exceed 32 bits.
    fn draw(&mut self, bound: u64) -> u64 {
        ((u128::from(self.rng.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// Holds the frame, unless it is lost. Returns what befell it.
    fn offer(&mut self, plugged: bool, now: Instant, frame: Cow<'_, [u8]>) -> LinkEvents {
        let (events, arrival) = self.befall(plugged, now, frame.len());
        self.counters.count(frame.len(), &events);
        match (arrival, frame) {
            (Some(arrival), Cow::Owned(frame)) => self.hold(frame, arrival),
            (Some(arrival), Cow::Borrowed(frame)) => {
                let frame = self.copy(frame);
                self.hold(frame, arrival);
            }
            (None, Cow::Owned(frame)) => self.recycle(frame),
            (None, Cow::Borrowed(_)) => {}
        }
        events
    }

    /// What befalls a frame of `len` bytes, and how it arrives, if it does.
    fn befall(&mut self, plugged: bool, now: Instant, len: usize) -> (LinkEvents, Option<Arrival>) {
        let mut events = LinkEvents::default();
        if let Some(event) = self.lost(plugged, now, len) {
            events.add(event);
            return (events, None);
        }
        let corrupt = self.faults.corrupt.happens(&mut self.rng) && len > 0;
        let flip = corrupt.then(|| {
            let byte = self.draw(len as u64) as usize;
            (byte, self.draw(8) as u8)
        });
        if let Some((byte, bit)) = flip {
            events.add(LinkEvent::Corrupted { bit, byte });
        }
        let mut at = self.arrival(now, len);
        if at > now {
            events.add(LinkEvent::Delayed(at - now));
        }
        if self.faults.reorder.happens(&mut self.rng) {
            let most = self.faults.delay.max(REORDER).total_micros();
            let later = Duration::from_micros(1 + self.draw(most));
            at += later;
            events.add(LinkEvent::Reordered(later));
        }
        let twice = self.faults.duplicate.happens(&mut self.rng);
        if twice {
            events.add(LinkEvent::Duplicated);
        }
        (events, Some(Arrival { at, flip, twice }))
    }

    fn hold(&mut self, mut frame: Vec<u8>, Arrival { at, flip, twice }: Arrival) {
        if let Some((byte, bit)) = flip {
            frame[byte] ^= 1 << bit;
        }
        let second = twice.then(|| self.copy(&frame));
        for frame in [Some(frame), second].into_iter().flatten() {
            self.number += 1;
            self.held.push(Reverse(Held { at, number: self.number, frame }));
        }
    }

    fn copy(&mut self, frame: &[u8]) -> Vec<u8> {
        let mut copy = self.spare.pop().unwrap_or_default();
        copy.clear();
        copy.extend_from_slice(frame);
        copy
    }

    fn recycle(&mut self, frame: Vec<u8>) {
        if self.spare.len() < SPARE {
            self.spare.push(frame);
        }
    }

    fn next_arrival(&self) -> Option<Instant> {
        self.held.peek().map(|Reverse(held)| held.at)
    }

    fn take(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.next_arrival()? > now {
            return None;
        }
        self.held.pop().map(|Reverse(held)| held.frame)
    }
}

/// A time as the rate limit counts it.
const fn picoseconds(at: Instant) -> u128 {
    at.total_micros().unsigned_abs() as u128 * MICROSECOND_PS
}

/// A bad cable between two ends.
#[derive(Debug)]
pub struct Link {
    seed: u64,
    pub(super) to_board: Channel,
    to_peer: Channel,
    plugged: bool,
    clean: bool,
}

impl Link {
    /// A good cable, whose faults to come follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        Self {
            seed,
            to_board: Channel::new(rng.next_u64()),
            to_peer: Channel::new(rng.next_u64()),
            plugged: true,
            clean: true,
        }
    }

    /// What the faults follow from.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Whether chance decides what befalls a frame that is sent now; see [`Faults::random`].
    #[must_use]
    pub fn random(&self) -> bool {
        self.to_board.faults.random() || self.to_peer.faults.random()
    }

    const fn channel(&mut self, to: Side) -> &mut Channel {
        match to {
            Side::Board => &mut self.to_board,
            Side::Peer => &mut self.to_peer,
        }
    }

    /// What is wrong with the direction to that side.
    #[must_use]
    pub const fn faults(&self, to: Side) -> &Faults {
        match to {
            Side::Board => &self.to_board.faults,
            Side::Peer => &self.to_peer.faults,
        }
    }

    /// Changes one fault of the direction to that side, or of both for `None`, from now on.
    pub fn set(&mut self, to: Option<Side>, setting: Setting) {
        for side in [Side::Board, Side::Peer] {
            if to.is_none_or(|to| to == side) {
                let mut faults = *self.faults(side);
                faults.set(setting);
                self.channel(side).change(faults);
            }
        }
        self.look();
    }

    /// Takes all faults away but the cable's being out.
    pub fn heal(&mut self) {
        self.to_board.change(Faults::NONE);
        self.to_peer.change(Faults::NONE);
        self.look();
    }

    /// Takes the cable out or puts it in. What is under way when it comes out is lost.
    pub fn plug(&mut self, plugged: bool) {
        if self.plugged && !plugged {
            self.to_board.cut();
            self.to_peer.cut();
        }
        self.plugged = plugged;
        self.look();
    }

    /// Whether the cable is in.
    #[must_use]
    pub const fn plugged(&self) -> bool {
        self.plugged
    }

    fn look(&mut self) {
        self.clean = self.plugged
            && self.to_board.faults == Faults::NONE
            && self.to_peer.faults == Faults::NONE;
    }

    /// Whether a frame sent now would arrive now, unchanged: then the link need not be asked.
    #[must_use]
    pub fn transparent(&self) -> bool {
        self.clean && self.to_board.held.is_empty() && self.to_peer.held.is_empty()
    }

    /// A frame is sent to that side.
    pub fn offer(&mut self, to: Side, now: Instant, frame: &[u8]) -> LinkEvents {
        let plugged = self.plugged;
        self.channel(to).offer(plugged, now, Cow::Borrowed(frame))
    }

    /// A frame is sent to that side, in a buffer that need not be copied.
    pub fn offer_buffer(&mut self, to: Side, now: Instant, frame: Vec<u8>) -> LinkEvents {
        let plugged = self.plugged;
        self.channel(to).offer(plugged, now, Cow::Owned(frame))
    }

    /// The next frame that has arrived at that side by `now`. Its buffer may be given back with
    /// [`Link::recycle`].
    pub fn take(&mut self, to: Side, now: Instant) -> Option<Vec<u8>> {
        self.channel(to).take(now)
    }

    /// Gives back the buffer of a frame that was taken.
    pub fn recycle(&mut self, to: Side, frame: Vec<u8>) {
        self.channel(to).recycle(frame);
    }

    /// What the direction to that side has done so far.
    #[must_use]
    pub const fn counters(&self, to: Side) -> &LinkCounters {
        match to {
            Side::Board => &self.to_board.counters,
            Side::Peer => &self.to_peer.counters,
        }
    }

    /// Those of both directions, to the board and to the peer, for frames that pass without the link's being asked.
    pub(crate) const fn counters_mut(&mut self) -> [&mut LinkCounters; 2] {
        [&mut self.to_board.counters, &mut self.to_peer.counters]
    }

    /// Frames under way to that side.
    #[must_use]
    pub fn held(&self, to: Side) -> usize {
        match to {
            Side::Board => self.to_board.held.len(),
            Side::Peer => self.to_peer.held.len(),
        }
    }

    /// Bytes that wait for the rate limit of the direction to that side: its queue as it stands.
    #[must_use]
    pub fn queued(&self, to: Side, now: Instant) -> usize {
        match to {
            Side::Board => self.to_board.queued(now),
            Side::Peer => self.to_peer.queued(now),
        }
    }

    /// Frames that were sent and not taken yet, both ways.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.to_board.held.len() + self.to_peer.held.len()
    }

    /// When the next frame arrives at that side.
    #[must_use]
    pub fn next_arrival(&self, to: Side) -> Option<Instant> {
        match to {
            Side::Board => self.to_board.next_arrival(),
            Side::Peer => self.to_peer.next_arrival(),
        }
    }
}
