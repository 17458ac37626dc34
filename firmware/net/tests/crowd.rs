//! More clients at once than slots: plain smoltcp with as many listening sockets, and this stack.

use std::fmt;

use crate::common::{SOON, World, config, mac, v4};
use tapboard_net::smoltcp::iface::SocketHandle;
use tapboard_net::smoltcp::socket::tcp::State;
use tapboard_net::smoltcp::time::Duration;
use tapboard_net::smoltcp::wire::{EthernetFrame, Ipv4Packet, TcpPacket};
use tapboard_net::{Limits, TcpSocket};

const README: &str = include_str!("../README.md");
const REQUEST: &[u8] = b"what is the time?\n";

/// What became of a crowd.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// Clients that were answered.
    answered: usize,
    /// Clients whose connection was reset.
    refused: usize,
    /// Until the last was answered, milliseconds.
    last_ms: u64,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { answered, refused, last_ms } = self;
        write!(f, "{answered} | {refused} | {last_ms} ms")
    }
}

/// As many clients as `handles`, on one plain host: all connect at once, ask, take the answer and close. `serve` is a turn
/// of the server.
fn crowd(world: &mut World, clients: u16, mut serve: impl FnMut(&mut World)) -> Outcome {
    world.probe.set_delay(Duration::from_millis(5));
    let first = world.plain.len() - 1;
    let handles: Vec<SocketHandle> = (0..clients).map(|_| world.plain[first].add_tcp()).collect();
    for (&handle, port) in handles.iter().zip(50_000..) {
        world.plain[first].connect(handle, 1, 7, port);
    }
    let start = world.now;
    let mut asked = vec![false; handles.len()];
    let mut answered = vec![None; handles.len()];
    world.until(SOON * 5, |world| {
        serve(world);
        let now = world.now;
        let mut open = false;
        for (index, &handle) in handles.iter().enumerate() {
            let socket = world.plain[first].tcp(handle);
            if socket.may_send() && !asked[index] {
                asked[index] = socket.send_slice(REQUEST) == Ok(REQUEST.len());
            }
            if socket.recv_queue() == REQUEST.len() && answered[index].is_none() {
                socket.recv(|bytes| (bytes.len(), assert_eq!(bytes, REQUEST))).expect("an answer");
                socket.close();
                answered[index] = Some(now);
            }
            open |= !matches!(socket.state(), State::Closed | State::TimeWait);
        }
        (!open).then_some(())
    });
    let last = answered.iter().flatten().max().expect("somebody was answered");
    let answered = answered.iter().flatten().count();
    Outcome { answered, refused: handles.len() - answered, last_ms: (*last - start).total_millis() }
}

/// The server that smoltcp's examples show, with that many listening sockets: each echoes, and listens again when its
/// connection is over.
fn plain(slots: usize, clients: u16) -> Outcome {
    let mut world = World::ethernet();
    world.add_plain(1);
    world.add_plain(2);
    let handles: Vec<SocketHandle> = (0..slots).map(|_| world.plain[0].add_tcp()).collect();
    crowd(&mut world, clients, |world| {
        for &handle in &handles {
            let socket = world.plain[0].tcp(handle);
            if !socket.is_open() {
                socket.listen(7).expect("a closed socket listens");
            }
            let mut buffer = [0; 64];
            if let Ok(count @ 1..) = socket.recv_slice(&mut buffer) {
                socket.send_slice(&buffer[..count]).expect("room");
            }
            if socket.state() == State::CloseWait {
                socket.close();
            }
        }
    })
}

/// The same over this stack: one listener, and a connection for each `accept`.
fn ours<const SLOTS: usize>(clients: u16) -> Outcome {
    let mut world = World::ethernet();
    let limits = Limits::new().with_client_reserve(0);
    world.add_sized::<SLOTS, 0, 1, 0, 32>(&config(1).with_limits(limits));
    world.add_plain(2);
    let listener = world.stack(0).tcp_listen(7).unwrap();
    let mut open: Vec<TcpSocket> = Vec::new();
    let outcome = crowd(&mut world, clients, |world| {
        let stack = world.stack(0);
        while let Ok((connection, _)) = stack.tcp_accept(&listener) {
            open.push(connection);
        }
        let mut buffer = [0; 64];
        for connection in std::mem::take(&mut open) {
            match stack.tcp_receive(&connection, &mut buffer) {
                Ok(0) => stack.tcp_close(connection),
                Ok(count) => {
                    stack.tcp_send(&connection, &buffer[..count]).expect("room");
                    open.push(connection);
                }
                Err(_) => open.push(connection),
            }
        }
    });
    assert_eq!(world.stack(0).counters().syn_dropped, 0);
    outcome
}

#[test]
fn six_clients_on_four_slots() {
    let (plain, ours) = (plain(4, 6), ours::<4>(6));
    let both = format!("plain smoltcp: {plain:?}; this stack: {ours:?}");
    assert!(plain.refused > 0, "{both}");
    assert_eq!((ours.answered, ours.refused), (6, 0), "{both}");
    for (name, outcome) in
        [("plain smoltcp, four listening sockets", plain), ("tapboard-net", ours)]
    {
        let row = format!("| {name} | {outcome} |");
        assert!(README.contains(&row), "the README has not\n{row}\n{both}");
    }
}

#[test]
fn sixty_clients_on_thirty_two_slots() {
    let outcome = ours::<32>(60);
    assert_eq!((outcome.answered, outcome.refused), (60, 0), "{outcome:?}");
    // Who waits waits for a slot, not for its next SYN, which comes after a second.
    assert!(outcome.last_ms < 500, "{outcome:?}");
}

/// A connection request like `model`, of another host's.
fn forged(model: &[u8], number: u16) -> Vec<u8> {
    let mut frame = model.to_vec();
    let mut ethernet = EthernetFrame::new_unchecked(&mut frame);
    ethernet.set_src_addr(mac(10 + number as u8 % 100));
    let mut ip = Ipv4Packet::new_unchecked(ethernet.payload_mut());
    let (source, destination) = (v4(10 + number as u8 % 100), ip.dst_addr());
    ip.set_src_addr(source);
    ip.fill_checksum();
    let mut tcp = TcpPacket::new_unchecked(ip.payload_mut());
    tcp.set_src_port(1024 + number);
    tcp.fill_checksum(&source.into(), &destination.into());
    frame
}

/// 400 requests a second of hosts that say no more. With the feature `syn-cookies` the answers may take as long as they do; without,
/// a client has to be as near as one in the same building.
#[test]
fn in_a_flood_clients_are_served_at_once() {
    let mut world = World::ethernet();
    world.add_sized::<4, 0, 1, 0, 32>(&config(1).with_limits(Limits::new().with_client_reserve(0)));
    world.add_plain(2);
    let trip = if cfg!(feature = "syn-cookies") { 40 } else { 2 };
    world.probe.set_delay(Duration::from_micros(trip * 500));
    let listener = world.stack(0).tcp_listen(7).unwrap();
    let first = world.plain[0].add_tcp();
    world.plain[0].connect(first, 1, 7, 40_000);
    world.pass(Duration::from_millis(100));
    let sent = world.plain[0].port.take_sent();
    let syn = sent.iter().find(|frame| frame[12..14] == [8, 0]).expect("a SYN").clone();
    world.plain[0].tcp(first).abort();
    world.pass(Duration::from_millis(100));
    let (mut slowest, mut open) = (Duration::ZERO, None::<TcpSocket>);
    let (mut client, mut since) = (None, world.now);
    for number in 0..4000 {
        world.probe.send(world.now, &forged(&syn, number));
        world.pass(Duration::from_micros(2500));
        if number % 200 == 100 {
            let handle = world.plain[0].add_tcp();
            world.plain[0].connect(handle, 1, 7, 50_000 + number);
            (client, since) = (Some(handle), world.now);
        }
        let stack = world.stack(0);
        open = open.or_else(|| stack.tcp_accept(&listener).ok().map(|(connection, _)| connection));
        let mut buffer = [0; 64];
        if let Some(connection) = &open
            && let Ok(count @ 1..) = stack.tcp_receive(connection, &mut buffer)
        {
            stack.tcp_send(connection, &buffer[..count]).expect("room");
        }
        let Some(handle) = client else { continue };
        let now = world.now;
        let socket = world.plain[0].tcp(handle);
        if socket.may_send() && socket.send_queue() == 0 && !socket.can_recv() {
            socket.send_slice(REQUEST).expect("room");
        }
        if socket.can_recv() {
            slowest = slowest.max(now - since);
            socket.abort();
            client = None;
            if let Some(connection) = open.take() {
                world.stack(0).abort(connection);
            }
        }
    }
    assert!(client.is_none(), "the last was not served");
    assert!(slowest <= Duration::from_millis(100), "{slowest}");
}
