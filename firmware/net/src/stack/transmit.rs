//! Every frame's way out: counted, and what of a TCP stream it carries noted in its connection's
//! [`Tcb`](crate::tcp::tcb::Tcb).
//!
//! smoltcp does not tell what it has sent. So each frame is looked at once it is in the device's buffer:
//! a few dozen instructions.

use smoltcp::phy::{Device, DeviceCapabilities, Medium, PacketMeta, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, TcpPacket, TcpSeqNumber};

use super::NetStack;
use crate::frame::discovery::{Kind, MESSAGE_SIZE};
use crate::frame::{Content, FourTuple, Frame, Segment};
use crate::netstat::{Count, Counters};
use crate::seq::distance;
use crate::tcp::tcb::Tcb;
use crate::workaround::blocks::{ACKNOWLEDGEMENT, Report};
use crate::workaround::replay::{Draft, Replay};

/// What left, and what of it has to be noted where.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is by itself")]
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
    /// The acknowledgement and window in an answer, and whose they were.
    pub(crate) answered: Option<(FourTuple, TcpSeqNumber, u16)>,
    /// What smoltcp sends is replayed; see [`crate::workaround::replay`].
    pub(crate) replay: Option<Replay>,
    /// Of the connection whose turn it is.
    tcb: Option<&'s mut Tcb>,
    /// For an answer of the one connection that there may be one of: what is in flight.
    flight: Option<Flight>,
    medium: Medium,
    /// Checksums of TCP are ours to compute.
    checksum: bool,
    /// What is to be told with the answer, of a peer's data.
    pub(crate) report: Option<Report>,
    now: Instant,
}

/// SND.UNA, and SND.NXT with what has ever been sent behind it.
pub(crate) type Flight = (TcpSeqNumber, TcpSeqNumber);

impl<'s> Sent<'s> {
    /// Nothing yet, of no connection.
    pub(crate) fn new(capabilities: &DeviceCapabilities, now: Instant) -> Self {
        Self {
            frames: 0,
            bytes: 0,
            retransmitted: 0,
            refused: false,
            asked: None,
            swallowed: false,
            answered: None,
            replay: None,
            tcb: None,
            flight: None,
            medium: capabilities.medium,
            checksum: capabilities.checksum.tcp.tx(),
            report: None,
            now,
        }
    }

    /// Nothing yet; segments are those of this connection.
    pub(crate) fn of(tcb: &'s mut Tcb, capabilities: &DeviceCapabilities, now: Instant) -> Self {
        Self { tcb: Some(tcb), ..Self::new(capabilities, now) }
    }

    /// What is to be sent is an answer of this connection.
    pub(super) fn answer_of(&mut self, tcb: &Tcb) {
        self.flight = tcb.in_flight_range();
    }

    /// Notes a frame of smoltcp's, and says whether it is to leave: a question for a MAC address is not.
    #[inline(never)]
    fn note(&mut self, bytes: &mut [u8]) -> bool {
        let frame = Frame::parse(bytes, self.medium);
        if let (true, Some(Content::Discovery(received))) =
            (may_ask(bytes.len()), frame.as_ref().map(|frame| &frame.content))
            && received.kind == Kind::Question
        {
            self.asked = Some(received.target);
            return false;
        }
        if let Some(segment) = frame.and_then(|frame| frame.segment()) {
            let (range, ends) = (segment.range(), segment.sent_on());
            if let Some(seq) = self.segment(&segment) {
                let mut packet = TcpPacket::new_unchecked(&mut bytes[range]);
                packet.set_seq_number(seq);
                if self.checksum {
                    packet.fill_checksum(&ends.local.addr, &ends.remote.addr);
                }
            }
        }
        self.frames += 1;
        self.bytes += bytes.len() as Count;
        true
    }

    /// Notes a segment in its connection. Returns the number that it is to have, if it is another.
    fn segment(&mut self, segment: &Segment<'_>) -> Option<TcpSeqNumber> {
        let flight = if let Some(tcb) = &mut self.tcb {
            self.retransmitted += Count::from(tcb.sent(segment, self.now));
            tcb.in_flight_range()
        } else {
            let ack = segment.ack.filter(|_| !segment.rst)?;
            self.answered = Some((segment.sent_on(), ack, segment.window));
            self.flight
        };
        // RFC 9293 3.10.7.4: <SEQ=SND.NXT>. smoltcp does not count the byte of a zero-window probe, and goes back to
        // SND.UNA to send again; to a peer that has all that, the segment would be an old one, and not acceptable.
        let (snd_una, snd_nxt) = flight.filter(|_| segment.sequence_len() == 0 && !segment.syn)?;
        let behind = distance(snd_nxt, segment.seq) > 0 && distance(segment.seq, snd_una) >= 0;
        behind.then_some(snd_nxt)
    }
}

impl Counters {
    /// Counts a frame of our own making.
    pub(super) const fn count_frame(&mut self, len: usize) {
        self.frames_out = self.frames_out.wrapping_add(1);
        self.bytes_out = self.bytes_out.wrapping_add(len as Count);
    }

    /// Counts what has left.
    pub(super) fn count_sent(&mut self, sent: &Sent<'_>) {
        self.count(sent.frames, sent.bytes, sent.retransmitted, sent.refused);
    }

    /// Counts so many frames, bytes, and segments that had left before.
    #[inline(never)]
    pub(super) fn count(&mut self, frames: Count, bytes: Count, again: Count, refused: bool) {
        self.frames_out = self.frames_out.wrapping_add(frames);
        self.bytes_out = self.bytes_out.wrapping_add(bytes);
        self.retransmitted = self.retransmitted.wrapping_add(again);
        self.tx_refused = self.tx_refused.wrapping_add(Count::from(refused));
    }
}

impl NetStack<'_> {
    /// Counts an answer that has left, and notes what it says to its connection.
    pub(super) fn count_answer(&mut self, sent: &Sent<'_>) {
        self.counters.count_sent(sent);
        if let Some((ends, ack, window)) = &sent.answered
            && let Some(index) =
                self.pool.used().find(|&index| self.pool.slots[index].tcb.is_of(ends))
        {
            let tcb = &mut self.pool.slots[index].tcb;
            tcb.acknowledged(*ack, *window);
            if let Some(report) = &sent.report {
                tcb.told = report.earlier;
            }
        }
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

/// Lets a frame be written that may not leave. Never inlined: all else needs no room for it on the call stack.
#[inline(never)]
fn aside<T: TxToken, R>(
    len: usize,
    f: impl FnOnce(&mut [u8]) -> R,
    token: Option<T>,
    sent: &mut Sent<'_>,
) -> R {
    let (mut packet, result) = Draft::new(len, f);
    sent.leave(&mut packet, token);
    result
}

impl Sent<'_> {
    /// Whether a frame of this length is not written to the device at once: it may not leave, or not as smoltcp makes it.
    const fn stops(&self, len: usize) -> bool {
        let told = self.report.is_some() && len <= ACKNOWLEDGEMENT;
        self.replay.is_some() || may_ask(len) || told
    }

    /// Lets a packet leave that was replayed, if it is wanted, or a frame that is no question for a MAC address.
    #[inline(never)]
    fn leave<T: TxToken>(&mut self, packet: &mut Draft, token: Option<T>) {
        let (Some(replay), Some(tcb)) = (&mut self.replay, &mut self.tcb) else {
            match token {
                Some(token) => {
                    if let Some(report) = &mut self.report {
                        packet.report(report, self.medium, self.checksum);
                    }
                    let frame = packet.written();
                    if self.note(frame) {
                        token.consume(frame.len(), |buffer| buffer.copy_from_slice(frame));
                    }
                }
                None => self.swallowed = true,
            }
            return;
        };
        let Some(segment) = packet.segment() else { return };
        if !replay.wants(&segment, tcb) {
            return;
        }
        let Some(token) = token else {
            self.refused = true;
            return;
        };
        self.retransmitted += Count::from(tcb.sent(&segment, self.now));
        let (source, destination) = (segment.source.addr, segment.destination.addr);
        let range = segment.range();
        let frame = replay.complete(packet, range, &source, &destination);
        token.consume(frame.len(), |buffer| buffer.copy_from_slice(frame));
        self.frames += 1;
        self.bytes += frame.len() as Count;
    }
}

impl<T: TxToken> TxToken for MeteredToken<'_, '_, T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let Self { token, sent } = self;
        match token {
            Some(token) if !sent.stops(len) => token.consume(len, |buffer| {
                let result = f(buffer);
                sent.note(buffer);
                result
            }),
            token => aside(len, f, token, sent),
        }
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
        let replays = self.sent.replay.is_some();
        // Its time is not the device's.
        let token = self.device.transmit(if replays { self.sent.now } else { now });
        if token.is_some() || replays {
            return Some(MeteredToken { token, sent: &mut self.sent });
        }
        self.sent.refused = true;
        None
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.device.capabilities()
    }
}
