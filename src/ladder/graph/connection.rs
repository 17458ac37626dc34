//! What a graph is drawn of: one connection's segments, and one direction of them.

use crate::ladder::analysis::Analysed;
use crate::ladder::mark::Mark;
use crate::ladder::seq::Extended;
use crate::segment::{Segment, Start};

/// What a reset is called.
const RST: &str = "RST";

/// A segment, as far as graphs show it. Numbers are as they are in the segment, relative to the initial ones.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// The frame's number in the capture.
    pub(super) number: u64,
    /// Microseconds since the capture's first frame.
    pub(super) micros: i64,
    /// It goes the way of the connection's first segment.
    forward: bool,
    seq: u32,
    /// Payload bytes.
    pub(super) len: u32,
    ack: Option<u32>,
    /// In bytes, as far as it is known how it is scaled.
    window: Option<u32>,
    sack: Vec<(u32, u32)>,
    /// SYN, FIN or RST.
    says: Option<&'static str>,
    marks: Marks,
    /// It acknowledges a segment that was sent so long before, the other way, in microseconds.
    round_trip: Option<u64>,
}

/// What the ladder found out about a segment.
#[derive(Clone, Copy, Debug)]
struct Marks {
    /// It was sent before.
    again: bool,
    /// It acknowledges the same once more.
    duplicate_ack: bool,
    /// Dropped by our link, or with a wrong checksum: nobody took it.
    lost: bool,
}

impl Event {
    /// What graphs show of a segment; `None` if it has no time.
    pub(super) fn new(analysed: &Analysed, segment: &Segment) -> Option<Self> {
        // It is not in the connection's numbers.
        if segment.start == Start::Absolute {
            return None;
        }
        let says = [(segment.rst, RST), (segment.syn, "SYN"), (segment.fin, "FIN")];
        let is = |wanted: fn(&Mark) -> bool| analysed.marks.iter().any(wanted);
        Some(Self {
            number: analysed.number,
            micros: analysed.micros?,
            forward: analysed.place?.forward,
            seq: segment.seq,
            len: segment.len as u32,
            ack: (segment.ack && !segment.rst).then_some(segment.ack_number),
            window: analysed.window.map(|window| window.bytes),
            sack: segment.sack.iter().flatten().copied().collect(),
            says: says.into_iter().find(|(is, _)| *is).map(|(_, name)| name),
            marks: Marks {
                again: is(|mark| mark.is_retransmission() || *mark == Mark::Duplicate),
                duplicate_ack: is(|mark| matches!(mark, Mark::DuplicateAck(_))),
                lost: analysed.dropped || !segment.sound,
            },
            round_trip: analysed.round_trip.map(|time| time.total_micros()),
        })
    }
}

/// Data of the direction that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Data {
    pub(super) number: u64,
    pub(super) micros: i64,
    /// First sequence number and the one after the last, counted on beyond 4 GiB. Equal for a segment without data.
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) again: bool,
    pub(super) lost: bool,
    /// SYN, FIN or RST.
    pub(super) says: Option<&'static str>,
}

/// What the peer says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ack {
    pub(super) number: u64,
    pub(super) micros: i64,
    /// The next number that is expected: all before are there.
    pub(super) next: i64,
    /// The first number that there is no room for.
    pub(super) window: Option<i64>,
    /// Blocks that are there behind a hole.
    pub(super) sack: Vec<(i64, i64)>,
    pub(super) duplicate: bool,
    /// Microseconds from a segment to this acknowledgement of it.
    pub(super) round_trip: Option<u64>,
}

/// One direction of a connection: what was sent, and what was answered and came through.
#[derive(Clone, Debug, Default)]
pub(super) struct Direction {
    pub(super) data: Vec<Data>,
    pub(super) acks: Vec<Ack>,
}

impl Direction {
    /// The direction of a connection's first segment, or the other one.
    pub(super) fn new(events: &[Event], forward: bool) -> Self {
        let mut out = Self::default();
        let (mut numbers, mut begun) = (Extended::default(), false);
        for event in events {
            let micros = event.micros;
            if event.forward == forward {
                // A reset's number may be anything.
                if !begun && event.says != Some(RST) {
                    numbers = Extended::new(event.seq);
                    begun = true;
                }
                let start = numbers.place(event.seq);
                let end = numbers.place(event.seq.wrapping_add(event.len));
                let says = event.says;
                let Marks { again, lost, .. } = event.marks;
                if event.len > 0 || says.is_some() {
                    let number = event.number;
                    out.data.push(Data { number, micros, start, end, again, lost, says });
                }
            } else if let Some(ack) = event.ack
                && !event.marks.lost
            {
                if !begun {
                    numbers = Extended::new(ack);
                    begun = true;
                }
                // What is acknowledged was sent, whether it was seen or not.
                let next = numbers.place(ack);
                out.acks.push(Ack {
                    number: event.number,
                    micros,
                    next,
                    window: event.window.map(|window| next + i64::from(window)),
                    sack: event
                        .sack
                        .iter()
                        .map(|&(a, b)| (numbers.place(a), numbers.place(b)))
                        .collect(),
                    duplicate: event.marks.duplicate_ack,
                    round_trip: event.round_trip,
                });
            }
        }
        out
    }

    /// Payload bytes, those that were sent again included.
    pub(super) fn sent(&self) -> u64 {
        self.data.iter().map(Data::len).sum()
    }

    /// From the first to the last of what there is, in microseconds since the capture's first frame.
    pub(super) fn times(&self) -> Option<(i64, i64)> {
        let data = self.data.iter().map(|data| data.micros);
        let acks = self.acks.iter().map(|ack| ack.micros);
        let (first, last) = data
            .chain(acks)
            .fold((i64::MAX, i64::MIN), |(first, last), at| (first.min(at), last.max(at)));
        (first <= last).then_some((first, last))
    }

    /// Data and acknowledgements in the order in which they were captured.
    pub(super) fn each(&self) -> impl Iterator<Item = Step<'_>> {
        let (mut data, mut acks) = (self.data.iter().peekable(), self.acks.iter().peekable());
        std::iter::from_fn(move || match (data.peek(), acks.peek()) {
            (Some(sent), Some(ack)) if sent.number < ack.number => data.next().map(Step::Data),
            (Some(_), None) => data.next().map(Step::Data),
            _ => acks.next().map(Step::Ack),
        })
    }
}

/// The next that is captured of a direction.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'a> {
    Data(&'a Data),
    Ack(&'a Ack),
}

impl Data {
    /// Payload bytes.
    pub(super) const fn len(&self) -> u64 {
        (self.end - self.start).unsigned_abs()
    }
}
