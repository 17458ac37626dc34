//! The kernel's sockets on the forwarded ports.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mio::net::{TcpListener, UdpSocket};
use mio::{Interest, Registry};
use smoltcp::time::Instant;

use super::error::GatewayError;
use super::forward::Forward;
use super::source::EventSource;

/// The kernel sockets of one address and port that take what is for the board.
#[derive(Debug)]
pub(super) struct ForwardListener {
    pub(super) board: SocketAddr,
    pub(super) tcp: TcpListener,
    pub(super) udp: UdpSocket,
    /// The kernel said there is something, and has not said yet that there is nothing more.
    pub(super) acceptable: bool,
    pub(super) readable: bool,
    /// When to accept again what the system had no room for.
    pub(super) retry_at: Option<Instant>,
}

impl ForwardListener {
    /// One for each forward and each of `hosts`, which leads to the `board`.
    pub(super) fn open_all(
        forwards: &[Forward],
        (board, hosts): (Ipv4Addr, &[IpAddr]),
        registry: &Registry,
    ) -> Result<Vec<Self>, GatewayError> {
        let mut listeners = Vec::with_capacity(forwards.len() * hosts.len());
        let (mut closed, mut first) = (Vec::new(), None);
        for &forward in forwards {
            for &host in hosts {
                match Self::open(host, forward, board) {
                    Ok(listener) => listeners.push(listener),
                    Err(error) => {
                        closed.push((host, forward));
                        first.get_or_insert(error);
                        break;
                    }
                }
            }
        }
        if let Some(error) = first {
            return Err(GatewayError::Listen { forwards: closed, error });
        }
        for (index, Self { tcp, udp, .. }) in listeners.iter_mut().enumerate() {
            let readable = Interest::READABLE;
            registry
                .register(tcp, EventSource::ForwardTcp(index).token(), readable)
                .and_then(|()| {
                    registry.register(udp, EventSource::ForwardUdp(index).token(), readable)
                })
                .map_err(GatewayError::Register)?;
        }
        Ok(listeners)
    }

    fn open(host: IpAddr, forward: Forward, board: Ipv4Addr) -> io::Result<Self> {
        let host = SocketAddr::new(host, forward.host);
        let (tcp, udp) = (TcpListener::bind(host)?, UdpSocket::bind(host)?);
        let board = SocketAddr::from((board, forward.board));
        Ok(Self { board, tcp, udp, acceptable: true, readable: true, retry_at: None })
    }
}
