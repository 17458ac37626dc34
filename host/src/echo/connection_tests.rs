//! What a connection does about time, and about addresses that do not answer.

use super::*;
use crate::net::reset_connection;

#[path = "../../../tests/common/ports.rs"]
mod ports;

/// A plan for connections to these addresses that sends nothing, with no limit that any of it reaches.
fn plan(addresses: Vec<SocketAddr>) -> EchoPlan {
    let timeout = Duration::from_mins(1);
    let (connect_timeout, stall_timeout) = (timeout, timeout);
    EchoPlan {
        services: vec![addresses],
        seed: 1,
        pings: 0,
        bytes: 0,
        connect_timeout,
        stall_timeout,
    }
}

#[test]
fn a_connection_in_the_queue_waits_for_the_others_and_then_stalls() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (connect_timeout, stall_timeout) = (Duration::from_mins(1), Duration::from_secs(30));
    let addresses = vec![listener.local_addr().unwrap()];
    let plan = EchoPlan {
        services: vec![addresses],
        seed: 1,
        pings: 1,
        bytes: 1,
        connect_timeout,
        stall_timeout,
    };
    let poll = mio::Poll::new().unwrap();
    let mut connection = Connection::start(&plan, 0, poll.registry(), Token(0));
    let others_moved = connection.started + Duration::from_secs(7);
    let connecting = connection.deadline(&plan, others_moved);
    assert_eq!(connecting, Some(connection.started + connect_timeout));

    connection.state =
        match std::mem::replace(&mut connection.state, State::Over(Outcome::Verified)) {
            State::Connecting(stream) => State::Open(stream),
            other => panic!("{other:?}"),
        };
    assert_eq!(connection.deadline(&plan, others_moved), Some(others_moved + stall_timeout));
    connection.verified = 1;
    let own = connection.moved + stall_timeout;
    assert_eq!(connection.deadline(&plan, others_moved), Some(own), "it has its slot");
    connection.expire(&plan);
    assert!(matches!(
        connection.outcome(),
        Some(Outcome::Failed(Fault::Stalled { verified: 1, .. }))
    ));
    assert_eq!(connection.deadline(&plan, others_moved), None);
}

#[test]
fn an_address_that_refuses_is_followed_by_the_next() {
    let closed = ports::local(ports::free_port());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let open = listener.local_addr().unwrap();
    for (addresses, connects) in [(vec![closed, open], true), (vec![closed, closed], false)] {
        let plan = plan(addresses);
        let mut poll = mio::Poll::new().unwrap();
        let mut events = mio::Events::with_capacity(8);
        let mut scratch = Scratch { send: vec![0; 16], receive: vec![0; 16] };
        let mut connection = Connection::start(&plan, 0, poll.registry(), Token(0));
        while connection.handshake_time.is_none() && connection.outcome().is_none() {
            poll.poll(&mut events, Some(plan.stall_timeout)).unwrap();
            assert!(!events.is_empty(), "neither connected nor refused");
            events.iter().for_each(|event| connection.wake(event));
            connection.turn(&plan, &mut scratch, poll.registry(), Token(0));
        }
        assert_eq!(connection.handshake_time.is_some(), connects);
        assert_eq!(matches!(connection.outcome(), Some(Outcome::Refused(_))), !connects);
        assert_eq!(connection.peer(), plan.addresses(0)[1]);
    }
}

/// What comes of a connection that its peer has reset after it sent `data`, when that is found out by our FIN.
fn outcome_of_reset(data: &[u8]) -> Outcome {
    let stream = reset_connection(data);
    stream.set_nonblocking(true).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let plan = plan(vec![listener.local_addr().unwrap()]);
    let poll = mio::Poll::new().unwrap();
    let mut connection = Connection::start(&plan, 0, poll.registry(), Token(0));
    connection.state = State::Open(TcpStream::from_std(stream));
    connection.writable = true;
    let mut scratch = Scratch { send: vec![0; 16], receive: vec![0; 16] };
    connection.turn(&plan, &mut scratch, poll.registry(), Token(0));
    connection.outcome().expect("it is over").clone()
}

#[test]
fn our_fin_finds_out_a_reset_as_a_read_does() {
    let outcome = outcome_of_reset(b"");
    let Outcome::Failed(Fault::Lost { reason, .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(reason, "the peer reset the connection");
}

#[test]
fn a_peer_that_sends_what_is_not_due_and_breaks_off_is_told_of_the_first() {
    let outcome = outcome_of_reset(b"login: ");
    assert!(matches!(outcome, Outcome::Failed(Fault::Excess { sent: 0, extra: 7 })), "{outcome:?}");
}
