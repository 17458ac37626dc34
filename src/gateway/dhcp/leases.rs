//! Who has which address of the wire.

use std::collections::BTreeMap;

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    DhcpMessageType, DhcpOption, DhcpPacket, DhcpRepr, EthernetAddress, Ipv4Address, Ipv4Cidr,
};

use super::range::DhcpRange;
use crate::gateway::limits::LEASES;
use crate::gateway::names::{DOMAIN, Names};
use crate::identity::{Identity, mac_text};

/// How long a lease lasts, seconds.
const LEASE_S: u32 = 3600;
/// How long an address that was offered waits for who was offered it.
const OFFER: Duration = Duration::from_secs(60);
/// Options of the client's name and of the domain (RFC 2132 3.14, 3.17).
const HOST_NAME: u8 = 12;
const DOMAIN_NAME: u8 = 15;

/// An address, and until when it is somebody's.
#[derive(Clone, Copy, Debug)]
struct Lease {
    address: Ipv4Address,
    until: Instant,
}

/// Who has which address.
#[derive(Debug)]
pub(in crate::gateway) struct Leases {
    /// The gateway's address.
    own: Ipv4Address,
    board: (EthernetAddress, Ipv4Cidr),
    range: DhcpRange,
    names: bool,
    known: BTreeMap<EthernetAddress, Lease>,
    /// Messages that were not answered because all leases were taken.
    pub(in crate::gateway) refused: u64,
}

impl Leases {
    pub(super) fn new(own: Ipv4Address, board: &Identity, range: DhcpRange, names: bool) -> Self {
        let board = (board.net.mac(), board.ipv4());
        Self { own, board, range, names, known: BTreeMap::new(), refused: 0 }
    }

    pub(in crate::gateway) fn len(&self) -> usize {
        self.known.len()
    }

    /// Who has which address.
    pub(in crate::gateway) fn list(&self) -> impl Iterator<Item = (EthernetAddress, Ipv4Address)> {
        self.known.iter().map(|(mac, lease)| (*mac, lease.address))
    }

    /// The address of this MAC address, from now on. `None`: there is none left.
    fn address(
        &mut self,
        mac: EthernetAddress,
        names: &mut Names,
        now: Instant,
    ) -> Option<Ipv4Address> {
        let until = now + OFFER;
        if let Some(lease) = self.known.get_mut(&mac) {
            lease.until = lease.until.max(until);
            return Some(lease.address);
        }
        let (board_mac, board) = self.board;
        let board = board.address();
        let taken = |address: &Ipv4Address| self.known.values().any(|at| at.address == *address);
        let free = if mac == board_mac || !taken(&board) {
            Some(board)
        } else {
            let mut others = self.range.addresses();
            others.find(|other| !taken(other) && *other != board)
        };
        // The board's own comes back to it from a guest that was first.
        let from = self.known.iter().find(|(_, at)| Some(at.address) == free).map(|(mac, _)| *mac);
        let full = free.is_none() || (mac != board_mac && self.known.len() >= LEASES);
        let (address, from) = if let Some(free) = free.filter(|_| from.is_some() || !full) {
            (free, from)
        } else {
            // The board's is kept for it.
            let ended = |(other, lease): &(&EthernetAddress, &Lease)| {
                lease.until <= now && **other != board_mac
            };
            let first = self.known.iter().filter(ended).min_by_key(|(_, lease)| lease.until);
            let Some((other, lease)) = first else {
                self.refused += 1;
                return None;
            };
            (free.unwrap_or(lease.address), Some(*other))
        };
        if let Some(other) = from {
            self.known.remove(&other);
            names.forget(other);
        }
        self.known.insert(mac, Lease { address, until });
        Some(address)
    }

    /// The answer to a message, and where it goes.
    pub(super) fn answer(
        &mut self,
        message: &[u8],
        names: &mut Names,
        now: Instant,
    ) -> Option<(Vec<u8>, Ipv4Address)> {
        let packet = DhcpPacket::new_checked(message).ok()?;
        let request = DhcpRepr::parse(&packet).ok()?;
        let own = self.own;
        let mac = request.client_hardware_address;
        if !mac.is_unicast() || request.server_identifier.is_some_and(|server| server != own) {
            return None;
        }
        let named =
            |address: Ipv4Address| Some(address).filter(|address| !address.is_unspecified());
        if request.message_type == DhcpMessageType::Release {
            if let Some(lease) = self.known.get_mut(&mac) {
                lease.until = now;
                names.forget(mac);
            }
            return None;
        }
        let address = self.address(mac, names, now)?;
        let kind = match request.message_type {
            DhcpMessageType::Discover => DhcpMessageType::Offer,
            DhcpMessageType::Request
                if request.requested_ip.or_else(|| named(request.client_ip)) == Some(address) =>
            {
                let lease = Lease { address, until: now + Duration::from_secs(LEASE_S.into()) };
                self.known.insert(mac, lease);
                let name = packet.options().find(|option| option.kind == HOST_NAME);
                let name = name.map_or(&[][..], |name| name.data);
                names.set(mac, name, address);
                let name = String::from_utf8_lossy(name);
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
        let told = granted && self.names;
        let domain = [DhcpOption { kind: DOMAIN_NAME, data: DOMAIN.as_bytes() }];
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
            dns_servers: told.then(|| [own].into_iter().collect()),
            max_size: None,
            lease_duration: granted.then_some(LEASE_S),
            renew_duration: None,
            rebind_duration: None,
            additional_options: if told { &domain } else { &[] },
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
    use tapboard_firmware::PEER_NET;

    use super::*;
    use crate::gateway::names::Found;

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
        let mut names = Names::new(PEER_NET, &Identity::default());
        let (answer, to) = leases.answer(message, &mut names, Instant::ZERO)?;
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

    fn open() -> Leases {
        Leases::new(PEER_NET.ipv4_address(), &Identity::default(), DhcpRange::default(), true)
    }

    const BOARD: Ipv4Address = Ipv4Address::new(192, 0, 2, 1);
    const SECOND: Ipv4Address = Ipv4Address::new(192, 0, 2, 100);

    #[test]
    fn who_asks_first_has_the_boards_address_unless_the_board_does() {
        let board = Identity::default();
        let mut leases = Leases::new(PEER_NET.ipv4_address(), &board, DhcpRange::default(), true);
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
        let mut leases = open();
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

    fn discover(mac: EthernetAddress) -> Vec<u8> {
        message(DhcpMessageType::Discover, mac, None, None)
    }

    #[test]
    fn there_is_an_end_of_leases_but_not_for_the_board() {
        let mut leases = open();
        let given = (0..=255).filter(|last| ask(&mut leases, &discover(guest(*last))).is_some());
        assert_eq!(given.count(), LEASES);
        assert_eq!((leases.len(), leases.refused), (LEASES, 156));
        let board = Identity::default().net.mac();
        let offer = Some((DhcpMessageType::Offer, BOARD));
        assert_eq!(ask(&mut leases, &discover(board)), offer);
        let mut names = Names::new(PEER_NET, &Identity::default());
        assert!(leases.answer(b"nonsense", &mut names, Instant::ZERO).is_none());
    }

    #[test]
    fn a_lease_that_has_ended_makes_room_the_first_one_first() {
        let range = "192.0.2.50-192.0.2.51".parse().unwrap();
        let (board, mut names) = (Identity::default(), Names::new(PEER_NET, &Identity::default()));
        let mut leases = Leases::new(PEER_NET.ipv4_address(), &board, range, true);
        let mut at = |message: &[u8], seconds: i64| {
            let (answer, _) = leases.answer(message, &mut names, Instant::from_secs(seconds))?;
            Some(DhcpRepr::parse(&DhcpPacket::new_checked(&answer[..]).unwrap()).unwrap().your_ip)
        };
        let address = |last| Some(Ipv4Address::new(192, 0, 2, last));
        let take = |last: u8, wanted| message(DhcpMessageType::Request, guest(last), wanted, None);
        assert_eq!(at(&discover(board.net.mac()), 0), Some(BOARD));
        assert_eq!(at(&discover(guest(1)), 0), address(50));
        assert_eq!(at(&take(1, address(50)), 1), address(50));
        assert_eq!(at(&discover(guest(2)), 0), address(51), "an offer, which is not taken");
        assert_eq!(at(&discover(guest(3)), 59), None, "all are somebody's");
        assert_eq!(at(&discover(guest(3)), 60), address(51));
        assert_eq!(at(&take(3, address(51)), 61), address(51));
        // Renewed: guest 3's ends first.
        assert_eq!(at(&take(1, address(50)), 3000), address(50));
        assert_eq!(at(&discover(guest(4)), 3660), None);
        assert_eq!(at(&discover(guest(4)), 3661), address(51));
        // Released.
        let release = message(DhcpMessageType::Release, guest(1), None, None);
        assert_eq!(at(&release, 3661), None);
        assert_eq!(at(&discover(guest(5)), 3662), address(50));
    }

    #[test]
    fn a_name_is_known_while_the_lease_is() {
        let mut names = Names::new(PEER_NET, &Identity::default());
        let mut leases = open();
        let mut request = message(DhcpMessageType::Request, guest(1), Some(BOARD), None);
        request.pop();
        request.extend([HOST_NAME, 5, b'S', b'h', b'e', b'd', b'1', 255]);
        let mut say =
            |message: &[u8], names: &mut Names| leases.answer(message, names, Instant::ZERO);
        let (ack, _) = say(&request, &mut names).unwrap();
        assert_eq!(names.look_up("shed1"), Found::Addresses(vec![BOARD.into()]));
        let ack = DhcpPacket::new_checked(&ack[..]).unwrap();
        let domain = ack.options().find(|option| option.kind == DOMAIN_NAME);
        assert_eq!(domain.map(|domain| domain.data), Some(DOMAIN.as_bytes()));
        let servers = DhcpRepr::parse(&ack).unwrap().dns_servers.unwrap();
        assert_eq!(servers[..], [PEER_NET.ipv4_address()]);
        say(&message(DhcpMessageType::Release, guest(1), None, None), &mut names);
        assert_eq!(names.look_up("shed1"), Found::Nothing);
    }

    #[test]
    fn without_leave_for_names_no_server_is_told_of() {
        let mut leases =
            Leases::new(PEER_NET.ipv4_address(), &Identity::default(), DhcpRange::default(), false);
        let mut names = Names::new(PEER_NET, &Identity::default());
        let (offer, _) = leases.answer(&discover(guest(1)), &mut names, Instant::ZERO).unwrap();
        let offer = DhcpPacket::new_checked(&offer[..]).unwrap();
        let known = |kind| offer.options().any(|option| option.kind == kind);
        assert!(known(3) && !known(6) && !known(DOMAIN_NAME));
    }
}
