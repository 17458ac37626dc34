//! The gateway's DHCP server (RFC 2131 4.3): each MAC address has one lease, which is fixed.
//!
//! The board's own MAC address has the board's own IPv4 address, to where the forwarded ports lead. A guest in another
//! process may have any MAC address: whoever asks first has the board's, as long as the board has not. Others have the
//! addresses from [`FIRST`] on. There is nothing to forget, for there is no more than a wire: at most [`LEASES`] are
//! known at once, and nobody else is answered.

use std::collections::BTreeMap;

use smoltcp::iface::SocketHandle;
use smoltcp::socket::udp;
use smoltcp::wire::{
    DHCP_CLIENT_PORT, DHCP_SERVER_PORT, DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress,
    Ipv4Address, Ipv4Cidr,
};
use tapboard_firmware::config::DATAGRAM_SIZE;
use tapboard_firmware::{NetStack, PEER_NET};

use crate::identity::{Identity, mac_text};

/// The last byte of the first address for who is not the board.
const FIRST: u8 = 100;
/// Leases at most.
const LEASES: usize = 100;
/// How long a lease lasts, seconds.
const LEASE_S: u32 = 3600;
/// Option 12, the client's name (RFC 2132 3.14).
const HOST_NAME: u8 = 12;
/// Messages that can wait.
const QUEUE: usize = 16;

/// The server.
#[derive(Debug)]
pub(super) struct DhcpServer {
    socket: SocketHandle,
    leases: Leases,
}

impl DhcpServer {
    /// A server that gives `board` its address.
    pub(super) fn open(stack: &mut NetStack<'_>, board: &Identity) -> Self {
        let buffer = || {
            let metadata = vec![udp::PacketMetadata::EMPTY; QUEUE];
            udp::PacketBuffer::new(metadata, vec![0; QUEUE * DATAGRAM_SIZE])
        };
        let mut socket = udp::Socket::new(buffer(), buffer());
        socket.bind(DHCP_SERVER_PORT).expect("a new socket takes any port");
        let socket = stack.add_socket(socket).expect("it has a place of its own");
        Self { socket, leases: Leases::new(board) }
    }

    /// Answers what has come in.
    pub(super) fn poll(&mut self, stack: &mut NetStack<'_>) {
        let Self { socket, leases } = self;
        if !stack.added_socket::<udp::Socket<'_>>(*socket).can_recv() {
            return;
        }
        let socket = stack.added_socket_mut::<udp::Socket<'_>>(*socket);
        while let Ok((message, _)) = socket.recv() {
            if let Some((answer, to)) = leases.answer(message) {
                // A full socket loses it, as UDP may.
                let _ = socket.send_slice(&answer, (to, DHCP_CLIENT_PORT));
            }
        }
    }
}

/// Who has which address.
#[derive(Debug)]
struct Leases {
    board: (EthernetAddress, Ipv4Cidr),
    known: BTreeMap<EthernetAddress, Ipv4Address>,
}

impl Leases {
    fn new(board: &Identity) -> Self {
        Self { board: (board.net.mac(), board.ipv4()), known: BTreeMap::new() }
    }

    /// The address of this MAC address, from now on.
    fn address(&mut self, mac: EthernetAddress) -> Option<Ipv4Address> {
        if let Some(address) = self.known.get(&mac) {
            return Some(*address);
        }
        let (board_mac, board) = self.board;
        let taken = |address: &Ipv4Address| self.known.values().any(|known| known == address);
        let address = if mac == board_mac || !taken(&board.address()) {
            board.address()
        } else {
            let [a, b, c, _] = board.address().octets();
            let mut others = (FIRST..=254).map(|last| Ipv4Address::new(a, b, c, last));
            others.find(|other| !taken(other) && *other != board.address())?
        };
        // The board's own comes back to it from a guest that was first.
        self.known.retain(|_, known| *known != address);
        if self.known.len() >= LEASES {
            return None;
        }
        self.known.insert(mac, address);
        Some(address)
    }

    /// The answer to a message, and where it goes.
    fn answer(&mut self, message: &[u8]) -> Option<(Vec<u8>, Ipv4Address)> {
        let packet = DhcpPacket::new_checked(message).ok()?;
        let request = DhcpRepr::parse(&packet).ok()?;
        let own = PEER_NET.ipv4_address();
        let mac = request.client_hardware_address;
        if !mac.is_unicast() || request.server_identifier.is_some_and(|server| server != own) {
            return None;
        }
        let address = self.address(mac)?;
        let named =
            |address: Ipv4Address| Some(address).filter(|address| !address.is_unspecified());
        let kind = match request.message_type {
            DhcpMessageType::Discover => DhcpMessageType::Offer,
            DhcpMessageType::Request
                if request.requested_ip.or_else(|| named(request.client_ip)) == Some(address) =>
            {
                let name = packet.options().find(|option| option.kind == HOST_NAME);
                let name = name.map_or("".into(), |name| String::from_utf8_lossy(name.data));
                log::info!("DHCP: {address} is leased to {} {name}", mac_text(mac));
                DhcpMessageType::Ack
            }
            DhcpMessageType::Request => DhcpMessageType::Nak,
            DhcpMessageType::Decline => {
                log::warn!("DHCP: {} says that somebody else has {address}", mac_text(mac));
                return None;
            }
            _ => return None,
        };
        let granted = kind != DhcpMessageType::Nak;
        let (_, net) = self.board;
        let answer = DhcpRepr {
            message_type: kind,
            transaction_id: request.transaction_id,
            secs: 0,
            client_hardware_address: mac,
            client_ip: Ipv4Address::UNSPECIFIED,
            your_ip: if granted { address } else { Ipv4Address::UNSPECIFIED },
            server_ip: own,
            router: granted.then_some(own),
            subnet_mask: granted.then(|| net.netmask()),
            relay_agent_ip: Ipv4Address::UNSPECIFIED,
            broadcast: request.broadcast,
            requested_ip: None,
            client_identifier: None,
            server_identifier: Some(own),
            parameter_request_list: None,
            dns_servers: None,
            max_size: None,
            lease_duration: granted.then_some(LEASE_S),
            renew_duration: None,
            rebind_duration: None,
            additional_options: &[],
        };
        let mut bytes = vec![0; answer.buffer_len()];
        answer.emit(&mut DhcpPacket::new_unchecked(&mut bytes[..])).ok()?;
        // Who has an address is answered there, if it may have it (RFC 2131 4.1).
        let to = named(request.client_ip).filter(|_| granted).unwrap_or(Ipv4Address::BROADCAST);
        Some((bytes, to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(
        kind: DhcpMessageType,
        mac: EthernetAddress,
        requested: Option<Ipv4Address>,
        server: Option<Ipv4Address>,
    ) -> Vec<u8> {
        let repr = DhcpRepr {
            message_type: kind,
            transaction_id: 7,
            secs: 0,
            client_hardware_address: mac,
            client_ip: Ipv4Address::UNSPECIFIED,
            your_ip: Ipv4Address::UNSPECIFIED,
            server_ip: Ipv4Address::UNSPECIFIED,
            router: None,
            subnet_mask: None,
            relay_agent_ip: Ipv4Address::UNSPECIFIED,
            broadcast: false,
            requested_ip: requested,
            client_identifier: Some(mac),
            server_identifier: server,
            parameter_request_list: None,
            dns_servers: None,
            max_size: None,
            lease_duration: None,
            renew_duration: None,
            rebind_duration: None,
            additional_options: &[],
        };
        let mut bytes = vec![0; repr.buffer_len()];
        repr.emit(&mut DhcpPacket::new_unchecked(&mut bytes[..])).unwrap();
        bytes
    }

    /// Kind and address of the answer to a message.
    fn ask(leases: &mut Leases, message: &[u8]) -> Option<(DhcpMessageType, Ipv4Address)> {
        let (answer, to) = leases.answer(message)?;
        assert!(to.is_broadcast());
        let packet = DhcpPacket::new_checked(&answer[..]).unwrap();
        let repr = DhcpRepr::parse(&packet).unwrap();
        assert_eq!(
            (repr.transaction_id, repr.server_identifier),
            (7, Some(PEER_NET.ipv4_address()))
        );
        Some((repr.message_type, repr.your_ip))
    }

    fn guest(last: u8) -> EthernetAddress {
        EthernetAddress([0x52, 0x54, 0, 0, 0, last])
    }

    const BOARD: Ipv4Address = Ipv4Address::new(192, 0, 2, 1);
    const SECOND: Ipv4Address = Ipv4Address::new(192, 0, 2, FIRST);

    #[test]
    fn who_asks_first_has_the_boards_address_unless_the_board_does() {
        let board = Identity::default();
        let mut leases = Leases::new(&board);
        let mut discover =
            |mac| ask(&mut leases, &message(DhcpMessageType::Discover, mac, None, None)).unwrap();
        assert_eq!(discover(guest(1)), (DhcpMessageType::Offer, BOARD));
        assert_eq!(discover(guest(2)), (DhcpMessageType::Offer, SECOND));
        assert_eq!(discover(guest(1)), (DhcpMessageType::Offer, BOARD), "fixed");
        assert_eq!(discover(board.net.mac()), (DhcpMessageType::Offer, BOARD));
        let (_, other) = discover(guest(1));
        assert!(other != BOARD && other != SECOND, "{other}");
    }

    #[test]
    fn a_request_is_granted_for_its_own_address_only() {
        let mut leases = Leases::new(&Identity::default());
        let mut request = |address: Ipv4Address, server: Option<Ipv4Address>| {
            let kind = DhcpMessageType::Request;
            ask(&mut leases, &message(kind, guest(1), Some(address), server))
        };
        let nak = (DhcpMessageType::Nak, Ipv4Address::UNSPECIFIED);
        assert_eq!(request(BOARD, None), Some((DhcpMessageType::Ack, BOARD)));
        assert_eq!(
            request(BOARD, Some(PEER_NET.ipv4_address())),
            Some((DhcpMessageType::Ack, BOARD))
        );
        assert_eq!(request(SECOND, None), Some(nak));
        assert_eq!(request(BOARD, Some(SECOND)), None, "it chose another server");
    }

    #[test]
    fn there_is_an_end_of_leases() {
        let mut leases = Leases::new(&Identity::default());
        let discover = |mac| message(DhcpMessageType::Discover, mac, None, None);
        let given = (0..=255).filter(|last| ask(&mut leases, &discover(guest(*last))).is_some());
        assert_eq!(given.count(), LEASES);
        assert!(leases.answer(b"nonsense").is_none());
    }
}
