//! Many networks whose servers vanish, lie and change, each from its seed.

use std::env;

use tapboard_net::netstat::Origin;
use tapboard_net::rng::Rng;
use tapboard_net::smoltcp::time::Duration;
use tapboard_net::smoltcp::wire::Ipv4Address;

use super::server::{Lies, Server};
use super::{client, pass, seconds, until};
use crate::common::{World, config, mac, v4};

/// Worlds of a run; `TAPBOARD_DHCP_WORLDS` is for more.
const WORLDS: u64 = 200;

/// Half of the time none, or one of them.
fn lies(rng: &mut Rng) -> Lies {
    let mut lies = Lies::default();
    match rng.below(20) {
        0 => lies.nak = true,
        1 => lies.address = Some(Ipv4Address::from_bits(rng.next_u64() as u32)),
        2 => lies.server = Some(Ipv4Address::from_bits(rng.next_u64() as u32)),
        3 => lies.mask = Some(Ipv4Address::from_bits(rng.next_u64() as u32)),
        4 => lies.xid = true,
        5 => lies.client = Some(mac(9)),
        6 => lies.repeats = 3,
        7 => lies.corrupt = true,
        8 => lies.address = Some(v4(rng.below(256) as u8)),
        9 => (lies.nak, lies.server) = (true, Some(v4(4))),
        _ => {}
    }
    lies
}

/// What changes from one moment to the next.
fn change(rng: &mut Rng, server: &mut Server) {
    server.alive = rng.below(3) > 0;
    server.seconds = [0, 10, 20, 60, 120, 600, 86_400, u32::MAX][rng.below(8) as usize];
    server.times = match rng.below(6) {
        0 => Some((0, 1)),
        1 => Some((rng.next_u64() as u32, rng.next_u64() as u32)),
        _ => None,
    };
    server.lies = lies(rng);
    if rng.below(4) == 0 {
        server.leases.clear();
    }
    if server.next > 200 {
        server.next = 50;
    }
}

fn world(seed: u64) {
    let mut rng = Rng::new(seed);
    let mut world = World::ethernet();
    let mut servers = [Server::new(&world, 1, 50), Server::new(&world, 4, 120)];
    world.add(&client(2));
    // Somebody has an address that is given out.
    world.add(&config(51));
    world.probe.set_loss(rng.below(30), seed);
    for _ in 0..40 {
        for server in &mut servers {
            change(&mut rng, server);
        }
        if rng.below(4) == 0 {
            world.stack(0).link_up();
        }
        let time = Duration::from_millis(1 + u64::from(rng.below(120_000)));
        let [one, two] = &mut servers;
        let before = world.stack(0).counters().frames_out;
        pass(&mut world, &mut [one, two], time);
        let said = world.stack(0).counters().frames_out - before;
        // Renewals of five seconds at the worst, each with a question for a MAC address, and what began before.
        assert!(said < 60 + time.secs(), "{said} frames in {time}");
        let now = world.now;
        let stack = world.stack(0);
        if let Some(own) = stack.config().ipv4() {
            assert!(stack.ipv4_origin() != Some(Origin::Static));
            if stack.ipv4_origin() == Some(Origin::Dhcp) {
                let lease = stack.lease().expect("an address in use is leased");
                assert!(now < lease.expires, "{own} is used after its time");
                assert_eq!(lease.address, own);
            } else {
                assert!(own.address().is_link_local());
            }
            assert_ne!(own.address(), v4(51), "somebody has it");
        }
    }
    // Once all is well, all is well.
    world.probe.set_loss(0, seed);
    for server in &mut servers {
        (server.alive, server.seconds, server.times) = (true, 600, None);
        server.lies = Lies::default();
        server.leases.clear();
        server.next = 60;
    }
    servers[1].alive = false;
    world.stack(0).link_up();
    let [one, two] = &mut servers;
    until(&mut world, &mut [one, two], seconds(300), |world| {
        let lease = world.stack(0).lease()?;
        (lease.server == v4(1)).then_some(())
    });
}

#[test]
fn whatever_servers_do_an_address_is_used_only_while_it_is_ours() {
    let count = env::var("TAPBOARD_DHCP_WORLDS").ok().and_then(|count| count.parse().ok());
    let first = env::var("TAPBOARD_DHCP_SEED").ok().and_then(|seed| seed.parse().ok());
    let first = first.unwrap_or(0);
    for seed in first..first + count.unwrap_or(WORLDS) {
        let result = std::panic::catch_unwind(|| world(seed));
        assert!(result.is_ok(), "again: TAPBOARD_DHCP_SEED={seed} TAPBOARD_DHCP_WORLDS=1");
    }
}
