//! What `tapboard fleet` is told.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use smoltcp::time::Duration;
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};

use crate::gateway::{Forward, HostPort};
use crate::identity::{Given, Identity, numbered_ipv4};
use crate::link::LinkOptions;
use crate::run::RunOptions;

/// Boards of a fleet at most.
pub const BOARDS_MAX: u32 = 100_000;

/// Boards that one host looks after: in virtual time, or as a gateway.
pub const BOARDS_PER_HOST: usize = 12;

/// What the switch's uplink is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uplink {
    /// The TAP of that name.
    Tap {
        /// The interface's name.
        name: String,
    },
    /// The fleet of another process that listens at that path.
    Join {
        /// The path of its UNIX socket.
        path: PathBuf,
    },
    /// Gateways on this machine's loopback addresses.
    Gateway(GatewayUplink),
    /// Nothing, and time is virtual.
    None {
        /// How long it runs.
        time: Duration,
    },
}

/// What passes the gateways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayUplink {
    /// The ports at each board's loopback address that lead to it.
    pub forwards: Vec<Forward>,
    /// Where telemetry goes, if it does.
    pub telemetry: Option<HostPort>,
}

/// A fleet, and how to run it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetOptions {
    /// How many boards.
    pub boards: u32,
    /// The number of the first; from a board's number all that it is called follows.
    pub first: u32,
    /// The boards' network.
    pub net: Ipv4Cidr,
    /// What is beyond the switch.
    pub uplink: Uplink,
    /// Where others may join.
    pub listen: Option<PathBuf>,
    /// What is wrong with each board's own cable, and what chance follows from.
    pub faults: LinkOptions,
    /// How to run it. The cable in it is the uplink's.
    pub run: RunOptions,
}

impl FleetOptions {
    /// The board of that number.
    #[must_use]
    pub fn board(&self, number: u32) -> Identity {
        Identity::new(&Given { ipv4: Some(numbered_ipv4(self.net, number)), ..Given::default() })
    }

    /// The host's address: the last of the network.
    #[must_use]
    pub fn host(&self) -> Ipv4Cidr {
        host(self.net)
    }

    /// The hosts that look after [`BOARDS_PER_HOST`] boards each, in order: from the last address of the network downwards.
    pub(super) fn hosts(&self) -> impl Iterator<Item = Identity> {
        let last = self.host().address().to_bits() & !self.net.netmask().to_bits();
        let count = self.boards.div_ceil(BOARDS_PER_HOST as u32);
        (0..count).map(move |host| self.board(last - host))
    }
}

/// The address of this machine's at which a board is reached through a gateway: its own with 127 in front.
pub(super) fn loopback(board: Ipv4Address) -> Ipv4Addr {
    let [_, b, c, d] = board.octets();
    Ipv4Addr::new(127, b, c, d)
}

/// The last host's address of a network.
fn host(net: Ipv4Cidr) -> Ipv4Cidr {
    let last = net.address().to_bits() | !net.netmask().to_bits();
    Ipv4Cidr::new(Ipv4Address::from_bits(last & !1), net.prefix_len())
}

/// How many boards a network has numbers for, beside the host's.
#[must_use]
pub fn room(net: Ipv4Cidr) -> u32 {
    (!net.netmask().to_bits()).saturating_sub(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_the_last_of_the_network() {
        let net = |text: &str| text.parse::<Ipv4Cidr>().unwrap();
        assert_eq!(host(net("198.18.0.0/15")), net("198.19.255.254/15"));
        assert_eq!(host(net("10.1.2.0/24")), net("10.1.2.254/24"));
        assert_eq!((room(net("10.1.2.0/24")), room(net("198.18.0.0/15"))), (253, 131_069));
    }
}
