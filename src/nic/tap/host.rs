//! The host's side of a TAP: its addresses, the bridge it is a port of, and what stands in its way.

use std::net::IpAddr;

use smoltcp::wire::{EthernetAddress, IpCidr};

use super::config::TapConfig;
use super::error::{Other, OtherKind, TapWarning};
use super::netlink::{Address, NetDevice, Netlink};

/// The host's side of a TAP, as it was found when the TAP was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostSide {
    /// The interface that the TAP is a port of, a bridge for example.
    pub master: Option<String>,
    /// The addresses of the TAP, or of the interface that it is a port of.
    pub addresses: Vec<IpCidr>,
    /// The MAC addresses of both.
    pub macs: Vec<EthernetAddress>,
}

/// The addresses of all interfaces of this machine.
pub fn machine_addresses() -> std::io::Result<Vec<IpAddr>> {
    let addresses = Netlink::open()?.addresses()?;
    Ok(addresses.into_iter().map(|address| address.ip).collect())
}

impl HostSide {
    /// The host's side of the TAP `link`, among the machine's `addresses`.
    pub(super) fn of(
        link: &NetDevice,
        addresses: &[Address],
        netlink: &mut Netlink,
    ) -> rustix::io::Result<Self> {
        let master = match link.master {
            Some(index) => netlink.link_at(index)?,
            None => None,
        };
        let home = master.as_ref().unwrap_or(link).index;
        let own = addresses.iter().filter(|address| address.index == home);
        let macs = [Some(link), master.as_ref()].into_iter().flatten().filter_map(|link| link.mac);
        Ok(Self {
            addresses: own.map(Address::cidr).collect(),
            macs: macs.map(EthernetAddress).collect(),
            master: master.map(|master| master.name),
        })
    }

    /// Its addresses in the network of one of `hosts`.
    pub(super) fn addresses_in(&self, hosts: &[IpCidr]) -> Vec<IpCidr> {
        let near = |own: &&IpCidr| hosts.iter().any(|host| host.contains_addr(&own.address()));
        self.addresses.iter().filter(near).copied().collect()
    }
}

impl Address {
    fn cidr(&self) -> IpCidr {
        IpCidr::new(self.ip.into(), self.prefix_len)
    }
}

/// The address, if any, with which another interface than the TAP `link` leads to the network of `host` as well:
/// the kernel would go by that one, or by either. A single host's prefix leads to no network.
pub(super) fn elsewhere<'a>(
    host: IpCidr,
    link: &NetDevice,
    addresses: &'a [Address],
) -> Option<&'a Address> {
    let bits = if matches!(host, IpCidr::Ipv4(_)) { 32 } else { 128 };
    addresses.iter().find(|address| {
        let cidr = address.cidr();
        address.index != link.index
            && cidr.contains_addr(&host.address())
            && (host.prefix_len()..bits).contains(&cidr.prefix_len())
    })
}

/// The warning of what [`elsewhere`] found, which is not empty, for a TAP that has the addresses `own` itself.
pub(super) fn warning(
    config: &TapConfig,
    found: &[&Address],
    own: Vec<IpCidr>,
    netlink: &mut Netlink,
) -> rustix::io::Result<Option<TapWarning>> {
    let index = found[0].index;
    let found = found.iter().filter(|address| address.index == index);
    let hosts = found.map(|address| address.cidr()).collect();
    Ok(netlink.link_at(index)?.map(|interface| {
        let kind = match &interface.tap {
            _ if interface.bridge => OtherKind::Bridge,
            Some(_) => OtherKind::Tap,
            None => OtherKind::Else,
        };
        let other = Other { name: interface.name, kind };
        TapWarning::HostElsewhere { name: config.name.clone(), own, hosts, other }
    }))
}
