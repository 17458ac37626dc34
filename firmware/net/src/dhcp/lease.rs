//! What a server gives, as its answer says: the address and what belongs to it, and the moments at which it is renewed
//! (T1), asked of all (T2), and over. What is asked at these moments, and of whom, is [`Dhcp::due`](super::Dhcp::due)'s.

use heapless::Vec;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};

use super::message::{self, Received};
use crate::limits::{LEASE_MIN_S, NAME_SERVERS_MAX};

/// The lease of a server that does not say how long, seconds.
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
    pub dns: Vec<Ipv4Address, NAME_SERVERS_MAX>,
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
    /// When its server is asked for a renewal.
    pub(crate) renews: Instant,
}

impl Lease {
    /// The lease that an ACK grants. `None`: it is of no use: no host's address, no network, or so short that we would do
    /// nothing else than to renew it.
    #[inline(never)]
    pub(crate) fn granted(
        ack: &Received<'_>,
        server: Ipv4Address,
        from: Ipv4Address,
        now: Instant,
    ) -> Option<Self> {
        let mask = ack.number(message::SUBNET_MASK)?;
        let prefix = mask.leading_ones();
        let address = Ipv4Cidr::new(ack.address, prefix as u8);
        let length = ack.number(message::LEASE_TIME).unwrap_or(LEASE_DEFAULT_S);
        // Ones, and zeros behind them.
        if mask.trailing_zeros() != 32 - prefix
            || !is_host(ack.address, mask)
            || length < LEASE_MIN_S
        {
            return None;
        }
        let own = address.address();
        let good = |other: &Ipv4Address| is_unicast(*other) && *other != own;
        // RFC 2131 4.4.5: T1 is half of the lease, T2 seven eighths. What the server says of them is taken if one comes
        // before the other, and before the end.
        let t1 = ack.number(message::RENEWAL_TIME).filter(|t1| *t1 < length);
        let t2 = ack.number(message::REBINDING_TIME);
        let t2 = t2.filter(|t2| *t2 < length && t1.is_none_or(|t1| t1 < *t2));
        let t1 = t1.unwrap_or(length / 2);
        let t2 = t2.unwrap_or(length - (length - t1) / 4);
        let after = |seconds: u32| now + Duration::from_secs(seconds.into());
        let servers = ack.option(message::NAME_SERVERS).unwrap_or_default().chunks_exact(4);
        let servers = servers.filter_map(|server| Some((*server.first_chunk::<4>()?).into()));
        Some(Self {
            address,
            router: ack.address(message::ROUTERS).filter(good),
            dns: servers.filter(|server| is_unicast(*server)).take(NAME_SERVERS_MAX).collect(),
            #[cfg(feature = "sntp")]
            time_server: ack.address(message::TIME_SERVERS).filter(|server| is_unicast(*server)),
            server,
            renews: after(t1.min(t2)),
            rebinds: after(t2),
            expires: after(length),
            from,
        })
    }
}

/// Whether one host can have this address in the network of this mask, and on this link: neither of the network's ends,
/// where it has some (RFC 3021).
fn is_host(address: Ipv4Address, mask: u32) -> bool {
    let (host, last) = (address.to_bits() & !mask, !mask);
    let ends = last > 1 && (host == 0 || host == last);
    // A server's are not of the link-local ones (RFC 3927 1.6).
    is_unicast(address) && !address.is_link_local() && mask > 0 && !ends
}

/// Whether it is somebody's: not of "this network", loopback, the groups, or the reserved block (RFC 6890 2.2.2).
#[inline(never)]
pub(super) fn is_unicast(address: Ipv4Address) -> bool {
    let block = address.octets()[0];
    block != 0 && block < 224 && !address.is_loopback()
}
