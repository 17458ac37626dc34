//! Who a board is on its network: its addresses and its name.
//!
//! All of it follows from one number N, so that boards whose numbers differ differ in everything:
//!
//! | | follows from | for 7 |
//! |---|---|---|
//! | IPv4 address | N | 192.0.2.7/24 |
//! | IPv6 address | N | `2001:db8::7/64` |
//! | MAC address | N in its last three bytes | 02:00:5e:00:00:07 |
//! | link-local IPv6 address | the MAC address (RFC 4291 appendix A) | `fe80::5eff:fe00:7` |
//! | name | the MAC address | tapboard-02005e000007 |
//!
//! N is what was given, or else the host's part of the IPv4 address that was given, or else 1. What was given
//! itself stands. Number 2 is the host's: [`PEER_NET`](tapboard_firmware::PEER_NET).

use std::fmt::Write;
use std::net::IpAddr;

use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv4Cidr, Ipv6Address, Ipv6Cidr};
use tapboard_firmware::config::BOARD_NAME;
use tapboard_firmware::service::SERVICES;
use tapboard_firmware::{BOARD_NET, NetConfig};

/// A board's name, as telemetry tells it.
pub type Name = heapless::String<BOARD_NAME>;

/// Number of the board, unless it is told otherwise.
const NUMBER: u32 = 1;

/// The link-local address that follows from a MAC address (RFC 4291 appendix A).
pub(crate) fn link_local(mac: EthernetAddress) -> Ipv6Address {
    let mut octets = [0; 16];
    octets[..2].copy_from_slice(&[0xfe, 0x80]);
    octets[8..].copy_from_slice(&mac.as_eui_64().expect("each MAC address has one"));
    octets.into()
}

/// What of a board's identity was given; the rest follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// The board's number.
    pub number: Option<u8>,
    /// Its MAC address.
    pub mac: Option<EthernetAddress>,
    /// Its IPv4 address and the length of the network's prefix.
    pub ipv4: Option<Ipv4Cidr>,
    /// Its IPv6 address and the length of the network's prefix.
    pub ipv6: Option<Ipv6Cidr>,
    /// Its IPv4 address is a DHCP server's to give. What was given of it then is what a gateway of ours leases.
    pub dhcp: bool,
    /// Its IPv6 addresses follow from what routers say.
    pub slaac: bool,
    /// Neighbours find it by its name, and its services.
    pub mdns: bool,
    /// Its name.
    pub name: Option<Name>,
}

/// A board's addresses and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its addresses.
    pub net: NetConfig,
    /// Its name, under which a DHCP server and neighbours know it as well.
    pub name: Name,
    ipv4: Ipv4Cidr,
}

impl Default for Identity {
    /// Number 1: [`BOARD_NET`].
    fn default() -> Self {
        Self::new(&Given::default())
    }
}

impl Identity {
    /// The identity of which `given` is a part.
    #[must_use]
    pub fn new(given: &Given) -> Self {
        let number = given.number.map(u32::from);
        let number = number.or_else(|| given.ipv4.map(host_part)).unwrap_or(NUMBER);
        let [_, high, middle, low] = number.to_be_bytes();
        let EthernetAddress([a, b, c, ..]) = BOARD_NET.mac();
        let mac = given.mac.unwrap_or(EthernetAddress([a, b, c, high, middle, low]));
        let ipv4 = given.ipv4.unwrap_or_else(|| numbered_ipv4(example(), number));
        let board = BOARD_NET.ipv6();
        let ipv6 = given.ipv6.or_else(|| board.map(|network| numbered_ipv6(network, number)));
        let name = given.name.clone().unwrap_or_else(|| name(mac));
        let net = BOARD_NET.with_mac(mac).with_ipv4(ipv4);
        let net = if given.dhcp { net.with_dhcp() } else { net };
        let net = if given.mdns { net.with_mdns(SERVICES) } else { net };
        let net = if given.dhcp || given.mdns { net.with_hostname(&name) } else { net };
        let net = match ipv6 {
            _ if given.slaac => net.with_slaac(),
            Some(ipv6) => net.with_ipv6(ipv6),
            None => net,
        };
        Self { net, name, ipv4 }
    }

    /// Its IPv4 address and prefix; with DHCP, the ones that a gateway of ours leases to it.
    #[must_use]
    pub const fn ipv4(&self) -> Ipv4Cidr {
        self.ipv4
    }

    /// The same board with the addresses of `net`, and with another name if one is given.
    #[must_use]
    pub fn with(&self, net: NetConfig, name: Option<Name>) -> Self {
        let name = name.unwrap_or_else(|| self.name.clone());
        let known = net.dhcp() || net.mdns().is_some();
        let net = if known { net.with_hostname(&name) } else { net };
        Self { net, name, ipv4: net.ipv4().unwrap_or(self.ipv4) }
    }

    /// Its addresses but the link-local one.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let ipv6 = self.net.ipv6().map(|ipv6| IpAddr::V6(ipv6.address()));
        [IpAddr::V4(self.ipv4.address())].into_iter().chain(ipv6)
    }
}

/// The address of the examples' board.
fn example() -> Ipv4Cidr {
    BOARD_NET.ipv4().expect("it has one")
}

/// `tapboard-` and the MAC address.
fn name(mac: EthernetAddress) -> Name {
    const _: () = assert!("tapboard-".len() + 12 <= BOARD_NAME);
    let mut name = Name::new();
    let _ = name.push_str("tapboard-");
    for byte in mac.0 {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

/// A MAC address as `ip link` and the options write it.
#[must_use]
pub fn mac_text(mac: EthernetAddress) -> String {
    mac.to_string().replace('-', ":")
}

/// An address without its network.
fn host_part(cidr: Ipv4Cidr) -> u32 {
    cidr.address().to_bits() & !cidr.netmask().to_bits()
}

/// Host `number` of the network of `cidr`.
#[must_use]
pub fn numbered_ipv4(cidr: Ipv4Cidr, number: u32) -> Ipv4Cidr {
    let network = cidr.network();
    let bits = network.address().to_bits() | (number & !network.netmask().to_bits());
    Ipv4Cidr::new(Ipv4Address::from_bits(bits), cidr.prefix_len())
}

/// Host `number` of the network of `cidr`.
#[must_use]
pub fn numbered_ipv6(cidr: Ipv6Cidr, number: u32) -> Ipv6Cidr {
    let host = u128::MAX.checked_shr(cidr.prefix_len().into()).unwrap_or(0);
    let bits = cidr.address().to_bits() & !host | u128::from(number) & host;
    Ipv6Cidr::new(Ipv6Address::from_bits(bits), cidr.prefix_len())
}

#[cfg(test)]
mod tests {
    use tapboard_firmware::PEER_NET;

    use super::*;

    fn ipv4(text: &str) -> Ipv4Cidr {
        text.parse().unwrap()
    }

    fn ipv6(text: &str) -> Ipv6Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn the_first_board_is_the_one_of_the_examples() {
        let first = Identity::default();
        assert_eq!(first.net, BOARD_NET);
        assert_eq!(first.name, "tapboard-02005e000001");
        assert_eq!(Identity::new(&Given { number: Some(1), ..Given::default() }), first);
        assert_eq!(Identity::new(&Given { number: Some(2), ..Given::default() }).net, PEER_NET);
    }

    #[test]
    fn all_follows_from_the_number() {
        let ten = Identity::new(&Given { number: Some(10), ..Given::default() });
        assert_eq!(ten.net.mac().0, [2, 0, 0x5e, 0, 0, 10]);
        assert_eq!(ten.ipv4(), ipv4("192.0.2.10/24"));
        assert_eq!(ten.net.ipv6(), Some(ipv6("2001:db8::a/64")));
        assert_eq!(ten.name, "tapboard-02005e00000a");
    }

    #[test]
    fn the_number_follows_from_the_ipv4_address() {
        for (address, number) in
            [("198.51.100.7/24", 7), ("10.0.5.0/16", 0x500), ("10.1.2.3/8", 0x01_0203)]
        {
            let board = Identity::new(&Given { ipv4: Some(ipv4(address)), ..Given::default() });
            assert_eq!(board.ipv4(), ipv4(address));
            assert_eq!(board.net.ipv6(), Some(numbered_ipv6(ipv6("2001:db8::/64"), number)));
            let [_, mac @ ..] = number.to_be_bytes();
            assert_eq!(board.net.mac().0, [&[2, 0, 0x5e][..], &mac].concat()[..]);
        }
    }

    #[test]
    fn what_is_given_stands_and_the_rest_follows() {
        let given = Given {
            number: Some(7),
            ipv4: Some(ipv4("10.0.0.9/8")),
            ipv6: Some(ipv6("2001:db8:1::3/48")),
            ..Given::default()
        };
        let board = Identity::new(&given);
        assert_eq!((Some(board.ipv4()), board.net.ipv6()), (given.ipv4, given.ipv6));
        assert_eq!(board.name, "tapboard-02005e000007");
        let mac = EthernetAddress([6, 5, 4, 3, 2, 1]);
        let board = Identity::new(&Given { mac: Some(mac), ..given.clone() });
        assert_eq!((board.net.mac(), board.name.as_str()), (mac, "tapboard-060504030201"));
        let name = Name::try_from("greenhouse").ok();
        let board = Identity::new(&Given { name, ..given });
        assert_eq!((board.net.mac().0[5], board.name.as_str()), (7, "greenhouse"));
    }

    #[test]
    fn a_board_that_asks_for_its_address_says_its_name() {
        let board = Identity::new(&Given { number: Some(7), dhcp: true, ..Given::default() });
        assert!(board.net.dhcp() && board.net.ipv4().is_none());
        assert_eq!(board.net.hostname().as_str(), "tapboard-02005e000007");
        assert_eq!(board.ipv4(), ipv4("192.0.2.7/24"));
    }

    #[test]
    fn a_number_stays_within_its_network() {
        assert_eq!(numbered_ipv4(ipv4("192.0.2.9/30"), 2), ipv4("192.0.2.10/30"));
        assert_eq!(numbered_ipv4(ipv4("192.0.2.9/30"), 7), ipv4("192.0.2.11/30"));
        assert_eq!(numbered_ipv6(ipv6("2001:db8::5/126"), 2), ipv6("2001:db8::6/126"));
        assert_eq!(numbered_ipv6(ipv6("2001:db8::5/128"), 2), ipv6("2001:db8::5/128"));
    }
}
