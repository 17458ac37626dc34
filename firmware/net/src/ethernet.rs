//! MAC addresses.
//!
//! The stack puts Ethernet's header before smoltcp's packets by itself, for which smoltcp needs no medium but IP. Its own
//! type of an address comes with the medium Ethernet alone; without the feature `medium-ethernet` this one takes its place,
//! with the same name and the same calls, but that it is not read from text.

#[cfg(feature = "medium-ethernet")]
pub use smoltcp::wire::EthernetAddress;

/// An Ethernet MAC address (IEEE 802-2014 8.2).
#[cfg(not(feature = "medium-ethernet"))]
#[derive(Clone, Copy, Debug, Default, Hash, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct EthernetAddress(pub [u8; 6]);

#[cfg(not(feature = "medium-ethernet"))]
impl EthernetAddress {
    /// All hosts on the link.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// An address from its bytes.
    ///
    /// # Panics
    /// If there are not six of them.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut this = Self([0; 6]);
        this.0.copy_from_slice(bytes);
        this
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is of one host.
    #[must_use]
    pub fn is_unicast(&self) -> bool {
        !self.is_multicast()
    }

    /// Whether it is of all hosts.
    #[must_use]
    pub fn is_broadcast(&self) -> bool {
        *self == Self::BROADCAST
    }

    /// Whether it is of many hosts, as that of all is.
    #[must_use]
    pub const fn is_multicast(&self) -> bool {
        self.0[0] & 1 != 0
    }

    /// Whether it was not given by its maker.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        self.0[0] & 2 != 0
    }

    /// The interface identifier that is made of it (RFC 4291 appendix A).
    #[must_use]
    pub const fn as_eui_64(&self) -> Option<[u8; 8]> {
        let [first, bytes @ ..] = self.0;
        Some([first ^ 2, bytes[0], bytes[1], 0xff, 0xfe, bytes[2], bytes[3], bytes[4]])
    }
}

#[cfg(not(feature = "medium-ethernet"))]
impl core::fmt::Display for EthernetAddress {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02x}", if index > 0 { "-" } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(all(test, not(feature = "medium-ethernet")))]
mod tests {
    extern crate std;
    use std::string::ToString;

    use super::*;

    /// As smoltcp has it, which the tests link with its medium.
    #[test]
    fn it_is_as_smoltcps() {
        for bytes in [[0x02, 0, 0x5e, 0, 0, 0xab], [0xff; 6], [0x33, 0x33, 0, 0, 0, 1], [0; 6]] {
            let (own, other) =
                (EthernetAddress(bytes), smoltcp::wire::EthernetAddress::from_bytes(&bytes));
            assert_eq!(own, EthernetAddress::from_bytes(own.as_bytes()));
            assert_eq!(own.to_string(), other.to_string());
            assert_eq!(own.as_eui_64(), other.as_eui_64());
            assert_eq!(
                (own.is_unicast(), own.is_broadcast(), own.is_multicast(), own.is_local()),
                (other.is_unicast(), other.is_broadcast(), other.is_multicast(), other.is_local())
            );
        }
    }
}
