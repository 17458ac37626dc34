//! The limits that are a user's: reserves, sizes, handles that are left alone.

use crate::common::{Port, SOON, World, at, config, pattern};
use tapboard_net::smoltcp::phy::Medium;
use tapboard_net::smoltcp::socket::tcp::State;
use tapboard_net::smoltcp::time::{Duration, Instant};
use tapboard_net::{Error, Limits};

/// How many of `clients` plain ones that connect to `port` at once are accepted while all stay connected.
fn accepted(world: &mut World, port: u16, clients: u16) -> usize {
    let listener = world.stack(0).tcp_listen(port).unwrap();
    let mut connections = Vec::new();
    let handles: Vec<_> = (0..clients)
        .map(|client| {
            let handle = world.plain[0].add_tcp();
            world.plain[0].connect(handle, 1, port, 40_000 + port * 100 + client);
            handle
        })
        .collect();
    // Their second and third SYN is not served either.
    let end = world.now + Duration::from_secs(5);
    world.until(SOON, |world| {
        while let Ok((connection, _)) = world.stack(0).tcp_accept(&listener) {
            connections.push(connection);
        }
        (world.now >= end).then_some(())
    });
    let established =
        handles.iter().filter(|handle| world.plain[0].tcp(**handle).state() == State::Established);
    assert_eq!(established.count(), connections.len());
    connections.len()
}

fn world(limits: Limits) -> World {
    let mut world = World::ethernet();
    world.add(&config(1).with_limits(limits));
    world.add_plain(2);
    world
}

#[test]
fn a_server_without_a_client_side_uses_all_its_slots() {
    let mut none_reserved = world(Limits::new().with_client_reserve(0));
    assert_eq!(accepted(&mut none_reserved, 7, 6), 4);
    let mut one_reserved = world(Limits::new());
    assert_eq!(accepted(&mut one_reserved, 7, 6), 3);
    let _ = one_reserved.stack(0).tcp_connect(at(2, 9)).expect("the slot that is kept for it");
}

#[test]
fn one_ports_crowd_leaves_the_others_their_reserve() {
    for (limits, first, second) in [
        (Limits::new().with_client_reserve(0), 3, 1),
        (Limits::new().with_client_reserve(0).with_reserve(2), 2, 2),
        (Limits::new().with_client_reserve(1), 2, 1),
    ] {
        let mut world = world(limits);
        let other = world.stack(0).tcp_listen(8).unwrap();
        assert_eq!(accepted(&mut world, 7, 6), first, "{limits:?}");
        world.stack(0).tcp_close(other);
        assert_eq!(accepted(&mut world, 8, 6), second, "{limits:?}");
    }
}

#[test]
fn more_ports_than_reserves_can_be_kept_for_are_refused() {
    let mut world = World::ethernet();
    world.add(&config(1).with_limits(Limits::new().with_reserve(2)));
    let stack = world.stack(0);
    let _first = stack.tcp_listen(7).unwrap();
    // 2 for each port and 1 for the client side are more than 4.
    assert_eq!(stack.tcp_listen(8).unwrap_err(), Error::NoBufferSpace);
}

#[test]
fn a_handle_that_is_left_alone_stays() {
    let mut world = World::pair();
    let listener = world.stack(0).tcp_listen(7).unwrap();
    let (client, server) = world.connect(1, at(1, 7), (0, &listener));
    let udp = world.stack(0).udp_bind(69).unwrap();
    world.pass(Duration::from_secs(2000));
    world.transfer((1, &client), (0, &server), &pattern(100));
    let _second = world.connect(1, at(1, 7), (0, &listener));
    world.stack(0).udp_send_to(&udp, at(2, 69), b"x").unwrap();
    assert_eq!(world.stack(0).counters().abandoned, 0);
}

#[test]
fn a_handle_that_was_dropped_is_reclaimed_if_a_limit_says_when() {
    let mut world = World::ethernet();
    let abandoned = Some(Duration::from_secs(1000));
    world.add(&config(1).with_limits(Limits::new().with_abandoned(abandoned)));
    world.add(&config(2));
    let listener = world.stack(0).tcp_listen(7).unwrap();
    let (client, dropped) = world.connect(1, at(1, 7), (0, &listener));
    let udp = world.stack(0).udp_bind(69).unwrap();
    drop(dropped);
    world.pass(Duration::from_secs(900));
    assert_eq!(world.stack(0).state_name(&listener), "LISTEN", "a call that names it");
    world.pass(Duration::from_secs(900));
    let error = world.wait(|world| world.stack(1).tcp_receive(&client, &mut [0; 1])).unwrap_err();
    assert_eq!(error, Error::ConnectionReset, "the dropped connection");
    assert_eq!(world.stack(0).udp_destination(&udp), Err(Error::ConnectionAborted));
    assert_eq!(world.stack(0).counters().abandoned, 2);
    assert_eq!(world.stack(0).state_name(&listener), "LISTEN", "it was used later");
    world.pass(Duration::from_secs(1001));
    assert_eq!(world.stack(0).state_name(&listener), "CLOSED");
    assert_eq!(world.stack(0).counters().abandoned, 3);
    let _ = world.stack(0).tcp_listen(7).expect("the port is free");
}

#[test]
fn listeners_are_as_many_as_their_parameter_says() {
    let mut world = World::ethernet();
    let limits = Limits::new().with_client_reserve(0);
    world.add_sized::<4, 1, 2, 1, 8>(&config(1).with_limits(limits));
    let first = world.stack(0).tcp_listen(1).unwrap();
    let _second = world.stack(0).tcp_listen(2).unwrap();
    assert_eq!(world.stack(0).tcp_listen(3).unwrap_err(), Error::NoBufferSpace);
    world.stack(0).tcp_close(first);
    let third = world.stack(0).tcp_listen(3).unwrap();
    // A client alone needs none.
    world.add_sized::<1, 0, 0, 0, 0>(&config(2));
    assert_eq!(world.stack(1).tcp_listen(1).unwrap_err(), Error::NoBufferSpace);
    assert_eq!(world.stack(1).udp_bind(1).unwrap_err(), Error::NoBufferSpace);
    let _ = world.connect(1, at(1, 3), (0, &third));
}

/// Five clients at a server of one slot: how many requests it could not remember, and whether all were served.
fn crowd_at_one_slot<const REQUESTS: usize>() -> u64 {
    let mut world = World::ethernet();
    let limits = Limits::new().with_client_reserve(0);
    world.add_sized::<1, 0, 1, 0, REQUESTS>(&config(1).with_limits(limits));
    world.add_plain(2);
    let listener = world.stack(0).tcp_listen(7).unwrap();
    let handles = [(); 5].map(|()| world.plain[0].add_tcp());
    for (handle, port) in handles.into_iter().zip(50_000..) {
        world.plain[0].connect(handle, 1, 7, port);
    }
    let mut served = 0;
    world.until(SOON * 10, |world| {
        if let Ok((connection, _)) = world.stack(0).tcp_accept(&listener) {
            world.stack(0).tcp_close(connection);
            served += 1;
        }
        for handle in handles {
            let socket = world.plain[0].tcp(handle);
            if socket.state() == State::CloseWait {
                socket.close();
            }
        }
        (served == handles.len()).then_some(())
    });
    world.stack(0).counters().syn_dropped
}

#[test]
fn a_backlog_remembers_as_many_as_its_parameter_says_and_none_is_well() {
    assert_eq!(crowd_at_one_slot::<32>(), 0);
    assert_eq!(crowd_at_one_slot::<4>(), 0);
    assert!(crowd_at_one_slot::<2>() >= 2);
    assert!(crowd_at_one_slot::<0>() >= 4);
}

#[test]
fn two_stacks_of_different_sizes_are_one_program() {
    let mut world = World::ethernet();
    let small = world
        .add_sized::<1, 1, 1, 1, 1>(&config(1).with_limits(Limits::new().with_client_reserve(0)));
    let large = world.add_sized::<12, 4, 8, 6, 32>(&config(2));
    let listeners = [7, 8].map(|port| world.stack(large).tcp_listen(port).unwrap());
    let (client, server) = world.connect(small, at(2, 7), (large, &listeners[0]));
    world.transfer((small, &client), (large, &server), &pattern(10_000));
    assert_eq!(world.stack(small).free_slots(), 0);
    assert_eq!(world.stack(small).tcp_connect(at(2, 8)).unwrap_err(), Error::NoBufferSpace);
    assert_eq!(world.stack(large).free_slots(), 11);
    world.stack(small).tcp_close(client);
    world.stack(large).tcp_close(server);
    world.until(SOON, |world| world.stack(small).idle().then_some(()));
    // The other way round.
    let listener = world.stack(small).tcp_listen(9).unwrap();
    let (client, server) = world.connect(large, at(1, 9), (small, &listener));
    world.transfer((large, &client), (small, &server), &pattern(10_000));
}

#[test]
#[should_panic(expected = "one pair of buffers for each socket")]
fn buffers_for_other_sockets_are_a_mistake_that_is_told_at_once() {
    use tapboard_net::{NetStack, Sockets, Storage};
    let mut storage = Storage::<2, 2048, 1, 1472>::new();
    let mut sockets = Sockets::<3, 1>::new();
    let mut port = Port::first(Medium::Ethernet);
    let now = Instant::ZERO;
    let _ = NetStack::new(&config(1), &mut port, now, 1, &mut storage, &mut sockets);
}
