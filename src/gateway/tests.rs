//! A gateway in virtual time, with the kernel's sockets on 127.0.0.1 at one end, and a board's stack at the other.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration as StdDuration;

use embedded_nal::{UdpClientStack, UdpFullStack};
use mio::{Events, Poll};
use smoltcp::time::Duration;
use tapboard_firmware::{BOARD_NET, BoardSockets, McuStorage};

use super::*;
use crate::nic::wire::{Side, Wire};

/// Longest wait for the kernel's word.
const PATIENCE: StdDuration = StdDuration::from_secs(60);

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

/// A socket of the board's, and what it sends to a port of the gateway.
fn board_sends(world: &mut World<'_>, from: u16, to: u16, data: &[u8]) {
    let stack = &mut world.board;
    let mut socket = UdpClientStack::socket(stack).unwrap();
    UdpFullStack::bind(stack, &mut socket, from).unwrap();
    let gateway = SocketAddr::from((PEER_NET.ipv4_address(), to));
    UdpFullStack::send_to(stack, &mut socket, gateway, data).unwrap();
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
        board_sends(&mut world, 4000, at.port(), b"first");
        let (_, from) = server.recv_from(&mut buffer).unwrap();
        assert_eq!(world.stat("gateway_udp_mappings"), 1);
        world.pass(Duration::from_secs(119));
        assert_eq!(world.stat("gateway_udp_mappings"), 1);
        // An answer is use, too.
        server.send_to(b"answer", from).unwrap();
        world.settle(PATIENCE);
        world.pass(Duration::from_secs(119));
        board_sends(&mut world, 4000, at.port(), b"second");
        assert_eq!(server.recv_from(&mut buffer).unwrap(), (6, from), "the same mapping");
        // So is a datagram; and the gateway wakes when it ends.
        let end = world.now + Duration::from_secs(120);
        assert_eq!(world.next, Some(end));
        world.pass(Duration::from_secs(120));
        assert_eq!((world.stat("gateway_udp_mappings"), world.now), (0, end));
        let question = b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01";
        board_sends(&mut world, 4001, dns::PORT, question);
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
            board_sends(&mut world, 5000 + index, at.port(), b"x");
            assert_eq!(server.recv(&mut buffer).unwrap(), 1);
            world.pass(Duration::from_millis(10));
        }
        assert_eq!(world.stat("gateway_udp_mappings"), DATAGRAM_FLOWS as u64);
        assert_eq!(world.stat("udp_displaced"), 1);
        board_sends(&mut world, 5001, at.port(), b"x");
        assert_eq!(world.stat("udp_displaced"), 1, "the second is still there");
        board_sends(&mut world, 5000, at.port(), b"x");
        assert_eq!(world.stat("udp_displaced"), 2, "and the first is not");
    });
}
