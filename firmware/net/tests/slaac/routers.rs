//! Several routers: which one is the way out (RFC 4861 6.3.6, RFC 4191), and what becomes of one that is none any more.

use std::net::IpAddr;

use tapboard_net::Error;
use tapboard_net::smoltcp::time::Duration;
use tapboard_net::smoltcp::wire::Ipv6Address;

use super::router::{Router, link_local};
#[cfg(feature = "redirects")]
use super::router::{frame, own};
use super::{board, pass, seconds, settle, until};
use crate::common::World;
#[cfg(feature = "redirects")]
use crate::common::mac;

fn gateway(world: &mut World) -> Option<Ipv6Address> {
    world.stack(0).config().ipv6_gateway()
}

/// Somewhere beyond the routers.
fn far() -> std::net::SocketAddr {
    let address: Ipv6Address = "2001:db8:ffff::1".parse().unwrap();
    (IpAddr::from(address), 7).into()
}

/// A board with two routers, of which 8 has spoken first.
fn two() -> (World, Router, Router) {
    let mut world = World::ethernet();
    let (mut first, mut second) = (Router::new(&world, 8, 1), Router::new(&world, 9, 1));
    world.add(&board(1));
    settle(&mut world, &mut [&mut first, &mut second]);
    assert_eq!(gateway(&mut world), Some(link_local(8)));
    (world, first, second)
}

#[test]
fn the_first_one_is_used_until_a_better_one_comes() {
    let (mut world, mut first, mut second) = two();
    for (preference, number) in [(1, 9), (0, 9), (3, 8), (2, 8), (1, 9)] {
        second.advert.preference = preference;
        second.advertise(world.now);
        pass(&mut world, &mut [&mut first, &mut second], seconds(1));
        assert_eq!(gateway(&mut world), Some(link_local(number)), "{preference}");
    }
}

#[test]
fn one_that_says_to_be_none_any_more_gives_way_to_the_other() {
    let (mut world, mut first, mut second) = two();
    first.advert.lifetime = 0;
    first.advertise(world.now);
    pass(&mut world, &mut [&mut first, &mut second], seconds(1));
    assert_eq!(gateway(&mut world), Some(link_local(9)));
    // A third one has room now.
    let mut third = Router::new(&world, 7, 1);
    third.advert.preference = 1;
    third.advertise(world.now);
    pass(&mut world, &mut [&mut first, &mut second, &mut third], seconds(1));
    assert_eq!(gateway(&mut world), Some(link_local(7)));
}

#[test]
fn one_whose_time_is_over_is_none_any_more_and_others_are_asked_for() {
    let mut world = World::ethernet();
    let mut router = Router::new(&world, 9, 1);
    router.advert.lifetime = 30;
    world.add(&board(1));
    settle(&mut world, &mut [&mut router]);
    assert!(world.stack(0).tcp_connect(far()).is_ok());
    router.alive = false;
    router.heard.clear();
    until(&mut world, &mut [&mut router], seconds(40), |world| {
        gateway(world).is_none().then_some(())
    });
    pass(&mut world, &mut [&mut router], seconds(1));
    assert_eq!(world.stack(0).tcp_connect(far()).unwrap_err(), Error::Unaddressable);
    assert_eq!(router.times(133).len(), 1);
    // The address stays.
    assert!(world.stack(0).config().ipv6().is_some());
    router.alive = true;
    pass(&mut world, &mut [&mut router], seconds(6));
    assert_eq!(gateway(&mut world), Some(link_local(9)));
}

#[test]
fn one_that_does_not_answer_gives_way_to_one_that_may() {
    let (mut world, mut first, mut second) = two();
    first.reachable = false;
    let mut socket = world.stack(0).tcp_connect(far()).unwrap();
    until(&mut world, &mut [&mut first, &mut second], seconds(10), |world| {
        (gateway(world) == Some(link_local(9))).then_some(())
    });
    // The request leaves by the other one.
    let start = world.now;
    let syn = until(&mut world, &mut [&mut first, &mut second], seconds(10), |world| {
        let sent = world.nodes[0].port.take_sent();
        sent.into_iter().find(|frame| frame[12..14] == [0x86, 0xdd] && frame[14 + 6] == 6)
    });
    assert_eq!(syn[5], 9, "its MAC address");
    assert!(world.now - start < seconds(5));
    assert!(world.stack(0).tcp_connected(&mut socket).is_err());
    // It says that it is there, and the best, which it does not prove: no change to and fro.
    first.advert.preference = 1;
    for _ in 0..20 {
        first.advertise(world.now);
        pass(&mut world, &mut [&mut first, &mut second], seconds(10));
        assert_eq!(gateway(&mut world), Some(link_local(9)));
    }
    // If neither answers, each has its turn.
    (first.reachable, second.reachable) = (true, false);
    let _again = world.stack(0).tcp_connect(far()).unwrap();
    until(&mut world, &mut [&mut first, &mut second], seconds(60), |world| {
        (gateway(world) == Some(link_local(8))).then_some(())
    });
}

#[test]
fn of_many_two_are_remembered_and_more_do_not_move_them() {
    let (mut world, mut first, mut second) = two();
    for number in 20..120 {
        let liar = Router::new(&world, number, 1);
        liar.advertise(world.now);
        pass(&mut world, &mut [&mut first, &mut second], Duration::from_millis(10));
    }
    assert_eq!(gateway(&mut world), Some(link_local(8)));
    first.advert.lifetime = 0;
    first.advertise(world.now);
    pass(&mut world, &mut [&mut first, &mut second], seconds(1));
    assert_eq!(gateway(&mut world), Some(link_local(9)));
}

/// RFC 4861 8: what a router says of others is good while it is the way out.
#[cfg(feature = "redirects")]
#[test]
fn what_one_says_of_others_goes_with_it() {
    let (mut world, mut first, mut second) = two();
    let IpAddr::V6(far) = far().ip() else { unreachable!() };
    let routers = &mut [&mut first, &mut second];
    let pong = |world: &mut World, routers: &mut [&mut Router; 2]| {
        let ping = vec![128, 0, 0, 0, 0, 1, 0, 1];
        routers[0].port.send(world.now, &frame(mac(8), (far, own(1, 1)), 64, ping));
        world.nodes[0].port.take_sent();
        pass(world, routers, Duration::from_millis(1));
        let sent = world.nodes[0].port.take_sent();
        sent.into_iter().find(|frame| frame.get(14 + 40) == Some(&129)).expect("an answer")
    };
    let answer = pong(&mut world, routers);
    assert_eq!(answer[5], 8, "the last byte of its MAC address");
    let mut redirect = vec![137, 0, 0, 0, 0, 0, 0, 0];
    redirect.extend(link_local(9).octets());
    redirect.extend(far.octets());
    redirect.extend([4, 7, 0, 0, 0, 0, 0, 0]);
    redirect.extend(&answer[14..14 + 48]);
    let ends = (link_local(8), own(1, 1));
    routers[0].port.send(world.now, &frame(mac(8), ends, 255, redirect));
    pass(&mut world, routers, seconds(1));
    assert_eq!(world.stack(0).counters().redirects_believed, 1);
    assert_eq!(pong(&mut world, routers)[5], 9);
    // It is none any more, and then again.
    for lifetime in [0, 1800] {
        routers[0].advert.lifetime = lifetime;
        routers[0].advertise(world.now);
        pass(&mut world, routers, seconds(1));
    }
    routers[1].advert.lifetime = 0;
    routers[1].advertise(world.now);
    pass(&mut world, routers, seconds(1));
    assert_eq!(gateway(&mut world), Some(link_local(8)));
    assert_eq!(pong(&mut world, routers)[5], 8);
}
