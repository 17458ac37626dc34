//! What can be left out of a capture so that a board which answered as it did would answer the rest as it says.
//!
//! A capture says how a board answered all of it. So nothing is left out that an answer depends on: whole conversations
//! are, what comes after some frame of the peer, what the peer said in vain, an exchange of which all was
//! acknowledged before the next began, and bytes which the board took, or sent back as they were. What is behind is
//! renumbered.

use std::ops::Range;
use std::path::Path;

use smoltcp::time::Instant;

use super::Replay;
use super::conversation::{Conversation, Event, Protocol};
use super::packet::{ACK, FIN, RST, SYN, TCP, UDP, options, u32_at};
use super::recording::{Arp, Body};
use super::said::{Segment, What};
use crate::capture::{Capture, CaptureError, Direction};
use crate::link::{LinkEvent, Side};

impl Conversation {
    /// Without what comes after so many frames of the peer and what the board said to them.
    pub(super) fn cut_after(&self, steps: usize) -> Option<Self> {
        let next = self.script.steps.get(steps)?;
        let end = (next.arrives_us, self.events[next.event].frame.number);
        self.with(|event| {
            let frame = &event.frame;
            let at = if event.from == Side::Peer { frame.arrives_us } else { frame.at_us };
            (at, frame.number) < end
        })
    }

    /// Without what the peer said and the board never heard, if there is any of it.
    pub(super) fn without_lost(&self) -> Option<Self> {
        let unheard = |event: &Event| event.from == Side::Peer && event.frame.lost;
        self.events.iter().any(unheard).then(|| self.with(|event| !unheard(event)))?
    }

    /// With these events only.
    fn with(&self, keep: impl Fn(&Event) -> bool) -> Option<Self> {
        let events: Vec<_> = self.events.iter().filter(|event| keep(event)).cloned().collect();
        let mut shorter = Self { events, ..self.clone() };
        shorter.prepare();
        (shorter.script.why_not.is_none()).then_some(shorter)
    }

    /// Places among the peer's frames at which everything had been acknowledged, from both ends, while both could still
    /// speak: how many frames of the peer had come before.
    pub(super) fn pauses(&self) -> Vec<usize> {
        let script = &self.script;
        if self.ends.protocol != Protocol::Tcp {
            return Vec::new();
        }
        let [board, peer] = script.isn;
        let (mut peer_said, mut peer_acked, mut step) = (0_u32, 0_u32, 0);
        let mut said = script.said.iter().peekable();
        let (mut board_said, mut board_acked) = (0_u32, 0_u32);
        let mut pauses = Vec::new();
        loop {
            while let Some(next) = said.next_if(|said| said.after == step) {
                if let What::Tcp(segment) = &next.what {
                    if segment.has(FIN | RST) {
                        return pauses;
                    }
                    board_said = board_said.max(segment.end());
                    board_acked = board_acked.max(segment.ack);
                }
            }
            let all = board_said == peer_acked && peer_said == board_acked;
            if all && peer_said > 0 && board_said > 0 {
                pauses.push(step);
            }
            let Some(next) = script.steps.get(step) else { return pauses };
            let segment = self.events[next.event].packet();
            let segment = segment.and_then(|packet| Segment::read(&packet.payload, peer, board));
            match segment {
                Some(segment) if segment.has(FIN | RST) => return pauses,
                Some(segment) => {
                    peer_said = peer_said.max(segment.end());
                    peer_acked = peer_acked.max(segment.ack);
                }
                None => {}
            }
            step += 1;
        }
    }

    /// Without what was said from one pause to another.
    pub(super) fn without_exchange(&self, steps: Range<usize>) -> Option<Self> {
        let [board, peer] = self.script.isn;
        let bound = |step: usize| {
            let step = self.script.steps.get(step)?;
            Some((step.arrives_us, self.events[step.event].frame.number))
        };
        let (from, to) = (bound(steps.start)?, bound(steps.end));
        let place = |event: &Event| {
            let frame = &event.frame;
            let at = if event.from == Side::Peer { frame.arrives_us } else { frame.at_us };
            (at, frame.number)
        };
        let inside = |event: &Event| place(event) >= from && to.is_none_or(|to| place(event) < to);
        // What each end said in it, by its numbers.
        let mut said = [(u32::MAX, 0), (u32::MAX, 0)];
        for event in self.events.iter().filter(|event| inside(event)) {
            let (own, other) = match event.from {
                Side::Board => (board, peer),
                Side::Peer => (peer, board),
            };
            let segment = Segment::read(&event.packet()?.payload, own, other)?;
            if segment.len() > 0 {
                let range = &mut said[event.from.index()];
                *range = (range.0.min(segment.seq), range.1.max(segment.end()));
            }
        }
        let mut shorter = self.with(|event| !inside(event))?;
        let ranges = said.map(|(start, end)| if start < end { start..end } else { 0..0 });
        let gap_us = to.map_or(0, |to| to.0 - from.0);
        for event in &mut shorter.events {
            if event.frame.at_us >= from.0 {
                event.frame.at_us -= gap_us;
                event.frame.arrives_us -= gap_us;
            }
        }
        shorter.take_out(&ranges);
        shorter.prepare();
        (shorter.script.why_not.is_none()).then_some(shorter)
    }

    /// Without these numbers of the peer's stream, and the same of the board's if it has sent them back.
    pub(super) fn without_bytes(&self, numbers: Range<u32>) -> Option<Self> {
        let mut peer = super::conversation::Stream::default();
        let [board, own] = self.script.isn;
        for event in self.events.iter().filter(|event| event.from == Side::Peer) {
            peer.take(&Segment::read(&event.packet()?.payload, own, board)?);
        }
        let bytes = numbers.start as usize - 1..numbers.end as usize - 1;
        let said = &self.script.stream;
        let echo = said.get(bytes.clone()).is_some_and(|back| Some(back) == peer.bytes.get(bytes));
        if !echo && !said.is_empty() {
            return None;
        }
        let mut shorter = self.clone();
        let of_board = if echo { numbers.clone() } else { 0..0 };
        shorter.take_out(&[of_board, numbers]);
        shorter.prepare();
        (shorter.script.why_not.is_none()).then_some(shorter)
    }

    /// Takes these numbers out of the board's stream and the peer's. Segments of which nothing is left are gone.
    fn take_out(&mut self, ranges: &[Range<u32>; 2]) {
        let isn = self.script.isn;
        self.events.retain_mut(|event| {
            let (own, other) = (event.from.index(), event.from.other().index());
            let Body::Ip(packet) = &mut event.frame.body else { return true };
            let Some(tcp) = packet.tcp() else { return true };
            let syn = u32::from(tcp.has(SYN));
            let seq = tcp.seq.wrapping_sub(isn[own]);
            let first = seq.wrapping_add(syn);
            let len = (packet.payload.len() - tcp.header) as u32;
            let without = |number: u32, range: &Range<u32>| {
                number - number.min(range.end).saturating_sub(range.start.min(number))
            };
            // From the segment's own bytes.
            let cut = ranges[own].start.max(first)..ranges[own].end.min(first.wrapping_add(len));
            if cut.start < cut.end {
                let at = |number: u32| tcp.header + (number - first) as usize;
                packet.payload.drain(at(cut.start)..at(cut.end));
            }
            packet.set_u32(4, isn[own].wrapping_add(without(seq, &ranges[own])));
            let acknowledged = |number: u32| {
                isn[other].wrapping_add(without(number.wrapping_sub(isn[other]), &ranges[other]))
            };
            if tcp.has(ACK) {
                packet.set_u32(8, acknowledged(tcp.ack));
            }
            for (kind, range) in options(&packet.payload, tcp.header) {
                for at in range.step_by(4).filter(|_| kind == 5) {
                    if let Some(edge) = u32_at(&packet.payload, at) {
                        packet.set_u32(at, acknowledged(edge));
                    }
                }
            }
            let emptied = len > 0 && packet.payload.len() == tcp.header;
            !emptied || tcp.flags & (SYN | FIN | RST) != 0
        });
    }

    /// Frames of the peer that say nothing new, each with what follows it up to the next, if that is nothing new either.
    pub(super) fn repeats(&self) -> Vec<usize> {
        let [board, peer] = self.script.isn;
        let (mut end, mut acked) = (0, 0);
        let (mut said_end, mut said_acked) = (0, 0);
        let mut repeats = Vec::new();
        for (index, step) in self.script.steps.iter().enumerate() {
            let packet = self.events[step.event].packet();
            let Some(segment) =
                packet.and_then(|packet| Segment::read(&packet.payload, peer, board))
            else {
                continue;
            };
            let news = segment.end() > end || segment.ack > acked || segment.has(RST);
            (end, acked) = (end.max(segment.end()), acked.max(segment.ack));
            let mut answered = false;
            for said in self.script.said.iter().filter(|said| said.after == index + 1) {
                let What::Tcp(segment) = &said.what else { continue };
                answered |=
                    segment.end() > said_end || segment.ack > said_acked || segment.has(RST);
                said_end = said_end.max(segment.end());
                said_acked = said_acked.max(segment.ack);
            }
            if !news && !answered {
                repeats.push(index);
            }
        }
        repeats
    }

    /// Without that frame of the peer, and what the board said to it.
    pub(super) fn without_step(&self, index: usize) -> Option<Self> {
        let step = self.script.steps.get(index)?;
        let gone: Vec<usize> = self
            .script
            .said
            .iter()
            .filter(|said| said.after == index + 1)
            .map(|said| said.number)
            .chain([self.events[step.event].frame.number])
            .collect();
        self.with(|event| !gone.contains(&event.frame.number))
    }
}

/// Writes the conversations as a capture whose board has the ports and addresses that it has in the replay.
pub(super) fn write(replay: &Replay, path: &Path) -> Result<(), CaptureError> {
    let mut capture = Capture::create(path, "replay", std::time::Duration::ZERO)?;
    let mut frames = Vec::new();
    for conversation in &replay.conversations {
        let route = replay.route(conversation);
        let port = replay.port(conversation.ends.board.port());
        for event in &conversation.events {
            let (from, to) = match event.from {
                Side::Board => (route.board_mac, route.peer_mac),
                Side::Peer => (route.peer_mac, route.board_mac),
            };
            let bytes = match &event.frame.body {
                Body::Arp(arp) => {
                    let broadcast = smoltcp::wire::EthernetAddress::BROADCAST;
                    Arp { mac: from, ..*arp }.frame(if arp.request { broadcast } else { to })
                }
                Body::Ip(packet) => {
                    let mut packet = packet.clone();
                    let ported = matches!(packet.protocol, TCP | UDP);
                    let group = packet.to.is_multicast();
                    match event.from {
                        Side::Board => {
                            (packet.from, packet.to) = (route.board, route.peer);
                            if ported {
                                packet.set_u16(0, port);
                            }
                        }
                        Side::Peer if !group => {
                            packet.to = route.board;
                            if packet.quoted().is_none() {
                                packet.from = route.peer;
                            }
                            if ported {
                                packet.set_u16(2, port);
                            }
                        }
                        Side::Peer => {}
                    }
                    let to = event.frame.to.filter(|_| group).unwrap_or(to);
                    packet.frame(from, to, event.frame.damaged)
                }
            };
            frames.push((event, bytes));
        }
    }
    frames.sort_by_key(|(event, _)| (event.frame.at_us, event.frame.number));
    let first = frames.first().map_or(0, |(event, _)| event.frame.at_us);
    for (event, bytes) in frames {
        let direction = match event.from {
            Side::Board => Direction::ToPeer,
            Side::Peer => Direction::ToBoard,
        };
        let now = Instant::from_micros(event.frame.at_us - first);
        let recorded = capture.record(now, direction, &bytes, &notes(event));
        recorded.map_err(|error| CaptureError::Create { path: path.into(), error })?;
    }
    Ok(())
}

/// What befell a frame, in the words of our cable.
fn notes(event: &Event) -> String {
    let frame = &event.frame;
    let mut notes = Vec::new();
    if frame.lost {
        notes.push("dropped".to_owned());
    }
    if let Ok(late @ 1..) = u64::try_from(frame.arrives_us - frame.at_us) {
        notes.push(LinkEvent::Delayed(smoltcp::time::Duration::from_micros(late)).to_string());
    }
    if frame.twice {
        notes.push(LinkEvent::Duplicated.to_string());
    }
    notes.join(", ")
}
