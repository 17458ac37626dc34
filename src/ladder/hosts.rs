//! Which column a frame leaves, and which it goes to.
//!
//! A host has one column for its addresses: one IPv4, one link-local and one other IPv6 address, of one
//! MAC address. An address that is new takes the free place of its kind in the first column of its MAC
//! address, and else a column of its own, so that hosts behind a router stand apart. On loopback, where both ends
//! have one address, each end of a conversation has a column. Columns are never moved; the board's is the first.
//! From the last one on all share it: the [`HOSTS_MAX`]th unless told otherwise.

use std::net::{IpAddr, SocketAddr};

use smoltcp::wire::{EthernetAddress, EthernetFrame};
use tapboard_firmware::BOARD_NET;

use crate::capture::Direction;
use crate::segment::{Icmp, Packet, PacketSummary};

/// Columns at most, unless told otherwise.
pub const HOSTS_MAX: usize = 6;

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
struct Host {
    mac: Option<EthernetAddress>,
    /// IPv4, other IPv6 and link-local address: in the order in which they make the title.
    addresses: [Option<IpAddr>; 3],
    /// One end of a conversation that a host has with itself.
    endpoint: Option<SocketAddr>,
}

fn kind(address: IpAddr) -> usize {
    match address {
        IpAddr::V4(_) => 0,
        IpAddr::V6(v6) if v6.is_unicast_link_local() => 2,
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
}

impl Party {
    const NOBODY: Self = Self { mac: None, ip: None, endpoint: None };
}

/// The columns.
#[derive(Debug)]
pub(super) struct Hosts {
    columns: Vec<Host>,
    board: Option<usize>,
    /// Addresses that are the board's, whoever uses them first.
    known: Vec<IpAddr>,
    max: usize,
}

impl Default for Hosts {
    fn default() -> Self {
        let ipv6 = BOARD_NET.ipv6().map(|cidr| cidr.address().into());
        let known = [BOARD_NET.ipv4_address().into()].into_iter().chain(ipv6).collect();
        Self { columns: Vec::new(), board: None, known, max: HOSTS_MAX }
    }
}

impl Hosts {
    /// From now on these are the addresses that are the board's.
    pub(super) fn of_board(&mut self, addresses: impl IntoIterator<Item = IpAddr>) {
        self.known = addresses.into_iter().collect();
    }

    /// Columns at most; no less than two.
    pub(super) const fn of_columns(&mut self, max: usize) {
        self.max = if max < 2 { 2 } else { max };
    }

    /// Column of a frame's sender, and where it goes; new columns if need be.
    pub(super) fn ends(&mut self, direction: Option<Direction>, packet: &Packet) -> (usize, To) {
        let mut addresses = addresses(&packet.summary);
        // Our link damages frames; what others captured is as it was sent.
        if !packet.addressed && direction.is_some() {
            addresses = (None, None);
        }
        let (source, destination) = addresses;
        let ports = endpoints(&packet.summary).filter(|(from, to)| from.ip() == to.ip());
        let (near, far) = ports.unzip();
        let sender = Party { mac: packet.from, ip: source, endpoint: near };
        let receiver = Party {
            mac: packet.to.filter(EthernetAddress::is_unicast),
            ip: destination,
            endpoint: far,
        };
        let to_group = packet.to.is_some() && receiver.mac.is_none();
        let (from, to) = match direction {
            Some(Direction::ToPeer) => {
                let from = self.board(sender);
                (from, self.receiver(from, receiver, to_group))
            }
            Some(Direction::ToBoard) => {
                // Who is asked for through a group address may be another host.
                let is_board = receiver.mac.is_some()
                    || receiver.ip.is_some_and(|ip| self.known.contains(&ip));
                let to = self.board(if is_board { receiver } else { Party::NOBODY });
                (self.find(sender), To::Column(to))
            }
            None => {
                let from = self.find(sender);
                (from, self.receiver(from, receiver, to_group))
            }
        };
        (from, if to == To::Column(from) { To::Same } else { to })
    }

    /// Whether more hosts than one share the column.
    pub(super) const fn is_shared(&self, index: usize) -> bool {
        index + 1 == self.max
    }

    pub(super) fn titles(&self) -> Vec<String> {
        let title = |(index, host): (usize, &Host)| {
            if self.is_shared(index) {
                return "others".to_string();
            }
            let address = host.addresses.iter().flatten().next().map(ToString::to_string);
            let endpoint = host.endpoint.map(|endpoint| endpoint.to_string());
            let name = endpoint
                .or(address)
                .or_else(|| host.mac.map(|mac| mac.to_string().replace('-', ":")));
            match (name, self.board == Some(index)) {
                (Some(name), true) => format!("board {name}"),
                (None, true) => "board".to_string(),
                (Some(name), false) => name,
                (None, false) => "?".to_string(),
            }
        };
        self.columns.iter().enumerate().map(title).collect()
    }

    /// The board's column, which is whatever its addresses are.
    fn board(&mut self, end: Party) -> usize {
        let index = match self.board {
            Some(index) => index,
            None => self.push(Host::default()),
        };
        self.board = Some(index);
        self.columns[index].learn(end);
        index
    }

    /// Where a frame goes: to its receiver; of a group towards the address that is asked for, if it is known, or to
    /// the only other host, or else to all.
    fn receiver(&mut self, from: usize, end: Party, to_group: bool) -> To {
        let asked = end.ip.filter(|ip| !ip.is_multicast() && !is_broadcast(*ip));
        if end.mac.is_some() || (!to_group && asked.is_some()) {
            return To::Column(self.find(end));
        }
        let known = asked.and_then(|ip| self.with_address(ip));
        if let Some(known) = known.filter(|&known| known != from) {
            return To::Column(known);
        }
        let mut others = (0..self.columns.len()).filter(|&index| index != from);
        match (others.next(), others.next(), asked) {
            (Some(only), None, _) if to_group || self.board.is_some() => To::Column(only),
            (None, _, Some(_)) if known.is_none() => {
                To::Column(self.find(Party { ip: asked, ..end }))
            }
            (Some(_), _, _) if to_group || end.ip.is_some() => To::Group,
            _ => To::Nobody,
        }
    }

    fn with_address(&self, ip: IpAddr) -> Option<usize> {
        self.columns.iter().position(|host| host.addresses[kind(ip)] == Some(ip))
    }

    /// The column of an end that is not known to be the board.
    fn find(&mut self, end: Party) -> usize {
        let ip = end.ip.filter(|ip| !ip.is_unspecified() && !ip.is_multicast());
        let end = Party { ip, ..end };
        if end.endpoint.is_some() {
            return self.find_endpoint(end);
        }
        let of_mac = |host: &Host| end.mac.is_some() && host.mac == end.mac;
        let found = match ip {
            Some(ip) => self.with_address(ip).or_else(|| {
                self.columns.iter().position(|h| of_mac(h) && h.addresses[kind(ip)].is_none())
            }),
            None if end.mac.is_some() => self.columns.iter().position(of_mac),
            // Nothing tells: on a cable with a board from whoever is there.
            None if self.board.is_some() => {
                (0..self.columns.len()).find(|&index| self.board != Some(index))
            }
            None => self.columns.iter().position(Host::is_unknown),
        };
        if let Some(index) = found {
            self.columns[index].learn(end);
            return index;
        }
        let mut host = Host::default();
        host.learn(end);
        self.push(host)
    }

    fn find_endpoint(&mut self, end: Party) -> usize {
        let known = self.columns.iter().position(|host| host.endpoint == end.endpoint);
        known.unwrap_or_else(|| self.push(Host { endpoint: end.endpoint, ..Host::default() }))
    }

    fn push(&mut self, host: Host) -> usize {
        if self.columns.len() < self.max {
            self.columns.push(host);
        }
        self.columns.len() - 1
    }
}

impl Host {
    const fn is_unknown(&self) -> bool {
        self.mac.is_none()
            && self.endpoint.is_none()
            && matches!(self.addresses, [None, None, None])
    }

    fn learn(&mut self, end: Party) {
        if self.mac.is_none() {
            self.mac = end.mac;
        }
        if let Some(ip) = end.ip.filter(|ip| !ip.is_unspecified() && !ip.is_multicast()) {
            self.addresses[kind(ip)].get_or_insert(ip);
        }
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
    addresses(summary).1.filter(|ip| ip.is_multicast() || is_broadcast(*ip))
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
