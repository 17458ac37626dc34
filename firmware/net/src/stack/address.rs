//! Addresses of `core::net`, which the calls have, and smoltcp's.

use core::net::{IpAddr, SocketAddr};

use smoltcp::wire::{IpAddress, IpEndpoint, Ipv4Address};

use super::Error;

// Not inlined where it is long.
#[cfg_attr(feature = "ipv6", inline(never))]
pub(super) fn to_socket_addr(endpoint: IpEndpoint) -> SocketAddr {
    SocketAddr::new(to_ip_addr(endpoint.addr), endpoint.port)
}

pub(super) fn to_ip_addr(address: IpAddress) -> IpAddr {
    match address {
        IpAddress::Ipv4(address) => IpAddr::V4(address),
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(address) => IpAddr::V6(address),
        // smoltcp's own features may be wider than ours when a workspace unifies them.
        #[allow(unreachable_patterns)]
        _ => IpAddr::V4(Ipv4Address::UNSPECIFIED),
    }
}

#[cfg_attr(
    feature = "ipv6",
    expect(clippy::unnecessary_wraps, reason = "without the feature it can fail")
)]
pub(super) const fn to_address(address: IpAddr) -> Result<IpAddress, Error> {
    match address {
        IpAddr::V4(address) => Ok(IpAddress::Ipv4(address)),
        #[cfg(feature = "ipv6")]
        IpAddr::V6(address) => Ok(IpAddress::Ipv6(address)),
        #[cfg(not(feature = "ipv6"))]
        IpAddr::V6(_) => Err(Error::Unaddressable),
    }
}

pub(super) fn to_endpoint(address: SocketAddr) -> Result<IpEndpoint, Error> {
    let addr = to_address(address.ip())?;
    if address.port() == 0 || addr.is_unspecified() || addr.is_multicast() || addr.is_broadcast() {
        return Err(Error::Unaddressable);
    }
    Ok(IpEndpoint::new(addr, address.port()))
}
