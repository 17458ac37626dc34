//! Advertisements that are none (RFC 4861 6.1.2, RFC 4862 5.5.3), or that are not to be believed.

use tapboard_net::smoltcp::time::Duration;
use tapboard_net::smoltcp::wire::Ipv6Address;

use super::router::{Lies, Prefix, Router, link_local, own, prefix};
use super::{addresses, board, pass, seconds, settle};
use crate::common::World;

/// A board beside a router of which it knows, and the same router's next word.
fn told(change: impl FnOnce(&mut Router)) -> (World, Router) {
    let mut world = World::ethernet();
    let mut router = Router::new(&world, 9, 1);
    router.alive = false;
    world.add(&board(1));
    settle(&mut world, &mut [&mut router]);
    assert_eq!(addresses(&mut world, 0), [link_local(1)]);
    change(&mut router);
    router.advertise(world.now);
    settle(&mut world, &mut [&mut router]);
    (world, router)
}

#[test]
fn what_does_not_come_from_a_router_on_this_link_is_not_heard() {
    let none = Lies::default();
    for lies in [
        Lies { hop_limit: Some(254), ..none },
        Lies { hop_limit: Some(64), ..none },
        Lies { source: Some(own(1, 9)), ..none },
        Lies { source: Some(Ipv6Address::UNSPECIFIED), ..none },
        Lies { source: Some(link_local(1)), ..none },
        Lies { code: 1, ..none },
        Lies { corrupt: true, ..none },
        Lies { cut: Some(15), ..none },
        // In the midst of an option.
        Lies { cut: Some(16 + 8 + 31), ..none },
        Lies { cut: Some(16 + 1), ..none },
    ] {
        let (mut world, _) = told(|router| router.lies = lies);
        assert_eq!(addresses(&mut world, 0), [link_local(1)], "{lies:?}");
        assert_eq!(world.stack(0).config().ipv6_gateway(), None, "{lies:?}");
        assert_eq!(world.stack(0).counters().discovery_dropped, 1, "{lies:?}");
    }
    // An option of no length; behind what is good, too.
    let (mut world, _) = told(|router| router.advert.rest = vec![200, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(addresses(&mut world, 0), [link_local(1)]);
    // One that nobody knows is skipped (RFC 4861 4.6).
    let (mut world, _) = told(|router| router.advert.rest = vec![200, 1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(addresses(&mut world, 0), [own(1, 1), link_local(1)]);
}

#[test]
fn a_prefix_that_is_none_makes_no_address() {
    let good = prefix(1);
    let with = |text: &str| Prefix { address: text.parse().unwrap(), ..good };
    for bad in [
        with("fe80::"),
        with("fe80:0:0:7::"),
        with("ff02::"),
        with("::"),
        with("::ffff:0:0"),
        Prefix { len: 63, ..good },
        Prefix { len: 65, ..good },
        Prefix { len: 0, ..good },
        Prefix { len: 255, ..good },
        Prefix { flags: 0x80, ..good },
        Prefix { preferred: 3601, ..good },
        Prefix { valid: 0, preferred: 0, ..good },
    ] {
        let (mut world, _) = told(|router| router.advert.prefixes = vec![bad]);
        assert_eq!(addresses(&mut world, 0), [link_local(1)], "{bad:?}");
        // It is a router all the same.
        assert_eq!(world.stack(0).config().ipv6_gateway(), Some(link_local(9)), "{bad:?}");
    }
}

#[test]
fn a_prefix_that_is_not_on_the_link_is_reached_through_the_router() {
    let off = Prefix { flags: 0x40, ..prefix(1) };
    let (mut world, _) = told(|router| router.advert.prefixes = vec![off]);
    assert_eq!(world.stack(0).config().ipv6().unwrap().prefix_len(), 128);
    let (mut world, _) = told(|_| {});
    assert_eq!(world.stack(0).config().ipv6().unwrap().prefix_len(), 64);
}

#[test]
fn of_many_prefixes_the_first_two_are_taken_and_more_do_not_move_them() {
    let (mut world, mut router) =
        told(|router| router.advert.prefixes = (1..40).map(prefix).collect());
    let taken = [own(1, 1), own(2, 1), link_local(1)];
    assert_eq!(addresses(&mut world, 0), taken);
    for net in 100..200 {
        router.advert.prefixes = vec![prefix(net)];
        router.advertise(world.now);
        pass(&mut world, &mut [&mut router], seconds(1));
    }
    assert_eq!(addresses(&mut world, 0), taken);
}

#[test]
fn one_who_says_again_and_again_that_nobody_is_a_router_does_not_make_the_board_busy() {
    let mut world = World::ethernet();
    let mut router = Router::new(&world, 9, 1);
    world.add(&board(1));
    settle(&mut world, &mut [&mut router]);
    let before = router.times(133).len();
    for _ in 0..200 {
        for lifetime in [0, 1800] {
            router.advert.lifetime = lifetime;
            router.advertise(world.now);
            pass(&mut world, &mut [&mut router], Duration::from_millis(100));
        }
    }
    let asked = router.times(133).len() - before;
    assert!((8..=12).contains(&asked), "{asked} in 40 s");
}

/// RFC 4191 2.2: the preference of who is no router says nothing.
#[test]
fn who_is_no_router_pushes_no_router_out() {
    let mut world = World::ethernet();
    let mut routers = [1, 2, 3].map(|number| Router::new(&world, 8 + number, number.into()));
    world.add(&board(1));
    let [first, second, none] = &mut routers;
    none.alive = false;
    settle(&mut world, &mut [first, second]);
    let gateway = world.stack(0).config().ipv6_gateway();
    assert!(gateway.is_some());
    (first.alive, second.alive) = (false, false);
    (none.advert.lifetime, none.advert.preference) = (0, 1);
    none.advertise(world.now);
    settle(&mut world, &mut [first, second, none]);
    assert_eq!(world.stack(0).config().ipv6_gateway(), gateway);
    // Of the two, both are still known: when the one in use goes, there is the other.
    let one = usize::from(gateway != Some(link_local(9)));
    let routers = [first, second];
    let other = routers[1 - one].number;
    routers.into_iter().enumerate().for_each(|(index, router)| {
        if index == one {
            router.advert.lifetime = 0;
            router.advertise(world.now);
        }
    });
    settle(&mut world, &mut []);
    assert_eq!(world.stack(0).config().ipv6_gateway(), Some(link_local(other)));
}
