//! IPv6 addresses and a router by themselves, in virtual time: from routers that vanish, lie and change.

mod duplicate;
mod lies;
mod lifetime;
mod link;
mod router;
mod routers;
mod worlds;

use std::net::IpAddr;

use crate::common::{World, mac, own_mac, pass, pattern, seconds, since, until};
use router::{Router, link_local, own};
use tapboard_net::netstat::{Fact, Introspect, Origin};
use tapboard_net::smoltcp::time::Duration;
use tapboard_net::smoltcp::wire::{IpCidr, Ipv6Address, Ipv6Cidr};
use tapboard_net::{NetConfig, TcpSocket};

/// A board that makes itself its IPv6 addresses.
fn board(last: u8) -> NetConfig {
    NetConfig::new(own_mac(last)).with_slaac()
}

/// The IPv6 addresses of node `index`.
fn addresses(world: &mut World, index: usize) -> Vec<Ipv6Address> {
    let all = world.stack(index).interface().ip_addrs().iter();
    all.filter_map(|cidr| match cidr {
        IpCidr::Ipv6(cidr) => Some(cidr.address()),
        IpCidr::Ipv4(_) => None,
    })
    .collect()
}

fn facts(world: &mut World, index: usize) -> Vec<Fact> {
    let stack = world.stack(index);
    (0..).map_while(|fact| stack.fact(fact)).collect()
}

/// Lets a board find its addresses.
fn settle(world: &mut World, routers: &mut [&mut Router]) {
    pass(world, routers, seconds(8));
}

/// Two boards beside the router, and a connection between the addresses that they make in its prefix.
fn connected(world: &mut World, router: &mut Router) -> (TcpSocket, TcpSocket) {
    world.add(&board(1));
    world.add(&board(2));
    settle(world, &mut [router]);
    let listener = world.stack(1).tcp_listen(7).unwrap();
    world.connect(0, (IpAddr::from(own(1, 2)), 7).into(), (1, &listener))
}

#[test]
fn with_a_router_there_are_addresses_and_a_way_out() {
    let mut world = World::ethernet();
    let mut router = Router::new(&world, 9, 1);
    router.advert.servers = Some((600, vec![own(1, 53)]));
    world.add(&board(1));
    let start = world.now;
    let cidr =
        until(&mut world, &mut [&mut router], seconds(60), |world| world.stack(0).config().ipv6());
    assert_eq!(cidr, Ipv6Cidr::new(own(1, 1), 64));
    // Up to a second before each question whether an address is free, and one behind it (RFC 4862 5.4.2, RFC 4861 10).
    let took = since(start, &world);
    assert!(took >= seconds(2) && took < seconds(5), "{took}");
    assert_eq!(addresses(&mut world, 0), [own(1, 1), link_local(1)]);
    assert_eq!(world.stack(0).config().ipv6_gateway(), Some(link_local(9)));
    let facts = facts(&mut world, 0);
    for fact in [
        Fact::Address(own(1, 1).into(), 64, Origin::Slaac),
        Fact::Address(link_local(1).into(), 64, Origin::LinkLocal),
        Fact::Gateway(link_local(9).into()),
        Fact::Dns(own(1, 53).into()),
    ] {
        assert!(facts.contains(&fact), "{fact} in {facts:?}");
    }
    let lifetime = |fact: &&Fact| matches!(fact, Fact::Lifetime(1790..1800, 3590..3600));
    assert_eq!(facts.iter().filter(lifetime).count(), 1, "{facts:?}");
    // Nobody asks for routers any more.
    let asked = router.times(133).len();
    pass(&mut world, &mut [&mut router], seconds(1000));
    assert_eq!(router.times(133).len(), asked);
}

#[test]
fn the_link_local_address_is_asked_for_first_and_each_after_its_group_was_reported() {
    let mut world = World::ethernet();
    let mut router = Router::new(&world, 9, 1);
    world.add(&board(1));
    settle(&mut world, &mut [&mut router]);
    let told: Vec<_> = router
        .heard
        .iter()
        .map(|heard| (heard.kind, heard.from, heard.target.or(heard.group)))
        .collect();
    let nobody = Ipv6Address::UNSPECIFIED;
    let group = Some(Ipv6Address::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 1));
    let (near, far) = (link_local(1), own(1, 1));
    let expected = [
        (143, nobody, group),
        (135, nobody, Some(near)),
        (133, near, None),
        // RFC 3590: with an address, once more.
        (143, near, group),
        (143, near, group),
        (135, nobody, Some(far)),
        (143, near, group),
    ];
    let (mut told, mut expected) = (told, expected.to_vec());
    if cfg!(feature = "multicast") {
        told.retain(|told| told.0 != 143);
        expected.retain(|told| told.0 != 143);
    }
    assert_eq!(told, expected);
}

#[test]
fn before_there_is_an_address_nothing_is_answered() {
    let mut world = World::ethernet();
    let router = Router::new(&world, 9, 1);
    world.add(&board(1));
    world.pass(Duration::from_millis(1));
    let echo = vec![128, 0, 0, 0, 0, 1, 0, 1];
    for to in [router::ALL_NODES, link_local(1)] {
        router.port.send(world.now, &router::frame(mac(9), (link_local(9), to), 64, echo.clone()));
    }
    world.pass(Duration::from_millis(1));
    let frames = world.nodes[0].port.take_sent();
    assert!(frames.is_empty(), "{frames:02x?}");
}

#[test]
fn two_boards_talk_over_addresses_of_their_own_making() {
    let mut world = World::ethernet();
    let mut router = Router::new(&world, 9, 1);
    world.add(&board(1));
    world.add(&board(2));
    settle(&mut world, &mut [&mut router]);
    let listener = world.stack(1).tcp_listen(7).unwrap();
    for to in [own(1, 2), link_local(2)] {
        let (mine, theirs) = world.connect(0, (IpAddr::from(to), 7).into(), (1, &listener));
        let (from, _) = world.stack(0).endpoints(&mine).unwrap();
        let same_scope = if to == own(1, 2) { own(1, 1) } else { link_local(1) };
        assert_eq!(from.ip(), IpAddr::from(same_scope));
        world.transfer((0, &mine), (1, &theirs), &pattern(5000));
    }
}

#[test]
fn without_a_router_there_is_the_link_local_address_and_questions_that_become_rare() {
    let mut world = World::ethernet();
    let mut router = Router::new(&world, 9, 1);
    router.alive = false;
    world.add(&board(1));
    pass(&mut world, &mut [&mut router], seconds(20_000));
    assert_eq!(addresses(&mut world, 0), [link_local(1)]);
    assert_eq!(world.stack(0).config().ipv6(), None);
    let times = router.times(133);
    // RFC 7559 2: 4 s, doubled each time, give or take a tenth each, up to an hour.
    let mut gaps = times.windows(2).map(|pair| (pair[1] - pair[0]).total_millis());
    let mut last = gaps.next().unwrap();
    assert!((3600..=4400).contains(&last), "{last}");
    for gap in gaps {
        let good = if last > 1_800_000 {
            (3_240_000..=3_960_000).contains(&gap)
        } else {
            (last * 19 / 10..=last * 21 / 10).contains(&gap)
        };
        assert!(good, "{gap} after {last}");
        last = gap;
    }
    assert!((13..=17).contains(&times.len()), "{}", times.len());
    // A router that comes then is heard.
    router.advertise(world.now);
    settle(&mut world, &mut [&mut router]);
    assert_eq!(addresses(&mut world, 0), [own(1, 1), link_local(1)]);
    let asked = router.times(133).len();
    pass(&mut world, &mut [&mut router], seconds(20_000));
    assert!(router.times(133).len() > asked, "its lifetime is over, and it is asked for again");
}

#[test]
fn with_a_secret_addresses_are_stable_and_do_not_tell_the_mac_address() {
    let find = |secret, net| {
        let mut world = World::ethernet();
        let mut router = Router::new(&world, 9, net);
        world.add(&board(1).with_stable_secret(secret));
        settle(&mut world, &mut [&mut router]);
        addresses(&mut world, 0)
    };
    let all = [find(1, 1), find(1, 2), find(2, 1)];
    assert_eq!(all[0], find(1, 1));
    let mut identifiers: Vec<_> =
        all.iter().flatten().map(|own| own.octets()[8..].to_vec()).collect();
    identifiers.sort();
    identifiers.dedup();
    // The link-local one of one secret is the same twice.
    assert_eq!(identifiers.len(), 5);
    for identifier in identifiers {
        assert_ne!(&identifier[3..5], [0xff, 0xfe]);
    }
}

#[test]
fn it_is_switched_on_and_off_while_it_runs() {
    let mut world = World::ethernet();
    let mut router = Router::new(&world, 9, 1);
    world.add(&board(1));
    settle(&mut world, &mut [&mut router]);
    let fixed = Ipv6Cidr::new(own(7, 7), 64);
    let config = *world.stack(0).config();
    // The same again changes nothing.
    world.stack(0).reconfigure(&config);
    assert_eq!(addresses(&mut world, 0), [own(1, 1), link_local(1)]);
    world.stack(0).reconfigure(&config.with_ipv6(fixed));
    router.advertise(world.now);
    settle(&mut world, &mut [&mut router]);
    assert_eq!(addresses(&mut world, 0), [own(7, 7), link_local(1)]);
    assert_eq!(world.stack(0).config().ipv6(), Some(fixed));
    world.stack(0).reconfigure(&config.with_slaac());
    assert!(addresses(&mut world, 0).is_empty());
    settle(&mut world, &mut [&mut router]);
    assert_eq!(addresses(&mut world, 0), [own(1, 1), link_local(1)]);
    world.stack(0).reconfigure(&config.without_ipv6());
    router.advertise(world.now);
    settle(&mut world, &mut [&mut router]);
    assert!(addresses(&mut world, 0).is_empty());
    assert_eq!(world.stack(0).config().ipv6_gateway(), None);
}
