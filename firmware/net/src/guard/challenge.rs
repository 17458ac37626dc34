//! The challenge ACK: one a second at most for each connection, and none for all together, which would tell an attacker of
//! other people's connections (CVE-2016-5696).

use smoltcp::socket::tcp::State;
use smoltcp::time::Instant;
use smoltcp::wire::{TcpControl, TcpRepr};

use crate::frame::FourTuple;
use crate::tcp::tcb::{SocketSnapshot, Tcb};
use crate::workaround::inject::bare;

/// When a challenge may follow another, in four bytes: units of 1024 us, of which one in seven weeks is too long.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Throttle(u32);

impl Throttle {
    /// None has been sent yet.
    pub(crate) const NEW: Self = Self(0);

    /// Whether one may be sent, which is then noted.
    fn allows(&mut self, now: Instant) -> bool {
        // A unit less, which rounding may take.
        const SECOND: u32 = (1_000_000 >> 10) - 1;
        let now = ((now.total_micros() >> 10) as u32).max(1);
        let allowed = self.0 == 0 || now.wrapping_sub(self.0) >= SECOND;
        if allowed {
            self.0 = now;
        }
        allowed
    }
}

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
