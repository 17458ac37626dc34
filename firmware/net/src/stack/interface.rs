//! Who a stack is on the network: its interface, its addresses and the way to others.

#[cfg(any(feature = "multicast", feature = "dhcp", feature = "dns", feature = "slaac"))]
use core::net::IpAddr;
use core::net::SocketAddr;

use crate::ethernet::EthernetAddress;
use crate::limits::FRAME_SIZE;
use smoltcp::iface::{Interface, Route};
use smoltcp::phy::{self, DeviceCapabilities};
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, IpCidr, IpEndpoint, Ipv4Address};
#[cfg(feature = "ipv6")]
use smoltcp::wire::{Ipv6Address, Ipv6Cidr};

#[cfg(feature = "multicast")]
use super::address::to_address;
use super::address::to_endpoint;
use super::{Error, NetConfig, NetStack};
#[cfg(all(feature = "ipv6", feature = "multicast"))]
use crate::frame::discovery::solicited_node;
use crate::frame::{ETHERNET_HEADER, Medium, same};
use crate::ip_interface;

impl NetConfig {
    /// The interface over a device of these capabilities. `seed` feeds smoltcp's own generator.
    pub(super) fn interface(
        &self,
        capabilities: &DeviceCapabilities,
        medium: Medium,
        now: Instant,
        seed: u64,
    ) -> Interface {
        let mut interface = ip_interface::bare(capabilities, now, seed);
        self.apply(&mut interface, medium, &[]);
        interface
    }

    /// What a device of these capabilities carries.
    pub(super) fn medium(&self, capabilities: &DeviceCapabilities) -> Medium {
        // Without smoltcp's medium Ethernet, a device has no other to name.
        let named = cfg!(feature = "medium-ethernet") && capabilities.medium == phy::Medium::Ip;
        if self.medium_ip || named { Medium::Ip } else { Medium::Ethernet }
    }

    /// What smoltcp is told of that device: it carries packets, and they are as long as they are.
    pub(super) fn packets(&self, mut capabilities: DeviceCapabilities) -> DeviceCapabilities {
        let ethernet = self.medium(&capabilities) == Medium::Ethernet;
        let mtu = &mut capabilities.max_transmission_unit;
        *mtu = mtu.saturating_sub(if ethernet { ETHERNET_HEADER } else { 0 });
        // What is written aside is no longer.
        *mtu = (*mtu).min(FRAME_SIZE - ETHERNET_HEADER);
        capabilities.medium = phy::Medium::Ip;
        capabilities
    }

    /// Gives `interface` these addresses and routes, and no others; with SLAAC, of IPv6 the addresses `own`.
    fn apply(&self, interface: &mut Interface, medium: Medium, own: &[IpCidr]) {
        #[cfg(feature = "ipv6")]
        let ethernet = medium == Medium::Ethernet;
        #[cfg(not(feature = "ipv6"))]
        let _ = medium;
        #[cfg(all(feature = "ipv6", feature = "multicast"))]
        solicited_node_groups(interface, |interface, group| {
            let _ = interface.leave_multicast_group(group);
        });
        interface.update_ip_addrs(|addresses| {
            addresses.clear();
            let mut add = |cidr| {
                let room = addresses.push(cidr).is_ok();
                assert!(
                    room,
                    "more addresses than places: enable smoltcp's iface-max-addr-count-3"
                );
            };
            if let Some(ipv4) = self.ipv4 {
                add(IpCidr::Ipv4(ipv4));
            }
            #[cfg(feature = "slaac")]
            if self.slaac() {
                own.iter().copied().for_each(&mut add);
                return;
            }
            #[cfg(not(feature = "slaac"))]
            let _ = own;
            #[cfg(feature = "ipv6")]
            if let Some(ipv6) = self.ipv6 {
                add(IpCidr::Ipv6(ipv6));
                if ethernet && !ipv6.address().is_unicast_link_local() {
                    add(IpCidr::Ipv6(link_local(self.mac)));
                }
            }
        });
        // Neighbours ask for us in these groups. Those that are left and joined again were never left.
        #[cfg(all(feature = "ipv6", feature = "multicast"))]
        if ethernet {
            solicited_node_groups(interface, |interface, group| {
                let _ = interface.join_multicast_group(group);
            });
        }
        self.apply_routes(interface);
    }

    /// Gives `interface` these routes, and no others.
    pub(super) fn apply_routes(&self, interface: &mut Interface) {
        interface.routes_mut().update(|routes| {
            routes.clear();
            // Both have their place.
            if let Some(gateway) = self.ipv4_gateway.filter(|_| self.ipv4.is_some()) {
                let _ = routes.push(Route::new_ipv4_gateway(gateway));
            }
            #[cfg(feature = "ipv6")]
            if let Some(gateway) = self.ipv6_gateway {
                let _ = routes.push(Route::new_ipv6_gateway(gateway));
            }
        });
    }
}

/// Does something about the groups in which neighbours ask for our addresses (RFC 4861 7.2.1).
#[cfg(all(feature = "ipv6", feature = "multicast"))]
fn solicited_node_groups(
    interface: &mut Interface,
    mut f: impl FnMut(&mut Interface, Ipv6Address),
) {
    for index in 0..interface.ip_addrs().len() {
        if let IpAddress::Ipv6(own) = interface.ip_addrs()[index].address() {
            f(interface, solicited_node(own));
        }
    }
}

/// The link-local address that belongs to a MAC address (RFC 4291 appendix A).
#[cfg(feature = "ipv6")]
fn link_local(mac: EthernetAddress) -> Ipv6Cidr {
    let mut octets = [0; 16];
    octets[..2].copy_from_slice(&[0xfe, 0x80]);
    octets[8..].copy_from_slice(&mac.as_eui_64().unwrap_or_default());
    Ipv6Cidr::new(Ipv6Address::from(octets), 64)
}

impl NetStack<'_> {
    /// Own IPv4 address.
    #[must_use]
    pub fn ipv4(&self) -> Option<Ipv4Address> {
        self.interface.ipv4_addr()
    }

    /// Who this stack is.
    #[must_use]
    pub const fn config(&self) -> &NetConfig {
        &self.config
    }

    /// Becomes somebody else, with `NetConfig::with_dhcp` whoever its server says: takes the addresses and gateways of `config`, as DHCP, a router or a user gave them. The MAC
    /// address and the limits stay, and so do listeners, UDP sockets, and connections of an address that stays. The others end
    /// without a word to the peer, for nobody could send it; to their owners as [`Error::ConnectionReset`]. All neighbours are
    /// asked for anew, and the addresses are announced (RFC 5227 2.3).
    ///
    /// # Panics
    /// If these are more addresses than smoltcp has places for (its features `iface-max-addr-count-*`, 2 by default).
    pub fn reconfigure(&mut self, config: &NetConfig) {
        #[cfg(feature = "dhcp")]
        let config = &self.adopt(config);
        #[cfg(feature = "slaac")]
        let config = &self.adopt_slaac(config);
        self.take_addresses(config);
    }

    /// Takes the addresses and gateways of `config`.
    #[inline(never)]
    pub(super) fn take_addresses(&mut self, config: &NetConfig) {
        let NetConfig { mac, limits, .. } = self.config;
        self.config = config.with_mac(mac).with_limits(limits);
        self.addresses_changed();
    }

    /// Uses the addresses and gateways that there are now, and says so.
    pub(super) fn addresses_changed(&mut self) {
        self.use_addresses();
        self.announce();
        #[cfg(feature = "sntp")]
        self.restart_clock();
    }

    /// Gives smoltcp the addresses and gateways that there are now, without a word to the neighbours.
    #[inline(never)]
    pub(super) fn use_addresses(&mut self) {
        #[cfg(feature = "slaac")]
        let own = &self.autoconfigured();
        #[cfg(not(feature = "slaac"))]
        let own = &[];
        self.config.apply(&mut self.interface, self.medium, own);
        for index in self.pool.used() {
            let local = self.pool.socket(index).local_endpoint();
            if local.is_some_and(|local| !self.is_own(&local.addr)) {
                self.pool.lose(index);
            }
        }
        self.neighbors.clear();
        #[cfg(feature = "redirects")]
        self.redirects.clear();
        self.forget_held();
        #[cfg(feature = "mdns")]
        self.restart_mdns();
        self.dirty = true;
    }

    /// The servers for names: those of the configuration, or else those that came with the lease and those that routers
    /// told of.
    #[cfg(any(feature = "dhcp", feature = "dns", feature = "slaac"))]
    pub fn dns_servers(&self) -> impl Iterator<Item = IpAddr> {
        #[cfg(feature = "dns")]
        let given = self.config.dns_servers();
        #[cfg(not(feature = "dns"))]
        let given = &[];
        #[cfg(feature = "dhcp")]
        let leased = self.lease().filter(|_| given.is_empty()).map_or(&[][..], |lease| &lease.dns);
        #[cfg(not(feature = "dhcp"))]
        let leased: &[Ipv4Address] = &[];
        let all = given.iter().copied().chain(leased.iter().map(|&server| IpAddr::V4(server)));
        #[cfg(feature = "slaac")]
        let told = self.slaac.name_servers().filter(|_| given.is_empty()).map(IpAddr::V6);
        #[cfg(feature = "slaac")]
        let all = all.chain(told);
        all
    }

    /// smoltcp's interface, for what is not in front of it here. Addresses and routes are set by
    /// [`NetStack::reconfigure`]. It carries packets (`Medium::Ip`): a MAC address, of which there is one in
    /// [`NetConfig::mac`], it has none.
    #[must_use]
    pub const fn interface(&self) -> &Interface {
        &self.interface
    }

    /// Joins a group: reports it (RFC 2236, RFC 3810), and answers routers that ask. Its datagrams come to sockets of the
    /// user's own ([`NetStack::add_socket`]), never to those of [`NetStack::udp_bind`].
    ///
    /// [`Error::Unaddressable`]: it is no multicast address, or of a family this stack does not have.
    /// [`Error::NoBufferSpace`]: smoltcp has no place for a further group (`iface-max-multicast-group-count-*`; with
    /// `ipv6` one is taken by each solicited-node group).
    #[cfg(feature = "multicast")]
    pub fn join(&mut self, group: IpAddr) -> Result<(), Error> {
        self.dirty = true;
        self.interface.join_multicast_group(to_address(group)?).map_err(|error| match error {
            smoltcp::iface::MulticastError::GroupTableFull => Error::NoBufferSpace,
            smoltcp::iface::MulticastError::Unaddressable => Error::Unaddressable,
        })
    }

    /// Leaves a group, and says so. [`Error::Unaddressable`]: it is no multicast address.
    #[cfg(feature = "multicast")]
    pub fn leave(&mut self, group: IpAddr) -> Result<(), Error> {
        self.dirty = true;
        self.interface.leave_multicast_group(to_address(group)?).map_err(|_| Error::Unaddressable)
    }

    /// The MAC address, where the medium has some.
    pub(super) fn mac(&self) -> Option<EthernetAddress> {
        (self.medium == Medium::Ethernet).then_some(self.config.mac)
    }

    /// Whether `mac` is ours.
    #[inline(never)]
    pub(super) fn is_own_mac(&self, mac: EthernetAddress) -> bool {
        self.mac() == Some(mac)
    }

    /// Whether `address` is one of ours.
    #[inline(never)]
    pub(super) fn is_own(&self, address: &IpAddress) -> bool {
        self.interface.ip_addrs().iter().any(|cidr| same(&cidr.address(), address))
    }

    /// The address that a packet to `to` is sent from (RFC 6724 5).
    pub(super) fn source_for(&self, to: &IpAddress) -> Option<IpAddress> {
        // Nobody is there, and smoltcp panics if it is asked who would speak to nobody.
        if to.is_unspecified() {
            return None;
        }
        // smoltcp prefers an address that is not for new connections, and has that of loopback if there is none.
        #[cfg(feature = "slaac")]
        if self.config.slaac()
            && let IpAddress::Ipv6(to) = to
        {
            return self.autoconfigured_source(to);
        }
        self.interface.get_source_address(to)
    }

    /// Our address on the same link as `address`.
    #[cfg_attr(feature = "ipv6", inline(never))]
    pub(super) fn own_beside(&self, address: &IpAddress) -> Option<IpAddress> {
        let mut own = self.interface.ip_addrs().iter();
        own.find(|cidr| cidr.contains_addr(address)).map(IpCidr::address)
    }

    /// Whether `address` is on our link.
    pub(super) fn is_beside(&self, address: &IpAddress) -> bool {
        self.interface.ip_addrs().iter().any(|cidr| cidr.contains_addr(address))
    }

    /// Whom a packet to `address` is handed to: itself on our link, else the gateway, or whom that knows to be nearer.
    pub(super) fn next_hop(&self, address: &IpAddress) -> Option<IpAddress> {
        if self.is_beside(address) {
            return Some(*address);
        }
        #[cfg(feature = "redirects")]
        if let Some(hop) = self.redirects.hop(address)
            && self.neighbors.knows(hop)
        {
            return Some(*hop);
        }
        match address {
            IpAddress::Ipv4(_) => {
                self.config.ipv4_gateway.filter(|_| self.config.ipv4.is_some()).map(IpAddress::Ipv4)
            }
            #[cfg(feature = "ipv6")]
            IpAddress::Ipv6(_) => {
                let gateway = self.config.ipv6_gateway.map(IpAddress::Ipv6)?;
                self.is_beside(&gateway).then_some(gateway)
            }
            #[allow(unreachable_patterns)]
            _ => None,
        }
    }

    /// Whether a packet to `address` is handed to itself.
    #[inline(never)]
    pub(super) fn is_neighbor(&self, address: &IpAddress) -> bool {
        self.next_hop(address).is_some_and(|hop| same(&hop, address))
    }

    /// Where `address` is, if something can be sent there.
    pub(super) fn destination(&self, address: SocketAddr) -> Result<IpEndpoint, Error> {
        let endpoint = to_endpoint(address)?;
        self.check_reachable(&endpoint.addr)?;
        Ok(endpoint)
    }

    /// Checks that something can be sent to `address`: smoltcp would keep it for ever otherwise.
    #[inline(never)]
    pub(super) fn check_reachable(&self, address: &IpAddress) -> Result<(), Error> {
        let mut own = self.interface.ip_addrs().iter();
        if let Some(IpCidr::Ipv4(cidr)) = own.find(|cidr| cidr.contains_addr(address))
            && cidr.broadcast().map(IpAddress::Ipv4) == Some(*address)
        {
            return Err(Error::Unaddressable);
        }
        self.next_hop(address).map(|_| ()).ok_or(Error::Unaddressable)
    }
}
