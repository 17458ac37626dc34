//! What becomes of a segment before smoltcp sees it: RFC 9293 3.10.7.4, with RFC 5961.
//!
//! [`judge`] is one function in that section's order over the connection's own variables. What is ordinary passes
//! untouched; smoltcp then does the rest of the section. What is not acceptable is dropped, or answered with a challenge
//! ACK. What is acceptable and would mean something else to smoltcp is mended. Cost: some dozen instructions; what is
//! mended, a copy of the frame on the call stack.

mod challenge;
mod mend;
mod syn;

use smoltcp::socket::tcp::State;
use smoltcp::wire::TcpSeqNumber;

pub(crate) use mend::{Newest, mend};
pub(crate) use syn::with_segment_size;

use crate::frame::Segment;
use crate::limits::SEGMENT_SIZE;
use crate::seq::{distance, later};
use crate::tcp::tcb::{SocketSnapshot, Tcb};

/// What is to be done with a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Give it to smoltcp.
    Pass,
    Drop,
    /// Drop it, and say where the connection stands (RFC 5961 3.2, 4.2, 5.2).
    Challenge,
    /// Keep its FIN, and say where the connection stands.
    Hold,
    /// Give smoltcp no more of it than its acknowledgement, or its RST; what is older than that is answered.
    Acknowledge,
    /// Give smoltcp a copy, with these numbers and without its FIN.
    Mend(Newest),
    /// It begins a connection: give smoltcp [`with_segment_size`].
    Begin,
}

/// Whether a segment acknowledges something else than the SYN of a connection that waits for the answer, so that it is no
/// connection's (RFC 9293 3.10.7.3). smoltcp looks at that itself, unless there is a PSH or a FIN.
pub(crate) fn is_stray(tcb: &Tcb, segment: &Segment<'_>, state: State) -> bool {
    if state != State::SynSent {
        return false;
    }
    // Before our SYN has left, nobody can know of it: that is dropped.
    let snd_max = tcb.snd_max();
    snd_max.is_some() && segment.ack.is_some() && segment.ack != snd_max
}

/// Judges a segment for the connection of `tcb`, whose socket is as `socket` says. Its checksum may be wrong: then it is to
/// be dropped, whatever the verdict.
#[cfg_attr(target_os = "none", inline(never))]
pub(crate) fn judge(tcb: &Tcb, segment: &Segment<'_>, socket: SocketSnapshot) -> Verdict {
    if tcb.is_early(segment.seq, socket) {
        return Verdict::Drop;
    }
    if !tcb.judges(socket.state) {
        return if segment.syn { Verdict::Begin } else { Verdict::Pass };
    }
    // First, the sequence number: whatever else is outside of the window, smoltcp answers with an ACK.
    let rcv_nxt = tcb.rcv_nxt(socket);
    let ahead = distance(segment.seq, rcv_nxt);
    let end = ahead.wrapping_add((segment.len as u32).cast_signed());
    // Second, RST.
    if segment.rst {
        return judge_reset(ahead, socket.room);
    }
    // Fourth, SYN.
    if segment.syn {
        return judge_syn(tcb, segment, socket.state, ahead);
    }
    // Fifth, ACK; without, smoltcp takes in nothing. In SYN-RECEIVED it knows which one there is.
    let Some(ack) = segment.ack else { return Verdict::Pass };
    let mut newest = Newest { ack, window: segment.window };
    // Eighth, FIN: smoltcp would believe it where its window cuts off the text before it; see `mend`.
    let mut mend = segment.fin && segment.len > 0 && socket.unfinished();
    // What says no more counts at the window's end too, for which smoltcp would drop it: all that the window had room for
    // may be lost, or it is closed, and its sender has probed it and counts the byte (RFC 9293 3.10.7.4).
    let bare = segment.len == 0 && !segment.fin;
    #[allow(clippy::cast_possible_wrap, reason = "a window is less than 2^30 bytes (RFC 7323 2.3)")]
    let most = (if socket.room == 0 { SEGMENT_SIZE } else { socket.room }) as i32;
    let before_end = bare && (1..=most).contains(&ahead);
    let beyond = tcb.snd_max().map_or(1, |snd_max| distance(ack, snd_max));
    if socket.state == State::SynReceived {
        if before_end && beyond == 0 {
            return Verdict::Acknowledge;
        }
    } else {
        let old = distance(tcb.snd_una(), ack);
        if beyond > 0 || old > tcb.oldest() {
            return Verdict::Challenge;
        }
        // Nothing is left to be taken in in TIME-WAIT, but to be acknowledged; what is older, smoltcp does.
        if socket.state == State::TimeWait && (ahead > 0 || (ahead == 0 && segment.fin)) {
            return Verdict::Challenge;
        }
        // What is behind the window says nothing; smoltcp answers it, but not with an old acknowledgement.
        if ahead > most {
            return if old > 0 { Verdict::Challenge } else { Verdict::Pass };
        }
        if before_end && distance(segment.seq, tcb.right_edge()) >= 0 {
            return Verdict::Acknowledge;
        }
        // All of it is in, but for what it acknowledges: its sender has not heard of that yet, or probes a closed window. Of
        // two ends whose windows are closed, each would wait for what the other has said. There was never room for more to be
        // outstanding than the buffer holds: what is older is a guess.
        let oldest = socket.unread + socket.room;
        if old < 0
            && !(segment.fin && end == 0)
            && usize::try_from(behind(tcb, segment, rcv_nxt)).is_ok_and(|it| it <= oldest)
        {
            return Verdict::Acknowledge;
        }
        // Seventh, the text: there is none behind a FIN.
        if segment.len > 0 && socket.finished() && end >= 0 {
            return Verdict::Acknowledge;
        }
        // A FIN that overtook the text before it; smoltcp would say nothing, and its sender has to learn of the hole
        // (RFC 5681 4.2).
        if segment.fin && segment.len == 0 && old >= 0 && ahead > 0 && socket.unfinished() {
            return Verdict::Hold;
        }
        if old > 0 && (segment.len > 0 || segment.fin) {
            // smoltcp would drop the text with the old ACK (RFC 5961 5.2).
            (newest, mend) = (tcb.newest(), true);
        } else if old == 0 && segment.window != tcb.snd_wnd() && tcb.is_overtaken(segment.seq) {
            // It says nothing new of the window (SND.WL1, SND.WL2).
            (newest, mend) = (tcb.newest(), true);
        }
    }
    if mend { Verdict::Mend(newest) } else { Verdict::Pass }
}

/// How far behind a segment RCV.NXT is, in bytes; a segment without text has one, for this, as a probe would, and what a closed
/// window has no room for is none. From 0 on, all of it is in.
fn behind(tcb: &Tcb, segment: &Segment<'_>, rcv_nxt: TcpSeqNumber) -> i32 {
    let text = if tcb.right_edge() == rcv_nxt { 0 } else { segment.sequence_len() };
    distance(rcv_nxt, later(segment.seq, if segment.len == 0 { 1 } else { text }))
}

/// A SYN in a state that has seen one, `ahead` of RCV.NXT (RFC 5961 4.2).
fn judge_syn(tcb: &Tcb, segment: &Segment<'_>, state: State, ahead: i32) -> Verdict {
    // In SYN-RECEIVED it may be the first one again, which smoltcp lets be: our SYN-ACK is sent again in its time.
    if state != State::SynReceived || ahead != -1 {
        return Verdict::Challenge;
    }
    match segment.ack {
        None => Verdict::Pass,
        // Two ends that opened towards each other at once, of which the other has our SYN (RFC 9293 3.5, figure 7).
        ack if ack == tcb.snd_max() => Verdict::Acknowledge,
        Some(_) => Verdict::Challenge,
    }
}

/// A reset `ahead` of RCV.NXT, with `room` for data (RFC 5961 3.2).
fn judge_reset(ahead: i32, room: usize) -> Verdict {
    match usize::try_from(ahead) {
        // Without its text: for that, smoltcp would not heed it while the window is closed (RFC 9293, MUST-66).
        Ok(0) => Verdict::Acknowledge,
        Ok(ahead) if ahead < room => Verdict::Challenge,
        _ => Verdict::Drop,
    }
}

#[cfg(test)]
mod tests;
