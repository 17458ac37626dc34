//! The stack's answer to `netstat`: its listeners, then its TCP slots, then its UDP sockets.

use core::net::IpAddr;

use smoltcp::time::Duration;

use super::NetStack;
use super::address::{to_ip_addr, to_socket_addr};
#[cfg(feature = "sntp")]
use crate::netstat::TimeOfDay;
use crate::netstat::{Count, Fact, Introspect, Origin, Protocol, Row, state_name};
use crate::tcp::Phase;

impl Introspect for NetStack<'_> {
    fn row(&self, index: usize) -> Option<Row> {
        let mut before = index;
        // Not a chain of iterators: that is several times as long.
        let mut is_it = || {
            before = before.wrapping_sub(1);
            before == usize::MAX
        };
        let mut listeners = self.pool.listeners.iter();
        if let Some(listener) = listeners.find(|listener| listener.port != 0 && is_it()) {
            return Some(Row {
                protocol: Protocol::Tcp,
                receive_queue: 0,
                send_queue: 0,
                local_address: None,
                local_port: listener.port,
                remote: None,
                state: if listener.listening { "LISTEN" } else { "BOUND" },
            });
        }
        let is_used = |index: &usize| self.pool.slots[*index].phase != Phase::Free;
        if let Some(index) = self.pool.used().find(|index| is_used(index) && is_it()) {
            let socket = self.pool.socket(index);
            let local = socket.local_endpoint();
            return Some(Row {
                protocol: Protocol::Tcp,
                receive_queue: socket.recv_queue(),
                send_queue: socket.send_queue(),
                local_address: local.map(|local| to_ip_addr(local.addr)),
                local_port: local.map_or(0, |local| local.port),
                remote: socket.remote_endpoint().map(to_socket_addr),
                state: state_name(socket.state()),
            });
        }
        (0..self.udp_used).filter_map(|index| self.udp_row(index)).find(|_| is_it())
    }

    fn round_trip(&self, index: usize) -> Option<Duration> {
        let listeners = self.pool.listeners.iter().filter(|listener| listener.port != 0).count();
        let mut slots = self.pool.slots.iter().filter(|slot| slot.phase != Phase::Free);
        let slot = slots.nth(index.checked_sub(listeners)?)?;
        Some(slot.tcb.round_trip()).filter(|&time| time > Duration::ZERO)
    }

    fn is_awaited(&self, port: u16) -> bool {
        self.backlog.has(port, self.now)
    }

    fn counter(&self, index: usize) -> Option<(&'static str, Count)> {
        self.counters.get(index)
    }

    fn fact(&self, index: usize) -> Option<Fact> {
        // Not a chain of iterators: that is several times as long.
        let mut left = index;
        let mut is_it = || {
            left = left.wrapping_sub(1);
            left == usize::MAX
        };
        if let Some(mac) = self.mac()
            && is_it()
        {
            return Some(Fact::Mac(mac.0));
        }
        for cidr in self.interface.ip_addrs() {
            let address = to_ip_addr(cidr.address());
            #[cfg(feature = "dhcp")]
            let ipv4 = self.ipv4_origin();
            #[cfg(not(feature = "dhcp"))]
            let ipv4 = Some(Origin::Static);
            let origin = ipv4.filter(|_| address.is_ipv4());
            let given = Origin::Static;
            #[cfg(feature = "slaac")]
            let given = if self.config.slaac() { Origin::Slaac } else { given };
            let origin = origin.unwrap_or_else(|| ipv6_origin(&address, given));
            if is_it() {
                return Some(Fact::Address(address, cidr.prefix_len(), origin));
            }
            #[cfg(feature = "slaac")]
            if let Some(fact) = self.lifetime_fact(cidr)
                && is_it()
            {
                return Some(fact);
            }
        }
        #[cfg(feature = "slaac")]
        for address in self.slaac.duplicates() {
            if is_it() {
                return Some(Fact::Duplicate(address.into()));
            }
        }
        if let Some(gateway) = self.config.ipv4_gateway()
            && is_it()
        {
            return Some(Fact::Gateway(gateway.into()));
        }
        #[cfg(feature = "ipv6")]
        if let Some(gateway) = self.config.ipv6_gateway()
            && is_it()
        {
            return Some(Fact::Gateway(gateway.into()));
        }
        #[cfg(feature = "dhcp")]
        if self.lease().is_some() && is_it() {
            return self.lease_fact();
        }
        #[cfg(feature = "mdns")]
        if self.has_name() && is_it() {
            return self.mdns_label().map(Fact::Name);
        }
        #[cfg(any(feature = "dhcp", feature = "dns", feature = "slaac"))]
        for server in self.dns_servers() {
            if is_it() {
                return Some(Fact::Dns(server));
            }
        }
        #[cfg(feature = "sntp")]
        if let Some(server) = self.time_server()
            && is_it()
        {
            return Some(Fact::Time(server));
        }
        None
    }

    #[cfg(feature = "sntp")]
    fn time_of_day(&self) -> TimeOfDay {
        self.time_of_day()
    }
}

/// Where an IPv6 address is from: the link-local one comes with the MAC address; others are `given`.
fn ipv6_origin(address: &IpAddr, given: Origin) -> Origin {
    match address {
        IpAddr::V6(address) if address.is_unicast_link_local() => Origin::LinkLocal,
        _ => given,
    }
}
