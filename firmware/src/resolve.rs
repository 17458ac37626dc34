//! What services ask of a stack that knows hosts by their names.

use core::net::IpAddr;

use embedded_nal::nb;
use tapboard_net::{LookupError, NetStack};

/// A stack that finds out the addresses of hosts, or says that it cannot.
pub trait Resolve {
    /// An address of the host `name`; `WouldBlock` until it is found or is not. Unless it is written, no server is known.
    fn address_of(&mut self, name: &[u8]) -> nb::Result<IpAddr, LookupError> {
        let _ = name;
        Err(LookupError::NoServer.into())
    }
}

/// [`NetStack`] asks, with the feature `dns`, for an address of either family.
impl Resolve for NetStack<'_> {
    #[cfg(feature = "dns")]
    fn address_of(&mut self, name: &[u8]) -> nb::Result<IpAddr, LookupError> {
        self.resolve_bytes(name, embedded_nal::AddrType::Either)
    }
}
