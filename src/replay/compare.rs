//! What one board said in the capture, beside what another says in the replay: a conversation of TCP.
//!
//! What is compared is what a peer can tell: which bytes, in which order, up to which end; what was acknowledged, offered
//! and refused; how often something was said again, and when. How the bytes were cut, how often they were
//! acknowledged and how much room there was are a board's own affair: differences, that do not matter.

use std::collections::BTreeSet;

use super::actor::Actor;
use super::datagrams;
use super::difference::{Difference, Kind, shown};
use super::packet::{ACK, FIN, RST, SYN};
use super::said::{Said, Segment};
use super::transcript::Transcript;
use crate::output::counted;

/// Compares what was said in a conversation. `end_us` is when the capture ends, `tolerance_us` how much longer an answer
/// may take; the board has `asked` its peer for some connection.
pub(super) fn compare(
    actor: &Actor<'_>,
    asked: bool,
    end_us: i64,
    tolerance_us: i64,
) -> Vec<Difference> {
    let mut found = actor.findings.clone();
    // What is missing may still come for a while; what is said in addition counts as long as the capture is.
    let cut_us = actor.cut_us(end_us);
    let until = |until_us: i64| -> Vec<&Said> {
        actor.said.iter().filter(|said| said.at_us <= until_us).collect()
    };
    let (now, by_end) = (until(cut_us + tolerance_us), until(cut_us));
    let then: Vec<&Said> = actor.conversation.script.said.iter().collect();
    let is_tcp = actor.conversation.ends.protocol == super::conversation::Protocol::Tcp;
    if is_tcp {
        let then = Transcript::of(&then);
        let (now, by_end) = (Transcript::of(&now), Transcript::of(&by_end));
        let comparison = Comparison { actor, then, now, by_end };
        comparison.all(&mut found);
    } else {
        let enough = by_end.len().max(then.len()).min(now.len());
        datagrams::compare(&then, &now[..enough], &mut found);
    }
    found.extend(late(actor, tolerance_us));
    if actor.conversation.script.board_opens {
        by_itself(actor, asked, &mut found);
    }
    found.sort_by_key(|difference| (difference.after, difference.kind));
    found
}

/// A board that speaks by itself says what it likes, when it likes: what nobody has asked for cannot be other than it was
/// to be. How it opens a connection, and what it takes, can.
fn by_itself(actor: &Actor<'_>, asked: bool, found: &mut [Difference]) {
    // No more than SYN and FIN.
    let listens = actor.peer_ends().last().is_none_or(|&end| end <= 2);
    for difference in found.iter_mut() {
        let free = match difference.kind {
            Kind::Opening => asked,
            Kind::Stream | Kind::Length | Kind::Resent | Kind::Time | Kind::Ending => listens,
            Kind::Unsaid => listens && asked,
            Kind::Acknowledgement => listens && difference.now.starts_with("no more"),
            _ => false,
        };
        if free {
            difference.kind = Kind::Unasked;
        }
    }
}

/// The first answer that took too long.
fn late(actor: &Actor<'_>, tolerance_us: i64) -> Option<Difference> {
    let script = &actor.conversation.script;
    // What was waited for in vain has been told of. When a board asks by itself is up to it.
    let comparable = |said: &Said| said.after > 0 || !script.board_opens;
    for milestone in script.milestones.iter().filter(|_| !actor.adrift) {
        let (said, reached, acked) =
            (&script.said[milestone.said], milestone.reached, milestone.acked);
        if !comparable(said) {
            continue;
        }
        let since = said.after.checked_sub(1).map_or(0, |step| script.steps[step].arrives_us);
        let then_us = said.at_us - since;
        let now_us = actor.time_to(said.after, reached, acked);
        if let Some(now_us) = now_us.filter(|&now_us| now_us > then_us.max(0) + tolerance_us) {
            let ms = |us: i64| format!("{:.3} ms later", us as f64 / 1e3);
            return Some(Difference {
                kind: Kind::Time,
                frame: Some(said.number),
                after: said.after,
                then: format!("{}, {}", said.what, ms(then_us)),
                now: ms(now_us),
            });
        }
    }
    None
}

struct Comparison<'a, 'c> {
    actor: &'a Actor<'c>,
    then: Transcript<'a>,
    now: Transcript<'a>,
    /// What of that was said by the capture's end.
    by_end: Transcript<'a>,
}

/// A difference at what was said then, or now.
fn at(kind: Kind, then: Option<&Said>, now: Option<&Said>, words: (String, String)) -> Difference {
    Difference {
        kind,
        frame: then.map(|said| said.number),
        after: then.or(now).map_or(0, |said| said.after),
        then: words.0,
        now: words.1,
    }
}

impl Comparison<'_, '_> {
    fn all(&self, found: &mut Vec<Difference>) {
        let (then, now) = (self.then.opening(), self.now.opening());
        if then != now {
            let said = |side: &Transcript<'_>| side.segments.first().map(|(said, _)| said.number);
            found.push(Difference {
                kind: Kind::Opening,
                frame: said(&self.then),
                after: usize::from(!self.actor.conversation.script.board_opens),
                then: then.name().into(),
                now: now.name().into(),
            });
            // The rest follows from that.
            return;
        }
        found.extend(self.offers());
        found.extend(self.flags());
        self.stream(found);
        self.endings(found);
        self.acknowledgements(found);
        self.shapes(found);
    }

    fn offers(&self) -> Option<Difference> {
        let (then, now) = (self.then.first(SYN)?, self.now.first(SYN)?);
        let words = (then.1.offer(), now.1.offer());
        (words.0 != words.1).then(|| at(Kind::Options, Some(then.0), Some(now.0), words))
    }

    fn flags(&self) -> Option<Difference> {
        let odd = |side: &Transcript<'_>| {
            side.segments.iter().fold(0, |flags, (_, segment)| flags | segment.odd_flags())
        };
        let (then, now) = (odd(&self.then), odd(&self.now));
        let differ = |(_, segment): &&(&Said, &Segment)| segment.odd_flags() & (then ^ now) != 0;
        let first =
            |side: &Transcript<'_>| side.segments.iter().find(differ).map(|(said, _)| said.number);
        let words = |side: &Transcript<'_>| {
            let found = side.segments.iter().find(differ);
            found.map_or("none".to_owned(), |(_, segment)| segment.to_string())
        };
        (then != now).then(|| Difference {
            kind: Kind::Flags,
            frame: first(&self.then),
            after: 0,
            then: words(&self.then),
            now: words(&self.now),
        })
    }

    fn stream(&self, found: &mut Vec<Difference>) {
        let script = &self.actor.conversation.script;
        let (then, now) = (&script.stream, &self.actor.stream);
        // Whose segment has that byte.
        let of = |side: &Transcript<'_>, byte: usize| {
            let has = |(_, segment): &&(&Said, &Segment)| {
                let start = segment.data_seq().wrapping_sub(1) as usize;
                (start..start + segment.data.len()).contains(&byte)
            };
            side.segments.iter().find(has).map(|(said, _)| (said.number, said.after))
        };
        let mut bytes = |kind, (left, right): (usize, usize)| {
            let place = of(&self.then, left);
            found.push(Difference {
                kind,
                frame: place.map(|(number, _)| number),
                after: place.map_or(0, |(_, after)| after),
                then: format!("{} at byte {left}", shown(then, left)),
                now: format!("{} at byte {right}", shown(&now.bytes, right)),
            });
        };
        let mut alignment = self.actor.alignment.clone();
        alignment.advance(then, &now.bytes, true);
        if let Some(value) = alignment.value {
            bytes(Kind::Value, value);
        }
        if let Some(differs) = alignment.differs {
            bytes(Kind::Stream, differs);
            return;
        }
        if let Some(changed) = now.changed {
            found.push(Difference {
                kind: Kind::Stream,
                frame: None,
                after: 0,
                then: "bytes that were sent again were the same".into(),
                now: format!("byte {changed} was sent again as another one"),
            });
        }
        let whole = self.actor.place(then.len() as u32 + 1) as usize - 1;
        let place = of(&self.then, then.len().saturating_sub(1));
        let words = (counted(then.len(), "byte"), counted(now.bytes.len(), "byte"));
        let kind = match now.bytes.len().cmp(&whole) {
            // Or before it was acknowledged, so that the board may have waited with the rest.
            std::cmp::Ordering::Less if script.fin.is_none() && self.actor.is_ahead() => {
                Kind::Segments
            }
            std::cmp::Ordering::Less => Kind::Length,
            std::cmp::Ordering::Greater if script.fin.is_some() => Kind::Length,
            // The capture ended before all was said.
            std::cmp::Ordering::Greater => Kind::Segments,
            std::cmp::Ordering::Equal => return,
        };
        found.push(Difference {
            kind,
            frame: place.map(|(number, _)| number),
            after: place.map_or(0, |(_, after)| after),
            then: words.0,
            now: words.1,
        });
    }

    fn endings(&self, found: &mut Vec<Difference>) {
        for (flag, name) in [(FIN, "FIN"), (RST, "reset")] {
            let (then, now) = (self.then.first(flag), self.now.first(flag));
            let now = if then.is_some() { now } else { self.by_end.first(flag) };
            if then.is_some() == now.is_some() {
                continue;
            }
            let words = |side: Option<(&Said, &Segment)>| {
                side.map_or(format!("no {name}"), |(_, segment)| segment.to_string())
            };
            let (then_said, now_said) = (then.map(|(said, _)| said), now.map(|(said, _)| said));
            found.push(at(Kind::Ending, then_said, now_said, (words(then), words(now))));
        }
        if let (None, Some((said, segment, before))) = (self.then.gap(), self.now.gap()) {
            let words = (
                "each segment began where what was said ended, or before".into(),
                format!("{segment}, though what was said ended at {before}"),
            );
            found.push(Difference { frame: None, ..at(Kind::Stream, None, Some(said), words) });
        }
    }

    fn acknowledgements(&self, found: &mut Vec<Difference>) {
        let ends = self.actor.peer_ends();
        if let (None, Some((said, number, end))) = (self.then.unsent(&ends), self.now.unsent(&ends))
        {
            let words = (
                "only what had come was acknowledged".into(),
                format!("{number} is acknowledged, and the peer has sent up to {end}"),
            );
            found.push(at(Kind::Acknowledgement, None, Some(said), words));
        }
        if let (None, Some((said, number, before))) = (self.then.back(), self.now.back()) {
            let words = (
                "acknowledgements went on".into(),
                format!("{number} is acknowledged after {before}"),
            );
            found.push(at(Kind::Acknowledgement, None, Some(said), words));
        }
        let (then, now) = (self.then.acked(), self.now.acked());
        if now < then {
            let reached = |(_, segment): &&(&Said, &Segment)| segment.has(ACK) && segment.ack > now;
            let first = self.then.segments.iter().find(reached).map(|(said, _)| *said);
            let words = (format!("{then} was acknowledged"), format!("no more than {now} is"));
            found.push(at(Kind::Acknowledgement, first, None, words));
        }
        let (then, now) = (self.then.sacked(), self.now.sacked());
        if then != now {
            let list = |edges: &BTreeSet<u32>, other: &BTreeSet<u32>| {
                let edges: Vec<_> =
                    edges.difference(other).take(4).map(ToString::to_string).collect();
                if edges.is_empty() {
                    "none besides".into()
                } else {
                    format!("blocks at {}", edges.join(", "))
                }
            };
            let has = |(_, segment): &&(&Said, &Segment)| {
                segment.sack.iter().any(|(start, end)| !now.contains(start) || !now.contains(end))
            };
            let first = self.then.segments.iter().find(has).map(|(said, _)| *said);
            let words = (list(&then, &now), list(&now, &then));
            found.push(at(Kind::Sack, first, None, words));
        }
    }

    fn shapes(&self, found: &mut Vec<Difference>) {
        let (then, now) = (self.then.resent(), self.by_end.resent());
        if then.len() != now.len() {
            let kind = if now.len() > then.len() { Kind::Resent } else { Kind::Segments };
            // The first that the other has not.
            let numbers = |one: &[(&Said, &Segment)], other: &[(&Said, &Segment)]| {
                let same = one.iter().zip(other).take_while(|(a, b)| a.1.seq == b.1.seq).count();
                one.get(same).map(|(said, _)| said.after)
            };
            let first =
                if now.len() > then.len() { numbers(&now, &then) } else { numbers(&then, &now) };
            let again = |count: usize| format!("{} sent again", counted(count, "segment"));
            found.push(Difference {
                kind,
                frame: None,
                after: first.unwrap_or(0),
                then: again(then.len()),
                now: again(now.len()),
            });
        }
        if let (Some(number), false) = (self.actor.shrunk, self.then.shrank()) {
            let said = self.actor.said.iter().find(|said| said.number == number);
            let words = (
                "the window's edge went on".into(),
                said.map_or_else(String::new, |said| format!("it moved back: {}", said.what)),
            );
            found.push(at(Kind::Window, None, said, words));
        }
        let shapes = (self.then.shape(), self.by_end.shape());
        if shapes.0 != shapes.1 {
            found.push(at(Kind::Segments, None, None, shapes));
        }
        let room = (self.then.widest(), self.now.widest());
        if room.0 != room.1 {
            let words = |width: u32| format!("a window of up to {}", counted(width, "byte"));
            found.push(at(Kind::Room, None, None, (words(room.0), words(room.1))));
        }
    }
}
