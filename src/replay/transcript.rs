//! The segments that a board has sent in a connection, and what is looked for among them.

use std::collections::BTreeSet;

use super::packet::{ACK, FIN, RST, SYN};
use super::said::{Said, Segment, What};
use crate::output::counted;

/// One board's segments.
pub(super) struct Transcript<'s> {
    pub(super) segments: Vec<(&'s Said, &'s Segment)>,
}

/// How a request for a connection was answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    Taken,
    Refused,
    Silent,
}

impl Opening {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Taken => "the connection was taken",
            Self::Refused => "the connection was refused",
            Self::Silent => "nothing was answered",
        }
    }
}

impl<'s> Transcript<'s> {
    pub(super) fn of(said: &[&'s Said]) -> Self {
        let segment = |said: &&'s Said| match &said.what {
            What::Tcp(segment) => Some((*said, segment)),
            _ => None,
        };
        Self { segments: said.iter().filter_map(segment).collect() }
    }

    pub(super) fn first(&self, flag: u8) -> Option<(&'s Said, &'s Segment)> {
        self.segments.iter().find(|(_, segment)| segment.has(flag)).copied()
    }

    pub(super) fn opening(&self) -> Opening {
        match (self.first(SYN), self.first(RST)) {
            (Some(_), _) => Opening::Taken,
            (None, Some(_)) => Opening::Refused,
            (None, None) => Opening::Silent,
        }
    }

    pub(super) fn acked(&self) -> u32 {
        let acks =
            self.segments.iter().filter(|(_, segment)| segment.has(ACK) && !segment.has(RST));
        acks.map(|(_, segment)| segment.ack).filter(|ack| ack.cast_signed() >= 0).max().unwrap_or(0)
    }

    /// Segments that say nothing but what was said before, a probe of the last byte not among them.
    pub(super) fn resent(&self) -> Vec<(&'s Said, &'s Segment)> {
        let mut behind = 0;
        let again = |(_, segment): &&(&'s Said, &'s Segment)| {
            let (end, before) = (segment.end(), behind);
            behind = behind.max(end);
            let probe = segment.len() == 1 && !segment.has(SYN | FIN);
            segment.len() > 0 && end <= before && !probe && !segment.has(RST)
        };
        self.segments.iter().filter(again).copied().collect()
    }

    /// The first segment that begins behind all that was said before.
    pub(super) fn gap(&self) -> Option<(&'s Said, &'s Segment, u32)> {
        let mut behind = None;
        for &(said, segment) in self.segments.iter().filter(|(_, segment)| !segment.has(RST)) {
            let before = *behind.get_or_insert(segment.seq);
            if segment.seq.wrapping_sub(before).cast_signed() > 0 {
                return Some((said, segment, before));
            }
            behind = behind.max(Some(segment.end()));
        }
        None
    }

    /// The first acknowledgement that goes back.
    pub(super) fn back(&self) -> Option<(&'s Said, u32, u32)> {
        let mut acked = 0;
        for (said, segment) in &self.segments {
            if !segment.has(ACK) || segment.has(RST) {
                continue;
            }
            if segment.ack.wrapping_sub(acked).cast_signed() < 0 {
                return Some((said, segment.ack, acked));
            }
            acked = segment.ack;
        }
        None
    }

    /// The first acknowledgement, selective or not, of what the peer had not sent.
    pub(super) fn unsent(&self, ends: &[u32]) -> Option<(&'s Said, u32, u32)> {
        self.segments.iter().find_map(|(said, segment)| {
            if !segment.has(ACK) || segment.has(RST) {
                return None;
            }
            let end = *ends.get(said.after).or(ends.last())?;
            let highest = segment.sack.iter().map(|&(_, edge)| edge).chain([segment.ack]);
            let past = |number: &u32| number.wrapping_sub(end).cast_signed() > 0;
            highest.into_iter().find(past).map(|number| (*said, number, end))
        })
    }

    /// Everything that was acknowledged selectively.
    pub(super) fn sacked(&self) -> BTreeSet<u32> {
        let blocks = self.segments.iter().flat_map(|(_, segment)| segment.sack.iter().copied());
        let mut all = BTreeSet::new();
        for (start, end) in blocks {
            // The edges do: blocks grow.
            if end.wrapping_sub(start) < 1 << 20 {
                all.extend([start, end]);
            }
        }
        all
    }

    pub(super) fn shape(&self) -> String {
        let data = self.segments.iter().filter(|(_, segment)| !segment.data.is_empty()).count();
        let bare = |segment: &Segment| segment.len() == 0 && !segment.has(RST);
        let bare = self.segments.iter().filter(|(_, segment)| bare(segment)).count();
        format!("{} of data, {}", counted(data, "segment"), counted(bare, "bare acknowledgement"))
    }

    pub(super) fn widest(&self) -> u32 {
        let scale = self.first(SYN).and_then(|(_, syn)| syn.scale).unwrap_or(0).min(14);
        let windows = self.segments.iter().filter(|(_, segment)| !segment.has(SYN | RST));
        windows.map(|(_, segment)| u32::from(segment.window) << scale).max().unwrap_or(0)
    }

    /// Whether the window's edge moved back.
    pub(super) fn shrank(&self) -> bool {
        let scale = self.first(SYN).and_then(|(_, syn)| syn.scale).unwrap_or(0).min(14);
        let mut edge = 0;
        self.segments.iter().any(|(_, segment)| {
            let shift = if segment.has(SYN) { 0 } else { scale };
            let now = segment.ack.wrapping_add(u32::from(segment.window) << shift);
            let back = segment.has(ACK) && !segment.has(RST) && now < edge;
            edge = edge.max(now);
            back
        })
    }
}
