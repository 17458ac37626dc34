//! Segments of 1000 bytes, which most scripts for Linux have, made 1200 long.
//!
//! The board begins with four segments that are shorter than 1096 bytes (RFC 5681 3.1), Linux with ten of any length; with
//! longer ones both begin with ten (RFC 6928 2). All numbers of the board's stream become as much larger; the peer's stay.

use super::script::{Call, Kind, Number, Outcome, Packet, SYN, Script, TcpOption};

const SHORT: u16 = 1000;
const LONG: u16 = 1200;

/// The script, with longer segments if the peer asks for short ones.
pub(crate) fn lengthen(mut script: Script) -> Script {
    let is_short = |kind: &Kind| match kind {
        Kind::In(packet) => {
            packet.options.iter().flatten().any(|option| *option == TcpOption::Mss(SHORT))
        }
        _ => false,
    };
    if script.config.board || !script.events.iter().any(|event| is_short(&event.kind)) {
        return script;
    }
    for event in &mut script.events {
        match &mut event.kind {
            Kind::In(packet) => incoming(packet),
            Kind::Out(packet) => outgoing(packet),
            Kind::Icmp(icmp) => icmp.seq = number(icmp.seq),
            Kind::Call(call) if matches!(&call.name[..], "write" | "send" | "sendto") => {
                sends(call);
            }
            Kind::Call(_) | Kind::Command(_) | Kind::Code(_) => {}
        }
    }
    script
}

fn scale(bytes: u64) -> u64 {
    bytes * u64::from(LONG) / u64::from(SHORT)
}

/// A number of the board's stream, which begins with 1.
fn number(value: u32) -> u32 {
    value.checked_sub(1).map_or(0, |bytes| 1 + scale(bytes.into()) as u32)
}

fn incoming(packet: &mut Packet) {
    if packet.flags & SYN != 0 {
        for option in packet.options.iter_mut().flatten() {
            if *option == TcpOption::Mss(SHORT) {
                *option = TcpOption::Mss(LONG);
            }
        }
    }
    packet.ack = packet.ack.map(|ack| Number { value: number(ack.value), ..ack });
    for option in packet.options.iter_mut().flatten() {
        if let TcpOption::Sack(blocks) = option {
            for (left, right) in blocks {
                (*left, *right) = (number(*left), number(*right));
            }
        }
    }
}

fn outgoing(packet: &mut Packet) {
    if let Some(seq) = &mut packet.seq {
        let end = number(seq.value.wrapping_add(packet.len as u32));
        seq.value = number(seq.value);
        packet.len = end.wrapping_sub(seq.value) as usize;
    }
}

fn sends(call: &mut Call) {
    let longer = |bytes: i64| i64::try_from(scale(bytes.max(0).cast_unsigned())).unwrap_or(bytes);
    if let Some(len) = call.number(2) {
        call.arguments[2] = longer(len).to_string();
    }
    if let Outcome::Value(value) = &mut call.result {
        *value = longer(*value);
    }
}
