//! smoltcp's interface over a device that carries packets: whatever the medium, headers of Ethernet are the stack's own.
//!
//! The stack has one for as long as it lives. Others are made for one packet, so that smoltcp does what it has no call for; see
//! `workaround`. Cost: some 400 bytes each.

use smoltcp::iface::{Config, Interface};
use smoltcp::phy::{Device, DeviceCapabilities, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

/// An interface over packets, without addresses. `seed` feeds smoltcp's own generator.
#[inline(never)]
pub(crate) fn bare(capabilities: &DeviceCapabilities, now: Instant, seed: u64) -> Interface {
    let mut config = Config::new(HardwareAddress::Ip);
    config.random_seed = seed;
    Interface::new(config, &mut Mute(capabilities), now)
}

/// Likewise, with the address `own` alone, and everybody beside it.
#[inline(never)]
pub(crate) fn host(
    own: IpAddress,
    capabilities: &DeviceCapabilities,
    now: Instant,
    seed: u64,
) -> Interface {
    let mut interface = bare(capabilities, now, seed);
    interface.update_ip_addrs(|addresses| {
        // The first of them has its place. To smoltcp, who is not on the link and behind no gateway is nowhere.
        let _ = addresses.push(IpCidr::new(own, 0));
    });
    interface
}

/// A device that is only asked what it can do, which is all that smoltcp wants of one when it makes an interface.
#[derive(Debug)]
pub(crate) struct Mute<'c>(pub(crate) &'c DeviceCapabilities);

/// There is none.
#[derive(Debug)]
pub(crate) enum NoToken {}

impl RxToken for NoToken {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, _: F) -> R {
        match self {}
    }
}

impl TxToken for NoToken {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, _: usize, _: F) -> R {
        match self {}
    }
}

impl Device for Mute<'_> {
    type RxToken<'a>
        = NoToken
    where
        Self: 'a;
    type TxToken<'a>
        = NoToken
    where
        Self: 'a;

    fn receive(&mut self, _now: Instant) -> Option<(NoToken, NoToken)> {
        None
    }

    fn transmit(&mut self, _now: Instant) -> Option<NoToken> {
        None
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.0.clone()
    }
}
