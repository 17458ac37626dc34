//! Who sends a frame and who gets it, and which columns those are.
//!
//! A host has one IPv4, one link-local and one other IPv6 address, of one MAC address. An address that is new takes
//! the free place of its kind at the first host of its MAC address, unless that is a router's: of which more hosts
//! than one have an address of a kind. Else it is another host's, so that hosts behind a router stand apart. On
//! loopback, where both ends have one address, each end of a conversation is a host. At most [`HOSTS_KNOWN_MAX`]
//! are told apart. Which column a host has is told by [`Lanes`]; it is never moved, and the board's is the first.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use foldhash::{HashMap, HashMapExt};
use smoltcp::wire::{EthernetAddress, EthernetFrame};
use tapboard_firmware::BOARD_NET;

use super::lanes::{HostName, Lanes};
use crate::capture::Direction;
use crate::segment::{Icmp, Packet, PacketSummary};

/// Hosts that are told apart.
const HOSTS_KNOWN_MAX: usize = 1 << 15;

/// Where a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// To the host of this column.
    Column(usize),
    /// To a group: whoever listens.
    Group,
    /// To the column that it comes from, which more hosts than one share.
    Same,
    /// To somebody who has no column.
    Nobody,
}

/// What is known of one host.
#[derive(Clone, Debug, Default)]
pub(super) struct Host {
    mac: Option<EthernetAddress>,
    /// IPv4, other IPv6 and link-local address: in the order in which they make the title.
    addresses: [Option<IpAddr>; 3],
    /// One end of a conversation that a host has with itself.
    endpoint: Option<SocketAddr>,
    pub(super) lane: usize,
    /// Frames that it sent or got.
    frames: u64,
}

/// The place of a link-local address, which no router passes on.
const LINK_LOCAL: usize = 2;

fn kind(address: IpAddr) -> usize {
    match address {
        IpAddr::V4(_) => 0,
        IpAddr::V6(v6) if v6.is_unicast_link_local() => LINK_LOCAL,
        IpAddr::V6(_) => 1,
    }
}

/// One end of a frame, as the frame names it.
#[derive(Clone, Copy, Debug)]
struct Party {
    mac: Option<EthernetAddress>,
    ip: Option<IpAddr>,
    /// Set if both ends have the same address.
    endpoint: Option<SocketAddr>,
    /// One host and no group, whatever its address looks like: it sends, or a connection leads there.
    single: bool,
}

impl Party {
    const NOBODY: Self = Self { mac: None, ip: None, endpoint: None, single: false };
}

/// The first host of a MAC address.
#[derive(Clone, Copy, Debug)]
struct OfMac {
    host: usize,
    router: bool,
}

/// The hosts.
#[derive(Debug)]
pub(super) struct Hosts {
    all: Vec<Host>,
    by_address: HashMap<IpAddr, usize>,
    by_endpoint: HashMap<SocketAddr, usize>,
    by_mac: HashMap<EthernetAddress, OfMac>,
    /// Who sends frames without any address.
    nameless: Option<usize>,
    board: Option<usize>,
    /// Addresses that are the board's, whoever uses them first.
    known: Vec<IpAddr>,
    lanes: Lanes,
    /// Whether a title may have changed.
    news: bool,
}

impl Default for Hosts {
    fn default() -> Self {
        let ipv6 = BOARD_NET.ipv6().map(|cidr| cidr.address().into());
        let known = [BOARD_NET.ipv4_address().into()].into_iter().chain(ipv6).collect();
        Self {
            all: Vec::new(),
            by_address: HashMap::new(),
            by_endpoint: HashMap::new(),
            by_mac: HashMap::new(),
            nameless: None,
            board: None,
            known,
            lanes: Lanes::default(),
            news: true,
        }
    }
}

/// Where a frame goes, by host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Receiver {
    Host(usize),
    Group,
    Nobody,
}

impl Hosts {
    /// From now on these are the addresses that are the board's.
    pub(super) fn of_board(&mut self, addresses: impl IntoIterator<Item = IpAddr>) {
        self.known = addresses.into_iter().collect();
    }

    /// From now on the columns are these, before there is any.
    pub(super) fn of_lanes(&mut self, lanes: Lanes) {
        self.lanes = lanes;
    }

    /// Column of a frame's sender, and where it goes; new columns if need be.
    pub(super) fn ends(&mut self, direction: Option<Direction>, packet: &Packet) -> (usize, To) {
        let (from, to) = self.hosts_of(direction, packet);
        let to_group = packet.to.is_some_and(|mac| !mac.is_unicast());
        self.all[from].frames += 1;
        let lane = self.all[from].lane;
        let to = match to {
            Receiver::Host(to) => {
                if to != from {
                    self.all[to].frames += 1;
                }
                To::Column(self.all[to].lane)
            }
            Receiver::Group => To::Group,
            // Whoever listens may have a column already, though nothing was heard of it.
            Receiver::Nobody if to_group && self.lanes.len() > 1 => To::Group,
            Receiver::Nobody => To::Nobody,
        };
        (lane, if to == To::Column(lane) { To::Same } else { to })
    }

    fn hosts_of(&mut self, direction: Option<Direction>, packet: &Packet) -> (usize, Receiver) {
        let mut addresses = addresses(&packet.summary);
        // Our link damages frames; what others captured is as it was sent.
        if !packet.addressed && direction.is_some() {
            addresses = (None, None);
        }
        let (source, destination) = addresses;
        let ports = endpoints(&packet.summary).filter(|(from, to)| from.ip() == to.ip());
        let (near, far) = ports.unzip();
        let sender = Party { mac: packet.from, ip: source, endpoint: near, single: true };
        let receiver = Party {
            mac: packet.to.filter(EthernetAddress::is_unicast),
            ip: destination,
            endpoint: far,
            single: matches!(packet.summary, PacketSummary::Tcp(_)),
        };
        let to_group = packet.to.is_some() && receiver.mac.is_none();
        match direction {
            Some(Direction::ToPeer) => {
                let from = self.board(sender);
                (from, self.receiver(from, receiver, to_group))
            }
            Some(Direction::ToBoard) => {
                // Who is asked for through a group address may be another host.
                let is_board = receiver.mac.is_some()
                    || receiver.ip.is_some_and(|ip| self.known.contains(&ip));
                let to = self.board(if is_board { receiver } else { Party::NOBODY });
                (self.find(sender), Receiver::Host(to))
            }
            None => {
                let from = self.find(sender);
                (from, self.receiver(from, receiver, to_group))
            }
        }
    }

    /// Hosts that were asked for and of which no frame was.
    pub(super) fn absent(&self) -> Vec<HostName> {
        self.lanes.absent().collect()
    }

    /// Whether more hosts than one share the column.
    pub(super) fn is_shared(&self, lane: usize) -> bool {
        self.lanes.is_shared(lane)
    }

    /// Whether titles may be others than when this was asked before.
    pub(super) const fn has_news(&mut self) -> bool {
        std::mem::replace(&mut self.news, false)
    }

    pub(super) fn titles(&self) -> Vec<String> {
        let title = |lane: usize| {
            if self.is_shared(lane) {
                return "others".to_string();
            }
            let Some(index) = self.lanes.host(lane) else {
                let name = self.lanes.name(lane);
                return name.map_or_else(|| "?".into(), |name| name.to_string());
            };
            let name = self.all[index].names().next();
            match (name, self.board == Some(index)) {
                (Some(name), true) => format!("board {name}"),
                (None, true) => "board".to_string(),
                (Some(name), false) => name.to_string(),
                (None, false) => "?".to_string(),
            }
        };
        (0..self.lanes.len()).map(title).collect()
    }

    /// How many hosts there were.
    pub(super) const fn count(&self) -> usize {
        self.all.len()
    }

    /// So many hosts of the most frames, each by all its names, in the order in which they came; the board first.
    pub(super) fn busiest(&self, count: usize) -> Vec<Vec<HostName>> {
        let mut indices: Vec<_> = (0..self.all.len()).collect();
        // The sort is stable: of two that are alike the first one.
        indices.sort_by_key(|&index| std::cmp::Reverse(self.all[index].frames));
        indices.truncate(count);
        indices.sort_by_key(|&index| (self.board != Some(index), index));
        indices.into_iter().map(|index| self.all[index].names().collect()).collect()
    }

    /// The board, which is whoever has its place on our link.
    fn board(&mut self, end: Party) -> usize {
        let index = match self.board {
            Some(index) => index,
            None => self.push(Host::default(), true),
        };
        self.news |= self.board != Some(index);
        self.board = Some(index);
        self.learn(index, end);
        index
    }

    /// Where a frame goes: to its receiver; of a group towards the address that is asked for, if it is known, or to
    /// the only other host, or else to all.
    fn receiver(&mut self, from: usize, end: Party, to_group: bool) -> Receiver {
        let asked = end.ip.filter(|&ip| !self.is_group(ip, end));
        if end.mac.is_some() || (!to_group && asked.is_some()) {
            return Receiver::Host(self.find(end));
        }
        let known = asked.and_then(|ip| self.by_address.get(&ip).copied());
        if let Some(known) = known.filter(|&known| known != from) {
            return Receiver::Host(known);
        }
        let mut others = (0..self.all.len()).filter(|&index| index != from);
        match (others.next(), others.next(), asked) {
            (Some(only), None, _) if to_group || self.board.is_some() => Receiver::Host(only),
            (None, _, Some(_)) if known.is_none() => {
                Receiver::Host(self.find(Party { ip: asked, ..end }))
            }
            (Some(_), _, _) if to_group || end.ip.is_some() => Receiver::Group,
            _ => Receiver::Nobody,
        }
    }

    /// Whether an end's address is that of a group, as far as can be told: a host of a network of less than 24 bits may have
    /// one that ends like a broadcast's.
    fn is_group(&self, ip: IpAddr, end: Party) -> bool {
        let limited = ip == IpAddr::V4(Ipv4Addr::BROADCAST);
        let host = end.single || self.by_address.contains_key(&ip);
        ip.is_multicast() || limited || (is_broadcast(ip) && !host)
    }

    /// The host of an end that is not known to be the board.
    fn find(&mut self, end: Party) -> usize {
        let ip = end.ip.filter(|&ip| !ip.is_unspecified() && !self.is_group(ip, end));
        let end = Party { ip, ..end };
        if let Some(endpoint) = end.endpoint {
            if let Some(&index) = self.by_endpoint.get(&endpoint) {
                return index;
            }
            let index = self.push(Host { endpoint: end.endpoint, ..Host::default() }, false);
            self.by_endpoint.insert(endpoint, index);
            return index;
        }
        let of_mac = end.mac.and_then(|mac| self.by_mac.get(&mac).copied());
        let found = match ip {
            Some(ip) => self.by_address.get(&ip).copied().or_else(|| {
                let free = |found: &OfMac| {
                    self.all[found.host].addresses[kind(ip)].is_none()
                        && (!found.router || kind(ip) == LINK_LOCAL)
                };
                of_mac.filter(free).map(|found| found.host)
            }),
            None if end.mac.is_some() => of_mac.map(|found| found.host),
            // Nothing tells: on a cable with a board from whoever is there.
            None if self.board.is_some() => {
                (0..self.all.len()).find(|&index| self.board != Some(index))
            }
            None => self.nameless,
        };
        let index = found.unwrap_or_else(|| {
            let mut host = Host { mac: end.mac, ..Host::default() };
            if let Some(ip) = ip {
                host.addresses[kind(ip)] = Some(ip);
            }
            self.push(host, false)
        });
        if end.ip.is_none() && end.mac.is_none() && self.board.is_none() {
            self.nameless = Some(index);
        }
        if let Some(found) = end.mac.and_then(|mac| self.by_mac.get_mut(&mac)) {
            found.router |= found.host != index;
        }
        self.learn(index, end);
        index
    }

    /// A host more, unless there are too many: then the last one is it. The board's names are known before it has
    /// sent anything.
    fn push(&mut self, mut host: Host, is_board: bool) -> usize {
        if self.all.len() < HOSTS_KNOWN_MAX {
            let known = self.known.iter().filter(|_| is_board).map(|ip| HostName::Ip(*ip));
            host.lane = self.lanes.assign(self.all.len(), host.names().chain(known));
            self.all.push(host);
            self.news = true;
        }
        self.all.len() - 1
    }

    /// What a frame says of a host: its first address of a kind is the one that counts.
    fn learn(&mut self, index: usize, end: Party) {
        let host = &mut self.all[index];
        let mut new = false;
        if let Some(mac) = end.mac {
            new = host.mac.is_none();
            host.mac = host.mac.or(Some(mac));
            self.by_mac.entry(mac).or_insert(OfMac { host: index, router: false });
        }
        if let Some(ip) = end.ip.filter(|ip| !ip.is_unspecified() && !ip.is_multicast()) {
            let place = &mut host.addresses[kind(ip)];
            if *place.get_or_insert(ip) == ip {
                new |= self.by_address.insert(ip, index).is_none();
            }
        }
        if new {
            self.news = true;
            let names: Vec<_> = host.names().collect();
            if let Some(lane) = self.lanes.chosen(index, names.into_iter()) {
                self.all[index].lane = lane;
            }
        }
    }
}

impl Host {
    /// Its names, the best first: its MAC address is a host's own only if it has no other.
    fn names(&self) -> impl Iterator<Item = HostName> + use<> {
        let addresses = self.addresses.into_iter().flatten().map(HostName::Ip);
        let endpoint = self.endpoint.map(HostName::Endpoint);
        let nameless = self.addresses == [None; 3] && self.endpoint.is_none();
        let mac = self.mac.filter(|_| nameless).map(HostName::Mac);
        endpoint.into_iter().chain(addresses).chain(mac)
    }
}

/// Whether a frame has the board's usual MAC address.
pub(super) fn has_board(frame: &[u8]) -> bool {
    let board = BOARD_NET.mac();
    EthernetFrame::new_checked(frame).is_ok_and(|e| e.src_addr() == board || e.dst_addr() == board)
}

/// The direction of a frame on a network with the board, by that address. A frame to all goes to the board too.
pub(super) fn direction(frame: &[u8]) -> Option<Direction> {
    let board = BOARD_NET.mac();
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    if ethernet.src_addr() == board {
        return Some(Direction::ToPeer);
    }
    let to = ethernet.dst_addr();
    (to == board || !to.is_unicast()).then_some(Direction::ToBoard)
}

/// The limited broadcast, and that of a network of 24 bits, as far as an address tells.
fn is_broadcast(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(v4) if v4.octets()[3] == 255)
}

/// Where the frame goes, if that is a group that nobody is asked for through: for a remark.
pub(super) fn group(summary: &PacketSummary) -> Option<IpAddr> {
    if matches!(summary, PacketSummary::Icmp { message: Icmp::WhoHas(_), .. }) {
        return None;
    }
    let single = matches!(summary, PacketSummary::Tcp(_));
    addresses(summary).1.filter(|ip| ip.is_multicast() || (is_broadcast(*ip) && !single))
}

/// Sender and receiver with their ports.
pub(super) fn endpoints(summary: &PacketSummary) -> Option<(SocketAddr, SocketAddr)> {
    match summary {
        PacketSummary::Tcp(segment) => Some((segment.source, segment.destination)),
        PacketSummary::Udp { source, destination, .. } => Some((*source, *destination)),
        _ => None,
    }
}

/// Sender and receiver by IP address. Who is asked for an address is the receiver.
pub(super) fn addresses(summary: &PacketSummary) -> (Option<IpAddr>, Option<IpAddr>) {
    match summary {
        PacketSummary::WhoHas { sender, target } | PacketSummary::IsAt { sender, target } => {
            (Some(*sender), Some(*target))
        }
        PacketSummary::Tcp(segment) => (Some(segment.source.ip()), Some(segment.destination.ip())),
        PacketSummary::Udp { source, destination, .. } => {
            (Some(source.ip()), Some(destination.ip()))
        }
        PacketSummary::Other | PacketSummary::Named(_) => (None, None),
        // Duplicate address detection (RFC 4862, 5.4): the sender wants the address for itself.
        PacketSummary::Icmp { source, message: Icmp::WhoHas(target), .. }
            if source.is_unspecified() =>
        {
            (Some(*target), None)
        }
        PacketSummary::Icmp { source, message: Icmp::WhoHas(target), .. } => {
            (Some(*source), Some(*target))
        }
        PacketSummary::Icmp { source, destination, .. }
        | PacketSummary::Ip { source, destination, .. }
        | PacketSummary::Fragment { source, destination, .. } => {
            (Some(*source), Some(*destination))
        }
    }
}
