//! The calls on sockets, by std's names: what each does, and when the stack wants to be polled after it.

use crate::common::{SOON, World, at, config, pattern};
use tapboard_net::embedded_nal::nb;
use tapboard_net::smoltcp::time::Duration;
use tapboard_net::{Error, Limits};

#[test]
fn listen_connect_accept_send_receive_close() {
    let mut world = World::pair();
    let listener = world.stack(0).tcp_listen(7).unwrap();
    assert_eq!(world.stack(0).state_name(&listener), "LISTEN");
    assert!(matches!(world.stack(0).tcp_accept(&listener), Err(nb::Error::WouldBlock)));
    let mut client = world.stack(1).tcp_connect(at(1, 7)).unwrap();
    assert!(matches!(world.stack(1).tcp_connected(&mut client), Err(nb::Error::WouldBlock)));
    assert_eq!(
        world.stack(1).tcp_send(&client, b"x"),
        Err(nb::Error::Other(Error::InvalidState)),
        "nothing is sent before the handshake"
    );
    world.wait(|world| world.stack(1).tcp_connected(&mut client)).unwrap();
    let (server, peer) = world.wait(|world| world.stack(0).tcp_accept(&listener)).unwrap();
    let (local, remote) = world.stack(1).endpoints(&client).unwrap();
    assert_eq!((peer, at(1, 7)), (local, remote));

    let mut buffer = [0; 16];
    assert!(matches!(world.stack(0).tcp_receive(&server, &mut buffer), Err(nb::Error::WouldBlock)));
    assert_eq!(world.stack(1).tcp_send(&client, b"hello"), Ok(5));
    assert_eq!(world.stack(1).unacknowledged(&client), 5);
    let peeked = world.wait(|world| world.stack(0).peek(&server, &mut buffer)).unwrap();
    assert_eq!(&buffer[..peeked], b"hello");
    // What was peeked at is still there, and is taken in pieces.
    assert_eq!(world.stack(0).tcp_receive(&server, &mut buffer[..2]), Ok(2));
    assert_eq!(world.stack(0).tcp_receive(&server, &mut buffer[2..]), Ok(3));
    assert_eq!(&buffer[..5], b"hello");

    world.stack(1).tcp_close(client);
    let end = world.wait(|world| world.stack(0).tcp_receive(&server, &mut buffer)).unwrap();
    assert_eq!(end, 0, "the peer's FIN");
    assert_eq!(world.stack(0).state_name(&server), "CLOSE-WAIT");
    world.stack(0).tcp_close(server);
    world.until(SOON, |world| {
        (world.stack(0).free_slots() == 4 && world.stack(1).idle()).then_some(())
    });
    world.stack(0).tcp_close(listener);
    let again = world.stack(0).tcp_listen(7).expect("a closed listener's port is free at once");
    world.stack(0).tcp_close(again);
}

#[test]
fn lent_buffers_take_and_give_what_the_caller_says() {
    let mut world = World::pair();
    let listener = world.stack(0).tcp_listen(7).unwrap();
    let (client, server) = world.connect(1, at(1, 7), (0, &listener));
    // So that the next bytes wrap round the end of both buffers of 2048.
    world.transfer((1, &client), (0, &server), &pattern(1500));
    world.until(SOON, |world| (world.stack(1).unacknowledged(&client) == 0).then_some(()));
    let data = pattern(2000);
    let (mut rest, mut calls) = (&data[..], 0);
    let sent = world.stack(1).tcp_send_with(&client, |room| {
        calls += 1;
        let (now, later) = rest.split_at(room.len().min(rest.len()));
        room[..now.len()].copy_from_slice(now);
        rest = later;
        now.len()
    });
    assert_eq!((sent, calls), (Ok(2000), 2), "the room is in two parts");
    assert_eq!(world.stack(1).send_room(&client), 48);
    assert!(matches!(world.stack(1).tcp_send_with(&client, |_| 0), Err(nb::Error::WouldBlock)));
    let mut received = Vec::new();
    world.until(SOON, |world| {
        // Never more than ten bytes of those lent.
        let mut budget = 10;
        let _ = world.stack(0).tcp_receive_with(&server, |bytes| {
            let count = bytes.len().min(budget);
            budget -= count;
            received.extend_from_slice(&bytes[..count]);
            count
        });
        (received.len() == data.len()).then_some(())
    });
    assert!(received == data);
    for socket in [client, server] {
        drop(socket);
    }
}

#[test]
fn shutdown_closes_one_direction_and_abort_both() {
    let mut world = World::pair();
    let listener = world.stack(0).tcp_listen(7).unwrap();
    let (client, server) = world.connect(1, at(1, 7), (0, &listener));
    world.stack(1).tcp_send(&client, b"last words").unwrap();
    world.stack(1).shutdown(&client).unwrap();
    assert_eq!(
        world.stack(1).tcp_send(&client, b"no more"),
        Err(nb::Error::Other(Error::PipeClosed))
    );
    assert_eq!(world.stack(1).send_room(&client), 0);
    let mut buffer = [0; 16];
    let count = world.wait(|world| world.stack(0).tcp_receive(&server, &mut buffer)).unwrap();
    assert_eq!(&buffer[..count], b"last words");
    let end = world.wait(|world| world.stack(0).tcp_receive(&server, &mut buffer)).unwrap();
    assert_eq!(end, 0);
    // The other direction is still open.
    world.transfer((0, &server), (1, &client), &pattern(5000));

    world.stack(0).abort(server);
    let error = world.wait(|world| world.stack(1).tcp_receive(&client, &mut buffer)).unwrap_err();
    assert_eq!(error, Error::ConnectionReset);
    assert_eq!(world.stack(1).shutdown(&client), Err(Error::ConnectionReset));
    world.stack(1).tcp_close(client);
    world.until(SOON, |world| {
        (world.stack(0).free_slots() == 4 && world.stack(1).free_slots() == 4).then_some(())
    });
}

#[test]
fn calls_that_do_not_fit_the_socket_say_so() {
    let mut world = World::pair();
    let listener = world.stack(0).tcp_listen(7).unwrap();
    let stack = world.stack(0);
    assert_eq!(stack.tcp_listen(7).unwrap_err(), Error::AddressInUse);
    assert_eq!(stack.tcp_listen(0).unwrap_err(), Error::Unaddressable);
    let invalid = nb::Error::Other(Error::InvalidState);
    assert_eq!(stack.tcp_send(&listener, b"x"), Err(invalid));
    assert_eq!(stack.tcp_receive(&listener, &mut [0; 4]), Err(invalid));
    assert_eq!(stack.shutdown(&listener), Err(Error::InvalidState));
    for nowhere in ["0.0.0.0:7", "255.255.255.255:7", "224.0.0.1:7", "192.0.2.255:7", "192.0.2.2:0"]
    {
        let nowhere = nowhere.parse().unwrap();
        assert_eq!(stack.tcp_connect(nowhere).unwrap_err(), Error::Unaddressable, "{nowhere}");
    }
    assert_eq!(stack.tcp_connect("198.51.100.1:7".parse().unwrap()).unwrap_err(), {
        Error::Unaddressable
    });
    assert_eq!(stack.free_slots(), 4);
}

#[test]
fn udp_both_ways() {
    let mut world = World::pair();
    let server = world.stack(0).udp_bind(69).unwrap();
    let client = world.stack(1).udp_connect(at(1, 69)).unwrap();
    world.stack(1).udp_send(&client, b"ping").unwrap();
    let mut buffer = [0; 3];
    let (count, peer) =
        world.wait(|world| world.stack(0).udp_receive(&server, &mut buffer)).unwrap();
    assert_eq!((count, &buffer), (3, b"pin"), "what does not fit is lost");
    assert_eq!(
        world.stack(0).udp_destination(&server).unwrap(),
        Some(at(1, 0).ip()),
        "where it was sent to"
    );
    world.stack(0).udp_send_to(&server, peer, b"pong").unwrap();
    let mut buffer = [0; 8];
    let got = world.wait(|world| world.stack(1).udp_receive(&client, &mut buffer)).unwrap();
    assert_eq!((got, &buffer[..4]), ((4, at(1, 69)), &b"pong"[..]));
    let too_long = vec![0; 1473];
    assert_eq!(
        world.stack(1).udp_send(&client, &too_long),
        Err(nb::Error::Other(Error::MessageTooLong))
    );
    world.stack(1).udp_close(client);
    world.stack(0).udp_close(server);
    let pair = [(); 2].map(|()| world.stack(0).udp_connect(at(2, 9)).unwrap());
    assert_eq!(world.stack(0).udp_connect(at(2, 9)).unwrap_err(), Error::NoBufferSpace);
    for socket in pair {
        world.stack(0).udp_close(socket);
    }
}

/// `wants_poll` after each call that leaves something to send, and not after a poll.
#[test]
fn the_stack_wants_a_poll_after_what_leaves_something_to_send() {
    let mut world = World::pair();
    let listener = world.stack(0).tcp_listen(7).unwrap();
    world.pass(Duration::from_secs(10));
    assert!(!world.stack(0).wants_poll() && !world.stack(1).wants_poll());
    let mut client = world.stack(1).tcp_connect(at(1, 7)).unwrap();
    assert!(world.stack(1).wants_poll(), "connect");
    world.wait(|world| world.stack(1).tcp_connected(&mut client)).unwrap();
    let (server, _) = world.wait(|world| world.stack(0).tcp_accept(&listener)).unwrap();

    let settle = |world: &mut World| {
        world.pass(Duration::from_secs(1));
        assert!(!world.stack(0).wants_poll() && !world.stack(1).wants_poll());
    };
    settle(&mut world);
    world.stack(1).tcp_send(&client, &[1; 2048]).unwrap();
    assert!(world.stack(1).wants_poll(), "data");
    settle(&mut world);
    let mut buffer = [0; 2048];
    world.stack(0).peek(&server, &mut buffer).unwrap();
    assert!(!world.stack(0).wants_poll(), "a peek opens no window");
    assert_eq!(world.stack(0).tcp_receive(&server, &mut buffer), Ok(2048));
    assert!(world.stack(0).wants_poll(), "a read that opens the window again");
    let before = world.nodes[0].port.take_sent().len();
    settle(&mut world);
    assert!(!world.nodes[0].port.take_sent().is_empty(), "it is told to the peer; {before}");
    world.stack(1).shutdown(&client).unwrap();
    assert!(world.stack(1).wants_poll(), "shutdown");
    settle(&mut world);
    world.stack(0).tcp_close(server);
    assert!(world.stack(0).wants_poll(), "close");
    settle(&mut world);
    world.stack(1).tcp_close(client);

    let (client, server) = world.connect(1, at(1, 7), (0, &listener));
    settle(&mut world);
    world.stack(1).abort(client);
    assert!(world.stack(1).wants_poll(), "abort");
    settle(&mut world);
    drop(server);
    let udp = world.stack(1).udp_connect(at(1, 9)).unwrap();
    assert!(!world.stack(1).wants_poll(), "a UDP connect sends nothing");
    world.stack(1).udp_send(&udp, b"x").unwrap();
    assert!(world.stack(1).wants_poll(), "a datagram");
    settle(&mut world);
    world.stack(1).link_up();
    assert!(world.stack(1).wants_poll(), "a cable that is in again");
    settle(&mut world);
    world.stack(1).reconfigure(&config(3));
    assert!(world.stack(1).wants_poll(), "another address");
    settle(&mut world);
    world.stack(1).abort_all();
    assert!(world.stack(1).wants_poll(), "all are reset");
}

/// The driver of these tests polls only for a frame, a deadline or `wants_poll`; so each transfer shows that they are
/// enough, and with loss that deadlines are.
#[test]
fn transfers_complete_when_polled_only_as_told_and_in_spite_of_loss() {
    for (loss, seed) in [(0, 0), (5, 1), (20, 2), (20, 3)] {
        let mut world = World::pair();
        world.probe.set_delay(Duration::from_millis(10));
        world.probe.set_loss(loss, seed);
        let listener = world.stack(0).tcp_listen(7).unwrap();
        let (client, server) = world.connect(1, at(1, 7), (0, &listener));
        world.transfer((1, &client), (0, &server), &pattern(50_000));
        world.transfer((0, &server), (1, &client), &pattern(50_000));
        world.stack(1).tcp_close(client);
        world.wait(|world| world.stack(0).tcp_receive(&server, &mut [0; 1])).unwrap();
        world.stack(0).tcp_close(server);
        world.until(SOON * 2, |world| {
            (world.stack(0).idle() && world.stack(1).idle()).then_some(())
        });
        let again = u64::from(world.stack(0).counters().retransmitted > 0);
        assert_eq!(again > 0, loss > 0, "{loss} %, seed {seed}");
    }
}

/// The application within the turn: what it sends leaves with the same one, and when it wants its next is heeded.
#[test]
fn an_application_within_the_turn() {
    let mut world = World::pair();
    let listener = world.stack(0).tcp_listen(7).unwrap();
    let (client, server) = world.connect(1, at(1, 7), (0, &listener));
    world.pass(Duration::from_secs(1));
    world.nodes[0].port.take_sent();
    let wish = world.now + Duration::from_millis(7);
    let node = &mut world.nodes[0];
    let next = node.stack.poll_with(world.now, &mut node.port, |stack, _| {
        assert_eq!(stack.tcp_send(&server, b"within"), Ok(6));
        Some(wish)
    });
    assert_eq!(next, Some(wish));
    assert!(!node.stack.wants_poll());
    assert_eq!(node.port.take_sent().len(), 1);
    let mut buffer = [0; 8];
    let count = world.wait(|world| world.stack(1).tcp_receive(&client, &mut buffer)).unwrap();
    assert_eq!(&buffer[..count], b"within");
}

/// An idle stack costs nothing: with a connection open, only its keep-alive wakes it.
#[test]
fn an_idle_stack_is_not_polled() {
    let mut world = World::pair();
    let limits = Limits::new().with_keep_alive(Duration::from_secs(25));
    world.add(&config(3).with_limits(limits));
    let listener = world.stack(0).tcp_listen(7).unwrap();
    let (client, server) = world.connect(2, at(1, 7), (0, &listener));
    world.pass(Duration::from_secs(5));
    let before = world.stack(2).counters().polls;
    world.pass(Duration::from_secs(1000));
    let polls = world.stack(2).counters().polls - before;
    assert!((80..=400).contains(&polls), "{polls} polls in 1000 s");
    assert_eq!(world.stack(2).state_name(&client), "ESTABLISHED");
    drop(server);
}

#[test]
fn a_datagram_for_somebody_who_is_not_there_takes_nothing_with_it() {
    let mut world = World::pair();
    let receiver = world.stack(0).udp_bind(69).unwrap();
    let sender = world.stack(1).udp_bind(9).unwrap();
    let other = world.stack(1).udp_bind(10).unwrap();
    // It is not read before all is over.
    world.stack(0).udp_send_to(&receiver, at(2, 9), b"in").unwrap();
    world.pass(SOON / 10);
    world.stack(1).udp_send_to(&sender, at(99, 69), b"lost").unwrap();
    world.stack(1).udp_send_to(&sender, at(1, 69), b"behind").unwrap();
    world.stack(1).udp_send_to(&other, at(1, 69), b"beside").unwrap();
    let (start, mut buffer) = (world.now, [0; 16]);
    let mut next = |world: &mut World| {
        let result = world.wait(|world| world.stack(0).udp_receive(&receiver, &mut buffer));
        let (count, _) = result.unwrap();
        (buffer[..count].to_vec(), world.now - start)
    };
    let (first, at_once) = next(&mut world);
    assert_eq!(first, b"beside");
    assert!(at_once < Duration::from_millis(100), "another socket waits for nothing: {at_once}");
    let (second, later) = next(&mut world);
    assert_eq!(second, b"behind");
    assert!((Duration::from_secs(3)..Duration::from_secs(4)).contains(&later), "{later}");
    assert_eq!(world.stack(1).counters().datagrams_unsent, 1);
    let unread = world.stack(1).udp_receive(&sender, &mut [0; 16]);
    assert_eq!(unread.map(|(count, _)| count), Ok(2), "what came in is there still");
}

#[test]
fn what_begins_a_connection_waits_for_its_neighbours_answer_and_no_longer() {
    let mut world = World::pair();
    let listener = world.stack(0).tcp_listen(7).unwrap();
    let start = world.now;
    let _ = world.connect(1, at(1, 7), (0, &listener));
    let took = world.now - start;
    assert!(took < Duration::from_millis(500), "it left once, and was not lost: {took}");
}
