//! The kernel's sockets on the forwarded ports, and which there are.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mio::net::{TcpListener, UdpSocket};
use mio::{Interest, Registry};
use smoltcp::time::Instant;

use super::error::GatewayError;
use super::forward::Forward;
use super::host_port::{HostPort, Protocol};
use super::limits::FORWARDS;
use super::source::EventSource;
use crate::slab::Slab;

/// The kernel sockets of one address and port that take what is for the board.
#[derive(Debug)]
pub(super) struct ForwardListener {
    pub(super) host: SocketAddr,
    pub(super) board: SocketAddr,
    /// One of both at least.
    pub(super) tcp: Option<TcpListener>,
    pub(super) udp: Option<UdpSocket>,
    /// The kernel said there is something, and has not said yet that there is nothing more.
    pub(super) acceptable: bool,
    pub(super) readable: bool,
    /// A datagram, and whose it is, for which there was no room on the board's side.
    pub(super) unsent: Option<(Vec<u8>, SocketAddr)>,
    /// When to accept again what the system had no room for.
    pub(super) retry_at: Option<Instant>,
}

impl ForwardListener {
    fn open(host: SocketAddr, protocol: Protocol, board: SocketAddr) -> io::Result<Self> {
        let tcp = protocol.tcp().then(|| TcpListener::bind(host)).transpose()?;
        let udp = protocol.udp().then(|| UdpSocket::bind(host)).transpose()?;
        let (acceptable, readable) = (true, true);
        Ok(Self { host, board, tcp, udp, acceptable, readable, unsent: None, retry_at: None })
    }

    fn register(&mut self, index: usize, registry: &Registry) -> io::Result<()> {
        let readable = Interest::READABLE;
        if let Some(tcp) = &mut self.tcp {
            registry.register(tcp, EventSource::ForwardTcp(index).token(), readable)?;
        }
        if let Some(udp) = &mut self.udp {
            registry.register(udp, EventSource::ForwardUdp(index).token(), readable)?;
        }
        Ok(())
    }

    /// What it still takes.
    fn protocol(&self) -> Option<Protocol> {
        match (&self.tcp, &self.udp) {
            (Some(_), Some(_)) => Some(Protocol::Both),
            (Some(_), None) => Some(Protocol::Tcp),
            (None, Some(_)) => Some(Protocol::Udp),
            (None, None) => None,
        }
    }
}

/// All that is forwarded to the board: at most [`FORWARDS`] addresses and ports.
#[derive(Debug)]
pub(super) struct Forwards {
    listeners: Slab<ForwardListener>,
    /// The loopback addresses of this machine.
    hosts: Vec<IpAddr>,
}

impl Forwards {
    /// None yet, from `hosts` unless an address is given.
    pub(super) fn new(hosts: Vec<IpAddr>) -> Self {
        Self { listeners: Slab::new(FORWARDS), hosts }
    }

    pub(super) fn hosts(&self) -> &[IpAddr] {
        &self.hosts
    }

    pub(super) fn len(&self) -> usize {
        self.listeners.iter().count()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut ForwardListener)> {
        self.listeners.iter_mut()
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut ForwardListener> {
        self.listeners.get_mut(index)
    }

    /// Where a port of this machine is.
    fn addresses(&self, host: HostPort) -> impl Iterator<Item = SocketAddr> {
        let loopbacks = if host.address.is_none() { &self.hosts[..] } else { &[] };
        let all = host.address.into_iter().chain(loopbacks.iter().copied());
        all.map(move |address| SocketAddr::new(address, host.port))
    }

    /// Opens all of these to `board`, or none.
    pub(super) fn add(
        &mut self,
        forwards: &[Forward],
        board: Ipv4Addr,
        registry: &Registry,
    ) -> Result<(), GatewayError> {
        let wanted = self.expand(forwards)?;
        let (mut opened, mut closed, mut first) = (Vec::new(), Vec::new(), None);
        for (host, forward) in wanted {
            // One address that will not do is enough to name a forward.
            if closed.iter().any(|(_, other)| *other == forward) {
                continue;
            }
            let board = SocketAddr::from((board, forward.board));
            match ForwardListener::open(host, forward.host.protocol, board) {
                Ok(listener) => opened.push(listener),
                Err(error) => {
                    closed.push((host.ip(), forward));
                    first.get_or_insert(error);
                }
            }
        }
        if let Some(error) = first {
            return Err(GatewayError::Listen { forwards: closed, error });
        }
        for mut listener in opened {
            let index = self.listeners.vacant().expect("counted before");
            listener.register(index, registry).map_err(GatewayError::Register)?;
            self.listeners.put(index, listener);
        }
        Ok(())
    }

    /// Each address of each forward, none of them taken by another one.
    fn expand(&self, forwards: &[Forward]) -> Result<Vec<(SocketAddr, Forward)>, GatewayError> {
        let mut known: Vec<(SocketAddr, Protocol, u16)> = self
            .listeners
            .iter()
            .filter_map(|(_, known)| Some((known.host, known.protocol()?, known.board.port())))
            .collect();
        let mut wanted = Vec::new();
        for &forward in forwards {
            let protocol = forward.host.protocol;
            for host in self.addresses(forward.host) {
                let same = |other: &&(SocketAddr, Protocol, u16)| {
                    other.0 == host && other.1.overlaps(protocol)
                };
                if let Some((_, _, first)) = known.iter().find(same) {
                    return Err(GatewayError::Twice { host, forward, first: *first });
                }
                known.push((host, protocol, forward.board));
                wanted.push((host, forward));
            }
        }
        if known.len() > FORWARDS {
            return Err(GatewayError::TooManyForwards(known.len()));
        }
        Ok(wanted)
    }

    /// Listens on that port no more. Connections under way go on. Returns those that take no datagrams any more;
    /// none: it was not forwarded.
    pub(super) fn remove(&mut self, host: HostPort, registry: &Registry) -> Option<Vec<usize>> {
        let addresses: Vec<_> = self.addresses(host).collect();
        let (mut found, mut silent) = (false, Vec::new());
        for index in self.listeners.numbers() {
            let Some(listener) = self.listeners.get_mut(index) else { continue };
            if !addresses.contains(&listener.host) {
                continue;
            }
            if host.protocol.tcp()
                && let Some(mut tcp) = listener.tcp.take()
            {
                let _ = registry.deregister(&mut tcp);
                found = true;
            }
            if host.protocol.udp()
                && let Some(mut udp) = listener.udp.take()
            {
                let _ = registry.deregister(&mut udp);
                silent.push(index);
                found = true;
            }
            if listener.protocol().is_none() {
                self.listeners.take(index);
            }
        }
        found.then_some(silent)
    }

    /// All of them, by where they are.
    pub(super) fn list(&self) -> Vec<(HostPort, SocketAddr)> {
        let row = |(_, listener): (usize, &ForwardListener)| {
            let (protocol, host) = (listener.protocol()?, listener.host);
            let host = HostPort { protocol, address: Some(host.ip()), port: host.port() };
            Some((host, listener.board))
        };
        let mut rows: Vec<_> = self.listeners.iter().filter_map(row).collect();
        rows.sort_by_key(|(host, _)| (host.port, host.address));
        rows
    }
}
