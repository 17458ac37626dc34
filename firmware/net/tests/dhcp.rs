//! An address from a server, its renewal and its loss, in virtual time.

mod conflict;
mod lease;
mod lies;
mod link;
mod server;
mod worlds;

use crate::common::{World, own_mac};
use server::Server;
use tapboard_net::NetConfig;
use tapboard_net::smoltcp::time::{Duration, Instant};
use tapboard_net::smoltcp::wire::Ipv4Cidr;

/// A minute of real use, and then some: enough for a lease and its probe.
const LEASED: Duration = Duration::from_secs(30);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A board that asks for its address.
fn client(last: u8) -> NetConfig {
    NetConfig::new(own_mac(last)).with_dhcp().with_hostname("Tap board")
}

/// Runs a world with servers until `done` has a result.
fn until<R>(
    world: &mut World,
    servers: &mut [&mut Server],
    limit: Duration,
    mut done: impl FnMut(&mut World) -> Option<R>,
) -> R {
    world.until(limit, |world| {
        for server in &mut *servers {
            server.serve(world.now);
        }
        done(world)
    })
}

/// Lets time pass, with servers.
fn pass(world: &mut World, servers: &mut [&mut Server], time: Duration) {
    world.pass_with(time, |now| servers.iter_mut().for_each(|server| server.serve(now)));
}

/// Waits until node `index` has an address, and says which.
fn address(world: &mut World, servers: &mut [&mut Server], index: usize) -> Ipv4Cidr {
    until(world, servers, LEASED, |world| world.stack(index).config().ipv4())
}

/// How long after `start`.
fn since(start: Instant, world: &World) -> Duration {
    world.now - start
}
