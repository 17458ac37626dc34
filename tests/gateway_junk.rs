//! What a guest on the gateway's wire may send that no board would: nothing of it stops the gateway.

mod common;

use common::frames::fix_checksums;
use mio::Poll;
use smoltcp::time::{Duration, Instant};
use tapboard::gateway::{Gateway, GatewayConfig, GatewayMemory, Resolver};
use tapboard::identity::Identity;
use tapboard::nic::wire::{InFlight, Side, Wire};
use tapboard_firmware::{BOARD_NET, BoardSockets, McuStorage, NetStack};

/// The first frame that a board sends which asks for its address: a DHCP DISCOVER.
fn discover() -> Vec<u8> {
    let (mut wire, mut storage, mut sockets) =
        (Wire::default(), Box::<McuStorage>::default(), BoardSockets::new());
    let (net, now) = (BOARD_NET.with_dhcp(), Instant::ZERO);
    let mut board =
        NetStack::new(&net, &mut wire.end(Side::Board), now, 2, &mut *storage, &mut sockets);
    let is_dhcp = |sent: &InFlight| sent.frame[12..14] == [8, 0] && sent.frame[23] == 17;
    let found = (0..60).find_map(|second| {
        board.poll(Instant::from_secs(second), &mut wire.end(Side::Board));
        let sent = wire.in_flight(Side::Peer).drain(..).find(is_dhcp);
        sent.map(|sent| sent.frame)
    });
    found.expect("it asks")
}

/// A datagram to a port of the gateway.
fn datagram(port: u16, data: &[u8]) -> Vec<u8> {
    let packet = common::packets::udp("192.0.2.1", "192.0.2.2", (4000, port), data);
    [&[2, 0, 0x5e, 0, 0, 2, 2, 0, 0x5e, 0, 0, 1, 8, 0][..], &packet].concat()
}

/// A router solicitation.
fn solicitation() -> Vec<u8> {
    let mut frame = [0x33, 0x33, 0, 0, 0, 2, 2, 0, 0x5e, 0, 0, 1, 0x86, 0xdd].to_vec();
    frame.extend([0x60, 0, 0, 0, 0, 16, 58, 255, 0xfe, 0x80, 0, 0, 0, 0, 0, 0]);
    frame.extend([0, 0, 0x5e, 0xff, 0xfe, 0, 0, 1, 0xff, 2, 0, 0, 0, 0, 0, 0]);
    frame.extend([0, 0, 0, 0, 0, 0, 0, 2, 133, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0x5e, 0, 0, 1]);
    frame
}

#[test]
fn frames_that_are_wrong_by_a_little_stop_nothing() {
    let question = |name: &[u8], kind: u8| {
        let header = [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        datagram(53, &[&header[..], name, &[0, 0, kind, 0, 1]].concat())
    };
    let seeds = [
        discover(),
        solicitation(),
        question(b"\x07gateway\x08tapboard\x08internal", 1),
        question(b"\x012\x012\x010\x03192\x07in-addr\x04arpa", 12),
        datagram(9000, b"to nobody"),
    ];
    let resolver = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let resolver = Resolver::At(resolver.local_addr().unwrap());
    let config = GatewayConfig { resolver: Some(resolver), ..GatewayConfig::default() };
    let (mut wire, mut memory) = (Wire::default(), GatewayMemory::default());
    let registry = Poll::new().unwrap().registry().try_clone().unwrap();
    let board = Identity::default();
    let mut gateway =
        Gateway::open(&config, &board, registry, &mut wire.end(Side::Peer), 1, &mut memory)
            .unwrap();
    let mut state = 7_u64;
    let mut random = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut now = Instant::ZERO;
    for _ in 0..50_000 {
        let seed = random(seeds.len());
        let mut frame = seeds[seed].clone();
        if seed == 0 {
            // Another client (RFC 2131 2, chaddr).
            frame[14 + 20 + 8 + 28 + 5] = random(256) as u8;
        }
        for _ in 0..random(4) {
            let at = random(frame.len());
            frame[at] = random(256) as u8;
        }
        if random(8) == 0 {
            frame.truncate(random(frame.len()));
        }
        fix_checksums(&mut frame);
        wire.in_flight(Side::Peer).push_back(InFlight { at: now, frame });
        let next = gateway.poll(now, &mut wire.end(Side::Peer));
        assert!(next.is_none_or(|next| next >= now));
        wire.in_flight(Side::Board).clear();
        now += Duration::from_millis(random(1000) as u64);
    }
    // All of it was heard, and each kind answered again and again.
    for (name, least) in [
        ("router_adverts_out", 1000),
        ("dns_answered", 1000),
        ("dns_refused", 10),
        ("dns_forwarded", 100),
        ("gateway_leases", 20),
    ] {
        let stats = gateway.stats();
        let stat = stats.iter().find(|stat| stat.name == name).expect(name);
        assert!(stat.value >= least, "{stat}");
    }
    for stat in gateway.stats() {
        assert!(stat.limit.is_none_or(|limit| stat.value <= limit), "{stat}");
    }
}
