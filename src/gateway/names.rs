//! The names of who is on the gateway's wire: the gateway, the board, and who has said its name to the DHCP server.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use smoltcp::wire::EthernetAddress;
use tapboard_firmware::NetConfig;

use crate::identity::Identity;

/// The domain of the wire, one of those that nobody has outside (`.internal`, reserved by ICANN in 2024).
pub(super) const DOMAIN: &str = "tapboard.internal";
/// The gateway's own name.
const GATEWAY: &str = "gateway";
/// Longest label (RFC 1035 2.3.4).
const LABEL: usize = 63;

/// What there is of a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is a name of the wire, with these addresses.
    Addresses(Vec<IpAddr>),
    /// It is an address of the wire, with this name.
    Name(String),
    /// It would be a name of the wire, but there is no such.
    Nothing,
    /// It is none of the wire.
    Elsewhere,
}

/// Who has which name.
#[derive(Debug)]
pub(super) struct Names {
    /// The gateway's addresses.
    own: NetConfig,
    /// The board's, unless it says another one.
    board: (EthernetAddress, IpAddr, Option<IpAddr>),
    known: BTreeMap<EthernetAddress, (String, Vec<IpAddr>)>,
}

impl Names {
    /// The names of the gateway and of the board.
    pub(super) fn new(own: NetConfig, board: &Identity) -> Self {
        let mac = board.net.mac();
        let ipv6 = board.net.ipv6().map(|ipv6| IpAddr::V6(ipv6.address()));
        let board_at = (mac, IpAddr::V4(board.ipv4().address()), ipv6);
        let mut names = Self { own, board: board_at, known: BTreeMap::new() };
        if let Some(label) = label(board.name.as_bytes()) {
            names.known.insert(mac, (label, board.addresses().collect()));
        }
        names
    }

    /// Notes the name of who has that IPv4 address. One that is somebody else's, or none, it does not get.
    pub(super) fn set(&mut self, mac: EthernetAddress, name: &[u8], ipv4: Ipv4Addr) {
        let Some(label) = label(name) else { return };
        let taken = label == GATEWAY
            || self.known.iter().any(|(other, (name, _))| *other != mac && *name == label);
        if taken {
            log::info!("DNS: the name {label} is somebody else's already");
            return;
        }
        let ipv6 = self.board.2.filter(|_| mac == self.board.0);
        self.known.insert(mac, (label, [IpAddr::V4(ipv4)].into_iter().chain(ipv6).collect()));
    }

    /// Forgets the name of who has no address any more. The board keeps its own.
    pub(super) fn forget(&mut self, mac: EthernetAddress) {
        if mac != self.board.0 {
            self.known.remove(&mac);
        }
    }

    /// The name that somebody has.
    pub(super) fn of(&self, mac: EthernetAddress) -> Option<&str> {
        self.known.get(&mac).map(|(name, _)| name.as_str())
    }

    /// What there is of `name`, in lower case and without the last dot.
    pub(super) fn look_up(&self, name: &str) -> Found {
        if let Some(address) = reverse(name) {
            return self.name_of(address);
        }
        let inside = name.strip_suffix(DOMAIN).and_then(|rest| rest.strip_suffix('.'));
        let label = match inside {
            Some(label) => label,
            None if name == DOMAIN => return Found::Nothing,
            // Of the root, there is more to ask than addresses.
            None if name.is_empty() || name.contains('.') => return Found::Elsewhere,
            None => name,
        };
        if label == GATEWAY {
            return Found::Addresses(self.gateway().collect());
        }
        let known = self.known.values().find(|(name, _)| name == label);
        known.map_or(Found::Nothing, |(_, addresses)| Found::Addresses(addresses.clone()))
    }

    fn name_of(&self, address: IpAddr) -> Found {
        let (own4, own6) = (self.own.ipv4(), self.own.ipv6());
        let near = match address {
            IpAddr::V4(ipv4) => own4.is_some_and(|net| net.contains_addr(&ipv4)),
            IpAddr::V6(ipv6) => own6.is_some_and(|net| net.contains_addr(&ipv6)),
        };
        let known = || self.known.values().find(|(_, addresses)| addresses.contains(&address));
        if self.gateway().any(|own| own == address) {
            Found::Name(format!("{GATEWAY}.{DOMAIN}"))
        } else if let Some((name, _)) = known() {
            Found::Name(format!("{name}.{DOMAIN}"))
        } else if near {
            Found::Nothing
        } else {
            Found::Elsewhere
        }
    }

    /// The gateway's addresses.
    fn gateway(&self) -> impl Iterator<Item = IpAddr> {
        let ipv6 = self.own.ipv6().map(|ipv6| IpAddr::V6(ipv6.address()));
        [IpAddr::V4(self.own.ipv4_address())].into_iter().chain(ipv6)
    }
}

/// A host's name as a label (RFC 1123 2.1): letters, digits, and hyphens within. A domain behind it is left out.
fn label(name: &[u8]) -> Option<String> {
    let first = name.split(|&byte| byte == b'.').next()?;
    let good = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    let edges = [first.first()?, first.last()?];
    let sound = first.len() <= LABEL && first.iter().all(good) && !edges.contains(&&b'-');
    let text = std::str::from_utf8(first).ok().filter(|_| sound)?;
    Some(text.to_ascii_lowercase())
}

/// The address that a name of the reverse domains stands for (RFC 1035 3.5, RFC 3596 2.5).
fn reverse(name: &str) -> Option<IpAddr> {
    if let Some(ipv4) = name.strip_suffix(".in-addr.arpa") {
        let mut octets = [0; 4];
        let mut parts = ipv4.split('.');
        for octet in octets.iter_mut().rev() {
            *octet = parts.next()?.parse().ok()?;
        }
        return parts.next().is_none().then(|| Ipv4Addr::from(octets).into());
    }
    let mut bits = 0;
    let mut nibbles = name.strip_suffix(".ip6.arpa")?.split('.');
    for place in 0..32 {
        let nibble = nibbles.next().filter(|nibble| nibble.len() == 1)?;
        bits |= u128::from(u8::from_str_radix(nibble, 16).ok()?) << (4 * place);
    }
    nibbles.next().is_none().then(|| Ipv6Addr::from(bits).into())
}

#[cfg(test)]
mod tests {
    use tapboard_firmware::PEER_NET;

    use super::*;

    const GUEST: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 9]);
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);

    fn names() -> Names {
        Names::new(PEER_NET, &Identity::default())
    }

    #[test]
    fn a_name_is_had_by_one_and_while_it_has_an_address() {
        let mut names = names();
        names.set(GUEST, b"Green-House.example", ADDRESS);
        let expected = Found::Addresses(vec![ADDRESS.into()]);
        assert_eq!(names.look_up("green-house.tapboard.internal"), expected);
        assert_eq!(
            names.look_up("100.2.0.192.in-addr.arpa"),
            Found::Name("green-house.tapboard.internal".into())
        );
        for taken in [&b"gateway"[..], b"tapboard-02005e000001"] {
            names.set(GUEST, taken, ADDRESS);
            assert_eq!(names.of(GUEST), Some("green-house"));
        }
        names.forget(GUEST);
        assert_eq!(names.look_up("green-house"), Found::Nothing);
        let board = Identity::default().net.mac();
        names.forget(board);
        assert_eq!(names.of(board), Some("tapboard-02005e000001"));
    }

    #[test]
    fn a_name_is_letters_digits_and_hyphens() {
        assert_eq!(label(b"A1-b"), Some("a1-b".into()));
        let long = [b'a'; LABEL + 1];
        for bad in [&b""[..], b".x", b"-a", b"a-", b"a b", b"a_b", b"\xff", &long] {
            assert_eq!(label(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn addresses_are_read_backwards() {
        let own = PEER_NET.ipv6().unwrap().address();
        let nibbles = format!("{:032x}", own.to_bits());
        let name: Vec<_> = nibbles.chars().rev().map(String::from).collect();
        let name = format!("{}.ip6.arpa", name.join("."));
        assert_eq!(reverse(&name), Some(own.into()));
        assert_eq!(names().look_up(&name), Found::Name("gateway.tapboard.internal".into()));
        for bad in ["1.2.3.in-addr.arpa", "1.2.3.4.5.in-addr.arpa", "256.2.0.192.in-addr.arpa"] {
            assert_eq!(reverse(bad), None, "{bad}");
        }
    }
}
