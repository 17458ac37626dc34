//! A gateway in virtual time, with the kernel's sockets on 127.0.0.1 at one end, and a board's stack at the other.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration as StdDuration;

use embedded_nal::{UdpClientStack, UdpFullStack};
use mio::{Events, Poll};
use smoltcp::time::Duration;
use tapboard_firmware::{BOARD_NET, BoardSockets, McuStorage, PEER_NET};

use super::*;
use crate::nic::wire::{Side, Wire};

/// Longest wait for the kernel's word.
const PATIENCE: StdDuration = StdDuration::from_mins(1);

/// The gateway, the board and what is between them.
struct World<'a> {
    wire: Wire,
    gateway: Gateway<'a>,
    board: NetStack<'a>,
    poll: Poll,
    now: Instant,
    /// When the gateway wants its next turn.
    next: Option<Instant>,
}

/// Calls `test` with a world whose gateway has this configuration.
fn with_world(config: &GatewayConfig, test: impl FnOnce(World<'_>)) {
    let (mut wire, mut memory) = (Wire::default(), GatewayMemory::default());
    let (mut storage, mut sockets) = (Box::<McuStorage>::default(), BoardSockets::new());
    let poll = Poll::new().unwrap();
    let registry = poll.registry().try_clone().unwrap();
    let mut end = wire.end(Side::Peer);
    let identity = Identity::default();
    let gateway = Gateway::open(config, &identity, registry, &mut end, 1, &mut memory).unwrap();
    let mut end = wire.end(Side::Board);
    let board = NetStack::new(&BOARD_NET, &mut end, Instant::ZERO, 2, &mut *storage, &mut sockets);
    test(World { wire, gateway, board, poll, now: Instant::ZERO, next: None });
}

impl World<'_> {
    /// Passes on what the kernel says within that time, and lets both ends do what they have to do now.
    fn settle(&mut self, wait: StdDuration) {
        let mut events = Events::with_capacity(16);
        self.poll.poll(&mut events, Some(wait)).unwrap();
        events.iter().for_each(|event| self.gateway.ready(event));
        for _ in 0..20 {
            let _ = self.board.poll(self.now, &mut self.wire.end(Side::Board));
            self.next = self.gateway.poll(self.now, &mut self.wire.end(Side::Peer));
        }
    }

    /// Passes on what the kernel says until `done`, without time passing.
    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        const WAIT: StdDuration = StdDuration::from_millis(20);
        for _ in 0..PATIENCE.as_millis() / WAIT.as_millis() {
            if done(self) {
                return;
            }
            self.settle(WAIT);
        }
        panic!("not {what} within {PATIENCE:?}");
    }

    /// Lets so much time pass.
    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.settle(StdDuration::ZERO);
    }

    /// What the gateway counts under that name.
    fn stat(&self, name: &str) -> u64 {
        let stats = self.gateway.stats();
        stats.iter().find(|stat| stat.name == name).expect(name).value
    }
}

/// Has the board send datagrams from one of its ports to a port of the gateway, at once.
fn board_sends(world: &mut World<'_>, from: u16, to: u16, datagrams: &[&[u8]]) {
    let stack = &mut world.board;
    let mut socket = UdpClientStack::socket(stack).unwrap();
    UdpFullStack::bind(stack, &mut socket, from).unwrap();
    let gateway = SocketAddr::from((PEER_NET.ipv4_address(), to));
    for data in datagrams {
        UdpFullStack::send_to(stack, &mut socket, gateway, data).unwrap();
    }
    world.settle(StdDuration::ZERO);
    UdpClientStack::close(&mut world.board, socket).unwrap();
}

fn server() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let at = socket.local_addr().unwrap();
    (socket, at)
}

#[test]
fn a_mapping_lasts_two_minutes_after_its_last_datagram_and_a_question_ten_seconds() {
    let ((server, at), (resolver, names)) = (server(), server());
    let config = GatewayConfig {
        allowed: vec![HostPort { address: Some(at.ip()), ..HostPort::new(at.port()) }],
        resolver: Some(Resolver::At(names)),
        ..GatewayConfig::default()
    };
    with_world(&config, |mut world| {
        let mut buffer = [0; 64];
        board_sends(&mut world, 4000, at.port(), &[b"first"]);
        let (_, from) = server.recv_from(&mut buffer).unwrap();
        assert_eq!(world.stat("gateway_udp_mappings"), 1);
        world.pass(Duration::from_secs(119));
        assert_eq!(world.stat("gateway_udp_mappings"), 1);
        // An answer is use, too.
        server.send_to(b"answer", from).unwrap();
        world.settle(PATIENCE);
        world.pass(Duration::from_secs(119));
        board_sends(&mut world, 4000, at.port(), &[b"second"]);
        assert_eq!(server.recv_from(&mut buffer).unwrap(), (6, from), "the same mapping");
        // So is a datagram; and the gateway wakes when it ends.
        let end = world.now + Duration::from_secs(120);
        assert_eq!(world.next, Some(end));
        world.pass(Duration::from_secs(120));
        assert_eq!((world.stat("gateway_udp_mappings"), world.now), (0, end));
        let question = b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01";
        board_sends(&mut world, 4001, dns::PORT, &[question]);
        assert_eq!(resolver.recv(&mut buffer).unwrap(), question.len());
        assert_eq!(world.stat("gateway_udp_mappings"), 1);
        world.pass(Duration::from_secs(10));
        assert_eq!(world.stat("gateway_udp_mappings"), 0);
    });
}

#[test]
fn the_longest_idle_mapping_makes_room() {
    let (server, at) = server();
    let config = GatewayConfig {
        allowed: vec![HostPort { address: Some(at.ip()), ..HostPort::new(at.port()) }],
        ..GatewayConfig::default()
    };
    with_world(&config, |mut world| {
        let mut buffer = [0; 8];
        for index in 0..=DATAGRAM_FLOWS as u16 {
            board_sends(&mut world, 5000 + index, at.port(), &[b"x"]);
            assert_eq!(server.recv(&mut buffer).unwrap(), 1);
            world.pass(Duration::from_millis(10));
        }
        assert_eq!(world.stat("gateway_udp_mappings"), DATAGRAM_FLOWS as u64);
        assert_eq!(world.stat("udp_displaced"), 1);
        board_sends(&mut world, 5001, at.port(), &[b"x"]);
        assert_eq!(world.stat("udp_displaced"), 1, "the second is still there");
        board_sends(&mut world, 5000, at.port(), &[b"x"]);
        assert_eq!(world.stat("udp_displaced"), 2, "and the first is not");
    });
}

#[test]
fn an_error_of_one_datagram_does_not_cost_the_next() {
    let at = SocketAddr::from(([127, 0, 0, 1], unused_port()));
    let config = GatewayConfig {
        allowed: vec![HostPort { address: Some(at.ip()), ..HostPort::new(at.port()) }],
        ..GatewayConfig::default()
    };
    with_world(&config, |mut world| {
        // The neighbours get to know each other, or the second would wait alone.
        board_sends(&mut world, 4000, at.port(), &[b"zero"]);
        world.until("told", |world| world.stat("icmp_unreachable_out") == 1);
        // The kernel tells of the first as the second is sent, which it does not send then.
        board_sends(&mut world, 4000, at.port(), &[b"one", b"two"]);
        world.until("told of both", |world| world.stat("icmp_unreachable_out") == 3);
    });
}

/// A port on which nobody is, for nobody else asks for one by its number.
fn unused_port() -> u16 {
    server().1.port()
}
