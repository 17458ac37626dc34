//! The rootless road from this machine's loopback to the board and back.
//!
//! The gateway is a second [`NetStack`] at the far end of the board's wire, and kernel sockets beside
//! it. Inwards it listens on the forwarded ports of 127.0.0.1 and, on a machine with IPv6, of `::1`, and opens a
//! connection to the board for each it accepts. Outwards the board reaches only the ports that were allowed, on 127.0.0.1: its SYN
//! is held until the kernel has connected, and a refusal becomes a RST.
//!
//! Half-close, reset and back-pressure pass through; the only buffers are the stack's and the kernel's,
//! both bounded. A board that asks for its address gets it (`gateway/dhcp.rs`). At most [`FLOWS`] connections and [`DATAGRAM_FLOWS`] UDP mappings at once; further
//! connections wait in the kernel's backlog. Cost: a system call for each read and write, and a look at
//! each flow a turn.

mod allowed;
mod datagrams;
mod dhcp;
mod error;
mod flows;
mod forward;
mod limits;
mod listener;
mod slab;
mod source;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mio::Registry;
use smoltcp::time::Instant;
use tapboard_firmware::config::{LISTENERS, SUPERFRAME_DATA};
use tapboard_firmware::{Backlog, Buffers, NetStack, PEER_NET, Sockets};

use self::allowed::Allowed;
use self::datagrams::Datagrams;
use self::dhcp::DhcpServer;
pub use self::error::GatewayError;
use self::flows::Flows;
pub use self::forward::Forward;
pub use self::limits::{ALLOWED, DATAGRAM_FLOWS, FLOWS};
use self::listener::ForwardListener;
use self::source::EventSource;
use crate::identity::Identity;
use crate::nic::mac::Mac;
use crate::nic::wire::End;
use crate::nic::{DeviceRef, Offloads};

const TCP_SLOTS: usize = FLOWS + 8;
const UDP_SLOTS: usize = DATAGRAM_FLOWS + ALLOWED;
/// The DHCP server's socket, beside those.
const OTHERS: usize = UDP_SLOTS + 1;
const BUFFER: usize = SUPERFRAME_DATA;
const DATAGRAMS: usize = 16 * 1024;

/// The memory of a gateway's stack.
pub struct GatewayMemory<'a> {
    tcp: Vec<[[u8; BUFFER]; 2]>,
    udp: Vec<[[u8; DATAGRAMS]; 2]>,
    backlog: Backlog,
    sockets: Box<Sockets<'a, TCP_SLOTS, UDP_SLOTS, LISTENERS, OTHERS>>,
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
    dhcp: DhcpServer,
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
        board: &Identity,
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
        let listeners =
            ForwardListener::open_all(forwards, (board.ipv4().address(), &hosts), &registry)?;
        let dhcp = DhcpServer::open(&mut stack, board);
        let allowed = allowed.iter().map(|&port| Allowed::open(&mut stack, port)).collect();
        let (flows, datagrams) = (Flows::new(), Datagrams::new());
        Ok(Self { stack, hosts, listeners, allowed, flows, datagrams, dhcp, registry })
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
        let Self { stack, listeners, allowed, flows, datagrams, dhcp, registry, .. } = self;
        stack.poll_with(now, &mut mac(nic), |stack, now| {
            dhcp.poll(stack);
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
