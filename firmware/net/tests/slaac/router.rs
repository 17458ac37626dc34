//! A router made of frames, at a port of the wire: it says what it is told to say, true or not; and hosts that say to have an
//! address.

use std::cell::RefCell;
use std::collections::BTreeMap;

use tapboard_net::smoltcp::time::{Duration, Instant};
use tapboard_net::smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, Icmpv6Packet, IpProtocol, Ipv6Address,
    Ipv6Packet, Ipv6Repr,
};

use crate::common::{Host, Port, World, mac};

pub(crate) const ALL_NODES: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// The link-local address of the host at `mac(last)`.
pub(crate) fn link_local(last: u8) -> Ipv6Address {
    Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0x5eff, 0xfe00, last.into())
}

/// The address that the host at `mac(last)` makes itself in prefix `net`.
pub(crate) fn own(net: u16, last: u8) -> Ipv6Address {
    Ipv6Address::new(0x2001, 0xdb8, 0, net, 0, 0x5eff, 0xfe00, last.into())
}

/// A prefix as a router tells of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prefix {
    pub(crate) address: Ipv6Address,
    pub(crate) len: u8,
    pub(crate) flags: u8,
    pub(crate) valid: u32,
    pub(crate) preferred: u32,
}

/// The prefix of a net, for an hour, of which half.
pub(crate) fn prefix(net: u16) -> Prefix {
    let address = Ipv6Address::new(0x2001, 0xdb8, 0, net, 0, 0, 0, 0);
    Prefix { address, len: 64, flags: 0xc0, valid: 3600, preferred: 1800 }
}

/// What it says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Advert {
    pub(crate) lifetime: u16,
    /// As in the flags: 1 high, 3 low.
    pub(crate) preference: u8,
    pub(crate) prefixes: Vec<Prefix>,
    pub(crate) mtu: Option<u32>,
    pub(crate) servers: Option<(u32, Vec<Ipv6Address>)>,
    /// Further options.
    pub(crate) rest: Vec<u8>,
}

/// What is wrong with its packets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lies {
    pub(crate) hop_limit: Option<u8>,
    pub(crate) source: Option<Ipv6Address>,
    pub(crate) code: u8,
    pub(crate) corrupt: bool,
    /// Bytes of the message that are left.
    pub(crate) cut: Option<usize>,
}

#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) at: Instant,
    pub(crate) kind: u8,
    pub(crate) from: Ipv6Address,
    /// Of a question for an address, that.
    pub(crate) target: Option<Ipv6Address>,
    /// Of a report, the group.
    pub(crate) group: Option<Ipv6Address>,
}

pub(crate) struct Router {
    pub(crate) port: Port,
    pub(crate) number: u8,
    pub(crate) alive: bool,
    /// It answers who asks for its MAC address.
    pub(crate) reachable: bool,
    pub(crate) advert: Advert,
    pub(crate) lies: Lies,
    pub(crate) heard: Vec<Heard>,
    /// Addresses that it says to have, to who asks whether somebody has them.
    pub(crate) claims: Vec<Ipv6Address>,
    /// It claims whatever is asked for.
    pub(crate) claims_all: bool,
    /// Until when each prefix that it told of may be in use at the longest.
    pub(crate) told: RefCell<BTreeMap<Ipv6Address, Option<Instant>>>,
}

impl Router {
    /// A router at its link-local address, with the prefix of a net.
    pub(crate) fn new(world: &World, number: u8, net: u16) -> Self {
        Self {
            port: world.probe.another(),
            number,
            alive: true,
            reachable: true,
            advert: Advert {
                lifetime: 1800,
                preference: 0,
                prefixes: vec![prefix(net)],
                mtu: None,
                servers: None,
                rest: Vec::new(),
            },
            lies: Lies::default(),
            heard: Vec::new(),
            claims: Vec::new(),
            claims_all: false,
            told: RefCell::default(),
        }
    }

    fn answer(&mut self, now: Instant, heard: &Heard) {
        match (heard.kind, heard.target) {
            (133, _) if self.alive => self.advertise(now),
            (135, Some(target)) if target == link_local(self.number) && self.reachable => {
                self.claim(now, target, heard.from, 0xe0);
            }
            (135, Some(target)) if self.claims_all || self.claims.contains(&target) => {
                let to = if heard.from.is_unspecified() { ALL_NODES } else { heard.from };
                self.claim(now, target, to, 0x20);
            }
            _ => {}
        }
    }

    /// Says who it is, to all.
    pub(crate) fn advertise(&self, now: Instant) {
        let advert = &self.advert;
        let [high, low] = advert.lifetime.to_be_bytes();
        let mut icmp = vec![134, self.lies.code, 0, 0, 64, advert.preference << 3, high, low];
        icmp.extend([0; 8]);
        icmp.extend([1, 1]);
        icmp.extend(mac(self.number).0);
        for prefix in &advert.prefixes {
            icmp.extend([3, 4, prefix.len, prefix.flags]);
            icmp.extend(prefix.valid.to_be_bytes());
            icmp.extend(prefix.preferred.to_be_bytes());
            icmp.extend([0; 4]);
            icmp.extend(prefix.address.octets());
            let forever = prefix.valid == u32::MAX;
            let until = (!forever).then(|| now + Duration::from_secs(prefix.valid.into()));
            let mut told = self.told.borrow_mut();
            let longest = told.entry(prefix.address).or_insert(until);
            *longest = longest.zip(until).map(|(one, other)| one.max(other));
        }
        if let Some(mtu) = advert.mtu {
            icmp.extend([5, 1, 0, 0]);
            icmp.extend(mtu.to_be_bytes());
        }
        if let Some((lifetime, servers)) = &advert.servers {
            icmp.extend([25, 1 + 2 * servers.len() as u8, 0, 0]);
            icmp.extend(lifetime.to_be_bytes());
            for server in servers {
                icmp.extend(server.octets());
            }
        }
        icmp.extend(&advert.rest);
        icmp.truncate(self.lies.cut.unwrap_or(icmp.len()));
        let source = self.lies.source.unwrap_or(link_local(self.number));
        let hop_limit = self.lies.hop_limit.unwrap_or(255);
        let mut frame = frame(mac(self.number), (source, ALL_NODES), hop_limit, icmp);
        if self.lies.corrupt {
            // In the reachable time, so that only the checksum tells.
            frame[14 + 40 + 9] ^= 1;
        }
        self.port.send(now, &frame);
    }

    /// Says to have `address`.
    pub(crate) fn claim(&self, now: Instant, address: Ipv6Address, to: Ipv6Address, flags: u8) {
        let mut icmp = vec![136, 0, 0, 0, flags, 0, 0, 0];
        icmp.extend(address.octets());
        icmp.extend([2, 1]);
        icmp.extend(mac(self.number).0);
        self.port.send(now, &frame(mac(self.number), (address, to), 255, icmp));
    }

    /// Asks whether somebody has `address`, for it wants it too.
    pub(crate) fn probe(&self, now: Instant, address: Ipv6Address) {
        let mut icmp = vec![135, 0, 0, 0, 0, 0, 0, 0];
        icmp.extend(address.octets());
        let [.., a, b, c] = address.octets();
        let (high, low) = (0xff00 | u16::from(a), u16::from_be_bytes([b, c]));
        let group = Ipv6Address::new(0xff02, 0, 0, 0, 0, 1, high, low);
        let ends = (Ipv6Address::UNSPECIFIED, group);
        self.port.send(now, &frame(mac(self.number), ends, 255, icmp));
    }

    /// When it was told something of that kind.
    pub(crate) fn times(&self, kind: u8) -> Vec<Instant> {
        self.heard.iter().filter(|heard| heard.kind == kind).map(|heard| heard.at).collect()
    }
}

impl Host for Router {
    fn serve(&mut self, now: Instant) {
        while let Some(frame) = self.port.take(now) {
            if let Some(heard) = read(now, &frame) {
                self.answer(now, &heard);
                self.heard.push(heard);
            }
        }
    }
}

/// The frame of an `ICMPv6` message.
pub(crate) fn frame(
    mac: EthernetAddress,
    (source, destination): (Ipv6Address, Ipv6Address),
    hop_limit: u8,
    mut icmp: Vec<u8>,
) -> Vec<u8> {
    Icmpv6Packet::new_unchecked(&mut icmp[..]).fill_checksum(&source, &destination);
    let mut frame = vec![0; 14 + 40 + icmp.len()];
    let mut ethernet = EthernetFrame::new_unchecked(&mut frame[..]);
    let [.., a, b, c, d] = destination.octets();
    ethernet.set_src_addr(mac);
    ethernet.set_dst_addr(if destination.is_multicast() {
        EthernetAddress([0x33, 0x33, a, b, c, d])
    } else {
        // Of hosts whose addresses end as their MAC addresses do.
        crate::common::mac(d)
    });
    ethernet.set_ethertype(EthernetProtocol::Ipv6);
    let ip = Ipv6Repr {
        src_addr: source,
        dst_addr: destination,
        next_header: IpProtocol::Icmpv6,
        payload_len: icmp.len(),
        hop_limit,
    };
    let mut packet = Ipv6Packet::new_unchecked(&mut frame[14..]);
    ip.emit(&mut packet);
    packet.payload_mut().copy_from_slice(&icmp);
    frame
}

/// What of a frame is about neighbours, routers or groups. `None`: nothing.
fn read(at: Instant, frame: &[u8]) -> Option<Heard> {
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    if ethernet.ethertype() != EthernetProtocol::Ipv6 {
        return None;
    }
    let packet = Ipv6Packet::new_checked(ethernet.payload()).expect("a board's packets are whole");
    let (from, to) = (packet.src_addr(), packet.dst_addr());
    let icmp = match packet.next_header() {
        IpProtocol::Icmpv6 => packet.payload(),
        IpProtocol::HopByHop => &packet.payload()[8..],
        _ => return None,
    };
    let kind = icmp[0];
    if kind == 134 {
        // Another router's, which may lie.
        return None;
    }
    assert!(Icmpv6Packet::new_unchecked(icmp).verify_checksum(&from, &to), "a sound checksum");
    let address = |at: usize| Ipv6Address::from(<[u8; 16]>::try_from(&icmp[at..at + 16]).unwrap());
    let target = matches!(kind, 135 | 136).then(|| address(8));
    let group = (kind == 143).then(|| address(12));
    let link_scope = matches!(kind, 133 | 135 | 136);
    assert!(!link_scope || packet.hop_limit() == 255, "RFC 4861 4: {kind}");
    Some(Heard { at, kind, from, target, group })
}
