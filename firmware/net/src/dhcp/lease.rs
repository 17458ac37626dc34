//! What a server gives.

use heapless::Vec;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{DHCP_MAX_DNS_SERVER_COUNT, DhcpPacket, DhcpRepr, Ipv4Address, Ipv4Cidr};

use crate::limits::LEASE_MIN_S;

/// Option 3, the routers (RFC 2132 3.5).
const ROUTER: u8 = 3;
/// Option 42, servers of NTP (RFC 2132 8.3).
#[cfg(feature = "sntp")]
const TIME_SERVERS: u8 = 42;
/// The lease of a server that does not say how long, seconds; smoltcp's.
const LEASE_DEFAULT_S: u32 = 120;

/// What a DHCP server has given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lease {
    /// The address, with the length of the network's prefix.
    pub address: Ipv4Cidr,
    /// The first router, if there is one.
    pub router: Option<Ipv4Address>,
    /// The servers for names.
    pub dns: Vec<Ipv4Address, DHCP_MAX_DNS_SERVER_COUNT>,
    /// The first server for the time of day.
    #[cfg(feature = "sntp")]
    pub time_server: Option<Ipv4Address>,
    /// The server that gave it.
    pub server: Ipv4Address,
    /// When everybody is asked, as its server has not renewed it.
    pub rebinds: Instant,
    /// When the address must not be used any longer.
    pub expires: Instant,
    /// Where renewals go.
    pub(crate) from: Ipv4Address,
}

impl Lease {
    /// The lease that an ACK grants. `None`: it is of no use: no host's address, no network, or so short that we would do
    /// nothing else than to renew it.
    #[inline(never)]
    pub(super) fn granted(
        packet: &DhcpPacket<&[u8]>,
        repr: &DhcpRepr<'_>,
        from: Ipv4Address,
        now: Instant,
    ) -> Option<Self> {
        let address = Ipv4Cidr::from_netmask(repr.your_ip, repr.subnet_mask?).ok()?;
        let length = repr.lease_duration.unwrap_or(LEASE_DEFAULT_S);
        if !is_host(address) || length < LEASE_MIN_S {
            return None;
        }
        let own = address.address();
        // smoltcp has a router only if there is one alone.
        let routers = packet.options().find(|option| option.kind == ROUTER);
        let router = routers.and_then(|routers| routers.data.first_chunk::<4>().copied());
        #[cfg(feature = "sntp")]
        let time = packet.options().find(|option| option.kind == TIME_SERVERS);
        #[cfg(feature = "sntp")]
        let time = time.and_then(|time| time.data.first_chunk::<4>().copied());
        let good = |other: &Ipv4Address| is_unicast(*other) && *other != own;
        // As smoltcp has it: between T1 and the end, or the usual.
        let t2 = match (repr.renew_duration, repr.rebind_duration) {
            (Some(t1), None) if t1 < length => length - (length - t1) / 4,
            (t1, Some(t2)) if t1.is_none_or(|t1| t1 < t2) && t2 < length => t2,
            _ => length - length / 8,
        };
        let after = |seconds: u32| now + Duration::from_secs(seconds.into());
        let servers = repr.dns_servers.iter().flatten();
        Some(Self {
            address,
            router: router.map(Ipv4Address::from).filter(good),
            dns: servers.copied().filter(|server| is_unicast(*server)).collect(),
            #[cfg(feature = "sntp")]
            time_server: time.map(Ipv4Address::from).filter(|server| is_unicast(*server)),
            server: repr.server_identifier?,
            rebinds: after(t2),
            expires: after(length),
            from,
        })
    }
}

/// Whether one host can have this address in this network, and on this link.
fn is_host(cidr: Ipv4Cidr) -> bool {
    let address = cidr.address();
    let ends = cidr.prefix_len() < 31
        && (address == cidr.network().address() || Some(address) == cidr.broadcast());
    // A server's are not of the link-local ones (RFC 3927 1.6).
    is_unicast(address) && !address.is_link_local() && cidr.prefix_len() > 0 && !ends
}

/// Whether it is somebody's: not of "this network", loopback, the groups, or the reserved block (RFC 6890 2.2.2).
pub(super) fn is_unicast(address: Ipv4Address) -> bool {
    let block = address.octets()[0];
    block != 0 && block < 224 && !address.is_loopback()
}
