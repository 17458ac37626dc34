//! More clients at once than slots: plain smoltcp with as many listening sockets, and this stack.

mod common;

use std::fmt;

use common::{SOON, World, config};
use tapboard_net::smoltcp::iface::SocketHandle;
use tapboard_net::smoltcp::socket::tcp::State;
use tapboard_net::smoltcp::time::Duration;
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
