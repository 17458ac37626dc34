//! The ports of this machine that the board may reach, at the gateway's address.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use embedded_nal::{TcpClientStack, TcpFullStack, UdpClientStack, UdpFullStack};
use smoltcp::time::Duration;
use tapboard_firmware::{NetStack, TcpSocket, UdpSocket};

use super::dns;
use super::host_port::{HostPort, Protocol};

/// How long a UDP mapping lasts without a datagram: two minutes at least, as RFC 4787 4.3 has it for a NAT.
pub(super) const IDLE: Duration = Duration::from_secs(120);
/// Likewise for questions to a resolver, each of which comes from a port of its own.
const IDLE_DNS: Duration = Duration::from_secs(10);

/// A port the board may reach.
#[derive(Debug)]
pub(super) struct Allowed {
    /// Port of the gateway.
    pub(super) port: u16,
    /// Where that leads; nowhere for questions that are refused.
    pub(super) kernel: Option<SocketAddr>,
    pub(super) tcp: Option<TcpSocket>,
    pub(super) udp: Option<UdpSocket>,
    /// How long its UDP mappings last.
    pub(super) idle: Duration,
}

impl Allowed {
    /// That port, of 127.0.0.1 unless it has an address.
    pub(super) fn open(stack: &mut NetStack<'_>, host: HostPort) -> Self {
        let address = host.address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let kernel = SocketAddr::new(address, host.port);
        Self::bind(stack, host.port, host.protocol, Some(kernel), IDLE)
    }

    /// The port for names; questions that are not answered here go on to `resolver`.
    pub(super) fn dns(stack: &mut NetStack<'_>, resolver: Option<SocketAddr>) -> Self {
        let protocol = if resolver.is_some() { Protocol::Both } else { Protocol::Udp };
        Self::bind(stack, dns::PORT, protocol, resolver, IDLE_DNS)
    }

    fn bind(
        stack: &mut NetStack<'_>,
        port: u16,
        protocol: Protocol,
        kernel: Option<SocketAddr>,
        idle: Duration,
    ) -> Self {
        const FREE: &str = "the gateway has as many listeners as it allows ports";
        let tcp = protocol.tcp().then(|| {
            let mut tcp = TcpClientStack::socket(stack).expect(FREE);
            TcpFullStack::bind(stack, &mut tcp, port).expect(FREE);
            stack.listen_deferred(&tcp).expect(FREE);
            tcp
        });
        let udp = protocol.udp().then(|| {
            let mut udp = UdpClientStack::socket(stack).expect(FREE);
            UdpFullStack::bind(stack, &mut udp, port).expect(FREE);
            udp
        });
        Self { port, kernel, tcp, udp, idle }
    }
}
