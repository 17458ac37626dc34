//! Which frames are drawn, in a small language that is tcpdump's as far as it goes.
//!
//! ```text
//! filter     = all { "or" all }                    also ||
//! all        = one { "and" one }                   also &&
//! one        = "not" one | "(" filter ")" | test   also !
//! test       = [ "src" | "dst" ] "host" ADDRESS    IPv4, IPv6 or MAC
//!            | [ "src" | "dst" ] "net" ADDRESS/BITS
//!            | [ "src" | "dst" ] "port" PORTS
//!            | "conversation" NUMBERS | "frame" NUMBERS | "time" TIMES | "vlan" [ NUMBERS ]
//!            | PROTOCOL | "marked" | "retransmission" | "dropped"
//! PORTS      = 80 or 6000-6010;  NUMBERS = 7, 7-9, 7- or -9;  TIMES = 0.5-2, 0.5- or -2, in seconds since the
//!              first frame, or of the calendar: 2026-11-14T22:13:20-2026-11-14T22:13:25
//! ```
//!
//! A range holds both its ends. Numbers are those of the whole capture, whatever is drawn of it.

mod error;
mod parser;
mod words;

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use smoltcp::wire::{EthernetAddress, IpCidr};

pub use self::error::FilterError;
use self::words::is_named;
use super::analysis::Analysed;
use super::hosts::{addresses, endpoints};
use super::mark::Mark;
use crate::segment::PacketSummary;

/// A filter, which a frame passes or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter(Node);

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        parser::parse(text).map(Self)
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Any(Vec<Self>),
    All(Vec<Self>),
    Not(Box<Self>),
    Test(Test),
}

/// Which end of a frame a test is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Source,
    Destination,
    Either,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Host(End, IpAddr),
    Mac(End, EthernetAddress),
    Net(End, IpCidr),
    Port(End, RangeInclusive<u16>),
    Conversation(RangeInclusive<u64>),
    Frame(RangeInclusive<u64>),
    /// Microseconds since the first frame.
    Since(RangeInclusive<i64>),
    /// Microseconds since 1970.
    Absolute(RangeInclusive<i64>),
    Vlan(Option<RangeInclusive<u64>>),
    Arp,
    Ip4,
    Ip6,
    Tcp,
    Udp,
    Icmp4,
    Icmp6,
    Fragment,
    /// What the summary begins with.
    Named(&'static str),
    Marked,
    Retransmission,
    Dropped,
}

impl End {
    fn either<T>(
        self,
        (source, destination): (Option<T>, Option<T>),
        is: impl Fn(T) -> bool,
    ) -> bool {
        let test = |end: Option<T>| end.is_some_and(&is);
        match self {
            Self::Source => test(source),
            Self::Destination => test(destination),
            Self::Either => test(source) || test(destination),
        }
    }
}

impl Filter {
    /// Whether a frame passes.
    pub(super) fn passes(&self, frame: &Analysed) -> bool {
        self.0.passes(frame)
    }
}

impl Node {
    fn passes(&self, frame: &Analysed) -> bool {
        match self {
            Self::Any(nodes) => nodes.iter().any(|node| node.passes(frame)),
            Self::All(nodes) => nodes.iter().all(|node| node.passes(frame)),
            Self::Not(node) => !node.passes(frame),
            Self::Test(test) => test.passes(frame),
        }
    }
}

impl Test {
    fn passes(&self, frame: &Analysed) -> bool {
        let packet = &frame.packet;
        let summary = &packet.summary;
        let is_ip = |v6: bool| {
            let arp = matches!(summary, PacketSummary::WhoHas { .. } | PacketSummary::IsAt { .. });
            !arp && addresses(summary).0.is_some_and(|source| source.is_ipv6() == v6)
        };
        let is_within = |numbers: &RangeInclusive<i64>, micros: Option<i64>| {
            micros.is_some_and(|micros| numbers.contains(&micros))
        };
        match self {
            Self::Host(end, host) => end.either(addresses(summary), |ip| ip == *host),
            Self::Mac(end, host) => end.either((packet.from, packet.to), |mac| mac == *host),
            Self::Net(end, net) => {
                end.either(addresses(summary), |ip| net.contains_addr(&ip.into()))
            }
            Self::Port(end, ports) => {
                end.either(endpoints(summary).unzip(), |end| ports.contains(&end.port()))
            }
            Self::Conversation(numbers) => {
                frame.place.is_some_and(|place| numbers.contains(&place.number))
            }
            Self::Frame(numbers) => numbers.contains(&frame.number),
            Self::Since(range) => is_within(range, frame.micros),
            Self::Absolute(range) => is_within(range, frame.epoch),
            Self::Vlan(numbers) => packet.layers.iter().any(|layer| {
                let vlan = layer.strip_prefix("vlan ").and_then(|number| number.parse().ok());
                vlan.is_some_and(|vlan| numbers.as_ref().is_none_or(|n| n.contains(&vlan)))
            }),
            Self::Arp => {
                matches!(summary, PacketSummary::WhoHas { .. } | PacketSummary::IsAt { .. })
                    || is_named(summary, "arp")
            }
            Self::Ip4 => is_ip(false),
            Self::Ip6 => is_ip(true),
            Self::Tcp => matches!(summary, PacketSummary::Tcp(_)) || is_ip_protocol(summary, 6),
            Self::Udp => {
                matches!(summary, PacketSummary::Udp { .. }) || is_ip_protocol(summary, 17)
            }
            Self::Icmp4 => is_icmp(summary, 1) && is_ip(false),
            Self::Icmp6 => is_icmp(summary, 58) && is_ip(true),
            Self::Fragment => matches!(summary, PacketSummary::Fragment { .. }),
            Self::Named(name) => is_named(summary, name),
            Self::Marked => !frame.marks.is_empty(),
            Self::Retransmission => frame.marks.iter().any(|mark: &Mark| mark.is_retransmission()),
            Self::Dropped => frame.dropped,
        }
    }
}

/// Whether it is of that protocol, though only a fragment or too short to be read.
fn is_ip_protocol(summary: &PacketSummary, number: u8) -> bool {
    match summary {
        PacketSummary::Ip { protocol, .. } | PacketSummary::Fragment { protocol, .. } => {
            *protocol == number
        }
        _ => false,
    }
}

fn is_icmp(summary: &PacketSummary, number: u8) -> bool {
    matches!(summary, PacketSummary::Icmp { .. }) || is_ip_protocol(summary, number)
}

#[cfg(test)]
mod tests;
