//! An address from a server, its renewal and its loss, in virtual time.

mod conflict;
mod lease;
mod lies;
mod link;
mod server;
mod worlds;

use crate::common::{World, own_mac, pass, seconds, since, until};
use server::Server;
use tapboard_net::NetConfig;
use tapboard_net::smoltcp::time::Duration;
use tapboard_net::smoltcp::wire::Ipv4Cidr;

/// A minute of real use, and then some: enough for a lease and its probe.
const LEASED: Duration = Duration::from_secs(30);

/// A board that asks for its address.
fn client(last: u8) -> NetConfig {
    NetConfig::new(own_mac(last)).with_dhcp().with_hostname("Tap board")
}

/// Waits until node `index` has an address, and says which.
fn address(world: &mut World, servers: &mut [&mut Server], index: usize) -> Ipv4Cidr {
    until(world, servers, LEASED, |world| world.stack(index).config().ipv4())
}
