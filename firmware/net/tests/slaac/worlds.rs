//! Many networks whose routers vanish, lie and change, each from its seed.

use std::env;

use tapboard_net::rng::Rng;
use tapboard_net::smoltcp::time::Duration;

use super::router::{Lies, Prefix, Router, link_local, own, prefix};
use super::{addresses, board, pass, seconds, until};
use crate::common::World;

/// Worlds of a run; `TAPBOARD_SLAAC_WORLDS` is for more.
const WORLDS: u64 = 100;

/// Half of the time none, or one of them.
fn lies(rng: &mut Rng) -> Lies {
    let mut lies = Lies::default();
    match rng.below(20) {
        0 => lies.hop_limit = Some(64),
        1 => lies.source = Some(own(1, 9)),
        2 => lies.source = Some(link_local(rng.below(4) as u8)),
        3 => lies.corrupt = true,
        4 => lies.cut = Some(rng.below(60) as usize).filter(|len| *len >= 4),
        5 => lies.code = 1,
        _ => {}
    }
    lies
}

/// What changes from one moment to the next.
fn change(rng: &mut Rng, router: &mut Router) {
    let times = [0, 1, 10, 60, 600, 7200, 86_400, u32::MAX];
    let time = |rng: &mut Rng| times[rng.below(8) as usize];
    router.alive = rng.below(3) > 0;
    router.reachable = rng.below(3) > 0;
    router.lies = lies(rng);
    let advert = &mut router.advert;
    advert.lifetime = [0, 1, 30, 1800, u16::MAX][rng.below(5) as usize];
    advert.preference = rng.below(4) as u8;
    advert.mtu = (rng.below(3) == 0).then(|| [0, 1279, 1280, 1400, 9000][rng.below(5) as usize]);
    advert.servers = (rng.below(3) == 0).then(|| (time(rng), vec![own(1, 50), own(1, 51)]));
    advert.prefixes = (0..rng.below(4))
        .map(|_| Prefix {
            valid: time(rng),
            preferred: time(rng),
            flags: [0xc0, 0xc0, 0x40, 0x80][rng.below(4) as usize],
            len: if rng.below(8) == 0 { rng.below(256) as u8 } else { 64 },
            ..prefix(rng.below(4) as u16)
        })
        .collect();
    router.claims.clear();
    if rng.below(4) == 0 {
        router.claims.push(own(rng.below(4) as u16, 1));
    }
    if rng.below(16) == 0 {
        router.claims.push(link_local(1));
    }
}

fn world(seed: u64) {
    let mut rng = Rng::new(seed);
    let mut world = World::ethernet();
    let mut routers = [Router::new(&world, 8, 1), Router::new(&world, 9, 2)];
    let secret = (rng.below(2) == 0).then(|| rng.next_u64());
    let config = board(1);
    let config = secret.map_or(config, |secret| config.with_stable_secret(secret));
    world.add(&config);
    // Somebody has an address that is made.
    routers[0].claims.push(own(3, 1));
    world.probe.set_loss(rng.below(30), seed);
    for _ in 0..40 {
        for router in &mut routers {
            change(&mut rng, router);
            if rng.below(2) == 0 {
                router.advertise(world.now);
            }
        }
        if rng.below(4) == 0 {
            world.stack(0).link_up();
        }
        let time = Duration::from_millis(1 + u64::from(rng.below(120_000)));
        let [one, two] = &mut routers;
        let before = world.stack(0).counters().frames_out;
        pass(&mut world, &mut [one, two], time);
        let said = world.stack(0).counters().frames_out - before;
        // Each change is probed and reported, conflicts are answered, and routers that are none asked for anew.
        assert!(said < 60 + time.secs() * 2, "{said} frames in {time}");
        let own = addresses(&mut world, 0);
        let near = own.iter().filter(|own| own.is_unicast_link_local()).count();
        assert!(near <= 1 && own.len() <= 3, "{own:?}");
        for address in own.iter().filter(|own| !own.is_unicast_link_local()) {
            let net = u16::from_be_bytes([address.octets()[6], address.octets()[7]]);
            let net = prefix(net).address;
            assert_eq!(address.octets()[..8], net.octets()[..8], "{address} is of no prefix");
            let told: Vec<_> = routers
                .iter()
                .filter_map(|router| router.told.borrow().get(&net).copied())
                .collect();
            let now = world.now;
            let good = told.iter().any(|until| until.is_none_or(|until| now < until));
            assert!(good, "{address} is used after its time: {told:?}");
        }
        let gateway = world.stack(0).config().ipv6_gateway();
        assert!(gateway.is_none_or(|router| router.is_unicast_link_local()));
    }
    // Once all is well, all is well: in another network, so that no old conflict and no old prefix is in the way.
    world.probe.set_loss(0, seed);
    let (fresh, mut quiet) = (Router::new(&world, 8, 1).advert, Router::new(&world, 9, 2));
    quiet.alive = false;
    let [one, _] = &mut routers;
    (one.alive, one.reachable, one.advert, one.lies) = (true, true, fresh, Lies::default());
    one.claims.clear();
    world.stack(0).link_up();
    until(&mut world, &mut [one, &mut quiet], seconds(300), |world| {
        let config = world.stack(0).config();
        let primary = config.ipv6()?.address().octets()[..8] == prefix(1).address.octets()[..8];
        (primary && config.ipv6_gateway() == Some(link_local(8))).then_some(())
    });
}

#[test]
fn whatever_routers_do_addresses_are_of_theirs_and_the_board_is_not_busy() {
    let count = env::var("TAPBOARD_SLAAC_WORLDS").ok().and_then(|count| count.parse().ok());
    let first = env::var("TAPBOARD_SLAAC_SEED").ok().and_then(|seed| seed.parse().ok());
    let first = first.unwrap_or(0);
    for seed in first..first + count.unwrap_or(WORLDS) {
        let result = std::panic::catch_unwind(|| world(seed));
        assert!(result.is_ok(), "again: TAPBOARD_SLAAC_SEED={seed} TAPBOARD_SLAAC_WORLDS=1");
    }
}
