//! What smoltcp is shown in the place of a segment that would mean something else to it.

use smoltcp::wire::{EthernetAddress, TcpControl};

use crate::frame::Segment;
use crate::tcp::tcb::{SocketSnapshot, Tcb};
use crate::workaround::inject::{InjectedSegment, bare};

impl Tcb {
    /// The bare acknowledgement that a segment carries.
    pub(crate) fn acknowledgement(
        &self,
        segment: &Segment<'_>,
        socket: SocketSnapshot,
        link: Option<(EthernetAddress, EthernetAddress)>,
    ) -> InjectedSegment {
        let ends = segment.received_on();
        // That of a SYN is never scaled (RFC 7323 2.2).
        let window = if segment.syn { segment.window >> self.snd_shift() } else { segment.window };
        let seq = self.rcv_nxt(socket);
        let repr = bare(TcpControl::None, &ends, seq, segment.ack, window);
        InjectedSegment::new(&repr, &ends, link)
    }
}
