//! The whole way in against RFC 9293 3.10.7.4, over all of a small space: a segment with each number, length, flag and
//! acknowledgement around a window of 0 to 4 bytes, wherever the numbers wrap.
//!
//! The model is the section as it stands, with RFC 5961. What of a segment is outside of the window has other bytes
//! than the stream, so that it shows if it is taken.

use std::collections::VecDeque;
use std::string::String;
use std::vec;
use std::vec::Vec;

use embedded_nal::nb;
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{IpEndpoint, Ipv4Address, Ipv4Cidr, TcpControl, TcpRepr, TcpSeqNumber};

use crate::ethernet::EthernetAddress;
use crate::frame::{Content, FourTuple};
use crate::seq::later;
use crate::workaround::inject::{InjectedSegment, bare};
use crate::{Backlog, Buffers, NetConfig, NetStack, Sockets, TcpSocket};

/// Bytes of each buffer, and of the largest window.
const BUFFER: usize = 4;
/// What the peer has room for (MAX.SND.WND).
const PEER_WINDOW: u16 = 10;
/// Bytes that the board has sent, and nobody has acknowledged.
const FLIGHT: u8 = 2;
/// Bytes of the stream, more than fit at once.
const STREAM: usize = 11;

/// A device without MAC addresses.
#[derive(Default)]
struct Port {
    arriving: VecDeque<Vec<u8>>,
    left: Vec<Vec<u8>>,
}

struct Received(Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

struct Leaving<'p>(&'p mut Vec<Vec<u8>>);

impl TxToken for Leaving<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut packet = vec![0; len];
        let result = f(&mut packet);
        self.0.push(packet);
        result
    }
}

impl Device for Port {
    type RxToken<'a> = Received;
    type TxToken<'a> = Leaving<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received, Leaving<'_>)> {
        Some((Received(self.arriving.pop_front()?), Leaving(&mut self.left)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Leaving<'_>> {
        Some(Leaving(&mut self.left))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = 1500;
        capabilities
    }
}

/// A segment that may be sent, relative to the connection.
#[derive(Clone, Copy, Debug)]
struct Case {
    /// RCV.NXT.
    next: TcpSeqNumber,
    /// RCV.WND.
    window: u8,
    /// SEG.SEQ - RCV.NXT.
    ahead: i32,
    len: u8,
    control: TcpControl,
    /// SEG.ACK - SND.UNA.
    ack: i32,
}

/// What has to come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// The connection is reset.
    Reset,
    /// Nothing, and no answer.
    Silence,
    /// No more than an answer that says where the connection stands.
    Answer,
    /// So many bytes can be read, and all there will be, if `end` says so, and the acknowledgement counts.
    Taken { count: usize, end: bool },
    /// Nothing, answered or not.
    Nothing,
}

impl Case {
    /// RFC 9293 3.4, the four cases; but a FIN, which needs no room, is as good at the window's end.
    fn acceptable(&self) -> bool {
        let (window, len) = (self.window.into(), i32::from(self.len));
        let text = match (len, window) {
            (0, 0) => self.ahead == 0,
            (0, _) => (0..window).contains(&self.ahead),
            (_, 0) => false,
            _ => {
                let ends = [self.ahead, self.ahead + len - 1];
                ends.iter().any(|end| (0..window).contains(end))
            }
        };
        text || self.fin().is_some()
    }

    /// Where the FIN is, if there is one that may be taken.
    fn fin(&self) -> Option<usize> {
        let at = usize::try_from(self.ahead + i32::from(self.len)).ok()?;
        (self.control == TcpControl::Fin && at <= self.window.into()).then_some(at)
    }

    /// RFC 9293 3.10.7.4, ESTABLISHED, in its order.
    fn wanted(&self) -> Wanted {
        match self.control {
            // RFC 5961 3.2.
            TcpControl::Rst if self.ahead == 0 => return Wanted::Reset,
            TcpControl::Rst if (0..self.window.into()).contains(&self.ahead) => {
                return Wanted::Answer;
            }
            TcpControl::Rst => return Wanted::Silence,
            // RFC 5961 4.2.
            TcpControl::Syn => return Wanted::Answer,
            _ => {}
        }
        // RFC 5961 5.2, before what is not acceptable, or after: it is answered in either case. Nothing was acknowledged yet
        // but our SYN, which is no text.
        let narrow = cfg!(feature = "wide-scoreboard");
        let oldest = if narrow { 0 } else { -i32::from(PEER_WINDOW) };
        let counts = (oldest..=FLIGHT.into()).contains(&self.ack);
        if !self.acceptable() {
            // What is bare is answered once a second; and may count, as it says no more.
            let bare = self.len == 0 && self.control == TcpControl::None;
            return if bare { Wanted::Nothing } else { Wanted::Answer };
        }
        if !counts {
            return Wanted::Answer;
        }
        let end = (self.ahead + i32::from(self.len)).min(self.window.into());
        let count = if self.ahead <= 0 && self.len > 0 { end.max(0) as usize } else { 0 };
        Wanted::Taken { count, end: self.fin() == Some(count) }
    }
}

/// The byte of the stream at this place behind what was read before.
const fn byte(place: usize) -> u8 {
    0x40 + place as u8
}

struct Connection<'a> {
    stack: NetStack<'a>,
    port: Port,
    socket: TcpSocket,
    ends: FourTuple,
    /// SND.UNA.
    una: TcpSeqNumber,
    now: Instant,
}

impl<'a> Connection<'a> {
    /// One with that window, and some bytes under way to the peer.
    fn new(
        case: &Case,
        tcp: &'a mut [[[u8; BUFFER]; 2]; 2],
        backlog: &'a mut Backlog<1>,
        sockets: &'a mut Sockets<'a, 2, 0, 1>,
    ) -> Self {
        let end = |last, port| IpEndpoint::new(Ipv4Address::new(192, 0, 2, last).into(), port);
        let ends = FourTuple { local: end(1, 7), remote: end(2, 50_000) };
        let config = NetConfig::new(EthernetAddress([2, 0, 0x5e, 0, 0, 1]))
            .with_medium_ip()
            .with_ipv4(Ipv4Cidr::new(Ipv4Address::new(192, 0, 2, 1), 24));
        let (mut port, now) = (Port::default(), Instant::from_secs(100));
        // Less than any [`Storage`](crate::Storage) would have.
        let buffers = Buffers::<BUFFER, 0> { tcp, udp: &mut [], backlog: backlog.into() };
        let mut stack = NetStack::new(&config, &mut port, now, 1, buffers, sockets);
        let listener = stack.tcp_listen(7).unwrap();
        let unread = BUFFER - usize::from(case.window);
        let first = case.next - unread;
        let mut give = |stack: &mut NetStack<'_>, repr: TcpRepr<'_>| {
            port.arriving.push_back(InjectedSegment::new(&repr, &ends).bytes().to_vec());
            stack.poll(now, &mut port);
            let last = port.left.drain(..).next_back();
            last.and_then(|packet| Some(Content::parse(&packet).segment()?.seq))
        };
        let syn = bare(TcpControl::Syn, &ends, first - 1, None, PEER_WINDOW);
        let una = give(&mut stack, syn).expect("a SYN-ACK") + 1;
        let text: Vec<u8> = vec![0xee; unread];
        let ack = bare(TcpControl::None, &ends, first, Some(una), PEER_WINDOW);
        give(&mut stack, ack);
        if unread > 0 {
            give(&mut stack, TcpRepr { payload: &text, ..ack });
        }
        let (socket, _) = stack.tcp_accept(&listener).expect("a connection");
        stack.tcp_send(&socket, &[1; FLIGHT as usize]).expect("room");
        stack.poll(now, &mut port);
        assert!(!port.left.is_empty(), "it has left");
        port.left.clear();
        Self { stack, port, socket, ends, una, now }
    }

    /// Gives it a segment of the peer's. Returns what it answers: SEG.SEQ and SEG.ACK.
    fn give(&mut self, repr: &TcpRepr<'_>) -> Vec<(TcpSeqNumber, Option<TcpSeqNumber>)> {
        let packet = InjectedSegment::new(repr, &self.ends).bytes().to_vec();
        self.port.arriving.push_back(packet);
        self.stack.poll(self.now, &mut self.port);
        let segments = self.port.left.drain(..);
        let read = |packet: Vec<u8>| {
            Content::parse(&packet).segment().map(|segment| (segment.seq, segment.ack))
        };
        segments.filter_map(read).collect()
    }

    /// All that can be read; and whether that was all, or the connection is no more. The peer is told of the room.
    fn read(&mut self) -> (Vec<u8>, Option<Result<(), ()>>) {
        let (mut all, mut buffer) = (Vec::new(), [0; 16]);
        let end = loop {
            match self.stack.tcp_receive(&self.socket, &mut buffer) {
                Ok(0) => break Some(Ok(())),
                Ok(count) => all.extend_from_slice(&buffer[..count]),
                Err(nb::Error::WouldBlock) => break None,
                Err(nb::Error::Other(_)) => break Some(Err(())),
            }
        };
        self.stack.poll(self.now, &mut self.port);
        self.port.left.clear();
        (all, end)
    }
}

/// Sends a case's segment, and then what is left of the stream.
fn check(case: &Case) {
    let (mut tcp, mut backlog) = ([[[0; BUFFER]; 2]; 2], Backlog::new());
    let mut sockets = Sockets::new();
    let mut connection = Connection::new(case, &mut tcp, &mut backlog, &mut sockets);
    let unread = BUFFER - usize::from(case.window);
    let wanted = case.wanted();
    let seq = TcpSeqNumber(case.next.0.wrapping_add(case.ahead));
    let payload: Vec<u8> = (case.ahead..case.ahead + i32::from(case.len))
        .map(|place| match usize::try_from(place) {
            Ok(place) if place < case.window.into() && case.acceptable() => byte(place),
            _ => 0x99,
        })
        .collect();
    let ack = TcpSeqNumber(connection.una.0.wrapping_add(case.ack));
    let repr = TcpRepr {
        payload: &payload,
        ..bare(case.control, &connection.ends, seq, Some(ack), PEER_WINDOW)
    };
    let answers = connection.give(&repr);
    let acknowledged = usize::from(FLIGHT) - connection.stack.unacknowledged(&connection.socket);
    let (read, end) = connection.read();
    let told = || {
        let told: Vec<String> = answers.iter().map(|answer| std::format!("{answer:?}")).collect();
        std::format!("{case:?}: {wanted:?}, read {read:02x?} {end:?}, answered {told:?}")
    };
    if wanted == Wanted::Reset {
        assert!(end == Some(Err(())) && answers.is_empty(), "{}", told());
        return;
    }
    let (count, ends) = match wanted {
        Wanted::Taken { count, end } => (count, end),
        _ => (0, false),
    };
    let stream: Vec<u8> = (0..STREAM).map(byte).collect();
    // A FIN that may have come in before its turn.
    let held = case.fin().filter(|_| matches!(wanted, Wanted::Taken { .. }));
    let before = vec![0xee; unread];
    assert_eq!(read, [&before, &stream[..count]].concat(), "{}", told());
    assert_eq!(end, ends.then_some(Ok(())), "{}", told());
    match wanted {
        Wanted::Silence => assert!(answers.is_empty() && acknowledged == 0, "{}", told()),
        Wanted::Answer => {
            // <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>
            let stands = (connection.una + usize::from(FLIGHT), Some(case.next));
            assert_eq!(answers, [stands], "{}", told());
            let counts = acknowledged == case.ack.clamp(0, FLIGHT.into()) as usize;
            // Of what is not acceptable, the acknowledgement may count.
            assert!(acknowledged == 0 || (counts && case.ack <= FLIGHT.into()), "{}", told());
        }
        // Of a FIN that overtook a whole window, no more than the FIN is kept.
        Wanted::Taken { .. } if case.len == 0 && held == Some(case.window.into()) && !ends => {}
        Wanted::Taken { .. } => {
            assert_eq!(acknowledged, case.ack.clamp(0, FLIGHT.into()) as usize, "{}", told());
        }
        Wanted::Reset | Wanted::Nothing => {}
    }
    // Its sender learns of the hole at once (RFC 5681 4.2); of one before a FIN alone that says something new, when that comes
    // again.
    let overtakes = case.ahead > 0 && (case.len > 0 || (held.is_some() && case.ack <= 0));
    if overtakes && matches!(wanted, Wanted::Taken { .. }) {
        let told_of = answers.iter().any(|&(_, ack)| ack == Some(case.next));
        assert!(told_of, "{}", told());
    }
    if ends {
        return;
    }
    // What is left, as far as that FIN, or all of it.
    let all = held.unwrap_or(STREAM);
    let (mut next, mut ended) = (count, false);
    while next < all {
        // A byte at a time: no silly window keeps it out.
        let part = &stream[next..=next];
        let seq = later(case.next, next);
        let ack = Some(connection.una);
        let repr = bare(TcpControl::None, &connection.ends, seq, ack, PEER_WINDOW);
        connection.give(&TcpRepr { payload: part, ..repr });
        let (read, end) = connection.read();
        // What has come in before its turn may be behind it.
        assert_eq!(read, stream[next..][..read.len()], "{case:?} at {next}");
        assert!(!read.is_empty(), "{case:?} at {next}");
        next += read.len();
        ended = end.is_some();
    }
    assert_eq!((next, ended), (all, held.is_some()), "{case:?}");
}

#[test]
fn what_is_taken_of_a_segment_is_what_rfc_9293_says() {
    const CONTROLS: [TcpControl; 4] =
        [TcpControl::None, TcpControl::Fin, TcpControl::Rst, TcpControl::Syn];
    let mut cases = 0;
    for next in [-2, 0, i32::MAX - 1, 1000].map(TcpSeqNumber) {
        for window in 0..=BUFFER as u8 {
            for (ahead, len) in (-6..=6).flat_map(|ahead| (0..=4).map(move |len| (ahead, len))) {
                for control in CONTROLS {
                    // Too old, the oldest that counts, the newest, and of what was never sent.
                    let acks: &[i32] =
                        if next.0 == -2 { &[-11, -10, -1, 0, 1, 2, 3] } else { &[0] };
                    for &ack in acks {
                        check(&Case { next, window, ahead, len, control, ack });
                        cases += 1;
                    }
                }
            }
        }
    }
    assert_eq!(cases, 5 * 13 * 5 * 4 * (7 + 3));
}
