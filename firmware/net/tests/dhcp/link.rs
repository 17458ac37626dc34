//! The cable comes in again, in the same network or in another one.

use tapboard_net::netstat::Origin;
use tapboard_net::smoltcp::wire::DhcpMessageType;

use super::server::Server;
use super::{address, client, pass, seconds, since, until};
use crate::common::{World, at, config, mac, pattern, v4};

#[test]
fn in_the_same_network_the_lease_is_confirmed_and_connections_go_on() {
    let mut world = World::ethernet();
    let mut server = Server::new(&world, 1, 50);
    world.add(&client(2));
    world.add(&config(3));
    address(&mut world, &mut [&mut server], 0);
    let listener = world.stack(1).tcp_listen(7).unwrap();
    let (mine, theirs) = world.connect(0, at(3, 7), (1, &listener));
    pass(&mut world, &mut [&mut server], seconds(100));
    server.heard.clear();
    let expires = world.stack(0).lease().unwrap().expires;
    world.stack(0).link_up();
    pass(&mut world, &mut [&mut server], seconds(1));
    // RFC 2131 4.3.2, INIT-REBOOT: the address, and no server.
    let [heard] = &server.heard[..] else { panic!("{:?}", server.heard) };
    assert_eq!((heard.kind, heard.unicast), (DhcpMessageType::Request, false));
    assert_eq!((heard.requested, heard.server), (Some(v4(50)), None));
    assert!(heard.from.is_unspecified());
    assert_eq!(heard.hostname.as_deref(), Some("tap-board"));
    assert!(world.stack(0).lease().unwrap().expires > expires + seconds(99));
    world.transfer((0, &mine), (1, &theirs), &pattern(5000));
    pass(&mut world, &mut [&mut server], seconds(100));
    assert_eq!(server.heard.len(), 1, "it is answered");
}

#[test]
fn in_another_network_the_address_is_refused_and_another_one_taken() {
    let mut world = World::ethernet();
    let mut server = Server::new(&world, 1, 50);
    world.add(&client(2));
    address(&mut world, &mut [&mut server], 0);
    server.leases.insert(mac(2), v4(99));
    let start = world.now;
    world.stack(0).link_up();
    until(&mut world, &mut [&mut server], seconds(20), |world| {
        (world.stack(0).ipv4() == Some(v4(99))).then_some(())
    });
    assert!(since(start, &world) < seconds(8));
}

#[test]
fn where_nobody_says_so_the_lease_is_kept_and_another_one_looked_for() {
    let mut world = World::ethernet();
    let mut server = Server::new(&world, 1, 50);
    server.seconds = 300;
    world.add(&client(2));
    address(&mut world, &mut [&mut server], 0);
    let expires = world.stack(0).lease().unwrap().expires;
    server.alive = false;
    world.stack(0).link_up();
    pass(&mut world, &mut [&mut server], seconds(100));
    assert_eq!(world.stack(0).ipv4(), Some(v4(50)), "RFC 2131 3.2");
    // Another server gives another address, without the first one's word.
    let mut other = Server::new(&world, 4, 80);
    until(&mut world, &mut [&mut other], seconds(100), |world| {
        (world.stack(0).ipv4() == Some(v4(80))).then_some(())
    });
    assert!(world.now < expires);
    assert!(other.count(DhcpMessageType::Discover) > 0);
    assert_eq!(world.stack(0).lease().unwrap().server, v4(4));
}

#[test]
fn and_it_ends_when_its_time_is_over() {
    let mut world = World::ethernet();
    let mut server = Server::new(&world, 1, 50);
    server.seconds = 300;
    world.add(&client(2));
    address(&mut world, &mut [&mut server], 0);
    let expires = world.stack(0).lease().unwrap().expires;
    server.alive = false;
    world.stack(0).link_up();
    until(&mut world, &mut [&mut server], seconds(400), |world| {
        world.stack(0).ipv4().is_none().then_some(())
    });
    assert_eq!(world.now, expires);
}

#[test]
fn without_a_lease_it_is_asked_for_at_once() {
    let mut world = World::ethernet();
    let mut server = Server::new(&world, 1, 50);
    server.alive = false;
    world.add(&client(2));
    pass(&mut world, &mut [&mut server], seconds(300));
    assert_eq!(world.stack(0).ipv4_origin(), Some(Origin::LinkLocal));
    server.alive = true;
    let start = world.now;
    world.stack(0).link_up();
    until(&mut world, &mut [&mut server], seconds(20), |world| {
        (world.stack(0).ipv4() == Some(v4(50))).then_some(())
    });
    assert!(since(start, &world) < seconds(8));
}
