//! Somebody has the address already (RFC 4862 5.4).

use tapboard_net::Conflict;
use tapboard_net::netstat::Fact;
use tapboard_net::smoltcp::time::Duration;
use tapboard_net::smoltcp::wire::Ipv6Address;

use super::router::{Router, link_local, own};
use super::{addresses, board, facts, pass, seconds, settle, until};
use crate::common::{Host, World, own_mac};

#[test]
fn an_address_that_somebody_has_is_not_used_and_that_is_said() {
    let mut world = World::ethernet();
    let mut router = Router::new(&world, 9, 1);
    router.claims.push(own(1, 1));
    world.add(&board(1));
    settle(&mut world, &mut [&mut router]);
    assert_eq!(addresses(&mut world, 0), [link_local(1)]);
    let (_, conflict) = world.stack(0).conflict().expect("it is reported");
    assert_eq!(conflict, Conflict { address: Some(own(1, 1).into()), mac: own_mac(9) });
    assert!(facts(&mut world, 0).contains(&Fact::Duplicate(own(1, 1).into())));
    // It is tried again, seldom, and used once it is free.
    let asked = router.times(135).len();
    pass(&mut world, &mut [&mut router], seconds(600));
    let again = router.times(135).len() - asked;
    assert!((9..=10).contains(&again), "{again}");
    router.claims.clear();
    pass(&mut world, &mut [&mut router], seconds(70));
    assert_eq!(addresses(&mut world, 0), [own(1, 1), link_local(1)]);
    assert!(!facts(&mut world, 0).iter().any(|fact| matches!(fact, Fact::Duplicate(_))));
}

#[test]
fn without_a_link_local_address_there_is_none() {
    let mut world = World::ethernet();
    let mut router = Router::new(&world, 9, 1);
    router.claims.push(link_local(1));
    world.add(&board(1));
    settle(&mut world, &mut [&mut router]);
    router.advertise(world.now);
    pass(&mut world, &mut [&mut router], seconds(40));
    assert!(addresses(&mut world, 0).is_empty());
    assert_eq!(router.times(133).len(), 0, "nobody asks without an address");
    // Nor is another address asked for, whatever wakes the board.
    router.advertise(world.now);
    pass(&mut world, &mut [&mut router], seconds(3));
    assert!(addresses(&mut world, 0).is_empty());
    router.claims.clear();
    pass(&mut world, &mut [&mut router], seconds(30));
    assert_eq!(addresses(&mut world, 0), [own(1, 1), link_local(1)]);
}

#[test]
fn two_who_ask_for_the_same_address_at_once_both_leave_it() {
    let mut world = World::ethernet();
    let mut router = Router::new(&world, 9, 1);
    world.add(&board(1));
    // Before its own question as well as behind it (RFC 4862 5.4.3).
    for wait in [1, 1000] {
        world.pass(Duration::from_millis(wait));
        router.probe(world.now, link_local(1));
        world.pass(Duration::from_millis(1));
        assert!(world.stack(0).conflict().is_some());
        assert!(addresses(&mut world, 0).is_empty());
        world.stack(0).link_up();
    }
    router.serve(world.now);
}

/// A switch or a loop may send back what is for all.
#[test]
fn its_own_question_is_nobody_elses() {
    let mut world = World::ethernet();
    let mut router = Router::new(&world, 9, 1);
    world.add(&board(1));
    until(&mut world, &mut [&mut router], seconds(3), |world| {
        world.nodes[0].port.take_sent().iter().any(|frame| frame[14 + 40] == 135).then_some(())
    });
    Router::new(&world, 1, 1).probe(world.now, link_local(1));
    settle(&mut world, &mut [&mut router]);
    assert_eq!(addresses(&mut world, 0), [own(1, 1), link_local(1)]);
    assert_eq!(world.stack(0).conflict(), None);
}

#[test]
fn with_a_secret_another_one_is_tried_up_to_three_times() {
    let mut world = World::ethernet();
    let mut router = Router::new(&world, 9, 1);
    world.add(&board(1).with_stable_secret(1));
    settle(&mut world, &mut [&mut router]);
    let first = addresses(&mut world, 0)[0];
    router.claims.push(first);
    let mut world = World::ethernet();
    router.port = world.probe.another();
    world.add(&board(1).with_stable_secret(1));
    settle(&mut world, &mut [&mut router]);
    let second = addresses(&mut world, 0)[0];
    assert_ne!(first, second);
    assert_eq!(first.octets()[..8], second.octets()[..8]);
    // Whatever it tries.
    let mut world = World::ethernet();
    router.port = world.probe.another();
    (router.claims_all, router.heard) = (true, Vec::new());
    world.add(&board(1).with_stable_secret(1));
    pass(&mut world, &mut [&mut router], seconds(50));
    let asked: Vec<Ipv6Address> = router
        .heard
        .iter()
        .filter_map(|heard| heard.target.filter(|_| heard.kind == 135))
        .collect();
    assert_eq!(asked.len(), 4, "RFC 7217 6: {asked:?}");
    assert!(addresses(&mut world, 0).is_empty());
}

#[test]
fn an_address_in_use_that_somebody_goes_on_to_use_is_given_up() {
    let mut world = World::ethernet();
    let mut router = Router::new(&world, 9, 1);
    world.add(&board(1));
    settle(&mut world, &mut [&mut router]);
    router.claims.push(own(1, 1));
    router.claim(world.now, own(1, 1), super::router::ALL_NODES, 0x20);
    until(&mut world, &mut [&mut router], seconds(20), |world| {
        (addresses(world, 0) == [link_local(1)]).then_some(())
    });
    assert_eq!(world.stack(0).conflict().unwrap().1.address, Some(own(1, 1).into()));
}
