//! The messages of rtnetlink: requests as they are written, answers as they are read, with every length checked.
//!
//! Numbers and layouts are those of the kernel's headers named below.

use std::net::IpAddr;

use rustix::io::{Errno, Result};
use rustix::net::AddressFamily;

const HEADER_LEN: usize = 16;
const LINK_HEADER_LEN: usize = 16;
pub(super) const ADDRESS_HEADER_LEN: usize = 8;

// <linux/netlink.h>
const NLMSG_ERROR: u16 = 2;
pub(super) const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 0x1;
pub(super) const NLM_F_ACK: u16 = 0x4;
pub(super) const NLM_F_DUMP: u16 = 0x300;
pub(super) const NLM_F_EXCL: u16 = 0x200;
pub(super) const NLM_F_CREATE: u16 = 0x400;
const NLA_TYPE_MASK: u16 = 0x3fff;

// <linux/rtnetlink.h>, <linux/if_link.h>, <linux/if_addr.h>, <linux/if.h>
pub(super) const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
pub(super) const RTM_NEWADDR: u16 = 20;
pub(super) const RTM_GETADDR: u16 = 22;
const IFLA_ADDRESS: u16 = 1;
pub(super) const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_EXT_MASK: u16 = 29;
const RTEXT_FILTER_SKIP_STATS: u32 = 8;
const IFLA_TUN_OWNER: u16 = 1;
const IFLA_TUN_TYPE: u16 = 3;
const IFLA_TUN_PI: u16 = 4;
const IFLA_TUN_VNET_HDR: u16 = 5;
const IFLA_TUN_MULTI_QUEUE: u16 = 7;
const IFLA_TUN_NUM_QUEUES: u16 = 8;
const IFLA_TUN_NUM_DISABLED_QUEUES: u16 = 9;
const TUN_TYPE_TAP: u8 = 2;
pub(super) const IFA_ADDRESS: u16 = 1;
pub(super) const IFA_LOCAL: u16 = 2;
pub(super) const IFA_F_NODAD: u8 = 0x02;
pub(super) const IFF_UP: u32 = 1;

/// An interface, as the kernel describes it.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::nic::tap) struct NetDevice {
    pub(in crate::nic::tap) index: u32,
    pub(in crate::nic::tap) name: String,
    pub(in crate::nic::tap) mac: Option<[u8; 6]>,
    /// The interface that it is a port of, a bridge for example.
    pub(in crate::nic::tap) master: Option<u32>,
    pub(in crate::nic::tap) bridge: bool,
    /// Administratively up (`IFF_UP`).
    pub(in crate::nic::tap) up: bool,
    /// Largest IP packet, without the Ethernet header, bytes.
    pub(in crate::nic::tap) mtu: u32,
    /// `None`: not a TAP.
    pub(in crate::nic::tap) tap: Option<TapAttributes>,
}

/// What only a TAP has.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::nic::tap) struct TapAttributes {
    /// User id of the owner, if one was set.
    pub(in crate::nic::tap) owner: Option<u32>,
    pub(in crate::nic::tap) multi_queue: bool,
    /// Open files tied to it; the kernel tells only with `multi_queue`, otherwise 0.
    pub(in crate::nic::tap) queues: u32,
    /// Packet information precedes each frame.
    pub(in crate::nic::tap) packet_info: bool,
    /// A virtio-net header precedes each frame.
    pub(in crate::nic::tap) vnet_header: bool,
}

/// An address of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::nic::tap) struct Address {
    /// The interface that has it.
    pub(in crate::nic::tap) index: u32,
    pub(in crate::nic::tap) ip: IpAddr,
    pub(in crate::nic::tap) prefix_len: u8,
}

/// A request under construction: `struct nlmsghdr`, the header of its type, attributes.
pub(super) struct Request {
    pub(super) bytes: Vec<u8>,
}

impl Request {
    pub(super) fn new(kind: u16, flags: u16) -> Self {
        let mut bytes = vec![0; HEADER_LEN];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&(flags | NLM_F_REQUEST).to_ne_bytes());
        Self { bytes }
    }

    /// The question for an interface: that of `index`, or for 0 one that an attribute names.
    pub(super) fn of_link(index: u32) -> Self {
        let mut request = Self::new(RTM_GETLINK, 0);
        // struct ifinfomsg: family, padding, type, index, flags, mask
        request.bytes.extend([0; 4]);
        request.bytes.extend(index.to_ne_bytes());
        request.bytes.extend([0; LINK_HEADER_LEN - 8]);
        request.attribute(IFLA_EXT_MASK, &RTEXT_FILTER_SKIP_STATS.to_ne_bytes());
        request
    }

    pub(super) fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.bytes.extend((4 + value.len() as u16).to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    pub(super) fn finish(mut self, sequence: u32) -> Vec<u8> {
        let len = self.bytes.len() as u32;
        self.bytes[0..4].copy_from_slice(&len.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.bytes
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Type and body of the answer to request `sequence`, or the error that it carries; `None`:
/// malformed.
pub(super) fn parse_answer(answer: &[u8], sequence: u32) -> Option<Result<(u16, Vec<u8>)>> {
    let body = answer.get(HEADER_LEN..u32_at(answer, 0)? as usize)?;
    if u32_at(answer, 8)? != sequence {
        return None;
    }
    match u16_at(answer, 4)? {
        NLMSG_ERROR => match u32_at(body, 0)?.cast_signed() {
            0 => Some(Ok((NLMSG_ERROR, Vec::new()))),
            negated => Some(Err(Errno::from_raw_os_error(negated.checked_neg()?))),
        },
        kind => Some(Ok((kind, body.to_vec()))),
    }
}

/// The attributes in `bytes`, as (type, value), up to the first malformed one.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let len = usize::from(u16_at(bytes, 0)?);
        let kind = u16_at(bytes, 2)? & NLA_TYPE_MASK;
        let value = bytes.get(4..len)?;
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The first attribute of type `kind` in `bytes`.
fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|&(found, _)| found == kind).map(|(_, value)| value)
}

pub(super) fn parse_link(body: &[u8]) -> Option<NetDevice> {
    let link_attributes = body.get(LINK_HEADER_LEN..)?;
    let info = attribute(link_attributes, IFLA_LINKINFO);
    let kind = info.and_then(|info| attribute(info, IFLA_INFO_KIND));
    let name = attribute(link_attributes, IFLA_IFNAME)?.strip_suffix(&[0])?;
    Some(NetDevice {
        index: u32_at(body, 4)?,
        name: String::from_utf8_lossy(name).into_owned(),
        mac: attribute(link_attributes, IFLA_ADDRESS).and_then(|mac| mac.try_into().ok()),
        master: attribute(link_attributes, IFLA_MASTER).and_then(|master| u32_at(master, 0)),
        bridge: kind == Some(b"bridge\0"),
        up: u32_at(body, 8)? & IFF_UP != 0,
        mtu: u32_at(attribute(link_attributes, IFLA_MTU)?, 0)?,
        tap: info.and_then(parse_tap),
    })
}

/// `None` for an address of another family, or for one without its bytes.
pub(super) fn parse_address(body: &[u8]) -> Option<Address> {
    // struct ifaddrmsg: family, prefix length, flags, scope, index
    let (family, prefix_len) = (*body.first()?, *body.get(1)?);
    let attributes = body.get(ADDRESS_HEADER_LEN..)?;
    // On a point-to-point interface the second is the other end's.
    let bytes = attribute(attributes, IFA_LOCAL).or_else(|| attribute(attributes, IFA_ADDRESS))?;
    let ip = match AddressFamily::from_raw(family.into()) {
        AddressFamily::INET => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        AddressFamily::INET6 => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
        _ => return None,
    };
    Some(Address { index: u32_at(body, 4)?, ip, prefix_len })
}

fn parse_tap(info: &[u8]) -> Option<TapAttributes> {
    let data = attribute(info, IFLA_INFO_DATA)?;
    let byte = |kind| attribute(data, kind).and_then(|value| value.first().copied());
    let word = |kind| attribute(data, kind).and_then(|value| u32_at(value, 0));
    let is_tap =
        attribute(info, IFLA_INFO_KIND)? == b"tun\0" && byte(IFLA_TUN_TYPE)? == TUN_TYPE_TAP;
    is_tap.then(|| TapAttributes {
        owner: word(IFLA_TUN_OWNER),
        multi_queue: byte(IFLA_TUN_MULTI_QUEUE).unwrap_or(0) != 0,
        queues: word(IFLA_TUN_NUM_QUEUES)
            .unwrap_or(0)
            .saturating_add(word(IFLA_TUN_NUM_DISABLED_QUEUES).unwrap_or(0)),
        packet_info: byte(IFLA_TUN_PI) == Some(1),
        vnet_header: byte(IFLA_TUN_VNET_HDR) == Some(1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer about a TAP with `mtu`, built with the writer that requests use.
    fn answer(mtu: u32) -> Vec<u8> {
        let mut data = Request { bytes: Vec::new() };
        data.attribute(IFLA_TUN_TYPE, &[TUN_TYPE_TAP]);
        data.attribute(IFLA_TUN_OWNER, &1000_u32.to_ne_bytes());
        data.attribute(IFLA_TUN_VNET_HDR, &[1]);
        data.attribute(IFLA_TUN_MULTI_QUEUE, &[1]);
        data.attribute(IFLA_TUN_NUM_QUEUES, &2_u32.to_ne_bytes());
        data.attribute(IFLA_TUN_NUM_DISABLED_QUEUES, &1_u32.to_ne_bytes());
        let mut info = Request { bytes: Vec::new() };
        info.attribute(IFLA_INFO_KIND, b"tun\0");
        info.attribute(IFLA_INFO_DATA, &data.bytes);
        let mut answer = Request::new(RTM_NEWLINK, 0);
        answer.bytes.extend([0; 4]);
        for word in [7, IFF_UP, 0] {
            answer.bytes.extend(word.to_ne_bytes());
        }
        answer.attribute(IFLA_ADDRESS, &[2, 0, 0, 0, 0, 9]);
        answer.attribute(IFLA_IFNAME, b"tap9\0");
        answer.attribute(IFLA_MTU, &mtu.to_ne_bytes());
        answer.attribute(IFLA_MASTER, &3_u32.to_ne_bytes());
        answer.attribute(IFLA_LINKINFO, &info.bytes);
        answer.finish(9)
    }

    /// The bytes that tell of an address of interface 7.
    fn address(family: AddressFamily, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = Request { bytes: vec![family.as_raw() as u8, 24, 0, 0] };
        body.bytes.extend(7_u32.to_ne_bytes());
        for (kind, value) in attributes {
            body.attribute(*kind, value);
        }
        body.bytes
    }

    #[test]
    fn an_address_is_read_as_the_kernel_writes_it() {
        let read = |body: &[u8]| parse_address(body).map(|address| address.ip);
        let ours: &[u8] = &[192, 0, 2, 2];
        let both = [(IFA_ADDRESS, &[192, 0, 2, 9][..]), (IFA_LOCAL, ours)];
        let body = address(AddressFamily::INET, &both);
        let expected = Address { index: 7, ip: [192, 0, 2, 2].into(), prefix_len: 24 };
        assert_eq!(parse_address(&body), Some(expected));
        let ipv6 = [7; 16];
        let body = address(AddressFamily::INET6, &[(IFA_ADDRESS, &ipv6)]);
        assert_eq!(read(&body), Some(ipv6.into()));
        for len in 0..body.len() {
            assert_eq!(read(&body[..len]), None, "cut to {len} bytes");
        }
        assert_eq!(read(&address(AddressFamily::INET6, &[(IFA_ADDRESS, ours)])), None);
        assert_eq!(read(&address(AddressFamily::NETLINK, &both)), None);
        assert_eq!(read(&address(AddressFamily::INET, &[])), None);
    }

    #[test]
    fn a_link_is_read_as_the_kernel_writes_it() {
        let (kind, body) = parse_answer(&answer(1500), 9).expect("well-formed").expect("no error");
        assert_eq!(kind, RTM_NEWLINK);
        let tap = TapAttributes {
            owner: Some(1000),
            multi_queue: true,
            queues: 3,
            packet_info: false,
            vnet_header: true,
        };
        let link = NetDevice {
            index: 7,
            name: "tap9".into(),
            mac: Some([2, 0, 0, 0, 0, 9]),
            master: Some(3),
            bridge: false,
            up: true,
            mtu: 1500,
            tap: Some(tap),
        };
        assert_eq!(parse_link(&body), Some(link));
    }

    #[test]
    fn an_answer_to_another_request_is_refused() {
        assert_eq!(parse_answer(&answer(1500), 8), None);
    }

    /// Cut at any length, and with any one byte changed: an answer is read or refused, without a
    /// panic.
    #[test]
    fn malformed_answers_do_not_panic() {
        let whole = answer(1500);
        for len in 0..whole.len() {
            assert_eq!(parse_answer(&whole[..len], 9), None, "cut to {len} bytes");
            if let Some(body) = whole.get(HEADER_LEN..len) {
                let _ = parse_link(body);
            }
        }
        for at in 0..whole.len() {
            for value in [0, 1, 3, 4, 5, 0x7f, 0x80, 0xff] {
                let mut changed = whole.clone();
                changed[at] = value;
                if let Some(Ok((_, body))) = parse_answer(&changed, 9) {
                    let _ = parse_link(&body);
                }
            }
        }
    }

    #[test]
    fn errors_come_through() {
        let mut error = Request::new(NLMSG_ERROR, 0);
        error.bytes.extend((-19_i32).to_ne_bytes());
        assert_eq!(parse_answer(&error.finish(1), 1), Some(Err(Errno::NODEV)));
    }
}
