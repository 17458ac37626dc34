//! How far a board's ports are from those of its services.

use std::net::IpAddr;

/// Where a simulated board in user mode has its ports, from 127.0.0.1.
const USER: u16 = 7000;

/// The offset that was `given`, or else the one to be expected of a board at `address`.
pub(super) const fn port_offset(given: Option<u16>, address: IpAddr) -> u16 {
    match given {
        Some(offset) => offset,
        None if address.is_loopback() => USER,
        None => 0,
    }
}
