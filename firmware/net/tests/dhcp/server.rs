//! A DHCP server made of frames, at a port of the wire: it answers as RFC 2131 4.3 has it, or lies as it is told to.

use std::collections::BTreeMap;

use tapboard_net::smoltcp::phy::ChecksumCapabilities;
use tapboard_net::smoltcp::time::Instant;
use tapboard_net::smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, DHCP_CLIENT_PORT, DHCP_MAX_DNS_SERVER_COUNT,
    DHCP_SERVER_PORT, DhcpMessageType, DhcpOption, DhcpPacket, DhcpRepr, EthernetAddress,
    EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Address, Ipv4Packet, Ipv4Repr, UdpPacket,
    UdpRepr,
};

use crate::common::{Host, Port, World, mac, v4};

/// What a client said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) at: Instant,
    pub(crate) kind: DhcpMessageType,
    pub(crate) unicast: bool,
    pub(crate) from: Ipv4Address,
    pub(crate) requested: Option<Ipv4Address>,
    pub(crate) server: Option<Ipv4Address>,
    pub(crate) hostname: Option<String>,
}

/// What a server is wrong in, each unless it is `None` or false.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lies {
    /// It answers each REQUEST with a NAK.
    pub(crate) nak: bool,
    /// The address of its ACKs.
    pub(crate) address: Option<Ipv4Address>,
    /// The server identifier of its ACKs and NAKs.
    pub(crate) server: Option<Ipv4Address>,
    pub(crate) mask: Option<Ipv4Address>,
    pub(crate) xid: bool,
    pub(crate) client: Option<EthernetAddress>,
    /// The address of its OFFERs and ACKs.
    pub(crate) offer: Option<Ipv4Address>,
    /// How long its ACKs are for.
    pub(crate) seconds: Option<u32>,
    /// It has no end of ACKs.
    pub(crate) repeats: usize,
    /// A bit of its ACKs and NAKs is flipped on the way.
    pub(crate) corrupt: bool,
}

pub(crate) struct Server {
    pub(crate) port: Port,
    number: u8,
    pub(crate) alive: bool,
    pub(crate) seconds: u32,
    /// T1 and T2.
    pub(crate) times: Option<(u32, u32)>,
    pub(crate) routers: Vec<Ipv4Address>,
    pub(crate) lies: Lies,
    /// The last byte of the next address.
    pub(crate) next: u8,
    pub(crate) leases: BTreeMap<EthernetAddress, Ipv4Address>,
    pub(crate) heard: Vec<Heard>,
}

impl Server {
    /// The server 192.0.2.`number`, with addresses from 192.0.2.`first` on, for an hour.
    pub(crate) fn new(world: &World, number: u8, first: u8) -> Self {
        Self {
            port: world.probe.another(),
            number,
            alive: true,
            seconds: 3600,
            times: None,
            routers: vec![v4(254)],
            lies: Lies::default(),
            next: first,
            leases: BTreeMap::new(),
            heard: Vec::new(),
        }
    }

    pub(crate) fn count(&self, kind: DhcpMessageType) -> usize {
        self.heard.iter().filter(|heard| heard.kind == kind).count()
    }

    fn arp(&self, now: Instant, frame: &[u8]) -> Option<()> {
        let ethernet = EthernetFrame::new_checked(frame).ok()?;
        if ethernet.ethertype() != EthernetProtocol::Arp {
            return None;
        }
        let ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr,
            source_protocol_addr,
            target_protocol_addr,
            ..
        } = ArpRepr::parse(&ArpPacket::new_checked(ethernet.payload()).ok()?).ok()?
        else {
            return Some(());
        };
        if target_protocol_addr == v4(self.number) {
            let answer = ArpRepr::EthernetIpv4 {
                operation: ArpOperation::Reply,
                source_hardware_addr: mac(self.number),
                source_protocol_addr: target_protocol_addr,
                target_hardware_addr: source_hardware_addr,
                target_protocol_addr: source_protocol_addr,
            };
            self.port.send(now, &arp_frame(&answer, mac(self.number), source_hardware_addr));
        }
        Some(())
    }

    fn dhcp(&mut self, now: Instant, frame: &[u8]) -> Option<()> {
        let ethernet = EthernetFrame::new_checked(frame).ok()?;
        let ip = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
        let udp = UdpPacket::new_checked(ip.payload()).ok()?;
        if ip.next_header() != IpProtocol::Udp || udp.dst_port() != DHCP_SERVER_PORT {
            return None;
        }
        let (source, destination) = (ip.src_addr().into(), ip.dst_addr().into());
        UdpRepr::parse(&udp, &source, &destination, &ChecksumCapabilities::default()).ok()?;
        // RFC 1542 2.1: a relay may drop it else.
        assert!(udp.payload().len() >= 300, "{} bytes", udp.payload().len());
        let packet = DhcpPacket::new_checked(udp.payload()).ok()?;
        let request = DhcpRepr::parse(&packet).ok()?;
        let name = packet.options().find(|option| option.kind == 12);
        self.heard.push(Heard {
            at: now,
            kind: request.message_type,
            unicast: !ip.dst_addr().is_broadcast(),
            from: ip.src_addr(),
            requested: request.requested_ip,
            server: request.server_identifier,
            hostname: name.map(|name| String::from_utf8(name.data.to_vec()).unwrap()),
        });
        let client = request.client_hardware_address;
        if request.message_type == DhcpMessageType::Decline {
            self.leases.remove(&client);
            return Some(());
        }
        let is_ours = |server: Ipv4Address| server == v4(self.number);
        if !request.server_identifier.is_none_or(is_ours) {
            return Some(());
        }
        let next = self.next;
        if let Some(offer) = self.lies.offer {
            self.leases.insert(client, offer);
        }
        let address = *self.leases.entry(client).or_insert_with(|| v4(next));
        if address == v4(next) {
            self.next += 1;
        }
        let wanted = request
            .requested_ip
            .or_else(|| Some(request.client_ip).filter(|address| !address.is_unspecified()));
        let kind = match request.message_type {
            DhcpMessageType::Discover => DhcpMessageType::Offer,
            DhcpMessageType::Request if self.lies.nak || wanted != Some(address) => {
                DhcpMessageType::Nak
            }
            DhcpMessageType::Request => DhcpMessageType::Ack,
            _ => return None,
        };
        for _ in 0..=self.lies.repeats {
            self.answer(now, kind, &request, address, ip.src_addr());
        }
        Some(())
    }

    /// Sends an answer to `request`.
    pub(crate) fn answer(
        &self,
        now: Instant,
        message_type: DhcpMessageType,
        request: &DhcpRepr<'_>,
        address: Ipv4Address,
        to: Ipv4Address,
    ) {
        let (own, lies) = (v4(self.number), &self.lies);
        let final_word = message_type != DhcpMessageType::Offer;
        let nak = message_type == DhcpMessageType::Nak;
        let server = lies.server.filter(|_| final_word).unwrap_or(own);
        let mut dns_servers = heapless::Vec::<_, DHCP_MAX_DNS_SERVER_COUNT>::new();
        dns_servers.push(own).unwrap();
        let routers: Vec<u8> = self.routers.iter().flat_map(Ipv4Address::octets).collect();
        let times = self.times.map(|(t1, t2)| (t1.to_be_bytes(), t2.to_be_bytes()));
        let mut options = Vec::new();
        if let Some((t1, t2)) = times.as_ref().filter(|_| !nak) {
            options.push(DhcpOption { kind: 58, data: t1 });
            options.push(DhcpOption { kind: 59, data: t2 });
        }
        if !routers.is_empty() && !nak {
            options.push(DhcpOption { kind: 3, data: &routers });
        }
        let mask = lies.mask.unwrap_or(Ipv4Address::new(255, 255, 255, 0));
        let answer = DhcpRepr {
            message_type,
            transaction_id: request.transaction_id ^ u32::from(lies.xid && final_word),
            secs: 0,
            client_hardware_address: lies
                .client
                .filter(|_| final_word)
                .unwrap_or(request.client_hardware_address),
            client_ip: Ipv4Address::UNSPECIFIED,
            your_ip: if nak {
                Ipv4Address::UNSPECIFIED
            } else {
                lies.address.filter(|_| final_word).unwrap_or(address)
            },
            server_ip: own,
            router: None,
            subnet_mask: Some(mask).filter(|_| !nak),
            relay_agent_ip: Ipv4Address::UNSPECIFIED,
            broadcast: false,
            requested_ip: None,
            client_identifier: None,
            server_identifier: Some(server),
            parameter_request_list: None,
            dns_servers: Some(dns_servers).filter(|_| !nak),
            max_size: None,
            lease_duration: Some(lies.seconds.filter(|_| final_word).unwrap_or(self.seconds))
                .filter(|_| !nak),
            renew_duration: None,
            rebind_duration: None,
            additional_options: &options,
        };
        // To nobody's address only a broadcast gets; a renewal's answer goes to who asked (RFC 2131 4.1).
        let to = if to.is_unspecified() || nak { Ipv4Address::BROADCAST } else { to };
        let link = if to.is_broadcast() {
            EthernetAddress::BROADCAST
        } else {
            request.client_hardware_address
        };
        let mut payload = vec![0; answer.buffer_len()];
        answer.emit(&mut DhcpPacket::new_unchecked(&mut payload[..])).unwrap();
        let mut frame = udp_frame((mac(self.number), own), (link, to), &payload);
        if lies.corrupt && final_word {
            // Where nobody looks (siaddr), so that only the checksum tells.
            frame[14 + 20 + 8 + 20] ^= 1;
        }
        self.port.send(now, &frame);
    }
}

impl Host for Server {
    fn serve(&mut self, now: Instant) {
        while let Some(frame) = self.port.take(now) {
            if self.alive {
                let _ = self.arp(now, &frame).or_else(|| self.dhcp(now, &frame));
            }
        }
    }
}

/// A frame with a datagram from a server to its clients.
fn udp_frame(
    (source_mac, source): (EthernetAddress, Ipv4Address),
    (destination_mac, destination): (EthernetAddress, Ipv4Address),
    payload: &[u8],
) -> Vec<u8> {
    let checksums = ChecksumCapabilities::default();
    let mut frame = vec![0; 14 + 20 + 8 + payload.len()];
    let mut ethernet = EthernetFrame::new_unchecked(&mut frame[..]);
    ethernet.set_src_addr(source_mac);
    ethernet.set_dst_addr(destination_mac);
    ethernet.set_ethertype(EthernetProtocol::Ipv4);
    let ip = Ipv4Repr {
        src_addr: source,
        dst_addr: destination,
        next_header: IpProtocol::Udp,
        payload_len: 8 + payload.len(),
        hop_limit: 64,
    };
    ip.emit(&mut Ipv4Packet::new_unchecked(&mut frame[14..]), &checksums);
    UdpRepr { src_port: DHCP_SERVER_PORT, dst_port: DHCP_CLIENT_PORT }.emit(
        &mut UdpPacket::new_unchecked(&mut frame[34..]),
        &source.into(),
        &destination.into(),
        payload.len(),
        |buffer| buffer.copy_from_slice(payload),
        &checksums,
    );
    frame
}

/// An ARP packet's frame.
pub(crate) fn arp_frame(arp: &ArpRepr, from: EthernetAddress, to: EthernetAddress) -> Vec<u8> {
    let mut frame = vec![0; 14 + arp.buffer_len()];
    let mut ethernet = EthernetFrame::new_unchecked(&mut frame[..]);
    ethernet.set_src_addr(from);
    ethernet.set_dst_addr(to);
    ethernet.set_ethertype(EthernetProtocol::Arp);
    arp.emit(&mut ArpPacket::new_unchecked(ethernet.payload_mut()));
    frame
}
