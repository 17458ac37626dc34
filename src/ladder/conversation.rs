//! Conversations: who talks with whom, by number, and what came of it.
//!
//! A conversation is all frames of one protocol between two ends: addresses with ports of TCP and UDP, addresses
//! alone of what has no ports. They are numbered from 1 in the order in which they begin. A SYN with another
//! initial number on the same ports begins a new one, as Wireshark has it. The latest 32,768 at least are told
//! apart; the first [`LISTED_MAX`] are remembered with what came of them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use smoltcp::time::Duration;

use super::hosts;
use super::roundtrip::RoundTrip;
use crate::segment::{Packet, PacketSummary, Recent, ip_protocol};

/// Conversations that are remembered for a list; of those after them only the count.
pub const LISTED_MAX: usize = 100_000;

/// What a conversation is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// ARP.
    Arp,
    /// Whole packets of this IP protocol, by IANA's number.
    Ip(u8),
    /// Fragments of this one, which have no ports but in the first.
    Fragment(u8),
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arp => f.write_str("ARP"),
            Self::Ip(number) => f.write_str(&ip_protocol(*number)),
            Self::Fragment(number) => write!(f, "{} fragments", ip_protocol(*number)),
        }
    }
}

/// A frame's place in its conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The conversation's number, from 1.
    pub number: u64,
    /// It goes the way of the conversation's first frame.
    pub forward: bool,
}

/// What went one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// Frames.
    pub frames: u64,
    /// Their bytes, those that were not captured included.
    pub bytes: u64,
    /// Bytes of TCP's and UDP's payload among them, those that were sent again included.
    pub payload: u64,
    /// Segments that were sent again.
    pub retransmissions: u64,
    /// How long segments that went this way were without an acknowledgement, where it was captured.
    pub round_trip: RoundTrip,
}

/// A conversation, as far as its frames were counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// Its number, from 1.
    pub number: u64,
    /// What it is made of.
    pub protocol: Protocol,
    /// Who sent its first frame, and to whom; the ports are 0 where there are none.
    pub ends: [SocketAddr; 2],
    /// First and last time, in microseconds since the capture's first frame.
    pub times: Option<(i64, i64)>,
    /// What went the way of the first frame, and what went back.
    pub ways: [Way; 2],
    /// From the SYN to its sender's first acknowledgement: a whole round trip, wherever it was captured.
    pub handshake: Option<Duration>,
}

impl Conversation {
    /// Whether its ends have ports, and they are known: a frame may be cut before them.
    #[must_use]
    pub const fn has_ports(&self) -> bool {
        let known = self.ends[0].port() != 0 || self.ends[1].port() != 0;
        known && matches!(self.protocol, Protocol::Ip(6 | 17))
    }

    /// An end by name: with its port if it has one.
    #[must_use]
    pub fn end(&self, index: usize) -> String {
        let end = self.ends[index];
        if self.has_ports() { end.to_string() } else { end.ip().to_string() }
    }

    /// From its first frame to its last, in microseconds.
    #[must_use]
    pub fn lasts(&self) -> Option<i64> {
        self.times.map(|(first, last)| last.saturating_sub(first))
    }
}

/// What there is to count of a frame.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    /// Microseconds since the capture's first frame.
    pub(super) micros: Option<i64>,
    /// Bytes of the frame.
    pub(super) len: usize,
    pub(super) payload: usize,
    pub(super) retransmission: bool,
    /// A sample for what went the other way.
    pub(super) round_trip: Option<Duration>,
    pub(super) handshake: Option<Duration>,
}

/// Protocol and ends, the lower one first.
type Key = (Protocol, SocketAddr, SocketAddr);

#[derive(Clone, Copy, Debug)]
struct Known {
    number: u64,
    /// Who sent the first frame.
    first: SocketAddr,
    /// The initial sequence number of each end, the lower one first, as far as a segment told it.
    initial: [Option<u32>; 2],
}

/// Tells conversations apart and sums them up.
#[derive(Debug, Default)]
pub(super) struct Conversations {
    known: Recent<Key, Known>,
    /// How many there were so far.
    count: u64,
    /// Of which these are counted, by number.
    listed: Vec<Conversation>,
}

impl Conversations {
    /// A frame's place. `None` if it has no addresses, or none that can be believed.
    pub(super) fn place(&mut self, packet: &Packet) -> Option<Place> {
        if !packet.addressed {
            return None;
        }
        let (protocol, from, to) = ends(&packet.summary)?;
        let low = from <= to;
        let key = if low { (protocol, from, to) } else { (protocol, to, from) };
        let (count, side) = (self.count, usize::from(!low));
        let make = || Known { number: count + 1, first: from, initial: [None; 2] };
        let known = self.known.entry(key, make);
        if let PacketSummary::Tcp(segment) = &packet.summary {
            let again = segment.syn
                && !segment.ack
                && known.initial[side].is_some_and(|initial| initial != segment.initial);
            if again {
                *known = make();
            }
            known.initial[side] = Some(segment.initial);
        }
        let Known { number, first, .. } = *known;
        if number > self.count {
            self.count = number;
            if self.listed.len() < LISTED_MAX {
                self.listed.push(Conversation {
                    number,
                    protocol,
                    ends: [from, to],
                    times: None,
                    ways: [Way::default(); 2],
                    handshake: None,
                });
            }
        }
        Some(Place { number, forward: first == from })
    }

    /// Counts a frame of that place.
    pub(super) fn count(&mut self, place: Place, counted: &Counted) {
        let Some(conversation) = self.listed.get_mut(place.number as usize - 1) else { return };
        if let Some(micros) = counted.micros {
            let (first, last) = conversation.times.unwrap_or((micros, micros));
            conversation.times = Some((first.min(micros), last.max(micros)));
        }
        let (this, other) = if place.forward { (0, 1) } else { (1, 0) };
        if let Some(sample) = counted.round_trip {
            conversation.ways[other].round_trip.sample(sample);
        }
        conversation.handshake = conversation.handshake.or(counted.handshake);
        let way = &mut conversation.ways[this];
        way.frames += 1;
        way.bytes += counted.len as u64;
        way.payload += counted.payload as u64;
        way.retransmissions += u64::from(counted.retransmission);
    }

    /// Those that frames were counted of, in their order.
    pub(super) fn listed(&self) -> impl Iterator<Item = &Conversation> {
        self.listed.iter().filter(|c| c.ways.iter().any(|way| way.frames > 0))
    }

    /// How many there were.
    pub(super) const fn total(&self) -> u64 {
        self.count
    }
}

/// Protocol and ends of what has addresses.
fn ends(summary: &PacketSummary) -> Option<(Protocol, SocketAddr, SocketAddr)> {
    let without = |ip: IpAddr| SocketAddr::new(ip, 0);
    let (protocol, from, to) = match summary {
        PacketSummary::Tcp(segment) => {
            return Some((Protocol::Ip(6), segment.source, segment.destination));
        }
        PacketSummary::Udp { source, destination, .. } => {
            return Some((Protocol::Ip(17), *source, *destination));
        }
        PacketSummary::WhoHas { .. } | PacketSummary::IsAt { .. } => {
            let (from, to) = hosts::addresses(summary);
            (Protocol::Arp, from?, to?)
        }
        PacketSummary::Icmp { source, destination, .. } => {
            let number = if source.is_ipv6() { 58 } else { 1 };
            (Protocol::Ip(number), *source, *destination)
        }
        PacketSummary::Ip { source, destination, protocol } => {
            (Protocol::Ip(*protocol), *source, *destination)
        }
        PacketSummary::Fragment { source, destination, protocol, .. } => {
            (Protocol::Fragment(*protocol), *source, *destination)
        }
        PacketSummary::Named(_) | PacketSummary::Other => return None,
    };
    Some((protocol, without(from), without(to)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::Segment;

    fn packet(summary: PacketSummary) -> Packet {
        let (layers, remarks) = (Vec::new(), Vec::new());
        Packet { summary, from: None, to: None, layers, remarks, addressed: true }
    }

    fn segment(from: &str, to: &str, flags: &str, initial: u32) -> Packet {
        let segment = Segment::with_flags(from.parse().unwrap(), to.parse().unwrap(), flags);
        packet(PacketSummary::Tcp(Segment { initial, ..segment }))
    }

    fn ping(from: &str, to: &str) -> Packet {
        let (source, destination) = (from.parse().unwrap(), to.parse().unwrap());
        packet(PacketSummary::Ip { source, destination, protocol: 1 })
    }

    /// A place as it is returned.
    macro_rules! place {
        ($number:expr, $forward:expr) => {
            Some(Place { number: $number, forward: $forward })
        };
    }

    #[test]
    fn conversations_are_numbered_as_they_begin_and_have_both_ways() {
        let (a, b, c) = ("192.0.2.9:4000", "192.0.2.1:7", "192.0.2.1:9");
        let mut all = Conversations::default();
        assert_eq!(all.place(&segment(a, b, "S", 1)), place!(1, true));
        assert_eq!(all.place(&segment(b, a, "SA", 9)), place!(1, false));
        assert_eq!(all.place(&segment(a, c, "S", 1)), place!(2, true));
        assert_eq!(all.place(&ping("192.0.2.9", "192.0.2.1")), place!(3, true));
        assert_eq!(all.place(&ping("192.0.2.1", "192.0.2.9")), place!(3, false));
        assert_eq!(all.place(&segment(a, b, "A", 1)), place!(1, true));
        assert_eq!(all.place(&packet(PacketSummary::Other)), None);
        assert_eq!(all.total(), 3);
    }

    #[test]
    fn a_syn_with_another_number_begins_anew_and_the_same_syn_again_does_not() {
        let (a, b) = ("192.0.2.9:4000", "192.0.2.1:7");
        let mut all = Conversations::default();
        assert_eq!(all.place(&segment(a, b, "S", 1)), place!(1, true));
        assert_eq!(all.place(&segment(a, b, "S", 1)), place!(1, true));
        assert_eq!(all.place(&segment(b, a, "SA", 9)), place!(1, false));
        assert_eq!(all.place(&segment(a, b, "S", 2)), place!(2, true));
        assert_eq!(all.place(&segment(b, a, "SA", 7)), place!(2, false));
        // The other end may begin, too.
        assert_eq!(all.place(&segment(b, a, "S", 8)), place!(3, true));
        assert_eq!(all.place(&segment(a, b, "SA", 5)), place!(3, false));
    }

    #[test]
    fn what_is_counted_is_counted_the_way_that_it_went() {
        let (a, b) = ("192.0.2.9:4000", "192.0.2.1:7");
        let mut all = Conversations::default();
        let (there, again) = (all.place(&segment(a, b, "S", 1)), all.place(&segment(a, b, "A", 1)));
        let (there, _, back) = (there.unwrap(), again, Place { number: 1, forward: false });
        let ms = |millis| Some(Duration::from_millis(millis));
        let counted = Counted { micros: Some(5), len: 100, payload: 40, ..Counted::default() };
        all.count(there, &counted);
        all.count(back, &Counted { micros: Some(9), round_trip: ms(4), ..counted });
        let resent = Counted { micros: Some(2), retransmission: true, handshake: ms(7), ..counted };
        all.count(there, &resent);
        let all: Vec<_> = all.listed().collect();
        assert_eq!(all.len(), 1);
        let [to, from] = &all[0].ways;
        assert_eq!((to.frames, to.bytes, to.payload, to.retransmissions), (2, 200, 80, 1));
        assert_eq!((from.frames, from.bytes, from.retransmissions), (1, 100, 0));
        assert_eq!((to.round_trip.samples, from.round_trip.samples), (1, 0));
        assert_eq!((all[0].times, all[0].lasts()), (Some((2, 9)), Some(7)));
        assert_eq!((all[0].handshake, all[0].end(1)), (ms(7), b.to_string()));
    }
}
