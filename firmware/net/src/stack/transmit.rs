//! Every frame's way out: counted, and what of a TCP stream it carries noted in its connection's
//! [`Tcb`](crate::tcp::tcb::Tcb).
//!
//! smoltcp does not tell what it has sent. So each frame is looked at once it is in the device's buffer:
//! a few dozen instructions, and one comparison for each slot if it carries data.

use smoltcp::phy::{Device, DeviceCapabilities, Medium, PacketMeta, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::IpAddress;

#[cfg(feature = "dhcp")]
use crate::dhcp::exchange::Departed;
use crate::frame::discovery::{Kind, MESSAGE_SIZE};
use crate::frame::{Content, Frame, Segment};
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
    /// A frame was swallowed: it had no token.
    pub(crate) swallowed: bool,
    /// Look for a message of smoltcp's DHCP client.
    #[cfg(feature = "dhcp")]
    pub(crate) watch: bool,
    /// It left.
    #[cfg(feature = "dhcp")]
    pub(crate) departed: Option<Departed>,
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
            swallowed: false,
            #[cfg(feature = "dhcp")]
            watch: false,
            #[cfg(feature = "dhcp")]
            departed: None,
            slots,
            medium,
            now,
        }
    }

    /// Nothing yet, nor will there be data: answers have none.
    pub(crate) const fn answers() -> Self {
        Self::new(&mut [], Medium::Ethernet, Instant::ZERO)
    }

    /// Notes a frame of smoltcp's, and says whether it is to leave: a question for a MAC address is not.
    #[inline(never)]
    fn note(&mut self, bytes: &[u8]) -> bool {
        let may_ask = may_ask(bytes.len());
        if may_ask || !self.slots.is_empty() {
            let frame = Frame::parse(bytes, self.medium);
            if let (true, Some(Content::Discovery(received))) =
                (may_ask, frame.as_ref().map(|frame| &frame.content))
                && received.kind == Kind::Question
            {
                self.asked = Some(received.target);
                return false;
            }
            if let Some(segment) = frame.and_then(|frame| frame.segment()) {
                self.segment(&segment);
            }
        }
        #[cfg(feature = "dhcp")]
        if self.watch {
            self.departed = Departed::read(bytes);
        }
        self.frames += 1;
        self.bytes += bytes.len() as Count;
        true
    }

    /// Notes a segment in its connection.
    fn segment(&mut self, segment: &Segment<'_>) {
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
    #[inline(never)]
    pub(super) fn count_sent(&mut self, sent: &Sent<'_>) {
        self.frames_out = self.frames_out.wrapping_add(sent.frames);
        self.bytes_out = self.bytes_out.wrapping_add(sent.bytes);
        self.retransmitted = self.retransmitted.wrapping_add(sent.retransmitted);
        self.tx_refused = self.tx_refused.wrapping_add(Count::from(sent.refused));
    }
}

/// Whether a frame of this length may be a question for a MAC address: an ARP packet, or a neighbour solicitation.
const fn may_ask(len: usize) -> bool {
    len == 14 + 28 || len == MESSAGE_SIZE
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

/// The longest answer that is swallowed: an ICMP error (RFC 1812 4.3.2.3, RFC 4443 2.4 c). To a segment of our own making
/// it is an ACK.
const SWALLOWED: usize = 14 + if cfg!(feature = "ipv6") { 1280 } else { 576 };

/// Lets a frame be written that does not leave. Never inlined: what does leave needs no room for it on the call stack.
#[inline(never)]
fn swallow<R>(len: usize, f: impl FnOnce(&mut [u8]) -> R) -> R {
    let mut buffer = [0; SWALLOWED];
    f(&mut buffer[..len.min(SWALLOWED)])
}

impl<T: TxToken> TxToken for MeteredToken<'_, '_, T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let Self { token, sent } = self;
        let token = match token {
            Some(token) if !may_ask(len) => {
                return token.consume(len, |buffer| {
                    let result = f(buffer);
                    sent.note(buffer);
                    result
                });
            }
            Some(token) => token,
            None => {
                sent.swallowed = true;
                return swallow(len, f);
            }
        };
        let mut buffer = [0; MESSAGE_SIZE];
        let buffer = &mut buffer[..len];
        let result = f(buffer);
        if sent.note(buffer) {
            token.consume(len, |frame| frame.copy_from_slice(buffer));
        }
        result
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
