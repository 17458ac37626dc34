//! Every frame's way out: counted, and what of a TCP stream it carries noted in its connection's
//! [`Tcb`](crate::tcp::tcb::Tcb).
//!
//! smoltcp does not tell what it has sent. So each frame is looked at once it is in the device's buffer:
//! a few dozen instructions, and one comparison for each slot if it carries data.

use smoltcp::phy::{Device, DeviceCapabilities, Medium, PacketMeta, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::IpAddress;

use crate::frame::discovery::{Kind, MESSAGE_SIZE};
use crate::frame::{Content, Frame};
use crate::netstat::{Count, Counters};
use crate::tcp::Slot;

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
    medium: Medium,
    now: Instant,
}

impl<'s> Sent<'s> {
    /// Nothing yet; data is that of `slots`.
    pub(crate) const fn new(slots: &'s mut [Slot], medium: Medium, now: Instant) -> Self {
        Self {
            frames: 0,
            bytes: 0,
            retransmitted: 0,
            refused: false,
            asked: None,
            slots,
            medium,
            now,
        }
    }

    /// Nothing yet, nor will there be data: answers have none.
    pub(crate) const fn answers() -> Self {
        Self::new(&mut [], Medium::Ethernet, Instant::ZERO)
    }

    #[inline(never)]
    fn note(&mut self, frame: &[u8]) {
        self.frames += 1;
        self.bytes += frame.len() as Count;
        if self.slots.is_empty() {
            return;
        }
        let Some(segment) = Frame::parse(frame, self.medium).and_then(|frame| frame.segment())
        else {
            return;
        };
        let len = segment.len + usize::from(segment.fin);
        if len == 0 && !segment.syn {
            return;
        }
        let ends = segment.sent_on();
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.tcb.is_of(&ends)) {
            if segment.syn {
                slot.tcb.syn_sent(segment.seq);
            }
            if len > 0 {
                self.retransmitted += Count::from(slot.tcb.sent(segment.seq, len, self.now));
            }
        }
    }
}

impl Counters {
    /// Counts what has left.
    pub(super) fn count_sent(&mut self, sent: &Sent<'_>) {
        self.frames_out = self.frames_out.wrapping_add(sent.frames);
        self.bytes_out = self.bytes_out.wrapping_add(sent.bytes);
        self.retransmitted = self.retransmitted.wrapping_add(sent.retransmitted);
        self.tx_refused = self.tx_refused.wrapping_add(Count::from(sent.refused));
    }
}

/// Whether `frame`, one of smoltcp's own, is a question for a MAC address, and whose.
fn asked_for(frame: &[u8], medium: Medium) -> Option<IpAddress> {
    match Frame::parse(frame, medium)?.content {
        Content::Discovery(received) if received.kind == Kind::Question => Some(received.target),
        _ => None,
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
            if let Some(address) = asked_for(buffer, sent.medium) {
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
