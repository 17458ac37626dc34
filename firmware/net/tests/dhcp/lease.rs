//! Lease, renewal, rebinding, and the end of it.

use tapboard_net::Error;
use tapboard_net::embedded_nal::nb;
use tapboard_net::netstat::{Introspect, Origin};
use tapboard_net::smoltcp::wire::{DhcpMessageType, EthernetFrame, EthernetProtocol, Ipv4Address};

use super::server::Server;
use super::{address, client, pass, seconds, since, until};
use crate::common::{World, at, config, mac, pattern, v4};

#[test]
fn a_lease_has_address_router_and_servers_and_the_server_knows_the_name() {
    let mut world = World::ethernet();
    let mut server = Server::new(&world, 1, 50);
    // Of several routers the first is taken.
    server.routers = vec![v4(254), v4(253)];
    world.add(&client(2));
    let start = world.now;
    assert_eq!(address(&mut world, &mut [&mut server], 0).to_string(), "192.0.2.50/24");
    let stack = world.stack(0);
    assert_eq!(stack.config().ipv4_gateway(), Some(v4(254)));
    assert_eq!(stack.dns_servers().collect::<Vec<_>>(), [v4(1)]);
    assert_eq!(stack.ipv4_origin(), Some(Origin::Dhcp));
    let lease = stack.lease().expect("leased").clone();
    assert_eq!((lease.server, lease.expires), (v4(1), start + seconds(3600)));
    let kinds: Vec<_> = server.heard.iter().map(|heard| heard.kind).collect();
    assert_eq!(kinds, [DhcpMessageType::Discover, DhcpMessageType::Request]);
    assert_eq!(server.heard[1].server, Some(v4(1)));
    for heard in &server.heard {
        assert_eq!(heard.hostname.as_deref(), Some("tap-board"));
        assert!(heard.from.is_unspecified() && !heard.unicast);
    }
}

#[test]
fn an_address_is_probed_before_it_is_used() {
    let mut world = World::ethernet();
    let mut server = Server::new(&world, 1, 50);
    world.add(&client(2));
    let start = world.now;
    address(&mut world, &mut [&mut server], 0);
    // RFC 5227 1.1: three questions with at least a second between them, and two more.
    let took = since(start, &world);
    assert!((seconds(4)..=seconds(7)).contains(&took), "{took}");
    world.poll_due();
    let arp = |frame: &Vec<u8>| {
        EthernetFrame::new_unchecked(&frame[..]).ethertype() == EthernetProtocol::Arp
    };
    let sent: Vec<_> = world.nodes[0].port.take_sent().into_iter().filter(arp).collect();
    let senders = sent.iter().map(|frame| Ipv4Address::from(*frame[28..].first_chunk().unwrap()));
    let senders: Vec<_> = senders.collect();
    let nobody = Ipv4Address::UNSPECIFIED;
    assert_eq!(senders[..4], [nobody, nobody, nobody, v4(50)], "and then announced");
}

#[test]
fn a_lease_is_renewed_and_a_connection_does_not_notice() {
    let mut world = World::ethernet();
    let mut server = Server::new(&world, 1, 50);
    server.seconds = 120;
    world.add(&client(2));
    world.add(&config(3));
    address(&mut world, &mut [&mut server], 0);
    let listener = world.stack(1).tcp_listen(7).unwrap();
    let (mine, theirs) = world.connect(0, at(3, 7), (1, &listener));
    let polls = world.stack(0).counters().polls;
    pass(&mut world, &mut [&mut server], seconds(600));
    let renewals = server.heard.iter().filter(|heard| heard.unicast).count();
    assert!((9..=11).contains(&renewals), "{renewals} renewals of two minutes in ten");
    assert_eq!(server.count(DhcpMessageType::Discover), 1);
    for heard in server.heard.iter().filter(|heard| heard.unicast) {
        assert_eq!((heard.from, heard.requested, heard.server), (v4(50), None, None));
    }
    world.transfer((0, &mine), (1, &theirs), &pattern(5000));
    let polls = world.stack(0).counters().polls - polls;
    assert!(polls < 600, "{polls} polls in 600 s: a client is not busy");
    assert_eq!(world.stack(0).counters().stalls, 0);
}

#[test]
fn another_router_comes_with_a_renewal() {
    let mut world = World::ethernet();
    let mut server = Server::new(&world, 1, 50);
    server.seconds = 120;
    world.add(&client(2));
    world.add(&config(3));
    address(&mut world, &mut [&mut server], 0);
    let listener = world.stack(1).tcp_listen(7).unwrap();
    let (mine, theirs) = world.connect(0, at(3, 7), (1, &listener));
    server.routers = vec![v4(9)];
    until(&mut world, &mut [&mut server], seconds(70), |world| {
        (world.stack(0).config().ipv4_gateway() == Some(v4(9))).then_some(())
    });
    world.transfer((0, &mine), (1, &theirs), &pattern(5000));
}

#[test]
fn when_its_server_is_gone_another_one_may_renew_it() {
    let mut world = World::ethernet();
    let mut first = Server::new(&world, 1, 50);
    let mut second = Server::new(&world, 4, 50);
    first.seconds = 1000;
    second.alive = false;
    world.add(&client(2));
    let start = world.now;
    address(&mut world, &mut [&mut first, &mut second], 0);
    (first.alive, second.alive) = (false, true);
    second.leases.insert(mac(2), v4(50));
    until(&mut world, &mut [&mut first, &mut second], seconds(1000), |world| {
        world.stack(0).lease().is_some_and(|lease| lease.server == v4(4)).then_some(())
    });
    // RFC 2131 4.4.5: T2 is seven eighths.
    let took = since(start, &world);
    assert!((seconds(875)..seconds(880)).contains(&took), "{took}");
    assert!(second.heard.iter().all(|heard| !heard.unicast && heard.from == v4(50)));
    // Between T1 and T2 it was not shouted for all the time.
    let arp = world.nodes[0].port.take_sent();
    let asked = arp.iter().filter(|frame| frame.len() == 42).count();
    assert!(asked < 60, "{asked} questions for a server that is gone");
}

#[test]
fn a_lease_that_nobody_renews_ends_with_its_connections() {
    let mut world = World::ethernet();
    let mut server = Server::new(&world, 1, 50);
    server.seconds = 120;
    world.add(&client(2));
    world.add(&config(3));
    address(&mut world, &mut [&mut server], 0);
    let expires = world.stack(0).lease().unwrap().expires;
    let listener = world.stack(0).tcp_listen(7).unwrap();
    let (theirs, mine) = world.connect(1, at(50, 7), (0, &listener));
    server.alive = false;
    let data = until(&mut world, &mut [&mut server], seconds(130), |world| {
        let result = world.stack(0).tcp_receive(&mine, &mut [0; 1]);
        result.err().and_then(|error| match error {
            nb::Error::Other(error) => Some(error),
            nb::Error::WouldBlock => None,
        })
    });
    assert_eq!(data, Error::ConnectionReset);
    assert_eq!(world.now, expires, "to the moment");
    let stack = world.stack(0);
    assert!(stack.config().ipv4().is_none() && stack.lease().is_none());
    assert!(stack.dns_servers().next().is_none());
    drop(theirs);
    // The listener is there for whoever comes with the next address.
    server.alive = true;
    assert_eq!(address(&mut world, &mut [&mut server], 0).address(), v4(50));
    let rows: Vec<_> = (0..).map_while(|row| world.stack(0).row(row)).collect();
    assert!(rows.iter().any(|row| row.state == "LISTEN" && row.local_port == 7));
    let _ = world.connect(1, at(50, 7), (0, &listener));
}

#[test]
fn an_address_that_may_not_be_kept_is_given_up_at_once() {
    let mut world = World::ethernet();
    let mut server = Server::new(&world, 1, 50);
    server.seconds = 120;
    world.add(&client(2));
    address(&mut world, &mut [&mut server], 0);
    // The server has other plans now.
    server.leases.insert(mac(2), v4(77));
    until(&mut world, &mut [&mut server], seconds(70), |world| {
        world.stack(0).config().ipv4().is_none().then_some(())
    });
    let gone = world.now;
    let renewal = server.heard.iter().find(|heard| heard.unicast).expect("it has asked");
    assert_eq!(renewal.at, gone);
    assert_eq!(address(&mut world, &mut [&mut server], 0).address(), v4(77));
    assert!(since(gone, &world) < seconds(8));
}

#[test]
fn dhcp_can_be_switched_off_and_on() {
    let mut world = World::ethernet();
    let mut server = Server::new(&world, 1, 50);
    world.add(&config(2));
    pass(&mut world, &mut [&mut server], seconds(100));
    assert!(server.heard.is_empty());
    assert_eq!(world.stack(0).ipv4_origin(), Some(Origin::Static));
    let dhcp = world.stack(0).config().with_dhcp();
    world.stack(0).reconfigure(&dhcp);
    assert_eq!(world.stack(0).config().ipv4(), None);
    assert_eq!(address(&mut world, &mut [&mut server], 0).address(), v4(50));
    // What else is changed leaves it alone.
    let same = *world.stack(0).config();
    world.stack(0).reconfigure(&same);
    assert!(world.stack(0).lease().is_some());
    world.stack(0).reconfigure(&config(2));
    assert_eq!(world.stack(0).ipv4_origin(), Some(Origin::Static));
    let heard = server.heard.len();
    pass(&mut world, &mut [&mut server], seconds(4000));
    assert_eq!((server.heard.len(), world.stack(0).ipv4()), (heard, Some(v4(2))));
}
