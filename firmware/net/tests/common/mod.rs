//! What the scenarios share: hosts on a wire in memory, and a driver in virtual time that polls a stack only when a frame is
//! there, its deadline has come, or it wants to be polled.

// Not all of it is used with each choice of features.
#![allow(dead_code)]

pub(crate) mod netns;
mod wire;

use std::fmt::Write;
use std::net::SocketAddr;

use tapboard_net::EthernetAddress as OwnAddress;
use tapboard_net::embedded_nal::nb;
use tapboard_net::netstat::Introspect;
use tapboard_net::smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use tapboard_net::smoltcp::phy::Medium;
use tapboard_net::smoltcp::socket::tcp;
use tapboard_net::smoltcp::time::{Duration, Instant};
use tapboard_net::smoltcp::wire::{
    EthernetAddress, HardwareAddress, IpAddress, IpCidr, Ipv4Address, Ipv4Cidr,
};
use tapboard_net::{Error, NetConfig, NetStack, Sockets, Storage, TcpSocket};

pub(crate) use wire::Port;

/// Long enough for anything here that is not meant to take its time.
pub(crate) const SOON: Duration = Duration::from_secs(60);

pub(crate) fn mac(last: u8) -> EthernetAddress {
    EthernetAddress([2, 0, 0x5e, 0, 0, last])
}

/// The MAC address in the stack's own type, which is smoltcp's with the feature `medium-ethernet` alone.
pub(crate) fn own_mac(last: u8) -> OwnAddress {
    OwnAddress(mac(last).0)
}

pub(crate) fn v4(last: u8) -> Ipv4Address {
    Ipv4Address::new(192, 0, 2, last)
}

/// 192.0.2.`last`/24.
pub(crate) fn config(last: u8) -> NetConfig {
    NetConfig::new(own_mac(last)).with_ipv4(Ipv4Cidr::new(v4(last), 24))
}

/// 192.0.2.`last`:`port`.
pub(crate) fn at(last: u8, port: u16) -> SocketAddr {
    (v4(last), port).into()
}

/// A stack and its device.
pub(crate) struct Node {
    pub(crate) stack: NetStack<'static>,
    pub(crate) port: Port,
    /// When it wants to be polled, if nothing else happens.
    next: Option<Instant>,
}

/// A host of plain smoltcp, 192.0.2.x, without anything of ours.
pub(crate) struct Plain {
    pub(crate) interface: Interface,
    pub(crate) sockets: SocketSet<'static>,
    pub(crate) port: Port,
}

impl Plain {
    /// A TCP socket with 2 KiB each way.
    pub(crate) fn add_tcp(&mut self) -> SocketHandle {
        let buffer = || tcp::SocketBuffer::new(vec![0; 2048]);
        self.sockets.add(tcp::Socket::new(buffer(), buffer()))
    }

    pub(crate) fn tcp(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    pub(crate) fn connect(&mut self, handle: SocketHandle, last: u8, port: u16, local: u16) {
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(handle);
        let remote = (IpAddress::from(v4(last)), port);
        socket.connect(self.interface.context(), remote, local).expect("a closed socket connects");
    }
}

/// Hosts on one wire.
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) nodes: Vec<Node>,
    pub(crate) plain: Vec<Plain>,
    /// A port of the wire that no host is at, to send and to listen to frames by hand.
    pub(crate) probe: Port,
}

impl World {
    pub(crate) fn new(medium: Medium) -> Self {
        Self {
            now: Instant::from_secs(1),
            nodes: Vec::new(),
            plain: Vec::new(),
            probe: Port::first(medium),
        }
    }

    /// An Ethernet.
    pub(crate) fn ethernet() -> Self {
        Self::new(Medium::Ethernet)
    }

    /// Two stacks, 192.0.2.1 and 192.0.2.2.
    pub(crate) fn pair() -> Self {
        let mut world = Self::ethernet();
        world.add(&config(1));
        world.add(&config(2));
        world
    }

    /// A stack of 4 TCP slots, 2 UDP sockets and places for 2 more sockets.
    pub(crate) fn add(&mut self, config: &NetConfig) -> usize {
        self.add_sized::<4, 2, 8, 4, 32>(config)
    }

    /// A stack of these sizes; see [`Storage`] and [`Sockets`].
    pub(crate) fn add_sized<
        const TCP: usize,
        const UDP: usize,
        const LISTENERS: usize,
        const OTHERS: usize,
        const REQUESTS: usize,
    >(
        &mut self,
        config: &NetConfig,
    ) -> usize {
        let storage = Box::leak(Box::new(Storage::<TCP, 2048, UDP, 1472, REQUESTS>::new()));
        let sockets = Box::leak(Box::new(Sockets::<TCP, UDP, LISTENERS, OTHERS>::new()));
        let mut port = self.probe.another();
        let entropy = 0x5eed + self.nodes.len() as u64;
        let stack = NetStack::new(config, &mut port, self.now, entropy, storage, sockets);
        self.nodes.push(Node { stack, port, next: Some(self.now) });
        self.nodes.len() - 1
    }

    /// A host of plain smoltcp, 192.0.2.`last`/24.
    pub(crate) fn add_plain(&mut self, last: u8) -> usize {
        let mut port = self.probe.another();
        let mut config = Config::new(HardwareAddress::Ethernet(mac(last)));
        config.random_seed = u64::from(last);
        let mut interface = Interface::new(config, &mut port, self.now);
        interface.update_ip_addrs(|addresses| {
            addresses.push(IpCidr::new(v4(last).into(), 24)).expect("room for an address");
        });
        self.plain.push(Plain { interface, sockets: SocketSet::new(vec![]), port });
        self.plain.len() - 1
    }

    pub(crate) fn stack(&mut self, index: usize) -> &mut NetStack<'static> {
        &mut self.nodes[index].stack
    }

    /// Polls who has a reason. Says whether anybody had.
    pub(crate) fn poll_due(&mut self) -> bool {
        let now = self.now;
        let mut any = false;
        for node in &mut self.nodes {
            let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
            if due(node.next) || due(node.port.next()) || node.stack.wants_poll() {
                node.next = node.stack.poll(now, &mut node.port);
                assert!(!node.stack.wants_poll(), "a poll does what was wanted");
                any = true;
            }
        }
        for host in &mut self.plain {
            let due = host.interface.poll_at(now, &host.sockets).is_some_and(|at| at <= now);
            if due || host.port.next().is_some_and(|at| at <= now) {
                // Its own word is no measure: it says "now" while it waits for a neighbour.
                any |=
                    host.interface.poll(now, &mut host.port, &mut host.sockets) != PollResult::None;
            }
        }
        any
    }

    /// When something happens next.
    pub(crate) fn next_event(&mut self) -> Option<Instant> {
        let now = self.now;
        let nodes = self.nodes.iter().flat_map(|node| [node.next, node.port.next()]);
        let plain = self.plain.iter_mut().flat_map(|host| {
            let at = host.interface.poll_at(now, &host.sockets);
            [at.map(|at| at.max(now + Duration::from_millis(1))), host.port.next()]
        });
        nodes.chain(plain).flatten().min()
    }

    /// Runs until `step`, which is called after each round of polls, has a result; fails after `limit`.
    pub(crate) fn until<R>(
        &mut self,
        limit: Duration,
        mut step: impl FnMut(&mut Self) -> Option<R>,
    ) -> R {
        let end = self.now + limit;
        let mut rounds = 0;
        loop {
            if let Some(result) = step(self) {
                return result;
            }
            if self.poll_due() {
                rounds += 1;
                assert!(rounds < 10_000, "busy at {}\n{}", self.now, self.describe());
                continue;
            }
            rounds = 0;
            match self.next_event() {
                Some(at) if at <= end => self.now = self.now.max(at),
                _ => panic!("not within {limit}\n{}", self.describe()),
            }
        }
    }

    /// Lets time pass with others, who have their turn (`serve`) before each round of polls.
    pub(crate) fn pass_with(&mut self, time: Duration, mut serve: impl FnMut(Instant)) {
        let end = self.now + time;
        let mut rounds = 0;
        while self.now < end {
            serve(self.now);
            if self.poll_due() {
                rounds += 1;
                assert!(rounds < 10_000, "busy at {}", self.now);
                continue;
            }
            rounds = 0;
            let next = self.next_event().filter(|at| *at <= end);
            self.now = next.map_or(end, |at| at.max(self.now));
        }
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            while self.poll_due() {}
            match self.next_event() {
                Some(at) if at <= end => self.now = self.now.max(at),
                _ => break,
            }
        }
        self.now = end;
    }

    /// The sockets of all stacks.
    fn describe(&self) -> String {
        let mut text = String::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let _ = writeln!(text, "node {index}:");
            for row in (0..).map_while(|row| node.stack.row(row)) {
                let _ = writeln!(text, "{row}");
            }
        }
        text
    }

    /// Runs until a call that would block has a result.
    pub(crate) fn wait<R>(
        &mut self,
        mut call: impl FnMut(&mut Self) -> nb::Result<R, Error>,
    ) -> Result<R, Error> {
        self.until(SOON, |world| match call(world) {
            Err(nb::Error::WouldBlock) => None,
            Ok(result) => Some(Ok(result)),
            Err(nb::Error::Other(error)) => Some(Err(error)),
        })
    }

    /// A connection from node `from` to `remote`, a port that node `to` listens on with `listener`.
    pub(crate) fn connect(
        &mut self,
        from: usize,
        remote: SocketAddr,
        (to, listener): (usize, &TcpSocket),
    ) -> (TcpSocket, TcpSocket) {
        let mut client = self.stack(from).tcp_connect(remote).expect("a slot");
        self.wait(|world| world.stack(from).tcp_connected(&mut client)).expect("connected");
        let (server, peer) =
            self.wait(|world| world.stack(to).tcp_accept(listener)).expect("accepted");
        let (local, _) = self.stack(from).endpoints(&client).expect("connected");
        assert_eq!(peer, local);
        (client, server)
    }

    /// Sends all of `data` from one socket, and receives it at the other.
    pub(crate) fn transfer(
        &mut self,
        (from, sender): (usize, &TcpSocket),
        (to, receiver): (usize, &TcpSocket),
        data: &[u8],
    ) {
        let (mut sent, mut received) = (0, Vec::new());
        self.until(SOON * 20, |world| {
            if sent < data.len()
                && let Ok(count) = world.stack(from).tcp_send(sender, &data[sent..])
            {
                sent += count;
            }
            let mut buffer = [0; 700];
            if let Ok(count) = world.stack(to).tcp_receive(receiver, &mut buffer) {
                received.extend_from_slice(&buffer[..count]);
            }
            (received.len() >= data.len()).then_some(())
        });
        assert!(received == data, "{} bytes differ", data.len());
    }
}

/// Somebody else on the wire.
pub(crate) trait Host {
    /// Answers what has come in.
    fn serve(&mut self, now: Instant);
}

/// Runs a world with others until `done` has a result.
pub(crate) fn until<R>(
    world: &mut World,
    others: &mut [&mut impl Host],
    limit: Duration,
    mut done: impl FnMut(&mut World) -> Option<R>,
) -> R {
    world.until(limit, |world| {
        for other in &mut *others {
            other.serve(world.now);
        }
        done(world)
    })
}

/// Lets time pass, with others.
pub(crate) fn pass(world: &mut World, others: &mut [&mut impl Host], time: Duration) {
    world.pass_with(time, |now| others.iter_mut().for_each(|other| other.serve(now)));
}

/// How long after `start`.
pub(crate) fn since(start: Instant, world: &World) -> Duration {
    world.now - start
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Bytes that differ from their neighbours.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index % 251) as u8).collect()
}
