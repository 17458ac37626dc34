//! Multicast listener discovery: a router's question, and a report of one group (RFC 2710 3, RFC 3810 5).

use smoltcp::wire::{Icmpv6Packet, IpAddress, IpProtocol, Ipv6Address, Ipv6Packet, Ipv6Repr};

use crate::ethernet::EthernetAddress;
use crate::frame::{ETHERNET_HEADER, EtherType, Link, Packet, group_mac, put_link};

const QUERY: u8 = 130;
const REPORT_OLD: u8 = 131;
const REPORT: u8 = 143;
/// Length of a question in the words of RFC 2710, and the least of one in those of RFC 3810 (8.1).
const OLD: usize = 24;
const NEW: usize = 28;

/// The kind of a record: whoever sends to the group (RFC 3810 5.2.12).
const MODE_IS_EXCLUDE: u8 = 2;

/// Every router that knows of reports (RFC 3810 5.2.14).
const ALL_ROUTERS: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);

/// The hop-by-hop header that makes routers look (RFC 2711), before `ICMPv6`.
const ROUTER_ALERT: [u8; 8] = [58, 0, 5, 2, 0, 0, 1, 0];

/// Bytes of a frame with a report of one group, in the words of RFC 3810 and RFC 2710.
const REPORT_SIZE: usize = 14 + 40 + ROUTER_ALERT.len() + 8 + 20;
const REPORT_SIZE_OLD: usize = 14 + 40 + ROUTER_ALERT.len() + OLD;

/// A router's question.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query {
    /// Unspecified: which groups there are.
    pub(crate) group: Ipv6Address,
    /// In how many milliseconds the answer is wanted.
    pub(crate) within: u32,
    /// In the words of RFC 2710.
    pub(crate) old: bool,
}

impl Query {
    /// Reads a question. `None`: it is none, or not from a router on the link (RFC 3810 6.2).
    pub(crate) fn parse(packet: &Packet<'_>) -> Option<Self> {
        let (IpAddress::Ipv6(source), IpAddress::Ipv6(destination)) =
            (packet.source, packet.destination)
        else {
            return None;
        };
        let [QUERY, 0, _, _, high, low, _, _, body @ ..] = packet.payload else { return None };
        // Of a hop-by-hop header, and directly from there.
        let direct = matches!(packet.bytes, [_, _, _, _, _, _, 0, 1, ..]);
        let icmp = Icmpv6Packet::new_unchecked(packet.payload);
        let sound = icmp.verify_checksum(&source, &destination);
        if !direct || !sound || !source.is_unicast_link_local() {
            return None;
        }
        let code = u32::from(u16::from_be_bytes([*high, *low]));
        let len = packet.payload.len();
        let old = len == OLD;
        if !old && len < NEW {
            return None;
        }
        let within = if old || code < 1 << 15 {
            code
        } else {
            // A floating-point number (RFC 3810 5.1.3).
            (code & 0xfff | 0x1000) << ((code >> 12 & 7) + 3)
        };
        Some(Self { group: Ipv6Address::from(*body.first_chunk()?), within, old })
    }
}

/// A report that we listen to a group, whoever sends to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    pub(crate) mac: EthernetAddress,
    pub(crate) own: Ipv6Address,
    pub(crate) group: Ipv6Address,
    /// In the words of RFC 2710.
    pub(crate) old: bool,
}

impl Report {
    /// Bytes of its frame.
    pub(crate) const fn len(&self) -> usize {
        if self.old { REPORT_SIZE_OLD } else { REPORT_SIZE }
    }

    /// Writes its frame of [`Report::len`] bytes.
    #[inline(never)]
    pub(crate) fn emit(&self, buffer: &mut [u8]) {
        // Of a length that the compiler knows.
        let mut frame = [0; REPORT_SIZE];
        let to = if self.old { self.group } else { ALL_ROUTERS };
        let destination = group_mac(&to.into()).unwrap_or(EthernetAddress::BROADCAST);
        put_link(&mut frame, Link { source: self.mac, destination }, EtherType::IPV6);
        let ip = Ipv6Repr {
            src_addr: self.own,
            dst_addr: to,
            next_header: IpProtocol::HopByHop,
            payload_len: buffer.len() - 14 - 40,
            hop_limit: 1,
        };
        ip.emit(&mut Ipv6Packet::new_unchecked(&mut frame[ETHERNET_HEADER..]));
        frame[54..62].copy_from_slice(&ROUTER_ALERT);
        let group = self.group.octets();
        let icmp = &mut frame[62..];
        if self.old {
            icmp[0] = REPORT_OLD;
            icmp[8..24].copy_from_slice(&group);
        } else {
            (icmp[0], icmp[7], icmp[8]) = (REPORT, 1, MODE_IS_EXCLUDE);
            icmp[12..28].copy_from_slice(&group);
        }
        let icmp = &mut icmp[..buffer.len() - 62];
        Icmpv6Packet::new_unchecked(icmp).fill_checksum(&self.own, &to);
        buffer.copy_from_slice(&frame[..buffer.len()]);
    }
}
