//! The sockets for `async` code, in virtual time: nobody waits for ever, nobody is woken for another's sake, and what
//! is dropped is free.

mod accept;
mod cancel;
mod driver;
mod executor;
mod loss;
mod tcp;
mod udp;
mod world;

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The first board's address.
const fn one(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), port)
}

/// The second board's address.
const fn two(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), port)
}

/// Bytes that show where they belong.
fn pattern(seed: usize, len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 251 + seed * 17) as u8).collect()
}
