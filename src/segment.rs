//! What a frame says, in one line: for the walk, the ladder, and whoever looks at a wire.
//!
//! A frame is believed as far as it was captured: lengths are the headers', and a checksum that is wrong is a remark.
//! Encapsulations are taken off and named. Sequence and acknowledgement numbers are shown relative to the initial
//! ones. A [`Decoder`] that has not seen a direction's SYN takes the first number it sees for the one after. It
//! remembers one number for each direction of a connection, for at least the latest 32,768 of them. From a segment
//! whose checksum is wrong it learns only what no other has told.

mod checksum;
mod icmp;
mod ip;
mod layer;
mod link;
mod llc;
mod names;
mod peel;
mod pseudo;
mod recent;
mod tag;
mod tcp;
mod tunnel;
mod udp;
mod unwrap;
mod view;
mod wifi;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use smoltcp::wire::EthernetAddress;

use self::checksum::Checksum;
use self::ip::Ip;
use self::layer::{LAYERS_MAX, Layer, Peeled};
use self::tcp::Beginnings;
use self::view::View;
use crate::capture::LinkType;
use crate::output::counted;

pub use self::icmp::Icmp;
pub(crate) use self::names::ip as ip_protocol;
pub(crate) use self::recent::Recent;
pub(crate) use self::tcp::FourTuple;
pub use self::tcp::{Segment, Start};
pub(crate) use self::unwrap::{Inner, unwrap};

/// A frame's summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PacketSummary {
    /// An ARP request.
    WhoHas {
        /// Who asks.
        sender: IpAddr,
        /// Whose MAC address is wanted.
        target: IpAddr,
    },
    /// An ARP reply.
    IsAt {
        /// Whose MAC address it gives.
        sender: IpAddr,
        /// Who had asked.
        target: IpAddr,
    },
    /// A TCP segment.
    Tcp(Segment),
    /// A UDP datagram.
    Udp {
        /// Sender.
        source: SocketAddr,
        /// Receiver.
        destination: SocketAddr,
        /// Payload bytes.
        len: usize,
        /// What it says, if its port is well known.
        says: Option<String>,
    },
    /// An ICMP or `ICMPv6` message.
    Icmp {
        /// Sender.
        source: IpAddr,
        /// Receiver.
        destination: IpAddr,
        /// What it says.
        message: Icmp,
    },
    /// Any other IP packet, by protocol number.
    Ip {
        /// Sender.
        source: IpAddr,
        /// Receiver.
        destination: IpAddr,
        /// IANA protocol number.
        protocol: u8,
    },
    /// A part of an IP packet.
    Fragment {
        /// Sender.
        source: IpAddr,
        /// Receiver.
        destination: IpAddr,
        /// IANA protocol number; of a later part, what the first one says.
        protocol: u8,
        /// What the parts have in common.
        id: u32,
        /// Where in the packet's payload it begins.
        offset: usize,
        /// Payload bytes of this part.
        len: usize,
    },
    /// Anything else that has a name.
    Named(String),
    /// Too broken to tell.
    Other,
}

/// A frame, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// What it says.
    pub summary: PacketSummary,
    /// The sender's MAC address, if the link has one.
    pub from: Option<EthernetAddress>,
    /// The receiver's.
    pub to: Option<EthernetAddress>,
    /// Encapsulations and IP's extension headers by name, from the outside, and the packet that an ICMP error
    /// answers.
    pub layers: Vec<String>,
    /// What is wrong with it, but for a segment's checksum.
    pub remarks: Vec<&'static str>,
    /// Its IP addresses are to be believed.
    pub addressed: bool,
}

impl fmt::Display for PacketSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // RFC 5227 1.1: an announcement, and a probe.
            Self::WhoHas { sender, target } if sender == target => {
                write!(f, "ARP {target} is mine")
            }
            Self::WhoHas { sender, target } if sender.is_unspecified() => {
                write!(f, "ARP is {target} free?")
            }
            Self::WhoHas { target, .. } => write!(f, "ARP who has {target}?"),
            Self::IsAt { sender, .. } => write!(f, "ARP {sender} is here"),
            Self::Tcp(segment) => segment.fmt(f),
            Self::Udp { says: Some(says), .. } => f.write_str(says),
            Self::Udp { len, .. } => write!(f, "UDP {}", counted(*len, "byte")),
            // Duplicate address detection (RFC 4862 5.4.2).
            Self::Icmp { source, message: Icmp::WhoHas(target), .. } if source.is_unspecified() => {
                write!(f, "ND is {target} free?")
            }
            Self::Icmp { message, .. } => message.fmt(f),
            Self::Fragment { protocol, id, offset, len, .. } => {
                let name = names::ip(*protocol);
                write!(f, "IP fragment of {name} {id:#x}: {offset}+{len}")
            }
            Self::Ip { protocol, .. } => f.write_str(&names::ip(*protocol)),
            Self::Named(name) => f.write_str(name),
            Self::Other => f.write_str("?"),
        }
    }
}

/// Reads frames in the order in which they were sent.
#[derive(Debug, Default)]
pub struct Decoder {
    beginnings: Beginnings,
}

impl Decoder {
    /// The summary of an Ethernet frame, which may hold anything.
    pub fn read(&mut self, frame: &[u8]) -> PacketSummary {
        let packet = self.packet(LinkType::ETHERNET, frame, frame.len());
        packet.map_or(PacketSummary::Other, |packet| packet.summary)
    }

    /// A frame of any link, of which `frame` was captured of `len` bytes. `None` if the link is not read.
    pub fn packet(&mut self, link: LinkType, frame: &[u8], len: usize) -> Option<Packet> {
        let mut view = View::new(frame, len);
        let mut peeled = Peeled::default();
        let mut layer = link::first(link, &mut view, &mut peeled)?;
        let (mut remarks, mut addressed) = (Vec::new(), true);
        // What is known of a packet if what is within it cannot be read, and whether that was to be IP.
        let (mut outer, mut is_ip) = (None, false);
        let mut summary = PacketSummary::Other;
        for _ in 0..LAYERS_MAX {
            let left = match peeled.peel(layer, &mut view) {
                Ok(next) => {
                    layer = next;
                    continue;
                }
                Err(left) => left,
            };
            is_ip = left == Layer::Ip;
            summary = match left {
                Layer::Arp => read_arp(view),
                Layer::Named(name) => PacketSummary::Named(name),
                _ => PacketSummary::Other,
            };
            let Some(ip) = Ip::read(view).filter(|_| is_ip) else { break };
            match self.read_ip(&ip, &mut peeled, &mut remarks, &mut addressed) {
                Found::Within(next, inner) => {
                    let (source, destination, protocol) = (ip.from, ip.to, ip.protocol);
                    outer = Some(PacketSummary::Ip { source, destination, protocol });
                    (layer, view) = (next, inner);
                }
                Found::Summary(found) => {
                    summary = found;
                    break;
                }
            }
        }
        if summary == PacketSummary::Other {
            if let Some(outer) = outer {
                summary = outer;
                remarks.push("what it carries is broken");
            } else if let Some((name, remark)) = unreadable(view, is_ip, len == 0) {
                summary = PacketSummary::Named(name);
                remarks.extend(remark);
            }
        }
        let Peeled { from, to, layers } = peeled;
        Some(Packet { summary, from, to, layers, remarks, addressed })
    }

    fn read_ip<'a>(
        &mut self,
        ip: &Ip<'a>,
        peeled: &mut Peeled,
        remarks: &mut Vec<&'static str>,
        addressed: &mut bool,
    ) -> Found<'a> {
        let (source, destination, protocol) = (ip.from, ip.to, ip.protocol);
        peeled.layers.extend(ip.extensions.iter().map(ToString::to_string));
        *addressed = ip.checksum != Checksum::Wrong;
        if !*addressed {
            remarks.push("bad IP checksum");
        }
        if let Some((id, offset, _)) = ip.fragment {
            let len = ip.payload.len;
            return Found::Summary(PacketSummary::Fragment {
                source,
                destination,
                protocol,
                id,
                offset,
                len,
            });
        }
        if let Some(within) = tunnel::within_ip(ip, peeled) {
            return within;
        }
        let (summary, checksum) = match protocol {
            6 => match self.beginnings.read(source, destination, ip.payload) {
                Some((segment, checksum)) => (PacketSummary::Tcp(segment), checksum),
                None => (broken(ip, peeled, remarks), Checksum::Right),
            },
            17 => match read_udp(ip) {
                Some(found) => found,
                None => (broken(ip, peeled, remarks), Checksum::Right),
            },
            1 | 58 => {
                let (message, checksum) = Icmp::read(source, destination, ip.payload);
                peeled.layers.extend(icmp::answers(source, destination, ip.payload));
                (PacketSummary::Icmp { source, destination, message }, checksum)
            }
            _ => (PacketSummary::Ip { source, destination, protocol }, Checksum::Right),
        };
        match (&summary, checksum) {
            (PacketSummary::Tcp(_), Checksum::None) => remarks.push("no checksum"),
            // Over IPv4, UDP may go without.
            (_, Checksum::None) if source.is_ipv6() => remarks.push("no checksum"),
            // A segment's is a mark.
            (PacketSummary::Tcp(_), _) | (_, Checksum::None | Checksum::Right) => {}
            (_, Checksum::Wrong) => remarks.push("bad checksum"),
        }
        // IPv4's own checksum vouches for its addresses.
        *addressed &=
            checksum != Checksum::Wrong || (source.is_ipv4() && ip.checksum == Checksum::Right);
        Found::Summary(summary)
    }
}

/// What is in an IP packet.
enum Found<'a> {
    Summary(PacketSummary),
    /// Another packet or frame.
    Within(Layer, View<'a>),
}

/// What can be said of a header that cannot be read, and what is wrong with it.
fn unreadable(view: View<'_>, is_ip: bool, empty: bool) -> Option<(String, Option<&'static str>)> {
    let cut = !view.whole();
    match view.u8(0) {
        Some(first) if is_ip => {
            let remark = if cut { "its header is cut short" } else { "its header is broken" };
            Some((format!("IPv{}", first >> 4), Some(remark)))
        }
        _ if empty => Some(("empty frame".into(), None)),
        _ if cut => Some(("cut short".into(), None)),
        _ => None,
    }
}

/// A packet of TCP or UDP whose header cannot be read whole: its ports, if they are there.
fn broken(ip: &Ip<'_>, peeled: &mut Peeled, remarks: &mut Vec<&'static str>) -> PacketSummary {
    let view = ip.payload;
    if let (Some(from), Some(to)) = (view.u16(0), view.u16(2)) {
        peeled.layers.push(format!("port {from} > {to}"));
    }
    let header = if ip.protocol == 6 { 20 } else { 8 };
    let there = view.bytes.len() >= header;
    remarks.push(if there { "bad header length" } else { "its header is cut short" });
    PacketSummary::Ip { source: ip.from, destination: ip.to, protocol: ip.protocol }
}

fn read_udp(ip: &Ip<'_>) -> Option<(PacketSummary, Checksum)> {
    let view = ip.payload;
    let (source, destination) = (view.u16(0)?, view.u16(2)?);
    // A length of 0 is a jumbogram's, or left to the NIC with the frame's cutting.
    let len = usize::from(view.u16(4)?);
    let view = if len < 8 { view } else { view.limit(len) };
    let checksum = checksum::transport((ip.from, ip.to), 17, view, 6);
    let payload = view.skip(8);
    let says = udp::says(source, destination, payload);
    let source = SocketAddr::new(ip.from, source);
    let destination = SocketAddr::new(ip.to, destination);
    let len = if len < 8 { payload.len } else { len - 8 };
    Some((PacketSummary::Udp { source, destination, len, says }, checksum))
}

/// RFC 826, of IPv4 over addresses of 6 bytes.
fn read_arp(view: View<'_>) -> PacketSummary {
    let (Some(kind), Some(lens), Some(operation)) = (view.u16(2), view.u16(4), view.u16(6)) else {
        return PacketSummary::Other;
    };
    let address = |at| view.array::<4>(at).map(IpAddr::from);
    match (kind, lens, operation, address(14), address(24)) {
        (0x0800, 0x0604, 1, Some(sender), Some(target)) => PacketSummary::WhoHas { sender, target },
        (0x0800, 0x0604, 2, Some(sender), Some(target)) => PacketSummary::IsAt { sender, target },
        (_, _, 3, ..) => PacketSummary::Named("RARP request".into()),
        (_, _, 4, ..) => PacketSummary::Named("RARP reply".into()),
        _ => PacketSummary::Named("ARP".into()),
    }
}

#[cfg(test)]
mod tests;
