//! The challenge ACK: one a second at most for each connection, and none for all together, which would tell an attacker of
//! other people's connections (CVE-2016-5696).

use smoltcp::socket::tcp::State;
use smoltcp::time::Instant;
use smoltcp::wire::{TcpControl, TcpRepr};

use crate::frame::FourTuple;
use crate::tcp::tcb::{SocketSnapshot, Tcb};
use crate::workaround::inject::bare;

impl Tcb {
    /// The segment that smoltcp answers with <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK> and then forgets: a byte before the window,
    /// as of a probe (socket/tcp.rs 1803; without the byte it counts with its own throttle). `None`: not now.
    pub(crate) fn challenge(
        &mut self,
        ends: &FourTuple,
        socket: SocketSnapshot,
        now: Instant,
    ) -> Option<TcpRepr<'static>> {
        let probe = self.probe(ends, socket)?;
        self.throttle().allows(now).then_some(probe)
    }

    /// That segment, however often.
    pub(crate) fn probe(
        &self,
        ends: &FourTuple,
        socket: SocketSnapshot,
    ) -> Option<TcpRepr<'static>> {
        // Before our SYN has left there is nothing to say.
        let snd_max = self.snd_max()?;
        let ack = if socket.state == State::SynReceived { snd_max } else { self.snd_una() };
        let seq = self.rcv_nxt(socket) - 1;
        Some(TcpRepr { payload: &[0], ..bare(TcpControl::None, ends, seq, Some(ack), 0) })
    }
}
