//! A server of addresses, made of frames: DHCP (RFC 2131 4.3) and, on the same machine, an IPv6 router (RFC 4861 6.2).
//!
//! What is true: each board has its one IPv4 address, and makes its IPv6 address of the one prefix. A [`Conduct`] says
//! whether it tells that, something else, or nothing. What it has told is noted, for who judges what boards make of it.

use smoltcp::phy::{Device, RxToken, TxToken};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, DHCP_CLIENT_PORT, DHCP_SERVER_PORT, DhcpMessageType,
    DhcpPacket, DhcpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, IpProtocol,
    Ipv4Address, Ipv4Packet, Ipv6Address, Ipv6Packet, UdpPacket,
};
use tapboard_firmware::NetConfig;
use tapboard_firmware::rng::Rng;

use super::craft::{arp_reply, datagram, icmpv6};
use super::plan::{Conduct, Lie};
use crate::nic::wire::End;

/// Time between two advertisements.
const ADVERTISED: Duration = Duration::from_secs(5);
/// What a lease without a time of its own is taken for.
const USUAL_LEASE: Duration = Duration::from_secs(120);
/// `2001:db8::/64`, the one prefix.
const PREFIX: [u8; 8] = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0];
/// All hosts on the link (RFC 4291 2.7.1).
const ALL_NODES: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// A host's link-local address, and its one in `prefix`.
pub(super) fn made(prefix: [u8; 8], mac: EthernetAddress) -> Ipv6Address {
    let mac = mac.0;
    let mut octets = [0; 16];
    octets[..8].copy_from_slice(&prefix);
    octets[8..].copy_from_slice(&[mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]]);
    octets.into()
}

/// The board's address in the one prefix.
pub(super) fn slaac_address(mac: EthernetAddress) -> Ipv6Address {
    made(PREFIX, mac)
}

fn link_local(mac: EthernetAddress) -> Ipv6Address {
    made([0xfe, 0x80, 0, 0, 0, 0, 0, 0], mac)
}

/// What was told to somebody, and until when it may be in use at the latest.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told {
    Address(EthernetAddress, Ipv4Address, Instant),
    Prefix([u8; 8], Instant),
}

/// The server.
#[derive(Debug)]
pub(super) struct Server {
    config: NetConfig,
    /// The boards that ask.
    boards: Vec<NetConfig>,
    conduct: Conduct,
    next: Instant,
    rng: Rng,
    buffer: Vec<u8>,
    pub(super) told: Vec<Told>,
}

impl Server {
    pub(super) fn new(config: NetConfig, boards: Vec<NetConfig>, seed: u64) -> Self {
        Self {
            config,
            boards,
            conduct: Conduct::HONEST,
            next: Instant::ZERO,
            rng: Rng::new(seed),
            buffer: Vec::new(),
            told: Vec::new(),
        }
    }

    pub(super) fn conduct(&mut self, conduct: Conduct, now: Instant) {
        (self.conduct, self.next) = (conduct, now);
    }

    /// Reads what has come, and says what it has to say. Returns when it speaks next.
    pub(super) fn poll(&mut self, now: Instant, end: &mut End<'_>) -> Instant {
        while let Some((token, _)) = end.receive(now) {
            let frame = token.consume(<[u8]>::to_vec);
            let answered = self.conduct.answers && self.hear(now, &frame).is_some();
            if answered {
                self.put(now, end);
            }
        }
        if now >= self.next {
            self.next = now + ADVERTISED;
            if self.conduct.answers {
                self.advertise(now);
                self.put(now, end);
            }
        }
        self.next
    }

    fn put(&self, now: Instant, end: &mut End<'_>) {
        if let Some(token) = end.transmit(now) {
            token.consume(self.buffer.len(), |frame| frame.copy_from_slice(&self.buffer));
        }
    }

    /// Makes the answer to a frame, if there is one.
    fn hear(&mut self, now: Instant, frame: &[u8]) -> Option<()> {
        let ethernet = EthernetFrame::new_checked(frame).ok()?;
        let board = self.boards.iter().any(|board| board.mac() == ethernet.src_addr());
        match ethernet.ethertype() {
            EthernetProtocol::Arp => self.hear_arp(ethernet.payload(), board),
            EthernetProtocol::Ipv4 => {
                let ip = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
                let udp = (ip.next_header() == IpProtocol::Udp).then(|| ip.payload())?;
                let udp = UdpPacket::new_checked(udp).ok()?;
                let sound = udp.verify_checksum(&ip.src_addr().into(), &ip.dst_addr().into());
                (board && sound && udp.dst_port() == DHCP_SERVER_PORT)
                    .then(|| self.hear_dhcp(now, udp.payload()))?
            }
            EthernetProtocol::Ipv6 => {
                let ip = Ipv6Packet::new_checked(ethernet.payload()).ok()?;
                let icmp = (ip.next_header() == IpProtocol::Icmpv6).then(|| ip.payload())?;
                match *icmp {
                    [133, ..] => {
                        self.advertise(now);
                        Some(())
                    }
                    [135, _, _, _, _, _, _, _, ref rest @ ..] => {
                        let target = Ipv6Address::from(*rest.first_chunk::<16>()?);
                        let claims = self.conduct.lie == Some(Lie::Claims)
                            && board
                            && ip.src_addr().is_unspecified();
                        let own = target == link_local(self.config.mac());
                        (own || claims)
                            .then(|| self.claim(target, ip.src_addr(), ethernet.src_addr()))
                    }
                    _ => None,
                }
            }
            EthernetProtocol::Unknown(_) => None,
        }
    }

    fn hear_arp(&mut self, packet: &[u8], board: bool) -> Option<()> {
        let ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr: mac,
            source_protocol_addr: by,
            target_protocol_addr: asked,
            ..
        } = ArpRepr::parse(&ArpPacket::new_checked(packet).ok()?).ok()?
        else {
            return None;
        };
        let claims = self.conduct.lie == Some(Lie::Claims) && board && by.is_unspecified();
        let own = asked == self.config.ipv4_address();
        (own || claims).then(|| arp_reply(&mut self.buffer, (self.config.mac(), asked), (mac, by)))
    }

    /// Says to have an IPv6 address.
    fn claim(&mut self, address: Ipv6Address, by: Ipv6Address, mac: EthernetAddress) {
        let to = if by.is_unspecified() { ALL_NODES } else { by };
        let mut message = vec![136, 0, 0, 0, 0xa0, 0, 0, 0];
        if !by.is_unspecified() {
            message[4] |= 0x40;
        }
        message.extend(address.octets());
        message.extend([2, 1]);
        message.extend(self.config.mac().0);
        let ends = (self.config.mac(), address, mac, to);
        icmpv6(&mut self.buffer, ends, 255, &mut message);
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.rng.below(n) == 0
    }

    /// The lie of this moment.
    fn lie(&mut self) -> Option<Lie> {
        match self.conduct.lie {
            Some(Lie::Fickle) => {
                let lies = [Lie::Refuses, Lie::Elsewhere, Lie::Another, Lie::Broken];
                Some(lies[self.rng.below(4) as usize])
            }
            lie => lie,
        }
    }

    fn hear_dhcp(&mut self, now: Instant, message: &[u8]) -> Option<()> {
        let packet = DhcpPacket::new_checked(message).ok()?;
        let request = DhcpRepr::parse(&packet).ok()?;
        let (own, lie) = (self.config.ipv4_address(), self.lie());
        let mac = request.client_hardware_address;
        let board = self.boards.iter().find(|board| board.mac() == mac)?;
        if request.server_identifier.is_some_and(|server| server != own) {
            return None;
        }
        let truth = board.ipv4_address();
        let address = match lie {
            Some(Lie::Elsewhere) => Ipv4Address::new(198, 51, 100, truth.octets()[3]),
            // Of those that adversaries say to be, and others.
            Some(Lie::Another) => Ipv4Address::new(192, 0, 2, 90 + self.rng.below(30) as u8),
            _ => truth,
        };
        let named =
            |address: Ipv4Address| Some(address).filter(|address| !address.is_unspecified());
        let wanted = request.requested_ip.or_else(|| named(request.client_ip));
        let kind = match request.message_type {
            DhcpMessageType::Discover => DhcpMessageType::Offer,
            DhcpMessageType::Request if lie == Some(Lie::Refuses) => DhcpMessageType::Nak,
            DhcpMessageType::Request if wanted == Some(address) => DhcpMessageType::Ack,
            DhcpMessageType::Request => DhcpMessageType::Nak,
            _ => return None,
        };
        let granted = kind != DhcpMessageType::Nak;
        let broken = lie == Some(Lie::Broken);
        let server = if lie == Some(Lie::Impersonates) && kind == DhcpMessageType::Ack {
            Ipv4Address::new(192, 0, 2, 254)
        } else {
            own
        };
        let lease = self.conduct.lease;
        let answer = DhcpRepr {
            message_type: kind,
            transaction_id: request.transaction_id ^ u32::from(broken && self.one_in(2)),
            secs: 0,
            client_hardware_address: mac,
            client_ip: Ipv4Address::UNSPECIFIED,
            your_ip: if granted { address } else { Ipv4Address::UNSPECIFIED },
            server_ip: own,
            router: granted.then_some(own),
            subnet_mask: granted.then_some(Ipv4Address::new(255, 255, 255, 0)),
            relay_agent_ip: Ipv4Address::UNSPECIFIED,
            broadcast: true,
            requested_ip: None,
            client_identifier: None,
            server_identifier: Some(server),
            parameter_request_list: None,
            dns_servers: None,
            max_size: None,
            lease_duration: granted.then_some(lease.secs() as u32),
            renew_duration: None,
            rebind_duration: None,
            additional_options: &[],
        };
        let mut bytes = vec![0; answer.buffer_len()];
        answer.emit(&mut DhcpPacket::new_unchecked(&mut bytes[..])).ok()?;
        if broken && self.one_in(2) {
            bytes.truncate(self.rng.below(bytes.len() as u32) as usize);
        }
        if kind == DhcpMessageType::Ack {
            // Where the time was cut off, it is the usual one.
            let until = now + if broken { lease.max(USUAL_LEASE) } else { lease };
            self.told.push(Told::Address(mac, address, until));
        }
        let from = (self.config.mac(), own, DHCP_SERVER_PORT);
        let to = (EthernetAddress::BROADCAST, Ipv4Address::BROADCAST, DHCP_CLIENT_PORT);
        datagram(&mut self.buffer, from, to, &bytes);
        Some(())
    }

    /// Makes an advertisement.
    fn advertise(&mut self, now: Instant) {
        let (mac, lie) = (self.config.mac(), self.lie());
        let refuses = lie == Some(Lie::Refuses);
        let seconds = self.conduct.lease.secs() as u32;
        let prefix = match lie {
            Some(Lie::Elsewhere) => [0x20, 0x01, 0x0d, 0xb8, 0xba, 0xd0, 0, mac.0[5]],
            Some(Lie::Another) => {
                [0x20, 0x01, 0x0d, 0xb8, 0xba, 0xd0, 0xff, self.rng.below(4) as u8]
            }
            _ => PREFIX,
        };
        let [high, low] = if refuses { [0; 2] } else { (seconds as u16 * 3).to_be_bytes() };
        let mut message = vec![134, 0, 0, 0, 64, 0, high, low, 0, 0, 0, 0, 0, 0, 0, 0];
        message.extend([3, 4, 64, 0xc0]);
        for seconds in [seconds, if refuses { 0 } else { seconds }] {
            message.extend(seconds.to_be_bytes());
        }
        message.extend([0; 4]);
        message.extend(prefix);
        message.extend([0; 8]);
        if self.one_in(4) {
            message.extend([5, 1, 0, 0]);
            message.extend([1280_u32, 1400, 1500, 9000][self.rng.below(4) as usize].to_be_bytes());
        }
        let broken = lie == Some(Lie::Broken);
        if broken && self.one_in(2) {
            message.truncate(self.rng.below(message.len() as u32).max(4) as usize);
        }
        let hop_limit = if broken { 64 } else { 255 };
        let source =
            if lie == Some(Lie::Impersonates) { made(PREFIX, mac) } else { link_local(mac) };
        let to = EthernetAddress([0x33, 0x33, 0, 0, 0, 1]);
        icmpv6(&mut self.buffer, (mac, source, to, ALL_NODES), hop_limit, &mut message);
        self.told.push(Told::Prefix(prefix, now + Duration::from_secs(seconds.into())));
    }
}
