//! Why the peer of a capture said what it said, when it did: what it had heard of the board by then.
//!
//! A frame of the peer has a cause if it heard something of the board in this conversation before: the last frame of the
//! board that had come to it. In the replay it is sent when as much has been said - as many bytes, not counting those
//! that the capture shows lost, and acknowledgements as far - by a frame that follows the same frame of the peer as
//! then, and as much later as it was. How the board cuts its bytes into segments is its own affair.
//!
//! A board that has said what the peer acknowledges, and no more, is not waited for for long: it may be one that says
//! less at a time, or acknowledges later.
//!
//! What has no cause, the first frame of a conversation above all, is sent at its time.

use super::conversation::{Conversation, Event, Protocol};
use super::packet::{ACK, Packet, RST};
use super::said::{Segment, What};
use super::script::{Cause, Milestone, Step};
use crate::link::Side;

/// When the peer had a frame of the board.
fn came(event: &Event) -> (i64, usize) {
    (event.frame.arrives_us, event.frame.number)
}

/// When a frame was sent.
fn sent(event: &Event) -> (i64, usize) {
    (event.frame.at_us, event.frame.number)
}

impl Conversation {
    /// Works out the steps of the peer, each with its cause, and what of the board's was lost.
    pub(super) fn causes(&mut self) {
        let peer_sends = |index: &usize| self.events[*index].arrives();
        let mut order: Vec<usize> = (0..self.events.len()).filter(peer_sends).collect();
        order.sort_by_key(|&index| came(&self.events[index]));
        let arrivals: Vec<_> = order.iter().map(|&index| came(&self.events[index])).collect();
        // What the board said, as it came to the peer.
        let mut heard: Vec<&Event> = self
            .events
            .iter()
            .filter(|event| event.from == Side::Board && !event.frame.lost && !event.frame.damaged)
            .collect();
        heard.sort_by_key(|event| came(event));
        let said = Progress::of(self, &heard);
        // What the board had said, and after which of the peer's frames.
        let cause = |board: &Event, progress: Progress| {
            let after = arrivals.partition_point(|arrival| *arrival < sent(board)).checked_sub(1);
            let since = after.map_or(0, |step| arrivals[step].0);
            Cause {
                number: board.frame.number,
                heard: 0,
                told: 0,
                reached: progress.reached,
                acked: progress.acked,
                after,
                wait_us: (board.frame.at_us - since).max(0),
                delay_us: 0,
            }
        };
        let last = heard.last().zip(said.last()).map(|(board, progress)| cause(board, *progress));
        let steps: Vec<Step> = order
            .iter()
            .map(|&index| {
                let event = &self.events[index];
                let before = heard.partition_point(|board| came(board) < sent(event));
                let cause = before.checked_sub(1).map(|last| {
                    let cause = cause(heard[last], said[last]);
                    Cause {
                        heard: self.acknowledges(event).min(cause.reached),
                        told: self.tells(event).min(cause.reached),
                        delay_us: event.frame.arrives_us - heard[last].frame.at_us,
                        ..cause
                    }
                });
                Step { event: index, arrives_us: event.frame.arrives_us, cause }
            })
            .collect();
        (self.script.steps, self.script.last) = (steps, last);
        self.script.lost = self.losses();
        self.script.milestones = self.milestones();
    }

    /// How far the board had come with each thing that it said, in the order in which it did.
    fn milestones(&self) -> Vec<Milestone> {
        let mut progress = Progress::default();
        let mut milestones = Vec::new();
        for (index, said) in self.script.said.iter().enumerate().filter(|(_, said)| !said.lost) {
            let before = progress;
            match &said.what {
                What::Tcp(segment) => progress = progress.with(segment),
                _ => progress.reached += 1,
            }
            if progress != before {
                let Progress { reached, acked } = progress;
                milestones.push(Milestone { said: index, reached, acked });
            }
        }
        milestones
    }

    /// How far a frame of the peer acknowledges.
    fn acknowledges(&self, event: &Event) -> u32 {
        let tcp = event.packet().and_then(Packet::tcp).filter(|tcp| tcp.has(ACK));
        let ack = tcp.map_or(0, |tcp| tcp.ack.wrapping_sub(self.script.isn[Side::Board.index()]));
        // What lies before the beginning acknowledges nothing.
        if ack.cast_signed() < 0 { 0 } else { ack }
    }

    /// How far a frame of the peer acknowledges, selectively or not.
    fn tells(&self, event: &Event) -> u32 {
        let [board, peer] = self.script.isn;
        let segment = event.packet().and_then(|packet| Segment::read(&packet.payload, peer, board));
        let edges = segment.into_iter().flat_map(|segment| segment.sack);
        let edges = edges.map(|(_, edge)| edge).filter(|edge| edge.cast_signed() > 0);
        edges.chain([self.acknowledges(event)]).max().unwrap_or(0)
    }

    /// Marks what of the board's was said in vain, in a capture that does not say so: what it said again before the peer
    /// had acknowledged it.
    pub(super) fn infer_losses(&mut self) {
        let ours = self.events.iter().any(|event| event.frame.direction.is_some());
        if ours || self.ends.protocol != Protocol::Tcp {
            return;
        }
        let [board, peer] = self.script.isn;
        // Segments that the peer has not acknowledged: which event, from which number to which.
        let mut open: Vec<(usize, u32, u32)> = Vec::new();
        let mut lost = Vec::new();
        for (index, event) in self.events.iter().enumerate() {
            let Some(packet) = event.packet() else { continue };
            if event.from == Side::Peer {
                let acknowledged = self.acknowledges(event);
                let Some(segment) = Segment::read(&packet.payload, peer, board) else { continue };
                let sacked = |start: u32, end: u32| {
                    segment.sack.iter().any(|&(from, to)| from <= start && end <= to)
                };
                open.retain(|&(_, start, end)| end > acknowledged && !sacked(start, end));
                continue;
            }
            let Some(segment) = Segment::read(&packet.payload, board, peer) else { continue };
            let (start, end) = (segment.seq, segment.end());
            if segment.len() == 0 || segment.has(RST) {
                continue;
            }
            let again = |&(_, from, to): &(usize, u32, u32)| start <= from && to <= end;
            lost.extend(open.iter().filter(|one| again(one)).map(|(index, ..)| *index));
            open.retain(|one| !again(one));
            open.push((index, start, end));
        }
        for index in lost {
            self.events[index].frame.lost = true;
        }
    }

    /// How often each of the board's numbers was said in vain.
    fn losses(&self) -> Vec<u8> {
        let mut lost = Vec::new();
        if self.ends.protocol != Protocol::Tcp {
            return lost;
        }
        let [board, peer] = self.script.isn;
        for event in
            self.events.iter().filter(|event| event.from == Side::Board && event.frame.lost)
        {
            let segment =
                event.packet().and_then(|packet| Segment::read(&packet.payload, board, peer));
            let Some(segment) = segment.filter(|segment| !segment.has(RST)) else { continue };
            let (start, end) = (segment.seq, segment.end());
            // A number that is far off is not one of this connection.
            if end.wrapping_sub(start) > 1 << 20 || end > 1 << 26 {
                continue;
            }
            for number in start as usize..end as usize {
                if lost.len() <= number {
                    lost.resize(number + 1, 0_u8);
                }
                lost[number] = lost[number].saturating_add(1);
            }
        }
        lost
    }
}

/// How far a board has come with what it said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Progress {
    reached: u32,
    acked: u32,
}

impl Progress {
    /// After each of these frames.
    fn of(conversation: &Conversation, heard: &[&Event]) -> Vec<Self> {
        let [board, peer] = conversation.script.isn;
        let mut now = Self::default();
        let after = |event: &&Event| {
            match (conversation.ends.protocol, event.packet()) {
                (Protocol::Tcp, Some(packet)) => {
                    if let Some(segment) = Segment::read(&packet.payload, board, peer) {
                        now = now.with(&segment);
                    }
                }
                _ => now.reached += u32::from(What::of(&event.frame.body).is_some()),
            }
            now
        };
        heard.iter().map(after).collect()
    }

    fn with(self, segment: &Segment) -> Self {
        if segment.has(RST) {
            return self;
        }
        let forward = |from: u32, to: u32| if to.wrapping_sub(from) < 1 << 30 { to } else { from };
        Self {
            // What takes no number tells of none that has come.
            reached: if segment.len() > 0 {
                forward(self.reached, segment.end())
            } else {
                self.reached
            },
            acked: if segment.has(ACK) { forward(self.acked, segment.ack) } else { self.acked },
        }
    }
}
