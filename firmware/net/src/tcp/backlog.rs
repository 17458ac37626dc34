//! Connection requests that found no slot, remembered until one is free.
//!
//! A SYN that cannot be served is answered with silence, and its sender asks again, but only after 1, 3
//! and 7 s (RFC 6298). So the stack keeps [the essence](super::held) of the last such SYNs, 28 bytes each with
//! IPv4 alone and 56 with IPv6, and when a slot is free lets the oldest in again as if it had just arrived. To
//! the peer it is a SYN-ACK that took a while. Nothing depends on it: a request that has become too old comes in with its
//! sender's next SYN. One that finds no place here is part of a flood: a handshake gives way to it, or it gets a cookie, and where
//! neither can be, the oldest request is forgotten.

use heapless::VecView;
use smoltcp::time::Instant;
use smoltcp::wire::TcpSeqNumber;

use super::held::{Held, clock};
use crate::frame::FourTuple;
#[cfg(feature = "syn-cookies")]
use crate::limits::COOKIE;
use crate::limits::{FLOOD, SYN_HELD};
use crate::workaround::inject::InjectedSegment;

/// Sooner than this nobody asks again (RFC 6298 2.1: a second); that is a duplicate, or somebody in a hurry.
const REPEAT_MIN: u32 = 500_000 >> 10;

/// Room for `N` requests. It is empty when all its bytes are zero.
#[derive(Debug, Default)]
pub struct Backlog<const N: usize = 32> {
    held: heapless::Vec<Held, N>,
}

impl<const N: usize> Backlog<N> {
    /// Nobody waits.
    #[must_use]
    pub const fn new() -> Self {
        Self { held: heapless::Vec::new() }
    }
}

/// A [`Backlog`] of any size, borrowed: the queue, oldest first.
#[derive(Debug)]
pub struct BacklogView<'a> {
    held: &'a mut VecView<Held>,
    /// When there were last too many requests, or long before.
    flooded: Instant,
}

/// Memory may be lent again, to who knows nothing of what was before: it is emptied.
impl<'a, const N: usize> From<&'a mut Backlog<N>> for BacklogView<'a> {
    fn from(backlog: &'a mut Backlog<N>) -> Self {
        backlog.held.clear();
        let flooded = Instant::from_micros_const(i64::MIN / 2);
        Self { held: backlog.held.as_mut_view(), flooded }
    }
}

impl BacklogView<'_> {
    /// How many it has room for.
    pub(crate) fn capacity(&self) -> usize {
        self.held.capacity()
    }

    /// Remembers a SYN. A request known already moves to the end; when the
    /// queue is full, the oldest makes room. Says whether none had to.
    pub(crate) fn hold(&mut self, mut held: Held) -> bool {
        let known = self.find(&held.ends);
        let room = known.is_some() || !self.held.is_full();
        if self.held.capacity() > 0 && (known.is_some() || !room) {
            let before = self.remove(known.unwrap_or(0));
            if known.is_some() && before.seq_number == held.seq_number {
                let again = held.at.wrapping_sub(before.at) >= REPEAT_MIN;
                held.repeats = before.repeats.saturating_add(u8::from(again));
            }
        }
        let _ = self.held.push(held);
        room
    }

    #[inline(never)]
    fn find(&self, ends: &FourTuple) -> Option<usize> {
        self.held.iter().position(|held| held.ends == *ends)
    }

    /// Whether there are too many requests to remember, of which there is another one: it would put out one whose sender may
    /// still be waiting, or would have a moment ago. A flood is over when it is over.
    pub(crate) fn floods(&mut self, now: Instant) -> bool {
        let waits = |held: &Held| held.is_fresh(clock(now));
        let full = self.held.is_full() && self.held.first().is_some_and(waits);
        let floods = (full && self.held.len() >= FLOOD) || now < self.flooded + SYN_HELD;
        if floods {
            self.flooded = now;
        }
        floods
    }

    /// Whether somebody may still have a cookie to give back.
    #[cfg(feature = "syn-cookies")]
    pub(crate) fn had_flood(&self, now: Instant) -> bool {
        now < self.flooded + COOKIE
    }

    /// Forgets a connection request that a reset with number `seq` takes back (RFC 5961 3.2).
    pub(crate) fn take_back(&mut self, ends: &FourTuple, seq: TcpSeqNumber) {
        if let Some(index) = self.find(ends)
            && self.held[index].seq_number + 1 == seq
        {
            self.held.remove(index);
        }
    }

    /// Forgets what is known of a connection request: it was served.
    pub(crate) fn forget(&mut self, ends: &FourTuple) {
        if let Some(index) = self.find(ends) {
            self.remove(index);
        }
    }

    #[inline(never)]
    fn remove(&mut self, index: usize) -> Held {
        self.held.remove(index)
    }

    /// The ports that somebody waits for, the oldest's first. Who has asked but once may be nobody: a flood of forged
    /// requests names as many senders.
    pub(crate) fn ports(&self, now: Instant) -> impl Iterator<Item = u16> + use<'_> {
        let now = clock(now);
        let waits = move |held: &&Held| held.repeats > 0 && held.is_fresh(now);
        self.held.iter().filter(waits).map(|held| held.ends.local.port)
    }

    /// Whether somebody waits for `port`, be it for the first time.
    pub(crate) fn has(&self, port: u16, now: Instant) -> bool {
        let now = clock(now);
        self.held.iter().any(|held| held.ends.local.port == port && held.is_fresh(now))
    }

    /// The oldest request for a port that `has_slot` says has a slot; first of all of those who have asked again.
    pub(crate) fn ready(&self, now: Instant, has_slot: impl Fn(u16) -> bool) -> Option<usize> {
        let now = clock(now);
        let mut first = None;
        for (index, held) in self.held.iter().enumerate() {
            if held.is_fresh(now) && has_slot(held.ends.local.port) {
                if held.repeats > 0 {
                    return Some(index);
                }
                first = first.or(Some(index));
            }
        }
        first
    }

    /// Takes a request out. Those that have become too old go with it.
    #[inline(never)]
    pub(crate) fn take(&mut self, index: usize, now: Instant) -> InjectedSegment {
        let now = clock(now);
        let held = self.remove(index);
        while let Some(stale) = self.held.iter().position(|held| !held.is_fresh(now)) {
            self.remove(stale);
        }
        held.write()
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use core::num::{NonZeroU8, NonZeroU16};

    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::time::Duration;
    use smoltcp::wire::{IpAddress, IpEndpoint, Ipv4Address, TcpControl, TcpRepr};

    use super::*;
    use crate::frame::{Content, Segment};
    use crate::limits::SYN_HELD_MAX;
    use crate::workaround::inject::bare;

    const SIZE: usize = 32;

    fn ends(remote_port: u16) -> FourTuple {
        let address = |last| IpAddress::Ipv4(Ipv4Address::new(192, 0, 2, last));
        FourTuple {
            local: IpEndpoint::new(address(1), 7),
            remote: IpEndpoint::new(address(2), remote_port),
        }
    }

    fn syn(remote_port: u16) -> Vec<u8> {
        let held = Held {
            at: 0,
            seq_number: TcpSeqNumber(-5),
            ends: ends(remote_port),
            window_len: 64240,
            max_seg_size: NonZeroU16::new(1460),
            window_scale: NonZeroU8::new(7 + 1),
            sack_permitted: true,
            repeats: 0,
        };
        held.write().bytes().to_vec()
    }

    fn parse(frame: &[u8]) -> Segment<'_> {
        Content::parse(frame).segment().unwrap()
    }

    fn read(frame: &[u8], now: Instant) -> Option<Held> {
        Held::read(&parse(frame), now, &ChecksumCapabilities::default())
    }

    fn hold_at(backlog: &mut BacklogView<'_>, frame: &[u8], now: Instant) -> bool {
        read(frame, now).is_some_and(|held| backlog.hold(held))
    }

    fn hold(backlog: &mut BacklogView<'_>, frame: &[u8]) -> bool {
        hold_at(backlog, frame, Instant::ZERO)
    }

    fn take(
        backlog: &mut BacklogView<'_>,
        now: Instant,
        has_slot: impl Fn(u16) -> bool,
    ) -> Option<InjectedSegment> {
        let index = backlog.ready(now, has_slot)?;
        Some(backlog.take(index, now))
    }

    fn next(backlog: &mut BacklogView<'_>) -> Option<InjectedSegment> {
        take(backlog, Instant::ZERO, |_| true)
    }

    #[test]
    fn a_request_comes_back_as_it_went_in() {
        let mut memory = Backlog::<SIZE>::new();
        let mut backlog = BacklogView::from(&mut memory);
        let frame = syn(50_000);
        assert!(hold(&mut backlog, &frame));
        assert!(take(&mut backlog, Instant::ZERO, |port| port == 9).is_none());
        let again = take(&mut backlog, Instant::ZERO, |port| port == 7).unwrap();
        assert_eq!(again.bytes(), frame);
        assert!(next(&mut backlog).is_none());
    }

    #[test]
    fn the_padding_of_a_short_frame_is_no_part_of_a_request() {
        // With the MSS as its only option it has 44 bytes, and Ethernet carries 46 at least.
        let mut frame = syn(50_000);
        let mut held = read(&frame, Instant::ZERO).unwrap();
        (held.window_scale, held.sack_permitted) = (None, false);
        frame = held.write().bytes().to_vec();
        assert_eq!(frame.len(), 44);
        let short = frame.clone();
        frame.resize(46, 0);
        let mut memory = Backlog::<SIZE>::new();
        let mut backlog = BacklogView::from(&mut memory);
        assert!(hold(&mut backlog, &frame));
        assert_eq!(next(&mut backlog).unwrap().bytes(), short);
    }

    #[test]
    fn every_option_comes_back_as_it_was_and_a_request_without_room_for_data_does_not() {
        for (max_seg_size, window_scale, sack_permitted) in [
            (None, None, false),
            (Some(1), Some(0), false),
            (Some(u16::MAX), Some(14), true),
            (Some(0), Some(7), true),
        ] {
            let ends = ends(50_000);
            let tcp = TcpRepr {
                window_scale,
                max_seg_size,
                sack_permitted,
                control: TcpControl::Syn,
                ..bare(TcpControl::None, &ends, TcpSeqNumber(7), None, 1000)
            };
            let frame = InjectedSegment::new(&tcp, &ends);
            let mut memory = Backlog::<SIZE>::new();
            let mut backlog = BacklogView::from(&mut memory);
            let held = hold(&mut backlog, frame.bytes());
            assert_eq!(held, max_seg_size != Some(0));
            let again = next(&mut backlog);
            assert_eq!(again.is_some(), held);
            assert!(again.is_none_or(|again| again.bytes() == frame.bytes()), "{tcp:?}");
        }
    }

    #[test]
    fn the_oldest_comes_first_repeats_move_back_and_the_full_queue_forgets_the_oldest() {
        let mut memory = Backlog::<SIZE>::new();
        let mut backlog = BacklogView::from(&mut memory);
        for port in 0..SIZE as u16 {
            let frame = syn(50_000 + port);
            assert!(hold(&mut backlog, &frame));
        }
        let frame = syn(50_000);
        assert!(hold(&mut backlog, &frame), "a repeat needs no room");
        let frame = syn(60_000);
        assert!(!hold(&mut backlog, &frame));
        let first = next(&mut backlog).unwrap();
        assert_eq!(first.bytes(), syn(50_002));
    }

    #[test]
    fn who_has_asked_again_comes_first_and_a_duplicate_is_no_question() {
        let second = |at| Instant::ZERO + Duration::from_secs(at);
        for (again, first) in [(0, 50_002), (1, 50_000)] {
            let mut memory = Backlog::<SIZE>::new();
            let mut backlog = BacklogView::from(&mut memory);
            for (port, at) in [(50_000, 0), (50_002, 0), (50_000, again), (50_001, 1)] {
                hold_at(&mut backlog, &syn(port), second(at));
            }
            assert_eq!(backlog.ports(second(1)).count(), usize::from(again > 0));
            assert_eq!(take(&mut backlog, second(1), |_| true).unwrap().bytes(), syn(first));
        }
    }

    #[test]
    fn old_taken_back_and_broken_requests_do_not_come_back() {
        let mut frame = syn(50_000);
        // The clock of what is held wraps within the second one's time.
        for start in [0, (1 << 42) - 1] {
            let start = Instant::ZERO + Duration::from_micros(start);
            let unit = Duration::from_micros(1024);
            let mut memory = Backlog::<SIZE>::new();
            let mut backlog = BacklogView::from(&mut memory);
            hold_at(&mut backlog, &frame, start);
            assert!(backlog.ready(start + SYN_HELD - unit * 2, |_| true).is_some());
            assert!(backlog.ready(start + SYN_HELD + unit, |_| true).is_none());
            let late = start + SYN_HELD + unit;
            assert!(take(&mut backlog, late, |_| true).is_none());
            let other = syn(50_001);
            hold_at(&mut backlog, &other, late);
            assert_eq!(take(&mut backlog, late, |_| true).unwrap().bytes(), other);
            assert!(backlog.held.is_empty());
        }
        let mut memory = Backlog::<SIZE>::new();
        let mut backlog = BacklogView::from(&mut memory);
        assert!(hold(&mut backlog, &frame));
        for seq in [-5, -3, -4] {
            assert!(backlog.ready(Instant::ZERO, |_| true).is_some(), "before {seq}");
            backlog.take_back(&ends(50_000), TcpSeqNumber(seq));
        }
        assert!(next(&mut backlog).is_none());
        *frame.last_mut().unwrap() ^= 1;
        assert!(!hold(&mut backlog, &frame));
        assert!(next(&mut backlog).is_none());
    }

    /// As long as its sender doubles the time between its SYNs, and one of them may be lost.
    #[test]
    fn who_asks_again_is_remembered_until_it_does_so_once_more() {
        let frame = syn(50_000);
        let second = |at| Instant::ZERO + Duration::from_secs(at);
        let asked_at = [0, 1, 3, 7, 15, 31, 63];
        for lost in 0..asked_at.len() {
            let mut memory = Backlog::<SIZE>::new();
            let mut backlog = BacklogView::from(&mut memory);
            let heard = asked_at.iter().enumerate().filter(|&(number, _)| number != lost);
            for (index, (_, &at)) in heard.enumerate() {
                assert!(index == 0 || backlog.ready(second(at), |_| true).is_some(), "{lost} {at}");
                hold_at(&mut backlog, &frame, second(at));
            }
            let last = if lost == asked_at.len() - 1 { 31 } else { 63 };
            assert!(backlog.ready(second(last) + SYN_HELD_MAX, |_| true).is_none());
        }
    }
}
