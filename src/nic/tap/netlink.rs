//! As much of rtnetlink (rtnetlink(7)) as a TAP needs: look at an interface and at the machine's
//! addresses, give it an address, bring it up, without the `ip` program.
//!
//! One request, one answer, or a row of them. The kernel answers within `send`, so nothing here waits; a receive
//! timeout of one second bounds it all the same. Used when a TAP is opened, never afterwards.
//! Answers come from the kernel, yet are read with every length checked: what does not parse is
//! `EPROTO`.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::{Errno, Result};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{recv, send, socket_with};

/// The largest answer asked for: one interface without its statistics takes about 1 KiB.
const ANSWER_LEN_MAX: usize = 16 * 1024;
const HEADER_LEN: usize = 16;
const LINK_HEADER_LEN: usize = 16;
const ADDRESS_HEADER_LEN: usize = 8;
/// Parts in which the machine's addresses come at most: far more than one has.
const PARTS_MAX: usize = 1024;

// <linux/netlink.h>
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
const NLA_TYPE_MASK: u16 = 0x3fff;

// <linux/rtnetlink.h>, <linux/if_link.h>, <linux/if_addr.h>, <linux/if.h>
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
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
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_F_NODAD: u8 = 0x02;
const IFF_UP: u32 = 1;

/// An interface, as the kernel describes it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) index: u32,
    pub(super) name: String,
    pub(super) mac: Option<[u8; 6]>,
    /// The interface that it is a port of, a bridge for example.
    pub(super) master: Option<u32>,
    pub(super) bridge: bool,
    /// Administratively up (`IFF_UP`).
    pub(super) up: bool,
    /// Largest IP packet, without the Ethernet header, bytes.
    pub(super) mtu: u32,
    /// `None`: not a TAP.
    pub(super) tap: Option<TapLink>,
}

/// What only a TAP has.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TapLink {
    /// User id of the owner, if one was set.
    pub(super) owner: Option<u32>,
    pub(super) multi_queue: bool,
    /// Open files tied to it; the kernel tells only with `multi_queue`, otherwise 0.
    pub(super) queues: u32,
    /// Packet information precedes each frame.
    pub(super) packet_info: bool,
    /// A virtio-net header precedes each frame.
    pub(super) vnet_header: bool,
}

/// An address of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// The interface that has it.
    pub(super) index: u32,
    pub(super) ip: IpAddr,
    pub(super) prefix_len: u8,
}

/// An rtnetlink socket of the network namespace the process is in.
#[derive(Debug)]
pub(super) struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

impl Netlink {
    pub(super) fn open() -> Result<Self> {
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            None, // protocol 0 of this family is NETLINK_ROUTE
        )?;
        set_socket_timeout(&socket, Timeout::Recv, Some(Duration::from_secs(1)))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// The interface `name`, or `None` if there is none.
    pub(super) fn link(&mut self, name: &str) -> Result<Option<Link>> {
        let mut request = Request::of_link(0);
        request.attribute(IFLA_IFNAME, &[name.as_bytes(), &[0]].concat());
        self.look_up(request)
    }

    /// The interface of that index, or `None` if there is none.
    pub(super) fn link_at(&mut self, index: u32) -> Result<Option<Link>> {
        self.look_up(Request::of_link(index))
    }

    fn look_up(&mut self, request: Request) -> Result<Option<Link>> {
        match self.call(request) {
            Ok((RTM_NEWLINK, body)) => parse_link(&body).map(Some).ok_or(Errno::PROTO),
            Ok(_) => Err(Errno::PROTO),
            Err(Errno::NODEV) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// The addresses of all interfaces.
    pub(super) fn addresses(&mut self) -> Result<Vec<Address>> {
        let mut request = Request::new(RTM_GETADDR, NLM_F_DUMP);
        request.bytes.extend([0; ADDRESS_HEADER_LEN]);
        self.send(request)?;
        let mut addresses = Vec::new();
        for _ in 0..PARTS_MAX {
            let part = self.receive()?;
            let mut rest = &part[..];
            while !rest.is_empty() {
                let len = u32_at(rest, 0).ok_or(Errno::PROTO)? as usize;
                let message = rest.get(..len).ok_or(Errno::PROTO)?;
                match parse_answer(message, self.sequence).ok_or(Errno::PROTO)?? {
                    (RTM_NEWADDR, body) => addresses.extend(parse_address(&body)),
                    (NLMSG_DONE, _) => return Ok(addresses),
                    _ => return Err(Errno::PROTO),
                }
                rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
            }
        }
        Err(Errno::MSGSIZE)
    }

    /// Brings the interface up; it is up when this returns `Ok`.
    pub(super) fn set_up(&mut self, index: u32) -> Result<()> {
        let mut request = Request::new(RTM_NEWLINK, NLM_F_ACK);
        // struct ifinfomsg: family, padding, type, index, flags, mask of the flags to change
        request.bytes.extend([0; 4]);
        for word in [index, IFF_UP, IFF_UP] {
            request.bytes.extend(word.to_ne_bytes());
        }
        self.call(request).map(drop)
    }

    /// Adds an address with its on-link prefix. An IPv6 address is usable at once: duplicate
    /// address detection (RFC 4862, section 5.4) is off for it, since the board is the only
    /// neighbour.
    pub(super) fn add_address(&mut self, index: u32, address: IpAddr, prefix: u8) -> Result<()> {
        let mut request = Request::new(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
        let (family, flags, octets) = match address {
            IpAddr::V4(v4) => (AddressFamily::INET, 0, v4.octets().to_vec()),
            IpAddr::V6(v6) => (AddressFamily::INET6, IFA_F_NODAD, v6.octets().to_vec()),
        };
        // struct ifaddrmsg: family, prefix, flags, scope (0 is global), index
        request.bytes.extend([family.as_raw() as u8, prefix, flags, 0]);
        request.bytes.extend(index.to_ne_bytes());
        request.attribute(IFA_LOCAL, &octets);
        request.attribute(IFA_ADDRESS, &octets);
        self.call(request).map(drop)
    }

    /// Sends a request and returns the type and the body of its answer.
    fn call(&mut self, request: Request) -> Result<(u16, Vec<u8>)> {
        self.send(request)?;
        let answer = self.receive()?;
        parse_answer(&answer, self.sequence).ok_or(Errno::PROTO)?
    }

    fn send(&mut self, request: Request) -> Result<()> {
        self.sequence += 1;
        send(&self.socket, &request.finish(self.sequence), SendFlags::empty()).map(drop)
    }

    fn receive(&mut self) -> Result<Vec<u8>> {
        let mut answer = vec![0; ANSWER_LEN_MAX];
        let (_, len) = recv(&self.socket, &mut answer[..], RecvFlags::TRUNC)?;
        if len > ANSWER_LEN_MAX {
            return Err(Errno::MSGSIZE);
        }
        answer.truncate(len);
        Ok(answer)
    }
}

/// A request under construction: `struct nlmsghdr`, the header of its type, attributes.
struct Request {
    bytes: Vec<u8>,
}

impl Request {
    fn new(kind: u16, flags: u16) -> Self {
        let mut bytes = vec![0; HEADER_LEN];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&(flags | NLM_F_REQUEST).to_ne_bytes());
        Self { bytes }
    }

    /// The question for an interface: that of `index`, or for 0 one that an attribute names.
    fn of_link(index: u32) -> Self {
        let mut request = Self::new(RTM_GETLINK, 0);
        // struct ifinfomsg: family, padding, type, index, flags, mask
        request.bytes.extend([0; 4]);
        request.bytes.extend(index.to_ne_bytes());
        request.bytes.extend([0; LINK_HEADER_LEN - 8]);
        request.attribute(IFLA_EXT_MASK, &RTEXT_FILTER_SKIP_STATS.to_ne_bytes());
        request
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.bytes.extend((4 + value.len() as u16).to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn finish(mut self, sequence: u32) -> Vec<u8> {
        let len = self.bytes.len() as u32;
        self.bytes[0..4].copy_from_slice(&len.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.bytes
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Type and body of the answer to request `sequence`, or the error that it carries; `None`:
/// malformed.
fn parse_answer(answer: &[u8], sequence: u32) -> Option<Result<(u16, Vec<u8>)>> {
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

fn parse_link(body: &[u8]) -> Option<Link> {
    let link_attributes = body.get(LINK_HEADER_LEN..)?;
    let info = attribute(link_attributes, IFLA_LINKINFO);
    let kind = info.and_then(|info| attribute(info, IFLA_INFO_KIND));
    let name = attribute(link_attributes, IFLA_IFNAME)?.strip_suffix(&[0])?;
    Some(Link {
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
fn parse_address(body: &[u8]) -> Option<Address> {
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

fn parse_tap(info: &[u8]) -> Option<TapLink> {
    let data = attribute(info, IFLA_INFO_DATA)?;
    let byte = |kind| attribute(data, kind).and_then(|value| value.first().copied());
    let word = |kind| attribute(data, kind).and_then(|value| u32_at(value, 0));
    let is_tap =
        attribute(info, IFLA_INFO_KIND)? == b"tun\0" && byte(IFLA_TUN_TYPE)? == TUN_TYPE_TAP;
    is_tap.then(|| TapLink {
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
        let tap = TapLink {
            owner: Some(1000),
            multi_queue: true,
            queues: 3,
            packet_info: false,
            vnet_header: true,
        };
        let link = Link {
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
