//! The rootless road from this machine's loopback to the board and back.
//!
//! The gateway is a second [`NetStack`] at the far end of the board's wire, and kernel sockets beside
//! it. Inwards it listens on the forwarded ports of 127.0.0.1 and, on a machine with IPv6, of `::1`, and opens a
//! connection to the board for each it accepts. Outwards the board reaches only the ports that were allowed, on 127.0.0.1: its SYN
//! is held until the kernel has connected, and a refusal becomes a RST.
//!
//! Half-close, reset and back-pressure pass through; the only buffers are the stack's and the kernel's,
//! both bounded. At most [`FLOWS`] connections and [`DATAGRAM_FLOWS`] UDP mappings at once; further
//! connections wait in the kernel's backlog. Cost: a system call for each read and write, and a look at
//! each flow a turn.

mod datagrams;
mod flows;
mod slab;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use embedded_nal::{TcpClientStack, TcpFullStack, UdpClientStack, UdpFullStack};
use mio::net::{TcpListener, UdpSocket};
use mio::{Interest, Registry, Token};
use smoltcp::time::Instant;
use tapboard_firmware::config::SUPERFRAME_DATA;
use tapboard_firmware::{Backlog, Buffers, NetStack, PEER_NET, Sockets};

use self::datagrams::Datagrams;
use self::flows::Flows;
use crate::nic::mac::Mac;
use crate::nic::wire::End;
use crate::nic::{DeviceRef, Offloads};

/// Connections through the gateway at most.
pub const FLOWS: usize = 32;
/// UDP mappings through the gateway at most; the longest idle makes room.
pub const DATAGRAM_FLOWS: usize = 64;
/// Ports the board may be allowed to reach at most.
pub const ALLOWED: usize = tapboard_firmware::config::LISTENERS;

const TCP_SLOTS: usize = FLOWS + 8;
const UDP_SLOTS: usize = DATAGRAM_FLOWS + ALLOWED;
const BUFFER: usize = SUPERFRAME_DATA;
const DATAGRAMS: usize = 16 * 1024;

/// A host port and the board port it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Port of this machine's loopback addresses, TCP and UDP.
    pub host: u16,
    /// Port on the board.
    pub board: u16,
}

impl Forward {
    /// What is forwarded unless told otherwise: the board's services, 7000 higher.
    pub const DEFAULT: [Self; 4] = [Self::high(7), Self::high(9), Self::high(19), Self::high(23)];

    const fn high(board: u16) -> Self {
        Self { host: 7000 + board, board }
    }
}

impl std::str::FromStr for Forward {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let port = |text: &str| text.parse().ok().filter(|&port: &u16| port != 0);
        text.split_once(':')
            .and_then(|(host, board)| Some(Self { host: port(host)?, board: port(board)? }))
            .ok_or_else(|| {
                format!("{text:?} is not HOST:BOARD, two ports from 1 to 65535, e.g. 8007:7")
            })
    }
}

/// Why the gateway cannot open.
#[derive(Debug)]
pub enum GatewayError {
    /// Host ports cannot be listened on.
    Listen {
        /// Which ports, each with the first of its addresses that will not do: all of them, so that one remedy
        /// is enough. Not empty.
        forwards: Vec<(IpAddr, Forward)>,
        /// What the system says of the first.
        error: io::Error,
    },
    /// One host port is to lead to two board ports.
    Twice {
        /// The host port.
        host: u16,
        /// Where it would lead.
        boards: [u16; 2],
    },
    /// More ports are allowed than the gateway can hold.
    TooManyAllowed(usize),
    /// The system refuses to tell when sockets are ready.
    Register(io::Error),
}

impl std::fmt::Display for GatewayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Listen { forwards, error } => {
                write!(f, "cannot listen on ")?;
                for (index, &(address, forward)) in forwards.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{}", SocketAddr::new(address, forward.host))?;
                }
                write!(f, ": {error}; ")?;
                if error.kind() == io::ErrorKind::AddrInUse {
                    write!(f, "is another tapboard running? ")?;
                }
                write!(f, "choose another port with:")?;
                for &(_, Forward { host, board }) in forwards {
                    write!(f, " -p {}:{board}", other_port(host))?;
                }
                Ok(())
            }
            Self::Twice { host, boards: [first, second] } => write!(
                f,
                "127.0.0.1:{host} cannot lead to both board port {first} and board port {second}; \
                 move one of them with: -p {}:{second}",
                other_port(*host)
            ),
            Self::TooManyAllowed(count) => {
                write!(f, "{count} ports are allowed, but the gateway holds {ALLOWED}; allow fewer")
            }
            Self::Register(error) => write!(f, "cannot watch sockets: {error}"),
        }
    }
}

impl std::error::Error for GatewayError {}

/// A port to propose in place of one that will not do.
const fn other_port(port: u16) -> u16 {
    if port < 64_000 { port + 1000 } else { port - 1000 }
}

/// The memory of a gateway's stack.
pub struct GatewayMemory<'a> {
    tcp: Vec<[[u8; BUFFER]; 2]>,
    udp: Vec<[[u8; DATAGRAMS]; 2]>,
    backlog: Backlog,
    sockets: Box<Sockets<'a, TCP_SLOTS, UDP_SLOTS>>,
}

impl std::fmt::Debug for GatewayMemory<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GatewayMemory").finish_non_exhaustive()
    }
}

impl Default for GatewayMemory<'_> {
    #[allow(clippy::large_stack_arrays, reason = "zeroes are allocated as such, not copied")]
    fn default() -> Self {
        Self {
            tcp: vec![[[0; BUFFER]; 2]; TCP_SLOTS],
            udp: vec![[[0; DATAGRAMS]; 2]; UDP_SLOTS],
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

/// The kernel sockets of one address and port that take what is for the board.
#[derive(Debug)]
struct ForwardListener {
    board: SocketAddr,
    tcp: TcpListener,
    udp: UdpSocket,
    /// The kernel said there is something, and has not said yet that there is nothing more.
    acceptable: bool,
    readable: bool,
    /// When to accept again what the system had no room for.
    retry_at: Option<Instant>,
}

/// A port the board may reach.
#[derive(Debug)]
struct Allowed {
    kernel: SocketAddr,
    tcp: tapboard_firmware::TcpSocket,
    udp: tapboard_firmware::UdpSocket,
}

/// The tokens under which kernel sockets report readiness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EventSource {
    ForwardTcp(usize),
    ForwardUdp(usize),
    Flow(usize),
    Datagram(usize),
}

impl EventSource {
    const STRIDE: usize = 1 << 16;

    const fn token(self) -> Token {
        Token(match self {
            Self::ForwardTcp(index) => Self::STRIDE + index,
            Self::ForwardUdp(index) => 2 * Self::STRIDE + index,
            Self::Flow(index) => 3 * Self::STRIDE + index,
            Self::Datagram(index) => 4 * Self::STRIDE + index,
        })
    }

    const fn from_token(token: Token) -> Option<Self> {
        let index = token.0 % Self::STRIDE;
        match token.0 / Self::STRIDE {
            1 => Some(Self::ForwardTcp(index)),
            2 => Some(Self::ForwardUdp(index)),
            3 => Some(Self::Flow(index)),
            4 => Some(Self::Datagram(index)),
            _ => None,
        }
    }
}

/// The gateway; see the module's documentation.
#[derive(Debug)]
pub struct Gateway<'a> {
    stack: NetStack<'a>,
    hosts: Vec<IpAddr>,
    /// One for each address and port.
    listeners: Vec<ForwardListener>,
    allowed: Vec<Allowed>,
    flows: Flows,
    datagrams: Datagrams,
    registry: Registry,
}

/// The gateway's MAC: that of a host on a fast network, which makes the segments and does the checksums.
fn mac<'e, 'w>(end: &'e mut End<'w>) -> Mac<DeviceRef<'e, End<'w>>> {
    let board = Offloads { checksum: true, segmentation: true, receive: false };
    Mac::new(DeviceRef(end), board, Offloads::NONE)
}

impl<'a> Gateway<'a> {
    /// Opens the host ports, which lead to `board`, and takes the far end of the wire. `entropy` seeds the
    /// gateway's stack; `nic` is its end of the wire.
    pub fn open(
        forwards: &[Forward],
        allowed: &[u16],
        board: Ipv4Addr,
        registry: Registry,
        nic: &mut End<'_>,
        entropy: u64,
        memory: &'a mut GatewayMemory<'a>,
    ) -> Result<Self, GatewayError> {
        if allowed.len() > ALLOWED {
            return Err(GatewayError::TooManyAllowed(allowed.len()));
        }
        for (index, second) in forwards.iter().enumerate() {
            if let Some(first) = forwards[..index].iter().find(|first| first.host == second.host) {
                let boards = [first.board, second.board];
                return Err(GatewayError::Twice { host: second.host, boards });
            }
        }
        let GatewayMemory { tcp, udp, backlog, sockets } = memory;
        let buffers = Buffers { tcp, udp, backlog: backlog.into() };
        let net = PEER_NET;
        let mut mac = mac(nic);
        let mut stack = NetStack::new(&net, &mut mac, Instant::ZERO, entropy, buffers, sockets);
        let hosts = loopbacks();
        let listeners = ForwardListener::open_all(forwards, (board, &hosts), &registry)?;
        let allowed = allowed.iter().map(|&port| Allowed::open(&mut stack, port)).collect();
        let (flows, datagrams) = (Flows::new(), Datagrams::new());
        Ok(Self { stack, hosts, listeners, allowed, flows, datagrams, registry })
    }

    /// Notes that a kernel socket is ready.
    pub fn ready(&mut self, event: &mio::event::Event) {
        match EventSource::from_token(event.token()) {
            Some(EventSource::ForwardTcp(index)) => self.listeners[index].acceptable = true,
            Some(EventSource::ForwardUdp(index)) => self.listeners[index].readable = true,
            Some(EventSource::Flow(index)) => self.flows.ready(index, event),
            Some(EventSource::Datagram(index)) => self.datagrams.ready(index),
            None => {}
        }
    }

    /// One turn: moves what can be moved between the kernel and the board. The result is
    /// [`NetStack::poll_with`]'s.
    pub fn poll(&mut self, now: Instant, nic: &mut End<'_>) -> Option<Instant> {
        let Self { stack, listeners, allowed, flows, datagrams, registry, .. } = self;
        stack.poll_with(now, &mut mac(nic), |stack, now| {
            let mut retry: Option<Instant> = None;
            for listener in &mut *listeners {
                let again = flows.accept_kernel(listener, stack, registry, now);
                retry = [retry, again].into_iter().flatten().min();
            }
            for allowed in &mut *allowed {
                flows.accept_board(allowed, stack, registry);
            }
            let tcp = flows.poll(stack, now);
            let udp = datagrams.poll(listeners, allowed, stack, registry, now);
            [retry, tcp, udp].into_iter().flatten().min()
        })
    }

    /// Where the forwarded ports are: the loopback addresses of this machine.
    #[must_use]
    pub fn hosts(&self) -> &[IpAddr] {
        &self.hosts
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

impl ForwardListener {
    fn open_all(
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

impl Allowed {
    fn open(stack: &mut NetStack<'_>, port: u16) -> Self {
        const FREE: &str = "the gateway has as many listeners as it allows ports";
        let mut tcp = TcpClientStack::socket(stack).expect(FREE);
        TcpFullStack::bind(stack, &mut tcp, port).expect(FREE);
        stack.listen_deferred(&mut tcp).expect(FREE);
        let mut udp = UdpClientStack::socket(stack).expect(FREE);
        UdpFullStack::bind(stack, &mut udp, port).expect(FREE);
        Self { kernel: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), tcp, udp }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forward_is_two_ports() {
        assert_eq!("8007:7".parse(), Ok(Forward { host: 8007, board: 7 }));
        for bad in ["", "7", "7:", ":7", "0:7", "7:0", "65536:7", "a:7", "1:2:3"] {
            let error = bad.parse::<Forward>().unwrap_err();
            assert!(error.contains("HOST:BOARD"), "{error}");
        }
    }

    #[test]
    fn tokens_name_their_source() {
        for source in [
            EventSource::ForwardTcp(0),
            EventSource::ForwardUdp(3),
            EventSource::Flow(63),
            EventSource::Datagram(17),
        ] {
            assert_eq!(EventSource::from_token(source.token()), Some(source));
        }
        assert_eq!(EventSource::from_token(Token(0)), None);
    }
}
