//! The conversations of a capture: for each, what the peer is to send and when, and what the board said then.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use smoltcp::wire::EthernetAddress;
use tapboard_firmware::config::FRAME_SIZE;

use super::packet::{ACK, ETHERNET_HEADER, FIN, Packet, Quoted, SYN, TCP, Tcp, UDP};
use super::recording::{Body, Frame, Recording};
use super::said::{Said, Segment, What};
use super::script::Script;
use super::who::Who;
use crate::link::Side;

/// What a conversation is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Protocol {
    Tcp,
    Udp,
    /// Echo requests.
    Ping,
    /// Questions for the board's address, of ARP or neighbour discovery.
    Address,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Ping => "ping",
            Self::Address => "ARP and ND",
        })
    }
}

/// Who speaks with whom: the ends have port 0 where there are no ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ends {
    pub(super) protocol: Protocol,
    pub(super) peer: SocketAddr,
    pub(super) board: SocketAddr,
}

/// A frame of a conversation.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) from: Side,
    pub(super) frame: Frame,
}

/// A conversation.
#[derive(Clone, Debug)]
pub(super) struct Conversation {
    pub(super) ends: Ends,
    /// The peer's MAC address, or its router's.
    pub(super) mac: Option<EthernetAddress>,
    /// Its frames, by time.
    pub(super) events: Vec<Event>,
    /// What follows from them.
    pub(super) script: Script,
}

impl fmt::Display for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ends { protocol, peer, board } = self.ends;
        match protocol {
            Protocol::Tcp | Protocol::Udp if self.script.board_opens => {
                write!(f, "{protocol} {board} > {peer}")
            }
            Protocol::Tcp | Protocol::Udp => write!(f, "{protocol} {peer} > {board}"),
            _ => write!(f, "{protocol} {} > {}", peer.ip(), board.ip()),
        }
    }
}

/// The conversations of the board, in the order of their first frames, and the rest by why it is none of them.
pub(super) fn conversations(
    recording: &Recording,
    who: &Who,
) -> (Vec<Conversation>, BTreeMap<&'static str, usize>) {
    let mut found: Vec<Conversation> = Vec::new();
    // Of ports that are used again, the last one.
    let mut latest: BTreeMap<Ends, usize> = BTreeMap::new();
    let mut passed = recording.passed.clone();
    for frame in &recording.frames {
        let (from, ends) = match place(frame, who) {
            Ok(place) => place,
            Err(why) => {
                *passed.entry(why).or_default() += 1;
                continue;
            }
        };
        let known = latest.get(&ends).copied();
        let known = known.filter(|&index| !begins_anew(&found[index], from, frame));
        let index = known.unwrap_or_else(|| {
            let (events, script) = (Vec::new(), Script::default());
            found.push(Conversation { ends, mac: None, events, script });
            latest.insert(ends, found.len() - 1);
            found.len() - 1
        });
        let conversation = &mut found[index];
        if from == Side::Peer {
            conversation.mac = conversation.mac.or(frame.from);
        }
        conversation.events.push(Event { from, frame: frame.clone() });
    }
    for conversation in &mut found {
        conversation.prepare();
    }
    (found, passed)
}

/// Whose conversation a frame is in, and from which end.
fn place(frame: &Frame, who: &Who) -> Result<(Side, Ends), &'static str> {
    const OTHERS: &str = "not of a conversation with the board";
    let at = |address: IpAddr, port| SocketAddr::new(address, port);
    match &frame.body {
        Body::Arp(arp) => {
            let (sender, target) = (IpAddr::V4(arp.sender), IpAddr::V4(arp.target));
            let ends = |peer, board| Ends {
                protocol: Protocol::Address,
                peer: at(peer, 0),
                board: at(board, 0),
            };
            let own = who.is(sender) || arp.mac == who.mac;
            match (arp.request, own, who.is(target)) {
                // A probe has no sender, and is answered as well (RFC 5227).
                (true, false, true) => Ok((Side::Peer, ends(sender, target))),
                (false, true, false) => Ok((Side::Board, ends(target, sender))),
                (true, true, _) | (false, _, true) => Err("the board's questions for addresses"),
                _ => Err(OTHERS),
            }
        }
        Body::Ip(packet) => {
            if let Some(place) = solicited(packet, who)? {
                return Ok(place);
            }
            let from = who.side(packet).ok_or(OTHERS)?;
            if packet.to.is_multicast() {
                return Err("to everybody");
            }
            let (peer, board) = match from {
                Side::Board => (packet.to, packet.from),
                Side::Peer => (packet.from, packet.to),
            };
            if let Some(quoted) = packet.quoted() {
                return Ok((from, of_error(from, &quoted)?));
            }
            let protocol = match packet.protocol {
                TCP => Protocol::Tcp,
                UDP => Protocol::Udp,
                _ if packet.is_ping() => Protocol::Ping,
                _ => return Err("neither TCP, UDP, a ping nor a question for the board's address"),
            };
            let (source, destination) = packet.ports().ok_or("a header that is cut short")?;
            let (peer_port, board_port) = match from {
                Side::Board => (destination, source),
                Side::Peer => (source, destination),
            };
            Ok((from, Ends { protocol, peer: at(peer, peer_port), board: at(board, board_port) }))
        }
    }
}

/// A question for the board's address by neighbour discovery, and its answer.
fn solicited(packet: &Packet, who: &Who) -> Result<Option<(Side, Ends)>, &'static str> {
    use super::packet::ICMPV6;
    let kind = packet.payload.first().copied();
    if packet.protocol != ICMPV6 || !matches!(kind, Some(133..=137 | 143 | 130..=132)) {
        return Ok(None);
    }
    let target = packet.payload.get(8..24).and_then(|octets| <[u8; 16]>::try_from(octets).ok());
    let target = target.map(IpAddr::from).filter(|&target| who.is(target));
    let ends = |peer, board| Ends {
        protocol: Protocol::Address,
        peer: SocketAddr::new(peer, 0),
        board: SocketAddr::new(board, 0),
    };
    match (kind, target) {
        (Some(135), Some(target)) if !who.is(packet.from) && !packet.from.is_unspecified() => {
            Ok(Some((Side::Peer, ends(packet.from, target))))
        }
        (Some(136), Some(target)) if who.is(packet.from) && !packet.to.is_multicast() => {
            Ok(Some((Side::Board, ends(packet.to, target))))
        }
        _ => Err("what IPv6 says of groups, routers and neighbours"),
    }
}

/// The conversation that an error of ICMP is about: it quotes what the other end had said.
pub(super) fn of_error(from: Side, quoted: &Quoted) -> Result<Ends, &'static str> {
    let protocol = match quoted.protocol {
        TCP => Protocol::Tcp,
        UDP => Protocol::Udp,
        _ => return Err("errors of other protocols than TCP and UDP"),
    };
    let (source, destination) = quoted.ports;
    let (source, destination) =
        (SocketAddr::new(quoted.from, source), SocketAddr::new(quoted.to, destination));
    // A router's error is about another peer's connection.
    let (peer, board) = match from {
        Side::Board => (source, destination),
        Side::Peer => (destination, source),
    };
    Ok(Ends { protocol, peer, board })
}

/// Whether a SYN has another number than the one that began the connection.
fn begins_anew(conversation: &Conversation, from: Side, frame: &Frame) -> bool {
    let Body::Ip(packet) = &frame.body else { return false };
    let Some(syn) = packet.tcp().filter(Tcp::opens) else { return false };
    let first = conversation.events.iter().find_map(|event| {
        let tcp = event.packet()?.tcp()?;
        (event.from == from && tcp.opens()).then_some(tcp.seq)
    });
    first.is_some_and(|first| first != syn.seq)
}

impl Event {
    /// Its packet, if it is of IP.
    pub(super) const fn packet(&self) -> Option<&Packet> {
        match &self.frame.body {
            Body::Ip(packet) => Some(packet),
            Body::Arp(_) => None,
        }
    }
    /// Whether all of it fits frames: a segment can be cut.
    fn fits(&self) -> bool {
        self.packet().is_none_or(|packet| {
            packet.protocol == TCP
                || packet.header.len() + packet.payload.len() <= FRAME_SIZE - ETHERNET_HEADER
        })
    }
}

impl Conversation {
    /// Works out what follows from its frames, anew.
    pub(super) fn prepare(&mut self) {
        self.script = Script::default();
        if self.ends.protocol == Protocol::Tcp
            && let Err(why) = self.numbers()
        {
            self.script.why_not = Some(why.into());
            return;
        }
        if self.events.iter().any(|event| event.from == Side::Peer && event.frame.cut) {
            self.script.why_not = Some(
                "the peer's frames were not captured to their end; capture them whole, with tcpdump -s 0".into(),
            );
            return;
        }
        self.infer_losses();
        self.hear();
        self.causes();
        if !self.events.iter().all(Event::fits) {
            self.script.why_not =
                Some("one of its datagrams is longer than a frame of 1514 bytes".into());
        }
        if self.script.steps.is_empty() && !self.script.board_opens {
            self.script.why_not = Some("the peer says nothing that arrives".into());
        }
    }

    /// Finds who began, and with which numbers.
    fn numbers(&mut self) -> Result<(), &'static str> {
        const BEFORE: &str =
            "it began before the capture; capture from the SYN on, or name another conversation";
        let mut tcps =
            self.events.iter().filter(|event| !event.frame.damaged).filter_map(|event| {
                let packet = event.packet()?;
                Some((event.from, packet.tcp()?))
            });
        let (opener, syn) = tcps.next().filter(|(_, tcp)| tcp.opens()).ok_or(BEFORE)?;
        let (mut answer, mut acknowledged) = (None, None);
        for (from, tcp) in tcps {
            if from != opener && tcp.has(SYN) {
                answer = answer.or(Some(tcp.seq));
            } else if from == opener && tcp.has(ACK) {
                acknowledged = acknowledged.or(Some(tcp.ack.wrapping_sub(1)));
            }
        }
        let answer = answer.or(acknowledged).unwrap_or(0);
        self.script.board_opens = opener == Side::Board;
        self.script.isn = if opener == Side::Board { [syn.seq, answer] } else { [answer, syn.seq] };
        Ok(())
    }

    /// Collects what the board said.
    fn hear(&mut self) {
        let [board, peer] = self.script.isn;
        let mut arrived: Vec<_> = self.events.iter().filter(|event| event.arrives()).collect();
        arrived.sort_by_key(|event| (event.frame.arrives_us, event.frame.number));
        for event in self.events.iter().filter(|event| event.from == Side::Board) {
            let key = (event.frame.at_us, event.frame.number);
            let after =
                arrived.partition_point(|peer| (peer.frame.arrives_us, peer.frame.number) < key);
            let what = match (self.ends.protocol, event.packet()) {
                (Protocol::Tcp, Some(packet)) => {
                    Segment::read(&packet.payload, board, peer).map(What::Tcp)
                }
                _ => What::of(&event.frame.body),
            };
            if let Some(what) = what.filter(|_| !event.frame.damaged) {
                let (number, at_us) = (event.frame.number, event.frame.at_us);
                let lost = event.frame.lost;
                self.script.said.push(Said { number, at_us, after, lost, what });
            }
        }
        let mut stream = Stream::default();
        for said in &self.script.said {
            if let What::Tcp(segment) = &said.what {
                stream.take(segment);
            }
        }
        (self.script.stream, self.script.fin) = (stream.bytes, stream.fin);
    }
}

impl Event {
    /// Whether it is the peer's, and comes to the board.
    pub(super) const fn arrives(&self) -> bool {
        matches!(self.from, Side::Peer) && !self.frame.lost
    }
}

/// A direction's bytes as they were first said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) bytes: Vec<u8>,
    /// The number of the FIN.
    pub(super) fin: Option<u32>,
    /// The first byte that was said again as another one.
    pub(super) changed: Option<u32>,
}

/// Bytes of a direction that are looked at.
const STREAM_MAX: usize = 64 << 20;

impl Stream {
    /// Takes a segment. Bytes behind a gap, which a board has not left out but the capture may have, are 0 until they are
    /// known.
    pub(super) fn take(&mut self, segment: &Segment) {
        let at = segment.data_seq().wrapping_sub(1) as usize;
        if at > STREAM_MAX || segment.has(super::packet::RST) {
            return;
        }
        for (index, &byte) in segment.data.iter().enumerate() {
            let place = at + index;
            if place < self.bytes.len() {
                if self.bytes[place] != byte && self.changed.is_none() {
                    self.changed = Some(place as u32 + 1);
                }
            } else {
                self.bytes.resize(place, 0);
                self.bytes.push(byte);
            }
        }
        if segment.has(FIN) && self.fin.is_none() {
            self.fin = Some(segment.end().wrapping_sub(1));
        }
    }
}
