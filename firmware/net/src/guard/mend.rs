//! What smoltcp is shown in the place of a segment that would mean something else to it.

use smoltcp::wire::{EthernetAddress, TcpControl, TcpPacket, TcpSeqNumber};

use crate::frame::Segment;
use crate::limits::FRAME_SIZE;
use crate::tcp::tcb::{SocketSnapshot, Tcb};
use crate::workaround::inject::{InjectedSegment, bare};

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
    /// The newest numbers that have come in.
    pub(crate) const fn newest(&self) -> Newest {
        Newest { ack: self.snd_una(), window: self.snd_wnd() }
    }

    /// The bare acknowledgement that a segment carries.
    pub(crate) fn acknowledgement(
        &self,
        segment: &Segment<'_>,
        socket: SocketSnapshot,
        mac: Option<EthernetAddress>,
    ) -> InjectedSegment {
        let ends = segment.received_on();
        // That of a SYN is never scaled (RFC 7323 2.2).
        let window = if segment.syn { segment.window >> self.snd_shift() } else { segment.window };
        let seq = self.rcv_nxt(socket);
        let repr = bare(TcpControl::None, &ends, seq, segment.ack, window);
        InjectedSegment::new(&repr, &ends, mac)
    }
}
