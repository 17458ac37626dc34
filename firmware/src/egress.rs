//! Every frame's way out: counted, and what of a TCP stream it carries noted for [`crate::recovery`].
//!
//! smoltcp does not tell what it has sent. So each frame is looked at once it is in the device's buffer:
//! a few dozen instructions, and one comparison for each slot if it carries data.

use smoltcp::phy::{Device, DeviceCapabilities, PacketMeta, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::IpAddress;

use crate::ingress::{Outgoing, outgoing};
use crate::listener::Slot;
use crate::neighbors::{MESSAGE_SIZE, asked_for};
use crate::netstat::Count;

/// What left, and what of it has to be noted where.
#[derive(Debug)]
pub(crate) struct Sent<'s> {
    pub(crate) frames: Count,
    pub(crate) bytes: Count,
    /// Segments whose data had left before.
    pub(crate) retransmitted: Count,
    /// The device had no room for a frame.
    pub(crate) refused: bool,
    /// Whom smoltcp asked for last. That question has not left: the stack asks itself, see [`crate::neighbors`].
    pub(crate) asked: Option<IpAddress>,
    /// Those that may be sending data.
    slots: &'s mut [Slot],
    now: Instant,
}

impl<'s> Sent<'s> {
    /// Nothing yet; data is that of `slots`.
    pub(crate) const fn new(slots: &'s mut [Slot], now: Instant) -> Self {
        Self { frames: 0, bytes: 0, retransmitted: 0, refused: false, asked: None, slots, now }
    }

    /// Nothing yet, nor will there be data: answers have none.
    pub(crate) const fn answers() -> Self {
        Self::new(&mut [], Instant::ZERO)
    }

    #[inline(never)]
    fn note(&mut self, frame: &[u8]) {
        self.frames += 1;
        self.bytes += frame.len() as Count;
        if self.slots.is_empty() {
            return;
        }
        let Some(Outgoing { ports, seq, len, request }) = outgoing(frame) else { return };
        if request {
            let mut unsent = self.slots.iter_mut().map(|slot| &mut slot.syn_unsent);
            if let Some(port) = unsent.find(|port| port.is_some_and(|port| port.get() == ports.0)) {
                *port = None;
            }
        }
        if len == 0 {
            return;
        }
        let mut recoveries = self.slots.iter_mut().map(|slot| &mut slot.recovery);
        if let Some(recovery) = recoveries.find(|recovery| recovery.is_of(ports, seq)) {
            self.retransmitted += Count::from(recovery.sent(seq, len, self.now));
        }
    }
}

/// A device whose frames are noted as they leave.
#[derive(Debug)]
pub(crate) struct Metered<'d, D: ?Sized> {
    pub(crate) device: &'d mut D,
    pub(crate) sent: Sent<'d>,
}

/// A transmit token whose frame is noted; `None` swallows it. One type for all that smoltcp sends, so that
/// its way out is there once.
#[derive(Debug)]
pub(crate) struct MeteredToken<'t, 's, T> {
    pub(crate) token: Option<T>,
    pub(crate) sent: &'t mut Sent<'s>,
}

impl<T: TxToken> TxToken for MeteredToken<'_, '_, T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let Self { token, sent } = self;
        let Some(token) = token else {
            // The answer to a segment of our own making: an ACK, never longer than its headers.
            let mut buffer = [0; 14 + 40 + 60];
            let len = len.min(buffer.len());
            return f(&mut buffer[..len]);
        };
        // The lengths of an ARP packet and of a neighbour solicitation.
        if len == 14 + 28 || len == MESSAGE_SIZE {
            let mut buffer = [0; MESSAGE_SIZE];
            let buffer = &mut buffer[..len];
            let result = f(buffer);
            if let Some(address) = asked_for(buffer) {
                sent.asked = Some(address);
            } else {
                token.consume(len, |frame| frame.copy_from_slice(buffer));
                sent.note(buffer);
            }
            return result;
        }
        token.consume(len, |buffer| {
            let result = f(buffer);
            sent.note(buffer);
            result
        })
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        if let Some(token) = &mut self.token {
            token.set_meta(meta);
        }
    }
}

impl<'d, D: Device + ?Sized> Device for Metered<'d, D> {
    type RxToken<'a>
        = D::RxToken<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = MeteredToken<'a, 'd, D::TxToken<'a>>
    where
        Self: 'a;

    fn receive(&mut self, now: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let (rx, token) = self.device.receive(now)?;
        Some((rx, MeteredToken { token: Some(token), sent: &mut self.sent }))
    }

    fn transmit(&mut self, now: Instant) -> Option<Self::TxToken<'_>> {
        if let Some(token) = self.device.transmit(now) {
            Some(MeteredToken { token: Some(token), sent: &mut self.sent })
        } else {
            self.sent.refused = true;
            None
        }
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.device.capabilities()
    }
}
