//! One packet goes to smoltcp, and to no other socket than the one it is for.
//!
//! [`OnePacket`] is the device through which it goes, in place, with the transmit token for the answer: no copy, no queue.

use smoltcp::iface::SocketSet;
use smoltcp::phy::{Device, DeviceCapabilities, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{TcpControl, TcpSeqNumber};

use super::NetStack;
use super::transmit::MeteredToken;
use crate::frame::FourTuple;
use crate::workaround::inject::{InjectedSegment, bare};

/// The sockets that a frame can be for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Recipient {
    /// The TCP socket of this slot.
    Slot(usize),
    /// None: a segment of no connection.
    Nobody,
    /// The stack's UDP socket of this place.
    #[cfg(feature = "udp")]
    Udp(usize),
    /// Those of the user's own, and ICMP.
    Others,
}

impl NetStack<'_> {
    /// Gives smoltcp a segment of the remote end without payload or options, to us and from us.
    #[inline(never)]
    pub(super) fn inject_bare<T: TxToken>(
        &mut self,
        index: usize,
        control: TcpControl,
        ends: &FourTuple,
        seq: TcpSeqNumber,
        ack: Option<TcpSeqNumber>,
        window: u16,
    ) {
        let repr = bare(control, ends, seq, ack, window);
        let segment = InjectedSegment::new(&repr, ends);
        self.inject::<T>(Recipient::Slot(index), &segment);
    }

    /// Gives smoltcp a segment of our own making; what it answers does not leave.
    pub(super) fn inject<T: TxToken>(&mut self, recipient: Recipient, segment: &InjectedSegment) {
        let mut sent = self.nothing_sent(None);
        let swallow = MeteredToken::<'_, '_, T> { token: None, sent: &mut sent };
        self.pass(recipient, segment.bytes(), swallow);
    }

    /// Gives one packet to smoltcp. Never inlined: smoltcp's whole way in would be there twice.
    #[inline(never)]
    pub(super) fn pass(&mut self, recipient: Recipient, packet: &[u8], answer: impl TxToken) {
        let mut device = OnePacket {
            packet: Some(packet),
            transmit: Some(answer),
            capabilities: &self.capabilities,
        };
        let set = match recipient {
            Recipient::Slot(index) => &mut self.pool.slots[index].set,
            Recipient::Nobody => &mut SocketSet::new(&mut [][..]),
            #[cfg(feature = "udp")]
            Recipient::Udp(index) => &mut self.udp[index].set,
            Recipient::Others => &mut self.others,
        };
        self.interface.poll_ingress_single(self.now, &mut device, set);
    }
}

/// A device that holds one received packet and, until it is used, one transmit token.
#[derive(Debug)]
struct OnePacket<'f, T> {
    packet: Option<&'f [u8]>,
    transmit: Option<T>,
    capabilities: &'f DeviceCapabilities,
}

/// The received packet, in place.
#[derive(Debug)]
struct PacketToken<'f>(&'f [u8]);

impl RxToken for PacketToken<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

impl<T: TxToken> Device for OnePacket<'_, T> {
    type RxToken<'a>
        = PacketToken<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = T
    where
        Self: 'a;

    fn receive(&mut self, _now: Instant) -> Option<(PacketToken<'_>, T)> {
        Some((PacketToken(self.packet.take()?), self.transmit.take()?))
    }

    fn transmit(&mut self, _now: Instant) -> Option<T> {
        self.transmit.take()
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.capabilities.clone()
    }
}
