//! Which states of TCP (RFC 9293 3.3.2) the two ends of a connection pass through, told from its segments.
//!
//! A segment is taken in the order of the RFC: what sending it does to its sender, then to its receiver what
//! its acknowledgement does, then what its FIN does (3.10.7.4). So it does not matter whether the two came in
//! one segment. Segments must all have arrived, in the order in which they are given. What is left is a set:
//! the same whatever the timing, as long as the same calls are made.

use std::collections::{BTreeMap, BTreeSet};

use smoltcp::wire::{IpEndpoint, TcpControl};

use super::frames::Segment;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Listen,
    SynSent,
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    Closing,
    TimeWait,
    CloseWait,
    LastAck,
}
use State::{
    CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, Listen, SynReceived,
    SynSent, TimeWait,
};

impl State {
    const fn name(self) -> &'static str {
        match self {
            Closed => "CLOSED",
            Listen => "LISTEN",
            SynSent => "SYN-SENT",
            SynReceived => "SYN-RECEIVED",
            Established => "ESTABLISHED",
            FinWait1 => "FIN-WAIT-1",
            FinWait2 => "FIN-WAIT-2",
            Closing => "CLOSING",
            TimeWait => "TIME-WAIT",
            CloseWait => "CLOSE-WAIT",
            LastAck => "LAST-ACK",
        }
    }
}

/// One end of a connection.
#[derive(Debug)]
struct End {
    name: &'static str,
    state: State,
    /// The number that acknowledges its FIN, once that is sent.
    fin: Option<u32>,
}

/// Follows all connections with the board.
#[derive(Debug, Default)]
pub(crate) struct Transitions {
    /// By the client's endpoint and the board's.
    connections: BTreeMap<(IpEndpoint, IpEndpoint), [End; 2]>,
    seen: BTreeSet<String>,
}

impl Transitions {
    /// Takes the next frame. Connections that the board makes are left out.
    pub(crate) fn frame(&mut self, frame: &[u8], board: IpEndpoint) {
        let Some(segment) = Segment::parse(frame) else { return };
        let inwards = segment.to.addr == board.addr;
        let key = if inwards { (segment.from, segment.to) } else { (segment.to, segment.from) };
        if inwards && segment.control == TcpControl::Syn {
            let end = |name, state| End { name, state, fin: None };
            // A port that nobody listens on is CLOSED, but that shows in its answer only.
            let ends = || [end("client", Closed), end("board", Listen)];
            self.connections.entry(key).or_insert_with(ends);
        }
        let Some([client, board]) = self.connections.get_mut(&key) else { return };
        let (sender, receiver) = if inwards { (client, board) } else { (board, client) };
        sent(sender, &segment, &mut self.seen);
        received(receiver, &segment, &mut self.seen);
    }

    /// Each transition once, a line each: which end, from which state to which, and why.
    pub(crate) fn text(&self) -> String {
        self.seen.iter().flat_map(|line| [line, "\n"]).collect()
    }
}

fn pass(end: &mut End, to: State, why: &str, seen: &mut BTreeSet<String>) {
    seen.insert(format!("{:<7} {} -> {}: {why}", end.name, end.state.name(), to.name()));
    end.state = to;
}

fn sent(end: &mut End, segment: &Segment, seen: &mut BTreeSet<String>) {
    match (segment.control, end.state) {
        (TcpControl::Syn, Closed) if segment.ack.is_none() => {
            pass(end, SynSent, "sends SYN", seen);
        }
        (TcpControl::Syn, Listen) if segment.ack.is_some() => {
            pass(end, SynReceived, "receives SYN, sends SYN ACK", seen);
        }
        (TcpControl::Fin, Established | CloseWait) => {
            end.fin = Some((segment.seq + segment.payload.len() + 1).0.cast_unsigned());
            let to = if end.state == Established { FinWait1 } else { LastAck };
            pass(end, to, "sends FIN", seen);
        }
        (TcpControl::Rst, Listen) => {
            end.state = Closed;
            seen.insert(format!("{:<7} CLOSED: receives SYN, sends RST", end.name));
        }
        (TcpControl::Rst, state) if state != Closed => pass(end, Closed, "sends RST", seen),
        _ => {}
    }
}

fn received(end: &mut End, segment: &Segment, seen: &mut BTreeSet<String>) {
    if segment.control == TcpControl::Rst {
        if end.state != Closed {
            pass(end, Closed, "receives RST", seen);
        }
        return;
    }
    let all = segment.ack.is_some_and(|ack| Some(ack.0.cast_unsigned()) == end.fin);
    match end.state {
        SynSent if segment.control == TcpControl::Syn && segment.ack.is_some() => {
            pass(end, Established, "receives SYN ACK, sends ACK", seen);
        }
        SynReceived if segment.ack.is_some() => pass(end, Established, "receives ACK", seen),
        FinWait1 if all => pass(end, FinWait2, "receives ACK of FIN", seen),
        Closing if all => pass(end, TimeWait, "receives ACK of FIN", seen),
        LastAck if all => pass(end, Closed, "receives ACK of FIN", seen),
        _ => {}
    }
    if segment.control == TcpControl::Fin {
        let to = match end.state {
            Established => CloseWait,
            FinWait1 => Closing,
            FinWait2 => TimeWait,
            _ => return,
        };
        pass(end, to, "receives FIN, sends ACK", seen);
    }
}
