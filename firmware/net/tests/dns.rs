//! Names of hosts become addresses, in virtual time: what a server says, and what it does not.

mod answers;
mod lies;
mod server;
mod silence;

use std::net::IpAddr;

use crate::common::{World, config, v4};
use server::{Asked, Server};
use tapboard_net::embedded_nal::{AddrType, nb};
use tapboard_net::smoltcp::time::{Duration, Instant};
use tapboard_net::{LookupError, NetConfig};

/// Longer than any question takes.
const LIMIT: Duration = Duration::from_secs(120);

fn ip(last: u8) -> IpAddr {
    v4(last).into()
}

/// A board, 192.0.2.1, that asks these servers.
fn board(servers: &[u8]) -> NetConfig {
    servers.iter().fold(config(1), |config, server| config.with_dns_server(ip(*server)))
}

/// A board that asks the server 192.0.2.2, and that server.
fn pair() -> (World, Server) {
    let mut world = World::ethernet();
    world.add(&board(&[2]));
    world.add(&config(2));
    let server = Server::new(&mut world, 1, 53);
    (world, server)
}

/// Asks for `name` at node 0 until there is a result, while servers say what they are told to.
fn look_up(
    world: &mut World,
    servers: &mut [&mut Server],
    name: &str,
    family: &AddrType,
    mut tell: impl FnMut(&Asked) -> Vec<Vec<u8>>,
) -> Result<IpAddr, LookupError> {
    world.until(LIMIT, |world| {
        for server in &mut *servers {
            server.serve(world, &mut tell);
        }
        match world.stack(0).resolve(name, family.clone()) {
            Err(nb::Error::WouldBlock) => None,
            Ok(address) => Some(Ok(address)),
            Err(nb::Error::Other(error)) => Some(Err(error)),
        }
    })
}

/// What a name becomes if its server says this.
fn told(tell: impl FnMut(&Asked) -> Vec<Vec<u8>>) -> Result<IpAddr, LookupError> {
    let (mut world, mut server) = pair();
    look_up(&mut world, &mut [&mut server], "host.example", &AddrType::Either, tell)
}

fn millis(start: Instant, asked: &[Asked]) -> Vec<u64> {
    asked.iter().map(|asked| (asked.at - start).total_millis()).collect()
}
