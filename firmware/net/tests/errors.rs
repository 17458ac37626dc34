//! How a connection can end, each brought about by a peer or its absence, and what its owner is told.

use crate::common::{Port, SOON, World, at, config, v4};
use tapboard_net::embedded_nal::{TcpError, TcpErrorKind, nb};
use tapboard_net::smoltcp::time::Duration;
use tapboard_net::{Error, Limits};

/// What a socket says to every call once its connection has ended.
fn ends_with(
    world: &mut World,
    socket: tapboard_net::TcpSocket,
    limit: Duration,
    expected: Error,
) -> Duration {
    let start = world.now;
    let error =
        world.until(limit, |world| match world.stack(1).tcp_receive(&socket, &mut [0; 8]) {
            Err(nb::Error::Other(error)) => Some(error),
            _ => None,
        });
    assert_eq!((error, error.kind()), (expected, TcpErrorKind::PipeClosed));
    assert_eq!(
        world.stack(1).tcp_send(&socket, b"x"),
        Err(nb::Error::Other(expected)),
        "sending says the same"
    );
    assert_eq!(world.stack(1).peek(&socket, &mut [0; 8]), Err(nb::Error::Other(expected)));
    assert_eq!(world.stack(1).shutdown(&socket), Err(expected));
    let took = world.now - start;
    world.stack(1).tcp_close(socket);
    world.until(SOON, |world| (world.stack(1).free_slots() == 4).then_some(()));
    took
}

#[test]
fn a_reset() {
    let mut world = World::pair();
    let listener = world.stack(0).tcp_listen(7).unwrap();
    let (client, server) = world.connect(1, at(1, 7), (0, &listener));
    world.stack(0).abort(server);
    ends_with(&mut world, client, SOON, Error::ConnectionReset);
    assert_eq!(world.stack(1).counters().resets_in, 1);
}

/// What came in before the reset is not lost.
#[test]
fn data_before_a_reset_is_still_received() {
    let mut world = World::pair();
    let listener = world.stack(0).tcp_listen(7).unwrap();
    let (client, server) = world.connect(1, at(1, 7), (0, &listener));
    world.stack(0).tcp_send(&server, b"before").unwrap();
    world.pass(Duration::from_secs(1));
    world.stack(0).abort(server);
    world.pass(Duration::from_secs(1));
    let mut buffer = [0; 8];
    assert_eq!(world.stack(1).tcp_receive(&client, &mut buffer), Ok(6));
    assert_eq!(
        world.stack(1).tcp_receive(&client, &mut buffer),
        Err(nb::Error::Other(Error::ConnectionReset))
    );
}

#[test]
fn a_refusal_and_the_socket_is_as_new() {
    let mut world = World::pair();
    let mut client = world.stack(1).tcp_connect(at(1, 9)).unwrap();
    let error = world.wait(|world| world.stack(1).tcp_connected(&mut client)).unwrap_err();
    assert_eq!((error, error.kind()), (Error::ConnectionRefused, TcpErrorKind::PipeClosed));
    assert_eq!(world.stack(1).free_slots(), 4);
    assert_eq!(
        world.stack(1).tcp_connected(&mut client),
        Err(nb::Error::Other(Error::InvalidState)),
        "as new"
    );
    let start = world.now;
    let _listener = world.stack(0).tcp_listen(9).unwrap();
    let mut client = world.stack(1).tcp_connect(at(1, 9)).unwrap();
    world.wait(|world| world.stack(1).tcp_connected(&mut client)).unwrap();
    assert!(world.now - start < Duration::from_secs(1));
}

#[test]
fn a_connect_to_nobody_times_out() {
    let mut world = World::ethernet();
    world.add(&config(1));
    world.add(&config(2).with_limits(Limits::new().with_connect(Duration::from_secs(9))));
    let mut client = world.stack(1).tcp_connect(at(77, 7)).unwrap();
    let start = world.now;
    let error = world.wait(|world| world.stack(1).tcp_connected(&mut client)).unwrap_err();
    assert_eq!((error, error.kind()), (Error::TimedOut, TcpErrorKind::PipeClosed));
    assert_eq!(world.now - start, Duration::from_secs(9));
    assert_eq!(world.stack(1).counters().failed_connects, 1);
}

#[test]
fn a_silent_peer_times_out() {
    let mut world = World::ethernet();
    world.add(&config(1));
    let limits = Limits::new()
        .with_keep_alive(Duration::from_secs(17))
        .with_user_timeout(Duration::from_secs(70));
    world.add(&config(2).with_limits(limits));
    let listener = world.stack(0).tcp_listen(7).unwrap();
    let (client, _server) = world.connect(1, at(1, 7), (0, &listener));
    world.probe.set_loss(100, 1);
    world.stack(1).tcp_send(&client, b"anybody there?").unwrap();
    let took = ends_with(&mut world, client, Duration::from_secs(200), Error::TimedOut);
    assert!((70..=90).contains(&took.secs()), "{took}");
}

/// The stack itself ends the connection that has been idle longest when the pool is empty.
#[test]
fn an_eviction_is_an_abort_to_its_owner() {
    let mut world = World::ethernet();
    world.add(&config(1));
    let limits = Limits::new().with_client_reserve(0).with_pressure_evict(Duration::from_secs(100));
    world.add(&config(2).with_limits(limits));
    world.add(&config(3));
    let listener = world.stack(0).tcp_listen(7).unwrap();
    let mine = world.stack(1).tcp_listen(8).unwrap();
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(world.connect(1, at(1, 7), (0, &listener)));
    }
    let (last, _) = world.connect(2, at(2, 8), (1, &mine));
    assert_eq!(world.stack(1).free_slots(), 0);
    world.pass(Duration::from_secs(200));
    let _more = world.stack(2).tcp_connect(at(2, 8)).unwrap();
    let oldest = &clients[0].0;
    let error = world
        .wait(|world| world.stack(1).tcp_receive(oldest, &mut [0; 8]))
        .expect_err("the oldest gives way");
    assert_eq!((error, error.kind()), (Error::ConnectionAborted, TcpErrorKind::PipeClosed));
    assert_eq!(world.stack(1).counters().evicted, 1);
    drop(last);
}

/// A handle whose connection is gone for good cannot reach the one that has its slot now.
#[test]
fn a_stale_handle_reaches_nobody() {
    let mut world = World::pair();
    let listener = world.stack(0).tcp_listen(7).unwrap();
    let (client, _server) = world.connect(1, at(1, 7), (0, &listener));
    world.stack(1).abort_all();
    world.until(SOON, |world| (world.stack(1).free_slots() == 4).then_some(()));
    let (next, _) = world.connect(1, at(1, 7), (0, &listener));
    assert_eq!(
        world.stack(1).tcp_send(&client, b"x"),
        Err(nb::Error::Other(Error::ConnectionAborted))
    );
    world.stack(1).abort(client);
    assert_eq!(world.stack(1).state_name(&next), "ESTABLISHED");
}

/// The probe's port is no host: what the tests above lose is lost to all.
#[test]
fn the_wire_is_a_wire() {
    let mut world = World::pair();
    world.pass(Duration::from_secs(1));
    let port: Port = world.probe.clone();
    let heard = std::iter::from_fn(|| port.take(world.now)).count();
    assert!(heard >= 2, "both announce themselves, {heard}; {}", v4(1));
}
