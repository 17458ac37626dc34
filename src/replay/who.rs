//! Who in a capture was the board: its addresses, found out or named.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use smoltcp::wire::EthernetAddress;
use tapboard_firmware::BOARD_NET;

use super::error::ReplayError;
use super::packet::{Packet, TCP, UDP};
use super::recording::{Body, Recording};
use crate::capture::Direction;
use crate::link::Side;

/// Addresses that one MAC address may have before it is taken for a router's.
const ADDRESSES_MAX: usize = 4;

/// The board of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Who {
    /// The MAC address that it has in the replay: its own, if the capture has it.
    pub(super) mac: EthernetAddress,
    addresses: BTreeSet<IpAddr>,
    /// Who was asked for a connection: where both ends have one address, that is the board.
    servers: BTreeSet<SocketAddr>,
}

/// Ports at which somebody was asked, of TCP and UDP.
fn asked(packet: &Packet) -> Option<SocketAddr> {
    let (_, port) = packet.ports()?;
    let asked = match packet.protocol {
        TCP => packet.tcp()?.opens(),
        UDP => true,
        _ => false,
    };
    asked.then_some(SocketAddr::new(packet.to, port))
}

fn single(address: IpAddr) -> bool {
    let broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
    !address.is_unspecified() && !address.is_multicast() && !broadcast
}

impl Who {
    /// Finds the board: who was named, or else who was at the board's end of our cable, or else the only one that was asked
    /// at one of `ports`.
    pub(super) fn find(
        recording: &Recording,
        named: Option<IpAddr>,
        ports: &[u16],
    ) -> Result<Self, ReplayError> {
        let mut hosts = BTreeSet::new();
        // At the board's end of our cable: who sent, and who was sent to.
        let mut directed: [BTreeMap<IpAddr, usize>; 2] = Default::default();
        let (mut asked_here, mut servers) = (BTreeSet::new(), BTreeSet::new());
        let mut macs: BTreeMap<EthernetAddress, BTreeSet<IpAddr>> = BTreeMap::new();
        for frame in &recording.frames {
            let (from, to) = match &frame.body {
                Body::Arp(arp) => (IpAddr::V4(arp.sender), IpAddr::V4(arp.target)),
                Body::Ip(packet) => (packet.from, packet.to),
            };
            hosts.extend([from, to].into_iter().filter(|&address| single(address)));
            if let (Some(mac), true) = (frame.from, single(from)) {
                macs.entry(mac).or_default().insert(from);
            }
            let Body::Ip(packet) = &frame.body else { continue };
            let board = match frame.direction {
                Some(Direction::ToPeer) => Some((0, from)),
                Some(Direction::ToBoard) => Some((1, to)),
                None => None,
            };
            if let Some((end, board)) = board.filter(|&(_, board)| single(board)) {
                *directed[end].entry(board).or_default() += 1;
            }
            if let Some(server) = asked(packet).filter(|server| single(server.ip())) {
                if packet.protocol == TCP {
                    servers.insert(server);
                }
                if ports.contains(&server.port()) {
                    asked_here.insert(server.ip());
                }
            }
        }
        if hosts.is_empty() {
            return Err(ReplayError::NoFrames);
        }
        let hosts: Vec<_> = hosts.into_iter().collect();
        let first = match named {
            Some(named) if hosts.contains(&named) => named,
            Some(named) => return Err(ReplayError::Absent(named, hosts)),
            None => {
                let [sent, to] = &directed;
                let directed = if sent.is_empty() { to } else { sent };
                Self::guess(directed, &asked_here, &macs, hosts)?
            }
        };
        let mac = macs.iter().find(|(_, addresses)| addresses.contains(&first));
        let also = mac.filter(|(_, addresses)| addresses.len() <= ADDRESSES_MAX);
        let mut addresses = BTreeSet::from([first]);
        if !first.is_loopback() {
            // One address of a kind: the board has no more.
            for &address in also.into_iter().flat_map(|(_, addresses)| addresses) {
                if !addresses.iter().any(|&known| kind(known) == kind(address)) {
                    addresses.insert(address);
                }
            }
        }
        let mac = also.map_or(BOARD_NET.mac(), |(&mac, _)| mac);
        Ok(Self { mac, addresses, servers })
    }

    fn guess(
        directed: &BTreeMap<IpAddr, usize>,
        asked: &BTreeSet<IpAddr>,
        macs: &BTreeMap<EthernetAddress, BTreeSet<IpAddr>>,
        hosts: Vec<IpAddr>,
    ) -> Result<IpAddr, ReplayError> {
        if !directed.is_empty() {
            // Addresses of one MAC address are one board's.
            let of_board = |address: &IpAddr| {
                macs.iter().find(|(_, addresses)| addresses.contains(address)).map(|(mac, _)| *mac)
            };
            let boards: BTreeSet<_> = directed.keys().filter_map(of_board).collect();
            let most =
                directed.iter().max_by_key(|(_, count)| **count).map(|(address, _)| *address);
            return match most {
                Some(most) if boards.len() <= 1 => Ok(most),
                _ => Err(ReplayError::Boards(directed.keys().copied().collect())),
            };
        }
        let mut asked = asked.iter().copied();
        match (asked.next(), asked.next()) {
            (Some(board), None) => Ok(board),
            (Some(one), Some(other)) => {
                Err(ReplayError::Boards([one, other].into_iter().chain(asked).collect()))
            }
            (None, _) => Err(ReplayError::NoBoard(hosts)),
        }
    }

    /// Whether it is the board's address.
    pub(super) fn is(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address)
    }

    /// Which end a packet is from, if the board is at one of its ends.
    pub(super) fn side(&self, packet: &Packet) -> Option<Side> {
        match (self.is(packet.from), self.is(packet.to)) {
            (true, false) => Some(Side::Board),
            (false, true) => Some(Side::Peer),
            (false, false) => None,
            (true, true) => {
                let (source, destination) = packet.ports()?;
                let server = |port| self.servers.contains(&SocketAddr::new(packet.to, port));
                match (server(source), server(destination)) {
                    (true, false) => Some(Side::Board),
                    (false, true) => Some(Side::Peer),
                    _ => None,
                }
            }
        }
    }

    /// The IPv4 and the IPv6 address that the board has in the replay. On a loopback it is none of the capture's.
    pub(super) fn in_replay(&self) -> Result<(Option<Ipv4Addr>, Option<Ipv6Addr>), ReplayError> {
        let (mut ipv4, mut ipv6) = (None, None);
        for &address in &self.addresses {
            match address {
                _ if address.is_loopback() => {}
                IpAddr::V4(address) => ipv4 = Some(address),
                // It follows from the MAC address.
                IpAddr::V6(own) if own.is_unicast_link_local() => {
                    if crate::identity::link_local(self.mac) != own && self.addresses.len() == 1 {
                        return Err(ReplayError::Address(address));
                    }
                }
                IpAddr::V6(address) => ipv6 = Some(address),
            }
        }
        Ok((ipv4, ipv6))
    }
}

/// An address is one of four kinds, of which a board has one each.
fn kind(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 4,
        IpAddr::V6(address) if address.is_unicast_link_local() => 0xfe,
        IpAddr::V6(_) => 6,
    }
}
