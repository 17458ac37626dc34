//! Datagrams.

use tapboard_net::Error;
use tapboard_net::asynch::edge_nal::{
    MulticastV4 as _, Readable as _, UdpConnect as _, UdpReceive as _, UdpSend as _,
    UdpSplitMulticast as _,
};
use tapboard_net::smoltcp::time::Duration;

use super::world::{UDP, World};
use super::{one, two};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_datagram_wakes_the_one_it_is_for() {
    let mut world = World::new();
    let [server, client] = world.nets();
    let echo = world.tasks.spawn(async move {
        let mut socket = server.udp_bind(7).unwrap();
        let mut buffer = [0; 64];
        for _ in 0..3 {
            socket.readable().await.unwrap();
            let (count, remote) = socket.receive(&mut buffer).await.unwrap();
            socket.send(remote, &buffer[..count]).await.unwrap();
        }
        // What does not fit is lost; the length tells.
        let (count, _) = socket.receive(&mut buffer).await.unwrap();
        assert_eq!(count, 1000);
        assert_eq!(buffer, [7; 64]);
    });
    let idle = world.tasks.spawn(async move {
        let mut socket = server.udp_bind(9).unwrap();
        let _ = socket.receive(&mut [0; 8]).await;
    });
    let (asks, _socket) = world.tasks.result(async move {
        let mut socket = client.udp_connect(one(7)).unwrap();
        for number in 0..3 {
            // To a connected socket the address is no matter.
            socket.send(one(9), &[number; 8]).await.unwrap();
            let mut buffer = [0; 64];
            let (count, remote) = socket.receive(&mut buffer).await.unwrap();
            assert_eq!((&buffer[..count], remote), (&[number; 8][..], one(7)));
        }
        socket.send(one(7), &[7; 1000]).await.unwrap();
        // What has not left would go with it.
        socket
    });
    assert!(world.run_until(MINUTE, |_| echo.done() && asks.done()));
    assert_eq!((echo.wakes(), asks.wakes(), idle.wakes()), (4, 3, 0));
}

#[test]
fn who_finds_no_room_waits_until_some_has_left() {
    let mut world = World::new();
    let [server, client] = world.nets();
    // Nobody tells the peer's MAC address: nothing leaves.
    world.cut(0, true);
    let (sender, sent) = world.tasks.result(async move {
        let mut socket = client.udp_bind(0).unwrap();
        for number in 0..6 {
            socket.send(one(7), &[number; 200]).await.unwrap();
        }
        // Until they have left.
        socket.receive(&mut [0; 8]).await
    });
    world.pass(Duration::from_millis(500));
    assert_eq!(sender.wakes(), 0);
    world.cut(0, false);
    // A socket queues four: the first ones that leave do not arrive, so that all are counted.
    let mut left = 0;
    world.lose(1, move |frame| {
        left += usize::from(frame[12..14] == [8, 0]);
        frame[12..14] == [8, 0] && left <= 4
    });
    let (receiver, _socket) = world.tasks.result(async move {
        let mut socket = server.udp_bind(7).unwrap();
        for number in 4..6 {
            let mut buffer = [0; 200];
            let (_, remote) = socket.receive(&mut buffer).await.unwrap();
            assert_eq!(buffer, [number; 200]);
            if number == 5 {
                socket.send(remote, b"done").await.unwrap();
            }
        }
        socket
    });
    let done = world.run_until(MINUTE, |_| receiver.done() && sent.borrow().is_some());
    assert!(done, "{}", world.counters());
    // Once for room, perhaps once for each datagram that left before, once for the answer.
    assert!((2..=4).contains(&sender.wakes()), "{}", sender.wakes());
    assert_eq!(sent.take(), Some(Ok((4, one(7)))));
}

#[test]
fn room_for_a_datagram_is_more_than_a_place_in_the_queue() {
    let mut world = World::new();
    let [_, client] = world.nets();
    world.cut(0, true);
    let sender = world.tasks.spawn(async move {
        let mut socket = client.udp_bind(0).unwrap();
        for _ in 0..3 {
            socket.send(one(7), &[7; 1000]).await.unwrap();
        }
    });
    // It asks for its neighbour's MAC address three times meanwhile, and then drops what waits for that.
    world.pass(Duration::from_millis(2500));
    assert_eq!((sender.wakes(), sender.done()), (0, false));
    world.pass(MINUTE);
    assert_eq!((sender.wakes(), sender.done()), (1, true));
}

#[test]
fn empty_datagrams_make_room_too() {
    let mut world = World::new();
    let [_, client] = world.nets();
    let sender = world.tasks.spawn(async move {
        let mut socket = client.udp_bind(0).unwrap();
        for _ in 0..9 {
            socket.send(one(7), b"").await.unwrap();
        }
    });
    assert!(world.run_until(MINUTE, |_| sender.done()));
}

#[test]
fn halves_are_used_at_once_and_groups_are_not_to_be_had() {
    let mut world = World::new();
    let [server, client] = world.nets();
    let (_, addresses) = world.tasks.result(async move {
        let mut socket = server.connect(one(7), two(8)).await.unwrap();
        let (mut receive, mut send, mut v4, _) = socket.split_multicast();
        assert_eq!(
            v4.join_v4([224, 0, 0, 251].into(), [0; 4].into()).await,
            Err(Error::Unsupported)
        );
        let mut buffer = [0; 8];
        let receiving = receive.receive(&mut buffer);
        send.send(two(9), b"ping").await.unwrap();
        receiving.await
    });
    world.tasks.spawn(async move {
        // A stranger's does not count.
        client.udp_bind(9).unwrap().send(one(7), b"no").await.unwrap();
        let mut socket = client.udp_bind(8).unwrap();
        let (_, remote) = socket.receive(&mut [0; 8]).await.unwrap();
        socket.send(remote, b"pong!").await.unwrap();
        // It leaves before the socket is gone.
        let _ = socket.receive(&mut [0; 8]).await;
    });
    assert!(world.run_until(MINUTE, |_| addresses.borrow().is_some()));
    assert_eq!(addresses.take(), Some(Ok((5, two(8)))));
}

#[test]
fn a_socket_that_is_dropped_frees_its_port_and_place() {
    let world = World::new();
    let net = world.boards[0].net();
    for _ in 0..UDP * 2 {
        let sockets: Vec<_> = (0..UDP).map(|port| net.udp_bind(7 + port as u16).unwrap()).collect();
        assert_eq!(net.udp_bind(0).map(drop), Err(Error::NoBufferSpace));
        drop(sockets);
    }
    let socket = net.udp_bind(7).unwrap();
    net.shared().with(|_| drop(socket));
    assert!(net.wants_poll());
    assert_eq!(net.udp_bind(7).map(drop), Ok(()));
}
