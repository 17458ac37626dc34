//! A SYN-ACK that waits until the application admits the peer.

use crate::common::{SOON, World, at, pattern};
use tapboard_net::Error;
use tapboard_net::smoltcp::time::Duration;

#[test]
fn nobody_is_connected_before_being_admitted() {
    let mut world = World::pair();
    let listener = world.stack(0).tcp_listen(7).unwrap();
    world.stack(0).listen_deferred(&listener).unwrap();
    let mut client = world.stack(1).tcp_connect(at(1, 7)).unwrap();
    let (server, peer) = world.wait(|world| world.stack(0).accept_deferred(&listener)).unwrap();
    assert_eq!(peer, world.stack(1).endpoints(&client).unwrap().0);
    world.pass(Duration::from_secs(3));
    assert_eq!(world.stack(1).state_name(&client), "SYN-SENT");
    let polls = world.stack(0).counters().polls;
    assert!(polls < 1000, "{polls} polls while it waits");
    world.stack(0).admit(&server).unwrap();
    assert!(world.stack(0).wants_poll());
    let start = world.now;
    world.wait(|world| world.stack(1).tcp_connected(&mut client)).unwrap();
    assert!(world.now - start < Duration::from_millis(100));
    world.transfer((1, &client), (0, &server), &pattern(5000));
}

#[test]
fn who_is_not_admitted_is_refused() {
    let mut world = World::pair();
    let listener = world.stack(0).tcp_listen(7).unwrap();
    world.stack(0).listen_deferred(&listener).unwrap();
    let mut client = world.stack(1).tcp_connect(at(1, 7)).unwrap();
    let (server, _) = world.wait(|world| world.stack(0).accept_deferred(&listener)).unwrap();
    world.stack(0).abort(server);
    let error = world.wait(|world| world.stack(1).tcp_connected(&mut client)).unwrap_err();
    assert_eq!(error, Error::ConnectionRefused);
    world.until(SOON, |world| (world.stack(0).free_slots() == 4).then_some(()));
}
