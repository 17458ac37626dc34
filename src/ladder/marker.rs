//! Finds out what each segment is: a retransmission, a keep-alive, out of order.
//!
//! Told from the frames alone, as an observer beside the sender sees them, dropped ones included; the rules are
//! Wireshark's, except where it calls out of order what it has seen already. Each direction of a connection is
//! remembered in some 300 bytes, the latest 32,768 at least. A segment whose checksum is wrong counts as sent
//! where it is what comes next, and in a connection that has no segment with a right one.

use std::hash::{DefaultHasher, Hash, Hasher};

use smoltcp::time::{Duration, Instant};

use super::half::{HalfConnection, Peer};
use super::mark::Mark;
use crate::segment::{FourTuple, Recent, Segment};

/// What was found out about a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) marks: Vec<Mark>,
    /// The window, unless the segment is one that tells of none that can be believed.
    pub(super) window: Option<Window>,
    /// How long before a segment was sent that this one acknowledges.
    pub(super) round_trip: Option<Duration>,
    /// How long before its SYN was sent, if it is the first acknowledgement after that.
    pub(super) handshake: Option<Duration>,
}

/// A segment's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// In bytes, scaled as far as that is known.
    pub(super) bytes: u32,
    /// It may have to be scaled: the SYNs were not captured.
    pub(super) unscaled: bool,
    /// It is another than its sender's last one, or 0.
    pub(super) news: bool,
}

/// Bytes of a frame by which it is told from others.
const HASHED: usize = 128;

/// Remembers connections.
#[derive(Debug, Default)]
pub(super) struct Marker {
    directions: Recent<FourTuple, HalfConnection>,
}

impl Marker {
    /// Directions of connections that were forgotten, so far.
    pub(super) const fn forgotten(&self) -> u64 {
        self.directions.forgotten()
    }

    /// Looks at the next segment, which came in `frame`.
    pub(super) fn look(&mut self, now: Instant, segment: &Segment, frame: &[u8]) -> Seen {
        let there = (segment.source, segment.destination);
        let back = (segment.destination, segment.source);
        if !segment.sound && self.has_sound(&there, &back) {
            if let Some(direction) = self.directions.peek_mut(&there) {
                direction.count_broken(now, segment);
            }
            return Seen { marks: vec![Mark::BadChecksum], ..Seen::default() };
        }
        let broken = (!segment.sound).then_some(Mark::BadChecksum);
        if segment.rst {
            return Seen { marks: broken.into_iter().collect(), ..Seen::default() };
        }
        let make = || HalfConnection::new(segment.initial);
        let known = self.directions.peek(&there);
        let new = known.is_none_or(|known| known.initial != segment.initial);
        if new && segment.syn && !segment.ack {
            // The same ports again are another connection.
            self.directions.remove(&back);
        }
        let peer = self.directions.peek(&back).map(HalfConnection::view);
        let direction = self.directions.entry(there, make);
        if direction.initial != segment.initial {
            *direction = make();
        }
        let seen = direction.look(now, segment, peer, hash(frame));
        let peer = self.directions.peek_mut(&back);
        let unseen = seen.marks.contains(&Mark::AckedUnseen);
        let round_trip = peer.and_then(|peer| peer.heard(now, segment, unseen));
        let marks = broken.into_iter().chain(seen.marks).collect();
        Seen { marks, round_trip, ..seen }
    }

    /// Whether a segment of this connection had a right checksum.
    fn has_sound(&self, there: &FourTuple, back: &FourTuple) -> bool {
        [there, back].iter().any(|ends| self.directions.peek(ends).is_some_and(|d| d.sound))
    }
}

impl HalfConnection {
    fn look(&mut self, now: Instant, segment: &Segment, peer: Option<Peer>, hash: u64) -> Seen {
        self.sound |= segment.sound;
        let before = self.round_trip;
        let scale = self.learn(now, segment, peer);
        let shift = if segment.syn { 0 } else { scale.unwrap_or(0) };
        let window = u32::from(segment.window) << shift;
        let mark = self.mark(now, segment, peer, hash);
        let unseen = segment.ack && peer.is_some_and(|peer| peer.lacks(segment.ack_number));
        let zero = segment.window == 0 && !segment.syn && !segment.fin;
        let full = peer.is_some_and(|peer| peer.is_filled_by(segment));
        let others =
            [(unseen, Mark::AckedUnseen), (full, Mark::WindowFull), (zero, Mark::ZeroWindow)];
        let others = others.into_iter().filter(|(is, _)| *is).map(|(_, mark)| mark);
        let marks = mark.into_iter().chain(others).collect();
        let news = self.window != Some(window) || window == 0;
        self.sent(now, segment, window, scale);
        let unscaled = !segment.syn && scale.is_none() && window > 0;
        Seen {
            marks,
            window: Some(Window { bytes: window, unscaled, news }),
            round_trip: None,
            handshake: self.round_trip.filter(|_| before.is_none()),
        }
    }
}

/// Tells a frame from others. Its headers do, for each new one has another identification or checksum.
fn hash(frame: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    frame.len().hash(&mut hasher);
    frame[..frame.len().min(HASHED)].hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
