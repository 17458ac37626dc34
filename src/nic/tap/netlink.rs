//! As much of rtnetlink (rtnetlink(7)) as a TAP needs: look at an interface and at the machine's
//! addresses, give it an address, bring it up, without the `ip` program.
//!
//! One request, one answer, or a row of them. The kernel answers within `send`, so nothing here waits; a receive
//! timeout of one second bounds it all the same. Used when a TAP is opened, never afterwards.
//! Answers come from the kernel, yet are read with every length checked: what does not parse is
//! `EPROTO`.

mod message;

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::{Errno, Result};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{recv, send, socket_with};

use self::message::{
    ADDRESS_HEADER_LEN, IFA_ADDRESS, IFA_F_NODAD, IFA_LOCAL, IFF_UP, IFLA_IFNAME, NLM_F_ACK,
    NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLMSG_DONE, RTM_GETADDR, RTM_NEWADDR, RTM_NEWLINK,
    Request, parse_address, parse_answer, parse_link, u32_at,
};
pub(super) use self::message::{Address, NetDevice, TapAttributes};

/// The largest answer asked for: one interface without its statistics takes about 1 KiB.
const ANSWER_LEN_MAX: usize = 16 * 1024;
/// Parts in which the machine's addresses come at most: far more than one has.
const PARTS_MAX: usize = 1024;

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
    pub(super) fn link(&mut self, name: &str) -> Result<Option<NetDevice>> {
        let mut request = Request::of_link(0);
        request.attribute(IFLA_IFNAME, &[name.as_bytes(), &[0]].concat());
        self.look_up(request)
    }

    /// The interface of that index, or `None` if there is none.
    pub(super) fn link_at(&mut self, index: u32) -> Result<Option<NetDevice>> {
        self.look_up(Request::of_link(index))
    }

    fn look_up(&mut self, request: Request) -> Result<Option<NetDevice>> {
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
