//! An address of one's own choice, 169.254.1.0 to 169.254.254.255 (RFC 3927 2.1).

use crate::ethernet::EthernetAddress;
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};

use crate::rng::Rng;

/// As many addresses as there are: the first and the last 256 of the prefix are kept back.
const COUNT: u32 = 254 * 256;

/// The addresses in the order in which this MAC address tries them, so that a board has the same one at each boot.
#[derive(Debug)]
pub(crate) struct LinkLocal {
    rng: Rng,
    offset: u32,
}

impl LinkLocal {
    pub(crate) fn new(mac: EthernetAddress) -> Self {
        let mut seed = [0; 8];
        seed[2..].copy_from_slice(&mac.0);
        let mut rng = Rng::new(u64::from_be_bytes(seed));
        let offset = rng.below(COUNT);
        Self { rng, offset }
    }

    /// The one whose turn it is.
    pub(crate) fn address(&self) -> Ipv4Cidr {
        let first = Ipv4Address::new(169, 254, 1, 0).to_bits();
        Ipv4Cidr::new(Ipv4Address::from_bits(first + self.offset), 16)
    }

    /// It is another one's turn.
    pub(crate) fn next(&mut self) {
        self.offset = self.rng.below(COUNT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_board_has_its_own_and_all_are_within_the_range() {
        let mut seen = std::collections::BTreeSet::new();
        for last in 0..=255 {
            let mac = EthernetAddress([2, 0, 0x5e, 0, 0, last]);
            let mut choice = LinkLocal::new(mac);
            assert_eq!(choice.address(), LinkLocal::new(mac).address(), "the same at each boot");
            for _ in 0..100 {
                let [a, b, c, _] = choice.address().address().octets();
                assert!((a, b) == (169, 254) && (1..=254).contains(&c), "{}", choice.address());
                choice.next();
            }
            seen.insert(choice.address());
        }
        assert!(seen.len() > 250, "{} of 256 differ", seen.len());
    }
}
