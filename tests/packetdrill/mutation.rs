//! Scripts that expect something else than a script does, each in one thing, and so have to fail.

use super::script::{ACK, Event, Kind, Number, Outcome, Packet, RST, SYN, Script, TcpOption, Time};

/// All of them for a script, each with what is other.
pub(crate) fn mutants(script: &Script) -> Vec<(String, Script)> {
    let mut mutants = Vec::new();
    for (index, event) in script.events.iter().enumerate() {
        let mut add = |what: &str, events: Vec<Event>| {
            let what = format!("line {}: {what}", event.line);
            mutants.push((what, Script { config: script.config.clone(), events }));
        };
        let with = |event: Event| {
            let mut events = script.events.clone();
            events[index] = event;
            events
        };
        match &event.kind {
            Kind::Out(packet) => {
                for (what, packet) in others(packet) {
                    add(what, with(Event { kind: Kind::Out(packet), ..event.clone() }));
                }
                let Time::At { relative, us } = event.time else { continue };
                let late =
                    |by| Time::At { relative, us: us + by * (script.config.tolerance_us + 1) };
                add("the time", with(Event { time: late(2), ..event.clone() }));
                // Time passes all the same.
                let kind = Kind::Command("true".to_owned());
                add("that it comes", with(Event { time: late(1), kind, ..event.clone() }));
            }
            Kind::Call(call) if !matches!(&call.name[..], "socket" | "accept") => {
                let mut call = call.clone();
                call.result = match call.result {
                    Outcome::Value(value) => Outcome::Value(value + 1),
                    Outcome::Failure(_) => Outcome::Failure("ENOENT".to_owned()),
                };
                // What it is to be is what it is.
                if call.argument(1) != "F_GETFL" {
                    add("the result", with(Event { kind: Kind::Call(call), ..event.clone() }));
                }
            }
            _ => {}
        }
    }
    mutants
}

/// Segments that are not `packet`, with what is other.
fn others(packet: &Packet) -> Vec<(&'static str, Packet)> {
    let next = |number: Option<Number>| number.map(Number::next);
    let mut others = vec![("flags", Packet { flags: packet.flags ^ RST, ..packet.clone() })];
    // That of a SYN is whatever it is.
    if packet.flags & SYN == 0 {
        others.push(("sequence number", Packet { seq: next(packet.seq), ..packet.clone() }));
    }
    if packet.flags & ACK != 0 {
        others.push(("acknowledgement", Packet { ack: next(packet.ack), ..packet.clone() }));
    }
    others.push(("length", Packet { len: packet.len + 1, ..packet.clone() }));
    if let Some(window) = packet.window {
        others.push(("window", Packet { window: Some(window ^ 1), ..packet.clone() }));
    }
    if let Some(options) = &packet.options {
        let options = Some([&options[..], &[TcpOption::Nop]].concat());
        others.push(("options", Packet { options, ..packet.clone() }));
    }
    others
}
