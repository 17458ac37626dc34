//! What each frame is in view of those before: decoded, numbered, placed in its conversation, and marked.
//!
//! One [`Analysis`] sees every frame of a capture, whatever is drawn of them: frame numbers are Wireshark's, and
//! marks do not depend on what is chosen. What is drawn, listed, written as JSON or plotted is made of the
//! [`Analysed`] frames.

use std::collections::BTreeMap;

use smoltcp::time::{Duration, Instant};

use super::conversation::{Conversation, Conversations, Counted, Place};
use super::frame::Frame;
use super::mark::Mark;
use super::marker::{Marker, Seen, Window};
use crate::capture::LinkType;
use crate::segment::{Decoder, Packet, PacketSummary};

/// A frame, and what it is in view of those before.
#[derive(Clone, Debug)]
pub(super) struct Analysed {
    /// Its number, from 1, as Wireshark has it.
    pub(super) number: u64,
    /// Microseconds since the first frame that has a time; `None` if this one has none.
    pub(super) micros: Option<i64>,
    /// Microseconds since 1970, or since a run's beginning in virtual time.
    pub(super) epoch: Option<i64>,
    /// Our link dropped it.
    pub(super) dropped: bool,
    pub(super) packet: Packet,
    pub(super) place: Option<Place>,
    pub(super) marks: Vec<Mark>,
    /// What is known of a segment's window; `None` of anything else.
    pub(super) window: Option<Window>,
    /// It acknowledges a segment that was sent so long before, the other way.
    pub(super) round_trip: Option<Duration>,
    /// It completes its side's handshake, whose SYN was sent so long before.
    pub(super) handshake: Option<Duration>,
}

/// Sees every frame.
#[derive(Debug, Default)]
pub(super) struct Analysis {
    decoder: Decoder,
    marker: Marker,
    conversations: Conversations,
    frames: u64,
    /// Those of links that are not read, by link.
    not_read: BTreeMap<LinkType, u64>,
    /// Those that were counted and are of no conversation.
    alone: u64,
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Analysis {
    /// The next frame. `None` if its link is not one that is read; it has its number all the same.
    pub(super) fn look(&mut self, frame: &Frame<'_>) -> Option<Analysed> {
        self.frames += 1;
        self.first = self.first.or(frame.at);
        self.last = frame.at.or(self.last);
        let Some(packet) = self.decoder.packet(frame.link, frame.bytes, frame.len) else {
            *self.not_read.entry(frame.link).or_default() += 1;
            return None;
        };
        let place = self.conversations.place(&packet);
        let mut seen = Seen::default();
        let mut window = None;
        if let PacketSummary::Tcp(segment) = &packet.summary {
            let now = self.last.unwrap_or(Instant::ZERO);
            seen = self.marker.look(now, segment, frame.bytes);
            window = seen.window;
        }
        Some(Analysed {
            number: self.frames,
            micros: self.micros(frame),
            epoch: frame.at.map(|at| at.total_micros()),
            dropped: frame.is_dropped(),
            packet,
            place,
            marks: seen.marks,
            window,
            round_trip: seen.round_trip,
            handshake: seen.handshake,
        })
    }

    /// Counts a frame for its conversation.
    pub(super) fn count(&mut self, frame: &Frame<'_>, analysed: &Analysed) {
        let Some(place) = analysed.place else {
            self.alone += 1;
            return;
        };
        let payload = match &analysed.packet.summary {
            PacketSummary::Tcp(segment) => segment.len,
            PacketSummary::Udp { len, .. } => *len,
            _ => 0,
        };
        let counted = Counted {
            micros: analysed.micros,
            len: frame.len,
            payload,
            retransmission: analysed.marks.iter().any(|mark| mark.is_retransmission()),
            round_trip: analysed.round_trip,
            handshake: analysed.handshake,
        };
        self.conversations.count(place, &counted);
    }

    /// A frame's time, in microseconds since the first frame that has one.
    fn micros(&self, frame: &Frame<'_>) -> Option<i64> {
        let at = frame.at?;
        let first = self.first.unwrap_or(at);
        Some(at.total_micros().saturating_sub(first.total_micros()))
    }

    /// Frames so far, those of links that are not read included.
    pub(super) const fn frames(&self) -> u64 {
        self.frames
    }

    /// Frames of links that are read.
    pub(super) fn read(&self) -> u64 {
        self.frames - self.not_read.values().sum::<u64>()
    }

    /// Frames of others, by link.
    pub(super) const fn not_read(&self) -> &BTreeMap<LinkType, u64> {
        &self.not_read
    }

    /// Frames that were counted and are of no conversation.
    pub(super) const fn alone(&self) -> u64 {
        self.alone
    }

    /// The conversations that frames were counted of, by number.
    pub(super) fn conversations(&self) -> impl Iterator<Item = &Conversation> {
        self.conversations.listed()
    }

    /// How many conversations there were.
    pub(super) const fn conversation_count(&self) -> u64 {
        self.conversations.total()
    }

    /// Directions of connections that were forgotten, because there were too many.
    pub(super) const fn forgotten(&self) -> u64 {
        self.marker.forgotten()
    }
}
