//! Listening sockets of several addresses as one: all in one poll, accepted from in turn.
//!
//! Telemetry comes to whichever address of this machine the board knows, so a command that listens for it has
//! to do so on more than one. Nothing here sends.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use socket2::{Domain, Socket, Type};

/// Connections that wait to be accepted, on each address, as the system allows.
const BACKLOG: i32 = 1024;

/// Whether this machine has IPv6: it may be built out, or left out of a container.
#[must_use]
pub fn has_ipv6() -> bool {
    UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_ok()
}

/// All addresses of this machine with IPv4, and with IPv6 if it has that: two, for IPv4 does not come with the
/// latter on every system.
#[must_use]
pub fn everywhere(port: u16) -> Vec<SocketAddr> {
    let ipv4 = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let ipv6 = has_ipv6().then_some(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    [ipv4].into_iter().chain(ipv6).map(|address| SocketAddr::new(address, port)).collect()
}

/// Listens on `address`. `apart`: IPv4 is none of an IPv6 address's business, so that both can be listened on.
pub fn bind(address: SocketAddr, apart: bool) -> io::Result<TcpListener> {
    if !(apart && address.is_ipv6()) {
        return TcpListener::bind(address);
    }
    let socket = Socket::new(Domain::IPV6, Type::STREAM, None)?;
    socket.set_only_v6(true)?;
    // As the standard library has it: a port that a connection of before still has is free.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Listening sockets, and which of them may have a connection.
#[derive(Debug, Default)]
pub struct Listeners {
    all: Vec<Listener>,
    /// Whose turn it is.
    turn: usize,
}

#[derive(Debug)]
struct Listener {
    socket: TcpListener,
    token: Token,
    /// The system said there is something, and has not said yet that there is nothing more.
    pending: bool,
}

impl Listeners {
    /// Adds one, whose readiness is reported under `token`.
    pub fn add(
        &mut self,
        mut socket: TcpListener,
        registry: &Registry,
        token: Token,
    ) -> io::Result<()> {
        registry.register(&mut socket, token, Interest::READABLE)?;
        self.all.push(Listener { socket, token, pending: true });
        Ok(())
    }

    /// Where they listen.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.all.iter().map(|listener| listener.socket.local_addr()).collect()
    }

    /// Notes that a socket is ready. `false`: it is none of these.
    pub fn ready(&mut self, token: Token) -> bool {
        let found = self.all.iter_mut().find(|listener| listener.token == token);
        found.map(|listener| listener.pending = true).is_some()
    }

    /// Whether a connection may be waiting.
    #[must_use]
    pub fn pending(&self) -> bool {
        self.all.iter().any(|listener| listener.pending)
    }

    /// Takes a connection, of each address in turn; [`ErrorKind::WouldBlock`] if none waits on any.
    pub fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        for _ in 0..self.all.len() {
            let turn = self.turn;
            self.turn = (turn + 1) % self.all.len();
            let Listener { socket, pending, .. } = &mut self.all[turn];
            if *pending {
                match socket.accept() {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => *pending = false,
                    result => return result,
                }
            }
        }
        Err(ErrorKind::WouldBlock.into())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream as Client;

    use mio::Poll;

    use super::*;

    #[test]
    fn all_addresses_are_two_sockets_of_one_port_that_take_turns() {
        let poll = Poll::new().expect("a poll");
        // Port 0 of the first is a port of the second, unless somebody else has that one.
        let (mut listeners, port) = (0..100)
            .find_map(|_| {
                let mut listeners = Listeners::default();
                let first = bind((Ipv4Addr::UNSPECIFIED, 0).into(), true).expect("a free port");
                let port = first.local_addr().expect("it is bound").port();
                listeners.add(first, poll.registry(), Token(0)).expect("it can be watched");
                let rest = everywhere(port).split_off(1);
                for (address, token) in rest.into_iter().zip(1..) {
                    let socket = bind(address, true).ok()?;
                    listeners.add(socket, poll.registry(), Token(token)).ok()?;
                }
                Some((listeners, port))
            })
            .expect("a port that is free in both");
        let families = if has_ipv6() { 2 } else { 1 };
        assert_eq!(listeners.addresses().expect("they are bound").len(), families);

        let loopbacks = [IpAddr::V4(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
        // In a container with IPv6 but without `::1` there is one to connect to.
        let clients: Vec<Client> = [loopbacks, loopbacks]
            .concat()
            .into_iter()
            .filter_map(|address| Client::connect((address, port)).ok())
            .collect();
        let mut peers = Vec::new();
        while peers.len() < clients.len() {
            peers.push(listeners.accept().expect("a connection waits").1);
        }
        assert!(peers.windows(2).all(|pair| clients.len() < 4 || pair[0].ip() != pair[1].ip()));
        for client in &clients {
            assert!(peers.contains(&client.local_addr().expect("it is connected")));
        }
        assert!(listeners.accept().is_err_and(|error| error.kind() == ErrorKind::WouldBlock));
        assert!(!listeners.pending() && !listeners.ready(Token(7)) && listeners.ready(Token(0)));
        assert!(listeners.pending());
    }
}
