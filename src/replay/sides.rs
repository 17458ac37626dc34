//! What was said around a difference, then and now, side by side.

use super::actor::Actor;
use super::conversation::Protocol;
use super::recording::Body;
use super::said::{Said, Segment, What};

/// Frames of the peer that are shown before the difference, and behind it.
const AROUND: usize = 2;
/// Lines at most.
const LINES: usize = 24;
/// Characters of a column.
const WIDTH: usize = 40;

/// The lines around what was said after so many frames of the peer: the peer's frames across, marked with `>`, and what the
/// board said after each at the left as it was then, at the right as it is now.
pub(super) fn around(actor: &Actor<'_>, after: usize) -> Vec<String> {
    let script = &actor.conversation.script;
    let first = after.saturating_sub(AROUND + 1);
    let last = (after + AROUND).min(script.steps.len());
    let mut lines = vec![format!("{:>6}  {:<WIDTH$} {}", "frame", "then", "now")];
    for step in first..=last {
        if let Some(index) = step.checked_sub(1)
            && let Some(step) = script.steps.get(index)
        {
            let event = &actor.conversation.events[step.event];
            let sent = if index < actor.sent.len() { "" } else { "  (not sent now)" };
            lines.push(format!(
                "{:>6}  > {}{sent}",
                event.frame.number,
                of_peer(actor, &event.frame.body)
            ));
        }
        let then: Vec<_> = script.said.iter().filter(|said| said.after == step).collect();
        let now: Vec<_> = actor.said.iter().filter(|said| said.after == step).collect();
        for row in 0..then.len().max(now.len()) {
            let words =
                |said: Option<&&Said>| said.map_or_else(String::new, |said| said.what.to_string());
            let number = then.get(row).map_or_else(String::new, |said| said.number.to_string());
            let line =
                format!("{number:>6}  {:<WIDTH$} {}", words(then.get(row)), words(now.get(row)));
            lines.push(line.trim_end().into());
        }
        if lines.len() > LINES {
            lines.truncate(LINES);
            lines.push(format!("{:>6}", "..."));
            break;
        }
    }
    lines
}

/// What the peer says.
fn of_peer(actor: &Actor<'_>, body: &Body) -> String {
    let [board, peer] = actor.conversation.script.isn;
    match (actor.conversation.ends.protocol, body) {
        (_, Body::Ip(packet)) if packet.is_icmp_error() => {
            What::of(body).map_or_else(String::new, |what| what.to_string())
        }
        (Protocol::Tcp, Body::Ip(packet)) => {
            let segment = Segment::read(&packet.payload, peer, board);
            segment.map_or_else(String::new, |segment| segment.to_string())
        }
        (Protocol::Address, _) => "whose is the address?".into(),
        (_, Body::Ip(packet)) => format!("{} bytes", packet.payload.len().saturating_sub(8)),
        (_, Body::Arp(_)) => String::new(),
    }
}
