//! The cable comes in again, in the same network or in another one.

use super::router::{Router, link_local, own};
use super::{addresses, board, connected, pass, seconds, settle, until};
use crate::common::{World, pattern};

#[test]
fn in_the_same_network_addresses_stay_and_connections_go_on() {
    let mut world = World::ethernet();
    let mut router = Router::new(&world, 9, 1);
    let (mine, theirs) = connected(&mut world, &mut router);
    router.heard.clear();
    world.stack(0).link_up();
    pass(&mut world, &mut [&mut router], seconds(1));
    assert_eq!(router.times(133).len(), 1, "at once, and it is answered");
    // All of them are asked for anew: is the network a new one, somebody may have them there (RFC 4862 5.3).
    let asked: Vec<_> = router.heard.iter().filter_map(|heard| heard.target).collect();
    assert!(asked.contains(&own(1, 1)) && asked.contains(&link_local(1)), "{asked:?}");
    world.transfer((0, &mine), (1, &theirs), &pattern(5000));
    pass(&mut world, &mut [&mut router], seconds(600));
    assert_eq!(addresses(&mut world, 0), [own(1, 1), link_local(1)]);
    world.transfer((0, &mine), (1, &theirs), &pattern(5000));
    assert_eq!(router.times(133).len(), 1);
}

#[test]
fn in_another_network_there_are_other_addresses_and_the_old_ones_go() {
    let mut world = World::ethernet();
    let mut router = Router::new(&world, 9, 1);
    router.advert.servers = Some((u32::MAX, vec![own(1, 53)]));
    let (mine, _) = connected(&mut world, &mut router);
    let mut other = Router::new(&world, 8, 2);
    router.alive = false;
    world.stack(0).link_up();
    settle(&mut world, &mut [&mut other]);
    assert!(addresses(&mut world, 0).contains(&own(2, 1)));
    // What was known is forgotten once it is clear that nobody tells of it.
    until(&mut world, &mut [&mut other], seconds(20), |world| {
        (addresses(world, 0) == [own(2, 1), link_local(1)]).then_some(())
    });
    assert_eq!(world.stack(0).config().ipv6_gateway(), Some(link_local(8)));
    assert_eq!(world.stack(0).dns_servers().count(), 0);
    assert!(world.stack(0).tcp_receive(&mine, &mut [0]).is_err());
    // Until that is clear, and once for what there was no room for.
    pass(&mut world, &mut [&mut other], seconds(5));
    assert!((2..=4).contains(&other.times(133).len()), "{}", other.times(133).len());
    let asked = other.times(133).len();
    pass(&mut world, &mut [&mut other], seconds(1000));
    assert_eq!(other.times(133).len(), asked);
}

#[test]
fn where_nobody_speaks_what_is_known_stays() {
    let mut world = World::ethernet();
    let mut router = Router::new(&world, 9, 1);
    world.add(&board(1));
    settle(&mut world, &mut [&mut router]);
    router.alive = false;
    world.stack(0).link_up();
    pass(&mut world, &mut [&mut router], seconds(300));
    assert_eq!(addresses(&mut world, 0), [own(1, 1), link_local(1)]);
    assert_eq!(world.stack(0).config().ipv6_gateway(), Some(link_local(9)));
}

#[test]
fn an_address_that_somebody_had_is_tried_at_once() {
    let mut world = World::ethernet();
    let mut router = Router::new(&world, 9, 1);
    router.claims.push(own(1, 1));
    world.add(&board(1));
    settle(&mut world, &mut [&mut router]);
    assert_eq!(addresses(&mut world, 0), [link_local(1)]);
    router.claims.clear();
    world.stack(0).link_up();
    pass(&mut world, &mut [&mut router], seconds(3));
    assert_eq!(addresses(&mut world, 0), [own(1, 1), link_local(1)]);
}
