//! The peer of one conversation in the replay: it listens to the board, and says what it said, when its cause is there.

use super::align::Alignment;
use super::conversation::{Conversation, Protocol, Stream};
use super::difference::{Difference, Kind};
use super::packet::{ACK, FIN, Packet, RST, SYN, Tcp};
use super::recording::Body;
use super::said::{Said, Segment, What};
use super::script::{Cause, Step};

/// How much longer than in the capture the peer waits for what it has heard there, microseconds.
pub(super) const PATIENCE_US: i64 = 5_000_000;
/// How much longer it waits for a frame of the board that need not come, for all that it is to say has been said.
pub(super) const GRACE_US: i64 = 50_000;
/// The least time after which it acknowledges what has come, where it waits for more.
const QUIET_MIN_US: i64 = 10_000;
/// What a board in real time takes to answer, in which the next frame may come: one that answers at once has said it before.
const LATENCY_US: i64 = 5_000;

/// What is next for an actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// To send its next frame at that time.
    Send(i64),
    /// To acknowledge at that time what has come, which is less than its next frame acknowledges.
    Acknowledge(i64),
    /// To wait no longer than until then.
    GiveUp(i64),
    /// Nothing.
    Over,
}

/// A frame that it has sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) at_us: i64,
    /// What the board had said before.
    log: usize,
}

/// How far the board was.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    at_us: i64,
    contiguous: u32,
    reached: u32,
    acked: u32,
}

impl Entry {
    fn is_as_far_as(&self, other: &Self) -> bool {
        self.contiguous >= other.contiguous
            && self.reached >= other.reached
            && self.acked >= other.acked
    }
}

/// The peer of one conversation.
#[derive(Debug)]
pub(super) struct Actor<'c> {
    pub(super) conversation: &'c Conversation,
    /// When the capture's first frame was, in the replay's time.
    begin_us: i64,
    /// When it would have been for this conversation; `None` while it is not known.
    pub(super) start_us: Option<i64>,
    pub(super) sent: Vec<Sent>,
    log: Vec<Entry>,
    /// The board's initial sequence number.
    pub(super) isn: Option<u32>,
    /// The board's port.
    pub(super) port: u16,
    /// How often each of the board's numbers was said, and whether it has come.
    said_times: Vec<u8>,
    come: Vec<bool>,
    now: Entry,
    /// The number behind all that was said, whether it came or not.
    pub(super) said_end: u32,
    pub(super) said: Vec<Said>,
    pub(super) stream: Stream,
    pub(super) alignment: Alignment,
    /// How far the peer has acknowledged, and when it last did so by itself.
    acknowledged: u32,
    acknowledged_us: i64,
    scale: u8,
    /// The number behind what the board has room for.
    pub(super) edge: Option<u32>,
    /// The edge has moved back, by that frame.
    pub(super) shrunk: Option<usize>,
    /// Nobody waits for the board any more.
    pub(super) adrift: bool,
    over: bool,
    pub(super) findings: Vec<Difference>,
}

impl<'c> Actor<'c> {
    pub(super) fn new(conversation: &'c Conversation, begin_us: i64, port: u16) -> Self {
        Self {
            conversation,
            begin_us,
            start_us: None,
            sent: Vec::new(),
            log: Vec::new(),
            isn: None,
            port,
            said_times: Vec::new(),
            come: Vec::new(),
            now: Entry::default(),
            said_end: 0,
            said: Vec::new(),
            stream: Stream::default(),
            alignment: Alignment::default(),
            acknowledged: 0,
            acknowledged_us: i64::MIN / 2,
            scale: 0,
            edge: None,
            shrunk: None,
            adrift: false,
            over: conversation.script.why_not.is_some(),
            findings: Vec::new(),
        }
    }

    /// Its next step.
    fn step(&self) -> Option<&'c Step> {
        self.conversation.script.steps.get(self.sent.len()).filter(|_| !self.over)
    }

    /// What is next.
    pub(super) fn plan(&self) -> Plan {
        let Some(step) = self.step() else { return self.plan_end() };
        let earliest = self.sent.last().map_or(i64::MIN, |sent| sent.at_us);
        let steps = &self.conversation.script.steps;
        let Some(cause) = step.cause else {
            return match self.start_us {
                Some(start_us) => Plan::Send(earliest.max(start_us + step.arrives_us)),
                // It begins when another has ended.
                None => Plan::Over,
            };
        };
        if self.adrift {
            let last = self.sent.len().checked_sub(1).map(|last| steps[last].arrives_us);
            let since = last.map_or(0, |last| step.arrives_us - last);
            return Plan::Send(earliest.max(self.start_us.unwrap_or(self.begin_us)) + since);
        }
        let after = cause.after.map(|after| self.sent[after]);
        let (base, from) = after.map_or((self.begin_us, 0), |sent| (sent.at_us, sent.log));
        let enough = self.enough(cause);
        let entry = self.log[from..].iter().find(|entry| entry.is_as_far_as(&enough));
        if let Some(entry) = entry {
            return Plan::Send(earliest.max(entry.at_us + cause.delay_us));
        }
        if let Some(last) = self.log.last() {
            let just_before = last.is_as_far_as(&enough) && last.at_us + LATENCY_US >= base;
            if just_before {
                return Plan::Send(earliest.max(base + cause.wait_us + cause.delay_us));
            }
            let told = self.told(cause);
            let since = self.log.iter().find(|entry| entry.is_as_far_as(&told));
            if let Some(since) = since {
                let base = base.max(since.at_us);
                let late = cause.wait_us + cause.delay_us.max(GRACE_US);
                return Plan::Send(earliest.max(base + late));
            }
        }
        let in_vain = earliest.max(base + cause.wait_us);
        if self.now.contiguous > self.acknowledged.max(1) {
            // As soon as the peer would have.
            let quiet_us = cause.delay_us.clamp(QUIET_MIN_US, GRACE_US);
            return Plan::Acknowledge(in_vain.max(self.now.at_us) + quiet_us);
        }
        Plan::GiveUp(in_vain.max(self.acknowledged_us) + PATIENCE_US)
    }

    /// A bare acknowledgement of what has come, where the next frame acknowledges more: so would a peer whose board says less
    /// at a time than the one in the capture (RFC 1122 4.2.3.2).
    pub(super) fn acknowledge(&mut self, now_us: i64) -> Option<Packet> {
        (self.acknowledged, self.acknowledged_us) = (self.now.contiguous, now_us);
        let event = &self.conversation.events[self.step()?.event];
        let mut packet = event.packet()?.clone();
        packet.tcp().filter(|tcp| tcp.has(ACK) && !tcp.has(RST))?;
        let end = *self.peer_ends().last()?;
        packet.payload.truncate(20);
        packet.payload[12] = 5 << 4;
        packet.payload[13] = ACK;
        packet.set_u32(4, self.conversation.script.isn[1].wrapping_add(end));
        packet.set_u32(8, self.isn?.wrapping_add(self.now.contiguous));
        Some(packet)
    }

    /// What is next when it has said everything: to hear all that the board said then.
    fn plan_end(&self) -> Plan {
        let Some(cause) = self.conversation.script.last else { return Plan::Over };
        let all = self.now.is_as_far_as(&self.enough(cause));
        if self.over || self.adrift || all || self.is_ahead() && self.now.acked >= cause.acked {
            return Plan::Over;
        }
        let base = cause.after.map_or(self.begin_us, |after| self.sent[after].at_us);
        let earliest = self.sent.last().map_or(base, |sent| sent.at_us);
        Plan::GiveUp(earliest.max(base + cause.wait_us) + PATIENCE_US)
    }

    /// Whether the board waits for the peer to acknowledge: how far ahead it says something is up to it.
    pub(super) fn is_ahead(&self) -> bool {
        self.said_end > self.acknowledged.max(1)
    }

    /// How far the board has to be before the peer answers it.
    fn enough(&self, cause: Cause) -> Entry {
        let (contiguous, reached) = (self.place(cause.heard), self.place(cause.reached));
        Entry { contiguous, reached, acked: cause.acked, ..Entry::default() }
    }

    /// How far it has to be before the peer may say what it acknowledges.
    fn told(&self, cause: Cause) -> Entry {
        if self.conversation.ends.protocol != Protocol::Tcp {
            return self.enough(cause);
        }
        let (contiguous, reached) = (self.place(cause.heard), self.place(cause.told));
        Entry { contiguous, reached, ..Entry::default() }
    }

    /// Where one of the board's numbers of the capture is in the replay; `u32::MAX` behind a FIN that has not been said.
    pub(super) fn place(&self, number: u32) -> u32 {
        let script = &self.conversation.script;
        if number <= 1 || self.conversation.ends.protocol != Protocol::Tcp {
            return number;
        }
        match (script.fin, self.stream.fin) {
            (Some(then), Some(now)) if number > then => now.saturating_add(number - then),
            (Some(then), None) if number > then => u32::MAX,
            _ => (self.alignment.place(number as usize - 1) as u32).saturating_add(1),
        }
    }

    /// It waits no longer for what its next frame answers.
    pub(super) fn give_up(&mut self) {
        self.adrift = true;
        let script = &self.conversation.script;
        // The first thing that is missing.
        let missing = script.milestones.iter().find(|milestone| {
            self.now.reached < self.place(milestone.reached) || self.now.acked < milestone.acked
        });
        let said = missing.map(|milestone| &script.said[milestone.said]);
        let now = match self.said.last() {
            Some(last) => {
                format!("not within {} s; the last was {}", PATIENCE_US / 1_000_000, last.what)
            }
            None => format!("nothing within {} s", PATIENCE_US / 1_000_000),
        };
        self.findings.push(Difference {
            kind: Kind::Unsaid,
            frame: said.map(|said| said.number),
            after: said.map_or(self.sent.len(), |said| said.after.min(self.sent.len())),
            then: said.map_or_else(String::new, |said| said.what.to_string()),
            now,
        });
    }

    /// Its next frame is sent; which event of the conversation it is.
    pub(super) fn send(&mut self, now_us: i64) -> Option<usize> {
        let step = self.step()?;
        if let Some(cause) = step.cause.filter(|_| self.conversation.ends.protocol == Protocol::Tcp)
        {
            self.acknowledged = self.acknowledged.max(self.place(cause.heard).min(self.said_end));
        }
        self.sent.push(Sent { at_us: now_us, log: self.log.len() });
        Some(step.event)
    }

    /// The acknowledgement of that step, in the replay's numbers relative to the board's first, for what it was.
    pub(super) fn acknowledgement(&self, step: usize, then: u32) -> u32 {
        let steps = &self.conversation.script.steps;
        let reached = steps[step].cause.map_or(0, |cause| cause.reached);
        let known = self.place(then.min(reached)).min(self.said_end);
        // Who acknowledges what was never said does so again.
        if then.cast_signed() < 0 { then } else { known.wrapping_add(then.saturating_sub(reached)) }
    }

    /// Looks whether that step's data goes past the window that the board has told of, and did not in the capture.
    pub(super) fn overrun(&mut self, step: usize) {
        let script = &self.conversation.script;
        let event = &self.conversation.events[script.steps[step].event];
        let Some(tcp) = event.packet().and_then(Packet::tcp) else { return };
        let data = event.packet().map_or(0, |packet| packet.payload.len() - tcp.header);
        let end = tcp.seq.wrapping_sub(script.isn[1]).wrapping_add(data as u32);
        let past = |edge: u32| data > 0 && end.wrapping_sub(edge).cast_signed() > 0;
        let Some(edge) = self.edge.filter(|&edge| past(edge)) else { return };
        let (mut scale, mut then) = (0, 0);
        for said in script.said.iter().filter(|said| said.after <= step) {
            let What::Tcp(segment) = &said.what else { continue };
            if segment.has(SYN) {
                scale = segment.scale.unwrap_or(0).min(14);
            }
            if segment.has(ACK) {
                let shift = if segment.has(SYN) { 0 } else { scale };
                then = then.max(segment.ack.wrapping_add(u32::from(segment.window) << shift));
            }
        }
        let known = self.findings.iter().any(|found| found.kind == Kind::Window);
        if past(then) || known || event.frame.damaged {
            return;
        }
        self.findings.push(Difference {
            kind: Kind::Window,
            frame: Some(event.frame.number),
            after: step,
            then: format!("the window was open up to {then}"),
            now: format!(
                "the peer's data up to {end} goes past the window, which is open up to {edge}"
            ),
        });
    }

    /// The board has said something to it.
    pub(super) fn hear(&mut self, now_us: i64, number: usize, body: &Body) {
        let what = match body {
            Body::Ip(packet) if self.conversation.ends.protocol == Protocol::Tcp => {
                // Errors of ICMP are not compared here.
                let Some(tcp) = packet.tcp() else { return };
                if tcp.has(SYN) && self.isn.is_none() {
                    self.isn = Some(tcp.seq);
                }
                let [_, peer] = self.conversation.script.isn;
                let Some(segment) = Segment::read(&packet.payload, self.isn.unwrap_or(0), peer)
                else {
                    return;
                };
                self.segment(&tcp, &segment, number);
                What::Tcp(segment)
            }
            body => {
                let Some(what) = What::of(body) else { return };
                self.now.reached += 1;
                what
            }
        };
        self.now.at_us = now_us;
        self.log.push(self.now);
        self.said.push(Said { number, at_us: now_us, after: self.sent.len(), lost: false, what });
    }

    fn segment(&mut self, tcp: &Tcp, segment: &Segment, number: usize) {
        if segment.has(RST) {
            // What the peer said afterwards answers nothing that this board will say.
            let reset = |said: &Said| matches!(&said.what, What::Tcp(tcp) if tcp.has(RST));
            self.over |= !self.conversation.script.said.iter().any(reset);
            return;
        }
        if tcp.has(SYN) {
            self.scale = segment.scale.unwrap_or(0).min(14);
        }
        let (start, end) = (segment.seq, segment.end());
        if end.wrapping_sub(start) < 1 << 20 && end < 1 << 26 {
            for place in start as usize..end as usize {
                if self.come.len() <= place {
                    self.come.resize(place + 1, false);
                    self.said_times.resize(place + 1, 0);
                }
                self.said_times[place] = self.said_times[place].saturating_add(1);
                let lost = self.conversation.script.lost.get(place).copied().unwrap_or(0);
                if self.said_times[place] > lost {
                    self.come[place] = true;
                    self.now.reached = self.now.reached.max(place as u32 + 1);
                }
            }
            self.said_end = self.said_end.max(end);
            while self.come.get(self.now.contiguous as usize) == Some(&true) {
                self.now.contiguous += 1;
            }
        }
        if tcp.has(ACK) {
            let scale = if tcp.has(SYN) { 0 } else { self.scale };
            let edge = segment.ack.wrapping_add(u32::from(segment.window) << scale);
            if segment.ack >= self.now.acked && segment.ack.cast_signed() >= 0 {
                self.now.acked = segment.ack;
                if self.edge.is_some_and(|before| edge < before) {
                    self.shrunk = self.shrunk.or(Some(number));
                }
                self.edge = Some(edge);
            }
        }
        self.stream.take(segment);
        let then = &self.conversation.script.stream;
        self.alignment.advance(then, &self.stream.bytes, self.stream.fin.is_some());
    }

    /// Whether it has said all that there is for it to say.
    pub(super) fn is_done(&self) -> bool {
        self.step().is_none()
    }

    /// How much later the replay is than the capture, after its last frame, microseconds.
    pub(super) fn lag_us(&self) -> i64 {
        let last = self.sent.len().checked_sub(1).map(|last| {
            self.sent[last].at_us - self.begin_us - self.conversation.script.steps[last].arrives_us
        });
        last.unwrap_or(0)
    }

    /// The number behind all that the peer had sent after so many steps, relative to its first.
    pub(super) fn peer_ends(&self) -> Vec<u32> {
        let [_, own] = self.conversation.script.isn;
        let (mut ends, mut behind) = (vec![0], 0);
        for step in self.conversation.script.steps.iter().take(self.sent.len()) {
            let event = &self.conversation.events[step.event];
            let tcp = event.packet().and_then(|packet| Some((packet.tcp()?, packet.payload.len())));
            if let Some((tcp, len)) = tcp.filter(|_| !event.frame.damaged) {
                let numbers = u32::from(tcp.has(SYN)) + u32::from(tcp.has(FIN));
                let end =
                    tcp.seq.wrapping_sub(own).wrapping_add((len - tcp.header) as u32 + numbers);
                if end.cast_signed() >= 0 {
                    behind = behind.max(end);
                }
            }
            ends.push(behind);
        }
        ends
    }

    /// When the replay has come as far as the capture's end, microseconds.
    pub(super) fn cut_us(&self, end_us: i64) -> i64 {
        self.begin_us + end_us + self.lag_us().max(0)
    }

    /// How long after that step, or the capture's beginning, the board had come that far, microseconds.
    pub(super) fn time_to(&self, steps: usize, reached: u32, acked: u32) -> Option<i64> {
        let base = match steps.checked_sub(1) {
            Some(step) => self.sent.get(step)?.at_us,
            None => self.begin_us,
        };
        let reached = self.place(reached);
        let there = |entry: &&Entry| entry.reached >= reached && entry.acked >= acked;
        Some(self.log.iter().find(there)?.at_us - base)
    }
}
