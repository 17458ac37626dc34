//! Addresses that somebody else has, and addresses of one's own choice.

use std::net::SocketAddr;

use tapboard_net::netstat::Origin;
use tapboard_net::smoltcp::time::Duration;
use tapboard_net::smoltcp::wire::{
    ArpOperation, ArpRepr, DhcpMessageType, EthernetAddress, Ipv4Address,
};

use super::server::{Server, arp_frame};
use super::{address, client, pass, seconds, since, until};
use crate::common::{World, config, mac, own_mac, pattern, v4};

/// An announcement of an address by somebody else, or a probe for it.
fn arp(owner: Ipv4Address, target: Ipv4Address) -> Vec<u8> {
    let arp = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Request,
        source_hardware_addr: mac(9),
        source_protocol_addr: owner,
        target_hardware_addr: mac(0),
        target_protocol_addr: target,
    };
    arp_frame(&arp, mac(9), EthernetAddress::BROADCAST)
}

#[test]
fn an_address_that_somebody_has_is_declined_and_another_one_asked_for() {
    let mut world = World::ethernet();
    let mut server = Server::new(&world, 1, 50);
    world.add(&client(2));
    world.add(&config(50));
    assert_eq!(address(&mut world, &mut [&mut server], 0).address(), v4(51));
    let decline = server.heard.iter().position(|heard| heard.kind == DhcpMessageType::Decline);
    let decline = decline.expect("it is declined");
    let heard = &server.heard[decline];
    assert_eq!((heard.requested, heard.server), (Some(v4(50)), Some(v4(1))));
    let pause = server.heard[decline + 1].at - heard.at;
    assert!(pause >= seconds(10), "RFC 2131 3.1.5: {pause}");
    assert!(world.stack(0).counters().address_conflicts > 0);
}

#[test]
fn of_two_that_probe_the_same_address_none_takes_it() {
    let mut world = World::ethernet();
    let mut server = Server::new(&world, 1, 50);
    world.add(&client(2));
    pass(&mut world, &mut [&mut server], seconds(2));
    assert_eq!(world.stack(0).ipv4(), None);
    world.probe.send(world.now, &arp(Ipv4Address::UNSPECIFIED, v4(50)));
    pass(&mut world, &mut [&mut server], seconds(5));
    assert_eq!(server.count(DhcpMessageType::Decline), 1);
    assert_eq!(world.stack(0).ipv4(), None);
}

#[test]
fn an_address_in_use_is_defended_once_and_then_given_up() {
    let mut world = World::ethernet();
    let mut server = Server::new(&world, 1, 50);
    world.add(&client(2));
    address(&mut world, &mut [&mut server], 0);
    pass(&mut world, &mut [&mut server], seconds(20));
    let sign = arp(v4(50), v4(50));
    world.probe.send(world.now, &sign);
    pass(&mut world, &mut [&mut server], seconds(2));
    assert_eq!(world.stack(0).ipv4(), Some(v4(50)), "one may be a flipped bit");
    world.probe.send(world.now, &sign);
    pass(&mut world, &mut [&mut server], seconds(1));
    assert_eq!(world.stack(0).ipv4(), None, "RFC 5227 2.4 b");
    assert_eq!(server.count(DhcpMessageType::Decline), 1);
    assert!(world.stack(0).conflict().is_some());
    // The same neighbour may have the next address too.
    assert_eq!(address(&mut world, &mut [&mut server], 0).address(), v4(51));
    assert!(world.stack(0).conflict().is_none(), "this one is ours");
}

#[test]
fn when_nobody_answers_an_address_of_its_own_choice_will_do() {
    let mut world = World::ethernet();
    world.add(&client(2));
    world.add(&client(3));
    let start = world.now;
    let one = address(&mut world, &mut [], 0);
    let two = address(&mut world, &mut [], 1);
    assert!(since(start, &world) < seconds(20));
    assert!(one.address().is_link_local() && one.prefix_len() == 16, "{one}");
    assert_ne!(one.address(), two.address());
    let stack = world.stack(0);
    assert_eq!(stack.ipv4_origin(), Some(Origin::LinkLocal));
    assert!(stack.lease().is_none() && stack.config().ipv4_gateway().is_none());
    let listener = world.stack(1).tcp_listen(7).unwrap();
    let to = SocketAddr::from((two.address(), 7));
    let (mine, theirs) = world.connect(0, to, (1, &listener));
    // It asks on, but not often (RFC 2131 4.1).
    world.nodes[0].port.take_sent();
    world.pass(seconds(640));
    let asked = world.nodes[0].port.take_sent();
    let asked = asked.iter().filter(|frame| frame.len() > 280).count();
    assert!((9..=13).contains(&asked), "{asked} in 640 s");
    world.transfer((0, &mine), (1, &theirs), &pattern(5000));
    // RFC 3927 1.9: a server's address is better.
    let mut server = Server::new(&world, 1, 50);
    until(&mut world, &mut [&mut server], seconds(80), |world| {
        (world.stack(0).ipv4_origin() == Some(Origin::Dhcp)).then_some(())
    });
}

#[test]
fn who_gives_up_an_address_of_its_own_choice_goes_on_to_probe_the_leased_one() {
    let mut world = World::ethernet();
    let mut server = Server::new(&world, 1, 50);
    world.add(&client(2));
    let own = address(&mut world, &mut [], 0).address();
    world.stack(0).link_up();
    pass(&mut world, &mut [&mut server], seconds(1));
    assert_eq!(server.count(DhcpMessageType::Request), 1);
    for _ in 0..2 {
        assert_eq!(world.stack(0).ipv4(), Some(own));
        world.probe.send(world.now, &arp(own, own));
        pass(&mut world, &mut [&mut server], Duration::from_millis(300));
    }
    assert_eq!(world.stack(0).ipv4(), None);
    until(&mut world, &mut [&mut server], seconds(7), |world| {
        (world.stack(0).ipv4() == Some(v4(50))).then_some(())
    });
}

#[test]
fn a_choice_that_somebody_has_is_not_ours() {
    let mut world = World::ethernet();
    let first = world.add(&client(2));
    let taken = address(&mut world, &mut [], first);
    let mut world = World::ethernet();
    world.add(&tapboard_net::NetConfig::new(own_mac(7)).with_ipv4(taken));
    let second = world.add(&client(2));
    let other = address(&mut world, &mut [], second);
    assert!(other.address().is_link_local());
    assert_ne!(other.address(), taken.address(), "the same board in another network");
}

#[test]
fn somebody_who_has_every_address_is_not_asked_for_each_at_once() {
    let mut world = World::ethernet();
    world.add(&client(2));
    let listener = world.probe.another();
    let end = world.now + seconds(600);
    let mut probes = 0;
    let mut answered = Vec::new();
    while world.now < end {
        world.pass(Duration::from_millis(100));
        while let Some(frame) = listener.take(world.now) {
            if frame.len() == 42 && frame[28..32] == [0; 4] {
                probes += 1;
                let target = Ipv4Address::from(*frame[38..].first_chunk().unwrap());
                answered.push(target);
                listener.send(world.now, &arp(target, target));
            }
        }
    }
    assert_eq!(world.stack(0).ipv4(), None);
    // RFC 3927 2.2.1: ten at once, then one a minute.
    assert!((15..=25).contains(&probes), "{probes} in ten minutes");
    answered.dedup();
    assert!(answered.len() > 10, "each time another one: {answered:?}");
}

#[test]
fn a_static_address_needs_no_server() {
    let mut world = World::ethernet();
    world.add(&config(2));
    world.pass(seconds(30));
    let sent = world.nodes[0].port.take_sent();
    assert!(sent.iter().all(|frame| frame.len() == 42), "nothing but announcements");
}
