//! Ports of 127.0.0.1, and of `::1` where there is IPv6, that are one test's own.
//!
//! A port that was free when somebody looked may be taken when it is needed: by another test, by another test binary, by a
//! connection under way. So a port is held from the moment it is found to the end of the process, by a socket that is
//! bound and does not listen. Whoever connects to it is refused, as at a free port; whoever listens on it with
//! `SO_REUSEADDR` gets it, as the standard library and mio do (socket(7)); whoever looks for a free one goes on to the next.
//! Other systems than Linux refuse the second socket, so there a port is only looked at.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Mutex;
use std::{fs, io};

use socket2::{Domain, Socket, Type};

/// The ports that are tried: below the ephemeral ones, so that no connection under way has one of them.
const FIRST: u16 = 10_000;
const COUNT: u16 = 20_000;

/// The sockets that hold the ports, and how many ports have been tried.
static HELD: Mutex<(Vec<Socket>, u16)> = Mutex::new((Vec::new(), 0));

/// A port of 127.0.0.1.
pub(crate) fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// A port of `::1`.
pub(crate) fn local6(port: u16) -> SocketAddr {
    (Ipv6Addr::LOCALHOST, port).into()
}

/// A port that is free for TCP and UDP, and for nobody else from now on.
pub(crate) fn free_port() -> u16 {
    free_offset(&[0])
}

/// An offset at which all of these ports are such.
pub(crate) fn free_offset(ports: &[u16]) -> u16 {
    let mut guard = HELD.lock().expect("no panic while it is held");
    let (held, tried) = &mut *guard;
    // Test binaries that run at once begin at different ports.
    let start = u16::try_from(std::process::id() % u32::from(COUNT)).expect("less than COUNT");
    while *tried < COUNT {
        let offset = FIRST + (start + *tried) % COUNT;
        *tried += ports.iter().max().expect("at least one port") + 1;
        let addresses = ports.iter().map(|port| offset + port).flat_map(addresses);
        let all: io::Result<Vec<_>> = addresses.map(hold).collect();
        if let Ok(all) = all {
            held.extend(all);
            return offset;
        }
    }
    panic!("no port is free");
}

/// Where a program listens for both versions of IP.
fn addresses(port: u16) -> impl Iterator<Item = SocketAddr> {
    let ipv6 = UdpSocket::bind(local6(0)).is_ok();
    [local(port)].into_iter().chain(ipv6.then(|| local6(port)))
}

/// Fails if the port is not free, or is held.
fn hold(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.bind(&address.into())?;
    if cfg!(target_os = "linux") {
        // By looking: a socket that was bound for it and closed would live on in a child that some other test is
        // starting just then.
        if udp_port_is_taken(address.port())? {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        // Only now, so that two cannot hold one port.
        socket.set_reuse_address(true)?;
        return Ok(socket);
    }
    UdpSocket::bind(address)?;
    Socket::new(Domain::for_address(address), Type::STREAM, None)
}

/// Whether any UDP socket of this network is bound to it (proc(5), `/proc/net/udp`).
fn udp_port_is_taken(port: u16) -> io::Result<bool> {
    let end = format!(":{port:04X}");
    for table in ["/proc/net/udp", "/proc/net/udp6"] {
        let table = match fs::read_to_string(table) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue, // no IPv6
            table => table?,
        };
        let mut local = table.lines().filter_map(|line| line.split_whitespace().nth(1));
        if local.any(|address| address.ends_with(&end)) {
            return Ok(true);
        }
    }
    Ok(false)
}
