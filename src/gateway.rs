//! The rootless road from this machine's loopback to the board and back.
//!
//! The gateway is a second [`NetStack`] at the far end of the board's wire, and kernel sockets beside
//! it. Inwards it listens on the forwarded ports of 127.0.0.1 and, on a machine with IPv6, of `::1`, or of the addresses
//! that were given, and opens a connection to the board for each it accepts. Outwards the board reaches only the ports
//! that were allowed: its SYN is held until the kernel has connected, and a refusal becomes a RST, or for UDP an ICMP
//! error.
//!
//! Half-close, reset and back-pressure pass through (`gateway/flows.rs`, UDP in `gateway/datagrams.rs`); the only buffers
//! are the stack's and the kernel's, both bounded. A board that asks for its address gets it (`gateway/dhcp.rs`), one that looks for a router finds it
//! (`gateway/router.rs`), and questions for names are answered, refused or passed on (`gateway/dns.rs`). What is
//! forwarded can change while it runs, through [`Gateway::forward`] and over HTTP (`gateway/api.rs`). At most [`FLOWS`]
//! connections and [`DATAGRAM_FLOWS`] UDP mappings at once; further connections wait in the kernel's backlog. Cost: a
//! system call for each read and write, and a look at each flow a turn.

mod allowed;
mod api;
mod api_address;
mod config;
mod control;
mod datagrams;
mod dhcp;
mod dns;
mod error;
mod flows;
mod forward;
mod host_port;
mod limits;
mod listener;
mod names;
mod resolver;
mod router;
mod source;
mod stats;
mod unreachable;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mio::Registry;
use smoltcp::time::Instant;
use tapboard_firmware::config::SUPERFRAME_DATA;
use tapboard_firmware::{Backlog, Buffers, NetStack, Sockets, earliest};

use self::allowed::Allowed;
use self::api::Api;
pub use self::api_address::ApiAddress;
pub use self::config::GatewayConfig;
pub use self::control::ForwardCommand;
use self::datagrams::{BoardSide, Datagrams};
pub use self::dhcp::DhcpRange;
use self::dhcp::DhcpServer;
use self::dns::Dns;
pub use self::error::GatewayError;
use self::flows::Flows;
pub use self::forward::Forward;
pub use self::host_port::{HostPort, HostPortError, Protocol};
pub use self::limits::{ALLOWED, DATAGRAM_FLOWS, FLOWS, FORWARDS};
use self::listener::Forwards;
use self::names::Names;
pub use self::resolver::Resolver;
use self::router::{Overheard, Router};
use self::source::EventSource;
use self::unreachable::Unreachable;
use crate::buffers::Zeroed;
use crate::identity::Identity;
use crate::nic::mac::Mac;
use crate::nic::wire::End;
use crate::nic::{DeviceRef, Offloads};

const TCP_SLOTS: usize = FLOWS + 8;
/// The ports that are allowed, and the one for names.
const LISTENERS: usize = ALLOWED + 1;
const UDP_SLOTS: usize = DATAGRAM_FLOWS + LISTENERS;
/// The DHCP server's socket and that of ICMP errors, beside those.
const OTHERS: usize = UDP_SLOTS + 2;
const BUFFER: usize = SUPERFRAME_DATA;
const DATAGRAMS: usize = 16 * 1024;

/// The memory of a gateway's stack.
pub struct GatewayMemory<'a> {
    tcp: Zeroed<BUFFER>,
    udp: Zeroed<DATAGRAMS>,
    backlog: Backlog,
    sockets: Box<Sockets<'a, TCP_SLOTS, UDP_SLOTS, LISTENERS, OTHERS>>,
}

impl std::fmt::Debug for GatewayMemory<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GatewayMemory").finish_non_exhaustive()
    }
}

impl Default for GatewayMemory<'_> {
    fn default() -> Self {
        Self {
            tcp: Zeroed::new(TCP_SLOTS),
            udp: Zeroed::new(UDP_SLOTS),
            backlog: Backlog::new(),
            sockets: Box::default(),
        }
    }
}

/// The loopback addresses of this machine. IPv6 may be built out, switched off, or left out of a container.
fn loopbacks() -> Vec<IpAddr> {
    let ipv6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let has_ipv6 = std::net::UdpSocket::bind((ipv6, 0)).is_ok();
    let ipv4 = IpAddr::V4(Ipv4Addr::LOCALHOST);
    [ipv4].into_iter().chain(has_ipv6.then_some(ipv6)).collect()
}

/// The gateway; see the module's documentation.
#[derive(Debug)]
pub struct Gateway<'a> {
    stack: NetStack<'a>,
    /// Where forwarded ports lead, unless told otherwise.
    board: Ipv4Addr,
    forwards: Forwards,
    allowed: Vec<Allowed>,
    flows: Flows,
    datagrams: Datagrams,
    dhcp: DhcpServer,
    dns: Dns,
    router: Router,
    unreachable: Unreachable,
    api: Option<Api>,
    registry: Registry,
}

/// The gateway's MAC: that of a host on a fast network, which makes the segments and does the checksums.
fn mac<'e, 'w>(end: &'e mut End<'w>) -> Mac<DeviceRef<'e, End<'w>>> {
    let board = Offloads { checksum: true, segmentation: true, receive: false };
    Mac::new(DeviceRef(end), board, Offloads::NONE)
}

impl<'a> Gateway<'a> {
    /// Opens what `config` asks for, which leads to `board`, and takes the far end of the wire. `entropy` seeds the
    /// gateway's stack; `nic` is its end of the wire.
    pub fn open(
        config: &GatewayConfig,
        board: &Identity,
        registry: Registry,
        nic: &mut End<'_>,
        entropy: u64,
        memory: &'a mut GatewayMemory<'a>,
    ) -> Result<Self, GatewayError> {
        config.check()?;
        let resolver = config.resolver.map(Resolver::address).transpose();
        let resolver = resolver.map_err(GatewayError::Resolver)?;
        let GatewayMemory { tcp, udp, backlog, sockets } = memory;
        let buffers = Buffers { tcp: tcp.pairs(), udp: udp.pairs(), backlog: backlog.into() };
        let net = config.net;
        let mut mac = mac(nic);
        let mut stack = NetStack::new(&net, &mut mac, Instant::ZERO, entropy, buffers, sockets);
        let address = board.ipv4().address();
        let mut forwards = Forwards::new(loopbacks());
        forwards.add(&config.forwards, address, &registry)?;
        let api = config.api.as_ref().map(|at| Api::open(at, address, &registry)).transpose()?;
        let names = resolver.is_some();
        let dhcp =
            DhcpServer::open(&mut stack, net.ipv4_address(), board, config.dhcp_range, names);
        let unreachable = Unreachable::open(&mut stack, net);
        let mut allowed: Vec<_> =
            config.allowed.iter().map(|&host| Allowed::open(&mut stack, host)).collect();
        allowed.push(Allowed::dns(&mut stack, resolver));
        Ok(Self {
            stack,
            board: address,
            forwards,
            allowed,
            flows: Flows::new(),
            datagrams: Datagrams::new(),
            dhcp,
            dns: Dns::new(Names::new(net, board), names),
            router: Router::new(net, names),
            unreachable,
            api,
            registry,
        })
    }

    /// Notes that a kernel socket is ready.
    pub fn ready(&mut self, event: &mio::event::Event) {
        match EventSource::from_token(event.token()) {
            Some(EventSource::ForwardTcp(index)) => {
                self.forwards.get_mut(index).into_iter().for_each(|l| l.acceptable = true);
            }
            Some(EventSource::ForwardUdp(index)) => {
                self.forwards.get_mut(index).into_iter().for_each(|l| l.readable = true);
            }
            Some(EventSource::Flow(index)) => self.flows.ready(index, event),
            Some(EventSource::Datagram(index)) => self.datagrams.ready(index),
            Some(EventSource::Api(index)) => {
                self.api.iter_mut().for_each(|api| api.ready(index));
            }
            None => {}
        }
    }

    /// One turn: moves what can be moved between the kernel and the board. Returns when the next has something to do,
    /// as [`NetStack::poll_with`] does.
    pub fn poll(&mut self, now: Instant, nic: &mut End<'_>) -> Option<Instant> {
        let api = self.poll_api(now);
        let Self { stack, forwards, allowed, flows, datagrams, dhcp, registry, .. } = self;
        let Self { dns, router, unreachable, .. } = self;
        let mut device = mac(nic);
        let mut overheard = Overheard { device: DeviceRef(&mut device), router: &mut *router };
        let next = stack.poll_with(now, &mut overheard, |stack, now| {
            dhcp.poll(stack, &mut dns.names, now);
            let mut retry: Option<Instant> = None;
            for (_, listener) in forwards.iter_mut() {
                let again = flows.accept_kernel(listener, stack, registry, now);
                retry = earliest(retry, again);
            }
            for allowed in &mut *allowed {
                flows.accept_board(allowed, stack, registry);
            }
            let tcp = flows.poll(stack, now);
            let board = BoardSide {
                stack,
                allowed: &mut *allowed,
                dns: &mut *dns,
                unreachable: &mut *unreachable,
            };
            let udp = datagrams.poll(forwards, board, registry, now);
            [retry, tcp, udp].into_iter().flatten().min()
        });
        let advertised = router.poll(now, || stack.random(), &mut device);
        [api, next, advertised].into_iter().flatten().min()
    }

    /// Where the forwarded ports are unless an address was given: the loopback addresses of this machine.
    #[must_use]
    pub fn hosts(&self) -> &[IpAddr] {
        self.forwards.hosts()
    }

    /// The gateway's stack, for its counters.
    #[must_use]
    pub const fn stack(&self) -> &NetStack<'a> {
        &self.stack
    }

    /// Resets every connection under way, on both sides.
    pub fn abort(&mut self) {
        self.flows.abort(&mut self.stack);
    }

    /// Connections under way.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.flows.len()
    }
}

#[cfg(test)]
mod tests;
