//! One direction of a connection, as far as it was seen.

use smoltcp::time::{Duration, Instant};

use super::mark::Mark;
use super::roundtrip::{Outstanding, passed};
use super::seq::after;
use crate::segment::Segment;

/// Holes in a direction's sequence numbers that are remembered.
const HOLES_MAX: usize = 32;
/// The same frame again within this time is a duplicate: no retransmission timer is as short.
const DUPLICATE: Duration = Duration::from_millis(1);
/// How long after a later segment another is out of order, where the round-trip time is not known.
const OUT_OF_ORDER: Duration = Duration::from_millis(3);
/// How soon a fast retransmission follows the duplicate ACKs.
const FAST: Duration = Duration::from_millis(20);

/// Whether that little time is between the two. A capture's times may be anything.
fn within(now: Instant, since: Instant, limit: Duration) -> bool {
    let passed = now.total_micros().saturating_sub(since.total_micros());
    passed.unsigned_abs() < limit.total_micros()
}

/// What the last segment asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Nothing,
    KeepAlive,
    WindowProbe,
}

/// A SYN's offer to shift windows, and whether it is an answer.
#[derive(Clone, Copy, Debug)]
struct Syn {
    scale: Option<u8>,
    is_answer: bool,
    at: Instant,
}

/// What was seen of one direction.
#[derive(Debug)]
pub(super) struct HalfConnection {
    pub(super) initial: u32,
    /// A segment had a right checksum.
    pub(super) sound: bool,
    /// The sequence number after the last one sent, and when that was.
    next: Option<(u32, Instant)>,
    /// Sequence numbers below `next` that were not seen, lowest first, as start and end.
    holes: Vec<(u32, u32)>,
    /// What the peer has acknowledged, seen or not.
    covered: Option<u32>,
    /// Up to where it was told that the peer acknowledges what was not seen, and whether nothing new was seen since
    /// it acknowledged more than that.
    told: Option<u32>,
    quiet: bool,
    /// The last acknowledgement sent, when, and how often again.
    acked: Option<(u32, Instant)>,
    again: u32,
    pub(super) window: Option<u32>,
    /// Likewise as the header has it, which is what makes an acknowledgement the same again, as Wireshark has it.
    field: Option<u16>,
    /// By how much windows are shifted, if that is known.
    scale: Option<u8>,
    syn: Option<Syn>,
    /// From this side's SYN to its first acknowledgement.
    pub(super) round_trip: Option<Duration>,
    asked: Asked,
    /// Hash and time of the last segment that took sequence numbers.
    last: Option<(u64, Instant)>,
    outstanding: Outstanding,
    /// The number after a window probe's byte, which the peer need not take.
    probed: Option<u32>,
}

/// What the other direction's segments say about this one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    /// The number up to which everything was seen, or acknowledged.
    seen: Option<u32>,
    told: Option<u32>,
    quiet: bool,
    probed: Option<u32>,
    acked: Option<(u32, Instant)>,
    again: u32,
    window: Option<u32>,
    scale: Option<u8>,
    syn: Option<Syn>,
    round_trip: Option<Duration>,
    asked: Asked,
}

impl Peer {
    /// Whether the segment takes all the room that is left here.
    pub(super) fn is_filled_by(&self, segment: &Segment) -> bool {
        let (Some((acked, _)), Some(window), Some(_)) = (self.acked, self.window, self.scale)
        else {
            return false;
        };
        let end = segment.seq.wrapping_add(segment.len as u32);
        segment.len > 0 && !segment.syn && !segment.fin && end == acked.wrapping_add(window)
    }

    /// Whether an acknowledgement of that number tells that something was not seen. Once it has, the next ones that
    /// only say more of the same do not.
    pub(super) fn lacks(&self, number: u32) -> bool {
        let beyond = |limit: Option<u32>| limit.is_none_or(|limit| after(number, limit));
        let taken = self.probed == Some(number);
        self.seen.is_some() && beyond(self.seen) && beyond(self.told) && !self.quiet && !taken
    }

    fn has_acked(&self, number: u32) -> bool {
        self.acked.is_some_and(|(acked, _)| acked == number)
    }
}

impl HalfConnection {
    pub(super) fn new(initial: u32) -> Self {
        Self {
            initial,
            sound: false,
            next: None,
            holes: Vec::new(),
            covered: None,
            told: None,
            quiet: false,
            acked: None,
            again: 0,
            window: None,
            field: None,
            scale: None,
            syn: None,
            round_trip: None,
            asked: Asked::Nothing,
            last: None,
            outstanding: Outstanding::default(),
            probed: None,
        }
    }

    pub(super) fn view(&self) -> Peer {
        let open = |stop: u32| self.covered.is_none_or(|covered| after(stop, covered));
        let hole = self.holes.iter().find(|&&(_, stop)| open(stop));
        let next = self.next.map(|(next, _)| next);
        let whole = hole.map(|&(start, _)| start).or(next);
        Peer {
            seen: whole.map(|seen| self.covered.filter(|&c| after(c, seen)).unwrap_or(seen)),
            told: self.told,
            quiet: self.quiet,
            probed: self.probed,
            acked: self.acked,
            again: self.again,
            window: self.window,
            scale: self.scale,
            syn: self.syn,
            round_trip: self.round_trip,
            asked: self.asked,
        }
    }

    /// Takes what the segment says of windows and times. Returns by how much its side's windows are shifted, if
    /// that is known: both SYNs have to offer it (RFC 7323, 2.2), and one that answers does so only to an offer.
    pub(super) fn learn(
        &mut self,
        now: Instant,
        segment: &Segment,
        peer: Option<Peer>,
    ) -> Option<u8> {
        if segment.syn {
            let (scale, is_answer) = (segment.window_scale, segment.ack);
            let at = self.syn.map_or(now, |first| first.at);
            self.syn = Some(Syn { scale, is_answer, at });
        } else if segment.ack
            && self.round_trip.is_none()
            && let Some(syn) = self.syn.filter(|syn| !syn.is_answer)
        {
            self.round_trip = Some(passed(syn.at, now));
        }
        match (self.syn, peer.and_then(|peer| peer.syn)) {
            (Some(mine), Some(theirs)) => Some(mine.scale.filter(|_| theirs.scale.is_some())),
            (Some(mine), None) if mine.is_answer || mine.scale.is_none() => Some(mine.scale),
            (None, Some(theirs)) if theirs.scale.is_none() => Some(None),
            _ => None,
        }
        .map(|scale| scale.unwrap_or(0).min(14))
    }

    /// What the segment is, first of all.
    pub(super) fn mark(
        &mut self,
        now: Instant,
        segment: &Segment,
        peer: Option<Peer>,
        hash: u64,
    ) -> Option<Mark> {
        let size = size(segment);
        self.asked = Asked::Nothing;
        let Some((next, _)) = self.next else {
            self.next = Some((segment.seq.wrapping_add(size), now));
            // What was sent before the capture began may come yet.
            let acked = peer.and_then(|peer| peer.acked).map(|(acked, _)| acked);
            if let Some(acked) = acked.filter(|&acked| after(segment.seq, acked)) {
                self.holes.push((acked, segment.seq));
                self.covered = Some(segment.seq);
            }
            self.last = (size > 0).then_some((hash, now));
            self.time(now, segment, size, None);
            return None;
        };
        let probe = is_probe(segment, next, peer);
        let mark = if size == 0 || probe {
            self.mark_empty(now, segment, next, peer)
        } else {
            self.mark_data(now, segment, peer, hash)
        };
        match mark {
            Some(Mark::KeepAlive) => self.asked = Asked::KeepAlive,
            Some(Mark::WindowProbe) => {
                self.asked = Asked::WindowProbe;
                if segment.len == 1 && segment.seq == next {
                    self.probed = Some(next.wrapping_add(1));
                }
            }
            _ => {}
        }
        if size > 0 && mark != Some(Mark::KeepAlive) {
            self.last = Some((hash, now));
            self.time(now, segment, size, mark);
        }
        mark
    }

    /// Remembers when a segment was sent, for the round trip, unless it was sent before.
    fn time(&mut self, now: Instant, segment: &Segment, size: u32, mark: Option<Mark>) {
        match mark {
            None | Some(Mark::Gap) if size > 0 => {
                self.outstanding.sent(segment.seq.wrapping_add(size), now);
            }
            Some(mark) if mark.is_retransmission() => self.outstanding.resent(segment.seq),
            _ => {}
        }
    }

    fn mark_empty(
        &mut self,
        now: Instant,
        segment: &Segment,
        next: u32,
        peer: Option<Peer>,
    ) -> Option<Mark> {
        let no_room = peer.and_then(|peer| peer.window) == Some(0);
        if is_probe(segment, next, peer) && (segment.len == 1 || segment.seq != next) {
            return Some(if no_room { Mark::WindowProbe } else { Mark::KeepAlive });
        }
        if after(segment.seq, next) {
            self.advance(now, segment.seq, segment.seq);
            return Some(Mark::Gap);
        }
        let asked = peer.map_or(Asked::Nothing, |peer| peer.asked);
        let acked = self.acked.map(|(acked, _)| acked);
        if !segment.ack || segment.seq != next || self.field != Some(segment.window) {
            return None;
        }
        let probed = acked.is_some_and(|acked| segment.ack_number.wrapping_sub(acked) <= 1);
        if asked == Asked::WindowProbe && segment.window == 0 && probed {
            return Some(Mark::WindowProbeAnswer);
        }
        if acked != Some(segment.ack_number) {
            return None;
        }
        if asked == Asked::KeepAlive {
            return Some(Mark::KeepAliveAnswer);
        }
        (segment.window > 0).then(|| {
            self.again += 1;
            Mark::DuplicateAck(self.again)
        })
    }

    fn mark_data(
        &mut self,
        now: Instant,
        segment: &Segment,
        peer: Option<Peer>,
        hash: u64,
    ) -> Option<Mark> {
        let (next, next_at) = self.next?;
        let (start, end) = (segment.seq, segment.seq.wrapping_add(size(segment)));
        let new = after(end, next);
        if new && !after(next, start) {
            let mark = after(start, next).then_some(Mark::Gap);
            self.advance(now, start, end);
            return mark;
        }
        let unseen = self.fill(start, end);
        if new {
            self.advance(now, next, end);
        }
        if self.last.is_some_and(|(last, at)| last == hash && within(now, at, DUPLICATE)) {
            return Some(Mark::Duplicate);
        }
        let asked_for = peer.is_some_and(|peer| {
            peer.again >= 2
                && peer.acked.is_some_and(|(acked, at)| acked == start && within(now, at, FAST))
        });
        let round_trip = self.round_trip.or_else(|| peer.and_then(|peer| peer.round_trip));
        let acked = peer.and_then(|peer| peer.acked);
        Some(if asked_for {
            Mark::FastRetransmission
        } else if unseen && within(now, next_at, round_trip.unwrap_or(OUT_OF_ORDER)) {
            Mark::OutOfOrder
        } else if segment.len > 0 && acked.is_some_and(|(acked, _)| !after(end, acked)) {
            Mark::SpuriousRetransmission
        } else {
            Mark::Retransmission
        })
    }

    /// Sends up to `end` from `start` on, before which there may be a hole.
    fn advance(&mut self, now: Instant, start: u32, end: u32) {
        if let Some((next, _)) = self.next
            && after(start, next)
        {
            if self.holes.len() >= HOLES_MAX {
                // The first one, which is the first to have been acknowledged.
                self.holes.remove(0);
            }
            self.holes.push((next, start));
        }
        self.quiet = false;
        self.probed = None;
        self.next = Some((end, now));
    }

    /// Takes these numbers out of the holes; whether they were all in one.
    fn fill(&mut self, start: u32, end: u32) -> bool {
        let mut unseen = false;
        let mut holes = Vec::new();
        for &(first, stop) in &self.holes {
            unseen |= !after(first, start) && !after(end, stop);
            let before = (first, if after(start, stop) { stop } else { start });
            let behind = (if after(first, end) { first } else { end }, stop);
            let apart = !after(end, first) || !after(stop, start);
            let parts = if apart { [(first, stop), (stop, stop)] } else { [before, behind] };
            holes.extend(parts.into_iter().filter(|&(first, stop)| after(stop, first)));
        }
        holes.truncate(HOLES_MAX);
        self.holes = holes;
        unseen
    }

    /// Remembers what the segment said for itself.
    pub(super) fn sent(&mut self, now: Instant, segment: &Segment, window: u32, scale: Option<u8>) {
        (self.window, self.field, self.scale) = (Some(window), Some(segment.window), scale);
        if segment.ack {
            if self.acked.is_none_or(|(acked, _)| acked != segment.ack_number) {
                self.again = 0;
            }
            self.acked = Some((segment.ack_number, now));
        }
    }

    /// The peer sends a segment: it may acknowledge this direction's numbers, perhaps more than were seen, which
    /// makes none of those seen; whether that is told. Returns how long ago what it acknowledges was sent.
    pub(super) fn heard(
        &mut self,
        now: Instant,
        segment: &Segment,
        unseen: bool,
    ) -> Option<Duration> {
        if !segment.ack {
            return None;
        }
        let number = segment.ack_number;
        if self.probed == Some(number) {
            self.advance(now, number, number);
        }
        if let Some((next, _)) = self.next.filter(|_| unseen) {
            let whole = self.view().seen.is_some_and(|seen| !after(next, seen));
            self.told = Some(next);
            self.quiet = whole && after(number, next);
        }
        if self.covered.is_none_or(|covered| after(number, covered)) {
            self.covered = Some(number);
        }
        self.outstanding.acknowledged(number, now)
    }

    /// A segment with a wrong checksum was sent all the same, if it is what was to come.
    pub(super) fn count_broken(&mut self, now: Instant, segment: &Segment) {
        if self.next.is_some_and(|(next, _)| next == segment.seq) {
            self.advance(now, segment.seq, segment.seq.wrapping_add(size(segment)));
        }
    }
}

/// The sequence numbers that a segment takes.
fn size(segment: &Segment) -> u32 {
    segment.len as u32 + u32::from(segment.syn) + u32::from(segment.fin)
}

/// Whether the segment, with no or one byte, only wants an answer: a keep-alive is what the peer has
/// acknowledged already (RFC 9293, 3.8.4), a window probe has one byte for a peer without room.
fn is_probe(segment: &Segment, next: u32, peer: Option<Peer>) -> bool {
    let old = segment.seq == next.wrapping_sub(1);
    let acked = peer.is_some_and(|peer| peer.has_acked(next));
    let no_room = peer.and_then(|peer| peer.window) == Some(0);
    let small = segment.len <= 1 && !segment.syn && !segment.fin;
    small && ((old && (segment.len == 0 || acked)) || (no_room && segment.seq == next))
}
