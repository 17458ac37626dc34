//! The accept queue, and those who wait at it.

use core::net::SocketAddr;
use std::sync::Arc;

use tapboard_net::Error;
use tapboard_net::asynch::{Async, TcpStream, edge_nal};
use tapboard_net::smoltcp::time::Duration;

use super::executor::Flag;
use super::world::{SLOTS, World};
use super::{one, two};

const MINUTE: Duration = Duration::from_secs(60);

/// Connects, and stays.
async fn connect<'t>(net: Async<'t, 't>) -> TcpStream<'t, 't> {
    net.tcp_connect(one(7)).await.expect("the peer listens")
}

#[test]
fn each_connection_wakes_one_of_those_who_wait() {
    let mut world = World::new();
    let [server, client] = world.nets();
    let listener = server.tcp_listen(7).unwrap();
    let listener = &*Box::leak(Box::new(listener));
    let waiting: Vec<_> = (0..5)
        .map(|_| world.tasks.result(async move { listener.accept().await.unwrap() }))
        .collect();
    world.pass(MINUTE);
    let woken = |waiting: &[(Arc<Flag>, _)]| -> usize {
        waiting.iter().map(|(task, _)| task.wakes()).sum()
    };
    assert_eq!(woken(&waiting), 0);
    for number in 1..=3 {
        let (_, stream) = world.tasks.result(connect(client));
        world.pass(Duration::from_secs(1));
        assert!(stream.borrow().is_some());
        assert_eq!(woken(&waiting), number, "no more than one");
        assert_eq!(waiting.iter().filter(|(task, _)| task.done()).count(), number);
        // Its end is not theirs.
        drop(stream.take());
        world.pass(MINUTE);
        assert_eq!(woken(&waiting), number);
    }
}

#[test]
fn a_connection_to_one_port_wakes_nobody_at_another() {
    let mut world = World::new();
    let [server, client] = world.nets();
    let waits = |port| async move { drop(server.tcp_listen(port).unwrap().accept().await) };
    let others = [5, 6].map(|port| world.tasks.spawn(waits(port)));
    let own = world.tasks.spawn(waits(7));
    let (_, stream) = world.tasks.result(connect(client));
    world.pass(Duration::from_secs(1));
    assert!(stream.take().is_some());
    assert_eq!((own.wakes(), others.map(|task| task.wakes())), (1, [0; 2]));
}

#[test]
fn connections_are_accepted_in_the_order_in_which_they_came() {
    let mut world = World::new();
    let [server, client] = world.nets();
    let listener = server.tcp_listen(7).unwrap();
    let mut streams = Vec::new();
    for _ in 0..4 {
        let (_, stream) = world.tasks.result(connect(client));
        world.pass(Duration::from_secs(1));
        streams.push(stream.take().expect("the handshake needs nobody who accepts"));
    }
    let (_, accepted) = world.tasks.result(async move {
        let mut remotes = Vec::new();
        for _ in 0..4 {
            remotes.push(listener.accept().await.unwrap().1);
        }
        remotes
    });
    world.finish(MINUTE);
    let locals: Vec<_> = streams.iter().map(|stream| stream.endpoints().unwrap().0).collect();
    assert_eq!(accepted.take(), Some(locals));
}

#[test]
fn who_is_woken_and_gone_passes_the_connection_on() {
    let mut world = World::new();
    let [server, client] = world.nets();
    let listener = server.tcp_listen(7).unwrap();
    let listener = &*Box::leak(Box::new(listener));
    let waiting: Vec<_> =
        (0..3).map(|_| world.tasks.spawn(async move { drop(listener.accept().await) })).collect();
    world.pass(Duration::from_secs(1));
    let socket = client.shared().with(|stack| stack.tcp_connect(one(7)).unwrap());
    // Until one of them is woken, before it runs.
    let chosen = |waiting: &[Arc<Flag>]| waiting.iter().position(|task| task.is_woken());
    assert!(world.run_stacks_until(MINUTE, || chosen(&waiting).is_some()));
    let first = chosen(&waiting).unwrap();
    world.tasks.cancel(&waiting[first]);
    let second = (0..3).find(|&task| task != first && waiting[task].is_woken());
    let second = second.expect("nobody looks after the connection");
    world.pass(Duration::from_secs(1));
    assert!(waiting[second].done());
    let third = 3 - first - second;
    assert_eq!(waiting[third].wakes(), 0);
    client.shared().with(|stack| stack.tcp_close(socket));
}

#[test]
fn as_many_wait_as_there_are_slots() {
    let mut world = World::new();
    let server = world.boards[0].net();
    let listener = server.tcp_listen(7).unwrap();
    let listener = &*Box::leak(Box::new(listener));
    let waiting: Vec<_> =
        (0..SLOTS).map(|_| world.tasks.spawn(async { drop(listener.accept().await) })).collect();
    world.pass(Duration::from_secs(1));
    let (_, refused) = world.tasks.result(async { listener.accept().await.err() });
    world.pass(Duration::from_secs(1));
    assert_eq!(refused.take(), Some(Some(Error::NoBufferSpace)));
    // A place is free as soon as one is gone.
    world.tasks.cancel(&waiting[3]);
    let (_, waits) = world.tasks.result(async { listener.accept().await.err() });
    world.pass(Duration::from_secs(1));
    assert_eq!(waits.take(), None);
}

#[test]
fn a_listener_that_the_stack_takes_back_ends_the_wait() {
    let limits = tapboard_net::Limits::new().with_abandoned(Some(MINUTE));
    let mut world = World::with(1, limits);
    let server = world.boards[0].net();
    let listener = &*Box::leak(Box::new(server.tcp_listen(7).unwrap()));
    // Who waits uses it, however long.
    let (task, accepted) = world.tasks.result(async { listener.accept().await.map(drop) });
    for _ in 0..10 {
        world.pass(MINUTE / 2);
    }
    assert_eq!((task.wakes(), accepted.take()), (0, None));
    world.tasks.cancel(&task);
    world.pass(MINUTE * 2);
    assert_eq!(server.tcp_listen(7).map(drop), Ok(()), "nobody waits there any more");
}

#[test]
fn addresses_to_bind_to_are_our_own_or_any() {
    let mut world = World::new();
    let net = world.boards[0].net();
    let (_, results) = world.tasks.result(async move {
        let foreign = bind(net, two(7)).await;
        let own = bind(net, one(7)).await;
        let taken = bind(net, ([0, 0, 0, 0], 7).into()).await;
        (foreign, own, taken)
    });
    world.finish(MINUTE);
    let (foreign, own, taken) = results.take().unwrap();
    assert_eq!(foreign, Err(Error::Unaddressable));
    assert_eq!(own, Ok(()));
    // The first has been dropped.
    assert_eq!(taken, Ok(()));
}

/// Both protocols alike.
async fn bind(net: Async<'_, '_>, local: SocketAddr) -> Result<(), Error> {
    let tcp = edge_nal::TcpBind::bind(&net, local).await.map(drop);
    let udp = edge_nal::UdpBind::bind(&net, local).await.map(drop);
    assert_eq!(tcp, udp);
    tcp
}
