//! The arrow of one rung, in ASCII, with what it says on it if there is room.

use crate::ladder::hosts::To;
use crate::ladder::rung::Rung;
use crate::output::width;

/// An arrow's least length on either side of its label.
const SHAFT: usize = 2;
/// By how much the arrow of a dropped frame falls short.
const SHORT: usize = 5;

/// A rung's arrow of that many columns, and what had no room on it.
pub(crate) fn arrow(rung: &Rung, len: usize, rightward: bool) -> (String, String) {
    let ports = rung.ports.map_or_else(Default::default, |(from, to)| {
        let (left, right) = if rightward { (from, to) } else { (to, from) };
        (left.to_string(), right.to_string())
    });
    let short = if rung.dropped { SHORT } else { 0 };
    let needed = |ports: &(String, String), label: &str| {
        let ends = [&ports.0, &ports.1].iter().filter(|port| !port.is_empty()).count();
        ports.0.len() + ports.1.len() + ends + short + width(label) + 2 + 2 * SHAFT
    };
    let none = (String::new(), String::new());
    let (brief, options) = rung.brief();
    let shaft =
        |ports: &(String, String), label: &str| shaft(ports, label, len, rightward, rung.dropped);
    if needed(&ports, &rung.label) <= len {
        (shaft(&ports, &rung.label), String::new())
    } else if !options.is_empty() && needed(&ports, brief) <= len {
        (shaft(&ports, brief), options.to_string())
    } else if needed(&ports, "") <= len {
        (shaft(&ports, ""), rung.label.clone())
    } else {
        (shaft(&none, ""), named(rung))
    }
}

/// A rung's label with its ports, which a label that names its ends has already.
pub(crate) fn named(rung: &Rung) -> String {
    match rung.ports {
        Some((from, to)) if rung.to != To::Same => format!("{from}>{to} {}", rung.label),
        _ => rung.label.clone(),
    }
}

/// The arrow of a frame to a group, from one lane at `from` across all others up to the ends of the span, and
/// what had no room on it.
pub(super) fn to_all(rung: &Rung, from: usize, span: usize) -> (String, String) {
    let mut line = "-".repeat(span + 1).into_bytes();
    (line[0], line[span], line[from]) = (b'|', b'|', b'|');
    if from > 0 {
        line[1] = if rung.dropped { b'x' } else { b'<' };
    }
    if from < span {
        line[span - 1] = if rung.dropped { b'x' } else { b'>' };
    }
    let line = String::from_utf8(line).expect("it is ASCII");
    let text = format!(" {} ", named(rung));
    let (start, end) = if from > span / 2 { (1, from) } else { (from + 1, span) };
    let len = width(&text);
    if len + 2 * SHAFT > end - start {
        return (line, named(rung));
    }
    let at = start + (end - start - len) / 2;
    (format!("{}{text}{}", &line[..at], &line[at + len..]), String::new())
}

/// `7 <---- label ---- 49152`, in exactly `len` columns.
fn shaft(
    ports: &(String, String),
    label: &str,
    len: usize,
    rightward: bool,
    dropped: bool,
) -> String {
    let left = if ports.0.is_empty() { String::new() } else { format!("{} ", ports.0) };
    let right = if ports.1.is_empty() { String::new() } else { format!(" {}", ports.1) };
    let room = len.saturating_sub(left.len() + right.len());
    let short = if dropped { SHORT.min(room / 2) } else { 0 };
    let reach = room - short;
    let mut line = "-".repeat(reach).into_bytes();
    let head = if rightward { reach.checked_sub(1) } else { (reach > 0).then_some(0) };
    if let Some(head) = head {
        line[head] = match (dropped, rightward) {
            (true, _) => b'x',
            (false, true) => b'>',
            (false, false) => b'<',
        };
    }
    let mut line = String::from_utf8(line).expect("it is ASCII");
    if !label.is_empty() {
        let text = format!(" {label} ");
        let len = width(&text);
        let at = (reach - len) / 2;
        line.replace_range(at..at + len, &text);
    }
    let gap = " ".repeat(short);
    if rightward {
        format!("{left}{line}{gap}{right}")
    } else {
        format!("{left}{gap}{line}{right}")
    }
}
