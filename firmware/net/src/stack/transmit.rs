//! Every frame's way out: counted, and what of a TCP stream it carries noted in its connection's
//! [`Tcb`](crate::tcp::tcb::Tcb).
//!
//! smoltcp sends packets, and knows of no Ethernet: the header is put before each here. Nor does it tell what it has sent.
//! So each packet is looked at once it is in the device's buffer: a few dozen instructions.

use smoltcp::phy::{Device, DeviceCapabilities, PacketMeta, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{TcpPacket, TcpSeqNumber};

use super::NetStack;
use crate::ethernet::EthernetAddress;
#[cfg(feature = "multicast")]
use crate::frame::group_mac;
use crate::frame::{Content, ETHERNET_HEADER, FourTuple, Link, Segment, ethertype_of, put_link};
use crate::netstat::{Count, Counters};
use crate::seq::distance;
use crate::tcp::tcb::Tcb;
use crate::workaround::blocks::{ACKNOWLEDGEMENT, Report};
use crate::workaround::replay::{Draft, Replay};

/// What left, and what of it has to be noted where.
#[derive(Debug)]
pub(crate) struct Sent<'s> {
    pub(crate) frames: Count,
    pub(crate) bytes: Count,
    /// Segments whose data had left before.
    pub(crate) retransmitted: Count,
    /// The device had no room for a frame.
    pub(crate) refused: bool,
    /// A packet was swallowed: it had no token, or nowhere to go.
    pub(crate) swallowed: bool,
    /// The acknowledgement and window in an answer, and whose they were.
    pub(crate) answered: Option<(FourTuple, TcpSeqNumber, u16)>,
    /// What smoltcp sends is replayed; see [`crate::workaround::replay`].
    pub(crate) replay: Option<Replay>,
    /// Our MAC address; `None` where the medium has none.
    mac: Option<EthernetAddress>,
    /// That of the next hop. Without it, on Ethernet, nothing leaves.
    pub(crate) to: Option<EthernetAddress>,
    /// What smoltcp sends is written there once, and does not leave.
    #[cfg(feature = "smoltcp-sockets")]
    pub(crate) draft: Option<&'s mut Draft>,
    /// Of the connection whose turn it is.
    tcb: Option<&'s mut Tcb>,
    /// For an answer of the one connection that there may be one of: what is in flight.
    flight: Option<Flight>,
    /// Checksums of TCP are ours to compute.
    checksum: bool,
    /// What is to be told with the answer, of a peer's data.
    pub(crate) report: Option<Report>,
    now: Instant,
}

/// SND.UNA, and SND.NXT with what has ever been sent behind it.
pub(crate) type Flight = (TcpSeqNumber, TcpSeqNumber);

impl<'s> Sent<'s> {
    /// Nothing yet, of no connection, from this MAC address to that one.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn new(
        capabilities: &DeviceCapabilities,
        mac: Option<EthernetAddress>,
        to: Option<EthernetAddress>,
        now: Instant,
    ) -> Self {
        Self {
            frames: 0,
            bytes: 0,
            retransmitted: 0,
            refused: false,
            swallowed: false,
            answered: None,
            replay: None,
            mac,
            to,
            #[cfg(feature = "smoltcp-sockets")]
            draft: None,
            tcb: None,
            flight: None,
            checksum: capabilities.checksum.tcp.tx(),
            report: None,
            now,
        }
    }

    /// Segments are those of this connection.
    pub(crate) fn of(&mut self, tcb: &'s mut Tcb) {
        self.tcb = Some(tcb);
    }

    /// What is to be sent is an answer of this connection.
    pub(super) fn answer_of(&mut self, tcb: &Tcb) {
        self.flight = tcb.in_flight_range();
    }

    /// Bytes before a packet.
    const fn begin(&self) -> usize {
        if self.mac.is_some() { ETHERNET_HEADER } else { 0 }
    }

    /// The header before a packet, if there is to be one.
    fn link(&self, packet: &[u8]) -> Option<Link> {
        let to = self.to;
        // smoltcp reports groups whoever's turn it is.
        #[cfg(feature = "multicast")]
        let to = Content::destination(packet).and_then(|to| group_mac(&to)).or(to);
        #[cfg(not(feature = "multicast"))]
        let _ = packet;
        self.mac.zip(to).map(|(source, destination)| Link { source, destination })
    }

    /// Whether an ordinary packet has nowhere to go.
    pub(crate) const fn is_lost(&self) -> bool {
        self.mac.is_some() && self.to.is_none()
    }

    /// Puts the header before a packet of smoltcp's, and notes that.
    #[cfg_attr(target_os = "none", inline(never))]
    fn finish(&mut self, frame: &mut [u8]) {
        let begin = self.begin();
        let Some(packet) = frame.get_mut(begin..) else { return };
        self.note(packet);
        if let Some(link) = self.link(packet) {
            let ethertype = ethertype_of(packet);
            put_link(frame, link, ethertype);
        }
        self.frames += 1;
        self.bytes += frame.len() as Count;
    }

    fn note(&mut self, packet: &mut [u8]) {
        let Some(segment) = Content::parse(packet).segment() else { return };
        if let Some(seq) = self.segment(&segment) {
            let (range, ends) = (segment.range(), segment.sent_on());
            let mut tcp = TcpPacket::new_unchecked(&mut packet[range]);
            tcp.set_seq_number(seq);
            if self.checksum {
                tcp.fill_checksum(&ends.local.addr, &ends.remote.addr);
            }
        }
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
    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn count(&mut self, frames: Count, bytes: Count, again: Count, refused: bool) {
        self.frames_out = self.frames_out.wrapping_add(frames);
        self.bytes_out = self.bytes_out.wrapping_add(bytes);
        self.retransmitted = self.retransmitted.wrapping_add(again);
        self.tx_refused = self.tx_refused.wrapping_add(Count::from(refused));
    }
}

impl NetStack<'_> {
    /// Nothing sent yet, with this MAC address of the next hop.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn nothing_sent<'s>(&self, to: Option<EthernetAddress>) -> Sent<'s> {
        Sent::new(&self.capabilities, self.mac(), to, self.now)
    }

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

/// A device whose frames are noted as they leave.
#[derive(Debug)]
pub(crate) struct Metered<'d, D: ?Sized> {
    pub(crate) device: &'d mut D,
    pub(crate) sent: Sent<'d>,
}

/// A transmit token for packets, before which the link's header is put, and which are noted; `None` swallows them. One
/// type for all that smoltcp sends, so that its way out is there once.
#[derive(Debug)]
pub(crate) struct MeteredToken<'t, 's, T> {
    pub(crate) token: Option<T>,
    pub(crate) sent: &'t mut Sent<'s>,
}

/// Lets a packet be written that may not leave. Never inlined: all else needs no room for it on the call stack.
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
    /// Whether a packet of this length is not written to the device at once: it may not leave, or not as smoltcp makes it.
    const fn stops(&self, len: usize) -> bool {
        let told = self.report.is_some() && len <= ACKNOWLEDGEMENT;
        self.replay.is_some() || told || self.is_lost()
    }

    /// Lets a packet leave that was replayed, if it is wanted, or any other that has somewhere to go.
    #[inline(never)]
    fn leave<T: TxToken>(&mut self, packet: &mut Draft, token: Option<T>) {
        #[cfg(feature = "smoltcp-sockets")]
        if let Some(draft) = &mut self.draft {
            draft.copy(packet);
            return;
        }
        let (Some(replay), Some(tcb)) = (&mut self.replay, &mut self.tcb) else {
            let lost = self.mac.is_some() && self.link(packet.written()).is_none();
            match token.filter(|_| !lost) {
                Some(token) => {
                    if let Some(report) = &mut self.report {
                        packet.report(report, self.checksum);
                    }
                    let frame = packet.frame(self.begin());
                    self.finish(frame);
                    token.consume(frame.len(), |buffer| buffer.copy_from_slice(frame));
                }
                None => self.swallowed = true,
            }
            return;
        };
        let Some(segment) = packet.segment() else { return };
        replay.note(&segment);
        if !tcb.wants(&segment) || (self.mac.is_some() && self.to.is_none()) {
            return;
        }
        let Some(token) = token else {
            self.refused = true;
            return;
        };
        self.retransmitted += Count::from(tcb.sent(&segment, self.now));
        let (source, destination) = (segment.source.addr, segment.destination.addr);
        let range = segment.range();
        replay.complete(packet, range, &source, &destination);
        let link = self.mac.zip(self.to);
        let frame = packet.frame(self.begin());
        if let Some((source, destination)) = link {
            let ethertype = ethertype_of(&frame[ETHERNET_HEADER..]);
            put_link(frame, Link { source, destination }, ethertype);
        }
        token.consume(frame.len(), |buffer| buffer.copy_from_slice(frame));
        self.frames += 1;
        self.bytes += frame.len() as Count;
    }
}

impl<T: TxToken> TxToken for MeteredToken<'_, '_, T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let Self { token, sent } = self;
        match token {
            Some(token) if !sent.stops(len) => {
                let begin = sent.begin();
                token.consume(begin + len, |frame| {
                    let result = f(&mut frame[begin..]);
                    sent.finish(frame);
                    result
                })
            }
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
        #[cfg(feature = "smoltcp-sockets")]
        if self.sent.draft.as_ref().is_some_and(|draft| !draft.is_empty()) {
            return None;
        }
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
