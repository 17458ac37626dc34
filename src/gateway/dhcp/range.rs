//! The addresses that the gateway leases.

use std::str::FromStr;

use smoltcp::wire::Ipv4Address;
use tapboard_firmware::PEER_NET;

use crate::gateway::limits::LEASES;

/// The addresses for who is not the board: `FIRST-LAST`, both among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DhcpRange {
    first: Ipv4Address,
    last: Ipv4Address,
}

const _: () = assert!(LEASES == 100);

impl Default for DhcpRange {
    /// As many as there are leases.
    fn default() -> Self {
        let [a, b, c, _] = PEER_NET.ipv4_address().octets();
        let at = |last| Ipv4Address::new(a, b, c, last);
        Self { first: at(100), last: at(199) }
    }
}

impl FromStr for DhcpRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let example = || format!("{text:?} is not FIRST-LAST, e.g. 192.0.2.50-192.0.2.99");
        let (first, last) = text.split_once('-').ok_or_else(example)?;
        let first: Ipv4Address = first.parse().map_err(|_| example())?;
        let last: Ipv4Address = last.parse().map_err(|_| example())?;
        let net = PEER_NET.ipv4().ok_or_else(example)?;
        let range = Self { first, last };
        let hosts = Ipv4Address::from_bits(net.network().address().to_bits() + 1)
            ..net.broadcast().unwrap_or(net.address());
        if first > last || !hosts.contains(&first) || !hosts.contains(&last) {
            return Err(format!(
                "{text:?} is not a range of the wire's network, which is {}; e.g. 192.0.2.50-192.0.2.99",
                net.network()
            ));
        }
        if range.addresses().any(|address| address == net.address()) {
            return Err(format!(
                "{} in {text:?} is the gateway's own; leave it out",
                net.address()
            ));
        }
        Ok(range)
    }
}

impl DhcpRange {
    pub(super) fn addresses(self) -> impl Iterator<Item = Ipv4Address> {
        (self.first.to_bits()..=self.last.to_bits()).map(Ipv4Address::from_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_of_the_wires_network_and_not_the_gateways() {
        let range: DhcpRange = "192.0.2.50-192.0.2.52".parse().unwrap();
        let last: Vec<_> = range.addresses().map(|address| address.octets()[3]).collect();
        assert_eq!(last, [50, 51, 52]);
        assert_eq!(DhcpRange::default().addresses().count(), LEASES);
        for (bad, remedy) in [
            ("192.0.2.50", "e.g. 192.0.2.50-192.0.2.99"),
            ("50-99", "e.g. 192.0.2.50-192.0.2.99"),
            ("192.0.2.99-192.0.2.50", "which is 192.0.2.0/24"),
            ("192.0.3.50-192.0.3.99", "which is 192.0.2.0/24"),
            ("192.0.2.0-192.0.2.9", "which is 192.0.2.0/24"),
            ("192.0.2.250-192.0.2.255", "which is 192.0.2.0/24"),
            ("192.0.2.1-192.0.2.9", "192.0.2.2 in \"192.0.2.1-192.0.2.9\" is the gateway's own"),
        ] {
            let error = bad.parse::<DhcpRange>().unwrap_err();
            assert!(error.contains(remedy), "{error}");
        }
    }
}
