//! ICMP and `ICMPv6` messages: those that a wire like ours carries by what they say, others by name.

use std::fmt;
use std::net::IpAddr;

use smoltcp::wire::{
    Icmpv4DstUnreachable, Icmpv4Message, Icmpv4Packet, Icmpv6DstUnreachable, Icmpv6Message,
    Icmpv6Packet,
};

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
    /// Too short, or with a wrong checksum.
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
    /// The message in an IP packet's payload.
    pub(super) fn read(from: IpAddr, to: IpAddr, payload: &[u8]) -> Self {
        let message = match (from, to) {
            (IpAddr::V4(_), _) => read_v4(payload),
            (IpAddr::V6(from), IpAddr::V6(to)) => Icmpv6Packet::new_checked(payload)
                .ok()
                .filter(|packet| packet.verify_checksum(&from, &to))
                .and_then(|packet| read_v6(&packet, payload)),
            (IpAddr::V6(_), IpAddr::V4(_)) => None,
        };
        message.unwrap_or(Self::Broken)
    }
}

fn read_v4(payload: &[u8]) -> Option<Icmp> {
    let packet = Icmpv4Packet::new_checked(payload).ok()?;
    if !packet.verify_checksum() {
        return None;
    }
    Some(match packet.msg_type() {
        Icmpv4Message::EchoRequest => Icmp::EchoRequest { seq: packet.echo_seq_no() },
        Icmpv4Message::EchoReply => Icmp::EchoReply { seq: packet.echo_seq_no() },
        Icmpv4Message::DstUnreachable => {
            Icmp::Other(Icmpv4DstUnreachable::from(packet.msg_code()).to_string())
        }
        other => Icmp::Other(other.to_string()),
    })
}

fn read_v6(packet: &Icmpv6Packet<&[u8]>, payload: &[u8]) -> Option<Icmp> {
    // The target of neighbour discovery (RFC 4861, 4.3 and 4.4) is at byte 8.
    let target = || -> Option<IpAddr> {
        let octets: [u8; 16] = payload.get(8..24)?.try_into().ok()?;
        Some(octets.into())
    };
    Some(match packet.msg_type() {
        Icmpv6Message::EchoRequest => Icmp::EchoRequest { seq: packet.echo_seq_no() },
        Icmpv6Message::EchoReply => Icmp::EchoReply { seq: packet.echo_seq_no() },
        Icmpv6Message::NeighborSolicit => Icmp::WhoHas(target()?),
        Icmpv6Message::NeighborAdvert => Icmp::IsAt(target()?),
        Icmpv6Message::DstUnreachable => {
            Icmp::Other(Icmpv6DstUnreachable::from(packet.msg_code()).to_string())
        }
        other => Icmp::Other(other.to_string()),
    })
}
