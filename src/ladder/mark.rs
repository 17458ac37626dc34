//! What a segment is in view of the segments before: a retransmission, a keep-alive, out of order.
//!
//! Told from the frames alone, as an observer at the sender sees them, dropped ones included; the rules
//! are Wireshark's, simplified. Each direction of a connection is remembered in some 200 bytes, and at
//! most [`DIRECTIONS`] of them. A segment whose checksum is wrong is marked so and changes nothing.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;

use smoltcp::time::{Duration, Instant};

use crate::segment::{DIRECTIONS, Segment};

/// Holes in a direction's sequence numbers that are remembered.
const HOLES_MAX: usize = 8;
/// The same frame again within this time is a duplicate: no retransmission timer is as short.
const DUPLICATE: Duration = Duration::from_millis(1);

/// What a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// All or a part of it was sent before.
    Retransmission,
    /// The same frame was there a moment ago.
    Duplicate,
    /// It acknowledges the same again, with the same window, while data is under way.
    DuplicateAck,
    /// It begins after what was sent so far: something was not captured.
    Gap,
    /// It fills such a gap.
    OutOfOrder,
    /// Its sender has no room.
    ZeroWindow,
    /// It asks whether the peer still has no room.
    WindowProbe,
    /// It asks whether the peer is still there.
    KeepAlive,
    /// Its checksum is wrong.
    BadChecksum,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Retransmission => "retransmission",
            Self::Duplicate => "duplicate",
            Self::DuplicateAck => "duplicate ACK",
            Self::Gap => "after a gap",
            Self::OutOfOrder => "out of order",
            Self::ZeroWindow => "zero window",
            Self::WindowProbe => "window probe",
            Self::KeepAlive => "keep-alive",
            Self::BadChecksum => "bad checksum",
        })
    }
}

/// What was found out about a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) marks: Vec<Mark>,
    /// The window in bytes, if it is new or 0.
    pub(super) window: Option<u32>,
}

/// One direction of a connection.
#[derive(Debug)]
struct HalfConnection {
    ends: (SocketAddr, SocketAddr),
    initial: u32,
    /// The sequence number after the last one sent.
    next: u32,
    /// Sequence numbers below `next` that were not seen, lowest first, as start and end.
    holes: Vec<(u32, u32)>,
    acked: Option<u32>,
    window: Option<u32>,
    /// From the SYN, once that was seen: whether windows are shifted, and by how much.
    scale: Option<u8>,
    /// Hash and time of the last segment that took sequence numbers.
    last: Option<(u64, Instant)>,
}

/// Remembers connections.
#[derive(Debug, Default)]
pub(super) struct Marker {
    directions: VecDeque<HalfConnection>,
}

/// `a - b` of sequence numbers that are less than 2 GiB apart.
fn difference(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b).cast_signed()
}

impl Marker {
    /// Looks at the next segment, which came in `frame`.
    pub(super) fn look(&mut self, now: Instant, segment: &Segment, frame: &[u8]) -> Seen {
        if !segment.sound {
            return Seen { marks: vec![Mark::BadChecksum], window: None };
        }
        if segment.rst {
            return Seen::default();
        }
        let ends = (segment.source, segment.destination);
        let size = segment.len as u32 + u32::from(segment.syn) + u32::from(segment.fin);
        let there = self.direction(ends, segment);
        let fresh = self.directions[there].last.is_none() && self.directions[there].acked.is_none();
        let mut marks = Vec::new();
        let back = self.directions.iter().position(|d| d.ends == (ends.1, ends.0));
        let peer = back.map(|back| self.directions[back].view());
        let window = self.directions[there].scaled(segment, peer);
        let direction = &mut self.directions[there];
        if segment.window == 0 && !segment.syn {
            marks.push(Mark::ZeroWindow);
        }
        let mark = if fresh {
            direction.next = segment.seq.wrapping_add(size);
            None
        } else if size == 0 || direction.is_probe(segment, peer) {
            direction.mark_empty(segment, window, peer)
        } else {
            direction.mark_data(now, segment, size, frame)
        };
        marks.extend(mark);
        if size > 0 && mark != Some(Mark::KeepAlive) {
            direction.last = Some((hash(frame), now));
        }
        let shown = direction.window != Some(window) || window == 0;
        direction.window = Some(window);
        if segment.ack {
            direction.acked = Some(segment.ack_number);
            if let Some(back) = back {
                self.directions[back].acknowledged(segment.ack_number);
            }
        }
        Seen { marks, window: shown.then_some(window) }
    }

    /// The place of a segment's direction; a new one if it is another connection's.
    fn direction(&mut self, ends: (SocketAddr, SocketAddr), segment: &Segment) -> usize {
        let known = self.directions.iter().position(|d| d.ends == ends);
        if let Some(index) = known {
            if self.directions[index].initial == segment.initial {
                return index;
            }
            self.directions.remove(index);
        }
        if self.directions.len() >= DIRECTIONS {
            self.directions.pop_front();
        }
        self.directions.push_back(HalfConnection {
            ends,
            initial: segment.initial,
            next: segment.seq,
            holes: Vec::new(),
            acked: None,
            window: None,
            scale: None,
            last: None,
        });
        self.directions.len() - 1
    }
}

/// What the other direction's segments say about this one.
#[derive(Clone, Copy, Debug)]
struct Peer {
    next: u32,
    acked: Option<u32>,
    window: Option<u32>,
    scale: Option<u8>,
}

impl HalfConnection {
    const fn view(&self) -> Peer {
        Peer { next: self.next, acked: self.acked, window: self.window, scale: self.scale }
    }

    /// The segment's window in bytes. Windows are shifted if both SYNs offer it (RFC 7323, 2.2), and
    /// those of SYNs never are.
    fn scaled(&mut self, segment: &Segment, peer: Option<Peer>) -> u32 {
        if segment.syn {
            self.scale = segment.window_scale;
        }
        let both = peer.and_then(|peer| peer.scale).and(self.scale);
        let shift = if segment.syn { 0 } else { both.unwrap_or(0).min(14) };
        u32::from(segment.window) << shift
    }

    /// Whether the segment, with no or one byte, only wants an answer: a keep-alive is what the peer has
    /// acknowledged already (RFC 9293, 3.8.4), a window probe has one byte for a peer without room.
    fn is_probe(&self, segment: &Segment, peer: Option<Peer>) -> bool {
        let old = segment.seq == self.next.wrapping_sub(1);
        let acked = peer.and_then(|peer| peer.acked) == Some(self.next);
        let no_room = peer.and_then(|peer| peer.window) == Some(0);
        let small = segment.len <= 1 && !segment.syn && !segment.fin;
        small && ((old && (segment.len == 0 || acked)) || (no_room && segment.seq == self.next))
    }

    fn mark_empty(&self, segment: &Segment, window: u32, peer: Option<Peer>) -> Option<Mark> {
        let no_room = peer.and_then(|peer| peer.window) == Some(0);
        if self.is_probe(segment, peer) && (segment.len == 1 || segment.seq != self.next) {
            return Some(if no_room { Mark::WindowProbe } else { Mark::KeepAlive });
        }
        let under_way = peer.is_some_and(|peer| difference(peer.next, segment.ack_number) > 0);
        let same = self.acked == Some(segment.ack_number) && self.window == Some(window);
        (segment.ack && same && under_way).then_some(Mark::DuplicateAck)
    }

    fn mark_data(
        &mut self,
        now: Instant,
        segment: &Segment,
        size: u32,
        frame: &[u8],
    ) -> Option<Mark> {
        let end = segment.seq.wrapping_add(size);
        let ahead = difference(segment.seq, self.next);
        if difference(end, self.next) > 0 {
            if ahead > 0 && self.holes.len() < HOLES_MAX {
                self.holes.push((self.next, segment.seq));
            }
            self.next = end;
            return match ahead {
                0 => None,
                1.. => Some(Mark::Gap),
                _ => Some(Mark::Retransmission),
            };
        }
        let hole = self.holes.iter().position(|&(start, stop)| {
            difference(segment.seq, start) >= 0 && difference(segment.seq, stop) < 0
        });
        if let Some(hole) = hole {
            let (start, stop) = self.holes.remove(hole);
            let parts = [(start, segment.seq), (end, stop)];
            let rest = parts.into_iter().filter(|(start, stop)| difference(*stop, *start) > 0);
            self.holes.extend(rest);
            self.holes.truncate(HOLES_MAX);
            return Some(Mark::OutOfOrder);
        }
        // A capture's times may be anything.
        let soon = |at: Instant| {
            let since = now.total_micros().saturating_sub(at.total_micros());
            since < DUPLICATE.total_micros().cast_signed()
        };
        let again = self.last.is_some_and(|(last, at)| last == hash(frame) && soon(at));
        Some(if again { Mark::Duplicate } else { Mark::Retransmission })
    }

    /// The peer acknowledges this direction's numbers, perhaps more than were seen.
    fn acknowledged(&mut self, number: u32) {
        if difference(number, self.next) > 0 {
            self.next = number;
        }
        self.holes.retain(|&(_, stop)| difference(stop, number) > 0);
    }
}

fn hash(frame: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    frame.hash(&mut hasher);
    hasher.finish()
}
