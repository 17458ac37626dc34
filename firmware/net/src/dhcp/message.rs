//! What smoltcp's client does not say: that an address is somebody else's (DHCPDECLINE), and the question whether a lease
//! still holds (DHCPREQUEST in INIT-REBOOT). Both go to everybody, from nobody (RFC 2131 4.4.1, 4.4.2).

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    DHCP_CLIENT_PORT, DHCP_SERVER_PORT, DhcpMessageType, DhcpOption, DhcpPacket, DhcpRepr,
    EthernetAddress, EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Address, Ipv4Packet,
    Ipv4Repr, UdpPacket, UdpRepr,
};

/// Where the parts of a frame begin.
const IP: usize = 14;
const UDP: usize = IP + 20;
const DHCP: usize = UDP + 8;

/// Subnet mask, routers, servers for names, and for the time of day.
pub(crate) const WANTED: &[u8] = if cfg!(feature = "sntp") { &[1, 3, 6, 42] } else { &[1, 3, 6] };

/// A message to be sent.
#[derive(Debug)]
pub(crate) struct Message<'m> {
    repr: DhcpRepr<'m>,
}

impl<'m> Message<'m> {
    /// Whether the lease of `address` still holds.
    pub(crate) const fn reboot(
        mac: EthernetAddress,
        xid: u32,
        address: Ipv4Address,
        options: &'m [DhcpOption<'m>],
    ) -> Self {
        let mut repr = blank(DhcpMessageType::Request, mac, xid, address, options);
        repr.parameter_request_list = Some(WANTED);
        Self { repr }
    }

    /// That the `address` which `server` gave is in use by somebody else.
    pub(crate) const fn decline(
        mac: EthernetAddress,
        xid: u32,
        address: Ipv4Address,
        server: Ipv4Address,
    ) -> Self {
        let mut repr = blank(DhcpMessageType::Decline, mac, xid, address, &[]);
        repr.server_identifier = Some(server);
        Self { repr }
    }

    /// Bytes of its frame.
    pub(crate) fn len(&self) -> usize {
        DHCP + self.repr.buffer_len()
    }

    /// Writes its frame of [`Message::len`] bytes.
    #[inline(never)]
    pub(crate) fn emit(&self, frame: &mut [u8], checksums: &ChecksumCapabilities) {
        let len = self.repr.buffer_len();
        let (nobody, everybody) = (Ipv4Address::UNSPECIFIED, Ipv4Address::BROADCAST);
        let mut ethernet = EthernetFrame::new_unchecked(&mut frame[..]);
        ethernet.set_src_addr(self.repr.client_hardware_address);
        ethernet.set_dst_addr(EthernetAddress::BROADCAST);
        ethernet.set_ethertype(EthernetProtocol::Ipv4);
        let ip = Ipv4Repr {
            src_addr: nobody,
            dst_addr: everybody,
            next_header: IpProtocol::Udp,
            payload_len: 8 + len,
            hop_limit: 64,
        };
        ip.emit(&mut Ipv4Packet::new_unchecked(&mut frame[IP..]), checksums);
        let udp = UdpRepr { src_port: DHCP_CLIENT_PORT, dst_port: DHCP_SERVER_PORT };
        udp.emit(
            &mut UdpPacket::new_unchecked(&mut frame[UDP..]),
            &nobody.into(),
            &everybody.into(),
            len,
            |payload| {
                // It is as long as it said.
                let _ = self.repr.emit(&mut DhcpPacket::new_unchecked(payload));
            },
            checksums,
        );
    }
}

/// A message about `address` that says no more than it must.
const fn blank<'m>(
    message_type: DhcpMessageType,
    mac: EthernetAddress,
    xid: u32,
    address: Ipv4Address,
    options: &'m [DhcpOption<'m>],
) -> DhcpRepr<'m> {
    DhcpRepr {
        message_type,
        transaction_id: xid,
        secs: 0,
        client_hardware_address: mac,
        client_ip: Ipv4Address::UNSPECIFIED,
        your_ip: Ipv4Address::UNSPECIFIED,
        server_ip: Ipv4Address::UNSPECIFIED,
        router: None,
        subnet_mask: None,
        relay_agent_ip: Ipv4Address::UNSPECIFIED,
        broadcast: false,
        requested_ip: Some(address),
        client_identifier: Some(mac),
        server_identifier: None,
        parameter_request_list: None,
        dns_servers: None,
        max_size: None,
        lease_duration: None,
        renew_duration: None,
        rebind_duration: None,
        additional_options: options,
    }
}
