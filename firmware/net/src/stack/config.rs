//! A stack's configuration, as a builder.

#[cfg(any(feature = "dns", feature = "sntp"))]
use core::net::IpAddr;

use crate::ethernet::EthernetAddress;
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};
#[cfg(feature = "ipv6")]
use smoltcp::wire::{Ipv6Address, Ipv6Cidr};

#[cfg(doc)]
use super::NetStack;
#[cfg(any(feature = "dhcp", feature = "mdns"))]
use crate::hostname::Hostname;
#[cfg(feature = "dns")]
use crate::limits::DNS_SERVERS;
use crate::limits::Limits;
#[cfg(feature = "mdns")]
use crate::limits::MDNS_SERVICES;
#[cfg(feature = "slaac")]
use crate::limits::SLAAC_PREFIXES;
#[cfg(feature = "mdns")]
use crate::mdns::Service;

/// Who a stack is on the network. A builder: begin with [`NetConfig::new`].
///
/// ```
/// use tapboard_net::NetConfig;
/// use tapboard_net::EthernetAddress;
/// use tapboard_net::smoltcp::wire::{Ipv4Address, Ipv4Cidr};
///
/// const NET: NetConfig = NetConfig::new(EthernetAddress([0x02, 0, 0x5e, 0, 0, 1]))
///     .with_ipv4(Ipv4Cidr::new(Ipv4Address::new(192, 0, 2, 1), 24))
///     .with_ipv4_gateway(Ipv4Address::new(192, 0, 2, 254));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetConfig {
    pub(super) mac: EthernetAddress,
    pub(super) medium_ip: bool,
    pub(super) limits: Limits,
    pub(super) ipv4: Option<Ipv4Cidr>,
    pub(super) ipv4_gateway: Option<Ipv4Address>,
    /// The two are DHCP's to set.
    #[cfg(feature = "dhcp")]
    dhcp: bool,
    #[cfg(any(feature = "dhcp", feature = "mdns"))]
    hostname: Hostname,
    #[cfg(feature = "mdns")]
    mdns: Option<&'static [Service]>,
    #[cfg(feature = "dns")]
    dns: [IpAddr; DNS_SERVERS],
    #[cfg(feature = "dns")]
    dns_len: u8,
    #[cfg(feature = "sntp")]
    time_server: Option<IpAddr>,
    /// The two of IPv6 are SLAAC's to set.
    #[cfg(feature = "slaac")]
    slaac: bool,
    #[cfg(feature = "slaac")]
    stable_secret: Option<u64>,
    #[cfg(feature = "ipv6")]
    pub(super) ipv6: Option<Ipv6Cidr>,
    #[cfg(feature = "ipv6")]
    pub(super) ipv6_gateway: Option<Ipv6Address>,
}

impl NetConfig {
    /// A station with this unicast MAC address and no IP address yet. On a device that says that it carries no Ethernet
    /// (`Medium::Ip`, with the feature `medium-ethernet`), or of which [`NetConfig::with_medium_ip`] does, it is not used.
    #[must_use]
    pub const fn new(mac: EthernetAddress) -> Self {
        Self {
            mac,
            medium_ip: false,
            limits: Limits::new(),
            ipv4: None,
            ipv4_gateway: None,
            #[cfg(feature = "dhcp")]
            dhcp: false,
            #[cfg(any(feature = "dhcp", feature = "mdns"))]
            hostname: Hostname::NONE,
            #[cfg(feature = "mdns")]
            mdns: None,
            #[cfg(feature = "dns")]
            dns: [IpAddr::V4(Ipv4Address::UNSPECIFIED); DNS_SERVERS],
            #[cfg(feature = "dns")]
            dns_len: 0,
            #[cfg(feature = "sntp")]
            time_server: None,
            #[cfg(feature = "slaac")]
            slaac: false,
            #[cfg(feature = "slaac")]
            stable_secret: None,
            #[cfg(feature = "ipv6")]
            ipv6: None,
            #[cfg(feature = "ipv6")]
            ipv6_gateway: None,
        }
    }

    /// With another MAC address.
    #[must_use]
    pub const fn with_mac(self, mac: EthernetAddress) -> Self {
        Self { mac, ..self }
    }

    /// On a device that carries IP packets without Ethernet (TUN, PPP), whatever its capabilities say.
    #[must_use]
    pub const fn with_medium_ip(self) -> Self {
        Self { medium_ip: true, ..self }
    }

    /// With other limits than [`Limits::new`] has.
    #[must_use]
    pub const fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// With this IPv4 address and prefix.
    #[must_use]
    pub const fn with_ipv4(self, address: Ipv4Cidr) -> Self {
        let this = Self { ipv4: Some(address), ..self };
        #[cfg(feature = "dhcp")]
        let this = Self { dhcp: false, ..this };
        this
    }

    /// Without an IPv4 address.
    #[must_use]
    pub const fn without_ipv4(self) -> Self {
        let this = Self { ipv4: None, ipv4_gateway: None, ..self };
        #[cfg(feature = "dhcp")]
        let this = Self { dhcp: false, ..this };
        this
    }

    /// With the IPv4 address, prefix, and gateway that a DHCP server gives (RFC 2131), or a link-local address if none
    /// answers (RFC 3927); see [`crate::dhcp`]. On a device without MAC addresses there is none.
    #[cfg(feature = "dhcp")]
    #[must_use]
    pub const fn with_dhcp(self) -> Self {
        Self { ipv4: None, ipv4_gateway: None, dhcp: true, ..self }
    }

    /// With what DHCP says is ours for now.
    #[cfg(feature = "dhcp")]
    pub(super) const fn with_lease(
        self,
        ipv4: Option<Ipv4Cidr>,
        ipv4_gateway: Option<Ipv4Address>,
    ) -> Self {
        Self { ipv4, ipv4_gateway, ..self }
    }

    /// With this name for DHCP servers (RFC 2132 3.14) and for multicast DNS, as far as a host may be called so: see
    /// [`Hostname::new`]. It is the one that [`NetStack::new`] is given; [`NetStack::reconfigure`] does not change it.
    #[cfg(any(feature = "dhcp", feature = "mdns"))]
    #[must_use]
    pub const fn with_hostname(self, name: &str) -> Self {
        Self { hostname: Hostname::new(name), ..self }
    }

    /// With this server for names, behind those that were given before; then none of DHCP's is asked.
    ///
    /// # Panics
    /// If there are [`DNS_SERVERS`] already.
    #[cfg(feature = "dns")]
    #[must_use]
    pub const fn with_dns_server(mut self, server: IpAddr) -> Self {
        assert!((self.dns_len as usize) < DNS_SERVERS, "so many servers are not asked");
        self.dns[self.dns_len as usize] = server;
        self.dns_len += 1;
        self
    }

    /// Without a server for names; then DHCP's are asked.
    #[cfg(feature = "dns")]
    #[must_use]
    pub const fn without_dns_servers(self) -> Self {
        Self { dns_len: 0, dns: [IpAddr::V4(Ipv4Address::UNSPECIFIED); DNS_SERVERS], ..self }
    }

    /// With this server for the time of day (RFC 4330), in place of DHCP's.
    #[cfg(feature = "sntp")]
    #[must_use]
    pub const fn with_time_server(self, server: IpAddr) -> Self {
        Self { time_server: Some(server), ..self }
    }

    /// With a name in the network, `NAME.local`, and these services under it (RFC 6762, RFC 6763); see [`crate::mdns`]. The
    /// name is [`NetConfig::with_hostname`]'s, or without one made from the MAC address; it gets a number if somebody else
    /// has it.
    ///
    /// # Panics
    /// If there are more than [`MDNS_SERVICES`] services, or a type is not of two labels, 22 bytes at most.
    #[cfg(feature = "mdns")]
    #[must_use]
    pub const fn with_mdns(self, services: &'static [Service]) -> Self {
        assert!(services.len() <= MDNS_SERVICES, "so many services are not told of");
        let mut index = 0;
        while index < services.len() {
            assert!(services[index].is_sound(), "a service's type is as `_echo._tcp`");
            index += 1;
        }
        Self { mdns: Some(services), ..self }
    }

    /// With this next hop for IPv4 addresses outside the own prefix. It may be outside itself, but must be on the link. On a
    /// device without MAC addresses it may be any address, but without one only the own prefix can be reached.
    #[must_use]
    pub const fn with_ipv4_gateway(self, gateway: Ipv4Address) -> Self {
        Self { ipv4_gateway: Some(gateway), ..self }
    }

    /// With this IPv6 address and prefix. On Ethernet a link-local address that belongs to the MAC address
    /// (RFC 4291 appendix A) comes with it.
    #[cfg(feature = "ipv6")]
    #[must_use]
    pub const fn with_ipv6(self, address: Ipv6Cidr) -> Self {
        let this = Self { ipv6: Some(address), ..self };
        #[cfg(feature = "slaac")]
        let this = Self { slaac: false, ..this };
        this
    }

    /// Without an IPv6 address.
    #[cfg(feature = "ipv6")]
    #[must_use]
    pub const fn without_ipv6(self) -> Self {
        let this = Self { ipv6: None, ipv6_gateway: None, ..self };
        #[cfg(feature = "slaac")]
        let this = Self { slaac: false, ..this };
        this
    }

    /// With a link-local IPv6 address, the addresses that follow from what routers say (RFC 4862), and the router that is
    /// there (RFC 4861 6.3); see [`crate::slaac`]. On a device without MAC addresses there are none.
    ///
    /// # Panics
    /// If smoltcp has not places for three addresses: its features `iface-max-addr-count-*`, 2 by default.
    #[cfg(feature = "slaac")]
    #[must_use]
    #[allow(clippy::assertions_on_constants, reason = "who does not call it may have fewer places")]
    pub const fn with_slaac(self) -> Self {
        assert!(
            smoltcp::config::IFACE_MAX_ADDR_COUNT >= SLAAC_PREFIXES + 2,
            "more addresses than places: enable smoltcp's iface-max-addr-count-4"
        );
        Self { ipv6: None, ipv6_gateway: None, slaac: true, ..self }
    }

    /// With addresses of SLAAC that do not have the MAC address in them, are others in each network, and the same again after
    /// each boot with the same secret (RFC 7217). It is the one that [`NetStack::new`] is given;
    /// [`NetStack::reconfigure`] does not change it. Without one, the MAC address is in them (RFC 4291 appendix A).
    #[cfg(feature = "slaac")]
    #[must_use]
    pub const fn with_stable_secret(self, secret: u64) -> Self {
        Self { stable_secret: Some(secret), ..self }
    }

    /// With what SLAAC says is ours for now.
    #[cfg(feature = "slaac")]
    pub(super) const fn with_autoconf(
        self,
        ipv6: Option<Ipv6Cidr>,
        ipv6_gateway: Option<Ipv6Address>,
    ) -> Self {
        Self { ipv6, ipv6_gateway, ..self }
    }

    /// With this next hop for IPv6 addresses outside the own prefixes: a link-local address, or one inside them.
    #[cfg(feature = "ipv6")]
    #[must_use]
    pub const fn with_ipv6_gateway(self, gateway: Ipv6Address) -> Self {
        Self { ipv6_gateway: Some(gateway), ..self }
    }

    /// The MAC address.
    #[must_use]
    pub const fn mac(&self) -> EthernetAddress {
        self.mac
    }

    /// The limits.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether the IPv4 address is DHCP's to set.
    #[cfg(feature = "dhcp")]
    #[must_use]
    pub const fn dhcp(&self) -> bool {
        self.dhcp
    }

    /// Whether the IPv6 addresses are SLAAC's to set.
    #[cfg(feature = "slaac")]
    #[must_use]
    pub const fn slaac(&self) -> bool {
        self.slaac
    }

    /// The secret that they are made with.
    #[cfg(feature = "slaac")]
    pub(super) const fn stable_secret(&self) -> Option<u64> {
        self.stable_secret
    }

    /// The servers for names that were given.
    #[cfg(feature = "dns")]
    #[must_use]
    pub fn dns_servers(&self) -> &[IpAddr] {
        self.dns.get(..usize::from(self.dns_len)).unwrap_or_default()
    }

    /// The server for the time of day that was given.
    #[cfg(feature = "sntp")]
    #[must_use]
    pub const fn time_server(&self) -> Option<IpAddr> {
        self.time_server
    }

    /// The services that neighbours are told of. `None`: there is no multicast DNS.
    #[cfg(feature = "mdns")]
    #[must_use]
    pub const fn mdns(&self) -> Option<&'static [Service]> {
        self.mdns
    }

    /// The name for DHCP servers and multicast DNS.
    #[cfg(any(feature = "dhcp", feature = "mdns"))]
    #[must_use]
    pub const fn hostname(&self) -> &Hostname {
        &self.hostname
    }

    /// The IPv4 address and prefix.
    #[must_use]
    pub const fn ipv4(&self) -> Option<Ipv4Cidr> {
        self.ipv4
    }

    /// The IPv4 address, unspecified without one.
    #[must_use]
    pub const fn ipv4_address(&self) -> Ipv4Address {
        match self.ipv4 {
            Some(cidr) => cidr.address(),
            None => Ipv4Address::UNSPECIFIED,
        }
    }

    /// The next hop for IPv4.
    #[must_use]
    pub const fn ipv4_gateway(&self) -> Option<Ipv4Address> {
        self.ipv4_gateway
    }

    /// The IPv6 address and prefix.
    #[cfg(feature = "ipv6")]
    #[must_use]
    pub const fn ipv6(&self) -> Option<Ipv6Cidr> {
        self.ipv6
    }

    /// The next hop for IPv6.
    #[cfg(feature = "ipv6")]
    #[must_use]
    pub const fn ipv6_gateway(&self) -> Option<Ipv6Address> {
        self.ipv6_gateway
    }
}
