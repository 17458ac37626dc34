//! What smoltcp is shown in the place of a segment that would mean something else to it.
//!
//! A FIN is believed only with all the data before it, and not forgotten if that comes later. smoltcp 0.14 (socket/tcp.rs,
//! `process`) cuts a segment to the receive window and takes the FIN behind what it cut off, so that the application reads
//! an early end of a stream that looks whole; its own fast retransmit sends such segments, for it heeds no window. And a
//! FIN with a hole before it, it ignores. So it is shown a segment that has both data and FIN without the FIN, and the FIN
//! alone once all the data is in. A device that hands over superframes has to leave the FIN to an ordinary frame.

use smoltcp::socket::tcp::State;
use smoltcp::wire::{TcpControl, TcpPacket, TcpRepr, TcpSeqNumber};

use super::behind;
use crate::frame::Segment;
use crate::limits::FRAME_SIZE;
use crate::seq::{distance, later};
use crate::tcp::tcb::{SocketSnapshot, Tcb};
use crate::workaround::inject::bare;

/// The acknowledgement and the window that a segment should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Newest {
    pub(crate) ack: TcpSeqNumber,
    pub(crate) window: u16,
}

/// Copies the frame of a sound segment to `buffer` with these numbers and without its FIN; `None` if it is no ordinary
/// frame.
pub(crate) fn mend<'b>(
    segment: &Segment<'_>,
    frame: &[u8],
    newest: Newest,
    buffer: &'b mut [u8; FRAME_SIZE],
) -> Option<&'b [u8]> {
    let copy = buffer.get_mut(..frame.len())?;
    copy.copy_from_slice(frame);
    let mut packet = TcpPacket::new_unchecked(&mut copy[segment.range()]);
    packet.set_fin(false);
    packet.set_ack_number(newest.ack);
    packet.set_window_len(newest.window);
    packet.fill_checksum(&segment.source.addr, &segment.destination.addr);
    Some(copy)
}

impl Tcb {
    /// Remembers the FIN of a sound segment, if it is within the window (RFC 9293 3.10.7.4, SHLD-31).
    pub(crate) fn hold_fin(&mut self, segment: &Segment<'_>, socket: SocketSnapshot) {
        let end = later(segment.seq, segment.len);
        let ahead = distance(end, self.rcv_nxt(socket));
        let within = usize::try_from(ahead).is_ok_and(|ahead| ahead <= socket.room);
        let known = segment.ack.is_some()
            && (socket.state != State::SynReceived || segment.ack == self.snd_max());
        if segment.fin && within && known && socket.unfinished() {
            self.fin = Some(end);
        }
    }

    /// Whether a FIN is remembered.
    pub(crate) const fn holds_fin(&self) -> bool {
        self.fin.is_some()
    }

    /// The number of the FIN that is remembered, if its turn has come, after smoltcp has taken in `segment`, with or
    /// without its FIN. It is forgotten if there is text behind it: somebody has not told the truth, and text is harder to
    /// guess.
    pub(crate) fn take_fin(
        &mut self,
        segment: &Segment<'_>,
        socket: SocketSnapshot,
    ) -> Option<TcpSeqNumber> {
        let fin = self.fin?;
        let within = distance(segment.seq, later(self.rcv_nxt(socket), socket.room)) < 0;
        let text_behind =
            segment.len > 0 && within && distance(later(segment.seq, segment.len), fin) > 0;
        if text_behind || !socket.unfinished() {
            self.fin = None;
            return None;
        }
        let due = fin == self.rcv_nxt(socket) && socket.state != State::SynReceived;
        due.then(|| self.fin.take()).flatten()
    }

    /// The newest numbers that have come in.
    pub(crate) const fn newest(&self) -> Newest {
        Newest { ack: self.snd_una(), window: self.snd_wnd() }
    }

    /// The bare acknowledgement that a segment carries. Notes whether it is to be answered.
    pub(crate) fn acknowledgement(
        &mut self,
        segment: &Segment<'_>,
        socket: SocketSnapshot,
    ) -> TcpRepr<'static> {
        let ends = segment.received_on();
        // That of a SYN is never scaled (RFC 7323 2.2).
        let window = if segment.syn { segment.window >> self.snd_shift() } else { segment.window };
        let seq = self.rcv_nxt(socket);
        self.repeated |= behind(self, segment, seq) >= 0 && !segment.syn;
        bare(TcpControl::None, &ends, seq, segment.ack, window)
    }
}
