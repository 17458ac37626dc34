//! What ICMP errors do to our connections (RFC 9293 3.9.2.2, RFC 5927).
//!
//! Anybody can send one. It is believed if it quotes a segment that was sent and not acknowledged: who has not seen that
//! would have to guess the ports and the sequence number. Then a packet that is too big is sent again in smaller ones, and
//! a connect that nobody would take has failed. An established connection is ended by none.

use smoltcp::socket::tcp::State;

use super::NetStack;
use crate::frame::Packet;
use crate::frame::quote::{Cause, QuotedSegment};

impl NetStack<'_> {
    /// Takes in an ICMP message to us alone, if it is an error about a segment of ours.
    #[inline(never)]
    pub(super) fn icmp_error(&mut self, packet: &Packet<'_>) {
        let Some(quoted) = QuotedSegment::parse(packet, &self.capabilities.checksum) else {
            return;
        };
        let sender = |&index: &usize| self.pool.slots[index].tcb.in_flight(quoted.seq);
        let Some(index) = self.pool.find(&quoted.ends).filter(sender) else {
            let count = &mut self.counters.errors_disbelieved;
            *count = count.wrapping_add(1);
            return;
        };
        self.counters.errors_believed = self.counters.errors_believed.wrapping_add(1);
        match quoted.cause {
            Cause::TooBig(mtu) => {
                // What is outstanding leaves again with the next egress.
                self.pool.slots[index].tcb.narrow(mtu);
            }
            Cause::Hard if self.pool.socket(index).state() == State::SynSent => {
                self.pool.lose(index);
            }
            // After the handshake, what is said to be hard may pass as well (RFC 5927 5.2, RFC 5461).
            Cause::Hard | Cause::Soft => {}
        }
    }
}
