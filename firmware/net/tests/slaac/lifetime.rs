//! How long addresses, servers and packets' lengths are good (RFC 4862 5.5.3, 5.5.4, RFC 8106, RFC 4861 6.3.4).

use std::net::IpAddr;

use tapboard_net::Error;
use tapboard_net::embedded_nal::nb;
use tapboard_net::netstat::Fact;
use tapboard_net::smoltcp::wire::{Ipv6Address, Ipv6Cidr};

use super::router::{Prefix, Router, link_local, own, prefix};
use super::{addresses, board, connected, facts, pass, seconds, settle, until};
use crate::common::{World, pattern};

/// The only lifetimes, unless they are for ever.
fn lifetimes(world: &mut World) -> Option<(u32, u32)> {
    facts(world, 0).into_iter().find_map(|fact| match fact {
        Fact::Lifetime(preferred, valid) => Some((preferred, valid)),
        _ => None,
    })
}

/// A board with an address of these lifetimes, and its router that will say no more by itself.
fn with_lifetimes(valid: u32, preferred: u32) -> (World, Router) {
    let mut world = World::ethernet();
    let mut router = Router::new(&world, 9, 1);
    router.advert.prefixes = vec![Prefix { valid, preferred, ..prefix(1) }];
    world.add(&board(1));
    settle(&mut world, &mut [&mut router]);
    router.alive = false;
    (world, router)
}

#[test]
fn an_address_is_deprecated_and_then_gone() {
    let (mut world, mut router) = with_lifetimes(100, 50);
    world.add(&board(2));
    let listener = world.stack(0).tcp_listen(7).unwrap();
    // It comes after the router has spoken for the last time.
    router.advert.prefixes[0].valid = 10_000;
    router.advert.prefixes[0].preferred = 10_000;
    let mut other = Router::new(&world, 8, 2);
    other.alive = false;
    pass(&mut world, &mut [&mut router, &mut other], seconds(3));
    let target = (IpAddr::from(own(1, 1)), 7).into();
    let config = world.stack(1).config().with_ipv6(Ipv6Cidr::new(own(1, 2), 64));
    world.stack(1).reconfigure(&config);
    let (theirs, mine) = world.connect(1, target, (0, &listener));
    pass(&mut world, &mut [&mut router], seconds(50));
    assert_eq!(addresses(&mut world, 0), [own(1, 1), link_local(1)]);
    assert_eq!(lifetimes(&mut world).unwrap().0, 0);
    // Connections go on while it is deprecated, and new ones come in.
    world.transfer((0, &mine), (1, &theirs), &pattern(5000));
    let (_more, _of) = world.connect(1, target, (0, &listener));
    until(&mut world, &mut [&mut router], seconds(100), |world| {
        (addresses(world, 0) == [link_local(1)]).then_some(())
    });
    assert_eq!(world.stack(0).config().ipv6(), None);
    // To their owners they have ended.
    let error = world.stack(0).tcp_receive(&mine, &mut [0; 10]).unwrap_err();
    assert_eq!(error, nb::Error::Other(Error::ConnectionReset));
}

#[test]
fn new_connections_are_made_with_the_address_that_is_preferred() {
    let mut world = World::ethernet();
    let mut router = Router::new(&world, 9, 1);
    world.add(&board(1));
    world.add(&board(2));
    settle(&mut world, &mut [&mut router]);
    // The network changes its prefix; nobody else has the new one as near as the old.
    router.advert.prefixes = vec![Prefix { preferred: 0, ..prefix(1) }, prefix(2)];
    router.advertise(world.now);
    settle(&mut world, &mut [&mut router]);
    assert_eq!(addresses(&mut world, 0), [own(2, 1), own(1, 1), link_local(1)]);
    assert_eq!(world.stack(0).config().ipv6().unwrap().address(), own(2, 1));
    let listener = world.stack(1).tcp_listen(7).unwrap();
    let (mine, _theirs) = world.connect(0, (IpAddr::from(own(1, 2)), 7).into(), (1, &listener));
    let (from, _) = world.stack(0).endpoints(&mine).unwrap();
    assert_eq!(from.ip(), IpAddr::from(own(2, 1)), "RFC 6724 5, rule 3, before rule 8");
    // And a third prefix takes the place of the deprecated one, for nobody uses that.
    router.advert.prefixes = vec![prefix(3)];
    router.advertise(world.now);
    settle(&mut world, &mut [&mut router]);
    assert_eq!(addresses(&mut world, 0), [own(2, 1), own(3, 1), link_local(1)]);
}

#[test]
fn a_deprecated_address_with_a_connection_makes_no_room() {
    let mut world = World::ethernet();
    let mut router = Router::new(&world, 9, 1);
    let (mine, theirs) = connected(&mut world, &mut router);
    router.advert.prefixes = vec![Prefix { preferred: 0, ..prefix(1) }, prefix(2), prefix(3)];
    router.advertise(world.now);
    settle(&mut world, &mut [&mut router]);
    assert_eq!(addresses(&mut world, 0), [own(2, 1), own(1, 1), link_local(1)]);
    world.transfer((0, &mine), (1, &theirs), &pattern(5000));
}

#[test]
fn nobody_can_cut_the_life_of_an_address_below_two_hours() {
    const DAY: u32 = 86_400;
    // What remains, what is said, and what becomes of it (RFC 4862 5.5.3 e).
    for (before, said, becomes) in [
        (u32::MAX, 0, 7200),
        (DAY, 0, 7200),
        (DAY, 7200, 7200),
        (DAY, 7201, 7201),
        (DAY, 2 * DAY, 2 * DAY),
        (7000, 0, 7000),
        (7000, 100, 7000),
        (3600, 100, 3600),
        (3600, 7000, 7000),
        (100, 8000, 8000),
    ] {
        let (mut world, mut router) = with_lifetimes(before, 0);
        router.advert.prefixes[0].valid = said;
        router.advertise(world.now);
        world.pass(seconds(1));
        let (_, left) = lifetimes(&mut world).unwrap();
        let range = becomes - 10..=becomes;
        assert!(range.contains(&left), "{before}, {said}: {left}");
    }
}

#[test]
fn for_ever_is_no_time() {
    let (mut world, mut router) = with_lifetimes(u32::MAX, u32::MAX);
    assert_eq!(lifetimes(&mut world), None);
    router.alive = true;
    pass(&mut world, &mut [&mut router], seconds(100_000));
    assert_eq!(addresses(&mut world, 0), [own(1, 1), link_local(1)]);
}

#[test]
fn servers_for_names_have_a_lifetime() {
    let mut world = World::ethernet();
    let mut router = Router::new(&world, 9, 1);
    let server = |last| own(1, last);
    router.advert.servers = Some((100, vec![server(50), server(51), server(52)]));
    world.add(&board(1));
    settle(&mut world, &mut [&mut router]);
    let known = |world: &mut World| world.stack(0).dns_servers().collect::<Vec<_>>();
    let of =
        |numbers: &[u8]| numbers.iter().map(|&last| server(last).into()).collect::<Vec<IpAddr>>();
    assert_eq!(known(&mut world), of(&[50, 51]));
    // Nobody's address, and an option that is cut.
    router.advert.servers = Some((100, vec![Ipv6Address::UNSPECIFIED, super::router::ALL_NODES]));
    router.advertise(world.now);
    pass(&mut world, &mut [&mut router], seconds(1));
    assert_eq!(known(&mut world), of(&[50, 51]));
    router.advert.servers = Some((0, vec![server(50)]));
    router.advertise(world.now);
    pass(&mut world, &mut [&mut router], seconds(1));
    assert_eq!(known(&mut world), of(&[51]));
    router.advert.servers = None;
    pass(&mut world, &mut [&mut router], seconds(100));
    assert_eq!(known(&mut world), of(&[]));
}

#[test]
fn packets_are_no_longer_than_the_link_takes() {
    let mut world = World::ethernet();
    let mut router = Router::new(&world, 9, 1);
    router.advert.mtu = Some(1300);
    world.add(&board(1));
    world.add(&board(2));
    settle(&mut world, &mut [&mut router]);
    // This one has heard otherwise.
    let listener = world.stack(1).tcp_listen(7).unwrap();
    let (mine, theirs) = world.connect(0, (IpAddr::from(own(1, 2)), 7).into(), (1, &listener));
    world.nodes[0].port.take_sent();
    world.transfer((0, &mine), (1, &theirs), &pattern(20_000));
    let longest = |world: &World| {
        world.nodes[0].port.take_sent().iter().map(|frame| frame.len() - 14).max().unwrap()
    };
    assert_eq!(longest(&world), 1300);
    let udp = world.stack(0).udp_bind(9).unwrap();
    let to = (IpAddr::from(own(1, 2)), 9).into();
    let error = world.stack(0).udp_send_to(&udp, to, &[0; 1300 - 47]).unwrap_err();
    assert_eq!(error, nb::Error::Other(Error::MessageTooLong));
    world.stack(0).udp_send_to(&udp, to, &[0; 1300 - 48]).unwrap();
    // What no link has (RFC 8200 5), and what this one has not, is not heard.
    for (mtu, expected) in [(1279, 1300), (0, 1300), (1280, 1280), (9000, 1500)] {
        router.advert.mtu = Some(mtu);
        router.advertise(world.now);
        world.pass(seconds(1));
        let (mine, theirs) = world.connect(0, (IpAddr::from(own(1, 2)), 7).into(), (1, &listener));
        world.nodes[0].port.take_sent();
        world.transfer((0, &mine), (1, &theirs), &pattern(20_000));
        assert_eq!(longest(&world), expected, "{mtu}");
        world.stack(0).abort(mine);
        world.stack(1).abort(theirs);
        world.pass(seconds(1));
    }
}
