//! Which column a frame leaves, and which it goes to.
//!
//! A host has one column for its addresses: one IPv4, one link-local and one other IPv6 address, of one
//! MAC address. An address that is new takes the free place of its kind in the first column of its MAC
//! address, and else a column of its own, so that hosts behind a router stand apart. Columns are never
//! moved; the board's is the first. From the [`HOSTS_MAX`]th on all share the last.

use std::net::IpAddr;

use smoltcp::wire::{EthernetAddress, EthernetFrame};
use tapboard_firmware::BOARD_NET;

use crate::capture::Direction;
use crate::segment::{Icmp, PacketSummary};

/// Columns at most.
pub const HOSTS_MAX: usize = 6;

/// What is known of one host.
#[derive(Clone, Debug, Default)]
struct Host {
    mac: Option<EthernetAddress>,
    /// IPv4, other IPv6 and link-local address: in the order in which they make the title.
    addresses: [Option<IpAddr>; 3],
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
}

/// The columns.
#[derive(Debug)]
pub(super) struct Hosts {
    columns: Vec<Host>,
    board: Option<usize>,
    /// Addresses that are the board's, whoever uses them first.
    known: Vec<IpAddr>,
}

impl Default for Hosts {
    fn default() -> Self {
        let ipv6 = BOARD_NET.ipv6().map(|cidr| cidr.address().into());
        let known = [BOARD_NET.ipv4_address().into()].into_iter().chain(ipv6).collect();
        Self { columns: Vec::new(), board: None, known }
    }
}

impl Hosts {
    /// From now on these are the addresses that are the board's.
    pub(super) fn of_board(&mut self, addresses: impl IntoIterator<Item = IpAddr>) {
        self.known = addresses.into_iter().collect();
    }

    /// Columns of a frame's sender and receiver; new ones if need be.
    pub(super) fn ends(
        &mut self,
        direction: Option<Direction>,
        frame: &[u8],
        summary: &PacketSummary,
    ) -> (usize, Option<usize>) {
        let ethernet = EthernetFrame::new_checked(frame).ok();
        let from_mac = ethernet.as_ref().map(EthernetFrame::src_addr);
        let to_mac = ethernet.as_ref().map(EthernetFrame::dst_addr);
        let (source, destination) = addresses(summary);
        let sender = Party { mac: from_mac, ip: source };
        let receiver = Party { mac: to_mac.filter(EthernetAddress::is_unicast), ip: destination };
        let (from, to) = match direction {
            Some(Direction::ToPeer) => {
                let from = self.board(sender);
                (from, self.receiver(from, receiver))
            }
            Some(Direction::ToBoard) => {
                // Who is asked for through a group address may be another host.
                let is_board = receiver.mac.is_some()
                    || receiver.ip.is_some_and(|ip| self.known.contains(&ip));
                let to =
                    self.board(if is_board { receiver } else { Party { mac: None, ip: None } });
                (self.find(sender), Some(to))
            }
            None => {
                let from = self.find(sender);
                (from, self.receiver(from, receiver))
            }
        };
        (from, to.filter(|&to| to != from))
    }

    pub(super) fn titles(&self) -> Vec<String> {
        let title = |(index, host): (usize, &Host)| {
            if index + 1 == HOSTS_MAX {
                return "others".to_string();
            }
            let address = host.addresses.iter().flatten().next().map(ToString::to_string);
            let name = address.or_else(|| host.mac.map(|mac| mac.to_string().replace('-', ":")));
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

    /// Where a frame goes: to a group, towards the address that is asked for, if it is known, or else to
    /// the last column.
    fn receiver(&mut self, from: usize, end: Party) -> Option<usize> {
        if end.mac.is_some() {
            return Some(self.find(end));
        }
        let asked = end.ip.filter(|ip| !ip.is_multicast() && !is_broadcast(*ip));
        let known = asked.and_then(|ip| self.with_address(ip));
        let others = (0..self.columns.len()).rev().find(|&index| index != from);
        known.or(others).or_else(|| asked.map(|_| self.find(Party { ip: asked, ..end })))
    }

    fn with_address(&self, ip: IpAddr) -> Option<usize> {
        self.columns.iter().position(|host| host.addresses[kind(ip)] == Some(ip))
    }

    /// The column of an end that is not known to be the board.
    fn find(&mut self, end: Party) -> usize {
        let ip = end.ip.filter(|ip| !ip.is_unspecified() && !ip.is_multicast());
        let end = Party { ip, ..end };
        let of_mac = |host: &Host| end.mac.is_some() && host.mac == end.mac;
        let found = match ip {
            Some(ip) => self.with_address(ip).or_else(|| {
                self.columns.iter().position(|h| of_mac(h) && h.addresses[kind(ip)].is_none())
            }),
            None if end.mac.is_some() => self.columns.iter().position(of_mac),
            // Not even Ethernet: from whoever is there.
            None => (0..self.columns.len()).find(|&index| self.board != Some(index)),
        };
        if let Some(index) = found {
            self.columns[index].learn(end);
            return index;
        }
        let mut host = Host::default();
        host.learn(end);
        self.push(host)
    }

    fn push(&mut self, host: Host) -> usize {
        if self.columns.len() < HOSTS_MAX {
            self.columns.push(host);
        }
        self.columns.len() - 1
    }
}

impl Host {
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

/// Sender and receiver by IP address, as far as they can be trusted. Who is asked for an address is the
/// receiver.
fn addresses(summary: &PacketSummary) -> (Option<IpAddr>, Option<IpAddr>) {
    match summary {
        PacketSummary::WhoHas { sender, target } | PacketSummary::IsAt { sender, target } => {
            (Some(*sender), Some(*target))
        }
        PacketSummary::Tcp(segment) if segment.sound => {
            (Some(segment.source.ip()), Some(segment.destination.ip()))
        }
        PacketSummary::Udp { source, destination, .. } => {
            (Some(source.ip()), Some(destination.ip()))
        }
        PacketSummary::Icmp { message: Icmp::Broken, .. }
        | PacketSummary::Tcp(_)
        | PacketSummary::Other => (None, None),
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
        | PacketSummary::Fragment { source, destination } => (Some(*source), Some(*destination)),
    }
}
