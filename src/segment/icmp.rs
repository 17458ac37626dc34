//! ICMP and `ICMPv6` messages: those that a wire like ours carries by what they say, others by name; and the
//! packet that an error answers.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use smoltcp::wire::{Icmpv4DstUnreachable, Icmpv4Message, Icmpv6DstUnreachable, Icmpv6Message};

use super::checksum::{self, Checksum};
use super::ip::Ip;
use super::names;
use super::view::View;

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Icmp {
    /// A ping.
    EchoRequest {
        /// Its sequence number.
        seq: u16,
    },
    /// The answer to a ping.
    EchoReply {
        /// The ping's sequence number.
        seq: u16,
    },
    /// A neighbour solicitation: who has this address?
    WhoHas(IpAddr),
    /// A neighbour advertisement for this address.
    IsAt(IpAddr),
    /// Anything else, in the standard's words.
    Other(String),
    /// Too short.
    Broken,
}

impl fmt::Display for Icmp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EchoRequest { seq } => write!(f, "ICMP echo request seq={seq}"),
            Self::EchoReply { seq } => write!(f, "ICMP echo reply seq={seq}"),
            Self::WhoHas(address) => write!(f, "ND who has {address}?"),
            Self::IsAt(address) => write!(f, "ND {address} is here"),
            Self::Other(text) => write!(f, "ICMP {text}"),
            Self::Broken => f.write_str("ICMP, broken"),
        }
    }
}

impl Icmp {
    /// The message in an IP packet's payload, and what its checksum says.
    pub(super) fn read(from: IpAddr, to: IpAddr, view: View<'_>) -> (Self, Checksum) {
        let (message, checksum) = if from.is_ipv4() {
            (read_v4(view), checksum::plain(view, 0))
        } else {
            (read_v6(view), checksum::transport((from, to), 58, view, 2))
        };
        (message.unwrap_or(Self::Broken), checksum)
    }
}

fn read_v4(view: View<'_>) -> Option<Icmp> {
    let (kind, code) = (view.u8(0)?, view.u8(1)?);
    Some(match Icmpv4Message::from(kind) {
        Icmpv4Message::EchoRequest => Icmp::EchoRequest { seq: view.u16(6)? },
        Icmpv4Message::EchoReply => Icmp::EchoReply { seq: view.u16(6)? },
        Icmpv4Message::DstUnreachable => {
            let reason = Icmpv4DstUnreachable::from(code).to_string();
            // RFC 1191, 4.
            let mtu = if code == 4 { view.u16(6).filter(|&mtu| mtu > 0) } else { None };
            Icmp::Other(with_mtu(reason, mtu))
        }
        // Source quench, deprecated.
        Icmpv4Message::Unknown(4) => Icmp::Other("source quench".into()),
        message => Icmp::Other(message.to_string()),
    })
}

fn read_v6(view: View<'_>) -> Option<Icmp> {
    let (kind, code) = (view.u8(0)?, view.u8(1)?);
    // The target of neighbour discovery (RFC 4861, 4.3 and 4.4) is at byte 8.
    let target = || view.array::<16>(8).map(IpAddr::from);
    Some(match Icmpv6Message::from(kind) {
        Icmpv6Message::EchoRequest => Icmp::EchoRequest { seq: view.u16(6)? },
        Icmpv6Message::EchoReply => Icmp::EchoReply { seq: view.u16(6)? },
        Icmpv6Message::NeighborSolicit => Icmp::WhoHas(target()?),
        Icmpv6Message::NeighborAdvert => Icmp::IsAt(target()?),
        Icmpv6Message::DstUnreachable => Icmp::Other(Icmpv6DstUnreachable::from(code).to_string()),
        message @ Icmpv6Message::PktTooBig => {
            Icmp::Other(with_mtu(message.to_string(), view.u32(4)))
        }
        message => Icmp::Other(message.to_string()),
    })
}

fn with_mtu(text: String, mtu: Option<impl fmt::Display>) -> String {
    match mtu {
        Some(mtu) => format!("{text}, MTU {mtu}"),
        None => text,
    }
}

/// The packet that an error quotes behind its own 8 bytes; without addresses if they are those of the error.
pub(super) fn answers(from: IpAddr, to: IpAddr, view: View<'_>) -> Option<String> {
    let kinds: &[u8] = if from.is_ipv4() { &[3, 4, 5, 11, 12] } else { &[1, 2, 3, 4] };
    if !kinds.contains(&view.u8(0)?) {
        return None;
    }
    let ip = Ip::read(view.skip(8))?;
    let name = names::ip(ip.protocol);
    let back = (ip.from, ip.to) == (to, from);
    Some(match (ip.protocol, ip.payload.u16(0), ip.payload.u16(2)) {
        (6 | 17, Some(source), Some(destination)) if back => {
            format!("answers {name} {source} > {destination}")
        }
        (6 | 17, Some(source), Some(destination)) => {
            let source = SocketAddr::new(ip.from, source);
            let destination = SocketAddr::new(ip.to, destination);
            format!("answers {name} {source} > {destination}")
        }
        _ if back => format!("answers {name}"),
        _ => format!("answers {name} {} > {}", ip.from, ip.to),
    })
}
